/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One assessment from beginning to end: catalogue, evidence, facts, metrics, award, report.
 */
#include "assess.h"

#include <errno.h>
#include <string.h>

#include "assessment.h"

#define JSON_FLAGS (JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(9))

static void close_query(struct assessment *a)
{
	sqlite3_exec(a->db, "DROP VIEW IF EXISTS temp.flow; DROP TABLE IF EXISTS temp.fact", NULL, NULL,
		     NULL);
}

static int open_query(struct assessment *a)
{
	a->db = store_query_db(a->store, 0, &a->days_missing);
	if (!a->db) {
		snprintf(a->error, sizeof(a->error), "%s", store_error(a->store));
		return -EIO;
	}
	close_query(a);
	return sqlite3_exec(a->db, a->c->views, NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : assess_failed(a, "views.sql");
}

static int keep_result(struct assessment *a, const char *json)
{
	static const char sql[] = "INSERT INTO assessment (time_ns, window_from_ns, window_until_ns, "
				  "catalogue_digest, author, result) "
				  "VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
	sqlite3 *db = store_control(a->store);
	sqlite3_stmt *q = NULL;
	int error = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK) {
		sqlite3_bind_int64(q, 1, a->now_ns);
		sqlite3_bind_int64(q, 2, a->from_ns);
		sqlite3_bind_int64(q, 3, a->until_ns);
		sqlite3_bind_text(q, 4, a->c->digest, -1, SQLITE_STATIC);
		sqlite3_bind_text(q, 5, a->author, -1, SQLITE_STATIC);
		sqlite3_bind_text(q, 6, json, -1, SQLITE_STATIC);
		sqlite3_step(q);
	}
	if (sqlite3_finalize(q) != SQLITE_OK || !sqlite3_changes(db)) {
		snprintf(a->error, sizeof(a->error), "the result could not be stored: %s",
			 sqlite3_errmsg(db));
		error = sqlite3_errcode(db) == SQLITE_FULL ? -ENOSPC : -EIO;
	}
	return error;
}

static int keep(struct assessment *a, const char *json)
{
	sqlite3 *db = store_control(a->store);
	int error;

	if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
		snprintf(a->error, sizeof(a->error), "the result could not be stored: %s",
			 sqlite3_errmsg(db));
		return -EIO;
	}
	error = facts_keep(a);
	if (!error)
		error = keep_result(a, json);
	if (!error && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
		snprintf(a->error, sizeof(a->error), "the result could not be stored: %s",
			 sqlite3_errmsg(db));
		error = -EIO;
	}
	if (error)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return error;
}

static int judge(struct assessment *a, char **json)
{
	json_t *report;
	int error = evidence_collect(a);

	if (!error)
		error = facts_compute(a);
	if (!error)
		error = metrics_compute(a);
	if (!error)
		error = award(a);
	if (error)
		return error;
	report = report_json(a);
	*json = json_dumps(report, JSON_FLAGS);
	json_decref(report);
	return *json ? 0 : -ENOMEM;
}

static int run(struct assessment *a, bool keep_it, char **json)
{
	int error = open_query(a);

	if (error)
		return error;
	error = judge(a, json);
	if (!error && keep_it)
		error = keep(a, *json);
	close_query(a);
	return error;
}

static int take_memory(struct assessment *a)
{
	a->values = calloc(a->c->n_metrics + 1, sizeof(*a->values));
	a->cells = calloc(a->c->n_functions + 1, sizeof(*a->cells));
	return a->values && a->cells ? 0 : -ENOMEM;
}

static void give_memory(struct assessment *a)
{
	for (size_t i = 0; a->values && i < a->c->n_metrics; i++) {
		for (int s = 0; s < STAGE_COUNT; s++) {
			for (size_t m = 0; m < a->values[i][s].n; m++)
				free(a->values[i][s].measures[m].strata);
		}
	}
	for (size_t i = 0; a->cells && i < a->c->n_functions; i++) {
		for (int s = 0; s < STAGE_COUNT; s++)
			json_decref(a->cells[i][s].lacks);
	}
	free(a->values);
	free(a->cells);
}

int assess_run(struct store *s, const char *catalogue_dir, int64_t from_ns, int64_t until_ns, int64_t now_ns,
	       const char *author, bool keep_it, char **json, char *error, size_t room)
{
	struct assessment a = {
		.store = s, .from_ns = from_ns, .until_ns = until_ns, .now_ns = now_ns, .author = author};
	struct catalogue *c;
	int code;

	*json = NULL;
	snprintf(error, room, "out of memory");
	/* nothing is known of what is to come, and nothing was before 1970 */
	if (a.until_ns > now_ns)
		a.until_ns = now_ns;
	if (a.from_ns < 0)
		a.from_ns = 0;
	if (a.from_ns >= a.until_ns) {
		snprintf(error, room, "the window ends before it begins");
		return -EINVAL;
	}
	c = catalogue_load(catalogue_dir, error, room);
	if (!c)
		return -EINVAL;
	a.c = c;
	code = take_memory(&a);
	if (!code)
		code = run(&a, keep_it, json);
	if (code && a.error[0])
		snprintf(error, room, "%s", a.error);
	if (code) {
		free(*json);
		*json = NULL;
	} else {
		error[0] = 0;
	}
	give_memory(&a);
	catalogue_free(c);
	return code;
}
