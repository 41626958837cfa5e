/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opened and closed cells. Images share lists heavily, so each pair of lists is compared once and the answer
 * is kept.
 */
#include "change.h"

#include <stdbool.h>
#include <stdlib.h>

#include <uthash.h>

struct memo {
	uint64_t key; /* old list << 32 | new list */
	struct change change;
	UT_hash_handle hh;
};

/* The image's tables at one moment; a NULL image has one list that denies. */
struct view {
	const struct image_header *image;
	const struct image_identity *identity;
	const uint32_t *rows; /* of the matrix in force, by source class */
	const struct image_row *row;
	const struct image_slot *slot;
	const struct image_list *list;
	const struct image_region *region;
	const struct image_decision *decision;
};

static const struct image_region closed_region = {0, 0};
static const struct image_decision closed_decision = {.reason = REASON_DENY_ALL};
static const struct image_list closed_list = {0, 1};

static struct view view_of(const struct image_header *image, int64_t at_utc)
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

static uint32_t n_identities(const struct view *v)
{
	return v->image ? v->image->identity.count : 0;
}

static uint32_t exception(const struct view *v, const struct image_row *row, uint32_t responder)
{
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
static uint32_t list_of(const struct view *v, uint32_t from, uint32_t to)
{
	const struct image_identity *source, *responder;

	if (from >= n_identities(v) || to >= n_identities(v))
		return 0;
	source = &v->identity[from];
	responder = &v->identity[to];
	if (source->source == 0 || responder->responder == 0)
		return 0;
	return exception(v, &v->row[v->rows[source->source]], responder->responder);
}

static bool allows(const struct view *v, uint32_t list, uint32_t region)
{
	return v->decision[v->region[v->list[list].region_first + region].decision].flags & DECISION_ALLOW;
}

static service_key region_end(const struct view *v, uint32_t list, uint32_t region)
{
	const struct image_list *l = &v->list[list];

	return region + 1 < l->region_count ? v->region[l->region_first + region + 1].from : SERVICE_KEY_END;
}

/* Walk both lists together and count maximal stretches of one change. */
static struct change compare(const struct view *old, uint32_t old_list, const struct view *new,
			     uint32_t new_list)
{
	struct change c = {0};
	uint32_t i = 0, k = 0;
	int before = 0;

	for (;;) {
		service_key a = region_end(old, old_list, i), b = region_end(new, new_list, k);
		int now = (int)allows(new, new_list, k) - (int)allows(old, old_list, i);

		if (now != before) {
			c.opens += now > 0;
			c.closes += now < 0;
			before = now;
		}
		if (a == SERVICE_KEY_END && b == SERVICE_KEY_END)
			return c;
		i += a <= b;
		k += b <= a;
	}
}

static struct memo *memo_of(struct memo **memos, const struct view *old, uint32_t old_list,
			    const struct view *new, uint32_t new_list)
{
	uint64_t key = (uint64_t)old_list << 32 | new_list;
	struct memo *m;

	HASH_FIND(hh, *memos, &key, sizeof(key), m);
	if (m)
		return m;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->key = key;
	m->change = compare(old, old_list, new, new_list);
	HASH_ADD(hh, *memos, key, sizeof(key), m);
	return m;
}

static bool count_row(struct memo **memos, const struct view *old, const struct view *new, uint32_t from,
		      uint32_t n, struct change *out)
{
	const struct memo *m = NULL;

	for (uint32_t to = 1; to < n; to++) {
		uint32_t a = list_of(old, from, to), b = list_of(new, from, to);
		uint64_t key = (uint64_t)a << 32 | b;

		if (!m || m->key != key)
			m = memo_of(memos, old, a, new, b);
		if (!m)
			return false;
		out->opens += m->change.opens;
		out->closes += m->change.closes;
	}
	return true;
}

bool change_count(const struct image_header *old, const struct image_header *new, int64_t at_utc,
		  struct change *out)
{
	struct view a = view_of(old, at_utc), b = view_of(new, at_utc);
	uint32_t n = n_identities(&a) > n_identities(&b) ? n_identities(&a) : n_identities(&b);
	struct memo *memos = NULL, *m, *next;
	bool ok = true;

	*out = (struct change){0};
	for (uint32_t from = 1; from < n && ok; from++)
		ok = count_row(&memos, &a, &b, from, n, out);
	HASH_ITER (hh, memos, m, next) {
		HASH_DEL(memos, m);
		free(m);
	}
	return ok;
}
