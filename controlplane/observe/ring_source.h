/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One ring file as the reader sees it: what of it is stored, and what the transaction in hand would add.
 * Staged state becomes stored state by source_committed(), after the commit, or is forgotten by
 * source_discard(). Not for other folders. Owner: the reader; one thread.
 */
#pragma once

#include "ledger.h"
#include "ring.h"

#define SOURCE_PORT_NONE RING_PORT_NONE                        /* frames not known by port */
#define SOURCE_FORWARDED REASON_NONE                           /* reason 0 of the counters is never a drop */
#define SOURCE_CELLS     ((RING_PORTS_MAX + 1) * REASON_COUNT) /* [port][reason] */

/* A slot of the aggregate table: how much of the aggregate `serial` is stored. */
struct slot {
	uint64_t serial, stored;
};

struct source_worker {
	struct account stored, next;
	struct slot *slots;
	uint32_t next_slot; /* where the scan goes on when a pass was not enough */
};

/* A slot's count in the transaction in hand. */
struct staged_slot {
	uint32_t worker, index;
	struct slot slot;
};

struct ring_source {
	struct ring_source *next;
	char instance[INSTANCE_TEXT];
	char path[STORE_PATH_MAX];
	struct ring_file file;
	uint32_t pid;
	int64_t started_ns;
	bool other_boot; /* made before a reboot: nothing in its rings can be trusted */
	bool dead;       /* nobody writes it any more; set before a pass reads */
	bool adopted;    /* accounts were loaded */
	bool closing;    /* the transaction in hand closes the account */
	bool closed;     /* stored as closed; the file may go */
	bool lying;      /* a ring whose head contradicts what is stored of it */
	char port_name[RING_PORTS_MAX][RING_PORT_NAME + 1];
	struct source_worker *workers;
	uint64_t (*total)[2]; /* SOURCE_CELLS of {stored, next} */
	struct staged_slot *staged;
	size_t n_staged, staged_room;
	struct record *chunk;
};

#define SOURCE_CHUNK 1024u

/* What pends in the file and is not stored: decisions and updates. */
struct pending {
	uint64_t decisions, updates;
};

/* 0, -ENOMEM, or what ring_open() says. */
int source_open(const char *path, struct ring_source **out);
void source_free(struct ring_source *src);
/* Looks whether anybody still writes it. */
void source_check_alive(struct ring_source *src);
/* Take over what the store knows of the instance. 0 or -errno. */
int source_adopt(struct ring_source *src, struct store *s);
/* Stage up to `max` records and aggregates; *n counts them. A dead source that is drained is closed. */
int source_stage(struct ring_source *src, struct ledger *l, uint32_t max, uint32_t *n);
void source_committed(struct ring_source *src);
void source_discard(struct ring_source *src);
/* The account of a worker at this moment, from the file's counters, and what pends. */
void source_now(const struct ring_source *src, uint32_t worker, struct account *now, struct pending *pending);

/* Settle an account whose owner is dead: what is neither stored nor lost died. */
void account_settle(struct account *a, unsigned closed);

/* --- between the files of a source --------------------------------------------------------------------- */

static inline uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static inline void raise_to(uint64_t *known, uint64_t value)
{
	if (value > *known)
		*known = value;
}

static inline uint64_t missing(uint64_t all, uint64_t accounted)
{
	return all > accounted ? all - accounted : 0;
}

static inline uint64_t stored_of(const struct slot *slot, uint64_t serial)
{
	return slot->serial == serial ? slot->stored : 0;
}

static inline bool is_decision(const struct record *r)
{
	return record_is_decision(r->type);
}

static inline bool is_update(const struct record *r)
{
	return r->type == RECORD_UPDATE || r->type == RECORD_END;
}

/* Records of [from, to) by kind; nothing if that is no stretch of this ring. */
void source_count_records(const struct ring_source *src, uint32_t worker, uint64_t from, uint64_t to,
			  struct pending *pending);
/* Decisions in aggregates that are not stored. */
uint64_t source_count_aggregates(const struct ring_source *src, uint32_t worker);
/* Raise the account to what the worker's counters say. */
void source_take_counters(const struct ring_counters *c, struct account *a);
