/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is in force: the image the workers read, the one prepared to follow it, and the way from one to the
 * other. Owns the memory of both images; an old one is freed when the worker has given it back. Control
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "blob.h"
#include "dpmsg.h"
#include "lastgood.h"
#include "worker.h"

struct publisher {
	struct worker *worker;
	uint32_t n_ports;
	bool tap;
	struct blob in_force, prepared;
	_Atomic uint32_t generation; /* 0: deny-all */
};

/* Why something was refused; what is in force stays. */
struct refusal {
	int code; /* errno; 0: it was not */
	char text[DP_TEXT];
};

/* Before the worker runs. Takes the blobs of `good`. */
void publish_last_good(struct publisher *p, struct lastgood *good);

bool publish_prepare(struct publisher *p, int fd, struct refusal *why);
bool publish_commit(struct publisher *p, int fd, uint32_t generation, struct refusal *why);
bool publish_deny_all(struct publisher *p, struct refusal *why);
bool publish_bind(struct publisher *p, const struct dp_binding *bindings, uint32_t n, struct refusal *why);
/* Probes through the live engine: `probes` is filled with what came out. */
bool publish_probe(struct publisher *p, int fd, struct dp_probes *probes, struct refusal *why);
/* Nobody will commit it any more. */
void publish_forget_prepared(struct publisher *p);

/* Sealed memfds of what the worker uses now. False: refused. */
bool publish_dump_image(struct publisher *p, int *fd, struct refusal *why);
bool publish_dump_bindings(struct publisher *p, int *fd, uint32_t *count, struct refusal *why);

/* After the worker ended. */
void publish_close(struct publisher *p);
