/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connections to the engines: made again with back-off when they are lost, brought to the active
 * generation, watched. Forwarding never depends on them. Functions are bounded by the client's time-outs.
 */
#pragma once

#include "daemon.h"

void link_tick(struct daemon *d, int64_t now_ms);
void link_events(struct daemon *d);
/* Read back what the engine holds now, and do what the config says about a difference; the link has the
 * result. */
void link_verify(struct daemon *d, struct link *l);

/* A transaction's view of `g` with all live bindings classified under it; link_enforced_free() ends it. */
int link_enforced(struct daemon *d, struct generation *g, struct enforced *out);
void link_enforced_free(struct enforced *e);

/* --- bindings (link_bindings.c) --------------------------------------------------------------- */

/* Take over the data path's bindings, or tell a follower ours. `tell`: correct what it has wrong now; else a
 * publish will. 0 or -errno. */
int link_agree(struct daemon *d, struct link *l, bool tell);
/* link_agree() with all that are connected; those that fail are lost at their next use. -errno of the first.
 */
int link_sync_bindings(struct daemon *d);
/* Fits dp_event_fn: of the engine whose word counts. */
void link_endpoint(void *ctx, const struct dp_endpoint *e);
/* Send the bindings that gathered. */
void link_flush(struct daemon *d);

/* --- last good files -------------------------------------------------------------------------- */

/* The active generation's image, unless it is there already, and bindings beside it, for cordon-dp's next
 * start. */
void link_write_lastgood(struct daemon *d, const struct enforced *e);
void link_write_lastgood_bindings(struct daemon *d);
