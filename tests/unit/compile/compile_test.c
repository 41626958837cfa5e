/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One small policy, compiled: who shares a class, what the image answers, what is shared, and what is refused
 * for want of room. That answers are right for every policy is the oracle's business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compile.h"
#include "image_check.h"

static const char policy[] =
	"cordon: 1\n"
	"bundle: {name: small, owner: o, timezone: UTC}\n"
	"labels: {role: [web, api, db, guest, ops]}\n"
	"classify:\n"
	"  - {id: web, when: {prefix: 10.0.1.0/24}, set: {role: web}}\n"
	"  - {id: api, when: {prefix: 10.0.2.0/24}, set: {role: api}}\n"
	"  - {id: db, when: {prefix: 10.0.3.0/24}, set: {role: db}}\n"
	"  - {id: guest, when: {prefix: 10.0.4.0/24}, set: {role: guest}}\n"
	"  - {id: ops, when: {prefix: 10.0.5.0/24}, set: {role: ops}}\n"
	"rules:\n"
	"  - {id: data, effect: allow, from: {role: [web, api]}, to: {role: db},"
	" service: tcp/5432, owner: o, review_by: 2099-01-01}\n"
	"  - {id: no-guest, effect: deny, tier: guard, action: reject, from: {role: guest},"
	" to: any, service: any, owner: o, review_by: 2099-01-01}\n"
	"  - {id: soon, effect: allow, mode: monitor, from: {role: ops}, to: {role: db},"
	" service: tcp/22, owner: o, review_by: 2099-01-01}\n"
	"scopes:\n"
	"  - {id: watch, to: {role: ops}, mode: monitor, enforce_services: [tcp/22]}\n";

struct fixture {
	struct ruleset *rs;
	struct dictionary *dict;
	struct image_header *image;
	size_t size;
	struct compile_stats stats;
};

static int setup(void **state)
{
	static struct fixture f;
	const struct policy_source source = {"small.yaml", policy, sizeof policy - 1};
	const struct compile_limits limits = COMPILE_LIMITS_DEFAULT;
	struct diags diags;
	char error[256] = "";

	diags_init(&diags);
	f.rs = policy_compile(&source, 1, NULL, &diags);
	diags_print(&diags, stderr, NULL, NULL);
	diags_free(&diags);
	f.dict = dictionary_new();
	if (!f.rs || !f.dict)
		return -1;
	*state = &f;
	return compile_image(f.rs, f.dict, &limits, &f.image, &f.size, &f.stats, error, sizeof error);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->image);
	dictionary_free(f->dict);
	ruleset_free(f->rs);
	return 0;
}

static struct image_identity classes(const struct fixture *f, const char *who)
{
	const struct image_identity *identity = image_at(f->image, f->image->identity);
	const uint16_t number = dictionary_find(f->dict, who);

	assert_int_not_equal(number, 0);
	return identity[number];
}

static void only_those_that_no_rule_tells_apart_share_a_class(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(classes(f, "role=web").source, classes(f, "role=api").source);
	assert_int_equal(classes(f, "role=web").responder, classes(f, "role=guest").responder);
	assert_int_not_equal(classes(f, "role=web").source, classes(f, "role=db").source);
	assert_int_not_equal(classes(f, "role=web").source, classes(f, "role=guest").source);
	assert_int_not_equal(classes(f, "role=web").responder, classes(f, "role=db").responder);
	assert_int_not_equal(classes(f, "role=web").responder, classes(f, "role=ops").responder);
}

static void conflict_is_alone(void **state)
{
	const struct fixture *f = *state;
	const struct image_identity conflict = classes(f, "$conflict");

	for (size_t i = 0; i < f->rs->n_identities; i++) {
		if (f->rs->identities[i].reserved == IDENTITY_CONFLICT)
			continue;
		assert_int_not_equal(classes(f, f->rs->identities[i].text).source, conflict.source);
		assert_int_not_equal(classes(f, f->rs->identities[i].text).responder, conflict.responder);
	}
}

