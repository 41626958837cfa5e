/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bindings: (domain, address) -> port, MAC, identity, with a lease. This one table is who-is-who, the
 * anti-spoofing check and the forwarding table (wire rules 4 and 7 to 11).
 *
 * Memory is fixed at bind_create(). A binding lives in a slot with a stable number (its handle), so a session
 * can keep handle and epoch and confirm both ends without hashing. The epoch of a slot changes whenever port,
 * MAC or identity change or the slot is freed, and never returns to an old value within 2^32 changes.
 *
 * Leases are checked on each use; bind_tick() only makes room and reports. All functions of one table: one
 * thread. Pointers returned by bind_at() are valid until the next non-const call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dpmsg.h"
#include "engine.h"
#include "image.h"
#include "parse.h"
#include "verdict.h"

#define BIND_NONE         UINT32_MAX
#define BIND_PER_MAC      16u
#define BIND_PER_PORT     1024u
#define BIND_IDLE_S       30u        /* an IPv6 address this silent may make room for another of its host */
#define BIND_EVENTS       4096u      /* queue */
#define BIND_EVENTS_PER_S 1000u      /* per port */
#define BIND_SPOOFS_PER_S 100u       /* of them, so that a liar does not silence the others */
#define BIND_STATIC       UINT64_MAX /* expires_ns of a binding without lease */

enum bind_flag {
	BIND_USED = 1 << 0,
	BIND_CLASSIFIED = 1 << 1, /* the control plane has said who it is */
	BIND_ANNOUNCED = 1 << 2,  /* its endpoint event is in the queue or delivered */
	BIND_LISTED = 1 << 3,     /* bind_replace() at work */
};

struct binding {
	uint8_t addr[16]; /* IPv4 in the first four bytes, the rest zero */
	uint8_t mac[6];
	uint16_t domain;
	uint16_t port;
	uint16_t identity; /* IDENTITY_UNKNOWN until classified */
	uint8_t family;
	uint8_t flags; /* enum bind_flag */
	uint16_t vlan; /* tag seen when it was made */
	uint32_t epoch;
	uint32_t dictionary;
	uint64_t expires_ns;           /* monotonic */
	uint32_t mac_next, mac_prev;   /* bindings of the same (domain, MAC) */
	uint32_t arp_rate, group_rate; /* rate.h: ARP and multicast frames of this endpoint */
};

_Static_assert(sizeof(struct binding) == 64, "one cache line");

/* A claim: this address is behind this MAC at this port. */
struct bind_claim {
	const uint8_t *addr; /* 16 bytes, padded with zeros */
	const uint8_t *mac;
	uint16_t domain;
	uint16_t port;
	uint16_t vlan;
	uint8_t family;
};

struct bind_config {
	uint32_t max; /* bindings */
	uint32_t lease_s;
	uint8_t hash_key[16];
	void *(*alloc)(size_t size, size_t align); /* zeroed */
	void (*free)(void *);
};

struct bind_table;

/* Stable for the life of the table: inline look-ups may keep it. */
struct bind_view {
	struct binding *slot;
	uint32_t max;
	uint64_t lease_ns;
};

struct bind_table *bind_create(const struct bind_config *config); /* NULL: out of memory or max == 0 */
void bind_destroy(struct bind_table *t);
const struct bind_view *bind_view(const struct bind_table *t);
uint32_t bind_count(const struct bind_table *t);
uint64_t bind_events_lost(const struct bind_table *t);

static inline const struct binding *bind_at(const struct bind_view *v, uint32_t handle)
{
	return &v->slot[handle];
}

static inline bool bind_live(const struct binding *b, uint64_t now_ns)
{
	return (b->flags & BIND_USED) && b->expires_ns > now_ns;
}

/*
 * Does the binding still say what it said at `epoch`, and did this frame come from it? Then its lease is
 * renewed. This is the whole anti-spoofing of an established session: one cache line.
 */
