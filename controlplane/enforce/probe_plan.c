/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which questions cover an image: lists are shared by cells, so each list is looked at once, for the first
 * pair of classes that has it, and each decision is asked at the first place where a packet can ask it.
 */
#include <stdlib.h>
#include <string.h>

#include "probe.h"

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

#define NOBODY IDENTITY_NONE

struct plan {
	const struct image_header *image;
	const uint32_t *row; /* of the matrix, by source class */
	struct probe_question *out;
	size_t n, room;
	uint16_t *source, *responder;        /* an identity of each class, NOBODY: none */
	uint8_t *seen_list, *occurs, *asked; /* by number */
};

/* --- who ------------------------------------------------------------------------------------------------ */

/* A host can be bound to it. */
static bool is_host(uint16_t identity)
{
	return identity != IDENTITY_NONE && identity != IDENTITY_MULTICAST &&
	       (identity < IDENTITY_PROBE_FIRST || identity > IDENTITY_PROBE_LAST);
}

static void choose(uint16_t *who, uint16_t identity)
{
	if (*who == NOBODY || *who < IDENTITY_FIRST)
		*who = identity; /* a label set is a better example than $unknown */
}

static void choose_all(struct plan *p)
{
	const struct image_identity *identity = image_at(p->image, p->image->identity);

	for (uint32_t i = 0; i < p->image->identity.count; i++) {
		if (!is_host((uint16_t)i))
			continue;
		if (identity[i].source)
			choose(&p->source[identity[i].source], (uint16_t)i);
		if (identity[i].responder)
			choose(&p->responder[identity[i].responder], (uint16_t)i);
	}
}

/* --- what ----------------------------------------------------------------------------------------------- */

static bool bit(const uint64_t *words, uint32_t i)
{
	return words[i / 64] >> i % 64 & 1;
}

/* Beyond TCP, UDP and echo only what some service names may open a session. */
static bool may_open(const struct image_header *image, service_key key)
{
	uint8_t proto = (uint8_t)(key >> 16);

	return proto == TCP || proto == UDP || proto == ICMP || proto == ICMPV6 ||
	       bit(image->named_proto, proto);
}

static bool askable(const struct image_header *image, uint8_t family, service_key key)
{
	return probe_sendable(family, key) && may_open(image, key);
}

/* The first key in [from, end) that a packet of the family can have and that may open a session. */
static bool askable_in(const struct image_header *image, service_key from, service_key end, uint8_t family,
		       service_key *key)
{
	for (uint32_t proto = from >> 16; proto < 256 && proto << 16 < end; proto++) {
		service_key base = proto << 16, first = from > base ? from : base;

		if (proto == ICMP || proto == ICMPV6) {
			*key = base | (proto == ICMP ? 8u : 128u) << 8;
			if (*key >= first && *key < end && askable(image, family, *key))
				return true;
			continue;
		}
		/* at most a few ports in a row are taken by guards */
		for (uint32_t i = 0; i < 8 && first + i < end && (first + i) >> 16 == proto; i++) {
			*key = first + i;
			if (askable(image, family, *key))
				return true;
		}
	}
	return false;
}

static bool find_key(const struct image_header *image, service_key from, service_key end,
		     struct probe_question *q)
{
	/* the usual services first: a region often begins with protocols that are rare */
	static const service_key usual[] = {(service_key)TCP << 16, (service_key)UDP << 16, 0};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		service_key begin = from > usual[i] ? from : usual[i];
		service_key stop = usual[i] && end > usual[i] + 0x10000 ? usual[i] + 0x10000 : end;

		for (uint8_t family = 4; family <= 6 && begin < stop; family += 2) {
			q->family = family;
			if (askable_in(image, begin, stop, family, &q->key))
				return true;
		}
	}
	return false;
}

/* --- where ---------------------------------------------------------------------------------------------- */

