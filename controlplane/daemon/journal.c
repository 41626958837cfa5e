/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Journal: dictionary, generations and read-backs. Each function is one SQLite transaction, durable when it
 * returns (synchronous=FULL is the store's setting).
 */
#include "journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "journal_rows.h"
#include "sql.h"

int64_t utc_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* A store of before has every column but those that were added since. */
static void add_columns(struct sqlite3 *db)
{
	static const struct {
		const char *table, *name, *add;
	} columns[] = {
		{"generation", "needs_dpdk", "ALTER TABLE generation ADD COLUMN needs_dpdk INTEGER"},
		{"readback", "clock_bad", "ALTER TABLE readback ADD COLUMN clock_bad INTEGER"},
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (sql_number(db, 0, "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?", "tt",
			       columns[i].table, columns[i].name) == 0)
			sql_run(db, columns[i].add, "");
}

void journal_init(struct journal *j, struct sqlite3 *db)
{
	*j = (struct journal){.db = db};
	add_columns(db);
	j->adopt_max = sql_number(db, 0, "SELECT max(id) FROM binding", "");
	sql_run(db, "CREATE TEMP TABLE IF NOT EXISTS adopted (id INTEGER PRIMARY KEY)", "");
}

static int failed(struct journal *j, int r, const char *what, char *error)
{
	if (error)
		snprintf(error, ENFORCER_ERROR, "control.db: %s: %s", what, sqlite3_errmsg(j->db));
	return r;
}

static int begin(struct journal *j, char *error)
{
	int r = journal_flush(j);

	if (r == 0)
		r = sql_run(j->db, "BEGIN IMMEDIATE", "");
	return r < 0 ? failed(j, r, "begin", error) : 0;
}

/* Commit if all went well, else take everything back. */
static int end(struct journal *j, int r, const char *what, char *error)
{
	if (r == 0)
		r = sql_run(j->db, "COMMIT", "");
	if (r == 0)
		return 0;
	failed(j, r, what, error);
	if (!sqlite3_get_autocommit(j->db))
		sql_run(j->db, "ROLLBACK", "");
	return r;
}

/* --- dictionary ------------------------------------------------------------------------------- */

struct restoring {
	struct dictionary *dictionary;
	int result;
};

static void restore(void *ctx, sqlite3_stmt *row)
{
	struct restoring *r = ctx;
	int64_t number = sqlite3_column_int64(row, 0);

	if (r->result == 0 && (number < IDENTITY_FIRST || number > IDENTITY_LAST))
		r->result = -EINVAL;
	if (r->result == 0)
		r->result = dictionary_restore(r->dictionary, (uint16_t)number, sql_text(row, 1));
}

struct dictionary *journal_dictionary(struct journal *j, char *error)
{
	struct restoring r = {.dictionary = dictionary_new()};
	int code;

	if (!r.dictionary)
		return NULL;
	code = sql_each(j->db, restore, &r, "SELECT number, text FROM dictionary ORDER BY number", "");
	if (code == 0 && r.result == 0)
		return r.dictionary;
	if (code < 0)
		failed(j, code, "dictionary", error);
	else
		snprintf(error, ENFORCER_ERROR, "control.db: the identity dictionary contradicts itself");
	dictionary_free(r.dictionary);
	return NULL;
}

int journal_save_dictionary(struct journal *j, const struct dictionary *d, char *error)
{
	int64_t stored = sql_number(j->db, IDENTITY_FIRST - 1, "SELECT max(number) FROM dictionary", "");
	int r = begin(j, error);

	if (r < 0)
		return r;
	for (uint32_t n = (uint32_t)stored + 1; r == 0 && n < dictionary_size(d); n++) {
		const char *text = dictionary_text(d, (uint16_t)n);

		if (n >= IDENTITY_FIRST && text)
			r = sql_run(j->db, "INSERT INTO dictionary (number, text) VALUES (?, ?)", "it",
				    (int64_t)n, text);
	}
	return end(j, r, "dictionary", error);
}

/* --- generations ------------------------------------------------------------------------------ */

static int insert_generation(struct journal *j, const struct generation *g, const struct commit_meta *meta)
{
	char digest[65], image[65];

	digest_text(g->rs->digest, digest);
	digest_text(g->image_digest, image);
	return sql_run(j->db,
		       "INSERT INTO generation (number, state, digest, image_digest, author, message, ticket,"
		       " from_generation, prepared_ns, tests_passed, needs_dpdk)"
		       " VALUES (?, 'prepared', ?, ?, ?, ?, ?, nullif(?, 0), ?, ?, nullif(?, -1))",
		       "itttttiiii", (int64_t)g->number, digest, image, meta->author, meta->message,
		       meta->ticket, meta->from_generation, utc_now_ns(), (int64_t)g->tests_passed,
		       g->needs_dpdk);
}

static int insert_files(struct journal *j, const struct generation *g)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->n_files; i++)
		r = sql_run(j->db, "INSERT INTO generation_file (generation, name, text) VALUES (?, ?, ?)",
			    "itt", (int64_t)g->number, g->files[i].name, g->files[i].text);
	return r;
}

