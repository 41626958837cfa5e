/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbour discovery of both families is let through by what the bindings say, not by policy: a host may
 * speak only for itself, and a question goes to the one who can answer, if it is known. What hosts configure
 * themselves with (router advertisements, redirects, DHCP) is refused until there is a port that may say it.
 */
#include "guard.h"

#include "rate.h"

#define VID_LAST  4094u
#define ARP_LEN   28u
#define ND_NS_LEN 24u /* neighbour solicitation and advertisement without options */
#define ND_RS_LEN 8u
#define ND_HOPS   255u
#define OPT_SLLA  1u
#define OPT_TLLA  2u

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };
enum { ND_RS = 133, ND_NS = 135, ND_NA = 136 };

static const uint8_t unspecified[16];

static const char *init_port(struct guard *g, uint32_t i)
{
	const struct engine_port *p = &g->port[i];
	uint32_t bit = UINT32_C(1) << i;

	if (p->vlan > VID_LAST || p->n_vlans > ENGINE_VLANS_MAX)
		return "a port has a VLAN that cannot be, or too many";
	if (p->vlan != 0)
		g->members[p->vlan] |= bit;
	if (p->role == ENGINE_ACCESS)
		return p->vlan != 0 ? NULL : "an access port needs a VLAN";
	if (p->n_vlans == 0)
		return "a trunk port needs VLANs";
	for (uint32_t v = 0; v < p->n_vlans; v++) {
		if (p->vlans[v] == 0 || p->vlans[v] > VID_LAST)
			return "a trunk has a VLAN that cannot be";
		g->members[p->vlans[v]] |= bit;
		g->tagged[p->vlans[v]] |= bit;
	}
	return NULL;
}

const char *guard_init(struct guard *g, const struct engine_port *ports, uint32_t n_ports)
{
	const char *error = NULL;

	memset(g, 0, sizeof(*g));
	if (n_ports > ENGINE_PORTS_MAX)
		return "too many ports";
	g->n_ports = n_ports;
	for (uint32_t i = ENGINE_PROBE_PORT; i < ENGINE_PORTS_ALL; i++)
		g->port[i].vlan = DP_PROBE_DOMAIN;
	for (uint32_t i = 0; i < n_ports && error == NULL; i++) {
		g->port[i] = ports[i];
		error = init_port(g, i);
	}
	return error;
}

enum reason guard_domain(const struct guard *g, uint16_t port, struct packet *p)
{
	const struct engine_port *in = &g->port[port];

	if (p->vlan == 0) { /* untagged, or a priority tag */
		p->key.domain = in->vlan;
		return in->vlan != 0 ? REASON_NONE : REASON_VLAN;
	}
	p->key.domain = p->vlan;
	return port < ENGINE_PORTS_MAX && (g->tagged[p->vlan] >> port & 1) ? REASON_NONE : REASON_VLAN;
}

static struct guard_fate refuse(enum reason reason)
{
	return (struct guard_fate){.act = FRAME_DROP, .reason = (uint8_t)reason};
}

static struct guard_fate flood(uint32_t ports)
{
	if (ports == 0)
		return refuse(REASON_NO_PORT);
	return (struct guard_fate){.act = FRAME_FLOOD, .flood_ports = ports};
}

static struct guard_fate forward(uint16_t out_port, uint16_t in_port)
{
	if (out_port == in_port)
		return refuse(REASON_SAME_PORT);
	return (struct guard_fate){.act = FRAME_FORWARD, .out_port = out_port};
}

/* What the handlers below share. */
struct ask {
	struct guard *g;
	struct bind_table *t;
	const struct packet *p;
	const uint8_t *at; /* ARP header or ICMPv6 header */
	uint32_t len;      /* captured from `at` on */
	struct engine_clock clock;
	uint16_t port;
};

static enum reason claim(const struct ask *a, uint8_t family, const uint8_t addr[16], uint32_t *handle)
{
	struct bind_claim c = {
		.addr = addr,
		.mac = a->p->src_mac,
		.domain = a->p->key.domain,
		.port = a->port,
		.vlan = a->p->vlan,
		.family = family,
	};

	return bind_claim(a->t, &c, a->clock, handle);
}

/* A question goes to the target if it is known. `own`: about the asker's own address (probe, announcement).
 */
static struct guard_fate question(const struct ask *a, uint8_t family, const uint8_t target[16], bool own)
{
	const struct packet *p = a->p;
	uint32_t h = bind_find(a->t, p->key.domain, family, target, a->clock.now_ns);
	const struct binding *b = h == BIND_NONE ? NULL : bind_at(bind_view(a->t), h);

