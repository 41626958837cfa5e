/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the binding table, shared by bind.c (frames) and bind_control.c (control plane) only.
 *
 * Two indexes over the same slots: by (domain, family, address), and by (domain, MAC), where the entry is the
 * head of a doubly linked chain. Both are open-addressed with linear probing under a keyed hash, at most half
 * full, and deletion shifts back, so probes stay short without tombstones.
 */
#pragma once

#include "bind.h"
#include "siphash.h"

struct bind_entry {
	uint32_t hash;
	uint32_t handle1; /* handle + 1; 0: empty */
};

struct bind_index {
	struct bind_entry *entry;
	uint32_t mask;
};

struct bind_table {
	struct bind_view view;
	struct siphash_key key;
	struct bind_index by_addr, by_mac;
	uint32_t *free_slot;
	uint32_t n_free;
	uint32_t cursor; /* of bind_tick() */
	uint32_t per_port[ENGINE_PORTS_ALL];
	uint32_t event_rate[ENGINE_PORTS_ALL], spoof_rate[ENGINE_PORTS_ALL];
	uint64_t events_lost;
	uint32_t event_head, event_tail; /* free-running */
	struct dp_endpoint event[BIND_EVENTS];
	void (*free)(void *);
};

/* Handle of an address, live or not; BIND_NONE. */
uint32_t bind_lookup(const struct bind_table *t, uint16_t domain, uint8_t family, const uint8_t addr[16]);
/* Room for one more of this claim's MAC and port? Drops what is over. REASON_NONE, SPOOF or ENDPOINT_LIMIT.
 */
enum reason bind_room(struct bind_table *t, const struct bind_claim *claim, struct engine_clock clock);
/* Makes a binding that nobody holds, after bind_room(). */
struct binding *bind_make(struct bind_table *t, const struct bind_claim *claim, uint64_t expires_ns);
void bind_drop(struct bind_table *t, struct binding *b);

static inline bool bind_same_place(const struct binding *b, const uint8_t mac[6], uint16_t port)
{
	return b->port == port && memcmp(b->mac, mac, 6) == 0;
}
