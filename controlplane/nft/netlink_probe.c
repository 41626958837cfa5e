/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel can do, and the two devices that live verification sends its frames through.
 */
#include "netlink_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#define TRIAL_TABLE "cordon_trial"
#define NO_TABLE    "cordon_none" /* deleting it is what makes a trial fail */
#define VLAN_MASK   0x0fffu
#define VLAN_LAST   4094u

/* --- what nf_tables has ------------------------------------------------------------------------------- */

static struct nlmsghdr *put(struct nl *nl, struct nl_batch *b, uint8_t type, uint16_t flags)
{
	return nl_put(nl, b, type, NFT_BRIDGE, flags, (struct nl_note){.thing = NL_BATCH});
}

static void try_chain(struct nl *nl, struct nl_batch *b)
{
	struct nlmsghdr *h = put(nl, b, NFT_MSG_NEWTABLE, NLM_F_CREATE);

	mnl_attr_put_strz(h, NFTA_TABLE_NAME, TRIAL_TABLE);
	h = put(nl, b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, TRIAL_TABLE);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, "trial");
	struct nlattr *hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(0));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl(0));
	mnl_attr_nest_end(h, hook);
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
}

static void try_rule(struct nl *nl, struct nl_batch *b, const struct nft_expr *e)
{
	struct nlmsghdr *h = put(nl, b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	struct nftnl_rule *r = nftnl_rule_alloc();
	struct nftnl_expr *made = nl_expr_make(e, NULL);

	if (r && made) {
		nftnl_rule_set_str(r, NFTNL_RULE_TABLE, TRIAL_TABLE);
		nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, "trial");
		nftnl_rule_add_expr(r, made);
		nftnl_rule_nlmsg_build_payload(h, r);
	} else if (made) {
		nftnl_expr_free(made);
	}
	if (r)
		nftnl_rule_free(r);
}

/* Each part is answered by itself; then the deletion of nothing has the kernel take everything back. */
static uint32_t try_bridge(struct nl *nl, uint32_t id)
{
	static const struct {
		uint32_t feature;
		struct nft_expr expr;
	} trials[] = {
		{DP_FEATURE_BRIDGE_CT,
		 {.kind = NFT_EXPR_CT, .sreg = NFT_REG_NONE, .dreg = 0, .key = NFT_CT_STATE}},
		{DP_FEATURE_BRIDGE_REJECT,
		 {.kind = NFT_EXPR_REJECT,
		  .sreg = NFT_REG_NONE,
		  .dreg = NFT_REG_NONE,
		  .op = NFT_REJECT_ICMPX_UNREACH,
		  .key = NFT_REJECT_ICMPX_ADMIN_PROHIBITED}},
	};
	enum { CHAIN_NOTE = 2, FIRST_RULE = 3 };
	struct nl_batch b;
	uint32_t features = 0;

	if (nl_batch_begin(nl, &b, id))
		return 0;
	try_chain(nl, &b);
	for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++)
		try_rule(nl, &b, &trials[i].expr);
	mnl_attr_put_strz(put(nl, &b, NFT_MSG_DELTABLE, 0), NFTA_TABLE_NAME, NO_TABLE);
	nl_commit(nl, &b, id);
	if (b.note[CHAIN_NOTE].answered && !b.note[CHAIN_NOTE].error)
		features |= DP_FEATURE_BRIDGE;
	for (size_t i = 0; features && i < sizeof trials / sizeof trials[0]; i++)
		if (b.note[FIRST_RULE + i].answered && !b.note[FIRST_RULE + i].error)
			features |= trials[i].feature;
	nl_batch_free(&b);
	return features;
}

/* --- what the rest of the kernel has ------------------------------------------------------------------- */

/* The number in a file of /proc/sys; `missing` if there is none. */
static long sysctl_number(const char *name, long missing)
{
	char path[128], text[32];

	snprintf(path, sizeof path, "/proc/sys/net/%s", name);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return missing;
	text[n] = 0;
	return strtol(text, NULL, 10);
}

