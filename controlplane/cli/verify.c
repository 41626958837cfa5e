/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `verify`: every engine is read back and proved now. The daemon answers with a list of checks, whatever kind
 * they are; all that is done here is to show them, as rows or as JUnit's XML, and to turn them into an exit
 * code.
 */
#include <string.h>

#include "member.h"
#include "online.h"
#include "verbs.h"

static const char *result_text(const json_t *row, char *buffer, size_t room)
{
	const json_t *passed = json_object_get(row, "passed");

	return json_is_true(passed) ? "ok" : json_is_false(passed) ? "FAILED" : "not asked";
}

static const struct out_column columns[] = {
	{"class", "CLASS", 0, NULL},
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

static size_t count(const json_t *rows, bool (*is)(const json_t *value))
{
	json_t *row;
	size_t i, n = 0;

	json_array_foreach(rows, i, row) n += is(json_object_get(row, "passed"));
	return n;
}

static bool is_failed(const json_t *passed)
{
	return json_is_false(passed);
}

static bool is_open(const json_t *passed)
{
	return !json_is_boolean(passed);
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
	const json_t *passed = json_object_get(row, "passed");
	const char *detail = member_text(row, "detail", "");

	fputs("    <testcase", out);
	print_attribute(out, "classname", member_text(row, "class", "-"));
	print_attribute(out, "name", member_text(row, "name", "-"));
	if (json_is_true(passed)) {
		fputs(">\n      <system-out>", out);
		print_escaped(out, detail);
		fputs("</system-out>\n", out);
	} else {
		fprintf(out, ">\n      <%s", json_is_false(passed) ? "failure" : "error");
		print_attribute(out, "message", detail);
		fputs("/>\n", out);
	}
	fputs("    </testcase>\n", out);
}

static bool print_junit(FILE *out, const json_t *answer, const json_t *rows)
{
	json_t *row;
	size_t i;

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"cordon verify\"",
	      out);
	print_attribute(out, "hostname", member_text(answer, "node", "-"));
	print_attribute(out, "timestamp", member_text(answer, "time", "-"));
	fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n", json_array_size(rows),
		count(rows, is_failed), count(rows, is_open));
	json_array_foreach(rows, i, row) print_case(out, row);
	fputs("  </testsuite>\n</testsuites>\n", out);
	return fflush(out) == 0 && ferror(out) == 0;
}

/* --- rows -------------------------------------------------------------------------------------- */

static bool print_rows(struct cli *cli, const json_t *answer, const json_t *rows)
{
	struct out *o = out_new(cli->out, &cli->style, member_text(answer, "schema", "cordon.verify/1"),
				columns, sizeof(columns) / sizeof(columns[0]));
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) out_row(o, json_incref(row));
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
	size_t failed = count(rows, is_failed), open = count(rows, is_open);
	bool good = print(cli, answer, rows);

	if (cli->style.format != OUT_JUNIT)
		fprintf(cli->err, "%zu passed, %zu failed, %zu not asked\n",
			json_array_size(rows) - failed - open, failed, open);
	json_decref(rows);
	json_decref(answer);
	return cli_written(cli, good, failed > 0 ? CLI_NO : open > 0 ? CLI_INCOMPLETE : CLI_DONE);
}
