/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conntrack over ctnetlink: lists, events, deletion, marks.
 */
#include "netlink_inside.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define EVENTS_RECEIVE (16u << 20)
#define LIST_RECEIVE   (1u << 20)

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

struct reading {
	struct nl *nl;
	nl_session_fn *f;
	void *ctx;
};

int nl_open_sessions(struct nl *nl)
{
	static const int groups[] = {NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE,
				     NFNLGRP_CONNTRACK_DESTROY};

	nl->ct = nl_socket(NETLINK_NETFILTER, LIST_RECEIVE);
	if (nl->ct < 0)
		return nl->ct;
	nl->ct_events = nl_socket(NETLINK_NETFILTER, EVENTS_RECEIVE);
	if (nl->ct_events < 0)
		return nl->ct_events;
	for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
		if (setsockopt(nl->ct_events, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof groups[i]))
			return -errno;
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------------ */

static uint32_t word(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= 4 ? ntohl(mnl_attr_get_u32(a)) : 0;
}

static uint16_t half(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= 2 ? ntohs(mnl_attr_get_u16(a)) : 0;
}

static uint8_t byte(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= 1 ? mnl_attr_get_u8(a) : 0;
}

static uint64_t number(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= 8 ? be64toh(mnl_attr_get_u64(a)) : 0;
}

static void take_address(const struct nlattr *a, size_t len, uint8_t out[16])
{
	if (a && mnl_attr_get_payload_len(a) == len)
		memcpy(out, mnl_attr_get_payload(a), len);
}

static void take_ports(struct nl_session *s, const struct nlattr *const *attr)
{
	const bool icmp = s->proto == IPPROTO_ICMP, icmp6 = s->proto == IPPROTO_ICMPV6;
	const uint8_t type = byte(attr[icmp ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE]);
	const uint8_t code = byte(attr[icmp ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE]);

	if (icmp || icmp6) {
		s->sport = half(attr[icmp ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID]);
		s->dport = (uint16_t)(type << 8 | code);
		return;
	}
	s->sport = half(attr[CTA_PROTO_SRC_PORT]);
	s->dport = half(attr[CTA_PROTO_DST_PORT]);
}

static void take_tuple(struct nl_session *s, const struct nlattr *tuple)
{
	const struct nlattr *attr[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];

	nl_nested(tuple, attr, CTA_TUPLE_MAX);
	nl_nested(attr[CTA_TUPLE_IP], ip, CTA_IP_MAX);
	nl_nested(attr[CTA_TUPLE_PROTO], proto, CTA_PROTO_MAX);
	s->family = ip[CTA_IP_V6_SRC] ? 6 : 4;
	take_address(ip[s->family == 6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC], s->family == 6 ? 16 : 4, s->src);
	take_address(ip[s->family == 6 ? CTA_IP_V6_DST : CTA_IP_V4_DST], s->family == 6 ? 16 : 4, s->dst);
	s->proto = byte(proto[CTA_PROTO_NUM]);
	take_ports(s, proto);
}

static void take_counters(struct nl_session *s, int direction, const struct nlattr *counters)
{
	const struct nlattr *attr[CTA_COUNTERS_MAX + 1];

	nl_nested(counters, attr, CTA_COUNTERS_MAX);
	s->packets[direction] = number(attr[CTA_COUNTERS_PACKETS]);
	s->bytes[direction] = number(attr[CTA_COUNTERS_BYTES]);
}

static void take_state(struct nl_session *s, const struct nlattr *info)
{
	const struct nlattr *attr[CTA_PROTOINFO_MAX + 1], *tcp[CTA_PROTOINFO_TCP_MAX + 1];

	nl_nested(info, attr, CTA_PROTOINFO_MAX);
	nl_nested(attr[CTA_PROTOINFO_TCP], tcp, CTA_PROTOINFO_TCP_MAX);
	s->tcp_state = byte(tcp[CTA_PROTOINFO_TCP_STATE]);
}

static void take_times(struct nl_session *s, const struct nlattr *times)
{
	const struct nlattr *attr[CTA_TIMESTAMP_MAX + 1];

	nl_nested(times, attr, CTA_TIMESTAMP_MAX);
	s->start_ns = (int64_t)number(attr[CTA_TIMESTAMP_START]);
	s->stop_ns = (int64_t)number(attr[CTA_TIMESTAMP_STOP]);
}

static void take_session(struct nl_session *s, const struct nlmsghdr *h)
{
	const struct nlattr *attr[CTA_MAX + 1];

	nl_attributes(h, attr, CTA_MAX);
	*s = (struct nl_session){.id = word(attr[CTA_ID]),
				 .mark = word(attr[CTA_MARK]),
				 .zone = half(attr[CTA_ZONE]),
				 .status = word(attr[CTA_STATUS])};
	take_tuple(s, attr[CTA_TUPLE_ORIG]);
	take_counters(s, 0, attr[CTA_COUNTERS_ORIG]);
	take_counters(s, 1, attr[CTA_COUNTERS_REPLY]);
	take_state(s, attr[CTA_PROTOINFO]);
	take_times(s, attr[CTA_TIMESTAMP]);
}

/* Zone 0 is everybody's: there the host plane has what it decided, and others may write marks like ours. */
static bool is_ours(const struct nl *nl, const struct nl_session *s)
{
	if (s->zone)
		return nl->ours_zone[s->zone];
	return s->mark > NFT_CLASS_MAX &&
	       (nft_box_manages(&nl->box, s->family, s->src) || nft_box_manages(&nl->box, s->family, s->dst));
}

static int see_listed(void *ctx, const struct nlmsghdr *h)
{
	struct reading *r = ctx;
	struct nl_session s;

	take_session(&s, h);
	if (is_ours(r->nl, &s))
		r->f(r->ctx, NL_SESSION_LISTED, &s);
	return 0;
}

int nl_sessions(struct nl *nl, nl_session_fn *f, void *ctx)
{
	struct reading r = {nl, f, ctx};
	char buffer[MNL_NLMSG_HDRLEN + 64];
	struct nlmsghdr *h = nl_request(buffer, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, AF_UNSPEC, 0);
	const int code = nl_list(nl, nl->ct, h, see_listed, &r);

	return code ? nl_fail(nl, code, "conntrack could not be listed: %s", strerror(-code)) : 0;
}

/* --- events ------------------------------------------------------------------------------------------- */

int nl_sessions_fd(const struct nl *nl)
{
	return nl->ct_events;
}

static int see_event(void *ctx, const struct nlmsghdr *h)
{
	struct reading *r = ctx;
	const bool gone = (h->nlmsg_type & 0xff) == IPCTNL_MSG_CT_DELETE;
	struct nl_session s;

	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK)
		return 0;
	take_session(&s, h);
	const bool new = h->nlmsg_flags &(NLM_F_CREATE | NLM_F_EXCL);
	if (is_ours(r->nl, &s) && (gone || new || s.mark))
		r->f(r->ctx, gone ? NL_SESSION_GONE : new ? NL_SESSION_NEW : NL_SESSION_MARK, &s);
	return 0;
}

