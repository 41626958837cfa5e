/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layers in the order of the wire: Ethernet, tag, IPv4 or IPv6, L4. The usual frame (no options, no extension
 * headers, TCP or UDP) goes straight through; what is rare lives in functions of its own.
 */
#include "parse.h"

#include <stddef.h>

#include "checksum.h"
#include "parse_inside.h"

#define ETH_HEADER  14u
#define ETH_TYPE    12u
#define TAG         4u
#define VID_MASK    0x0fffu
#define TYPE_IP4    0x0800u
#define TYPE_ARP    0x0806u
#define TYPE_8021Q  0x8100u
#define TYPE_IP6    0x86ddu
#define TYPE_8021AD 0x88a8u
#define TYPE_QINQ   0x9100u

#define TCP_HEADER 20u
#define UDP_HEADER 8u

#define PREFETCH_AHEAD 4u

/*
 * Flags a segment may have, as a bit per combination of URG ACK PSH RST SYN FIN: an ACK with at most one of
 * RST, SYN and FIN, a lone SYN, a lone RST. All else is a scan or a slip.
 */
static inline bool tcp_flags_sane(uint8_t flags)
{
#define ANY_PSH_URG(f)                                                                                       \
	(UINT64_C(1) << (f) | UINT64_C(1) << ((f) | 0x08) | UINT64_C(1) << ((f) | 0x20) |                    \
	 UINT64_C(1) << ((f) | 0x28))
	static const uint64_t sane =
		ANY_PSH_URG(PACKET_TCP_ACK) | ANY_PSH_URG(PACKET_TCP_ACK | PACKET_TCP_RST) |
		ANY_PSH_URG(PACKET_TCP_ACK | PACKET_TCP_SYN) | ANY_PSH_URG(PACKET_TCP_ACK | PACKET_TCP_FIN) |
		ANY_PSH_URG(PACKET_TCP_SYN) | ANY_PSH_URG(PACKET_TCP_RST);
#undef ANY_PSH_URG

	return sane >> (flags & 0x3f) & 1;
}

static inline enum reason l4_tcp(struct packet *p, const struct bytes *b, uint32_t off, uint32_t end)
{
	const uint8_t *at = b->data + off;
	enum reason r = has(b, off, TCP_HEADER, end, REASON_PARSE);
	uint32_t header;

	if (unlikely(r != REASON_NONE))
		return r;
	p->key.sport = parse_be16(at);
	p->key.dport = parse_be16(at + 2);
	header = (at[12] >> 4) * 4u;
	if (unlikely(header < TCP_HEADER || off + header > end))
		return REASON_PARSE;
	p->seq = parse_be32(at + 4);
	p->ack = parse_be32(at + 8);
	p->tcp_flags = at[13];
	p->window = parse_be16(at + 14);
	p->payload = (uint16_t)(end - off - header);
	if (unlikely(!tcp_flags_sane(at[13])))
		return REASON_TCP_FLAGS;
	p->kind = PACKET_TCP;
	return REASON_NONE;
}

static inline bool is_dhcp(uint8_t family, uint16_t dport)
{
	return family == 4 ? dport == 67 || dport == 68 : dport == 546 || dport == 547;
}

static inline enum reason l4_udp(struct packet *p, const struct bytes *b, uint32_t off, uint32_t end)
{
	const uint8_t *at = b->data + off;
	enum reason r = has(b, off, UDP_HEADER, end, REASON_PARSE);
	uint32_t length;
	uint16_t dport;

	if (unlikely(r != REASON_NONE))
		return r;
	dport = parse_be16(at + 2);
	p->key.sport = parse_be16(at);
	p->key.dport = dport;
	length = parse_be16(at + 4);
	if (unlikely(length < UDP_HEADER || off + length > end))
		return REASON_PARSE;
	p->payload = (uint16_t)(length - UDP_HEADER);
	p->kind = PACKET_UDP;
	if (unlikely(is_dhcp(p->key.family, dport)))
		p->guard = PACKET_GUARD_DHCP;
	return REASON_NONE;
}

