/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strict tree over libyaml's event parser. One pass: each event is checked against what we accept and hung
 * into the tree at once, so that whatever comes before a syntax error is there. Invalid characters are looked
 * for first, because libyaml reads ahead and would lose the lines before them: the text is cut at the line
 * that holds one.
 */
#include "yaml.h"

#include <inttypes.h>
#include <libyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "bytemap.h"

#define NODES_MAX       (2u << 20)
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* of UTF-8: some editors begin a file with it, it says nothing */
#define MANY_KEYS       16u            /* maps larger than this find duplicates by hash */

struct yaml_tree {
	struct arena *arena;
	struct yaml_node *root;
};

/* A list or map that is being read. */
struct level {
	struct yaml_node *node;
	struct yaml_node *last; /* child */
	struct yaml_node *key;  /* map: a key that waits for its value */
	struct bytemap *keys;   /* large maps */
};

struct reader {
	struct yaml_tree *tree;
	struct diags *diags;
	const char *name;
	struct level level[YAML_DEPTH_MAX];
	unsigned depth;
	size_t n_nodes;
	bool done; /* a document has ended */
};

static struct place place_of(const struct reader *r, const yaml_event_t *e)
{
	unsigned column = (unsigned)e->start_mark.column + 1, end = (unsigned)e->end_mark.column + 1;
	bool one_line = e->start_mark.line == e->end_mark.line;

	return (struct place){
		.file = r->name,
		.line = (unsigned)e->start_mark.line + 1,
		.column = column,
		.end_column = one_line && end > column ? end : column + 1,
	};
}

static bool is_null(const char *text)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

/* --- what is refused
 * -------------------------------------------------------------------------------------------- */

/* Says what is wrong with an anchor or tag; true if there is none. */
static bool plain(struct reader *r, struct place place, const void *anchor, const void *tag)
{
	if (anchor)
		diag_add(r->diags, SEV_ERROR, place, "anchors (`&`) are not accepted");
	if (tag)
		diag_add(r->diags, SEV_ERROR, place, "tags (`!`) are not accepted");
	return !anchor && !tag;
}

static const struct yaml_node *find_key(const struct level *l, const char *text)
{
	if (l->keys)
		return bytemap_get_text(l->keys, text);
	for (const struct yaml_node *n = l->node->first; n; n = n->next)
		if (strcmp(n->key->text, text) == 0)
			return n->key;
	return NULL;
}

static void remember_key(struct reader *r, struct level *l, struct yaml_node *key)
{
	if (!l->keys && l->node->n_children < MANY_KEYS)
		return;
	if (!l->keys) {
		l->keys = bytemap_new(r->tree->arena);
		for (struct yaml_node *n = l->node->first; n; n = n->next)
			bytemap_put_text(l->keys, n->key->text, n->key);
	}
	bytemap_put_text(l->keys, key->text, key);
}

static bool take_key(struct reader *r, struct level *l, struct yaml_node *key)
{
	const struct yaml_node *before;

	if (key->type == YAML_NULL && !key->quoted) {
		diag_add(r->diags, SEV_ERROR, key->place, "a key must be a word, not empty or null");
		return false;
	}
	before = find_key(l, key->text);
	if (before)
		diag_add(r->diags, SEV_ERROR, key->place, "duplicate key `%s`, first at line %u", key->text,
			 before->place.line);
	else
		remember_key(r, l, key);
	l->key = key;
	return true;
}

/* --- building the tree
 * ------------------------------------------------------------------------------------------ */

static struct yaml_node *new_node(struct reader *r, enum yaml_type type, struct place place)
{
	struct yaml_node *n;

	if (++r->n_nodes > NODES_MAX) {
		diag_add(r->diags, SEV_ERROR, place, "more than %u values in one file", NODES_MAX);
		return NULL;
	}
	n = arena_alloc(r->tree->arena, sizeof(*n));
	n->type = type;
	n->place = place;
	return n;
}

static void hang(struct level *l, struct yaml_node *n)
{
	n->key = l->key;
	l->key = NULL;
	if (l->last)
		l->last->next = n;
	else
		l->node->first = n;
	l->last = n;
	l->node->n_children++;
}

/* Puts a node where the parser stands: root, item, key or value. */
static bool place_node(struct reader *r, struct yaml_node *n)
{
	struct level *l = r->depth ? &r->level[r->depth - 1] : NULL;

	if (!l) {
		r->tree->root = n;
		return true;
	}
	if (l->node->type != YAML_MAP || l->key) {
		hang(l, n);
		return true;
	}
	if (n->type == YAML_LIST || n->type == YAML_MAP) {
		diag_add(r->diags, SEV_ERROR, n->place, "a key must be a word, not a list or map");
		return false;
	}
	return take_key(r, l, n);
}

