/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Policy images by hand, made from image.h alone and not by the compiler under test: one class per identity,
 * one list per pair of identities that some cell names. The result has passed image_check(). malloc'ed, the
 * caller's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "image.h"

#define MKIMAGE_IDENTITIES 32u /* numbers below this exist */

/* Services [first, end) from one identity to another. Cells of a pair are ascending and disjoint. */
struct mkimage_cell {
	uint16_t from, to;
	service_key first, end;
	struct image_decision decision;
};

struct mkimage_prefix {
	uint32_t from; /* ascending, not 0 */
	uint16_t identity, flags;
};

struct mkimage {
	const struct mkimage_cell *cell;
	uint32_t n_cells;
	const struct mkimage_prefix *prefix;
	uint32_t n_prefixes;
	int64_t closes_utc; /* not 0: from this second on everything is denied */
};

struct image_header *mkimage(const struct mkimage *m);

struct image_decision mkimage_allow(rule_ref rule);
struct image_decision mkimage_deny(rule_ref rule);
