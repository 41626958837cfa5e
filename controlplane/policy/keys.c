/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walk over maps by key tables, and the readers that several tables share.
 */
#include "keys.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HINT_LEN  40u  /* longer names are not compared */
#define HINTS_MAX 200u /* after so many errors nobody needs hints, and they cost time */

void error_at(struct build *b, const struct yaml_node *n, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	diag_add(b->diags, SEV_ERROR, n->place, "%s", text);
	free(text);
}

/* --- hints
 * ---------------------------------------------------------------------------------------------------------
 */

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Edit distance where a swap of neighbours counts as one. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[3][HINT_LEN + 1], la = (unsigned)strlen(a), lb = (unsigned)strlen(b);
	unsigned *before = row[0], *above = row[1], *here = row[2];

	for (unsigned j = 0; j <= lb; j++)
		above[j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned *spare = before;

		here[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			here[j] = least(least(above[j], here[j - 1]) + 1,
					above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				here[j] = least(here[j], before[j - 2] + 1);
		}
		before = above;
		above = here;
		here = spare;
	}
	return above[lb];
}

void hint_start(const struct build *b, struct hint *h, const char *text)
{
	*h = (struct hint){.text = text};
	if (b->diags->n_errors < HINTS_MAX && strlen(text) <= HINT_LEN)
		h->distance = least((unsigned)strlen(text) / 3 + 1, 3) + 1;
}

void hint_offer(struct hint *h, const char *name)
{
	unsigned d;

	if (!h->distance || strlen(name) > HINT_LEN)
		return;
	d = distance(h->text, name);
	if (d >= h->distance || d >= strlen(name))
		return;
	h->distance = d;
	h->best = name;
}

const char *hint_words(struct hint *h)
{
	if (h->best)
		snprintf(h->words, sizeof(h->words), ", did you mean `%s`?", h->best);
	return h->words;
}

/* --- maps
 * -----------------------------------------------------------------------------------------------------------
 */

bool expect_type(struct build *b, const struct yaml_node *n, enum yaml_type type, const char *what)
{
	static const char *const words[] = {[YAML_NULL] = "nothing",
					    [YAML_SCALAR] = "text",
					    [YAML_LIST] = "a list",
					    [YAML_MAP] = "a map"};

	if (n->type == type)
		return true;
	if (!n->open)
		error_at(b, n, "%s must be %s, found %s", what, words[type], words[n->type]);
	return false;
}

static const struct key *find_key(const struct key_table *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->keys[i].name, name) == 0)
			return &t->keys[i];
	return NULL;
}

static void unknown_key(struct build *b, const struct key_table *t, const struct yaml_node *key)
{
	struct hint h;

	hint_start(b, &h, key->text);
	for (size_t i = 0; i < t->n; i++)
		hint_offer(&h, t->keys[i].name);
	error_at(b, key, "unknown key `%s` in %s%s", key->text, t->what, hint_words(&h));
}

bool read_map(struct build *b, const struct key_table *t, const struct yaml_node *map, void *item)
{
	uint64_t seen = 0;

	if (!expect_type(b, map, YAML_MAP, t->what))
		return false;
	for (const struct yaml_node *n = map->first; n; n = n->next) {
		const struct key *k = find_key(t, n->key->text);

		if (!k) {
			unknown_key(b, t, n->key);
			continue;
		}
		seen |= UINT64_C(1) << (k - t->keys);
		if (k->need == KEY_LATER)
			error_at(b, n->key, "`%s` in %s is not supported yet", k->name, t->what);
		else if (n->type != YAML_NULL || !n->open)
			k->read(b, n, (char *)item + k->field);
	}
	for (size_t i = 0; i < t->n && !map->open; i++)
		if (t->keys[i].need == KEY_REQUIRED && !(seen >> i & 1))
			error_at(b, map, "%s needs the key `%s`", t->what, t->keys[i].name);
	return true;
}

/* --- readers
 * -------------------------------------------------------------------------------------------------------- */

void read_node(struct build *b, const struct yaml_node *value, void *field)
{
	*(const struct yaml_node **)field = value;
}

void read_nothing(struct build *b, const struct yaml_node *value, void *field)
{
	yaml_string(value, b->diags);
}

void read_text(struct build *b, const struct yaml_node *value, void *field)
{
	const char *text = yaml_string(value, b->diags);

	if (!text)
		return;
	if (!text[strspn(text, " \t")]) {
		error_at(b, value, "`%s` must not be empty", value->key ? value->key->text : "text");
		return;
	}
	*(const char **)field = arena_strdup(b->arena, text);
}

bool good_name(const char *text)
{
	if (!isalnum((unsigned char)*text) && *text != '_')
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("._-", *text))
			return false;
	return true;
}

void read_id(struct build *b, const struct yaml_node *value, void *field)
{
	const char *text = yaml_string(value, b->diags);

	if (!text)
		return;
	if (!good_name(text)) {
		error_at(b, value, "`%s` is no name: letters, digits, `.`, `_` and `-` only", text);
		return;
	}
	*(const char **)field = arena_strdup(b->arena, text);
}

void read_flag(struct build *b, const struct yaml_node *value, void *field)
{
	yaml_bool(value, field, b->diags);
}

bool read_word(struct build *b, const struct yaml_node *n, const char *what, const struct word *words,
	       size_t n_words, int *out)
{
	const char *text = yaml_string(n, b->diags);
	char list[160] = "";
	struct hint h;

	if (!text)
		return false;
	hint_start(b, &h, text);
	for (size_t i = 0; i < n_words; i++) {
		if (strcmp(text, words[i].text) == 0) {
			*out = words[i].value;
			if (words[i].later)
				error_at(b, n, "%s `%s` is not supported yet", what, text);
			return !words[i].later;
		}
		hint_offer(&h, words[i].text);
		if (!words[i].later)
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", *list ? ", " : "",
				 words[i].text);
	}
	error_at(b, n, "unknown %s `%s`%s (accepted: %s)", what, text, hint_words(&h), list);
	return false;
}

/* --- sections
 * ---------------------------------------------------------------------------------------------------------
 */

struct items section_items(struct build *b, enum section s, enum yaml_type type, const char *what)
{
	struct items items = {0};
	size_t room = 0;

	for (size_t i = 0; i < b->n_parts[s]; i++)
		room += b->part[s][i]->n_children;
	items.node = arena_array(b->scratch, room + 1, sizeof(*items.node));
	for (size_t i = 0; i < b->n_parts[s]; i++) {
		if (!expect_type(b, b->part[s][i], type, what))
			continue;
		for (const struct yaml_node *n = b->part[s][i]->first; n; n = n->next)
			items.node[items.n++] = n;
	}
	return items;
}

bool define(struct build *b, struct bytemap *names, const char *name, const struct yaml_node *at,
	    const char *what)
{
	const struct yaml_node *before = bytemap_put_text(names, name, (void *)(uintptr_t)at);

	if (before)
		error_at(b, at, "duplicate %s `%s`, first at %s:%u", what, name, before->place.file,
			 before->place.line);
	return !before;
}
