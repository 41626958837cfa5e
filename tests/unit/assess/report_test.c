/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shipped catalogue, the result's form, and bad catalogues.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assess.h"
#include "catalogue.h"

#define WEEK (NOW - 7 * DAY)
static const char *const functions[] = {"SEG", "TM", "ENC", "RES", "VA", "AO", "GOV"};

static void check_shipped(const json_t *r)
{
	const json_t *f;
	size_t i;

	assert_int_equal(json_array_size(json_object_get(r, "functions")), 7);
	json_array_foreach(json_object_get(r, "functions"), i, f)
	{
		assert_string_equal(json_string_value(json_object_get(f, "id")), functions[i]);
		assert_int_equal(json_array_size(json_object_get(f, "cells")), 4);
		assert_string_equal(json_string_value(json_object_get(f, "stage")), "traditional");
		for (int s = 0; s < STAGE_COUNT; s++) {
			const char *state = cell_state(r, functions[i], stage_words[s]);

			assert_true(!strcmp(state, "INSUFFICIENT") || !strcmp(state, "NOT_OBSERVABLE"));
		}
	}
	assert_string_equal(json_string_value(json_object_get(r, "stage")), "traditional");
}

static void missing_store_is_insufficient_and_no_error(void **state)
{
	char error[256] = "", *text = NULL;
	struct store *s;
	json_t *r;

	assert_int_equal(store_open("/nonexistent/cordon", true, &s, error, sizeof(error)), 0);
	assert_int_equal(assess_run(s, ZTMM, WEEK, NOW, NOW, "t", false, &text, error, sizeof(error)), 0);
	r = json_loads(text, 0, NULL);
	check_shipped(r);
	assert_true(cell_says(r, "SEG", "initial", "0 natural flows"));
	assert_true(cell_says(r, "TM", "initial", "TM-1"));
	json_decref(r);
	free(text);
	store_close(s);
}

static void shipped_catalogue_claims_no_segmentation(void **state)
{
	struct world *w = *state;
	json_t *r;

	world_fill(w);
	r = world_assess_with(w, ZTMM, WEEK, false);
	check_shipped(r);
	/* the evidence is fine: what is missing is told by name */
	assert_false(cell_says(r, "SEG", "initial", "natural flows"));
	assert_true(cell_says(r, "SEG", "initial", "SEG-0"));
	assert_true(cell_says(r, "VA", "initial", "VA-3"));
	assert_true(measure_of(r, "SEG-2", "initial", "flows") == 1.0);
	assert_true(measure_of(r, "SEG-3", "initial", "flows") == 0.0);
	assert_true(measure_of(r, "SEG-8", "initial", "p95") > 0.19 &&
		    measure_of(r, "SEG-8", "initial", "p95") < 0.21);
	assert_true(measure_of(r, "VA-1", "initial", "records") == 1.0);
	assert_true(measure_of(r, "VA-2", "initial", "flows") == 1.0);
	assert_true(measure_of(r, "VA-2", "optimal", "strong") == 0.0);
	assert_true(measure_of(r, "AO-2", "initial", "covered") == 1.0);
	json_decref(r);
}

static char *assess_text(struct world *w, bool keep)
{
	char error[256] = "", *text = NULL;

	if (assess_run(w->s, ZTMM, WEEK, NOW, NOW, "t", keep, &text, error, sizeof(error)))
		fail_msg("%s", error);
	return text;
}

