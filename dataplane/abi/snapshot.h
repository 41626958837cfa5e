/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bindings snapshot: all bindings that were classified under one image, as a memfd in DP_PUBLISH and as
 * the file beside the last good image. Image and snapshot are used together or not at all: `image_crc` names
 * the image.
 *
 *   <state>/last-good.image       image bytes
 *   <state>/last-good.bindings    struct snapshot_header, then `count` struct dp_binding
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dpmsg.h"

#define SNAPSHOT_MAGIC        "CRDNBIND"
#define SNAPSHOT_ABI          1u
#define SNAPSHOT_BINDINGS_MAX 65536u
#define LAST_GOOD_IMAGE       "last-good.image"
#define LAST_GOOD_BINDINGS    "last-good.bindings"

struct snapshot_header {
	char magic[8];
	uint32_t abi;
	uint32_t generation;
	uint32_t count;
	uint32_t dictionary; /* size of the dictionary the identities were numbered with */
	uint64_t image_crc;  /* crc64 field of the image that goes with it */
	uint64_t crc64;      /* CRC-64/XZ over header (this field zero) and bindings */
};

/* NULL if it may be used, else what is wrong (static text). */
const char *snapshot_check(const void *bytes, size_t size);
/* The header's crc64 for these bytes. */
uint64_t snapshot_crc(const struct snapshot_header *h);

static inline const struct dp_binding *snapshot_bindings(const struct snapshot_header *h)
{
	return (const struct dp_binding *)(h + 1);
}
