/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two engines, or the kernel alone: a commit is in both or in none, what an engine holds is proved, and what
 * is done about a difference is what the config says.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>

#include "handlers.h"
#include "link.h"
#include "proof.h"

#define FEATURES (DP_FEATURE_BRIDGE | DP_FEATURE_BR_NETFILTER | DP_FEATURE_NFLOG)

#define EVENTS(kind) "SELECT count(*) FROM event WHERE kind = '" kind "'"

static void start(struct rig *r, const char *extra)
{
	rig_start_with(r, extra, FEATURES);
}

static void must_commit(struct rig *r, const char *text)
{
	if (!rig_commit(r, text))
		fail_msg("%s", r->error.text);
}

static void expect_text(struct rig *r, int64_t n, const char *kind, const char *like)
{
	char sql[512];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM event WHERE kind = '%s' AND text LIKE '%s'", kind,
		 like);
	if (rig_number(r, sql) == n)
		return;
	for (size_t i = 0; i < r->d.n_links; i++)
		print_error("%s: %s\n", link_word(&r->d.links[i]), r->d.links[i].found.text);
	fail_msg("%s: %lld, expected %lld", sql, (long long)rig_number(r, sql), (long long)n);
}

/* --- commits ---------------------------------------------------------------------------------- */

static void test_both_hold_it(void **state)
{
	struct rig r;

	start(&r, "fail: nft\n");
	assert_int_equal(r.d.n_links, 2);
	must_commit(&r, policy_one);
	rig_check_active(&r, 1);
	assert_int_equal(
		rig_number(&r, "SELECT count(DISTINCT engine) FROM readback WHERE equal AND generation = 1"),
		2);
	assert_true(r.d.links[1].proof.cells > 0 && r.d.links[1].proof.elements > 0);
	assert_int_equal(r.d.links[0].proof.cells, r.d.links[1].proof.cells);
	must_commit(&r, policy_two);
	rig_check_active(&r, 2);
	rig_stop(&r);
}

static const struct {
	const char *what;
	bool nft;
	uint16_t type;
	enum testdp_fault fault;
} faults[] = {
	{"the kernel refuses to prepare", true, DP_PREPARE, TESTDP_REFUSE},
	{"the kernel refuses the batch", true, DP_PUBLISH, TESTDP_REFUSE},
	{"the kernel says that it did", true, DP_PUBLISH, TESTDP_LIE},
	{"cordon-nft closes", true, DP_PUBLISH, TESTDP_CLOSE},
	{"cordon-nft sends half a message", true, DP_PUBLISH, TESTDP_SIZE},
	{"the dataplane refuses to prepare", false, DP_PREPARE, TESTDP_REFUSE},
	{"the dataplane refuses", false, DP_PUBLISH, TESTDP_REFUSE},
	{"cordon-dp closes", false, DP_PUBLISH, TESTDP_CLOSE},
};

static void test_in_both_or_in_none(void **state)
{
	struct rig r;

	start(&r, "fail: nft\n");
	must_commit(&r, policy_one);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		testdp_fault(faults[i].nft ? r.nft : r.dp, faults[i].type, faults[i].fault, 1);
		if (rig_commit(&r, policy_two))
			fail_msg("%s: committed", faults[i].what);
		assert_int_equal(r.error.code, CLI_NOT_APPLIED);
		if (!strstr(r.error.text, faults[i].nft ? "nft" : "dpdk"))
			fail_msg("%s: %s", faults[i].what, r.error.text);
		rig_settle(&r);
		rig_check_active(&r, 1);
	}
	must_commit(&r, policy_two);
	rig_check_active(&r, r.result.number);
	rig_stop(&r);
}

static void test_commit_needs_every_engine(void **state)
{
	struct rig r;

	start(&r, "management: {addresses: [10.99.0.2/24], from: [web]}\n");
	testdp_stop(r.nft);
	r.nft = NULL;
	while (dp_connected(r.d.links[1].dp))
		rig_turn(&r);
	assert_false(rig_commit(&r, policy_one));
	r.nft = testdp_start_nft(r.dir, FEATURES, false);
	rig_settle(&r);
	testdp_stop(r.nft);
	r.nft = NULL;
	rig_turn(&r);
	assert_false(rig_commit(&r,
				"cordon: 1\n"
				"bundle: {name: b, owner: o@example, timezone: UTC}\n"
				"labels: {role: [web]}\n"
				"classify: [{id: c, when: {prefix: 10.0.10.1/32}, set: {role: web}}]\n"
				"groups: {web: {role: web}}\n"
				"rules: [{id: ssh, effect: allow, from: web, to: $gateway, service: tcp/22, "
				"owner: o, review_by: 2099-01-01}]\n"));
	assert_non_null(strstr(r.error.text, "the kernel engine is not connected"));
	assert_string_equal(r.error.next, "start cordon-nft, then commit again");
	rig_stop(&r);
}

