/* SPDX-License-Identifier: BSD-3-Clause */
/* The session table, its hash, and the vector code against its scalar twins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"
#include "simd_match.h"

#define MAX 1000u

static void *zeroed(size_t size, size_t align)
{
	size_t rounded = (size + align - 1) & ~(align - 1);
	void *p = aligned_alloc(align, rounded);

	if (p)
		memset(p, 0, rounded);
	return p;
}

static const struct flow_memory memory = {zeroed, free};
static const uint8_t hash_key[16] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6};

static int setup(void **state)
{
	static struct flow_table t;

	assert_true(flow_table_init(&t, MAX, hash_key, &memory));
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	flow_table_fini(*state);
	return 0;
}

static struct flow_key key_of(uint32_t n)
{
	uint8_t a[16] = {10, 0, (uint8_t)(n >> 8), (uint8_t)n}, b[16] = {10, 1};
	struct flow_key key = {.domain = 1, .family = 4, .proto = 17};

	flow_key_set(&key, a, (uint16_t)(1000 + n), b, 53);
	return key;
}

static uint32_t insert(struct flow_table *t, uint32_t n)
{
	struct flow_key key = key_of(n);
	uint32_t i = flow_insert(t, &key, flow_hash(t, &key));

	if (i != FLOW_NONE)
		t->hot[i].state = 1;
	return i;
}

static uint32_t find(struct flow_table *t, uint32_t n)
{
	struct flow_key key = key_of(n);

	return flow_find(t, &key, flow_hash(t, &key));
}

/* Expected values come from CPython's hash(bytes) with a zero key, an independent SipHash-1-3. */
static void siphash_is_siphash(void **state)
{
	static const struct {
		size_t size;
		uint64_t hash;
	} known[] = {
		{1, UINT64_C(0x68a914128e01e473)},  {7, UINT64_C(0x2f098ab0c751325a)},
		{8, UINT64_C(0xead411e67ebe2eea)},  {9, UINT64_C(0x75927f9d95124362)},
		{40, UINT64_C(0x95bc321ab41d8206)}, {63, UINT64_C(0x385d3e39e5f37359)},
	};
	const uint8_t zero[16] = {0};
	struct siphash_key key = siphash_key(zero), other = siphash_key(hash_key);
	uint8_t bytes[64];

	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		assert_true(siphash13(&key, bytes, known[i].size) == known[i].hash);
		assert_true(siphash13(&other, bytes, known[i].size) != known[i].hash);
	}
}

static void vector_hashes_equal_the_scalar_one(void **state)
{
	struct simd_hash_variant variant[SIMD_HASH_VARIANTS];
	uint32_t n = simd_hash_variants(variant);
	struct siphash_key key = siphash_key(hash_key);
	uint8_t keys[64 * SIMD_HASH_KEY];
	uint64_t got[64];

	srand(1);
	for (size_t i = 0; i < sizeof(keys); i++)
		keys[i] = (uint8_t)rand();
	assert_string_equal(variant[n - 1].name, "scalar");
	for (uint32_t v = 0; v < n; v++)
		for (uint32_t count = 0; count <= 64; count++) {
			memset(got, 0, sizeof(got));
			variant[v].hash(&key, keys, count, got);
			for (uint32_t i = 0; i < 64; i++)
				assert_true(got[i] == (i < count ? siphash13(&key, keys + i * SIMD_HASH_KEY,
									     SIMD_HASH_KEY)
								 : 0));
		}
}

static void vector_match_equals_the_scalar_one(void **state)
{
	uint16_t signature[SIMD_MATCH_WAYS];

	srand(2);
	for (int round = 0; round < 20000; round++) {
		for (uint32_t i = 0; i < SIMD_MATCH_WAYS; i++)
			signature[i] = (uint16_t)(rand() % 3 * 0x7fff);
		for (uint32_t wanted = 0; wanted < 3; wanted++)
			assert_int_equal(simd_match(signature, (uint16_t)(wanted * 0x7fff)),
					 simd_match_scalar(signature, (uint16_t)(wanted * 0x7fff)));
	}
	for (uint32_t i = 0; i < SIMD_MATCH_WAYS; i++) {
		memset(signature, 0, sizeof(signature));
		signature[i] = 0xffff;
		assert_int_equal(simd_match(signature, 0xffff), 1u << i);
	}
}

static void both_directions_are_one_key(void **state)
{
	uint8_t a[16] = {10, 0, 0, 1}, b[16] = {10, 0, 0, 2};
	struct flow_key there = {.family = 4}, back = {.family = 4};

	assert_false(flow_key_set(&there, a, 1000, b, 53));
	assert_true(flow_key_set(&back, b, 53, a, 1000));
	assert_true(flow_key_equal(&there, &back));
	/* equal addresses: the ports decide */
	assert_true(flow_key_set(&there, a, 1000, a, 53));
	assert_false(flow_key_set(&back, a, 53, a, 1000));
	assert_true(flow_key_equal(&there, &back));
	/* the low half of an address counts too */
	memset(a, 0xfe, sizeof(a));
	memcpy(b, a, sizeof(b));
	b[15] = 0xff;
	assert_false(flow_key_set(&there, a, 9, b, 1));
	assert_true(flow_key_set(&back, b, 1, a, 9));
	assert_true(flow_key_equal(&there, &back));
	back.domain = 7;
	assert_false(flow_key_equal(&there, &back));
}

