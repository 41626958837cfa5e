/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writing side of a day file. Statements are prepared once per file; text that does not change is bound
 * without copying, because 300,000 rows a second are wanted from one core.
 */
#include "ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpmsg.h"
#include "text.h"

#define SAMPLES_TEXT (RING_SAMPLES * 112u + 3u)

static const char *const statement_sql[LEDGER_STATEMENTS] = {
	[LEDGER_DECISION] = "INSERT INTO decision (instance, worker, sequence, type, session, time_ns, "
			    "domain, in_port, out_port, "
			    "src_mac, dst_mac, proto, src, sport, dst, dport, src_identity, dst_identity, "
			    "generation, verdict, "
			    "rule, reason, intended, intended_rule, intended_reason, old_verdict, old_rule, "
			    "bytes, posture, "
			    "enc_class, tls_version, draft_verdict, revoked_by, synthetic) VALUES (?1, ?2, "
			    "?3, ?4, ?5, ?6, ?7, ?8, "
			    "?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, "
			    "?25, ?26, ?27, ?28, "
			    "?29, ?30, ?31, ?32, ?33, ?34)",
	[LEDGER_UPDATE] = "INSERT INTO session_update (instance, worker, sequence, session, final, why, "
			  "first_ns, last_ns, "
			  "packets_forward, packets_back, bytes_forward, bytes_back, generation, rule) "
			  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
	[LEDGER_AGGREGATE] = "INSERT INTO aggregate (instance, worker, serial, domain, in_port, src, "
			     "src_identity, dst_identity, "
			     "generation, verdict, rule, reason, intended, intended_rule, intended_reason, "
			     "count, first_ns, last_ns, "
			     "samples) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
			     "?15, ?16, ?17, ?18, ?19) "
			     "ON CONFLICT DO UPDATE SET count = count + excluded.count, first_ns = "
			     "min(first_ns, excluded.first_ns), "
			     "last_ns = max(last_ns, excluded.last_ns), samples = excluded.samples",
	[LEDGER_FRAMES] =
		"INSERT INTO frames (instance, hour, port, reason, count) VALUES (?1, ?2, ?3, ?4, ?5) "
		"ON CONFLICT DO UPDATE SET count = count + excluded.count",
	[LEDGER_TOTAL] =
		"INSERT OR REPLACE INTO frames_total (instance, port, reason, count) VALUES (?1, ?2, ?3, ?4)",
	[LEDGER_ACCOUNT] = "INSERT OR REPLACE INTO account (instance, worker, tail, written, aggregated, "
			   "updates_written, "
			   "decisions, lost, updates, updates_lost, frames_in, forwarded, dropped, closed, "
			   "started_ns, seen_ns, "
			   "missed, updates_missed, clock_back, clock_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
			   "?7, ?8, ?9, ?10, ?11, "
			   "?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
};

/* --- transactions -------------------------------------------------------------------------------------- */

static int failed(struct ledger *l)
{
	return store_fail(l->store, l->db, l->file, "storing");
}

static void drop_statements(struct ledger *l)
{
	for (size_t i = 0; i < LEDGER_STATEMENTS; i++) {
		sqlite3_finalize(l->statement[i]);
		l->statement[i] = NULL;
	}
}

static int prepare(struct ledger *l)
{
	for (size_t i = 0; i < LEDGER_STATEMENTS; i++) {
		if (sqlite3_prepare_v3(l->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &l->statement[i], NULL) != SQLITE_OK) {
			drop_statements(l);
			return failed(l);
		}
	}
	return 0;
}

/* Statements must go before the store closes the old day's database. */
static int open_file(struct ledger *l, int64_t now_ns)
{
	char day[STORE_DAY_TEXT];
	sqlite3 *db = NULL;
	int error;

	day_text(now_ns, day);
	if (l->db && strcmp(l->store->flows_day, day) >= 0)
		return 0;
	drop_statements(l);
	l->db = NULL;
	error = store_flows(l->store, now_ns, &db);
	if (error)
		return error;
	l->db = db;
	l->fresh = true;
	store_day_file(l->store->flows_day, l->file);
	error = prepare(l);
	if (error)
		l->db = NULL;
	return error;
}