/* The data path decides what becomes of an open intent; a follower that is there first waits, and says so. */
static void decide_with_follower(bool holds_it, uint32_t active)
{
	struct rig r;

	start(&r, "fail: nft\n");
	must_commit(&r, policy_one);
	must_commit(&r, policy_two);
	assert_int_equal(rig_number(&r, "UPDATE generation SET state = CASE number WHEN 1 THEN 'active' ELSE "
					"'prepared' END RETURNING 0"),
			 0);
	if (!holds_it) {
		testdp_stop(r.dp);
		r.dp = testdp_start(r.dir);
	}
	testdp_fault(r.dp, DP_HELLO, TESTDP_CLOSE, 1);
	rig_restart_daemon(&r);
	while (!dp_connected(r.d.links[1].dp))
		rig_turn(&r);
	assert_false(dp_connected(r.d.links[0].dp));
	assert_string_equal(r.d.links[1].text, "it is read back when generation 2 is decided");
	rig_settle(&r);
	rig_check_active(&r, active);
	rig_stop(&r);
}

static void test_a_follower_waits_for_the_decision(void **state)
{
	decide_with_follower(true, 2);
	decide_with_follower(false, 1);
}

static void test_a_new_follower_is_published(void **state)
{
	struct rig r;

	start(&r, "fail: nft\n");
	must_commit(&r, policy_one);
	testdp_stop(r.nft);
	r.nft = testdp_start_nft(r.dir, FEATURES, true);
	while (testdp_generation(r.nft) == 0)
		rig_turn(&r);
	rig_settle(&r);
	rig_check_active(&r, 1);
	assert_int_equal(rig_number(&r, EVENTS("drift")), 0);
	rig_stop(&r);
}

static void test_kernel_alone(void **state)
{
	struct rig r;

	start(&r, "engine: nft\n");
	assert_int_equal(r.d.n_links, 1);
	must_commit(&r, policy_one);
	rig_check_active(&r, 1);
	rig_stop(&r);
}

static void test_kernel_that_cannot(void **state)
{
	struct rig r;

	rig_start_with(&r, "engine: nft\n", DP_FEATURE_BRIDGE | DP_FEATURE_NFLOG);
	assert_false(rig_commit(&r, policy_one));
	assert_int_equal(r.error.code, CLI_CAPACITY);
	assert_non_null(strstr(r.error.text, "br_netfilter"));
	assert_int_equal(testdp_seen(r.nft, DP_PREPARE), 0);
	rig_check_active(&r, 0);
	rig_stop(&r);
}

/* --- differences ------------------------------------------------------------------------------ */

static void read_back(struct rig *r, enum testdp_tamper how)
{
	testdp_tamper(r->nft, how);
	r->d.links[r->d.n_links - 1].verify_ms -= 61000;
	rig_turn(r);
}

/* web and db, as the policy classifies them. */
static void bind_hosts(struct rig *r)
{
	for (uint8_t i = 1; i <= 2; i++) {
		struct dp_endpoint host = {.addr = {10, 0, 10, i},
					   .mac = {2, 0, 0, 0, 0, i},
					   .domain = 10,
					   .port = i - 1u,
					   .family = 4,
					   .kind = DP_ENDPOINT_NEW};

		link_endpoint(&r->d, &host);
	}
	link_flush(&r->d);
}

#define CELL "%10.0.10.1 -> 10.0.10.2 tcp/5433: nft holds allow, the policy says deny by default-deny%"

static void test_a_difference_is_a_packet(void **state)
{
	struct rig r;

	start(&r, "fail: nft\n");
	must_commit(&r, policy_one);
	bind_hosts(&r);
	read_back(&r, TESTDP_WIDEN);
	expect_text(&r, 1, "alarm", CELL);
	expect_text(&r, 1, "drift", CELL "published again");
	assert_int_equal(rig_number(&r, "SELECT count(*) FROM readback WHERE NOT equal AND engine = 'nft'"),
			 2);
	assert_true(r.d.links[1].equal);
	assert_string_equal(r.d.links[1].found.rule, "default-deny");
	assert_string_equal(r.d.links[1].found.from, "role=web");
	assert_int_equal(testdp_seen(r.nft, DP_DENY_ALL), 0);
	rig_check_active(&r, 1);
	rig_stop(&r);
}

