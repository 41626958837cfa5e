/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading an image's tables.
 */
#include "view.h"

#include <string.h>

static const struct image_region closed_region = {0, 0};
static const struct image_decision closed_decision = {.reason = REASON_DENY_ALL};
static const struct image_list closed_list = {0, 1};

struct view view_of(const struct image_header *image, int64_t at_utc)
{
	struct view v = {
		.image = image, .list = &closed_list, .region = &closed_region, .decision = &closed_decision};
	const struct image_edge *edges;
	uint32_t matrix = 0;

	if (!image)
		return v;
	edges = image_at(image, image->schedule);
	for (uint32_t i = 0; i < image->schedule.count && edges[i].from_utc <= at_utc; i++)
		matrix = edges[i].matrix;
	v.identity = image_at(image, image->identity);
	v.rows = (const uint32_t *)image_at(image, image->matrix) + (size_t)matrix * image->n_source;
	v.row = image_at(image, image->row);
	v.slot = image_at(image, image->slot);
	v.list = image_at(image, image->list);
	v.region = image_at(image, image->region);
	v.decision = image_at(image, image->decision);
	return v;
}

uint32_t view_identities(const struct view *v)
{
	return v->image ? v->image->identity.count : 0;
}

uint32_t view_class_list(const struct view *v, uint32_t source, uint32_t responder)
{
	const struct image_row *row = &v->row[v->rows[source]];
	uint32_t at;

	if (row->slot_count == 0)
		return row->default_list;
	at = image_slot_start(responder, row->slot_count);
	for (;; at = (at + 1) & (row->slot_count - 1)) {
		const struct image_slot *s = &v->slot[row->slot_first + at];

		if (s->responder == responder)
			return s->list;
		if (s->responder == IMAGE_SLOT_EMPTY)
			return row->default_list;
	}
}

/* List 0 denies: by rule of the format, and in the view of no image. */
uint32_t view_list(const struct view *v, uint32_t from, uint32_t to)
{
	uint32_t source, responder;

	if (from >= view_identities(v) || to >= view_identities(v))
		return 0;
	source = v->identity[from].source;
	responder = v->identity[to].responder;
	return source == 0 || responder == 0 ? 0 : view_class_list(v, source, responder);
}

uint32_t view_regions(const struct view *v, uint32_t list)
{
	return v->list[list].region_count;
}

service_key view_from(const struct view *v, uint32_t list, uint32_t region)
{
	return v->region[v->list[list].region_first + region].from;
}

service_key view_end(const struct view *v, uint32_t list, uint32_t region)
{
	return region + 1 < view_regions(v, list) ? view_from(v, list, region + 1) : SERVICE_KEY_END;
}

const struct image_decision *view_decision(const struct view *v, uint32_t list, uint32_t region)
{
	return &v->decision[v->region[v->list[list].region_first + region].decision];
}

uint64_t view_cells(const struct view *v)
{
	uint64_t n = 0;

	for (uint32_t s = 1; v->image && s < v->image->n_source; s++)
		for (uint32_t r = 1; r < v->image->n_responder; r++)
			n += view_regions(v, view_class_list(v, s, r));
	return n;
}

/* --- what differs ----------------------------------------------------------------------------- */

/* Both lists are walked together. */
static bool lists_differ(const struct view *a, uint32_t la, const struct view *b, uint32_t lb,
			 struct view_cell *out)
{
	uint32_t i = 0, k = 0;

	for (service_key at = 0; at < SERVICE_KEY_END;) {
		service_key a_end = view_end(a, la, i), b_end = view_end(b, lb, k);

		out->expected = *view_decision(a, la, i);
		out->found = *view_decision(b, lb, k);
		out->key = at;
		if (memcmp(&out->expected, &out->found, sizeof(out->found)) != 0)
			return true;
		at = a_end < b_end ? a_end : b_end;
		i += a_end == at;
		k += b_end == at;
	}
	return false;
}

bool view_differ(const struct view *expected, const struct view *found, struct view_cell *out)
{
	uint32_t n = view_identities(expected), m = view_identities(found), size = n > m ? n : m;
	uint32_t same_a = UINT32_MAX, same_b = UINT32_MAX; /* lists that were just found equal */

	for (uint32_t from = 1; from < size; from++) {
		for (uint32_t to = 1; to < size; to++) {
			uint32_t a = view_list(expected, from, to), b = view_list(found, from, to);

			if (a == same_a && b == same_b)
				continue;
			out->from = (uint16_t)from;
			out->to = (uint16_t)to;
			if (lists_differ(expected, a, found, b, out))
				return true;
			same_a = a;
			same_b = b;
		}
	}
	return false;
}
