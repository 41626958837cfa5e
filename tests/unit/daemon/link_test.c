/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Endpoints: from a frame at a port to an identity in the dataplane, a row of history, and the last good
 * files.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LAN1, LAN2, WAN };

#define OPEN_ROWS "SELECT count(*) FROM binding WHERE until_ns IS NULL"
#define WEB_ROWS                                                                                             \
	"SELECT count(*) FROM binding b JOIN dictionary d ON d.number = b.identity WHERE d.text = "          \
	"'role=web'"                                                                                         \
	" AND b.until_ns IS NULL"

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_start(r);
	if (!rig_commit(r, policy_one))
		fail_msg("%s", r->error.text);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	free(*state);
	return 0;
}

/* A gratuitous ARP: the host says who it is. */
static void announce(struct rig *r, uint32_t port, unsigned mac, const char *address)
{
	struct pkt p;

	pkt_ether(&p, PKT_BROADCAST, mac);
	pkt_arp(&p, 1, mac, address, 0, address);
	testdp_frame(r->dp, port, &p);
}

static bool connects(struct rig *r, uint16_t dport)
{
	struct pkt p;

	pkt_ether(&p, 2, 1);
	pkt_ip(&p, "10.0.10.1", "10.0.10.2");
	pkt_tcp(&p, 1000, dport, PKT_SYN, 1, 0);
	return testdp_frame(r->dp, LAN1, &p);
}

static void both_hosts(struct rig *r)
{
	unsigned bound = testdp_seen(r->dp, DP_BIND);

	announce(r, LAN1, 1, "10.0.10.1");
	announce(r, LAN2, 2, "10.0.10.2");
	rig_expect(r, 2, OPEN_ROWS);
	while (testdp_seen(r->dp, DP_BIND) == bound)
		rig_turn(r);
}

static void test_new_endpoint_gets_its_identity(void **state)
{
	struct rig *r = *state;

	both_hosts(r);
	rig_expect(r, 1, WEB_ROWS);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM binding WHERE method = 'mac' AND port = 'lan1'"),
			 1);
	assert_int_equal(
		rig_number(r, "SELECT count(*) FROM binding WHERE method = 'prefix' AND port = 'lan2'"), 1);
	assert_true(connects(r, 5432));
	assert_false(connects(r, 3306));
}

/* The same address with another MAC is not web. */
static void test_other_evidence_is_another_identity(void **state)
{
	struct rig *r = *state;

	announce(r, LAN1, 9, "10.0.10.1");
	rig_expect(r, 1, OPEN_ROWS);
	assert_int_equal(rig_number(r, WEB_ROWS), 0);
	assert_int_equal(rig_number(r, "SELECT identity FROM binding"), IDENTITY_UNKNOWN);
	assert_false(connects(r, 5432));
}

static void test_commit_changes_what_passes(void **state)
{
	struct rig *r = *state;

	both_hosts(r);
	assert_true(connects(r, 5432));
	assert_true(rig_commit(r, policy_two));
	assert_true(connects(r, 3306));
	assert_int_equal(rig_number(r, "SELECT count(*) FROM binding"), 2); /* same identities, same rows */
	rig_check_active(r, 2);
}

/* A flood on the wire must not push out what people did, and what a peer calls itself stays one line. */
static void test_events_are_bounded_by_kind(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 3 * JOURNAL_EVENTS; i++)
		journal_event(&r->d.journal, "spoof", "claim %u", i);
	journal_event(&r->d.journal, "access-denied", "mallory\n\x1b[2Jroot: /v1/commit");
	assert_int_equal(rig_number(r, "SELECT count(*) FROM event WHERE kind = 'spoof'"), JOURNAL_EVENTS);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM event WHERE kind = 'access-denied'"
				       " AND text = 'mallory??[2Jroot: /v1/commit'"),
			 1);
	r->d.journal.event_window_ns = 0; /* the second is over */
	daemon_tick(&r->d);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM event WHERE kind = 'events-skipped'"
				       " AND text LIKE '40 more events of kind spoof%'"),
			 1);
}

