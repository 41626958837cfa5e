/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine in tap mode, through packets: every allow has its deny twin, both laws hold after every frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

enum { STRANGER = 9 };

static const struct mkimage_cell policy[] = {
	{RIG_WEB, RIG_DB, PING, ALLOW(3)},    {RIG_WEB, RIG_DB, TCP(5432), ALLOW(1)},
	{RIG_WEB, RIG_DB, UDP(53), ALLOW(2)}, {RIG_GUEST, RIG_DB, TCP(5432), DENY(4)},
	{RIG_ADMIN, RIG_DB, STAMP, ALLOW(5)}, {RIG_ADMIN, RIG_DB, GRE, ALLOW(6)},
};

static int setup(void **state)
{
	static struct rig r;

	rig_tap(&r, NULL);
	rig_publish(&r, 1, policy, N(policy));
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void without_an_image_all_is_denied(void **state)
{
	struct rig r;

	rig_tap(&r, NULL);
	assert_int_equal(rig_udp(&r, 0, WEB, 1000, DB, 53), REASON_DENY_ALL);
	assert_false(rig_passed(&r));
	assert_int_equal(rig_record(&r, RECORD_REFUSED).reason, REASON_DENY_ALL);
	rig_publish(&r, 1, policy, N(policy));
	assert_int_equal(rig_udp(&r, 0, WEB, 1000, DB, 53), REASON_NONE);
	assert_true(rig_passed(&r));
	rig_free(&r);
}

static void udp_opens_and_is_answered(void **state)
{
	struct rig *r = *state;
	struct record rec;

	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
	assert_int_equal(r->last.out_port, 1);
	rec = rig_record(r, RECORD_OPEN);
	assert_int_equal(rec.verdict, VERDICT_ALLOW);
	assert_int_equal(rec.rule, 2);
	assert_int_equal(rec.generation, 1);
	assert_int_equal(rec.src_identity, RIG_WEB);
	assert_int_equal(rec.dst_identity, RIG_DB);
	assert_int_equal(rec.sport, 1000);
	assert_int_equal(rec.dport, 53);
	assert_int_equal(rec.src[3], WEB);
	assert_int_equal(rec.dst[3], DB);
	assert_int_equal(rig_udp(r, 0, DB, 53, WEB, 1000), REASON_NONE);
	rig_no_record(r);
	rig_pass_time(r, 179.5);
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
	rig_no_record(r);
	engine_close_sessions(r->engine, r->now, RECORD_END_SHUTDOWN);
	rec = rig_record(r, RECORD_END);
	assert_int_equal(rec.end, RECORD_END_SHUTDOWN);
	assert_int_equal(rec.packets[0], 2);
	assert_int_equal(rec.packets[1], 1);
	assert_int_equal(rec.bytes[0], 2 * 32);
	assert_int_equal(rec.last_ns - rec.first_ns, 179500000000);
	rig_laws(r);
}

static void the_other_way_is_refused(void **state)
{
	struct rig *r = *state;
	struct record rec;

	assert_int_equal(rig_udp(r, 0, DB, 53, WEB, 1000), REASON_NO_RULE);
	assert_false(rig_passed(r));
	rec = rig_record(r, RECORD_REFUSED);
	assert_int_equal(rec.verdict, VERDICT_DENY);
	assert_int_equal(rec.rule, RULE_DEFAULT_DENY);
	assert_int_equal(rec.src_identity, RIG_DB);
	assert_int_equal(rec.session, 0);
	assert_int_equal(rig_count(r)->sessions, 0);
	assert_int_equal(rig_count(r)->dropped[0][REASON_NO_RULE], 1);
}

static void a_deny_rule_is_named(void **state)
{
	struct rig *r = *state;
	struct record rec;

	assert_int_equal(rig_tcp(r, 0, GUEST, 1000, DB, 5432, PKT_SYN), REASON_RULE);
	rec = rig_record(r, RECORD_REFUSED);
	assert_int_equal(rec.rule, 4);
	assert_int_equal(rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN), REASON_NONE);
	assert_int_equal(rig_record(r, RECORD_OPEN).rule, 1);
}

