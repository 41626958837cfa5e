/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time for a worker without a system call: the TSC, scaled to nanoseconds, and the distance from there to
 * UTC and to the kernel's CLOCK_MONOTONIC, which the control thread measures about once a second. Reader: any
 * worker. Writer: the control thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>

#include "engine.h"

struct clock {
	uint64_t start;       /* TSC at clock_start() */
	uint64_t ns_per_2_32; /* nanoseconds in 2^32 ticks */
	bool trusted;
	_Atomic int64_t utc_minus_mono;
	_Atomic int64_t kernel_minus_mono; /* the kernel's CLOCK_MONOTONIC, that other processes have too */
	_Atomic bool utc_good;
};

void clock_start(struct clock *c, bool trusted);
/* Measure again. */
void clock_refresh(struct clock *c);

static inline uint64_t clock_mono_ns(const struct clock *c)
{
	return (uint64_t)((unsigned __int128)(rte_rdtsc() - c->start) * c->ns_per_2_32 >> 32);
}

/* CLOCK_MONOTONIC in milliseconds at the moment that is `mono_ns` here. */
static inline uint64_t clock_kernel_ms(const struct clock *c, uint64_t mono_ns)
{
	int64_t offset = atomic_load_explicit(&c->kernel_minus_mono, memory_order_relaxed);

	return (mono_ns + (uint64_t)offset) / 1000000u;
}

static inline struct engine_clock clock_now(const struct clock *c)
{
	uint64_t now = clock_mono_ns(c);
	bool good = atomic_load_explicit(&c->utc_good, memory_order_acquire);

	return (struct engine_clock){
		.now_ns = now,
		.utc_ns = (int64_t)now + atomic_load_explicit(&c->utc_minus_mono, memory_order_relaxed),
		.utc_good = good,
	};
}
