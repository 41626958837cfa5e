/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine that enforces generations, as a transaction sees it.
 *
 * A generation is an image and a snapshot of the bindings that were classified under it; both are borrowed
 * for the call. Each function is bounded in time and returns 0 or -errno with a sentence in `error`. One
 * thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "image.h"
#include "snapshot.h"

#define ENFORCER_ERROR 256u

/* number 0: no generation was ever active; the engine denies everything. */
struct enforced {
	uint32_t number;
	const struct image_header *image;
	size_t image_size;
	const struct snapshot_header *snapshot;
	size_t snapshot_size;
};

/* What an engine says that it runs. `image` is malloc'ed and may be anything: compare, do not interpret. */
struct readback {
	uint32_t generation;
	void *image; /* NULL: deny-all */
	size_t size;
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

struct enforcer {
	const struct enforcer_ops *ops;
	const char *name; /* `dpdk`, `nft`: the word in records and messages */
	char error[ENFORCER_ERROR];
};