static void an_unknown_host_is_unknown(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_udp(r, 0, STRANGER, 1000, DB, 53), REASON_NO_RULE);
	assert_int_equal(rig_record(r, RECORD_REFUSED).src_identity, IDENTITY_UNKNOWN);
}

static void only_a_syn_opens_tcp(void **state)
{
	static const uint8_t others[] = {PKT_ACK, PKT_SYN | PKT_ACK, PKT_FIN | PKT_ACK, PKT_RST,
					 PKT_RST | PKT_ACK};
	struct rig *r = *state;

	for (size_t i = 0; i < N(others); i++) {
		assert_int_equal(rig_tcp(r, 0, WEB, 1000, DB, 5432, others[i]), REASON_NO_SESSION);
		assert_int_equal(rig_count(r)->sessions, 0);
	}
	assert_int_equal(rig_count(r)->decisions, N(others));
	assert_int_equal(rig_record(r, RECORD_REFUSED).rule, RULE_DEFAULT_DENY);
	assert_int_equal(rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN), REASON_NONE);
}

static void tcp_from_open_to_close(void **state)
{
	struct rig *r = *state;
	struct record rec;

	assert_int_equal(rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN), REASON_NONE);
	assert_int_equal(rig_tcp(r, 0, DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK), REASON_NONE);
	assert_int_equal(rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_ACK), REASON_NONE);
	rig_pass_time(r, 7199);
	assert_int_equal(rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_FIN | PKT_ACK), REASON_NONE);
	assert_int_equal(rig_tcp(r, 0, DB, 5432, WEB, 1000, PKT_FIN | PKT_ACK), REASON_NONE);
	assert_int_equal(rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_ACK), REASON_NONE);
	rig_record(r, RECORD_OPEN);
	rig_no_record(r);
	/* what comes after the end prolongs nothing */
	rig_pass_time(r, 100);
	assert_int_equal(rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_ACK), REASON_NONE);
	rig_pass_time(r, 21);
	engine_tick(r->engine, r->now, 64);
	rec = rig_record(r, RECORD_END);
	assert_int_equal(rec.end, RECORD_END_CLOSED);
	assert_int_equal(rec.packets[0], 5);
	assert_int_equal(rec.packets[1], 2);
	assert_int_equal(rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_ACK), REASON_NO_SESSION);
}

static void a_reset_port_is_used_again(void **state)
{
	struct rig *r = *state;
	struct record first, end, second;

	rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN);
	rig_tcp(r, 0, DB, 5432, WEB, 1000, PKT_RST | PKT_ACK);
	assert_int_equal(rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN), REASON_NONE);
	first = rig_record(r, RECORD_OPEN);
	end = rig_record(r, RECORD_END);
	second = rig_record(r, RECORD_OPEN);
	assert_int_equal(end.session, first.session);
	assert_int_equal(end.end, RECORD_END_CLOSED);
	assert_true(second.session != first.session);
	assert_int_equal(second.packets[0], 1);
	assert_int_equal(second.bytes[0], 40);
	assert_int_equal(rig_count(r)->sessions, 1);
}

static void after_the_end_the_other_side_must_ask_for_itself(void **state)
{
	struct rig *r = *state;

	rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN);
	/* inside the live session a SYN from the responder belongs to it */
	assert_int_equal(rig_tcp(r, 0, DB, 5432, WEB, 1000, PKT_SYN), REASON_NONE);
	rig_tcp(r, 0, DB, 5432, WEB, 1000, PKT_RST);
	assert_int_equal(rig_tcp(r, 0, DB, 5432, WEB, 1000, PKT_SYN), REASON_NO_RULE);
	rig_record(r, RECORD_OPEN);
	rig_record(r, RECORD_END);
	assert_int_equal(rig_record(r, RECORD_REFUSED).src_identity, RIG_DB);
	assert_int_equal(rig_count(r)->sessions, 0);
}