/* In no cell, but not what was loaded. */
static void test_a_rule_is_gone(void **state)
{
	struct rig r;

	start(&r, "fail: nft\n");
	must_commit(&r, policy_one);
	read_back(&r, TESTDP_CUT);
	expect_text(&r, 1, "drift", "nft: %");
	assert_true(r.d.links[1].equal);
	assert_false(r.d.links[1].found.equal);
	rig_check_active(&r, 1);
	rig_stop(&r);
}

/* A bit anywhere in the dataplane's image is found; where a decision goes through it, with a packet. */
static void test_every_bit_counts(void **state)
{
	size_t n = 0, packets = 0;
	struct rig r;

	start(&r, NULL);
	must_commit(&r, policy_one);
	for (size_t at = 0; testdp_flip(r.dp, at); at += 7) {
		link_verify(&r.d, &r.d.links[0]);
		if (r.d.links[0].found.equal)
			fail_msg("byte %zu", at);
		n++;
		packets += r.d.links[0].found.packet[0] != 0;
		assert_true(r.d.links[0].equal); /* published again */
	}
	assert_true(n > 100);
	if (packets < 20)
		fail_msg("%zu packets of %zu", packets, n);
	rig_stop(&r);
}

static void test_drift_is_told(void **state)
{
	struct rig r;

	start(&r, "engine: nft\n");
	must_commit(&r, policy_one);
	testdp_tamper(r.nft, TESTDP_WIDEN);
	for (int i = 0; i < 5; i++)
		rig_turn(&r);
	assert_int_equal(rig_number(&r, EVENTS("drift")), 0); /* nobody looked yet */
	testdp_tell_drift(r.nft);
	rig_expect(&r, 1, EVENTS("drift"));
	rig_settle(&r);
	rig_stop(&r);
}

static const struct dp_endpoint new_host = {.addr = {10, 0, 10, 1},
					    .mac = {2, 0, 0, 0, 0, 1},
					    .domain = 10,
					    .family = 4,
					    .kind = DP_ENDPOINT_NEW};

/* The last that the dataplane saw before it died: the kernel, which takes over, knows it too. */
static void test_last_words(void **state)
{
	struct rig r;

	start(&r, "fail: nft\n");
	must_commit(&r, policy_one);
	link_endpoint(&r.d, &new_host);
	testdp_stop(r.dp);
	r.dp = NULL;
	for (int i = 0; i < 10; i++)
		rig_turn(&r);
	assert_false(dp_connected(r.d.links[0].dp));
	assert_int_equal(testdp_held(r.nft), 1);
	rig_stop(&r);
}

static void test_drift_of_bindings(void **state)
{
	struct dp_endpoint host = new_host;
	struct rig r;

	start(&r, "fail: nft\n");
	must_commit(&r, policy_one);
	link_endpoint(&r.d, &host);
	link_flush(&r.d);
	assert_int_equal(testdp_held(r.nft), 1);
	link_verify(&r.d, &r.d.links[1]);
	assert_true(r.d.links[1].found.equal);
	host.kind = DP_ENDPOINT_GONE;
	link_endpoint(&r.d, &host);
	link_flush(&r.d);
	assert_int_equal(testdp_held(r.nft), 0);
	link_verify(&r.d, &r.d.links[1]);
	assert_true(r.d.links[1].found.equal);
	rig_stop(&r);
}

static void test_closed_until_it_is_equal(void **state)
{
	struct rig r;

	start(&r, "fail: nft\nverify: {on_difference: closed}\n");
	must_commit(&r, policy_one);
	read_back(&r, TESTDP_WIDEN);
	assert_int_equal(testdp_seen(r.nft, DP_DENY_ALL), 1);
	assert_int_equal(testdp_seen(r.dp, DP_DENY_ALL), 0);
	assert_true(r.d.links[1].equal);
	assert_false(r.d.links[1].closed);
	testdp_fault(r.nft, DP_PREPARE, TESTDP_REFUSE, 1); /* it cannot be loaded again */
	read_back(&r, TESTDP_WIDEN);
	assert_true(r.d.links[1].closed);
	assert_int_equal(testdp_generation(r.nft), 0);
	rig_settle(&r);
	assert_false(r.d.links[1].closed);
	rig_check_active(&r, 1);
	rig_stop(&r);
}