static inline enum reason l4(struct packet *p, const struct bytes *b, uint8_t proto, uint32_t off,
			     uint32_t end)
{
	if (likely(proto == PROTO_TCP))
		return l4_tcp(p, b, off, end);
	if (likely(proto == PROTO_UDP))
		return l4_udp(p, b, off, end);
	if (proto == PROTO_ICMP || proto == PROTO_ICMPV6)
		return parse_icmp(p, b, end);
	p->payload = (uint16_t)(end - off);
	p->kind = PACKET_PROTO;
	if (proto == PROTO_IGMP && p->key.family == 4)
		p->guard = PACKET_GUARD_SWALLOW;
	return REASON_NONE;
}

static inline uint16_t whole(const struct bytes *b, uint32_t end)
{
	return end <= b->len ? PACKET_L4_WHOLE : 0;
}

static uint16_t marks4_odd(uint32_t src, uint32_t dst)
{
	bool martian = src == 0 || src >> 24 == 127 || src >> 28 == 14 || src == UINT32_MAX || src == dst;
	bool group = dst >> 28 == 14 || dst == UINT32_MAX;

	return (uint16_t)(martian * PACKET_MARTIAN | group * PACKET_GROUP_IP);
}

static inline uint16_t marks4(uint32_t src, uint32_t dst)
{
	const uint32_t classes_de = 0xe0000000u;

	if (likely(src - 1 < classes_de - 1 && src >> 24 != 127 && dst < classes_de && src != dst))
		return 0;
	return marks4_odd(src, dst);
}

static enum reason ip4_options(const uint8_t *at, uint32_t size)
{
	enum { END = 0, NOP = 1, LSRR = 131, SSRR = 137 };

	for (uint32_t i = 0; i < size && at[i] != END; i++) {
		if (at[i] == NOP)
			continue;
		if (at[i] == LSRR || at[i] == SSRR)
			return REASON_OPTIONS;
		if (i + 1 >= size || at[i + 1] < 2 || i + at[i + 1] > size)
			return REASON_PARSE;
		i += at[i + 1] - 1u;
	}
	return REASON_NONE;
}

/* The sum of all words in one's complement must be -0; it cannot be +0, the version is in it. */
static inline bool ip4_sum_good(const uint8_t *at, uint32_t header)
{
	uint64_t first, second, sum;
	uint32_t word;

	memcpy(&first, at, sizeof(first));
	memcpy(&second, at + 8, sizeof(second));
	memcpy(&word, at + 16, sizeof(word));
	sum = (first >> 32) + (uint32_t)first + (second >> 32) + (uint32_t)second + word;
	for (uint32_t i = IP4_HEADER; unlikely(i < header); i += sizeof(word)) {
		memcpy(&word, at + i, sizeof(word));
		sum += word;
	}
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return sum == 0xffff;
}

static inline enum reason ip4_header(struct packet *p, const struct bytes *b, uint32_t off, uint32_t header)
{
	const uint8_t *at = b->data + off;
	uint32_t total = parse_be16(at + 2);
	enum reason r;

	p->ip_len = total;
	p->l4 = (uint16_t)(off + header);
	p->hop_limit = at[8];
	p->key.proto = at[9];
	memcpy(p->key.src, at + 12, 4);
	memcpy(p->key.dst, at + 16, 4);
	if (unlikely(total < header))
		return REASON_PARSE;
	if (unlikely(off + total > b->wire || off + header > b->len))
		return REASON_TRUNCATED;
	if (unlikely(!ip4_sum_good(at, header)))
		return REASON_CHECKSUM;
	if (header > IP4_HEADER) {
		r = ip4_options(at + IP4_HEADER, header - IP4_HEADER);
		if (r != REASON_NONE)
			return r;
	}
	p->flags |= marks4(parse_be32(at + 12), parse_be32(at + 16)) | whole(b, off + total);
	if (unlikely((parse_be16(at + 6) & 0x3fff) != 0)) /* more fragments, or not the first */
		return REASON_FRAGMENT;
	return l4(p, b, at[9], off + header, off + total);
}

