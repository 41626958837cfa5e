/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-256 as text. Pure; any thread. */
#pragma once

#include <stddef.h>

#include "catalogue.h"

struct digest;

struct digest *digest_new(void);
/* The bytes and before them their length, so that two parts never run into each other. */
void digest_part(struct digest *d, const void *bytes, size_t size);
/* Ends `d`. False if the library failed anywhere. */
bool digest_end(struct digest *d, char text[DIGEST_TEXT]);
/* What sha256sum says of these bytes. */
bool digest_bytes(const void *bytes, size_t size, char text[DIGEST_TEXT]);
