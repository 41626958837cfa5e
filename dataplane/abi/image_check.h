/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one judge of an image, called by the compiler on what it made and by the dataplane on what it got.
 * Trusts nothing; reads only inside [bytes, bytes + size). No state, any thread.
 */
#pragma once

#include <stddef.h>

#include "image.h"

/* NULL if the image may be used, else what is wrong with it (static text). `bytes` must be 8-byte aligned. */
const char *image_check(const void *bytes, size_t size);

/* CRC-64/XZ (ECMA-182 reflected) of the image as header.crc64 wants it. */
uint64_t image_crc(const struct image_header *image);

/* The plain CRC-64/XZ, for the other files of the dataplane. Start with 0. */
uint64_t crc64(uint64_t crc, const void *bytes, size_t size);
