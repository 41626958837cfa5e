/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guards: what is decided about a frame without policy, in bridge prerouting. They follow
 * dataplane/core/parse.c and guard.c in the same order; where the kernel cannot see what the engine sees, the
 * frame is refused. Such places:
 *   - priority tags (VLAN 0) on an access port of BRNF, and any IPv6 extension header, are refused;
 *   - any IPv4 option is refused: nf_tables takes a list that it cannot read for one without the option asked
 *     for, and cannot read a source route that is under way, or one behind anything odd;
 *   - group destinations are refused even if a rule allows them;
 *   - neighbour discovery may carry one option, and no nonce together with an address;
 *   - an address on a MAC that is bound behind another port is refused until that binding ends.
 *   - a frame from a MAC that is a group's is dropped by the bridge itself, uncounted.
 * And where the kernel lets pass what is no question of policy: a question of ARP or neighbour discovery goes
 * to all ports of the domain even if the target is known; there is no limit of 50 a second; the checksum of
 * neighbour discovery is left to its receiver. nft 1.0.6 has no words for target and options of neighbour
 * discovery: it lists them as @th,64,128 and the like, and does not read such rules back.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_bridge.h>
#include <string.h>

#include "nft_parts.h"

#define PRIORITY_GUARD (-300) /* before conntrack, at -200 */

enum { IGMP = 2, ICMP6 = 58 };
enum { ARP_REQUEST = 1, ARP_REPLY = 2 };
enum { ND_SOLICIT = 135, ND_ADVERT = 136, ND_HOPS = 255 };
enum { ND_BARE = 24, ND_WITH_OPTION = 32 }; /* ip6 length */
enum { OPTION_SLLA = 0x0101, OPTION_TLLA = 0x0201, OPTION_NONCE = 0x0e01 };

#define TCP_DECIDING 0x17u /* FIN, SYN, RST, ACK */

/* Limits of a second. */
#define NEW_RATE   1000u
#define SPOOF_RATE 100u

struct guard {
	struct nft_emit *e;
	const struct nft_box *box;
	bool zoned; /* keys begin with the domain */
};

static void build_drops(struct nft_emit *e)
{
	static const uint8_t reasons[] = {
		REASON_SPOOF, REASON_FRAGMENT,   REASON_OPTIONS,   REASON_EXT_HEADER, REASON_PROTO,
		REASON_VLAN,  REASON_VLAN_STACK, REASON_ETHERTYPE, REASON_ARP,        REASON_ND,
		REASON_DHCP,  REASON_MULTICAST,  REASON_NO_PORT,   REASON_SAME_PORT,  REASON_TCP_FLAGS,
	};
	char name[NFT_CHAIN_NAME];

	for (size_t i = 0; i < sizeof reasons; i++) {
		nft_reason_name("drop_", reasons[i], name);
		nft_build_counter(e->b, name);
		nft_chain_open(e, name);
		nft_rule_open(e);
		nft_count(e, name);
		nft_drop(e);
	}
}

/* `meta priority . meta mark . ether saddr . ip saddr`: domain, port, and whose; without the domain where
 * there is one. The zone itself cannot be read before conntrack has seen the packet. */
static void claim(struct guard *g, enum nft_term mac, enum nft_term address)
{
	if (g->zoned)
		nft_key(g->e, T_PRIORITY, T_MARK, mac, address, T_END);
	else
		nft_key(g->e, T_MARK, mac, address, T_END);
}

static void in_domain(struct guard *g, enum nft_term a, enum nft_term b)
{
	if (g->zoned)
		nft_key(g->e, T_PRIORITY, a, b, T_END);
	else
		nft_key(g->e, a, b, T_END);
}

static void at_port(struct guard *g, enum nft_term mac)
{
	nft_key(g->e, T_MARK, mac, T_END);
}

/* --- rules that several chains share ------------------------------------------------------------------ */

