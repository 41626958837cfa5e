/* SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"

#include <time.h>

#include "synced.h"

#define NS_IN_S 1000000000ull
/* Monotonic time starts late enough that an age of days before it is no underflow. */
#define START_NS (30ull * 86400 * NS_IN_S)

void clock_start(struct clock *c, bool trusted)
{
	uint64_t hz = rte_get_tsc_hz();

	c->ns_per_2_32 = (uint64_t)(((unsigned __int128)NS_IN_S << 32) / hz);
	c->start = rte_rdtsc() - (uint64_t)((unsigned __int128)START_NS * hz / NS_IN_S);
	c->trusted = trusted;
	clock_refresh(c);
}

static int64_t distance(const struct clock *c, clockid_t to)
{
	struct timespec t;

	clock_gettime(to, &t);
	return (int64_t)((uint64_t)t.tv_sec * NS_IN_S + (uint64_t)t.tv_nsec - clock_mono_ns(c));
}

void clock_refresh(struct clock *c)
{
	atomic_store_explicit(&c->utc_minus_mono, distance(c, CLOCK_REALTIME), memory_order_relaxed);
	atomic_store_explicit(&c->kernel_minus_mono, distance(c, CLOCK_MONOTONIC), memory_order_relaxed);
	/* Who sees that it is good sees no older distance. */
	atomic_store_explicit(&c->utc_good, c->trusted || clock_synced(), memory_order_release);
}
