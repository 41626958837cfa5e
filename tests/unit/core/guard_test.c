/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guards on a bridge of five ports:
 *   0, 1  access VLAN 10, inside       hosts A (10.0.0.1, MAC 1) and B (10.0.0.2, MAC 2)
 *   2     trunk 10, 20, native 30      inside
 *   3     access VLAN 10, outside, trusted for RA and DHCP
 *   4     access VLAN 20
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard.h"
#include "packet.h"

#define S(n) ((uint64_t)(n)*1000000000u)
#define A4   "10.0.0.1"
#define B4   "10.0.0.2"
#define A6   "fe80::1"
#define B6   "fe80::2"
#define NODE "ff02::1:ff00:2"
#define ALL  "ff02::1"

static const struct engine_port ports[] = {
	{.role = ENGINE_ACCESS, .vlan = 10},
	{.role = ENGINE_ACCESS, .vlan = 10},
	{.role = ENGINE_TRUNK, .vlan = 30, .n_vlans = 2, .vlans = {10, 20}},
	{.role = ENGINE_ACCESS,
	 .vlan = 10,
	 .side = ENGINE_OUTSIDE,
	 .trust = ENGINE_TRUST_RA | ENGINE_TRUST_DHCP},
	{.role = ENGINE_ACCESS, .vlan = 20},
};

#define N_PORTS   (sizeof(ports) / sizeof(ports[0]))
#define OTHERS(p) (0xfu & ~(1u << (p))) /* ports of VLAN 10 but one */

struct bridge {
	struct guard guard;
	struct bind_table *bind;
	uint64_t now_ns;
};

static void *zeroed(size_t size, size_t align)
{
	size_t rounded = (size + align - 1) / align * align;
	void *p = aligned_alloc(align, rounded);

	return p != NULL ? memset(p, 0, rounded) : NULL;
}

static int setup(void **state)
{
	struct bind_config c = {.max = 256, .lease_s = 300, .alloc = zeroed, .free = free};
	struct bridge *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_null(guard_init(&b->guard, ports, N_PORTS));
	b->bind = bind_create(&c);
	assert_non_null(b->bind);
	b->now_ns = S(5);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bridge *b = *state;

	bind_destroy(b->bind);
	free(b);
	return 0;
}

static struct guard_fate send_frame(struct bridge *b, uint16_t port, struct frame f)
{
	struct engine_clock clock = {.now_ns = b->now_ns};
	uint8_t *exact = malloc(f.len);
	struct guard_fate fate;
	struct packet p;

	assert_non_null(exact);
	memcpy(exact, f.data, f.len);
	f.data = exact;
	parse_frame(&p, &f, PARSE_ETHERNET);
	assert_int_equal(p.reason, REASON_NONE);
	assert_int_not_equal(p.guard, PACKET_GUARD_NONE);
	assert_int_equal(guard_domain(&b->guard, port, &p), REASON_NONE);
	fate = guard_frame(&b->guard, b->bind, port, &p, f.data, f.len, clock);
	free(exact);
	return fate;
}

static void assert_drop(struct guard_fate fate, enum reason reason)
{
	assert_int_equal(fate.act, FRAME_DROP);
	assert_string_equal(reason_word(fate.reason), reason_word(reason));
}

static void assert_to(struct guard_fate fate, uint16_t port)
{
	assert_int_equal(fate.act, FRAME_FORWARD);
	assert_int_equal(fate.out_port, port);
}

static void assert_flood(struct guard_fate fate, uint32_t mask)
{
	assert_int_equal(fate.act, FRAME_FLOOD);
	assert_int_equal(fate.flood_ports, mask);
}

static void bound(struct bridge *b, const char *text, unsigned mac_number, uint16_t port)
{
	uint8_t addr[16], mac[6];
	struct bind_claim c = {.addr = addr, .mac = mac, .domain = 10, .port = port};
	uint32_t h;

	c.family = pkt_addr(addr, text);
	pkt_mac(mac, mac_number);
	assert_int_equal(bind_claim(b->bind, &c, (struct engine_clock){.now_ns = b->now_ns}, &h),
			 REASON_NONE);
}

static bool is_bound(struct bridge *b, const char *text)
{
	uint8_t addr[16], family = pkt_addr(addr, text);

	return bind_find(b->bind, 10, family, addr, b->now_ns) != BIND_NONE;
}

/* --- ports and domains */

