/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The builder keeps the offset of the field that names the next layer, so layers nest without tables. It
 * shares no code with the engine: what it computes checks what the engine computes.
 */
#include "packet.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v & 0xffff);
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint8_t *append(struct pkt *p, uint32_t n)
{
	uint8_t *at = p->data + p->len;

	must(p->len + n <= PKT_ROOM);
	memset(at, 0, n);
	p->len += n;
	return at;
}

static void name_next(struct pkt *p, uint32_t v)
{
	if (p->next_size == 2)
		put16(p->data + p->next_at, v);
	else if (p->next_size == 1)
		p->data[p->next_at] = (uint8_t)v;
}

static void next_is_at(struct pkt *p, uint32_t at, uint32_t size)
{
	p->next_at = at;
	p->next_size = size;
}

void pkt_mac(uint8_t mac[6], unsigned number)
{
	static const uint8_t multicast[6] = {0x33, 0x33, 0, 0, 0, 1};

	memset(mac, 0, 6);
	mac[0] = 2;
	put16(mac + 4, number);
	if (number == PKT_BROADCAST)
		memset(mac, 0xff, 6);
	if (number == PKT_MULTICAST)
		memcpy(mac, multicast, 6);
}

uint8_t pkt_addr(uint8_t addr[16], const char *text)
{
	memset(addr, 0, 16);
	if (inet_pton(AF_INET, text, addr) == 1)
		return 4;
	must(inet_pton(AF_INET6, text, addr) == 1);
	return 6;
}

void pkt_raw(struct pkt *p)
{
	memset(p, 0, sizeof(*p));
	p->data = p->room + PKT_HEADROOM;
}

void pkt_ether(struct pkt *p, unsigned dst_mac, unsigned src_mac)
{
	uint8_t *at;

	pkt_raw(p);
	at = append(p, 14);
	pkt_mac(at, dst_mac);
	pkt_mac(at + 6, src_mac);
	next_is_at(p, 12, 2);
}

void pkt_ethertype(struct pkt *p, uint16_t type)
{
	name_next(p, type);
}

void pkt_tag(struct pkt *p, uint16_t tpid, uint16_t tci)
{
	name_next(p, tpid);
	put16(append(p, 4), tci);
	next_is_at(p, p->len - 2, 2);
}

void pkt_arp(struct pkt *p, uint16_t op, unsigned sha, const char *spa, unsigned tha, const char *tpa)
{
	static const uint8_t head[6] = {0, 1, 8, 0, 6, 4};
	uint8_t *at, addr[16];

	name_next(p, 0x0806);
	p->l3 = p->len;
	at = append(p, 28);
	memcpy(at, head, sizeof(head));
	put16(at + 6, op);
	pkt_mac(at + 8, sha);
	must(pkt_addr(addr, spa) == 4);
	memcpy(at + 14, addr, 4);
	pkt_mac(at + 18, tha);
	must(pkt_addr(addr, tpa) == 4);
	memcpy(at + 24, addr, 4);
}

void pkt_ip(struct pkt *p, const char *src, const char *dst)
{
	uint8_t from[16], to[16], *at;

	p->family = pkt_addr(from, src);
	must(pkt_addr(to, dst) == p->family);
	name_next(p, p->family == 4 ? 0x0800 : 0x86dd);
	p->l3 = p->len;
	at = append(p, p->family == 4 ? 20 : 40);
	if (p->family == 4) {
		at[0] = 0x45;
		at[8] = 64;
		memcpy(at + 12, from, 4);
		memcpy(at + 16, to, 4);
		next_is_at(p, p->l3 + 9, 1);
	} else {
		at[0] = 0x60;
		at[7] = 64;
		memcpy(at + 8, from, 16);
		memcpy(at + 24, to, 16);
		next_is_at(p, p->l3 + 6, 1);
	}
}

void pkt_ip_options(struct pkt *p, const void *options, uint32_t n)
{
	must(p->family == 4 && n % 4 == 0 && p->len == p->l3 + 20);
	memcpy(append(p, n), options, n);
	p->data[p->l3] = (uint8_t)(0x45 + n / 4);
}

void pkt_ext(struct pkt *p, uint8_t type, const void *body, uint32_t n)
{
	uint8_t *at;

	must(p->family == 6 && (n + 2) % 8 == 0);
	name_next(p, type);
	next_is_at(p, p->len, 1);
	at = append(p, n + 2);
	at[1] = (uint8_t)((n + 2) / 8 - 1);
	memcpy(at + 2, body, n);
}

