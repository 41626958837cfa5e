/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selectors and services as people type them on a command line or in a query. Nothing is added to the
 * ruleset.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "build.h"

__attribute__((format(printf, 3, 4))) static bool fail(char *error, size_t room, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, room, format, args);
	va_end(args);
	return false;
}

/* The labels typed so far. */
struct typed {
	struct label_match match[LABELS_MAX];
	uint16_t value[LABELS_MAX];
	size_t n;
};

static bool add_pair(const struct ruleset *rs, struct typed *t, const char *key, const char *value,
		     char *error, size_t room)
{
	ptrdiff_t label = find_label(rs, key);

	if (label < 0)
		return fail(error, room, "unknown label `%s`", key);
	for (size_t i = 0; i < t->n; i++)
		if (t->match[i].label == (size_t)label)
			return fail(error, room, "label `%s` stands twice", key);
	t->value[t->n] = find_value(rs, (size_t)label, value);
	if (!t->value[t->n])
		return fail(error, room, "unknown value `%s` of label `%s`", value, key);
	t->match[t->n] = (struct label_match){(size_t)label, 1, &t->value[t->n]};
	t->n++;
	return true;
}

static bool parse_pairs(const struct ruleset *rs, char *text, struct typed *t, char *error, size_t room)
{
	char *next;

	for (char *pair = text; pair; pair = next) {
		char *equals;

		next = strchr(pair, ',');
		if (next)
			*next++ = '\0';
		equals = strchr(pair, '=');
		if (!equals)
			return fail(error, room, "`%s` is no `label=value`", pair);
		*equals = '\0';
		if (!add_pair(rs, t, pair, equals + 1, error, room))
			return false;
	}
	return true;
}

static bool parse_labels(const struct ruleset *rs, const char *text, uint64_t *set, char *error, size_t room)
{
	struct typed t = {0};
	struct who w = {.kind = WHO_LABELS, .match = t.match};
	char *copy = strdup(text);
	bool ok = copy && parse_pairs(rs, copy, &t, error, room);

	free(copy);
	if (!ok)
		return false;
	w.n_match = t.n;
	for (size_t i = 0; i < t.n; i++)
		w.mentions |= UINT32_C(1) << t.match[i].label;
	who_add(rs, &w, WHO_DEFAULTED, set);
	return !set_empty(rs, set) || fail(error, room, "no classify rule makes an identity of `%s`", text);
}

static void add_address(const struct ruleset *rs, uint8_t family, const uint8_t addr[16], uint64_t *set)
{
	struct endpoint_evidence e = {.family = family, .outside = true};
	size_t i;

	memcpy(e.addr, addr, sizeof(e.addr));
	i = policy_classify(rs, &e);
	set[i / 64] |= UINT64_C(1) << (i % 64);
}

bool policy_parse_who(const struct ruleset *rs, const char *text, uint64_t *set, char *error, size_t room)
{
	ptrdiff_t group = find_group(rs, text);
	struct who w = {.kind = WHO_GROUP, .index = (size_t)group};
	uint8_t addr[16], family = addr_parse(text, addr);

	memset(set, 0, rs->set_words * sizeof(*set));
	if (family) {
		add_address(rs, family, addr, set);
		return true;
	}
	if (group >= 0)
		w.mentions = rs->groups[group].mentions;
	else if (strchr(text, '='))
		return parse_labels(rs, text, set, error, room);
	else if (!who_reserved(text, &w))
		return fail(error, room, "`%s` is no group, label set, reserved name or address", text);
	who_add(rs, &w, WHO_DEFAULTED, set);
	return !set_empty(rs, set) || fail(error, room, "no classify rule makes an identity of `%s`", text);
}

bool policy_parse_service(const struct ruleset *rs, const char *text, struct service_range *ranges, size_t *n,
			  size_t max, char *error, size_t room)
{
	const struct service_set *set = service_builtin(text);
	ptrdiff_t known = find_service(rs, text);
	struct service_range own;
	struct service_set single = {&own, 1};
	const char *why;

	if (known >= 0)
		set = &rs->services[known].set;
	if (!set && service_parse(text, &own, &why))
		set = &single;
	if (!set)
		return fail(error, room, "service `%s`: %s", text, why);
	if (set->n > max)
		return fail(error, room, "service `%s` has more than %zu ranges", text, max);
	if (set->n)
		memcpy(ranges, set->ranges, set->n * sizeof(*ranges));
	*n = set->n;
	return true;
}
