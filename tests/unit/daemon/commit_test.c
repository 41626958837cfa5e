/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commit: what goes in goes everywhere, what fails changes nothing. Each step of the transaction is made to
 * fail in turn, and the daemon is ended between each two steps.
 */
#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "link.h"

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_start(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	free(*state);
	return 0;
}

static void must_commit(struct rig *r, const char *text)
{
	if (!rig_commit(r, text))
		fail_msg("%s", r->error.text);
}

/* --- going in --------------------------------------------------------------------------------- */

static void test_first_commit(void **state)
{
	struct rig *r = *state;

	must_commit(r, policy_one);
	rig_check_active(r, 1);
	assert_int_equal(r->result.number, 1);
	assert_int_equal(r->result.tests_passed, 2);
	assert_int_equal(r->result.change.opens, 1);
	assert_int_equal(r->result.change.closes, 0);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM readback WHERE equal AND generation = 1"), 1);
	assert_int_equal(
		rig_number(r, "SELECT count(*) FROM generation g JOIN readback r ON"
			      " r.image_digest = g.image_digest WHERE g.number = 1 AND r.generation = 1"),
		1);
}

static void test_rows_of_a_generation(void **state)
{
	struct rig *r = *state;

	must_commit(r, policy_one);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM rule WHERE generation = 1"), 2);
	assert_int_equal(rig_number(r, "SELECT widest_range FROM rule WHERE id = 'web-db'"), 1);
	assert_int_equal(rig_number(r, "SELECT from_count FROM rule WHERE id = 'web-db'"), 1);
	assert_int_equal(rig_number(r, "SELECT line FROM rule WHERE id = 'web-db'"), 9);
	assert_int_equal(
		rig_number(r, "SELECT critical FROM generation_identity WHERE text = 'crit=high,role=db'"),
		1);
	assert_int_equal(rig_number(r, "SELECT critical FROM generation_identity WHERE text = 'role=web'"),
			 0);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM generation_identity i JOIN dictionary d ON"
				       " d.number = i.number AND d.text = i.text"),
			 rig_number(r, "SELECT count(*) FROM dictionary"));
	assert_int_equal(rig_number(r, "SELECT count(*) FROM generation WHERE author = 'tester'"), 1);
}

/* What the assessment calls wide is told apart from what only looks so. */
static void test_widths_of_rules(void **state)
{
	static const char text[] =
		"cordon: 1\n"
		"bundle: {name: bench, owner: o@example, timezone: UTC}\n"
		"labels: {role: [web, db, dns], state: {values: [normal, quarantined], default: normal}}\n"
		"classify:\n"
		"  - {id: c-web, when: {prefix: 10.0.10.1/32}, set: {role: web}}\n"
		"  - {id: c-db, when: {prefix: 10.0.10.2/32}, set: {role: db}}\n"
		"  - {id: c-dns, when: {prefix: 10.0.10.3/32}, set: {role: dns}}\n"
		"services:\n"
		"  dns: {any: [{proto: udp, dport: 53}, {proto: tcp, dport: 53}]}\n"
		"  echo: {any: [{proto: icmp, type: echo-request}, {proto: icmpv6, type: echo-request}]}\n"
		"profiles: {one: {members: {role: db}, mission: normal, owner: o@example}}\n"
		"rules:\n"
		"  - {id: names, effect: allow, from: {role: web}, to: {role: dns}, service: dns, owner: o, "
		"review_by: "
		"2099-01-01}\n"
		"  - {id: pings, effect: allow, from: {role: web}, to: {role: db}, service: echo, owner: o, "
		"review_by: "
		"2099-01-01}\n"
		"  - {id: beside, effect: allow, from: {role: web}, to: {role: [db, dns]}, service: [tcp/22, "
		"tcp/80-443],\n"
		"     owner: o, review_by: 2099-01-01}\n"
		"  - {id: all, effect: allow, from: {role: dns}, to: {role: db}, service: any, owner: o, "
		"review_by: "
		"2099-01-01}\n";
	static const struct {
		const char *id;
		int64_t services, widest, segments, profiles;
	} want[] = {
		{"names", 1, 1, 1, 0}, /* two identities, one segment; two protocols, one service */
		{"pings", 1, 1, 1, 1},
		{"beside", 2, 364, 2, 2}, /* meets one profile, but reaches beside it */
		{"all", 2, 65536, 1, 1},  /* all ports, and the echo */
	};
	struct rig *r = *state;

	must_commit(r, text);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		char sql[256];

		snprintf(
			sql, sizeof(sql),
			"SELECT services = %d AND widest_range = %d AND to_segments = %d AND to_profiles = %d"
			" FROM rule WHERE id = '%s'",
			(int)want[i].services, (int)want[i].widest, (int)want[i].segments,
			(int)want[i].profiles, want[i].id);
		if (rig_number(r, sql) != 1)
			fail_msg("%s", want[i].id);
	}
}