int nl_session_events(struct nl *nl, uint32_t max, nl_session_fn *f, void *ctx)
{
	struct reading r = {nl, f, ctx};
	uint32_t n = 0;

	while (n < max) {
		const int code = nl_read(nl, nl->ct_events, false, see_event, &r);

		if (code == -EAGAIN)
			break;
		if (code < 0)
			return nl_fail(nl, code, "conntrack events: %s",
				       code == -ENOBUFS ? "some were lost" : strerror(-code));
		n += (uint32_t)code;
	}
	return (int)n;
}

/* --- changing ----------------------------------------------------------------------------------------- */

static void put_address(struct nlmsghdr *h, uint16_t type, const struct nl_session *s, const uint8_t *address)
{
	mnl_attr_put(h, type, s->family == 6 ? 16 : 4, address);
}

static void put_ports(struct nlmsghdr *h, const struct nl_session *s)
{
	mnl_attr_put_u8(h, CTA_PROTO_NUM, s->proto);
	if (s->proto == IPPROTO_ICMP) {
		mnl_attr_put_u16(h, CTA_PROTO_ICMP_ID, htons(s->sport));
		mnl_attr_put_u8(h, CTA_PROTO_ICMP_TYPE, (uint8_t)(s->dport >> 8));
		mnl_attr_put_u8(h, CTA_PROTO_ICMP_CODE, (uint8_t)s->dport);
	} else if (s->proto == IPPROTO_ICMPV6) {
		mnl_attr_put_u16(h, CTA_PROTO_ICMPV6_ID, htons(s->sport));
		mnl_attr_put_u8(h, CTA_PROTO_ICMPV6_TYPE, (uint8_t)(s->dport >> 8));
		mnl_attr_put_u8(h, CTA_PROTO_ICMPV6_CODE, (uint8_t)s->dport);
	} else {
		mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, htons(s->sport));
		mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(s->dport));
	}
}

