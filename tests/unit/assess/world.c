/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assess.h"
#include "compile.h"
#include "store_internal.h"

#define POLICY(scopes, extra, date)                                                                          \
	"cordon: 1\n"                                                                                        \
	"bundle: {name: t, owner: o, timezone: UTC}\n"                                                       \
	"labels: {role: [web, db, app, mail, dns, print]}\n"                                                 \
	"classify:\n"                                                                                        \
	"  - {id: c1, when: {prefix: 10.0.0.1/32}, set: {role: web}}\n"                                      \
	"  - {id: c2, when: {prefix: 10.0.0.2/32}, set: {role: db}}\n"                                       \
	"  - {id: c3, when: {prefix: 10.0.0.3/32}, set: {role: app}}\n"                                      \
	"  - {id: c4, when: {prefix: 10.0.0.4/32}, set: {role: mail}}\n"                                     \
	"  - {id: c5, when: {prefix: 10.0.0.5/32}, set: {role: dns}}\n"                                      \
	"  - {id: c6, when: {prefix: 10.0.0.6/32}, set: {role: print}}\n"                                    \
	"groups: {web: {role: web}, db: {role: db}, app: {role: app}, mail: {role: mail}}\n"                 \
	"rules:\n"                                                                                           \
	"  - {id: a-data, effect: allow, from: web, to: db, service: tcp/5432, owner: o, review_by: " date   \
	"}\n"                                                                                                \
	"  - {id: b-mail, effect: allow, from: app, to: mail, service: tcp/25, owner: o, review_by: " date   \
	"}\n" extra scopes

const char policy_neat[] = POLICY("", "", "2026-06-01");
const char policy_far_review[] = POLICY("", "", "2099-12-31");
const char policy_monitor[] = POLICY("scopes: [{id: s-all, to: any, mode: monitor}]\n", "", "2026-06-01");
const char policy_allow_any[] = POLICY(
	"",
	"  - {id: z-any, effect: allow, from: any, to: any, service: any, owner: o, review_by: 2026-06-01}\n",
	"2026-06-01");

const char policy_split[] =
	POLICY("",
	       "  - {id: z-split, effect: allow, from: web, to: db, service: [tcp/1-32767, "
	       "tcp/32769-65535],\n"
	       "     owner: o, review_by: 2026-06-01}\n",
	       "2026-06-01");

/* Who tries what; the policy decides. */
static const struct attempt {
	const char *from, *to, *src, *dst;
	uint16_t port;
} attempts[] = {
	{"role=web", "role=db", "10.0.0.1", "10.0.0.2", 5432},
	{"role=app", "role=mail", "10.0.0.3", "10.0.0.4", 25},
	{"role=print", "role=db", "10.0.0.6", "10.0.0.2", 5432},
	{"role=web", "role=dns", "10.0.0.1", "10.0.0.5", 22},
};
#define ATTEMPTS (sizeof(attempts) / sizeof(attempts[0]))

struct made {
	struct ruleset *rs;
	struct dictionary *dict;
	struct image_header *image;
	size_t size;
	char digest[65];
};

/* --- SQL ----------------------------------------------------------------------------------------------- */

static void run_sql(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
}

static void run_format(sqlite3 *db, const char *format, ...)
{
	va_list args;
	char *sql;

	va_start(args, format);
	sql = sqlite3_vmprintf(format, args);
	va_end(args);
	run_sql(db, sql);
	sqlite3_free(sql);
}

void world_control(struct world *w, const char *sql)
{
	run_sql(store_control(w->s), sql);
}

void world_flows(struct world *w, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(store_flows(w->s, NOW, &db), 0);
	run_sql(db, sql);
}

/* --- policy -------------------------------------------------------------------------------------------- */

static void hex_digest(const void *bytes, size_t size, char text[65])
{
	uint8_t sum[32];
	unsigned n;

	assert_int_equal(EVP_Digest(bytes, size, sum, &n, EVP_sha256(), NULL), 1);
	for (int i = 0; i < 32; i++)
		sprintf(text + 2 * i, "%02x", sum[i]);
}

static void make(struct made *m, const char *text)
{
	struct policy_source source = {"t.yaml", text, strlen(text)};
	struct compile_stats stats;
	char error[200] = "";
	struct diags d;

	diags_init(&d);
	m->rs = policy_compile(&source, 1, NULL, &d);
	if (!m->rs)
		fail_msg("%u: %s", d.items[0].place.line, d.items[0].text);
	diags_free(&d);
	m->dict = dictionary_new();
	if (compile_image(m->rs, m->dict, &COMPILE_LIMITS_DEFAULT, &m->image, &m->size, &stats, error,
			  sizeof(error)))
		fail_msg("%s", error);
	hex_digest(m->image, m->size, m->digest);
}

static unsigned count_set(const struct ruleset *rs, const uint64_t *set)
{
	unsigned n = 0;

	for (size_t i = 0; i < rs->n_identities; i++)
		n += identity_in(set, i);
	return n;
}

