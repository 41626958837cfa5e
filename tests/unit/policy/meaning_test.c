/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What decisions mean, sentence by sentence; each permission with its twin that is refused.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A  "role=a,state=n"
#define AQ "role=a,state=q"
#define B  "role=b,state=n"
#define C  "role=c,state=n"

struct question {
	const char *from, *to, *service, *enforced, *intended; /* intended NULL: not asked */
};

struct meaning {
	const char *name, *rules;
	struct question ask[6];
};

#define R(id, effect, from, to, more)                                                                        \
	"  - {id: " id ", effect: " effect ", from: " from ", to: " to ", service: web, " OWNED more "}\n"

static const struct meaning meanings[] = {
	{"a rule opens what it names, in its direction",
	 "rules:\n" R("x", "allow", "ga", "gb", ""),
	 {{A, B, "web", "allow x", "allow x"},
	  {A, B, "ssh", "deny default-deny", "deny default-deny"},
	  {B, A, "web", "deny default-deny", NULL},
	  {C, B, "web", "deny default-deny", NULL},
	  {AQ, B, "web", "allow x", NULL}}},
	{"deny beats allow inside a tier",
	 "rules:\n" R("a1", "allow", "ga", "gb", "") R("z1", "deny", "ga", "gb", ""),
	 {{A, B, "web", "deny z1", "deny z1"}}},
	{"an upper tier beats a lower one",
	 "rules:\n" R("g", "allow", "ga", "gb", ", tier: guard") R("t", "deny", "any", "gb", "")
		 R("b", "allow", "gc", "gb", ", tier: baseline"),
	 {{A, B, "web", "allow g", NULL}, {C, B, "web", "deny t", NULL}}},
	{"baseline is asked last",
	 "rules:\n" R("t", "allow", "ga", "gb", "") R("b", "deny", "any", "any", ", tier: baseline"),
	 {{A, B, "web", "allow t", NULL}, {C, B, "web", "deny b", NULL}}},
	{"the least id speaks",
	 "rules:\n" R("y", "allow", "ga", "gb", "") R("x", "allow", "any", "gb", "")
		 R("z", "deny", "ga", "gc", "") R("w", "deny", "any", "gc", ""),
	 {{A, B, "web", "allow x", NULL}, {A, C, "web", "deny w", NULL}}},
	{"off is not there",
	 "rules:\n" R("x", "allow", "ga", "gb", ", mode: off") R("d", "deny", "gc", "gb", ", mode: off")
		 R("y", "allow", "gc", "gb", ""),
	 {{A, B, "web", "deny default-deny", "deny default-deny"}, {C, B, "web", "allow y", "allow y"}}},
	{"a monitored rule is intended only",
	 "rules:\n" R("x", "allow", "ga", "gb", ", mode: monitor")
		 R("d", "deny", "gc", "gb", ", mode: monitor") R("y", "allow", "gc", "gb", ""),
	 {{A, B, "web", "deny default-deny", "allow x"}, {C, B, "web", "allow y", "deny d"}}},
	{"any in an allow leaves out conflict and gateway",
	 "rules:\n" R("x", "allow", "any", "any", ""),
	 {{A, B, "web", "allow x", NULL},
	  {"$unknown", "$world", "web", "allow x", NULL},
	  {"$conflict", B, "web", "deny default-deny", NULL},
	  {A, "$conflict", "web", "deny default-deny", NULL},
	  {A, "$gateway", "web", "deny default-deny", NULL},
	  {"$gateway", B, "web", "deny default-deny", NULL}}},
	{"named, they are allowed",
	 "rules:\n" R("x", "allow", "[any, $conflict]", "[any, $gateway]", ""),
	 {{"$conflict", B, "web", "allow x", NULL},
	  {A, "$gateway", "web", "allow x", NULL},
	  {"$gateway", B, "web", "deny default-deny", NULL},
	  {A, "$conflict", "web", "deny default-deny", NULL}}},
	{"any in a deny means all",
	 "rules:\n" R("d", "deny", "any", "any", "") R("x", "allow", "$conflict", "gb", ""),
	 {{"$conflict", B, "web", "deny d", NULL}, {A, "$gateway", "web", "deny d", NULL}}},
	{"known has labels",
	 "rules:\n" R("x", "allow", "$known", "gb", ""),
	 {{A, B, "web", "allow x", NULL},
	  {AQ, B, "web", "allow x", NULL},
	  {"$unknown", B, "web", "deny default-deny", NULL},
	  {"$world", B, "web", "deny default-deny", NULL},
	  {"$conflict", B, "web", "deny default-deny", NULL}}},
	{"a list is a union, a map an intersection, values an alternative",
	 "rules:\n" R("l", "allow", "[ga, {role: c, state: q}]", "gb", "")
		 R("v", "allow", "{role: [b, c]}", "{role: a}", ""),
	 {{A, B, "web", "allow l", NULL},
	  {C, B, "web", "deny default-deny", NULL},
	  {"role=c,state=q", B, "web", "allow l", NULL},
	  {B, A, "web", "allow v", NULL},
	  {C, A, "web", "allow v", NULL},
	  {A, A, "web", "deny default-deny", NULL}}},
	{"rules speak of every value of a defaulted label",
	 "rules:\n" R("q", "deny", "gq", "any", ", tier: guard") R("x", "allow", "ga", "gb", ""),
	 {{A, B, "web", "allow x", NULL}, {AQ, B, "web", "deny q", NULL}}},
	{"a monitored scope lets known initiators pass and remembers",
	 "scopes: [{id: s, to: gb, mode: monitor}]\n",
	 {{A, B, "web", "allow scope:s", "deny default-deny"},
	  {A, C, "web", "deny default-deny", "deny default-deny"},
	  {"$unknown", B, "web", "deny default-deny", NULL},
	  {"$world", B, "web", "deny default-deny", NULL},
	  {"$conflict", B, "web", "deny default-deny", NULL}}},
	{"a scope relaxes a deny of team and baseline, never of guard",
	 "rules:\n" R("t", "deny", "ga", "gb", "") R("b", "deny", "gb", "gb", ", tier: baseline")
		 R("g", "deny", "gc", "gb", ", tier: guard") "scopes: [{id: s, to: gb, mode: monitor}]\n",
	 {{A, B, "web", "allow scope:s", "deny t"},
	  {B, B, "web", "allow scope:s", "deny b"},
	  {C, B, "web", "deny g", "deny g"}}},
	{"a scope's from widens and narrows",
	 "scopes: [{id: s, to: gb, mode: monitor, from: [$unknown, ga, $conflict]}]\n",
	 {{"$unknown", B, "web", "allow scope:s", NULL},
	  {A, B, "web", "allow scope:s", NULL},
	  {C, B, "web", "deny default-deny", NULL},
	  {"$conflict", B, "web", "deny default-deny", NULL}}},
	{"conflict and gateway are never relaxed",
	 "scopes: [{id: s, to: any, mode: monitor, from: any}]\n",
	 {{A, B, "web", "allow scope:s", NULL},
	  {A, "$gateway", "web", "deny default-deny", NULL},
	  {A, "$conflict", "web", "deny default-deny", NULL},
	  {"$conflict", B, "web", "deny default-deny", NULL},
	  {"$world", B, "web", "allow scope:s", NULL}}},
	{"enforce_services are enforced already",
	 "scopes: [{id: s, to: gb, mode: monitor, enforce_services: [ssh, udp/53]}]\n",
	 {{A, B, "web", "allow scope:s", NULL},
	  {A, B, "ssh", "deny default-deny", NULL},
	  {A, B, "udp/53", "deny default-deny", NULL},
	  {A, B, "udp/54", "allow scope:s", NULL}}},
	{"the most specific scope wins, inwards",
	 "scopes: [{id: a, to: any, mode: enforce}, {id: m, to: [ga, gb], mode: monitor}, {id: z, to: gb, "
	 "mode: enforce}]\n",
	 {{C, A, "web", "allow scope:m", NULL},
	  {C, B, "web", "deny default-deny", NULL},
	  {A, C, "web", "deny default-deny", NULL}}},
	{"what is allowed stays the rule's",
	 "rules:\n" R("x", "allow", "ga", "gb", "") "scopes: [{id: s, to: gb, mode: monitor}]\n",
	 {{A, B, "web", "allow x", "allow x"}, {C, B, "web", "allow scope:s", "deny default-deny"}}},
};

