/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the loader refuses, each case with its one finding: `@` marks the place at which it must stand and is
 * taken out before the policy is compiled. A case that begins with `cordon` or `bundle` is a whole file,
 * others follow the prelude.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct refusal {
	const char *name, *text, *says;
};

#define RULE(more) "rules:\n  - {id: r, effect: allow, from: ga, to: gb, service: web, " OWNED more "}\n"
#define WHOLE      "cordon: 1\nbundle: {name: t, owner: o, timezone: UTC}\n"
#define LABELS     WHOLE "labels: {role: [a, b]}\n"
#define TEST(more) "tests:\n  - {name: t, from: ga, to: gb, service: web" more "}\n"
#define OK_EXPECT  ", expect: {verdict: deny}"

static const struct refusal refusals[] = {
	/* top and bundle */
	{"no version", "@bundle: {name: t, owner: o, timezone: UTC}\n", "needs the key `cordon: 1`"},
	{"other version", "cordon: @2\nbundle: {name: t, owner: o, timezone: UTC}\n", "out of range"},
	{"version of wrong type", "cordon: @one\nbundle: {name: t, owner: o, timezone: UTC}\n",
	 "expected a whole number"},
	{"no bundle", "@cordon: 1\n", "needs the key `bundle`"},
	{"unknown top key", "@rulez: []\n", "unknown key `rulez` in a policy, did you mean `rules`?"},
	{"later top key", "@assertions: []\n", "`assertions` is not supported yet"},
	{"later postures", "@postures: {}\n", "`postures` is not supported yet"},
	{"duplicate section", "rules: []\n@rules: []\n", "duplicate key `rules`"},
	{"bundle without owner", "cordon: 1\nbundle: @{name: t, timezone: UTC}\n", "needs the key `owner`"},
	{"bundle without zone", "cordon: 1\nbundle: @{name: t, owner: o}\n", "needs the key `timezone`"},
	{"bad tests_at", "cordon: 1\nbundle: {name: t, owner: o, timezone: UTC, tests_at: @2026-08-25}\n",
	 "RFC 3339"},
	{"time without offset",
	 "cordon: 1\nbundle: {name: t, owner: o, timezone: UTC, tests_at: @2026-08-25T10:00:00}\n",
	 "RFC 3339"},
	{"bad framework date",
	 "cordon: 1\nbundle: {name: t, owner: o, timezone: UTC, framework: {checked: @2026-02-30}}\n",
	 "no date"},
	{"section of wrong type", "rules: @{}\n", "`rules` must be a list, found a map"},
	/* labels */
	{"label without values", WHOLE "labels: {role: @[]}\n", "needs at least one value"},
	{"duplicate value", WHOLE "labels: {role: [a, @a]}\n", "duplicate value `a`"},
	{"default that is no value", WHOLE "labels: {role: {values: [a], default: @b}}\n",
	 "is no value of label `role`"},
	{"label of wrong type", WHOLE "labels: {role: @a}\n", "must be a list"},
	{"label key unknown", WHOLE "labels: {role: {values: [a], @defualt: a}}\n",
	 "did you mean `default`?"},
	{"label name", WHOLE "labels: {@\"a=b\": [a]}\n", "is no name"},
	/* classify */
	{"no condition", LABELS "classify: [{id: c, when: @{}, set: {role: a}}]\n", "`when` is empty"},
	{"no label", LABELS "classify: [{id: c, when: {vlan: 1}, set: @{}}]\n", "`set` is empty"},
	{"later evidence",
	 LABELS "classify: [{id: c, when: {vlan: 1, @radius: {group: x}}, set: {role: a}}]\n",
	 "`radius` in `when` is not supported yet"},
	{"later sgt", LABELS "classify: [{id: c, when: {vlan: 1, @sgt: 9}, set: {role: a}}]\n",
	 "not supported yet"},
	{"unknown evidence", LABELS "classify: [{id: c, when: {@prefx: 1.0.0.0/8}, set: {role: a}}]\n",
	 "did you mean `prefix`?"},
	{"bad prefix", LABELS "classify: [{id: c, when: {prefix: @10.0.0/8}, set: {role: a}}]\n",
	 "is no prefix"},
	{"prefix too long", LABELS "classify: [{id: c, when: {prefix: @10.0.0.0/33}, set: {role: a}}]\n",
	 "is no prefix"},
	{"bits beyond", LABELS "classify: [{id: c, when: {prefix: @10.0.0.1/24}, set: {role: a}}]\n",
	 "did you mean `10.0.0.0/24`?"},
	{"bad mac", LABELS "classify: [{id: c, when: {mac: @\"52:54:00:0a:00\"}, set: {role: a}}]\n",
	 "is no MAC address"},
	{"group mac", LABELS "classify: [{id: c, when: {mac: @\"01:54:00:0a:00:01\"}, set: {role: a}}]\n",
	 "is a group address"},
	{"bad vlan", LABELS "classify: [{id: c, when: {vlan: @4095}, set: {role: a}}]\n",
	 "out of range: 1 to 4094"},
	{"unknown label", LABELS "classify: [{id: c, when: {vlan: 1}, set: {@rol: a}}]\n",
	 "unknown label `rol`, did you mean `role`?"},
	{"unknown value", LABELS "classify: [{id: c, when: {vlan: 1}, set: {role: @x}}]\n",
	 "unknown value `x` of label `role`"},
	{"set to a list", LABELS "classify: [{id: c, when: {vlan: 1}, set: {role: @[a, b]}}]\n",
	 "must be text"},
	{"duplicate classify id",
	 LABELS "classify:\n  - {id: c, when: {vlan: 1}, set: {role: a}}\n  - {id: @c, when: {vlan: 2}, set: "
		"{role: b}}\n",
	 "duplicate id `c`"},
	{"classify without id", LABELS "classify: [@{when: {vlan: 1}, set: {role: a}}]\n",
	 "needs the key `id`"},
	/* groups, services, profiles */
	{"empty group", LABELS "groups: {g: @{}}\n", "empty selector"},
	{"group without values", LABELS "groups: {g: {role: @[]}}\n", "empty selector"},
	{"group of wrong type", LABELS "groups: {g: @a}\n", "must be a map"},
	{"reserved group", LABELS "groups: {@any: {role: a}}\n", "reserved name"},
	{"reserved dollar group", LABELS "groups: {@$known: {role: a}}\n", "reserved name"},
	{"reserved service", LABELS "services: {@any: {proto: tcp, dport: 1}}\n", "reserved name"},
	{"port out of range", LABELS "services: {s: {proto: tcp, dport: @65536}}\n", "0 to 65535"},
	{"bad range", LABELS "services: {s: {proto: tcp, dport: @20-10}}\n", "bad range"},
	{"no port", LABELS "services: {s: @{proto: tcp}}\n", "needs the key `dport`"},
	{"no protocol", LABELS "services: {s: @{dport: 1}}\n", "needs the key `proto`"},
	{"unknown protocol", LABELS "services: {s: {proto: @tpc, dport: 1}}\n", "unknown protocol `tpc`"},
	{"extension header", LABELS "services: {s: {proto: @0}}\n", "unknown protocol"},
	{"port of a protocol without", LABELS "services: {s: {proto: gre, @dport: 1}}\n", "has no meaning"},
	{"type of tcp", LABELS "services: {s: {proto: tcp, dport: 1, @type: 8}}\n", "has no meaning"},
	{"icmp without type", LABELS "services: {s: @{proto: icmp}}\n", "needs the key `type`"},
	{"unknown icmp type", LABELS "services: {s: {proto: icmp, type: @packet-too-big}}\n", "an ICMP type"},
	{"icmp code", LABELS "services: {s: {proto: icmp, type: 3, code: @256}}\n", "out of range"},
	{"empty union", LABELS "services: {s: {any: @[]}}\n", "is empty"},
	{"union with more", LABELS "services: {s: {any: [{proto: tcp, dport: 1}], @proto: tcp}}\n",
	 "unknown key `proto`"},
	{"profile without members", "profiles: {p: @{mission: x}}\n", "needs the key `members`"},
	/* rules */
	{"unknown group", "rules:\n  - {id: r, effect: allow, from: @gaa, to: gb, service: web, " OWNED "}\n",
	 "unknown group `gaa`, did you mean `ga`?"},
	{"unknown reserved name",
	 "rules:\n  - {id: r, effect: allow, from: ga, to: @$wrld, service: web, " OWNED "}\n",
	 "did you mean `$world`?"},
	{"unknown service",
	 "rules:\n  - {id: r, effect: allow, from: ga, to: gb, service: @wbe, " OWNED "}\n",
	 "did you mean `web`?"},
	{"service without port",
	 "rules:\n  - {id: r, effect: allow, from: ga, to: gb, service: @tcp, " OWNED "}\n", "needs a port"},
	{"empty selector", "rules:\n  - {id: r, effect: allow, from: @[], to: gb, service: web, " OWNED "}\n",
	 "empty selector"},
	{"empty label map",
	 "rules:\n  - {id: r, effect: allow, from: ga, to: @{}, service: web, " OWNED "}\n",
	 "empty selector"},
	{"empty service", "rules:\n  - {id: r, effect: allow, from: ga, to: gb, service: @[], " OWNED "}\n",
	 "empty service"},
	{"multicast begins nothing",
	 "rules:\n  - {id: r, effect: allow, from: @$multicast, to: gb, service: web, " OWNED "}\n",
	 "answers only"},
	{"no owner",
	 "rules:\n  - @{id: r, effect: allow, from: ga, to: gb, service: web, review_by: 2030-01-01}\n",
	 "needs the key `owner`"},
	{"empty owner",
	 "rules:\n  - {id: r, effect: allow, from: ga, to: gb, service: web, review_by: 2030-01-01, owner: "
	 "@\" \"}\n",
	 "must not be empty"},
	{"no review", "rules:\n  - @{id: r, effect: allow, from: ga, to: gb, service: web, owner: o}\n",
	 "needs the key `review_by`"},
	{"no review, expires",
	 "rules:\n  - {id: r, effect: allow, from: ga, to: gb, service: web, owner: o, @expires: "
	 "2030-01-01T00:00:00Z}\n",
	 "`expires` in a rule is not supported yet"},
	{"bad date",
	 "rules:\n  - {id: r, effect: allow, from: ga, to: gb, service: web, owner: o, review_by: "
	 "@2030-02-29}\n",
	 "is no date"},
	{"bad effect", "rules:\n  - {id: r, effect: @alow, from: ga, to: gb, service: web, " OWNED "}\n",
	 "unknown effect `alow`, did you mean `allow`?"},
	{"later effect", "rules:\n  - {id: r, effect: @require, from: ga, to: gb, service: web, " OWNED "}\n",
	 "effect `require` is not supported yet"},
	{"bad tier", RULE(", tier: @guardd"), "did you mean `guard`?"},
	{"bad mode", RULE(", mode: @on"), "unknown mode `on`"},
	{"bad log", RULE(", log: @never"), "unknown log `never`"},
	{"bad keep", RULE(", keep: @yes"), "expected true or false"},
	{"action of an allow", RULE(", @action: reject"), "this rule allows"},
	{"later window", RULE(", @window: {days: [mon]}"), "`window` in a rule is not supported yet"},
	{"later rate", RULE(", @rate: {}"), "not supported yet"},
	{"unknown rule key", RULE(", @ownr: x"), "did you mean `owner`?"},
	{"duplicate key", RULE(", @owner: x"), "duplicate key `owner`"},
	{"reserved rule id",
	 "rules:\n  - {id: @default-deny, effect: allow, from: ga, to: gb, service: web, " OWNED "}\n",
	 "reserved name"},
	{"rule id",
	 "rules:\n  - {id: @\"scope:x\", effect: allow, from: ga, to: gb, service: web, " OWNED "}\n",
	 "is no name"},
	{"rule of wrong type", "rules:\n  - @r\n", "a rule must be a map"},
	{"value of wrong type", RULE(", why: @[x]"), "expected text, found a list"},
	/* scopes */
	{"scopes that cross",
	 "scopes:\n  - {id: s1, to: [ga, gb], mode: monitor}\n  - {id: s2, to: @[gb, gc], mode: enforce}\n",
	 "overlap and neither contains the other"},
	{"scopes that are equal",
	 "scopes:\n  - {id: s1, to: ga, mode: monitor}\n  - {id: s2, to: @{role: a}, mode: enforce}\n",
	 "cover the same identities"},
	{"scope without mode", "scopes:\n  - @{id: s, to: ga}\n", "needs the key `mode`"},
	{"scope off", "scopes:\n  - {id: s, to: ga, mode: @off}\n", "unknown mode of a scope `off`"},
	{"later until", "scopes:\n  - {id: s, to: ga, mode: monitor, @until: 2030-01-01}\n",
	 "not supported yet"},
	/* tests */
	{"test without expect", "tests:\n  - @{name: t, from: ga, to: gb, service: web}\n",
	 "needs the key `expect`"},
	{"test that expects nothing", TEST(", expect: @{}"), "`expect` is empty"},
	{"test of unknown rule", TEST(", expect: {rule: @nobody}"), "unknown rule `nobody`"},
	{"test of unknown scope", TEST(", expect: {rule: @\"scope:x\"}"), "unknown rule `scope:x`"},
	{"test of unknown verdict", TEST(", expect: {verdict: @alow}"), "did you mean `allow`?"},
	{"test of later reason", TEST(", expect: {reason: @posture}"), "not supported yet"},
	{"test with later fact", TEST(OK_EXPECT ", with: {@posture.x: pass}"), "not supported yet"},
	{"test at no time", TEST(OK_EXPECT ", at: @noon"), "RFC 3339"},
	{"two tests of a name",
	 "tests:\n  - {name: t, from: ga, to: gb, service: web" OK_EXPECT
	 "}\n  - {name: @t, from: ga, to: gb, service: ssh" OK_EXPECT "}\n",
	 "duplicate test `t`"},
	/* YAML, read strictly */
	{"anchor", WHOLE "rules: @&x []\n", "anchors"},
	{"tag", WHOLE "rules: @!!seq []\n", "tags"},
	{"second document", WHOLE "@---\ncordon: 1\n", "more than one document"},
	{"tab", WHOLE "rules:\n@\t- x\n", "YAML syntax"},
};

