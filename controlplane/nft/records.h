/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records of the kernel engine: the ring file that cordon-dp would write, from what the kernel tells.
 *
 *   refused packets   nflog messages          -> RECORD_REFUSED, or one more in an aggregate
 *   sessions          conntrack events        -> RECORD_OPEN, CHANGED, END; counters from lists
 *   both laws         the kernel's counters   -> frames_in, forwarded, dropped; decisions
 *
 * The counters are the truth. A decision that the kernel counted is raised in the ring at once; if its
 * message does not come in time it is counted lost. A message that was never counted is told of
 * (records_on_notice), and kept.
 *
 * Owner: whoever opened it; box and nl must outlive it. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dpmsg.h"
#include "netlink.h"
#include "nftmodel.h"

struct records;

/* Makes <run_dir>/dp-<instance>.ring; counting begins here. 0 or -errno with a sentence in `error`; then
 * nothing is left behind. */
int records_open(struct records **out, const char *run_dir, const struct nft_box *box, struct nl *nl,
		 char *error, size_t room);
/* Takes what is there, marks the file as closed and leaves it. The kernel's sessions go on. NULL is fine. */
void records_close(struct records *r);

const char *records_ring_path(const struct records *r);
uint64_t records_instance(const struct records *r);

/* What may be in force a moment from now: its marks are understood, and nothing else changes. Before a swap,
 * so that the first message of the new version is not lost. */
void records_expect(struct records *r, const struct nft_program *program, const struct nft_version *version);
/* What is in force now: the program, and the version under which the kernel has it. `program` is borrowed
 * until the next call has come back, or records_close(); NULL: everything is denied. Marks of the last
 * versions stay understood. Sessions are decided again by a sweep. */
void records_use(struct records *r, const struct nft_program *program, const struct nft_version *version);

/* One binding, also DP_BINDING_GONE: sessions of the address are decided again if that says another thing. */
void records_binding(struct records *r, const struct dp_binding *b);
/* Instead of all bindings; sessions are decided again by the next sweep or tick. */
void records_bindings(struct records *r, const struct dp_binding *b, size_t n);

/* For poll(); records_ready() when one can be read. Bounded work: what is left keeps it readable. */
size_t records_fds(const struct records *r, int fds[4]);
void records_ready(struct records *r);

/* After another program is in use: every session of ours is decided again. One that is denied now is cut; one
 * that is allowed is left to its next packet, which the kernel decides, unless that would not do (sweep.c). 0
 * or -errno; then some session may stand as it did, and it must be called again. */
int records_sweep(struct records *r);
/* Every 100 ms; `now_ms`: CLOCK_MONOTONIC. */
void records_tick(struct records *r, int64_t now_ms);

void records_on_endpoint(struct records *r, void (*f)(void *ctx, const struct dp_endpoint *e), void *ctx);
/* For the log: what went wrong here without being anybody's call. */
void records_on_notice(struct records *r, void (*f)(void *ctx, const char *text), void *ctx);