static void test_second_commit_keeps_numbers(void **state)
{
	struct rig *r = *state;
	int64_t web;

	must_commit(r, policy_one);
	web = rig_number(r, "SELECT number FROM dictionary WHERE text = 'role=web'");
	must_commit(r, policy_two);
	rig_check_active(r, 2);
	assert_int_equal(r->result.change.opens, 1);
	assert_int_equal(r->result.change.closes, 1);
	assert_int_equal(rig_number(r, "SELECT number FROM dictionary WHERE text = 'role=web'"), web);
	assert_int_equal(
		rig_number(r, "SELECT count(*) FROM generation WHERE state = 'retired' AND ended_ns > 0"), 1);
}

static void test_restart_goes_on(void **state)
{
	struct rig *r = *state;
	unsigned published;

	must_commit(r, policy_one);
	published = testdp_seen(r->dp, DP_PUBLISH);
	rig_restart_daemon(r);
	rig_settle(r);
	rig_check_active(r, 1);
	assert_int_equal(testdp_seen(r->dp, DP_PUBLISH), published);
	must_commit(r, policy_two);
	rig_check_active(r, 2);
}

static void test_new_dataplane_is_published(void **state)
{
	struct rig *r = *state;

	must_commit(r, policy_one);
	testdp_stop(r->dp);
	r->dp = testdp_start(r->dir);
	assert_int_equal(testdp_generation(r->dp), 0);
	while (testdp_generation(r->dp) == 0)
		rig_turn(r);
	rig_settle(r);
	rig_check_active(r, 1);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM event WHERE kind = 'drift'"), 0);
}

static void test_drift_is_seen_and_repaired(void **state)
{
	struct rig *r = *state;

	must_commit(r, policy_one);
	testdp_drift(r->dp);
	r->d.links[0].verify_ms -= 61000;
	rig_turn(r);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM event WHERE kind = 'drift'"), 1);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM readback WHERE NOT equal AND expected = 1"), 1);
	assert_true(r->d.links[0].equal);
	rig_check_active(r, 1);
}

/* --- not going in: the text ------------------------------------------------------------------- */

#define RULES(more)                                                                                          \
	"cordon: 1\n"                                                                                        \
	"bundle: {name: bench, owner: o@example, timezone: UTC}\n"                                           \
	"labels: {role: [web, db]}\n"                                                                        \
	"classify:\n"                                                                                        \
	"  - {id: c-web, when: {prefix: 10.0.10.1/32}, set: {role: web}}\n"                                  \
	"groups: {web: {role: web}}\n" more

static const struct {
	const char *what, *text, *says;
	enum cli_exit code;
} refused[] = {
	{"no yaml", "cordon: [", "does not compile", CLI_POLICY},
	{"unknown key", RULES("nonsense: 1\n"), "does not compile", CLI_POLICY},
	{"failing test",
	 RULES("tests:\n  - {name: no, from: web, to: web, service: tcp/1, expect: {verdict: allow}}\n"),
	 "0 of 1 tests passed", CLI_POLICY},
	{"gateway rule",
	 RULES("rules:\n  - {id: g, effect: allow, from: web, to: $gateway, service: tcp/22, owner: "
	       "o@example,"
	       " review_by: 2099-01-01}\n"),
	 "refused", CLI_POLICY},
};

static void test_refused_texts(void **state)
{
	struct rig *r = *state;

	must_commit(r, policy_one);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (rig_commit(r, refused[i].text))
			fail_msg("%s was committed", refused[i].what);
		assert_int_equal(r->error.code, refused[i].code);
		if (!strstr(r->error.text, refused[i].says))
			fail_msg("%s: %s", refused[i].what, r->error.text);
		assert_string_equal(r->error.unchanged, "generation 1 stays active");
		rig_check_active(r, 1);
	}
}

static void test_deny_may_mean_the_gateway_by_any(void **state)
{
	struct rig *r = *state;

	must_commit(r, RULES("rules:\n  - {id: d, effect: deny, from: web, to: any, service: tcp/22, owner: "
			     "o@example,"
			     " review_by: 2099-01-01}\n"));
	rig_check_active(r, 1);
}