	if (!(p->flags & PACKET_GROUP) && (b == NULL || memcmp(b->mac, p->dst_mac, sizeof(b->mac)) != 0))
		return refuse(REASON_NO_PORT);
	if (b == NULL || (own && b->port == a->port))
		return flood(guard_members(a->g, p->key.domain, a->port));
	return forward(b->port, a->port);
}

static struct guard_fate to_mac(const struct ask *a)
{
	uint32_t h = bind_find_mac(a->t, a->p->key.domain, a->p->dst_mac, a->clock.now_ns);

	return h == BIND_NONE ? refuse(REASON_NO_PORT) : forward(bind_at(bind_view(a->t), h)->port, a->port);
}

static bool arp_well_formed(const struct ask *a)
{
	static const uint8_t ethernet_ipv4[6] = {0, 1, 8, 0, 6, 4};

	return a->len >= ARP_LEN && memcmp(a->at, ethernet_ipv4, sizeof(ethernet_ipv4)) == 0 &&
	       memcmp(a->at + 8, a->p->src_mac, 6) == 0 && !(a->p->src_mac[0] & 1);
}

static bool arp_host(uint32_t addr)
{
	return addr != 0 && addr >> 24 != 127 && addr >> 28 != 14 && addr != UINT32_MAX;
}

/* Whose allowance this frame spends: the sender's binding, or the port's if it has none yet. */
static enum reason arp_sender(const struct ask *a, const uint8_t spa[16])
{
	uint32_t handle;
	enum reason r;

	if (parse_be32(spa) == 0)
		return rate_take(&a->g->probe_rate[a->port], a->clock.now_ns, GUARD_PROBE_PER_S) ? REASON_NONE
												 : REASON_ARP;
	if (!arp_host(parse_be32(spa)))
		return REASON_ARP;
	r = claim(a, 4, spa, &handle);
	if (r != REASON_NONE)
		return r == REASON_SPOOF ? REASON_ARP : r;
	return rate_take(&bind_view(a->t)->slot[handle].arp_rate, a->clock.now_ns, GUARD_ARP_PER_S)
		       ? REASON_NONE
		       : REASON_ARP;
}

static struct guard_fate arp(const struct ask *a)
{
	uint8_t spa[16] = {0}, tpa[16] = {0};
	uint16_t op;
	bool probe;
	enum reason r;

	if (!arp_well_formed(a))
		return refuse(REASON_ARP);
	memcpy(spa, a->at + 14, 4);
	memcpy(tpa, a->at + 24, 4);
	op = parse_be16(a->at + 6);
	probe = parse_be32(spa) == 0;
	if (op != ARP_REQUEST && (op != ARP_REPLY || probe || (a->p->flags & PACKET_GROUP)))
		return refuse(REASON_ARP);
	r = arp_sender(a, spa);
	if (r != REASON_NONE)
		return refuse(r);
	if (op == ARP_REPLY)
		return to_mac(a);
	return question(a, 4, tpa, probe || memcmp(spa, tpa, 4) == 0);
}

/* Options fill the rest exactly, and a link-layer address is the sender's. */
static bool nd_options(const struct ask *a, uint32_t from, bool from_unspecified)
{
	uint32_t end = a->p->l3 + a->p->ip_len - a->p->l4;

	for (uint32_t i = from, size; i < end; i += size) {
		if (end - i < 2 || a->at[i + 1] == 0)
			return false;
		size = a->at[i + 1] * 8u;
		if (size > end - i)
			return false;
		if (a->at[i] != OPT_SLLA && a->at[i] != OPT_TLLA)
			continue;
		if (size != 8 || memcmp(a->at + i + 2, a->p->src_mac, 6) != 0)
			return false;
		if (from_unspecified && a->at[i] == OPT_SLLA)
			return false;
	}
	return true;
}

static enum reason nd_claim(const struct ask *a, const uint8_t addr[16])
{
	uint32_t handle;
	enum reason r = claim(a, 6, addr, &handle);

	return r == REASON_SPOOF ? REASON_ND : r;
}

static struct guard_fate nd_solicitation(const struct ask *a, bool dad)
{
	const uint8_t *target = a->at + 8;
	enum reason r;

	if (dad && !(a->p->flags & PACKET_GROUP_IP))
		return refuse(REASON_ND);
	r = dad ? REASON_NONE : nd_claim(a, a->p->key.src);
	return r != REASON_NONE ? refuse(r) : question(a, 6, target, dad);
}

static struct guard_fate nd_advertisement(const struct ask *a, bool anonymous)
{
	enum reason r = anonymous ? REASON_ND : nd_claim(a, a->p->key.src);
	uint32_t handle;

