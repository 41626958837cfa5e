/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commit: from a policy's text to an active generation, or to one reason why not.
 */
#pragma once

#include "answer.h"
#include "change.h"
#include "daemon.h"

struct commit_result {
	uint32_t number;
	size_t tests_passed;
	char digest[65];
	struct change change;
};

struct commit_error {
	unsigned status; /* HTTP */
	enum cli_exit code;
	char text[3 * ENFORCER_ERROR];
	char unchanged[128];
	const char *next; /* what to do; NULL: nothing to say */
};

/*
 * `g` holds files only. On success it is the daemon's active generation; on failure it stays the caller's,
 * and the generation that was active is active still. `findings` gets what there is to say about the text
 * either way.
 */
bool commit_run(struct daemon *d, struct generation *g, const struct commit_meta *meta,
		struct diags *findings, struct commit_result *out, struct commit_error *error);

/* After the data path connected: close an intent that was left open, by what the connected engines hold. 0,
 * or -errno if an engine cannot be asked. */
int commit_recover(struct daemon *d);
/*
 * Read back what an engine holds. If that is something else than the active generation, do as the config
 * says: publish again or adopt, and close or not. The result is in the link. 0, or -errno if it cannot be
 * asked.
 */
int commit_verify(struct daemon *d, struct link *l);
