/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What class marks mean: the decisions of the program in force and of the last ones before it, whose messages
 * may still be on their way. Keeps copies. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nftmodel.h"

#define MARKS_KEPT 4u

struct marks {
	struct marks_of {
		struct nft_version version;
		uint32_t n; /* 0: none */
		struct image_decision *decision;
	} of[MARKS_KEPT]; /* the newest first */
};

/* The same turn again takes the place of the first. `program` NULL: from now on no class is in force. False:
 * out of memory; marks of this turn will not be understood. */
bool marks_use(struct marks *m, const struct nft_program *program, const struct nft_version *version);
void marks_free(struct marks *m);

struct mark_meaning {
	struct image_decision decision;
	uint32_t generation, turn, class;
};
/* False: not a mark of these turns. */
bool marks_read(const struct marks *m, uint32_t mark, struct mark_meaning *out);

/* Scratch values and what others write are below. */
static inline bool mark_is_class(uint32_t mark)
{
	return mark > NFT_CLASS_MAX;
}
