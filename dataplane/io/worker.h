/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: one thread that owns one engine, receives, asks the engine and sends. It makes no system call,
 * log or allocation of its own while frames arrive; idle, it sleeps in short naps.
 *
 * The control thread talks to it through two single-producer single-consumer queues: orders go in and are
 * carried out between two bursts, endpoint events come out. Everything else in struct worker belongs to the
 * worker's thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "dpmsg.h"
#include "engine.h"
#include "port.h"

enum order_kind { ORDER_PUBLISH, ORDER_BIND, ORDER_DUMP, ORDER_PORT, ORDER_PROBE, ORDER_STOP, ORDER_KINDS };

/* One order. The control thread owns it again once `done` is set. */
struct order {
	enum order_kind kind;
	_Atomic bool done;
	int result; /* 0 or -errno */
	union {
		struct {
			const struct image_header
				*image; /* in: NULL denies everything; out: the one before */
			uint32_t generation;
			const struct dp_binding *bindings;
			uint32_t n_bindings;
		} publish;
		struct {
			const struct dp_binding *bindings;
			uint32_t n; /* in: how many; out: how many were taken */
		} bind;
		struct {
			struct dp_binding *out;
			uint32_t room, n, cursor;
		} dump;
		struct {
			uint32_t index;
			bool up;
			bool leave; /* the device is about to be closed: never touch it again */
		} port;
		struct {
			struct dp_probes *probes; /* `forwarded` of each frame is filled in */
			const uint8_t *bytes;
			size_t size;
		} probe;
	};
};

struct worker;

struct worker_config {
	const struct engine_config *engine;
	const struct ring_producer *ring;
	const struct clock *clock;
	const struct ports *ports;
};

/* NULL with *error set (static text) if refused. Before worker_start(). */
struct worker *worker_create(const struct worker_config *config, const char **error);
void worker_destroy(struct worker *w); /* after worker_join() */
/* Hand over an image before the thread runs (last good). */
void worker_preload(struct worker *w, const struct order *publish);
int worker_start(struct worker *w, unsigned lcore);
void worker_join(struct worker *w);

/* Control thread: waits until the order was carried out. 0 or the order's result. A worker that hangs still
 * holds the order, so then the process ends. */
int worker_order(struct worker *w, struct order *o);
/* Control thread: the oldest events, at most `max`; how many. */
uint32_t worker_events(struct worker *w, struct dp_endpoint *out, uint32_t max);