#define TCP(port) (0x060000u | (port))
#define SCOPE(i)  (RULE_SCOPE_BIT | (i))
#define ALLOW     DECISION_ALLOW
#define INTENDED  DECISION_INTENDED_ALLOW

/* Rules by id: 1 data, 2 no-guest, 3 soon. */
static const struct {
	const char *from, *to;
	service_key key;
	uint8_t flags, reason, intended_reason;
	rule_ref rule, intended_rule;
} answers[] = {
	{"role=web", "role=db", TCP(5432), ALLOW | INTENDED, REASON_RULE, REASON_RULE, 1, 1},
	{"role=api", "role=db", TCP(5432), ALLOW | INTENDED, REASON_RULE, REASON_RULE, 1, 1},
	{"role=web", "role=db", TCP(5431), 0, REASON_NO_RULE, REASON_NO_RULE, 0, 0},
	{"role=web", "role=db", TCP(5433), 0, REASON_NO_RULE, REASON_NO_RULE, 0, 0},
	{"role=db", "role=web", TCP(5432), 0, REASON_NO_RULE, REASON_NO_RULE, 0, 0},
	{"role=guest", "role=db", TCP(5432), DECISION_REJECT, REASON_RULE, REASON_RULE, 2, 2},
	{"role=guest", "role=db", 0x2f0000, 0, REASON_NO_RULE, REASON_NO_RULE, 0, 0},
	{"role=guest", "role=ops", TCP(80), DECISION_REJECT, REASON_RULE, REASON_RULE, 2, 2},
	{"role=ops", "role=db", TCP(22), INTENDED, REASON_NO_RULE, REASON_RULE, 0, 3},
	{"role=ops", "role=db", TCP(23), 0, REASON_NO_RULE, REASON_NO_RULE, 0, 0},
	{"role=web", "role=ops", TCP(80), ALLOW, REASON_SCOPE, REASON_NO_RULE, SCOPE(0), 0},
	{"role=web", "role=ops", TCP(22), 0, REASON_NO_RULE, REASON_NO_RULE, 0, 0},
	{"$unknown", "role=ops", TCP(80), 0, REASON_NO_RULE, REASON_NO_RULE, 0, 0},
	{"$conflict", "role=ops", TCP(80), 0, REASON_CONFLICT, REASON_CONFLICT, 0, 0},
	{"role=web", "$conflict", TCP(80), 0, REASON_CONFLICT, REASON_CONFLICT, 0, 0},
};

static void answers_as_the_policy_says(void **state)
{
	const struct fixture *f = *state;

	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		const struct image_decision d =
			decode_ask(f->image, dictionary_find(f->dict, answers[i].from),
				   dictionary_find(f->dict, answers[i].to), answers[i].key, 0);

		if (d.flags != answers[i].flags || d.reason != answers[i].reason ||
		    d.rule != answers[i].rule || d.intended_rule != answers[i].intended_rule ||
		    d.intended_reason != answers[i].intended_reason)
			fail_msg("answer %zu: rule %x/%x flags %x reason %s/%s", i, d.rule, d.intended_rule,
				 d.flags, reason_word(d.reason), reason_word(d.intended_reason));
	}
}

static void equal_rows_lists_and_decisions_are_kept_once(void **state)
{
	const struct fixture *f = *state;
	const uint32_t *matrix = image_at(f->image, f->image->matrix);

	/* deny; data; no-guest; intended soon; scope; conflict */
	assert_int_equal(f->stats.decisions, 6);
	/* ($unknown, $world, $multicast, $gateway) ask alike as sources, so they share a row with each other
	 */
	assert_int_equal(matrix[classes(f, "$unknown").source], matrix[classes(f, "$world").source]);
	assert_int_not_equal(matrix[classes(f, "$unknown").source], matrix[classes(f, "role=web").source]);
	assert_true(f->stats.rows < f->stats.source_classes);
	/* what most responders get stands once in the row: exceptions are few */
	assert_int_equal(f->stats.exceptions, 13);
	assert_int_equal(f->image->n_source, f->stats.source_classes);
	assert_int_equal(f->image->size, f->stats.bytes);
	assert_int_equal(f->image->n_rules, 3);
	assert_int_equal(f->image->n_scopes, 1);
}

