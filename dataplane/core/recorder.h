/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The recorder: every decision leaves the engine here, as a record of its own, as one more in an aggregate,
 * or as one more lost, and never in two of these (wire rules 25 and 26).
 *
 * Repeated refusals of one kind within a window, and allowed sessions above the record rate, are counted in
 * an aggregate. The recorder decides from its own copy of the aggregates' keys and counts; of the shared file
 * it reads only the consumer's words, and believes them no more than they can be true. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "flow.h"
#include "image.h"
#include "parse.h"
#include "ring.h"
#include "siphash.h"

#define RECORDER_WINDOW_S 60u

/* Decisions of one kind share an aggregate. Compared as bytes. */
struct recorder_kind {
	uint8_t src[16];
	uint32_t generation;
	rule_ref rule, intended_rule;
	uint16_t src_identity, dst_identity;
	uint16_t domain, in_port;
	uint8_t family, verdict, reason, reserved;
};

struct recorder_slot {
	struct recorder_kind kind;
	uint32_t n_samples;
	uint64_t window_ns; /* monotonic begin of the window; 0: slot is free */
	uint64_t serial;    /* 0: nothing counted yet, the shared slot is not ours */
	uint64_t count;
};

struct recorder {
	struct ring_producer ring;
	struct ring_counters *count;
	struct recorder_slot *slot; /* mask + 1 of them, like the shared table */
	uint32_t mask;
	struct siphash_key key;
	uint64_t serial;  /* last one given out */
	uint64_t session; /* last number given out, with the worker's bits */
	uint64_t cost_ns; /* of one allowed session's record; 0: no limit */
	uint64_t spent_ns;
	uint64_t expected; /* decisions raised by recorder_expect() that nobody has told yet */
	bool record_all;
	struct engine_clock now;
	void (*free)(void *);
};

/* What a refusal is about. */
struct recorder_refusal {
	const struct packet *packet;
	struct image_decision decision;
	uint32_t generation;
	uint16_t src_identity, dst_identity;
	uint16_t in_port, out_port;
};

bool recorder_init(struct recorder *r, const struct ring_producer *ring, const struct engine_config *config,
		   const struct flow_memory *memory);
void recorder_fini(struct recorder *r);

uint64_t recorder_session(struct recorder *r); /* a new session number */

/*
 * For decisions that somebody else makes and counts. Raises `n` of them before they are known: each opened or
 * refused one that is told later is one of these, and what is never told is missing on the file.
 */
void recorder_expect(struct recorder *r, uint64_t n);
/* Of `n` decisions, the expected ones first, there will never be a record. */
void recorder_lost(struct recorder *r, uint64_t n);

void recorder_refused(struct recorder *r, const struct recorder_refusal *what);
/* `ip_len`: of the packet that opens it, which the counters do not hold yet. */
void recorder_opened(struct recorder *r, const struct flow *f, const struct flow_cold *c, uint32_t ip_len);
/* `c` says what holds now, or what held until now if `to` denies. */
void recorder_changed(struct recorder *r, const struct flow *f, const struct flow_cold *c,
		      const struct image_decision *to, rule_ref old_rule, uint32_t generation);
void recorder_update(struct recorder *r, const struct flow *f, const struct flow_cold *c);
void recorder_ended(struct recorder *r, const struct flow *f, const struct flow_cold *c, enum record_end why);

/* A counter that the other process reads: stores keep the order they are written in. */
static inline void recorder_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELEASE);
}
