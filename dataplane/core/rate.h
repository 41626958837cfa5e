/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rate limit in one word: the time, in milliseconds, up to which the allowance is spent. It allows
 * `per_second` events with a burst of one second's worth. A zeroed word is a fresh limit. Owner: whoever
 * holds the word.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RATE_WINDOW_MS 1000u

static inline bool rate_take(uint32_t *spent_ms, uint64_t now_ns, uint32_t per_second)
{
	uint32_t now = (uint32_t)(now_ns / 1000000u), cost = RATE_WINDOW_MS / per_second;
	uint32_t ahead = *spent_ms - now;

	if (ahead > RATE_WINDOW_MS) /* in the past, or so long ago that the clock wrapped */
		ahead = 0;
	if (ahead + cost > RATE_WINDOW_MS)
		return false;
	*spent_ms = now + ahead + cost;
	return true;
}