static void domains(void **state)
{
	static const struct {
		uint16_t port;
		int vlan;        /* -1: untagged */
		uint16_t domain; /* 0: refused */
	} rows[] = {
		{0, -1, 10}, {0, 0, 10},  {0, 10, 0}, {0, 20, 0},   {2, -1, 30}, {2, 0, 30},
		{2, 10, 10}, {2, 20, 20}, {2, 30, 0}, {2, 4095, 0}, {4, -1, 20}, {4, 20, 0},
	};
	struct bridge *b = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet p = {.vlan = (uint16_t)(rows[i].vlan > 0 ? rows[i].vlan : 0)};
		enum reason r = guard_domain(&b->guard, rows[i].port, &p);

		assert_int_equal(r, rows[i].domain != 0 ? REASON_NONE : REASON_VLAN);
		if (r == REASON_NONE)
			assert_int_equal(p.key.domain, rows[i].domain);
	}
}

static void trunk_without_native(void **state)
{
	static const struct engine_port trunk = {.role = ENGINE_TRUNK, .n_vlans = 1, .vlans = {10}};
	static struct guard g;
	struct packet p = {.vlan = 0};

	assert_null(guard_init(&g, &trunk, 1));
	assert_int_equal(guard_domain(&g, 0, &p), REASON_VLAN);
}

static void ports_that_cannot_be(void **state)
{
	static const struct engine_port bad[] = {
		{.role = ENGINE_ACCESS},
		{.role = ENGINE_ACCESS, .vlan = 4095},
		{.role = ENGINE_TRUNK},
		{.role = ENGINE_TRUNK, .vlan = 10},
		{.role = ENGINE_TRUNK, .n_vlans = 1, .vlans = {4095}},
		{.role = ENGINE_TRUNK, .n_vlans = 1, .vlans = {0}},
		{.role = ENGINE_TRUNK, .n_vlans = ENGINE_VLANS_MAX + 1},
	};
	static struct guard g;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(guard_init(&g, &bad[i], 1));
	assert_non_null(guard_init(&g, ports, ENGINE_PORTS_MAX + 1));
}

static void members_of_a_domain(void **state)
{
	struct bridge *b = *state;

	assert_int_equal(guard_members(&b->guard, 10, 0), OTHERS(0));
	assert_int_equal(guard_members(&b->guard, 20, 4), 1u << 2);
	assert_int_equal(guard_members(&b->guard, 30, 2), 0);
}

/* --- ARP */

static struct frame arp(struct pkt *k, unsigned dst, unsigned src, uint16_t op, unsigned sha, const char *spa,
			const char *tpa)
{
	pkt_ether(k, dst, src);
	pkt_arp(k, op, sha, spa, 0, tpa);
	return pkt_frame(k);
}

static void arp_request_to_nobody_known(void **state)
{
	struct bridge *b = *state;
	struct pkt k;

	assert_flood(send_frame(b, 0, arp(&k, PKT_BROADCAST, 1, 1, 1, A4, B4)), OTHERS(0));
	assert_true(is_bound(b, A4));
	assert_false(is_bound(b, B4));
}

static void arp_request_to_a_known_one(void **state)
{
	struct bridge *b = *state;
	struct pkt k;

	bound(b, B4, 2, 1);
	assert_to(send_frame(b, 0, arp(&k, PKT_BROADCAST, 1, 1, 1, A4, B4)), 1);
	assert_to(send_frame(b, 0, arp(&k, 2, 1, 1, 1, A4, B4)), 1);
	assert_drop(send_frame(b, 0, arp(&k, 3, 1, 1, 1, A4, B4)), REASON_NO_PORT);
	assert_drop(send_frame(b, 0, arp(&k, 3, 1, 1, 1, A4, "10.0.0.77")), REASON_NO_PORT);
	bound(b, "10.0.0.3", 3, 0);
	assert_drop(send_frame(b, 0, arp(&k, PKT_BROADCAST, 1, 1, 1, A4, "10.0.0.3")), REASON_SAME_PORT);
}

static void arp_reply(void **state)
{
	struct bridge *b = *state;
	struct pkt k;

	assert_drop(send_frame(b, 1, arp(&k, 1, 2, 2, 2, B4, A4)), REASON_NO_PORT);
	bound(b, A4, 1, 0);
	assert_to(send_frame(b, 1, arp(&k, 1, 2, 2, 2, B4, A4)), 0);
	assert_drop(send_frame(b, 1, arp(&k, PKT_BROADCAST, 2, 2, 2, B4, A4)), REASON_ARP);
	assert_drop(send_frame(b, 1, arp(&k, 1, 2, 2, 2, "0.0.0.0", A4)), REASON_ARP);
}

