/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of sequences: equal ones share a number, others never do, also after it grew and after it was
 * cleared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "intern.h"

static void equal_sequences_share_a_number(void **state)
{
	const uint32_t a[] = {1, 2, 3}, b[] = {1, 2, 4};
	struct intern t = {0};

	assert_int_equal(intern(&t, a, 3), 0);
	assert_int_equal(intern(&t, b, 3), 1);
	assert_int_equal(intern(&t, a, 2), 2); /* a prefix is another sequence */
	assert_int_equal(intern(&t, b, 2), 2);
	assert_int_equal(intern(&t, a, 0), 3);
	assert_int_equal(intern(&t, NULL, 0), 3);
	assert_int_equal(intern(&t, a, 3), 0);
	assert_int_equal(intern_length(&t, 1), 3);
	assert_memory_equal(intern_words(&t, 1), b, sizeof b);
	intern_free(&t);
}

static void numbers_ascend_while_it_grows(void **state)
{
	struct intern t = {0};

	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 20000; i++) {
			const uint32_t words[] = {i % 7, i, ~i};

			assert_int_equal(intern(&t, words, 3), i);
		}
	}
	assert_int_equal(t.n, 20000);
	intern_free(&t);
}

static void cleared_it_begins_anew(void **state)
{
	const uint32_t a[] = {1}, b[] = {2};
	struct intern t = {0};

	intern_clear(&t);
	assert_int_equal(intern(&t, a, 1), 0);
	assert_int_equal(intern(&t, b, 1), 1);
	intern_clear(&t);
	assert_int_equal(intern(&t, b, 1), 0);
	assert_int_equal(intern(&t, a, 1), 1);
	intern_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_sequences_share_a_number),
		cmocka_unit_test(numbers_ascend_while_it_grows),
		cmocka_unit_test(cleared_it_begins_anew),
	};

	return cmocka_run_group_tests_name("intern", tests, NULL, NULL);
}
