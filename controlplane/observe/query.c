/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows, newest first. Each attached day is asked by itself with the same limit, newest day first, so that
 * the time index gives the order and nothing is sorted but the answer; a day can be left out once enough rows
 * are newer than its end, because a file holds nothing that was recorded after its day.
 */
#include "query.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"
#include "text.h"

#define LIMIT_DEFAULT 100u
#define LIMIT_MAX     1000000u
#define SQL_MAX       6144u

/* An identity's text and a rule's id, with words for what no table names. */
#define IDENTITY_SQL(column)                                                                                 \
	"coalesce((SELECT text FROM dictionary WHERE number = " column "), CASE " column                     \
	" WHEN 0 THEN '$none' WHEN 1 THEN '$unknown' WHEN 2 THEN '$conflict' WHEN 3 THEN '$gateway'"         \
	" WHEN 4 THEN '$world' WHEN 5 THEN '$multicast' ELSE 'identity:' || " column " END)"
#define RULE_SQL(column)                                                                                     \
	"coalesce((SELECT id FROM rule AS r WHERE r.generation = x.generation AND r.number = " column "),"   \
	" CASE " column " WHEN 0 THEN 'default-deny' ELSE 'rule:' || " column " END)"
#define SRC_SQL      IDENTITY_SQL("x.src_identity")
#define DST_SQL      IDENTITY_SQL("x.dst_identity")
#define ENFORCED_SQL RULE_SQL("x.rule")
#define INTENDED_SQL RULE_SQL("x.intended_rule")

/* No part of the JSON list `parts` is missing in the identity: a part with `=` is a whole label, any other a
 * piece of the text. */
#define WHO_SQL(parts, text)                                                                                 \
	"(" parts " IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(" parts ") AS p WHERE NOT"                \
	" CASE WHEN instr(p.value, '=') THEN instr(',' || " text " || ',', ',' || p.value || ',')"           \
	" ELSE instr(" text ", p.value) END))"

/* Columns of the answer; what differs between the two tables stands in the lists below. */
static const char select_sql[] =
	"SELECT * FROM (SELECT %s, CASE WHEN x.verdict = x.intended THEN x.verdict"
	" WHEN x.verdict = 'allow' THEN 'would-deny' ELSE 'would-allow' END AS word, " ENFORCED_SQL
	" AS rule_id, " INTENDED_SQL " AS intended_id, x.reason, x.intended, x.src, x.domain, " SRC_SQL
	" AS src_text, " DST_SQL " AS dst_text, x.generation, x.instance FROM d%zu.%s AS x) "
	"WHERE at BETWEEN ?1 AND ?2"
	" AND (?3 IS NULL OR instr(',' || ?3 || ',', ',' || word || ','))"
	" AND " WHO_SQL(
		"?4", "src_text") " AND (?5 IS NULL OR src = ?5)"
				  " AND " WHO_SQL(
					  "?6",
					  "dst_text") " AND (?8 IS NULL OR rule_id = ?8 OR intended_id = ?8)"
						      " AND (?9 IS NULL OR reason = ?9) AND %s "
						      "ORDER BY at DESC LIMIT ?11";

struct table {
	const char *name, *columns, *where;
};
static const struct table tables[] = {
	{"decision",
	 "x.time_ns AS at, CASE x.type WHEN 'open' THEN 'session' ELSE x.type END AS kind, x.time_ns AS "
	 "first, "
	 "1 AS count, x.bytes AS bytes, x.session AS session, x.dst AS dst, x.proto AS proto, x.sport AS "
	 "sport, "
	 "x.dport AS dport",
	 "(?7 IS NULL OR dst = ?7) AND (?10 < 0 OR (proto << 16 | dport) = ?10)"},
	{"aggregate",
	 "x.last_ns AS at, 'aggregate' AS kind, x.first_ns AS first, x.count AS count, 0 AS bytes, 0 AS "
	 "session, "
	 "coalesce(x.samples ->> '$[0].dst', '') AS dst, x.samples ->> '$[0].proto' AS proto, "
	 "x.samples ->> '$[0].sport' AS sport, x.samples ->> '$[0].dport' AS dport, x.samples AS samples",
	 "(?7 IS NULL OR EXISTS (SELECT 1 FROM json_each(samples) AS s WHERE s.value ->> 'dst' = ?7)) AND "
	 "(?10 < 0 OR "
	 "EXISTS (SELECT 1 FROM json_each(samples) AS s WHERE (s.value ->> 'proto' << 16 | s.value ->> "
	 "'dport') = ?10))"},
};

/* The answer's rows own their texts as one block each. */
struct found {
	int64_t at;
	struct flow_row row;
	char *texts;
};

struct search {
	struct store *store;
	struct sqlite3 *db;
	const struct flow_filter *filter;
	uint32_t limit;
	struct found *rows;
	size_t n, room;
};

static int failed(struct search *s)
{
	return store_fail(s->store, s->db, "queries", "reading");
}

/* --- the statement ------------------------------------------------------------------------------------- */

