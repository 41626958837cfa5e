/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session table: one entry for both directions of a session, found by its canonical key.
 *
 * An entry is one hot line, read for every packet, and two cold lines for what records need. Buckets are a
 * cache line of eight 16-bit signatures and indexes; a key lives in its primary bucket or, if that was full,
 * in its secondary one. Entries are never moved or evicted: when both buckets or the pool are full, insertion
 * fails. All memory is taken by flow_table_init(). One thread; indexes stay valid until flow_remove().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd_hash.h"
#include "siphash.h"
#include "verdict.h"

#define FLOW_WAYS     8u
#define FLOW_NONE     UINT32_MAX
#define FLOW_BULK_MAX 64u

/* Side 0 is the smaller (address, port); ports are those of struct packet_key. */
struct flow_key {
	uint8_t addr[2][16]; /* IPv4 in the first four bytes, rest 0 */
	uint16_t port[2];    /* host order */
	uint16_t domain;
	uint8_t family; /* 4 or 6 */
	uint8_t proto;
};

enum flow_flag {
	FLOW_FROM_1 = 1 << 0,  /* the initiator is side 1 */
	FLOW_BOUND_0 = 1 << 1, /* binding[0] and epoch[0] are valid */
	FLOW_BOUND_1 = 1 << 2,
	FLOW_GROUP = 1 << 3, /* the responder is a group: there is no way back */
};

struct flow {
	struct flow_key key;
	uint32_t seen_ms;    /* last packet that keeps the session alive */
	uint32_t stamp;      /* of the engine when the session's inputs were last known to be unchanged */
	uint32_t epoch[2];   /* of the two sides' bindings when last decided */
	uint16_t binding[2]; /* their handles */
	uint8_t state;       /* enum state_id; 0: entry is free */
	uint8_t flags;       /* enum flow_flag */
	uint8_t spare[2];
};

/* Directions here: 0 initiator -> responder, 1 back. Side s sends in direction s ^ FLOW_FROM_1. */
struct flow_cold {
	uint64_t packets[2];
	uint64_t bytes[2];
	uint64_t session;
	int64_t first_ns, last_ns; /* UTC */
	uint32_t updated_ms;       /* last RECORD_UPDATE, or the opening */
	uint32_t generation;

	uint32_t policy; /* engine's count of publishes and schedule edges when last decided */
	rule_ref rule, intended_rule;
	uint16_t src_identity, dst_identity;
	uint16_t sport, service; /* as the initiator's packet has them */
	uint16_t in_port, out_port;
	uint8_t src_mac[6], dst_mac[6];
	uint8_t intended;
	uint8_t reason, intended_reason;
	uint8_t window_scale[2]; /* kept free, with window[], for TCP sequence windows */
	uint8_t spare;
	uint16_t obligations;
	uint32_t window[2][2];
};

_Static_assert(sizeof(struct flow_key) == SIMD_HASH_KEY, "hashed as five words");
_Static_assert(sizeof(struct flow) == 64, "one cache line");
_Static_assert(sizeof(struct flow_cold) == 128, "two cache lines");

struct flow_bucket {
	uint16_t signature[FLOW_WAYS];
	uint32_t index[FLOW_WAYS]; /* FLOW_NONE: free */
	uint32_t spilled;          /* keys of this bucket that live in their secondary one */
	uint32_t spare[3];
};

_Static_assert(sizeof(struct flow_bucket) == 64, "one cache line");

struct flow_memory {
	void *(*alloc)(size_t size, size_t align); /* zeroed */
	void (*free)(void *);
};

struct flow_table {
	struct flow *hot;
	struct flow_cold *cold;
	struct flow_bucket *bucket;
	uint32_t *unused; /* stack of free indexes */
	uint32_t n_unused;
	uint32_t max;
	uint32_t mask; /* buckets - 1 */
	struct siphash_key key;
	simd_hash_fn *hash;
	struct flow_memory memory;
};

/* False: out of memory, nothing kept. */
bool flow_table_init(struct flow_table *t, uint32_t max, const uint8_t hash_key[16],
		     const struct flow_memory *memory);
void flow_table_fini(struct flow_table *t);

/* Of two words as they lie in memory, is a's first differing byte the greater one? */
static inline bool flow_word_after(uint64_t a, uint64_t b)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap64(a) > __builtin_bswap64(b);
#else
	return a > b;
#endif
}

/* Put the sides in order. True: `from` became side 1. */
static inline bool flow_key_set(struct flow_key *key, const uint8_t from[16], uint16_t from_port,
				const uint8_t to[16], uint16_t to_port)
{
	uint64_t a[2], b[2];
	bool swapped;

	memcpy(a, from, sizeof(a));
	memcpy(b, to, sizeof(b));
	if (a[0] != b[0])
		swapped = flow_word_after(a[0], b[0]);
	else if (a[1] != b[1])
		swapped = flow_word_after(a[1], b[1]);
	else
		swapped = from_port > to_port;
	memcpy(key->addr[swapped], a, sizeof(a));
	memcpy(key->addr[!swapped], b, sizeof(b));
	key->port[swapped] = from_port;
	key->port[!swapped] = to_port;
	return swapped;
}

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	uint64_t x[5], y[5];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]));
}

uint64_t flow_hash(const struct flow_table *t, const struct flow_key *key);
/* Up to FLOW_BULK_MAX keys at once: hashes and indexes (FLOW_NONE: not there) out; entries found are in
 * cache. */
void flow_find_bulk(const struct flow_table *t, const struct flow_key *keys, uint32_t n, uint64_t *hashes,
		    uint32_t *indexes);
uint32_t flow_find(const struct flow_table *t, const struct flow_key *key, uint64_t hash);
/* A zeroed entry with its key set and state 0, for a key that is not in the table; the caller must give it a
 * state. FLOW_NONE: table full. */
uint32_t flow_insert(struct flow_table *t, const struct flow_key *key, uint64_t hash);
void flow_remove(struct flow_table *t, uint32_t index);

static inline uint32_t flow_live(const struct flow_table *t)
{
	return t->max - t->n_unused;
}
