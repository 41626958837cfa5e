/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open addressing over hashes of the sequences; the sequences themselves are compared, so a collision costs
 * time and never an answer.
 */
#include "intern.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 256u

void intern_free(struct intern *t)
{
	free(t->words);
	free(t->start);
	free(t->hash);
	free(t->slots);
	*t = (struct intern){0};
}

void intern_clear(struct intern *t)
{
	t->n = 0;
	t->n_words = 0;
	if (t->slots)
		memset(t->slots, 0, t->n_slots * sizeof *t->slots);
}

static uint32_t hash_words(const uint32_t *words, size_t n)
{
	uint64_t hash = 0x9e3779b97f4a7c15u + n;

	for (size_t i = 0; i < n; i++) {
		hash = (hash ^ words[i]) * 0xff51afd7ed558ccdu;
		hash ^= hash >> 29;
	}
	return (uint32_t)(hash >> 32);
}

/* The slot of the sequence, or the empty one where it would go. */
static uint32_t *find_slot(const struct intern *t, uint32_t hash, const uint32_t *words, size_t n)
{
	uint32_t i = hash & (t->n_slots - 1);

	for (; t->slots[i]; i = (i + 1) & (t->n_slots - 1)) {
		const uint32_t number = t->slots[i] - 1;

		if (t->hash[number] == hash && intern_length(t, number) == n &&
		    (!n || !memcmp(intern_words(t, number), words, n * sizeof *words)))
			break;
	}
	return &t->slots[i];
}

static bool grow_slots(struct intern *t)
{
	const uint32_t n_slots = t->n_slots ? t->n_slots * 2 : SLOTS_MIN;
	uint32_t *slots = calloc(n_slots, sizeof *slots);

	if (!slots)
		return false;
	for (uint32_t number = 0; number < t->n; number++) {
		uint32_t i = t->hash[number] & (n_slots - 1);

		while (slots[i])
			i = (i + 1) & (n_slots - 1);
		slots[i] = number + 1;
	}
	free(t->slots);
	t->slots = slots;
	t->n_slots = n_slots;
	return true;
}

static bool grow_numbers(struct intern *t)
{
	const uint32_t room = t->room ? t->room * 2 : SLOTS_MIN;
	uint32_t *start = realloc(t->start, (room + (size_t)1) * sizeof *start);
	uint32_t *hash;

	if (!start)
		return false;
	t->start = start;
	hash = realloc(t->hash, room * sizeof *hash);
	if (!hash)
		return false;
	t->hash = hash;
	t->room = room;
	return true;
}

static bool grow_words(struct intern *t, size_t n)
{
	size_t room = t->words_room ? t->words_room : SLOTS_MIN;
	uint32_t *words;

	while (room < t->n_words + n)
		room *= 2;
	if (room == t->words_room)
		return true;
	if (room > UINT32_MAX)
		return false;
	words = realloc(t->words, room * sizeof *words);
	if (!words)
		return false;
	t->words = words;
	t->words_room = room;
	return true;
}

uint32_t intern(struct intern *t, const uint32_t *words, size_t n)
{
	const uint32_t hash = hash_words(words, n);
	uint32_t *slot;

	if (t->n >= t->n_slots / 2 && !grow_slots(t))
		return INTERN_FAILED;
	slot = find_slot(t, hash, words, n);
	if (*slot)
		return *slot - 1;
	if ((t->n == t->room && !grow_numbers(t)) || !grow_words(t, n))
		return INTERN_FAILED;
	if (n)
		memcpy(t->words + t->n_words, words, n * sizeof *words);
	t->start[t->n] = (uint32_t)t->n_words;
	t->n_words += n;
	t->start[t->n + 1] = (uint32_t)t->n_words;
	t->hash[t->n] = hash;
	*slot = ++t->n;
	return *slot - 1;
}
