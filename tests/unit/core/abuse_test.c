/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attacks that take more than one frame: what one permission opened must not carry anything that permission
 * was not asked about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

enum { LAN1, LAN2, TRUNK, WAN };

static const struct mkimage_cell policy[] = {
	{RIG_WEB, RIG_DB, PING, ALLOW(5)},
	{RIG_WEB, RIG_DB, STAMP, ALLOW(7)},
	{RIG_WEB, RIG_DB, KEYS(1, 14 << 8), ALLOW(8)},
	{RIG_WEB, RIG_DB, TCP(5432), ALLOW(1)},
	{RIG_WEB, RIG_DB, UDP(53), ALLOW(2)},
	{RIG_WEB, RIG_DB, PING6, ALLOW(6)},
	{RIG_WEB, IDENTITY_MULTICAST, UDP(99), ALLOW(4)},
	{RIG_WEB, IDENTITY_MULTICAST, UDP(5353), ALLOW(3)},
};

/* WEB at LAN1, DB at LAN2, GUEST at the outside port. */
static int setup(void **state)
{
	static struct rig r;

	rig_bridge(&r, NULL);
	rig_publish(&r, 1, policy, N(policy));
	rig_bind(&r, WEB, 10, LAN1, RIG_WEB);
	rig_bind(&r, DB, 10, LAN2, RIG_DB);
	rig_bind(&r, GUEST, 10, WAN, RIG_GUEST);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void make(struct pkt *p, unsigned dst_mac, unsigned from, uint16_t sport, const char *to,
		 uint16_t dport)
{
	char source[16];

	snprintf(source, sizeof(source), "10.0.10.%u", from);
	pkt_ether(p, dst_mac, from);
	pkt_ip(p, source, to);
	pkt_udp(p, sport, dport);
	pkt_zeros(p, 4);
	pkt_done(p);
}

static void what_goes_to_all_is_no_way_to_one(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 99), REASON_NO_RULE);
	make(&p, PKT_BROADCAST, WEB, 1000, "10.0.10.2", 99);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NONE);
	assert_int_equal(r->last.act, FRAME_FLOOD);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 99), REASON_MULTICAST);
	assert_false(rig_passed(r));
	assert_int_equal(rig_udp(r, LAN2, DB, 99, WEB, 1000), REASON_MULTICAST);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NONE);
}

static void what_goes_to_one_is_no_way_to_all(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	make(&p, PKT_BROADCAST, WEB, 1000, "10.0.10.2", 53);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_MULTICAST);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 53), REASON_NONE);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_MULTICAST);
	assert_false(rig_passed(r));
	make(&p, PKT_BROADCAST, DB, 53, "10.0.10.1", 1000);
	assert_int_equal(rig_send(r, LAN2, &p), REASON_MULTICAST);
	assert_int_equal(rig_udp(r, LAN2, DB, 53, WEB, 1000), REASON_NONE);
}

/* An identifier that looks like the word for "echo request" makes both directions look alike. */
static void a_ping_is_answered_and_not_returned(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_icmp(r, LAN2, DB, WEB, 8, 0x0800), REASON_NO_RULE);
	assert_int_equal(rig_icmp(r, LAN1, WEB, DB, 8, 0x0800), REASON_NONE);
	assert_int_equal(rig_icmp(r, LAN2, DB, WEB, 0, 0x0800), REASON_NONE);
	assert_int_equal(rig_icmp(r, LAN2, DB, WEB, 8, 0x0800), REASON_NO_SESSION);
	assert_false(rig_passed(r));
	assert_int_equal(rig_icmp(r, LAN1, WEB, DB, 0, 0x0800), REASON_NO_SESSION);
	assert_int_equal(rig_count(r)->decisions, 4);
	assert_int_equal(rig_icmp(r, LAN1, WEB, DB, 8, 0x0800), REASON_NONE);
}

/* A rule that lets answers go unasked does not let the questions come back. */
static void an_icmp_answer_brings_no_question(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_icmp(r, LAN1, WEB, DB, 14, 1), REASON_NONE);
	assert_int_equal(rig_icmp(r, LAN2, DB, WEB, 13, 1), REASON_NO_SESSION);
	rig_pass_time(r, 11);
	assert_int_equal(rig_icmp(r, LAN1, WEB, DB, 13, 1), REASON_NONE);
	assert_int_equal(rig_icmp(r, LAN2, DB, WEB, 14, 1), REASON_NONE);
	assert_int_equal(rig_icmp(r, LAN2, DB, WEB, 13, 1), REASON_NO_RULE);
}

static void make_error(struct pkt *p, unsigned dst_mac, unsigned from, const struct pkt *quoted)
{
	char source[16];

	snprintf(source, sizeof(source), "10.0.10.%u", from);
	pkt_ether(p, dst_mac, from);
	pkt_ip(p, source, "10.0.10.1");
	pkt_icmp(p, 3, 3, 0);
	pkt_bytes(p, quoted->data + 14, 28);
	pkt_done(p);
}

