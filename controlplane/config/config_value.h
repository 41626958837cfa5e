/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of the config file: tables of keys, tables of words, numbers with units, prefixes. Each failure is a
 * finding at the value. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"
#include "yaml.h"

/* `object` is what the value goes into. */
struct value_key {
	const char *name;
	bool required;
	void (*read)(void *object, const struct yaml_node *n, struct diags *d);
};

/* Each key once through its reader; unknown and missing ones are findings. */
void value_map(const struct yaml_node *n, const char *what, const struct value_key *keys, size_t n_keys,
	       void *object, struct diags *d);
/* Call `read` for each item. */
void value_list(const struct yaml_node *n,
		void (*read)(void *object, const struct yaml_node *n, struct diags *d), void *object,
		struct diags *d);

/* Index of the scalar in `words` (NULL-terminated), or -1. */
int value_word(const struct yaml_node *n, const char *const *words, struct diags *d);

struct value_unit {
	const char *suffix;
	uint64_t factor;
};
/* A whole number with one of the suffixes; the first entry may be "" for none. `example` shows one. */
bool value_quantity(const struct yaml_node *n, const struct value_unit *units, size_t n_units, uint64_t min,
		    uint64_t max, const char *example, uint64_t *out, struct diags *d);
/* `10.0.0.0/8`, `fd00::/48`; bits beyond the length must be zero unless `host`. */
bool value_prefix(const struct yaml_node *n, bool host, struct cidr *out, struct diags *d);

/* For keys that are known and not built. */
void value_unsupported(void *object, const struct yaml_node *n, struct diags *d);