static void test_adopted_until_the_next_commit(void **state)
{
	struct rig r;

	start(&r, "fail: nft\nverify: {drift: adopt, every: 1s}\n");
	must_commit(&r, policy_one);
	read_back(&r, TESTDP_WIDEN);
	read_back(&r, TESTDP_WIDEN);
	assert_true(r.d.links[1].adopted);
	assert_false(r.d.links[1].equal);
	expect_text(&r, 1, "drift", "%; adopted");
	assert_int_equal(testdp_seen(r.nft, DP_PUBLISH), 1);
	must_commit(&r, policy_two);
	assert_false(r.d.links[1].adopted);
	rig_check_active(&r, 2);
	rig_stop(&r);
}

/* The image is not what the text says: no engine is asked before that is known. */
static void test_text_and_image_are_one(void **state)
{
	struct rig r;
	struct image_decision *d;
	struct proof p;

	start(&r, NULL);
	must_commit(&r, policy_one);
	assert_int_equal(proof_policy(&r.d, r.d.active, 0, &p), 0);
	assert_true(p.equal);
	assert_int_equal(p.cells, r.d.links[0].proof.cells);
	d = (struct image_decision *)(uintptr_t)image_at(r.d.active->image, r.d.active->image->decision);
	d[r.d.active->image->decision.count - 1].flags ^= DECISION_ALLOW;
	assert_int_equal(proof_policy(&r.d, r.d.active, 0, &p), 0);
	assert_false(p.equal);
	assert_non_null(strstr(p.text, "tcp/5432: the image holds deny, the policy says allow by web-db"));
	d[r.d.active->image->decision.count - 1].flags ^= DECISION_ALLOW;
	rig_stop(&r);
}

/* --- the gateway itself ----------------------------------------------------------------------- */

#define GATEWAY_POLICY(rules) ADMIN_POLICY("prefix: 10.0.10.1/32", rules)
#define ADMIN_POLICY(admin, rules)                                                                           \
	"cordon: 1\n"                                                                                        \
	"bundle: {name: b, owner: o@example, timezone: UTC}\n"                                               \
	"labels: {role: [admin, web]}\n"                                                                     \
	"classify:\n"                                                                                        \
	"  - {id: c-a, when: {" admin "}, set: {role: admin}}\n"                                             \
	"  - {id: c-w, when: {prefix: 10.0.10.2/32}, set: {role: web}}\n"                                    \
	"groups: {admins: {role: admin}, web: {role: web}}\n"                                                \
	"rules:\n" rules
#define RULE(id, effect, more)                                                                               \
	"  - {id: " id ", effect: " effect ", to: $gateway, owner: o, review_by: 2099-01-01, " more "}\n"

static void test_gateway_rules(void **state)
{
	struct rig r;

	start(&r, "management: {addresses: [10.99.0.2/24], from: [admins]}\n");
	assert_false(rig_commit(&r, GATEWAY_POLICY(RULE("web", "allow", "from: web, service: tcp/22"))));
	assert_int_equal(r.error.code, CLI_POLICY);
	must_commit(&r, GATEWAY_POLICY(RULE("ssh", "allow", "from: admins, service: tcp/22")));
	assert_false(rig_commit(&r, GATEWAY_POLICY(RULE("ssh", "allow", "from: admins, service: tcp/22") RULE(
					    "no", "deny", "tier: guard, from: admins, service: any"))));
	rig_check_active(&r, 1);
	rig_stop(&r);
}

/* The kernel knows who calls the gateway by the address alone: labels that need more would lock them out. */
static void test_callers_known_by_prefix(void **state)
{
	static const char ssh[] = RULE("ssh", "allow", "from: admins, service: tcp/22");
	static const char *const unknown[] = {
		ADMIN_POLICY("prefix: 10.0.10.1/32, mac: '02:00:00:00:00:01'", ),
		ADMIN_POLICY("port: lan1", ),
		ADMIN_POLICY("prefix: 192.0.2.0/24", ), /* not protected: $world */
		ADMIN_POLICY("prefix: 'fd00::/64'", ),  /* of a family without an address of the gateway */
	};
	char text[2048];
	struct rig r;

	start(&r, "management: {addresses: [10.99.0.2/24], from: [admins]}\n");
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", unknown[i], ssh);
		assert_false(rig_commit(&r, text));
		assert_int_equal(r.error.code, CLI_POLICY);
		if (!strstr(r.found, "`admins` must reach $gateway by ssh: no address is known to be its"))
			fail_msg("%s: %s", unknown[i], r.found);
	}
	must_commit(&r, ADMIN_POLICY("prefix: 10.0.0.0/16",
				     RULE("ssh", "allow", "from: admins, service: tcp/22")));
	rig_stop(&r);
}

