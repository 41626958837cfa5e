/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reader against rings that died, closed, lie or come from another boot, and stores that are full or
 * replaced. The kill test finds such moments by chance; here each is made on purpose.
 */
#include "fixture.h"

#include "dpmsg.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "store_internal.h"

static struct laws laws_of(struct fixture *f)
{
	struct laws laws;

	reader_laws(f->r, &laws);
	return laws;
}

static void restart(struct fixture *f)
{
	fixture_close(f);
	fixture_open(f);
}

/* The plane stops wherever it stands; real deaths are the kill test's. */
static void die(struct plane *d)
{
	ring_shut(&d->file);
	ring_close(&d->file);
}

static void check_closed(struct fixture *f, uint64_t written, uint64_t aggregated, uint64_t lost)
{
	struct laws laws = laws_of(f);

	assert_true(laws.closed && laws.storing);
	assert_int_equal(laws.in_hand, 0);
	assert_int_equal(laws.pending, 0);
	assert_int_equal(laws.written, written);
	assert_int_equal(laws.aggregated, aggregated);
	assert_int_equal(laws.lost, lost);
	assert_int_equal(laws.decisions, written + aggregated + lost);
	assert_int_equal(ask(f, "SELECT count(*) FROM decision"), written);
	assert_int_equal(ask(f, "SELECT coalesce(sum(count), 0) FROM aggregate"), aggregated);
}

