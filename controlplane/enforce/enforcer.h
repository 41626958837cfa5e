/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine that enforces generations, as a transaction sees it.
 *
 * A generation is an image, what that is as a kernel program, and a snapshot of the bindings that were
 * classified under it; all are borrowed for the call. Each function is bounded in time and returns 0 or
 * -errno with a sentence in `error`. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"
#include "nftmodel.h"
#include "snapshot.h"

#define ENFORCER_ERROR 512u

/* number 0: no generation was ever active; the engine denies everything. */
struct enforced {
	uint32_t number;
	const struct image_header *image;
	size_t image_size;
	const struct nft_program *program; /* NULL: no engine needs one */
	size_t program_size;
	const struct snapshot_header *snapshot;
	size_t snapshot_size;
};

/* What an engine says that it runs: image or program, malloc'ed. It may be anything: check before reading. */
struct readback {
	uint32_t generation;
	void *image; /* NULL: deny-all */
	size_t size;
};

/* What a comparison found: how much is equal, or the first thing that is not. */
struct proof {
	bool equal;
	uint64_t cells;    /* of the decision matrix, that were compared */
	uint64_t elements; /* of the kernel's sets; 0: the engine has none */
	/* a cell that differs, and a packet that would meet it; "" if the difference is in no cell */
	char from[160], to[160], service[24], rule[128], packet[128];
	char text[ENFORCER_ERROR]; /* the difference in words; "" if equal */
};

struct enforcer;

struct enforcer_ops {
	/* Check and load the image of `g` beside the one in force. May refuse; then nothing has changed. */
	int (*prepare)(struct enforcer *e, const struct enforced *g);
	/* Put the prepared generation and its bindings in force. */
	int (*publish)(struct enforcer *e, const struct enforced *g);
	/* Make sure that `g`, the generation before, is in force, whatever happened since. */
	int (*rollback)(struct enforcer *e, const struct enforced *g);
	int (*readback)(struct enforcer *e, struct readback *out);
};

/* Is what was read back what `g` should be there? Pure but for `ctx`. 0 or -errno. */
typedef int enforcer_compare(void *ctx, const struct enforced *g, const struct readback *got,
			     struct proof *out);

struct enforcer {
	const struct enforcer_ops *ops;
	const char *name; /* `dpdk`, `nft`: the word in records and messages */
	enforcer_compare *compare;
	void *compare_ctx; /* borrowed */
	char error[ENFORCER_ERROR];
};

/* The plain comparison: the same number, and the image's bytes. */
enforcer_compare enforcer_compare_bytes;
