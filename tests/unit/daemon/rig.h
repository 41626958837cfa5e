/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A daemon on a bench: real store, real policy, and a test dataplane on the real socket. Driven tick by tick.
 */
#pragma once

#include "commit.h"
#include "daemon.h"
#include "testdp.h"

struct rig {
	char dir[64];            /* run and state directory */
	struct testdp *dp, *nft; /* NULL: the config has none */
	const char *extra;       /* lines of the config */
	struct daemon d;
	struct commit_result result;
	struct commit_error error;
	char found[512]; /* the first finding of the last commit */
};

/* Two policies that differ by what web may ask of db: 5432 in one, 3306 in the other. */
extern const char policy_one[], policy_two[];

/* Directory, dataplane and daemon, connected. */
void rig_start(struct rig *r);
/* With these lines in the config (static text), and a kernel engine with these features if they ask for one.
 */
void rig_start_with(struct rig *r, const char *extra, uint32_t features);
void rig_stop(struct rig *r);
/* The daemon ends and starts again on the same store; not yet connected. `kill`: without its own clean-up. */
void rig_restart_daemon(struct rig *r);
/* Tick until connected and equal; fails the test after five seconds. */
void rig_settle(struct rig *r);
/* Tick until `sql` (one number) gives `want`. */
void rig_expect(struct rig *r, int64_t want, const char *sql);
int64_t rig_number(struct rig *r, const char *sql);
/* Wait until something comes from the dataplane or a few milliseconds passed, then tick. */
void rig_turn(struct rig *r);

/* result and error are in the rig. */
bool rig_commit(struct rig *r, const char *text);
/* Generation `n` is active in the store, the daemon, the dataplane and the last good files. */
void rig_check_active(struct rig *r, uint32_t n);
struct config *rig_config(const char *dir, const char *extra);