/* --- standby, verify -------------------------------------------------------------------------- */

static void test_takeovers_are_told(void **state)
{
	struct rig r;

	start(&r, "fail: nft\n");
	must_commit(&r, policy_one);
	testdp_stand(r.nft, DP_STANDBY_ACTIVE, 1, 321);
	r.d.links[1].ping_ms -= 5000;
	rig_expect(&r, 1, EVENTS("takeover"));
	expect_text(&r, 1, "takeover", "%321 ms%");
	testdp_stand(r.nft, DP_STANDBY_GUARDING, 1, 321);
	r.d.links[1].ping_ms -= 5000;
	rig_expect(&r, 1, EVENTS("takeover-end"));
	rig_stop(&r);
}

static json_t *verify(struct rig *r)
{
	json_t *body = json_object(), *answer;
	struct api_request rq = {.body = body};
	struct api_answer a = {0};

	handle_verify(&r->d, &rq, &a);
	assert_int_equal(a.status, 200);
	answer = json_loadb(a.body, a.len, 0, NULL);
	assert_non_null(answer);
	free(a.body);
	json_decref(body);
	return answer;
}

static const json_t *item(const json_t *answer, const char *list, size_t i)
{
	return json_array_get(json_object_get(json_object_get(answer, "data"), list), i);
}

/* Live checks of an engine; those about one thing only, if it is named. */
struct live_count {
	size_t passed, failed, open, skipped;
	const json_t *last; /* that did not pass */
};

static const char *member(const json_t *check, const char *key)
{
	const char *text = json_string_value(json_object_get(check, key));

	return text ? text : "";
}

static struct live_count count_live(const json_t *answer, const char *engine, const char *about)
{
	struct live_count n = {0};
	const json_t *check;

	for (size_t i = 0; (check = item(answer, "checks", i)); i++) {
		const json_t *passed = json_object_get(check, "passed");

		if (strcmp(member(check, "class"), "live") != 0 ||
		    strcmp(member(check, "engine"), engine) != 0 ||
		    (about && strcmp(member(check, "about"), about) != 0))
			continue;
		n.passed += json_is_true(passed);
		n.failed += json_is_false(passed);
		n.skipped += json_is_true(json_object_get(check, "skipped"));
		n.open += json_is_null(passed) && json_is_false(json_object_get(check, "skipped"));
		if (!json_is_true(passed))
			n.last = check;
	}
	return n;
}

static void expect_proved(const json_t *answer, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *check = item(answer, "checks", i);

		assert_string_equal(member(check, "class"), "proof");
		assert_true(json_is_true(json_object_get(check, "passed")));
	}
}

static void test_verify(void **state)
{
	struct live_count n;
	struct rig r;
	json_t *a;

	start(&r, "fail: nft\n");
	must_commit(&r, policy_one);
	a = verify(&r);
	expect_proved(a, 3);
	n = count_live(a, "dpdk", NULL);
	assert_true(n.passed > 40);
	assert_int_equal(n.failed + n.open, 0);
	assert_true(json_is_true(json_object_get(a, "complete")));
	json_decref(a);
	testdp_tamper(r.nft, TESTDP_WIDEN);
	testdp_drift(r.dp);
	a = verify(&r);
	for (size_t i = 0; i < 2; i++) {
		const json_t *e = item(a, "engines", i), *d = json_object_get(e, "difference");

		assert_true(json_is_false(json_object_get(e, "equal")));
		assert_string_equal(json_string_value(json_object_get(e, "state")), "reverted");
		assert_non_null(strstr(json_string_value(json_object_get(d, "packet")), " -> "));
		assert_true(json_is_false(json_object_get(item(a, "checks", 1 + i), "passed")));
	}
	json_decref(a);
	testdp_stop(r.nft);
	r.nft = NULL;
	a = verify(&r);
	assert_true(json_is_false(json_object_get(a, "complete")));
	assert_true(json_is_false(json_object_get(item(a, "engines", 1), "connected")));
	expect_proved(a, 2);
	n = count_live(a, "nft", NULL);
	assert_int_equal(n.passed + n.failed + n.open + n.skipped, 0);
	json_decref(a);
	rig_stop(&r);
}

