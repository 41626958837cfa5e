/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of the config file.
 */
#include "config_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"

static const char *type_word(enum yaml_type type)
{
	static const char *const words[] = {"nothing", "a single value", "a list", "a map"};

	return words[type];
}

static bool expect(const struct yaml_node *n, enum yaml_type type, const char *what, struct diags *d)
{
	if (n->type == type)
		return true;
	diag_add(d, SEV_ERROR, n->place, "%s must be %s, this is %s", what, type_word(type),
		 type_word(n->type));
	return false;
}

static const struct value_key *find_key(const char *name, const struct value_key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static void unknown_key(const struct yaml_node *key, const char *what, const struct value_key *keys, size_t n,
			struct diags *d)
{
	char known[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < n && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, " %s", keys[i].name);
	diag_add(d, SEV_ERROR, key->place, "unknown key `%s` in %s; known here:%s", key->text, what, known);
}

void value_map(const struct yaml_node *n, const char *what, const struct value_key *keys, size_t n_keys,
	       void *object, struct diags *d)
{
	if (!expect(n, YAML_MAP, what, d))
		return;
	for (const struct yaml_node *c = n->first; c; c = c->next) {
		const struct value_key *k = find_key(c->key->text, keys, n_keys);

		if (k)
			k->read(object, c, d);
		else
			unknown_key(c->key, what, keys, n_keys, d);
	}
	for (size_t i = 0; i < n_keys; i++)
		if (keys[i].required && !yaml_get(n, keys[i].name))
			diag_add(d, SEV_ERROR, n->place, "%s needs the key `%s`", what, keys[i].name);
}

void value_list(const struct yaml_node *n,
		void (*read)(void *object, const struct yaml_node *n, struct diags *d), void *object,
		struct diags *d)
{
	if (!expect(n, YAML_LIST, n->key ? n->key->text : "this", d))
		return;
	for (const struct yaml_node *c = n->first; c; c = c->next)
		read(object, c, d);
}

int value_word(const struct yaml_node *n, const char *const *words, struct diags *d)
{
	const char *text = yaml_string(n, d);
	char known[128] = "";
	size_t used = 0;

	if (!text)
		return -1;
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
						 words[i]);
	}
	diag_add(d, SEV_ERROR, n->place, "`%s` is not one of: %s", text, known);
	return -1;
}

static const struct value_unit *find_unit(const char *suffix, const struct value_unit *units, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(units[i].suffix, suffix) == 0)
			return &units[i];
	return NULL;
}

bool value_quantity(const struct yaml_node *n, const struct value_unit *units, size_t n_units, uint64_t min,
		    uint64_t max, const char *example, uint64_t *out, struct diags *d)
{
	const char *text = yaml_string(n, d);
	const struct value_unit *unit;
	uint64_t number;
	char *end;

	if (!text)
		return false;
	number = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
	unit = text[0] >= '0' && text[0] <= '9' ? find_unit(end, units, n_units) : NULL;
	if (!unit) {
		diag_add(d, SEV_ERROR, n->place, "`%s` is not a quantity like %s", text, example);
		return false;
	}
	if (number > max / unit->factor || number * unit->factor < min) {
		diag_add(d, SEV_ERROR, n->place, "`%s` is out of range: %llu to %llu", text,
			 (unsigned long long)min, (unsigned long long)max);
		return false;
	}
	*out = number * unit->factor;
	return true;
}

bool value_prefix(const struct yaml_node *n, bool host, struct cidr *out, struct diags *d)
{
	const char *text = yaml_string(n, d);
	uint8_t first[16];

	memset(out, 0, sizeof(*out));
	if (!text)
		return false;
	if (!addr_parse_prefix(text, &out->family, out->addr, &out->len)) {
		diag_add(d, SEV_ERROR, n->place, "`%s` is not a prefix like 10.0.0.0/8 or fd00::/48", text);
		return false;
	}
	memcpy(first, out->addr, sizeof(first));
	addr_first(out->family, first, out->len);
	if (!host && memcmp(first, out->addr, sizeof(first)) != 0) {
		diag_add(d, SEV_ERROR, n->place, "`%s` has bits set beyond its length", text);
		return false;
	}
	return true;
}

void value_unsupported(void *object, const struct yaml_node *n, struct diags *d)
{
	diag_add(d, SEV_ERROR, n->key->place, "`%s` is not supported yet", n->key->text);
}
