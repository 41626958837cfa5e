/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hand-made packets for tests: layers are appended in wire order, pkt_done() then fills in lengths and
 * checksums, computed the slow way and independently of the code under test. Afterwards a test may spoil any
 * byte.
 *
 *   struct pkt p;
 *   pkt_ether(&p, 2, 1);                    MAC addresses are numbers: 02:00:00:00:00:NN, PKT_BROADCAST
 *   pkt_ip(&p, "10.0.0.1", "10.0.0.2");     the text says which family
 *   pkt_tcp(&p, 1000, 443, PKT_SYN, 7, 0);
 *   struct frame f = pkt_done(&p);
 *
 * Owner: the caller; the frame points into the pkt. Wrong use aborts the test.
 */
#pragma once

#include <stdint.h>

#include "frame.h"

#define PKT_HEADROOM  64u
#define PKT_ROOM      4096u
#define PKT_BROADCAST 0x1ffu /* ff:ff:ff:ff:ff:ff */
#define PKT_MULTICAST 0x133u /* 33:33:00:00:00:01 */

enum { PKT_FIN = 1, PKT_SYN = 2, PKT_RST = 4, PKT_PSH = 8, PKT_ACK = 16, PKT_URG = 32 };

struct pkt {
	uint8_t room[PKT_HEADROOM + PKT_ROOM];
	uint8_t *data;
	uint32_t len;
	uint32_t next_at;   /* offset of the field that names the next layer */
	uint32_t next_size; /* 2: Ethernet type, 1: IP protocol, 0: none (starts at IP) */
	uint32_t l3, l4;
	uint8_t family, proto;
};

void pkt_mac(uint8_t mac[6], unsigned number);
/* 16 bytes, zero padded; returns the family, 4 or 6. */
uint8_t pkt_addr(uint8_t addr[16], const char *text);

void pkt_ether(struct pkt *p, unsigned dst_mac, unsigned src_mac);
void pkt_raw(struct pkt *p); /* no layer 2: starts at the IP header */
void pkt_tag(struct pkt *p, uint16_t tpid, uint16_t tci);
void pkt_ethertype(struct pkt *p, uint16_t type);
/* op 1 request, 2 reply; the rest is the sender's and the target's pair. */
void pkt_arp(struct pkt *p, uint16_t op, unsigned sha, const char *spa, unsigned tha, const char *tpa);
void pkt_ip(struct pkt *p, const char *src, const char *dst);
void pkt_ip_options(struct pkt *p, const void *options, uint32_t n); /* IPv4; a multiple of 4 */
void pkt_ext(struct pkt *p, uint8_t type, const void *body,
	     uint32_t n); /* IPv6; body from the third byte, n + 2 a multiple of 8 */
void pkt_tcp(struct pkt *p, uint16_t sport, uint16_t dport, uint8_t flags, uint32_t seq, uint32_t ack);
void pkt_udp(struct pkt *p, uint16_t sport, uint16_t dport);
void pkt_icmp(struct pkt *p, uint8_t type, uint8_t code, uint32_t rest); /* ICMPv6 over IPv6 */
void pkt_proto(struct pkt *p, uint8_t proto);                            /* any other L4 */
void pkt_bytes(struct pkt *p, const void *bytes, uint32_t n);
void pkt_zeros(struct pkt *p, uint32_t n);
/* Neighbour solicitation 135 or advertisement 136 (after pkt_ip): target, and link-layer option `opt` or 0.
 */
void pkt_nd(struct pkt *p, uint8_t type, const char *target, uint8_t opt, unsigned mac);

/* Fill in lengths and checksums of the outermost IP packet. */
struct frame pkt_done(struct pkt *p);
struct frame pkt_frame(struct pkt *p); /* as it is */
/* Recompute the IPv4 header checksum after spoiling the header. */
void pkt_ip_sum(struct pkt *p);

/* One's complement sum of bytes, folded and inverted, host order: 0 over a message that carries its checksum.
 */
uint16_t pkt_sum(uint32_t start, const uint8_t *bytes, uint32_t n);
/* Verifies every checksum of a finished untagged Ethernet frame with IPv4 or IPv6 without extension headers.
 */
bool pkt_sums_good(const uint8_t *frame, uint32_t len);
