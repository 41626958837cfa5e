/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bindings as frames see them: look-ups, claims, leases, events. First come holds an address while its lease
 * runs; a MAC is in one place at a time, so nobody can draw another host's frames by claiming a fresh address
 * with its MAC. A move to another port is accepted when the lease is over.
 */
#include "bind.h"

#include "bind_table.h"
#include "rate.h"

#define NS_PER_S     UINT64_C(1000000000)
#define MAX_BINDINGS (1u << 24)

struct addr_key {
	uint8_t addr[16];
	uint16_t domain;
	uint8_t family, zero;
};

struct mac_key {
	uint8_t mac[6];
	uint16_t domain;
};

static uint32_t hash_addr(const struct bind_table *t, uint16_t domain, uint8_t family, const uint8_t addr[16])
{
	struct addr_key k = {.domain = domain, .family = family};

	memcpy(k.addr, addr, sizeof(k.addr));
	return (uint32_t)siphash13(&t->key, &k, sizeof(k));
}

static uint32_t hash_mac(const struct bind_table *t, uint16_t domain, const uint8_t mac[6])
{
	struct mac_key k = {.domain = domain};

	memcpy(k.mac, mac, sizeof(k.mac));
	return (uint32_t)siphash13(&t->key, &k, sizeof(k));
}

static void index_insert(struct bind_index *x, uint32_t hash, uint32_t handle)
{
	uint32_t i = hash & x->mask;

	while (x->entry[i].handle1 != 0)
		i = (i + 1) & x->mask;
	x->entry[i] = (struct bind_entry){.hash = hash, .handle1 = handle + 1};
}

static struct bind_entry *index_entry(struct bind_index *x, uint32_t hash, uint32_t handle)
{
	uint32_t i = hash & x->mask;

	while (x->entry[i].handle1 != handle + 1)
		i = (i + 1) & x->mask;
	return &x->entry[i];
}

/* Closes the gap: an entry moves back if its home does not lie between the gap and itself. */
static void index_remove(struct bind_index *x, uint32_t hash, uint32_t handle)
{
	uint32_t gap = (uint32_t)(index_entry(x, hash, handle) - x->entry);

	for (uint32_t i = (gap + 1) & x->mask; x->entry[i].handle1 != 0; i = (i + 1) & x->mask) {
		uint32_t home = x->entry[i].hash & x->mask;

		if (((i - home) & x->mask) < ((i - gap) & x->mask))
			continue;
		x->entry[gap] = x->entry[i];
		gap = i;
	}
	x->entry[gap].handle1 = 0;
}

uint32_t bind_lookup(const struct bind_table *t, uint16_t domain, uint8_t family, const uint8_t addr[16])
{
	uint32_t hash = hash_addr(t, domain, family, addr);

	for (uint32_t i = hash & t->by_addr.mask; t->by_addr.entry[i].handle1 != 0;
	     i = (i + 1) & t->by_addr.mask) {
		uint32_t handle = t->by_addr.entry[i].handle1 - 1;
		const struct binding *b = &t->view.slot[handle];

		if (t->by_addr.entry[i].hash == hash && b->domain == domain && b->family == family &&
		    memcmp(b->addr, addr, sizeof(b->addr)) == 0)
			return handle;
	}
	return BIND_NONE;
}

static uint32_t lookup_mac(const struct bind_table *t, uint16_t domain, const uint8_t mac[6])
{
	uint32_t hash = hash_mac(t, domain, mac);

	for (uint32_t i = hash & t->by_mac.mask; t->by_mac.entry[i].handle1 != 0;
	     i = (i + 1) & t->by_mac.mask) {
		uint32_t handle = t->by_mac.entry[i].handle1 - 1;
		const struct binding *b = &t->view.slot[handle];

		if (t->by_mac.entry[i].hash == hash && b->domain == domain && memcmp(b->mac, mac, 6) == 0)
			return handle;
	}
	return BIND_NONE;
}

