/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live verification: frames of made-up hosts through an engine (probe.h), and what became of them. A question
 * for each decision that the image in force has, the cases of state, errors, fragments and spoofing once for
 * each kind of session. Bounded in time; what was not asked is told, never passed over.
 */
#pragma once

#include <stddef.h>

#include "daemon.h"

enum live_result {
	LIVE_PASSED,
	LIVE_FAILED,
	LIVE_NOT_ASKED, /* should have been */
	LIVE_SKIPPED,   /* never is, and `detail` says why */
};

struct live_check {
	const char *about; /* one word: decision, state, error, ... */
	const char *name;  /* unlike all others of the engine */
	enum live_result result;
	const char *detail;
};
typedef void live_check_fn(void *ctx, const struct live_check *c);

/* Calls `f` for each check of one connected engine; at least once. */
void live_verify(struct daemon *d, struct link *l, live_check_fn *f, void *ctx);
