/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selectors: sets of identities by group, label map, reserved name, `any`, or a list of these. Sets of equal
 * selectors are shared within a ruleset.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence.h"
#include "keys.h"

/* --- sets
 * ------------------------------------------------------------------------------------------------------------
 */

size_t set_count(const struct ruleset *rs, const uint64_t *set)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->set_words; i++)
		n += (size_t)__builtin_popcountll(set[i]);
	return n;
}

bool set_empty(const struct ruleset *rs, const uint64_t *set)
{
	for (size_t i = 0; i < rs->set_words; i++)
		if (set[i])
			return false;
	return true;
}

bool sets_meet(const struct ruleset *rs, const uint64_t *a, const uint64_t *b)
{
	for (size_t i = 0; i < rs->set_words; i++)
		if (a[i] & b[i])
			return true;
	return false;
}

bool set_within(const struct ruleset *rs, const uint64_t *inner, const uint64_t *outer)
{
	for (size_t i = 0; i < rs->set_words; i++)
		if (inner[i] & ~outer[i])
			return false;
	return true;
}

/* --- meaning
 * ---------------------------------------------------------------------------------------------------------
 */

bool who_reserved(const char *text, struct who *w)
{
	static const struct who words[] = {
		{.kind = WHO_ANY, .text = "any"},
		{.kind = WHO_KNOWN, .text = "$known"},
		{.kind = WHO_RESERVED, .index = AT_UNKNOWN, .text = "$unknown"},
		{.kind = WHO_RESERVED, .index = AT_CONFLICT, .text = "$conflict"},
		{.kind = WHO_RESERVED, .index = AT_GATEWAY, .text = "$gateway"},
		{.kind = WHO_RESERVED, .index = AT_WORLD, .text = "$world"},
		{.kind = WHO_RESERVED, .index = AT_MULTICAST, .text = "$multicast"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(words[i].text, text) != 0)
			continue;
		*w = words[i];
		return true;
	}
	return false;
}

static bool label_matches(const struct label_match *m, const struct identity *id)
{
	for (size_t i = 0; i < m->n; i++)
		if (id->value[m->label] == m->values[i])
			return true;
	return false;
}

static bool labels_match(const struct who *w, const struct identity *id)
{
	for (size_t i = 0; i < w->n_match; i++)
		if (!label_matches(&w->match[i], id))
			return false;
	return true;
}

/* Defaulted labels that `w` does not speak of must have their default. */
static bool at_defaults(const struct ruleset *rs, const struct who *w, const struct identity *id)
{
	for (size_t k = 0; k < rs->n_labels && !id->reserved; k++) {
		uint16_t value = rs->labels[k].default_value;

		if (value && !(w->mentions >> k & 1) && id->value[k] != value)
			return false;
	}
	return true;
}

static bool who_means(const struct ruleset *rs, const struct who *w, enum who_use use, size_t i)
{
	const struct identity *id = &rs->identities[i];

	if (use == WHO_DEFAULTED && !at_defaults(rs, w, id))
		return false;
	switch (w->kind) {
	case WHO_ANY:
		return use != WHO_OF_ALLOW || (i != AT_CONFLICT && i != AT_GATEWAY);
	case WHO_KNOWN:
		return !id->reserved;
	case WHO_RESERVED:
		return i == w->index;
	case WHO_GROUP:
		return identity_in(rs->groups[w->index].selector.set, i);
	case WHO_LABELS:
		return !id->reserved && labels_match(w, id);
	}
	return false;
}

void who_add(const struct ruleset *rs, const struct who *w, enum who_use use, uint64_t *set)
{
	for (size_t i = 0; i < rs->n_identities; i++)
		if (who_means(rs, w, use, i))
			set[i / 64] |= UINT64_C(1) << (i % 64);
}

/* --- reading
 * ----------------------------------------------------------------------------------------------------------
 */

static bool read_value(struct build *b, const struct yaml_node *n, size_t label, uint16_t *out)
{
	const struct label_key *l = &b->rs->labels[label];
	const char *text = yaml_string(n, b->diags);
	struct hint h;

	if (!text)
		return false;
	*out = find_value(b->rs, label, text);
	if (*out)
		return true;
	hint_start(b, &h, text);
	for (size_t i = 0; i < l->n_values; i++)
		hint_offer(&h, l->values[i]);
	if (!b->open[SECTION_LABELS] && l->n_values)
		error_at(b, n, "unknown value `%s` of label `%s`%s", text, l->name, hint_words(&h));
	return false;
}

static ptrdiff_t read_label_name(struct build *b, const struct yaml_node *key)
{
	ptrdiff_t label = find_label(b->rs, key->text);
	struct hint h;

	if (label >= 0 || b->open[SECTION_LABELS])
		return label;
	hint_start(b, &h, key->text);
	for (size_t i = 0; i < b->rs->n_labels; i++)
		hint_offer(&h, b->rs->labels[i].name);
	error_at(b, key, "unknown label `%s`%s", key->text, hint_words(&h));
	return -1;
}