/* The new one goes behind the head, so that the index stays as it is. */
static void chain_link(struct bind_table *t, uint32_t handle)
{
	struct binding *b = &t->view.slot[handle], *head;
	uint32_t first = lookup_mac(t, b->domain, b->mac);

	b->mac_prev = first;
	b->mac_next = BIND_NONE;
	if (first == BIND_NONE) {
		index_insert(&t->by_mac, hash_mac(t, b->domain, b->mac), handle);
		return;
	}
	head = &t->view.slot[first];
	b->mac_next = head->mac_next;
	if (head->mac_next != BIND_NONE)
		t->view.slot[head->mac_next].mac_prev = handle;
	head->mac_next = handle;
}

static void chain_unlink(struct bind_table *t, uint32_t handle)
{
	struct binding *b = &t->view.slot[handle];
	uint32_t hash = hash_mac(t, b->domain, b->mac);

	if (b->mac_next != BIND_NONE)
		t->view.slot[b->mac_next].mac_prev = b->mac_prev;
	if (b->mac_prev != BIND_NONE)
		t->view.slot[b->mac_prev].mac_next = b->mac_next;
	else if (b->mac_next != BIND_NONE)
		index_entry(&t->by_mac, hash, handle)->handle1 = b->mac_next + 1;
	else
		index_remove(&t->by_mac, hash, handle);
}

static bool event(struct bind_table *t, enum dp_endpoint_kind kind, const struct bind_claim *c,
		  struct engine_clock clock)
{
	struct dp_endpoint *e = &t->event[t->event_head % BIND_EVENTS];

	if (c->domain == DP_PROBE_DOMAIN)
		return false;
	if (t->event_head - t->event_tail == BIND_EVENTS ||
	    (kind == DP_ENDPOINT_SPOOF &&
	     !rate_take(&t->spoof_rate[c->port], clock.now_ns, BIND_SPOOFS_PER_S)) ||
	    !rate_take(&t->event_rate[c->port], clock.now_ns, BIND_EVENTS_PER_S)) {
		t->events_lost++;
		return false;
	}
	*e = (struct dp_endpoint){
		.time_ns = clock.utc_ns,
		.domain = c->domain,
		.vlan = c->vlan,
		.port = c->port,
		.family = c->family,
		.kind = (uint8_t)kind,
	};
	memcpy(e->addr, c->addr, sizeof(e->addr));
	memcpy(e->mac, c->mac, sizeof(e->mac));
	t->event_head++;
	return true;
}

/* An event that found no room is tried again with a later frame, or the endpoint would stay unknown for ever.
 */
static void announce(struct bind_table *t, struct binding *b, enum dp_endpoint_kind kind,
		     const struct bind_claim *c, struct engine_clock clock)
{
	if (!(b->flags & (BIND_ANNOUNCED | BIND_CLASSIFIED)) && event(t, kind, c, clock))
		b->flags |= BIND_ANNOUNCED;
}

static void expire(struct bind_table *t, struct binding *b, struct engine_clock clock)
{
	struct bind_claim c = {
		.addr = b->addr,
		.mac = b->mac,
		.domain = b->domain,
		.port = b->port,
		.vlan = b->vlan,
		.family = b->family,
	};

	event(t, DP_ENDPOINT_GONE, &c, clock);
	bind_drop(t, b);
}

struct binding *bind_make(struct bind_table *t, const struct bind_claim *c, uint64_t expires_ns)
{
	uint32_t handle = t->free_slot[--t->n_free];
	struct binding *b = &t->view.slot[handle];
	uint32_t epoch = b->epoch; /* bind_drop() has moved it on */

	*b = (struct binding){
		.domain = c->domain,
		.port = c->port,
		.identity = IDENTITY_UNKNOWN,
		.family = c->family,
		.flags = BIND_USED,
		.vlan = c->vlan,
		.epoch = epoch,
		.expires_ns = expires_ns,
	};
	memcpy(b->addr, c->addr, sizeof(b->addr));
	memcpy(b->mac, c->mac, sizeof(b->mac));
	index_insert(&t->by_addr, hash_addr(t, b->domain, b->family, b->addr), handle);
	chain_link(t, handle);
	t->per_port[b->port]++;
	return b;
}

