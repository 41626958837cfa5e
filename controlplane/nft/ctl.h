/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop: serves one cordond on <run>/nft.sock (dpmsg.h), carries events to it, follows the schedule, the
 * dataplane's life and changes by others, and waits for SIGTERM or SIGINT. A peer that lies is refused and
 * closed, a peer that stalls waits alone. One thread.
 */
#pragma once

#include <stddef.h>

#include "args.h"
#include "kernel.h"
#include "log.h"
#include "records.h"
#include "standby.h"

/* Everything is borrowed and outlives ctl_run(). */
struct ctl_world {
	const struct args *args;
	const struct log *log;
	struct nl *nl;
	struct kernel *kernel;
	struct records *records;
};

struct ctl;

/* Signals must be blocked by the caller. NULL with the reason in `error`. */
struct ctl *ctl_open(const struct ctl_world *world, char *error, size_t room);
/* Until a signal asks to stop. */
void ctl_run(struct ctl *c);
void ctl_close(struct ctl *c);
