/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sections `groups` and `profiles`: names for sets of identities.
 */
#include <stdlib.h>
#include <string.h>

#include "keys.h"

static int compare_groups(const void *a, const void *b)
{
	return strcmp(((const struct group *)a)->name, ((const struct group *)b)->name);
}

ptrdiff_t find_group(const struct ruleset *rs, const char *name)
{
	struct group key = {.name = name}, *g = NULL;

	if (rs->n_groups)
		g = bsearch(&key, rs->groups, rs->n_groups, sizeof(key), compare_groups);
	return g ? g - rs->groups : -1;
}

/* A group that is written badly is an empty one, so that its uses bring no findings of their own. */
static void read_group(struct build *b, const struct yaml_node *n, struct group *g)
{
	struct who w = {0};

	g->selector.set = arena_array(b->arena, b->rs->set_words, sizeof(*g->selector.set));
	g->selector.text = "{}";
	if (!expect_type(b, n, YAML_MAP, "a group") || !read_label_map(b, n, &w))
		return;
	who_add(b->rs, &w, WHO_ALL, g->selector.set);
	g->selector.text = arena_strdup(b->arena, w.text);
	g->mentions = w.mentions;
}

static bool group_name(struct build *b, const struct yaml_node *key, struct bytemap *names, const char **name)
{
	struct who w;

	if (who_reserved(key->text, &w)) {
		error_at(b, key, "`%s` is a reserved name", key->text);
		return false;
	}
	read_id(b, key, name);
	return *name && define(b, names, *name, key, "group");
}

void load_groups(struct build *b)
{
	struct items items = section_items(b, SECTION_GROUPS, YAML_MAP, "`groups`");
	struct bytemap *names = bytemap_new(b->scratch);
	struct ruleset *rs = b->rs;

	rs->groups = arena_array(b->arena, items.n, sizeof(*rs->groups));
	for (size_t i = 0; i < items.n; i++) {
		const struct yaml_node *key = items.node[i]->key;
		struct group *g = &rs->groups[rs->n_groups];

		*g = (struct group){.place = build_place(b, key)};
		if (!group_name(b, key, names, &g->name))
			continue;
		read_group(b, items.node[i], g);
		rs->n_groups++;
	}
	qsort(rs->groups, rs->n_groups, sizeof(*rs->groups), compare_groups);
}

/* --- profiles
 * -------------------------------------------------------------------------------------------------------- */

static void read_members(struct build *b, const struct yaml_node *n, void *field)
{
	struct profile *p = field;
	struct selector s;

	read_selector(b, n, WHO_ALL, false, &s);
	p->members = s.set;
	p->members_text = s.text;
}

static const struct key profile_keys[] = {
	{"members", KEY_REQUIRED, read_members, 0},
	{"mission", KEY_OPTIONAL, read_text, offsetof(struct profile, mission)},
	{"owner", KEY_OPTIONAL, read_text, offsetof(struct profile, owner)},
};
static const struct key_table profile_table = KEY_TABLE("a profile", profile_keys);

static int compare_profiles(const void *a, const void *b)
{
	return strcmp(((const struct profile *)a)->name, ((const struct profile *)b)->name);
}

void load_profiles(struct build *b)
{
	struct items items = section_items(b, SECTION_PROFILES, YAML_MAP, "`profiles`");
	struct bytemap *names = bytemap_new(b->scratch);
	struct ruleset *rs = b->rs;

	rs->profiles = arena_array(b->arena, items.n, sizeof(*rs->profiles));
	for (size_t i = 0; i < items.n; i++) {
		const struct yaml_node *key = items.node[i]->key;
		struct profile p = {.place = build_place(b, key)};

		read_id(b, key, &p.name);
		read_map(b, &profile_table, items.node[i], &p);
		if (p.name && p.members && define(b, names, p.name, key, "profile"))
			rs->profiles[rs->n_profiles++] = p;
	}
	qsort(rs->profiles, rs->n_profiles, sizeof(*rs->profiles), compare_profiles);
}