static void pending_until_stored(void **state)
{
	struct fixture *f = *state;
	struct laws laws;
	struct plane d;

	plane_open(&d, f->run, 64);
	for (int i = 0; i < 10; i++)
		plane_open_session(&d);
	plane_repeat(&d);
	assert_int_equal(reader_pass(f->r, NOON, 4), 4);
	laws = laws_of(f);
	assert_true(laws.closed);
	assert_int_equal(laws.written, 4);
	assert_int_equal(laws.pending, 7);
	assert_int_equal(laws.decisions_open, 0);
	assert_int_equal(d.p.shared->consumer.tail, 4);
	assert_int_equal(reader_pass(f->r, NOON, 100), 7);
	assert_int_equal(laws_of(f).pending, 0);
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	assert_int_equal(count_files(f->run, ".ring"), 1); /* it lives */
	die(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	assert_int_equal(count_files(f->run, ".ring"), 0);
	check_closed(f, 10, 1, 0);
	restart(f);
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	check_closed(f, 10, 1, 0);
}

static void full_ring_is_lost_and_counted(void **state)
{
	struct fixture *f = *state;
	struct plane d;

	plane_open(&d, f->run, 64);
	for (int i = 0; i < 100; i++)
		plane_open_session(&d);
	ring_shut(&d.file);
	ring_close(&d.file);
	assert_int_equal(reader_pass(f->r, NOON, 1000), 64);
	check_closed(f, 64, 0, 36);
}

static void what_died_in_hand_is_counted(void **state)
{
	struct fixture *f = *state;
	struct plane d;

	plane_open(&d, f->run, 64);
	plane_open_session(&d);
	d.c->frames_in += 5; /* a burst of which nothing was accounted for */
	d.c->decisions += 3;
	assert_int_equal(reader_pass(f->r, NOON, 1000), 1);
	assert_int_equal(laws_of(f).decisions_open, 3);
	assert_true(laws_of(f).closed); /* within one burst of a live worker */
	die(&d);
	assert_int_equal(reader_pass(f->r, NOON, 1000), 0);
	check_closed(f, 1, 0, 3);
	assert_int_equal(laws_of(f).dropped, 5);
	assert_int_equal(ask(f, "SELECT count FROM frames WHERE reason = 'tx' AND port = ''"), 5);
}

/* The reader died between commit and release: the store knows more than the file. */
static void position_comes_from_the_store(void **state)
{
	struct fixture *f = *state;
	struct plane d;

	plane_open(&d, f->run, 64);
	for (int i = 0; i < 10; i++)
		plane_open_session(&d);
	plane_repeat(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 11);
	ring_release(&d.file, 0, 3);
	memset(ring_acked(&d.file, 0), 0, 4 * sizeof(uint64_t));
	restart(f);
	plane_repeat(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 1);
	assert_int_equal(d.p.shared->consumer.tail, 10);
	die(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	check_closed(f, 10, 2, 0);
}

static void lying_head_is_not_followed(void **state)
{
	struct fixture *f = *state;
	struct laws laws;
	struct plane d;

	plane_open(&d, f->run, 64);
	for (int i = 0; i < 10; i++)
		plane_open_session(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 10);
	d.p.shared->head = 1000000;
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	laws = laws_of(f);
	assert_non_null(strstr(laws.text, "contradicts"));
	assert_int_equal(laws.written, 10);
	die(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	check_closed(f, 10, 0, 0);
}

static void counters_that_fall_are_not_believed(void **state)
{
	struct fixture *f = *state;
	struct plane d;

	plane_open(&d, f->run, 64);
	for (int i = 0; i < 10; i++)
		plane_open_session(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 10);
	d.c->decisions = d.c->frames_in = d.c->forwarded = 2;
	die(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	check_closed(f, 10, 0, 0);
}

static void record_of_no_known_type_is_lost(void **state)
{
	struct fixture *f = *state;
	struct record r;
	struct plane d;

	plane_open(&d, f->run, 64);
	r = plane_record(&d, RECORD_OPEN);
	r.type = 77;
	plane_decide(&d, &r);
	plane_open_session(&d);
	die(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 2);
	check_closed(f, 1, 0, 1);
}

static void other_boot_loses_what_was_pending(void **state)
{
	struct fixture *f = *state;
	struct plane d;

	plane_open(&d, f->run, 64);
	for (int i = 0; i < 5; i++)
		plane_open_session(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 5);
	fixture_close(f);
	for (int i = 0; i < 3; i++)
		plane_open_session(&d);
	d.file.header->boot_id[3] ^= 1;
	ring_close(&d.file);
	fixture_open(f);
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	check_closed(f, 5, 0, 3);
	assert_int_equal(ask(f, "SELECT closed FROM account"), 2);
	assert_int_equal(count_files(f->run, ".ring"), 0);
}

static void file_that_is_gone_closes_its_account(void **state)
{
	struct fixture *f = *state;
	char path[200];
	struct plane d;

	plane_open(&d, f->run, 64);
	for (int i = 0; i < 5; i++)
		plane_open_session(&d);
	assert_int_equal(reader_pass(f->r, NOON, 3), 3);
	snprintf(path, sizeof(path), "%s/dp-%016llx.ring", f->run,
		 (unsigned long long)d.file.header->instance);
	fixture_close(f);
	assert_int_equal(unlink(path), 0);
	ring_close(&d.file);
	fixture_open(f);
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	check_closed(f, 3, 0, 2);
	assert_int_equal(ask(f, "SELECT closed FROM account"), 2);
}

static void replaced_store_counts_what_it_never_had(void **state)
{
	struct fixture *f = *state;
	struct plane d;

	plane_open(&d, f->run, 64);
	for (int i = 0; i < 5; i++)
		plane_open_session(&d);
	plane_repeat(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 6);
	fixture_close(f);
	remove_files(f->store);
	plane_open_session(&d);
	plane_repeat(&d);
	fixture_open(f);
	assert_int_equal(reader_pass(f->r, NOON, 100), 2);
	die(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	check_closed(f, 1, 1, 6);
}

static void strange_files_are_left_alone(void **state)
{
	struct fixture *f = *state;
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/dp-00000000000000ff.ring", f->run);
	file = fopen(path, "w");
	fputs("not a ring", file);
	fclose(file);
	assert_int_equal(reader_pass(f->r, NOON, 100), 0);
	assert_non_null(strstr(laws_of(f).text, "dp-00000000000000ff.ring"));
	assert_int_equal(access(path, F_OK), 0);
	assert_true(laws_of(f).closed);
}

static void clock_that_goes_back_is_noted(void **state)
{
	struct fixture *f = *state;
	struct plane d;

	plane_open(&d, f->run, 64);
	plane_open_session(&d);
	d.now -= 50 * 1000000; /* jitter */
	plane_open_session(&d);
	d.now -= 3600 * INT64_C(1000000000);
	plane_open_session(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 3);
	assert_int_equal(ask(f, "SELECT clock_back FROM account"), 1);
	ring_close(&d.file);
}

/* --- a full disk --------------------------------------------------------------------------------------- */

static void fill_up(const char *store)
{
	char path[200], block[4096] = {1};
	FILE *file;

	snprintf(path, sizeof(path), "%s/ballast", store);
	file = fopen(path, "w");
	while (fwrite(block, 1, sizeof(block), file) == sizeof(block) && fflush(file) == 0)
		;
	fclose(file);
}

static void run_on_full_disk(struct fixture *f)
{
	char ballast[200];
	struct laws laws;
	struct plane d;
	int stored;

	snprintf(ballast, sizeof(ballast), "%s/ballast", f->store);
	plane_open(&d, f->run, 4096);
	for (int i = 0; i < 3000; i++)
		plane_open_session(&d);
	assert_int_equal(reader_pass(f->r, NOON, 100), 100);
	fill_up(f->store);
	assert_int_equal(reader_pass(f->r, NOON, 4000), -ENOSPC);
	laws = laws_of(f);
	assert_false(laws.storing);
	assert_non_null(strstr(laws.text, "disk full"));
	assert_true(laws.closed); /* nothing is lost, nothing moved */
	assert_int_equal(laws.pending, 2900);
	assert_int_equal(d.p.shared->consumer.tail, 100);
	for (int i = 0; i < 2000; i++)
		plane_open_session(&d); /* more than the ring holds: lost and counted */
	assert_int_equal(reader_pass(f->r, NOON, 4000), -ENOSPC);
	assert_int_equal(laws_of(f).lost, 5000 - 100 - 4096);
	unlink(ballast);
	stored = reader_pass(f->r, NOON, 10000); /* by itself */
	assert_int_equal(stored, 4096);
	die(&d);
	assert_int_equal(reader_pass(f->r, NOON, 10), 0);
	check_closed(f, 4196, 0, 5000 - 4196);
}

/* The store on a small disk of its own, in a process of its own. */
static void on_small_disk(struct fixture *f, void (*run)(struct fixture *f))
{
	int status;
	pid_t pid;

	fixture_close(f);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) { /* a mount of its own, in a namespace of its own */
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", f->store, "tmpfs", 0, "size=4m") < 0)
			_exit(77);
		fixture_open(f);
		run(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		fixture_open(f);
		skip(); /* no right to mount */
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fixture_open(f);
}

static void full_disk_waits_and_recovers(void **state)
{
	on_small_disk(*state, run_on_full_disk);
}

/* Nothing is left at all, by somebody else: what was held makes it open and take a row of the journal, and
 * records wait. */
static void run_reopened(struct fixture *f)
{
	char ballast[200], reserve[200];
	uint64_t free_bytes;
	struct plane d;

	snprintf(ballast, sizeof(ballast), "%s/ballast", f->store);
	snprintf(reserve, sizeof(reserve), "%s/reserve", f->store);
	assert_int_equal(access(reserve, F_OK), 0);
	assert_false(store_full(f->s, &free_bytes));
	assert_true(free_bytes > 1 << 20);
	fixture_close(f);
	fill_up(f->store);
	fixture_open(f);
	assert_int_not_equal(access(reserve, F_OK), 0);
	assert_true(store_full(f->s, &free_bytes));
	assert_true(free_bytes > 64 << 10 && free_bytes < 1 << 20);
	assert_int_equal(sqlite3_exec(store_control(f->s), "CREATE TABLE t(x); INSERT INTO t VALUES (1)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	plane_open(&d, f->run, 4096);
	for (int i = 0; i < 4000; i++)
		plane_open_session(&d);
	while (reader_pass(f->r, NOON, 100) > 0)
		;
	assert_int_equal(reader_pass(f->r, NOON, 100), -ENOSPC);
	assert_false(laws_of(f).storing);
	assert_true(laws_of(f).closed && laws_of(f).pending > 0);
	assert_int_equal(sqlite3_exec(store_control(f->s), "INSERT INTO t VALUES (2)", NULL, NULL, NULL),
			 SQLITE_OK);
	unlink(ballast);
	assert_true(reader_pass(f->r, NOON, 10000) > 0);
	store_reserve(f->s);
	assert_int_equal(access(reserve, F_OK), 0);
	assert_false(store_full(f->s, &free_bytes));
	die(&d);
}

static void full_disk_can_be_opened(void **state)
{
	on_small_disk(*state, run_reopened);
}

/* A verification's rows say so, whoever the pair was; its drops came from no port, and both laws count them.
 */
static void probes_are_marked(void **state)
{
	struct fixture *f = *state;
	struct plane d;
	struct record r;

	plane_open(&d, f->run, 64);
	plane_open_session(&d);
	r = plane_record(&d, RECORD_OPEN);
	r.domain = DP_PROBE_DOMAIN;
	r.in_port = DP_PROBE_PORT;
	bump(&d.c->frames_in);
	plane_decide(&d, &r);
	bump(&d.c->forwarded);
	r.type = RECORD_REFUSED;
	r.verdict = VERDICT_DENY;
	bump(&d.c->frames_in);
	plane_decide(&d, &r);
	bump(&d.c->dropped[RING_PORT_NONE][REASON_NO_RULE]);
	assert_int_equal(reader_pass(f->r, NOON, 100), 3);
	die(&d);
	reader_pass(f->r, NOON, 100);
	check_closed(f, 3, 0, 0);
	assert_int_equal(ask(f, "SELECT count(*) FROM decision WHERE synthetic = 1 AND domain = 4095"), 2);
	assert_int_equal(ask(f, "SELECT count(*) FROM decision WHERE synthetic = 0"), 1);
	assert_int_equal(ask(f, "SELECT in_port FROM decision WHERE synthetic = 1"), DP_PROBE_PORT);
	assert_int_equal(ask(f, "SELECT count FROM frames WHERE port = '' AND reason = 'no-rule'"), 1);
	assert_int_equal(laws_of(f).frames_in, laws_of(f).forwarded + laws_of(f).dropped);
	assert_int_equal(laws_of(f).frames_in, 3);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH(pending_until_stored),
		WITH(full_ring_is_lost_and_counted),
		WITH(what_died_in_hand_is_counted),
		WITH(position_comes_from_the_store),
		WITH(lying_head_is_not_followed),
		WITH(counters_that_fall_are_not_believed),
		WITH(record_of_no_known_type_is_lost),
		WITH(other_boot_loses_what_was_pending),
		WITH(file_that_is_gone_closes_its_account),
		WITH(replaced_store_counts_what_it_never_had),
		WITH(strange_files_are_left_alone),
		WITH(clock_that_goes_back_is_noted),
		WITH(probes_are_marked),
		WITH(full_disk_waits_and_recovers),
		WITH(full_disk_can_be_opened),
	};

	return cmocka_run_group_tests_name("observe-reader", tests, NULL, NULL);
}