static void bind_text(sqlite3_stmt *q, int i, const char *text)
{
	sqlite3_bind_text(q, i, text, -1, SQLITE_TRANSIENT);
}

/* role=web,app=hr as a JSON list. No identity has characters that JSON would have to escape. */
static void bind_parts(sqlite3_stmt *q, int i, const char *who)
{
	size_t room = 3 * strlen(who) + sizeof("[\"\"]");
	char *list = malloc(room), *at = list;

	if (!list) {
		bind_text(q, i, "[\"?\"]"); /* nobody rather than everybody */
		return;
	}
	at = stpcpy(at, "[\"");
	for (; *who; who++) {
		bool escaped = *who == '"' || *who == '\\' || (unsigned char)*who < ' ';

		if (*who == ',')
			at = stpcpy(at, "\",\"");
		else
			*at++ = escaped ? '?' : *who;
	}
	strcpy(at, "\"]");
	sqlite3_bind_text(q, i, list, -1, free);
}

/* An address in any spelling goes to `i` + 1 as we write it; anything else is parts of an identity. */
static void bind_who(sqlite3_stmt *q, int i, const char *who)
{
	uint8_t addr[16] = {0};
	char text[ADDRESS_TEXT];

	if (who && (inet_pton(AF_INET, who, addr) == 1 || inet_pton(AF_INET6, who, addr) == 1)) {
		address_text(strchr(who, ':') ? 6 : 4, addr, text);
		bind_text(q, i + 1, text);
	} else if (who) {
		bind_parts(q, i, who);
	}
}

static void bind_filter(sqlite3_stmt *q, const struct search *s)
{
	const struct flow_filter *f = s->filter;

	sqlite3_bind_int64(q, 1, f->since_ns);
	sqlite3_bind_int64(q, 2, f->until_ns ? f->until_ns : INT64_MAX);
	bind_text(q, 3, f->verdict);
	bind_who(q, 4, f->from);
	bind_who(q, 6, f->to);
	bind_text(q, 8, f->rule);
	bind_text(q, 9, f->reason);
	sqlite3_bind_int64(q, 10, f->service);
	sqlite3_bind_int64(q, 11, s->limit);
}

/* --- rows ---------------------------------------------------------------------------------------------- */

enum column { C_AT, C_KIND, C_FIRST, C_COUNT, C_BYTES, C_SESSION, C_DST, C_PROTO, C_SPORT, C_DPORT };

static int column_of(sqlite3_stmt *q, const char *name)
{
	for (int i = sqlite3_column_count(q); i-- > 0;) {
		if (!strcmp(sqlite3_column_name(q, i), name))
			return i;
	}
	return -1;
}

static int copy_texts(struct found *f, sqlite3_stmt *q)
{
	const struct {
		const char **to;
		const char *column;
	} texts[] = {
		{&f->row.kind, "kind"},
		{&f->row.verdict, "word"},
		{&f->row.rule, "rule_id"},
		{&f->row.src, "src"},
		{&f->row.dst, "dst"},
		{&f->row.intended_rule, "intended_id"},
		{&f->row.reason, "reason"},
		{&f->row.intended, "intended"},
		{&f->row.src_identity, "src_text"},
		{&f->row.dst_identity, "dst_text"},
	};
	size_t size = 0;
	char *at;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		size += (size_t)sqlite3_column_bytes(q, column_of(q, texts[i].column)) + 1;
	f->texts = at = malloc(size);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && at; i++) {
		const char *text = (const char *)sqlite3_column_text(q, column_of(q, texts[i].column));

		*texts[i].to = at;
		at = stpcpy(at, text ? text : "") + 1;
	}
	return at ? 0 : -ENOMEM;
}

/* The newest that is known of a session. */
static int add_session(struct search *s, struct found *f, sqlite3_stmt *row)
{
	static const char sql[] =
		"SELECT final, last_ns, packets_forward, packets_back, bytes_forward, bytes_back "
		"FROM session_update WHERE instance = ?1 AND session = ?2 "
		"ORDER BY final DESC, last_ns DESC LIMIT 1";
	sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);

	if (rc != SQLITE_OK)
		return failed(s);
	sqlite3_bind_value(q, 1, sqlite3_column_value(row, column_of(row, "instance")));
	sqlite3_bind_value(q, 2, sqlite3_column_value(row, C_SESSION));
	rc = sqlite3_step(q);
	f->row.live = rc != SQLITE_ROW || !sqlite3_column_int(q, 0);
	if (rc == SQLITE_ROW) {
		f->row.last_ns = sqlite3_column_int64(q, 1);
		for (int i = 0; i < 2; i++) {
			f->row.packets[i] = (uint64_t)sqlite3_column_int64(q, 2 + i);
			f->row.bytes[i] = (uint64_t)sqlite3_column_int64(q, 4 + i);
		}
	}
	sqlite3_finalize(q);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : failed(s);
}

