/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metrics: each .sql file of the catalogue, run once per stage over that stage's window. The contract of such
 * a file stands in policies/ztmm/views.sql. A file that is not one reading statement with the four columns is
 * refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assessment.h"

int assess_failed(struct assessment *a, const char *name)
{
	int code = sqlite3_errcode(a->db);

	snprintf(a->error, sizeof(a->error), "%s: %s", name, sqlite3_errmsg(a->db));
	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		return -EBADMSG;
	return code == SQLITE_ERROR ? -EINVAL : -EIO;
}

static void bind_name(sqlite3_stmt *q, const char *name, int64_t v)
{
	int i = sqlite3_bind_parameter_index(q, name);

	if (i)
		sqlite3_bind_int64(q, i, v);
}

sqlite3_stmt *assess_prepare(struct assessment *a, const char *name, const char *sql, int64_t from_ns)
{
	sqlite3_stmt *q = NULL;

	if (sqlite3_prepare_v2(a->db, sql, -1, &q, NULL) != SQLITE_OK || !q) {
		assess_failed(a, name);
		return NULL;
	}
	bind_name(q, ":from_ns", from_ns);
	bind_name(q, ":until_ns", a->until_ns);
	bind_name(q, ":now_ns", a->now_ns);
	bind_name(q, ":generation", a->generation);
	return q;
}

static struct measure *add_measure(struct value *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++) {
		if (!strcmp(v->measures[i].name, name))
			return &v->measures[i];
	}
	if (v->n == MEASURES_MAX)
		return NULL;
	snprintf(v->measures[v->n].name, sizeof(v->measures[v->n].name), "%s", name);
	return &v->measures[v->n++];
}

static int add_row(struct value *v, sqlite3_stmt *q)
{
	const char *name = (const char *)sqlite3_column_text(q, 0);
	struct measure *m = add_measure(v, name ? name : "");
	struct stratum row = {sqlite3_column_double(q, 2), sqlite3_column_double(q, 3)};
	struct stratum *more;

	if (!m)
		return -E2BIG;
	m->numerator += row.numerator;
	m->denominator += row.denominator;
	if (!sqlite3_column_bytes(q, 1))
		return 0;
	more = realloc(m->strata, (m->n_strata + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	m->strata = more;
	m->strata[m->n_strata++] = row;
	return 0;
}

static int run(struct assessment *a, const struct metric *m, enum stage stage, struct value *v)
{
	sqlite3_stmt *q = assess_prepare(a, m->sql_file, m->sql, a->evidence[stage].from_ns);
	int rc = SQLITE_DONE, error = 0;

	if (!q)
		return -EINVAL;
	if (!sqlite3_stmt_readonly(q) || sqlite3_column_count(q) != 4) {
		snprintf(a->error, sizeof(a->error), "%s: one reading statement with four columns is wanted",
			 m->sql_file);
		error = -EINVAL;
	}
	while (!error && (rc = sqlite3_step(q)) == SQLITE_ROW)
		error = add_row(v, q);
	if (!error && rc != SQLITE_DONE)
		error = assess_failed(a, m->sql_file);
	sqlite3_finalize(q);
	return error;
}

int metrics_compute(struct assessment *a)
{
	for (size_t i = 0; i < a->c->n_metrics; i++) {
		const struct metric *m = &a->c->metrics[i];

		for (int s = STAGE_INITIAL; s < STAGE_COUNT && m->sql; s++) {
			int error = m->demands[s].asked ? run(a, m, (enum stage)s, &a->values[i][s]) : 0;

			if (error)
				return error;
		}
	}
	return 0;
}

const struct measure *value_measure(const struct value *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++) {
		if (!strcmp(v->measures[i].name, name))
			return &v->measures[i];
	}
	return NULL;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

bool measure_worst(const struct measure *m, double min_sample, bool at_least, double *worst, size_t *unknown)
{
	double *ratio = calloc(m->n_strata + 1, sizeof(*ratio));
	size_t n = 0, place;

	*unknown = 0;
	for (size_t i = 0; i < m->n_strata && ratio; i++) {
		if (m->strata[i].denominator >= min_sample)
			ratio[n++] = m->strata[i].numerator / m->strata[i].denominator;
		else
			(*unknown)++;
	}
	if (!n) {
		free(ratio);
		return false;
	}
	qsort(ratio, n, sizeof(*ratio), ascending);
	place = (n + 9) / 10 - 1; /* nearest rank of the tenth part */
	*worst = at_least ? ratio[place] : ratio[n - 1 - place];
	free(ratio);
	return true;
}
