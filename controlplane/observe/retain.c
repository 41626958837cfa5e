/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Retention: whole days go, oldest first, never the newest. Before a day file is removed its decisions are
 * kept by hour in control.db, together with the note that the day is gone, in one transaction; so a removal
 * that was cut short is only finished the next time.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_internal.h"

static const char *const suffixes[] = {"", "-wal", "-shm"};

static uint64_t day_bytes(const struct store *s, const char *day)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char file[32], name[48], path[STORE_PATH_MAX];
		struct stat st;

		store_day_file(day, file);
		snprintf(name, sizeof(name), "%s%s", file, suffixes[i]);
		if (store_path(s, name, path) && stat(path, &st) == 0)
			bytes += (uint64_t)st.st_blocks * 512;
	}
	return bytes;
}

static int summarise(struct store *s, const char *day)
{
	static const char sql[] =
		"INSERT INTO removed_day SELECT '%1$s', %2$lld, %3$lld, (SELECT count(*) FROM old.decision), "
		"(SELECT coalesce(sum(count), 0) FROM old.aggregate);"
		"INSERT INTO hourly SELECT hour, generation, src_identity, dst_identity, verdict, intended, "
		"rule, reason, "
		"sum(n) FROM (SELECT time_ns / 3600000000000 AS hour, generation, src_identity, "
		"dst_identity, verdict, "
		"intended, rule, reason, count(*) AS n FROM old.decision GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 "
		"UNION ALL "
		"SELECT first_ns / 3600000000000, generation, src_identity, dst_identity, verdict, intended, "
		"rule, reason, "
		"sum(count) FROM old.aggregate GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) WHERE true GROUP BY 1, 2, 3, "
		"4, 5, 6, 7, 8 "
		"ON CONFLICT DO UPDATE SET count = count + excluded.count";
	char text[2048];
	long long start = day_start(day);

	snprintf(text, sizeof(text), sql, day, start, start + (long long)NS_PER_DAY);
	return store_exec(s, s->control, "control.db", text);
}

static int attach_old(struct store *s, const char *day)
{
	char file[32], path[STORE_PATH_MAX];
	sqlite3_stmt *q = NULL;
	int error = 0;

	store_day_file(day, file);
	if (!store_path(s, file, path))
		return -ENAMETOOLONG;
	if (sqlite3_prepare_v2(s->control, "ATTACH ?1 AS old", -1, &q, NULL) != SQLITE_OK)
		return store_fail(s, s->control, file, "opening");
	sqlite3_bind_text(q, 1, path, -1, SQLITE_STATIC);
	if (sqlite3_step(q) != SQLITE_DONE)
		error = store_fail(s, s->control, file, "opening");
	sqlite3_finalize(q);
	return error;
}

static int keep_hours(struct store *s, const char *day)
{
	int error = store_exec(s, s->control, "control.db", "BEGIN IMMEDIATE");

	if (error)
		return error;
	error = summarise(s, day);
	if (!error)
		error = store_exec(s, s->control, "control.db", "COMMIT");
	if (error)
		sqlite3_exec(s->control, "ROLLBACK", NULL, NULL, NULL);
	return error;
}

static bool is_noted(struct store *s, const char *day)
{
	sqlite3_stmt *q = NULL;
	bool found = false;

	if (sqlite3_prepare_v2(s->control, "SELECT 1 FROM removed_day WHERE day = ?1", -1, &q, NULL) ==
	    SQLITE_OK) {
		sqlite3_bind_text(q, 1, day, -1, SQLITE_STATIC);
		found = sqlite3_step(q) == SQLITE_ROW;
	}
	sqlite3_finalize(q);
	return found;
}

static int unlink_day(struct store *s, const char *day)
{
	store_forget_query(s);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char file[32], name[48], path[STORE_PATH_MAX];

		store_day_file(day, file);
		snprintf(name, sizeof(name), "%s%s", file, suffixes[i]);
		if (store_path(s, name, path) && unlink(path) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int remove_day(struct store *s, const char *day)
{
	int error = 0;

	if (!is_noted(s, day)) {
		error = attach_old(s, day);
		if (error)
			return error;
		error = keep_hours(s, day);
		sqlite3_exec(s->control, "DETACH old", NULL, NULL, NULL);
	}
	return error ? error : unlink_day(s, day);
}

int store_retain(struct store *s, uint64_t max_bytes, unsigned max_days)
{
	struct day_list days;
	uint64_t bytes = 0;
	size_t left;
	int error;

	if (s->read_only)
		return -EROFS;
	error = store_days(s, &days);
	for (size_t i = 0; i < days.n; i++)
		bytes += day_bytes(s, days.day[i]);
	left = days.n;
	for (size_t i = 0; i + 1 < days.n && !error; i++, left--) {
		uint64_t gone = day_bytes(s, days.day[i]);

		if (!(max_bytes && bytes > max_bytes) && !(max_days && left > max_days))
			break;
		error = remove_day(s, days.day[i]);
		bytes -= gone;
	}
	days_free(&days);
	return error;
}