static void ping_by_identifier(void **state)
{
	struct rig *r = *state;
	struct record rec;

	assert_int_equal(rig_icmp(r, 0, WEB, DB, 8, 77), REASON_NONE);
	rec = rig_record(r, RECORD_OPEN);
	assert_int_equal(rec.sport, 77);
	assert_int_equal(rec.dport, 8 << 8);
	assert_int_equal(rig_icmp(r, 0, DB, WEB, 0, 77), REASON_NONE);
	rig_no_record(r);
	assert_int_equal(rig_icmp(r, 0, DB, WEB, 0, 78), REASON_NO_SESSION);
	rec = rig_record(r, RECORD_REFUSED);
	assert_int_equal(rec.sport, 78);
	assert_int_equal(rec.dport, 0);
	assert_int_equal(rig_icmp(r, 0, DB, WEB, 8, 77), REASON_NO_RULE);
	rig_pass_time(r, 10.5);
	assert_int_equal(rig_icmp(r, 0, DB, WEB, 0, 77), REASON_NO_SESSION);
}

static void named_types_and_protocols_only(void **state)
{
	struct rig *r = *state;
	uint64_t decisions;
	struct pkt p;

	assert_int_equal(rig_icmp(r, 0, ADMIN, DB, 13, 1), REASON_NONE);
	assert_int_equal(rig_icmp(r, 0, DB, ADMIN, 14, 1), REASON_NONE);
	assert_int_equal(rig_icmp(r, 0, WEB, DB, 13, 1), REASON_NO_RULE);
	assert_int_equal(rig_icmp(r, 0, ADMIN, DB, 15, 1), REASON_NO_SESSION);
	assert_int_equal(rig_icmp(r, 0, DB, WEB, 14, 1), REASON_NO_SESSION);
	pkt_ether(&p, DB, ADMIN);
	pkt_ip(&p, "10.0.0.4", "10.0.0.2");
	pkt_proto(&p, 47);
	pkt_zeros(&p, 8);
	pkt_done(&p);
	assert_int_equal(rig_send(r, 0, &p), REASON_NONE);
	p.data[23] = 50;
	pkt_ip_sum(&p);
	assert_int_equal(rig_send(r, 0, &p), REASON_NO_SESSION);
	/* IPv6: refused before policy, no record */
	decisions = rig_count(r)->decisions;
	pkt_ether(&p, DB, ADMIN);
	pkt_ip(&p, "fd00::4", "fd00::2");
	pkt_icmp(&p, 139, 0, 0);
	pkt_done(&p);
	assert_int_equal(rig_send(r, 0, &p), REASON_ICMP_TYPE);
	assert_int_equal(rig_count(r)->decisions, decisions);
}

static void make_unreachable(struct pkt *p, unsigned reporter, unsigned to, const struct pkt *quoted)
{
	char from[32], text[32];

	snprintf(from, sizeof(from), "10.0.0.%u", reporter);
	snprintf(text, sizeof(text), "10.0.0.%u", to);
	pkt_ether(p, to, reporter);
	pkt_ip(p, from, text);
	pkt_icmp(p, 3, 3, 0);
	pkt_bytes(p, quoted->data + 14, 28);
	pkt_done(p);
}

static void errors_follow_their_session(void **state)
{
	struct rig *r = *state;
	struct pkt udp, back, error;

	rig_make_udp(r, &udp, WEB, 1000, DB, 53);
	rig_make_udp(r, &back, DB, 53, WEB, 1000);
	make_unreachable(&error, DB, WEB, &udp);
	assert_int_equal(rig_send(r, 0, &error), REASON_ICMP_UNRELATED);
	rig_send(r, 0, &udp);
	assert_int_equal(rig_send(r, 0, &error), REASON_NONE);
	make_unreachable(&error, WEB, DB, &back);
	assert_int_equal(rig_send(r, 0, &error), REASON_NONE);
	/* an error keeps nothing alive */
	rig_pass_time(r, 20);
	assert_int_equal(rig_send(r, 0, &error), REASON_NONE);
	rig_pass_time(r, 11);
	assert_int_equal(rig_send(r, 0, &error), REASON_ICMP_UNRELATED);
	rig_record(r, RECORD_OPEN);
	assert_int_equal(rig_record(r, RECORD_END).end, RECORD_END_TIMEOUT);
}

