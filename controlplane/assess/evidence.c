/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What evidence there is for the window of each stage, before any metric is looked at: sample, spread,
 * losses, clock, read-back. Counted from what was stored, never from what policy says.
 */
#include <errno.h>
#include <string.h>

#include "assessment.h"

/* One row of numbers into `out`, in order. */
static int ask(struct assessment *a, const char *sql, int64_t from_ns, int64_t *out, int n)
{
	sqlite3_stmt *q = assess_prepare(a, "evidence", sql, from_ns);
	int error = 0;

	if (!q)
		return -EIO;
	if (sqlite3_step(q) == SQLITE_ROW) {
		for (int i = 0; i < n; i++)
			out[i] = sqlite3_column_int64(q, i);
	}
	if (sqlite3_finalize(q) != SQLITE_OK)
		error = assess_failed(a, "evidence");
	return error;
}

static int find_generation(struct assessment *a)
{
	static const char sql[] =
		"SELECT number, active_ns, image_digest FROM generation WHERE state = 'active' "
		"ORDER BY number DESC LIMIT 1";
	sqlite3_stmt *q = assess_prepare(a, "evidence", sql, 0);

	if (!q)
		return -EIO;
	if (sqlite3_step(q) == SQLITE_ROW) {
		const char *digest = (const char *)sqlite3_column_text(q, 2);

		a->generation = sqlite3_column_int64(q, 0);
		a->active_ns =
			sqlite3_column_type(q, 1) == SQLITE_NULL ? a->now_ns : sqlite3_column_int64(q, 1);
		if (digest && strlen(digest) < sizeof(a->image_digest))
			strcpy(a->image_digest, digest);
	}
	return sqlite3_finalize(q) == SQLITE_OK ? 0 : assess_failed(a, "evidence");
}

static int find_latest(struct assessment *a)
{
	static const char sql[] =
		"SELECT max(t) FROM (SELECT max(time_ns) AS t FROM decision UNION ALL SELECT max(last_ns) "
		"FROM aggregate "
		"UNION ALL SELECT max(seen_ns) FROM account UNION ALL SELECT max(active_ns) FROM generation "
		"UNION ALL "
		"SELECT max(time_ns) FROM readback UNION ALL SELECT max(time_ns) FROM assessment)";

	return ask(a, sql, 0, &a->latest_ns, 1);
}

/* --- sample and spread --------------------------------------------------------------------------------- */

struct spread {
	int64_t last_hour;
	int64_t day;
	uint64_t in_day, largest_day;
};

static double hours_between(int64_t from_hour, int64_t to_hour)
{
	return to_hour > from_hour ? (double)(to_hour - from_hour) : 0;
}

static void add_hour(struct evidence *e, struct spread *s, int64_t hour, uint64_t flows)
{
	double gap = hours_between(s->last_hour + 1, hour);

	if (gap > e->longest_gap_hours)
		e->longest_gap_hours = gap;
	s->last_hour = hour;
	if (hour / 24 != s->day) {
		s->day = hour / 24;
		s->in_day = 0;
	}
	s->in_day += flows;
	if (s->in_day > s->largest_day)
		s->largest_day = s->in_day;
	e->flows += flows;
	e->hours_with++;
}

static int collect_hours(struct assessment *a, struct evidence *e)
{
	static const char sql[] = "SELECT time_ns / 3600000000000, sum(count) FROM flow "
				  "WHERE time_ns >= :from_ns AND time_ns < :until_ns GROUP BY 1 ORDER BY 1";
	struct spread s = {.last_hour = e->from_ns / NS_PER_HOUR - 1, .day = -1};
	sqlite3_stmt *q = assess_prepare(a, "evidence", sql, e->from_ns);
	double gap;

	if (!q)
		return -EIO;
	while (sqlite3_step(q) == SQLITE_ROW)
		add_hour(e, &s, sqlite3_column_int64(q, 0), (uint64_t)sqlite3_column_int64(q, 1));
	gap = hours_between(s.last_hour + 1, e->until_ns / NS_PER_HOUR);
	if (gap > e->longest_gap_hours)
		e->longest_gap_hours = gap;
	e->hours = (uint64_t)((e->until_ns + NS_PER_HOUR - 1) / NS_PER_HOUR - e->from_ns / NS_PER_HOUR);
	e->largest_day = e->flows ? (double)s.largest_day / (double)e->flows : 0;
	return sqlite3_finalize(q) == SQLITE_OK ? 0 : assess_failed(a, "evidence");
}

static int collect_identities(struct assessment *a, struct evidence *e)
{
	static const char sql[] =
		"SELECT count(*) FROM (SELECT src_identity FROM flow WHERE time_ns >= :from_ns AND time_ns < "
		":until_ns "
		"AND src_identity >= 16 UNION SELECT dst_identity FROM flow WHERE time_ns >= :from_ns AND "
		"time_ns < :until_ns AND dst_identity >= 16)";
	int64_t n = 0;
	int error = ask(a, sql, e->from_ns, &n, 1);

	e->identities = (uint64_t)n;
	return error;
}

