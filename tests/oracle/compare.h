/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole image against the ruleset it was made from: every pair of identities at every border of a service
 * and at random keys, by evaluation, by decoding and by the engine's look-up; then prefixes, names and
 * digest.
 */
#pragma once

#include <stdint.h>

#include "compile.h"

struct compare_keys {
	service_key *keys; /* malloc'ed */
	size_t n;
};

/* Borders of all services in rules and scopes and both sides of them, corners, and `n_random` others. */
struct compare_keys compare_keys(const struct ruleset *rs, size_t n_random, uint64_t seed);

/* What evaluation says to one question, as an image writes it; identities by their place in the ruleset. All
 * comparisons are made at this time. */
#define COMPARE_AT_UTC 1700000000
struct image_decision compare_evaluate(const struct ruleset *rs, size_t from, size_t to, service_key key);

struct compare_result {
	uint64_t compared; /* decisions */
	uint64_t different;
	char text[256]; /* the first difference */
};

void compare_image(const struct ruleset *rs, const struct dictionary *dict, const struct image_header *image,
		   const struct compare_keys *keys, struct compare_result *result);
/* The same question asked of decode_cells(): that cells are complete, in order and right at both ends. */
void compare_cells(const struct ruleset *rs, const struct dictionary *dict, const struct image_header *image,
		   struct compare_result *result);
