/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of findings and its printer. Columns are characters, so the printer walks the source line as
 * UTF-8; a tab is repeated in the caret line, so that the caret stands under its character whatever the tab
 * width.
 */
#include "diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX    160u /* characters of a source line */
#define SHOWN_BEFORE 60u

void diags_init(struct diags *d)
{
	memset(d, 0, sizeof(*d));
}

void diags_free(struct diags *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++)
		free(d->items[i].text);
	for (size_t i = 0; i < d->n_files; i++)
		free(d->files[i]);
	free(d->items);
	free(d->files);
	diags_init(d);
}

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static const char *keep_file(struct diags *d, const char *file)
{
	if (!file)
		return NULL;
	for (size_t i = d->n_files; i-- > 0;)
		if (strcmp(d->files[i], file) == 0)
			return d->files[i];
	d->files = must(realloc(d->files, (d->n_files + 1) * sizeof(*d->files)));
	d->files[d->n_files] = must(strdup(file));
	return d->files[d->n_files++];
}

void diag_add(struct diags *d, enum severity severity, struct place place, const char *format, ...)
{
	struct diag *item;
	va_list args;

	if (d->n == d->room) {
		d->room = d->room ? d->room * 2 : 16;
		d->items = must(realloc(d->items, d->room * sizeof(*d->items)));
	}
	item = &d->items[d->n];
	item->severity = severity;
	item->place = place;
	item->place.file = keep_file(d, place.file);
	va_start(args, format);
	if (vasprintf(&item->text, format, args) < 0)
		abort();
	va_end(args);
	d->n++;
	d->n_errors += severity == SEV_ERROR;
	d->n_warnings += severity == SEV_WARNING;
}

static int compare_places(const struct place *a, const struct place *b)
{
	int by_file = strcmp(a->file ? a->file : "", b->file ? b->file : "");

	if (by_file)
		return by_file;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return (a->column > b->column) - (a->column < b->column);
}

/* Merge sort of [from, to): stable, which qsort() is not. */
static void sort_items(struct diag *items, struct diag *spare, size_t from, size_t to)
{
	size_t middle = from + (to - from) / 2, a = from, b = middle;

	if (to - from < 2)
		return;
	sort_items(items, spare, from, middle);
	sort_items(items, spare, middle, to);
	for (size_t i = from; i < to; i++) {
		bool second = a == middle || (b < to && compare_places(&items[b].place, &items[a].place) < 0);

		spare[i] = second ? items[b++] : items[a++];
	}
	memcpy(items + from, spare + from, (to - from) * sizeof(*items));
}

void diags_sort(struct diags *d)
{
	struct diag *spare;

	if (d->n < 2)
		return;
	spare = must(malloc(d->n * sizeof(*spare)));
	sort_items(d->items, spare, 0, d->n);
	free(spare);
}

/*
 * Where the printer stands in a source. Findings are sorted, so lines are looked for from the last one on:
 * from the top each time, a large file with many findings would take minutes.
 */
struct cursor {
	const char *text; /* whole source */
	const char *at;   /* first byte of `line` */
	unsigned line;
};

/* The line's first byte, its length in *len; NULL if the text has no such line. */
static const char *find_line(struct cursor *c, const char *text, size_t size, unsigned line, size_t *len)
{
	const char *end = text + size, *stop;

	if (c->text != text || line < c->line)
		*c = (struct cursor){text, text, 1};
	for (; c->line < line; c->line++) {
		stop = memchr(c->at, '\n', (size_t)(end - c->at));
		if (!stop)
			return NULL;
		c->at = stop + 1;
	}
	stop = memchr(c->at, '\n', (size_t)(end - c->at));
	*len = (size_t)((stop ? stop : end) - c->at);
	if (*len && c->at[*len - 1] == '\r')
		--*len;
	return c->at;
}

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static void print_shown(const char *line, size_t len, unsigned first, FILE *out)
{
	unsigned column = 0;

	for (size_t i = 0; i < len; i++) {
		column += starts_character(line[i]);
		if (column < first)
			continue;
		if (column >= first + SHOWN_MAX)
			break;
		fputc((unsigned char)line[i] < ' ' && line[i] != '\t' ? '?' : line[i], out);
	}
}

static void print_caret(const char *line, size_t len, unsigned first, const struct place *at, FILE *out)
{
	unsigned column = 0, end = at->end_column > at->column ? at->end_column : at->column + 1;

	for (size_t i = 0; i < len && column + 1 < at->column; i++) {
		if (!starts_character(line[i]))
			continue;
		if (++column >= first)
			fputc(line[i] == '\t' ? '\t' : ' ', out);
	}
	fputc('^', out);
	for (column = at->column + 1; column < end && column < first + SHOWN_MAX; column++)
		fputc('~', out);
}

static void print_excerpt(struct cursor *c, const struct place *at, const char *text, size_t size, FILE *out)
{
	unsigned first = at->column > SHOWN_MAX - SHOWN_BEFORE / 2 ? at->column - SHOWN_BEFORE : 1;
	const char *line;
	size_t len;

	if (!at->line || !at->column)
		return;
	line = find_line(c, text, size, at->line, &len);
	if (!line || !len)
		return;
	fprintf(out, "  %s", first > 1 ? "... " : "");
	print_shown(line, len, first, out);
	fprintf(out, "\n  %s", first > 1 ? "    " : "");
	print_caret(line, len, first, at, out);
	fputc('\n', out);
}

static void print_place(const struct place *at, FILE *out)
{
	if (!at->file)
		return;
	if (at->line && at->column)
		fprintf(out, "%s:%u:%u: ", at->file, at->line, at->column);
	else if (at->line)
		fprintf(out, "%s:%u: ", at->file, at->line);
	else
		fprintf(out, "%s: ", at->file);
}

void diags_print(const struct diags *d, FILE *out, diag_source_fn *source, void *ctx)
{
	static const char *const words[] = {
		[SEV_ERROR] = "error", [SEV_WARNING] = "warning", [SEV_NOTE] = "note"};
	struct cursor cursor = {0};

	for (size_t i = 0; i < d->n; i++) {
		const struct diag *item = &d->items[i];
		size_t size = 0;
		const char *text = source && item->place.file ? source(ctx, item->place.file, &size) : NULL;

		print_place(&item->place, out);
		fprintf(out, "%s: %s\n", words[item->severity], item->text);
		if (text)
			print_excerpt(&cursor, &item->place, text, size, out);
	}
}
