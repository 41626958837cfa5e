/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring file: how decisions leave the dataplane.
 *
 * One file per dataplane instance on tmpfs, made by cordon-dp, opened by cordond. Per worker it holds
 * counters, a single-producer single-consumer ring of records, and a table of aggregates (refusals that
 * repeat, and allowed sessions above the record rate). Because the counters live in the file, they survive
 * the death of either side.
 *
 * Writers. Everything in struct ring_worker but `consumer` and the `acked` words is written by one worker
 * only; those are written by the consumer only. Counters are plain 64-bit stores, no locks; each side reads
 * the other's words with acquire. The producer treats every word the consumer wrote as hostile, and the other
 * way round.
 *
 * Order, so that a kill at any instruction loses nothing silently. The worker raises `frames_in` and
 * `decisions`
 * (`updates`) before it accounts for them. So on a file whose owner is dead
 *      frames_in - forwarded - dropped                       are frames that died inside the process (drop
 * `tx`) decisions - pushed - aggregated - lost                are decisions that did (lost) both bounded by
 * one burst per worker. On a live file the same differences are work in hand.
 *
 * Laws (wire rules 24, 25):   frames_in = forwarded + sum(dropped)
 *                             decisions = written + aggregated + pending + lost, and updates likewise
 * where written and aggregated are what the consumer has stored and pending is what lies in rings and
 * aggregates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"
#include "verdict.h"

#define RING_MAGIC       "CRDNRING"
#define RING_ABI         2u
#define RING_WORKERS_MAX 64u
#define RING_PORTS_MAX   32u
#define RING_PORT_NONE   RING_PORTS_MAX /* row of frames that came from no port: probes */
#define RING_PORT_NAME   16u
#define RING_SAMPLES     8u

/* All u64, written by the worker. One X(name) = one counter in file, status, telemetry and metrics. */
#define RING_COUNTERS(X)                                                                                     \
	X(frames_in)                                                                                         \
	X(bytes_in)                                                                                          \
	X(forwarded)  /* a flooded frame counts once */                                                      \
	X(originated) /* resets and rejects of ours, outside the frame law */                                \
	X(decisions)                                                                                         \
	X(decisions_pushed)                                                                                  \
	X(decisions_aggregated)                                                                              \
	X(decisions_lost)                                                                                    \
	X(updates)                                                                                           \
	X(updates_pushed)                                                                                    \
	X(updates_lost)                                                                                      \
	X(sessions_opened)                                                                                   \
	X(sessions_ended)                                                                                    \
	X(redecided)   /* sessions decided again, whatever came out */                                       \
	X(events_lost) /* endpoint events that found their queue full */                                     \
	X(bindings)    /* gauge */                                                                           \
	X(sessions)    /* gauge */                                                                           \
	X(generation)  /* gauge: the generation in force */                                                  \
	X(heartbeat)   /* gauge: CLOCK_MONOTONIC in milliseconds, see ring_beats() */

struct ring_counters {
#define X(name) uint64_t name;
	RING_COUNTERS(X)
#undef X
	uint64_t dropped[RING_PORTS_MAX + 1][REASON_COUNT]; /* by ingress port */
	uint64_t l2[RING_PORTS_MAX];                        /* tap mode: ARP and ND frames passed on */
};

/* A tuple that an aggregate stands for. */
struct ring_sample {
	uint8_t dst[16];
	uint16_t sport, dport;
	uint8_t proto;
	uint8_t reserved[3];
};

/*
 * Decisions of one kind from one source endpoint to one responder identity by one rule for one reason.
 * `count` only grows while a slot keeps its `serial`; the slot may be given to another key once its window is
 * over and the consumer has acknowledged every count (ring_ack_count(acked[i], serial) == count), and then
 * `serial` changes first. Writer order: serial = 0, fields, count = 0, serial = new (release). Reader: serial
 * (acquire), copy, serial again.
 */
struct ring_aggregate {
	uint64_t serial; /* 0: free */
	uint64_t count;
	int64_t first_ns, last_ns; /* of the counted decisions */
	uint8_t src[16];
	uint16_t src_identity, dst_identity;
	uint16_t domain, in_port;
	uint32_t generation;
	rule_ref rule, intended_rule;
	uint8_t family, verdict, intended, reason, intended_reason;
	uint8_t n_samples;
	uint8_t reserved[2];
	struct ring_sample sample[RING_SAMPLES];
};

enum ring_state { RING_MAKING = 0, RING_LIVE = 1, RING_CLOSED = 2 };