static void rule_is(struct guard *g, enum nft_term term, uint64_t number, const char *chain)
{
	nft_rule_open(g->e);
	nft_is(g->e, term, number);
	nft_goto(g->e, chain);
}

static void rule_is_not(struct guard *g, enum nft_term term, uint64_t number, const char *chain)
{
	nft_rule_open(g->e);
	nft_is_not(g->e, term, number);
	nft_goto(g->e, chain);
}

static void rule_in(struct guard *g, enum nft_term term, const char *set, const char *chain)
{
	nft_rule_open(g->e);
	nft_key(g->e, term, T_END);
	nft_in(g->e, set);
	nft_goto(g->e, chain);
}

static void rule_not_in(struct guard *g, enum nft_term term, const char *set, const char *chain)
{
	nft_rule_open(g->e);
	nft_key(g->e, term, T_END);
	nft_not_in(g->e, set);
	nft_goto(g->e, chain);
}

static void rule_group(struct guard *g, bool is, const char *chain)
{
	nft_rule_open(g->e);
	nft_group_mac(g->e, is);
	nft_goto(g->e, chain);
}

/* A MAC is in one place at a time, or frames to it could be drawn here by sending from it. */
static void rule_at_home(struct guard *g, const char *chain)
{
	nft_rule_open(g->e);
	if (g->zoned)
		nft_key(g->e, T_PRIORITY, T_SMAC, T_END);
	else
		nft_key(g->e, T_SMAC, T_END);
	nft_in(g->e, "home");
	at_port(g, T_SMAC);
	nft_not_in(g->e, "behind");
	nft_goto(g->e, chain);
}

static void rule_held(struct guard *g, enum nft_term address, const char *set, const char *chain)
{
	nft_rule_open(g->e);
	if (g->zoned)
		nft_key(g->e, T_PRIORITY, address, T_END);
	else
		nft_key(g->e, address, T_END);
	nft_in(g->e, set);
	nft_goto(g->e, chain);
}

static void rule_log(struct guard *g, uint32_t rate, const char *prefix)
{
	nft_rule_open(g->e);
	nft_limit(g->e, rate);
	nft_log_endpoint(g->e, (uint16_t)(g->box->group + 1), prefix);
}

static void rule_fresh(struct guard *g)
{
	nft_rule_open(g->e);
	at_port(g, T_SMAC);
	nft_add(g->e, "fresh");
}

static void rule_same_port(struct guard *g)
{
	nft_rule_open(g->e);
	at_port(g, T_DMAC);
	nft_in(g->e, "behind");
	nft_goto(g->e, "drop_same_port");
}

/* Goes on to `chain` with what has a way out, and ends all else. */
static void rules_way_out(struct guard *g, enum nft_term address, const char *set, const char *chain)
{
	nft_rule_open(g->e);
	in_domain(g, T_DMAC, address);
	nft_in(g->e, set);
	nft_goto(g->e, chain);
	nft_else(g->e, "drop_no_port");
}

/* --- frames ------------------------------------------------------------------------------------------- */

static void build_frame(struct guard *g)
{
	struct nft_emit *e = g->e;

	nft_chain_open(e, "frame");
	nft_rule_open(e);
	nft_count(e, "frames_in");
	nft_rule_open(e);
	nft_key(e, T_SMAC, T_END);
	nft_mask(e, UINT64_C(1) << 40, 6);
	nft_cmp(e, NFT_CMP_NEQ, 0, 6);
	nft_goto(e, "drop_spoof");
	rule_is(g, T_ETHERTYPE, 0x8100, g->zoned ? "tagged" : "drop_vlan");
	rule_is(g, T_ETHERTYPE, 0x88a8, "drop_vlan_stack");
	nft_else(e, g->zoned ? "untagged" : "network");
	nft_chain_open(e, "network");
	nft_rule_open(e);
	nft_key(e, T_PROTOCOL, T_END);
	nft_vmap(e, "layer3");
	nft_else(e, "drop_ethertype");
}

