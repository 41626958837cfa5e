/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What class marks mean: the decisions of the generation in force and of the one before it, whose messages
 * may still be on their way. Keeps copies. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nftmodel.h"

#define MARKS_GENERATIONS 2u

struct marks {
	struct marks_of {
		uint32_t generation, n; /* n 0: none */
		struct image_decision *decision;
	} of[MARKS_GENERATIONS]; /* the newest first */
};

/* `program` NULL: from now on no class is in force. False: out of memory; marks of this generation will not
 * be understood. */
bool marks_use(struct marks *m, const struct nft_program *program, uint32_t generation);
void marks_free(struct marks *m);

struct mark_meaning {
	struct image_decision decision;
	uint32_t generation, class;
};
/* False: not a mark of these generations. */
bool marks_read(const struct marks *m, uint32_t mark, struct mark_meaning *out);

/* Scratch values and what others write are below. */
static inline bool mark_is_class(uint32_t mark)
{
	return mark > NFT_CLASS_MAX;
}
