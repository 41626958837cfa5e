/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers for sequences of words: equal sequences get one number, numbers ascend from 0 in order of first
 * sight. Lists, rows and decisions of an image are shared by it, and the order makes the image deterministic.
 * The table owns copies of all sequences. Not shared between threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERN_FAILED UINT32_MAX

struct intern {
	uint32_t *words; /* all sequences, one after another */
	size_t n_words, words_room;
	uint32_t *start; /* by number; start[n] is n_words */
	uint32_t *hash;  /* by number */
	uint32_t n, room;
	uint32_t *slots; /* number + 1 by hash; 0: empty */
	uint32_t n_slots;
};

void intern_free(struct intern *t);
/* Forget all sequences, keep the memory. */
void intern_clear(struct intern *t);
/* The number of the sequence, or INTERN_FAILED without memory. A zeroed table is empty. */
uint32_t intern(struct intern *t, const uint32_t *words, size_t n);

static inline const uint32_t *intern_words(const struct intern *t, uint32_t number)
{
	return t->words + t->start[number];
}

static inline size_t intern_length(const struct intern *t, uint32_t number)
{
	return t->start[number + 1] - t->start[number];
}
