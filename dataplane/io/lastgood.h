/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last good image and the bindings beside it, read once at start. They are used together or not at all:
 * anything that does not check out means deny-all until cordond publishes. Pure file reading; main thread.
 */
#pragma once

#include <stddef.h>

#include "blob.h"

enum lastgood_result {
	LASTGOOD_OK,
	LASTGOOD_NONE, /* no such files: a first start */
	LASTGOOD_BAD,
};

struct lastgood {
	struct blob image;    /* struct image_header, checked */
	struct blob bindings; /* struct snapshot_header, checked, made for that image */
};

/* Not OK: both blobs are empty and `error` says which file and why. */
enum lastgood_result lastgood_load(struct lastgood *g, const char *state_dir, char *error, size_t room);
void lastgood_free(struct lastgood *g);
