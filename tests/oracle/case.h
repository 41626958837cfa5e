/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One policy text, compiled all the way. The caller frees with case_free(), which also may be given a zeroed
 * case.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "compile.h"

struct policy_case {
	char *text;
	struct ruleset *rs;
	struct dictionary *dict; /* own, or borrowed from the caller */
	bool own_dict;
	struct image_header *image;
	size_t size;
};

/* Takes `text`. `dict` NULL: a new dictionary. False if the loader refused the text; aborts if the compiler
 * did. */
bool case_compile(struct policy_case *c, char *text, struct dictionary *dict);
/* The first draft that compiles, from seed *seed on; *seed is left at the next one. Counts refused drafts. */
void case_draw(struct policy_case *c, uint64_t *seed, size_t *refused);
void case_free(struct policy_case *c);