static void a_late_answer_is_an_attempt_of_its_own(void **state)
{
	struct rig *r = *state;

	rig_udp(r, 0, WEB, 1000, DB, 53);
	rig_pass_time(r, 30.5);
	assert_int_equal(rig_udp(r, 0, DB, 53, WEB, 1000), REASON_NO_RULE);
	rig_record(r, RECORD_OPEN);
	assert_int_equal(rig_record(r, RECORD_END).end, RECORD_END_TIMEOUT);
	assert_int_equal(rig_record(r, RECORD_REFUSED).src_identity, RIG_DB);
	/* the initiator opens a new one */
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
	rig_record(r, RECORD_OPEN);
}

static void bad_checksums_change_nothing(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	rig_make_tcp(r, &p, WEB, 1000, DB, 5432, PKT_SYN);
	p.data[14 + 20 + 16] ^= 1;
	assert_int_equal(rig_send(r, 0, &p), REASON_CHECKSUM);
	assert_int_equal(rig_count(r)->decisions, 0);
	rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN);
	rig_make_tcp(r, &p, DB, 5432, WEB, 1000, PKT_RST);
	p.data[14 + 20 + 16] ^= 1;
	assert_int_equal(rig_send(r, 0, &p), REASON_CHECKSUM);
	/* had the reset been taken, this SYN would have begun a second session */
	rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN);
	assert_int_equal(rig_count(r)->sessions_opened, 1);
}

static void a_publish_cuts_what_it_forbids(void **state)
{
	static const struct mkimage_cell less[] = {
		{RIG_WEB, RIG_DB, TCP(5432), ALLOW(7)},
	};
	struct rig *r = *state;
	struct record rec;

	rig_udp(r, 0, WEB, 1000, DB, 53);
	rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN);
	rig_record(r, RECORD_OPEN);
	rig_record(r, RECORD_OPEN);
	rig_publish(r, 2, less, N(less));
	rig_no_record(r);
	assert_int_equal(rig_udp(r, 0, DB, 53, WEB, 1000), REASON_NO_RULE);
	rec = rig_record(r, RECORD_CHANGED);
	assert_int_equal(rec.verdict, VERDICT_DENY);
	assert_int_equal(rec.old_verdict, VERDICT_ALLOW);
	assert_int_equal(rec.old_rule, 2);
	assert_int_equal(rec.generation, 2);
	assert_int_equal(rec.src_identity, RIG_WEB);
	assert_int_equal(rig_record(r, RECORD_END).end, RECORD_END_REVOKED);
	assert_int_equal(rig_tcp(r, 0, DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK), REASON_NONE);
	rec = rig_record(r, RECORD_CHANGED);
	assert_int_equal(rec.verdict, VERDICT_ALLOW);
	assert_int_equal(rec.rule, 7);
	assert_int_equal(rec.old_rule, 1);
	rig_no_record(r);
	assert_int_equal(rig_count(r)->redecided, 2);
	assert_int_equal(rig_count(r)->decisions, 4);
	assert_int_equal(rig_count(r)->generation, 2);
}

static void a_publish_that_changes_nothing_is_silent(void **state)
{
	struct rig *r = *state;

	rig_udp(r, 0, WEB, 1000, DB, 53);
	rig_record(r, RECORD_OPEN);
	rig_publish(r, 2, policy, N(policy));
	assert_int_equal(rig_udp(r, 0, DB, 53, WEB, 1000), REASON_NONE);
	rig_no_record(r);
	engine_close_sessions(r->engine, r->now, RECORD_END_SHUTDOWN);
	assert_int_equal(rig_record(r, RECORD_END).generation, 2);
}

