/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Image and box -> kernel program: one model for each decision matrix, each with the chains and sets below.
 * What each chain does is written in nft_guard.c, nft_decide.c and nft_host.c, what each set holds in
 * nft_maps.c; this is which leads where. Every chain that can be left at its end by a packet of a port ends
 * in a goto; where nothing is said, there is a drop.
 *
 *   bridge prerouting -300                          bridge forward -10
 *     iifname @port -> mark                           iifname @port, oifname @port -> mark; one of them: drop
 *     frame: counter frames_in                        copy: @behind, @fresh, groups -> leave
 *       [BRCT untagged, tagged: ct zone, domain -> priority] else the copy is dropped, uncounted
 *       network: @layer3
 *         frame_arp -> arp_sender -> (arp_stranger) -> arp_target -> arp_request, arp_reply -> guarded
 *         frame_ip4, with source4 (jump) -> way_out: counter handed
 *         frame_ip6, with source6 (jump) -> way_out
 *           @guard6 -> nd, with nd_sender, nd_target, nd_option (jump) -> guarded
 *                      nd -> nd_probe -> guarded
 *       anywhere -> drop_<reason>, spoof, spoof_arp, spoof_nd
 *
 *   BRNF: inet prerouting -300: ct zone; inet forward 0       BRCT: bridge prerouting -100 (`decision`)
 *     session: counter seen
 *       invalid, untracked -> refuse_no_session
 *       related -> related -> related_from -> related_end -> @standing
 *       class of this turn: @standing -> pass | refuse_<reason> | reject_<reason>
 *       new -> first -> decide                                (else refuse_no_session)
 *       older class, from the initiator -> decide             from the responder -> decide_back
 *     decide -> decide4, decide6 -> pairs -> services -> by_port, by_type, by_type6, by_proto -> class
 *       class: @opening -> open -> pass | refuse_<reason> | reject_<reason>
 *       whatever a map does not know -> default_deny -> class
 *
 *   inet input 0, output 0: @mgmt4, @mgmt6 -> host_session, and so on with the prefix host_
 *
 * How a decision is looked up, in scratch values (packet mark m, packet priority p):
 *   m = address(to)   p = responder[m]   m = address(from)   m = source[m]     identities, then classes
 *   m = pair[m . p], else row[m]                                               a list of services
 *   class = ports[m . proto . port] | types[m . type . code] | protos[m . proto], else 0
 * The class is the number of the image's decision, and becomes the conntrack mark under the
 * byte of the turn that loaded it (nft_mark()). One class more stands for `no-session`.
 *
 * Counting. Each frame is counted once on its way out of the chains: `forwarded` or one drop_<reason>.
 * Frames that the kernel itself drops on the way from `handed` to `seen` are their difference.
 */
#include "to_nft.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft_parts.h"

#define FORWARD_PLACES (NFT_AT_DECIDE | NFT_AT_ZONED)

/* Beside its elements: chains, names, headers. */
#define MODEL_BYTES (128u << 10)

struct work {
	struct nft_making m;
	struct image_decision *class;
	uint8_t *list_used;
	const struct nft_limits *limits;
	char *error;
	size_t room;
};

static bool forward(const struct nft_box *box)
{
	return box->planes & NFT_PLANE_FORWARD;
}

static bool host(const struct nft_box *box)
{
	return box->planes & NFT_PLANE_HOST;
}

/* --- what a matrix uses ------------------------------------------------------------------------------- */

static struct image_decision *classes_of(const struct image_header *image)
{
	struct image_decision *class = calloc(nft_class_count(image), sizeof *class);

	if (!class)
		return NULL;
	memcpy(class, image_at(image, image->decision), image->decision.count * sizeof *class);
	class[nft_class_no_session(image)] = (struct image_decision){
		.rule = RULE_DEFAULT_DENY,
		.intended_rule = RULE_DEFAULT_DENY,
		.reason = REASON_NO_SESSION,
		.intended_reason = REASON_NO_SESSION,
	};
	return class;
}

static void mark_lists(const struct image_header *image, uint32_t matrix, uint8_t *used)
{
	const uint32_t *row_of = image_at(image, image->matrix);
	const struct image_row *rows = image_at(image, image->row);
	const struct image_slot *slot = image_at(image, image->slot);

	memset(used, 0, image->list.count);
	for (uint32_t s = 1; s < image->n_source; s++) {
		const struct image_row *row = &rows[row_of[(size_t)matrix * image->n_source + s]];

		used[row->default_list] = 1;
		for (uint32_t k = row->slot_first; k < row->slot_first + row->slot_count; k++)
			if (slot[k].responder != IMAGE_SLOT_EMPTY)
				used[slot[k].list] = 1;
	}
}

/* --- room --------------------------------------------------------------------------------------------- */

static uint64_t elements_of_model(const struct nft_making *m)
{
	const uint32_t places = NFT_AT_GUARD | NFT_AT_TAGGED | FORWARD_PLACES;

	return (forward(m->box) ? nft_maps_elements(m, places) : 0) +
	       (host(m->box) ? nft_maps_elements(m, NFT_AT_HOST) : 0);
}

