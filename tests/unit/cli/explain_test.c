/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_explain() against the evaluator, key by key: its regions cover what was asked, once, and say what
 * policy_eval() says in every point.
 */
#include "explain.h"
#include "policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const char text[] =
	"cordon: 1\n"
	"bundle: {name: x, owner: o, timezone: UTC}\n"
	"labels: {role: [a, b, c]}\n"
	"classify:\n"
	"  - {id: ca, when: {prefix: 10.0.0.0/24}, set: {role: a}}\n"
	"  - {id: cb, when: {prefix: 10.0.1.0/24}, set: {role: b}}\n"
	"  - {id: cc, when: {prefix: 10.0.2.0/24}, set: {role: c}}\n"
	"groups: {a: {role: a}, b: {role: b}, c: {role: c}}\n"
	"rules:\n"
	"  - {id: r1, effect: allow, from: a, to: b, service: tcp/100-200, owner: o, review_by: 2030-01-01}\n"
	"  - {id: r2, effect: deny, from: a, to: b, service: tcp/150-160, owner: o, review_by: 2030-01-01}\n"
	"  - {id: r3, effect: allow, from: a, to: b, service: tcp/201-300, owner: o, review_by: 2030-01-01}\n"
	"  - {id: r4, tier: baseline, effect: allow, from: any, to: c, service: any, owner: o, review_by: "
	"2030-01-01}\n"
	"scopes:\n"
	"  - {id: s, to: b, mode: monitor, enforce_services: [tcp/22]}\n";

struct seen {
	const struct ruleset *rs;
	struct explain_answer answers[256];
	size_t n;
};

static bool keep(void *ctx, const struct explain_answer *a)
{
	struct seen *s = ctx;

	assert_true(s->n < LEN(s->answers));
	s->answers[s->n++] = *a;
	return true;
}

static void same(const struct decision *a, const struct decision *b)
{
	assert_int_equal(a->verdict, b->verdict);
	assert_int_equal(a->rule, b->rule);
	assert_int_equal(a->intended, b->intended);
	assert_int_equal(a->intended_rule, b->intended_rule);
	assert_int_equal(a->reason, b->reason);
}

static struct ruleset *compile(struct diags *d)
{
	const struct policy_source source = {"x.yaml", text, sizeof(text) - 1};

	diags_init(d);
	struct ruleset *rs = policy_compile(&source, 1, NULL, d);
	assert_non_null(rs);
	return rs;
}

static void ask(struct seen *s, const char *from, const char *to, const char *service)
{
	uint64_t sets[2][4] = {{0}};
	struct service_range ranges[64];
	size_t n = 0;
	char error[128];

	assert_true(s->rs->set_words <= 4);
	assert_true(policy_parse_who(s->rs, from, sets[0], error, sizeof(error)));
	assert_true(policy_parse_who(s->rs, to, sets[1], error, sizeof(error)));
	assert_true(policy_parse_service(s->rs, service, ranges, &n, LEN(ranges), error, sizeof(error)));
	s->n = 0;
	assert_true(policy_explain(s->rs, sets[0], sets[1], ranges, n, 0, keep, s));
}

static void regions_say_what_the_evaluator_says(void **state)
{
	struct diags d;
	struct seen s = {.rs = compile(&d)};
	struct decision wanted;

	ask(&s, "a", "b", "tcp/0-65535");
	assert_true(s.n > 4);
	assert_int_equal(s.answers[0].first, service_key_make(6, 0));
	assert_int_equal(s.answers[s.n - 1].end, service_key_make(7, 0));
	for (size_t i = 0; i < s.n; i++) {
		if (i > 0)
			assert_int_equal(s.answers[i].first, s.answers[i - 1].end);
		assert_false(s.answers[i].whole);
		for (service_key k = s.answers[i].first; k < s.answers[i].end; k++) {
			policy_eval(s.rs, s.answers[i].from, s.answers[i].to, k, 0, &wanted);
			same(&s.answers[i].decision, &wanted);
		}
	}
	ruleset_free((struct ruleset *)s.rs);
	diags_free(&d);
}

static void one_answer_is_whole(void **state)
{
	struct diags d;
	struct seen s = {.rs = compile(&d)};

	ask(&s, "a", "c", "any");
	assert_int_equal(s.n, 1);
	assert_true(s.answers[0].whole);
	ask(&s, "a", "b", "tcp/201-250");
	assert_int_equal(s.n, 1);
	ask(&s, "a", "b", "tcp/199-201"); /* r1, then r3: another rule is another answer */
	assert_int_equal(s.n, 2);
	ruleset_free((struct ruleset *)s.rs);
	diags_free(&d);
}

static void every_pair_is_answered(void **state)
{
	struct diags d;
	struct seen s = {.rs = compile(&d)};

	ask(&s, "any", "any", "tcp/22");
	assert_int_equal(s.n, s.rs->n_identities * s.rs->n_identities);
	ruleset_free((struct ruleset *)s.rs);
	diags_free(&d);
}

static void regions_have_names_that_parse_back(void **state)
{
	static const struct {
		service_key first, end;
		const char *name;
	} cases[] = {
		{6 << 16 | 80, 6 << 16 | 81, "tcp/80"},
		{6 << 16 | 81, 7 << 16, "tcp/81-65535"},
		{17 << 16, 17 << 16 | 53, "udp/0-52"},
		{1 << 16 | 8 << 8, 1 << 16 | 9 << 8, "icmp/8"},
		{1 << 16 | 8 << 8 | 1, 1 << 16 | 8 << 8 | 2, "icmp/8/1"},
		{58 << 16 | 128 << 8, 58 << 16 | 129 << 8, "icmpv6/128"},
		{47 << 16, 47 << 16 | 1, "47"},
	};
	char name[64];

	for (size_t i = 0; i < LEN(cases); i++) {
		service_range_text(cases[i].first, cases[i].end, name, sizeof(name));
		assert_string_equal(name, cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regions_say_what_the_evaluator_says),
		cmocka_unit_test(one_answer_is_whole),
		cmocka_unit_test(every_pair_is_answered),
		cmocka_unit_test(regions_have_names_that_parse_back),
	};

	return cmocka_run_group_tests_name("cli-explain", tests, NULL, NULL);
}
