/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Section `scopes`: how far each segment has been taken. Of two scopes that share an identity one must
 * contain the other and more, or it would be open which of them holds.
 */
#include <stdlib.h>
#include <string.h>

#include "keys.h"

#define SCOPES_MAX 1024u /* each is compared with each */

struct scope_item {
	struct scope scope;
	const struct yaml_node *to, *from, *services;
};

static const struct word modes[] = {{"enforce", MODE_ENFORCE}, {"monitor", MODE_MONITOR}};

static void read_mode(struct build *b, const struct yaml_node *n, void *field)
{
	int mode;

	if (read_word(b, n, "mode of a scope", modes, sizeof(modes) / sizeof(*modes), &mode))
		*(enum mode *)field = (enum mode)mode;
}

static const struct key scope_keys[] = {
	{"id", KEY_REQUIRED, read_id, offsetof(struct scope_item, scope.id)},
	{"to", KEY_REQUIRED, read_node, offsetof(struct scope_item, to)},
	{"mode", KEY_REQUIRED, read_mode, offsetof(struct scope_item, scope.mode)},
	{"from", KEY_OPTIONAL, read_node, offsetof(struct scope_item, from)},
	{"enforce_services", KEY_OPTIONAL, read_node, offsetof(struct scope_item, services)},
	{"until", KEY_LATER, NULL, 0},
};
static const struct key_table scope_table = KEY_TABLE("a scope", scope_keys);

/* A scope and where its `to` stands. */
struct placed_scope {
	struct scope scope;
	const struct yaml_node *to;
};

static bool overlap(const struct ruleset *rs, const struct scope *a, const struct scope *b)
{
	bool a_in_b, b_in_a;

	if (!sets_meet(rs, a->to.set, b->to.set))
		return false;
	a_in_b = set_within(rs, a->to.set, b->to.set);
	b_in_a = set_within(rs, b->to.set, a->to.set);
	return a_in_b == b_in_a;
}

static void check_overlaps(struct build *b, const struct placed_scope *scopes, size_t n)
{
	const struct ruleset *rs = b->rs;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct scope *x = &scopes[i].scope, *y = &scopes[j].scope;

			if (!overlap(rs, x, y))
				continue;
			if (set_within(rs, x->to.set, y->to.set))
				error_at(b, scopes[i].to, "scopes `%s` and `%s` cover the same identities",
					 x->id, y->id);
			else
				error_at(b, scopes[i].to,
					 "scopes `%s` and `%s` overlap and neither contains the other", x->id,
					 y->id);
		}
	}
}

/* Initiators are those with labels unless the scope says otherwise. */
static void read_initiators(struct build *b, struct scope_item *item)
{
	static const struct yaml_node known = {.type = YAML_SCALAR, .text = "$known"};

	read_selector(b, item->from ? item->from : &known, WHO_ALL, true, &item->scope.from);
}

static bool read_scope(struct build *b, const struct yaml_node *n, struct bytemap *ids,
		       struct placed_scope *out)
{
	struct scope_item item = {.scope = {.place = build_place(b, n)}};
	const char *text;

	if (!read_map(b, &scope_table, n, &item))
		return false;
	read_initiators(b, &item);
	if (item.to)
		read_selector(b, item.to, WHO_ALL, false, &item.scope.to);
	if (item.services) {
		read_service(b, item.services, &item.scope.enforce_services, &text);
		item.scope.enforce_text = text;
	}
	*out = (struct placed_scope){item.scope, item.to};
	return item.scope.id && define(b, ids, item.scope.id, yaml_get(n, "id"), "id") && item.to;
}

static int compare_scopes(const void *a, const void *b)
{
	return strcmp(((const struct scope *)a)->id, ((const struct scope *)b)->id);
}

ptrdiff_t find_scope(const struct ruleset *rs, const char *id)
{
	struct scope key = {.id = id}, *s = NULL;

	if (rs->n_scopes)
		s = bsearch(&key, rs->scopes, rs->n_scopes, sizeof(key), compare_scopes);
	return s ? s - rs->scopes : -1;
}

void load_scopes(struct build *b)
{
	struct items items = section_items(b, SECTION_SCOPES, YAML_LIST, "`scopes`");
	struct placed_scope *placed = arena_array(b->scratch, items.n, sizeof(*placed));
	struct bytemap *ids = bytemap_new(b->scratch);
	struct ruleset *rs = b->rs;
	size_t n = 0;

	if (items.n > SCOPES_MAX)
		error_at(b, items.node[SCOPES_MAX], "capacity: more than %u scopes", SCOPES_MAX);
	for (size_t i = 0; i < items.n && i < SCOPES_MAX; i++)
		n += read_scope(b, items.node[i], ids, &placed[n]);
	check_overlaps(b, placed, n);
	rs->scopes = arena_array(b->arena, n, sizeof(*rs->scopes));
	rs->n_scopes = n;
	for (size_t i = 0; i < n; i++)
		rs->scopes[i] = placed[i].scope;
	qsort(rs->scopes, rs->n_scopes, sizeof(*rs->scopes), compare_scopes);
}
