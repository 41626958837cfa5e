/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Section `tests`: points that must hold for every identity and service key their selectors can mean. Running
 * asks the same decision as policy_eval(), over the rules that can matter for the test at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "timefmt.h"

struct test_item {
	struct policy_test test;
	const struct yaml_node *from, *to, *service, *expect;
};

/* --- reading
 * ----------------------------------------------------------------------------------------------------------
 */

static const struct word verdicts[] = {{"allow", VERDICT_ALLOW}, {"deny", VERDICT_DENY}};

static void read_verdict(struct build *b, const struct yaml_node *n, void *test)
{
	struct policy_test *t = test;
	int value = VERDICT_DENY;

	t->has_verdict = read_word(b, n, "verdict", verdicts, 2, &value);
	t->verdict = (enum verdict)value;
}

static void read_intended(struct build *b, const struct yaml_node *n, void *test)
{
	struct policy_test *t = test;
	int value = VERDICT_DENY;

	t->has_intended = read_word(b, n, "verdict", verdicts, 2, &value);
	t->intended = (enum verdict)value;
}

static void unknown_rule(struct build *b, const struct yaml_node *n)
{
	struct hint h;

	hint_start(b, &h, n->text);
	for (size_t i = 0; i < b->rs->n_rules; i++)
		hint_offer(&h, b->rs->rules[i].id);
	error_at(b, n, "unknown rule `%s`%s", n->text, hint_words(&h));
}

static bool rule_exists(struct build *b, const char *id)
{
	if (strncmp(id, "scope:", 6) == 0)
		return find_scope(b->rs, id + 6) >= 0 || b->open[SECTION_SCOPES];
	return strcmp(id, "default-deny") == 0 || find_rule(b->rs, id) >= 0 || b->open[SECTION_RULES];
}

/* A rule's id, `default-deny` or `scope:<id>`. */
static bool read_rule_name(struct build *b, const struct yaml_node *n, const char **out)
{
	const char *text = yaml_string(n, b->diags);

	if (!text)
		return false;
	*out = arena_strdup(b->arena, text);
	if (!rule_exists(b, text))
		unknown_rule(b, n);
	return true;
}

static void read_rule(struct build *b, const struct yaml_node *n, void *test)
{
	struct policy_test *t = test;

	t->has_rule = read_rule_name(b, n, &t->rule);
}

static void read_intended_rule(struct build *b, const struct yaml_node *n, void *test)
{
	struct policy_test *t = test;

	t->has_intended_rule = read_rule_name(b, n, &t->intended_rule);
}

static const struct word reasons[] = {
	{"rule", REASON_RULE},
	{"no-rule", REASON_NO_RULE},
	{"scope", REASON_SCOPE},
	{"conflict", REASON_CONFLICT},
	{"clock", REASON_CLOCK, true},
	{"posture", REASON_POSTURE, true},
	{"posture-unknown", REASON_POSTURE_UNKNOWN, true},
	{"tls-missing", REASON_TLS_MISSING, true},
	{"tls-version", REASON_TLS_VERSION, true},
	{"tls-sni", REASON_TLS_SNI, true},
	{"tls-alpn", REASON_TLS_ALPN, true},
	{"rate", REASON_RATE, true},
};

static void read_reason(struct build *b, const struct yaml_node *n, void *test)
{
	struct policy_test *t = test;
	int value = REASON_NONE;

	t->has_reason = read_word(b, n, "reason", reasons, sizeof(reasons) / sizeof(*reasons), &value);
	t->reason = (uint8_t)value;
}

static const struct key expect_keys[] = {
	{"verdict", KEY_OPTIONAL, read_verdict, 0}, {"intended", KEY_OPTIONAL, read_intended, 0},
	{"rule", KEY_OPTIONAL, read_rule, 0},       {"intended_rule", KEY_OPTIONAL, read_intended_rule, 0},
	{"reason", KEY_OPTIONAL, read_reason, 0},
};
static const struct key_table expect_table = KEY_TABLE("`expect`", expect_keys);

static void read_at(struct build *b, const struct yaml_node *n, void *test)
{
	const char *text = yaml_string(n, b->diags);
	struct policy_test *t = test;

	if (!text)
		return;
	t->has_at = time_parse_seconds(text, &t->at);
	if (!t->has_at)
		error_at(b, n, "`%s` is no RFC 3339 time with offset, like 2026-08-25T10:00:00+03:00", text);
}