/* --- not going in: the engine ----------------------------------------------------------------- */

static const struct {
	const char *what;
	uint16_t type;
	enum testdp_fault fault;
	bool intent; /* an abandoned generation is left in the store */
} faults[] = {
	{"prepare lied about", DP_PREPARE, TESTDP_LIE, true},
	{"prepare refused", DP_PREPARE, TESTDP_REFUSE, false},
	{"prepare unanswered", DP_PREPARE, TESTDP_STALL, false},
	{"prepare closed", DP_PREPARE, TESTDP_CLOSE, false},
	{"publish refused", DP_PUBLISH, TESTDP_REFUSE, true},
	{"publish lied about", DP_PUBLISH, TESTDP_LIE, true},
	{"publish done but closed", DP_PUBLISH, TESTDP_CLOSE, true},
	{"publish done but unanswered", DP_PUBLISH, TESTDP_STALL, true},
	{"publish answered with another seq", DP_PUBLISH, TESTDP_SEQ, true},
	{"publish answered with half a message", DP_PUBLISH, TESTDP_SIZE, true},
	{"publish answered with another abi", DP_PUBLISH, TESTDP_ABI, true},
	{"publish answered with a flood", DP_PUBLISH, TESTDP_FLOOD, true},
	{"ping refused at read-back", DP_PING, TESTDP_REFUSE, true},
};

static void test_engine_faults(void **state)
{
	struct rig *r = *state;

	must_commit(r, policy_one);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		int64_t before = rig_number(r, "SELECT count(*) FROM generation WHERE state = 'abandoned'");
		int64_t start = mono_now_ms();

		testdp_fault(r->dp, faults[i].type, faults[i].fault, 1);
		if (rig_commit(r, policy_two))
			fail_msg("%s: committed", faults[i].what);
		assert_in_range(mono_now_ms() - start, 0, 2 * DP_TIMEOUT_MS + 500);
		assert_int_equal(r->error.code, CLI_NOT_APPLIED);
		assert_string_equal(r->error.unchanged, "generation 1 stays active");
		rig_settle(r);
		rig_check_active(r, 1);
		assert_int_equal(rig_number(r, "SELECT count(*) FROM generation WHERE state = 'abandoned'"),
				 before + faults[i].intent);
	}
	must_commit(r, policy_two);
	rig_check_active(r, r->result.number);
}

/* The first publish is carried out when nobody can undo it any more: there is nothing to go back to. */
static void test_first_publish_comes_late(void **state)
{
	struct rig *r = *state;

	testdp_fault(r->dp, DP_PUBLISH, TESTDP_CLOSE, 1);
	testdp_fault(r->dp, DP_HELLO, TESTDP_CLOSE, 1);
	assert_false(rig_commit(r, policy_one));
	assert_string_equal(r->error.unchanged, "no generation is active, everything stays denied");
	assert_int_equal(testdp_generation(r->dp), 1);
	rig_settle(r);
	assert_int_equal(testdp_generation(r->dp), 0);
	rig_expect(r, 1,
		   "SELECT count(*) FROM event WHERE kind = 'drift' AND text LIKE '%everything is denied'");
	must_commit(r, policy_one);
	rig_check_active(r, 2);
}

static void test_spoiled_readback_is_not_active(void **state)
{
	static const enum testdp_fault spoils[] = {TESTDP_SPOIL, TESTDP_HALF, TESTDP_UNSEALED};
	struct rig *r = *state;

	must_commit(r, policy_one);
	for (size_t i = 0; i < 3; i++) {
		/* the first dump of a commit is of bindings and empty */
		testdp_fault(r->dp, DP_DUMP, spoils[i], 2);
		assert_false(rig_commit(r, policy_two));
		testdp_fault(r->dp, DP_DUMP, TESTDP_SOUND, 0);
		rig_settle(r);
		rig_check_active(r, 1);
	}
}

static void test_not_connected(void **state)
{
	struct rig *r = *state;

	must_commit(r, policy_one);
	testdp_stop(r->dp);
	assert_false(rig_commit(r, policy_two));
	assert_int_equal(r->error.code, CLI_NOT_APPLIED);
	rig_turn(r);
	assert_false(rig_commit(r, policy_two));
	assert_non_null(strstr(r->error.text, "not connected"));
	assert_int_equal(daemon_generation(&r->d), 1);
	r->dp = testdp_start(r->dir);
	rig_settle(r);
	must_commit(r, policy_two);
	rig_check_active(r, 2);
}