/* --- health -------------------------------------------------------------------------------------------- */

static int collect_accounts(struct assessment *a, struct evidence *e)
{
	static const char sums[] =
		"SELECT coalesce(sum(decisions), 0), coalesce(sum(lost), 0), coalesce(sum(clock_back), 0), "
		"coalesce(sum(closed <> 0 AND decisions <> written + aggregated + lost), 0) "
		"FROM account WHERE started_ns < :until_ns AND seen_ns >= :from_ns";
	/* Rows that the account says were stored and that are not there any more, but for days that retention
	 * took. */
	static const char missing[] =
		"SELECT count(*) FROM (SELECT instance, min(started_ns) AS started, sum(written) AS written, "
		"sum(aggregated) AS aggregated FROM account WHERE started_ns < :until_ns AND seen_ns >= "
		":from_ns "
		"GROUP BY instance) AS x WHERE NOT EXISTS (SELECT 1 FROM removed_day WHERE until_ns > "
		"x.started) AND "
		"(x.written > (SELECT count(*) FROM decision AS d WHERE d.instance = x.instance) OR "
		"x.aggregated > "
		"(SELECT coalesce(sum(g.count), 0) FROM aggregate AS g WHERE g.instance = x.instance))";
	int64_t n[4] = {0}, rows = 0;
	int error = ask(a, sums, e->from_ns, n, 4);

	e->decisions = (uint64_t)n[0];
	e->lost = (uint64_t)n[1];
	e->clock_back = (uint64_t)n[2];
	e->open_accounts = (uint64_t)n[3];
	if (!error && !a->days_missing)
		error = ask(a, missing, e->from_ns, &rows, 1);
	e->missing_rows = (uint64_t)rows;
	return error;
}

static int collect_days(struct assessment *a, struct evidence *e)
{
	static const char sql[] = "SELECT (SELECT count(*) FROM removed_day WHERE from_ns < :until_ns AND "
				  "until_ns > :from_ns), "
				  "coalesce((SELECT min(time_ns) FROM decision), :until_ns) > :from_ns";
	int64_t n[2] = {0};
	int error = ask(a, sql, e->from_ns, n, 2);

	e->removed_days = (uint64_t)n[0];
	e->days_unread = a->days_missing && n[1];
	return error;
}

/*
 * Read-backs of generations that were in force: before the first commit nothing is expected, and a commit
 * that was given up was never in force. Gaps count from the window's begin, or from the first generation if
 * that came later.
 */
static int collect_readback(struct assessment *a, struct evidence *e)
{
	static const char first[] =
		"SELECT max(:from_ns, coalesce((SELECT min(active_ns) FROM generation), :until_ns))";
	static const char sql[] = "SELECT r.time_ns, r.equal AND r.generation = r.expected AND "
				  "r.image_digest = g.image_digest, "
				  "r.generation = :generation, coalesce(r.clock_bad, 0) FROM readback AS r "
				  "JOIN generation AS g "
				  "ON g.number = r.expected AND g.active_ns IS NOT NULL "
				  "WHERE r.time_ns >= :from_ns AND r.time_ns < :until_ns ORDER BY r.time_ns";
	int64_t last = e->until_ns, gap = 0;
	int error = ask(a, first, e->from_ns, &last, 1);
	sqlite3_stmt *q = error ? NULL : assess_prepare(a, "evidence", sql, e->from_ns);

	if (!q)
		return -EIO;
	while (sqlite3_step(q) == SQLITE_ROW) {
		int64_t t = sqlite3_column_int64(q, 0);

		if (t - last > gap)
			gap = t - last;
		last = t;
		if (!sqlite3_column_int(q, 1))
			e->readbacks_unequal++;
		else if (sqlite3_column_int(q, 2))
			e->readbacks++;
		e->clock_asked++;
		e->clock_bad += (uint64_t)sqlite3_column_int(q, 3);
	}
	if (e->until_ns - last > gap)
		gap = e->until_ns - last;
	e->readback_gap_seconds = (double)gap / NS_PER_SECOND;
	return sqlite3_finalize(q) == SQLITE_OK ? 0 : assess_failed(a, "evidence");
}

static int collect_stage(struct assessment *a, enum stage stage)
{
	static int (*const parts[])(struct assessment *, struct evidence *) = {
		collect_hours, collect_identities, collect_accounts, collect_days, collect_readback,
	};
	struct evidence *e = &a->evidence[stage];
	int error = 0;

	e->until_ns = a->until_ns;
	e->from_ns = a->until_ns - (int64_t)a->c->stages[stage].days * NS_PER_DAY;
	if (e->from_ns < a->from_ns)
		e->from_ns = a->from_ns;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !error; i++)
		error = parts[i](a, e);
	return error;
}

int evidence_collect(struct assessment *a)
{
	int error = find_generation(a);

	if (!error)
		error = find_latest(a);
	for (int s = STAGE_INITIAL; s < STAGE_COUNT && !error; s++)
		error = collect_stage(a, (enum stage)s);
	return error;
}
