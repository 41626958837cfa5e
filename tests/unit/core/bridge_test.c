/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine in layer-2 mode: bindings decide who is who, where frames go, and who may not speak for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "rig.h"

enum { LAN1, LAN2, TRUNK, WAN };

static const struct mkimage_cell policy[] = {
	{RIG_WEB, RIG_DB, TCP(5432), ALLOW(1)},
	{RIG_WEB, RIG_DB, UDP(53), ALLOW(2)},
	{RIG_WEB, RIG_DB, PING6, ALLOW(5)},
	{RIG_WEB, IDENTITY_UNKNOWN, UDP(53), ALLOW(4)},
	{RIG_WEB, IDENTITY_MULTICAST, UDP(5353), ALLOW(3)},
};

/* WEB at LAN1, DB at LAN2, GUEST at the trunk, ADMIN beside WEB. */
static int setup(void **state)
{
	static struct rig r;

	rig_bridge(&r, NULL);
	rig_publish(&r, 1, policy, N(policy));
	rig_bind(&r, WEB, 10, LAN1, RIG_WEB);
	rig_bind(&r, DB, 10, LAN2, RIG_DB);
	rig_bind(&r, GUEST, 10, TRUNK, RIG_GUEST);
	rig_bind(&r, ADMIN, 10, LAN1, RIG_DB);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void frames_go_where_the_responder_is(void **state)
{
	struct rig *r = *state;
	struct record rec;

	assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_SYN), REASON_NONE);
	assert_int_equal(r->last.act, FRAME_FORWARD);
	assert_int_equal(r->last.out_port, LAN2);
	assert_int_equal(r->last.domain, 10);
	assert_int_equal(rig_tcp(r, LAN2, DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK), REASON_NONE);
	assert_int_equal(r->last.out_port, LAN1);
	rec = rig_record(r, RECORD_OPEN);
	assert_int_equal(rec.in_port, LAN1);
	assert_int_equal(rec.out_port, LAN2);
	assert_int_equal(rec.domain, 10);
	assert_int_equal(rec.src_mac[5], WEB);
	assert_int_equal(rec.dst_mac[5], DB);
}

static void what_no_rule_names_is_refused(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_tcp(r, LAN2, DB, 1000, WEB, 5432, PKT_SYN), REASON_NO_RULE);
	assert_int_equal(rig_record(r, RECORD_REFUSED).out_port, LAN1);
	assert_int_equal(rig_udp(r, TRUNK, GUEST, 1000, DB, 53), REASON_VLAN); /* the trunk wants a tag */
	assert_int_equal(rig_count(r)->decisions, 1);
}

static void nobody_speaks_for_another(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	/* as a first packet */
	assert_int_equal(rig_udp(r, LAN2, WEB, 1000, DB, 53), REASON_SPOOF);
	/* inside a live session: other port, then other MAC at the right port */
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 53), REASON_NONE);
	assert_int_equal(rig_udp(r, LAN2, WEB, 1000, DB, 53), REASON_SPOOF);
	rig_make_udp(r, &p, WEB, 1000, DB, 53);
	p.data[11] = 0x77;
	assert_int_equal(rig_send(r, LAN1, &p), REASON_SPOOF);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 53), REASON_NONE);
	assert_int_equal(rig_count(r)->decisions, 1);
	assert_int_equal(rig_count(r)->dropped[LAN2][REASON_SPOOF], 2);
}

static void a_frame_for_another_mac_goes_nowhere(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	rig_make_udp(r, &p, WEB, 1000, DB, 53);
	p.data[5] = GUEST;
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NO_PORT);
	assert_int_equal(rig_count(r)->sessions, 0);
	assert_int_equal(rig_count(r)->decisions, 0);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 53), REASON_NONE);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NO_PORT);
}

static void unknown_unicast_is_never_flooded(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, 99, 53), REASON_NO_PORT);
	assert_int_equal(rig_count(r)->decisions, 0);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, 99, 54), REASON_NO_RULE);
	assert_int_equal(rig_count(r)->decisions, 1);
}

static void neighbours_at_one_port_talk_without_us(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, ADMIN, 53), REASON_SAME_PORT);
	assert_int_equal(rig_count(r)->sessions, 0);
}

static void too_large_for_the_way_out(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	pkt_ether(&p, DB, WEB);
	pkt_ip(&p, "10.0.10.1", "10.0.10.2");
	pkt_udp(&p, 1000, 53);
	pkt_zeros(&p, 1400 - 28 + 1);
	pkt_done(&p);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_MTU);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 53), REASON_NONE);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_MTU);
	pkt_ether(&p, DB, WEB);
	pkt_ip(&p, "10.0.10.1", "10.0.10.2");
	pkt_udp(&p, 1000, 53);
	pkt_zeros(&p, 1400 - 28);
	pkt_done(&p);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NONE);
}