static int keep_attribute(const struct nlattr *a, void *ctx)
{
	const struct nlattr **attr = ctx;

	if (mnl_attr_get_type(a) <= IFLA_LINKINFO)
		attr[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static int see_bridge(void *ctx, const struct nlmsghdr *h)
{
	const struct nlattr *attr[IFLA_LINKINFO + 1] = {0}, *info[IFLA_INFO_DATA + 1];
	const struct nlattr *bridge[IFLA_BR_VLAN_FILTERING + 1];

	mnl_attr_parse(h, sizeof(struct ifinfomsg), keep_attribute, attr);
	nl_nested(attr[IFLA_LINKINFO], info, IFLA_INFO_DATA);
	if (!info[IFLA_INFO_KIND] || strcmp(mnl_attr_get_str(info[IFLA_INFO_KIND]), "bridge"))
		return 0;
	nl_nested(info[IFLA_INFO_DATA], bridge, IFLA_BR_VLAN_FILTERING);
	*(bool *)ctx = bridge[IFLA_BR_VLAN_FILTERING] && mnl_attr_get_u8(bridge[IFLA_BR_VLAN_FILTERING]);
	return 0;
}

static bool filters_vlans(struct nl *nl)
{
	char buffer[MNL_NLMSG_HDRLEN + 64];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	bool filters = false;
	const int fd = nl_socket(NETLINK_ROUTE, NL_RECEIVE);

	if (fd < 0)
		return false;
	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, nl->box.bridge);
	const int code = nl_ask(nl, fd, h, see_bridge, &filters);
	close(fd);
	return !code && filters;
}

uint32_t nl_features(struct nl *nl)
{
	uint32_t id = 0, features = DP_FEATURE_NFLOG; /* its groups are bound since nl_open() */

	if (!nl_generation(nl, &id))
		features |= try_bridge(nl, id);
	if (sysctl_number("bridge/bridge-nf-call-iptables", 0) == 1 &&
	    sysctl_number("bridge/bridge-nf-call-ip6tables", 0) == 1)
		features |= DP_FEATURE_BR_NETFILTER;
	if (filters_vlans(nl))
		features |= DP_FEATURE_VLAN_FILTER;
	if (sysctl_number("netfilter/nf_conntrack_acct", 0) == 1 &&
	    sysctl_number("netfilter/nf_conntrack_timestamp", 0) == 1 &&
	    sysctl_number("netfilter/nf_conntrack_events", 0) != 0)
		features |= DP_FEATURE_CT_EVENTS;
	if (sysctl_number("netfilter/nf_conntrack_tcp_loose", 1) == 0)
		features |= DP_FEATURE_STRICT_TCP;
	return features;
}

/* --- probe devices ------------------------------------------------------------------------------------ */

static int ask_device(int control, unsigned long what, struct ifreq *request)
{
	return ioctl(control, what, request) ? -errno : 0;
}

static int enslave(struct nl *nl, int control, const char *name)
{
	struct ifreq bridge = {0}, device = {0};
	int code;

	snprintf(device.ifr_name, sizeof device.ifr_name, "%s", name);
	snprintf(bridge.ifr_name, sizeof bridge.ifr_name, "%s", nl->box.bridge);
	code = ask_device(control, SIOCGIFINDEX, &device);
	if (code)
		return code;
	bridge.ifr_ifindex = device.ifr_ifindex;
	return ask_device(control, SIOCBRADDIF, &bridge);
}

/* What has no place on a wire: no port is a member of it. */
static uint16_t free_vlan(const struct nft_box *box)
{
	bool used[VLAN_LAST + 1] = {false};
	uint16_t vlan = VLAN_LAST;

	for (uint32_t i = 0; i < box->n_ports; i++) {
		used[box->port[i].vlan & VLAN_MASK] = true;
		for (uint32_t k = 0; k < box->port[i].n_vlans; k++)
			used[box->port[i].vlans[k] & VLAN_MASK] = true;
	}
	while (vlan > 1 && used[vlan])
		vlan--;
	return vlan;
}

/* A bridge that keeps VLANs apart takes no frame from a port that is in none. */
static int join_vlan(struct nl *nl, const char *name)
{
	char buffer[MNL_NLMSG_HDRLEN + 128];
	struct bridge_vlan_info vlan = {.flags = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link;
	const int fd = filters_vlans(nl) ? nl_socket(NETLINK_ROUTE, NL_RECEIVE) : 0;

	if (fd <= 0)
		return fd;
	h->nlmsg_type = RTM_SETLINK;
	h->nlmsg_flags = NLM_F_REQUEST;
	link = mnl_nlmsg_put_extra_header(h, sizeof(*link));
	link->ifi_family = AF_BRIDGE;
	link->ifi_index = (int)if_nametoindex(name);
	vlan.vid = free_vlan(&nl->box);
	struct nlattr *nest = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	mnl_attr_put(h, IFLA_BRIDGE_VLAN_INFO, sizeof(vlan), &vlan);
	mnl_attr_nest_end(h, nest);
	const int code = nl_ask(nl, fd, h, NULL, NULL);
	close(fd);
	return code;
}

static int check_up(int control, const char *name)
{
	struct ifreq device = {0};
	int code;

	snprintf(device.ifr_name, sizeof device.ifr_name, "%s", name);
	code = ask_device(control, SIOCGIFFLAGS, &device);
	return code || device.ifr_flags & IFF_UP ? code : -ENETDOWN;
}

static int bring_up(int control, const char *name)
{
	struct ifreq device = {0};
	int code;

	snprintf(device.ifr_name, sizeof device.ifr_name, "%s", name);
	code = ask_device(control, SIOCGIFFLAGS, &device);
	device.ifr_flags |= IFF_UP;
	return code ? code : ask_device(control, SIOCSIFFLAGS, &device);
}

/* The host itself has nothing to say on these devices. */
static void silence(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) < 0) { /* no IPv6: nothing to be silenced */
	}
	close(fd);
}

