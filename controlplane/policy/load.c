/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way from sources to a ruleset: parse each file, gather its sections, read the sections in the order in
 * which they need each other, seal the result with its digest. No step stops the next; any error at the end
 * refuses all.
 */
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "print.h"

struct top_key {
	const char *name;
	enum section section; /* SECTION_COUNT: not supported yet */
};

static const struct top_key top_keys[] = {
	{"cordon", SECTION_CORDON},     {"bundle", SECTION_BUNDLE},  {"labels", SECTION_LABELS},
	{"classify", SECTION_CLASSIFY}, {"groups", SECTION_GROUPS},  {"services", SECTION_SERVICES},
	{"profiles", SECTION_PROFILES}, {"rules", SECTION_RULES},    {"scopes", SECTION_SCOPES},
	{"tests", SECTION_TESTS},       {"postures", SECTION_COUNT}, {"assertions", SECTION_COUNT},
};
#define N_TOP_KEYS (sizeof(top_keys) / sizeof(*top_keys))

struct place build_place(struct build *b, const struct yaml_node *n)
{
	struct place p = n->place;

	p.file = bytemap_get_text(b->files, p.file);
	return p;
}

static void unknown_top_key(struct build *b, const struct yaml_node *key)
{
	struct hint h;

	hint_start(b, &h, key->text);
	for (size_t i = 0; i < N_TOP_KEYS; i++)
		hint_offer(&h, top_keys[i].name);
	error_at(b, key, "unknown key `%s` in a policy%s", key->text, hint_words(&h));
}

static void take_section(struct build *b, const struct yaml_node *value)
{
	for (size_t i = 0; i < N_TOP_KEYS; i++) {
		enum section s = top_keys[i].section;

		if (strcmp(top_keys[i].name, value->key->text) != 0)
			continue;
		if (s == SECTION_COUNT)
			error_at(b, value->key, "`%s` is not supported yet", value->key->text);
		else
			b->part[s][b->n_parts[s]++] = value;
		return;
	}
	unknown_top_key(b, value->key);
}

/* After a syntax error the file may have meant to define more names than were read. */
static void note_open(struct build *b, const struct yaml_node *root)
{
	for (size_t i = 0; i < N_TOP_KEYS && root->open; i++) {
		const struct yaml_node *value = yaml_get(root, top_keys[i].name);

		if (top_keys[i].section != SECTION_COUNT && (!value || value->open))
			b->open[top_keys[i].section] = true;
	}
}

static void check_version(struct build *b, const struct yaml_node *root)
{
	const struct yaml_node *n = yaml_get(root, "cordon");
	uint64_t version;

	if (n)
		yaml_u64(n, 1, 1, &version, b->diags);
	else if (!root->open)
		error_at(b, root, "a policy file needs the key `cordon: 1`");
}

static void take_file(struct build *b, const struct yaml_tree *tree)
{
	const struct yaml_node *root = yaml_root(tree);

	if (!expect_type(b, root, YAML_MAP, "a policy file"))
		return;
	for (const struct yaml_node *n = root->first; n; n = n->next)
		take_section(b, n);
	note_open(b, root);
	check_version(b, root);
}

static void parse_sources(struct build *b, const struct policy_source *sources, size_t n)
{
	b->trees = arena_array(b->scratch, n + 1, sizeof(*b->trees));
	for (size_t s = 0; s < SECTION_COUNT; s++)
		b->part[s] = arena_array(b->scratch, n + 1, sizeof(*b->part[s]));
	for (size_t i = 0; i < n; i++) {
		bytemap_put_text(b->files, sources[i].name, arena_strdup(b->arena, sources[i].name));
		b->trees[i] = yaml_parse(sources[i].name, sources[i].text, sources[i].len, b->diags);
		if (b->trees[i])
			take_file(b, b->trees[i]);
		for (size_t s = 0; s < SECTION_COUNT && !b->trees[i]; s++)
			b->open[s] = true;
	}
}

static void read_sections(struct build *b)
{
	load_bundle(b);
	load_labels(b);
	load_classify(b);
	if (!make_space(b))
		return;
	load_groups(b);
	load_services(b);
	load_profiles(b);
	load_rules(b);
	load_scopes(b);
	load_tests(b);
}

static void end_build(struct build *b, size_t n_sources)
{
	for (size_t i = 0; i < n_sources; i++)
		yaml_free(b->trees[i]);
	arena_free(b->scratch);
}

struct ruleset *policy_compile(const struct policy_source *sources, size_t n, const struct policy_env *env,
			       struct diags *d)
{
	static const struct policy_env nothing;
	size_t errors_before = d->n_errors;
	struct build b = {
		.arena = arena_new(), .scratch = arena_new(), .diags = d, .env = env ? env : &nothing};
	struct ruleset *rs = arena_alloc(b.arena, sizeof(*rs));

	b.rs = rs;
	b.files = bytemap_new(b.arena);
	b.sets = bytemap_new(b.scratch);
	rs->memory = b.arena;
	if (!n)
		diag_add(d, SEV_ERROR, (struct place){0}, "there is no policy file");
	parse_sources(&b, sources, n);
	read_sections(&b);
	end_build(&b, n);
	if (d->n_errors == errors_before && print_digest(rs))
		return rs;
	if (d->n_errors == errors_before)
		diag_add(d, SEV_ERROR, (struct place){0}, "the digest could not be computed");
	ruleset_free(rs);
	return NULL;
}