static __attribute__((noinline)) enum reason ip4_odd(struct packet *p, const struct bytes *b, uint32_t off)
{
	uint32_t version = b->data[off] >> 4, header = (b->data[off] & 0xfu) * 4;

	if (version != 4 || header < IP4_HEADER)
		return REASON_PARSE;
	return ip4_header(p, b, off, header);
}

/* Without options the header's length is a constant, which is worth its own copy of ip4_header(). */
static inline enum reason ip4(struct packet *p, const struct bytes *b, uint32_t off)
{
	enum reason r = reaches(b, off, IP4_HEADER);

	p->key.family = 4;
	if (unlikely(r != REASON_NONE))
		return r;
	return likely(b->data[off] == 0x45) ? ip4_header(p, b, off, IP4_HEADER) : ip4_odd(p, b, off);
}

static inline uint16_t marks6(const uint8_t *src, const uint8_t *dst)
{
	uint64_t high, low, high_dst, low_dst;
	bool martian;

	memcpy(&high, src, 8);
	memcpy(&low, src + 8, 8);
	memcpy(&high_dst, dst, 8);
	memcpy(&low_dst, dst + 8, 8);
	martian = src[0] == 0xff || (high == 0 && __builtin_bswap64(low) <= 1) ||
		  ((high ^ high_dst) | (low ^ low_dst)) == 0;
	return (uint16_t)(martian * PACKET_MARTIAN | (dst[0] == 0xff) * PACKET_GROUP_IP);
}

static inline enum reason ip6(struct packet *p, const struct bytes *b, uint32_t off)
{
	uint32_t end, next;
	uint8_t proto;
	const uint8_t *at = b->data + off;
	enum reason r = reaches(b, off, IP6_HEADER);

	p->key.family = 6;
	if (unlikely(r != REASON_NONE))
		return r;
	p->ip_len = IP6_HEADER + parse_be16(at + 4);
	p->hop_limit = at[7];
	proto = at[6];
	p->key.proto = proto;
	p->l4 = (uint16_t)(off + IP6_HEADER);
	memcpy(p->key.src, at + 8, 16);
	memcpy(p->key.dst, at + 24, 16);
	if (unlikely(at[0] >> 4 != 6))
		return REASON_PARSE;
	end = off + p->ip_len;
	if (unlikely(end > b->wire))
		return REASON_TRUNCATED;
	p->flags |= marks6(at + 8, at + 24) | whole(b, end);
	next = off + IP6_HEADER;
	if (proto != PROTO_TCP && proto != PROTO_UDP) {
		r = parse_ext(b, &next, end, &proto);
		p->key.proto = proto;
		p->l4 = (uint16_t)next;
	}
	return likely(r == REASON_NONE) ? l4(p, b, proto, next, end) : r;
}

static enum reason tagged(struct packet *p, const struct bytes *b, uint16_t *type)
{
	enum reason r;

	if (*type == TYPE_8021AD)
		return REASON_VLAN_STACK;
	r = reaches(b, ETH_HEADER, TAG);
	if (r != REASON_NONE)
		return r;
	p->flags |= PACKET_TAGGED;
	p->tag_len = TAG;
	p->vlan = parse_be16(b->data + ETH_HEADER) & VID_MASK;
	if (unlikely(p->vlan == VID_MASK)) /* no tag that may be on a wire, and the domain of probes */
		return REASON_VLAN;
	p->key.domain = p->vlan;
	p->l3 = ETH_HEADER + TAG;
	*type = parse_be16(b->data + ETH_HEADER + 2);
	if (*type == TYPE_8021Q || *type == TYPE_8021AD || *type == TYPE_QINQ)
		return REASON_VLAN_STACK;
	return REASON_NONE;
}

