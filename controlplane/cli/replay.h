/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One capture through one policy: what `replay` and `compile --pcap` share. Opens both, says on stderr what
 * is wrong with either, and pumps the frames.
 */
#pragma once

#include "bundle.h"
#include "capture.h"
#include "tap.h"

struct replay_run {
	struct cli *cli;
	struct bundle bundle;
	struct capture *capture;
	struct tap *tap;
	uint64_t frames;
	bool cut; /* the capture ended too early */
};

/* CLI_DONE or an exit code with everything said; replay_run_close() is due either way. */
int replay_run_open(struct cli *cli, struct replay_run *run, const char *policy, const char *pcap,
		    const struct tap_config *config);
/* CLI_DONE, CLI_INCOMPLETE if the capture is cut, or CLI_USAGE if not one frame could be read for it. */
int replay_run_pump(struct replay_run *run, tap_record_fn *f, void *ctx);
void replay_run_close(struct replay_run *run);
/* The exit code of what the compiler said. */
int replay_compile_failed(struct cli *cli, enum compile_result result, const char *error);
