/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ruleset -> image, and back. Pure and deterministic: the same ruleset, dictionary and limits give the same
 * bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dictionary.h"
#include "image.h"
#include "policy.h"

struct compile_limits {
	uint32_t source_classes, responder_classes, lists, regions;
	uint64_t bytes;
};
#define COMPILE_LIMITS_DEFAULT ((struct compile_limits){65520, 65520, 4u << 20, 16u << 20, IMAGE_SIZE_MAX})

struct compile_stats {
	uint32_t source_classes, responder_classes, rows, lists, regions, decisions, exceptions;
	uint64_t bytes;
};

enum compile_result { COMPILE_OK = 0, COMPILE_CAPACITY, COMPILE_NO_MEMORY, COMPILE_DEFECT };

/*
 * `dict` is appended to. `*image` is malloc'ed (64-byte aligned), `size` bytes, already through
 * image_check(). COMPILE_CAPACITY: `error` names what was needed and what there is; `dict` is as before.
 * COMPILE_DEFECT: image_check() refused what was made. `stats` may be NULL; `error` is written in every case
 * but COMPILE_OK.
 */
enum compile_result compile_image(const struct ruleset *rs, struct dictionary *dict,
				  const struct compile_limits *limits, struct image_header **image,
				  size_t *size, struct compile_stats *stats, char *error, size_t room);

/* --- decode: an independent reader of image bytes, for read-back, proof and explain
 * ---------------------------- */

struct cell {
	uint16_t from, to; /* identity numbers */
	service_key first, end;
	struct image_decision decision;
};

/* Calls `f` for each maximal region of equal decision of each pair of identity numbers in the image, in order
 * of (from, to, key), with the matrix in force at `at_utc`; stops when it returns false. The image must be
 * checked. Numbers of class 0 on both sides are not in the policy (denied everything) and are left out. */
void decode_cells(const struct image_header *image, int64_t at_utc,
		  bool (*f)(void *ctx, const struct cell *c), void *ctx);
/* One question, by a plain linear reading of the tables. */
struct image_decision decode_ask(const struct image_header *image, uint16_t from, uint16_t to,
				 service_key key, int64_t at_utc);
