/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program of a box that has no generation: frames of its ports and packets of its management addresses
 * are counted and dropped. Only ssh to the box and its answers pass, as they did before Cordon was installed:
 * who is to commit the first policy, or to repair the last one, must not be locked out. Tables, base chains
 * and counters have the names that they keep for ever.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_bridge.h>
#include <stdio.h>

#include "inside.h"
#include "sets.h"

#define PROBE_NUMBER 0xfff1u /* of the first probe port */

struct closing {
	struct nft_builder *b;
	const struct nft_box *box;
};

static void put(struct closing *c, struct nft_expr e, const char *name)
{
	nft_build_expr(c->b, &e, name);
}

#define NONE .sreg = NFT_REG_NONE, .dreg = NFT_REG_NONE

static void load(struct closing *c, uint8_t kind, uint8_t base, uint16_t key, uint32_t offset, uint8_t len)
{
	put(c,
	    (struct nft_expr){.kind = kind,
			      .sreg = NFT_REG_NONE,
			      .dreg = 0,
			      .base = base,
			      .key = key,
			      .offset = offset,
			      .len = len},
	    NULL);
}

static void compare(struct closing *c, uint8_t op, const void *bytes, uint8_t len, uint8_t size)
{
	struct nft_expr e = {.kind = NFT_EXPR_CMP, NONE, .op = op, .len = size};

	e.sreg = 0;
	memcpy(e.data, bytes, len);
	put(c, e, NULL);
}

static void lookup(struct closing *c, const char *set, uint8_t dreg)
{
	put(c, (struct nft_expr){.kind = NFT_EXPR_LOOKUP, .sreg = 0, .dreg = dreg}, set);
}

static void verdict(struct closing *c, int32_t code, const char *chain)
{
	put(c, (struct nft_expr){.kind = NFT_EXPR_IMMEDIATE, NONE, .verdict = code}, chain);
}

static void base(struct closing *c, const char *name, uint32_t hook, int32_t priority)
{
	const struct nft_chain chain = {.base = 1, .hook = hook, .priority = priority, .policy = NF_ACCEPT};

	nft_build_chain(c->b, name, &chain, NULL);
}

static void chain(struct closing *c, const char *name)
{
	nft_build_chain(c->b, name, &(struct nft_chain){.named = NFT_VERSIONED}, NULL);
}

static void counters_then_drop(struct closing *c, const char *const *counters, size_t n)
{
	nft_build_rule(c->b);
	for (size_t i = 0; i < n; i++)
		put(c, (struct nft_expr){.kind = NFT_EXPR_OBJREF, NONE}, counters[i]);
	verdict(c, NF_DROP + 1, NULL);
}

/* --- the bridge --------------------------------------------------------------------------------------- */

static void port_element(struct closing *c, const struct nft_set_shape *shape, const char *device,
			 uint32_t number)
{
	struct nft_element e = {.data = number};

	nft_key_bytes(shape, 0, device, strlen(device), e.key);
	memcpy(e.key_end, e.key, sizeof e.key);
	nft_build_element(c->b, &e, NULL);
}

static void port_map(struct closing *c)
{
	struct nft_set_shape shape;

	nft_shape(c->box->layout, "port", &shape);
	const struct nft_set set = nft_shape_set(&shape, 0);
	nft_build_set(c->b, shape.name, &set);
	for (uint32_t i = 0; i < c->box->n_ports; i++)
		port_element(c, &shape, c->box->port[i].device, i + 1);
	port_element(c, &shape, "cordonp0", PROBE_NUMBER);
	port_element(c, &shape, "cordonp1", PROBE_NUMBER + 1);
}

/* iifname or oifname map @port: frames of devices that are no ports go by. */
static void port_rule(struct closing *c, uint16_t direction, const char *to)
{
	nft_build_rule(c->b);
	load(c, NFT_EXPR_META, 0, direction, 0, 0);
	lookup(c, "port", 0);
	put(c,
	    (struct nft_expr){.kind = NFT_EXPR_META, .sreg = 0, .dreg = NFT_REG_NONE, .key = NFT_META_MARK},
	    NULL);
	verdict(c, NFT_GOTO, to);
}