/* A quote is easily made by who knows the ports, and may carry anything: only the way back is open. */
static void an_error_comes_from_where_the_packet_went(void **state)
{
	struct rig *r = *state;
	struct pkt udp, error;

	rig_make_udp(r, &udp, WEB, 1000, DB, 53);
	assert_int_equal(rig_send(r, LAN1, &udp), REASON_NONE);
	make_error(&error, WEB, GUEST, &udp);
	assert_int_equal(rig_send(r, WAN, &error), REASON_ICMP_UNRELATED);
	make_error(&error, WEB, DB, &udp);
	assert_int_equal(rig_send(r, LAN2, &error), REASON_NONE);
	assert_int_equal(r->last.out_port, LAN1);
	make_error(&error, PKT_BROADCAST, DB, &udp);
	assert_int_equal(rig_send(r, LAN2, &error), REASON_MULTICAST);
	/* DB may be a router: what counts is its place, not its address */
	make_error(&error, WEB, DB, &udp);
	error.data[14 + 15] = 77;
	pkt_ip_sum(&error);
	assert_int_equal(rig_send(r, LAN2, &error), REASON_NONE);
}

static void no_error_answers_multicast(void **state)
{
	struct rig *r = *state;
	struct pkt udp, error;

	make(&udp, PKT_MULTICAST, WEB, 5353, "224.0.0.251", 5353);
	assert_int_equal(rig_send(r, LAN1, &udp), REASON_NONE);
	make_error(&error, WEB, DB, &udp);
	assert_int_equal(rig_send(r, LAN2, &error), REASON_ICMP_UNRELATED);
}

/* The closing time-out begins when the session closes, however long it was silent before. */
static void the_end_takes_its_time(void **state)
{
	struct rig *r = *state;

	rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_SYN);
	rig_tcp(r, LAN2, DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK);
	rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK);
	rig_pass_time(r, 200);
	assert_int_equal(rig_tcp(r, LAN2, DB, 5432, WEB, 1000, PKT_RST), REASON_NONE);
	rig_pass_time(r, 60);
	assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK), REASON_NONE);
	rig_pass_time(r, 61);
	assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK), REASON_NO_SESSION);
}

/* The first frame of the burst ends the session that the second one was looked up in. */
static void a_burst_knows_what_it_has_ended(void **state)
{
	struct rig *r = *state;
	struct pkt syn, ack, *both[] = {&syn, &ack};

	rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_SYN);
	rig_tcp(r, LAN2, DB, 5432, WEB, 1000, PKT_RST | PKT_ACK);
	rig_make_tcp(r, &syn, DB, 5432, WEB, 1000, PKT_SYN);
	rig_make_tcp(r, &ack, DB, 5432, WEB, 1000, PKT_ACK);
	rig_burst(r, LAN2, both, 2);
	assert_int_equal(r->frame[0].reason, REASON_NO_RULE);
	assert_int_equal(r->frame[1].reason, REASON_NO_SESSION);
	assert_int_equal(rig_count(r)->sessions, 0);
}

/* One that fell silent is somebody to be asked about when its address turns up elsewhere. */
static void a_session_does_not_follow_its_responder(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	for (int i = 0; i < 4; i++) {
		assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, i ? PKT_ACK : PKT_SYN), REASON_NONE);
		if (!i) {
			rig_tcp(r, LAN2, DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK);
			rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK);
		}
		rig_pass_time(r, 76);
	}
	assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK), REASON_NO_PORT);
	pkt_ether(&p, PKT_BROADCAST, DB);
	pkt_arp(&p, 1, DB, "10.0.10.2", 0, "10.0.10.1");
	assert_int_equal(rig_send(r, WAN, &p), REASON_NONE);
	assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_ACK), REASON_NO_RULE);
}

/* Cut because the far end is gone: the near one need not wait for a time-out of its own. */
static void who_is_left_alone_is_told(void **state)
{
	struct rig *r = *state;
	uint8_t room[2048];
	struct frame f = {.data = room, .len = sizeof(room)};
	struct dp_binding gone = {
		.addr = {10, 0, 10, DB}, .domain = 10, .port = LAN2, .family = 4, .flags = DP_BINDING_GONE};

	rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_SYN);
	gone.dictionary = MKIMAGE_IDENTITIES;
	pkt_mac(gone.mac, DB);
	assert_int_equal(engine_bind(r->engine, &gone, r->now), 0);
	assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_SYN), REASON_NO_RULE);
	assert_true(engine_originated(r->engine, &f));
	assert_int_equal(f.out_port, LAN1);
	assert_true(f.data[14 + 20 + 13] & PKT_RST);
	f.len = sizeof(room);
	assert_false(engine_originated(r->engine, &f));
}

static void padding_is_as_long_as_it_is(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	rig_make_udp(r, &p, WEB, 1000, DB, 53);
	pkt_zeros(&p, 1400 - 32 + 1); /* LAN2 takes 1400 bytes behind the Ethernet header */
	assert_int_equal(rig_send(r, LAN1, &p), REASON_MTU);
	p.len--;
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NONE);
	p.len++;
	assert_int_equal(rig_send(r, LAN1, &p), REASON_MTU);
}