/* The domain becomes scratch value of the guards (priority) and conntrack's zone. */
static void rule_domain(struct guard *g, const char *segment, const char *zone,
			void (*key)(struct nft_emit *))
{
	nft_rule_open(g->e);
	key(g->e);
	nft_map(g->e, segment);
	nft_set_priority(g->e);
	key(g->e);
	nft_map(g->e, zone);
	nft_set_zone(g->e);
	nft_goto(g->e, "network");
}

static void port_key(struct nft_emit *e)
{
	nft_key(e, T_MARK, T_END);
}

static void build_domains(struct guard *g)
{
	static const uint16_t second[] = {0x8100, 0x88a8, 0x9100};
	struct nft_emit *e = g->e;

	nft_chain_open(e, "untagged");
	rule_domain(g, "segment", "domain", port_key);
	nft_else(e, "drop_vlan");
	nft_chain_open(e, "tagged");
	for (size_t i = 0; i < sizeof second / sizeof *second; i++)
		rule_is(g, T_PROTOCOL, second[i], "drop_vlan_stack");
	nft_rule_open(e);
	nft_key(e, T_VLAN, T_END);
	nft_mask(e, 0x0fff, 2);
	nft_cmp(e, NFT_CMP_EQ, 0, 2);
	nft_goto(e, "untagged");
	rule_domain(g, "segment_tagged", "tagged", nft_tag_key);
	nft_else(e, "drop_vlan");
}

/* What is let through without policy; the copies of a flooded frame are one frame. */
static void build_guarded(struct guard *g)
{
	struct nft_emit *e = g->e;

	nft_chain_open(e, "guarded");
	nft_rule_open(e);
	nft_count(e, "forwarded");
	nft_accept(e);
	nft_chain_open(e, "way_out");
	rule_same_port(g);
	nft_rule_open(e);
	nft_count(e, "handed");
	nft_accept(e);
}

static void build_spoof(struct guard *g, const char *chain, const char *drop)
{
	nft_chain_open(g->e, chain);
	rule_log(g, SPOOF_RATE, "spoof");
	nft_else(g->e, drop);
}

/* --- IP ----------------------------------------------------------------------------------------------- */

struct ip_words {
	enum nft_term source, destination;
	const char *bound, *held, *to, *martian, *group, *dhcp, *from;
};
static const struct ip_words words4 = {T_SIP4,     T_DIP4,   "bound4", "held4",  "to4",
				       "martian4", "group4", "dhcp4",  "source4"};
static const struct ip_words words6 = {T_SIP6,     T_DIP6,   "bound6", "held6",  "to6",
				       "martian6", "group6", "dhcp6",  "source6"};

/* Returns if the sender may speak for this address. */
static void build_source(struct guard *g, const struct ip_words *w)
{
	struct nft_emit *e = g->e;

	nft_chain_open(e, w->from);
	nft_rule_open(e);
	claim(g, T_SMAC, w->source);
	nft_in(e, w->bound);
	nft_return(e);
	rule_held(g, w->source, w->held, "spoof");
	rule_at_home(g, "spoof");
	rule_log(g, NEW_RATE, "new");
}

/* What both families ask of a packet, behind what only one asks. */
static void rules_ip(struct guard *g, const struct ip_words *w)
{
	struct nft_emit *e = g->e;

	nft_rule_open(e);
	nft_key(e, T_TCP_FLAGS, T_END);
	nft_mask(e, TCP_DECIDING, 1);
	nft_not_in(e, "tcp_sane");
	nft_goto(e, "drop_tcp_flags");
	rule_in(g, T_UDP_DPORT, w->dhcp, "drop_dhcp");
	rule_in(g, w->source, w->martian, "drop_spoof");
	nft_rule_open(e);
	nft_group_mac(e, false);
	nft_key(e, w->destination, T_END);
	nft_in(e, w->group);
	nft_goto(e, "drop_spoof");
	nft_rule_open(e);
	nft_jump(e, w->from);
	rule_group(g, true, "drop_multicast");
	rules_way_out(g, w->destination, w->to, "way_out");
}