int journal_intent(struct journal *j, const struct generation *g, const struct commit_meta *meta,
		   const struct dictionary *dict, char *error)
{
	int r = begin(j, error);

	if (r < 0)
		return r;
	r = insert_generation(j, g, meta);
	if (r == 0)
		r = insert_files(j, g);
	if (r == 0)
		r = sql_run(j->db, "INSERT INTO generation_image (generation, bytes) VALUES (?, ?)", "ib",
			    (int64_t)g->number, (const void *)g->image, g->image_size);
	if (r == 0)
		r = journal_rows_rules(j->db, g);
	if (r == 0)
		r = journal_rows_identities(j->db, g, dict);
	return end(j, r, "intent", error);
}

int journal_activate(struct journal *j, uint32_t number, char *error)
{
	int64_t now = utc_now_ns();
	int r = begin(j, error);

	if (r < 0)
		return r;
	r = sql_run(j->db, "UPDATE generation SET state = 'retired', ended_ns = ? WHERE state = 'active'",
		    "i", now);
	if (r == 0)
		r = sql_run(j->db, "UPDATE generation SET state = 'active', active_ns = ? WHERE number = ?",
			    "ii", now, (int64_t)number);
	return end(j, r, "activate", error);
}

int journal_abandon(struct journal *j, uint32_t number, char *error)
{
	int r = begin(j, error);

	if (r < 0)
		return r;
	r = sql_run(j->db,
		    "UPDATE generation SET state = 'abandoned', ended_ns = ? WHERE number = ? AND state = "
		    "'prepared'",
		    "ii", utc_now_ns(), (int64_t)number);
	return end(j, r, "abandon", error);
}

int journal_readback(struct journal *j, const char *engine, const struct readback *got, uint32_t expected,
		     bool equal, bool clock_bad, char *error)
{
	uint8_t digest[32] = {0};
	char text[65] = "";
	int r;

	if (got->size > 0) {
		EVP_Digest(got->image, got->size, digest, NULL, EVP_sha256(), NULL);
		digest_text(digest, text);
	}
	r = sql_run(
		j->db,
		"INSERT INTO readback (time_ns, engine, generation, expected, image_digest, equal, clock_bad)"
		" VALUES (?, ?, ?, ?, ?, ?, ?)",
		"itiitii", utc_now_ns(), engine, (int64_t)got->generation, (int64_t)expected, text,
		(int64_t)equal, (int64_t)clock_bad);
	return r < 0 ? failed(j, r, "read-back", error) : 0;
}

uint32_t journal_newest(struct journal *j, const char *state)
{
	return (uint32_t)sql_number(j->db, 0, "SELECT max(number) FROM generation WHERE state = ?", "t",
				    state);
}

bool journal_gave_up(struct journal *j, uint32_t number, const uint8_t policy_digest[32])
{
	char digest[65];

	digest_text(policy_digest, digest);
	return sql_number(j->db, 0,
			  "SELECT count(*) FROM generation WHERE number = ? AND digest = ? AND state = "
			  "'abandoned' AND active_ns IS NULL",
			  "it", (int64_t)number, digest) > 0;
}

uint32_t journal_next_number(struct journal *j)
{
	return (uint32_t)sql_number(j->db, 0, "SELECT max(number) FROM generation", "") + 1;
}

uint32_t journal_before_active(struct journal *j)
{
	return (uint32_t)sql_number(j->db, 0, "SELECT max(number) FROM generation WHERE state = 'retired'",
				    "");
}

struct loading {
	struct generation *generation;
	bool image, failed;
};

static void load_file(void *ctx, sqlite3_stmt *row)
{
	struct loading *l = ctx;

	if (!generation_add_file(l->generation, sql_text(row, 0), sql_text(row, 1),
				 (size_t)sqlite3_column_bytes(row, 1)))
		l->failed = true;
}

static void load_image(void *ctx, sqlite3_stmt *row)
{
	struct loading *l = ctx;

	l->image = generation_take_image(l->generation, sqlite3_column_blob(row, 0),
					 (size_t)sqlite3_column_bytes(row, 0));
}

int journal_load(struct journal *j, uint32_t number, struct generation **out, char *error)
{
	int64_t n_files = sql_number(j->db, 0, "SELECT count(*) FROM generation_file WHERE generation = ?",
				     "i", (int64_t)number);
	struct loading l = {0};
	int r;

	*out = NULL;
	if (n_files == 0)
		return 0;
	l.generation = generation_new((size_t)n_files);
	if (!l.generation)
		return -ENOMEM;
	l.generation->number = number;
	r = sql_each(j->db, load_file, &l,
		     "SELECT name, text FROM generation_file WHERE generation = ? ORDER BY name", "i",
		     (int64_t)number);
	if (r == 0)
		r = sql_each(j->db, load_image, &l, "SELECT bytes FROM generation_image WHERE generation = ?",
			     "i", (int64_t)number);
	if (r == 0 && l.image && !l.failed) {
		*out = l.generation;
		return 0;
	}
	generation_free(l.generation);
	if (r < 0)
		return failed(j, r, "load", error);
	snprintf(error, ENFORCER_ERROR, "control.db: generation %u is incomplete or its image is damaged",
		 number);
	return -EBADMSG;
}

uint64_t journal_instance(struct journal *j)
{
	return (uint64_t)sql_number(j->db, 0,
				    "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'dp_instance'", "");
}

void journal_set_instance(struct journal *j, uint64_t instance)
{
	sql_run(j->db, "INSERT OR REPLACE INTO meta (key, value) VALUES ('dp_instance', CAST(? AS TEXT))",
		"i", (int64_t)instance);
}
