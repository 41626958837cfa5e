/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bindings snapshots, and the last good pair of files from which cordon-dp starts without cordond
 * (snapshot.h). No state; one thread per directory.
 */
#pragma once

#include <stddef.h>

#include "image.h"
#include "snapshot.h"

/* malloc'ed snapshot of `size` bytes for this image; NULL: no memory. The bindings are copied. */
struct snapshot_header *snapshot_make(const struct image_header *image, uint32_t generation,
				      uint32_t dictionary, const struct dp_binding *bindings, uint32_t n,
				      size_t *size);

/*
 * Write `name` into `dir` so that a reader sees the old file or the new one, whole, whenever we die:
 * temporary file, fsync, rename, fsync of the directory. Group-readable. 0 or -errno.
 */
int lastgood_write(const char *dir, const char *name, const void *bytes, size_t size);
/* The bindings snapshot in `dir`, checked, malloc'ed; NULL if there is none that may be used. */
struct snapshot_header *lastgood_read_bindings(const char *dir);