static void idle_sessions_are_cut_by_the_tick(void **state)
{
	struct rig *r = *state;

	rig_udp(r, 0, WEB, 1000, DB, 53);
	rig_record(r, RECORD_OPEN);
	rig_publish(r, 2, policy, 1);
	engine_tick(r->engine, r->now, 64);
	rig_record(r, RECORD_CHANGED);
	assert_int_equal(rig_record(r, RECORD_END).end, RECORD_END_REVOKED);
	assert_int_equal(rig_count(r)->sessions, 0);
	rig_laws(r);
}

static void losing_the_image_cuts_all(void **state)
{
	struct rig *r = *state;

	rig_udp(r, 0, WEB, 1000, DB, 53);
	free((void *)(uintptr_t)engine_publish(r->engine, NULL, 0, NULL, 0, r->now));
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_DENY_ALL);
	assert_int_equal(rig_count(r)->sessions, 0);
}

static void the_schedule_closes_in_time(void **state)
{
	struct rig *r = *state;

	rig_publish_until(r, 2, policy, N(policy), r->now.utc_ns / 1000000000 + 60);
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
	rig_pass_time(r, 20);
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
	rig_pass_time(r, 20);
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
	rig_pass_time(r, 20);
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NO_RULE);
	assert_int_equal(rig_count(r)->sessions, 0);
}

static void without_a_good_clock_timed_allows_are_shut(void **state)
{
	struct rig *r = *state;

	rig_publish_until(r, 2, policy, N(policy), r->now.utc_ns / 1000000000 + 60);
	r->now.utc_good = false;
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NO_RULE);
	/* a policy without times does not care, and is not asked twice */
	rig_publish(r, 3, policy, N(policy));
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
	assert_int_equal(rig_count(r)->redecided, 0);
	r->now.utc_good = true;
	rig_publish_until(r, 4, policy, N(policy), r->now.utc_ns / 1000000000 + 60);
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
}

static void tune_small(struct engine_config *c)
{
	c->max_sessions = 2;
}

static void a_full_table_refuses_and_keeps(void **state)
{
	struct rig r;
	struct record rec;

	rig_tap(&r, tune_small);
	rig_publish(&r, 1, policy, N(policy));
	rig_udp(&r, 0, WEB, 1000, DB, 53);
	rig_udp(&r, 0, WEB, 1001, DB, 53);
	assert_int_equal(rig_udp(&r, 0, WEB, 1002, DB, 53), REASON_FLOW_LIMIT);
	rig_record(&r, RECORD_OPEN);
	rig_record(&r, RECORD_OPEN);
	rec = rig_record(&r, RECORD_REFUSED);
	assert_int_equal(rec.verdict, VERDICT_DENY);
	assert_int_equal(rec.intended, VERDICT_ALLOW);
	assert_int_equal(rig_udp(&r, 0, DB, 53, WEB, 1000), REASON_NONE);
	assert_int_equal(rig_udp(&r, 0, DB, 53, WEB, 1001), REASON_NONE);
	rig_free(&r);
}

static void one_burst_in_order(void **state)
{
	struct rig *r = *state;
	struct pkt p[6];
	struct pkt *all[] = {&p[0], &p[1], &p[2], &p[3], &p[4], &p[5]};

	rig_make_tcp(r, &p[0], WEB, 1000, DB, 5432, PKT_ACK);
	rig_make_tcp(r, &p[1], WEB, 1000, DB, 5432, PKT_SYN);
	rig_make_tcp(r, &p[2], DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK);
	rig_make_tcp(r, &p[3], DB, 5432, WEB, 1000, PKT_RST);
	rig_make_tcp(r, &p[4], WEB, 1000, DB, 5432, PKT_SYN);
	rig_make_tcp(r, &p[5], WEB, 1000, DB, 5432, PKT_ACK);
	rig_burst(r, 0, all, 6);
	assert_int_equal(r->frame[0].reason, REASON_NO_SESSION);
	for (int i = 1; i < 6; i++)
		assert_int_equal(r->frame[i].act, FRAME_FORWARD);
	assert_int_equal(rig_count(r)->sessions_opened, 2);
	rig_record(r, RECORD_REFUSED);
	rig_record(r, RECORD_OPEN);
	assert_int_equal(rig_record(r, RECORD_END).packets[1], 2);
	rig_record(r, RECORD_OPEN);
}

