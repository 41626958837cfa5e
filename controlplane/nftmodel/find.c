/* SPDX-License-Identifier: BSD-3-Clause */
/* Look-ups in a program that was checked. */
#include "inside.h"

const struct nft_table *nft_find_table(const struct nft_program *p, uint32_t model, uint32_t family)
{
	if (model >= p->model.count)
		return NULL;
	const struct nft_model *m = &nft_models(p)[model];
	for (uint32_t i = 0; i < m->table_count; i++)
		if (nft_tables(p)[m->table_first + i].family == family)
			return &nft_tables(p)[m->table_first + i];
	return NULL;
}

#define FIND(what, array)                                                                                    \
	const struct nft_##what *nft_find_##what(const struct nft_program *p, const struct nft_table *t,     \
						 const char *name)                                           \
	{                                                                                                    \
		const struct nft_##what *first = array(p) + t->what##_first;                                 \
		uint32_t low = 0, high = t->what##_count;                                                    \
                                                                                                             \
		while (low < high) {                                                                         \
			const uint32_t middle = low + (high - low) / 2;                                      \
			const int order = strcmp(nft_text(p, first[middle].name), name);                     \
                                                                                                             \
			if (!order)                                                                          \
				return &first[middle];                                                       \
			if (order < 0)                                                                       \
				low = middle + 1;                                                            \
			else                                                                                 \
				high = middle;                                                               \
		}                                                                                            \
		return NULL;                                                                                 \
	}
FIND(set, nft_sets)
FIND(chain, nft_chains)

static bool holds(const struct nft_set *s, const struct nft_element *e, const uint8_t *key)
{
	uint32_t at = 0;

	if (s->n_fields == 1)
		return memcmp(e->key, key, s->key_len) <= 0 && memcmp(key, e->key_end, s->key_len) <= 0;
	for (uint32_t i = 0; i < s->n_fields; i++) {
		const uint32_t len = s->field_len[i];

		if (memcmp(e->key + at, key + at, len) > 0 || memcmp(key + at, e->key_end + at, len) > 0)
			return false;
		at += nft_padded(len);
	}
	return true;
}

/* How many elements from `low` on have a key whose first `len` bytes are at most (`equal`) or below the
 * key's.
 */
static uint32_t below(const struct nft_element *e, uint32_t low, uint32_t high, const uint8_t *key,
		      uint32_t len, bool equal)
{
	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (memcmp(e[middle].key, key, len) < (equal ? 1 : 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Wide elements come first and are few; of the others those with the key's first field are looked through. */
static const struct nft_element *find_boxed(const struct nft_set *s, const struct nft_element *e,
					    const uint8_t *key)
{
	const uint32_t n = s->element_count;
	uint32_t i = 0;

	for (; i < n && nft_wide(s, &e[i]); i++)
		if (holds(s, &e[i], key))
			return &e[i];
	for (i = below(e, i, n, key, s->field_len[0], false);
	     i < n && !memcmp(e[i].key, key, s->field_len[0]); i++)
		if (holds(s, &e[i], key))
			return &e[i];
	return NULL;
}

const struct nft_element *nft_find_element(const struct nft_program *p, const struct nft_set *s,
					   const uint8_t *key)
{
	const struct nft_element *e = nft_elements(p) + s->element_first;

	if (nft_boxed(s))
		return find_boxed(s, e, key);
	/* the last one that does not begin behind the key */
	const uint32_t n = below(e, 0, s->element_count, key, s->key_len, true);
	return n && holds(s, &e[n - 1], key) ? &e[n - 1] : NULL;
}

bool nft_box_manages(const struct nft_box *box, uint8_t family, const uint8_t addr[16])
{
	for (uint32_t i = 0; i < box->n_management; i++) {
		const struct nft_box_address *a = &box->management[i];

		if (a->family == family && !memcmp(a->addr, addr, family == 4 ? 4 : 16))
			return true;
	}
	return false;
}