void bind_drop(struct bind_table *t, struct binding *b)
{
	uint32_t handle = (uint32_t)(b - t->view.slot);

	index_remove(&t->by_addr, hash_addr(t, b->domain, b->family, b->addr), handle);
	chain_unlink(t, handle);
	t->per_port[b->port]--;
	b->flags = 0;
	b->epoch++;
	t->free_slot[t->n_free++] = handle;
}

static bool may_yield(const struct binding *b, const struct bind_table *t, uint64_t now_ns)
{
	bool link_local = b->addr[0] == 0xfe && (b->addr[1] & 0xc0) == 0x80;

	return b->family == 6 && !link_local && b->expires_ns != BIND_STATIC &&
	       b->expires_ns + BIND_IDLE_S * NS_PER_S <= now_ns + t->view.lease_ns;
}

enum reason bind_room(struct bind_table *t, const struct bind_claim *c, struct engine_clock clock)
{
	struct binding *b, *oldest = NULL;
	uint32_t count = 0, next;

	for (uint32_t h = lookup_mac(t, c->domain, c->mac); h != BIND_NONE; h = next) {
		b = &t->view.slot[h];
		next = b->mac_next;
		if (!bind_live(b, clock.now_ns)) {
			expire(t, b, clock);
			continue;
		}
		if (b->port != c->port)
			return REASON_SPOOF;
		if (may_yield(b, t, clock.now_ns) && (oldest == NULL || b->expires_ns < oldest->expires_ns))
			oldest = b;
		count++;
	}
	if (count >= BIND_PER_MAC) {
		if (c->family != 6 || oldest == NULL)
			return REASON_ENDPOINT_LIMIT;
		expire(t, oldest, clock);
	}
	return t->n_free == 0 || t->per_port[c->port] >= BIND_PER_PORT ? REASON_ENDPOINT_LIMIT : REASON_NONE;
}

/* An address without a holder. `kind` says what the control plane hears. */
static enum reason claim_free(struct bind_table *t, const struct bind_claim *c, enum dp_endpoint_kind kind,
			      struct engine_clock clock, uint32_t *handle)
{
	enum reason r = c->domain == DP_PROBE_DOMAIN ? REASON_SPOOF : bind_room(t, c, clock);
	struct binding *b;

	if (r == REASON_SPOOF)
		event(t, DP_ENDPOINT_SPOOF, c, clock);
	if (r != REASON_NONE)
		return r;
	b = bind_make(t, c, clock.now_ns + t->view.lease_ns);
	announce(t, b, kind, c, clock);
	*handle = (uint32_t)(b - t->view.slot);
	return REASON_NONE;
}

enum reason bind_claim(struct bind_table *t, const struct bind_claim *c, struct engine_clock clock,
		       uint32_t *handle)
{
	enum dp_endpoint_kind kind = DP_ENDPOINT_NEW;
	struct binding *b;
	uint32_t h = bind_lookup(t, c->domain, c->family, c->addr);

	if (h == BIND_NONE)
		return claim_free(t, c, kind, clock, handle);
	b = &t->view.slot[h];
	if (!bind_live(b, clock.now_ns)) {
		if (b->port != c->port && memcmp(b->mac, c->mac, sizeof(b->mac)) == 0)
			kind = DP_ENDPOINT_MOVED;
		bind_drop(t, b);
		return claim_free(t, c, kind, clock, handle);
	}
	if (!bind_same_place(b, c->mac, c->port)) {
		event(t, DP_ENDPOINT_SPOOF, c, clock);
		return REASON_SPOOF;
	}
	if (b->expires_ns != BIND_STATIC)
		b->expires_ns = clock.now_ns + t->view.lease_ns;
	announce(t, b, kind, c, clock);
	*handle = h;
	return REASON_NONE;
}

enum reason bind_source(struct bind_table *t, const struct packet *p, uint16_t port,
			struct engine_clock clock, uint32_t *handle)
{
	struct bind_claim c = {
		.addr = p->key.src,
		.mac = p->src_mac,
		.domain = p->key.domain,
		.port = port,
		.vlan = p->vlan,
		.family = p->key.family,
	};