static void a_new_identity_is_decided_again(void **state)
{
	struct rig *r = *state;
	struct record rec;

	rig_udp(r, LAN1, WEB, 1000, DB, 53);
	rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_SYN);
	rig_record(r, RECORD_OPEN);
	rig_record(r, RECORD_OPEN);
	rig_bind(r, GUEST, 10, TRUNK, RIG_ADMIN); /* not theirs */
	assert_int_equal(rig_udp(r, LAN2, DB, 53, WEB, 1000), REASON_NONE);
	assert_int_equal(rig_count(r)->redecided, 0);
	rig_bind(r, DB, 10, LAN2, RIG_GUEST);
	assert_int_equal(rig_udp(r, LAN2, DB, 53, WEB, 1000), REASON_NO_RULE);
	rec = rig_record(r, RECORD_CHANGED);
	assert_int_equal(rec.verdict, VERDICT_DENY);
	assert_int_equal(rig_record(r, RECORD_END).end, RECORD_END_REVOKED);
	engine_tick(r->engine, r->now, 64);
	rig_record(r, RECORD_CHANGED);
	rig_record(r, RECORD_END);
	assert_int_equal(rig_count(r)->sessions, 0);
	rig_laws(r);
}

static void a_cut_tcp_session_is_reset(void **state)
{
	struct rig *r = *state;
	uint8_t room[2048];
	struct frame f = {.data = room, .len = sizeof(room)};

	rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_SYN);
	rig_tcp(r, LAN2, DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK);
	rig_bind(r, DB, 10, LAN2, RIG_GUEST);
	assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK), REASON_NO_RULE);
	assert_true(engine_originated(r->engine, &f));
	assert_int_equal(f.out_port, LAN1);
	assert_int_equal(f.domain, 10);
	assert_true(f.data[14 + 20 + 13] & PKT_RST);
	assert_true(pkt_sums_good(f.data, f.len));
	/* the far end gets one with the sequence number it waits for */
	f.len = sizeof(room);
	assert_true(engine_originated(r->engine, &f));
	assert_int_equal(f.out_port, LAN2);
	assert_int_equal(f.data[5], DB);
	assert_int_equal(f.data[14 + 15], WEB);
	assert_true(f.data[14 + 20 + 13] & PKT_RST);
	assert_int_equal(f.data[14 + 20 + 7], 100);
	assert_true(pkt_sums_good(f.data, f.len));
	f.len = sizeof(room);
	assert_false(engine_originated(r->engine, &f));
}

static void a_stranger_becomes_known(void **state)
{
	struct rig *r = *state;
	struct dp_endpoint event;

	assert_int_equal(rig_udp(r, LAN1, 50, 1000, DB, 53), REASON_NO_RULE);
	assert_int_equal(rig_record(r, RECORD_REFUSED).src_identity, IDENTITY_UNKNOWN);
	assert_true(engine_event(r->engine, &event));
	assert_int_equal(event.kind, DP_ENDPOINT_NEW);
	assert_int_equal(event.addr[3], 50);
	assert_int_equal(event.port, LAN1);
	rig_bind(r, 50, 10, LAN1, RIG_WEB);
	assert_int_equal(rig_udp(r, LAN1, 50, 1000, DB, 53), REASON_NONE);
	assert_int_equal(rig_count(r)->bindings, 5);
}

static void leases_end_sessions(void **state)
{
	struct rig *r = *state;

	rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_SYN);
	rig_tcp(r, LAN2, DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK);
	rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK);
	rig_record(r, RECORD_OPEN);
	/* both ends speak: the lease is renewed */
	for (int i = 0; i < 4; i++) {
		rig_pass_time(r, 200);
		assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK), REASON_NONE);
		assert_int_equal(rig_tcp(r, LAN2, DB, 5432, WEB, 1000, PKT_ACK), REASON_NONE);
	}
	rig_pass_time(r, 301);
	assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK), REASON_NO_RULE);
	assert_int_equal(rig_count(r)->sessions, 0);
}

