/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random policies: evaluation, decoded image and engine give the same decision everywhere, and compiling is a
 * function. COUNT=n draws n policies, SEED=n begins elsewhere; a failure names the seed of its policy.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "case.h"
#include "compare.h"
#include "draft.h"
#include "engine.h"
#include "image_check.h"
#include "random.h"

#define POLICIES    120u
#define RANDOM_KEYS 24u

static uint64_t from_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void evaluation_image_and_engine_agree(void **state)
{
	const uint64_t count = from_env("COUNT", POLICIES);
	uint64_t seed = from_env("SEED", 1), decisions = 0;
	size_t refused = 0;

	for (uint64_t i = 0; i < count; i++) {
		struct compare_result r = {0};
		struct compare_keys keys;
		struct policy_case c;

		case_draw(&c, &seed, &refused);
		keys = compare_keys(c.rs, RANDOM_KEYS, seed);
		compare_image(c.rs, c.dict, c.image, &keys, &r);
		compare_cells(c.rs, c.dict, c.image, &r);
		decisions += r.compared;
		free(keys.keys);
		if (r.different)
			fail_msg("SEED=%" PRIu64 ": %" PRIu64 " differences; %s\n%s", seed - 1, r.different,
				 r.text, c.text);
		case_free(&c);
	}
	print_message("# %" PRIu64 " policies, %zu drafts refused, %" PRIu64 " decisions compared\n", count,
		      refused, decisions);
	assert_true(refused <= count);
	assert_true(decisions > count * 1000);
}

static void the_same_text_gives_the_same_bytes(void **state)
{
	uint64_t seed = 1000;
	size_t refused = 0;

	for (int i = 0; i < 20; i++) {
		struct policy_case a, b;

		case_draw(&a, &seed, &refused);
		assert_true(case_compile(&b, strdup(a.text), NULL));
		assert_int_equal(a.size, b.size);
		assert_memory_equal(a.image, b.image, a.size);
		case_free(&a);
		case_free(&b);
	}
}

static void the_order_of_items_cannot_be_seen(void **state)
{
	int compared = 0;

	for (uint64_t seed = 2000; compared < 20; seed++) {
		struct draft *draft = draft_random(seed);
		struct policy_case a, b;

		if (case_compile(&a, draft_text(draft, 0), NULL)) {
			assert_true(case_compile(&b, draft_text(draft, seed), NULL));
			assert_string_not_equal(a.text, b.text);
			assert_int_equal(a.size, b.size);
			assert_memory_equal(a.image, b.image, a.size);
			case_free(&b);
			compared++;
		}
		case_free(&a);
		draft_free(draft);
	}
}

/* Each policy is compiled after others with one dictionary, as commits are. */
static void numbers_are_permanent(void **state)
{
	struct dictionary *dict = dictionary_new();
	char *text[65520] = {0};
	uint64_t decisions = 0;

	for (uint64_t seed = 3000; seed < 3030; seed++) {
		struct draft *draft = draft_random(seed);
		struct compare_result r = {0};
		struct compare_keys keys;
		struct policy_case c;

		if (case_compile(&c, draft_text(draft, 0), dict)) {
			for (uint32_t n = 0; n < dictionary_size(dict); n++) {
				const char *now = dictionary_text(dict, (uint16_t)n);

				if (text[n])
					assert_string_equal(now, text[n]);
				else if (now)
					text[n] = strdup(now);
			}
			keys = compare_keys(c.rs, 2, seed);
			compare_image(c.rs, c.dict, c.image, &keys, &r);
			free(keys.keys);
			decisions += r.compared;
			if (r.different)
				fail_msg("seed %" PRIu64 ": %s", seed, r.text);
		}
		case_free(&c);
		draft_free(draft);
	}
	print_message("# %u identities numbered, %" PRIu64 " decisions compared\n", dictionary_size(dict),
		      decisions);
	for (size_t n = 0; n < sizeof text / sizeof text[0]; n++)
		free(text[n]);
	dictionary_free(dict);
}

static bool is_denied(const struct image_header *image, uint16_t from, uint16_t to, service_key key)
{
	const struct image_decision decoded = decode_ask(image, from, to, key, 0);
	const struct image_decision engine = engine_ask(image, from, to, key, 0);

	return !memcmp(&decoded, &engine, sizeof decoded) && !decoded.flags &&
	       decoded.rule == RULE_DEFAULT_DENY;
}

/* Numbers that are nobody, not yet given, or of another policy are denied on either side, even under allow
 * any. */
static void numbers_that_the_policy_does_not_know_are_denied(void **state)
{
	static const char open_policy[] =
		"cordon: 1\nbundle: {name: open, owner: o, timezone: UTC}\nlabels: {role: [web]}\n"
		"classify:\n  - {id: c, when: {prefix: 10.0.0.0/8}, set: {role: web}}\n"
		"rules:\n  - {id: all, effect: allow, from: any, to: any, service: any, owner: o, review_by: "
		"2099-01-01}\n"
		"scopes:\n  - {id: see, from: any, to: any, mode: monitor}\n";
	struct dictionary *dict = dictionary_new();
	const service_key https = service_key_make(6, 443);
	uint16_t other, web;
	struct policy_case c;

	other = dictionary_number(dict, "role=other");
	assert_true(case_compile(&c, strdup(open_policy), dict));
	web = dictionary_find(dict, "role=web");
	assert_int_not_equal(web, 0);
	assert_false(is_denied(c.image, web, IDENTITY_WORLD, https));
	for (uint32_t n = 0; n <= UINT16_MAX; n += n < 64 ? 1 : 997) {
		if (dictionary_text(dict, (uint16_t)n) && n != other)
			continue;
		assert_true(is_denied(c.image, (uint16_t)n, web, https));
		assert_true(is_denied(c.image, web, (uint16_t)n, https));
		assert_true(is_denied(c.image, (uint16_t)n, (uint16_t)n, https));
	}
	case_free(&c);
	dictionary_free(dict);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evaluation_image_and_engine_agree),
		cmocka_unit_test(the_same_text_gives_the_same_bytes),
		cmocka_unit_test(the_order_of_items_cannot_be_seen),
		cmocka_unit_test(numbers_are_permanent),
		cmocka_unit_test(numbers_that_the_policy_does_not_know_are_denied),
	};

	return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
