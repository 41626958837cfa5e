/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store's files: opening, damage, read-only, days, retention, queries over several days.
 */
#include "fixture.h"

#include <errno.h>

#include "query.h"
#include "store_internal.h"
#include "text.h"

static void path_of(const struct fixture *f, const char *name, char path[200])
{
	snprintf(path, 200, "%s/%s", f->store, name);
}

static void damage(const char *path)
{
	FILE *file = fopen(path, "r+");

	assert_non_null(file);
	for (int i = 0; i < 4096; i++)
		fputc('x', file);
	fclose(file);
}

static void missing_store_reads_as_empty(void **state)
{
	char error[256] = "";
	struct fixture f = {0};
	unsigned missing = 7;

	assert_int_equal(store_open("/nonexistent/dir", true, &f.s, error, sizeof(error)), 0);
	assert_non_null(store_query_db(f.s, 0, &missing));
	assert_int_equal(missing, 0);
	assert_int_equal(ask(&f, "SELECT count(*) FROM decision"), 0);
	assert_int_equal(ask(&f, "SELECT count(*) FROM generation"), 0);
	store_close(f.s);
	assert_int_equal(access("/nonexistent", F_OK), -1);
}

static void store_that_cannot_be_made_says_why(void **state)
{
	char error[256] = "";
	struct store *s;

	assert_int_equal(store_open("/proc/cordon-store", false, &s, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "/proc/cordon-store"));
	assert_null(s);
}

static void damaged_control_is_named(void **state)
{
	struct fixture *f = *state;
	char error[256] = "", path[200];
	struct store *s;

	fixture_close(f);
	path_of(f, "control.db", path);
	damage(path);
	for (int read_only = 0; read_only < 2; read_only++) {
		assert_int_equal(store_open(f->store, read_only, &s, error, sizeof(error)), -EBADMSG);
		assert_non_null(strstr(error, "control.db is damaged"));
		assert_non_null(strstr(error, "move it away"));
	}
	unlink(path);
	fixture_open(f); /* and without it the store starts anew */
}

static void damaged_day_stops_storing_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	char path[200];
	struct laws laws;
	struct plane d;

	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	fixture_close(f);
	path_of(f, "flows-2026-01-01.db", path);
	damage(path);
	fixture_open(f);
	plane_open(&d, f->run, 64);
	plane_open_session(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), -EBADMSG);
	reader_laws(f->r, &laws);
	assert_false(laws.storing);
	assert_non_null(strstr(laws.text, "flows-2026-01-01.db is damaged"));
	assert_int_equal(laws.pending, 1);
	assert_true(laws.closed);
	unlink(path); /* what the text says */
	assert_int_equal(reader_pass(f->r, NOON, 100), 1);
	reader_laws(f->r, &laws);
	assert_true(laws.storing && laws.closed);
	assert_int_equal(laws.pending, 0);
	ring_close(&d.file);
}

/* A writer killed between making a day file and its tables. */
static void half_made_day_is_finished(void **state)
{
	struct fixture *f = *state;
	char error[256] = "", path[200];
	struct fixture reading = {0};

	path_of(f, "flows-2026-01-01.db", path);
	fclose(fopen(path, "w"));
	assert_int_equal(store_open(f->store, true, &reading.s, error, sizeof(error)), 0);
	assert_int_equal(ask(&reading, "SELECT count(*) FROM decision"), 0);
	store_close(reading.s);
	assert_int_equal(ask(f, "SELECT count(*) FROM decision"), 0);
	assert_int_equal(reader_pass(f->r, NOON, 1), 0);
}

