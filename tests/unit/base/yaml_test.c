/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The strict YAML reader: what it takes, what it refuses and where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yaml.h"

/* The tree as one line of text, to compare with. */
static void print_node(const struct yaml_node *n, FILE *out)
{
	if (n->type == YAML_NULL)
		fputs("null", out);
	if (n->type == YAML_SCALAR)
		fprintf(out, n->quoted ? "'%s'" : "%s", n->text);
	if (n->type == YAML_NULL || n->type == YAML_SCALAR)
		return;
	fputc(n->type == YAML_LIST ? '[' : '{', out);
	for (const struct yaml_node *c = n->first; c; c = c->next) {
		if (n->type == YAML_MAP)
			fprintf(out, "%s: ", c->key->text);
		print_node(c, out);
		if (c->next)
			fputs(", ", out);
	}
	fprintf(out, "%s%s", n->open ? "..." : "", n->type == YAML_LIST ? "]" : "}");
}

static char *tree_text(const struct yaml_tree *t)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	if (t)
		print_node(yaml_root(t), out);
	fclose(out);
	return text;
}

struct sample {
	const char *name, *text, *tree;
	unsigned line, column; /* of the one error; 0: none */
	const char *says;
};

static const struct sample samples[] = {
	{"a map", "a: 1\nb: [x, 'y', \"z\"]\n", "{a: 1, b: [x, 'y', 'z']}"},
	{"words stay words", "a: yes\nb: no\nc: on\nd: 0777\n", "{a: yes, b: no, c: on, d: 0777}"},
	{"nulls", "a:\nb: ~\nc: null\nd: 'null'\ne: ''\n", "{a: null, b: null, c: null, d: 'null', e: ''}"},
	{"block text", "a: |\n  x\n  y\n", "{a: 'x\ny\n'}"},
	{"version directive", "%YAML 1.2\n---\na: 1\n", "{a: 1}"},
	{"byte order mark",
	 "\xef\xbb\xbf"
	 "a: 1\n",
	 "{a: 1}"},
	{"a byte order mark before several lines",
	 "\xef\xbb\xbf"
	 "a: 1\nb: [x]\n",
	 "{a: 1, b: [x]}"},
	{"only one byte order mark", "\xef\xbb\xbf\xef\xbb\xbf", "", 1, 1, "U+FEFF"},
	{"a byte order mark is no column",
	 "\xef\xbb\xbf"
	 "a: \x01\n",
	 "", 1, 4, "U+0001"},
	{"anchor", "a: &x 1\n", "{a: 1}", 1, 4, "anchors"},
	{"alias", "a: *x\n", "{a: null...}", 1, 4, "aliases"},
	{"tag", "a: !x 1\n", "{a: 1}", 1, 4, "tags"},
	{"standard tag", "a: !!str 1\n", "{a: 1}", 1, 4, "tags"},
	{"tag directive", "%TAG ! x:\n---\na: 1\n", "{a: 1}", 1, 1, "%TAG"},
	{"duplicate key", "a: 1\nb: 2\na: 3\n", "{a: 1, b: 2, a: 3}", 3, 1,
	 "duplicate key `a`, first at line 1"},
	{"merge key is a key", "<<: 1\n<<: 2\n", "{<<: 1, <<: 2}", 2, 1, "duplicate key `<<`"},
	{"null key", "~: 1\n", "{...}", 1, 1, "a key must be a word"},
	{"list as key", "[a]: 1\n", "{...}", 1, 1, "not a list or map"},
	{"two documents", "a: 1\n---\nb: 1\n", "{a: 1}", 2, 1, "more than one document"},
	{"syntax", "a: 1\nb: [x, y\nc: }\n", "{a: 1, b: [x, y c...]...}", 3, 2, "YAML syntax"},
	{"tabs indent nothing", "a:\n\t- x\n", "{a: null......}", 2, 1, "YAML syntax"},
	{"columns are characters", "\xc3\xa9\xe2\x82\xac: &x 1\n", "{\xc3\xa9\xe2\x82\xac: 1}", 1, 5,
	 "anchors"},
	{"invalid UTF-8", "a: 1\nb: \xc3\xa9\xff\n", "{a: 1}", 2, 5, "invalid UTF-8 (byte 0xff)"},
	{"overlong", "a: \xc0\xaf\n", "", 1, 4, "invalid UTF-8"},
	{"surrogate", "a: \xed\xa0\x80\n", "", 1, 4, "invalid UTF-8"},
	{"cut off", "a: \xe2\x82", "", 1, 4, "invalid UTF-8"},
	{"beyond Unicode", "a: \xf4\x90\x80\x80\n", "", 1, 4, "invalid UTF-8"},
	{"control character", "a: \x01\n", "", 1, 4, "U+0001"},
	{"lines end with or without a carriage return", "a: 1\r\nb: 2\n", "{a: 1, b: 2}"},
	{"no line ends unseen: carriage return", "a: 1 # x\rb: 2\n", "", 1, 9, "U+000D"},
	{"no line ends unseen: next line",
	 "a: 1\nb: 2 # x\xc2\x85"
	 "c: 3\n",
	 "{a: 1}", 2, 9, "U+0085"},
	{"no line ends unseen: line separator",
	 "a: 1 # x\xe2\x80\xa8"
	 "b: 2\n",
	 "", 1, 9, "U+2028"},
	{"no line ends unseen: paragraph separator",
	 "a: 1 # x\xe2\x80\xa9"
	 "b: 2\n",
	 "", 1, 9, "U+2029"},
	{"escaped zero", "a: \"x\\0y\"\n", "{a: 'x'}", 1, 4, "zero character"},
	{"nothing", "", "", 1, 1, "the file is empty"},
	{"comment only", "# x\n", "", 1, 1, "the file is empty"},
	{"one finding is enough", "%YAML 3.0\n---\na: 1\n", "", 1, 1, "incompatible"},
};

