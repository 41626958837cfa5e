/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread: serves one cordond on <run>/dp.sock (dpmsg.h), carries endpoint events to it, watches
 * links and the clock, and waits for SIGTERM or SIGINT. A peer that lies is refused and closed, a peer that
 * stalls waits alone: nothing here is ever waited for by a worker.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "clock.h"
#include "port.h"
#include "publish.h"
#include "ring.h"

/* What the control thread speaks for. Everything is borrowed and outlives ctl_run(). */
struct ctl_world {
	const struct args *args;
	const struct ring_file *ring;
	const char *ring_path;
	struct clock *clock;
	struct ports *ports;
	struct worker *worker;
	struct publisher *publisher;
	uint64_t safe_until_s; /* CLOCK_BOOTTIME: then we end, to start anew; 0: never */
};

struct ctl;

/* Signals must be blocked by the caller. NULL with the reason in `error`. */
struct ctl *ctl_open(const struct ctl_world *world, char *error, size_t room);
/* Until a signal asks to stop, or safe mode is over. */
void ctl_run(struct ctl *c);
void ctl_close(struct ctl *c);
