/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parser: from the bytes of a frame to a struct packet, or to the reason why there is none.
 *
 * Every read is bounds-checked against the captured bytes, every length comes from the packet itself, and
 * each failure is a reason; nothing is guessed. The parser knows no port, no binding and no policy. Whether
 * an odd but well-formed packet (a source that cannot be one, an ARP frame) is refused is for the guard and
 * the engine to say, because tap mode asks for less; the parser only marks it.
 *
 * The caller owns the packets and the bytes; no pointer is kept. No state, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "frame.h"
#include "verdict.h"

enum packet_kind {
	PACKET_NOTHING = 0, /* not IP (see guard), or refused (see reason) */
	PACKET_TCP,
	PACKET_UDP,
	PACKET_ECHO,       /* ICMP or ICMPv6 echo request, code 0 */
	PACKET_ECHO_REPLY, /* code 0 */
	PACKET_ICMP_ERROR, /* quotes a packet: `inner` is valid */
	PACKET_ICMP,       /* any other ICMP or ICMPv6 message */
	PACKET_PROTO,      /* any other protocol over IP */
};

/* What a guard must look at before policy may. Tap mode passes ARP and ND on and ignores the others. */
enum packet_guard {
	PACKET_GUARD_NONE = 0,
	PACKET_GUARD_ARP,
	PACKET_GUARD_ND,      /* ICMPv6 133 to 137 */
	PACKET_GUARD_DHCP,    /* also DHCPv6 */
	PACKET_GUARD_SWALLOW, /* IGMP and MLD */
};

enum packet_flag {
	PACKET_GROUP = 1 << 0,    /* group destination MAC; without layer 2: group destination address */
	PACKET_GROUP_IP = 1 << 1, /* multicast or broadcast destination address */
	PACKET_MARTIAN =
		1 << 2, /* source that no packet may have (unspecified, loopback, group), or == destination */
	PACKET_TAGGED = 1 << 3,   /* has an 802.1Q tag, which may be VLAN 0 */
	PACKET_L4_WHOLE = 1 << 4, /* everything the L4 checksum covers was captured */
};

/*
 * Ends of a packet. Unused address bytes are zero, ports are in host order, so two keys compare as bytes.
 * ICMP: sport = echo identifier (else 0), dport = type << 8 | code. An echo reply carries the ports of its
 * request, swapped, so that both have the same unordered pair of (address, port). Other protocols: ports 0.
 */
struct packet_key {
	uint8_t src[16];
	uint8_t dst[16];
	uint16_t sport, dport;
	uint16_t domain; /* VLAN id of the tag until the engine sets the domain; 0: untagged */
	uint8_t family;  /* 4, 6, or 0 if not IP */
	uint8_t proto;
};

#define PACKET_TCP_FIN 0x01u
#define PACKET_TCP_SYN 0x02u
#define PACKET_TCP_RST 0x04u
#define PACKET_TCP_ACK 0x10u

/* Two cache lines; a packet of an established session needs only the first one and the MAC addresses. */
struct packet {
	struct packet_key key;
	uint32_t seq, ack; /* TCP, host order */
	uint32_t ip_len;   /* whole IP packet, without padding */
	uint16_t window;   /* TCP, unscaled */
	uint16_t l4;       /* offset of the L4 header in the frame */
	uint16_t payload;  /* bytes after the L4 header (TCP, UDP, ICMP) or after the IP headers */
	uint16_t flags;    /* enum packet_flag */
	uint8_t reason;    /* enum reason; REASON_NONE: the rest is valid */
	uint8_t kind;      /* enum packet_kind */
	uint8_t guard;     /* enum packet_guard */
	uint8_t tcp_flags;

	uint8_t dst_mac[6], src_mac[6]; /* zero without layer 2 */
	uint16_t vlan;                  /* VLAN id of the outer tag, 0 if none */
	uint8_t tag_len;                /* bytes of VLAN tag: 0 or 4 */
	uint8_t l3;                     /* offset of the IP or ARP header in the frame */
	uint8_t hop_limit;
	uint8_t icmp_type, icmp_code; /* as on the wire */
	uint8_t reserved;
	uint32_t inner_seq; /* PACKET_ICMP_ERROR quoting TCP */
	/* PACKET_ICMP_ERROR only: the quoted packet; inner.src equals key.dst, inner.domain is not set. */
	struct packet_key inner;
};

_Static_assert(sizeof(struct packet_key) == 40, "keys are hashed as bytes");
_Static_assert(sizeof(struct packet) == 128, "two cache lines");

enum parse_entry { PARSE_ETHERNET, PARSE_IP };

/* Fills packets[0 .. n). Also sets tag_len of each frame. */
void parse_burst(struct packet *packets, struct frame *frames, uint32_t n, enum parse_entry entry);
void parse_frame(struct packet *p, struct frame *f, enum parse_entry entry);

enum parse_sum {
	PARSE_SUM_GOOD, /* or the protocol has none that we know, or UDP over IPv4 without one */
	PARSE_SUM_BAD,
	PARSE_SUM_UNKNOWN, /* not everything was captured */
};

/* Verify the L4 checksum of a packet without reason (wire rule 20: SYN, FIN, RST and first packets). */
enum parse_sum parse_l4_sum(const struct packet *p, const uint8_t *data);

static inline uint16_t parse_be16(const void *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint32_t parse_be32(const void *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return __builtin_bswap32(v);
}
