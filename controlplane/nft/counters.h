/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's counters, which are the truth of both laws of counting, as sums since this process began.
 *
 * They outlive the process, so the first reading is where counting begins. A counter that a program has not
 * goes with the swap to it, and begins anew with the next one that has it: so there is a reading in each
 * swap. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "netlink.h"
#include "verdict.h"

enum counter {
	COUNTER_FRAMES_IN,
	COUNTER_FORWARDED,
	COUNTER_HANDED,
	COUNTER_SEEN,
	COUNTER_OPENED, /* of both planes, like the next two */
	COUNTER_REFUSED,
	COUNTER_REDECIDED,
	COUNTER_DROPPED, /* + reason */
	COUNTERS = COUNTER_DROPPED + REASON_COUNT
};

#define COUNTER_FAMILIES 2u /* bridge, inet: a name may be in both */
#define COUNTER_PLANES   2u /* the bridge's, the host's */

struct counters {
	bool began;
	uint64_t sum[COUNTERS];
	uint64_t bytes_in;
	uint64_t vanished; /* frames between guard and session: the kernel's own drops */
	uint64_t handed_before;
	uint64_t last[COUNTERS][COUNTER_FAMILIES][COUNTER_PLANES];
	uint64_t last_bytes[COUNTER_FAMILIES];
	bool there[COUNTERS][COUNTER_FAMILIES][COUNTER_PLANES]; /* in this reading */
};

/* One reading. 0 or -errno; then the sums stay below the truth until the next one. */
int counters_read(struct counters *c, struct nl *nl);
/* Dropped for this reason, those in `vanished` included. */
uint64_t counters_dropped(const struct counters *c, enum reason reason);