static bool count_cell(void *ctx, const struct cell *c)
{
	return --*(int *)ctx > 0;
}

static void decoding_stops_when_told(void **state)
{
	const struct fixture *f = *state;
	int left = 3;

	decode_cells(f->image, 0, count_cell, &left);
	assert_int_equal(left, 0);
}

static const struct {
	const char *text; /* begins with */
	struct compile_limits limits;
} refusals[] = {
	{"the policy needs 10 source classes, there are 5", {5, 65520, 1000, 1000, 1 << 20}},
	{"the policy needs 9 responder classes, there are 8", {65520, 8, 1000, 1000, 1 << 20}},
	{"the policy needs 4 cell lists or more, there are 3", {65520, 65520, 3, 1000, 1 << 20}},
	{"the policy needs ", {65520, 65520, 1000, 3, 1 << 20}},
	{"the policy needs ", {65520, 65520, 1000, 1000, 1000}},
	{"the policy needs ", {65520, 65520, 1000, 1000, 20}},
};

static void too_much_is_refused_and_changes_nothing(void **state)
{
	const struct fixture *f = *state;

	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		struct dictionary *dict = dictionary_new();
		struct image_header *image = NULL;
		char error[256] = "";
		size_t size = 0;

		assert_non_null(dict);
		assert_int_equal(compile_image(f->rs, dict, &refusals[i].limits, &image, &size, NULL, error,
					       sizeof error),
				 COMPILE_CAPACITY);
		if (strncmp(error, refusals[i].text, strlen(refusals[i].text)) ||
		    !strstr(error, ", there are "))
			fail_msg("refusal %zu: \"%s\"", i, error);
		assert_null(image);
		assert_int_equal(dictionary_size(dict), IDENTITY_FIRST);
		dictionary_free(dict);
	}
}

static void fill(struct dictionary *dict, uint32_t leave)
{
	char text[32];

	for (uint32_t n = dictionary_size(dict); n <= IDENTITY_LAST - leave; n++) {
		snprintf(text, sizeof text, "old=%u", n);
		assert_int_equal(dictionary_number(dict, text), n);
	}
}

static void a_full_dictionary_is_refused(void **state)
{
	const struct compile_limits limits = COMPILE_LIMITS_DEFAULT;
	const struct fixture *f = *state;

	for (uint32_t leave = 4; leave <= 5; leave++) {
		struct dictionary *dict = dictionary_new();
		struct image_header *image = NULL;
		enum compile_result result;
		char error[256] = "";
		size_t size;

		assert_non_null(dict);
		fill(dict, leave);
		result = compile_image(f->rs, dict, &limits, &image, &size, NULL, error, sizeof error);
		if (leave == 5) {
			assert_int_equal(result, COMPILE_OK);
			assert_int_equal(dictionary_size(dict), IDENTITY_LAST + 1);
			assert_null(image_check(image, size));
		} else {
			assert_int_equal(result, COMPILE_CAPACITY);
			assert_string_equal(error, "the policy needs 5 new identity numbers, there are 4");
			assert_int_equal(dictionary_find(dict, "role=web"), 0);
		}
		free(image);
		dictionary_free(dict);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_those_that_no_rule_tells_apart_share_a_class),
		cmocka_unit_test(conflict_is_alone),
		cmocka_unit_test(answers_as_the_policy_says),
		cmocka_unit_test(equal_rows_lists_and_decisions_are_kept_once),
		cmocka_unit_test(decoding_stops_when_told),
		cmocka_unit_test(too_much_is_refused_and_changes_nothing),
		cmocka_unit_test(a_full_dictionary_is_refused),
	};

	return cmocka_run_group_tests_name("compile", tests, setup, teardown);
}
