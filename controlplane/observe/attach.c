/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection over the whole store, for questions. `main` is an empty database in memory with the day
 * files' schema; control.db is attached as `control` and the newest days as d0 (newest), d1, ...; views in
 * the temp schema join the days and hide main's empty tables. So a question needs no other text when there is
 * no day at all.
 *
 * Nothing here can write to the store: all is attached for reading.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

#define SQL_MAX 4096u

static const char *const day_tables[] = {"decision", "session_update", "aggregate", "frames", "account"};

static int attach(struct store *s, const char *file, const char *name)
{
	char uri[STORE_URI_MAX];
	sqlite3_stmt *q = NULL;
	int error = 0;

	if (!store_uri(s, file, uri))
		return -ENAMETOOLONG;
	store_recover(s, file);
	if (sqlite3_prepare_v2(s->query, "ATTACH ?1 AS ?2", -1, &q, NULL) != SQLITE_OK)
		return store_fail(s, s->query, file, "opening");
	sqlite3_bind_text(q, 1, uri, -1, SQLITE_STATIC);
	sqlite3_bind_text(q, 2, name, -1, SQLITE_STATIC);
	if (sqlite3_step(q) != SQLITE_DONE)
		error = store_fail(s, s->query, file, "opening");
	sqlite3_finalize(q);
	return error;
}

/* The account that counts is the newest day's; the others would count it again. */
static int make_view(struct store *s, const char *table, size_t n)
{
	char sql[SQL_MAX];
	bool account = !strcmp(table, "account");
	int at = snprintf(sql, sizeof(sql), "CREATE TEMP VIEW %s AS ", table);

	for (size_t i = 0; i < n; i++) {
		at += snprintf(sql + at, sizeof(sql) - (size_t)at, "%sSELECT * FROM d%zu.%s AS x",
			       i ? " UNION ALL " : "", i, table);
		for (size_t newer = 0; newer < i && account; newer++)
			at += snprintf(sql + at, sizeof(sql) - (size_t)at,
				       "%s NOT EXISTS (SELECT 1 FROM d%zu.account AS y WHERE y.instance = "
				       "x.instance AND "
				       "y.worker = x.worker)",
				       newer ? " AND" : " WHERE", newer);
	}
	if (at >= (int)sizeof(sql))
		return -E2BIG;
	return store_exec(s, s->query, "queries", sql);
}

static int attach_days(struct store *s)
{
	int error = 0;

	for (size_t i = 0; i < s->attached.n && !error; i++) {
		char file[32], name[24];

		store_day_file(s->attached.day[i], file);
		snprintf(name, sizeof(name), "d%zu", i);
		error = attach(s, file, name);
	}
	for (size_t i = 0; i < sizeof(day_tables) / sizeof(day_tables[0]) && s->attached.n && !error; i++)
		error = make_view(s, day_tables[i], s->attached.n);
	return error;
}

static int open_query(struct store *s)
{
	int error;

	if (sqlite3_open_v2(":memory:", &s->query,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return -ENOMEM;
	sqlite3_busy_timeout(s->query, 5000);
	error = store_exec(s, s->query, "queries", store_flows_sql);
	if (!error)
		error = s->unmade ? store_exec(s, s->query, "queries", store_control_sql)
				  : attach(s, "control.db", "control");
	return error ? error : attach_days(s);
}

/* The newest `days` days that can be attached beside control.db, newest first. */
static int wanted_days(struct store *s, unsigned days, struct day_list *out, unsigned *missing)
{
	size_t room = (size_t)sqlite3_limit(s->control, SQLITE_LIMIT_ATTACHED, -1) - 1;
	struct day_list all;
	int error = store_days(s, &all);
	size_t want;

	*out = (struct day_list){0};
	if (error)
		return error;
	if (s->read_only && all.n && !store_day_made(s, all.day[all.n - 1]))
		all.n--;
	want = days && days < all.n ? days : all.n;
	out->n = want < room ? want : room;
	*missing = (unsigned)(want - out->n);
	out->day = malloc((out->n + 1) * sizeof(*out->day));
	for (size_t i = 0; i < out->n && out->day; i++)
		memcpy(out->day[i], all.day[all.n - 1 - i], STORE_DAY_TEXT);
	days_free(&all);
	return out->day ? 0 : -ENOMEM;
}

static bool same_days(const struct day_list *a, const struct day_list *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->day, b->day, a->n * sizeof(*a->day)));
}

void store_forget_query(struct store *s)
{
	sqlite3_close(s->query);
	s->query = NULL;
	days_free(&s->attached);
}

struct sqlite3 *store_query_db(struct store *s, unsigned days, unsigned *days_missing)
{
	struct day_list wanted;
	unsigned missing = 0;

	if (wanted_days(s, days, &wanted, &missing) < 0)
		return NULL;
	if (days_missing)
		*days_missing = missing;
	if (s->query && same_days(&wanted, &s->attached)) {
		days_free(&wanted);
		return s->query;
	}
	store_forget_query(s);
	s->attached = wanted;
	if (open_query(s) == 0)
		return s->query;
	store_forget_query(s);
	return NULL;
}
