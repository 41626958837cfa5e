/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel engine does not do: of rules, as far as a policy can ask for it, and of boxes.
 */
#include "to_nft.h"

enum { ICMP = 1, ICMP6 = 58 };

/* Index of $multicast in the identity space: the reserved ones come first (ruleset.h). */
#define MULTICAST_INDEX 4u

/* --- rules -------------------------------------------------------------------------------------------- */

static bool speaks_of(const struct rule *rule, service_key from, service_key end)
{
	for (size_t i = 0; i < rule->service.n; i++)
		if (rule->service.ranges[i].from < end && from < rule->service.ranges[i].to)
			return true;
	return false;
}

static bool allows_multicast(const struct rule *rule, const struct nft_box *box)
{
	(void)box;
	return rule->effect == EFFECT_ALLOW && identity_in(rule->to.set, MULTICAST_INDEX);
}

static bool rejects_there(const struct rule *rule, const struct nft_box *box)
{
	return rule->effect == EFFECT_DENY && rule->action == ACTION_REJECT &&
	       box->planes & NFT_PLANE_FORWARD && box->layout == NFT_LAYOUT_BRNF;
}

/* Types that conntrack makes no entry for. */
static bool opens_by_icmp(const struct rule *rule, const struct nft_box *box)
{
	static const uint8_t opens4[] = {8, 13, 15, 17}, opens6[] = {128, 139};
	service_key at = service_key_make(ICMP, 0);

	(void)box;
	if (rule->effect != EFFECT_ALLOW)
		return false;
	for (size_t i = 0; i < sizeof opens4; at = service_key_make(ICMP, (uint16_t)(opens4[i++] + 1) << 8))
		if (speaks_of(rule, at, service_key_make(ICMP, (uint16_t)(opens4[i] << 8))))
			return true;
	if (speaks_of(rule, at, (ICMP + 1) << 16))
		return true;
	at = service_key_make(ICMP6, 0);
	for (size_t i = 0; i < sizeof opens6; at = service_key_make(ICMP6, (uint16_t)(opens6[i++] + 1) << 8))
		if (speaks_of(rule, at, service_key_make(ICMP6, (uint16_t)(opens6[i] << 8))))
			return true;
	return speaks_of(rule, at, (ICMP6 + 1) << 16);
}

static const struct {
	bool (*asks)(const struct rule *rule, const struct nft_box *box);
	const char *what;
} needs[] = {
	{allows_multicast, "multicast: the kernel engine drops frames to groups, allowed or not"},
	{rejects_there, "reject: without conntrack in the bridge a refused packet gets no answer"},
	{opens_by_icmp, "icmp: in the kernel only echo, timestamp, information, address mask and node "
			"information requests open a session"},
};

void nft_needs_dpdk(const struct ruleset *rs, const struct nft_box *box,
		    void (*f)(void *ctx, const struct rule *rule, const char *what), void *ctx)
{
	for (size_t i = 0; i < rs->n_rules; i++)
		for (size_t k = 0; rs->rules[i].mode != MODE_OFF && k < sizeof needs / sizeof needs[0]; k++)
			if (needs[k].asks(&rs->rules[i], box))
				f(ctx, &rs->rules[i], needs[k].what);
}

/* --- boxes -------------------------------------------------------------------------------------------- */

/* One untagged domain, all ports in it. */
static bool one_domain(const struct nft_box *box)
{
	for (uint32_t i = 0; i < box->n_ports; i++)
		if (box->port[i].trunk || box->port[i].n_vlans || box->port[i].vlan != box->port[0].vlan)
			return false;
	return true;
}

/* Tags need conntrack, reject and VLANs in the bridge itself; without tags either way will do. */
static const struct {
	uint32_t feature;
	const char *missing;
} bridge_needs[] = {
	{DP_FEATURE_BRIDGE_CT, "vlan: tags or several domains need conntrack in the bridge family "
			       "(nf_conntrack_bridge)"},
	{DP_FEATURE_BRIDGE_REJECT, "vlan: tags or several domains need reject in the bridge family "
				   "(nft_reject_bridge)"},
	{DP_FEATURE_VLAN_FILTER, "vlan: tags or several domains need a bridge that filters VLANs "
				 "(vlan_filtering)"},
};

static const char *missing_for_bridge(uint32_t features)
{
	for (size_t i = 0; i < sizeof bridge_needs / sizeof bridge_needs[0]; i++)
		if (!(features & bridge_needs[i].feature))
			return bridge_needs[i].missing;
	return NULL;
}

const char *nft_choose_layout(struct nft_box *box, uint32_t features)
{
	const char *missing = missing_for_bridge(features);

	box->layout = NFT_LAYOUT_NONE;
	if (!(box->planes & NFT_PLANE_FORWARD))
		return NULL;
	if (!(features & DP_FEATURE_BRIDGE))
		return "bridge: nf_tables has no bridge family (nf_tables_bridge)";
	if (!(features & DP_FEATURE_NFLOG))
		return "nflog: refusals could not be recorded (nfnetlink_log)";
	if (!missing) {
		box->layout = NFT_LAYOUT_BRCT;
		return NULL;
	}
	if (!one_domain(box))
		return missing;
	if (!(features & DP_FEATURE_BR_NETFILTER))
		return "conntrack: bridged frames meet it neither in the bridge family "
		       "(nf_conntrack_bridge) nor in the inet hooks (br_netfilter)";
	box->layout = NFT_LAYOUT_BRNF;
	return NULL;
}