static void other_version_is_refused(void **state)
{
	struct fixture *f = *state;
	char error[256] = "";
	struct store *s;

	assert_int_equal(sqlite3_exec(store_control(f->s), "PRAGMA user_version=99", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(store_open(f->store, true, &s, error, sizeof(error)), -EPROTO);
	assert_non_null(strstr(error, "another version"));
}

static void questions_cannot_write(void **state)
{
	struct fixture *f = *state;
	struct sqlite3 *db;

	assert_int_equal(reader_pass(f->r, NOON, 1), 0);
	db = store_query_db(f->s, 0, NULL);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM control.generation", NULL, NULL, NULL),
			 SQLITE_READONLY);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM d0.decision", NULL, NULL, NULL), SQLITE_READONLY);
}

/* --- days ---------------------------------------------------------------------------------------------- */

static void store_on(struct fixture *f, struct plane *d, int day)
{
	plane_open_session(d);
	plane_open_session(d);
	plane_repeat(d);
	assert_int_equal(reader_pass(f->r, NOON + day * DAY, 100), 3);
}

static void accounts_are_the_newest_days(void **state)
{
	struct fixture *f = *state;
	struct laws laws;
	struct plane d;

	plane_open(&d, f->run, 64);
	for (int day = 0; day < 3; day++)
		store_on(f, &d, day);
	assert_true(count_files(f->store, "01-01.db") && count_files(f->store, "01-02.db") &&
		    count_files(f->store, "01-03.db"));
	assert_int_equal(ask(f, "SELECT count(*) FROM decision"), 6);
	assert_int_equal(ask(f, "SELECT count(*) FROM account"), 1);
	assert_int_equal(ask(f, "SELECT written FROM account"), 6);
	assert_int_equal(ask(f, "SELECT sum(count) FROM aggregate"), 3);
	fixture_close(f);
	fixture_open(f); /* the position is found in the newest file */
	assert_int_equal(reader_pass(f->r, NOON + 3 * DAY, 100), 0);
	reader_laws(f->r, &laws);
	assert_true(laws.closed);
	assert_int_equal(laws.written, 6);
	assert_int_equal(laws.aggregated, 3);
	assert_int_equal(ask(f, "SELECT sum(count) FROM frames"), 9);
	ring_close(&d.file);
}

static void clock_back_goes_on_in_the_newest_day(void **state)
{
	struct fixture *f = *state;
	struct plane d;

	plane_open(&d, f->run, 64);
	store_on(f, &d, 5);
	fixture_close(f);
	fixture_open(f);
	store_on(f, &d, 0);
	assert_int_equal(count_files(f->store, "flows-2026-01-01"), 0);
	assert_int_equal(ask(f, "SELECT written FROM account"), 4);
	ring_close(&d.file);
}

static void more_days_than_can_be_attached(void **state)
{
	struct fixture *f = *state;
	unsigned missing = 0;

	for (int day = 0; day < 12; day++)
		assert_int_equal(reader_pass(f->r, NOON + day * DAY, 1), 0);
	assert_non_null(store_query_db(f->s, 0, &missing));
	assert_int_equal(missing, 3);
	assert_non_null(store_query_db(f->s, 2, &missing));
	assert_int_equal(missing, 0);
}

static void retention_keeps_hours_and_the_newest_day(void **state)
{
	struct fixture *f = *state;
	struct plane d;

	plane_open(&d, f->run, 64);
	for (int day = 0; day < 4; day++)
		store_on(f, &d, day);
	assert_int_equal(store_retain(f->s, 0, 2), 0);
	assert_int_equal(count_files(f->store, "flows-2026-01-01"), 0);
	assert_int_equal(count_files(f->store, "flows-2026-01-02"), 0);
	assert_int_equal(ask(f, "SELECT count(*) FROM decision"), 4);
	assert_int_equal(ask(f, "SELECT count(*) FROM removed_day WHERE written = 2 AND aggregated = 1"), 2);
	assert_int_equal(ask(f, "SELECT sum(count) FROM hourly"), 6);
	assert_int_equal(store_retain(f->s, 1, 0), 0);
	assert_int_equal(ask(f, "SELECT count(*) FROM removed_day"), 3);
	assert_int_not_equal(count_files(f->store, "flows-2026-01-04"), 0);
	/* the reader goes on, and counts no aggregate twice although its day is gone */
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(reader_pass(f->r, NOON + 4 * DAY, 100), 0);
	ring_close(&d.file);
}

/* --- flows --------------------------------------------------------------------------------------------- */

struct seen {
	unsigned n;
	char text[2000];
};

static void see(void *ctx, const struct flow_row *row)
{
	struct seen *s = ctx;
	size_t at = strlen(s->text);

	s->n++;
	snprintf(s->text + at, sizeof(s->text) - at, "%s %s %s/%s %s->%s %s->%s:%u x%llu %llu/%llu%s\n",
		 row->kind, row->verdict, row->rule, row->intended_rule, row->src_identity, row->dst_identity,
		 row->src, row->dst, row->dport, (unsigned long long)row->count,
		 (unsigned long long)row->packets[0], (unsigned long long)row->bytes[1],
		 row->live ? " live" : "");
}

static struct seen flows_of(struct fixture *f, struct flow_filter filter, bool complete)
{
	struct seen s = {0};
	uint64_t lost = 99;
	bool whole;

	assert_int_equal(query_flows(f->s, &filter, see, &s, &whole, &lost), 0);
	assert_int_equal(whole, complete);
	assert_true(!complete || !lost);
	return s;
}

static void fill_flows(struct fixture *f, struct plane *d)
{
	struct record r;

	sqlite3_exec(store_control(f->s),
		     "INSERT INTO dictionary VALUES (16, 'role=web'), (17, 'role=db');"
		     "INSERT INTO generation (number, state, digest, image_digest, author, message, "
		     "prepared_ns) VALUES "
		     "(1, 'active', 'd', 'i', 'a', 'm', 1);"
		     "INSERT INTO rule (generation, number, id, effect, mode) VALUES (1, 1, 'hr-data', "
		     "'allow', 'enforce'), "
		     "(1, 2147483648, 'scope:s-all', 'scope', 'monitor')",
		     NULL, NULL, NULL);
	plane_open(d, f->run, 64);
	plane_open_session(d); /* session 1 */
	r = plane_record(d, RECORD_END);
	r.session = 1;
	r.packets[0] = 10;
	r.bytes[1] = 777;
	plane_update(d, &r);
	d->now += 1000;
	plane_open_session(d); /* session 2 stays */
	d->now += 1000;
	r = plane_record(d, RECORD_OPEN);
	r.rule = RULE_SCOPE_BIT;
	r.intended = VERDICT_DENY;
	r.intended_rule = RULE_DEFAULT_DENY;
	r.dport = 22;
	plane_decide(d, &r);
	d->now += 1000;
	plane_repeat(d);
	plane_repeat(d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 5);
}

static void flows_join_what_is_known(void **state)
{
	struct fixture *f = *state;
	struct plane d;
	struct seen s;

	fill_flows(f, &d);
	s = flows_of(f, (struct flow_filter){.service = -1}, true);
	assert_string_equal(
		s.text,
		"aggregate deny default-deny/default-deny $unknown->role=web 10.0.0.9->10.0.0.2:22 x2 2/0\n"
		"session would-deny scope:s-all/default-deny role=web->role=db 10.0.0.1->10.0.0.2:22 x1 1/0 "
		"live\n"
		"session allow hr-data/hr-data role=web->role=db 10.0.0.1->10.0.0.2:443 x1 1/0 live\n"
		"session allow hr-data/hr-data role=web->role=db 10.0.0.1->10.0.0.2:443 x1 10/777\n");
	ring_close(&d.file);
}

static void filters_choose(void **state)
{
	static const struct {
		struct flow_filter filter;
		unsigned n;
	} cases[] = {
		{{.service = -1, .limit = 2}, 2},
		{{.service = -1, .verdict = "would-deny"}, 1},
		{{.service = -1, .verdict = "would-deny,deny"}, 2},
		{{.service = -1, .verdict = "would-allow"}, 0},
		{{.service = -1, .from = "role=web"}, 3},
		{{.service = -1, .from = "role=we"}, 0}, /* labels are whole */
		{{.service = -1, .from = "we"}, 3},
		{{.service = -1, .from = "role=web,ro"}, 3},
		{{.service = -1, .from = "role=web,role=db"}, 0},
		{{.service = -1, .from = "\"],[\\"}, 0},
		{{.service = -1, .from = "$unknown"}, 1},
		{{.service = -1, .from = "10.0.0.9"}, 1},
		{{.service = -1, .from = "10.0.0.99"}, 0},
		{{.service = -1, .to = "role=db"}, 3},
		{{.service = -1, .to = "10.0.0.2"}, 4},
		{{.service = -1, .to = "10.0.0.3"}, 0},
		{{.service = -1, .rule = "hr-data"}, 2},
		{{.service = -1, .rule = "default-deny"}, 2},
		{{.service = -1, .rule = "hr"}, 0},
		{{.service = -1, .reason = "no-rule"}, 1},
		{{.service = 6 << 16 | 22}, 2},
		{{.service = 17 << 16 | 22}, 0},
		{{.service = -1, .since_ns = NOON + 1}, 3},
		{{.service = -1, .until_ns = NOON - 1}, 0},
	};
	struct fixture *f = *state;
	struct plane d;

	fill_flows(f, &d);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen s = flows_of(f, cases[i].filter, true);

		if (s.n != cases[i].n)
			fail_msg("case %zu: %u rows, wanted %u\n%s", i, s.n, cases[i].n, s.text);
	}
	ring_close(&d.file);
}

