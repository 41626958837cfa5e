/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Section `services`, and the services that rules, scopes and tests name.
 */
#include "services.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- section `services`
 * ------------------------------------------------------------------------------------------------ */

struct service_item {
	const struct yaml_node *proto, *dport, *type, *code, *any;
};

static const struct key single_keys[] = {
	{"proto", KEY_REQUIRED, read_node, offsetof(struct service_item, proto)},
	{"dport", KEY_OPTIONAL, read_node, offsetof(struct service_item, dport)},
	{"type", KEY_OPTIONAL, read_node, offsetof(struct service_item, type)},
	{"code", KEY_OPTIONAL, read_node, offsetof(struct service_item, code)},
};
static const struct key_table single_table = KEY_TABLE("a service", single_keys);

static const struct key union_keys[] = {{"any", KEY_REQUIRED, read_node, offsetof(struct service_item, any)}};
static const struct key_table union_table = KEY_TABLE("a service with `any`", union_keys);

static bool refuse_key(struct build *b, const struct yaml_node *n, const char *proto)
{
	if (n)
		error_at(b, n->key, "`%s` has no meaning for protocol `%s`", n->key->text, proto);
	return !n;
}

/* A value by its text, whose finding stands at the value. */
static bool read_part(struct build *b, const struct yaml_node *n, unsigned proto,
		      bool (*parse)(const char *, unsigned, struct service_range *, const char **),
		      struct service_range *range)
{
	const char *text = yaml_string(n, b->diags), *why;

	if (!text)
		return false;
	if (strchr(text, '/'))
		why = "`/` has no place here";
	else if (parse(text, proto, range, &why))
		return true;
	error_at(b, n, "`%s`: %s", text, why);
	return false;
}

static bool read_ports(struct build *b, const struct yaml_node *map, const struct service_item *item,
		       const char *name, unsigned proto, struct service_range *range)
{
	bool ok = refuse_key(b, item->type, name);

	ok = refuse_key(b, item->code, name) && ok;
	if (!item->dport && !map->open)
		error_at(b, map, "a service over %s needs the key `dport`", name);
	return item->dport && read_part(b, item->dport, proto, service_ports, range) && ok;
}

static bool read_types(struct build *b, const struct yaml_node *map, const struct service_item *item,
		       const char *name, unsigned proto, struct service_range *range)
{
	bool ok = refuse_key(b, item->dport, name);
	uint64_t code;

	if (!item->type && !map->open)
		error_at(b, map, "a service over %s needs the key `type`", name);
	if (!item->type || !read_part(b, item->type, proto, service_icmp, range))
		return false;
	if (!item->code)
		return ok;
	if (!yaml_u64(item->code, 0, 255, &code, b->diags))
		return false;
	range->from |= (service_key)code;
	range->to = range->from + 1;
	return ok;
}

static bool read_single(struct build *b, const struct yaml_node *n, struct service_range *range)
{
	struct service_item item = {0};
	const char *text;
	unsigned proto;
	bool ok;

	if (!read_map(b, &single_table, n, &item) || !item.proto)
		return false;
	text = yaml_string(item.proto, b->diags);
	if (!text)
		return false;
	if (!service_protocol(text, strlen(text), &proto)) {
		error_at(b, item.proto, "unknown protocol `%s`", text);
		return false;
	}
	if (service_has_ports(proto))
		return read_ports(b, n, &item, text, proto, range);
	if (service_has_types(proto))
		return read_types(b, n, &item, text, proto, range);
	*range = service_key_range(proto, 0, 0);
	ok = refuse_key(b, item.dport, text);
	ok = refuse_key(b, item.type, text) && ok;
	return refuse_key(b, item.code, text) && ok;
}

static void read_union(struct build *b, const struct yaml_node *n, struct service *s)
{
	struct service_item item = {0};
	struct service_range *ranges;

	read_map(b, &union_table, n, &item);
	if (!item.any || !expect_type(b, item.any, YAML_LIST, "`any` of a service"))
		return;
	if (!item.any->n_children && !item.any->open)
		error_at(b, item.any, "`any` of a service is empty");
	ranges = arena_array(b->arena, item.any->n_children, sizeof(*ranges));
	for (const struct yaml_node *v = item.any->first; v; v = v->next)
		s->set.n += read_single(b, v, &ranges[s->set.n]);
	s->set.n = service_normalise(ranges, s->set.n);
	s->set.ranges = ranges;
}

static void read_definition(struct build *b, const struct yaml_node *n, struct service *s)
{
	struct service_range *range;

	if (n->type == YAML_MAP && yaml_get(n, "any")) {
		read_union(b, n, s);
		return;
	}
	range = arena_alloc(b->arena, sizeof(*range));
	s->set.n = read_single(b, n, range);
	s->set.ranges = range;
}

static int compare_services(const void *a, const void *b)
{
	return strcmp(((const struct service *)a)->name, ((const struct service *)b)->name);
}

ptrdiff_t find_service(const struct ruleset *rs, const char *name)
{
	struct service key = {.name = name}, *s = NULL;

	if (rs->n_services)
		s = bsearch(&key, rs->services, rs->n_services, sizeof(key), compare_services);
	return s ? s - rs->services : -1;
}