static int compare_u16(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

bool read_label_match(struct build *b, const struct yaml_node *n, struct label_match *out)
{
	ptrdiff_t label = read_label_name(b, n->key);
	bool ok = true;

	if (label < 0)
		return false;
	*out = (struct label_match){.label = (size_t)label};
	out->values = arena_array(b->scratch, n->n_children + 1, sizeof(*out->values));
	if (n->type != YAML_LIST) {
		out->n = 1;
		return read_value(b, n, out->label, out->values);
	}
	if (!n->n_children && !n->open) {
		error_at(b, n, "empty selector: label `%s` needs at least one value", n->key->text);
		return false;
	}
	for (const struct yaml_node *v = n->first; v; v = v->next)
		if (read_value(b, v, out->label, &out->values[out->n]))
			out->n++;
		else
			ok = false;
	qsort(out->values, out->n, sizeof(*out->values), compare_u16);
	return ok;
}

static int compare_match(const void *a, const void *b)
{
	size_t x = ((const struct label_match *)a)->label, y = ((const struct label_match *)b)->label;

	return (x > y) - (x < y);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Distinct texts in order, with `between`; `texts` is sorted in place. */
static char *join(struct build *b, const char **texts, size_t n, const char *between)
{
	size_t room = 1, len = 0;
	char *out;

	for (size_t i = 0; i < n; i++)
		room += strlen(texts[i]) + strlen(between);
	out = arena_alloc(b->scratch, room);
	qsort(texts, n, sizeof(*texts), compare_texts);
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(texts[i], texts[i - 1]) != 0)
			len += (size_t)snprintf(out + len, room - len, "%s%s", i ? between : "", texts[i]);
	return out;
}

static const char *match_text(struct build *b, const struct label_match *m)
{
	const struct label_key *l = &b->rs->labels[m->label];
	const char **values = arena_array(b->scratch, m->n, sizeof(*values));

	for (size_t i = 0; i < m->n; i++)
		values[i] = l->values[m->values[i] - 1];
	return arena_printf(b->scratch, m->n > 1 ? "%s=[%s]" : "%s=%s", l->name, join(b, values, m->n, " "));
}

bool read_label_map(struct build *b, const struct yaml_node *n, struct who *w)
{
	const char **texts = arena_array(b->scratch, n->n_children, sizeof(*texts));
	bool ok = true;

	*w = (struct who){.kind = WHO_LABELS};
	if (!n->n_children && !n->open) {
		error_at(b, n, "empty selector: it needs at least one label");
		return false;
	}
	w->match = arena_array(b->scratch, n->n_children, sizeof(*w->match));
	for (const struct yaml_node *v = n->first; v; v = v->next) {
		struct label_match *m = &w->match[w->n_match];

		if (!read_label_match(b, v, m)) {
			ok = false;
			continue;
		}
		w->mentions |= UINT32_C(1) << m->label;
		w->n_match++;
	}
	qsort(w->match, w->n_match, sizeof(*w->match), compare_match);
	for (size_t i = 0; i < w->n_match; i++)
		texts[i] = match_text(b, &w->match[i]);
	w->text = arena_printf(b->scratch, "{%s}", join(b, texts, w->n_match, ","));
	return ok;
}

static void unknown_name(struct build *b, const struct yaml_node *n)
{
	static const char *const words[] = {"any",      "$known", "$unknown",  "$conflict",
					    "$gateway", "$world", "$multicast"};
	struct hint h;

	if (b->open[SECTION_GROUPS] && n->text[0] != '$')
		return;
	hint_start(b, &h, n->text);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		hint_offer(&h, words[i]);
	for (size_t i = 0; i < b->rs->n_groups; i++)
		hint_offer(&h, b->rs->groups[i].name);
	error_at(b, n, "unknown group `%s`%s", n->text, hint_words(&h));
}

static bool read_who(struct build *b, const struct yaml_node *n, bool initiator, struct who *w)
{
	ptrdiff_t group;

	if (n->type == YAML_MAP)
		return read_label_map(b, n, w);
	if (n->type != YAML_SCALAR) {
		if (!n->open)
			error_at(b, n,
				 "a selector is a group, a label map, a reserved name, `any`, or a list of "
				 "these");
		return false;
	}
	if (who_reserved(n->text, w)) {
		if (!initiator || w->kind != WHO_RESERVED || w->index != AT_MULTICAST)
			return true;
		error_at(b, n, "`$multicast` answers only, it never is an initiator");
		return false;
	}
	group = find_group(b->rs, n->text);
	if (group < 0) {
		unknown_name(b, n);
		return false;
	}
	*w = (struct who){.kind = WHO_GROUP, .index = (size_t)group, .text = b->rs->groups[group].name};
	w->mentions = b->rs->groups[group].mentions;
	return true;
}

/* The set, shared with equal selectors of the same use. */
static identity_set shared_set(struct build *b, const struct who *who, size_t n, enum who_use use,
			       const char *text)
{
	const char *key = arena_printf(b->scratch, "%d %s", (int)use, text);
	identity_set set = bytemap_get_text(b->sets, key);

	if (set)
		return set;
	set = arena_array(b->arena, b->rs->set_words, sizeof(*set));
	for (size_t i = 0; i < n; i++)
		who_add(b->rs, &who[i], use, set);
	bytemap_put_text(b->sets, key, set);
	return set;
}

void read_selector(struct build *b, const struct yaml_node *n, enum who_use use, bool initiator,
		   struct selector *out)
{
	bool list = n->type == YAML_LIST;
	size_t most = list ? n->n_children : 1, n_who = 0;
	struct who *who = arena_array(b->scratch, most, sizeof(*who));
	const char **texts = arena_array(b->scratch, most, sizeof(*texts));
	const char *text;

	if (list && !n->n_children && !n->open)
		error_at(b, n, "empty selector: the list names nobody");
	for (const struct yaml_node *item = list ? n->first : n; item; item = list ? item->next : NULL)
		n_who += read_who(b, item, initiator, &who[n_who]);
	for (size_t i = 0; i < n_who; i++)
		texts[i] = who[i].text;
	text = join(b, texts, n_who, ", ");
	out->text = n_who == 1 ? arena_strdup(b->arena, text) : arena_printf(b->arena, "[%s]", text);
	out->set = shared_set(b, who, n_who, use, out->text);
}