static void losses_and_retention_make_it_incomplete(void **state)
{
	struct fixture *f = *state;
	struct plane d;

	fill_flows(f, &d);
	assert_int_equal(reader_pass(f->r, NOON + DAY, 100), 0);
	assert_int_equal(store_retain(f->s, 0, 1), 0);
	assert_int_equal(flows_of(f, (struct flow_filter){.service = -1}, false).n, 0);
	flows_of(f, (struct flow_filter){.service = -1, .since_ns = NOON + DAY}, true);
	bump(&d.c->decisions);
	bump(&d.c->decisions_lost);
	assert_int_equal(reader_pass(f->r, NOON + DAY, 100), 0);
	flows_of(f, (struct flow_filter){.service = -1, .since_ns = NOON + DAY}, false);
	ring_close(&d.file);
}

static void unknown_verdict_is_refused(void **state)
{
	struct fixture *f = *state;
	bool complete;
	uint64_t lost;

	assert_int_equal(query_flows(f->s, &(struct flow_filter){.service = -1, .verdict = "allow,maybe"},
				     see, NULL, &complete, &lost),
			 -EINVAL);
	assert_non_null(strstr(store_error(f->s), "would-deny"));
}

/* --- text ---------------------------------------------------------------------------------------------- */

static void addresses_as_rfc_5952_wants(void **state)
{
	static const struct {
		uint8_t addr[16];
		const char *text;
	} cases[] = {
		{{0}, "::"},
		{{[15] = 1}, "::1"},
		{{0x20, 1, 0x0d, 0xb8, [15] = 1}, "2001:db8::1"},
		{{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, "2001:db8:0:1:1:1:1:1"},
		{{0x20, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, "2001:0:0:1::1"},
		{{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1}, "2001:db8::1:0:0:1"},
		{{0xfe, 0x80, [8] = 0x0a, 0xbc, 0xde, 0xf0}, "fe80::abc:def0:0:0"},
		{{0xff, 2}, "ff02::"},
	};
	char text[ADDRESS_TEXT];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(address_text(6, cases[i].addr, text), strlen(cases[i].text));
		assert_string_equal(text, cases[i].text);
	}
	address_text(4, (uint8_t[16]){255, 10, 0, 109}, text);
	assert_string_equal(text, "255.10.0.109");
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_store_reads_as_empty),
		cmocka_unit_test(store_that_cannot_be_made_says_why),
		WITH(damaged_control_is_named),
		WITH(damaged_day_stops_storing_and_nothing_else),
		WITH(half_made_day_is_finished),
		WITH(other_version_is_refused),
		WITH(questions_cannot_write),
		WITH(accounts_are_the_newest_days),
		WITH(clock_back_goes_on_in_the_newest_day),
		WITH(more_days_than_can_be_attached),
		WITH(retention_keeps_hours_and_the_newest_day),
		WITH(flows_join_what_is_known),
		WITH(filters_choose),
		WITH(losses_and_retention_make_it_incomplete),
		WITH(unknown_verdict_is_refused),
		cmocka_unit_test(addresses_as_rfc_5952_wants),
	};

	return cmocka_run_group_tests_name("observe-store", tests, NULL, NULL);
}