/* Facts about a session; none can be given before the features that ask for them. */
static void read_with(struct build *b, const struct yaml_node *n, void *test)
{
	if (!expect_type(b, n, YAML_MAP, "`with`"))
		return;
	for (const struct yaml_node *v = n->first; v; v = v->next)
		error_at(b, v->key, "`%s` in `with` is not supported yet", v->key->text);
}

static const struct key test_keys[] = {
	{"name", KEY_REQUIRED, read_text, offsetof(struct test_item, test.name)},
	{"from", KEY_REQUIRED, read_node, offsetof(struct test_item, from)},
	{"to", KEY_REQUIRED, read_node, offsetof(struct test_item, to)},
	{"service", KEY_REQUIRED, read_node, offsetof(struct test_item, service)},
	{"expect", KEY_REQUIRED, read_node, offsetof(struct test_item, expect)},
	{"at", KEY_OPTIONAL, read_at, offsetof(struct test_item, test)},
	{"with", KEY_OPTIONAL, read_with, 0},
};
static const struct key_table test_table = KEY_TABLE("a test", test_keys);

static void read_expect(struct build *b, const struct yaml_node *n, struct policy_test *t)
{
	if (read_map(b, &expect_table, n, t) && !n->n_children && !n->open)
		error_at(b, n, "`expect` is empty: it needs at least one key");
}

static void read_points(struct build *b, struct test_item *item)
{
	struct selector from = {0}, to = {0};
	const char *text;

	if (item->from)
		read_selector(b, item->from, WHO_DEFAULTED, true, &from);
	if (item->to)
		read_selector(b, item->to, WHO_DEFAULTED, false, &to);
	if (item->service)
		read_service(b, item->service, &item->test.service, &text);
	if (item->expect)
		read_expect(b, item->expect, &item->test);
	item->test.from = from.set;
	item->test.from_text = from.text;
	item->test.to = to.set;
	item->test.to_text = to.text;
}

static int compare_tests(const void *a, const void *b)
{
	return strcmp(((const struct policy_test *)a)->name, ((const struct policy_test *)b)->name);
}

void load_tests(struct build *b)
{
	struct items items = section_items(b, SECTION_TESTS, YAML_LIST, "`tests`");
	struct bytemap *names = bytemap_new(b->scratch);
	struct ruleset *rs = b->rs;

	rs->tests = arena_array(b->arena, items.n, sizeof(*rs->tests));
	for (size_t i = 0; i < items.n; i++) {
		struct test_item item = {.test = {.place = build_place(b, items.node[i])}};

		if (!read_map(b, &test_table, items.node[i], &item))
			continue;
		read_points(b, &item);
		if (item.test.name &&
		    define(b, names, item.test.name, yaml_get(items.node[i], "name"), "test"))
			rs->tests[rs->n_tests++] = item.test;
	}
	qsort(rs->tests, rs->n_tests, sizeof(*rs->tests), compare_tests);
}

/* --- running
 * ----------------------------------------------------------------------------------------------------------
 */

/* Service keys at which some decision may change, in order. */
struct edges {
	service_key *key;
	size_t n;
};

static int compare_keys(const void *a, const void *b)
{
	service_key x = *(const service_key *)a, y = *(const service_key *)b;

	return (x > y) - (x < y);
}

static void add_edges(struct edges *e, const struct service_set *within, const struct service_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (service_has(within, s->ranges[i].from))
			e->key[e->n++] = s->ranges[i].from;
		if (service_has(within, s->ranges[i].to))
			e->key[e->n++] = s->ranges[i].to;
	}
}

/* Room for the edges of any part of a view. */
static service_key *room_for_edges(const struct ruleset *rs, const struct policy_test *t,
				   const struct rule_view *view, struct arena *a)
{
	size_t room = t->service.n * 2;

	for (size_t i = 0; i < view->n; i++)
		room += rs->rules[view->index[i]].service.n * 2;
	for (size_t i = 0; i < rs->n_scopes; i++)
		room += rs->scopes[i].enforce_services.n * 2;
	return arena_array(a, room + 1, sizeof(service_key));
}

/* One key of each region of the test's service in which the rules of the view cannot differ. */
static void find_edges(const struct ruleset *rs, const struct policy_test *t, const struct rule_view *view,
		       struct edges *e)
{
	size_t n = 0;

