/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handlers that change the generation, and those that list generations.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"
#include "handlers.h"
#include "sql.h"

#define FILES_MAX 1024u
#define TEXT_MAX  4096u

static const char *const severities[] = {"error", "warning", "note"};

static json_t *findings_json(const struct diags *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n; i++) {
		const struct diag *f = &d->items[i];

		json_array_append_new(list, json_pack("{s:s, s:s?, s:i, s:i, s:i, s:o}", "severity",
						      severities[f->severity], "file", f->place.file, "line",
						      (int)f->place.line, "column", (int)f->place.column,
						      "end_column", (int)f->place.end_column, "text",
						      answer_string(f->text)));
	}
	return list;
}

/* Commits `g` (taken) and writes the answer, good or bad. */
static void commit_and_answer(struct daemon *d, struct api_answer *a, const char *verb, struct generation *g,
			      const struct commit_meta *meta)
{
	struct commit_result result;
	struct commit_error error;
	struct diags findings;

	diags_init(&findings);
	if (commit_run(d, g, meta, &findings, &result, &error)) {
		handlers_answer(d, a, verb,
				json_pack("{s:I, s:s, s:I, s:{s:I, s:I}, s:n, s:o}", "generation",
					  (json_int_t)result.number, "digest", result.digest, "tests_passed",
					  (json_int_t)result.tests_passed, "changed", "opens",
					  (json_int_t)result.change.opens, "closes",
					  (json_int_t)result.change.closes, "revoked", "findings",
					  findings_json(&findings)),
				true, 0);
	} else {
		answer_error(a, error.status, error.code, error.text, error.unchanged, error.next,
			     findings_json(&findings));
		generation_free(g);
	}
	diags_free(&findings);
}

/* --- commit ----------------------------------------------------------------------------------- */

/* NULL with a usage answer if the list is not one of {name, text}. */
static struct generation *files_of(const json_t *list, struct api_answer *a)
{
	struct generation *g;
	json_t *file;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > FILES_MAX) {
		handlers_usage(a, "`files` must be a list of 1 to %u files", FILES_MAX);
		return NULL;
	}
	g = generation_new(json_array_size(list));
	json_array_foreach(list, i, file)
	{
		const char *name = json_string_value(json_object_get(file, "name"));
		const json_t *text = json_object_get(file, "text");

		if (name && name[0] && strlen(name) <= 255 && json_is_string(text) && g &&
		    generation_add_file(g, name, json_string_value(text), json_string_length(text)))
			continue;
		handlers_usage(a, "files[%zu] must have a `name` of its own and a `text`", i);
		generation_free(g);
		return NULL;
	}
	return g;
}

/* *out is NULL if the key is absent or null. False with a usage answer if it is anything but a short string.
 */
static bool optional_text(const json_t *body, const char *key, const char **out, struct api_answer *a)
{
	const json_t *value = json_object_get(body, key);

	*out = json_string_value(value);
	if (!value || json_is_null(value))
		return true;
	if (*out && json_string_length(value) <= TEXT_MAX && strlen(*out) == json_string_length(value))
		return true;
	handlers_usage(a, "`%s` must be a string of at most %u bytes", key, TEXT_MAX);
	return false;
}

void handle_commit(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	static const char *const keys[] = {"files", "message", "ticket", NULL};
	struct commit_meta meta = {.author = rq->peer->name};
	struct generation *g;

	if (!handlers_only_keys(rq->body, keys, a) || !optional_text(rq->body, "message", &meta.message, a) ||
	    !optional_text(rq->body, "ticket", &meta.ticket, a))
		return;
	if (!meta.message)
		meta.message = "";
	g = files_of(json_object_get(rq->body, "files"), a);
	if (g)
		commit_and_answer(ctx, a, "commit", g, &meta);
}

/* --- rollback --------------------------------------------------------------------------------- */

/* Only what was in force once may come back. */
static bool was_active(struct daemon *d, int64_t number)
{
	return sql_number(d->journal.db, 0,
			  "SELECT count(*) FROM generation WHERE number = ? AND active_ns IS NOT NULL", "i",
			  number);
}

static bool rollback_target(struct daemon *d, const json_t *body, int64_t *number, struct api_answer *a)
{
	const json_t *to = json_object_get(body, "to");
	char unchanged[64];

	snprintf(unchanged, sizeof(unchanged), "generation %u stays active", daemon_generation(d));
	if (to && !json_is_null(to) && !json_is_integer(to)) {
		handlers_usage(a, "`to` must be the number of a generation, or null");
		return false;
	}
	*number = json_is_integer(to) ? json_integer_value(to) : journal_before_active(&d->journal);
	if (*number > 0 && *number <= UINT32_MAX && was_active(d, *number))
		return true;
	answer_error(a, 404, CLI_USAGE,
		     json_is_integer(to) ? "no such generation was ever active"
					 : "there is no generation before this one",
		     unchanged, "`cordon generations` and GET /v1/generations list them", NULL);
	return false;
}

