/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each row is one packet and what the parser must say to it. Every row is parsed from a heap block of exactly
 * its size, then once more for every shorter capture: none may be read past its end, and a cut must never
 * turn a refused packet into a good one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet.h"
#include "parse.h"

#define A4 "10.0.0.1"
#define B4 "10.0.0.2"
#define A6 "fd00::1"
#define B6 "fd00::2"

struct row {
	const char *name;
	void (*build)(struct pkt *p);
	uint8_t reason, kind, guard;
	uint16_t flags; /* all but PACKET_L4_WHOLE */
};

static void ip(struct pkt *p, const char *src, const char *dst)
{
	pkt_ether(p, 2, 1);
	pkt_ip(p, src, dst);
}

static void tcp4(struct pkt *p)
{
	ip(p, A4, B4);
	pkt_tcp(p, 1000, 443, PKT_SYN, 7, 0);
	pkt_done(p);
}

static void tcp6(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_tcp(p, 1000, 443, PKT_ACK, 7, 9);
	pkt_zeros(p, 11);
	pkt_done(p);
}

static void udp4(struct pkt *p)
{
	ip(p, A4, B4);
	pkt_udp(p, 1000, 53);
	pkt_zeros(p, 5);
	pkt_done(p);
}

static void udp4_padded(struct pkt *p)
{
	udp4(p);
	pkt_zeros(p, 13);
}

static void udp4_short_length(struct pkt *p)
{
	udp4(p);
	p->data[p->l4 + 5] = 7;
}

static void udp4_long_length(struct pkt *p)
{
	udp4(p);
	p->data[p->l4 + 5] = 14;
}