static void reads(void **state)
{
	const struct sample *s = *state;
	struct yaml_tree *t;
	struct diags d;
	char *text;

	diags_init(&d);
	t = yaml_parse("t.yaml", s->text, strlen(s->text), &d);
	text = tree_text(t);
	if (s->line || !*s->tree)
		assert_int_equal(d.n_errors, 1);
	else
		assert_int_equal(d.n_errors, 0);
	if (s->line) {
		if (!strstr(d.items[0].text, s->says))
			fail_msg("said `%s`", d.items[0].text);
		assert_int_equal(d.items[0].place.line, s->line);
		assert_int_equal(d.items[0].place.column, s->column);
	}
	if (!strstr(s->tree, "......"))
		assert_string_equal(text, s->tree);
	yaml_free(t);
	diags_free(&d);
	free(text);
}

static void refuses_depth(void **state)
{
	char text[256] = "";
	struct diags d;

	(void)state;
	memset(text, '[', YAML_DEPTH_MAX);
	memset(text + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
	diags_init(&d);
	yaml_free(yaml_parse("t", text, strlen(text), &d));
	assert_int_equal(d.n_errors, 0);
	memset(text, '[', YAML_DEPTH_MAX + 1);
	memset(text + YAML_DEPTH_MAX + 1, ']', YAML_DEPTH_MAX + 1);
	yaml_free(yaml_parse("t", text, strlen(text), &d));
	assert_int_equal(d.n_errors, 1);
	assert_int_equal(d.items[0].place.column, YAML_DEPTH_MAX + 1);
	diags_free(&d);
}

static void refuses_size(void **state)
{
	char *text = calloc(1, YAML_SIZE_MAX + 1);
	struct diags d;

	(void)state;
	assert_non_null(text);
	diags_init(&d);
	assert_null(yaml_parse("t", text, YAML_SIZE_MAX + 1, &d));
	assert_int_equal(d.n_errors, 1);
	diags_free(&d);
	free(text);
}

/* Many keys are looked up by hash: the duplicate among them is found too. */
static void finds_duplicates_in_large_maps(void **state)
{
	char text[4096] = "";
	struct diags d;

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "k%u: 1\n", i == 150 ? 3 : i);
	diags_init(&d);
	yaml_free(yaml_parse("t", text, strlen(text), &d));
	assert_int_equal(d.n_errors, 1);
	assert_int_equal(d.items[0].place.line, 151);
	assert_non_null(strstr(d.items[0].text, "first at line 4"));
	diags_free(&d);
}

static void reads_types(void **state)
{
	static const char text[] =
		"n: 12\nbig: 18446744073709551616\nneg: -1\nq: '12'\nt: true\nf: false\nw: yes\nl: []\n";
	struct yaml_tree *t;
	uint64_t u = 0;
	struct diags d;
	bool flag;

	(void)state;
	diags_init(&d);
	t = yaml_parse("t", text, strlen(text), &d);
	assert_true(yaml_u64(yaml_get(yaml_root(t), "n"), 0, 12, &u, &d) && u == 12);
	assert_true(yaml_bool(yaml_get(yaml_root(t), "t"), &flag, &d) && flag);
	assert_true(yaml_bool(yaml_get(yaml_root(t), "f"), &flag, &d) && !flag);
	assert_string_equal(yaml_string(yaml_get(yaml_root(t), "q"), &d), "12");
	assert_null(yaml_get(yaml_root(t), "none"));
	assert_int_equal(d.n_errors, 0);
	assert_false(yaml_u64(yaml_get(yaml_root(t), "n"), 0, 11, &u, &d));
	assert_false(yaml_u64(yaml_get(yaml_root(t), "n"), 13, 14, &u, &d));
	assert_false(yaml_u64(yaml_get(yaml_root(t), "big"), 0, UINT64_MAX, &u, &d));
	assert_false(yaml_u64(yaml_get(yaml_root(t), "neg"), 0, 1, &u, &d));
	assert_false(yaml_u64(yaml_get(yaml_root(t), "q"), 0, 99, &u, &d));
	assert_false(yaml_bool(yaml_get(yaml_root(t), "w"), &flag, &d));
	assert_null(yaml_string(yaml_get(yaml_root(t), "l"), &d));
	assert_int_equal(d.n_errors, 7);
	yaml_free(t);
	diags_free(&d);
}

#define N_SAMPLES (sizeof(samples) / sizeof(*samples))

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(refuses_depth),
		cmocka_unit_test(refuses_size),
		cmocka_unit_test(finds_duplicates_in_large_maps),
		cmocka_unit_test(reads_types),
	};
	struct CMUnitTest tests[N_SAMPLES + sizeof(others) / sizeof(*others)];

	for (size_t i = 0; i < N_SAMPLES; i++)
		tests[i] = (struct CMUnitTest){samples[i].name, reads, NULL, NULL,
					       (void *)(uintptr_t)&samples[i]};
	memcpy(tests + N_SAMPLES, others, sizeof(others));
	return cmocka_run_group_tests_name("base-yaml", tests, NULL, NULL);
}