static bool on_scalar(struct reader *r, const yaml_event_t *e)
{
	struct place place = place_of(r, e);
	const char *text = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	struct yaml_node *n;

	plain(r, place, e->data.scalar.anchor, e->data.scalar.tag);
	if (strlen(text) != len)
		diag_add(r->diags, SEV_ERROR, place, "a zero character is not accepted in text");
	n = new_node(r, YAML_SCALAR, place);
	if (!n)
		return false;
	n->text = arena_strndup(r->tree->arena, text, strlen(text));
	n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	if (!n->quoted && is_null(text))
		n->type = YAML_NULL;
	return place_node(r, n);
}

static bool on_start(struct reader *r, const yaml_event_t *e, enum yaml_type type)
{
	struct place place = place_of(r, e);
	struct yaml_node *n;

	if (type == YAML_LIST)
		plain(r, place, e->data.sequence_start.anchor, e->data.sequence_start.tag);
	else
		plain(r, place, e->data.mapping_start.anchor, e->data.mapping_start.tag);
	if (r->depth == YAML_DEPTH_MAX) {
		diag_add(r->diags, SEV_ERROR, place, "nested deeper than %u levels", YAML_DEPTH_MAX);
		return false;
	}
	n = new_node(r, type, place);
	if (!n || !place_node(r, n))
		return false;
	n->open = true;
	r->level[r->depth++] = (struct level){.node = n};
	return true;
}

