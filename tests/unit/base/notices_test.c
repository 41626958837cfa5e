/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "notices.h"

struct told {
	char dir[64], line[2 * NOTICES_MAX][NOTICE_TEXT_MAX + 64];
	unsigned n;
};

static void take(void *ctx, const char *text)
{
	struct told *t = ctx;

	assert_true(t->n < 2 * NOTICES_MAX);
	snprintf(t->line[t->n++], sizeof(t->line[0]), "%s", text);
}

static void write_file(const struct told *t, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/notices", t->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/notices/%s", t->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	struct told *t = calloc(1, sizeof(*t));

	snprintf(t->dir, sizeof(t->dir), "/tmp/notices-test-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct told *t = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", t->dir);
	assert_int_equal(system(command), 0);
	free(t);
	return 0;
}

static void none_without_a_directory(void **state)
{
	struct told *t = *state;

	notices_each(t->dir, take, t);
	assert_int_equal(t->n, 0);
}

static void every_line_files_by_name(void **state)
{
	struct told *t = *state;

	write_file(t, "setup", "no config drive\n\nand no key");
	write_file(t, "data", "disk too small\n");
	write_file(t, ".hidden", "not this\n");
	notices_each(t->dir, take, t);
	assert_int_equal(t->n, 3);
	assert_string_equal(t->line[0], "disk too small");
	assert_string_equal(t->line[1], "no config drive");
	assert_string_equal(t->line[2], "and no key");
}

static void a_long_line_is_cut_and_control_characters_are_blanks(void **state)
{
	struct told *t = *state;
	char text[3 * NOTICE_TEXT_MAX];

	memset(text, 'x', sizeof(text));
	memcpy(text, "a\033[2J\302\233b\303\234", 10);
	text[sizeof(text) - 1] = 0;
	write_file(t, "setup", text);
	notices_each(t->dir, take, t);
	assert_int_equal(t->n, 1);
	assert_int_equal(strlen(t->line[0]), NOTICE_TEXT_MAX);
	assert_memory_equal(t->line[0], "a [2J  b\303\234x", 11);
}

static void too_many_are_counted(void **state)
{
	struct told *t = *state;
	char text[NOTICES_MAX * 4 + 8] = "";

	for (unsigned i = 0; i < NOTICES_MAX + 2; i++)
		strcat(text, "no\n");
	write_file(t, "setup", text);
	notices_each(t->dir, take, t);
	assert_int_equal(t->n, NOTICES_MAX + 1);
	assert_string_equal(t->line[NOTICES_MAX], "2 more notices are in the run directory");
}

/* Nobody can make the daemon wait or read what it should not. */
static void only_plain_files_are_read(void **state)
{
	struct told *t = *state;
	char path[128];

	write_file(t, "setup", "one\n");
	snprintf(path, sizeof(path), "%s/notices/pipe", t->dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/notices/link", t->dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	notices_each(t->dir, take, t);
	assert_int_equal(t->n, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(none_without_a_directory),
		TEST(every_line_files_by_name),
		TEST(a_long_line_is_cut_and_control_characters_are_blanks),
		TEST(too_many_are_counted),
		TEST(only_plain_files_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