static void test_spoof_is_an_event(void **state)
{
	struct rig *r = *state;

	both_hosts(r);
	announce(r, LAN2, 9, "10.0.10.1");
	rig_expect(r, 1, "SELECT count(*) FROM event WHERE kind = 'spoof'");
	assert_int_equal(rig_number(r, OPEN_ROWS), 2);
	rig_expect(r, 1, WEB_ROWS);
}

static void test_lease_ends(void **state)
{
	struct rig *r = *state;

	both_hosts(r);
	testdp_pass(r->dp, 301);
	rig_expect(r, 0, OPEN_ROWS);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM binding"), 2);
	assert_int_equal(bindings_count(r->d.bindings).bound, 0);
}

static void test_restart_adopts_rows(void **state)
{
	struct rig *r = *state;

	both_hosts(r);
	rig_restart_daemon(r);
	rig_settle(r);
	assert_int_equal(bindings_count(r->d.bindings).bound, 2);
	assert_int_equal(rig_number(r, OPEN_ROWS), 2);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM binding"), 2);
	assert_true(connects(r, 5432));
}

static void test_restart_closes_rows_of_the_gone(void **state)
{
	struct rig *r = *state;

	both_hosts(r);
	daemon_close(&r->d);
	testdp_pass(r->dp, 301);
	rig_restart_daemon(r);
	rig_settle(r);
	rig_expect(r, 0, OPEN_ROWS);
}

/* Hosts that are silent but known stay reachable when the dataplane starts anew. */
static void test_new_dataplane_gets_bindings(void **state)
{
	struct rig *r = *state;

	both_hosts(r);
	testdp_stop(r->dp);
	r->dp = testdp_start(r->dir);
	while (testdp_generation(r->dp) == 0)
		rig_turn(r);
	rig_settle(r);
	assert_int_equal(rig_number(r, OPEN_ROWS), 2);
	assert_true(connects(r, 5432));
	assert_false(connects(r, 3306));
}

static void test_both_new(void **state)
{
	struct rig *r = *state;

	both_hosts(r);
	while (r->d.keep.dirty)
		rig_turn(r);
	daemon_close(&r->d);
	testdp_stop(r->dp);
	r->dp = testdp_start(r->dir);
	rig_restart_daemon(r);
	rig_settle(r);
	assert_int_equal(rig_number(r, OPEN_ROWS), 2);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM binding"), 2);
	assert_true(connects(r, 5432));
	assert_false(connects(r, 3306));
}

/* A commit that failed after its numbers were stored must not make single bindings newer than the image in
 * force. */
static void test_bindings_after_a_failed_commit(void **state)
{
	static const char more[] = "cordon: 1\nbundle: {name: bench, owner: o@example, timezone: UTC}\n"
				   "labels: {role: [web, db, x]}\n"
				   "classify:\n  - {id: c-x, when: {prefix: 10.9.0.0/16}, set: {role: x}}\n";
	struct rig *r = *state;

	testdp_fault(r->dp, DP_PREPARE, TESTDP_REFUSE, 1);
	assert_false(rig_commit(r, more));
	both_hosts(r);
	rig_expect(r, 1, WEB_ROWS);
	assert_true(connects(r, 5432));
}

static void test_bindings_refused_are_tried_again(void **state)
{
	struct rig *r = *state;

	testdp_fault(r->dp, DP_BIND, TESTDP_REFUSE, 1);
	announce(r, LAN1, 1, "10.0.10.1");
	announce(r, LAN2, 2, "10.0.10.2");
	rig_expect(r, 2, OPEN_ROWS);
	while (testdp_seen(r->dp, DP_BIND) < 2)
		rig_turn(r);
	while (!connects(r, 5432))
		rig_turn(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_new_endpoint_gets_its_identity),
		T(test_other_evidence_is_another_identity),
		T(test_commit_changes_what_passes),
		T(test_spoof_is_an_event),
		T(test_events_are_bounded_by_kind),
		T(test_lease_ends),
		T(test_restart_adopts_rows),
		T(test_restart_closes_rows_of_the_gone),
		T(test_new_dataplane_gets_bindings),
		T(test_both_new),
		T(test_bindings_after_a_failed_commit),
		T(test_bindings_refused_are_tried_again),
	};

	return cmocka_run_group_tests_name("daemon link", tests, NULL, NULL);
}
