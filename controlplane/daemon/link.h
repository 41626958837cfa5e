/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection to cordon-dp: made again with back-off when it is lost, brought to the active generation,
 * watched. Forwarding never depends on it. Functions are bounded by the client's time-outs.
 */
#pragma once

#include "daemon.h"

void link_tick(struct daemon *d, int64_t now_ms);
void link_events(struct daemon *d);

/* A transaction's view of `g` with all live bindings classified under it; link_enforced_free() ends it. */
int link_enforced(struct daemon *d, const struct generation *g, struct enforced *out);
void link_enforced_free(struct enforced *e);
/* Take over the dataplane's bindings, and tell it the identities it has wrong. */
int link_sync_bindings(struct daemon *d);

/* The active generation's image, unless it is there already, and bindings beside it, for cordon-dp's next
 * start. */
void link_write_lastgood(struct daemon *d, const struct enforced *e);
void link_write_lastgood_bindings(struct daemon *d);