/* The text without its mark, and where the mark was; line 0 if it has none. */
static char *take_mark(const char *text, unsigned *line, unsigned *column)
{
	const char *first = text + (text[0] == '@');
	bool whole = strncmp(first, "cordon", 6) == 0 || strncmp(text, "@bundle", 7) == 0;
	char *copy, *mark;

	if (asprintf(&copy, "%s%s", whole ? "" : PRELUDE, text) < 0)
		abort();
	*line = *column = 0;
	mark = strchr(copy, '@');
	if (!mark)
		return copy;
	memmove(mark, mark + 1, strlen(mark));
	*line = *column = 1;
	for (const char *p = copy; p < mark; p++) {
		*column = *p == '\n' ? 1 : *column + 1;
		*line += *p == '\n';
	}
	return copy;
}

static void refuses(void **state)
{
	const struct refusal *r = *state;
	unsigned line, column;
	char *text = take_mark(r->text, &line, &column);
	struct policy_source source = {"t.yaml", text, strlen(text)};
	struct diags d;

	diags_init(&d);
	assert_null(policy_compile(&source, 1, NULL, &d));
	if (d.n_errors != 1)
		diags_print(&d, stderr, NULL, NULL);
	assert_int_equal(d.n_errors, 1);
	if (!strstr(d.items[0].text, r->says))
		fail_msg("said `%s`", d.items[0].text);
	assert_string_equal(d.items[0].place.file, "t.yaml");
	assert_int_equal(d.items[0].place.line, line);
	assert_int_equal(d.items[0].place.column, column);
	diags_free(&d);
	free(text);
}

