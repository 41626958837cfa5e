/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transactions and read-backs on the kernel's nf_tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "space.h"

static struct nl *nl;

static int fresh(void **state)
{
	const struct nft_box box = space_box();
	char error[320];

	space_new();
	if (nl_open(&nl, &box, error, sizeof error)) {
		fprintf(stderr, "# %s\n", error);
		return -1;
	}
	return 0;
}

static int done(void **state)
{
	nl_close(nl);
	return 0;
}

static const struct nft_version first = {1, 0, 1}, second = {2, 0, 1};

static void swap(const struct nft_program *p, const struct nft_version *v)
{
	if (nl_swap(nl, p, 0, v, NULL, 0))
		fail_msg("%s", nl_error(nl));
}

/* Reads back and compares; what differs, or "". */
static const char *difference(const struct nft_program *p, const struct nft_version *expected)
{
	static char what[300];
	struct nft_program *got;
	struct nft_version v;
	size_t size;

	if (nl_dump(nl, &got, &size, &v))
		fail_msg("%s", nl_error(nl));
	assert_memory_equal(&v, expected, sizeof v);
	if (!nft_differ(p, 0, got, 0, what, sizeof what)) {
		what[0] = 0;
		assert_int_equal(size, p->size);
		assert_memory_equal(got, p, size);
	}
	free(got);
	return what;
}

static void what_is_loaded_is_read_back(void **state)
{
	size_t size;
	struct nft_program *p = space_program(20, &size);

	swap(p, &first);
	assert_string_equal(difference(p, &first), "");
	swap(p, &second);
	assert_string_equal(difference(p, &second), "");
	assert_true(space_run("nft list ruleset > /dev/null"));
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_loaded_is_read_back, fresh, done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
