/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arena and bytemap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "bytemap.h"

static void gives_zeroed_aligned_pieces(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	for (size_t size = 0; size < 300000; size = size * 2 + 1) {
		unsigned char *p = arena_alloc(a, size);

		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
	}
	assert_string_equal(arena_printf(a, "%s-%d", "x", 7), "x-7");
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	arena_free(a);
	arena_free(NULL);
}

static void finds_what_was_put(void **state)
{
	struct arena *a = arena_new();
	struct bytemap *m = bytemap_new(a);
	static char values[5000];
	char key[16];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "key%u", i);
		assert_null(bytemap_get_text(m, key));
		assert_null(bytemap_put_text(m, key, &values[i]));
		assert_ptr_equal(bytemap_put_text(m, key, &values[0]), &values[i]);
	}
	assert_int_equal(bytemap_count(m), 5000);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "key%u", i);
		assert_ptr_equal(bytemap_get_text(m, key), &values[i]);
		assert_string_equal(bytemap_key(m, i), key);
	}
	assert_null(bytemap_put(m, "a\0b", 3, &values[1]));
	assert_null(bytemap_get(m, "a\0c", 3));
	assert_null(bytemap_get(m, "a", 1));
	assert_ptr_equal(bytemap_get(m, "a\0b", 3), &values[1]);
	arena_free(a);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_zeroed_aligned_pieces),
		cmocka_unit_test(finds_what_was_put),
	};

	return cmocka_run_group_tests_name("base-memory", tests, NULL, NULL);
}
