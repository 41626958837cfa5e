/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live bindings: who has which address now, as the dataplane reports it and the ruleset in force classifies
 * it.
 *
 * The dataplane is the authority on which bindings exist; this table is the authority on their identities.
 * Every change of owner or identity is told to the observer, which keeps the history. The table owns its
 * entries; pointers to them hold until the next call that changes the table. One thread.
 */
#pragma once

#include "dictionary.h"
#include "evidence.h"

struct live_binding {
	struct dp_binding b; /* identity and dictionary are ours; lease_s is not kept here */
	const char *method;
	int64_t since_ns;   /* under this owner and identity */
	int64_t expires_ns; /* as far as we know; INT64_MAX: static */
	int64_t row;        /* the observer's */
};

struct binding_observer {
	void (*opened)(void *ctx, struct live_binding *b);
	void (*closed)(void *ctx, const struct live_binding *b, int64_t time_ns);
	void *ctx;
};

struct bindings_count {
	size_t bound, unknown, conflict;
};

/*
 * How identities get their numbers. `size` is the identity count of the image made with `rs`; the dictionary
 * may have grown since (a commit that was refused), but a binding may only speak of what the image in force
 * knows.
 */
struct naming {
	const struct ruleset *rs; /* NULL: everything is $unknown */
	const struct dictionary *dict;
	uint32_t size;
};

struct bindings;

/* `ports` is borrowed. `lease_s`: of a binding that was just seen. */
struct bindings *bindings_new(const struct binding_port *ports, size_t n_ports, uint32_t lease_s,
			      struct binding_observer observer);
void bindings_free(struct bindings *t);

/* Classify by this from now on (borrowed). Entries whose identity changes are told to the observer as closed
 * and opened. */
void bindings_use(struct bindings *t, struct naming naming, int64_t now_ns);

/* An endpoint was seen, or moved. NULL: the table is full or the event is not an address. */
const struct live_binding *bindings_seen(struct bindings *t, const struct dp_endpoint *e, int64_t now_ns);
/* Its lease is over. False: it was not bound so. */
bool bindings_gone(struct bindings *t, const struct dp_endpoint *e);

/*
 * Agree with what the dataplane holds. Entries that it does not have are closed; with `offer` (a dataplane
 * that just started and cannot know them) those whose lease still runs stay. Fills `wrong` (room for n and
 * bindings_count().bound before the call; NULL: none is wanted) with what it has wrong or not at all; returns
 * how many.
 */
size_t bindings_sync(struct bindings *t, const struct dp_binding *held, size_t n, bool offer,
		     struct dp_binding *wrong, int64_t now_ns);

/*
 * What an engine that follows this table has wrong, too much (DP_BINDING_GONE) or not at all, into `wrong`
 * (room for n and bindings_count().bound). The table does not change.
 */
size_t bindings_wrong(struct bindings *t, const struct dp_binding *held, size_t n, struct dp_binding *wrong,
		      int64_t now_ns);

/* All bindings as they would be under another ruleset, into `out` (room for bindings_count().bound). */
size_t bindings_export(const struct bindings *t, const struct naming *naming, struct dp_binding *out,
		       int64_t now_ns);
/* The message form of one entry. */
struct dp_binding bindings_message(const struct bindings *t, const struct live_binding *l, int64_t now_ns);

struct bindings_count bindings_count(const struct bindings *t);
/* Next entry with this address after `previous` (NULL: first), in any domain. */
const struct live_binding *bindings_find(const struct bindings *t, uint8_t family, const uint8_t addr[16],
					 const struct live_binding *previous);