static void means(void **state)
{
	const struct meaning *m = *state;
	struct ruleset *rs;
	char text[4096];

	snprintf(text, sizeof(text), "%s%s", PRELUDE, m->rules);
	rs = must_compile(text);
	for (const struct question *q = m->ask; q < m->ask + 6 && q->from; q++) {
		assert_string_equal(ask(rs, q->from, q->to, q->service), q->enforced);
		if (q->intended)
			assert_string_equal(ask_intended(rs, q->from, q->to, q->service), q->intended);
	}
	ruleset_free(rs);
}

static void gives_reasons(void **state)
{
	struct ruleset *rs = must_compile(PRELUDE "rules:\n" R("x", "allow", "ga", "gb", ", log: always") R(
		"d", "deny", "gc", "[gb, $conflict]",
		", action: reject, log: always") "scopes: [{id: s, to: gc, mode: monitor}]\n");
	struct decision d = decide_one(rs, A, B, "web");

	(void)state;
	assert_int_equal(d.reason, REASON_RULE);
	assert_true(d.log_always && !d.reject);
	d = decide_one(rs, C, B, "web");
	assert_int_equal(d.reason, REASON_RULE);
	assert_true(d.reject && d.log_always);
	d = decide_one(rs, A, B, "ssh");
	assert_int_equal(d.reason, REASON_NO_RULE);
	assert_true(!d.reject && !d.log_always);
	assert_int_equal(decide_one(rs, "$conflict", B, "web").reason, REASON_CONFLICT);
	assert_int_equal(decide_one(rs, A, "$conflict", "web").reason, REASON_CONFLICT);
	assert_int_equal(decide_one(rs, C, "$conflict", "web").reason, REASON_RULE);
	d = decide_one(rs, A, C, "web");
	assert_int_equal(d.reason, REASON_SCOPE);
	assert_int_equal(d.intended_reason, REASON_NO_RULE);
	ruleset_free(rs);
}

