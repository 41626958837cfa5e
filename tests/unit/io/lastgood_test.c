/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last good pair is used as a whole or not at all: each way in which it can be wrong, beside the pair
 * that is right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "good_files.h"
#include "lastgood.h"

struct fixture {
	char dir[32];
	struct image_header *image;
	struct snapshot_header *bindings;
	size_t bindings_size;
};

static void write_image(struct fixture *f, size_t size)
{
	write_file(f->dir, LAST_GOOD_IMAGE, f->image, size);
}

static void write_bindings(struct fixture *f, size_t size)
{
	write_file(f->dir, LAST_GOOD_BINDINGS, f->bindings, size);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/cordon-good-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->image = good_image();
	f->bindings = good_snapshot(f->image, 5, 3, &f->bindings_size);
	write_image(f, f->image->size);
	write_bindings(f, f->bindings_size);
	*state = f;
	return 0;
}

static void remove_file(const struct fixture *f, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	remove_file(f, LAST_GOOD_IMAGE);
	remove_file(f, LAST_GOOD_BINDINGS);
	rmdir(f->dir);
	free(f->image);
	free(f->bindings);
	free(f);
	return 0;
}

static void expect_refused(const struct fixture *f, enum lastgood_result result, const char *word)
{
	struct lastgood g;
	char error[256];

	assert_int_equal(lastgood_load(&g, f->dir, error, sizeof(error)), result);
	assert_null(g.image.bytes);
	assert_null(g.bindings.bytes);
	if (!strstr(error, word))
		fail_msg("'%s' lacks '%s'", error, word);
}

static void test_good(void **state)
{
	struct fixture *f = *state;
	struct lastgood g;
	char error[256];

	assert_int_equal(lastgood_load(&g, f->dir, error, sizeof(error)), LASTGOOD_OK);
	assert_int_equal(g.image.size, f->image->size);
	assert_memory_equal(g.image.bytes, f->image, f->image->size);
	assert_memory_equal(g.bindings.bytes, f->bindings, f->bindings_size);
	lastgood_free(&g);
}

static void test_first_start(void **state)
{
	struct fixture *f = *state;

	remove_file(f, LAST_GOOD_IMAGE);
	remove_file(f, LAST_GOOD_BINDINGS);
	expect_refused(f, LASTGOOD_NONE, LAST_GOOD_IMAGE);
}

static void test_half_a_pair(void **state)
{
	struct fixture *f = *state;

	remove_file(f, LAST_GOOD_BINDINGS);
	expect_refused(f, LASTGOOD_BAD, LAST_GOOD_BINDINGS);
}

static void test_cut_and_flipped(void **state)
{
	struct fixture *f = *state;

	write_image(f, f->image->size - 1);
	expect_refused(f, LASTGOOD_BAD, LAST_GOOD_IMAGE);
	write_image(f, 0);
	expect_refused(f, LASTGOOD_BAD, LAST_GOOD_IMAGE);
	((uint8_t *)f->image)[f->image->size / 2] ^= 1;
	write_image(f, f->image->size);
	expect_refused(f, LASTGOOD_BAD, LAST_GOOD_IMAGE);
}

static void test_damaged_bindings(void **state)
{
	struct fixture *f = *state;

	write_bindings(f, f->bindings_size - 1);
	expect_refused(f, LASTGOOD_BAD, LAST_GOOD_BINDINGS);
	((uint8_t *)f->bindings)[f->bindings_size - 1] ^= 1;
	write_bindings(f, f->bindings_size);
	expect_refused(f, LASTGOOD_BAD, LAST_GOOD_BINDINGS);
}

static void test_of_another_image(void **state)
{
	struct fixture *f = *state;

	f->bindings->image_crc++;
	good_snapshot_seal(f->bindings);
	write_bindings(f, f->bindings_size);
	expect_refused(f, LASTGOOD_BAD, "made for another image");
}

/* A fifo would block for ever. */
static void test_no_file(void **state)
{
	struct fixture *f = *state;
	char path[64];

	remove_file(f, LAST_GOOD_IMAGE);
	snprintf(path, sizeof(path), "%s/%s", f->dir, LAST_GOOD_IMAGE);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refused(f, LASTGOOD_BAD, LAST_GOOD_IMAGE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_good),
		T(test_first_start),
		T(test_half_a_pair),
		T(test_cut_and_flipped),
		T(test_damaged_bindings),
		T(test_of_another_image),
		T(test_no_file),
	};

	return cmocka_run_group_tests_name("lastgood", tests, NULL, NULL);
}