static void test_refused_commit_spends_no_numbers(void **state)
{
	struct rig *r = *state;
	int64_t size;

	must_commit(r, policy_one);
	size = rig_number(r, "SELECT count(*) FROM dictionary");
	assert_false(rig_commit(r, refused[1].text));
	assert_int_equal(rig_number(r, "SELECT count(*) FROM dictionary"), size);
	assert_int_equal(dictionary_size(r->d.dictionary),
			 rig_number(r, "SELECT max(number) + 1 FROM dictionary"));
}

/* --- killed between two steps ----------------------------------------------------------------- */

static const struct txn_journal *real;
static enum txn_step kill_at;

static int kill_intent(void *ctx, const struct enforced *g, char *error)
{
	int r;

	if (kill_at == TXN_PREPARE)
		_exit(42);
	r = real->intent(ctx, g, error);
	if (kill_at == TXN_INTENT)
		_exit(42);
	return r;
}

static int kill_readback(void *ctx, const char *engine, const struct readback *got,
			 const struct enforced *expected, bool equal, char *error)
{
	if (kill_at == TXN_PUBLISH)
		_exit(42);
	return real->readback(ctx, engine, got, expected, equal, error);
}

static int kill_active(void *ctx, const struct enforced *g, char *error)
{
	int r;

	if (kill_at == TXN_READBACK)
		_exit(42);
	r = real->active(ctx, g, error);
	if (kill_at == TXN_ACTIVE)
		_exit(42);
	return r;
}

static int kill_abandoned(void *ctx, const struct enforced *g, char *error)
{
	return real->abandoned(ctx, g, error);
}

static const struct txn_journal *killing(struct daemon *d, const struct txn_journal *journal)
{
	static const struct txn_journal wrapped = {kill_intent, kill_readback, kill_active, kill_abandoned};

	real = journal;
	return &wrapped;
}

