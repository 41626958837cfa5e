/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in force in the kernel: the program, its version, its bindings, and the ways from one to the next.
 * One of three states:
 *   closed    the closed program: nothing passes; generation 0
 *   adopted   tables that were there when we started: enforced as they are, until a program is published.
 *             What they came from is not known, so their bindings stay and their schedule stands still
 *   in force  a program that was published, with its bindings and its schedule
 * Whatever is refused leaves what is in force. Owner: whoever called kernel_open(). One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "dpmsg.h"
#include "log.h"
#include "netlink.h"
#include "records.h"

struct kernel;

/* Borrowed; used by every call but kernel_close(). */
struct kernel_world {
	const struct args *args;
	struct nl *nl;
	struct records *records;
	const struct log *log;
};

/* Why something was refused. */
struct refusal {
	int code; /* errno */
	char text[DP_TEXT];
};

/* A binding whose lease is over was taken out. */
typedef void kernel_gone_fn(void *ctx, const struct dp_binding *b);

/* Adopts what is in the kernel, or loads the closed program. NULL with the reason in `error`. */
struct kernel *kernel_open(const struct kernel_world *world, char *error, size_t room);
/* The kernel keeps what it has. After records_close(), which reads the program. */
void kernel_close(struct kernel *k);

bool kernel_prepare(struct kernel *k, int fd, struct refusal *why);
bool kernel_publish(struct kernel *k, int fd, uint32_t generation, struct refusal *why);
bool kernel_bind(struct kernel *k, const struct dp_binding *bindings, uint32_t n, struct refusal *why);
bool kernel_deny_all(struct kernel *k, struct refusal *why);
/* Nobody will publish it any more. */
void kernel_forget_prepared(struct kernel *k);

/* Sealed memfds; the program as the kernel has it, *fd -1 if that is the closed one. */
bool kernel_dump_program(struct kernel *k, int *fd, struct refusal *why);
bool kernel_dump_bindings(struct kernel *k, int *fd, uint32_t *count, struct refusal *why);

/* Binds the pair to the probe ports, sends the frames, fills what became of them, and forgets the pair and
 * its sessions. `idle` is called now and then: it takes up to PROBE_WAIT_MS a frame. */
bool kernel_probe(struct kernel *k, int fd, struct dp_probes *p, void (*idle)(void *ctx), void *ctx,
		  struct refusal *why);
/* No more probes for now: their devices go. */
void kernel_probe_end(struct kernel *k);

/* 0: everything is denied. */
uint32_t kernel_generation(const struct kernel *k);
/* A generation, and its chains are in every packet's way. */
bool kernel_enforces(const struct kernel *k);
/* Of the policy; zero if it is not known. */
const uint8_t *kernel_digest(const struct kernel *k);
uint32_t kernel_features(const struct kernel *k);
/* UTC can be relied on: the kernel says so, or the config. */
bool kernel_clock_good(const struct kernel *k);
uint32_t kernel_layout(const struct kernel *k);

/* Readable when the schedule has an edge or the clock was set. */
int kernel_schedule_fd(const struct kernel *k);
void kernel_on_schedule(struct kernel *k);
/* Somebody else changed our tables: if frames could pass them unseen, load them anew at once. While that
 * fails, the ports are shut by a guard (netlink.h), and kernel_tick() tries again. */
void kernel_on_change(struct kernel *k);
/* About once a second: what failed is tried again, leases end. */
void kernel_tick(struct kernel *k, kernel_gone_fn *gone, void *ctx);