int ledger_begin(struct ledger *l, int64_t now_ns)
{
	int error = open_file(l, now_ns);

	l->now_ns = now_ns;
	return error ? error : store_exec(l->store, l->db, l->file, "BEGIN");
}

int ledger_commit(struct ledger *l)
{
	int error = store_exec(l->store, l->db, l->file, "COMMIT");

	if (error)
		ledger_rollback(l);
	else
		l->fresh = false;
	return error;
}

/* A full disk may have rolled back by itself already; saying so again is not an error worth a word. */
void ledger_rollback(struct ledger *l)
{
	if (l->db && !sqlite3_get_autocommit(l->db))
		sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
}

void ledger_close(struct ledger *l)
{
	ledger_rollback(l);
	drop_statements(l);
	l->db = NULL;
}

/* --- binding ------------------------------------------------------------------------------------------- */

/* Statements are reset after each step, so a binding error shows as the step's. */
static void put(sqlite3_stmt *q, int i, uint64_t v)
{
	sqlite3_bind_int64(q, i, (sqlite3_int64)v);
}

static void put_known(sqlite3_stmt *q, int i, uint64_t v, bool known)
{
	if (known)
		put(q, i, v);
	else
		sqlite3_bind_null(q, i);
}

/* Text that lives until the step. */
static void put_text(sqlite3_stmt *q, int i, const char *text)
{
	sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC);
}

static void put_mac(sqlite3_stmt *q, int i, const uint8_t mac[6], char text[MAC_TEXT])
{
	static const uint8_t none[6];

	if (memcmp(mac, none, sizeof(none)))
		sqlite3_bind_text(q, i, text, (int)mac_text(mac, text), SQLITE_STATIC);
	else
		sqlite3_bind_null(q, i);
}

static void put_address(sqlite3_stmt *q, int i, uint8_t family, const uint8_t addr[16],
			char text[ADDRESS_TEXT])
{
	sqlite3_bind_text(q, i, text, (int)address_text(family, addr, text), SQLITE_STATIC);
}

static int step(struct ledger *l, sqlite3_stmt *q)
{
	int rc = sqlite3_step(q);
	int error = rc == SQLITE_DONE ? 0 : failed(l);

	sqlite3_reset(q);
	return error;
}

/* --- rows ---------------------------------------------------------------------------------------------- */

static const char *type_word(unsigned type)
{
	return type == RECORD_OPEN ? "open" : type == RECORD_REFUSED ? "refused" : "changed";
}

static bool is_probe(uint16_t identity)
{
	return identity >= IDENTITY_PROBE_FIRST && identity <= IDENTITY_PROBE_LAST;
}

/* Made by a verification, not by a host. */
static bool is_synthetic(const struct record *r)
{
	return r->domain == DP_PROBE_DOMAIN || is_probe(r->src_identity) || is_probe(r->dst_identity);
}

/* Verdict, rule and reason twice: enforced, intended. */
static void put_decision(sqlite3_stmt *q, int i, const struct record *r)
{
	put_text(q, i, verdict_word(r->verdict));
	put(q, i + 1, r->rule);
	put_text(q, i + 2, reason_word(r->reason));
	put_text(q, i + 3, verdict_word(r->intended));
	put(q, i + 4, r->intended_rule);
	put_text(q, i + 5, reason_word(r->intended_reason));
}

static void put_old(sqlite3_stmt *q, int i, const struct record *r)
{
	if (r->type == RECORD_CHANGED)
		put_text(q, i, verdict_word(r->old_verdict));
	else
		sqlite3_bind_null(q, i);
	put_known(q, i + 1, r->old_rule, r->type == RECORD_CHANGED);
}

