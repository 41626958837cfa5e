/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that is made piece by piece and ended at once: the owner of trees, rulesets and their indices.
 *
 * Pieces are zeroed and aligned for any type, and live until arena_free(). Running out of memory ends the
 * process (abort): sizes of all inputs are bounded, and a half-made ruleset must never be used. One thread
 * while it grows.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);
void *arena_alloc(struct arena *a, size_t size);
/* `n` elements of `size` bytes; the product is checked. */
void *arena_array(struct arena *a, size_t n, size_t size);
void *arena_copy(struct arena *a, const void *bytes, size_t size);
/* A copy that ends with a zero byte. */
char *arena_strndup(struct arena *a, const char *text, size_t len);
char *arena_strdup(struct arena *a, const char *text);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull));
