/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way out: what the engine decided becomes frames on ports. A lane is one port as the worker sees it:
 * DPDK's number, the tag each domain wears there, and the frames collected for it. Worker's thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"
#include "port.h"

struct rte_mbuf;

struct lane {
	uint16_t id; /* DPDK's */
	uint16_t n;
	bool trunk;
	bool left; /* never to be touched again */
	uint16_t native;
	struct rte_mbuf *out[ENGINE_BURST];
};

struct lanes {
	uint32_t n;
	bool tags; /* false in tap mode: frames leave as they came */
	struct rte_mempool *pool;
	struct lane lane[ENGINE_PORTS_MAX];
};

/* Of the frames that were not dropped by the engine. A flooded frame counts once. */
struct lanes_tally {
	uint32_t sent, failed;
};

void lanes_init(struct lanes *l, const struct ports *ports, const struct engine_config *engine);
/* Carries out the acts of one burst; `cookie` of each frame is its mbuf, which is consumed. */
struct lanes_tally lanes_dispatch(struct lanes *l, struct frame *frames, uint32_t n);
/* A frame made by the engine in `cookie`'s buffer. */
void lanes_send_own(struct lanes *l, struct frame *f);
/* From now on nothing is received from that port, and what would go there cannot be sent. */
void lanes_leave(struct lanes *l, uint32_t port);
