/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Five small writers behind one table of functions. Text that comes from outside is escaped where a terminal
 * or a reader of lines could be fooled by it: libsmartcols does that for tables, plain_text() for plain.
 */
#include "out.h"

#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_WIDTH 80u
#define ROOMY_WIDTH 100u
#define FOLD_WIDTH  15u /* at least: an IPv4 address */
#define FOLD_REST   50u /* what the other columns of a table need */

struct out {
	FILE *file;
	struct out_style style;
	const char *schema;
	const struct out_column *columns;
	size_t n_columns, n_rows;
	json_t *members, *rows; /* rows: json format only */
	struct libscols_table *table;
};

static const char *const format_names[OUT_FORMATS] = {
	[OUT_TABLE] = "table", [OUT_WIDE] = "wide", [OUT_PLAIN] = "plain", [OUT_JSON] = "json",
	[OUT_JSONL] = "jsonl", [OUT_CSV] = "csv",   [OUT_JUNIT] = "junit",
};

int out_format_find(const char *name)
{
	for (int i = 0; i < OUT_FORMATS; i++)
		if (strcmp(format_names[i], name) == 0)
			return i;
	return -1;
}

const char *out_format_name(enum out_format format)
{
	return format_names[format];
}

const char *out_verdict_colour(const char *word, bool colour)
{
	static const struct {
		const char *word, *colour;
	} colours[] = {
		{"allow", "green"},
		{"deny", "red"},
		{"would-deny", "yellow"},
		{"would-allow", "yellow"},
	};

	for (size_t i = 0; colour && word != NULL && i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(colours[i].word, word) == 0)
			return colours[i].colour;
	return "";
}

/* --- values ------------------------------------------------------------------------------------ */

static const char *array_text(const json_t *array, char *buffer, size_t room)
{
	size_t used = 0, i;
	json_t *item;

	buffer[0] = '\0';
	json_array_foreach(array, i, item)
	{
		char one[128];
		int n = snprintf(buffer + used, room - used, "%s%s", i > 0 ? "/" : "",
				 out_value(item, one, sizeof(one)));
		if (n < 0 || (size_t)n >= room - used)
			break;
		used += (size_t)n;
	}
	return buffer;
}