static uint8_t *l4(struct pkt *p, uint8_t proto, uint32_t n)
{
	name_next(p, proto);
	p->proto = proto;
	p->l4 = p->len;
	return append(p, n);
}

void pkt_tcp(struct pkt *p, uint16_t sport, uint16_t dport, uint8_t flags, uint32_t seq, uint32_t ack)
{
	uint8_t *at = l4(p, TCP, 20);

	put16(at, sport);
	put16(at + 2, dport);
	put32(at + 4, seq);
	put32(at + 8, ack);
	at[12] = 0x50;
	at[13] = flags;
	put16(at + 14, 0x2000);
}

void pkt_udp(struct pkt *p, uint16_t sport, uint16_t dport)
{
	uint8_t *at = l4(p, UDP, 8);

	put16(at, sport);
	put16(at + 2, dport);
}

void pkt_icmp(struct pkt *p, uint8_t type, uint8_t code, uint32_t rest)
{
	uint8_t *at = l4(p, p->family == 4 ? ICMP : ICMPV6, 8);

	at[0] = type;
	at[1] = code;
	put32(at + 4, rest);
}

void pkt_proto(struct pkt *p, uint8_t proto)
{
	l4(p, proto, 0);
}

void pkt_bytes(struct pkt *p, const void *bytes, uint32_t n)
{
	memcpy(append(p, n), bytes, n);
}

void pkt_zeros(struct pkt *p, uint32_t n)
{
	append(p, n);
}

void pkt_nd(struct pkt *p, uint8_t type, const char *target, uint8_t opt, unsigned mac)
{
	uint8_t addr[16], *at;

	p->data[p->l3 + 7] = 255;
	must(pkt_addr(addr, target) == 6);
	pkt_icmp(p, type, 0, 0);
	pkt_bytes(p, addr, 16);
	if (opt == 0)
		return;
	at = append(p, 8);
	at[0] = opt;
	at[1] = 1;
	pkt_mac(at + 2, mac);
}

uint16_t pkt_sum(uint32_t start, const uint8_t *bytes, uint32_t n)
{
	uint32_t sum = start;

	for (uint32_t i = 0; i < n; i++) {
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

static uint32_t pseudo(const uint8_t *ip, uint8_t proto, uint32_t len)
{
	bool v4 = ip[0] >> 4 == 4;
	uint16_t addrs = pkt_sum(0, ip + (v4 ? 12 : 8), v4 ? 8 : 32);

	return (uint16_t)~addrs + (uint32_t)proto + (len >> 16) + (len & 0xffff);
}

static uint32_t start_sum(const uint8_t *ip, uint8_t proto, uint32_t len)
{
	return proto == ICMP ? 0 : pseudo(ip, proto, len);
}

static uint32_t sum_offset(uint8_t proto)
{
	return proto == TCP ? 16 : proto == UDP ? 6 : 2;
}

void pkt_ip_sum(struct pkt *p)
{
	uint8_t *ip = p->data + p->l3;

	put16(ip + 10, 0);
	put16(ip + 10, pkt_sum(0, ip, (ip[0] & 0xfu) * 4));
}

struct frame pkt_frame(struct pkt *p)
{
	return (struct frame){.data = p->data, .len = p->len, .wire_len = p->len};
}

struct frame pkt_done(struct pkt *p)
{
	uint8_t *ip = p->data + p->l3, *at = p->data + p->l4;
	uint32_t n = p->len - p->l4;

	if (p->family == 6)
		put16(ip + 4, p->len - p->l3 - 40);
	if (p->family == 4) {
		put16(ip + 2, p->len - p->l3);
		pkt_ip_sum(p);
	}
	if (p->proto == UDP)
		put16(at + 4, n);
	if (p->proto == TCP || p->proto == UDP || p->proto == ICMP || p->proto == ICMPV6)
		put16(at + sum_offset(p->proto), pkt_sum(start_sum(ip, p->proto, n), at, n));
	return pkt_frame(p);
}

bool pkt_sums_good(const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + 14;
	bool v4 = ip[0] >> 4 == 4;
	uint32_t header = v4 ? (ip[0] & 0xfu) * 4 : 40, n = len - 14 - header;
	uint8_t proto = ip[v4 ? 9 : 6];

	if (v4 && pkt_sum(0, ip, header) != 0)
		return false;
	if ((v4 ? get16(ip + 2) : get16(ip + 4) + 40) != len - 14)
		return false;
	return pkt_sum(start_sum(ip, proto, n), ip + header, n) == 0;
}
