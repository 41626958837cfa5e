/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Section `labels`: the closed vocabulary. A label that is defined badly still is a name, so that its uses
 * bring no findings of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "keys.h"

struct label_item {
	const struct yaml_node *values, *default_value;
};

static const struct key label_keys[] = {
	{"values", KEY_REQUIRED, read_node, offsetof(struct label_item, values)},
	{"default", KEY_OPTIONAL, read_node, offsetof(struct label_item, default_value)},
};
static const struct key_table label_table = KEY_TABLE("a label", label_keys);

static int compare_labels(const void *a, const void *b)
{
	return strcmp(((const struct label_key *)a)->name, ((const struct label_key *)b)->name);
}

ptrdiff_t find_label(const struct ruleset *rs, const char *name)
{
	struct label_key key = {.name = name}, *l = NULL;

	if (rs->n_labels)
		l = bsearch(&key, rs->labels, rs->n_labels, sizeof(key), compare_labels);
	return l ? l - rs->labels : -1;
}

uint16_t find_value(const struct ruleset *rs, size_t label, const char *value)
{
	return (uint16_t)(uintptr_t)bytemap_get_text(rs->labels[label].by_value, value);
}

static void read_values(struct build *b, const struct yaml_node *list, struct label_key *l)
{
	struct bytemap *seen = bytemap_new(b->scratch);

	if (!expect_type(b, list, YAML_LIST, "the values of a label"))
		return;
	if (!list->n_children && !list->open)
		error_at(b, list, "label `%s` needs at least one value", l->name);
	if (list->n_children >= UINT16_MAX) {
		error_at(b, list, "label `%s` has more than %u values", l->name, UINT16_MAX - 1);
		return;
	}
	l->values = arena_array(b->arena, list->n_children, sizeof(*l->values));
	for (const struct yaml_node *n = list->first; n; n = n->next) {
		const char *value = NULL;

		read_id(b, n, &value);
		if (!value || !define(b, seen, value, n, "value"))
			continue;
		l->values[l->n_values++] = value;
		bytemap_put_text(l->by_value, value, (void *)(uintptr_t)l->n_values);
	}
}

static void read_default(struct build *b, const struct yaml_node *n, size_t label)
{
	const char *text = yaml_string(n, b->diags);
	struct label_key *l = &b->rs->labels[label];

	if (!text)
		return;
	l->default_value = find_value(b->rs, label, text);
	if (!l->default_value)
		error_at(b, n, "default `%s` is no value of label `%s`", text, l->name);
}

static void read_label(struct build *b, const struct yaml_node *n, size_t label)
{
	struct label_item item = {0};
	struct label_key *l = &b->rs->labels[label];

	if (n->type != YAML_MAP) {
		read_values(b, n, l);
		return;
	}
	read_map(b, &label_table, n, &item);
	if (item.values)
		read_values(b, item.values, l);
	if (item.default_value)
		read_default(b, item.default_value, label);
}

void load_labels(struct build *b)
{
	struct items items = section_items(b, SECTION_LABELS, YAML_MAP, "`labels`");
	struct bytemap *names = bytemap_new(b->scratch);
	struct ruleset *rs = b->rs;

	rs->labels = arena_array(b->arena, LABELS_MAX, sizeof(*rs->labels));
	for (size_t i = 0; i < items.n; i++) {
		const struct yaml_node *key = items.node[i]->key;
		const char *name = NULL;

		read_id(b, key, &name);
		if (!name || !define(b, names, name, key, "label"))
			continue;
		if (rs->n_labels == LABELS_MAX) {
			error_at(b, key, "more than %u labels", LABELS_MAX);
			return;
		}
		rs->labels[rs->n_labels] = (struct label_key){
			.name = name, .place = build_place(b, key), .by_value = bytemap_new(b->arena)};
		read_label(b, items.node[i], rs->n_labels++);
	}
	qsort(rs->labels, rs->n_labels, sizeof(*rs->labels), compare_labels);
}
