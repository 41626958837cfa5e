/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_ROOM 64u

struct table_link {
	uint32_t next;
	bool used;
};

void table_init(struct table *t, size_t size, size_t key_size, uint32_t limit)
{
	*t = (struct table){.size = size, .key_size = key_size, .limit = limit, .free = TABLE_NONE};
	if (getrandom(&t->key, sizeof(t->key), GRND_NONBLOCK) != sizeof(t->key))
		t->key = (struct siphash_key){(uintptr_t)t, (uintptr_t)&t->key};
}

void table_fini(struct table *t)
{
	free(t->things);
	free(t->links);
	free(t->heads);
	*t = (struct table){.size = t->size, .key_size = t->key_size, .limit = t->limit, .free = TABLE_NONE};
}

void *table_at(const struct table *t, uint32_t number)
{
	return t->things + number * t->size;
}

static uint32_t *head_of(const struct table *t, const void *key)
{
	return &t->heads[siphash13(&t->key, key, t->key_size) & (t->n_heads - 1)];
}

uint32_t table_find(const struct table *t, const void *key)
{
	if (!t->n)
		return TABLE_NONE;
	for (uint32_t i = *head_of(t, key); i != TABLE_NONE; i = t->links[i].next)
		if (!memcmp(table_at(t, i), key, t->key_size))
			return i;
	return TABLE_NONE;
}

static void chain(struct table *t, uint32_t number)
{
	uint32_t *head = head_of(t, table_at(t, number));

	t->links[number] = (struct table_link){*head, true};
	*head = number;
}

/* Twice the room, as many chains as things. On failure the table is what it was. */
static bool grow(struct table *t)
{
	const uint32_t room = t->room ? t->room * 2 : FIRST_ROOM;
	uint32_t *heads = malloc(room * sizeof(*heads));
	char *things = realloc(t->things, room * t->size);

	t->things = things ? things : t->things;
	struct table_link *links = things ? realloc(t->links, room * sizeof(*links)) : NULL;
	t->links = links ? links : t->links;
	if (!heads || !links) {
		free(heads);
		return false;
	}
	free(t->heads);
	t->heads = heads;
	t->room = t->n_heads = room;
	memset(heads, 0xff, room * sizeof(*heads));
	for (uint32_t i = 0; i < t->top; i++)
		if (t->links[i].used)
			chain(t, i);
	return true;
}

static uint32_t take_free(struct table *t)
{
	const uint32_t number = t->free;

	if (number == TABLE_NONE)
		return t->top++;
	t->free = t->links[number].next;
	return number;
}

bool table_reserve(struct table *t, uint32_t n)
{
	while (t->room - t->n < n)
		if (!grow(t))
			return false;
	return true;
}

uint32_t table_put(struct table *t, const void *key)
{
	uint32_t number = table_find(t, key);

	if (number != TABLE_NONE)
		return number;
	if (t->n >= t->limit || (t->free == TABLE_NONE && t->top == t->room && !grow(t)))
		return TABLE_NONE;
	number = take_free(t);
	memset(table_at(t, number), 0, t->size);
	memcpy(table_at(t, number), key, t->key_size);
	chain(t, number);
	t->n++;
	return number;
}

void table_remove(struct table *t, uint32_t number)
{
	uint32_t *at = head_of(t, table_at(t, number));

	while (*at != number)
		at = &t->links[*at].next;
	*at = t->links[number].next;
	t->links[number] = (struct table_link){t->free, false};
	t->free = number;
	t->n--;
}

uint32_t table_next(const struct table *t, uint32_t number)
{
	while (number < t->top && !t->links[number].used)
		number++;
	return number < t->top ? number : TABLE_NONE;
}
