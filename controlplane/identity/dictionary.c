/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dictionary in memory: an array by number and an open-addressed hash by text, both append-only. It owns
 * copies of all texts. Not shared between threads.
 */
#include "dictionary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

#define DICTIONARY_ROOM (IDENTITY_LAST + 1u)
#define SLOTS_MIN       64u

struct dictionary {
	char *text[DICTIONARY_ROOM]; /* by number; NULL: not given */
	uint32_t size;               /* one more than the highest number given */
	uint16_t *slots;             /* numbers by hash of their text; 0: empty */
	uint32_t n_slots, n_used;    /* a power of two, never more than half used */
};

static const struct {
	uint16_t number;
	const char *text;
} reserved[] = {
	{IDENTITY_UNKNOWN, "$unknown"}, {IDENTITY_CONFLICT, "$conflict"},   {IDENTITY_GATEWAY, "$gateway"},
	{IDENTITY_WORLD, "$world"},     {IDENTITY_MULTICAST, "$multicast"},
};

/* FNV-1a */
static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

/* The slot that holds `text`, or the empty one where it would go. */
static uint16_t *find_slot(const struct dictionary *d, const char *text)
{
	uint32_t i = hash_text(text) & (d->n_slots - 1);

	while (d->slots[i] && strcmp(d->text[d->slots[i]], text))
		i = (i + 1) & (d->n_slots - 1);
	return &d->slots[i];
}

static int grow_slots(struct dictionary *d)
{
	uint16_t *old = d->slots;
	uint16_t *slots = calloc((size_t)d->n_slots * 2, sizeof *slots);

	if (!slots)
		return -ENOMEM;
	d->slots = slots;
	d->n_slots *= 2;
	for (uint32_t i = 0; i < d->n_slots / 2; i++)
		if (old[i])
			*find_slot(d, d->text[old[i]]) = old[i];
	free(old);
	return 0;
}

static int insert(struct dictionary *d, uint16_t number, const char *text)
{
	char *copy;

	if (d->n_used >= d->n_slots / 2 && grow_slots(d))
		return -ENOMEM;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	*find_slot(d, text) = number;
	d->text[number] = copy;
	d->n_used++;
	if (number >= d->size)
		d->size = number + 1u;
	return 0;
}

struct dictionary *dictionary_new(void)
{
	struct dictionary *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->size = IDENTITY_FIRST;
	d->n_slots = SLOTS_MIN;
	d->slots = calloc(d->n_slots, sizeof *d->slots);
	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
		if (!d->slots || insert(d, reserved[i].number, reserved[i].text)) {
			dictionary_free(d);
			return NULL;
		}
	}
	return d;
}

void dictionary_free(struct dictionary *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; i < d->size; i++)
		free(d->text[i]);
	free(d->slots);
	free(d);
}

uint16_t dictionary_find(const struct dictionary *d, const char *text)
{
	return *find_slot(d, text);
}

uint16_t dictionary_number(struct dictionary *d, const char *text)
{
	uint16_t number = dictionary_find(d, text);

	if (number)
		return number;
	if (d->size > IDENTITY_LAST || insert(d, (uint16_t)d->size, text))
		return 0;
	return (uint16_t)(d->size - 1);
}

const char *dictionary_text(const struct dictionary *d, uint16_t number)
{
	return number < d->size ? d->text[number] : NULL;
}

uint32_t dictionary_size(const struct dictionary *d)
{
	return d->size;
}

/* A reserved entry may be given again, as it stands; label sets must come in ascending order. */
int dictionary_restore(struct dictionary *d, uint16_t number, const char *text)
{
	uint16_t known = dictionary_find(d, text);

	if (number && number < IDENTITY_FIRST)
		return known == number ? 0 : -EINVAL;
	if (known || number < d->size || number > IDENTITY_LAST || !*text || *text == '$')
		return -EINVAL;
	return insert(d, number, text);
}
