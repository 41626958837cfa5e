/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard: a table of the netdev family whose chains drop every frame at the ports' ingress, before the
 * kernel's bridge sees it, while a dataplane that reads the devices itself is in charge.
 */
#include "netlink_list.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#define GUARD_PRIORITY (-400)

static struct nlmsghdr *put(struct nl *nl, struct nl_batch *b, uint8_t type, uint16_t flags, uint8_t thing,
			    const char *name)
{
	return nl_put(nl, b, type, NFT_NETDEV, flags, (struct nl_note){.thing = thing, .name = name});
}

static void put_table(struct nl *nl, struct nl_batch *b, uint8_t type)
{
	const uint16_t flags = type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0;

	mnl_attr_put_strz(put(nl, b, type, flags, NL_TABLE, ""), NFTA_TABLE_NAME, NFT_TABLE);
}

static void put_drop(struct nlmsghdr *h)
{
	struct nlattr *list = mnl_attr_nest_start(h, NFTA_RULE_EXPRESSIONS);
	struct nlattr *one = mnl_attr_nest_start(h, NFTA_LIST_ELEM);

	mnl_attr_put_strz(h, NFTA_EXPR_NAME, "immediate");
	struct nlattr *expr = mnl_attr_nest_start(h, NFTA_EXPR_DATA);
	mnl_attr_put_u32(h, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
	struct nlattr *data = mnl_attr_nest_start(h, NFTA_IMMEDIATE_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl(NF_DROP));
	mnl_attr_nest_end(h, verdict);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, expr);
	mnl_attr_nest_end(h, one);
	mnl_attr_nest_end(h, list);
}

static void put_guard(struct nl *nl, struct nl_batch *b, uint32_t port)
{
	const char *device = nl->box.port[port].device;
	struct nlmsghdr *h = put(nl, b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NL_GUARD, device);
	char name[32];

	snprintf(name, sizeof name, "guard%u", port);
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, NFT_TABLE);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, name);
	struct nlattr *hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(NF_NETDEV_INGRESS));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl((uint32_t)GUARD_PRIORITY));
	mnl_attr_put_strz(h, NFTA_HOOK_DEV, device);
	mnl_attr_nest_end(h, hook);
	mnl_attr_put_u32(h, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
	h = put(nl, b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NL_GUARD, device);
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, NFT_TABLE);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, name);
	put_drop(h);
}

/* The hooks of the old table are only taken away when those of the new one are there. */
static int write_guard(struct nl *nl, bool on, uint32_t id)
{
	struct nl_batch b;
	int code = nl_batch_begin(nl, &b, id);

	if (code)
		return code;
	put_table(nl, &b, NFT_MSG_NEWTABLE);
	put_table(nl, &b, NFT_MSG_DELTABLE);
	if (on)
		put_table(nl, &b, NFT_MSG_NEWTABLE);
	for (uint32_t i = 0; on && i < nl->box.n_ports; i++)
		put_guard(nl, &b, i);
	code = nl_commit(nl, &b, id);
	nl_batch_free(&b);
	return code;
}

int nl_guard(struct nl *nl, bool on)
{
	const int now = nl_guarded(nl);
	int code = -ERESTART;
	uint32_t id = 0;

	if (now == (int)on)
		return 0;
	if (now < 0 && now != -EUCLEAN)
		return now;
	for (uint32_t i = 0; code == -ERESTART && i < NL_TRIES; i++) {
		code = nl_generation(nl, &id);
		code = code ? code : write_guard(nl, on, id);
	}
	return code;
}

/* Its first rule drops all. */
static bool drops(const struct nl_listing *l, const char *chain)
{
	for (size_t i = 0; i < l->n_rule; i++)
		if (l->rule[i].family == NFT_NETDEV && !strcmp(l->rule[i].chain, chain))
			return l->rule[i].n == 1 && l->rule[i].expr[0].kind == NFT_EXPR_IMMEDIATE &&
			       l->rule[i].expr[0].verdict == NF_DROP + 1;
	return false;
}

static bool device_guarded(const struct nl_listing *l, const char *device)
{
	for (size_t i = 0; i < l->n_chain; i++) {
		const struct nl_chain_row *c = &l->chain[i];

		if (c->family == NFT_NETDEV && c->chain.base && !c->odd && !strcmp(c->device, device) &&
		    drops(l, c->name))
			return true;
	}
	return false;
}

/* A table that sleeps guards nothing; one without chains is as good as none. */
int nl_guarded(struct nl *nl)
{
	struct nl_listing l;
	const int code = nl_listing_take(nl, &l, NL_WITH_CHAINS | NL_WITH_RULES);
	uint32_t n = 0;
	bool dormant = false;

	if (code)
		return code;
	for (size_t i = 0; i < l.n_table; i++)
		dormant |= l.table[i].family == NFT_NETDEV && l.table[i].dormant;
	for (uint32_t i = 0; i < nl->box.n_ports; i++)
		n += device_guarded(&l, nl->box.port[i].device);
	const bool table = nl_listing_has(&l, NFT_NETDEV);
	nl_listing_free(&l);
	if (!n && !dormant && !table)
		return 0;
	if (n == nl->box.n_ports && n && !dormant)
		return 1;
	return nl_fail(nl, -EUCLEAN, "the guard is on %u of %u devices%s", n, nl->box.n_ports,
		       dormant ? ", and its table is dormant" : "");
}