static void insert_rules(sqlite3 *db, const struct ruleset *rs)
{
	for (size_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];
		unsigned widest = 0;

		for (size_t k = 0; k < r->service.n; k++) {
			if (r->service.ranges[k].to - r->service.ranges[k].from > widest)
				widest = r->service.ranges[k].to - r->service.ranges[k].from;
		}
		run_format(db,
			   "INSERT INTO rule (generation, number, id, effect, mode, review_end, services, "
			   "widest_range, "
			   "from_count, to_count, to_segments) VALUES (1, %d, %Q, %Q, %Q, %lld, %d, %d, %d, "
			   "%d, %d)",
			   (int)i + 1, r->id, r->effect == EFFECT_ALLOW ? "allow" : "deny",
			   r->mode == MODE_ENFORCE ? "enforce" : "monitor", (long long)r->review_end,
			   (int)r->service.n, widest, count_set(rs, r->from.set), count_set(rs, r->to.set),
			   count_set(rs, r->to.set));
	}
	for (size_t i = 0; i < rs->n_scopes; i++)
		run_format(db,
			   "INSERT INTO rule (generation, number, id, effect, mode) VALUES (1, %lld, "
			   "'scope:%q', 'scope', %Q)",
			   (long long)(RULE_SCOPE_BIT | i), rs->scopes[i].id,
			   rs->scopes[i].mode == MODE_ENFORCE ? "enforce" : "monitor");
}

static void insert_policy(struct world *w, struct made *m, int64_t active)
{
	sqlite3 *db = store_control(w->s);
	sqlite3_stmt *q;

	run_format(db,
		   "INSERT INTO generation (number, state, digest, image_digest, author, message, "
		   "prepared_ns, active_ns) "
		   "VALUES (1, 'active', 'd', %Q, 'a', 'm', %lld, %lld)",
		   m->digest, (long long)active, (long long)active);
	assert_int_equal(sqlite3_prepare_v2(db, "INSERT INTO generation_image VALUES (1, ?1)", -1, &q, NULL),
			 SQLITE_OK);
	sqlite3_bind_blob(q, 1, m->image, (int)m->size, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(q), SQLITE_DONE);
	sqlite3_finalize(q);
	insert_rules(db, m->rs);
	for (uint32_t n = IDENTITY_FIRST; n < dictionary_size(m->dict); n++)
		run_format(db,
			   "INSERT INTO generation_identity (generation, number, text, segment) VALUES (1, "
			   "%d, %Q, %Q)",
			   (int)n, dictionary_text(m->dict, (uint16_t)n),
			   dictionary_text(m->dict, (uint16_t)n));
}

/* --- evidence ------------------------------------------------------------------------------------------ */

static void insert_flow(sqlite3 *db, struct made *m, const struct attempt *t, int64_t time, uint64_t sequence)
{
	struct decision d;

	policy_eval(m->rs, (size_t)ruleset_find_identity(m->rs, t->from),
		    (size_t)ruleset_find_identity(m->rs, t->to), service_key_make(6, t->port), time / SECOND,
		    &d);
	run_format(db,
		   "INSERT INTO decision (instance, worker, sequence, type, session, time_ns, domain, proto, "
		   "src, sport, dst, "
		   "dport, src_identity, dst_identity, generation, verdict, rule, reason, intended, "
		   "intended_rule, "
		   "intended_reason, bytes) VALUES ('00000000000000aa', 0, %lld, %Q, %lld, %lld, 10, 6, %Q, "
		   "40000, %Q, %d, "
		   "%d, %d, 1, %Q, %lld, %Q, %Q, %lld, %Q, 60)",
		   (long long)sequence, d.verdict ? "open" : "refused", (long long)sequence, (long long)time,
		   t->src, t->dst, t->port, dictionary_find(m->dict, t->from),
		   dictionary_find(m->dict, t->to), verdict_word(d.verdict), (long long)d.rule,
		   reason_word(d.reason), verdict_word(d.intended), (long long)d.intended_rule,
		   reason_word(d.intended_reason));
}

static uint64_t insert_flows(struct world *w, struct made *m)
{
	unsigned per_hour = w->per_hour ? w->per_hour : 12;
	uint64_t n = 0;
	sqlite3 *db = NULL, *last = NULL;

	for (int64_t t = NOW - w->age; t < NOW && !w->no_flows; t += HOUR / per_hour) {
		assert_int_equal(store_flows(w->s, t, &db), 0);
		if (sqlite3_get_autocommit(db))
			run_sql(db, "BEGIN");
		insert_flow(db, m, &attempts[n % ATTEMPTS], t, n);
		n++;
		if ((t + HOUR / per_hour) / DAY != t / DAY)
			run_sql(db, "COMMIT");
	}
	assert_int_equal(store_flows(w->s, NOW, &last), 0);
	if (!sqlite3_get_autocommit(last))
		run_sql(last, "COMMIT");
	return n;
}

