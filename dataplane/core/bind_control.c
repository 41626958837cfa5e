/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bindings as the control plane sees them: identities arrive one by one or as a whole snapshot, and all can
 * be read back. An identity is for an address at one port behind one MAC: if the live binding says otherwise
 * by now, the identity was meant for somebody else and is refused.
 */
#include <errno.h>

#include "bind.h"
#include "bind_table.h"

#define NS_PER_S UINT64_C(1000000000)

static bool normalise(const struct dp_binding *b, uint8_t addr[16])
{
	if ((b->family != 4 && b->family != 6) || b->port >= ENGINE_PORTS_MAX || (b->mac[0] & 1) ||
	    b->domain == DP_PROBE_DOMAIN)
		return false;
	memset(addr, 0, 16);
	memcpy(addr, b->addr, b->family == 4 ? 4 : 16);
	return true;
}

static void classify(struct binding *b, uint16_t identity, uint32_t dictionary)
{
	bool known = dictionary != 0;
	uint8_t flags =
		(uint8_t)(known ? b->flags | BIND_CLASSIFIED | BIND_ANNOUNCED : b->flags & ~BIND_CLASSIFIED);

	if (!known)
		identity = IDENTITY_UNKNOWN;
	if (b->identity != identity || b->flags != flags)
		b->epoch++;
	b->identity = identity;
	b->flags = flags;
	b->dictionary = dictionary;
}

static uint64_t lease_end(const struct bind_table *t, const struct dp_binding *b, uint64_t now_ns)
{
	uint64_t lease_ns = b->lease_s * NS_PER_S;

	if (b->lease_s == UINT32_MAX)
		return BIND_STATIC;
	return now_ns + (lease_ns < t->view.lease_ns ? lease_ns : t->view.lease_ns);
}

static int make(struct bind_table *t, const struct dp_binding *from, const uint8_t addr[16],
		uint32_t dictionary, struct engine_clock clock)
{
	struct bind_claim c = {
		.addr = addr,
		.mac = from->mac,
		.domain = from->domain,
		.port = from->port,
		.family = from->family,
	};
	enum reason r;

	if (from->lease_s == 0)
		return 0;
	r = bind_room(t, &c, clock);
	if (r != REASON_NONE)
		return r == REASON_SPOOF ? -ESTALE : -ENOSPC;
	classify(bind_make(t, &c, lease_end(t, from, clock.now_ns)), from->identity, dictionary);
	return 0;
}

static int apply(struct bind_table *t, const struct dp_binding *from, uint32_t dictionary,
		 struct engine_clock clock)
{
	bool fixed = from->lease_s == UINT32_MAX;
	uint8_t addr[16];
	struct binding *b;
	uint32_t h;

	if (!normalise(from, addr))
		return -EINVAL;
	h = bind_lookup(t, from->domain, from->family, addr);
	if (h == BIND_NONE)
		return from->flags & DP_BINDING_GONE ? 0 : make(t, from, addr, dictionary, clock);
	b = &t->view.slot[h];
	if (bind_same_place(b, from->mac, from->port) && bind_live(b, clock.now_ns)) {
		if (from->flags & DP_BINDING_GONE) {
			bind_drop(t, b);
			return 0;
		}
		classify(b, from->identity, dictionary);
		if (fixed || b->expires_ns == BIND_STATIC)
			b->expires_ns = lease_end(t, from, clock.now_ns);
		return 0;
	}
	if (bind_live(b, clock.now_ns) && !fixed)
		return -ESTALE;
	bind_drop(t, b);
	return from->flags & DP_BINDING_GONE ? 0 : make(t, from, addr, dictionary, clock);
}

int bind_update(struct bind_table *t, const struct dp_binding *b, uint32_t dictionary,
		struct engine_clock clock)
{
	if (b->dictionary > dictionary && !(b->flags & DP_BINDING_GONE))
		return -ESTALE;
	return apply(t, b, b->dictionary, clock);
}

int bind_probe(struct bind_table *t, const struct bind_claim *who, uint16_t identity, uint32_t dictionary,
	       struct engine_clock clock)
{
	if (bind_lookup(t, who->domain, who->family, who->addr) != BIND_NONE)
		return -EEXIST;
	if (bind_room(t, who, clock) != REASON_NONE)
		return -ENOSPC;
	classify(bind_make(t, who, BIND_STATIC), identity, dictionary);
	return 0;
}

void bind_forget(struct bind_table *t, const struct bind_claim *who)
{
	uint32_t h = bind_lookup(t, who->domain, who->family, who->addr);

	if (h != BIND_NONE)
		bind_drop(t, &t->view.slot[h]);
}