/* All errors of a run, with those of a second file. */
static void finds_all(void **state)
{
	static const char a[] =
		PRELUDE "rules:\n"
			"  - {id: r1, effect: alow, from: gx, to: gb, service: wbe, owner: o}\n"
			"  - {id: r2, effect: allow, from: ga, to: gb, service: web, " OWNED ", tls: {}}\n";
	static const char b[] =
		"cordon: 1\nbundle: {name: u, owner: o, timezone: UTC}\ngroups: {ga: {role: a}}\nrules:\n"
		"  - {id: r2, effect: allow, from: ga, to: gb, service: web, " OWNED "}\n";
	struct policy_source sources[] = {{"a.yaml", a, sizeof(a) - 1}, {"b.yaml", b, sizeof(b) - 1}};
	struct diags d;

	(void)state;
	diags_init(&d);
	assert_null(policy_compile(sources, 2, NULL, &d));
	diags_sort(&d);
	assert_int_equal(d.n_errors, 8);
	assert_string_equal(d.items[5].place.file, "b.yaml");
	assert_non_null(strstr(d.items[5].text, "duplicate key `bundle`, first at a.yaml:2"));
	assert_non_null(strstr(d.items[6].text, "duplicate group `ga`, first at a.yaml:8"));
	assert_non_null(strstr(d.items[7].text, "duplicate id `r2`, first at a.yaml:12"));
	diags_free(&d);
}

