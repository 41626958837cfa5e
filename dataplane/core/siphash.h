/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash-1-3, the keyed hash of every table that outsiders can fill: without the key nobody can choose
 * addresses that meet in one bucket. No state, any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

struct siphash_key siphash_key(const uint8_t bytes[16]);
uint64_t siphash13(const struct siphash_key *key, const void *data, size_t size);