int ledger_decision(struct ledger *l, const char *instance, uint32_t worker, uint64_t sequence,
		    const struct record *r)
{
	sqlite3_stmt *q = l->statement[LEDGER_DECISION];
	char src[ADDRESS_TEXT], dst[ADDRESS_TEXT], src_mac[MAC_TEXT], dst_mac[MAC_TEXT];

	sqlite3_bind_text(q, 1, instance, INSTANCE_TEXT - 1, SQLITE_STATIC);
	put(q, 2, worker);
	put(q, 3, sequence);
	put_text(q, 4, type_word(r->type));
	put(q, 5, r->session);
	put(q, 6, (uint64_t)r->last_ns);
	put(q, 7, r->domain);
	put_known(q, 8, r->in_port, r->in_port != UINT16_MAX);
	put_known(q, 9, r->out_port, r->out_port != UINT16_MAX);
	put_mac(q, 10, r->src_mac, src_mac);
	put_mac(q, 11, r->dst_mac, dst_mac);
	put(q, 12, r->proto);
	put_address(q, 13, r->family, r->src, src);
	put(q, 14, r->sport);
	put_address(q, 15, r->family, r->dst, dst);
	put(q, 16, r->dport);
	put(q, 17, r->src_identity);
	put(q, 18, r->dst_identity);
	put(q, 19, r->generation);
	put_decision(q, 20, r);
	put_old(q, 26, r);
	put(q, 28, r->bytes[0] + r->bytes[1]);
	put_known(q, 29, r->posture_state, r->posture_state);
	put_known(q, 30, r->enc_class, r->enc_class);
	put_known(q, 31, r->tls_version, r->tls_version);
	put_known(q, 32, r->draft_verdict, r->draft_verdict);
	put_known(q, 33, r->revoked_by, r->revoked_by);
	put(q, 34, is_synthetic(r));
	return step(l, q);
}

static const char *end_word(unsigned end)
{
	static const char *const words[] = {
		[RECORD_END_CLOSED] = "closed",
		[RECORD_END_TIMEOUT] = "timeout",
		[RECORD_END_REVOKED] = "revoked",
		[RECORD_END_SHUTDOWN] = "shutdown",
	};
	return end < sizeof(words) / sizeof(words[0]) ? words[end] : NULL;
}

int ledger_update(struct ledger *l, const char *instance, uint32_t worker, uint64_t sequence,
		  const struct record *r)
{
	sqlite3_stmt *q = l->statement[LEDGER_UPDATE];

	sqlite3_bind_text(q, 1, instance, INSTANCE_TEXT - 1, SQLITE_STATIC);
	put(q, 2, worker);
	put(q, 3, sequence);
	put(q, 4, r->session);
	put(q, 5, r->type == RECORD_END);
	put_text(q, 6, r->type == RECORD_END ? end_word(r->end) : NULL);
	put(q, 7, (uint64_t)r->first_ns);
	put(q, 8, (uint64_t)r->last_ns);
	put(q, 9, r->packets[0]);
	put(q, 10, r->packets[1]);
	put(q, 11, r->bytes[0]);
	put(q, 12, r->bytes[1]);
	put(q, 13, r->generation);
	put(q, 14, r->rule);
	return step(l, q);
}

static void samples_text(const struct ring_aggregate *a, char text[SAMPLES_TEXT])
{
	uint32_t n = a->n_samples < RING_SAMPLES ? a->n_samples : RING_SAMPLES;
	char *at = stpcpy(text, "[");

	for (uint32_t i = 0; i < n; i++) {
		const struct ring_sample *s = &a->sample[i];
		char dst[ADDRESS_TEXT];

		address_text(a->family, s->dst, dst);
		at += sprintf(at, "%s{\"dst\":\"%s\",\"sport\":%u,\"dport\":%u,\"proto\":%u}", i ? "," : "",
			      dst, s->sport, s->dport, s->proto);
	}
	strcpy(at, "]");
}

