/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one writer: every verb's data leaves through here, whatever the format.
 *
 * A row is a JSON object; a table of columns says which of its members are shown and how they look to people.
 * So the formats cannot drift apart: table, wide, plain and csv show text made from the very object that json
 * and jsonl print. Plain and jsonl stream; table, csv and json are complete at out_close(). One thread; owns
 * its rows, not the FILE.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum out_format { OUT_TABLE, OUT_WIDE, OUT_PLAIN, OUT_JSON, OUT_JSONL, OUT_CSV, OUT_JUNIT, OUT_FORMATS };

#define OUT_BIT(format) (1u << (format))
/* What every list of rows can be; JUnit is for checks that passed or did not. */
#define OUT_ROWS (OUT_BIT(OUT_JUNIT) - 1)

/* The format of this name, or -1. */
int out_format_find(const char *name);
const char *out_format_name(enum out_format format);

enum out_column_flag {
	OUT_RIGHT = 1 << 0,
	OUT_SHRINK = 1 << 1,  /* may be cut short in a narrow terminal; never in wide */
	OUT_VERDICT = 1 << 2, /* coloured by its word */
	OUT_WIDE_ONLY = 1 << 3,
	OUT_FOLD = 1 << 6,   /* in a table: one line per word, long words cut behind `/`, `:` or `=` */
	OUT_ROOMY = 1 << 5,  /* in a table only if the terminal has room for it */
	OUT_PEOPLE = 1 << 4, /* `text` is for table and wide; plain and csv show the member as it is */
};

struct out_column {
	const char *key, *title;
	unsigned flags;
	/* The cell's text, when it is not just the member's value. Returns `buffer` or static text. */
	const char *(*text)(const json_t *row, char *buffer, size_t room);
};

struct out_style {
	enum out_format format;
	bool colour;
	unsigned width; /* of the terminal; 0: find out */
};

struct out;

/* `schema` NULL: -o json is a bare array, else the envelope's schema name. */
struct out *out_new(FILE *file, const struct out_style *style, const char *schema,
		    const struct out_column *columns, size_t n);
/* Takes `row` over. */
void out_row(struct out *o, json_t *row);
/* Members of the envelope (node, generation, complete, lost); takes it over. */
void out_envelope(struct out *o, json_t *members);
/* A table in a terminal of at least 100 columns, or wide. */
bool out_is_roomy(const struct out *o);
size_t out_rows(const struct out *o);
/* Prints what is held back and frees. False if not all could be written. */
bool out_close(struct out *o);

/* A whole answer that is not rows: -o json prints the envelope around `data` (taken over), jsonl just `data`.
 */
bool out_document(FILE *file, enum out_format format, const char *schema, json_t *members, json_t *data);

/* One value as text: strings as they are, arrays joined by `/`, null as `-`. */
const char *out_value(const json_t *value, char *buffer, size_t room);

/* SGR sequence for a verdict word, or "" when there is none or no colour is wanted. */
const char *out_verdict_colour(const char *word, bool colour);