static bool fits(struct work *w)
{
	const struct image_header *image = w->m.image;
	uint64_t needed, bytes = 0;

	if (nft_class_count(image) > NFT_CLASS_MAX || image->list.count > NFT_CLASS_MAX) {
		snprintf(w->error, w->room, "the policy needs %u classes or %u lists, there are %u",
			 nft_class_count(image), image->list.count, NFT_CLASS_MAX);
		return false;
	}
	for (w->m.matrix = 0; w->m.matrix < image->n_matrix; w->m.matrix++) {
		const char *set;

		mark_lists(image, w->m.matrix, w->list_used);
		set = nft_maps_too_large(&w->m, w->limits->elements, &needed);
		if (set) {
			snprintf(w->error, w->room,
				 "the policy needs %" PRIu64 " elements in the kernel's set %s, there are %u",
				 needed, set, w->limits->elements);
			return false;
		}
		bytes += MODEL_BYTES + elements_of_model(&w->m) * sizeof(struct nft_element);
	}
	if (bytes > w->limits->bytes)
		snprintf(w->error, w->room,
			 "the policy needs %" PRIu64 " bytes for its kernel program, there are %" PRIu64,
			 bytes, w->limits->bytes);
	return bytes <= w->limits->bytes;
}

/* --- tables ------------------------------------------------------------------------------------------- */

static void build_bridge_table(struct nft_emit *e, const struct nft_making *m)
{
	const bool decides = m->box->layout == NFT_LAYOUT_BRCT;

	nft_table_open(e, NFT_BRIDGE);
	nft_build_maps(e->b, m, NFT_AT_GUARD | (decides ? NFT_AT_TAGGED | FORWARD_PLACES : 0));
	nft_build_guard(e, m->box);
	if (decides) {
		nft_build_decide(e, m, false);
		nft_build_forward_base(e, m->box);
	}
}

static void build_inet_table(struct nft_emit *e, const struct nft_making *m)
{
	const bool decides = forward(m->box) && m->box->layout == NFT_LAYOUT_BRNF;

	if (!decides && !host(m->box))
		return;
	nft_table_open(e, NFT_INET);
	nft_build_maps(e->b, m, (decides ? FORWARD_PLACES : 0) | (host(m->box) ? NFT_AT_HOST : 0));
	if (decides) {
		nft_build_decide(e, m, false);
		nft_build_forward_base(e, m->box);
	}
	if (host(m->box)) {
		nft_build_decide(e, m, true);
		nft_build_host_base(e);
	}
}

static void build_models(struct work *w, struct nft_builder *b)
{
	struct nft_emit e = {.b = b};

	for (w->m.matrix = 0; w->m.matrix < w->m.image->n_matrix; w->m.matrix++) {
		mark_lists(w->m.image, w->m.matrix, w->list_used);
		nft_build_model(b);
		if (forward(w->m.box))
			build_bridge_table(&e, &w->m);
		build_inet_table(&e, &w->m);
	}
}

static void build_edges(const struct image_header *image, struct nft_builder *b)
{
	const struct image_edge *edge = image_at(image, image->schedule);

	for (uint32_t i = 0; i < image->schedule.count; i++)
		nft_build_edge(b, edge[i].from_utc, edge[i].matrix);
}

static enum compile_result build(struct work *w, struct nft_program **out, size_t *size)
{
	struct nft_builder *b = nft_builder_new();
	struct nft_program head = {.image_crc = w->m.image->crc64, .box = *w->m.box};

	if (!b) {
		snprintf(w->error, w->room, "out of memory");
		return COMPILE_NO_MEMORY;
	}
	memcpy(head.digest, w->m.image->digest, sizeof head.digest);
	build_edges(w->m.image, b);
	nft_build_decisions(b, w->class, nft_class_count(w->m.image));
	build_models(w, b);
	*out = nft_builder_finish(b, &head, size, w->error, w->room);
	nft_builder_free(b);
	return *out ? COMPILE_OK : COMPILE_DEFECT;
}

static bool box_makes_sense(const struct work *w)
{
	const struct nft_box *box = w->m.box;

	if (!forward(box) || box->layout == NFT_LAYOUT_BRNF || box->layout == NFT_LAYOUT_BRCT)
		return true;
	snprintf(w->error, w->room, "no layout was chosen for the forward plane");
	return false;
}

enum compile_result compile_nft(const struct image_header *image, const struct nft_box *box,
				const struct nft_limits *limits, struct nft_program **out, size_t *size,
				char *error, size_t room)
{
	struct work w = {.m = {.image = image, .box = box}, .limits = limits, .error = error, .room = room};
	enum compile_result result = COMPILE_OK;

	w.class = classes_of(image);
	w.list_used = calloc(image->list.count, 1);
	w.m.class = w.class;
	w.m.list_used = w.list_used;
	if (!w.class || !w.list_used) {
		snprintf(error, room, "out of memory");
		result = COMPILE_NO_MEMORY;
	} else if (!box_makes_sense(&w)) {
		result = COMPILE_DEFECT;
	} else if (!fits(&w)) {
		result = COMPILE_CAPACITY;
	}
	if (result == COMPILE_OK)
		result = build(&w, out, size);
	free(w.class);
	free(w.list_used);
	return result;
}
