/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The result as a table that reads in 80 columns: the profile first, then for each function what its next
 * stage lacks, the metrics that were measured, the scope. Made from the JSON alone.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "assess.h"

#define WIDTH       80
#define INDENT      4
#define LACKS_SHOWN 4u

static const char *text_of(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text ? text : "-";
}

/* Words between `INDENT` and `WIDTH`, the first line after `at` columns. */
static void print_words(FILE *out, int at, const char *text)
{
	while (*text) {
		int n = (int)strcspn(text, " ");

		if (at + 1 + n > WIDTH && at > INDENT)
			at = (fprintf(out, "\n%*s", INDENT, ""), INDENT);
		else if (at > INDENT)
			at += fprintf(out, " ");
		at += fprintf(out, "%.*s", n, text);
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_line(FILE *out, const char *mark, const char *text)
{
	int at = fprintf(out, "%*s", INDENT, mark);

	print_words(out, at, text);
}

/* The two states that are longer than a column. */
static const char *short_state(const char *state)
{
	if (!strcmp(state, "NOT_OBSERVABLE"))
		return "NOT_SEEN";
	return strcmp(state, "NOT_APPLICABLE") ? state : "N/A";
}

static void print_profile(const json_t *functions, FILE *out)
{
	const json_t *f, *cell;
	size_t i, k;

	fprintf(out, "%-3s %-25s %-11s %-12s %-12s %s\n", "", "function", "stage", "initial", "advanced",
		"optimal");
	json_array_foreach(functions, i, f)
	{
		fprintf(out, "%-3.3s %-25.25s %-11.11s", text_of(f, "id"), text_of(f, "title"),
			text_of(f, "stage"));
		json_array_foreach(json_object_get(f, "cells"), k, cell)
		{
			if (k)
				fprintf(out, k < 3 ? " %-12.12s" : " %.12s",
					short_state(text_of(cell, "state")));
		}
		fputc('\n', out);
	}
}

/* The first cell above Traditional that is not awarded. */
static const json_t *next_cell(const json_t *function)
{
	const json_t *cells = json_object_get(function, "cells");

	for (size_t i = 1; i < json_array_size(cells); i++) {
		const json_t *cell = json_array_get(cells, i);

		if (strcmp(text_of(cell, "state"), "AWARDED") &&
		    strcmp(text_of(cell, "state"), "NOT_APPLICABLE"))
			return cell;
	}
	return NULL;
}

static void print_gaps(const json_t *function, FILE *out)
{
	const json_t *cell = next_cell(function), *lacks = json_object_get(cell, "lacks");
	size_t n = json_array_size(lacks);

	if (!cell)
		return;
	fprintf(out, "\n%s to %s: %s\n", text_of(function, "id"), text_of(cell, "stage"),
		text_of(cell, "state"));
	for (size_t i = 0; i < n && i < LACKS_SHOWN; i++)
		print_line(out, "- ", text_of(json_array_get(lacks, i), "text"));
	if (n > LACKS_SHOWN)
		fprintf(out, "%*sand %zu more\n", INDENT, "", n - LACKS_SHOWN);
}

static void print_measures(const json_t *metric, FILE *out)
{
	const json_t *stages = json_object_get(metric, "stages"), *measures, *m;
	const char *name;
	json_t *stage = json_object_get(stages, "initial");

	measures = json_object_get(stage ? stage : json_object_get(stages, "advanced"), "measures");
	json_object_foreach((json_t *)measures, name, m)
	{
		const json_t *value = json_object_get(m, "value");
		char text[32] = "no sample";

		if (json_is_number(value))
			snprintf(text, sizeof(text), "%.4g", json_number_value(value));
		fprintf(out, "%-6.6s %-26.26s %-10.10s %10s  asked %.10s\n", text_of(metric, "id"),
			text_of(metric, "title"), name, text, text_of(m, "asked"));
	}
}

static void print_all(const json_t *j, FILE *out)
{
	const json_t *window = json_object_get(j, "window"), *x;
	size_t i;

	fprintf(out, "%s %s, %s pillar: %s\n", text_of(json_object_get(j, "model"), "name"),
		text_of(json_object_get(j, "model"), "version"),
		text_of(json_object_get(j, "model"), "pillar"), text_of(j, "stage"));
	fprintf(out, "window %s to %s\n\n", text_of(window, "from"), text_of(window, "until"));
	print_profile(json_object_get(j, "functions"), out);
	json_array_foreach(json_object_get(j, "functions"), i, x) print_gaps(x, out);
	fprintf(out, "\nmeasured (initial stage)\n");
	json_array_foreach(json_object_get(j, "metrics"), i, x)
	{
		if (json_is_string(json_object_get(x, "sql")))
			print_measures(x, out);
	}
	fprintf(out, "\nscope\n");
	print_line(out, "", text_of(json_object_get(j, "scope"), "statement"));
	fprintf(out, "catalogue %.16s\n", text_of(j, "catalogue_sha256"));
}

int assess_print_table(const char *json, FILE *out, char *error, size_t room)
{
	json_error_t bad;
	json_t *j = json_loads(json, 0, &bad);

	if (!j || strcmp(text_of(j, "schema"), "cordon.assessment/1")) {
		snprintf(error, room, "not an assessment: %s", j ? "another schema" : bad.text);
		json_decref(j);
		return -EINVAL;
	}
	print_all(j, out);
	json_decref(j);
	return 0;
}
