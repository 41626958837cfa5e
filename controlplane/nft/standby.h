/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel engine beside a dataplane. While cordon-dp lives, the guard keeps the kernel's bridge from the
 * frames of the ports; when it dies or hangs, the guard goes and the kernel enforces the same generation;
 * when it is back, the guard is back. Without a generation the guard stays: what nobody decides passes
 * nowhere.
 *
 * How it is watched: the lock file names its process, of which a pidfd tells the end at once; the ring file
 * of that process has its workers' heartbeat. The lock itself is never tried: a cordon-dp that starts in that
 * moment would find it taken and give up. Owner: whoever called standby_open(). One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dpmsg.h"
#include "log.h"
#include "netlink.h"

#define STANDBY_TICK_MS 50

struct standby;

/* What is watched; borrowed. */
struct standby_world {
	const char *run_dir, *lock;
	struct nl *nl;
	const struct log *log;
};

/* The guard is put on unless the kernel enforces already and nobody else does. `enforces`: a generation is in
 * force. `epoll`: gets the pidfd. NULL with the reason in `error`. */
struct standby *standby_open(const struct standby_world *world, int epoll, bool enforces, char *error,
			     size_t room);
/* The guard stays as it is. */
void standby_close(struct standby *s);

/* Every STANDBY_TICK_MS, when standby_fd() can be read, and when a generation came or went. */
void standby_look(struct standby *s, bool enforces);
/* Somebody else changed our tables: a guard that should be there is put back. */
void standby_on_change(struct standby *s);
/* The pidfd in epoll now; -1: none. */
int standby_fd(const struct standby *s);

enum dp_standby standby_state(const struct standby *s);
uint64_t standby_takeovers(const struct standby *s);
int64_t standby_takeover_ns(const struct standby *s);
/* Of the last takeover: from the dataplane's last heartbeat to the guard's end. */
uint64_t standby_gap_ms(const struct standby *s);
