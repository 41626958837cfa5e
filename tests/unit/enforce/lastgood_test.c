/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sealed memfds, snapshots, and the last good files: whole or not there.
 */
#include "lastgood.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dir.h"
#include "memfd.h"

static void test_memfd(void **state)
{
	void *bytes;
	size_t size;
	int fd = memfd_sealed("test", "hello", 5);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(memfd_read(fd, 5, &bytes, &size), 0);
	assert_int_equal(size, 5);
	assert_memory_equal(bytes, "hello", 5);
	free(bytes);
	assert_int_equal(memfd_read(fd, 4, &bytes, &size), -EPROTO);
	assert_null(bytes);
	close(fd);
}

static void test_memfd_unsealed(void **state)
{
	void *bytes;
	size_t size;
	int fd = memfd_create("test", MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, "hello", 5), 5);
	assert_int_equal(memfd_read(fd, 5, &bytes, &size), -EPROTO);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW), 0);
	assert_int_equal(memfd_read(fd, 5, &bytes, &size), -EPROTO);
	close(fd);
}

static void test_snapshot(void **state)
{
	struct image_header image = {.crc64 = 77};
	struct dp_binding b[2] = {{.family = 4, .identity = 16, .dictionary = 17, .lease_s = 5},
				  {.family = 6, .identity = 1, .dictionary = 17, .lease_s = 5}};
	struct snapshot_header *s;
	size_t size;

	b[1].addr[0] = 0xfd;
	s = snapshot_make(&image, 3, 17, b, 2, &size);
	assert_non_null(s);
	assert_null(snapshot_check(s, size));
	assert_int_equal(s->generation, 3);
	assert_true(s->image_crc == 77);
	assert_memory_equal(snapshot_bindings(s), b, sizeof(b));
	((uint8_t *)s)[size - 1] ^= 1;
	assert_non_null(snapshot_check(s, size));
	free(s);
	s = snapshot_make(&image, 3, 17, NULL, 0, &size);
	assert_null(snapshot_check(s, size));
	free(s);
}

static size_t file_size(const char *dir, const char *name)
{
	struct stat st;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

static void test_write(void **state)
{
	char dir[64], path[128];
	struct stat st;

	dir_make(dir, sizeof(dir));
	assert_int_equal(lastgood_write(dir, "f", "one", 3), 0);
	assert_int_equal(file_size(dir, "f"), 3);
	assert_int_equal(lastgood_write(dir, "f", "three", 5), 0);
	assert_int_equal(file_size(dir, "f"), 5);
	assert_int_equal(file_size(dir, "f.new"), 0);
	snprintf(path, sizeof(path), "%s/f", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	dir_remove(dir);
}

/* A name that cannot be written leaves the old file alone. */
static void test_write_fails(void **state)
{
	char dir[64], path[128];

	dir_make(dir, sizeof(dir));
	assert_int_equal(lastgood_write("/nonexistent", "f", "x", 1), -ENOENT);
	assert_int_equal(lastgood_write(dir, "f", "one", 3), 0);
	snprintf(path, sizeof(path), "%s/f.new", dir);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(lastgood_write(dir, "f", "three", 5), -ELOOP);
	assert_int_equal(file_size(dir, "f"), 3);
	dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memfd),       cmocka_unit_test(test_memfd_unsealed),
		cmocka_unit_test(test_snapshot),    cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_fails),
	};

	return cmocka_run_group_tests_name("enforce lastgood", tests, NULL, NULL);
}
