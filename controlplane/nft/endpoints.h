/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoint events on their way to cordond: bounded, one of a kind and endpoint a second, and no more than so
 * many of one port a second. What finds no room is counted. Plain data; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dpmsg.h"

#define ENDPOINTS_QUEUE    4096u
#define ENDPOINTS_RECENT   4096u
#define ENDPOINTS_PORTS    33u /* the last: ports that the box does not have */
#define ENDPOINTS_PER_PORT 1000u

struct endpoints {
	struct dp_endpoint queue[ENDPOINTS_QUEUE];
	uint32_t head, n;
	struct endpoints_recent {
		uint64_t hash;
		int64_t until_ms;
	} recent[ENDPOINTS_RECENT];
	int64_t second_ms; /* when the counts of ports began */
	uint32_t port[ENDPOINTS_PORTS];
	uint64_t lost; /* too many */
};

/* False: it is left out, being a repetition or one too many. */
bool endpoints_put(struct endpoints *q, const struct dp_endpoint *e, int64_t now_ms);
/* Moves up to `max` out. */
uint32_t endpoints_take(struct endpoints *q, struct dp_endpoint *out, uint32_t max);