static void a_cut_in_mid_burst_reaches_the_rest(void **state)
{
	struct rig *r = *state;
	struct pkt p[3];
	struct pkt *all[] = {&p[0], &p[1], &p[2]};

	rig_udp(r, 0, WEB, 1000, DB, 53);
	rig_publish(r, 2, policy, 2);
	for (int i = 0; i < 3; i++)
		rig_make_udp(r, &p[i], WEB, 1000, DB, 53);
	rig_burst(r, 0, all, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(r->frame[i].reason, REASON_NO_RULE);
	assert_int_equal(rig_count(r)->sessions, 0);
}

/* The first packet loses its session, the second one's gets the same slot, the third belongs to the first. */
static void a_slot_taken_over_in_mid_burst(void **state)
{
	struct rig *r = *state;
	struct pkt p[3];
	struct pkt *all[] = {&p[0], &p[1], &p[2]};

	rig_udp(r, 0, WEB, 1000, DB, 53);
	rig_publish(r, 2, policy, 2);
	rig_make_udp(r, &p[0], WEB, 1000, DB, 53);
	rig_make_tcp(r, &p[1], WEB, 1000, DB, 5432, PKT_SYN);
	rig_make_udp(r, &p[2], WEB, 1000, DB, 53);
	rig_burst(r, 0, all, 3);
	assert_int_equal(r->frame[0].reason, REASON_NO_RULE);
	assert_int_equal(r->frame[1].act, FRAME_FORWARD);
	assert_int_equal(r->frame[2].reason, REASON_NO_RULE);
	rig_record(r, RECORD_OPEN);
	engine_close_sessions(r->engine, r->now, RECORD_END_SHUTDOWN);
}

static void a_session_gone_in_mid_burst(void **state)
{
	struct rig *r = *state;
	struct pkt p[3];
	struct pkt *all[] = {&p[0], &p[1], &p[2]};

	rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN);
	rig_make_tcp(r, &p[0], DB, 5432, WEB, 1000, PKT_RST);
	rig_make_tcp(r, &p[1], DB, 5432, WEB, 1000, PKT_SYN);
	rig_make_tcp(r, &p[2], WEB, 1000, DB, 5432, PKT_ACK);
	rig_burst(r, 0, all, 3);
	assert_int_equal(r->frame[0].act, FRAME_FORWARD);
	assert_int_equal(r->frame[1].reason, REASON_NO_RULE);
	assert_int_equal(r->frame[2].reason, REASON_NO_SESSION);
}

static void arp_and_nd_pass_as_layer_2(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	pkt_ether(&p, PKT_BROADCAST, WEB);
	pkt_arp(&p, 1, WEB, "10.0.0.1", 0, "10.0.0.2");
	assert_int_equal(rig_send(r, 0, &p), REASON_L2);
	assert_true(rig_passed(r));
	pkt_ether(&p, PKT_MULTICAST, WEB);
	pkt_ip(&p, "fe80::1", "ff02::1:ff00:2");
	pkt_nd(&p, 135, "fe80::2", 1, WEB);
	pkt_done(&p);
	assert_int_equal(rig_send(r, 0, &p), REASON_L2);
	assert_int_equal(rig_count(r)->l2[0], 2);
	pkt_ether(&p, PKT_BROADCAST, WEB);
	pkt_ethertype(&p, 0x88cc);
	pkt_zeros(&p, 46);
	assert_int_equal(rig_send(r, 0, &p), REASON_ETHERTYPE);
	assert_int_equal(rig_count(r)->decisions, 0);
}

