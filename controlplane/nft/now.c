/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "now.h"

#include <time.h>

#define NS_PER_S INT64_C(1000000000)

struct engine_clock now_clock(void)
{
	struct timespec mono, utc;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &utc);
	return (struct engine_clock){
		.now_ns = (uint64_t)(mono.tv_sec * NS_PER_S + mono.tv_nsec),
		.utc_ns = utc.tv_sec * NS_PER_S + utc.tv_nsec,
		.utc_good = true,
	};
}
