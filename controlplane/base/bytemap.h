/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hash from byte strings to pointers, grown in an arena and ended with it. Keys are copied. One thread
 * while it grows, any number of readers after. Entries cannot be taken out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

struct bytemap;

struct bytemap *bytemap_new(struct arena *a);
/* The value of a key, or NULL. */
void *bytemap_get(const struct bytemap *m, const void *key, size_t len);
/* Puts a new key; if it is there already its value stays and is returned, else NULL. `value` is not NULL. */
void *bytemap_put(struct bytemap *m, const void *key, size_t len, void *value);

/* The same for text keys. */
void *bytemap_get_text(const struct bytemap *m, const char *key);
void *bytemap_put_text(struct bytemap *m, const char *key, void *value);

size_t bytemap_count(const struct bytemap *m);
/* The i-th key in order of insertion, ended with a zero byte. */
const void *bytemap_key(const struct bytemap *m, size_t i);