static void an_idle_session_ends_with_its_lease(void **state)
{
	struct rig *r = *state;

	rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_SYN);
	rig_tcp(r, LAN2, DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK);
	rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK);
	rig_record(r, RECORD_OPEN);
	rig_pass_time(r, 299);
	engine_tick(r->engine, r->now, 64);
	assert_int_equal(rig_count(r)->sessions, 1);
	rig_pass_time(r, 2);
	engine_tick(r->engine, r->now, 64);
	rig_laws(r);
	assert_int_equal(rig_record(r, RECORD_CHANGED).verdict, VERDICT_DENY);
	assert_int_equal(rig_record(r, RECORD_END).end, RECORD_END_REVOKED);
	assert_int_equal(rig_count(r)->sessions, 0);
}

static void multicast_reaches_the_domain(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	pkt_ether(&p, PKT_MULTICAST, WEB);
	pkt_ip(&p, "10.0.10.1", "224.0.0.251");
	pkt_udp(&p, 5353, 5353);
	pkt_done(&p);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NONE);
	assert_int_equal(r->last.act, FRAME_FLOOD);
	assert_int_equal(r->last.flood_ports, 1u << LAN2 | 1u << TRUNK | 1u << WAN);
	assert_int_equal(rig_record(r, RECORD_OPEN).out_port, UINT16_MAX);
	engine_port_state(r->engine, TRUNK, false);
	rig_send(r, LAN1, &p);
	assert_int_equal(r->last.flood_ports, 1u << LAN2 | 1u << WAN);
	assert_int_equal(rig_count(r)->forwarded, 2);
	/* a thousand a second is enough */
	for (int i = 0; i < 1200; i++)
		rig_send(r, LAN1, &p);
	assert_int_equal(r->last.reason, REASON_MULTICAST);
	rig_pass_time(r, 1);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NONE);
	/* not by rule */
	pkt_ether(&p, PKT_MULTICAST, DB);
	pkt_ip(&p, "10.0.10.2", "224.0.0.251");
	pkt_udp(&p, 5353, 5353);
	pkt_done(&p);
	assert_int_equal(rig_send(r, LAN2, &p), REASON_MULTICAST);
}

static void a_port_that_is_down_takes_nothing(void **state)
{
	struct rig *r = *state;

	rig_udp(r, LAN1, WEB, 1000, DB, 53);
	engine_port_state(r->engine, LAN2, false);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 53), REASON_NO_PORT);
	engine_port_state(r->engine, LAN2, true);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 53), REASON_NONE);
}

static void tags_name_the_domain(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	rig_bind(r, WEB, 20, TRUNK, RIG_WEB);
	pkt_ether(&p, DB, GUEST);
	pkt_tag(&p, 0x8100, 10);
	pkt_ip(&p, "10.0.10.3", "10.0.10.2");
	pkt_udp(&p, 1000, 53);
	pkt_done(&p);
	assert_int_equal(rig_send(r, TRUNK, &p), REASON_NO_RULE);
	assert_int_equal(rig_record(r, RECORD_REFUSED).src_identity, RIG_GUEST);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_VLAN);
	/* the same pair in the other domain: nobody is there */
	p.data[15] = 20;
	assert_int_equal(rig_send(r, TRUNK, &p), REASON_NO_RULE);
	assert_int_equal(rig_record(r, RECORD_REFUSED).src_identity, IDENTITY_UNKNOWN);
}

static void arp_goes_by_the_bindings(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	pkt_ether(&p, PKT_BROADCAST, WEB);
	pkt_arp(&p, 1, WEB, "10.0.10.1", 0, "10.0.10.2");
	rig_send(r, LAN1, &p);
	assert_int_equal(r->last.act, FRAME_FORWARD);
	assert_int_equal(r->last.out_port, LAN2);
	assert_int_equal(rig_count(r)->decisions, 0);
	assert_int_equal(rig_count(r)->l2[LAN1], 0);
	pkt_ether(&p, PKT_BROADCAST, GUEST);
	pkt_arp(&p, 1, GUEST, "10.0.10.1", 0, "10.0.10.2");
	assert_true(rig_send(r, LAN1, &p) != REASON_NONE);
	assert_false(rig_passed(r));
}

static void begin6(struct pkt *p, unsigned from, unsigned to)
{
	char a[40], b[40];

	snprintf(a, sizeof(a), "fd00:10::%u", from);
	snprintf(b, sizeof(b), "fd00:10::%u", to);
	pkt_ether(p, to, from);
	pkt_ip(p, a, b);
}

static enum reason udp6(struct rig *r, uint32_t port, unsigned from, uint16_t sport, unsigned to,
			uint16_t dport)
{
	struct pkt p;

	begin6(&p, from, to);
	pkt_udp(&p, sport, dport);
	pkt_done(&p);
	return rig_send(r, port, &p);
}