static void tagged(struct pkt *p)
{
	pkt_ether(p, 2, 1);
	pkt_tag(p, 0x8100, 0xa00a);
	pkt_ip(p, A4, B4);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void priority_tagged(struct pkt *p)
{
	pkt_ether(p, 2, 1);
	pkt_tag(p, 0x8100, 0xe000);
	pkt_ip(p, A6, B6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void double_tagged(struct pkt *p)
{
	pkt_ether(p, 2, 1);
	pkt_tag(p, 0x8100, 10);
	pkt_tag(p, 0x8100, 20);
	pkt_ip(p, A4, B4);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void service_tagged(struct pkt *p)
{
	pkt_ether(p, 2, 1);
	pkt_tag(p, 0x88a8, 10);
	pkt_ip(p, A4, B4);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void tag_only(struct pkt *p)
{
	pkt_ether(p, 2, 1);
	pkt_ethertype(p, 0x8100);
	pkt_zeros(p, 3);
}

static void runt(struct pkt *p)
{
	pkt_ether(p, 2, 1);
	p->len = 13;
}

static void llc(struct pkt *p)
{
	pkt_ether(p, 2, 1);
	pkt_ethertype(p, 0x0026);
	pkt_zeros(p, 40);
}

static void lldp(struct pkt *p)
{
	pkt_ether(p, 2, 1);
	pkt_ethertype(p, 0x88cc);
	pkt_zeros(p, 40);
}

static void arp(struct pkt *p)
{
	pkt_ether(p, PKT_BROADCAST, 1);
	pkt_arp(p, 1, 1, A4, 0, B4);
}

static void version(struct pkt *p)
{
	udp4(p);
	p->data[p->l3] = 0x55;
	pkt_ip_sum(p);
}

static void small_header(struct pkt *p)
{
	udp4(p);
	p->data[p->l3] = 0x44;
	pkt_ip_sum(p);
}

static void header_beyond_total(struct pkt *p)
{
	ip(p, A4, B4);
	pkt_proto(p, 99);
	pkt_done(p);
	pkt_zeros(p, 60);
	p->data[p->l3] = 0x46;
	pkt_ip_sum(p);
}

static void total_beyond_wire(struct pkt *p)
{
	udp4(p);
	p->data[p->l3 + 3]++;
	pkt_ip_sum(p);
}

static void bad_header_sum(struct pkt *p)
{
	udp4(p);
	p->data[p->l3 + 8]--;
}

static void more_fragments(struct pkt *p)
{
	udp4(p);
	p->data[p->l3 + 6] = 0x20;
	pkt_ip_sum(p);
}

static void later_fragment(struct pkt *p)
{
	udp4(p);
	p->data[p->l3 + 7] = 1;
	pkt_ip_sum(p);
}

static void dont_fragment(struct pkt *p)
{
	udp4(p);
	p->data[p->l3 + 6] = 0x40;
	pkt_ip_sum(p);
}

static void with_options(struct pkt *p, const void *options, uint32_t n)
{
	ip(p, A4, B4);
	pkt_ip_options(p, options, n);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void router_alert(struct pkt *p)
{
	with_options(p, "\x94\x04\0\0", 4);
}

static void loose_route(struct pkt *p)
{
	with_options(p, "\x01\x83\x07\x04\x0a\0\0\x09", 8);
}

static void strict_route(struct pkt *p)
{
	with_options(p, "\x89\x07\x04\x0a\0\0\x09\0", 8);
}

static void route_after_end(struct pkt *p)
{
	with_options(p, "\0\x83\x07\x04", 4);
}

static void option_too_long(struct pkt *p)
{
	with_options(p, "\x94\x05\0\0", 4);
}

static void option_too_short(struct pkt *p)
{
	with_options(p, "\x94\x01\0\0", 4);
}

static void option_without_length(struct pkt *p)
{
	with_options(p, "\x01\x01\x01\x94", 4);
}

static void land4(struct pkt *p)
{
	ip(p, A4, A4);
	pkt_tcp(p, 443, 443, PKT_SYN, 7, 0);
	pkt_done(p);
}

static void from4(struct pkt *p, const char *src)
{
	ip(p, src, B4);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void loopback4(struct pkt *p)
{
	from4(p, "127.0.0.1");
}

static void multicast_source4(struct pkt *p)
{
	from4(p, "224.0.0.9");
}

static void broadcast_source4(struct pkt *p)
{
	from4(p, "255.255.255.255");
}

static void unspecified4(struct pkt *p)
{
	from4(p, "0.0.0.0");
}

static void last_unicast4(struct pkt *p)
{
	from4(p, "223.255.255.255");
}

static void from6(struct pkt *p, const char *src)
{
	ip(p, src, B6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void loopback6(struct pkt *p)
{
	from6(p, "::1");
}

static void unspecified6(struct pkt *p)
{
	from6(p, "::");
}

static void multicast_source6(struct pkt *p)
{
	from6(p, "ff02::1");
}

static void land6(struct pkt *p)
{
	from6(p, B6);
}

static void low6(struct pkt *p)
{
	from6(p, "::2");
}

static void group4(struct pkt *p)
{
	pkt_ether(p, PKT_MULTICAST, 1);
	pkt_ip(p, A4, "239.1.1.1");
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void group_ip_only(struct pkt *p)
{
	ip(p, A6, "ff02::fb");
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void group_mac_only(struct pkt *p)
{
	pkt_ether(p, PKT_BROADCAST, 1);
	pkt_ip(p, A4, B4);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void flags(struct pkt *p, uint8_t f)
{
	ip(p, A4, B4);
	pkt_tcp(p, 1, 2, f, 1, 1);
	pkt_done(p);
}

#define FLAGS(name, f)                                                                                       \
	static void name(struct pkt *p)                                                                      \
	{                                                                                                    \
		flags(p, f);                                                                                 \
	}
FLAGS(flags_null, 0)
FLAGS(flags_psh, PKT_PSH)
FLAGS(flags_xmas, PKT_FIN | PKT_PSH | PKT_URG)
FLAGS(flags_all, 0x3f)
FLAGS(flags_syn_fin, PKT_SYN | PKT_FIN)
FLAGS(flags_syn_fin_ack, PKT_SYN | PKT_FIN | PKT_ACK)
FLAGS(flags_syn_rst, PKT_SYN | PKT_RST)
FLAGS(flags_syn_rst_ack, PKT_SYN | PKT_RST | PKT_ACK)
FLAGS(flags_fin, PKT_FIN)
FLAGS(flags_fin_rst, PKT_FIN | PKT_RST | PKT_ACK)
FLAGS(flags_syn_ack, PKT_SYN | PKT_ACK)
FLAGS(flags_syn_ecn, PKT_SYN | 0xc0)
FLAGS(flags_fin_ack, PKT_FIN | PKT_ACK | PKT_PSH)
FLAGS(flags_rst, PKT_RST)
FLAGS(flags_rst_ack, PKT_RST | PKT_ACK)
FLAGS(flags_urg_ack, PKT_URG | PKT_ACK | PKT_PSH)

static void tcp_small_offset(struct pkt *p)
{
	tcp4(p);
	p->data[p->l4 + 12] = 0x40;
}

static void tcp_large_offset(struct pkt *p)
{
	tcp4(p);
	p->data[p->l4 + 12] = 0x60;
}

static void tcp_too_short(struct pkt *p)
{
	ip(p, A4, B4);
	pkt_proto(p, 6);
	pkt_zeros(p, 19);
	p->proto = 0;
	pkt_done(p);
}

static void icmp4(struct pkt *p, uint8_t type, uint8_t code, uint32_t rest)
{
	ip(p, A4, B4);
	pkt_icmp(p, type, code, rest);
	pkt_done(p);
}

static void icmp6(struct pkt *p, uint8_t type, uint8_t code, uint32_t rest)
{
	ip(p, A6, B6);
	pkt_icmp(p, type, code, rest);
	pkt_done(p);
}

static void echo4(struct pkt *p)
{
	icmp4(p, 8, 0, 0x12340001);
}

static void echo_reply4(struct pkt *p)
{
	icmp4(p, 0, 0, 0x12340001);
}

static void echo4_code(struct pkt *p)
{
	icmp4(p, 8, 1, 0);
}

static void redirect4(struct pkt *p)
{
	icmp4(p, 5, 0, 0);
}

static void echo6(struct pkt *p)
{
	icmp6(p, 128, 0, 0x12340001);
}

static void echo_reply6(struct pkt *p)
{
	icmp6(p, 129, 0, 0x12340001);
}

static void solicitation(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_nd(p, 135, B6, 1, 1);
	pkt_done(p);
}

static void redirect6(struct pkt *p)
{
	icmp6(p, 137, 0, 0);
}

static void mld2(struct pkt *p)
{
	pkt_ether(p, PKT_MULTICAST, 1);
	pkt_ip(p, "fe80::1", "ff02::16");
	pkt_ext(p, 0, "\x05\x02\0\0\x01\0", 6);
	pkt_icmp(p, 143, 0, 0);
	pkt_done(p);
}

static void igmp(struct pkt *p)
{
	pkt_ether(p, PKT_MULTICAST, 1);
	pkt_ip(p, A4, "224.0.0.22");
	pkt_proto(p, 2);
	pkt_zeros(p, 8);
	pkt_done(p);
}

static void node_info(struct pkt *p)
{
	icmp6(p, 139, 0, 0);
}

static void icmp_too_short(struct pkt *p)
{
	ip(p, A4, B4);
	pkt_proto(p, 1);
	pkt_zeros(p, 7);
	p->proto = 0;
	pkt_done(p);
}

static void other(struct pkt *p, const char *src, const char *dst, uint8_t proto)
{
	ip(p, src, dst);
	pkt_proto(p, proto);
	pkt_zeros(p, 16);
	p->proto = 0;
	pkt_done(p);
}

static void icmpv6_in_v4(struct pkt *p)
{
	other(p, A4, B4, 58);
}

static void icmp_in_v6(struct pkt *p)
{
	other(p, A6, B6, 1);
}

static void gre(struct pkt *p)
{
	other(p, A4, B4, 47);
}

static void esp6(struct pkt *p)
{
	other(p, A6, B6, 50);
}

static void authentication6(struct pkt *p)
{
	other(p, A6, B6, 51);
}

static void no_next(struct pkt *p)
{
	other(p, A6, B6, 59);
}

static void unknown6(struct pkt *p)
{
	other(p, A6, B6, 253);
}

static void fragment6(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_ext(p, 44, "\0\0\0\0\0\x01", 6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void fragment6_behind_options(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_ext(p, 60, "\x01\x04\0\0\0\0", 6);
	pkt_ext(p, 44, "\0\x01\0\0\0\x01", 6);
	pkt_zeros(p, 8);
	pkt_done(p);
}

#define PADN "\x01\x04\0\0\0\0"

static void chain(struct pkt *p, const uint8_t *types, uint32_t n)
{
	ip(p, A6, B6);
	for (uint32_t i = 0; i < n; i++)
		pkt_ext(p, types[i], types[i] == 43 ? "\x02\0\0\0\0\0" : PADN, 6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

#define CHAIN(name, ...)                                                                                     \
	static void name(struct pkt *p)                                                                      \
	{                                                                                                    \
		static const uint8_t types[] = {__VA_ARGS__};                                                \
		chain(p, types, sizeof(types));                                                              \
	}
CHAIN(chain_full, 0, 60, 43, 60)
CHAIN(chain_hop_by_hop_second, 60, 0)
CHAIN(chain_hop_by_hop_twice, 0, 0)
CHAIN(chain_routing_twice, 43, 43)
CHAIN(chain_options_thrice, 60, 60, 60)

static void routing0(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_ext(p, 43, "\0\0\0\0\0\0", 6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void routing_segments_left(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_ext(p, 43, "\x04\x01\0\0\0\0", 6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void ext_option_overruns(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_ext(p, 60, "\x01\x05\0\0\0\0", 6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void ext_option_at_end(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_ext(p, 60, "\x01\x03\0\0\0\x01", 6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void ext_pad1(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_ext(p, 60, "\0\0\0\0\0\0", 6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void ext_jumbo(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_ext(p, 0, "\xc2\x04\0\x01\0\0", 6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void ext_size(struct pkt *p, uint32_t size)
{
	uint8_t body[300] = {0};

	ip(p, A6, B6);
	pkt_ext(p, 60, body, size - 2);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void ext_256(struct pkt *p)
{
	ext_size(p, 256);
}

static void ext_264(struct pkt *p)
{
	ext_size(p, 264);
}

static void ext_beyond_packet(struct pkt *p)
{
	ip(p, A6, B6);
	pkt_ext(p, 60, PADN, 6);
	pkt_done(p);
	p->data[p->l3 + 41] = 1;
}

static void jumbo_zero(struct pkt *p)
{
	tcp6(p);
	p->data[p->l3 + 4] = p->data[p->l3 + 5] = 0;
}

static void v6_beyond_wire(struct pkt *p)
{
	tcp6(p);
	p->data[p->l3 + 5]++;
}

static void v6_version(struct pkt *p)
{
	tcp6(p);
	p->data[p->l3] = 0x40;
}

static void dhcp_client(struct pkt *p)
{
	pkt_ether(p, PKT_BROADCAST, 1);
	pkt_ip(p, "0.0.0.0", "255.255.255.255");
	pkt_udp(p, 68, 67);
	pkt_done(p);
}

static void dhcp6_server(struct pkt *p)
{
	ip(p, "fe80::1", "fe80::2");
	pkt_udp(p, 547, 546);
	pkt_done(p);
}

/* An error from B's side to A, quoting A's packet to C. */
static void quote(struct pkt *p, uint8_t type, uint8_t code, uint32_t rest, void (*inner)(struct pkt *),
		  uint32_t room)
{
	struct pkt q;

	inner(&q);
	ip(p, q.family == 4 ? B4 : B6, q.family == 4 ? A4 : A6);
	pkt_icmp(p, type, code, rest);
	if (room > q.len - q.l3)
		room = q.len - q.l3;
	pkt_bytes(p, q.data + q.l3, room);
	pkt_done(p);
}

static void from_b(struct pkt *p)
{
	ip(p, B4, A4);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

static void a_gets_error(struct pkt *p)
{
	ip(p, A4, "10.0.0.3");
	pkt_icmp(p, 3, 1, 0);
	pkt_done(p);
}

static void options_inside(struct pkt *p)
{
	ip(p, A6, "fd00::3");
	pkt_ext(p, 0, PADN, 6);
	pkt_udp(p, 1, 2);
	pkt_done(p);
}

#define QUOTE(name, type, code, rest, inner, room)                                                           \
	static void name(struct pkt *p)                                                                      \
	{                                                                                                    \
		quote(p, type, code, rest, inner, room);                                                     \
	}
QUOTE(error_udp4, 3, 3, 0, udp4, 28)
QUOTE(error_tcp4, 11, 0, 0, tcp4, 28)
QUOTE(error_parameter4, 12, 0, 0, tcp4, 28)
QUOTE(error_tcp6, 1, 4, 0, tcp6, 1000)
QUOTE(error_echo4, 3, 1, 0, echo4, 28)
QUOTE(error_options6, 3, 0, 0, options_inside, 1000)
QUOTE(error_short4, 3, 3, 0, udp4, 27)
QUOTE(error_short6, 1, 4, 0, tcp6, 47)
QUOTE(error_no_header, 3, 3, 0, udp4, 19)
QUOTE(error_nested, 3, 3, 0, a_gets_error, 28)
QUOTE(error_not_mine, 3, 3, 0, from_b, 28)
QUOTE(error_fragment, 3, 3, 0, more_fragments, 28)
QUOTE(error_later_fragment, 3, 3, 0, later_fragment, 28)
QUOTE(error_fragment6, 1, 4, 0, fragment6, 1000)
QUOTE(error_bad_version, 3, 3, 0, version, 28)
QUOTE(too_big_68, 3, 4, 68, udp4, 28)
QUOTE(too_big_67, 3, 4, 67, udp4, 28)
QUOTE(too_big_1280, 2, 0, 1280, tcp6, 100)
QUOTE(too_big_1279, 2, 0, 1279, tcp6, 100)

static const struct row rows[] = {
	{"tcp over ipv4", tcp4, 0, PACKET_TCP, 0, 0},
	{"tcp over ipv6", tcp6, 0, PACKET_TCP, 0, 0},
	{"udp over ipv4", udp4, 0, PACKET_UDP, 0, 0},
	{"padding is ignored", udp4_padded, 0, PACKET_UDP, 0, 0},
	{"udp length below its header", udp4_short_length, REASON_PARSE, 0, 0, 0},
	{"udp length beyond the packet", udp4_long_length, REASON_PARSE, 0, 0, 0},
	{"tagged", tagged, 0, PACKET_UDP, 0, PACKET_TAGGED},
	{"priority tag", priority_tagged, 0, PACKET_UDP, 0, PACKET_TAGGED},
	{"two tags", double_tagged, REASON_VLAN_STACK, 0, 0, PACKET_TAGGED},
	{"service tag", service_tagged, REASON_VLAN_STACK, 0, 0, 0},
	{"tag cut off", tag_only, REASON_PARSE, 0, 0, 0},
	{"runt", runt, REASON_PARSE, 0, 0, 0},
	{"llc", llc, REASON_ETHERTYPE, 0, 0, 0},
	{"lldp", lldp, REASON_ETHERTYPE, 0, 0, 0},
	{"arp", arp, 0, PACKET_NOTHING, PACKET_GUARD_ARP, PACKET_GROUP},
	{"ipv4 version", version, REASON_PARSE, 0, 0, 0},
	{"ipv4 header length 16", small_header, REASON_PARSE, 0, 0, 0},
	{"ipv4 header beyond total", header_beyond_total, REASON_PARSE, 0, 0, 0},
	{"ipv4 total beyond wire", total_beyond_wire, REASON_TRUNCATED, 0, 0, 0},
	{"ipv4 header checksum", bad_header_sum, REASON_CHECKSUM, 0, 0, 0},
	{"ipv4 more fragments", more_fragments, REASON_FRAGMENT, 0, 0, 0},
	{"ipv4 later fragment", later_fragment, REASON_FRAGMENT, 0, 0, 0},
	{"ipv4 don't fragment", dont_fragment, 0, PACKET_UDP, 0, 0},
	{"router alert", router_alert, 0, PACKET_UDP, 0, 0},
	{"loose source route", loose_route, REASON_OPTIONS, 0, 0, 0},
	{"strict source route", strict_route, REASON_OPTIONS, 0, 0, 0},
	{"nothing counts after the end option", route_after_end, 0, PACKET_UDP, 0, 0},
	{"option overruns", option_too_long, REASON_PARSE, 0, 0, 0},
	{"option length 1", option_too_short, REASON_PARSE, 0, 0, 0},
	{"option without length", option_without_length, REASON_PARSE, 0, 0, 0},
	{"land", land4, 0, PACKET_TCP, 0, PACKET_MARTIAN},
	{"loopback source", loopback4, 0, PACKET_UDP, 0, PACKET_MARTIAN},
	{"multicast source", multicast_source4, 0, PACKET_UDP, 0, PACKET_MARTIAN},
	{"broadcast source", broadcast_source4, 0, PACKET_UDP, 0, PACKET_MARTIAN},
	{"unspecified source", unspecified4, 0, PACKET_UDP, 0, PACKET_MARTIAN},
	{"last unicast source", last_unicast4, 0, PACKET_UDP, 0, 0},
	{"ipv6 loopback source", loopback6, 0, PACKET_UDP, 0, PACKET_MARTIAN},
	{"ipv6 unspecified source", unspecified6, 0, PACKET_UDP, 0, PACKET_MARTIAN},
	{"ipv6 multicast source", multicast_source6, 0, PACKET_UDP, 0, PACKET_MARTIAN},
	{"ipv6 land", land6, 0, PACKET_UDP, 0, PACKET_MARTIAN},
	{"ipv6 low source", low6, 0, PACKET_UDP, 0, 0},
	{"group", group4, 0, PACKET_UDP, 0, PACKET_GROUP | PACKET_GROUP_IP},
	{"group address, unicast mac", group_ip_only, 0, PACKET_UDP, 0, PACKET_GROUP_IP},
	{"unicast address, group mac", group_mac_only, 0, PACKET_UDP, 0, PACKET_GROUP},
	{"tcp null", flags_null, REASON_TCP_FLAGS, 0, 0, 0},
	{"tcp psh alone", flags_psh, REASON_TCP_FLAGS, 0, 0, 0},
	{"tcp xmas", flags_xmas, REASON_TCP_FLAGS, 0, 0, 0},
	{"tcp all flags", flags_all, REASON_TCP_FLAGS, 0, 0, 0},
	{"tcp syn fin", flags_syn_fin, REASON_TCP_FLAGS, 0, 0, 0},
	{"tcp syn fin ack", flags_syn_fin_ack, REASON_TCP_FLAGS, 0, 0, 0},
	{"tcp syn rst", flags_syn_rst, REASON_TCP_FLAGS, 0, 0, 0},
	{"tcp syn rst ack", flags_syn_rst_ack, REASON_TCP_FLAGS, 0, 0, 0},
	{"tcp fin without ack", flags_fin, REASON_TCP_FLAGS, 0, 0, 0},
	{"tcp fin rst", flags_fin_rst, REASON_TCP_FLAGS, 0, 0, 0},
	{"tcp syn ack", flags_syn_ack, 0, PACKET_TCP, 0, 0},
	{"tcp syn with ecn", flags_syn_ecn, 0, PACKET_TCP, 0, 0},
	{"tcp fin ack", flags_fin_ack, 0, PACKET_TCP, 0, 0},
	{"tcp rst", flags_rst, 0, PACKET_TCP, 0, 0},
	{"tcp rst ack", flags_rst_ack, 0, PACKET_TCP, 0, 0},
	{"tcp urgent", flags_urg_ack, 0, PACKET_TCP, 0, 0},
	{"tcp offset 16", tcp_small_offset, REASON_PARSE, 0, 0, 0},
	{"tcp offset beyond packet", tcp_large_offset, REASON_PARSE, 0, 0, 0},
	{"tcp of 19 bytes", tcp_too_short, REASON_PARSE, 0, 0, 0},
	{"echo", echo4, 0, PACKET_ECHO, 0, 0},
	{"echo reply", echo_reply4, 0, PACKET_ECHO_REPLY, 0, 0},
	{"echo with a code", echo4_code, 0, PACKET_ICMP, 0, 0},
	{"redirect is no error", redirect4, 0, PACKET_ICMP, 0, 0},
	{"icmpv6 echo", echo6, 0, PACKET_ECHO, 0, 0},
	{"icmpv6 echo reply", echo_reply6, 0, PACKET_ECHO_REPLY, 0, 0},
	{"neighbour solicitation", solicitation, 0, PACKET_ICMP, PACKET_GUARD_ND, 0},
	{"icmpv6 redirect", redirect6, 0, PACKET_ICMP, PACKET_GUARD_ND, 0},
	{"mld report", mld2, 0, PACKET_ICMP, PACKET_GUARD_SWALLOW, PACKET_GROUP | PACKET_GROUP_IP},
	{"igmp", igmp, 0, PACKET_PROTO, PACKET_GUARD_SWALLOW, PACKET_GROUP | PACKET_GROUP_IP},
	{"node information", node_info, 0, PACKET_ICMP, 0, 0},
	{"icmp of 7 bytes", icmp_too_short, REASON_PARSE, 0, 0, 0},
	{"icmpv6 in ipv4", icmpv6_in_v4, REASON_PROTO, 0, 0, 0},
	{"icmp in ipv6", icmp_in_v6, REASON_PROTO, 0, 0, 0},
	{"gre", gre, 0, PACKET_PROTO, 0, 0},
	{"esp", esp6, 0, PACKET_PROTO, 0, 0},
	{"authentication header", authentication6, 0, PACKET_PROTO, 0, 0},
	{"no next header", no_next, REASON_PROTO, 0, 0, 0},
	{"unknown protocol", unknown6, 0, PACKET_PROTO, 0, 0},
	{"ipv6 atomic fragment", fragment6, REASON_FRAGMENT, 0, 0, 0},
	{"ipv6 fragment behind options", fragment6_behind_options, REASON_FRAGMENT, 0, 0, 0},
	{"ext: all in order", chain_full, 0, PACKET_UDP, 0, 0},
	{"ext: hop by hop not first", chain_hop_by_hop_second, REASON_EXT_HEADER, 0, 0, 0},
	{"ext: hop by hop twice", chain_hop_by_hop_twice, REASON_EXT_HEADER, 0, 0, 0},
	{"ext: routing twice", chain_routing_twice, REASON_EXT_HEADER, 0, 0, 0},
	{"ext: destination options thrice", chain_options_thrice, REASON_EXT_HEADER, 0, 0, 0},
	{"ext: routing type 0", routing0, REASON_EXT_HEADER, 0, 0, 0},
	{"ext: segments left", routing_segments_left, REASON_EXT_HEADER, 0, 0, 0},
	{"ext: option overruns", ext_option_overruns, REASON_EXT_HEADER, 0, 0, 0},
	{"ext: option without length", ext_option_at_end, REASON_EXT_HEADER, 0, 0, 0},
	{"ext: pad1", ext_pad1, 0, PACKET_UDP, 0, 0},
	{"ext: jumbo payload", ext_jumbo, REASON_EXT_HEADER, 0, 0, 0},
	{"ext: 256 bytes", ext_256, 0, PACKET_UDP, 0, 0},
	{"ext: 264 bytes", ext_264, REASON_EXT_HEADER, 0, 0, 0},
	{"ext: beyond the packet", ext_beyond_packet, REASON_EXT_HEADER, 0, 0, 0},
	{"ipv6 payload length 0", jumbo_zero, REASON_PARSE, 0, 0, 0},
	{"ipv6 beyond wire", v6_beyond_wire, REASON_TRUNCATED, 0, 0, 0},
	{"ipv6 version", v6_version, REASON_PARSE, 0, 0, 0},
	{"dhcp from a client", dhcp_client, 0, PACKET_UDP, PACKET_GUARD_DHCP,
	 PACKET_GROUP | PACKET_GROUP_IP | PACKET_MARTIAN},
	{"dhcpv6 from a server", dhcp6_server, 0, PACKET_UDP, PACKET_GUARD_DHCP, 0},
	{"error quoting udp", error_udp4, 0, PACKET_ICMP_ERROR, 0, 0},
	{"error quoting tcp", error_tcp4, 0, PACKET_ICMP_ERROR, 0, 0},
	{"parameter problem", error_parameter4, 0, PACKET_ICMP_ERROR, 0, 0},
	{"icmpv6 error quoting tcp", error_tcp6, 0, PACKET_ICMP_ERROR, 0, 0},
	{"error quoting echo", error_echo4, 0, PACKET_ICMP_ERROR, 0, 0},
	{"error quoting behind options", error_options6, 0, PACKET_ICMP_ERROR, 0, 0},
	{"error quoting 7 bytes of udp", error_short4, REASON_ICMP_UNRELATED, 0, 0, 0},
	{"icmpv6 error quoting 7 bytes", error_short6, REASON_ICMP_UNRELATED, 0, 0, 0},
	{"error quoting half a header", error_no_header, REASON_ICMP_UNRELATED, 0, 0, 0},
	{"error quoting an error", error_nested, REASON_ICMP_UNRELATED, 0, 0, 0},
	{"error to somebody else", error_not_mine, REASON_ICMP_UNRELATED, 0, 0, 0},
	{"error quoting a fragment", error_fragment, REASON_ICMP_UNRELATED, 0, 0, 0},
	{"error quoting a later fragment", error_later_fragment, REASON_ICMP_UNRELATED, 0, 0, 0},
	{"icmpv6 error quoting a fragment", error_fragment6, REASON_ICMP_UNRELATED, 0, 0, 0},
	{"error quoting nonsense", error_bad_version, REASON_ICMP_UNRELATED, 0, 0, 0},
	{"fragmentation needed, 68", too_big_68, 0, PACKET_ICMP_ERROR, 0, 0},
	{"fragmentation needed, 67", too_big_67, REASON_ICMP_UNRELATED, 0, 0, 0},
	{"packet too big, 1280", too_big_1280, 0, PACKET_ICMP_ERROR, 0, 0},
	{"packet too big, 1279", too_big_1279, REASON_ICMP_UNRELATED, 0, 0, 0},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static struct packet parse_exact(const uint8_t *data, uint32_t len, uint32_t wire_len, enum parse_entry entry)
{
	struct frame f = {.data = malloc(len != 0 ? len : 1), .len = len, .wire_len = wire_len};
	struct packet p;

	assert_non_null(f.data);
	memcpy(f.data, data, len);
	memset(&p, 0xa5, sizeof(p));
	parse_frame(&p, &f, entry);
	if (p.reason == REASON_NONE)
		parse_l4_sum(&p, f.data);
	free(f.data);
	return p;
}

static struct packet parse_pkt(struct pkt *p)
{
	return parse_exact(p->data, p->len, p->len, PARSE_ETHERNET);
}

static void row_holds(void **state)
{
	const struct row *row = *state;
	struct packet p;
	struct pkt k;

	row->build(&k);
	p = parse_pkt(&k);
	assert_string_equal(reason_word(p.reason), reason_word(row->reason));
	assert_int_equal(p.kind, row->kind);
	assert_int_equal(p.guard, row->guard);
	if (row->reason == REASON_NONE || row->flags != 0)
		assert_int_equal(p.flags & ~PACKET_L4_WHOLE, row->flags);
	for (uint32_t len = 0; len < k.len; len++) {
		struct packet cut = parse_exact(k.data, len, k.len, PARSE_ETHERNET);

		if (cut.reason == REASON_NONE)
			assert_int_equal(cut.kind, row->kind);
		if (row->reason != REASON_NONE)
			assert_int_not_equal(cut.reason, REASON_NONE);
		parse_exact(k.data, len, len, PARSE_ETHERNET);
	}
}

/* Whose reason does not lie in layer 2, nor in what only layer 2 says about the version. */
static bool stands_alone(const struct row *row)
{
	struct pkt k;

	row->build(&k);
	return k.family != 0 && k.l3 == 14 && row->build != version && row->build != v6_version;
}

/* The same packets without layer 2 are judged alike. */
static void row_holds_raw(void **state)
{
	const struct row *row = *state;
	struct packet p;
	struct pkt k;

	row->build(&k);
	p = parse_exact(k.data + k.l3, k.len - k.l3, k.len - k.l3, PARSE_IP);
	assert_string_equal(reason_word(p.reason), reason_word(row->reason));
	assert_int_equal(p.kind, row->kind);
	if (row->reason == REASON_NONE)
		assert_int_equal(!!(p.flags & PACKET_GROUP), !!(row->flags & PACKET_GROUP_IP));
}

static void fields_of_tcp(void **state)
{
	static const uint8_t src[16] = {10, 0, 0, 1}, dst[16] = {10, 0, 0, 2};
	struct packet p;
	struct pkt k;

	pkt_ether(&k, 2, 1);
	pkt_tag(&k, 0x8100, 0x6000 | 301);
	pkt_ip(&k, A4, B4);
	pkt_tcp(&k, 1000, 443, PKT_ACK | PKT_PSH, 0x01020304, 0x05060708);
	pkt_zeros(&k, 100);
	pkt_done(&k);
	p = parse_pkt(&k);
	assert_int_equal(p.reason, REASON_NONE);
	assert_memory_equal(p.key.src, src, 16);
	assert_memory_equal(p.key.dst, dst, 16);
	assert_int_equal(p.key.sport, 1000);
	assert_int_equal(p.key.dport, 443);
	assert_int_equal(p.key.domain, 301);
	assert_int_equal(p.key.family, 4);
	assert_int_equal(p.key.proto, 6);
	assert_int_equal(p.seq, 0x01020304);
	assert_int_equal(p.ack, 0x05060708);
	assert_int_equal(p.window, 0x2000);
	assert_int_equal(p.ip_len, 140);
	assert_int_equal(p.payload, 100);
	assert_int_equal(p.tcp_flags, PKT_ACK | PKT_PSH);
	assert_int_equal(p.vlan, 301);
	assert_int_equal(p.tag_len, 4);
	assert_int_equal(p.l3, 18);
	assert_int_equal(p.l4, 38);
	assert_int_equal(p.hop_limit, 64);
	assert_int_equal(p.src_mac[5], 1);
	assert_int_equal(p.dst_mac[5], 2);
}

static void padding_is_not_payload(void **state)
{
	struct packet p;
	struct pkt k;

	udp4_padded(&k);
	p = parse_pkt(&k);
	assert_int_equal(p.payload, 5);
	assert_int_equal(p.ip_len, 33);
}

/* An echo and its reply are ends of the same pair, in both families. */
static void reply_swaps_ports(void **state)
{
	static void (*const build[2][2])(struct pkt *) = {{echo4, echo_reply4}, {echo6, echo_reply6}};

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet request, reply;
		struct pkt k;

		build[v6][0](&k);
		request = parse_pkt(&k);
		build[v6][1](&k);
		reply = parse_pkt(&k);
		assert_int_equal(request.key.sport, 0x1234);
		assert_int_equal(request.key.dport, (v6 ? 128 : 8) << 8);
		assert_int_equal(reply.key.sport, request.key.dport);
		assert_int_equal(reply.key.dport, request.key.sport);
		assert_int_equal(reply.icmp_type, v6 ? 129 : 0);
	}
}

static void quoted_tuple(void **state)
{
	static const uint8_t src[16] = {10, 0, 0, 1}, dst[16] = {10, 0, 0, 2};
	struct packet p;
	struct pkt k;

	error_tcp4(&k);
	p = parse_pkt(&k);
	assert_int_equal(p.kind, PACKET_ICMP_ERROR);
	assert_memory_equal(p.inner.src, src, 16);
	assert_memory_equal(p.inner.dst, dst, 16);
	assert_int_equal(p.inner.sport, 1000);
	assert_int_equal(p.inner.dport, 443);
	assert_int_equal(p.inner.proto, 6);
	assert_int_equal(p.inner.family, 4);
	assert_int_equal(p.inner_seq, 7);
	assert_memory_equal(p.inner.src, p.key.dst, 16);
}

static void nine_headers_are_too_many(void **state)
{
	struct packet p;
	struct pkt k;

	/* Only repeats make nine, so the order is at fault first; what counts is that the walk ends. */
	ip(&k, A6, B6);
	for (int i = 0; i < 9; i++)
		pkt_ext(&k, 60, PADN, 6);
	pkt_udp(&k, 1, 2);
	pkt_done(&k);
	p = parse_pkt(&k);
	assert_int_equal(p.reason, REASON_EXT_HEADER);
}

static void cut_capture(void **state)
{
	struct packet p;
	struct pkt k;

	tcp6(&k);
	p = parse_exact(k.data, k.len - 11, k.len, PARSE_ETHERNET); /* headers whole, payload cut */
	assert_int_equal(p.reason, REASON_NONE);
	assert_int_equal(p.payload, 11);
	assert_false(p.flags & PACKET_L4_WHOLE);
	p = parse_exact(k.data, k.len - 12, k.len, PARSE_ETHERNET);
	assert_int_equal(p.reason, REASON_TRUNCATED);
	p = parse_exact(k.data, 0, k.len, PARSE_ETHERNET);
	assert_int_equal(p.reason, REASON_TRUNCATED);
	p = parse_exact(k.data, 0, 0, PARSE_ETHERNET);
	assert_int_equal(p.reason, REASON_PARSE);
	p = parse_exact(k.data, 0, 0, PARSE_IP);
	assert_int_equal(p.reason, REASON_PARSE);
}

static enum parse_sum sum_of(struct pkt *k)
{
	struct frame f = pkt_frame(k);
	struct packet p;

	parse_frame(&p, &f, PARSE_ETHERNET);
	assert_int_equal(p.reason, REASON_NONE);
	return parse_l4_sum(&p, f.data);
}

static void l4_checksums(void **state)
{
	static void (*const build[])(struct pkt *) = {
		tcp4,  tcp6,         udp4,       tagged,     priority_tagged, echo4,
		echo6, solicitation, error_tcp4, error_tcp6, udp4_padded,     chain_full};

	for (size_t i = 0; i < sizeof(build) / sizeof(build[0]); i++) {
		struct pkt k;

		build[i](&k);
		assert_int_equal(sum_of(&k), PARSE_SUM_GOOD);
		k.data[k.l4 + (k.proto == 6 ? 5 : 1)] ^= 0x40; /* TCP sequence, UDP port, ICMP code */
		if (k.proto == 1 || k.proto == 58) {
			k.data[k.l4 + 1] ^= 0x40;
			k.data[k.l4 + 2] ^= 0x40;
		}
		assert_int_equal(sum_of(&k), PARSE_SUM_BAD);
	}
}

static void l4_checksum_left_out(void **state)
{
	struct frame f;
	struct packet p;
	struct pkt k;

	udp4(&k);
	k.data[k.l4 + 6] = k.data[k.l4 + 7] = 0;
	assert_int_equal(sum_of(&k), PARSE_SUM_GOOD);
	from6(&k, A6);
	k.data[k.l4 + 6] = k.data[k.l4 + 7] = 0;
	assert_int_equal(sum_of(&k), PARSE_SUM_BAD);
	tcp6(&k);
	f = pkt_frame(&k);
	f.len -= 1;
	parse_frame(&p, &f, PARSE_ETHERNET);
	assert_int_equal(parse_l4_sum(&p, f.data), PARSE_SUM_UNKNOWN);
	gre(&k);
	assert_int_equal(sum_of(&k), PARSE_SUM_GOOD);
}

static void burst_is_frames_one_by_one(void **state)
{
	struct frame frames[N_ROWS];
	struct packet burst[N_ROWS], one;
	struct pkt *k = calloc(N_ROWS, sizeof(*k));

	assert_non_null(k);
	for (size_t i = 0; i < N_ROWS; i++) {
		rows[i].build(&k[i]);
		frames[i] = pkt_frame(&k[i]);
	}
	memset(burst, 0, sizeof(burst));
	parse_burst(burst, frames, N_ROWS, PARSE_ETHERNET);
	for (size_t i = 0; i < N_ROWS; i++) {
		memset(&one, 0, sizeof(one));
		parse_frame(&one, &frames[i], PARSE_ETHERNET);
		assert_memory_equal(&burst[i], &one, sizeof(one));
		assert_int_equal(frames[i].tag_len, one.tag_len);
	}
	free(k);
}

int main(void)
{
	static const struct CMUnitTest fixed[] = {
		cmocka_unit_test(fields_of_tcp),
		cmocka_unit_test(padding_is_not_payload),
		cmocka_unit_test(reply_swaps_ports),
		cmocka_unit_test(quoted_tuple),
		cmocka_unit_test(nine_headers_are_too_many),
		cmocka_unit_test(cut_capture),
		cmocka_unit_test(l4_checksums),
		cmocka_unit_test(l4_checksum_left_out),
		cmocka_unit_test(burst_is_frames_one_by_one),
	};
	enum { N_FIXED = sizeof(fixed) / sizeof(fixed[0]) };
	static struct CMUnitTest tests[N_FIXED + 2 * N_ROWS];
	static char raw_name[N_ROWS][64];
	size_t n = N_FIXED;

	memcpy(tests, fixed, sizeof(fixed));
	for (size_t i = 0; i < N_ROWS; i++) {
		void *row = (void *)(uintptr_t)&rows[i];

		tests[n++] = (struct CMUnitTest){
			.name = rows[i].name, .test_func = row_holds, .initial_state = row};
		if (!stands_alone(&rows[i]))
			continue;
		snprintf(raw_name[i], sizeof(raw_name[i]), "%s, without layer 2", rows[i].name);
		tests[n++] = (struct CMUnitTest){
			.name = raw_name[i], .test_func = row_holds_raw, .initial_state = row};
	}
	return _cmocka_run_group_tests("parse", tests, n, NULL, NULL);
}