static inline enum reason ethernet(struct packet *p, const struct bytes *b)
{
	enum reason r = reaches(b, 0, ETH_HEADER);
	uint32_t off = ETH_HEADER;
	uint16_t type;

	if (unlikely(r != REASON_NONE))
		return r;
	memcpy(p->dst_mac, b->data, sizeof(p->dst_mac));
	memcpy(p->src_mac, b->data + sizeof(p->dst_mac), sizeof(p->src_mac));
	p->flags = p->dst_mac[0] & 1 ? PACKET_GROUP : 0;
	p->l3 = ETH_HEADER;
	type = parse_be16(b->data + ETH_TYPE);
	if (type == TYPE_8021Q || unlikely(type == TYPE_8021AD)) {
		r = tagged(p, b, &type);
		if (unlikely(r != REASON_NONE))
			return r;
		off = ETH_HEADER + TAG;
	}
	if (likely(type == TYPE_IP4))
		return ip4(p, b, off);
	if (likely(type == TYPE_IP6))
		return ip6(p, b, off);
	if (type != TYPE_ARP)
		return REASON_ETHERTYPE;
	p->guard = PACKET_GUARD_ARP;
	return REASON_NONE;
}

static enum reason raw_ip(struct packet *p, const struct bytes *b)
{
	enum reason r = reaches(b, 0, 1);

	if (r != REASON_NONE)
		return r;
	r = b->data[0] >> 4 == 6 ? ip6(p, b, 0) : ip4(p, b, 0);
	if (p->flags & PACKET_GROUP_IP)
		p->flags |= PACKET_GROUP;
	return r;
}

static inline void parse_one(struct packet *p, struct frame *f, enum parse_entry entry)
{
	struct bytes b = {
		.data = f->data,
		.len = f->len < f->wire_len ? f->len : f->wire_len,
		.wire = f->wire_len,
	};
	enum reason r;

	/* In two pieces, each short enough for a compiler to use plain stores. */
	memset(p, 0, offsetof(struct packet, seq));
	memset(&p->seq, 0, offsetof(struct packet, inner) - offsetof(struct packet, seq));
	r = entry == PARSE_ETHERNET ? ethernet(p, &b) : raw_ip(p, &b);
	p->reason = (uint8_t)r;
	f->tag_len = p->tag_len;
}

void parse_frame(struct packet *p, struct frame *f, enum parse_entry entry)
{
	parse_one(p, f, entry);
}

void parse_burst(struct packet *packets, struct frame *frames, uint32_t n, enum parse_entry entry)
{
	for (uint32_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		__builtin_prefetch(frames[i].data);
	for (uint32_t i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			__builtin_prefetch(frames[i + PREFETCH_AHEAD].data);
		parse_one(&packets[i], &frames[i], entry);
	}
}

enum parse_sum parse_l4_sum(const struct packet *p, const uint8_t *data)
{
	uint32_t l4_len = p->l3 + p->ip_len - p->l4;
	uint32_t addr_size = p->key.family == 4 ? 4 : 16;
	uint64_t sum = 0;

	if (p->kind == PACKET_PROTO || p->kind == PACKET_NOTHING)
		return PARSE_SUM_GOOD;
	if (p->kind == PACKET_UDP && p->key.family == 4 && parse_be16(data + p->l4 + 6) == 0)
		return PARSE_SUM_GOOD;
	if (!(p->flags & PACKET_L4_WHOLE))
		return PARSE_SUM_UNKNOWN;
	if (p->kind == PACKET_UDP) {
		l4_len = parse_be16(data + p->l4 + 4);
		if (parse_be16(data + p->l4 + 6) == 0)
			return PARSE_SUM_BAD; /* IPv6 demands one */
	}
	if (p->key.proto != PROTO_ICMP)
		sum = checksum_pseudo(p->key.src, p->key.dst, addr_size, p->key.proto, l4_len);
	return checksum_fold(checksum_add(sum, data + p->l4, l4_len)) == 0 ? PARSE_SUM_GOOD : PARSE_SUM_BAD;
}