static enum reason ping6(struct rig *r, uint32_t port, unsigned from, unsigned to, uint8_t type)
{
	struct pkt p;

	begin6(&p, from, to);
	pkt_icmp(&p, type, 0, 7 << 16 | 1);
	pkt_done(&p);
	return rig_send(r, port, &p);
}

static void ipv6_is_the_same(void **state)
{
	struct rig *r = *state;
	struct record rec;

	rig_bind6(r, WEB, 10, LAN1, RIG_WEB);
	rig_bind6(r, DB, 10, LAN2, RIG_DB);
	assert_int_equal(udp6(r, LAN1, WEB, 1000, DB, 53), REASON_NONE);
	rec = rig_record(r, RECORD_OPEN);
	assert_int_equal(rec.family, RECORD_IPV6);
	assert_int_equal(rec.src[0], 0xfd);
	assert_int_equal(rec.src[15], WEB);
	assert_int_equal(rec.packets[0], 1);
	assert_int_equal(rec.bytes[0], 48);
	assert_int_equal(udp6(r, LAN2, DB, 53, WEB, 1000), REASON_NONE);
	assert_int_equal(udp6(r, LAN2, DB, 1000, WEB, 53), REASON_NO_RULE);
	assert_int_equal(udp6(r, LAN2, WEB, 1000, DB, 53), REASON_SPOOF);
	assert_int_equal(ping6(r, LAN1, WEB, DB, 128), REASON_NONE);
	assert_int_equal(ping6(r, LAN2, DB, WEB, 129), REASON_NONE);
	assert_int_equal(ping6(r, LAN2, DB, WEB, 128), REASON_NO_RULE);
	assert_int_equal(ping6(r, LAN1, WEB, DB, 129), REASON_NO_SESSION);
}

static void too_big_comes_back(void **state)
{
	struct rig *r = *state;
	struct pkt udp, error;

	rig_bind6(r, WEB, 10, LAN1, RIG_WEB);
	rig_bind6(r, DB, 10, LAN2, RIG_DB);
	begin6(&udp, WEB, DB);
	pkt_udp(&udp, 1000, 53);
	pkt_done(&udp);
	begin6(&error, DB, WEB);
	pkt_icmp(&error, 2, 0, 1280);
	pkt_bytes(&error, udp.data + 14, 48);
	pkt_done(&error);
	assert_int_equal(rig_send(r, LAN2, &error), REASON_ICMP_UNRELATED);
	assert_int_equal(rig_send(r, LAN1, &udp), REASON_NONE);
	assert_int_equal(rig_send(r, LAN2, &error), REASON_NONE);
	assert_int_equal(r->last.out_port, LAN1);
	/* from a port where its sender does not live */
	assert_int_equal(rig_send(r, WAN, &error), REASON_SPOOF);
}

static void a_binding_for_a_newer_policy_waits(void **state)
{
	struct rig *r = *state;
	struct dp_binding b = {.domain = 10,
			       .port = LAN1,
			       .identity = RIG_WEB,
			       .dictionary = MKIMAGE_IDENTITIES + 1,
			       .lease_s = 300,
			       .family = 4,
			       .addr = {10, 0, 10, 60},
			       .mac = {2, 0, 0, 0, 0, 60}};

	assert_int_equal(engine_bind(r->engine, &b, r->now), -ESTALE);
	b.dictionary--;
	assert_int_equal(engine_bind(r->engine, &b, r->now), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(frames_go_where_the_responder_is),
		CASE(what_no_rule_names_is_refused),
		CASE(nobody_speaks_for_another),
		CASE(a_frame_for_another_mac_goes_nowhere),
		CASE(unknown_unicast_is_never_flooded),
		CASE(neighbours_at_one_port_talk_without_us),
		CASE(too_large_for_the_way_out),
		CASE(a_new_identity_is_decided_again),
		CASE(a_cut_tcp_session_is_reset),
		CASE(a_stranger_becomes_known),
		CASE(leases_end_sessions),
		CASE(an_idle_session_ends_with_its_lease),
		CASE(multicast_reaches_the_domain),
		CASE(a_port_that_is_down_takes_nothing),
		CASE(tags_name_the_domain),
		CASE(arp_goes_by_the_bindings),
		CASE(ipv6_is_the_same),
		CASE(too_big_comes_back),
		CASE(a_binding_for_a_newer_policy_waits),
	};

	return cmocka_run_group_tests_name("bridge", tests, NULL, NULL);
}