static void insert_readbacks(struct world *w, struct made *m)
{
	sqlite3 *db = store_control(w->s);

	run_sql(db, "BEGIN");
	for (int64_t t = NOW - w->age; t < NOW && !w->no_readback; t += 60 * SECOND)
		run_format(
			db,
			"INSERT INTO readback (time_ns, engine, generation, expected, image_digest, equal) "
			"VALUES (%lld, 'dpdk', 1, 1, %Q, 1)",
			(long long)t, m->digest);
	run_sql(db, "COMMIT");
}

void world_fill(struct world *w)
{
	struct made m = {0};
	char account[400];
	uint64_t n;

	if (!w->age)
		w->age = 7 * DAY + HOUR;
	make(&m, w->policy ? w->policy : policy_neat);
	insert_policy(w, &m, NOW - (w->commit_age ? w->commit_age : 30 * DAY));
	insert_readbacks(w, &m);
	n = insert_flows(w, &m);
	snprintf(account, sizeof(account),
		 "INSERT INTO account (instance, worker, tail, written, aggregated, updates_written, "
		 "decisions, lost, updates, "
		 "updates_lost, frames_in, forwarded, dropped, started_ns, seen_ns) VALUES "
		 "('00000000000000aa', 0, %llu, %llu, "
		 "0, 0, %llu, 0, 0, 0, %llu, %llu, 0, %lld, %lld)",
		 (unsigned long long)n, (unsigned long long)n, (unsigned long long)n, (unsigned long long)n,
		 (unsigned long long)n, (long long)(NOW - w->age), (long long)NOW);
	if (!w->no_flows)
		world_flows(w, account);
	free(m.image);
	dictionary_free(m.dict);
	ruleset_free(m.rs);
}

/* --- results ------------------------------------------------------------------------------------------- */

json_t *world_assess_with(struct world *w, const char *catalogue, int64_t from_ns, bool keep)
{
	char error[256] = "", *text = NULL;
	json_t *result;

	if (assess_run(w->s, catalogue, from_ns, NOW, NOW, "tester", keep, &text, error, sizeof(error)))
		fail_msg("%s", error);
	result = json_loads(text, 0, NULL);
	free(text);
	assert_non_null(result);
	return result;
}

json_t *world_assess(struct world *w, int64_t from_ns)
{
	return world_assess_with(w, w->catalogue, from_ns, false);
}

static const json_t *find(const json_t *list, const char *key, const char *value)
{
	const json_t *x;
	size_t i;

	json_array_foreach(list, i, x)
	{
		if (!strcmp(json_string_value(json_object_get(x, key)), value))
			return x;
	}
	fail_msg("no %s %s", key, value);
	return NULL;
}

static const json_t *cell_of(const json_t *result, const char *function, const char *stage)
{
	const json_t *f = find(json_object_get(result, "functions"), "id", function);

	return find(json_object_get(f, "cells"), "stage", stage);
}

const char *cell_state(const json_t *result, const char *function, const char *stage)
{
	return json_string_value(json_object_get(cell_of(result, function, stage), "state"));
}

const char *function_stage(const json_t *result, const char *function)
{
	return json_string_value(
		json_object_get(find(json_object_get(result, "functions"), "id", function), "stage"));
}

bool cell_says(const json_t *result, const char *function, const char *stage, const char *text)
{
	const json_t *lack;
	size_t i;

	json_array_foreach(json_object_get(cell_of(result, function, stage), "lacks"), i, lack)
	{
		if (strstr(json_string_value(json_object_get(lack, "text")), text))
			return true;
	}
	return false;
}

double measure_of(const json_t *result, const char *metric, const char *stage, const char *measure)
{
	const json_t *m = find(json_object_get(result, "metrics"), "id", metric);
	const json_t *s = json_object_get(json_object_get(m, "stages"), stage);
	const json_t *value =
		json_object_get(json_object_get(json_object_get(s, "measures"), measure), "value");

	return json_is_number(value) ? json_number_value(value) : -1;
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void link_into(const struct world *w, const char *from, const char *name)
{
	char to[200], path[400];

	snprintf(to, sizeof(to), "%s/%s", w->catalogue, name);
	snprintf(path, sizeof(path), "%s", from);
	assert_int_equal(symlink(path, to), 0);
}

int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char error[256] = "";

	snprintf(w->root, sizeof(w->root), "/tmp/cordon-assess-XXXXXX");
	if (!mkdtemp(w->root))
		return -1;
	snprintf(w->store, sizeof(w->store), "%s/store", w->root);
	snprintf(w->catalogue, sizeof(w->catalogue), "%s/catalogue", w->root);
	mkdir(w->catalogue, 0700);
	link_into(w, SMALL_CATALOGUE, "catalogue.yaml");
	link_into(w, ZTMM "/views.sql", "views.sql");
	link_into(w, ZTMM "/metrics", "metrics");
	if (store_open(w->store, false, &w->s, error, sizeof(error)))
		fail_msg("%s", error);
	*state = w;
	return 0;
}

static void remove_files(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	char file[512];

	while (dir && (entry = readdir(dir))) {
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		unlink(file);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

int world_teardown(void **state)
{
	struct world *w = *state;

	store_close(w->s);
	remove_files(w->store);
	remove_files(w->catalogue);
	rmdir(w->root);
	free(w);
	return 0;
}