/* Every kind of case, in both families, has a check of its own. */
static void test_live_cases(void **state)
{
	static const char *const about[] = {"decision", "state", "error", "fragment", "option", "spoofing"};
	struct rig r;
	json_t *a;
	char *text;

	start(&r, NULL);
	must_commit(&r, policy_one);
	a = verify(&r);
	for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++)
		assert_true(count_live(a, "dpdk", about[i]).passed > 1);
	text = json_dumps(a, 0);
	assert_non_null(strstr(text, "handshake, tcp over IPv4, allowed"));
	assert_non_null(strstr(text, "handshake, tcp over IPv6, allowed"));
	assert_non_null(strstr(text, "handshake, tcp over IPv6, denied"));
	assert_non_null(strstr(text, "atomic fragment, tcp over IPv6, allowed"));
	assert_non_null(strstr(text, "tcp/5432: allow by web-db, and passed"));
	free(text);
	json_decref(a);
	rig_stop(&r);
}

/* The last decision of policy_one is the allow, the first default-deny. */
static void wrong_engine(struct rig *r, uint32_t decision, const char *name, const char *what)
{
	struct live_count n;
	json_t *a;

	const int64_t alarms = rig_number(r, EVENTS("alarm"));

	testdp_turn(r->dp, decision);
	a = verify(r);
	testdp_turn(r->dp, decision);
	expect_proved(a, 2);
	assert_int_equal(rig_number(r, EVENTS("alarm")), alarms + 1);
	n = count_live(a, "dpdk", "decision");
	assert_true(n.failed > 0 && n.passed > 0);
	assert_int_equal(n.open, 0);
	if (!strstr(member(n.last, "name"), name) || !strstr(member(n.last, "detail"), what))
		fail_msg("%s: %s", member(n.last, "name"), member(n.last, "detail"));
	json_decref(a);
}

static void test_live_finds_a_wrong_engine(void **state)
{
	struct rig r;

	start(&r, NULL);
	must_commit(&r, policy_one);
	wrong_engine(
		&r, r.d.active->image->decision.count - 1, "role=db tcp/5432 over IPv",
		"tcp/5432: frame 1 of 1, from the initiator, was dropped and must pass (first packet, the "
		"policy says allow by web-db)");
	wrong_engine(
		&r, 0, " over IPv",
		": frame 1 of 1, from the initiator, passed and must be dropped (first packet, the policy "
		"says deny by default-deny)");
	const int64_t alarms = rig_number(&r, EVENTS("alarm")); /* the twin: right again, and none */
	json_decref(verify(&r));
	assert_int_equal(rig_number(&r, EVENTS("alarm")), alarms);
	rig_stop(&r);
}

/* What was not asked has a row that says why. */
static void test_live_leaves_nothing_out(void **state)
{
	struct live_count n;
	struct rig r;
	json_t *a;

	start(&r, "fail: nft\nmanagement: {addresses: [10.99.0.2/24], from: [web]}\n");
	a = verify(&r);
	n = count_live(a, "dpdk", NULL);
	assert_int_equal(n.skipped, 1);
	assert_non_null(strstr(member(n.last, "detail"), "no generation is active"));
	json_decref(a);
	must_commit(&r, GATEWAY_POLICY(RULE("ssh", "allow", "from: web, service: tcp/22")));
	a = verify(&r);
	n = count_live(a, "nft", "decision");
	assert_int_equal(n.open, 1);
	assert_non_null(strstr(member(n.last, "detail"), "the bridge lets nothing pass"));
	n = count_live(a, "nft", "host");
	assert_int_equal(n.skipped, 1);
	assert_non_null(strstr(member(n.last, "detail"), "no packet is sent to them"));
	json_decref(a);
	testdp_fault(r.dp, DP_PROBE, TESTDP_CLOSE, 1);
	a = verify(&r);
	n = count_live(a, "dpdk", NULL);
	assert_int_equal(n.open, 1);
	assert_non_null(strstr(member(n.last, "detail"), "0 of "));
	json_decref(a);
	rig_stop(&r);
}