static void what_was_put_in_is_found(void **state)
{
	struct flow_table *t = *state;
	uint32_t index[MAX];

	for (uint32_t n = 0; n < MAX; n++) {
		assert_int_equal(find(t, n), FLOW_NONE);
		index[n] = insert(t, n);
		assert_true(index[n] < MAX);
	}
	assert_int_equal(flow_live(t), MAX);
	assert_int_equal(insert(t, MAX), FLOW_NONE);
	for (uint32_t n = 0; n < MAX; n++)
		assert_int_equal(find(t, n), index[n]);
	for (uint32_t n = 0; n < MAX; n += 2)
		flow_remove(t, index[n]);
	assert_int_equal(flow_live(t), MAX / 2);
	for (uint32_t n = 0; n < MAX; n++)
		assert_int_equal(find(t, n), n % 2 ? index[n] : FLOW_NONE);
	for (uint32_t n = 0; n < MAX; n += 2)
		assert_true(insert(t, n) != FLOW_NONE);
	for (uint32_t n = 0; n < MAX; n++)
		assert_true(find(t, n) != FLOW_NONE);
}

static void bulk_finds_what_single_finds(void **state)
{
	struct flow_table *t = *state;
	struct flow_key keys[FLOW_BULK_MAX];
	uint64_t hashes[FLOW_BULK_MAX];
	uint32_t found[FLOW_BULK_MAX];

	for (uint32_t n = 0; n < MAX; n += 3)
		insert(t, n);
	for (uint32_t at = 0; at + FLOW_BULK_MAX <= MAX; at += 17) {
		for (uint32_t i = 0; i < FLOW_BULK_MAX; i++)
			keys[i] = key_of(at + i);
		flow_find_bulk(t, keys, FLOW_BULK_MAX, hashes, found);
		for (uint32_t i = 0; i < FLOW_BULK_MAX; i++) {
			assert_true(hashes[i] == flow_hash(t, &keys[i]));
			assert_int_equal(found[i], find(t, at + i));
			assert_int_equal(found[i] != FLOW_NONE, (at + i) % 3 == 0);
		}
	}
}

/* All keys in one bucket with one signature: what an attacker with the key could do. */
static void a_full_bucket_spills_once_and_then_refuses(void **state)
{
	struct flow_table *t = *state;
	const uint64_t hash = UINT64_C(0xabcd000005000003);
	struct flow_key key;
	uint32_t n;

	for (n = 0; n < 4 * FLOW_WAYS; n++) {
		key = key_of(n);
		if (flow_insert(t, &key, hash) == FLOW_NONE)
			break;
	}
	assert_int_equal(n, 2 * FLOW_WAYS);
	assert_int_equal(t->bucket[3].spilled, FLOW_WAYS);
	for (uint32_t i = 0; i < n; i++) {
		key = key_of(i);
		assert_true(flow_find(t, &key, hash) != FLOW_NONE);
	}
	key = key_of(n);
	assert_int_equal(flow_find(t, &key, hash), FLOW_NONE);
	assert_int_equal(flow_live(t), 2 * FLOW_WAYS);
}

/* Random insertions and removals beside a plain array. */
static void a_long_random_life(void **state)
{
	struct flow_table *t = *state;
	static uint32_t index[2 * MAX];

	memset(index, 0xff, sizeof(index));
	srand(3);
	for (int round = 0; round < 50000; round++) {
		uint32_t n = (uint32_t)rand() % (2 * MAX);

		assert_int_equal(find(t, n), index[n]);
		if (index[n] != FLOW_NONE) {
			flow_remove(t, index[n]);
			index[n] = FLOW_NONE;
		} else {
			index[n] = insert(t, n);
		}
	}
	for (uint32_t b = 0; b <= t->mask; b++)
		assert_true(t->bucket[b].spilled <= FLOW_WAYS);
}

static uint32_t allocations;

static void *failing(size_t size, size_t align)
{
	return allocations-- ? zeroed(size, align) : NULL;
}

static void no_memory_is_an_error_and_no_leak(void **state)
{
	const struct flow_memory scarce = {failing, free};
	struct flow_table t;

	for (uint32_t n = 0; n < 4; n++) {
		allocations = n;
		assert_false(flow_table_init(&t, 10, hash_key, &scarce));
		assert_null(t.hot);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_is_siphash),
		cmocka_unit_test(vector_hashes_equal_the_scalar_one),
		cmocka_unit_test(vector_match_equals_the_scalar_one),
		cmocka_unit_test(both_directions_are_one_key),
		CASE(what_was_put_in_is_found),
		CASE(bulk_finds_what_single_finds),
		CASE(a_full_bucket_spills_once_and_then_refuses),
		CASE(a_long_random_life),
		cmocka_unit_test(no_memory_is_an_error_and_no_leak),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
