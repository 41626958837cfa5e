/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writing side of a day file: rows, aggregates, frames and accounts, all in the transaction between
 * ledger_begin() and ledger_commit(). Not for other folders. Owner: the reader; one thread.
 */
#pragma once

#include "record.h"
#include "ring.h"
#include "store_internal.h"

#define INSTANCE_TEXT 17u

/* One row of `account`: a worker of one instance, cumulative. */
struct account {
	uint64_t tail;
	uint64_t written, aggregated, updates_written;
	uint64_t decisions, lost, updates, updates_lost;
	uint64_t frames_in, forwarded, dropped;
	uint64_t missed, updates_missed;
	uint64_t clock_back;
	int64_t clock_ns;
	int64_t started_ns;
	uint64_t closed; /* 0, 1 drained, 2 a reboot took what was pending */
};

enum ledger_statement {
	LEDGER_DECISION,
	LEDGER_UPDATE,
	LEDGER_AGGREGATE,
	LEDGER_FRAMES,
	LEDGER_TOTAL,
	LEDGER_ACCOUNT,
	LEDGER_STATEMENTS,
};

struct ledger {
	struct store *store;
	sqlite3 *db; /* the store's; statements belong to it */
	sqlite3_stmt *statement[LEDGER_STATEMENTS];
	int64_t now_ns;
	char file[32];
	bool fresh; /* no transaction was committed to this file yet: accounts and totals must be written
		       whole */
};

/* All give 0 or -errno, text in the store's error. */
int ledger_begin(struct ledger *l, int64_t now_ns);
int ledger_commit(struct ledger *l);
void ledger_rollback(struct ledger *l);
void ledger_close(struct ledger *l);

int ledger_decision(struct ledger *l, const char *instance, uint32_t worker, uint64_t sequence,
		    const struct record *r);
int ledger_update(struct ledger *l, const char *instance, uint32_t worker, uint64_t sequence,
		  const struct record *r);
/* `more` decisions of the aggregate that were not stored yet. */
int ledger_aggregate(struct ledger *l, const char *instance, uint32_t worker, const struct ring_aggregate *a,
		     uint64_t more);
int ledger_frames(struct ledger *l, const char *instance, const char *port, const char *reason, uint64_t more,
		  uint64_t total);
int ledger_account(struct ledger *l, const char *instance, uint32_t worker, const struct account *a);

/* --- what is stored already, from the newest file that says so; each calls back per row ---------------- */

/* Every instance's accounts, or one's. */
int ledger_load_accounts(struct store *s, const char *instance,
			 int (*f)(void *ctx, const char *instance, uint32_t worker, const struct account *a),
			 void *ctx);
int ledger_load_totals(struct store *s, const char *instance,
		       int (*f)(void *ctx, const char *port, const char *reason, uint64_t count), void *ctx);
/* Once per day file and serial: what adds up. */
int ledger_load_aggregates(struct store *s, const char *instance,
			   int (*f)(void *ctx, uint32_t worker, uint64_t serial, uint64_t count), void *ctx);
