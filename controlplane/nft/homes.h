/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is at home at an address: the bindings, by (domain, address), as they came. Owner: the records; one
 * thread. A pointer to a home is good until the next change.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dpmsg.h"
#include "siphash.h"

struct home;

struct homes {
	struct home **bucket;
	uint32_t mask; /* buckets - 1 */
	uint32_t n;
	struct siphash_key key;
};

/* False: out of memory, nothing kept. */
bool homes_init(struct homes *h, const uint8_t hash_key[16]);
void homes_free(struct homes *h);

/* Takes a binding, or forgets it (DP_BINDING_GONE). False: out of memory; then nobody is at home there. */
bool homes_set(struct homes *h, const struct dp_binding *b);
void homes_clear(struct homes *h);
/* NULL: nobody. */
const struct dp_binding *homes_find(const struct homes *h, uint16_t domain, uint8_t family,
				    const uint8_t addr[16]);
