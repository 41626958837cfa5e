/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash-1-3 of many 40-byte keys at once, several keys per vector register. All variants give what
 * siphash13() gives, bit by bit. No state, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "siphash.h"

#define SIMD_HASH_KEY 40u

/* `keys` are n times SIMD_HASH_KEY bytes without gaps. */
typedef void simd_hash_fn(const struct siphash_key *key, const void *keys, uint32_t n, uint64_t *out);

struct simd_hash_variant {
	const char *name;
	simd_hash_fn *hash;
};

#define SIMD_HASH_VARIANTS 3u

/* The variants this machine can run, best first; the last one is the scalar twin. Returns how many. */
uint32_t simd_hash_variants(struct simd_hash_variant out[SIMD_HASH_VARIANTS]);
