/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An image's tables as they are at one moment. Borrows the image, which must be checked; NULL is one that
 * denies everything. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "image.h"

struct view {
	const struct image_header *image;
	const struct image_identity *identity;
	const uint32_t *rows; /* of the matrix in force, by source class */
	const struct image_row *row;
	const struct image_slot *slot;
	const struct image_list *list;
	const struct image_region *region;
	const struct image_decision *decision;
};

struct view view_of(const struct image_header *image, int64_t at_utc);
uint32_t view_identities(const struct view *v);
/* Of a pair of classes, neither of them 0. */
uint32_t view_class_list(const struct view *v, uint32_t source, uint32_t responder);
/* Of a pair of identity numbers; list 0 denies. */
uint32_t view_list(const struct view *v, uint32_t from, uint32_t to);
uint32_t view_regions(const struct view *v, uint32_t list);
/* Where a region of a list begins and ends. */
service_key view_from(const struct view *v, uint32_t list, uint32_t region);
service_key view_end(const struct view *v, uint32_t list, uint32_t region);
const struct image_decision *view_decision(const struct view *v, uint32_t list, uint32_t region);

/* Cells of the decision matrix: regions, over all pairs of classes. */
uint64_t view_cells(const struct view *v);

/* The first cell in which two images differ. */
struct view_cell {
	uint16_t from, to; /* identity numbers */
	service_key key;
	struct image_decision expected, found;
};
bool view_differ(const struct view *expected, const struct view *found, struct view_cell *out);
