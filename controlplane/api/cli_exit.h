/* SPDX-License-Identifier: BSD-3-Clause */
/* The CLI contract's exit codes. They also travel in `error.exit` of the API, so both ends take them from
 * here. */
#pragma once

enum cli_exit {
	CLI_DONE = 0, /* or: yes */
	CLI_NO = 1,
	CLI_USAGE = 2,
	CLI_POLICY = 3, /* does not compile */
	CLI_NOT_ALLOWED = 4,
	CLI_UNREACHABLE = 5,
	CLI_NOT_APPLIED = 6, /* the old generation is active */
	CLI_CAPACITY = 7,
	CLI_INCOMPLETE = 8,
	CLI_TIMED_OUT = 9,
	CLI_INTERRUPTED = 130,
};