static void nothing_leaves_by_a_port_that_is_not_there(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	pkt_ether(&p, PKT_BROADCAST, WEB);
	pkt_arp(&p, 1, WEB, "10.0.10.1", 0, "10.0.10.2");
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NONE);
	engine_port_state(r->engine, LAN2, false);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NO_PORT);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 53), REASON_NO_PORT);
	/* bindings of another time, when there were more ports */
	rig_bind(r, 9, 10, 17, RIG_DB);
	engine_port_state(r->engine, 17, true);
	pkt_ether(&p, PKT_BROADCAST, WEB);
	pkt_arp(&p, 1, WEB, "10.0.10.1", 0, "10.0.10.9");
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NO_PORT);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, 9, 53), REASON_NO_PORT);
}

/* Who was what, when policy said no? The record of the cut says it as the rules were asked. */
static void a_cut_names_the_identities_that_were_judged(void **state)
{
	struct rig *r = *state;
	struct record rec;

	rig_udp(r, LAN1, WEB, 1000, DB, 53);
	rig_record(r, RECORD_OPEN);
	rig_bind(r, WEB, 10, LAN1, RIG_GUEST);
	assert_int_equal(rig_udp(r, LAN1, WEB, 1000, DB, 53), REASON_NO_RULE);
	rec = rig_record(r, RECORD_CHANGED);
	assert_int_equal(rec.verdict, VERDICT_DENY);
	assert_int_equal(rec.src_identity, RIG_GUEST);
	assert_int_equal(rec.dst_identity, RIG_DB);
	rec = rig_record(r, RECORD_END);
	assert_int_equal(rec.src_identity, RIG_WEB);
	assert_int_equal(rec.rule, 2);
}

/* What a monitored rule says of multicast is worth a record; what none says is not. */
static void monitored_multicast_is_recorded(void **state)
{
	struct rig *r = *state;
	const struct mkimage_cell cell[] = {{RIG_WEB,
					     IDENTITY_MULTICAST,
					     UDP(5353),
					     {.intended_rule = 3,
					      .flags = DECISION_INTENDED_ALLOW,
					      .reason = REASON_NO_RULE,
					      .intended_reason = REASON_RULE}}};
	struct record rec;
	struct pkt p;

	rig_publish(r, 2, cell, 1);
	make(&p, PKT_MULTICAST, WEB, 5353, "224.0.0.251", 5353);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NO_RULE);
	rec = rig_record(r, RECORD_REFUSED);
	assert_int_equal(rec.intended, VERDICT_ALLOW);
	assert_int_equal(rec.intended_rule, 3);
	make(&p, PKT_MULTICAST, WEB, 5353, "224.0.0.251", 5354);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_MULTICAST);
	rig_no_record(r);
}

/* The home address option would make the receiver believe in another source than the one that was judged. */
static void nobody_brings_a_second_source(void **state)
{
	struct rig *r = *state;
	uint8_t home[22] = {0xc9, 16, 0xfd}; /* and padding by a PadN of two bytes */
	struct pkt p;

	rig_bind6(r, WEB, 10, LAN1, RIG_WEB);
	rig_bind6(r, DB, 10, LAN2, RIG_DB);
	home[18] = 1;
	home[19] = 2;
	pkt_ether(&p, DB, WEB);
	pkt_ip(&p, "fd00:10::1", "fd00:10::2");
	pkt_ext(&p, 60, home, sizeof(home));
	pkt_icmp(&p, 128, 0, 7 << 16 | 1);
	pkt_done(&p);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_EXT_HEADER);
	memset(home, 0, sizeof(home));
	pkt_ether(&p, DB, WEB);
	pkt_ip(&p, "fd00:10::1", "fd00:10::2");
	pkt_ext(&p, 60, home, sizeof(home));
	pkt_icmp(&p, 128, 0, 7 << 16 | 1);
	pkt_done(&p);
	assert_int_equal(rig_send(r, LAN1, &p), REASON_NONE);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_goes_to_all_is_no_way_to_one),
		CASE(what_goes_to_one_is_no_way_to_all),
		CASE(a_ping_is_answered_and_not_returned),
		CASE(an_icmp_answer_brings_no_question),
		CASE(an_error_comes_from_where_the_packet_went),
		CASE(no_error_answers_multicast),
		CASE(the_end_takes_its_time),
		CASE(a_burst_knows_what_it_has_ended),
		CASE(a_session_does_not_follow_its_responder),
		CASE(who_is_left_alone_is_told),
		CASE(padding_is_as_long_as_it_is),
		CASE(nothing_leaves_by_a_port_that_is_not_there),
		CASE(a_cut_names_the_identities_that_were_judged),
		CASE(monitored_multicast_is_recorded),
		CASE(nobody_brings_a_second_source),
	};

	return cmocka_run_group_tests_name("abuse", tests, NULL, NULL);
}
