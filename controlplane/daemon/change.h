/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a change of images opens and closes. Pure; any thread.
 */
#pragma once

#include <stdint.h>

#include "image.h"

/* Regions of the service space, summed over all identity pairs, whose enforced verdict changes. */
struct change {
	uint64_t opens, closes;
};

/* Both images checked; `old` NULL: everything was denied. False: no memory. */
_Bool change_count(const struct image_header *old, const struct image_header *new, int64_t at_utc,
		   struct change *out);
