/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Callers are tried at each address where the image's prefixes or the kernel's map begin another range:
 * between two of these nothing changes.
 */
#include "proof_host.h"

#include <string.h>

enum { TCP = 6 };

struct asking {
	const struct nft_program *got;
	const struct nft_set *guarded, *callers; /* NULL: the kernel has none */
	const struct view *v;
	struct host_call *out;
	bool plain; /* only hosts with labels, and TCP: what a person would try */
};

static size_t size_of(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

/* --- what the image says ---------------------------------------------------------------------- */

static uint32_t ranges(const struct image_header *image, uint8_t family)
{
	return family == 4 ? image->prefix4.count : image->prefix6.count;
}

static void range_start(const struct image_header *image, uint8_t family, uint32_t i, uint8_t addr[16])
{
	const struct image_prefix4 *p4 = image_at(image, image->prefix4);
	const struct image_prefix6 *p6 = image_at(image, image->prefix6);
	uint64_t high = family == 4 ? (uint64_t)p4[i].from << 32 : p6[i].from_high;
	uint64_t low = family == 4 ? 0 : p6[i].from_low;

	for (unsigned k = 0; k < 8; k++) {
		addr[k] = (uint8_t)(high >> (56 - 8 * k));
		addr[8 + k] = (uint8_t)(low >> (56 - 8 * k));
	}
}

static uint16_t image_says(const struct image_header *image, uint8_t family, const uint8_t addr[16])
{
	const struct image_prefix4 *p4 = image_at(image, image->prefix4);
	const struct image_prefix6 *p6 = image_at(image, image->prefix6);
	uint32_t low = 0, high = ranges(image, family);
	uint8_t start[16];

	if (high == 0)
		return IDENTITY_UNKNOWN;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		range_start(image, family, middle, start);
		if (memcmp(start, addr, sizeof(start)) <= 0)
			low = middle;
		else
			high = middle;
	}
	if (!((family == 4 ? p4[low].flags : p6[low].flags) & PREFIX_FINAL))
		return IDENTITY_UNKNOWN;
	return family == 4 ? p4[low].identity : p6[low].identity;
}

static struct image_decision image_decides(const struct view *v, uint16_t from, service_key key)
{
	uint32_t list = view_list(v, from, IDENTITY_GATEWAY), region = 0;

	while (view_end(v, list, region) <= key)
		region++;
	return *view_decision(v, list, region);
}

/* --- what the kernel does --------------------------------------------------------------------- */

static const struct nft_element *find(const struct asking *a, const struct nft_set *set,
				      const uint8_t addr[16])
{
	uint8_t key[NFT_KEY_MAX] = {0};

	memcpy(key, addr, size_of(a->out->family));
	return set ? nft_find_element(a->got, set, key) : NULL;
}

/* What is not guarded passes without being asked about; who is in no range is denied by default. */
static struct image_decision kernel_decides(const struct asking *a, const uint8_t caller[16], service_key key)
{
	const struct nft_element *who = find(a, a->callers, caller);
	uint32_t class;

	if (!find(a, a->guarded, a->out->own))
		return (struct image_decision){.flags = DECISION_ALLOW};
	class = who ? nft_ask(a->got, 0, (uint16_t)who->data, IDENTITY_GATEWAY, key) : 0;
	return a->v->decision[class < a->v->image->decision.count ? class : 0];
}

/* --- asking ----------------------------------------------------------------------------------- */

static bool ask_caller(struct asking *a, const uint8_t caller[16])
{
	const struct image_header *image = a->v->image;
	uint16_t want = image_says(image, a->out->family, caller);
	const struct nft_element *who = find(a, a->callers, caller);
	struct view_cell *c = &a->out->cell;

	if (memcmp(caller, a->out->own, size_of(a->out->family)) == 0 ||
	    (who && who->data == want && find(a, a->guarded, a->out->own)))
		return false;
	if (a->plain && want < IDENTITY_FIRST)
		return false;
	memcpy(a->out->caller, caller, sizeof(a->out->caller));
	for (uint32_t i = 0; i < image->region.count; i++) {
		if (a->plain && a->v->region[i].from >> 16 != TCP)
			continue;
		*c = (struct view_cell){.from = want, .to = IDENTITY_GATEWAY, .key = a->v->region[i].from};
		c->expected = image_decides(a->v, want, c->key);
		c->found = kernel_decides(a, caller, c->key);
		if ((c->expected.flags ^ c->found.flags) & DECISION_ALLOW)
			return true;
	}
	return false;
}

static bool is_own(const struct nft_box *box, uint8_t family, const uint8_t addr[16])
{
	for (uint32_t i = 0; i < box->n_management; i++)
		if (box->management[i].family == family &&
		    memcmp(box->management[i].addr, addr, size_of(family)) == 0)
			return true;
	return false;
}

static bool ask_family(struct asking *a, const struct nft_box *box)
{
	const struct nft_element *element = nft_at(a->got, a->got->element);
	uint8_t caller[16];

	for (uint32_t i = 0; i < ranges(a->v->image, a->out->family); i++) {
		range_start(a->v->image, a->out->family, i, caller);
		if (!is_own(box, a->out->family, caller) && ask_caller(a, caller))
			return true;
	}
	for (uint32_t i = 0; a->callers && i < a->callers->element_count; i++) {
		memset(caller, 0, sizeof(caller));
		memcpy(caller, element[a->callers->element_first + i].key, size_of(a->out->family));
		if (!is_own(box, a->out->family, caller) && ask_caller(a, caller))
			return true;
	}
	return false;
}

bool host_call_differs(const struct nft_box *box, const struct nft_program *got, const struct view *v,
		       struct host_call *out)
{
	const struct nft_table *t = nft_find_table(got, 0, NFT_INET);

	for (uint32_t n = 0; t && n < 2 * box->n_management; n++) {
		uint32_t i = n % box->n_management;
		bool four = box->management[i].family == 4;
		struct asking a = {.got = got,
				   .v = v,
				   .out = out,
				   .plain = n < box->n_management,
				   .guarded = nft_find_set(got, t, four ? "mgmt4" : "mgmt6"),
				   .callers = nft_find_set(got, t, four ? "host4" : "host6")};

		*out = (struct host_call){.family = box->management[i].family};
		memcpy(out->own, box->management[i].addr, sizeof(out->own));
		if (ask_family(&a, box))
			return true;
	}
	return false;
}
