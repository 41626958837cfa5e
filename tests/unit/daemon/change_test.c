/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opened and closed cells, counted once more by asking the decoder point by point.
 */
#include "change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compile.h"

#define HEAD                                                                                                 \
	"cordon: 1\n"                                                                                        \
	"bundle: {name: b, owner: o@example, timezone: UTC}\n"                                               \
	"labels: {role: [a, b, c]}\n"                                                                        \
	"classify:\n"                                                                                        \
	"  - {id: a, when: {prefix: 10.0.0.1/32}, set: {role: a}}\n"                                         \
	"  - {id: b, when: {prefix: 10.0.0.2/32}, set: {role: b}}\n"                                         \
	"groups: {a: {role: a}, b: {role: b}}\n"                                                             \
	"rules:\n"
#define RULE(id, effect, from, to, service)                                                                  \
	"  - {id: " id ", effect: " effect ", from: " from ", to: " to ", service: " service                 \
	", owner: o@example, review_by: 2099-01-01}\n"

static const struct {
	const char *old, *new;
	uint64_t opens, closes;
} cases[] = {
	{NULL, HEAD RULE("r", "allow", "a", "b", "tcp/1"), 1, 0},
	{HEAD RULE("r", "allow", "a", "b", "tcp/1"), HEAD RULE("r", "allow", "a", "b", "tcp/1"), 0, 0},
	{HEAD RULE("r", "allow", "a", "b", "tcp/1"), HEAD RULE("s", "allow", "a", "b", "tcp/1"), 0, 0},
	{HEAD RULE("r", "allow", "a", "b", "tcp/1"), HEAD RULE("r", "allow", "a", "b", "tcp/2"), 1, 1},
	{HEAD RULE("r", "allow", "a", "b", "tcp/1-9"), HEAD RULE("r", "allow", "a", "b", "tcp/3-5"), 0, 2},
	{HEAD RULE("r", "allow", "a", "b", "tcp/3-5"), HEAD RULE("r", "allow", "a", "b", "tcp/1-9"), 2, 0},
	{HEAD RULE("r", "allow", "a", "b", "[tcp/1, udp/1]"), HEAD RULE("r", "deny", "a", "b", "tcp/1"), 0,
	 2},
	{HEAD RULE("r", "allow", "[a, b]", "[a, b]", "tcp/1"),
	 HEAD RULE("r", "allow", "a", "[a, b]", "tcp/1"), 0, 2},
};

static struct image_header *compile(const char *text, struct dictionary *dict)
{
	struct policy_source source = {"p.yaml", text, text ? strlen(text) : 0};
	struct compile_limits limits = COMPILE_LIMITS_DEFAULT;
	struct compile_stats stats;
	struct image_header *image = NULL;
	struct ruleset *rs;
	char error[256];
	struct diags d;
	size_t size;

	if (!text)
		return NULL;
	diags_init(&d);
	rs = policy_compile(&source, 1, NULL, &d);
	diags_print(&d, stderr, NULL, NULL);
	diags_free(&d);
	assert_non_null(rs);
	assert_int_equal(compile_image(rs, dict, &limits, &image, &size, &stats, error, sizeof(error)),
			 COMPILE_OK);
	ruleset_free(rs);
	return image;
}

static int allows(const struct image_header *image, uint16_t from, uint16_t to, service_key key)
{
	return image && decode_ask(image, from, to, key, 0).flags & DECISION_ALLOW;
}

/* Point by point over the keys that the policies here can tell apart. */
static struct change slowly(const struct image_header *old, const struct image_header *new)
{
	struct change c = {0};

	for (uint16_t from = 1; from < new->identity.count; from++) {
		for (uint16_t to = 1; to < new->identity.count; to++) {
			for (uint8_t proto = 6; proto <= 17; proto += 11) {
				int before = 0;

				for (uint16_t port = 0; port < 12; port++) {
					service_key key = service_key_make(proto, port);
					int now = allows(new, from, to, key) - allows(old, from, to, key);

					c.opens += now > 0 && now != before;
					c.closes += now < 0 && now != before;
					before = now;
				}
			}
		}
	}
	return c;
}

static void test_cases(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dictionary *dict = dictionary_new();
		struct image_header *old = compile(cases[i].old, dict), *new = compile(cases[i].new, dict);
		struct change c, slow = slowly(old, new);

		assert_true(change_count(old, new, 0, &c));
		if (c.opens != cases[i].opens || c.closes != cases[i].closes)
			fail_msg("case %zu: opens %llu closes %llu", i, (unsigned long long)c.opens,
				 (unsigned long long)c.closes);
		assert_int_equal(c.opens, slow.opens);
		assert_int_equal(c.closes, slow.closes);
		free(old);
		free(new);
		dictionary_free(dict);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};

	return cmocka_run_group_tests_name("daemon change", tests, NULL, NULL);
}