static void arp_liars(void **state)
{
	static const char *const senders[] = {"127.0.0.1", "224.0.0.1", "255.255.255.255"};
	struct bridge *b = *state;
	struct pkt k;

	bound(b, A4, 1, 0);
	assert_drop(send_frame(b, 1, arp(&k, PKT_BROADCAST, 2, 1, 2, A4, B4)), REASON_ARP);
	assert_drop(send_frame(b, 1, arp(&k, PKT_BROADCAST, 1, 1, 1, A4, B4)), REASON_ARP);
	assert_drop(send_frame(b, 1, arp(&k, PKT_BROADCAST, 2, 1, 3, B4, A4)),
		    REASON_ARP); /* not its own MAC */
	assert_drop(send_frame(b, 1, arp(&k, 1, 2, 2, 2, A4, A4)), REASON_ARP);
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++)
		assert_drop(send_frame(b, 1, arp(&k, PKT_BROADCAST, 2, 1, 2, senders[i], A4)), REASON_ARP);
	assert_int_equal(bind_count(b->bind), 1);
}

static void arp_malformed(void **state)
{
	struct bridge *b = *state;
	struct frame f;
	struct pkt k;

	for (uint32_t i = 0; i < 8; i++) { /* each byte of the fixed part */
		f = arp(&k, PKT_BROADCAST, 1, 1, 1, A4, B4);
		f.data[k.l3 + i] ^= 0x40;
		assert_drop(send_frame(b, 0, f), REASON_ARP);
	}
	for (uint32_t len = 14; len < 42; len++) {
		f = arp(&k, PKT_BROADCAST, 1, 1, 1, A4, B4);
		f.len = f.wire_len = len;
		assert_drop(send_frame(b, 0, f), REASON_ARP);
	}
	assert_int_equal(bind_count(b->bind), 0);
}

static void arp_probe_and_announcement(void **state)
{
	struct bridge *b = *state;
	struct pkt k;

	assert_flood(send_frame(b, 0, arp(&k, PKT_BROADCAST, 1, 1, 1, "0.0.0.0", A4)), OTHERS(0));
	assert_int_equal(bind_count(b->bind), 0);
	assert_flood(send_frame(b, 0, arp(&k, PKT_BROADCAST, 1, 1, 1, A4, A4)), OTHERS(0));
	assert_true(is_bound(b, A4));
	assert_to(send_frame(b, 1, arp(&k, PKT_BROADCAST, 2, 1, 2, "0.0.0.0", A4)), 0);
}

static unsigned passed(struct bridge *b, uint16_t port, struct frame f, unsigned n)
{
	unsigned count = 0;

	while (n-- > 0)
		count += send_frame(b, port, f).act != FRAME_DROP;
	return count;
}

static void arp_rate_per_endpoint(void **state)
{
	struct bridge *b = *state;
	struct frame f;
	struct pkt k;

	f = arp(&k, PKT_BROADCAST, 1, 1, 1, A4, B4);
	assert_int_equal(passed(b, 0, f, 200), GUARD_ARP_PER_S);
	b->now_ns += S(1) / 10;
	assert_int_equal(passed(b, 0, f, 200), GUARD_ARP_PER_S / 10);
	b->now_ns += S(60);
	assert_int_equal(passed(b, 0, f, 200), GUARD_ARP_PER_S);
	f = arp(&k, PKT_BROADCAST, 3, 1, 3, "10.0.0.3", B4); /* the neighbour has its own */
	assert_int_equal(passed(b, 0, f, 10), 10);
	f = arp(&k, PKT_BROADCAST, 9, 1, 9, "0.0.0.0", B4);
	assert_int_equal(passed(b, 0, f, 1000), GUARD_PROBE_PER_S);
}

static void arp_stays_in_its_domain(void **state)
{
	struct bridge *b = *state;
	struct frame f;
	struct pkt k;

	bound(b, B4, 2, 1); /* in VLAN 10 */
	f = arp(&k, PKT_BROADCAST, 4, 1, 4, "10.0.0.4", B4);
	assert_flood(send_frame(b, 4, f), 1u << 2);
	pkt_ether(&k, PKT_BROADCAST, 5);
	pkt_tag(&k, 0x8100, 20);
	pkt_arp(&k, 1, 5, "10.0.0.5", 0, "10.0.0.6");
	assert_flood(send_frame(b, 2, pkt_frame(&k)), 1u << 4);
	f = arp(&k, PKT_BROADCAST, 6, 1, 6, "10.0.0.6", B4); /* native VLAN 30 has no other port */
	assert_drop(send_frame(b, 2, f), REASON_NO_PORT);
}