static void bridge(struct closing *c)
{
	static const char *const counted[] = {"frames_in", "drop_deny_all"};

	nft_build_table(c->b, NFT_BRIDGE, NFT_TABLE);
	for (size_t i = 0; i < 2; i++)
		nft_build_counter(c->b, counted[i]);
	port_map(c);
	base(c, "prerouting", NF_BR_PRE_ROUTING, -300);
	port_rule(c, NFT_META_IIFNAME, "closed");
	base(c, "forward", NF_BR_FORWARD, NFT_EGRESS_PRIORITY);
	port_rule(c, NFT_META_OIFNAME, "no_copy");
	if (c->box->layout == NFT_LAYOUT_BRCT)
		base(c, "decision", NF_BR_PRE_ROUTING, -100);
	if (c->box->layout == NFT_LAYOUT_BRNF) {
		base(c, "shut", NF_BR_FORWARD, NFT_SHUT_PRIORITY);
		port_rule(c, NFT_META_OIFNAME, "no_copy");
	}
	chain(c, "closed");
	counters_then_drop(c, counted, 2);
	chain(c, "no_copy");
	counters_then_drop(c, NULL, 0);
}

/* --- the host ----------------------------------------------------------------------------------------- */

static void management_sets(struct closing *c)
{
	static const char *const names[] = {"mgmt4", "mgmt6"};

	for (int i = 0; i < 2; i++) {
		struct nft_set_shape shape;

		nft_shape(c->box->layout, names[i], &shape);
		const struct nft_set set = nft_shape_set(&shape, c->box->n_management);
		nft_build_set(c->b, names[i], &set);
		for (uint32_t k = 0; k < c->box->n_management; k++) {
			struct nft_element e = {.data = 0};

			if (c->box->management[k].family != (i ? 6 : 4))
				continue;
			nft_key_bytes(&shape, 0, c->box->management[k].addr, 16, e.key);
			memcpy(e.key_end, e.key, sizeof e.key);
			nft_build_element(c->b, &e, NULL);
		}
	}
}

/* Packets of a management address, but for the host's own to itself. */
static void host_rule(struct closing *c, uint16_t direction, bool six)
{
	const bool source = direction == NFT_META_OIFNAME;
	const uint8_t family = six ? NFPROTO_IPV6 : NFPROTO_IPV4, len = six ? 16 : 4;
	const uint32_t offset = six ? (source ? 8 : 24) : (source ? 12 : 16);

	nft_build_rule(c->b);
	load(c, NFT_EXPR_META, 0, direction, 0, 0);
	compare(c, NFT_CMP_NEQ, "lo", 2, NFT_DEVICE);
	load(c, NFT_EXPR_META, 0, NFT_META_NFPROTO, 0, 0);
	compare(c, NFT_CMP_EQ, &family, 1, 1);
	load(c, NFT_EXPR_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 0, offset, len);
	lookup(c, six ? "mgmt6" : "mgmt4", NFT_REG_NONE);
	verdict(c, NFT_GOTO, source ? "host_closed_out" : "host_closed");
}

/* Neighbour discovery passes, or the addresses would be gone and not only closed. */
static void discovery_rule(struct closing *c)
{
	static const uint8_t proto = 58, first = 133, last = 137;

	nft_build_rule(c->b);
	load(c, NFT_EXPR_META, 0, NFT_META_L4PROTO, 0, 0);
	compare(c, NFT_CMP_EQ, &proto, 1, 1);
	load(c, NFT_EXPR_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 0, 1);
	compare(c, NFT_CMP_GTE, &first, 1, 1);
	compare(c, NFT_CMP_LTE, &last, 1, 1);
	verdict(c, NF_ACCEPT + 1, NULL);
}

