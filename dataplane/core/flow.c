/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bits of the 64-bit hash: 0-23 primary bucket, 24-47 secondary bucket, 48-63 signature. The bulk look-up
 * works in stages over the whole burst, each asking for the memory that the next one reads, so that the cache
 * misses of all packets overlap.
 */
#include "flow.h"

#include <string.h>

#include "simd_match.h"

#define LINE            64u
#define BUCKET_BITS     24
#define BUCKETS_MAX     (1u << BUCKET_BITS)
#define SIGNATURE_SHIFT 48
#define SLOTS_PER_FLOW  2u /* at half load both buckets of a key are practically never full */

static uint32_t primary(const struct flow_table *t, uint64_t hash)
{
	return (uint32_t)hash & t->mask;
}

static uint32_t secondary(const struct flow_table *t, uint64_t hash)
{
	return (uint32_t)(hash >> BUCKET_BITS) & t->mask;
}

static uint16_t signature(uint64_t hash)
{
	return (uint16_t)(hash >> SIGNATURE_SHIFT);
}

static uint32_t bucket_count(uint32_t max)
{
	uint64_t wanted = (uint64_t)max * SLOTS_PER_FLOW / FLOW_WAYS;
	uint32_t n = 2;

	while (n < wanted && n < BUCKETS_MAX)
		n <<= 1;
	return n;
}

static void empty_buckets(struct flow_table *t)
{
	for (uint32_t b = 0; b <= t->mask; b++)
		memset(t->bucket[b].index, 0xff, sizeof(t->bucket[b].index));
}

bool flow_table_init(struct flow_table *t, uint32_t max, const uint8_t hash_key[16],
		     const struct flow_memory *memory)
{
	struct simd_hash_variant variant[SIMD_HASH_VARIANTS];

	simd_hash_variants(variant);
	*t = (struct flow_table){
		.max = max,
		.n_unused = max,
		.mask = bucket_count(max) - 1,
		.key = siphash_key(hash_key),
		.hash = variant[0].hash,
		.memory = *memory,
	};
	t->hot = memory->alloc((size_t)max * sizeof(*t->hot), LINE);
	t->cold = memory->alloc((size_t)max * sizeof(*t->cold), LINE);
	t->bucket = memory->alloc(((size_t)t->mask + 1) * sizeof(*t->bucket), LINE);
	t->unused = memory->alloc((size_t)max * sizeof(*t->unused), LINE);
	if (!t->hot || !t->cold || !t->bucket || !t->unused) {
		flow_table_fini(t);
		return false;
	}
	empty_buckets(t);
	for (uint32_t i = 0; i < max; i++)
		t->unused[i] = max - 1 - i; /* low indexes first */
	return true;
}

void flow_table_fini(struct flow_table *t)
{
	void *parts[] = {t->hot, t->cold, t->bucket, t->unused};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (parts[i])
			t->memory.free(parts[i]);
	*t = (struct flow_table){0};
}

uint64_t flow_hash(const struct flow_table *t, const struct flow_key *key)
{
	return siphash13(&t->key, key, sizeof(*key));
}

/* A free way keeps the signature of its last holder; its index tells. */
static uint32_t find_in(const struct flow_table *t, const struct flow_bucket *b, const struct flow_key *key,
			uint16_t wanted)
{
	for (uint32_t ways = simd_match(b->signature, wanted); ways; ways &= ways - 1) {
		uint32_t index = b->index[__builtin_ctz(ways)];

		if (index != FLOW_NONE && flow_key_equal(&t->hot[index].key, key))
			return index;
	}
	return FLOW_NONE;
}

uint32_t flow_find(const struct flow_table *t, const struct flow_key *key, uint64_t hash)
{
	const struct flow_bucket *first = &t->bucket[primary(t, hash)];
	uint32_t index = find_in(t, first, key, signature(hash));

	if (index != FLOW_NONE || !first->spilled)
		return index;
	return find_in(t, &t->bucket[secondary(t, hash)], key, signature(hash));
}

/* The first way of the primary bucket whose signature fits: nearly always the right one. */
static uint32_t guess(const struct flow_table *t, uint64_t hash)
{
	const struct flow_bucket *b = &t->bucket[primary(t, hash)];
	uint32_t ways = simd_match(b->signature, signature(hash));

	return ways ? b->index[__builtin_ctz(ways)] : FLOW_NONE;
}

void flow_find_bulk(const struct flow_table *t, const struct flow_key *keys, uint32_t n, uint64_t *hashes,
		    uint32_t *indexes)
{
	t->hash(&t->key, keys, n, hashes);
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&t->bucket[primary(t, hashes[i])]);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = guess(t, hashes[i]);

		indexes[i] = index;
		if (index == FLOW_NONE)
			continue;
		__builtin_prefetch(&t->hot[index], 1);
		__builtin_prefetch(&t->cold[index], 1);
	}
	for (uint32_t i = 0; i < n; i++)
		if (indexes[i] == FLOW_NONE || !flow_key_equal(&t->hot[indexes[i]].key, &keys[i]))
			indexes[i] = flow_find(t, &keys[i], hashes[i]);
}

static bool place(struct flow_bucket *b, uint16_t sig, uint32_t index)
{
	for (uint32_t way = 0; way < FLOW_WAYS; way++) {
		if (b->index[way] != FLOW_NONE)
			continue;
		b->index[way] = index;
		b->signature[way] = sig;
		return true;
	}
	return false;
}

static bool take_out(struct flow_bucket *b, uint32_t index)
{
	for (uint32_t way = 0; way < FLOW_WAYS; way++) {
		if (b->index[way] != index)
			continue;
		b->index[way] = FLOW_NONE;
		return true;
	}
	return false;
}

/* Both buckets are full: make room in the primary one by moving a key that has it as its primary to its
 * secondary one. Only the index moves, the entry stays where it is. One step and eight candidates, no chain.
 */
static bool make_room(struct flow_table *t, struct flow_bucket *full)
{
	for (uint32_t way = 0; way < FLOW_WAYS; way++) {
		uint64_t hash = flow_hash(t, &t->hot[full->index[way]].key);

		if (&t->bucket[primary(t, hash)] != full ||
		    !place(&t->bucket[secondary(t, hash)], signature(hash), full->index[way]))
			continue;
		full->index[way] = FLOW_NONE;
		full->spilled++;
		return true;
	}
	return false;
}

static bool put(struct flow_table *t, uint64_t hash, uint32_t index)
{
	struct flow_bucket *first = &t->bucket[primary(t, hash)];

	if (place(first, signature(hash), index))
		return true;
	if (!place(&t->bucket[secondary(t, hash)], signature(hash), index))
		return make_room(t, first) && place(first, signature(hash), index);
	first->spilled++;
	return true;
}

uint32_t flow_insert(struct flow_table *t, const struct flow_key *key, uint64_t hash)
{
	uint32_t index;

	if (!t->n_unused)
		return FLOW_NONE;
	index = t->unused[t->n_unused - 1];
	if (!put(t, hash, index))
		return FLOW_NONE;
	t->n_unused--;
	t->hot[index] = (struct flow){.key = *key};
	t->cold[index] = (struct flow_cold){0};
	return index;
}

void flow_remove(struct flow_table *t, uint32_t index)
{
	uint64_t hash = flow_hash(t, &t->hot[index].key);
	struct flow_bucket *first = &t->bucket[primary(t, hash)];

	if (!take_out(first, index)) {
		take_out(&t->bucket[secondary(t, hash)], index);
		first->spilled--;
	}
	t->hot[index].state = 0;
	t->unused[t->n_unused++] = index;
}
