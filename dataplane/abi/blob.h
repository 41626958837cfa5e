/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulk bytes in memory of our own. A file or memfd is copied once, so that nobody can change or truncate what
 * was checked; large blobs ask for huge pages, because packets look things up in them. Owner: who called
 * blob_read().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct blob {
	void *bytes; /* page aligned; NULL: empty */
	size_t size;
};

/* All of `fd` from its start, at most `max` bytes. 0 or -errno (-EFBIG, -ENODATA: empty or shrinking). */
int blob_read(struct blob *b, int fd, size_t max);
void blob_free(struct blob *b);

/* A sealed memfd with these bytes, at its start. fd or -errno. */
int blob_seal(const char *name, const void *bytes, size_t size);
/* Whether nobody can write, shrink or grow what `fd` names. */
bool blob_is_sealed(int fd);