/* A request about the entry of this original tuple and zone. */
static struct nlmsghdr *about(char *buffer, uint8_t type, const struct nl_session *s)
{
	const uint8_t family = s->family == 6 ? AF_INET6 : AF_INET;
	struct nlmsghdr *h = nl_request(buffer, NFNL_SUBSYS_CTNETLINK, type, family, 0);
	struct nlattr *tuple = mnl_attr_nest_start(h, CTA_TUPLE_ORIG), *part;

	part = mnl_attr_nest_start(h, CTA_TUPLE_IP);
	put_address(h, s->family == 6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, s, s->src);
	put_address(h, s->family == 6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, s, s->dst);
	mnl_attr_nest_end(h, part);
	part = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
	put_ports(h, s);
	mnl_attr_nest_end(h, part);
	mnl_attr_nest_end(h, tuple);
	if (s->zone)
		mnl_attr_put_u16(h, CTA_ZONE, htons(s->zone));
	return h;
}

static int answer(struct nl *nl, int code, const char *what)
{
	if (!code)
		return 0;
	return nl_fail(nl, code, "conntrack entry not %s: %s", what,
		       code == -ENOENT ? "it is gone" : strerror(-code));
}

/* The kernel compares the number of the entry, so one that took its place stays. */
int nl_session_delete(struct nl *nl, const struct nl_session *s)
{
	char buffer[MNL_NLMSG_HDRLEN + 256];
	struct nlmsghdr *h = about(buffer, IPCTNL_MSG_CT_DELETE, s);

	if (s->id)
		mnl_attr_put_u32(h, CTA_ID, htonl(s->id));
	return answer(nl, nl_ask(nl, nl->ct, h, NULL, NULL), "deleted");
}

static int see_id(void *ctx, const struct nlmsghdr *h)
{
	struct nl_session s;

	take_session(&s, h);
	*(uint32_t *)ctx = s.id;
	return 0;
}

/* Here it does not, so it is asked first: a session that took its place is decided by its own packets. */
int nl_session_mark(struct nl *nl, const struct nl_session *s, uint32_t mark)
{
	char buffer[MNL_NLMSG_HDRLEN + 256];
	uint32_t id = 0;
	int code = 0;

	if (s->id) {
		code = nl_ask(nl, nl->ct, about(buffer, IPCTNL_MSG_CT_GET, s), see_id, &id);
		if (!code && id != s->id)
			code = -ENOENT;
	}
	if (!code) {
		struct nlmsghdr *h = about(buffer, IPCTNL_MSG_CT_NEW, s);

		mnl_attr_put_u32(h, CTA_MARK, htonl(mark));
		code = nl_ask(nl, nl->ct, h, NULL, NULL);
	}
	return answer(nl, code, "marked");
}