/* --- neighbour discovery */

struct nd {
	unsigned dst_mac, src_mac;
	const char *src, *dst;
	uint8_t type;
	const char *target;
	uint8_t opt;
	unsigned opt_mac;
};

static struct frame nd(struct pkt *k, struct nd n)
{
	pkt_ether(k, n.dst_mac, n.src_mac);
	pkt_ip(k, n.src, n.dst);
	pkt_nd(k, n.type, n.target, n.opt, n.opt_mac);
	return pkt_done(k);
}

static const struct nd ask_b = {PKT_MULTICAST, 1, A6, NODE, 135, B6, 1, 1};
static const struct nd b_tells_a = {1, 2, B6, A6, 136, B6, 2, 2};

static void nd_solicitation(void **state)
{
	struct bridge *b = *state;
	struct pkt k;

	assert_flood(send_frame(b, 0, nd(&k, ask_b)), OTHERS(0));
	assert_true(is_bound(b, A6));
	assert_false(is_bound(b, B6));
	bound(b, B6, 2, 1);
	assert_to(send_frame(b, 0, nd(&k, ask_b)), 1);
	assert_to(send_frame(b, 0, nd(&k, (struct nd){2, 1, A6, B6, 135, B6, 1, 1})), 1);
	assert_drop(send_frame(b, 0, nd(&k, (struct nd){3, 1, A6, B6, 135, B6, 1, 1})), REASON_NO_PORT);
}

static void nd_advertisement(void **state)
{
	struct bridge *b = *state;
	struct pkt k;

	assert_drop(send_frame(b, 1, nd(&k, b_tells_a)), REASON_NO_PORT);
	bound(b, A6, 1, 0);
	assert_to(send_frame(b, 1, nd(&k, b_tells_a)), 0);
	assert_true(is_bound(b, B6));
	assert_flood(send_frame(b, 1, nd(&k, (struct nd){PKT_MULTICAST, 2, B6, ALL, 136, B6, 2, 2})),
		     OTHERS(1));
	/* an address of its own that it has not used yet */
	assert_to(send_frame(b, 1, nd(&k, (struct nd){1, 2, B6, A6, 136, "fd00::2", 2, 2})), 0);
	assert_true(is_bound(b, "fd00::2"));
}

static void nd_liars(void **state)
{
	static const struct nd rows[] = {
		{1, 3, "fe80::3", A6, 136, B6, 2, 3},                /* B's address */
		{1, 3, B6, A6, 136, B6, 2, 3},                       /* in B's name */
		{1, 3, "fe80::3", A6, 136, "fe80::3", 2, 2},         /* B's MAC */
		{PKT_MULTICAST, 3, "fe80::3", NODE, 135, B6, 1, 2},  /* B's MAC in a question */
		{PKT_MULTICAST, 3, B6, NODE, 135, A6, 1, 3},         /* asks in B's name */
		{PKT_MULTICAST, 3, "::", NODE, 135, B6, 1, 3},       /* DAD has no address to give */
		{2, 3, "::", B6, 135, B6, 0, 0},                     /* DAD asks the group */
		{PKT_MULTICAST, 3, "::", ALL, 136, "fe80::9", 2, 3}, /* an answer has a sender */
		{PKT_MULTICAST, 3, "fe80::3", NODE, 135, ALL, 1, 3}, /* a group is no neighbour */
		{PKT_MULTICAST, 3, "fe80::3", NODE, 135, "::", 1, 3},
		{PKT_BROADCAST, 3, "fe80::3", B6, 135, B6, 1, 3}, /* group MAC, unicast address */
	};
	struct bridge *b = *state;
	struct pkt k;

	bound(b, A6, 1, 0);
	bound(b, B6, 2, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_drop(send_frame(b, 3, nd(&k, rows[i])), REASON_ND);
	assert_false(is_bound(b, "fe80::9"));
}

static void nd_spoofed_shape(void **state)
{
	struct bridge *b = *state;
	struct pkt k;

	assert_drop(send_frame(b, 0, nd(&k, (struct nd){2, 1, A6, NODE, 135, B6, 1, 1})), REASON_SPOOF);
	assert_drop(send_frame(b, 0, nd(&k, (struct nd){2, 1, "::1", B6, 135, B6, 1, 1})), REASON_SPOOF);
}

static void nd_malformed(void **state)
{
	static const struct {
		uint32_t at; /* from the IPv6 header */
		uint8_t value;
	} spoil[] = {
		{7, 254}, /* hop limit */
		{41, 1},  /* code */
		{65, 0},  /* option of no length */
		{65, 2},  /* option beyond the end */
	};
	struct bridge *b = *state;
	struct pkt k;

	for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
		nd(&k, ask_b);
		k.data[k.l3 + spoil[i].at] = spoil[i].value;
		k.data[k.l4 + 2] = k.data[k.l4 + 3] = 0;
		assert_drop(send_frame(b, 0, pkt_done(&k)), REASON_ND);
	}
	nd(&k, ask_b);
	pkt_zeros(&k, 1);
	assert_drop(send_frame(b, 0, pkt_done(&k)), REASON_ND);
	nd(&k, ask_b);
	k.data[k.l4 + 2] ^= 1;
	assert_drop(send_frame(b, 0, pkt_frame(&k)), REASON_CHECKSUM);
	nd(&k, ask_b);
	k.len = k.l4 + 20;
	k.data[k.l4 + 2] = k.data[k.l4 + 3] = 0;
	assert_drop(send_frame(b, 0, pkt_done(&k)), REASON_ND);
	assert_int_equal(bind_count(b->bind), 0);
}

