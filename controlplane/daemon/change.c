/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opened and closed cells. Images share lists heavily, so each pair of lists is compared once and the answer
 * is kept.
 */
#include "change.h"

#include <stdbool.h>
#include <stdlib.h>

#include <uthash.h>

#include "view.h"

struct memo {
	uint64_t key; /* old list << 32 | new list */
	struct change change;
	UT_hash_handle hh;
};

static bool allows(const struct view *v, uint32_t list, uint32_t region)
{
	return view_decision(v, list, region)->flags & DECISION_ALLOW;
}

/* Walk both lists together and count maximal stretches of one change. */
static struct change compare(const struct view *old, uint32_t old_list, const struct view *new,
			     uint32_t new_list)
{
	struct change c = {0};
	uint32_t i = 0, k = 0;
	int before = 0;

	for (;;) {
		service_key a = view_end(old, old_list, i), b = view_end(new, new_list, k);
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
		uint32_t a = view_list(old, from, to), b = view_list(new, from, to);
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
	uint32_t n = view_identities(&a) > view_identities(&b) ? view_identities(&a) : view_identities(&b);
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
