/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The policy loader on any bytes. What compiles must also survive evaluation, printing and its own tests; the
 * bytes are split at a line `---file---`, so that bundles of two files are reached too.
 */
#include <stdlib.h>
#include <string.h>

#include "policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char cut[] = "\n---file---\n";

static void use(const struct ruleset *rs)
{
	struct test_result *results = calloc(rs->n_tests + 1, sizeof(*results));
	struct endpoint_evidence e = {.family = 4, .addr = {10, 20, 0, 21}, .outside = true};
	struct decision decision;
	struct diags warnings;
	size_t len, n;
	char *text = policy_print_canonical(rs, &len);
	struct prefix_range *ranges = policy_prefixes(rs, 4, &n);

	if (!text || !results || !ranges || !n || rs->n_identities <= policy_classify(rs, &e))
		abort();
	if (rs->n_identities * rs->n_tests < 1000)
		policy_run_tests(rs, 0, results);
	policy_eval(rs, policy_classify(rs, &e), rs->n_identities - 1, service_key_make(6, 443), 0,
		    &decision);
	diags_init(&warnings);
	policy_warn(rs, 0, &warnings);
	diags_free(&warnings);
	free(ranges);
	free(text);
	free(results);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *second = memmem(data, size, cut, sizeof(cut) - 1);
	size_t first_len = second ? (size_t)(second - text) : size;
	struct policy_source sources[2] = {{"a.yaml", text, first_len}, {"b.yaml", NULL, 0}};
	struct ruleset *rs;
	struct diags d;

	if (second) {
		sources[1].text = second + sizeof(cut) - 1;
		sources[1].len = size - first_len - (sizeof(cut) - 1);
	}
	diags_init(&d);
	rs = policy_compile(sources, second ? 2 : 1, NULL, &d);
	if (!rs != (d.n_errors > 0))
		abort();
	if (rs)
		use(rs);
	ruleset_free(rs);
	diags_free(&d);
	return 0;
}