static void visit_region(struct plan *p, const struct probe_question *pair, service_key from, service_key end,
			 uint32_t decision)
{
	const struct image_decision *d = image_at(p->image, p->image->decision);
	struct probe_question q = *pair;

	p->occurs[decision] = 1;
	if (p->asked[decision] || p->n == p->room || !find_key(p->image, from, end, &q))
		return;
	q.decision = decision;
	q.allow = d[decision].flags & DECISION_ALLOW;
	q.serial = (uint32_t)p->n & PROBE_SERIAL_MAX;
	p->out[p->n++] = q;
	p->asked[decision] = 1;
}

static void visit_list(struct plan *p, uint32_t list, uint16_t from, uint16_t to)
{
	const struct image_list *l = (const struct image_list *)image_at(p->image, p->image->list) + list;
	const struct image_region *r = image_at(p->image, p->image->region);
	const struct probe_question pair = {.from = from, .to = to};

	if (p->seen_list[list] || from == NOBODY || to == NOBODY)
		return;
	p->seen_list[list] = 1;
	for (uint32_t i = 0; i < l->region_count; i++) {
		const struct image_region *region = &r[l->region_first + i];
		service_key end = i + 1 < l->region_count ? region[1].from : SERVICE_KEY_END;

		visit_region(p, &pair, region->from, end, region->decision);
	}
}

static uint32_t list_of(const struct plan *p, const struct image_row *row, uint32_t responder)
{
	const struct image_slot *slot =
		(const struct image_slot *)image_at(p->image, p->image->slot) + row->slot_first;

	for (uint32_t i = 0; row->slot_count && i < IMAGE_PROBE_MAX; i++) {
		const struct image_slot *s =
			&slot[(image_slot_start(responder, row->slot_count) + i) & (row->slot_count - 1)];

		if (s->responder == responder)
			return s->list;
		if (s->responder == IMAGE_SLOT_EMPTY)
			break;
	}
	return row->default_list;
}

static void visit_row(struct plan *p, uint16_t from, const struct image_row *row)
{
	const struct image_slot *slot =
		(const struct image_slot *)image_at(p->image, p->image->slot) + row->slot_first;

	for (uint32_t i = 0; i < row->slot_count; i++)
		if (slot[i].responder != IMAGE_SLOT_EMPTY)
			visit_list(p, slot[i].list, from, p->responder[slot[i].responder]);
	for (uint32_t r = 1; r < p->image->n_responder && !p->seen_list[row->default_list]; r++)
		if (p->responder[r] != NOBODY && list_of(p, row, r) == row->default_list)
			visit_list(p, row->default_list, from, p->responder[r]);
}

static void visit_all(struct plan *p)
{
	const struct image_row *rows = image_at(p->image, p->image->row);

	choose_all(p);
	for (uint32_t s = 1; s < p->image->n_source; s++)
		visit_row(p, p->source[s], &rows[p->row[s]]);
}

static const uint32_t *matrix_at(const struct image_header *image, int64_t at_utc)
{
	const struct image_edge *edge = image_at(image, image->schedule);
	uint32_t i = image->schedule.count;

	while (i > 1 && edge[i - 1].from_utc > at_utc)
		i--;
	return (const uint32_t *)image_at(image, image->matrix) + edge[i - 1].matrix * image->n_source;
}

size_t probe_plan(const struct image_header *image, int64_t at_utc, struct probe_question *out, size_t room,
		  size_t *left_out)
{
	size_t words = image->n_source + image->n_responder;
	size_t bytes = image->list.count + 2 * (size_t)image->decision.count;
	struct plan p = {.image = image, .row = matrix_at(image, at_utc), .out = out, .room = room};

	*left_out = image->decision.count;
	p.source = calloc(words, sizeof(*p.source));
	p.seen_list = calloc(bytes, 1);
	if (p.source && p.seen_list) {
		p.responder = p.source + image->n_source;
		p.occurs = p.seen_list + image->list.count;
		p.asked = p.occurs + image->decision.count;
		visit_all(&p);
		*left_out = 0;
		for (uint32_t i = 0; i < image->decision.count; i++)
			*left_out += p.occurs[i] && !p.asked[i];
	}
	free(p.source);
	free(p.seen_list);
	return p.n;
}
