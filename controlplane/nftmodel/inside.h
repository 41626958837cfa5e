/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder share: where the sections of a program lie, and the order of elements. Pure;
 * any thread.
 */
#pragma once

#include <string.h>

#include "nftmodel.h"

/* X(section, element type), in the order of the block. */
#define NFT_SECTIONS(X)                                                                                      \
	X(edge, struct nft_edge)                                                                             \
	X(decision, struct image_decision)                                                                   \
	X(model, struct nft_model)                                                                           \
	X(table, struct nft_table)                                                                           \
	X(set, struct nft_set)                                                                               \
	X(element, struct nft_element)                                                                       \
	X(chain, struct nft_chain)                                                                           \
	X(rule, struct nft_rule)                                                                             \
	X(expr, struct nft_expr)                                                                             \
	X(counter, struct nft_counter)                                                                       \
	X(names, char)

#define X(section, type)                                                                                     \
	static inline const type *nft_##section##s(const struct nft_program *p)                              \
	{                                                                                                    \
		return nft_at(p, p->section);                                                                \
	}
NFT_SECTIONS(X)
#undef X

#define NFT_NAME_MAX  128u /* with the NUL */
#define NFT_INTERVALS 4u   /* NFT_SET_INTERVAL */
#define NFT_MAPS      8u   /* NFT_SET_MAP */

/* Of the header; behind it comes padding, which is zero. */
#define NFT_HEADER_USED (offsetof(struct nft_program, names) + sizeof(struct image_section))

static inline size_t nft_aligned(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static inline uint32_t nft_padded(uint32_t len)
{
	return (len + 3) & ~3u;
}

static inline bool nft_ranged(const struct nft_set *s)
{
	return s->flags & NFT_INTERVALS;
}

/* Several fields, each with a range of its own. */
static inline bool nft_boxed(const struct nft_set *s)
{
	return nft_ranged(s) && s->n_fields > 1;
}

/* The first field of a boxed set's element is more than one value. */
static inline bool nft_wide(const struct nft_set *s, const struct nft_element *e)
{
	return nft_boxed(s) && memcmp(e->key, e->key_end, s->field_len[0]);
}

/* The canonical order of elements: wide ones first, then by key, then by key_end. */
static inline int nft_element_order(const struct nft_set *s, const struct nft_element *a,
				    const struct nft_element *b)
{
	const bool wide = nft_wide(s, a);
	int order;

	if (wide != nft_wide(s, b))
		return wide ? -1 : 1;
	order = memcmp(a->key, b->key, sizeof a->key);
	return order ? order : memcmp(a->key_end, b->key_end, sizeof a->key_end);
}

uint64_t nft_program_crc(const struct nft_program *p);
