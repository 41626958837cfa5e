/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control.db, as the daemon writes it: dictionary, generations, read-backs, binding history, events.
 *
 * Functions return 0 or -errno and put a sentence into `error` (ENFORCER_ERROR bytes, may be NULL). One
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "binding.h"
#include "dictionary.h"
#include "generation.h"
#include "txn.h"

struct sqlite3;

#define JOURNAL_EVENTS 20u /* rows of one kind a second: a flood of one must not hide another */
#define JOURNAL_KINDS  16u

struct journal {
	struct sqlite3 *db;      /* borrowed from the store */
	bool batch;              /* a transaction of history rows is open */
	int64_t adopt_max;       /* binding rows up to here are of an earlier process */
	int64_t event_window_ns; /* start of the second in which events are counted */
	struct journal_kind {
		char kind[24];
		unsigned n; /* in this second */
	} kinds[JOURNAL_KINDS];
};

/* Wall clock. */
int64_t utc_now_ns(void);

void journal_init(struct journal *j, struct sqlite3 *db);

/* --- dictionary ------------------------------------------------------------------------------- */

/* NULL: the store's dictionary cannot be read or contradicts itself. */
struct dictionary *journal_dictionary(struct journal *j, char *error);
/* Write what the store does not have yet. Durable on return. */
int journal_save_dictionary(struct journal *j, const struct dictionary *d, char *error);

/* --- generations ------------------------------------------------------------------------------ */

/* What goes with a generation but is not in it. Borrowed. */
struct commit_meta {
	const char *author, *message;
	const char *ticket;      /* NULL: none */
	int64_t from_generation; /* rollback: whose text; 0 none */
};

/* The intent of a transaction: generation, files, image, rules and identities in one durable step. */
int journal_intent(struct journal *j, const struct generation *g, const struct commit_meta *meta,
		   const struct dictionary *dict, char *error);
int journal_activate(struct journal *j, uint32_t number, char *error);
int journal_abandon(struct journal *j, uint32_t number, char *error);
/* clock_bad: nobody vouches for the clock that dates it. */
int journal_readback(struct journal *j, const char *engine, const struct readback *got, uint32_t expected,
		     bool equal, bool clock_bad, char *error);

/* Number of the generation in this state with the highest number, 0 if there is none. */
uint32_t journal_newest(struct journal *j, const char *state);
/* This generation, of a policy with this digest, was given up before it was active. */
bool journal_gave_up(struct journal *j, uint32_t number, const uint8_t policy_digest[32]);
/* Number for the next intent: never one that was used. */
uint32_t journal_next_number(struct journal *j);
/* The generation active before the active one, or 0. */
uint32_t journal_before_active(struct journal *j);
/* Files and image. *out is NULL if there is no such generation. The policy is not resolved. */
int journal_load(struct journal *j, uint32_t number, struct generation **out, char *error);

/* The dataplane instance whose bindings were taken over last; 0 none. */
uint64_t journal_instance(struct journal *j);
void journal_set_instance(struct journal *j, uint64_t instance);

/* --- history ---------------------------------------------------------------------------------- */

/* Observer of the bindings table; ctx is a struct journal_bindings. Rows gather in one transaction per
 * journal_flush(). */
struct journal_bindings {
	struct journal *journal;
	const struct binding_port *ports;
	const size_t *n_ports;
};
void journal_binding_opened(void *ctx, struct live_binding *b);
void journal_binding_closed(void *ctx, const struct live_binding *b, int64_t time_ns);
/* After the first synchronisation: rows left open by an earlier process whose bindings are gone. */
void journal_close_orphans(struct journal *j, int64_t time_ns);
int journal_flush(struct journal *j);

/*
 * At most JOURNAL_EVENTS rows of a kind a second; a row about the ones left out follows with the next event,
 * or with journal_events_settle() once the second is over. The text has no control characters: they become
 * question marks.
 */
void journal_event(struct journal *j, const char *kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void journal_events_settle(struct journal *j);