static void multicast_needs_a_rule(void **state)
{
	static const struct mkimage_cell wanted[] = {{RIG_WEB, IDENTITY_MULTICAST, UDP(5353), ALLOW(1)}};
	struct rig *r = *state;
	struct pkt p;

	pkt_ether(&p, PKT_MULTICAST, WEB);
	pkt_ip(&p, "10.0.0.1", "224.0.0.251");
	pkt_udp(&p, 5353, 5353);
	pkt_done(&p);
	assert_int_equal(rig_send(r, 0, &p), REASON_MULTICAST);
	assert_int_equal(rig_count(r)->decisions, 0);
	rig_publish(r, 2, wanted, N(wanted));
	assert_int_equal(rig_send(r, 0, &p), REASON_NONE);
	assert_int_equal(rig_record(r, RECORD_OPEN).dst_identity, IDENTITY_MULTICAST);
	/* and opens no way back */
	pkt_ether(&p, WEB, DB);
	pkt_ip(&p, "224.0.0.251", "10.0.0.1");
	pkt_udp(&p, 5353, 5353);
	pkt_done(&p);
	assert_int_equal(rig_send(r, 0, &p), REASON_MULTICAST);
}

static void vlans_are_separate_worlds(void **state)
{
	struct rig *r = *state;
	struct pkt p;

	rig_udp(r, 0, WEB, 1000, DB, 53);
	rig_record(r, RECORD_OPEN);
	pkt_ether(&p, WEB, DB);
	pkt_tag(&p, 0x8100, 20);
	pkt_ip(&p, "10.0.0.2", "10.0.0.1");
	pkt_udp(&p, 53, 1000);
	pkt_done(&p);
	assert_int_equal(rig_send(r, 0, &p), REASON_NO_RULE);
	assert_int_equal(rig_record(r, RECORD_REFUSED).domain, 20);
}

static void a_frame_that_cannot_be_sent_is_counted(void **state)
{
	struct rig *r = *state;

	r->refused_tx = 1;
	rig_udp(r, 0, WEB, 1000, DB, 53);
	assert_int_equal(rig_count(r)->dropped[0][REASON_TX], 1);
	assert_int_equal(rig_count(r)->forwarded, 0);
}

static uint16_t by_last_byte(void *ctx, const struct engine_endpoint *endpoint)
{
	++*(unsigned *)ctx;
	return endpoint->addr[3] == 200 ? RIG_WEB : RIG_DB;
}

static unsigned asked;

static void tune_classifier(struct engine_config *c)
{
	c->classify = by_last_byte;
	c->classify_ctx = &asked;
	c->max_bindings = 0;
}

static void a_classifier_is_asked_once_per_session(void **state)
{
	struct rig r;

	asked = 0;
	rig_tap(&r, tune_classifier);
	rig_publish(&r, 1, policy, N(policy));
	assert_int_equal(rig_udp(&r, 0, 200, 1000, 201, 53), REASON_NONE);
	assert_int_equal(rig_udp(&r, 0, 200, 1000, 201, 53), REASON_NONE);
	assert_int_equal(asked, 2);
	assert_int_equal(rig_udp(&r, 0, 201, 1000, 200, 53), REASON_NO_RULE);
	assert_int_equal(asked, 4);
	rig_free(&r);
}

static void long_sessions_report(void **state)
{
	struct rig *r = *state;
	struct record rec;

	rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_SYN);
	rig_tcp(r, 0, DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK);
	rig_tcp(r, 0, WEB, 1000, DB, 5432, PKT_ACK);
	rig_record(r, RECORD_OPEN);
	rig_pass_time(r, 299);
	engine_tick(r->engine, r->now, 64);
	rig_no_record(r);
	rig_pass_time(r, 1.5);
	engine_tick(r->engine, r->now, 64);
	rec = rig_record(r, RECORD_UPDATE);
	assert_int_equal(rec.packets[0], 2);
	assert_int_equal(rec.tcp_state != 0, 1);
	engine_tick(r->engine, r->now, 64);
	rig_no_record(r);
	rig_laws(r);
}

static void time_never_goes_back(void **state)
{
	struct rig *r = *state;

	rig_udp(r, 0, WEB, 1000, DB, 53);
	r->now.now_ns -= 3000000000u;
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
	assert_int_equal(rig_count(r)->sessions_opened, 1);
}

