/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Vector SipHash. Lane i of each register carries the state of key i; the keys' words are gathered with a
 * stride of five words. A rest that does not fill a register goes to the scalar twin. The choice is made
 * once, by the caller that keeps the function pointer, so there is no global and no test per packet.
 */
#include "simd_hash.h"

#define WORDS (SIMD_HASH_KEY / 8)
#define INIT0 UINT64_C(0x736f6d6570736575)
#define INIT1 UINT64_C(0x646f72616e646f6d)
#define INIT2 UINT64_C(0x6c7967656e657261)
#define INIT3 UINT64_C(0x7465646279746573)
#define LAST  ((uint64_t)SIMD_HASH_KEY << 56)

static void hash_scalar(const struct siphash_key *key, const void *keys, uint32_t n, uint64_t *out)
{
	const uint8_t *p = keys;

	for (uint32_t i = 0; i < n; i++)
		out[i] = siphash13(key, p + (size_t)i * SIMD_HASH_KEY, SIMD_HASH_KEY);
}

#ifdef __x86_64__
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f")))
#define AVX2   __attribute__((target("avx2")))

struct state8 {
	__m512i v0, v1, v2, v3;
};

AVX512 static inline void round8(struct state8 *s)
{
	s->v0 = _mm512_add_epi64(s->v0, s->v1);
	s->v2 = _mm512_add_epi64(s->v2, s->v3);
	s->v1 = _mm512_xor_si512(_mm512_rol_epi64(s->v1, 13), s->v0);
	s->v3 = _mm512_xor_si512(_mm512_rol_epi64(s->v3, 16), s->v2);
	s->v0 = _mm512_add_epi64(_mm512_rol_epi64(s->v0, 32), s->v3);
	s->v2 = _mm512_add_epi64(s->v2, s->v1);
	s->v1 = _mm512_xor_si512(_mm512_rol_epi64(s->v1, 17), s->v2);
	s->v3 = _mm512_xor_si512(_mm512_rol_epi64(s->v3, 21), s->v0);
	s->v2 = _mm512_rol_epi64(s->v2, 32);
}

AVX512 static inline void absorb8(struct state8 *s, __m512i word)
{
	s->v3 = _mm512_xor_si512(s->v3, word);
	round8(s);
	s->v0 = _mm512_xor_si512(s->v0, word);
}

AVX512 static void hash_avx512(const struct siphash_key *key, const void *keys, uint32_t n, uint64_t *out)
{
	const __m512i stride = _mm512_setr_epi64(0, 5, 10, 15, 20, 25, 30, 35);
	const uint8_t *p = keys;
	uint32_t i = 0;

	for (; i + 8 <= n; i += 8, p += (size_t)8 * SIMD_HASH_KEY) {
		struct state8 s = {
			_mm512_set1_epi64((long long)(key->k0 ^ INIT0)),
			_mm512_set1_epi64((long long)(key->k1 ^ INIT1)),
			_mm512_set1_epi64((long long)(key->k0 ^ INIT2)),
			_mm512_set1_epi64((long long)(key->k1 ^ INIT3)),
		};

		for (uint32_t w = 0; w < WORDS; w++)
			absorb8(&s, _mm512_i64gather_epi64(stride, p + (size_t)8 * w, 8));
		absorb8(&s, _mm512_set1_epi64((long long)LAST));
		s.v2 = _mm512_xor_si512(s.v2, _mm512_set1_epi64(0xff));
		for (int r = 0; r < 3; r++)
			round8(&s);
		_mm512_storeu_si512(out + i, _mm512_xor_si512(_mm512_xor_si512(s.v0, s.v1),
							      _mm512_xor_si512(s.v2, s.v3)));
	}
	hash_scalar(key, p, n - i, out + i);
}

struct state4 {
	__m256i v0, v1, v2, v3;
};

AVX2 static inline __m256i rotate4(__m256i x, int n)
{
	return _mm256_or_si256(_mm256_slli_epi64(x, n), _mm256_srli_epi64(x, 64 - n));
}

AVX2 static inline void round4(struct state4 *s)
{
	s->v0 = _mm256_add_epi64(s->v0, s->v1);
	s->v2 = _mm256_add_epi64(s->v2, s->v3);
	s->v1 = _mm256_xor_si256(rotate4(s->v1, 13), s->v0);
	s->v3 = _mm256_xor_si256(rotate4(s->v3, 16), s->v2);
	s->v0 = _mm256_add_epi64(_mm256_shuffle_epi32(s->v0, 0xb1), s->v3);
	s->v2 = _mm256_add_epi64(s->v2, s->v1);
	s->v1 = _mm256_xor_si256(rotate4(s->v1, 17), s->v2);
	s->v3 = _mm256_xor_si256(rotate4(s->v3, 21), s->v0);
	s->v2 = _mm256_shuffle_epi32(s->v2, 0xb1);
}

AVX2 static inline void absorb4(struct state4 *s, __m256i word)
{
	s->v3 = _mm256_xor_si256(s->v3, word);
	round4(s);
	s->v0 = _mm256_xor_si256(s->v0, word);
}