static inline bool bind_confirm(const struct bind_view *v, uint32_t handle, uint32_t epoch, uint16_t port,
				const uint8_t mac[6], uint64_t now_ns)
{
	struct binding *b;
	uint64_t renewed = now_ns + v->lease_ns;

	if (handle >= v->max)
		return false;
	b = &v->slot[handle];
	if (b->epoch != epoch || !bind_live(b, now_ns) || b->port != port || memcmp(b->mac, mac, 6) != 0)
		return false;
	/* Once a second, not a store per frame; a static binding never. */
	if (renewed > b->expires_ns && renewed - b->expires_ns > 1000000000u)
		b->expires_ns = renewed;
	return true;
}

/* Handle of the live binding of an address, or BIND_NONE. */
uint32_t bind_find(const struct bind_table *t, uint16_t domain, uint8_t family, const uint8_t addr[16],
		   uint64_t now_ns);
/* Any live binding of a (domain, MAC): all have the same port. */
uint32_t bind_find_mac(const struct bind_table *t, uint16_t domain, const uint8_t mac[6], uint64_t now_ns);

/*
 * A frame claims an address: renew the binding that says the same, or make one. REASON_NONE with *handle set,
 * REASON_SPOOF (somebody else holds address or MAC; an event tells), or REASON_ENDPOINT_LIMIT.
 */
enum reason bind_claim(struct bind_table *t, const struct bind_claim *claim, struct engine_clock clock,
		       uint32_t *handle);
/* The same for the source of an IP packet (key.domain is set); a source that cannot be one is REASON_SPOOF.
 */
enum reason bind_source(struct bind_table *t, const struct packet *p, uint16_t port,
			struct engine_clock clock, uint32_t *handle);
/*
 * Where a unicast IP packet goes: *handle of its destination. REASON_NO_PORT if nobody holds the address or
 * the frame's destination MAC is not the holder's, REASON_SAME_PORT if it came from there.
 */
enum reason bind_route(const struct bind_table *t, const struct packet *p, uint16_t in_port, uint64_t now_ns,
		       uint32_t *handle);

/* Who an address is by the image's prefixes alone: FINAL entries only, else IDENTITY_UNKNOWN. image may be
 * NULL. */
uint16_t bind_prefix_identity(const struct image_header *image, uint8_t family, const uint8_t addr[16],
			      bool outside);
/* Who a binding is: what the control plane said, else the prefixes. `outside`: side of the binding's port. */
uint16_t bind_identity(const struct binding *b, const struct image_header *image, bool outside);

/*
 * Control plane. `dictionary` is the size of the dictionary of the image in force.
 * bind_replace(): classified bindings that are not in the list are dropped, learned ones stay; a listed
 * binding gives its identity only to a binding with the same port and MAC, because a live frame knows better
 * where a host is.
 */
void bind_replace(struct bind_table *t, const struct dp_binding *list, uint32_t n, uint32_t dictionary,
		  struct engine_clock clock);
/* 0, -ENOSPC, -EINVAL, or -ESTALE: newer dictionary, or not the live binding's port and MAC. */
int bind_update(struct bind_table *t, const struct dp_binding *b, uint32_t dictionary,
		struct engine_clock clock);
/* Copies up to `max` live bindings from *cursor on. A binding not yet classified has dictionary 0. */
uint32_t bind_dump(const struct bind_table *t, uint32_t *cursor, struct dp_binding *out, uint32_t max,
		   uint64_t now_ns);

/*
 * The pair of a probe (DP_PROBE_DOMAIN): classified and static until it is forgotten. There nobody else can
 * be: frames make no bindings and no events, and bind_update() and bind_replace() refuse the domain.
 * 0, -ENOSPC or -EEXIST.
 */
int bind_probe(struct bind_table *t, const struct bind_claim *who, uint16_t identity, uint32_t dictionary,
	       struct engine_clock clock);
void bind_forget(struct bind_table *t, const struct bind_claim *who);

/* Visit up to `budget` slots, drop the ones whose lease is over. */
void bind_tick(struct bind_table *t, struct engine_clock clock, uint32_t budget);
/* Next event, oldest first. */
bool bind_event(struct bind_table *t, struct dp_endpoint *event);