/* After a syntax error: what was wrong before it is said, what may have come after it is not asked for. */
static void goes_on_after_syntax_error(void **state)
{
	static const char text[] =
		"cordon: 1\nbundle: {name: t, owner: o, timezone: UTC}\n"
		"rules:\n  - {id: r, effect: alow, from: ga, to: gb, service: web, " OWNED "}\n"
		"  - {id: q, effect: allow, from: ]\n";
	struct policy_source source = {"t.yaml", text, sizeof(text) - 1};
	struct diags d;

	(void)state;
	diags_init(&d);
	assert_null(policy_compile(&source, 1, NULL, &d));
	diags_sort(&d);
	assert_int_equal(d.n_errors, 2);
	assert_non_null(strstr(d.items[0].text, "unknown effect `alow`"));
	assert_int_equal(d.items[1].place.line, 5);
	assert_non_null(strstr(d.items[1].text, "YAML syntax"));
	diags_free(&d);
}

static void says_where_bytes_are_bad(void **state)
{
	static const char text[] = PRELUDE "rulez: []\nscopes: [\xc3\xa9\xff]\n";
	struct policy_source source = {"t.yaml", text, sizeof(text) - 1};
	struct diags d;

	(void)state;
	diags_init(&d);
	assert_null(policy_compile(&source, 1, NULL, &d));
	diags_sort(&d);
	assert_int_equal(d.n_errors, 2);
	assert_non_null(strstr(d.items[0].text, "unknown key `rulez`"));
	assert_non_null(strstr(d.items[1].text, "invalid UTF-8"));
	assert_int_equal(d.items[1].place.line, 11);
	assert_int_equal(d.items[1].place.column, 11);
	diags_free(&d);
}