const char *out_value(const json_t *value, char *buffer, size_t room)
{
	switch (value != NULL ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		return json_string_value(value);
	case JSON_INTEGER:
		snprintf(buffer, room, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return buffer;
	case JSON_REAL:
		snprintf(buffer, room, "%g", json_real_value(value));
		return buffer;
	case JSON_TRUE:
		return "yes";
	case JSON_FALSE:
		return "no";
	case JSON_ARRAY:
		return array_text(value, buffer, room);
	default:
		return "-";
	}
}

static const char *cell_text(const struct out *o, const struct out_column *c, const json_t *row, char *buffer,
			     size_t room)
{
	bool people = o->style.format == OUT_TABLE || o->style.format == OUT_WIDE;

	if (c->text != NULL && (people || (c->flags & OUT_PEOPLE) == 0))
		return c->text(row, buffer, room);
	return out_value(json_object_get(row, c->key), buffer, room);
}

/* --- table and wide ---------------------------------------------------------------------------- */

bool out_is_roomy(const struct out *o)
{
	return o->style.format == OUT_WIDE ||
	       (o->table != NULL && scols_table_get_termwidth(o->table) >= ROOMY_WIDTH);
}

static bool column_shown(const struct out *o, const struct out_column *c)
{
	if (o->style.format == OUT_WIDE)
		return true;
	return (c->flags & OUT_WIDE_ONLY) == 0 && ((c->flags & OUT_ROOMY) == 0 || out_is_roomy(o));
}

/* Nothing is lost: the cell becomes higher instead of wider. */
static void fold(const char *text, size_t width, char *folded, size_t room)
{
	size_t used = 0, line = 0;

	for (; *text != '\0' && used + 3 < room; text++) {
		if (*text == ' ') {
			folded[used++] = '\n';
			line = 0;
			continue;
		}
		folded[used++] = *text;
		/* the piece that follows, with its separator */
		size_t next = strcspn(text + 1, " /:=,");
		next += text[1 + next] != '\0' && text[1 + next] != ' ';
		bool may_cut = strchr("/:=,", *text) != NULL;
		bool word_ends = text[1] == '\0' || text[1] == ' ';
		if (!word_ends && (++line >= width || (may_cut && line + next > width))) {
			folded[used++] = '\n';
			line = 0;
		}
	}
	folded[used] = '\0';
}

/* Two such columns share what a wide terminal has to spare. */
static size_t fold_width(const struct out *o)
{
	size_t width = scols_table_get_termwidth(o->table);

	return width > FOLD_REST + 2 * FOLD_WIDTH ? (width - FOLD_REST) / 2 : FOLD_WIDTH;
}

static int column_flags(const struct out *o, const struct out_column *c)
{
	int flags = c->flags & OUT_RIGHT ? SCOLS_FL_RIGHT : 0;

	if (o->style.format == OUT_TABLE && (c->flags & OUT_SHRINK) != 0)
		flags |= SCOLS_FL_TRUNC;
	if (o->style.format == OUT_TABLE && (c->flags & OUT_FOLD) != 0)
		flags |= SCOLS_FL_WRAP;
	return flags;
}

static void table_column(struct out *o, const struct out_column *c)
{
	int flags = column_flags(o, c);
	struct libscols_column *column = scols_table_new_column(o->table, c->title, 0, flags);

	if ((flags & SCOLS_FL_WRAP) == 0)
		return;
	scols_column_set_safechars(column, "\n");
	scols_column_set_wrapfunc(column, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
}

static void table_start(struct out *o)
{
	scols_init_debug(0);
	o->table = scols_new_table();
	scols_table_enable_colors(o->table, o->style.colour);
	if (o->style.format == OUT_WIDE) {
		scols_table_set_termforce(o->table, SCOLS_TERMFORCE_NEVER);
	} else {
		scols_table_set_termforce(o->table, SCOLS_TERMFORCE_ALWAYS);
		if (o->style.width != 0)
			scols_table_set_termwidth(o->table, o->style.width);
		else if (scols_table_get_termwidth(o->table) == 0)
			scols_table_set_termwidth(o->table, TABLE_WIDTH);
	}
	scols_table_set_stream(o->table, o->file);
	for (size_t i = 0; i < o->n_columns; i++)
		if (column_shown(o, &o->columns[i]))
			table_column(o, &o->columns[i]);
}

static void table_row(struct out *o, json_t *row)
{
	struct libscols_line *line = scols_table_new_line(o->table, NULL);
	size_t at = 0;

	for (size_t i = 0; i < o->n_columns; i++) {
		const struct out_column *c = &o->columns[i];
		char buffer[4096], folded[1024];
		if (!column_shown(o, c))
			continue;
		const char *text = cell_text(o, c, row, buffer, sizeof(buffer));
		if (o->style.format == OUT_TABLE && (c->flags & OUT_FOLD) != 0) {
			fold(text, fold_width(o), folded, sizeof(folded));
			text = folded;
		}
		const char *colour = c->flags & OUT_VERDICT ? out_verdict_colour(text, o->style.colour) : "";
		scols_line_set_data(line, at, text);
		if (colour[0] != '\0')
			scols_cell_set_color(scols_line_get_cell(line, at), colour);
		at++;
	}
	json_decref(row);
}

static void table_end(struct out *o)
{
	if (o->n_rows > 0)
		scols_print_table(o->table);
	scols_unref_table(o->table);
}

/* --- plain and csv ----------------------------------------------------------------------------- */

static void plain_text(FILE *file, const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			fprintf(file, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, file);
	}
}

static void plain_row(struct out *o, json_t *row)
{
	char buffer[4096];

	for (size_t i = 0; i < o->n_columns; i++) {
		if (i > 0)
			fputc('\t', o->file);
		plain_text(o->file, cell_text(o, &o->columns[i], row, buffer, sizeof(buffer)));
	}
	fputc('\n', o->file);
	json_decref(row);
}

static void csv_text(FILE *file, const char *text)
{
	if (strpbrk(text, ",\"\r\n") == NULL) {
		fputs(text, file);
		return;
	}
	fputc('"', file);
	for (; *text != '\0'; text++) {
		if (*text == '"')
			fputc('"', file);
		fputc(*text, file);
	}
	fputc('"', file);
}

static void csv_start(struct out *o)
{
	for (size_t i = 0; i < o->n_columns; i++)
		fprintf(o->file, "%s%s", i > 0 ? "," : "", o->columns[i].key);
	fputc('\n', o->file);
}

static void csv_row(struct out *o, json_t *row)
{
	char buffer[4096];

	for (size_t i = 0; i < o->n_columns; i++) {
		if (i > 0)
			fputc(',', o->file);
		csv_text(o->file, cell_text(o, &o->columns[i], row, buffer, sizeof(buffer)));
	}
	fputc('\n', o->file);
	json_decref(row);
}

/* --- json and jsonl ---------------------------------------------------------------------------- */

static void json_line(FILE *file, json_t *value)
{
	json_dumpf(value, file, JSON_COMPACT);
	fputc('\n', file);
	json_decref(value);
}

static json_t *envelope(const char *schema, json_t *members, json_t *data)
{
	json_t *whole = json_object();

	json_object_set_new(whole, "schema", json_string(schema));
	json_object_set_new(whole, "node", json_null()); /* without a daemon there is neither */
	json_object_set_new(whole, "generation", json_null());
	if (members != NULL)
		json_object_update(whole, members);
	json_decref(members);
	json_object_set_new(whole, "data", data);
	return whole;
}

static void json_start(struct out *o)
{
	o->rows = json_array();
}

static void json_row(struct out *o, json_t *row)
{
	json_array_append_new(o->rows, row);
}

static void json_end(struct out *o)
{
	if (o->schema == NULL) {
		json_line(o->file, o->rows);
		return;
	}
	json_line(o->file, envelope(o->schema, o->members, o->rows));
	o->members = NULL;
}

static void jsonl_row(struct out *o, json_t *row)
{
	json_line(o->file, row);
}

/* --- the writer -------------------------------------------------------------------------------- */

static const struct {
	void (*start)(struct out *o);
	void (*row)(struct out *o, json_t *row);
	void (*end)(struct out *o);
} writers[OUT_FORMATS] = {
	[OUT_TABLE] = {table_start, table_row, table_end},
	[OUT_WIDE] = {table_start, table_row, table_end},
	[OUT_PLAIN] = {NULL, plain_row, NULL},
	[OUT_JSON] = {json_start, json_row, json_end},
	[OUT_JSONL] = {NULL, jsonl_row, NULL},
	[OUT_CSV] = {csv_start, csv_row, NULL},
};

struct out *out_new(FILE *file, const struct out_style *style, const char *schema,
		    const struct out_column *columns, size_t n)
{
	struct out *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	*o = (struct out){
		.file = file, .style = *style, .schema = schema, .columns = columns, .n_columns = n};
	if (writers[style->format].start != NULL)
		writers[style->format].start(o);
	return o;
}

void out_row(struct out *o, json_t *row)
{
	o->n_rows++;
	writers[o->style.format].row(o, row);
}

void out_envelope(struct out *o, json_t *members)
{
	json_decref(o->members);
	o->members = members;
}

size_t out_rows(const struct out *o)
{
	return o->n_rows;
}

static bool file_good(FILE *file)
{
	return fflush(file) == 0 && ferror(file) == 0;
}

bool out_close(struct out *o)
{
	FILE *file = o->file;

	if (writers[o->style.format].end != NULL)
		writers[o->style.format].end(o);
	json_decref(o->members);
	free(o);
	return file_good(file);
}

bool out_document(FILE *file, enum out_format format, const char *schema, json_t *members, json_t *data)
{
	if (format == OUT_JSON) {
		json_line(file, envelope(schema, members, data));
	} else {
		json_decref(members);
		json_line(file, data);
	}
	return file_good(file);
}