static void a_hostile_tail_is_a_counted_loss(void **state)
{
	struct rig *r = *state;

	ring_worker(&r->ring, 0)->consumer.tail = UINT64_C(0xdeadbeefdeadbeef);
	for (uint32_t i = 0; i < RIG_RECORDS + 10; i++)
		rig_icmp(r, 0, DB, WEB, 8, 1), rig_udp(r, 0, WEB, (uint16_t)i, DB, (uint16_t)(100 + i % 50)),
			rig_pass_time(r, 61);
	assert_true(rig_count(r)->decisions_lost > 0);
	assert_int_equal(rig_count(r)->decisions_pushed, RIG_RECORDS);
	/* forwarding goes on */
	assert_int_equal(rig_udp(r, 0, WEB, 1000, DB, 53), REASON_NONE);
}

static void reject_answers_and_drop_does_not(void **state)
{
	static const struct mkimage_cell rejecting[] = {{RIG_GUEST,
							 RIG_DB,
							 TCP(5432),
							 {.rule = 1,
							  .intended_rule = 1,
							  .flags = DECISION_REJECT,
							  .reason = REASON_RULE,
							  .intended_reason = REASON_RULE}}};
	struct rig *r = *state;
	uint8_t room[2048];
	struct frame f = {.data = room, .len = sizeof(room)};

	rig_tcp(r, 0, GUEST, 1000, DB, 5432, PKT_SYN);
	assert_false(engine_originated(r->engine, &f));
	rig_publish(r, 2, rejecting, N(rejecting));
	assert_int_equal(rig_tcp(r, 0, GUEST, 1000, DB, 5432, PKT_SYN), REASON_RULE);
	assert_true(engine_originated(r->engine, &f));
	assert_int_equal(f.out_port, 0);
	assert_true(f.data[14 + 20 + 13] & PKT_RST);
	assert_int_equal(rig_count(r)->originated, 1);
	f.len = sizeof(room);
	assert_false(engine_originated(r->engine, &f));
	/* per endpoint there is a limit */
	for (int i = 0; i < 100; i++)
		rig_tcp(r, 0, GUEST, 1000, DB, 5432, PKT_SYN);
	for (int i = 0; i < 100 && engine_originated(r->engine, &f); i++)
		f.len = sizeof(room);
	assert_in_range(rig_count(r)->originated, 2, 40);
	rig_laws(r);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(without_an_image_all_is_denied),
		CASE(udp_opens_and_is_answered),
		CASE(the_other_way_is_refused),
		CASE(a_deny_rule_is_named),
		CASE(an_unknown_host_is_unknown),
		CASE(only_a_syn_opens_tcp),
		CASE(tcp_from_open_to_close),
		CASE(a_reset_port_is_used_again),
		CASE(after_the_end_the_other_side_must_ask_for_itself),
		CASE(ping_by_identifier),
		CASE(named_types_and_protocols_only),
		CASE(errors_follow_their_session),
		CASE(a_late_answer_is_an_attempt_of_its_own),
		CASE(bad_checksums_change_nothing),
		CASE(a_publish_cuts_what_it_forbids),
		CASE(a_publish_that_changes_nothing_is_silent),
		CASE(idle_sessions_are_cut_by_the_tick),
		CASE(losing_the_image_cuts_all),
		CASE(the_schedule_closes_in_time),
		CASE(without_a_good_clock_timed_allows_are_shut),
		CASE(a_full_table_refuses_and_keeps),
		CASE(one_burst_in_order),
		CASE(a_cut_in_mid_burst_reaches_the_rest),
		CASE(a_slot_taken_over_in_mid_burst),
		CASE(a_session_gone_in_mid_burst),
		CASE(arp_and_nd_pass_as_layer_2),
		CASE(multicast_needs_a_rule),
		CASE(vlans_are_separate_worlds),
		CASE(a_frame_that_cannot_be_sent_is_counted),
		CASE(a_classifier_is_asked_once_per_session),
		CASE(long_sessions_report),
		CASE(time_never_goes_back),
		CASE(a_hostile_tail_is_a_counted_loss),
		CASE(reject_answers_and_drop_does_not),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