void handle_rollback(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	static const char *const keys[] = {"to", "message", NULL};
	struct daemon *d = ctx;
	struct commit_meta meta = {.author = rq->peer->name};
	char error[ENFORCER_ERROR] = "", message[64];
	struct generation *g;

	if (!handlers_only_keys(rq->body, keys, a) || !optional_text(rq->body, "message", &meta.message, a) ||
	    !rollback_target(d, rq->body, &meta.from_generation, a))
		return;
	if (journal_load(&d->journal, (uint32_t)meta.from_generation, &g, error) < 0 || !g) {
		answer_error(a, 500, CLI_NOT_APPLIED, error, "the active generation stays active", NULL,
			     NULL);
		return;
	}
	snprintf(message, sizeof(message), "rollback to generation %lld", (long long)meta.from_generation);
	if (!meta.message)
		meta.message = message;
	generation_forget_image(g);
	commit_and_answer(d, a, "rollback", g, &meta);
}

/* --- lists ------------------------------------------------------------------------------------ */

static const char select_generations[] = "SELECT number, state, digest, image_digest, author, message, "
					 "ticket, from_generation, prepared_ns, active_ns,"
					 " ended_ns, tests_passed, origin, needs_dpdk FROM generation";

static json_t *nullable_text(sqlite3_stmt *row, int column)
{
	return sqlite3_column_type(row, column) == SQLITE_NULL ? json_null()
							       : json_string(sql_text(row, column));
}

static json_t *nullable_number(sqlite3_stmt *row, int column)
{
	return sqlite3_column_type(row, column) == SQLITE_NULL
		       ? json_null()
		       : json_integer(sqlite3_column_int64(row, column));
}

static void add_generation(void *ctx, sqlite3_stmt *row)
{
	json_array_append_new(
		ctx,
		json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:o}", "number",
			  (json_int_t)sqlite3_column_int64(row, 0), "state", sql_text(row, 1), "digest",
			  sql_text(row, 2), "image_digest", sql_text(row, 3), "author", sql_text(row, 4),
			  "message", sql_text(row, 5), "ticket", nullable_text(row, 6), "from_generation",
			  nullable_number(row, 7), "prepared", json_time(sqlite3_column_int64(row, 8)),
			  "active", json_time(sqlite3_column_int64(row, 9)), "ended",
			  json_time(sqlite3_column_int64(row, 10)), "tests_passed",
			  (json_int_t)sqlite3_column_int64(row, 11), "origin", sql_text(row, 12),
			  "needs_dpdk", nullable_number(row, 13)));
}

static void add_file(void *ctx, sqlite3_stmt *row)
{
	json_array_append_new(ctx,
			      json_pack("{s:s, s:s}", "name", sql_text(row, 0), "text", sql_text(row, 1)));
}

static void database_failed(struct daemon *d, struct api_answer *a)
{
	char text[ENFORCER_ERROR];

	snprintf(text, sizeof(text), "control.db: %s", sqlite3_errmsg(d->journal.db));
	answer_error(a, 500, CLI_NOT_APPLIED, text, NULL, NULL, NULL);
}

void handle_generations(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	struct daemon *d = ctx;
	json_t *list = json_array();
	char sql[512];

	snprintf(sql, sizeof(sql), "%s ORDER BY number DESC", select_generations);
	if (sql_each(d->journal.db, add_generation, list, sql, "") == 0) {
		handlers_answer(d, a, "generations", list, true, 0);
		return;
	}
	json_decref(list);
	database_failed(d, a);
}

void handle_generation(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	struct daemon *d = ctx;
	json_t *list = json_array(), *files = json_array(), *row;
	char sql[512], *end;
	long long number = strtoll(rq->rest, &end, 10);

	snprintf(sql, sizeof(sql), "%s WHERE number = ?", select_generations);
	if (*end || number <= 0 ||
	    sql_each(d->journal.db, add_generation, list, sql, "i", (int64_t)number) < 0 ||
	    json_array_size(list) == 0) {
		answer_error(a, 404, CLI_USAGE, "there is no such generation", NULL, NULL, NULL);
		json_decref(list);
		json_decref(files);
		return;
	}
	sql_each(d->journal.db, add_file, files,
		 "SELECT name, text FROM generation_file WHERE generation = ? ORDER BY name", "i",
		 (int64_t)number);
	row = json_incref(json_array_get(list, 0));
	json_object_set_new(row, "files", files);
	json_decref(list);
	handlers_answer(d, a, "generation", row, true, 0);
}