	if (r == REASON_NONE)
		r = nd_claim(a, a->at + 8);
	if (r == REASON_NONE && (a->p->flags & PACKET_GROUP))
		return flood(guard_members(a->g, a->p->key.domain, a->port));
	if (r == REASON_NONE)
		r = bind_route(a->t, a->p, a->port, a->clock.now_ns, &handle);
	return r != REASON_NONE ? refuse(r) : forward(bind_at(bind_view(a->t), handle)->port, a->port);
}

static struct guard_fate nd_router_solicitation(const struct ask *a, bool anonymous)
{
	uint32_t ports = guard_members(a->g, a->p->key.domain, a->port), trusted = 0;
	enum reason r = anonymous ? REASON_NONE : nd_claim(a, a->p->key.src);

	if (r != REASON_NONE)
		return refuse(r);
	for (uint32_t i = 0; i < a->g->n_ports; i++)
		trusted |= (uint32_t)((a->g->port[i].trust & ENGINE_TRUST_RA) != 0) << i;
	return ports & trusted ? flood(ports & trusted) : refuse(REASON_ND);
}

struct nd_type {
	uint8_t len; /* without options; 0: refused whatever it says */
	bool target; /* carries a unicast target address */
	struct guard_fate (*judge)(const struct ask *a, bool anonymous);
};

static const struct nd_type nd_types[] = {
	[ND_RS - ND_RS] = {ND_RS_LEN, false, nd_router_solicitation},
	[ND_NS - ND_RS] = {ND_NS_LEN, true, nd_solicitation},
	[ND_NA - ND_RS] = {ND_NS_LEN, true, nd_advertisement},
};

static bool nd_well_formed(const struct ask *a, const struct nd_type *type, bool anonymous)
{
	if (a->p->hop_limit != ND_HOPS || a->p->icmp_code != 0 || (a->p->src_mac[0] & 1) ||
	    a->p->l3 + a->p->ip_len < a->p->l4 + (uint32_t)type->len)
		return false;
	if (type->target && (a->at[8] == 0xff || memcmp(a->at + 8, unspecified, 16) == 0))
		return false;
	return nd_options(a, type->len, anonymous);
}

static struct guard_fate nd(const struct ask *a)
{
	const struct packet *p = a->p;
	uint32_t i = p->icmp_type - (uint32_t)ND_RS;
	bool anonymous = memcmp(p->key.src, unspecified, 16) == 0;
	bool group = p->flags & PACKET_GROUP;

	if (i >= sizeof(nd_types) / sizeof(nd_types[0]) || nd_types[i].judge == NULL)
		return refuse(REASON_ND);
	if (((p->flags & PACKET_MARTIAN) && !anonymous) || ((p->flags & PACKET_GROUP_IP) && !group))
		return refuse(REASON_SPOOF);
	if (!(p->flags & PACKET_L4_WHOLE))
		return refuse(REASON_TRUNCATED);
	if (!nd_well_formed(a, &nd_types[i], anonymous) || (group && !(p->flags & PACKET_GROUP_IP)))
		return refuse(REASON_ND);
	if (parse_l4_sum(p, a->at - p->l4) != PARSE_SUM_GOOD)
		return refuse(REASON_CHECKSUM);
	return nd_types[i].judge(a, anonymous);
}

struct guard_fate guard_frame(struct guard *g, struct bind_table *t, uint16_t port, const struct packet *p,
			      const uint8_t *data, uint32_t len, struct engine_clock clock)
{
	uint32_t off = p->guard == PACKET_GUARD_ARP ? p->l3 : p->l4;
	struct ask a = {
		.g = g, .t = t, .p = p, .at = data + off, .len = len - off, .clock = clock, .port = port};

	switch ((enum packet_guard)p->guard) {
	case PACKET_GUARD_ARP:
		return arp(&a);
	case PACKET_GUARD_ND:
		return nd(&a);
	case PACKET_GUARD_DHCP:
		return refuse(REASON_DHCP);
	case PACKET_GUARD_SWALLOW:
	case PACKET_GUARD_NONE:
		break;
	}
	return refuse(REASON_MULTICAST);
}

enum reason guard_admit(struct bind_table *t, uint16_t port, const struct packet *p,
			struct engine_clock clock, uint32_t *src)
{
	if ((p->flags & (PACKET_GROUP | PACKET_GROUP_IP)) == PACKET_GROUP_IP)
		return REASON_SPOOF;
	return bind_source(t, p, port, clock, src);
}

bool guard_group(struct bind_table *t, uint32_t src, uint64_t now_ns)
{
	return rate_take(&bind_view(t)->slot[src].group_rate, now_ns, GUARD_GROUP_PER_S);
}
