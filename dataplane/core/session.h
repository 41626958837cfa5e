/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the engine: its memory, and the slow way of a packet. The fast way is engine.c: packets whose
 * session is known, fresh and confirmed never come here. Internal to core; one thread per engine.
 *
 * A session's inputs are the policy (image and schedule edge) and its two bindings. Any event that may have
 * changed an input of some session raises engine.stamp; a session whose stamp differs is looked at, and
 * decided again only if an input of its own has changed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bind.h"
#include "engine.h"
#include "flow.h"
#include "guard.h"
#include "match.h"
#include "originate.h"
#include "parse.h"
#include "recorder.h"
#include "state.h"

#define TAP_OUT 1u /* tap mode: all that passes leaves there */

/* Packet k of the burst that may belong to a session. */
struct lane {
	uint32_t flow;  /* FLOW_NONE: refused */
	uint8_t frame;  /* its place in the burst */
	uint8_t sender; /* side of the key that sent it (ICMP error: that sent the quoted packet) */
};

struct engine {
	struct engine_config config;
	struct engine_clock now;
	uint32_t now_ms;
	uint32_t stamp;
	uint32_t policy; /* publishes and schedule edges so far */
	uint32_t generation;
	uint32_t sweep;    /* next slot of engine_tick() */
	uint32_t removals; /* sessions removed in this burst: indexes found before must be found again */
	uint32_t inserts;
	uint32_t timeout_ms[STATE_COUNT];
	uint16_t room[ENGINE_PORTS_ALL]; /* what a port takes now behind the Ethernet header; down: nothing */
	struct match_view match;
	struct flow_table flows;
	struct bind_table *bindings; /* NULL: tap mode without */
	const struct bind_view *bound;
	struct guard guard;
	struct recorder recorder;
	struct siphash_key key;
	void (*free)(void *);

	/* the burst in hand */
	uint16_t port;
	struct frame *frames;
	struct packet packet[ENGINE_BURST];
	struct lane lane[ENGINE_BURST];
	struct flow_key flow_key[ENGINE_BURST];
	uint64_t hash[ENGINE_BURST];
	uint32_t found[ENGINE_BURST];

	struct originate own;
};

/* Take the time of this call; a schedule edge may pass. */
void engine_set_time(struct engine *e, struct engine_clock clock);
void engine_show_gauges(struct engine *e);

static inline bool session_expired(const struct engine *e, const struct flow *f)
{
	return e->now_ms - f->seen_ms > e->timeout_ms[f->state];
}

static inline struct frame *lane_frame(const struct engine *e, uint32_t k)
{
	return &e->frames[e->lane[k].frame];
}

static inline const struct packet *lane_packet(const struct engine *e, uint32_t k)
{
	return &e->packet[e->lane[k].frame];
}

/* Frames from any port, those of probes too; the time is set. */
void burst_run(struct engine *e, uint16_t port, struct frame *frames, uint32_t n);

/* The session of lane k, whatever it takes: looks it up again, ends an expired one, decides again, opens a
 * new one. FLOW_NONE: the frame is refused, its reason set. */
uint32_t session_decide(struct engine *e, uint32_t k);
/* The session ended and lane k's SYN wants a new one with the same key. */
uint32_t session_reopen(struct engine *e, uint32_t k, uint32_t flow);

/* Lane k's packet has the key of a session but no part in it. */
void session_refuse(struct engine *e, uint32_t k);

/* Between bursts: look at one live entry; it may be gone afterwards. */
void session_visit(struct engine *e, uint32_t flow);
void session_end(struct engine *e, uint32_t flow, enum record_end why);
