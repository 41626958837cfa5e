/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An image by hand, a snapshot that goes with it, and both as last-good files in a directory.
 */
#pragma once

#include <stdint.h>

#include "image.h"
#include "snapshot.h"

/* Identity 16 is 10.0.0.0/8 and may speak UDP with itself. malloc'ed. */
struct image_header *good_image(void);
/* With `n` bindings of identity 16 in VLAN 10 at ports 0, 1, 0...: 10.0.0.1 with MAC 02:00:00:00:00:01, and
 * so on. malloc'ed; *size bytes. */
struct snapshot_header *good_snapshot(const struct image_header *image, uint32_t generation, uint32_t n,
				      size_t *size);
/* After a change of its fields. */
void good_snapshot_seal(struct snapshot_header *h);

void write_file(const char *dir, const char *name, const void *bytes, size_t size);
