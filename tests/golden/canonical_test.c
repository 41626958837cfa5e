/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The canonical form: that of the examples is kept in the tree, and no order of files, sections or items
 * changes it. Arguments: the examples' folder and the folder of the golden files. With CORDON_GOLDEN_UPDATE
 * in the environment the files are written instead of compared, and the test fails so that nobody forgets to
 * look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "random.h"

#define N_FILES 3u

static const char *examples, *golden;
static const char *const files[N_FILES] = {"identities.yaml", "rules.yaml", "tests.yaml"};

static char *read_file(const char *dir, const char *name, const char *suffix)
{
	char path[512], *text = NULL;
	size_t room = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix);
	in = fopen(path, "r");
	if (!in)
		fail_msg("cannot read %s", path);
	if (getdelim(&text, &room, '\0', in) < 0)
		fail_msg("%s is empty", path);
	fclose(in);
	return text;
}

static struct ruleset *compile(const struct policy_source *sources, size_t n)
{
	struct ruleset *rs;
	struct diags d;

	diags_init(&d);
	rs = policy_compile(sources, n, NULL, &d);
	if (!rs)
		fail_msg("%s", d.items[0].text);
	diags_free(&d);
	return rs;
}

static void read_example(const char *name, struct policy_source sources[N_FILES])
{
	char dir[512];

	snprintf(dir, sizeof(dir), "%s/%s", examples, name);
	for (size_t i = 0; i < N_FILES; i++) {
		sources[i].name = files[i];
		sources[i].text = read_file(dir, files[i], "");
		sources[i].len = strlen(sources[i].text);
	}
}

static void free_example(struct policy_source sources[N_FILES])
{
	for (size_t i = 0; i < N_FILES; i++)
		free((char *)(uintptr_t)sources[i].text);
}

static void write_golden(const char *name, const char *text)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s.canonical", golden, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	fail_msg("%s was written, look at it", path);
}

static void is_as_kept(void **state)
{
	const char *name = *state;
	struct policy_source sources[N_FILES];
	struct ruleset *rs;
	char *text, *want;
	size_t len;

	read_example(name, sources);
	rs = compile(sources, N_FILES);
	text = policy_print_canonical(rs, &len);
	if (getenv("CORDON_GOLDEN_UPDATE"))
		write_golden(name, text);
	want = read_file(golden, name, ".canonical");
	assert_string_equal(text, want);
	free(want);
	free(text);
	ruleset_free(rs);
	free_example(sources);
}

/* The examples' own tests pass, and nothing in them is warned about for years. */
static void holds_its_tests(void **state)
{
	struct policy_source sources[N_FILES];
	struct test_result results[64];
	struct ruleset *rs;
	struct diags d;

	read_example(*state, sources);
	rs = compile(sources, N_FILES);
	assert_in_range(rs->n_tests, 10, 64);
	assert_int_equal(policy_run_tests(rs, 0, results), 0);
	diags_init(&d);
	policy_warn(rs, INT64_C(1800000000), &d);
	assert_int_equal(d.n, 0);
	diags_free(&d);
	ruleset_free(rs);
	free_example(sources);
}

/* --- order
 * -------------------------------------------------------------------------------------------------------------
 */

static const char *const heads[] = {"labels:\n", "classify:\n", "groups:\n", "services:\n",
				    "rules:\n",  "scopes:\n",   "tests:\n"};
static const char *const items[][3] = {
	{"  role: [a, b]\n", "  site: [x, y]\n", "  state: {values: [n, q], default: n}\n"},
	{"  - {id: c1, when: {prefix: 10.0.0.0/8}, set: {role: a}}\n",
	 "  - {id: c2, when: {vlan: 2}, set: {site: x}}\n",
	 "  - {id: c3, when: {prefix: 10.1.0.0/16}, set: {role: b}}\n"},
	{"  g1: {role: a}\n", "  g2: {role: b, site: [x, y]}\n", "  g3: {state: q}\n"},
	{"  s1: {proto: tcp, dport: 1}\n", "  s2: {any: [{proto: udp, dport: 2}, {proto: tcp, dport: 3}]}\n",
	 "  s3: {proto: gre}\n"},
	{"  - {id: r1, effect: allow, from: [g1, g2], to: g2, service: [s1, s2], owner: o, review_by: "
	 "2030-01-01}\n",
	 "  - {id: r2, effect: deny, from: any, to: g1, service: any, owner: o, review_by: 2030-01-01}\n",
	 "  - {id: r3, effect: allow, from: {site: x, role: a}, to: any, service: s3, owner: o, review_by: "
	 "2030-01-01}\n"},
	{"  - {id: z1, to: any, mode: enforce}\n", "  - {id: z2, to: g1, mode: monitor}\n",
	 "  - {id: z3, to: {role: b, site: y}, mode: monitor}\n"},
	{"  - {name: t1, from: g1, to: g1, service: s1, expect: {verdict: deny}}\n",
	 "  - {name: t2, from: g2, to: g1, service: s1, expect: {verdict: deny}}\n",
	 "  - {name: t3, from: g1, to: g2, service: s1, expect: {verdict: allow}}\n"},
};
#define N_HEADS (sizeof(heads) / sizeof(*heads))

