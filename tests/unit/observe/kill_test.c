/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kill -9 and counting: a real producer and a real reader in processes of their own, killed alone and
 * together at random moments under load. Whatever died, both laws close, every row is there once, and what
 * the accounts say was decided is what the producers decided.
 */
#include "fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS 30
#define BURST  64

/* Survives every child: what producers did, one count before their own books know of it. */
struct truth {
	uint64_t decisions, updates, frames;
};

static void produce(const char *run, struct truth *t)
{
	struct plane d;

	plane_open(&d, run, 256);
	for (unsigned i = 0;; i++) {
		struct record end = plane_record(&d, RECORD_END);

		t->frames++;
		t->decisions++;
		if (i % 4 == 3) {
			plane_repeat(&d);
		} else {
			plane_open_session(&d);
			t->updates++;
			plane_update(&d, &end);
		}
	}
}

static void give_up(const char *why)
{
	print_error("reader: %s\n", why);
	fflush(NULL);
	_exit(1);
}

static void consume(struct fixture *f)
{
	char error[256];
	struct store *s;
	struct reader *r;

	if (store_open(f->store, false, &s, error, sizeof(error)) < 0)
		give_up(error);
	if (reader_new(s, f->run, &r) < 0)
		give_up("no reader");
	for (;;) {
		if (reader_pass(r, NOON, 100) < 0)
			give_up(store_error(s));
	}
}

static pid_t start(struct fixture *f, struct truth *t)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
	if (t)
		produce(f->run, t);
	else
		consume(f);
	_exit(3);
}

static void kill_and_reap(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* it was alive until now: no error of its own */
}

static void wait_a_random_moment(unsigned *seed)
{
	struct timespec t = {.tv_nsec = 1000 * (200 + rand_r(seed) % 20000)};

	nanosleep(&t, NULL);
}

static void drain(struct fixture *f, struct laws *laws)
{
	int n;

	while ((n = reader_pass(f->r, NOON, 10000)) > 0)
		;
	assert_int_equal(n, 0);
	reader_laws(f->r, laws);
}

static void check_books(struct fixture *f, const struct laws *laws, const struct truth *t, unsigned deaths)
{
	assert_true(laws->closed && laws->storing);
	assert_int_equal(laws->in_hand, 0);
	assert_int_equal(laws->frames_open, 0);
	assert_int_equal(laws->decisions_open, 0);
	assert_int_equal(laws->updates_open, 0);
	assert_int_equal(laws->pending + laws->updates_pending, 0);

	assert_in_range(t->decisions - laws->decisions, 0, deaths);
	assert_in_range(t->updates - laws->updates, 0, deaths);
	assert_in_range(t->frames - laws->frames_in, 0, deaths);

	assert_int_equal(ask(f, "SELECT count(*) FROM decision"), laws->written);
	assert_int_equal(ask(f, "SELECT count(DISTINCT instance || session) FROM decision"), laws->written);
	assert_int_equal(ask(f, "SELECT count(*) FROM session_update"), laws->updates_written);
	assert_int_equal(ask(f, "SELECT coalesce(sum(count), 0) FROM aggregate"), laws->aggregated);
	assert_int_equal(ask(f, "SELECT sum(count) FROM frames WHERE reason = ''"), laws->forwarded);
	assert_int_equal(ask(f, "SELECT coalesce(sum(count), 0) FROM frames WHERE reason NOT IN ('', 'l2')"),
			 laws->dropped);
	assert_in_range(ask(f, "SELECT sum(missed) FROM account"), 0, deaths * BURST);
	assert_true(laws->written > 0 && laws->aggregated > 0);
}

static void equations_close_after_kills(void **state)
{
	struct fixture *f = *state;
	struct truth *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned seed = (unsigned)time(NULL), deaths = 1;
	struct laws laws;
	pid_t producer, consumer;

	print_message("# seed %u\n", seed);
	fixture_close(f);
	producer = start(f, t);
	consumer = start(f, NULL);
	for (unsigned i = 0; i < ROUNDS; i++) {
		wait_a_random_moment(&seed);
		if (i % 3 != 1) {
			kill_and_reap(producer);
			deaths++;
		}
		if (i % 3 != 0)
			kill_and_reap(consumer);
		if (i % 3 != 1)
			producer = start(f, t);
		if (i % 3 != 0)
			consumer = start(f, NULL);
	}
	wait_a_random_moment(&seed);
	kill_and_reap(consumer);
	kill_and_reap(producer);
	fixture_open(f);
	drain(f, &laws);
	print_message(
		"# %u deaths, %llu decisions: %llu written, %llu aggregated, %llu lost, %lld of them died\n",
		deaths, (unsigned long long)laws.decisions, (unsigned long long)laws.written,
		(unsigned long long)laws.aggregated, (unsigned long long)laws.lost,
		(long long)ask(f, "SELECT sum(missed) FROM account"));
	check_books(f, &laws, t, deaths);
	assert_int_equal(count_files(f->run, ".ring"), 0);
	munmap(t, sizeof(*t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(equations_close_after_kills, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests_name("observe-kill", tests, NULL, NULL);
}
