/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dictionary: numbers are given once and mean the same for ever, to the last of them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dictionary.h"
#include "verdict.h"

static int setup(void **state)
{
	*state = dictionary_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	dictionary_free(*state);
	return 0;
}

static void begins_with_the_reserved(void **state)
{
	static const char *const names[] = {NULL,     "$unknown",   "$conflict", "$gateway",
					    "$world", "$multicast", NULL};
	struct dictionary *d = *state;

	assert_int_equal(dictionary_size(d), IDENTITY_FIRST);
	for (uint16_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (!names[i]) {
			assert_null(dictionary_text(d, i));
			continue;
		}
		assert_string_equal(dictionary_text(d, i), names[i]);
		assert_int_equal(dictionary_find(d, names[i]), i);
		assert_int_equal(dictionary_number(d, names[i]), i);
	}
	assert_int_equal(dictionary_size(d), IDENTITY_FIRST);
	dictionary_free(NULL);
}

static void gives_a_number_once(void **state)
{
	struct dictionary *d = *state;
	char text[] = "role=web";

	assert_int_equal(dictionary_find(d, text), 0);
	assert_int_equal(dictionary_number(d, text), 16);
	assert_int_equal(dictionary_number(d, "role=db"), 17);
	assert_int_equal(dictionary_number(d, "role=web"), 16);
	assert_int_equal(dictionary_size(d), 18);
	text[0] = 'x'; /* the text was copied */
	assert_string_equal(dictionary_text(d, 16), "role=web");
	assert_int_equal(dictionary_find(d, text), 0);
	assert_null(dictionary_text(d, 18));
	assert_null(dictionary_text(d, 65535));
}

static void is_full_at_the_last_number(void **state)
{
	struct dictionary *d = *state;
	char text[32];

	for (uint32_t i = IDENTITY_FIRST; i <= IDENTITY_LAST; i++) {
		snprintf(text, sizeof text, "n=%u", i);
		assert_int_equal(dictionary_number(d, text), i);
	}
	assert_int_equal(dictionary_number(d, "n=more"), 0);
	assert_int_equal(dictionary_find(d, "n=more"), 0);
	assert_int_equal(dictionary_size(d), IDENTITY_LAST + 1);
	assert_int_equal(dictionary_number(d, "n=16"), 16);
	assert_int_equal(dictionary_find(d, "n=65519"), IDENTITY_LAST);
	assert_string_equal(dictionary_text(d, IDENTITY_LAST), "n=65519");
}

static void restores_what_it_was(void **state)
{
	static const struct {
		uint16_t number;
		const char *text;
		int result;
	} steps[] = {
		{IDENTITY_UNKNOWN, "$unknown", 0},
		{IDENTITY_WORLD, "$unknown", -EINVAL},
		{IDENTITY_NONE, "$none", -EINVAL},
		{8, "probe=1", -EINVAL},
		{20, "role=web", 0},
		{20, "role=db", -EINVAL},  /* taken */
		{19, "role=db", -EINVAL},  /* not ascending */
		{21, "role=web", -EINVAL}, /* has a number */
		{21, "$other", -EINVAL},
		{21, "", -EINVAL},
		{65520, "role=db", -EINVAL},
		{65519, "role=db", 0},
	};
	struct dictionary *d = *state;

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
		if (dictionary_restore(d, steps[i].number, steps[i].text) != steps[i].result)
			fail_msg("step %zu: not %d", i, steps[i].result);
	assert_int_equal(dictionary_find(d, "role=web"), 20);
	assert_int_equal(dictionary_number(d, "role=new"), 0); /* numbers never go back */
	assert_null(dictionary_text(d, 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(begins_with_the_reserved, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_a_number_once, setup, teardown),
		cmocka_unit_test_setup_teardown(is_full_at_the_last_number, setup, teardown),
		cmocka_unit_test_setup_teardown(restores_what_it_was, setup, teardown),
	};

	return cmocka_run_group_tests_name("dictionary", tests, NULL, NULL);
}