/* A daemon of its own process takes over the store, commits, and dies at the step. */
static void die_at(struct rig *r, enum txn_step step)
{
	int status;
	pid_t pid;

	daemon_close(&r->d);
	pid = fork();
	if (pid == 0) {
		struct daemon d;
		struct rig child = *r;
		char error[512];

		if (daemon_open(&d, rig_config(r->dir, NULL), r->dir, NULL, error, sizeof(error)) < 0)
			_exit(1);
		child.d = d;
		for (int i = 0; i < 1000 && !child.d.links[0].equal; i++)
			daemon_tick(&child.d);
		child.d.wrap_journal = killing;
		kill_at = step;
		rig_commit(&child, policy_two);
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	memset(&r->d, 0, sizeof(r->d));
}

static void come_back(struct rig *r)
{
	char error[512];

	if (daemon_open(&r->d, rig_config(r->dir, NULL), r->dir, NULL, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	rig_settle(r);
}

static void test_killed(void **state)
{
	static const struct {
		enum txn_step step;
		uint32_t active;
		int64_t abandoned;
	} cases[] = {
		{TXN_PREPARE, 1, 0},  {TXN_INTENT, 1, 1}, {TXN_PUBLISH, 2, 0},
		{TXN_READBACK, 2, 0}, {TXN_ACTIVE, 2, 0},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		must_commit(r, policy_one);
		die_at(r, cases[i].step);
		come_back(r);
		rig_check_active(r, cases[i].active);
		assert_int_equal(rig_number(r, "SELECT count(*) FROM generation WHERE state = 'abandoned'"),
				 cases[i].abandoned);
		rig_stop(r);
		rig_start(r);
	}
}

/* The dataplane died too, so what was published is gone: the intent is void. */
static void test_killed_both(void **state)
{
	struct rig *r = *state;

	must_commit(r, policy_one);
	die_at(r, TXN_PUBLISH);
	testdp_stop(r->dp);
	r->dp = testdp_start(r->dir);
	come_back(r);
	rig_check_active(r, 1);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM generation WHERE state = 'abandoned'"), 1);
	must_commit(r, policy_two);
	rig_check_active(r, 3);
}

/* The stored intent is damaged: it is given up, and what was active goes on. */
static void test_damaged_intent(void **state)
{
	struct rig *r = *state;
	sqlite3 *db;
	char path[128];

	must_commit(r, policy_one);
	die_at(r, TXN_PUBLISH);
	snprintf(path, sizeof(path), "%s/control.db", r->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE generation_image SET bytes = x'00' WHERE generation = 2",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	come_back(r);
	rig_check_active(r, 1);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM generation WHERE state = 'abandoned'"), 1);
}

/* --- the journal fails ------------------------------------------------------------------------ */

static enum txn_step fail_at;

static int full(char *error)
{
	snprintf(error, ENFORCER_ERROR, "the disk is full");
	return -ENOSPC;
}

static int fail_intent(void *ctx, const struct enforced *g, char *error)
{
	return fail_at == TXN_INTENT ? full(error) : real->intent(ctx, g, error);
}

static int fail_readback(void *ctx, const char *engine, const struct readback *got,
			 const struct enforced *expected, bool equal, char *error)
{
	if (fail_at == TXN_READBACK)
		return full(error);
	return real->readback(ctx, engine, got, expected, equal, error);
}

static int fail_active(void *ctx, const struct enforced *g, char *error)
{
	return fail_at == TXN_ACTIVE ? full(error) : real->active(ctx, g, error);
}

static const struct txn_journal *failing(struct daemon *d, const struct txn_journal *journal)
{
	static const struct txn_journal wrapped = {fail_intent, fail_readback, fail_active, kill_abandoned};

	real = journal;
	return &wrapped;
}

static void test_journal_faults(void **state)
{
	static const enum txn_step steps[] = {TXN_INTENT, TXN_READBACK, TXN_ACTIVE};
	struct rig *r = *state;

	must_commit(r, policy_one);
	for (size_t i = 0; i < 3; i++) {
		r->d.wrap_journal = failing;
		fail_at = steps[i];
		assert_false(rig_commit(r, policy_two));
		assert_int_equal(r->error.code, CLI_NOT_APPLIED);
		assert_non_null(strstr(r->error.text, "the disk is full"));
		r->d.wrap_journal = NULL;
		rig_check_active(r, 1);
	}
	must_commit(r, policy_two);
	rig_check_active(r, r->result.number);
}

/* The last good files cannot be written at that moment: the commit stands, the files follow when they can. */
static void test_last_good_follows(void **state)
{
	struct rig *r = *state;
	char path[128];

	must_commit(r, policy_one);
	snprintf(path, sizeof(path), "%s/" LAST_GOOD_IMAGE ".new", r->dir);
	assert_int_equal(symlink("/dev/null", path), 0); /* refused by O_NOFOLLOW, then removed */
	must_commit(r, policy_two);
	assert_true(r->d.keep.dirty);
	rig_check_active(r, 2);
}

/* --- the store -------------------------------------------------------------------------------- */

static void test_corrupt_store(void **state)
{
	struct rig *r = *state;
	char path[128], error[512] = "";
	struct daemon d;
	FILE *f;

	must_commit(r, policy_one);
	daemon_close(&r->d);
	snprintf(path, sizeof(path), "%s/control.db", r->dir);
	f = fopen(path, "r+e");
	assert_non_null(f);
	assert_int_equal(fwrite("this is not a database at all", 29, 1, f), 1);
	fclose(f);
	assert_true(daemon_open(&d, rig_config(r->dir, NULL), r->dir, NULL, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "control.db"));
	assert_int_equal(testdp_generation(r->dp), 1); /* forwarding goes on */
	unlink(path);
	r->d = (struct daemon){0};
	if (daemon_open(&r->d, rig_config(r->dir, NULL), r->dir, NULL, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	for (int64_t end = mono_now_ms() + 5000; !dp_connected(r->d.links[0].dp) && mono_now_ms() < end;)
		rig_turn(r);
	assert_true(dp_connected(r->d.links[0].dp));
	assert_int_equal(testdp_generation(r->dp), 1); /* also under a store that knows nothing of it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_first_commit),
		T(test_rows_of_a_generation),
		T(test_widths_of_rules),
		T(test_second_commit_keeps_numbers),
		T(test_restart_goes_on),
		T(test_new_dataplane_is_published),
		T(test_drift_is_seen_and_repaired),
		T(test_refused_texts),
		T(test_deny_may_mean_the_gateway_by_any),
		T(test_engine_faults),
		T(test_first_publish_comes_late),
		T(test_spoiled_readback_is_not_active),
		T(test_not_connected),
		T(test_refused_commit_spends_no_numbers),
		T(test_killed),
		T(test_killed_both),
		T(test_damaged_intent),
		T(test_journal_faults),
		T(test_last_good_follows),
		T(test_corrupt_store),
	};

	return cmocka_run_group_tests_name("daemon commit", tests, NULL, NULL);
}
