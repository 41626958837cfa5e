/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Things of one size, found by a key at their beginning. Hashed with a key of its own, because outsiders
 * choose addresses. Things may move in memory with each table_put(); their numbers do not change. Owner:
 * whoever called table_init(). One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "siphash.h"

struct table {
	size_t size, key_size; /* bytes of a thing, and of the key it begins with */
	uint32_t limit;        /* things at most */
	uint32_t n;            /* things that are there */
	char *things;
	struct table_link *links; /* one for each thing */
	uint32_t *heads;          /* of the chains */
	uint32_t room, top, free, n_heads;
	struct siphash_key key;
};

#define TABLE_NONE UINT32_MAX

/* Empty; no memory is taken yet. */
void table_init(struct table *t, size_t size, size_t key_size, uint32_t limit);
void table_fini(struct table *t);

/* The number of the thing with this key, or TABLE_NONE. */
uint32_t table_find(const struct table *t, const void *key);
/* The same; made if there is none, zero behind its key. TABLE_NONE: no memory, or the limit is reached. */
uint32_t table_put(struct table *t, const void *key);
/* Memory for `n` more; false: there is none. */
bool table_reserve(struct table *t, uint32_t n);
void table_remove(struct table *t, uint32_t number);
void *table_at(const struct table *t, uint32_t number);
/* The first thing with a number from `number` on, or TABLE_NONE. */
uint32_t table_next(const struct table *t, uint32_t number);