/* A scope's relaxation is the scope's: it neither rejects nor logs as the rule would. */
static void relaxed_is_not_rejected(void **state)
{
	struct ruleset *rs = must_compile(PRELUDE "rules:\n" R(
		"d", "deny", "ga", "gb",
		", action: reject, log: always") "scopes: [{id: s, to: gb, mode: monitor}]\n");
	struct decision d = decide_one(rs, A, B, "web");

	(void)state;
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	assert_true(!d.reject && !d.log_always);
	ruleset_free(rs);
}

/* --- tests inside the policy
 * ------------------------------------------------------------------------------------------ */

struct inside {
	const char *name, *test, *says; /* says NULL: passes */
};

#define T(from, to, service, expect)                                                                         \
	"{name: t, from: " from ", to: " to ", service: " service ", expect: {" expect "}}"

static const struct inside insides[] = {
	{"verdict and rule", T("ga", "gb", "web", "verdict: allow, rule: x, reason: rule"), NULL},
	{"another verdict", T("ga", "gb", "web", "verdict: deny"), A " -> " B ", tcp/443: allow by x (rule)"},
	{"another rule", T("ga", "gb", "web", "verdict: allow, rule: d"), "allow by x"},
	{"another reason", T("ga", "gb", "web", "reason: scope"), "allow by x"},
	{"intended", T("gc", "gb", "web", "verdict: deny, intended: allow, intended_rule: m"), NULL},
	{"another intended rule", T("gc", "gb", "web", "intended_rule: x"), "intended: allow by m"},
	{"another intended verdict", T("gc", "gb", "web", "intended: deny"), "intended: allow by m"},
	{"defaulted labels are at their default", T("ga", "gb", "web", "verdict: allow"), NULL},
	{"unless the selector speaks of them", T("{role: a, state: [n, q]}", "gb", "web", "verdict: allow"),
	 AQ " -> "},
	{"or its group does", T("gq", "gb", "web", "verdict: deny, rule: d"), NULL},
	{"every identity must agree", T("[ga, gb]", "gb", "web", "verdict: allow"), B " -> " B},
	{"every key must agree", T("ga", "gb", "tcp/440-443", "verdict: allow"), "tcp/440"},
	{"the last key too", T("ga", "gb", "tcp/443-444", "verdict: allow"), "tcp/444"},
	{"any means all", T("any", "gb", "web", "verdict: allow"), "$unknown"},
	{"nobody is a failure", T("{role: d}", "gb", "web", "verdict: deny"), "no identity can be {role=d}"},
};