static void build_ip4(struct guard *g)
{
	struct nft_emit *e = g->e;

	nft_chain_open(e, "frame_ip4");
	nft_rule_open(e);
	nft_key(e, T_IP4_FRAG, T_END);
	nft_mask(e, 0x3fff, 2);
	nft_cmp(e, NFT_CMP_NEQ, 0, 2);
	nft_goto(e, "drop_fragment");
	nft_rule_open(e);
	nft_ip_options(e);
	nft_goto(e, "drop_options");
	rule_is(g, T_IP4_PROTO, IGMP, "drop_multicast");
	rule_is(g, T_IP4_PROTO, ICMP6, "drop_proto");
	rules_ip(g, &words4);
}

static void build_ip6(struct guard *g)
{
	struct nft_emit *e = g->e;

	nft_chain_open(e, "frame_ip6");
	nft_rule_open(e);
	nft_key(e, T_NEXTHDR, T_END);
	nft_vmap(e, "next6");
	nft_rule_open(e);
	nft_key(e, T_ICMP6_TYPE, T_END);
	nft_vmap(e, "guard6");
	rules_ip(g, &words6);
}

/* --- ARP ---------------------------------------------------------------------------------------------- */

static void build_arp(struct guard *g)
{
	struct nft_emit *e = g->e;

	nft_chain_open(e, "frame_arp");
	nft_rule_open(e);
	nft_is(e, T_ARP_HTYPE, 1);
	nft_is(e, T_ARP_PTYPE, 0x0800);
	nft_is(e, T_ARP_HLEN, 6);
	nft_is(e, T_ARP_PLEN, 4);
	nft_goto(e, "arp_sender");
	nft_else(e, "drop_arp");
}

static void build_arp_sender(struct guard *g)
{
	struct nft_emit *e = g->e;

	nft_chain_open(e, "arp_sender");
	nft_rule_open(e);
	nft_is(e, T_ARP_OP, ARP_REQUEST);
	nft_is(e, T_ARP_SIP, 0);
	nft_goto(e, "arp_stranger");
	rule_in(g, T_ARP_SIP, "martian4", "drop_arp");
	nft_rule_open(e);
	claim(g, T_SMAC, T_ARP_SIP);
	nft_in(e, "bound4");
	claim(g, T_ARP_SMAC, T_ARP_SIP);
	nft_in(e, "bound4");
	nft_goto(e, "arp_target");
	rule_held(g, T_ARP_SIP, "held4", "spoof_arp");
	rule_at_home(g, "spoof_arp");
	rule_log(g, NEW_RATE, "new");
	nft_else(e, "arp_stranger");
}

/* The sender's MAC has just become fresh at this port, so looking for the one in the ARP header there is to
 * compare the two. An answer finds its way to it until the binding is there. */
static void build_arp_stranger(struct guard *g)
{
	struct nft_emit *e = g->e;

	nft_chain_open(e, "arp_stranger");
	rule_at_home(g, "drop_arp");
	rule_fresh(g);
	nft_rule_open(e);
	at_port(g, T_ARP_SMAC);
	nft_in(e, "fresh");
	nft_goto(e, "arp_target");
	nft_else(e, "drop_arp");
}

static void build_arp_target(struct guard *g)
{
	struct nft_emit *e = g->e;

	nft_chain_open(e, "arp_target");
	rule_is(g, T_ARP_OP, ARP_REQUEST, "arp_request");
	rule_is(g, T_ARP_OP, ARP_REPLY, "arp_reply");
	nft_else(e, "drop_arp");
	nft_chain_open(e, "arp_request");
	rule_group(g, true, "guarded");
	rules_way_out(g, T_ARP_DIP, "to4", "arp_way_out");
	nft_chain_open(e, "arp_reply");
	rule_group(g, true, "drop_arp");
	nft_else(e, "arp_way_out");
	nft_chain_open(e, "arp_way_out");
	rule_same_port(g);
	nft_else(e, "guarded");
}

