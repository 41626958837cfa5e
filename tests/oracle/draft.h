/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random policies, as text: a draft is drawn from a seed and can be printed in any order of its items. Drafts
 * use every part of the language that decides; some are refused by the loader (scopes that cross), which is
 * for the caller to count. The caller frees.
 */
#pragma once

#include <stdint.h>

struct draft;

struct draft *draft_random(uint64_t seed);
void draft_free(struct draft *d);
/* malloc'ed policy text. `order` 0: as drawn; else a seed for the order of items inside each section. */
char *draft_text(const struct draft *d, uint64_t order);