/* True of every packet. It is asked for what comes with it: the kernel tracks sessions only while some rule
 * speaks of them, and a generation cuts what it finds half way. So it finds the session that it is committed
 * from. */
static void any_state(struct closing *c)
{
	const uint32_t all = NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT |
			     NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED) |
			     NF_CT_STATE_BIT(IP_CT_NEW);
	struct nft_expr mask = {.kind = NFT_EXPR_BITWISE, .sreg = 0, .dreg = 0, .len = 4};

	memcpy(mask.data, &all, sizeof all);
	load(c, NFT_EXPR_CT, 0, NFT_CT_STATE, 0, 0);
	put(c, mask, NULL);
	compare(c, NFT_CMP_NEQ, &(uint32_t){0}, 4, 4);
}

/* `offset`: of the port in the TCP header that is ssh's. */
static void ssh_rule(struct closing *c, uint32_t offset)
{
	static const uint8_t proto = 6, port[] = {0, 22};

	nft_build_rule(c->b);
	load(c, NFT_EXPR_META, 0, NFT_META_L4PROTO, 0, 0);
	compare(c, NFT_CMP_EQ, &proto, 1, 1);
	load(c, NFT_EXPR_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, offset, 2);
	compare(c, NFT_CMP_EQ, port, 2, 2);
	any_state(c);
	verdict(c, NF_ACCEPT + 1, NULL);
}

static void host_chain(struct closing *c, const char *name, uint32_t ssh_port)
{
	static const char *const counted[] = {"host_dropped"};

	chain(c, name);
	discovery_rule(c);
	ssh_rule(c, ssh_port);
	counters_then_drop(c, counted, 1);
}

static void host(struct closing *c)
{

	nft_build_counter(c->b, "host_dropped");
	management_sets(c);
	base(c, "input", NF_INET_LOCAL_IN, 0);
	host_rule(c, NFT_META_IIFNAME, false);
	host_rule(c, NFT_META_IIFNAME, true);
	base(c, "output", NF_INET_LOCAL_OUT, 0);
	host_rule(c, NFT_META_OIFNAME, false);
	host_rule(c, NFT_META_OIFNAME, true);
	host_chain(c, "host_closed", 2);
	host_chain(c, "host_closed_out", 0);
}

/* What is routed through the bridge's device. */
static void device_rule(struct closing *c, uint16_t direction)
{
	nft_build_rule(c->b);
	load(c, NFT_EXPR_META, 0, direction, 0, 0);
	compare(c, NFT_CMP_EQ, c->box->bridge, (uint8_t)strnlen(c->box->bridge, NFT_DEVICE - 1), NFT_DEVICE);
	verdict(c, NF_DROP + 1, NULL);
}

static void inet(struct closing *c)
{
	const bool forward = c->box->planes & NFT_PLANE_FORWARD && c->box->layout == NFT_LAYOUT_BRNF;

	if (!forward && !(c->box->planes & NFT_PLANE_HOST))
		return;
	nft_build_table(c->b, NFT_INET, NFT_TABLE);
	if (forward) {
		base(c, "prerouting", NF_INET_PRE_ROUTING, -300);
		base(c, "forward", NF_INET_FORWARD, 0);
		device_rule(c, NFT_META_IIFNAME);
		device_rule(c, NFT_META_OIFNAME);
	}
	if (c->box->planes & NFT_PLANE_HOST)
		host(c);
}

struct nft_program *nft_closed(const struct nft_box *box, size_t *size, char *error, size_t room)
{
	struct closing c = {nft_builder_new(), box};
	struct nft_program head = {.box = *box};
	struct nft_program *made;

	if (!c.b) {
		snprintf(error, room, "kernel program: out of memory");
		return NULL;
	}
	nft_build_model(c.b);
	if (box->planes & NFT_PLANE_FORWARD)
		bridge(&c);
	inet(&c);
	made = nft_builder_finish(c.b, &head, size, error, room);
	nft_builder_free(c.b);
	return made;
}
