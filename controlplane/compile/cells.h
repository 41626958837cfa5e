/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the rules that speak of a pair of classes to its cell list: sorted service regions with their
 * decisions. Equal decisions and equal lists are kept once. Rules are named by rank: their place in the order
 * in which the first that matches decides (tier, deny before allow, id). Not shared between threads.
 */
#pragma once

#include "classes.h"
#include "intern.h"
#include "ruleset.h"

struct cells {
	const struct ruleset *rs;
	const struct rule **rule; /* by rank; rules that are off have none */
	uint32_t n_ranks;
	struct intern decisions; /* struct image_decision */
	struct intern lists;     /* pairs of struct image_region */
	struct intern seen;      /* struct cells_key with its ranks: asked before */
	uint32_t *seen_list;     /* by number in `seen` */
	uint32_t seen_room;
	/* scratch of one sweep */
	uint64_t *events, *active, *enforced;
	size_t events_room, active_room;
	uint32_t *regions;
	size_t regions_room;
};

/* What tells one pair of classes from another. As words, followed by the ranks of the matching rules,
 * ascending. */
struct cells_key {
	uint32_t scope;         /* index of the monitored scope that may relax a denial, or SCOPE_NONE */
	uint32_t denied_reason; /* enum reason of a denial by no rule */
};
#define CELLS_KEY_WORDS (sizeof(struct cells_key) / sizeof(uint32_t))

/* Decision 0 and list 0 are default-deny from the start. False without memory; cells_free() in any case. */
bool cells_init(struct cells *c, const struct ruleset *rs);
void cells_free(struct cells *c);
/* The list of a key of `n` words, or INTERN_FAILED without memory. */
uint32_t cells_list(struct cells *c, const uint32_t *key, size_t n);
