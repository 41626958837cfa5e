/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open addressing with linear probing over indices into an array of entries, so that entries keep their order
 * of insertion. FNV-1a with a final mix; keys come from operators' files, whose size is bounded.
 */
#include "bytemap.h"

#include <string.h>

struct entry {
	const char *key;
	size_t len;
	uint64_t hash;
	void *value;
};

struct bytemap {
	struct arena *arena;
	struct entry *entries;
	uint32_t *slots; /* entry index + 1, 0 empty */
	size_t n, room;  /* room: entries; slots has twice as many */
};

static uint64_t hash_bytes(const void *key, size_t len)
{
	const unsigned char *p = key;
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

/* The slot that holds the key, or the empty one where it belongs. */
static size_t find_slot(const struct bytemap *m, const void *key, size_t len, uint64_t hash)
{
	size_t mask = m->room * 2 - 1, i = hash & mask;

	for (; m->slots[i]; i = (i + 1) & mask) {
		const struct entry *e = &m->entries[m->slots[i] - 1];

		if (e->hash == hash && e->len == len && memcmp(e->key, key, len) == 0)
			break;
	}
	return i;
}

static void grow(struct bytemap *m)
{
	struct entry *old = m->entries;

	m->room = m->room ? m->room * 2 : 16;
	m->entries = arena_array(m->arena, m->room, sizeof(*m->entries));
	if (m->n)
		memcpy(m->entries, old, m->n * sizeof(*old));
	m->slots = arena_array(m->arena, m->room * 2, sizeof(*m->slots));
	for (size_t i = 0; i < m->n; i++) {
		const struct entry *e = &m->entries[i];

		m->slots[find_slot(m, e->key, e->len, e->hash)] = (uint32_t)(i + 1);
	}
}

struct bytemap *bytemap_new(struct arena *a)
{
	struct bytemap *m = arena_alloc(a, sizeof(*m));

	m->arena = a;
	grow(m);
	return m;
}

void *bytemap_get(const struct bytemap *m, const void *key, size_t len)
{
	uint32_t slot = m->slots[find_slot(m, key, len, hash_bytes(key, len))];

	return slot ? m->entries[slot - 1].value : NULL;
}

void *bytemap_put(struct bytemap *m, const void *key, size_t len, void *value)
{
	uint64_t hash = hash_bytes(key, len);
	size_t slot = find_slot(m, key, len, hash);

	if (m->slots[slot])
		return m->entries[m->slots[slot] - 1].value;
	if (m->n == m->room) {
		grow(m);
		slot = find_slot(m, key, len, hash);
	}
	m->entries[m->n] = (struct entry){arena_strndup(m->arena, key, len), len, hash, value};
	m->slots[slot] = (uint32_t)++m->n;
	return NULL;
}

void *bytemap_get_text(const struct bytemap *m, const char *key)
{
	return bytemap_get(m, key, strlen(key));
}

void *bytemap_put_text(struct bytemap *m, const char *key, void *value)
{
	return bytemap_put(m, key, strlen(key), value);
}

size_t bytemap_count(const struct bytemap *m)
{
	return m->n;
}

const void *bytemap_key(const struct bytemap *m, size_t i)
{
	return m->entries[i].key;
}