static int64_t count(struct world *w, const char *sql)
{
	sqlite3_stmt *q;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(store_control(w->s), sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

static void result_is_stored_and_repeatable(void **state)
{
	struct world *w = *state;
	char *first, *second;

	world_fill(w);
	first = assess_text(w, false);
	assert_int_equal(count(w, "SELECT count(*) FROM assessment"), 0);
	second = assess_text(w, true);
	assert_string_equal(first, second);
	assert_int_equal(count(w, "SELECT count(*) FROM assessment WHERE author = 't'"), 1);
	assert_int_equal(count(w, "SELECT count(*) FROM fact WHERE name = 'blast_radius'"), 6);
	free(second);
	second = assess_text(w, true);
	assert_string_equal(first, second);
	assert_int_equal(count(w, "SELECT count(*) FROM assessment"), 2);
	free(first);
	free(second);
}

/* Offline: another handle, reading only, while the writer has the store open. */
static void reading_only_gives_the_same(void **state)
{
	struct world *w = *state;
	char error[256] = "", *mine, *theirs = NULL;
	struct store *s;

	world_fill(w);
	mine = assess_text(w, false);
	assert_int_equal(store_open(w->store, true, &s, error, sizeof(error)), 0);
	assert_int_equal(assess_run(s, ZTMM, WEEK, NOW, NOW, "t", false, &theirs, error, sizeof(error)), 0);
	assert_string_equal(mine, theirs);
	free(theirs);
	assert_int_not_equal(assess_run(s, ZTMM, WEEK, NOW, NOW, "t", true, &theirs, error, sizeof(error)),
			     0);
	assert_null(theirs);
	assert_non_null(strstr(error, "could not be stored"));
	store_close(s);
	free(mine);
}

static void table_fits_80_columns(void **state)
{
	struct world *w = *state;
	char *json, *table = NULL, error[128] = "";
	size_t size;
	FILE *out;

	world_fill(w);
	json = assess_text(w, false);
	out = open_memstream(&table, &size);
	assert_int_equal(assess_print_table(json, out, error, sizeof(error)), 0);
	fclose(out);
	assert_non_null(strstr(table, "Network segmentation"));
	assert_non_null(strstr(table, "SEG to initial: INSUFFICIENT"));
	for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n")) {
		if (strlen(line) > 80 || line[strlen(line) - 1] == ' ')
			fail_msg("%zu columns: %s", strlen(line), line);
	}
	assert_int_equal(assess_print_table("{}", stderr, error, sizeof(error)), -EINVAL);
	assert_int_equal(assess_print_table("nonsense", stderr, error, sizeof(error)), -EINVAL);
	free(table);
	free(json);
}

/* --- bad catalogues ------------------------------------------------------------------------------------ */

static const struct {
	const char *from, *to, *says;
} broken[] = {
	{"ztmm: 1", "ztmm: 2", "catalogue.yaml:3:1: ztmm: only version 1"},
	{"days: 7,", "days: 7, weight: 3,", "weight: unknown key"},
	{"day_share: 0.2,", "", "day_share: missing"},
	{"see: attested", "see: hoped", "see: observed, partly"},
	{"covers: [SEG.I1, ", "covers: [SEG.X9, ", "covers: no requirement"},
	{"sql: metrics/seg-2.sql", "sql: metrics/none.sql", "none.sql"},
	{"sql: metrics/seg-2.sql", "sql: ../../etc/passwd", "below the catalogue"},
	{"{flows: \">= 0.60\"", "{flows: \"0.60\"", "`>= number`"},
	{"function: AO,", "function: XX,", "function: no such function"},
	{"sql: metrics/ao-2.sql", "title2: x", "title2: unknown key"},
};

static char *read_all(const char *path)
{
	char *text = calloc(1, 65536);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_true(fread(text, 1, 65535, f) > 100);
	fclose(f);
	return text;
}

static void write_broken(struct world *w, const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char path[200];
	FILE *f;

	assert_non_null(at);
	snprintf(path, sizeof(path), "%s/catalogue.yaml", w->catalogue);
	unlink(path);
	f = fopen(path, "w");
	fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	fclose(f);
}

static void bad_catalogues_are_refused_with_their_place(void **state)
{
	struct world *w = *state;
	char path[200], *text;

	snprintf(path, sizeof(path), "%s/catalogue.yaml", w->catalogue);
	text = read_all(path);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		char error[256] = "", *json = NULL;

		write_broken(w, text, broken[i].from, broken[i].to);
		assert_int_equal(assess_run(w->s, w->catalogue, WEEK, NOW, NOW, "t", false, &json, error,
					    sizeof(error)),
				 -EINVAL);
		assert_null(json);
		if (!strstr(error, broken[i].says) || !strstr(error, "catalogue.yaml:"))
			fail_msg("%s: %s", broken[i].to, error);
	}
	free(text);
}

static void no_catalogue_is_named(void **state)
{
	struct world *w = *state;
	char error[256] = "", *json = NULL;

	assert_int_equal(
		assess_run(w->s, "/nonexistent", WEEK, NOW, NOW, "t", false, &json, error, sizeof(error)),
		-EINVAL);
	assert_non_null(strstr(error, "/nonexistent/catalogue.yaml"));
}

static void digest_follows_every_file(void **state)
{
	struct world *w = *state;
	char error[256], path[200], *text;
	struct catalogue *a, *b;

	a = catalogue_load(w->catalogue, error, sizeof(error));
	snprintf(path, sizeof(path), "%s/catalogue.yaml", w->catalogue);
	text = read_all(path);
	write_broken(w, text, "\">= 0.60\"", "\">= 0.50\"");
	b = catalogue_load(w->catalogue, error, sizeof(error));
	assert_non_null(a);
	assert_non_null(b);
	assert_string_not_equal(a->digest, b->digest);
	catalogue_free(a);
	catalogue_free(b);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_store_is_insufficient_and_no_error),
		cmocka_unit_test_setup_teardown(shipped_catalogue_claims_no_segmentation, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(result_is_stored_and_repeatable, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(reading_only_gives_the_same, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(table_fits_80_columns, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(bad_catalogues_are_refused_with_their_place, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(no_catalogue_is_named, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(digest_follows_every_file, world_setup, world_teardown),
	};

	return cmocka_run_group_tests_name("assess-report", tests, NULL, NULL);
}