static void set_bit(uint64_t bits[4], unsigned i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* Notes what a set names beyond TCP, UDP and echo. */
static void note_named(struct ruleset *rs, const struct service_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		unsigned proto = s->ranges[i].from >> 16, first = s->ranges[i].from >> 8 & 0xff;
		unsigned last = (s->ranges[i].to - 1) >> 8 & 0xff;

		if (service_has_ports(proto))
			continue;
		if (!service_has_types(proto))
			set_bit(rs->named_proto, proto);
		for (unsigned t = first; service_has_types(proto) && t <= last; t++)
			if (t != (proto == IPPROTO_ICMP ? ICMP_ECHO : ICMPV6_ECHO))
				set_bit(proto == IPPROTO_ICMP ? rs->named_icmp : rs->named_icmpv6, t);
	}
}

void load_services(struct build *b)
{
	struct items items = section_items(b, SECTION_SERVICES, YAML_MAP, "`services`");
	struct bytemap *names = bytemap_new(b->scratch);
	struct ruleset *rs = b->rs;

	rs->services = arena_array(b->arena, items.n, sizeof(*rs->services));
	for (size_t i = 0; i < items.n; i++) {
		const struct yaml_node *key = items.node[i]->key;
		struct service s = {.place = build_place(b, key)};

		if (strcmp(key->text, "any") == 0)
			error_at(b, key, "`any` is a reserved name");
		read_id(b, key, &s.name);
		read_definition(b, items.node[i], &s);
		if (!s.name || !define(b, names, s.name, key, "service"))
			continue;
		note_named(rs, &s.set);
		rs->services[rs->n_services++] = s;
	}
	qsort(rs->services, rs->n_services, sizeof(*rs->services), compare_services);
}

/* --- services of a rule
 * ------------------------------------------------------------------------------------------------ */

static bool find_set(struct build *b, const struct yaml_node *n, struct service_range *own,
		     struct service_set *out)
{
	const struct service_set *builtin;
	ptrdiff_t known = find_service(b->rs, n->text);
	const char *why;
	struct hint h;

	builtin = service_builtin(n->text);
	if (known >= 0)
		*out = b->rs->services[known].set;
	else if (builtin)
		*out = *builtin;
	if (known >= 0 || builtin)
		return true;
	if (service_parse(n->text, own, &why)) {
		*out = (struct service_set){own, 1};
		return true;
	}
	if (b->open[SECTION_SERVICES] && !strchr(n->text, '/'))
		return false;
	hint_start(b, &h, n->text);
	for (size_t i = 0; i < b->rs->n_services; i++)
		hint_offer(&h, b->rs->services[i].name);
	error_at(b, n, "service `%s`: %s%s", n->text, why, hint_words(&h));
	return false;
}

struct gathering {
	struct service_range *ranges;
	size_t n, room;
	const char **texts;
	size_t n_texts;
};

static void gather(struct build *b, struct gathering *g, const struct yaml_node *n)
{
	struct service_range own;
	struct service_set set;

	if (n->type != YAML_SCALAR) {
		if (!n->open)
			error_at(b, n, "a service is a name, `proto/port`, `any`, or a list of these");
		return;
	}
	if (!find_set(b, n, &own, &set))
		return;
	if (g->n + set.n > g->room) {
		struct service_range *old = g->ranges;

		g->room = (g->n + set.n) * 2;
		g->ranges = arena_array(b->scratch, g->room, sizeof(*g->ranges));
		if (g->n)
			memcpy(g->ranges, old, g->n * sizeof(*old));
	}
	if (set.n)
		memcpy(g->ranges + g->n, set.ranges, set.n * sizeof(*set.ranges));
	g->n += set.n;
	g->texts[g->n_texts++] = n->text;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *list_text(struct build *b, const char **texts, size_t n)
{
	size_t room = 3, len = 0;
	char *out;

	if (n == 1)
		return arena_strdup(b->arena, texts[0]);
	for (size_t i = 0; i < n; i++)
		room += strlen(texts[i]) + 2;
	out = arena_alloc(b->arena, room);
	qsort(texts, n, sizeof(*texts), compare_texts);
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(texts[i], texts[i - 1]) != 0)
			len += (size_t)snprintf(out + len, room - len, "%s%s", i ? ", " : "[", texts[i]);
	snprintf(out + len, room - len, "%s", n ? "]" : "[]");
	return out;
}

void read_service(struct build *b, const struct yaml_node *n, struct service_set *out, const char **text)
{
	bool list = n->type == YAML_LIST;
	struct gathering g = {.texts = arena_array(b->scratch, n->n_children + 1, sizeof(*g.texts))};

	if (list && !n->n_children && !n->open)
		error_at(b, n, "empty service: the list names none");
	for (const struct yaml_node *item = list ? n->first : n; item; item = list ? item->next : NULL)
		gather(b, &g, item);
	g.n = service_normalise(g.ranges, g.n);
	*out = (struct service_set){arena_copy(b->arena, g.ranges, g.n * sizeof(*g.ranges)), g.n};
	*text = list_text(b, g.texts, g.n_texts);
	note_named(b->rs, out);
}