/* --- what the kernel engine does not do ------------------------------------------------------- */

static int64_t needs_of(struct rig *r, const char *extra, const char *policy)
{
	struct api_request rq = {0};
	struct api_answer a = {0};
	const json_t *needs;
	json_t *answer;
	int64_t n;

	start(r, extra);
	must_commit(r, policy);
	handle_generations(&r->d, &rq, &a);
	answer = json_loadb(a.body, a.len, 0, NULL);
	free(a.body);
	needs = json_object_get(json_array_get(json_object_get(answer, "data"), 0), "needs_dpdk");
	assert_non_null(needs);
	n = json_is_integer(needs) ? json_integer_value(needs) : -1;
	json_decref(answer);
	return n;
}

/* A rule that needs dpdk for two reasons, multicast and a type of ICMP, is one rule. */
static void test_generations_tell_what_needs_dpdk(void **state)
{
	static const char policy[] =
		"cordon: 1\n"
		"bundle: {name: b, owner: o@example, timezone: UTC}\n"
		"labels: {role: [web, db]}\n"
		"classify: [{id: c, when: {prefix: 10.0.10.1/32}, set: {role: web}}]\n"
		"groups: {web: {role: web}, db: {role: db}}\n"
		"rules:\n"
		"  - {id: cast, effect: allow, from: web, to: $multicast, service: 'icmp/14/0', owner: o, "
		"review_by: 2099-01-01}\n"
		"  - {id: no, effect: deny, action: reject, from: web, to: db, service: any, owner: o, "
		"review_by: 2099-01-01}\n";
	struct rig r;

	assert_int_equal(needs_of(&r, "fail: nft\n", policy), 2);
	rig_restart_daemon(&r);
	assert_int_equal(rig_number(&r, "SELECT needs_dpdk FROM generation WHERE number = 1"), 2);
	rig_stop(&r);
	assert_int_equal(needs_of(&r, "engine: nft\n", policy_one), 0);
	rig_stop(&r);
	assert_int_equal(needs_of(&r, NULL, policy), -1);
	rig_stop(&r);
}

/* A store that was made before the columns were there. */
static void test_an_older_store(void **state)
{
	struct rig r;

	start(&r, "fail: nft\n");
	must_commit(&r, policy_one);
	assert_int_equal(sqlite3_exec(r.d.journal.db,
				      "ALTER TABLE generation DROP COLUMN needs_dpdk;"
				      "ALTER TABLE readback DROP COLUMN clock_bad",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	rig_restart_daemon(&r);
	rig_settle(&r);
	assert_int_equal(rig_number(&r, "SELECT needs_dpdk IS NULL FROM generation"), 1);
	assert_true(rig_number(&r, "SELECT count(*) FROM readback WHERE clock_bad IS NULL") > 0);
	must_commit(&r, policy_two);
	assert_int_equal(rig_number(&r, "SELECT needs_dpdk FROM generation WHERE number = 2"), 0);
	assert_true(rig_number(&r, "SELECT count(*) FROM readback WHERE expected = 2 AND clock_bad = 0") > 0);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_hold_it),
		cmocka_unit_test(test_in_both_or_in_none),
		cmocka_unit_test(test_commit_needs_every_engine),
		cmocka_unit_test(test_a_follower_waits_for_the_decision),
		cmocka_unit_test(test_a_new_follower_is_published),
		cmocka_unit_test(test_kernel_alone),
		cmocka_unit_test(test_kernel_that_cannot),
		cmocka_unit_test(test_a_difference_is_a_packet),
		cmocka_unit_test(test_a_rule_is_gone),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_drift_is_told),
		cmocka_unit_test(test_drift_of_bindings),
		cmocka_unit_test(test_closed_until_it_is_equal),
		cmocka_unit_test(test_adopted_until_the_next_commit),
		cmocka_unit_test(test_text_and_image_are_one),
		cmocka_unit_test(test_gateway_rules),
		cmocka_unit_test(test_callers_known_by_prefix),
		cmocka_unit_test(test_takeovers_are_told),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_live_cases),
		cmocka_unit_test(test_live_finds_a_wrong_engine),
		cmocka_unit_test(test_live_leaves_nothing_out),
		cmocka_unit_test(test_generations_tell_what_needs_dpdk),
		cmocka_unit_test(test_an_older_store),
	};

	return cmocka_run_group_tests_name("daemon engines", tests, NULL, NULL);
}
