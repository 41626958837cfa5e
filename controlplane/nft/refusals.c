/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From nflog messages to refusals, which the recorder writes or aggregates as it does for cordon-dp, and to
 * endpoint events. What comes is the packet from its network header on, cut at the snap length; its class is
 * the packet mark.
 */
#include <string.h>

#include "parse.h"
#include "records_inside.h"

#define TYPE_IP4 0x0800
#define TYPE_IP6 0x86dd
#define TYPE_ARP 0x0806

#define IP4_HEADER  20u
#define IP6_HEADER  40u
#define ARP_MESSAGE 28u
#define ARP_SENDER  14u /* its protocol address */

#define PROBE_NUMBER_FIRST 0xfff1u /* port numbers of the probe taps in packet marks; index: one less */
#define PROBE_NUMBER_LAST  0xfff2u

/* The packet's length on the wire, by its own word; the parser asks for no less. */
static uint32_t wire_length(const struct nl_log *l)
{
	uint32_t said = 0;

	if (l->len >= IP6_HEADER && l->payload[0] >> 4 == 6)
		said = IP6_HEADER + parse_be16(l->payload + 4);
	else if (l->len >= IP4_HEADER)
		said = parse_be16(l->payload + 2);
	return said > l->len ? said : l->len;
}

static bool parse(const struct nl_log *l, struct packet *p)
{
	/* The parser reads only. */
	struct frame f = {
		.data = (uint8_t *)(uintptr_t)l->payload, .len = l->len, .wire_len = wire_length(l)};

	parse_frame(p, &f, PARSE_IP);
	if (l->has_mac) {
		memcpy(p->src_mac, l->src_mac, sizeof(p->src_mac));
		memcpy(p->dst_mac, l->dst_mac, sizeof(p->dst_mac));
	}
	return p->key.family != 0 && l->len >= (p->key.family == 4 ? IP4_HEADER : IP6_HEADER);
}

static uint16_t domain_of_port(const struct records *r, uint32_t port, uint16_t vlan)
{
	const struct nft_box_port *p = &r->box->port[port];

	return p->trunk && vlan ? vlan : p->vlan;
}

/* Only frames of ports and of probe taps meet the forward plane; elsewhere no port is known. */
static uint16_t domain_of(const struct records *r, const struct nl_log *l, bool host)
{
	if (host)
		return 0;
	if (l->in_port < r->box->n_ports)
		return domain_of_port(r, l->in_port, l->vlan);
	return l->in_port == UINT32_MAX ? l->vlan : DP_PROBE_DOMAIN;
}

static bool is_host(const struct records *r, const struct nl_log *l, const struct packet *p)
{
	return l->in_port == UINT32_MAX && (nft_box_manages(r->box, p->key.family, p->key.src) ||
					    nft_box_manages(r->box, p->key.family, p->key.dst));
}

static void refused(struct records *r, const struct nl_log *l, struct packet *p,
		    const struct mark_meaning *meaning)
{
	const bool host = is_host(r, l, p);
	struct who src, dst;

	p->key.domain = domain_of(r, l, host);
	src = records_who(r, host, p->key.domain, p->key.family, p->key.src);
	dst = records_who(r, host, p->key.domain, p->key.family, p->key.dst);
	struct recorder_refusal what = {
		.packet = p,
		.decision = meaning->decision,
		.generation = meaning->generation,
		.src_identity = src.identity,
		.dst_identity = dst.identity,
		.in_port = l->in_port < r->box->n_ports ? (uint16_t)l->in_port : PORT_NONE,
		.out_port = records_port(r, dst.home),
	};
	recorder_refused(&r->recorder, &what);
}

static void take_decision(struct records *r, const struct nl_log *l)
{
	struct mark_meaning meaning;
	struct packet p;

	laws_received(r, TOLD_REFUSED);
	if (marks_read(&r->marks, l->mark, &meaning) && parse(l, &p)) {
		refused(r, l, &p, &meaning);
		return;
	}
	laws_unrecorded(r, l->mark);
}

/* --- endpoints ---------------------------------------------------------------------------------------- */

static bool address_of(const struct nl_log *l, struct dp_endpoint *e)
{
	static const struct {
		uint16_t protocol;
		uint8_t family, at, size;
		uint32_t len;
	} places[] = {
		{TYPE_IP4, 4, 12, 4, IP4_HEADER},
		{TYPE_ARP, 4, ARP_SENDER, 4, ARP_MESSAGE},
		{TYPE_IP6, 6, 8, 16, IP6_HEADER},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (l->protocol != places[i].protocol || l->len < places[i].len)
			continue;
		e->family = places[i].family;
		memcpy(e->addr, l->payload + places[i].at, places[i].size);
		return true;
	}
	return false;
}

static bool port_of(const struct records *r, const struct nl_log *l, uint16_t *port)
{
	if (l->mark >= PROBE_NUMBER_FIRST && l->mark <= PROBE_NUMBER_LAST)
		*port = (uint16_t)(l->mark - 1);
	else if (l->mark && l->mark <= r->box->n_ports)
		*port = (uint16_t)(l->mark - 1);
	else if (l->in_port < r->box->n_ports)
		*port = (uint16_t)l->in_port;
	else
		return false;
	return true;
}

static void take_endpoint(struct records *r, const struct nl_log *l)
{
	static const uint8_t nobody[16];
	struct dp_endpoint e = {
		.time_ns = r->recorder.now.utc_ns,
		.vlan = l->vlan,
		.kind = strcmp(l->prefix, "spoof") ? DP_ENDPOINT_NEW : DP_ENDPOINT_SPOOF,
	};

	if (!r->on_endpoint || !l->has_mac || !port_of(r, l, &e.port) || !address_of(l, &e) ||
	    !memcmp(e.addr, nobody, sizeof(nobody)))
		return;
	e.domain = e.port < r->box->n_ports ? domain_of_port(r, e.port, l->vlan) : DP_PROBE_DOMAIN;
	memcpy(e.mac, l->src_mac, sizeof(e.mac));
	r->on_endpoint(r->endpoint_ctx, &e);
}

void refusals_take(void *ctx, const struct nl_log *l)
{
	if (l->kind == NL_LOG_DECISION)
		take_decision(ctx, l);
	else
		take_endpoint(ctx, l);
}