	e->n = 0;
	add_edges(e, &t->service, &t->service);
	for (size_t i = 0; i < view->n; i++)
		add_edges(e, &t->service, &rs->rules[view->index[i]].service);
	for (size_t i = 0; i < rs->n_scopes; i++)
		add_edges(e, &t->service, &rs->scopes[i].enforce_services);
	qsort(e->key, e->n, sizeof(*e->key), compare_keys);
	for (size_t i = 0; i < e->n; i++)
		if (!n || e->key[i] != e->key[n - 1])
			e->key[n++] = e->key[i];
	e->n = n;
}

static bool as_expected(const struct ruleset *rs, const struct policy_test *t, const struct decision *d)
{
	char text[256];

	if ((t->has_verdict && d->verdict != t->verdict) || (t->has_intended && d->intended != t->intended) ||
	    (t->has_reason && d->reason != t->reason))
		return false;
	if (t->has_rule && strcmp(ruleset_rule_text(rs, d->rule, text, sizeof(text)), t->rule) != 0)
		return false;
	return !t->has_intended_rule ||
	       strcmp(ruleset_rule_text(rs, d->intended_rule, text, sizeof(text)), t->intended_rule) == 0;
}

static void describe_failure(const struct ruleset *rs, const struct decision *d, size_t from, size_t to,
			     service_key key, struct test_result *out)
{
	char service[32], rule[96], intended[96];

	service_key_text(key, service, sizeof(service));
	snprintf(out->text, sizeof(out->text), "%s -> %s, %s: %s by %s (%s); intended: %s by %s (%s)",
		 rs->identities[from].text, rs->identities[to].text, service, verdict_word(d->verdict),
		 ruleset_rule_text(rs, d->rule, rule, sizeof(rule)), reason_word(d->reason),
		 verdict_word(d->intended),
		 ruleset_rule_text(rs, d->intended_rule, intended, sizeof(intended)),
		 reason_word(d->intended_reason));
}

/* A test on its way: the rules that can matter for it, and room for the narrower views. */
struct run {
	const struct ruleset *rs;
	const struct policy_test *test;
	struct rule_view view;
	uint32_t *of_initiator, *of_pair;
	struct edges edges;
};

static bool run_pair(struct run *r, const struct rule_view *own, size_t from, size_t to,
		     struct test_result *out)
{
	struct rule_view pair = view_narrow(r->rs, own, false, to, r->of_pair);

	find_edges(r->rs, r->test, &pair, &r->edges);
	for (size_t k = 0; k < r->edges.n; k++) {
		struct decision d;

		eval_view(r->rs, &pair, from, to, r->edges.key[k], &d);
		if (as_expected(r->rs, r->test, &d))
			continue;
		describe_failure(r->rs, &d, from, to, r->edges.key[k], out);
		return false;
	}
	return true;
}

static bool run_initiator(struct run *r, size_t from, struct test_result *out)
{
	struct rule_view own = view_narrow(r->rs, &r->view, true, from, r->of_initiator);

	for (size_t to = 0; to < r->rs->n_identities; to++)
		if (identity_in(r->test->to, to) && !run_pair(r, &own, from, to, out))
			return false;
	return true;
}

static bool run_test(const struct ruleset *rs, const struct policy_test *t, struct arena *a,
		     struct test_result *out)
{
	uint32_t *index = arena_array(a, rs->n_rules, sizeof(*index));
	struct run r = {.rs = rs, .test = t, .view = view_meeting(rs, t->from, t->to, &t->service, index)};

	if (set_empty(rs, t->from) || set_empty(rs, t->to)) {
		snprintf(out->text, sizeof(out->text), "no identity can be %.200s",
			 set_empty(rs, t->from) ? t->from_text : t->to_text);
		return false;
	}
	r.of_initiator = arena_array(a, r.view.n, sizeof(*r.of_initiator));
	r.of_pair = arena_array(a, r.view.n, sizeof(*r.of_pair));
	r.edges.key = room_for_edges(rs, t, &r.view, a);
	for (size_t from = 0; from < rs->n_identities; from++)
		if (identity_in(t->from, from) && !run_initiator(&r, from, out))
			return false;
	return true;
}

size_t policy_run_tests(const struct ruleset *rs, int64_t now_utc, struct test_result *results)
{
	size_t n_failed = 0;

	(void)now_utc; /* no rule depends on time yet */
	for (size_t i = 0; i < rs->n_tests; i++) {
		struct arena *a = arena_new();

		results[i] = (struct test_result){.test = &rs->tests[i]};
		results[i].passed = run_test(rs, &rs->tests[i], a, &results[i]);
		n_failed += !results[i].passed;
		arena_free(a);
	}
	return n_failed;
}
