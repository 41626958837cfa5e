/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of cordon-nft, as plain data: the box it programs and where its files lie. Pure: reads
 * nothing but argv and an @FILE; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nftmodel.h"

#define ARGS_PATH  96u
#define ARGS_ERROR 256u

struct args {
	char run_dir[ARGS_PATH];
	char dp_lock[ARGS_PATH]; /* of the dataplane that we stand beside */
	struct nft_box box;      /* its layout is not known yet */
	uint32_t lease_s;        /* of a binding that was just seen */
	bool standby, clock_trusted;
};

enum args_result { ARGS_RUN, ARGS_HELP, ARGS_VERSION, ARGS_BAD };

/* ARGS_BAD: `error` (ARGS_ERROR bytes) is one line that says which argument and why. */
enum args_result args_parse(struct args *a, int argc, char *const argv[], char *error);

/* What --help prints. */
const char *args_usage(void);