/* A finding is never cut, least of all inside a character: JSON would drop it. */
static void quotes_long_names_whole(void **state)
{
	char text[1024] = WHOLE, name[601];
	struct policy_source source = {"t.yaml", text, 0};
	struct diags d;

	(void)state;
	for (size_t i = 0; i < sizeof(name) - 1; i += 2)
		memcpy(name + i, "\xc3\xa9", 2);
	name[sizeof(name) - 1] = '\0';
	source.len = strlen(text);
	source.len += (size_t)snprintf(text + source.len, sizeof(text) - source.len, "%s: 1\n", name);
	diags_init(&d);
	assert_null(policy_compile(&source, 1, NULL, &d));
	assert_int_equal(d.n_errors, 1);
	assert_non_null(strstr(d.items[0].text, name));
	assert_non_null(strstr(d.items[0].text, "` in a policy"));
	diags_free(&d);
}

static void refuses_no_file_and_empty_files(void **state)
{
	struct policy_source empty = {"t.yaml", "", 0};
	struct diags d;

	(void)state;
	diags_init(&d);
	assert_null(policy_compile(NULL, 0, NULL, &d));
	assert_int_equal(d.n_errors, 1);
	assert_null(policy_compile(&empty, 1, NULL, &d));
	assert_int_equal(d.n_errors, 2);
	diags_free(&d);
}

static bool day_end(void *ctx, const char *zone, int year, int month, int day, int64_t *end)
{
	(void)ctx;
	*end = year * 10000 + month * 100 + day;
	return strcmp(zone, "UTC") == 0;
}

/* What the gateway's config knows is checked when there is one. */
static void checks_against_the_config(void **state)
{
	static const char *const ports[] = {"lan1", "wan"};
	static const char text[] =
		"cordon: 1\nbundle: {name: t, owner: o, timezone: Mars/Base}\nlabels: {role: [a]}\n"
		"classify: [{id: c, when: {port: lan2}, set: {role: a}}]\n";
	struct policy_source source = {"t.yaml", text, sizeof(text) - 1};
	struct policy_env env = {.ports = ports, .n_ports = 2, .day_end = day_end};
	struct diags d;

	(void)state;
	diags_init(&d);
	assert_null(policy_compile(&source, 1, &env, &d));
	assert_int_equal(d.n_errors, 2);
	assert_non_null(strstr(d.items[0].text, "unknown time zone `Mars/Base`"));
	assert_non_null(strstr(d.items[1].text, "the gateway has no port `lan2`, did you mean `lan1`?"));
	diags_free(&d);
}

#define N_REFUSALS (sizeof(refusals) / sizeof(*refusals))

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(finds_all),
		cmocka_unit_test(goes_on_after_syntax_error),
		cmocka_unit_test(says_where_bytes_are_bad),
		cmocka_unit_test(quotes_long_names_whole),
		cmocka_unit_test(refuses_no_file_and_empty_files),
		cmocka_unit_test(checks_against_the_config),
	};
	struct CMUnitTest tests[N_REFUSALS + sizeof(others) / sizeof(*others)];

	for (size_t i = 0; i < N_REFUSALS; i++)
		tests[i] = (struct CMUnitTest){refusals[i].name, refuses, NULL, NULL,
					       (void *)(uintptr_t)&refusals[i]};
	memcpy(tests + N_REFUSALS, others, sizeof(others));
	return cmocka_run_group_tests_name("policy-errors", tests, NULL, NULL);
}
