/* SPDX-License-Identifier: BSD-3-Clause */
/* The look-up that image.h describes, step by step. image_check() has vouched for every index. */
#include "match.h"

#include "engine.h"

#define FAMILY_IPV4 4

static const struct image_edge *edge_at(const struct image_header *image, int64_t utc_s)
{
	const struct image_edge *edge = image_at(image, image->schedule);
	uint32_t i = image->schedule.count - 1;

	while (i > 0 && edge[i].from_utc > utc_s)
		i--;
	return &edge[i];
}

static void take_edge(struct match_view *v, const struct image_edge *edge)
{
	const struct image_header *image = v->image;
	const struct image_edge *first = image_at(image, image->schedule);
	const struct image_edge *next = edge + 1;
	const uint32_t *matrix = image_at(image, image->matrix);

	v->matrix = matrix + (size_t)edge->matrix * image->n_source;
	v->from_utc = edge->from_utc;
	v->last_utc = next < first + image->schedule.count ? next->from_utc - 1 : INT64_MAX;
}

void match_view_init(struct match_view *v, const struct image_header *image, int64_t utc_s)
{
	*v = (struct match_view){.image = image};
	if (!image)
		return;
	v->identity = image_at(image, image->identity);
	v->row = image_at(image, image->row);
	v->slot = image_at(image, image->slot);
	v->list = image_at(image, image->list);
	v->region = image_at(image, image->region);
	v->decision = image_at(image, image->decision);
	take_edge(v, edge_at(image, utc_s));
}

bool match_set_time(struct match_view *v, int64_t utc_s)
{
	if (!v->image || (utc_s >= v->from_utc && utc_s <= v->last_utc))
		return false;
	take_edge(v, edge_at(v->image, utc_s));
	return true;
}

static struct image_identity classes(const struct match_view *v, uint16_t number)
{
	return v->identity[number < v->image->identity.count ? number : IDENTITY_NONE];
}

static uint32_t list_of(const struct match_view *v, const struct image_row *row, uint32_t responder)
{
	uint32_t at;

	if (!row->slot_count)
		return row->default_list;
	at = image_slot_start(responder, row->slot_count);
	for (;; at = (at + 1) & (row->slot_count - 1)) {
		const struct image_slot *slot = &v->slot[row->slot_first + at];

		if (slot->responder == responder)
			return slot->list;
		if (slot->responder == IMAGE_SLOT_EMPTY)
			return row->default_list;
	}
}

/* Last region with from <= key; the first one starts at 0. */
static const struct image_region *region_of(const struct match_view *v, const struct image_list *list,
					    service_key key)
{
	const struct image_region *low = &v->region[list->region_first];
	uint32_t n = list->region_count;

	while (n > 1) {
		uint32_t half = n / 2;

		if (low[half].from <= key)
			low += half;
		n -= half;
	}
	return low;
}

struct image_decision match_refusal(uint8_t reason)
{
	return (struct image_decision){
		.rule = RULE_DEFAULT_DENY,
		.intended_rule = RULE_DEFAULT_DENY,
		.reason = reason,
		.intended_reason = reason,
	};
}

struct image_decision match_ask(const struct match_view *v, uint16_t from, uint16_t to, service_key key)
{
	const struct image_row *row;
	uint32_t responder;

	if (!v->image)
		return match_refusal(REASON_DENY_ALL);
	row = &v->row[v->matrix[classes(v, from).source]];
	responder = classes(v, to).responder;
	return v->decision[region_of(v, &v->list[list_of(v, row, responder)], key)->decision];
}

struct image_decision engine_ask(const struct image_header *image, uint16_t from, uint16_t to,
				 service_key key, int64_t utc_s)
{
	struct match_view v;

	match_view_init(&v, image, utc_s);
	return match_ask(&v, from, to, key);
}

static bool bit_of(const uint64_t set[4], uint8_t i)
{
	return set[i / 64] >> i % 64 & 1;
}

bool match_names_proto(const struct match_view *v, uint8_t proto)
{
	return v->image && bit_of(v->image->named_proto, proto);
}

bool match_names_icmp(const struct match_view *v, uint8_t family, uint8_t type)
{
	return v->image &&
	       bit_of(family == FAMILY_IPV4 ? v->image->named_icmp : v->image->named_icmpv6, type);
}