/* --- neighbour discovery ------------------------------------------------------------------------------ */

static void build_nd(struct guard *g)
{
	struct nft_emit *e = g->e;

	nft_chain_open(e, "nd");
	rule_is_not(g, T_HOPLIMIT, ND_HOPS, "drop_nd");
	rule_is_not(g, T_ICMP6_CODE, 0, "drop_nd");
	rule_in(g, T_ND_TARGET, "martian6", "drop_nd");
	nft_rule_open(e);
	nft_is(e, T_ICMP6_TYPE, ND_SOLICIT);
	nft_is6_zero(e, T_SIP6);
	nft_goto(e, "nd_probe");
	rule_in(g, T_SIP6, "martian6", "drop_spoof");
	nft_rule_open(e);
	nft_jump(e, "nd_sender");
	nft_rule_open(e);
	nft_is(e, T_ICMP6_TYPE, ND_ADVERT);
	nft_jump(e, "nd_target");
	nft_rule_open(e);
	nft_jump(e, "nd_option");
	nft_rule_open(e);
	nft_group_mac(e, true);
	nft_key(e, T_DIP6, T_END);
	nft_in(e, "group6");
	nft_goto(e, "guarded");
	rule_group(g, true, "drop_nd");
	rule_in(g, T_DIP6, "group6", "drop_spoof");
	rule_same_port(g);
	nft_else(e, "guarded");
}

/* Each returns if all is well. */
static void build_nd_claims(struct guard *g)
{
	static const struct {
		const char *chain;
		enum nft_term address;
	} claims[] = {{"nd_sender", T_SIP6}, {"nd_target", T_ND_TARGET}};
	struct nft_emit *e = g->e;

	for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
		nft_chain_open(e, claims[i].chain);
		nft_rule_open(e);
		claim(g, T_SMAC, claims[i].address);
		nft_in(e, "bound6");
		nft_return(e);
		rule_held(g, claims[i].address, "held6", "spoof_nd");
		rule_at_home(g, "spoof_nd");
		rule_log(g, NEW_RATE, "new");
		rule_fresh(g);
	}
}

/* The link-layer address must be one of the sender's port: its own, as far as the kernel can tell. */
static void rules_lladdr(struct guard *g, uint16_t option)
{
	static const char *const sets[] = {"behind", "fresh"};

	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
		nft_rule_open(g->e);
		nft_is(g->e, T_ND_OPTION, option);
		at_port(g, T_ND_LLADDR);
		nft_in(g->e, sets[i]);
		nft_return(g->e);
	}
}

static void rules_no_option(struct guard *g, const char *chain)
{
	static const uint16_t lengths[] = {ND_BARE, ND_WITH_OPTION};

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		nft_rule_open(g->e);
		nft_is(g->e, T_IP6_LEN, lengths[i]);
		if (lengths[i] == ND_WITH_OPTION)
			nft_is(g->e, T_ND_OPTION, OPTION_NONCE);
		if (chain)
			nft_goto(g->e, chain);
		else
			nft_return(g->e);
	}
}

static void build_nd_option(struct guard *g)
{
	nft_chain_open(g->e, "nd_option");
	rules_no_option(g, NULL);
	rule_is_not(g, T_IP6_LEN, ND_WITH_OPTION, "drop_nd");
	rules_lladdr(g, OPTION_SLLA);
	rules_lladdr(g, OPTION_TLLA);
	nft_else(g->e, "drop_nd");
}

