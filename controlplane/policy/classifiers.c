/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Section `classify`: conditions on an endpoint and the labels it earns by meeting all of them.
 */
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "keys.h"

enum strength { STRENGTH_WEAK = 1, STRENGTH_MAC = 2 };

static void read_prefix(struct build *b, const struct yaml_node *n, void *item)
{
	const char *text = yaml_string(n, b->diags);
	struct classifier *c = item;
	char right[ADDR_TEXT];
	uint8_t first[16];

	if (!text)
		return;
	if (!addr_parse_prefix(text, &c->family, c->prefix, &c->prefix_len)) {
		error_at(b, n, "`%s` is no prefix, like 10.20.0.0/24 or fd00:20::/64", text);
		return;
	}
	memcpy(first, c->prefix, sizeof(first));
	addr_first(c->family, first, c->prefix_len);
	if (memcmp(first, c->prefix, sizeof(first)) != 0)
		error_at(b, n, "`%s` has bits beyond its length, did you mean `%s`?", text,
			 addr_print_prefix(c->family, first, c->prefix_len, right, sizeof(right)));
	memcpy(c->prefix, first, sizeof(first));
	c->has_prefix = true;
}

static void read_mac(struct build *b, const struct yaml_node *n, void *item)
{
	const char *text = yaml_string(n, b->diags);
	struct classifier *c = item;

	if (!text)
		return;
	c->has_mac = mac_parse(text, c->mac);
	if (!c->has_mac)
		error_at(b, n, "`%s` is no MAC address, like 52:54:00:0a:00:31", text);
	else if (c->mac[0] & 1)
		error_at(b, n, "`%s` is a group address, no host has it", text);
}

static void read_port(struct build *b, const struct yaml_node *n, void *item)
{
	struct classifier *c = item;
	struct hint h;

	read_text(b, n, &c->port);
	c->has_port = c->port != NULL;
	if (!c->has_port || !b->env->ports)
		return;
	hint_start(b, &h, c->port);
	for (size_t i = 0; i < b->env->n_ports; i++) {
		if (strcmp(b->env->ports[i], c->port) == 0)
			return;
		hint_offer(&h, b->env->ports[i]);
	}
	error_at(b, n, "the gateway has no port `%s`%s", c->port, hint_words(&h));
}

static void read_vlan(struct build *b, const struct yaml_node *n, void *item)
{
	struct classifier *c = item;
	uint64_t vlan;

	c->has_vlan = yaml_u64(n, 1, 4094, &vlan, b->diags);
	if (c->has_vlan)
		c->vlan = (uint16_t)vlan;
}

static const struct key when_keys[] = {
	{"prefix", KEY_OPTIONAL, read_prefix, 0},
	{"mac", KEY_OPTIONAL, read_mac, 0},
	{"port", KEY_OPTIONAL, read_port, 0},
	{"vlan", KEY_OPTIONAL, read_vlan, 0},
	{"radius", KEY_LATER, NULL, 0},
	{"cert", KEY_LATER, NULL, 0},
	{"dhcp", KEY_LATER, NULL, 0},
	{"lldp", KEY_LATER, NULL, 0},
	{"sgt", KEY_LATER, NULL, 0},
};
static const struct key_table when_table = KEY_TABLE("`when`", when_keys);

static void read_when(struct build *b, const struct yaml_node *n, void *item)
{
	if (read_map(b, &when_table, n, item) && !n->n_children && !n->open)
		error_at(b, n, "`when` is empty: it needs at least one condition");
}

static void read_set(struct build *b, const struct yaml_node *n, void *item)
{
	struct classifier *c = item;

	if (!expect_type(b, n, YAML_MAP, "`set`"))
		return;
	if (!n->n_children && !n->open)
		error_at(b, n, "`set` is empty: it needs at least one label");
	for (const struct yaml_node *v = n->first; v; v = v->next) {
		struct label_match match;

		if (v->type != YAML_SCALAR) {
			expect_type(b, v, YAML_SCALAR, "the value of a label");
			continue;
		}
		if (read_label_match(b, v, &match))
			c->value[match.label] = match.values[0];
	}
}

static const struct key classify_keys[] = {
	{"id", KEY_REQUIRED, read_id, offsetof(struct classifier, id)},
	{"when", KEY_REQUIRED, read_when, 0},
	{"set", KEY_REQUIRED, read_set, 0},
};
static const struct key_table classify_table = KEY_TABLE("a classify rule", classify_keys);

static int compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct classifier *)a)->id, ((const struct classifier *)b)->id);
}

/* Without a config the gateway protects all that classify speaks of. */
static void take_protected(struct build *b)
{
	struct ruleset *rs = b->rs;

	if (b->env->protected) {
		rs->n_protected = b->env->n_protected;
		rs->protected =
			arena_copy(b->arena, b->env->protected, rs->n_protected * sizeof(*rs->protected));
		return;
	}
	rs->protected = arena_array(b->arena, rs->n_classifiers, sizeof(*rs->protected));
	for (size_t i = 0; i < rs->n_classifiers; i++) {
		const struct classifier *c = &rs->classifiers[i];
		struct cidr *p = &rs->protected[rs->n_protected];

		if (!c->has_prefix)
			continue;
		*p = (struct cidr){.family = c->family, .len = c->prefix_len};
		memcpy(p->addr, c->prefix, sizeof(p->addr));
		rs->n_protected++;
	}
}

void load_classify(struct build *b)
{
	struct items items = section_items(b, SECTION_CLASSIFY, YAML_LIST, "`classify`");
	struct bytemap *ids = bytemap_new(b->scratch);
	struct ruleset *rs = b->rs;

	rs->classifiers = arena_array(b->arena, items.n, sizeof(*rs->classifiers));
	for (size_t i = 0; i < items.n; i++) {
		struct classifier c = {.place = build_place(b, items.node[i])};

		read_map(b, &classify_table, items.node[i], &c);
		if (!c.id || !define(b, ids, c.id, yaml_get(items.node[i], "id"), "id"))
			continue;
		c.strength = c.has_mac ? STRENGTH_MAC : STRENGTH_WEAK;
		rs->classifiers[rs->n_classifiers++] = c;
	}
	qsort(rs->classifiers, rs->n_classifiers, sizeof(*rs->classifiers), compare_ids);
	take_protected(b);
}
