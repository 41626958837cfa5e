/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's sessions as they were last heard of: one entry for each, found by the kernel's number and the
 * tuple, or by the address of one of its ends. An entry holds what a record of it needs, in the engine's own
 * form; side 0 of its key is always the initiator. Owner: the records; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"
#include "netlink.h"
#include "siphash.h"

enum session_flag {
	SESSION_ADOPTED = 1 << 0, /* was there before us: has no RECORD_OPEN */
	SESSION_LISTED = 1 << 1,  /* its opening is known from a list, its event may still come */
	SESSION_REVOKED = 1 << 2, /* cut; its end has been asked for */
	SESSION_ABSENT = 1 << 3,  /* was missing in a list, and events had been lost */
};

struct session {
	struct flow flow;
	struct flow_cold cold;
	uint32_t id;
	uint32_t mark;  /* the kernel's, as last heard */
	uint32_t turn;  /* in which it was last decided, by the kernel or by a sweep */
	uint32_t list;  /* number of the last list that had it */
	uint32_t sweep; /* of the last sweep that decided it */
	uint8_t flags;  /* enum session_flag */
	uint8_t spare[3];
	struct session *next; /* of the same number */
	struct session_end {
		struct session *owner;
		struct session_end *next, **from; /* in the chain of its address */
	} end[2];
};

struct sessions {
	struct session **by_id;
	struct session_end **by_end;
	uint32_t mask; /* buckets of each - 1 */
	uint32_t n;
	struct siphash_key key;
};

/* False: out of memory, nothing kept. */
bool sessions_init(struct sessions *t, const uint8_t hash_key[16]);
void sessions_free(struct sessions *t);

struct session *sessions_find(const struct sessions *t, const struct nl_session *s);
/* For one that is not there. All else than key, id and mark is zero. NULL: out of memory. */
struct session *sessions_add(struct sessions *t, const struct nl_session *s);
void sessions_remove(struct sessions *t, struct session *s);

/* Each once; `f` may remove the entry it is given, and no other. */
typedef void session_fn(void *ctx, struct session *s);
void sessions_each(struct sessions *t, session_fn *f, void *ctx);
/* The same for one chain, 0 to mask. */
void sessions_chain(struct sessions *t, uint32_t chain, session_fn *f, void *ctx);
/* Those that have an end there; `f` must remove none. */
void sessions_at(struct sessions *t, uint16_t domain, uint8_t family, const uint8_t addr[16], session_fn *f,
		 void *ctx);

/* What the kernel needs to find it. */
struct nl_session session_name(const struct session *s);
