/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "failures.h"

static char dir[] = "/tmp/cordon-failures-XXXXXX";

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	failures_forget(dir);
	return rmdir(dir);
}

static void test_safe_after_five(void **state)
{
	failures_forget(dir);
	assert_int_equal(failures_read(dir, 1000).recent, 0);
	for (uint32_t i = 0; i < FAILURES_SAFE; i++) {
		assert_int_equal(failures_read(dir, 1000 + i).left_s, 0);
		assert_int_equal(failures_note(dir, 1000 + i), 0);
	}
	struct failures f = failures_read(dir, 1010);
	assert_int_equal(f.recent, FAILURES_SAFE);
	assert_int_equal(f.left_s, FAILURES_WINDOW_S - 10);
	/* the first is too old: normal again */
	assert_int_equal(failures_read(dir, 1000 + FAILURES_WINDOW_S - 1).left_s, 1);
	assert_int_equal(failures_read(dir, 1000 + FAILURES_WINDOW_S).left_s, 0);
	assert_int_equal(failures_read(dir, 1000 + FAILURES_WINDOW_S).recent, FAILURES_SAFE - 1);
	failures_forget(dir);
	assert_int_equal(failures_read(dir, 1010).recent, 0);
}

/* One a long time apart is no series. */
static void test_rare_failures(void **state)
{
	failures_forget(dir);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(failures_read(dir, 1000 + i * 200).left_s, 0);
		assert_int_equal(failures_note(dir, 1000 + i * 200), 0);
	}
}

/* Safe mode lasts while it fails, too, and the file does not grow. */
static void test_many(void **state)
{
	char path[64];

	failures_forget(dir);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(failures_note(dir, 1000 + i), 0);
	assert_int_equal(failures_read(dir, 1300).recent, 64);
	assert_int_equal(failures_read(dir, 1300).left_s, FAILURES_WINDOW_S - 5);
	snprintf(path, sizeof(path), "%s/dp.starts", dir);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	assert_int_equal(ftell(file), 64 * 5);
	fclose(file);
}

static void test_wait(void **state)
{
	static const struct {
		uint32_t recent, wait;
	} cases[] = {{0, 0}, {4, 0}, {5, 0}, {6, 1}, {7, 2}, {8, 4}, {11, 32}, {12, 60}, {64, 60}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(failures_wait((struct failures){.recent = cases[i].recent}), cases[i].wait);
}

/* Of another boot's clock, and nonsense. */
static void test_bad_file(void **state)
{
	char path[64];

	failures_forget(dir);
	for (uint32_t i = 0; i < 9; i++)
		failures_note(dir, 5000);
	assert_int_equal(failures_read(dir, 10).recent, 0);
	snprintf(path, sizeof(path), "%s/dp.starts", dir);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs("what\n5000\n", file);
	fclose(file);
	assert_int_equal(failures_read(dir, 5001).recent, 0);
	assert_true(failures_note("/nonexistent", 1) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_safe_after_five),
		cmocka_unit_test(test_rare_failures),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_bad_file),
	};

	return cmocka_run_group_tests_name("failures", tests, setup, teardown);
}