int ledger_aggregate(struct ledger *l, const char *instance, uint32_t worker, const struct ring_aggregate *a,
		     uint64_t more)
{
	sqlite3_stmt *q = l->statement[LEDGER_AGGREGATE];
	char src[ADDRESS_TEXT], samples[SAMPLES_TEXT];

	sqlite3_bind_text(q, 1, instance, INSTANCE_TEXT - 1, SQLITE_STATIC);
	put(q, 2, worker);
	put(q, 3, a->serial);
	put(q, 4, a->domain);
	put_known(q, 5, a->in_port, a->in_port != UINT16_MAX);
	put_address(q, 6, a->family, a->src, src);
	put(q, 7, a->src_identity);
	put(q, 8, a->dst_identity);
	put(q, 9, a->generation);
	put_text(q, 10, verdict_word(a->verdict));
	put(q, 11, a->rule);
	put_text(q, 12, reason_word(a->reason));
	put_text(q, 13, verdict_word(a->intended));
	put(q, 14, a->intended_rule);
	put_text(q, 15, reason_word(a->intended_reason));
	put(q, 16, more);
	put(q, 17, (uint64_t)a->first_ns);
	put(q, 18, (uint64_t)a->last_ns);
	samples_text(a, samples);
	put_text(q, 19, samples);
	return step(l, q);
}

int ledger_frames(struct ledger *l, const char *instance, const char *port, const char *reason, uint64_t more,
		  uint64_t total)
{
	sqlite3_stmt *q = l->statement[LEDGER_FRAMES];
	int error;

	put_text(q, 1, instance);
	put(q, 2, (uint64_t)(l->now_ns / NS_PER_HOUR));
	put_text(q, 3, port);
	put_text(q, 4, reason);
	put(q, 5, more);
	error = more ? step(l, q) : 0;
	if (error)
		return error;
	q = l->statement[LEDGER_TOTAL];
	put_text(q, 1, instance);
	put_text(q, 2, port);
	put_text(q, 3, reason);
	put(q, 4, total);
	return step(l, q);
}

int ledger_account(struct ledger *l, const char *instance, uint32_t worker, const struct account *a)
{
	const uint64_t column[] = {
		a->tail,           a->written,    a->aggregated,           a->updates_written,  a->decisions,
		a->lost,           a->updates,    a->updates_lost,         a->frames_in,        a->forwarded,
		a->dropped,        a->closed,     (uint64_t)a->started_ns, (uint64_t)l->now_ns, a->missed,
		a->updates_missed, a->clock_back, (uint64_t)a->clock_ns,
	};
	sqlite3_stmt *q = l->statement[LEDGER_ACCOUNT];

	put_text(q, 1, instance);
	put(q, 2, worker);
	for (int i = 0; i < (int)(sizeof(column) / sizeof(column[0])); i++)
		put(q, 3 + i, column[i]);
	return step(l, q);
}

/* --- loading ------------------------------------------------------------------------------------------- */

/* A visit to one day file; returns 1 to stop, 0 to go on to the next older one, or -errno. */
typedef int visit_fn(void *ctx, struct store *s, sqlite3 *db, const char *file);

/*
 * Newest first. A damaged file that is not the newest is passed over: what it alone knew is then missing,
 * which is better than not storing what comes in.
 */
static int each_day(struct store *s, visit_fn *visit, void *ctx)
{
	struct day_list days;
	int result = store_days(s, &days);

	for (size_t i = days.n; i-- > 0 && !result;) {
		sqlite3 *db = NULL;
		char file[32];

		store_day_file(days.day[i], file);
		result = store_open_day(s, days.day[i], &db);
		if (!result)
			result = visit(ctx, s, db, file);
		sqlite3_close(db);
		if (result == -EBADMSG && i + 1 < days.n)
			result = 0;
	}
	days_free(&days);
	return result < 0 ? result : 0;
}

static int run(struct store *s, sqlite3 *db, const char *file, const char *sql, const char *instance,
	       int (*row)(void *ctx, sqlite3_stmt *q), void *ctx)
{
	sqlite3_stmt *q = NULL;
	int rc, result = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
		return store_fail(s, db, file, "reading");
	if (instance)
		sqlite3_bind_text(q, 1, instance, -1, SQLITE_STATIC);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW && !result)
		result = row(ctx, q);
	if (!result && rc != SQLITE_DONE)
		result = store_fail(s, db, file, "reading");
	sqlite3_finalize(q);
	return result;
}

struct account_load {
	const char *instance;
	int (*f)(void *ctx, const char *instance, uint32_t worker, const struct account *a);
	void *ctx;
};