static int add_row(struct search *s, sqlite3_stmt *q)
{
	struct found *f;

	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 128;
		struct found *more = realloc(s->rows, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->rows = more;
		s->room = room;
	}
	f = &s->rows[s->n++];
	*f = (struct found){.at = sqlite3_column_int64(q, C_AT)};
	f->row.time_ns = sqlite3_column_int64(q, C_FIRST);
	f->row.last_ns = f->at;
	f->row.count = (uint64_t)sqlite3_column_int64(q, C_COUNT);
	f->row.packets[0] = f->row.count;
	f->row.bytes[0] = (uint64_t)sqlite3_column_int64(q, C_BYTES);
	f->row.proto = (unsigned)sqlite3_column_int(q, C_PROTO);
	f->row.sport = (unsigned)sqlite3_column_int(q, C_SPORT);
	f->row.dport = (unsigned)sqlite3_column_int(q, C_DPORT);
	f->row.domain = (unsigned)sqlite3_column_int(q, column_of(q, "domain"));
	f->row.generation = (uint64_t)sqlite3_column_int64(q, column_of(q, "generation"));
	if (copy_texts(f, q) < 0)
		return -ENOMEM;
	return !strcmp(f->row.kind, "session") ? add_session(s, f, q) : 0;
}

static int search_table(struct search *s, size_t day, const struct table *table)
{
	char sql[SQL_MAX];
	sqlite3_stmt *q = NULL;
	int rc, error = 0;

	if (snprintf(sql, sizeof(sql), select_sql, table->columns, day, table->name, table->where) >=
	    (int)sizeof(sql))
		return -E2BIG;
	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
		return failed(s);
	bind_filter(q, s);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW && !error)
		error = add_row(s, q);
	if (!error && rc != SQLITE_DONE)
		error = failed(s);
	sqlite3_finalize(q);
	return error;
}

static int newest_first(const void *a, const void *b)
{
	int64_t x = ((const struct found *)a)->at, y = ((const struct found *)b)->at;

	return x < y ? 1 : x > y ? -1 : 0;
}

static void cut(struct search *s)
{
	if (s->n)
		qsort(s->rows, s->n, sizeof(*s->rows), newest_first);
	while (s->n > s->limit)
		free(s->rows[--s->n].texts);
}

static int search_days(struct search *s)
{
	int error = 0;

	for (size_t day = 0; day < s->store->attached.n && !error; day++) {
		int64_t end = day_start(s->store->attached.day[day]) + NS_PER_DAY;

		if (s->n == s->limit && s->rows[s->n - 1].at >= end)
			break;
		if (end < s->filter->since_ns)
			break;
		for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !error; i++)
			error = search_table(s, day, &tables[i]);
		cut(s);
	}
	return error;
}

/* --- completeness -------------------------------------------------------------------------------------- */

/* Losses are known per instance, not per second: every instance that lived in the time asked for counts. */
static int ask_losses(struct search *s, bool *complete, uint64_t *lost)
{
	static const char sql[] = "SELECT (SELECT coalesce(sum(lost), 0) FROM account WHERE started_ns <= ?2 "
				  "AND seen_ns >= ?1), "
				  "EXISTS (SELECT 1 FROM removed_day WHERE from_ns <= ?2 AND until_ns > ?1)";
	sqlite3_stmt *q = NULL;

	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
		return failed(s);
	sqlite3_bind_int64(q, 1, s->filter->since_ns);
	sqlite3_bind_int64(q, 2, s->filter->until_ns ? s->filter->until_ns : INT64_MAX);
	if (sqlite3_step(q) == SQLITE_ROW) {
		*lost = (uint64_t)sqlite3_column_int64(q, 0);
		*complete = *complete && !*lost && !sqlite3_column_int(q, 1);
	}
	return sqlite3_finalize(q) == SQLITE_OK ? 0 : failed(s);
}

static bool verdict_list_ok(const char *list)
{
	static const char *const words[] = {"allow", "deny", "would-deny", "would-allow"};

	while (list) {
		size_t n = strcspn(list, ","), i = 0;

		while (i < 4 && (strlen(words[i]) != n || memcmp(words[i], list, n)))
			i++;
		if (i == 4)
			return false;
		list = list[n] ? list + n + 1 : NULL;
	}
	return true;
}

int query_flows(struct store *s, const struct flow_filter *filter,
		void (*f)(void *ctx, const struct flow_row *row), void *ctx, bool *complete, uint64_t *lost)
{
	struct search search = {
		.store = s, .filter = filter, .limit = filter->limit ? filter->limit : LIMIT_DEFAULT};
	unsigned missing = 0;
	int error;

	if (!verdict_list_ok(filter->verdict)) {
		snprintf(s->error, sizeof(s->error),
			 "verdict: allow, deny, would-deny or would-allow, not \"%.40s\"", filter->verdict);
		return -EINVAL;
	}
	if (search.limit > LIMIT_MAX)
		search.limit = LIMIT_MAX;
	search.db = store_query_db(s, 0, &missing);
	if (!search.db)
		return -EIO;
	*complete = !missing;
	error = ask_losses(&search, complete, lost);
	if (!error)
		error = search_days(&search);
	for (size_t i = 0; i < search.n; i++) {
		if (!error)
			f(ctx, &search.rows[i].row);
		free(search.rows[i].texts);
	}
	free(search.rows);
	return error;
}