static void shuffle(struct rng *rnd, size_t *order, size_t n)
{
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n; i > 1; i--) {
		size_t j = rng_below(rnd, i), keep = order[j];

		order[j] = order[i - 1];
		order[i - 1] = keep;
	}
}

/* All items in a random order of sections and items, dealt to two files. */
static void deal(struct rng *rnd, char *text[2])
{
	size_t section[N_HEADS], len[2];
	FILE *out[2];

	for (size_t f = 0; f < 2; f++) {
		out[f] = open_memstream(&text[f], &len[f]);
		assert_non_null(out[f]);
		fputs("cordon: 1\n", out[f]);
	}
	shuffle(rnd, section, N_HEADS);
	fputs("bundle: {name: n, owner: o, timezone: UTC}\n", out[rng_below(rnd, 2)]);
	for (size_t s = 0; s < N_HEADS; s++) {
		bool headed[2] = {false, false};
		size_t item[3];

		shuffle(rnd, item, 3);
		for (size_t f = 0; f < 2; f++)
			for (size_t i = 0; i < 3; i++) {
				if (item[i] % 2 != (f ^ section[s] % 2))
					continue;
				fprintf(out[f], "%s%s", headed[f] ? "" : heads[section[s]],
					items[section[s]][item[i]]);
				headed[f] = true;
			}
	}
	fclose(out[0]);
	fclose(out[1]);
}

static void order_changes_nothing(void **state)
{
	uint8_t digest[32];
	struct rng rnd = {11};

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		struct policy_source sources[2] = {{.name = "a"}, {.name = "b"}};
		struct ruleset *rs;
		char *text[2];

		deal(&rnd, text);
		for (size_t f = 0; f < 2; f++) {
			sources[f].text = text[round % 2 ? f : 1 - f];
			sources[f].len = strlen(sources[f].text);
		}
		rs = compile(sources, 2);
		if (round)
			assert_memory_equal(rs->digest, digest, sizeof(digest));
		memcpy(digest, rs->digest, sizeof(digest));
		ruleset_free(rs);
		free(text[0]);
		free(text[1]);
	}
}

/* The twin: each change of meaning, and of what is stored, gives another digest. */
static void meaning_changes_the_digest(void **state)
{
	static const char *const variants[] = {
		"effect: allow, from: ga, to: gb, service: tcp/1, owner: o, review_by: 2030-01-01",
		"effect: deny, from: ga, to: gb, service: tcp/1, owner: o, review_by: 2030-01-01",
		"effect: allow, from: gb, to: gb, service: tcp/1, owner: o, review_by: 2030-01-01",
		"effect: allow, from: ga, to: ga, service: tcp/1, owner: o, review_by: 2030-01-01",
		"effect: allow, from: ga, to: gb, service: tcp/2, owner: o, review_by: 2030-01-01",
		"effect: allow, from: ga, to: gb, service: tcp/1, owner: p, review_by: 2030-01-01",
		"effect: allow, from: ga, to: gb, service: tcp/1, owner: o, review_by: 2030-01-02",
		"effect: allow, from: ga, to: gb, service: tcp/1, owner: o, review_by: 2030-01-01, why: w",
		"effect: allow, from: ga, to: gb, service: tcp/1, owner: o, review_by: 2030-01-01, ticket: w",
		"effect: allow, from: ga, to: gb, service: tcp/1, owner: o, review_by: 2030-01-01, tier: "
		"guard",
		"effect: allow, from: ga, to: gb, service: tcp/1, owner: o, review_by: 2030-01-01, mode: "
		"monitor",
		"effect: allow, from: ga, to: gb, service: tcp/1, owner: o, review_by: 2030-01-01, log: "
		"always",
		"effect: allow, from: ga, to: gb, service: tcp/1, owner: o, review_by: 2030-01-01, keep: "
		"true",
	};
	enum { N = sizeof(variants) / sizeof(*variants) };
	uint8_t digest[N][32];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		char text[1024];
		struct policy_source source = {"a", text, 0};
		struct ruleset *rs;

		snprintf(text, sizeof(text),
			 "cordon: 1\nbundle: {name: n, owner: o, timezone: UTC}\nlabels: {role: [a, b]}\n"
			 "groups: {ga: {role: a}, gb: {role: b}}\nrules: [{id: r, %s}]\n",
			 variants[i]);
		source.len = strlen(text);
		rs = compile(&source, 1);
		memcpy(digest[i], rs->digest, sizeof(digest[i]));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(digest[i], digest[j], sizeof(digest[i]));
		ruleset_free(rs);
	}
}

int main(int argc, char **argv)
{
	static char core[] = "agency-core", monitor[] = "agency-monitor";
	static const struct CMUnitTest tests[] = {
		{"agency-core is as kept", is_as_kept, NULL, NULL, core},
		{"agency-monitor is as kept", is_as_kept, NULL, NULL, monitor},
		{"agency-core holds its tests", holds_its_tests, NULL, NULL, core},
		{"agency-monitor holds its tests", holds_its_tests, NULL, NULL, monitor},
		cmocka_unit_test(order_changes_nothing),
		cmocka_unit_test(meaning_changes_the_digest),
	};

	if (argc != 3)
		return 2;
	examples = argv[1];
	golden = argv[2];
	return cmocka_run_group_tests_name("golden-canonical", tests, NULL, NULL);
}