static void nd_cut_capture(void **state)
{
	struct bridge *b = *state;
	struct frame f;
	struct pkt k;

	f = nd(&k, ask_b);
	f.len -= 1;
	assert_drop(send_frame(b, 0, f), REASON_TRUNCATED);
}

static void nd_duplicate_address_detection(void **state)
{
	static const struct nd dad = {PKT_MULTICAST, 1, "::", NODE, 135, B6, 0, 0};
	struct bridge *b = *state;
	struct pkt k;

	assert_flood(send_frame(b, 0, nd(&k, dad)), OTHERS(0));
	assert_int_equal(bind_count(b->bind), 0);
	bound(b, B6, 2, 1);
	assert_to(send_frame(b, 0, nd(&k, dad)), 1);
	assert_flood(send_frame(b, 1, nd(&k, dad)), OTHERS(1)); /* its own port: the others may object */
}

static struct frame icmp6(struct pkt *k, uint8_t type)
{
	pkt_ether(k, PKT_MULTICAST, 1);
	pkt_ip(k, A6, "ff02::2");
	pkt_icmp(k, type, 0, 0);
	k->data[k->l3 + 7] = 255;
	pkt_zeros(k, 32);
	return pkt_done(k);
}

static void nd_routers(void **state)
{
	struct bridge *b = *state;
	struct frame f;
	struct pkt k;

	assert_drop(send_frame(b, 3, icmp6(&k, 134)), REASON_ND);
	assert_drop(send_frame(b, 0, icmp6(&k, 134)), REASON_ND);
	assert_drop(send_frame(b, 3, icmp6(&k, 137)), REASON_ND);
	pkt_ether(&k, PKT_MULTICAST, 1);
	pkt_ip(&k, A6, "ff02::2");
	pkt_icmp(&k, 133, 0, 0);
	k.data[k.l3 + 7] = 255;
	f = pkt_done(&k);
	assert_flood(send_frame(b, 0, f), 1u << 3);
	assert_drop(send_frame(b, 4, f), REASON_ND); /* no trusted port in its domain */
}

/* --- the rest */

static void group_management_is_swallowed(void **state)
{
	static const uint8_t types[] = {130, 131, 132, 143};
	struct bridge *b = *state;
	struct pkt k;

	for (size_t i = 0; i < sizeof(types); i++)
		assert_drop(send_frame(b, 0, icmp6(&k, types[i])), REASON_MULTICAST);
	pkt_ether(&k, PKT_MULTICAST, 1);
	pkt_ip(&k, A4, "224.0.0.22");
	pkt_proto(&k, 2);
	pkt_zeros(&k, 8);
	assert_drop(send_frame(b, 0, pkt_done(&k)), REASON_MULTICAST);
	assert_int_equal(bind_count(b->bind), 0);
}

