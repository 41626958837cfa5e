/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static struct ruleset *compile(const struct policy_source *sources, size_t n)
{
	struct ruleset *rs;
	struct diags d;

	diags_init(&d);
	rs = policy_compile(sources, n, NULL, &d);
	if (!rs) {
		diags_print(&d, stderr, NULL, NULL);
		fail_msg("the policy does not compile: %s", d.n ? d.items[0].text : "no reason");
	}
	assert_int_equal(d.n_errors, 0);
	diags_free(&d);
	return rs;
}

struct ruleset *must_compile(const char *text)
{
	return compile(&(struct policy_source){"t.yaml", text, strlen(text)}, 1);
}

struct ruleset *must_compile_two(const char *a, const char *b)
{
	struct policy_source sources[] = {{"a.yaml", a, strlen(a)}, {"b.yaml", b, strlen(b)}};

	return compile(sources, 2);
}

size_t must_find(const struct ruleset *rs, const char *identity)
{
	ptrdiff_t at = ruleset_find_identity(rs, identity);

	if (at < 0)
		fail_msg("no identity `%s`", identity);
	return (size_t)at;
}

struct decision decide_one(const struct ruleset *rs, const char *from, const char *to, const char *service)
{
	struct service_range range;
	struct decision d;
	char error[128];
	size_t n;

	if (!policy_parse_service(rs, service, &range, &n, 1, error, sizeof(error)))
		fail_msg("%s", error);
	policy_eval(rs, must_find(rs, from), must_find(rs, to), range.from, 0, &d);
	return d;
}

static const char *words(const struct ruleset *rs, enum verdict verdict, rule_ref rule)
{
	static char text[160];
	char id[128];

	snprintf(text, sizeof(text), "%s %s", verdict_word(verdict),
		 ruleset_rule_text(rs, rule, id, sizeof(id)));
	return text;
}

const char *ask(const struct ruleset *rs, const char *from, const char *to, const char *service)
{
	struct decision d = decide_one(rs, from, to, service);

	return words(rs, d.verdict, d.rule);
}

const char *ask_intended(const struct ruleset *rs, const char *from, const char *to, const char *service)
{
	struct decision d = decide_one(rs, from, to, service);

	return words(rs, d.intended, d.intended_rule);
}
