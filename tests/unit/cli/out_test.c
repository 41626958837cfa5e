/* SPDX-License-Identifier: BSD-3-Clause */
/* One set of rows through every format. */
#include "out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *shout(const json_t *row, char *buffer, size_t room)
{
	snprintf(buffer, room, "<%s>", json_string_value(json_object_get(row, "name")));
	return buffer;
}

static const struct out_column columns[] = {
	{"name", "NAME", OUT_PEOPLE | OUT_SHRINK, shout},
	{"verdict", "VERDICT", OUT_VERDICT, NULL},
	{"packets", "PACKETS", OUT_RIGHT, NULL},
	{"note", "NOTE", OUT_WIDE_ONLY, NULL},
	{"more", "MORE", OUT_ROOMY, NULL},
};

static char *print(enum out_format format, bool colour, unsigned width, const char *name)
{
	struct out_style style = {format, colour, width};
	char *text;
	size_t len;
	FILE *file = open_memstream(&text, &len);
	struct out *o = out_new(file, &style, "cordon.x/1", columns, sizeof(columns) / sizeof(columns[0]));

	out_envelope(o, json_pack("{s:i}", "lost", 0));
	out_row(o, json_pack("{s:s, s:s, s:[i,i], s:n, s:s}", "name", name, "verdict", "allow", "packets", 3,
			     2, "note", "more", "roomy"));
	out_row(o, json_pack("{s:s, s:s, s:[i,i], s:s, s:s}", "name", "b", "verdict", "deny", "packets", 1, 0,
			     "note", "n,\"q\"", "more", "roomy"));
	assert_int_equal(out_rows(o), 2);
	assert_true(out_close(o));
	fclose(file);
	return text;
}

static void expect(enum out_format format, const char *wanted)
{
	char *text = print(format, false, 80, "a\tb");

	assert_string_equal(text, wanted);
	free(text);
}

static void plain_has_tabs_and_no_header(void **state)
{
	expect(OUT_PLAIN, "a\\x09b\tallow\t3/2\t-\troomy\nb\tdeny\t1/0\tn,\"q\"\troomy\n");
}

static void csv_quotes(void **state)
{
	expect(OUT_CSV,
	       "name,verdict,packets,note,more\na\tb,allow,3/2,-,roomy\nb,deny,1/0,\"n,\"\"q\"\"\",roomy\n");
}

static void json_is_an_envelope(void **state)
{
	expect(OUT_JSON,
	       "{\"schema\":\"cordon.x/"
	       "1\",\"node\":null,\"generation\":null,\"lost\":0,\"data\":[{\"name\":\"a\\tb\",\"verdict\":"
	       "\"allow\","
	       "\"packets\":[3,2],\"note\":null,\"more\":\"roomy\"},{\"name\":\"b\",\"verdict\":\"deny\","
	       "\"packets\":[1,0],\"note\":\"n,\\\"q\\\"\",\"more\":\"roomy\"}]}\n");
}

static void jsonl_is_one_object_a_line(void **state)
{
	expect(OUT_JSONL, "{\"name\":\"a\\tb\",\"verdict\":\"allow\",\"packets\":[3,2],\"note\":null,"
			  "\"more\":\"roomy\"}\n"
			  "{\"name\":\"b\",\"verdict\":\"deny\",\"packets\":[1,0],\"note\":\"n,\\\"q\\\"\","
			  "\"more\":\"roomy\"}\n");
}

static const char *longest_line(const char *text, size_t *len)
{
	const char *longest = text;

	for (*len = 0; *text != '\0';) {
		size_t n = strcspn(text, "\n");
		if (n > *len) {
			*len = n;
			longest = text;
		}
		text += n + (text[n] == '\n');
	}
	return longest;
}

static const char long_name[] = "a-name-that-is-much-longer-than-eighty-columns-can-hold-when-other-columns-"
				"want-their-place-too";

static void a_table_fits_the_terminal(void **state)
{
	char *text = print(OUT_TABLE, false, 80, long_name);
	size_t len;

	longest_line(text, &len);
	assert_true(len <= 80);
	assert_null(strstr(text, long_name));
	assert_non_null(strstr(text, "VERDICT"));
	assert_null(strstr(text, "NOTE"));
	assert_null(strstr(text, "MORE"));
	free(text);
}

