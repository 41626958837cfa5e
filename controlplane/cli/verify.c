/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `verify`: every engine is read back, proved and asked with packets now. The daemon answers with a list of
 * checks, whatever kind they are; all that is done here is to show them, as rows or as JUnit's XML, and to
 * turn them into an exit code. A table has one row for all that passed of one kind; the other formats have
 * each.
 */
#include <stdio.h>
#include <string.h>

#include "member.h"
#include "online.h"
#include "verbs.h"

enum result { PASSED, FAILED, OPEN, SKIPPED, RESULTS };

static enum result result_of(const json_t *row)
{
	const json_t *passed = json_object_get(row, "passed");

	if (json_is_boolean(passed))
		return json_is_true(passed) ? PASSED : FAILED;
	return json_is_true(json_object_get(row, "skipped")) ? SKIPPED : OPEN;
}

static const char *result_text(const json_t *row, char *buffer, size_t room)
{
	static const char *const words[RESULTS] = {
		[PASSED] = "ok", [FAILED] = "FAILED", [OPEN] = "not asked", [SKIPPED] = "skipped"};

	return words[result_of(row)];
}

/* `proof`, `live.nft.fragment`: kind, engine, what about. */
static const char *class_text(const json_t *row, char *buffer, size_t room)
{
	const char *engine = member_text(row, "engine", ""), *about = member_text(row, "about", "");

	snprintf(buffer, room, "%s%s%s%s%s", member_text(row, "class", "-"), engine[0] ? "." : "", engine,
		 about[0] ? "." : "", about);
	return buffer;
}

static const struct out_column columns[] = {
	{"class", "CLASS", 0, class_text},
	{"name", "NAME", 0, NULL},
	{"passed", "RESULT", 0, result_text},
	{"detail", "DETAIL", 0, NULL},
};

/* Rows in the order in which they are shown; what could not be asked is a row without a result. */
static json_t *rows_of(const json_t *data)
{
	json_t *rows = json_array(), *item;
	size_t i;

	json_array_foreach(json_object_get(data, "checks"), i, item) json_array_append(rows, item);
	json_array_foreach(json_object_get(data, "engines"), i, item)
	{
		if (!json_is_false(json_object_get(item, "connected")))
			continue;
		json_array_append_new(rows, json_pack("{s:s, s:s, s:n, s:s}", "class", "engine", "name",
						      member_text(item, "name", "-"), "passed", "detail",
						      member_text(item, "text", "not connected")));
	}
	return rows;
}

static void count(const json_t *rows, size_t n[RESULTS])
{
	json_t *row;
	size_t i;

	memset(n, 0, RESULTS * sizeof(n[0]));
	json_array_foreach(rows, i, row) n[result_of(row)]++;
}

/* Rows for a table: what passed is counted where the first of its class stands. */
static json_t *condense(const json_t *rows)
{
	json_t *few = json_array(), *sums = json_object(), *row, *sum;
	char class[128], text[32];
	size_t i;

	json_array_foreach(rows, i, row)
	{
		class_text(row, class, sizeof(class));
		if (result_of(row) != PASSED || !json_object_get(row, "about")) {
			json_array_append(few, row);
			continue;
		}
		sum = json_object_get(sums, class);
		if (sum == NULL) {
			sum = json_pack("{s:s, s:s, s:i, s:b, s:s}", "class", class, "name", "", "n", 0,
					"passed", 1, "detail", "each met what it must (-o wide shows them)");
			json_object_set_new(sums, class, sum);
			json_array_append(few, sum);
		}
		json_int_t n = json_integer_value(json_object_get(sum, "n")) + 1;
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT " asked", n);
		json_object_set_new(sum, "n", json_integer(n));
		json_object_set_new(sum, "name", json_string(text));
	}
	json_decref(sums);
	return few;
}

/* --- JUnit ------------------------------------------------------------------------------------- */

/* XML has no way to say most control characters at all. */
static void print_escaped(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else if (c == '&')
			fputs("&amp;", out);
		else if (c == '"')
			fputs("&quot;", out);
		else
			fputc(c < ' ' ? '?' : c, out);
	}
}

static void print_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	print_escaped(out, value);
	fputc('"', out);
}

static void print_case(FILE *out, const json_t *row)
{
	static const char *const tags[RESULTS] = {
		[FAILED] = "failure", [OPEN] = "error", [SKIPPED] = "skipped"};
	const char *detail = member_text(row, "detail", "");
	const enum result result = result_of(row);
	char class[128];

	fputs("    <testcase", out);
	print_attribute(out, "classname", class_text(row, class, sizeof(class)));
	print_attribute(out, "name", member_text(row, "name", "-"));
	if (result == PASSED) {
		fputs(">\n      <system-out>", out);
		print_escaped(out, detail);
		fputs("</system-out>\n", out);
	} else {
		fprintf(out, ">\n      <%s", tags[result]);
		print_attribute(out, "message", detail);
		fputs("/>\n", out);
	}
	fputs("    </testcase>\n", out);
}

static bool print_junit(FILE *out, const json_t *answer, const json_t *rows)
{
	size_t i, n[RESULTS];
	json_t *row;

	count(rows, n);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"cordon verify\"",
	      out);
	print_attribute(out, "hostname", member_text(answer, "node", "-"));
	print_attribute(out, "timestamp", member_text(answer, "time", "-"));
	fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\">\n",
		json_array_size(rows), n[FAILED], n[OPEN], n[SKIPPED]);
	json_array_foreach(rows, i, row) print_case(out, row);
	fputs("  </testsuite>\n</testsuites>\n", out);
	return fflush(out) == 0 && ferror(out) == 0;
}

/* --- rows -------------------------------------------------------------------------------------- */

static bool print_rows(struct cli *cli, const json_t *answer, const json_t *rows)
{
	struct out *o = out_new(cli->out, &cli->style, member_text(answer, "schema", "cordon.verify/1"),
				columns, sizeof(columns) / sizeof(columns[0]));
	json_t *few = cli->style.format == OUT_TABLE ? condense(rows) : NULL, *row;
	size_t i;

	json_array_foreach(few != NULL ? few : rows, i, row) out_row(o, json_incref(row));
	json_decref(few);
	return out_close(o);
}

static bool print(struct cli *cli, const json_t *answer, const json_t *rows)
{
	if (cli->style.format == OUT_JUNIT)
		return print_junit(cli->out, answer, rows);
	if (cli->style.format == OUT_JSON || cli->style.format == OUT_JSONL)
		return out_document(cli->out, cli->style.format,
				    member_text(answer, "schema", "cordon.verify/1"), online_members(answer),
				    json_incref(json_object_get(answer, "data")));
	return print_rows(cli, answer, rows);
}

int verb_verify(struct cli *cli)
{
	json_t *answer, *body = json_object();
	int code = online_call(cli, "POST", "/v1/verify", NULL, 0, body, &answer);

	json_decref(body);
	if (code != CLI_DONE)
		return code;
	json_t *rows = rows_of(json_object_get(answer, "data"));
	bool good = print(cli, answer, rows);
	size_t n[RESULTS];

	count(rows, n);
	if (cli->style.format != OUT_JUNIT)
		fprintf(cli->err, "%zu passed, %zu failed, %zu not asked, %zu skipped\n", n[PASSED],
			n[FAILED], n[OPEN], n[SKIPPED]);
	json_decref(rows);
	json_decref(answer);
	return cli_written(cli, good, n[FAILED] > 0 ? CLI_NO : n[OPEN] > 0 ? CLI_INCOMPLETE : CLI_DONE);
}