struct ring_header {
	char magic[8];
	uint32_t abi;
	uint32_t state;      /* enum ring_state */
	uint64_t size;       /* of the file */
	uint64_t instance;   /* random, never 0 */
	uint8_t boot_id[16]; /* kernel boot id: another one means that a reboot lost what was pending */
	int64_t started_ns;  /* UTC */
	uint32_t pid;
	uint32_t n_workers;
	uint32_t n_ports;
	uint32_t n_records;    /* per worker, a power of two */
	uint32_t n_aggregates; /* per worker, a power of two */
	uint32_t tap;          /* 1: tap mode */
	char port_name[RING_PORTS_MAX][RING_PORT_NAME];
};

/* Producer and consumer words lie in lines of their own. Arrays follow: records, aggregates, acked. */
struct ring_worker {
	struct ring_counters counters __attribute__((aligned(64)));
	uint64_t head __attribute__((aligned(64))); /* records ever published */
	struct {
		uint64_t tail; /* records ever stored */
	} consumer __attribute__((aligned(64)));
	uint8_t end_of_words[64] __attribute__((aligned(64)));
};

/* One side's view of the file: sizes are taken once, at open, and checked against the mapping. */
struct ring_file {
	struct ring_header *header;
	size_t size;
	uint32_t n_workers, n_records, n_aggregates, n_ports;
	bool writable;
	bool mapped; /* ring_close() unmaps it */
};

struct ring_geometry {
	uint32_t n_workers, n_ports;
	uint32_t n_records, n_aggregates; /* per worker, powers of two */
	bool tap;
	const char *const *port_names; /* n_ports of them */
};

size_t ring_size(const struct ring_geometry *g);

/* Make the file (0660, O_EXCL: the consumer writes its own words) and map it. 0 or -errno. */
int ring_create(struct ring_file *f, const char *path, const struct ring_geometry *g);
/* The same in `ring_size(g)` bytes of caller's zeroed memory, 64-byte aligned (tests, replay). */
int ring_create_mem(struct ring_file *f, void *memory, const struct ring_geometry *g);
/* Map an existing file and check header, geometry and size. 0, -errno, or -EPROTO for a file that is not
 * ours. */
int ring_open(struct ring_file *f, const char *path, bool writable);
/* Unmap; the file stays. The producer marks it RING_CLOSED first with ring_shut(). */
void ring_close(struct ring_file *f);
void ring_shut(struct ring_file *f);

struct ring_worker *ring_worker(const struct ring_file *f, uint32_t i);
struct record *ring_records(const struct ring_file *f, uint32_t i);
struct ring_aggregate *ring_aggregates(const struct ring_file *f, uint32_t i);
uint64_t *ring_acked(const struct ring_file *f, uint32_t i);

/*
 * The heartbeat. A live worker writes the time at least every RING_BEAT_MS, also while no frame comes; a file
 * whose slowest worker has not beaten for RING_DEAD_MS belongs to one that hangs or is dead. 0 is a worker
 * that has not begun. `now_ms`: CLOCK_MONOTONIC of this host, since the same boot. Says nothing of a file
 * that is closed.
 */
#define RING_BEAT_MS 100u
#define RING_DEAD_MS 500u
/* Of the worker that beat longest ago; 0: one has not begun. */
uint64_t ring_heartbeat(const struct ring_file *f);
bool ring_beats(const struct ring_file *f, uint64_t now_ms);

/* The producer's private half; lives outside the file. */
struct ring_producer {
	struct ring_worker *shared;
	struct record *records;
	struct ring_aggregate *aggregates;
	const uint64_t *acked;
	uint64_t head, tail_seen;
	uint32_t mask, aggregate_mask;
};

void ring_producer_init(struct ring_producer *p, const struct ring_file *f, uint32_t worker);
/* Next free slot, or NULL if the ring is full or the consumer's tail is not believable. Fill it, then
 * publish. */
struct record *ring_next(struct ring_producer *p);
void ring_publish(struct ring_producer *p);

/* Consumer: copy up to `max` records after position `from` (== the stored tail) into `out`; returns how many.
 */
uint32_t ring_read(const struct ring_file *f, uint32_t worker, uint64_t from, struct record *out,
		   uint32_t max);
/* Consumer: everything before `tail` is stored durably. */
void ring_release(const struct ring_file *f, uint32_t worker, uint64_t tail);
/* Consumer: consistent copy of aggregate `i`; false if it is free or changing hands. */
bool ring_read_aggregate(const struct ring_file *f, uint32_t worker, uint32_t i, struct ring_aggregate *out);
/* Consumer: `count` decisions of aggregate `i` are stored durably. Only for a count that
 * ring_read_aggregate() gave and that was not acknowledged before: until then the slot cannot change hands.
 */
void ring_ack_aggregate(const struct ring_file *f, uint32_t worker, uint32_t i, uint64_t count);
/* What an acked word says about the slot's holder `serial`: decisions of it that are stored. The word itself
 * also carries the serial, so that one left over from an earlier holder reads as 0. */
uint64_t ring_ack_count(uint64_t acked, uint64_t serial);
