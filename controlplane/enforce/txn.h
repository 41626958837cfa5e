/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A commit as a transaction over all engines: either all of them run the next generation, proved by reading
 * it back, or all of them run the one before.
 *
 * Pure order of steps. What is durable goes through the journal, what is enforced through the engines, so a
 * kill between any two steps leaves an open intent that txn_recover() closes one way or the other. One
 * thread.
 */
#pragma once

#include <stdbool.h>

#include "enforcer.h"

/* Each returns 0 or -errno, with a sentence in `error` (ENFORCER_ERROR bytes). */
struct txn_journal {
	/* Write down that `g` is about to be published. Durable on return. */
	int (*intent)(void *ctx, const struct enforced *g, char *error);
	/* What `engine` said that it runs. */
	int (*readback)(void *ctx, const char *engine, const struct readback *got,
			const struct enforced *expected, bool equal, char *error);
	/* `g` is active from now on, its predecessor is retired. Durable on return. */
	int (*active)(void *ctx, const struct enforced *g, char *error);
	/* The intent is void. */
	int (*abandoned)(void *ctx, const struct enforced *g, char *error);
};

/* Engines are published in this order: first the one that may still refuse. */
struct txn {
	struct enforcer *const *engines;
	size_t n_engines;
	const struct txn_journal *journal;
	void *journal_ctx;
	struct enforced next, old;
	struct proof *proofs; /* of `next`, one for each engine; written as far as it comes */
};

enum txn_step { TXN_PREPARE, TXN_INTENT, TXN_PUBLISH, TXN_READBACK, TXN_ACTIVE };

struct txn_error {
	enum txn_step step;
	char text[2 * ENFORCER_ERROR];
	/* false: some engine could not be brought back yet; whoever owns the connection must publish `old` on
	 * the next */
	bool old_in_force;
};

/* 0: `next` is active. -errno: `old` stays, error says at which step and why. */
int txn_run(const struct txn *t, struct txn_error *error);
/* An intent for `next` was found open. *finished: every engine runs it, it is active now; else `old` was put
 * back. */
int txn_recover(const struct txn *t, bool *finished, struct txn_error *error);
/* Does the engine hold this generation? Writes the journal's read-back row. 0, or -errno if it could not be
 * asked, with a sentence in proof->text. */
int txn_compare(const struct txn *t, struct enforcer *e, const struct enforced *g, struct proof *proof);

const char *txn_step_word(enum txn_step step);