static bool on_document(struct reader *r, const yaml_event_t *e)
{
	if (r->done) {
		diag_add(r->diags, SEV_ERROR, place_of(r, e),
			 "more than one document in a file is not accepted");
		return false;
	}
	if (e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
		diag_add(r->diags, SEV_ERROR, place_of(r, e), "%%TAG directives are not accepted");
	return true;
}

/* False: stop reading. */
static bool on_event(struct reader *r, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(r, e);
	case YAML_DOCUMENT_END_EVENT:
		r->done = true;
		return true;
	case YAML_SCALAR_EVENT:
		return on_scalar(r, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(r, e, YAML_LIST);
	case YAML_MAPPING_START_EVENT:
		return on_start(r, e, YAML_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->level[--r->depth].node->open = false;
		return true;
	case YAML_ALIAS_EVENT:
		diag_add(r->diags, SEV_ERROR, place_of(r, e), "aliases (`*`) are not accepted");
		return false;
	default:
		return true;
	}
}

/* A key whose value never came. */
static void close_cut(struct reader *r)
{
	for (unsigned i = 0; i < r->depth; i++) {
		struct level *l = &r->level[i];
		struct yaml_node *n;

		if (!l->key)
			continue;
		n = new_node(r, YAML_NULL, l->key->place);
		if (!n)
			return;
		n->open = true;
		hang(l, n);
	}
}

static void syntax_error(struct reader *r, const yaml_parser_t *p)
{
	struct place place = {r->name, (unsigned)p->problem_mark.line + 1,
			      (unsigned)p->problem_mark.column + 1, 0};
	const char *problem = p->problem ? p->problem : "cannot be read";

	if (p->context && p->context_mark.line != p->problem_mark.line)
		diag_add(r->diags, SEV_ERROR, place, "YAML syntax: %s (%s from line %zu)", problem,
			 p->context, p->context_mark.line + 1);
	else if (p->context)
		diag_add(r->diags, SEV_ERROR, place, "YAML syntax: %s (%s)", problem, p->context);
	else
		diag_add(r->diags, SEV_ERROR, place, "YAML syntax: %s", problem);
}

/* `whole`: the text was not cut, so a syntax error is the writer's. */
static void read_events(struct reader *r, const char *text, size_t len, bool whole)
{
	yaml_parser_t parser;
	yaml_event_t event;
	bool more = true;

	if (!yaml_parser_initialize(&parser)) {
		diag_add(r->diags, SEV_ERROR, (struct place){.file = r->name}, "out of memory");
		return;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (more) {
		if (!yaml_parser_parse(&parser, &event)) {
			if (whole)
				syntax_error(r, &parser);
			break;
		}
		more = on_event(r, &event) && event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	close_cut(r);
}

/* --- characters
 * -------------------------------------------------------------------------------------------------- */

/* Length of the character at `p` and its value, or 0 if it is not UTF-8 (overlong, surrogate, cut off). */
static size_t decode(const unsigned char *p, size_t room, uint32_t *value)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;

	if (!len || len > room)
		return 0;
	*value = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		*value = *value << 6 | (p[i] & 0x3f);
	}
	if (len > 1 && (*value < least[len] || *value > 0x10ffff || (*value >= 0xd800 && *value < 0xe000)))
		return 0;
	return len;
}

/*
 * U+0085, U+2028 and U+2029 end a line for libyaml and for nobody else: what an editor shows as part of a
 * comment would be read as policy.
 */
static bool printable(uint32_t c)
{
	if (c < 0x7f)
		return c >= 0x20 || c == '\t' || c == '\n';
	return c >= 0xa0 && c != 0x2028 && c != 0x2029 && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

/* A carriage return alone ends a line as well, unseen. */
static bool accepted(uint32_t c, const char *next, const char *end)
{
	return printable(c) || (c == '\r' && next < end && *next == '\n');
}

/* Bytes before the line with the first character that is not accepted (and says so), or all of them. */
static size_t check_characters(const char *name, const char *text, size_t len, struct diags *d)
{
	struct place at = {name, 1, 1, 0};
	size_t line = 0, n;
	uint32_t c = 0;

	for (size_t i = 0; i < len; i += n) {
		n = decode((const unsigned char *)text + i, len - i, &c);
		if (!n) {
			diag_add(d, SEV_ERROR, at, "invalid UTF-8 (byte 0x%02x)", (unsigned char)text[i]);
			return line;
		}
		if (!accepted(c, text + i + n, text + len)) {
			diag_add(d, SEV_ERROR, at, "character U+%04" PRIX32 " is not accepted", c);
			return line;
		}
		at.column++;
		if (c == '\n') {
			at.line++;
			at.column = 1;
			line = i + 1;
		}
	}
	return len;
}

/* --- interface
 * --------------------------------------------------------------------------------------------------- */

struct yaml_tree *yaml_parse(const char *name, const char *text, size_t len, struct diags *d)
{
	struct reader r = {.diags = d};
	size_t errors_before = d->n_errors;
	struct arena *arena;
	size_t readable;

	if (len > YAML_SIZE_MAX) {
		diag_add(d, SEV_ERROR, (struct place){name, 1, 1, 0}, "larger than %u MiB",
			 YAML_SIZE_MAX >> 20);
		return NULL;
	}
	if (len >= strlen(BYTE_ORDER_MARK) && memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
		text += strlen(BYTE_ORDER_MARK);
		len -= strlen(BYTE_ORDER_MARK);
	}
	arena = arena_new();
	r.tree = arena_alloc(arena, sizeof(*r.tree));
	r.tree->arena = arena;
	r.name = arena_strdup(arena, name);
	readable = check_characters(r.name, text, len, d);
	read_events(&r, text, readable, readable == len);
	if (r.tree->root)
		return r.tree;
	if (d->n_errors == errors_before)
		diag_add(d, SEV_ERROR, (struct place){name, 1, 1, 0}, "the file is empty");
	yaml_free(r.tree);
	return NULL;
}

const struct yaml_node *yaml_root(const struct yaml_tree *t)
{
	return t->root;
}

void yaml_free(struct yaml_tree *t)
{
	if (t)
		arena_free(t->arena);
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	if (!map || map->type != YAML_MAP)
		return NULL;
	for (const struct yaml_node *n = map->first; n; n = n->next)
		if (strcmp(n->key->text, key) == 0)
			return n;
	return NULL;
}

static const char *type_word(const struct yaml_node *n)
{
	static const char *const words[] = {[YAML_NULL] = "nothing",
					    [YAML_SCALAR] = "text",
					    [YAML_LIST] = "a list",
					    [YAML_MAP] = "a map"};

	return words[n->type];
}

bool yaml_u64(const struct yaml_node *n, uint64_t min, uint64_t max, uint64_t *out, struct diags *d)
{
	uint64_t value = 0;
	bool fits = true, digits = n->type == YAML_SCALAR && !n->quoted && n->text[0];

	for (const char *p = n->text; digits && *p; p++) {
		digits = *p >= '0' && *p <= '9';
		if (digits && (__builtin_mul_overflow(value, 10, &value) ||
			       __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)))
			fits = false;
	}
	if (!digits) {
		diag_add(d, SEV_ERROR, n->place, "expected a whole number, found %s",
			 n->type != YAML_SCALAR ? type_word(n)
			 : n->quoted            ? "text in quotes"
						: "text");
		return false;
	}
	if (!fits || value < min || value > max) {
		diag_add(d, SEV_ERROR, n->place, "%s is out of range: %" PRIu64 " to %" PRIu64, n->text, min,
			 max);
		return false;
	}
	*out = value;
	return true;
}

bool yaml_bool(const struct yaml_node *n, bool *out, struct diags *d)
{
	bool word = n->type == YAML_SCALAR && !n->quoted;

	if (word && (strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0)) {
		*out = n->text[0] == 't';
		return true;
	}
	diag_add(d, SEV_ERROR, n->place, "expected true or false, found %s", word ? n->text : type_word(n));
	return false;
}

const char *yaml_string(const struct yaml_node *n, struct diags *d)
{
	if (n->type == YAML_SCALAR)
		return n->text;
	diag_add(d, SEV_ERROR, n->place, "expected text, found %s", type_word(n));
	return NULL;
}