static void a_roomy_table_shows_more(void **state)
{
	char *text = print(OUT_TABLE, false, 120, "a");

	assert_non_null(strstr(text, "MORE"));
	assert_null(strstr(text, "NOTE"));
	free(text);
}

static void wide_never_cuts(void **state)
{
	char *text = print(OUT_WIDE, false, 80, long_name);

	assert_non_null(strstr(text, long_name));
	assert_non_null(strstr(text, "NOTE"));
	assert_non_null(strstr(text, "MORE"));
	free(text);
}

static void colour_comes_beside_the_word(void **state)
{
	char *text = print(OUT_TABLE, true, 80, "a");

	assert_non_null(strstr(text, "\033["));
	assert_non_null(strstr(text, "deny"));
	free(text);
	text = print(OUT_TABLE, false, 80, "a");
	assert_null(strstr(text, "\033["));
	assert_non_null(strstr(text, "deny"));
	free(text);
}

static void a_terminal_is_not_fooled(void **state)
{
	enum out_format formats[] = {OUT_TABLE, OUT_WIDE, OUT_PLAIN, OUT_JSON, OUT_JSONL};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		char *text = print(formats[i], false, 80, "\033[2Jx");
		assert_null(strchr(text, '\033'));
		free(text);
	}
}

/* A high cell instead of a wide one: each word on a line of its own, long ones cut behind a separator. */
static void a_table_folds(void **state)
{
	static const struct out_column folded[] = {{"who", "WHO", OUT_FOLD, NULL}};
	static const struct {
		const char *text, *table;
	} cases[] = {
		{"hr/web 10.20.0.11", "WHO\nhr/web\n10.20.0.11\n"},
		{"123456789012345 b", "WHO\n123456789012345\nb\n"},
		{"1234567890123456", "WHO\n123456789012345\n6\n"},
		{"office/medium/workstation x", "WHO\noffice/medium/\nworkstation\nx\n"},
		{"2001:db8:1:2:3:4:5:6", "WHO\n2001:db8:1:2:3:\n4:5:6\n"},
		{"office/", "WHO\noffice/\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct out_style style = {OUT_TABLE, false, 80};
		char *text, *plain;
		size_t len, used = 0;
		FILE *file = open_memstream(&text, &len);
		struct out *o = out_new(file, &style, NULL, folded, 1);

		out_row(o, json_pack("{s:s}", "who", cases[i].text));
		assert_true(out_close(o));
		fclose(file);
		plain = calloc(1, len + 1); /* without the padding */
		for (size_t k = 0; k < len; k++)
			if (text[k] != ' ')
				plain[used++] = text[k];
		assert_string_equal(plain, cases[i].table);
		free(plain);
		free(text);
	}
}

static void no_rows_print_nothing_but_an_envelope(void **state)
{
	struct out_style style = {OUT_TABLE, false, 80};
	char *text;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	assert_true(out_close(out_new(file, &style, NULL, columns, 5)));
	fflush(file);
	assert_int_equal(len, 0);
	style.format = OUT_JSON;
	assert_true(out_close(out_new(file, &style, NULL, columns, 5)));
	fclose(file);
	assert_string_equal(text, "[]\n");
	free(text);
}

static void a_full_disk_is_noticed(void **state)
{
	struct out_style style = {OUT_JSONL, false, 80};
	FILE *file = fopen("/dev/full", "we");
	struct out *o = out_new(file, &style, NULL, columns, 5);

	out_row(o, json_pack("{s:s}", "name", "a"));
	assert_false(out_close(o));
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_has_tabs_and_no_header),
		cmocka_unit_test(csv_quotes),
		cmocka_unit_test(json_is_an_envelope),
		cmocka_unit_test(jsonl_is_one_object_a_line),
		cmocka_unit_test(a_table_fits_the_terminal),
		cmocka_unit_test(a_roomy_table_shows_more),
		cmocka_unit_test(wide_never_cuts),
		cmocka_unit_test(colour_comes_beside_the_word),
		cmocka_unit_test(a_terminal_is_not_fooled),
		cmocka_unit_test(a_table_folds),
		cmocka_unit_test(no_rows_print_nothing_but_an_envelope),
		cmocka_unit_test(a_full_disk_is_noticed),
	};

	return cmocka_run_group_tests_name("cli-out", tests, NULL, NULL);
}
