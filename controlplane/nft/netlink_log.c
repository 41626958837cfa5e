/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nflog: two groups on one socket. Each group numbers its messages from 0, so a gap says how many were lost.
 */
#include "netlink_inside.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define COPY_BYTES   256u
#define QUEUE_LENGTH 32u
#define QUEUE_TIME   1u /* 1/100 s */
#define QUEUE_BYTES  16384u
#define LOG_RECEIVE  (16u << 20)

/* --- opening ------------------------------------------------------------------------------------------ */

static struct nlmsghdr *configure(char *buffer, uint16_t group)
{
	struct nlmsghdr *h = nl_request(buffer, NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, AF_UNSPEC, 0);

	((struct nfgenmsg *)mnl_nlmsg_get_payload(h))->res_id = htons(group);
	return h;
}

static int bind_group(struct nl *nl, uint16_t group)
{
	const struct nfulnl_msg_config_cmd cmd = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPY_BYTES),
						    .copy_mode = NFULNL_COPY_PACKET};
	char buffer[MNL_NLMSG_HDRLEN + 256];
	struct nlmsghdr *h = configure(buffer, group);

	mnl_attr_put(h, NFULA_CFG_CMD, sizeof cmd, &cmd);
	int code = nl_ask(nl, nl->log, h, NULL, NULL);
	if (code)
		return nl_fail(nl, code, "nflog group %u cannot be used: %s", group,
			       code == -EBUSY || code == -EPERM
				       ? "another process has it, or CAP_NET_ADMIN is missing"
				       : strerror(-code));
	h = configure(buffer, group);
	mnl_attr_put(h, NFULA_CFG_MODE, sizeof mode, &mode);
	mnl_attr_put_u32(h, NFULA_CFG_NLBUFSIZ, htonl(QUEUE_BYTES));
	mnl_attr_put_u32(h, NFULA_CFG_TIMEOUT, htonl(QUEUE_TIME));
	mnl_attr_put_u32(h, NFULA_CFG_QTHRESH, htonl(QUEUE_LENGTH));
	mnl_attr_put_u16(h, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	code = nl_ask(nl, nl->log, h, NULL, NULL);
	return code ? nl_fail(nl, code, "nflog group %u cannot be configured: %s", group, strerror(-code))
		    : 0;
}

int nl_open_log(struct nl *nl)
{
	int code;

	nl->log = nl_socket(NETLINK_NETFILTER, LOG_RECEIVE);
	if (nl->log < 0)
		return nl->log;
	code = bind_group(nl, nl->box.group);
	return code ? code : bind_group(nl, nl->box.group + 1);
}

/* --- which port --------------------------------------------------------------------------------------- */

#define N_DEVICES (NFT_PORTS_MAX + 2u)

static const char *device_at(const struct nl *nl, uint32_t i)
{
	static const char *const probe[] = {"cordonp0", "cordonp1"};

	if (i >= NFT_PORTS_MAX)
		return probe[i - NFT_PORTS_MAX];
	return i < nl->box.n_ports ? nl->box.port[i].device : "";
}

static uint32_t known_port(const struct nl *nl, uint32_t ifindex)
{
	for (uint32_t i = 0; ifindex && i < N_DEVICES; i++)
		if (nl->ifindex[i] == ifindex)
			return i < NFT_PORTS_MAX ? i : 0xfff0 + (i - NFT_PORTS_MAX);
	return UINT32_MAX;
}

/* Devices come and go: an unknown number has them looked up again, at most once a second. */
static uint32_t port_of(struct nl *nl, uint32_t ifindex)
{
	const uint32_t port = known_port(nl, ifindex);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!ifindex || port != UINT32_MAX || nl->ifindex_at == now.tv_sec + 1)
		return port;
	nl->ifindex_at = now.tv_sec + 1;
	for (uint32_t i = 0; i < N_DEVICES; i++)
		nl->ifindex[i] = *device_at(nl, i) ? if_nametoindex(device_at(nl, i)) : 0;
	return known_port(nl, ifindex);
}

/* --- reading ------------------------------------------------------------------------------------------ */

struct reading {
	struct nl *nl;
	nl_log_fn *f;
	void *ctx;
	uint64_t lost;
	uint32_t n;
};

static uint32_t word(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= 4 ? ntohl(mnl_attr_get_u32(a)) : 0;
}