	if ((p->flags & PACKET_MARTIAN) || (p->src_mac[0] & 1))
		return REASON_SPOOF;
	return bind_claim(t, &c, clock, handle);
}

uint32_t bind_find(const struct bind_table *t, uint16_t domain, uint8_t family, const uint8_t addr[16],
		   uint64_t now_ns)
{
	uint32_t h = bind_lookup(t, domain, family, addr);

	return h != BIND_NONE && bind_live(&t->view.slot[h], now_ns) ? h : BIND_NONE;
}

uint32_t bind_find_mac(const struct bind_table *t, uint16_t domain, const uint8_t mac[6], uint64_t now_ns)
{
	uint32_t h = lookup_mac(t, domain, mac);

	while (h != BIND_NONE && !bind_live(&t->view.slot[h], now_ns))
		h = t->view.slot[h].mac_next;
	return h;
}

enum reason bind_route(const struct bind_table *t, const struct packet *p, uint16_t in_port, uint64_t now_ns,
		       uint32_t *handle)
{
	uint32_t h = bind_find(t, p->key.domain, p->key.family, p->key.dst, now_ns);

	if (h == BIND_NONE || memcmp(t->view.slot[h].mac, p->dst_mac, sizeof(p->dst_mac)) != 0)
		return REASON_NO_PORT;
	if (t->view.slot[h].port == in_port)
		return REASON_SAME_PORT;
	*handle = h;
	return REASON_NONE;
}

void bind_tick(struct bind_table *t, struct engine_clock clock, uint32_t budget)
{
	if (budget > t->view.max)
		budget = t->view.max;
	for (uint32_t i = 0; i < budget; i++) {
		struct binding *b = &t->view.slot[t->cursor];

		t->cursor = t->cursor + 1 == t->view.max ? 0 : t->cursor + 1;
		if ((b->flags & BIND_USED) && !bind_live(b, clock.now_ns))
			expire(t, b, clock);
	}
}

bool bind_event(struct bind_table *t, struct dp_endpoint *e)
{
	if (t->event_tail == t->event_head)
		return false;
	*e = t->event[t->event_tail++ % BIND_EVENTS];
	return true;
}

const struct bind_view *bind_view(const struct bind_table *t)
{
	return &t->view;
}

uint32_t bind_count(const struct bind_table *t)
{
	return t->view.max - t->n_free;
}

uint64_t bind_events_lost(const struct bind_table *t)
{
	return t->events_lost;
}

static uint32_t index_size(uint32_t max)
{
	uint32_t size = 16;

	while (size < 2 * max)
		size *= 2;
	return size;
}

struct bind_table *bind_create(const struct bind_config *config)
{
	struct bind_table *t;
	uint32_t size = index_size(config->max);

	if (config->max == 0 || config->max > MAX_BINDINGS)
		return NULL;
	t = config->alloc(sizeof(*t), 64);
	if (t == NULL)
		return NULL;
	t->free = config->free;
	t->key = siphash_key(config->hash_key);
	t->view.max = config->max;
	t->view.lease_ns = config->lease_s * NS_PER_S;
	t->view.slot = config->alloc(config->max * sizeof(*t->view.slot), 64);
	t->by_addr.entry = config->alloc(size * sizeof(*t->by_addr.entry), 64);
	t->by_mac.entry = config->alloc(size * sizeof(*t->by_mac.entry), 64);
	t->free_slot = config->alloc(config->max * sizeof(*t->free_slot), 64);
	t->by_addr.mask = t->by_mac.mask = size - 1;
	if (t->view.slot == NULL || t->by_addr.entry == NULL || t->by_mac.entry == NULL ||
	    t->free_slot == NULL) {
		bind_destroy(t);
		return NULL;
	}
	for (uint32_t i = 0; i < config->max; i++)
		t->free_slot[i] = config->max - 1 - i;
	t->n_free = config->max;
	return t;
}

void bind_destroy(struct bind_table *t)
{
	if (t == NULL)
		return;
	t->free(t->view.slot);
	t->free(t->by_addr.entry);
	t->free(t->by_mac.entry);
	t->free(t->free_slot);
	t->free(t);
}