static void dhcp_is_refused(void **state)
{
	struct bridge *b = *state;
	struct pkt k;

	pkt_ether(&k, PKT_BROADCAST, 1);
	pkt_ip(&k, "0.0.0.0", "255.255.255.255");
	pkt_udp(&k, 68, 67);
	assert_drop(send_frame(b, 0, pkt_done(&k)), REASON_DHCP);
	pkt_ether(&k, 1, 3);
	pkt_ip(&k, "10.0.0.9", A4);
	pkt_udp(&k, 67, 68);
	assert_drop(send_frame(b, 3, pkt_done(&k)), REASON_DHCP);
	assert_int_equal(bind_count(b->bind), 0);
}

static enum reason admit(struct bridge *b, uint16_t port, unsigned dst_mac, const char *src, const char *dst)
{
	struct engine_clock clock = {.now_ns = b->now_ns};
	struct packet p;
	struct frame f;
	struct pkt k;
	uint32_t h;

	pkt_ether(&k, dst_mac, 1);
	pkt_ip(&k, src, dst);
	pkt_udp(&k, 1, 2);
	f = pkt_done(&k);
	parse_frame(&p, &f, PARSE_ETHERNET);
	assert_int_equal(guard_domain(&b->guard, port, &p), REASON_NONE);
	return guard_admit(b->bind, port, &p, clock, &h);
}

static void admission(void **state)
{
	struct bridge *b = *state;

	assert_int_equal(admit(b, 0, 2, A4, B4), REASON_NONE);
	assert_int_equal(admit(b, 0, 2, A4, "239.1.1.1"), REASON_SPOOF);
	assert_int_equal(admit(b, 0, 2, A4, "255.255.255.255"), REASON_SPOOF);
	assert_int_equal(admit(b, 0, PKT_BROADCAST, A4, "255.255.255.255"), REASON_NONE);
	assert_int_equal(admit(b, 0, PKT_MULTICAST, A6, "ff02::fb"), REASON_NONE);
	assert_int_equal(admit(b, 0, 2, A6, "ff02::fb"), REASON_SPOOF);
	assert_int_equal(admit(b, 0, 2, A4, A4), REASON_SPOOF);
	assert_int_equal(admit(b, 0, 2, "0.0.0.0", B4), REASON_SPOOF);
	assert_int_equal(admit(b, 0, 2, "::", B6), REASON_SPOOF);
	assert_int_equal(admit(b, 1, 2, A4, B4), REASON_SPOOF); /* holds it at port 0 */
}

static void multicast_rate(void **state)
{
	struct bridge *b = *state;
	uint8_t addr[16];
	unsigned count = 0;
	uint32_t h;

	bound(b, A4, 1, 0);
	pkt_addr(addr, A4);
	h = bind_find(b->bind, 10, 4, addr, b->now_ns);
	for (int i = 0; i < 5000; i++)
		count += guard_group(b->bind, h, b->now_ns);
	assert_int_equal(count, GUARD_GROUP_PER_S);
	assert_true(guard_group(b->bind, h, b->now_ns + S(1)));
}

#define BRIDGE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		BRIDGE_TEST(domains),
		cmocka_unit_test(trunk_without_native),
		cmocka_unit_test(ports_that_cannot_be),
		BRIDGE_TEST(members_of_a_domain),
		BRIDGE_TEST(arp_request_to_nobody_known),
		BRIDGE_TEST(arp_request_to_a_known_one),
		BRIDGE_TEST(arp_reply),
		BRIDGE_TEST(arp_liars),
		BRIDGE_TEST(arp_malformed),
		BRIDGE_TEST(arp_probe_and_announcement),
		BRIDGE_TEST(arp_rate_per_endpoint),
		BRIDGE_TEST(arp_stays_in_its_domain),
		BRIDGE_TEST(nd_solicitation),
		BRIDGE_TEST(nd_advertisement),
		BRIDGE_TEST(nd_liars),
		BRIDGE_TEST(nd_spoofed_shape),
		BRIDGE_TEST(nd_malformed),
		BRIDGE_TEST(nd_cut_capture),
		BRIDGE_TEST(nd_duplicate_address_detection),
		BRIDGE_TEST(nd_routers),
		BRIDGE_TEST(group_management_is_swallowed),
		BRIDGE_TEST(dhcp_is_refused),
		BRIDGE_TEST(admission),
		BRIDGE_TEST(multicast_rate),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
