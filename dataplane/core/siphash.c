/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash-1-3 over any number of bytes, one word per round. Written from the published description; the words
 * are little endian on every machine.
 */
#include "siphash.h"

#include <string.h>

#define WORD 8u

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

static uint64_t word_at(const uint8_t *p, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)p[i] << 8 * i;
	return word;
}

struct siphash_key siphash_key(const uint8_t bytes[16])
{
	return (struct siphash_key){word_at(bytes, WORD), word_at(bytes + WORD, WORD)};
}

uint64_t siphash13(const struct siphash_key *key, const void *data, size_t size)
{
	const uint8_t *p = data;
	struct state s = {
		key->k0 ^ UINT64_C(0x736f6d6570736575),
		key->k1 ^ UINT64_C(0x646f72616e646f6d),
		key->k0 ^ UINT64_C(0x6c7967656e657261),
		key->k1 ^ UINT64_C(0x7465646279746573),
	};

	for (size_t left = size; left >= WORD; left -= WORD, p += WORD)
		absorb(&s, word_at(p, WORD));
	absorb(&s, (uint64_t)size << 56 | word_at(p, size % WORD));
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