/* Is this address free? Asked from ::, binds nothing. */
static void build_nd_probe(struct guard *g)
{
	nft_chain_open(g->e, "nd_probe");
	rule_at_home(g, "drop_nd");
	rule_group(g, false, "drop_nd");
	rule_not_in(g, T_DIP6, "group6", "drop_nd");
	rule_fresh(g);
	rules_no_option(g, "guarded");
	nft_else(g->e, "drop_nd");
}

/* --- the way out -------------------------------------------------------------------------------------- */

/* The bridge may flood; what does not belong behind a port does not leave there. */
static void build_copy(struct guard *g)
{
	static const char *const sets[] = {"behind", "fresh"};
	struct nft_emit *e = g->e;

	nft_chain_open(e, "copy");
	rule_group(g, true, "leave");
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
		nft_rule_open(e);
		at_port(g, T_DMAC);
		nft_in(e, sets[i]);
		nft_goto(e, "leave");
	}
	nft_rule_open(e);
	nft_drop(e);
	nft_chain_open(e, "leave");
	nft_rule_open(e);
	if (g->box->layout ==
	    NFT_LAYOUT_BRCT) { /* in BRNF the decision is still to come, and drops what has no mark */
		nft_number(e, 0);
		nft_set_mark(e);
		nft_number(e, 0);
		nft_set_priority(e);
	}
	nft_accept(e);
}

/* The frame's device is a port, whose number becomes its mark. */
static void port_of(struct nft_emit *e, enum nft_term device)
{
	nft_key(e, device, T_END);
	nft_map(e, "port");
	nft_set_mark(e);
}

/* What somebody else puts into the bridge has no part in it: nothing goes between it and a port. */
static void build_base(struct nft_emit *e)
{
	static const enum nft_term sides[] = {T_IIFNAME, T_OIFNAME};

	nft_base_open(e, "prerouting", NF_BR_PRE_ROUTING, PRIORITY_GUARD);
	nft_rule_open(e);
	port_of(e, T_IIFNAME);
	nft_goto(e, "frame");
	nft_base_open(e, "forward", NF_BR_FORWARD, NFT_EGRESS_PRIORITY);
	nft_rule_open(e);
	port_of(e, T_IIFNAME);
	port_of(e, T_OIFNAME);
	nft_goto(e, "copy");
	for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
		nft_rule_open(e);
		port_of(e, sides[i]);
		nft_drop(e);
	}
}

/* Whoever decides a packet takes its mark away, so one that still has it was decided by nobody. */
static void build_shut(struct nft_emit *e)
{
	static const uint16_t decided[] = {0x0800, 0x86dd};

	nft_base_open(e, "shut", NF_BR_FORWARD, NFT_SHUT_PRIORITY);
	for (size_t i = 0; i < sizeof decided / sizeof decided[0]; i++) {
		nft_rule_open(e);
		nft_is(e, T_PROTOCOL, decided[i]);
		nft_is_not(e, T_MARK, 0);
		port_of(e, T_OIFNAME);
		nft_drop(e);
	}
}

void nft_build_guard(struct nft_emit *e, const struct nft_box *box)
{
	static void (*const parts[])(struct guard *) = {
		build_frame,      build_guarded,      build_ip4,        build_ip6, build_arp,
		build_arp_sender, build_arp_stranger, build_arp_target, build_nd,  build_nd_claims,
		build_nd_option,  build_nd_probe,     build_copy,
	};
	static const char *const counters[] = {"frames_in", "forwarded", "handed", "drop_parse"};
	struct guard g = {e, box, box->layout == NFT_LAYOUT_BRCT};

	for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
		nft_build_counter(e->b, counters[i]);
	build_drops(e);
	if (g.zoned)
		build_domains(&g);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		parts[i](&g);
	build_source(&g, &words4);
	build_source(&g, &words6);
	build_spoof(&g, "spoof", "drop_spoof");
	build_spoof(&g, "spoof_arp", "drop_arp");
	build_spoof(&g, "spoof_nd", "drop_nd");
	build_base(e);
	if (!g.zoned)
		build_shut(e);
}