static void mark_listed(struct bind_table *t, const struct dp_binding *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t addr[16];
		uint32_t h;

		if (!normalise(&list[i], addr))
			continue;
		h = bind_lookup(t, list[i].domain, list[i].family, addr);
		if (h != BIND_NONE && bind_same_place(&t->view.slot[h], list[i].mac, list[i].port))
			t->view.slot[h].flags |= BIND_LISTED;
	}
}

static void drop_unlisted(struct bind_table *t)
{
	for (uint32_t h = 0; h < t->view.max; h++) {
		struct binding *b = &t->view.slot[h];

		if ((b->flags & BIND_CLASSIFIED) && !(b->flags & BIND_LISTED))
			bind_drop(t, b);
		b->flags &= (uint8_t)~BIND_LISTED;
	}
}

void bind_replace(struct bind_table *t, const struct dp_binding *list, uint32_t n, uint32_t dictionary,
		  struct engine_clock clock)
{
	mark_listed(t, list, n);
	drop_unlisted(t);
	for (uint32_t i = 0; i < n;
	     i++) /* one that finds no room is an endpoint like any other when it speaks */
		(void)apply(t, &list[i], list[i].dictionary > dictionary ? 0 : list[i].dictionary, clock);
}

static uint32_t lease_left(const struct binding *b, uint64_t now_ns)
{
	if (b->expires_ns == BIND_STATIC)
		return UINT32_MAX;
	return (uint32_t)((b->expires_ns - now_ns + NS_PER_S - 1) / NS_PER_S);
}

static struct dp_binding export(const struct binding *b, uint64_t now_ns)
{
	struct dp_binding out = {
		.domain = b->domain,
		.port = b->port,
		.identity = b->identity,
		.family = b->family,
		.dictionary = b->dictionary,
		.lease_s = lease_left(b, now_ns),
	};

	memcpy(out.addr, b->addr, sizeof(out.addr));
	memcpy(out.mac, b->mac, sizeof(out.mac));
	return out;
}

uint32_t bind_dump(const struct bind_table *t, uint32_t *cursor, struct dp_binding *out, uint32_t max,
		   uint64_t now_ns)
{
	uint32_t n = 0;

	for (; *cursor < t->view.max && n < max; ++*cursor) {
		const struct binding *b = &t->view.slot[*cursor];

		if (bind_live(b, now_ns))
			out[n++] = export(b, now_ns);
	}
	return n;
}

static uint16_t prefix_answer(uint16_t identity, uint16_t flags, bool outside)
{
	if (!(flags & PREFIX_FINAL) || ((flags & PREFIX_OUTSIDE) && !outside))
		return IDENTITY_UNKNOWN;
	return identity;
}

static uint16_t prefix4(const struct image_header *image, uint32_t addr, bool outside)
{
	const struct image_prefix4 *p = image_at(image, image->prefix4);
	uint32_t low = 0, high = image->prefix4.count; /* the answer lies in [low, high) */

	if (high == 0 || p[0].from > addr)
		return IDENTITY_UNKNOWN;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (p[middle].from <= addr)
			low = middle;
		else
			high = middle;
	}
	return prefix_answer(p[low].identity, p[low].flags, outside);
}

static bool at_or_below(const struct image_prefix6 *p, uint64_t high, uint64_t low)
{
	return p->from_high < high || (p->from_high == high && p->from_low <= low);
}

static uint16_t prefix6(const struct image_header *image, const uint8_t addr[16], bool outside)
{
	const struct image_prefix6 *p = image_at(image, image->prefix6);
	uint32_t low = 0, high = image->prefix6.count;
	uint64_t a = (uint64_t)parse_be32(addr) << 32 | parse_be32(addr + 4);
	uint64_t b = (uint64_t)parse_be32(addr + 8) << 32 | parse_be32(addr + 12);

	if (high == 0 || !at_or_below(&p[0], a, b))
		return IDENTITY_UNKNOWN;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (at_or_below(&p[middle], a, b))
			low = middle;
		else
			high = middle;
	}
	return prefix_answer(p[low].identity, p[low].flags, outside);
}

uint16_t bind_prefix_identity(const struct image_header *image, uint8_t family, const uint8_t addr[16],
			      bool outside)
{
	if (image == NULL)
		return IDENTITY_UNKNOWN;
	return family == 4 ? prefix4(image, parse_be32(addr), outside) : prefix6(image, addr, outside);
}

uint16_t bind_identity(const struct binding *b, const struct image_header *image, bool outside)
{
	if (b->flags & BIND_CLASSIFIED)
		return b->identity;
	return bind_prefix_identity(image, b->family, b->addr, outside);
}
