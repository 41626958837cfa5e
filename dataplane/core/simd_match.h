/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which of a bucket's eight 16-bit signatures equal a given one: bit i of the answer for signature i. SSE2
 * belongs to every x86-64 and NEON to every 64-bit ARM, so there is nothing to choose at run time. No state,
 * any thread.
 */
#pragma once

#include <stdint.h>

#define SIMD_MATCH_WAYS 8u

static inline uint32_t simd_match_scalar(const uint16_t signature[SIMD_MATCH_WAYS], uint16_t wanted)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < SIMD_MATCH_WAYS; i++)
		found |= (uint32_t)(signature[i] == wanted) << i;
	return found;
}

#ifdef __x86_64__
#include <emmintrin.h>

static inline uint32_t simd_match(const uint16_t signature[SIMD_MATCH_WAYS], uint16_t wanted)
{
	__m128i all = _mm_loadu_si128((const __m128i_u *)(const void *)signature);
	__m128i equal = _mm_cmpeq_epi16(all, _mm_set1_epi16((short)wanted));

	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
}
#elif defined(__aarch64__)
#include <arm_neon.h>

static inline uint32_t simd_match(const uint16_t signature[SIMD_MATCH_WAYS], uint16_t wanted)
{
	static const uint16_t bit[SIMD_MATCH_WAYS] = {1, 2, 4, 8, 16, 32, 64, 128};
	uint16x8_t equal = vceqq_u16(vld1q_u16(signature), vdupq_n_u16(wanted));

	return vaddvq_u16(vandq_u16(equal, vld1q_u16(bit)));
}
#else
static inline uint32_t simd_match(const uint16_t signature[SIMD_MATCH_WAYS], uint16_t wanted)
{
	return simd_match_scalar(signature, wanted);
}
#endif