static void runs(void **state)
{
	const struct inside *in = *state;
	struct test_result result;
	struct ruleset *rs;
	char text[4096];

	snprintf(text, sizeof(text), "%s%s%s\n", PRELUDE,
		 "rules:\n" R("x", "allow", "ga", "gb", "") R("m", "allow", "gc", "gb", ", mode: monitor")
			 R("d", "deny", "gq", "any", ", tier: guard") "tests:\n  - ",
		 in->test);
	rs = must_compile(text);
	assert_int_equal(rs->n_tests, 1);
	assert_int_equal(policy_run_tests(rs, 0, &result), in->says != NULL);
	assert_int_equal(result.passed, in->says == NULL);
	if (in->says && !strstr(result.text, in->says))
		fail_msg("said `%s`", result.text);
	ruleset_free(rs);
}

/* --- warnings
 * ----------------------------------------------------------------------------------------------------------
 */

static void warns(void **state)
{
	struct ruleset *rs = must_compile(
		PRELUDE "rules:\n" R("a1", "allow", "ga", "gb", "") R("d1", "deny", "[ga, gc]", "gb", "")
			R("a2", "allow", "ga", "gc", "") R("d2", "deny", "ga", "gc", ", tier: guard")
				R("d3", "deny", "gb", "gc", "") R("d4", "deny", "ga", "gc", ", mode: off"));
	struct diags d;

	(void)state;
	diags_init(&d);
	policy_warn(rs, 0, &d);
	assert_int_equal(d.n_warnings, 1);
	assert_int_equal(d.n_errors, 0);
	assert_non_null(strstr(d.items[0].text, "allow `a1` overlaps deny `d1` of its tier"));
	policy_warn(rs, INT64_C(1893542399), &d); /* 2030-01-01T23:59:59Z */
	assert_int_equal(d.n_warnings, 2);
	policy_warn(rs, INT64_C(1893542400), &d);
	assert_int_equal(d.n_warnings, 2 + 1 + 5);
	diags_free(&d);
	ruleset_free(rs);
}

/* Prefixes that no endpoint is classified by are no error, but said. */
static void warns_of_classifiers_that_never_hold(void **state)
{
	struct ruleset *rs =
		must_compile("cordon: 1\nbundle: {name: t, owner: o, timezone: UTC}\nlabels: {role: [a]}\n"
			     "classify:\n"
			     "  - {id: a, when: {prefix: \"fe80::/64\"}, set: {role: a}}\n"
			     "  - {id: b, when: {prefix: 239.0.0.0/8, vlan: 1}, set: {role: a}}\n"
			     "  - {id: c, when: {prefix: 0.0.0.0/0}, set: {role: a}}\n"
			     "  - {id: d, when: {prefix: 169.0.0.0/8}, set: {role: a}}\n");
	struct diags d;

	(void)state;
	diags_init(&d);
	policy_warn(rs, 0, &d);
	assert_int_equal(d.n_warnings, 2);
	assert_non_null(strstr(d.items[0].text, "classify rule `a` never holds"));
	assert_int_equal(d.items[1].place.line, 6);
	diags_free(&d);
	ruleset_free(rs);
}

#define N_MEANINGS (sizeof(meanings) / sizeof(*meanings))
#define N_INSIDES  (sizeof(insides) / sizeof(*insides))

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(gives_reasons),
		cmocka_unit_test(relaxed_is_not_rejected),
		cmocka_unit_test(warns),
		cmocka_unit_test(warns_of_classifiers_that_never_hold),
	};
	struct CMUnitTest tests[N_MEANINGS + N_INSIDES + sizeof(others) / sizeof(*others)];
	struct CMUnitTest *t = tests;

	for (size_t i = 0; i < N_MEANINGS; i++)
		*t++ = (struct CMUnitTest){meanings[i].name, means, NULL, NULL,
					   (void *)(uintptr_t)&meanings[i]};
	for (size_t i = 0; i < N_INSIDES; i++)
		*t++ = (struct CMUnitTest){insides[i].name, runs, NULL, NULL, (void *)(uintptr_t)&insides[i]};
	memcpy(t, others, sizeof(others));
	return cmocka_run_group_tests_name("policy-meaning", tests, NULL, NULL);
}
