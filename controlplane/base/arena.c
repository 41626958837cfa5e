/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arena over a list of malloc'ed chunks. Small pieces are cut from the newest chunk; a piece that does not
 * fit opens a new one, at least CHUNK bytes or as large as the piece itself.
 */
#include "arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)64 << 10)

struct chunk {
	struct chunk *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct chunk *newest;
};

struct arena *arena_new(void)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct chunk *c = a->newest, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

static struct chunk *add_chunk(struct arena *a, size_t size)
{
	struct chunk *c = NULL;

	if (size < CHUNK)
		size = CHUNK;
	if (size < SIZE_MAX - sizeof(*c))
		c = calloc(1, sizeof(*c) + size);
	if (!c)
		abort();
	c->size = size;
	c->next = a->newest;
	a->newest = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct chunk *c = a->newest;
	void *piece;

	if (size > SIZE_MAX / 2)
		abort();
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!c || c->size - c->used < size)
		c = add_chunk(a, size);
	piece = c->bytes + c->used;
	c->used += size;
	return piece;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		abort();
	return arena_alloc(a, bytes);
}

void *arena_copy(struct arena *a, const void *bytes, size_t size)
{
	void *piece = arena_alloc(a, size);

	if (size)
		memcpy(piece, bytes, size);
	return piece;
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
	char *copy = arena_alloc(a, len + 1);

	if (len)
		memcpy(copy, text, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *text)
{
	return arena_strndup(a, text, strlen(text));
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	char *text, *copy;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		abort();
	copy = arena_strndup(a, text, (size_t)len);
	free(text);
	return copy;
}
