/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP of both families: what a message is, the numbers that stand for its ports, and the packet that an
 * error quotes. Whatever is wrong with a quote, nothing can be related to it.
 */
#include "parse_inside.h"

#define ICMP_HEADER 8u
#define QUOTE_L4    8u /* of the quoted packet's L4 header */

enum {
	ICMP_UNREACHABLE = 3,
	ICMP_FRAG_NEEDED = 4, /* code */
	ICMP_ECHO = 8,
	ICMPV6_TOO_BIG = 2,
	ICMPV6_ECHO = 128,
};

#define IP4_MTU_MIN 68u
#define IP6_MTU_MIN 1280u

/* What a type means: kind in the low half, guard in the high one. Code 0 is asked for where it is an echo. */
#define CLASS(kind, guard) ((kind) | (guard) << 4)

static const uint8_t icmp_class[2][256] = {
	{
		[0] = CLASS(PACKET_ECHO_REPLY, PACKET_GUARD_NONE),
		[ICMP_UNREACHABLE] = CLASS(PACKET_ICMP_ERROR, PACKET_GUARD_NONE),
		[ICMP_ECHO] = CLASS(PACKET_ECHO, PACKET_GUARD_NONE),
		[11 ... 12] = CLASS(PACKET_ICMP_ERROR, PACKET_GUARD_NONE),
	},
	{
		[1 ... 4] = CLASS(PACKET_ICMP_ERROR, PACKET_GUARD_NONE),
		[ICMPV6_ECHO] = CLASS(PACKET_ECHO, PACKET_GUARD_NONE),
		[129] = CLASS(PACKET_ECHO_REPLY, PACKET_GUARD_NONE),
		[130 ... 132] = CLASS(PACKET_ICMP, PACKET_GUARD_SWALLOW),
		[133 ... 137] = CLASS(PACKET_ICMP, PACKET_GUARD_ND),
		[143] = CLASS(PACKET_ICMP, PACKET_GUARD_SWALLOW),
	},
};

static inline uint8_t icmp_lookup(uint8_t proto, uint8_t type, uint8_t code)
{
	uint8_t class = icmp_class[proto == PROTO_ICMPV6][type];
	uint8_t kind = class & 0xf;

	if (kind == PACKET_NOTHING || ((kind == PACKET_ECHO || kind == PACKET_ECHO_REPLY) && code != 0))
		return CLASS(PACKET_ICMP, PACKET_GUARD_NONE);
	return class;
}

/* The two numbers that stand for ports. A reply gets its request's, swapped. */
static void icmp_ports(struct packet_key *k, uint8_t kind, const uint8_t *icmp)
{
	uint16_t request = (uint16_t)((k->proto == PROTO_ICMP ? ICMP_ECHO : ICMPV6_ECHO) << 8);

	if (kind == PACKET_ECHO) {
		k->sport = parse_be16(icmp + 4);
		k->dport = request;
	} else if (kind == PACKET_ECHO_REPLY) {
		k->sport = request;
		k->dport = parse_be16(icmp + 4);
	} else {
		k->dport = parse_be16(icmp);
	}
}

static enum reason quote_l4(struct packet *p, const struct bytes *b, uint32_t off, uint32_t end)
{
	struct packet_key *k = &p->inner;
	const uint8_t *at = b->data + off;
	enum reason r = has(b, off, QUOTE_L4, end, REASON_ICMP_UNRELATED);

	if (r != REASON_NONE)
		return r;
	if (k->proto == PROTO_TCP || k->proto == PROTO_UDP) {
		k->sport = parse_be16(at);
		k->dport = parse_be16(at + 2);
		p->inner_seq = k->proto == PROTO_TCP ? parse_be32(at + 4) : 0;
	} else if (k->proto == PROTO_ICMP || k->proto == PROTO_ICMPV6) {
		uint8_t kind = icmp_lookup(k->proto, at[0], at[1]) & 0xf;

		if (kind == PACKET_ICMP_ERROR || (k->proto == PROTO_ICMP) != (k->family == 4))
			return REASON_ICMP_UNRELATED;
		icmp_ports(k, kind, at);
	}
	return memcmp(k->src, p->key.dst, sizeof(k->src)) == 0 ? REASON_NONE : REASON_ICMP_UNRELATED;
}

static enum reason quote_ip4(struct packet *p, const struct bytes *b, uint32_t off, uint32_t end)
{
	const uint8_t *at = b->data + off;
	enum reason r = has(b, off, IP4_HEADER, end, REASON_ICMP_UNRELATED);
	uint32_t header;

	if (r != REASON_NONE)
		return r;
	header = (at[0] & 0xfu) * 4;
	if (at[0] >> 4 != 4 || header < IP4_HEADER || (parse_be16(at + 6) & 0x3fff) != 0)
		return REASON_ICMP_UNRELATED;
	memcpy(p->inner.src, at + 12, 4);
	memcpy(p->inner.dst, at + 16, 4);
	p->inner.proto = at[9];
	return quote_l4(p, b, off + header, end);
}

static enum reason quote_ip6(struct packet *p, const struct bytes *b, uint32_t off, uint32_t end)
{
	const uint8_t *at = b->data + off;
	enum reason r = has(b, off, IP6_HEADER, end, REASON_ICMP_UNRELATED);

	if (r != REASON_NONE)
		return r;
	if (at[0] >> 4 != 6)
		return REASON_ICMP_UNRELATED;
	memcpy(p->inner.src, at + 8, 16);
	memcpy(p->inner.dst, at + 24, 16);
	p->inner.proto = at[6];
	off += IP6_HEADER;
	r = parse_ext(b, &off, end, &p->inner.proto);
	if (r != REASON_NONE)
		return r == REASON_TRUNCATED ? r : REASON_ICMP_UNRELATED;
	return quote_l4(p, b, off, end);
}

/* "Too big" must name a size that a link may have, or it could starve the session. */
static bool mtu_sane(const struct packet *p, const uint8_t *icmp)
{
	if (p->key.proto == PROTO_ICMP)
		return p->icmp_type != ICMP_UNREACHABLE || p->icmp_code != ICMP_FRAG_NEEDED ||
		       parse_be16(icmp + 6) >= IP4_MTU_MIN;
	return p->icmp_type != ICMPV6_TOO_BIG || parse_be32(icmp + 4) >= IP6_MTU_MIN;
}

enum reason parse_icmp(struct packet *p, const struct bytes *b, uint32_t end)
{
	const uint8_t *at = b->data + p->l4;
	enum reason r = has(b, p->l4, ICMP_HEADER, end, REASON_PARSE);
	uint8_t class;

	if ((p->key.proto == PROTO_ICMP) != (p->key.family == 4))
		return REASON_PROTO;
	if (r != REASON_NONE)
		return r;
	p->icmp_type = at[0];
	p->icmp_code = at[1];
	p->payload = (uint16_t)(end - p->l4 - ICMP_HEADER);
	class = icmp_lookup(p->key.proto, at[0], at[1]);
	icmp_ports(&p->key, class & 0xf, at);
	if ((class & 0xf) == PACKET_ICMP_ERROR) {
		if (!mtu_sane(p, at))
			return REASON_ICMP_UNRELATED;
		memset(&p->inner, 0, sizeof(p->inner));
		p->inner.family = p->key.family;
		r = (p->key.family == 4 ? quote_ip4 : quote_ip6)(p, b, p->l4 + ICMP_HEADER, end);
		if (r != REASON_NONE)
			return r;
	}
	p->kind = class & 0xf;
	p->guard = class >> 4;
	return REASON_NONE;
}
