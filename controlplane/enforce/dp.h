/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client of an engine's control socket (dpmsg.h): cordon-dp's or cordon-nft's, which differ in what a
 * generation is to them and in how long they may take for it.
 *
 * Requests are synchronous and bounded by DP_TIMEOUT_MS (what moves a whole program in the kernel, by
 * DP_TIMEOUT_NFT_MS). The peer is not trusted: an answer of another size,
 * abi, type or order, an unsealed or oversized memfd, and silence all end the connection, because what
 * follows on it could not be told apart. Events that arrive between a request and its answer are kept for
 * dp_events(). One thread.
 */
#pragma once

#include <stdbool.h>

#include "dpmsg.h"
#include "enforcer.h"

#define DP_TIMEOUT_MS     2000
#define DP_TIMEOUT_NFT_MS 15000

struct dp;

/* Somebody who answers at `path` but is another kind of engine is not talked to. */
struct dp *dp_new(const char *path, enum dp_engine kind);
void dp_free(struct dp *dp);

/* Connect and say hello. 0 or -errno; dp_error() says why. */
int dp_connect(struct dp *dp);
void dp_disconnect(struct dp *dp);
bool dp_connected(const struct dp *dp);
/* For polling; -1 if not connected. */
int dp_fd(const struct dp *dp);
/* Grows with each connection: descriptors are reused, this is not. */
uint64_t dp_connection(const struct dp *dp);
const char *dp_error(const struct dp *dp);
/* What the dataplane last said about itself; all zero before the first connection. */
const struct dp_hello *dp_last_hello(const struct dp *dp);

int dp_ping(struct dp *dp);
int dp_deny_all(struct dp *dp);
int dp_bind(struct dp *dp, const struct dp_binding *bindings, size_t n);
/* Send the frames of `probes` through the engine in force; `forwarded` of each is filled in. `bytes`: of all
 * frames, one after another. */
int dp_probe(struct dp *dp, struct dp_probes *probes, const void *bytes, size_t size);
/* malloc'ed array. */
int dp_dump_bindings(struct dp *dp, struct dp_binding **out, size_t *n);

typedef void dp_event_fn(void *ctx, const struct dp_endpoint *event);
/* Read what has arrived without waiting and call `f` for each endpoint event. -errno if the connection ended.
 */
int dp_events(struct dp *dp, dp_event_fn *f, void *ctx);
/* Events thrown away because too many came during one request, since the last call. */
uint64_t dp_events_lost(struct dp *dp);

/* True once after each DP_DRIFT: somebody else changed what the engine holds. */
bool dp_drifted(struct dp *dp);
/* Another engine knows how long bindings last: publish them without an end of their lease. */
void dp_follow(struct dp *dp);

/* The same connection as an engine of a transaction. */
struct enforcer *dp_enforcer(struct dp *dp);