static int open_tap(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (!ioctl(fd, TUNSETIFF, &request))
		return fd;
	const int code = -errno;
	close(fd);
	return code;
}

static int open_probe(struct nl *nl, int control, uint32_t i)
{
	static const char *const names[] = {"cordonp0", "cordonp1"};
	const char *step = "made";
	int code = open_tap(names[i]);

	if (code >= 0) {
		nl->probe[i] = code;
		silence(names[i]);
		step = "put into the bridge";
		code = enslave(nl, control, names[i]);
		if (!code) {
			step = "used: the bridge lets nothing pass";
			code = check_up(control, nl->box.bridge);
		}
		if (!code) {
			step = "put into a VLAN";
			code = join_vlan(nl, names[i]);
		}
		if (!code) {
			step = "brought up";
			code = bring_up(control, names[i]);
		}
	}
	return code ? nl_fail(nl, code, "probe device %s could not be %s: %s", names[i], step,
			      strerror(-code))
		    : 0;
}

void nl_probe_close(struct nl *nl)
{
	for (int i = 0; i < 2; i++) {
		if (nl->probe[i] >= 0)
			close(nl->probe[i]);
		nl->probe[i] = -1;
	}
}

int nl_probe_open(struct nl *nl, int fds[2])
{
	const int control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int code = control < 0 ? nl_fail(nl, -errno, "no socket: %s", strerror(errno)) : 0;

	nl_probe_close(nl);
	for (uint32_t i = 0; !code && i < 2; i++)
		code = open_probe(nl, control, i);
	if (control >= 0)
		close(control);
	if (code)
		nl_probe_close(nl);
	fds[0] = nl->probe[0];
	fds[1] = nl->probe[1];
	return code;
}
