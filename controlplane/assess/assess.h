/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Assessment: what the evidence in a store says about the stages of the networks pillar. Reads evidence only.
 *
 * The result is one JSON document, schema `cordon.assessment/1`, the same bytes for the same store,
 * catalogue, author and time. Text and tables are made from it, never from anything else. One thread per
 * store.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct store;

/*
 * Assess the window [from_ns, until_ns). `now_ns` is the time at which ages are judged. `keep`: the result
 * and the facts it rests on are stored (the store must be open for writing). `*json` is malloc'ed. 0, -EINVAL
 * (the catalogue, with its place in `error`), or -errno of the store.
 */
int assess_run(struct store *s, const char *catalogue_dir, int64_t from_ns, int64_t until_ns, int64_t now_ns,
	       const char *author, bool keep, char **json, char *error, size_t room);

/* A result as a table of at most 80 columns. 0, or -EINVAL for text that is no such result. */
int assess_print_table(const char *json, FILE *out, char *error, size_t room);
