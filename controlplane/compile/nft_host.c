/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where bridged frames and the host's own packets meet the decision chains: the base chains of the tables.
 * Of the host only sessions to or from its management addresses are asked about; all else is not touched.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_bridge.h>

#include "nft_parts.h"

#define PRIORITY_ZONE   (-300) /* before conntrack, at -200 */
#define PRIORITY_AFTER  (-100) /* behind it */
#define PRIORITY_FILTER 0

/* The packet mark is the port's number, from the guard: without one the frame came from a device that is none
 * of ours. What is routed through the bridge's device is not between two ports. */
static void build_brnf(struct nft_emit *e, const struct nft_box *box)
{
	nft_base_open(e, "prerouting", NF_INET_PRE_ROUTING, PRIORITY_ZONE);
	nft_rule_open(e);
	nft_device(e, T_IIFNAME, true, box->bridge);
	nft_key(e, T_MARK, T_END);
	nft_map(e, "domain");
	nft_set_zone(e);
	nft_base_open(e, "forward", NF_INET_FORWARD, PRIORITY_FILTER);
	nft_rule_open(e);
	nft_device(e, T_IIFNAME, true, box->bridge);
	nft_is(e, T_MARK, 0);
	nft_drop(e);
	nft_rule_open(e);
	nft_device(e, T_IIFNAME, true, box->bridge);
	nft_device(e, T_OIFNAME, true, box->bridge);
	nft_goto(e, "session");
	nft_rule_open(e);
	nft_device(e, T_IIFNAME, true, box->bridge);
	nft_count(e, "seen");
	nft_goto(e, "drop_no_port");
	nft_rule_open(e);
	nft_device(e, T_OIFNAME, true, box->bridge);
	nft_drop(e);
	nft_chain_open(e, "drop_no_port");
	nft_rule_open(e);
	nft_count(e, "drop_no_port");
	nft_drop(e);
}

static void build_brct(struct nft_emit *e)
{
	nft_base_open(e, "decision", NF_BR_PRE_ROUTING, PRIORITY_AFTER);
	nft_rule_open(e);
	nft_key(e, T_IIFNAME, T_END);
	nft_map(e, "port");
	nft_set_mark(e);
	nft_goto(e, "session");
}

void nft_build_forward_base(struct nft_emit *e, const struct nft_box *box)
{
	if (box->layout == NFT_LAYOUT_BRCT)
		build_brct(e);
	else
		build_brnf(e, box);
}

struct host_way {
	const char *base;
	uint32_t hook;
	enum nft_term device, own4, own6;
};

static void rule_own(struct nft_emit *e, const struct host_way *way, int family, bool related)
{
	nft_rule_open(e);
	nft_device(e, way->device, false, "lo");
	nft_key(e, family == 4 ? way->own4 : way->own6, T_END);
	nft_in(e, family == 4 ? "mgmt4" : "mgmt6");
	if (related)
		nft_ct_state(e, NF_CT_STATE_BIT(IP_CT_RELATED));
	nft_goto(e, related ? "host_pass" : "host_session");
}

/* What the host sends about a packet that it got, a reset or an ICMP error, also says that it was refused. */
void nft_build_host_base(struct nft_emit *e)
{
	static const struct host_way ways[] = {{"input", NF_INET_LOCAL_IN, T_IIFNAME, T_DIP4, T_DIP6},
					       {"output", NF_INET_LOCAL_OUT, T_OIFNAME, T_SIP4, T_SIP6}};

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		nft_base_open(e, ways[i].base, ways[i].hook, PRIORITY_FILTER);
		for (int family = 4; family <= 6; family += 2) {
			if (ways[i].hook == NF_INET_LOCAL_OUT)
				rule_own(e, &ways[i], family, true);
			rule_own(e, &ways[i], family, false);
		}
	}
}