AVX2 static void hash_avx2(const struct siphash_key *key, const void *keys, uint32_t n, uint64_t *out)
{
	const __m256i stride = _mm256_setr_epi64x(0, 5, 10, 15);
	const uint8_t *p = keys;
	uint32_t i = 0;

	for (; i + 4 <= n; i += 4, p += (size_t)4 * SIMD_HASH_KEY) {
		struct state4 s = {
			_mm256_set1_epi64x((long long)(key->k0 ^ INIT0)),
			_mm256_set1_epi64x((long long)(key->k1 ^ INIT1)),
			_mm256_set1_epi64x((long long)(key->k0 ^ INIT2)),
			_mm256_set1_epi64x((long long)(key->k1 ^ INIT3)),
		};

		for (uint32_t w = 0; w < WORDS; w++)
			absorb4(&s, _mm256_i64gather_epi64((const void *)(p + (size_t)8 * w), stride, 8));
		absorb4(&s, _mm256_set1_epi64x((long long)LAST));
		s.v2 = _mm256_xor_si256(s.v2, _mm256_set1_epi64x(0xff));
		for (int r = 0; r < 3; r++)
			round4(&s);
		_mm256_storeu_si256((__m256i_u *)(out + i), _mm256_xor_si256(_mm256_xor_si256(s.v0, s.v1),
									     _mm256_xor_si256(s.v2, s.v3)));
	}
	hash_scalar(key, p, n - i, out + i);
}
#endif

#ifdef __aarch64__
#include <arm_neon.h>

/* Two keys side by side in each of HALVES registers: one round alone would wait for itself. */
#define HALVES 2u
#define LANES  (2u * HALVES)

struct state_neon {
	uint64x2_t v0, v1, v2, v3;
};

#define ROTATE(x, n) vsriq_n_u64(vshlq_n_u64(x, n), x, 64 - (n))

static inline uint64x2_t swap_halves(uint64x2_t x)
{
	return vreinterpretq_u64_u32(vrev64q_u32(vreinterpretq_u32_u64(x)));
}

static inline void round_neon(struct state_neon s[HALVES])
{
	for (uint32_t h = 0; h < HALVES; h++, s++) {
		s->v0 = vaddq_u64(s->v0, s->v1);
		s->v2 = vaddq_u64(s->v2, s->v3);
		s->v1 = veorq_u64(ROTATE(s->v1, 13), s->v0);
		s->v3 = veorq_u64(ROTATE(s->v3, 16), s->v2);
		s->v0 = vaddq_u64(swap_halves(s->v0), s->v3);
		s->v2 = vaddq_u64(s->v2, s->v1);
		s->v1 = veorq_u64(ROTATE(s->v1, 17), s->v2);
		s->v3 = veorq_u64(ROTATE(s->v3, 21), s->v0);
		s->v2 = swap_halves(s->v2);
	}
}

static inline void absorb_neon(struct state_neon s[HALVES], const uint64x2_t word[HALVES])
{
	for (uint32_t h = 0; h < HALVES; h++)
		s[h].v3 = veorq_u64(s[h].v3, word[h]);
	round_neon(s);
	for (uint32_t h = 0; h < HALVES; h++)
		s[h].v0 = veorq_u64(s[h].v0, word[h]);
}

/* Word w of the two keys at p. There is no gather. */
static inline uint64x2_t words_neon(const uint8_t *p, uint32_t w)
{
	uint8x8_t low = vld1_u8(p + (size_t)8 * w);
	uint8x8_t high = vld1_u8(p + SIMD_HASH_KEY + (size_t)8 * w);

	return vreinterpretq_u64_u8(vcombine_u8(low, high));
}

static void hash_neon(const struct siphash_key *key, const void *keys, uint32_t n, uint64_t *out)
{
	const uint64x2_t last[HALVES] = {vdupq_n_u64(LAST), vdupq_n_u64(LAST)};
	const uint8_t *p = keys;
	uint32_t i = 0;

	for (; i + LANES <= n; i += LANES, p += (size_t)LANES * SIMD_HASH_KEY) {
		struct state_neon s[HALVES];

		for (uint32_t h = 0; h < HALVES; h++)
			s[h] = (struct state_neon){vdupq_n_u64(key->k0 ^ INIT0), vdupq_n_u64(key->k1 ^ INIT1),
						   vdupq_n_u64(key->k0 ^ INIT2),
						   vdupq_n_u64(key->k1 ^ INIT3)};
		for (uint32_t w = 0; w < WORDS; w++) {
			const uint64x2_t word[HALVES] = {words_neon(p, w),
							 words_neon(p + (size_t)2 * SIMD_HASH_KEY, w)};

			absorb_neon(s, word);
		}
		absorb_neon(s, last);
		for (uint32_t h = 0; h < HALVES; h++)
			s[h].v2 = veorq_u64(s[h].v2, vdupq_n_u64(0xff));
		for (int r = 0; r < 3; r++)
			round_neon(s);
		for (uint32_t h = 0; h < HALVES; h++)
			vst1q_u64(out + i + (size_t)2 * h,
				  veorq_u64(veorq_u64(s[h].v0, s[h].v1), veorq_u64(s[h].v2, s[h].v3)));
	}
	hash_scalar(key, p, n - i, out + i);
}
#endif

uint32_t simd_hash_variants(struct simd_hash_variant out[SIMD_HASH_VARIANTS])
{
	uint32_t n = 0;

#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f"))
		out[n++] = (struct simd_hash_variant){"avx512", hash_avx512};
	if (__builtin_cpu_supports("avx2"))
		out[n++] = (struct simd_hash_variant){"avx2", hash_avx2};
#endif
#ifdef __aarch64__
	out[n++] = (struct simd_hash_variant){"neon", hash_neon}; /* every 64-bit ARM has it */
#endif
	out[n++] = (struct simd_hash_variant){"scalar", hash_scalar};
	return n;
}
