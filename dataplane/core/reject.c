/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The answer goes back the way the packet came: addresses swapped, no options, no tag, and for ICMP as much
 * of the refused packet as the standards let one quote (RFC 1812: 576 bytes in all; RFC 4443: 1280).
 */
#include "reject.h"

#include <string.h>

#include "checksum.h"

#define ETH_HEADER    14u
#define IP4_HEADER    20u
#define IP6_HEADER    40u
#define TCP_HEADER    20u
#define ICMP_HEADER   8u
#define IP4_ERROR_MAX 576u
#define IP6_ERROR_MAX 1280u
#define HOPS          64u

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_ICMPV6 = 58 };

struct layout {
	uint32_t ip_header, error_max;
	uint16_t ethertype;
	uint8_t addr_size, icmp, icmp_type, icmp_code;
};

static const struct layout layouts[2] = {
	{IP4_HEADER, IP4_ERROR_MAX, 0x0800, 4, PROTO_ICMP, 3, 13},
	{IP6_HEADER, IP6_ERROR_MAX, 0x86dd, 16, PROTO_ICMPV6, 1, 1},
};

static void put_be16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put_be32(uint8_t *at, uint32_t v)
{
	put_be16(at, v >> 16);
	put_be16(at + 2, v);
}

static void put_sum(uint8_t *at, uint16_t sum)
{
	memcpy(at, &sum, sizeof(sum)); /* sums are kept in wire order */
}

static void put_ethernet(const struct packet *p, const struct layout *l, uint8_t *out)
{
	memcpy(out, p->src_mac, 6);
	memcpy(out + 6, p->dst_mac, 6);
	put_be16(out + 12, l->ethertype);
}

static void put_ip4(const struct packet *p, uint8_t proto, uint32_t l4_len, uint8_t *ip)
{
	memset(ip, 0, IP4_HEADER);
	ip[0] = 0x45;
	put_be16(ip + 2, IP4_HEADER + l4_len);
	put_be16(ip + 6, 0x4000); /* do not fragment; so the identification may be 0 */
	ip[8] = HOPS;
	ip[9] = proto;
	memcpy(ip + 12, p->key.dst, 4);
	memcpy(ip + 16, p->key.src, 4);
	put_sum(ip + 10, checksum_fold(checksum_add(0, ip, IP4_HEADER)));
}

static void put_ip6(const struct packet *p, uint8_t proto, uint32_t l4_len, uint8_t *ip)
{
	put_be32(ip, UINT32_C(6) << 28);
	put_be16(ip + 4, l4_len);
	ip[6] = proto;
	ip[7] = HOPS;
	memcpy(ip + 8, p->key.dst, 16);
	memcpy(ip + 24, p->key.src, 16);
}

/* RFC 9293, 3.10.7.1: what a closed port answers. */
static uint32_t put_reset(const struct packet *p, uint8_t *tcp)
{
	uint32_t length = p->payload + !!(p->tcp_flags & PACKET_TCP_SYN) + !!(p->tcp_flags & PACKET_TCP_FIN);

	memset(tcp, 0, TCP_HEADER);
	put_be16(tcp, p->key.dport);
	put_be16(tcp + 2, p->key.sport);
	tcp[12] = TCP_HEADER / 4 << 4;
	if (p->tcp_flags & PACKET_TCP_ACK) {
		put_be32(tcp + 4, p->ack);
		tcp[13] = PACKET_TCP_RST;
	} else {
		put_be32(tcp + 8, p->seq + length);
		tcp[13] = PACKET_TCP_RST | PACKET_TCP_ACK;
	}
	return TCP_HEADER;
}

static uint32_t put_prohibited(const struct packet *p, const struct frame *f, const struct layout *l,
			       uint8_t *icmp)
{
	uint32_t quote = p->ip_len, captured = f->len - p->l3;
	uint32_t most = l->error_max - l->ip_header - ICMP_HEADER;

	quote = quote < captured ? quote : captured;
	quote = quote < most ? quote : most;
	memset(icmp, 0, ICMP_HEADER);
	icmp[0] = l->icmp_type;
	icmp[1] = l->icmp_code;
	memcpy(icmp + ICMP_HEADER, f->data + p->l3, quote);
	return ICMP_HEADER + quote;
}

static uint16_t l4_sum(const struct packet *p, const struct layout *l, uint8_t proto, const uint8_t *l4,
		       uint32_t len)
{
	uint64_t sum = 0;

	if (proto != PROTO_ICMP)
		sum = checksum_pseudo(p->key.dst, p->key.src, l->addr_size, proto, len);
	return checksum_fold(checksum_add(sum, l4, len));
}

static bool answerable(const struct packet *p)
{
	if (p->reason != REASON_NONE || p->l3 < ETH_HEADER || p->guard != PACKET_GUARD_NONE)
		return false;
	if (p->flags & (PACKET_GROUP | PACKET_GROUP_IP | PACKET_MARTIAN))
		return false;
	if (p->kind == PACKET_TCP)
		return !(p->tcp_flags & PACKET_TCP_RST);
	return p->kind == PACKET_UDP || p->kind == PACKET_ECHO || p->kind == PACKET_PROTO;
}

uint32_t reject_build(const struct packet *p, const struct frame *refused, uint8_t *out, uint32_t room)
{
	const struct layout *l = &layouts[p->key.family == 6];
	bool tcp = p->kind == PACKET_TCP;
	uint8_t *ip = out + ETH_HEADER, *l4 = ip + l->ip_header, proto = tcp ? PROTO_TCP : l->icmp;
	uint32_t len;

	if (room < REJECT_MAX || !answerable(p))
		return 0;
	put_ethernet(p, l, out);
	len = tcp ? put_reset(p, l4) : put_prohibited(p, refused, l, l4);
	(l->addr_size == 4 ? put_ip4 : put_ip6)(p, proto, len, ip);
	put_sum(l4 + (tcp ? 16 : 2), l4_sum(p, l, proto, l4, len));
	return ETH_HEADER + l->ip_header + len;
}