static void take_macs(struct nl_log *l, const struct nlattr *header)
{
	const uint8_t *bytes = header ? mnl_attr_get_payload(header) : NULL;

	if (l->has_mac || !bytes || mnl_attr_get_payload_len(header) < ETH_HLEN)
		return;
	l->has_mac = true;
	memcpy(l->dst_mac, bytes, ETH_ALEN);
	memcpy(l->src_mac, bytes + ETH_ALEN, ETH_ALEN);
}

static void take_vlan(struct nl_log *l, const struct nlattr *vlan)
{
	const struct nlattr *attr[NFULA_VLAN_TCI + 1];

	nl_nested(vlan, attr, NFULA_VLAN_TCI);
	if (attr[NFULA_VLAN_TCI])
		l->vlan = ntohs(mnl_attr_get_u16(attr[NFULA_VLAN_TCI])) & 0xfff;
}

/* In the bridge's hooks the port is the "physical" device; in others under br_netfilter too. Elsewhere it is
 * the device itself. */
static uint32_t in_port(struct nl *nl, const struct nlattr *const *attr)
{
	const uint32_t physical = port_of(nl, word(attr[NFULA_IFINDEX_PHYSINDEV]));

	return physical != UINT32_MAX ? physical : port_of(nl, word(attr[NFULA_IFINDEX_INDEV]));
}

static void count_lost(struct reading *r, enum nl_log_kind kind, const struct nlattr *seq)
{
	struct nl *nl = r->nl;

	if (!seq)
		return;
	const uint64_t gap = word(seq) - nl->log_seq[kind];
	const uint64_t told = gap < nl->log_early ? gap : nl->log_early;
	nl->log_early -= told;
	r->lost += gap - told;
	nl->log_seq[kind] = word(seq) + 1;
}

static int see_log(void *ctx, const struct nlmsghdr *h)
{
	struct reading *r = ctx;
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	const struct nlattr *attr[NFULA_MAX + 1];

	if (h->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
		return 0;
	nl_attributes(h, attr, NFULA_MAX);
	struct nl_log l = {.kind = ntohs(g->res_id) == r->nl->box.group ? NL_LOG_DECISION : NL_LOG_ENDPOINT,
			   .mark = word(attr[NFULA_MARK]),
			   .in_port = in_port(r->nl, attr)};
	count_lost(r, l.kind, attr[NFULA_SEQ]);
	if (attr[NFULA_PACKET_HDR])
		l.protocol = ntohs(
			((const struct nfulnl_msg_packet_hdr *)mnl_attr_get_payload(attr[NFULA_PACKET_HDR]))
				->hw_protocol);
	take_macs(&l, attr[NFULA_HWHEADER]);
	take_macs(&l, attr[NFULA_L2HDR]);
	take_vlan(&l, attr[NFULA_VLAN]);
	if (attr[NFULA_PREFIX])
		snprintf(l.prefix, sizeof l.prefix, "%.*s", (int)mnl_attr_get_payload_len(attr[NFULA_PREFIX]),
			 (const char *)mnl_attr_get_payload(attr[NFULA_PREFIX]));
	if (attr[NFULA_PAYLOAD]) {
		l.payload = mnl_attr_get_payload(attr[NFULA_PAYLOAD]);
		l.len = mnl_attr_get_payload_len(attr[NFULA_PAYLOAD]);
	}
	r->n++;
	r->f(r->ctx, &l);
	return 0;
}

int nl_log_fd(const struct nl *nl)
{
	return nl->log;
}

int nl_logs(struct nl *nl, uint32_t max, nl_log_fn *f, void *ctx, uint64_t *lost)
{
	struct reading r = {nl, f, ctx, 0, 0};
	int code = 0;

	for (uint32_t turn = 0; r.n < max && turn <= max + 16; turn++) {
		code = nl_read(nl, nl->log, false, see_log, &r);
		if (code == -ENOBUFS) {
			/* at least one, whose gap the next message will show */
			nl->log_early++;
			r.lost++;
		} else if (code < 0) {
			break;
		}
	}
	*lost = r.lost;
	if (code < 0 && code != -EAGAIN && code != -ENOBUFS)
		return nl_fail(nl, code, "nflog: %s", strerror(-code));
	return (int)r.n;
}
