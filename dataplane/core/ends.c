/* SPDX-License-Identifier: BSD-3-Clause */
/* In order of a packet's way: who the ends are, may the sender send this here, where does it leave. */
#include "ends.h"

#include <string.h>

static bool outside(const struct engine *e, uint16_t port)
{
	return e->config.tap || (port < e->config.n_ports && e->config.port[port].side == ENGINE_OUTSIDE);
}

static uint16_t identity_of(const struct engine *e, uint32_t handle, uint8_t family, const uint8_t addr[16],
			    uint16_t seen_at)
{
	const struct binding *b;

	if (handle == BIND_NONE)
		return bind_prefix_identity(e->match.image, family, addr, outside(e, seen_at));
	b = bind_at(e->bound, handle);
	return bind_identity(b, e->match.image, outside(e, b->port));
}

static uint16_t classified(const struct engine *e, uint8_t family, const uint8_t addr[16],
			   const uint8_t mac[6], uint16_t vlan)
{
	struct engine_endpoint endpoint = {.family = family, .vlan = vlan};

	memcpy(endpoint.addr, addr, sizeof(endpoint.addr));
	memcpy(endpoint.mac, mac, sizeof(endpoint.mac));
	return e->config.classify(e->config.classify_ctx, &endpoint);
}

struct end ends_who(const struct engine *e, uint16_t domain, uint8_t family, const uint8_t addr[16],
		    const uint8_t mac[6], uint16_t seen_at)
{
	struct end end = {BIND_NONE, IDENTITY_UNKNOWN};

	if (e->config.tap && e->config.classify) {
		end.identity = classified(e, family, addr, mac, domain);
		return end;
	}
	if (e->bindings)
		end.handle = bind_find(e->bindings, domain, family, addr, e->now.now_ns);
	end.identity = identity_of(e, end.handle, family, addr, seen_at);
	return end;
}

uint16_t ends_far_port(const struct engine *e, uint16_t in_port)
{
	for (uint16_t i = 0; i < e->config.n_ports; i++)
		if (i != in_port && e->config.port[i].side == ENGINE_OUTSIDE)
			return i;
	return in_port;
}

struct end ends_source(const struct engine *e, const struct packet *p, uint32_t handle)
{
	const struct packet_key *key = &p->key;

	if (e->config.tap)
		return ends_who(e, key->domain, key->family, key->src, p->src_mac, e->port);
	return (struct end){handle, identity_of(e, handle, key->family, key->src, e->port)};
}

struct end ends_responder(const struct engine *e, const struct packet *p)
{
	const struct packet_key *key = &p->key;

	if (p->flags & (PACKET_GROUP | PACKET_GROUP_IP))
		return (struct end){BIND_NONE, IDENTITY_MULTICAST};
	return ends_who(e, key->domain, key->family, key->dst, p->dst_mac, ends_far_port(e, e->port));
}

/* Padding is sent on as it came, so it counts. */
static bool fits(const struct engine *e, uint16_t out, const struct packet *p, const struct frame *f)
{
	return f->wire_len - p->l3 <= e->room[out];
}

enum reason ends_way(const struct engine *e, uint16_t out, const struct packet *p, const struct frame *f)
{
	if (fits(e, out, p, f))
		return REASON_NONE;
	return e->room[out] ? REASON_MTU : REASON_NO_PORT;
}

uint32_t ends_open(const struct engine *e, uint32_t ports, const struct packet *p, const struct frame *f,
		   enum reason *why)
{
	uint32_t open = 0;

	for (; ports; ports &= ports - 1) {
		uint16_t out = (uint16_t)__builtin_ctz(ports);
		enum reason reason = ends_way(e, out, p, f);

		if (reason == REASON_NONE)
			open |= UINT32_C(1) << out;
		else
			*why = reason;
	}
	return open;
}

static enum reason route_group(struct engine *e, const struct packet *p, struct frame *f, uint32_t src)
{
	uint32_t members = guard_members(&e->guard, p->key.domain, e->port);
	enum reason why = REASON_NO_PORT;

	if (!guard_group(e->bindings, src, e->now.now_ns))
		return REASON_MULTICAST;
	f->flood_ports = ends_open(e, members, p, f, &why);
	return f->flood_ports ? REASON_NONE : why;
}

enum reason ends_route(struct engine *e, const struct packet *p, struct frame *f, uint32_t src)
{
	enum reason reason;
	uint32_t handle;

	f->out_port = TAP_OUT;
	if (e->config.tap)
		return REASON_NONE;
	if (p->flags & PACKET_GROUP)
		return route_group(e, p, f, src);
	reason = bind_route(e->bindings, p, e->port, e->now.now_ns, &handle);
	if (reason != REASON_NONE)
		return reason;
	f->out_port = bind_at(e->bound, handle)->port;
	return ends_way(e, f->out_port, p, f);
}

enum reason ends_admit(struct engine *e, const struct packet *p, uint32_t *src)
{
	*src = BIND_NONE;
	return e->config.tap ? REASON_NONE : guard_admit(e->bindings, e->port, p, e->now, src);
}

bool ends_confirm(struct engine *e, uint32_t k, const struct flow *f)
{
	const struct packet *p = lane_packet(e, k);
	struct frame *frame = lane_frame(e, k);
	uint32_t from = e->lane[k].sender, to = !from;
	const uint8_t both = FLOW_BOUND_0 | FLOW_BOUND_1;
	const struct binding *b;

	if ((f->flags & both) != both || (p->flags & (PACKET_GROUP | PACKET_GROUP_IP | PACKET_MARTIAN)))
		return false;
	if (!bind_confirm(e->bound, f->binding[from], f->epoch[from], e->port, p->src_mac, e->now.now_ns))
		return false;
	b = bind_at(e->bound, f->binding[to]);
	if (b->epoch != f->epoch[to] || !bind_live(b, e->now.now_ns) ||
	    memcmp(b->mac, p->dst_mac, sizeof(b->mac)))
		return false;
	frame->out_port = b->port;
	return b->port != e->port && fits(e, b->port, p, frame);
}