static int account_row(void *ctx, sqlite3_stmt *q)
{
	struct account_load *load = ctx;
	struct account a = {0};
	uint64_t *const column[] = {
		&a.tail,    &a.written, &a.aggregated,     &a.updates_written, &a.decisions,
		&a.lost,    &a.updates, &a.updates_lost,   &a.frames_in,       &a.forwarded,
		&a.dropped, &a.missed,  &a.updates_missed, &a.clock_back,
	};
	const int n = (int)(sizeof(column) / sizeof(column[0]));

	for (int i = 0; i < n; i++)
		*column[i] = (uint64_t)sqlite3_column_int64(q, 2 + i);
	a.clock_ns = sqlite3_column_int64(q, 2 + n);
	a.started_ns = sqlite3_column_int64(q, 3 + n);
	a.closed = (uint64_t)sqlite3_column_int64(q, 4 + n);
	return load->f(load->ctx, (const char *)sqlite3_column_text(q, 0), (uint32_t)sqlite3_column_int(q, 1),
		       &a);
}

static int visit_accounts(void *ctx, struct store *s, sqlite3 *db, const char *file)
{
	static const char sql[] = "SELECT instance, worker, tail, written, aggregated, updates_written, "
				  "decisions, lost, updates, "
				  "updates_lost, frames_in, forwarded, dropped, missed, updates_missed, "
				  "clock_back, clock_ns, started_ns, "
				  "closed FROM account WHERE ?1 IS NULL OR instance = ?1";
	struct account_load *load = ctx;

	return run(s, db, file, sql, load->instance, account_row, load);
}

int ledger_load_accounts(struct store *s, const char *instance,
			 int (*f)(void *ctx, const char *instance, uint32_t worker, const struct account *a),
			 void *ctx)
{
	struct account_load load = {instance, f, ctx};

	return each_day(s, visit_accounts, &load);
}

struct total_load {
	const char *instance;
	int (*f)(void *ctx, const char *port, const char *reason, uint64_t count);
	void *ctx;
	size_t n;
};

static int total_row(void *ctx, sqlite3_stmt *q)
{
	struct total_load *load = ctx;

	load->n++;
	return load->f(load->ctx, (const char *)sqlite3_column_text(q, 0),
		       (const char *)sqlite3_column_text(q, 1), (uint64_t)sqlite3_column_int64(q, 2));
}

static int visit_totals(void *ctx, struct store *s, sqlite3 *db, const char *file)
{
	struct total_load *load = ctx;
	int error = run(s, db, file, "SELECT port, reason, count FROM frames_total WHERE instance = ?1",
			load->instance, total_row, load);

	return error ? error : load->n > 0;
}

int ledger_load_totals(struct store *s, const char *instance,
		       int (*f)(void *ctx, const char *port, const char *reason, uint64_t count), void *ctx)
{
	struct total_load load = {instance, f, ctx, 0};

	return each_day(s, visit_totals, &load);
}

struct aggregate_load {
	const char *instance;
	int (*f)(void *ctx, uint32_t worker, uint64_t serial, uint64_t count);
	void *ctx;
};

static int aggregate_row(void *ctx, sqlite3_stmt *q)
{
	struct aggregate_load *load = ctx;

	return load->f(load->ctx, (uint32_t)sqlite3_column_int(q, 0), (uint64_t)sqlite3_column_int64(q, 1),
		       (uint64_t)sqlite3_column_int64(q, 2));
}

static int visit_aggregates(void *ctx, struct store *s, sqlite3 *db, const char *file)
{
	struct aggregate_load *load = ctx;

	return run(s, db, file, "SELECT worker, serial, count FROM aggregate WHERE instance = ?1",
		   load->instance, aggregate_row, load);
}

int ledger_load_aggregates(struct store *s, const char *instance,
			   int (*f)(void *ctx, uint32_t worker, uint64_t serial, uint64_t count), void *ctx)
{
	struct aggregate_load load = {instance, f, ctx};

	return each_day(s, visit_aggregates, &load);
}
