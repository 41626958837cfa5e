/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Section `bundle`: who answers for the policy, its time zone, the framework it is measured by.
 */
#include <string.h>

#include "keys.h"
#include "timefmt.h"

static void read_when(struct build *b, const struct yaml_node *n, void *field)
{
	const char *text = yaml_string(n, b->diags);
	struct ruleset *rs = field;

	if (!text)
		return;
	rs->has_tests_at = time_parse_seconds(text, &rs->tests_at);
	if (!rs->has_tests_at)
		error_at(b, n, "`%s` is no RFC 3339 time with offset, like 2026-08-25T10:00:00+03:00", text);
}

static void read_zone(struct build *b, const struct yaml_node *n, void *field)
{
	int64_t end;

	read_text(b, n, field);
	if (*(const char **)field && b->env->day_end &&
	    !b->env->day_end(b->env->ctx, *(const char **)field, 2000, 1, 1, &end))
		error_at(b, n, "unknown time zone `%s`", n->text);
}

static void read_day(struct build *b, const struct yaml_node *n, void *field)
{
	struct civil day;

	read_text(b, n, field);
	if (n->type == YAML_SCALAR && *n->text && !time_parse_date(n->text, &day))
		error_at(b, n, "`%s` is no date, like 2026-12-31", n->text);
}

static const struct key framework_keys[] = {
	{"model", KEY_OPTIONAL, read_text, offsetof(struct framework, model)},
	{"version", KEY_OPTIONAL, read_text, offsetof(struct framework, version)},
	{"checked", KEY_OPTIONAL, read_day, offsetof(struct framework, checked)},
};
static const struct key_table framework_table = KEY_TABLE("`framework`", framework_keys);

static void read_framework(struct build *b, const struct yaml_node *n, void *field)
{
	read_map(b, &framework_table, n, field);
}

static const struct key bundle_keys[] = {
	{"name", KEY_REQUIRED, read_text, offsetof(struct ruleset, name)},
	{"owner", KEY_REQUIRED, read_text, offsetof(struct ruleset, owner)},
	{"timezone", KEY_REQUIRED, read_zone, offsetof(struct ruleset, timezone)},
	{"framework", KEY_OPTIONAL, read_framework, offsetof(struct ruleset, framework)},
	{"tests_at", KEY_OPTIONAL, read_when, 0},
};
static const struct key_table bundle_table = KEY_TABLE("`bundle`", bundle_keys);

void load_bundle(struct build *b)
{
	const struct yaml_node *first = b->n_parts[SECTION_BUNDLE] ? b->part[SECTION_BUNDLE][0] : NULL;

	if (!first && !b->open[SECTION_BUNDLE] && b->trees[0])
		diag_add(b->diags, SEV_ERROR, (struct place){yaml_root(b->trees[0])->place.file, 1, 1, 0},
			 "the policy needs the key `bundle`, in one of its files");
	if (first)
		read_map(b, &bundle_table, first, b->rs);
	for (size_t i = 1; i < b->n_parts[SECTION_BUNDLE]; i++)
		error_at(b, b->part[SECTION_BUNDLE][i]->key, "duplicate key `bundle`, first at %s:%u",
			 first->key->place.file, first->key->place.line);
}
