/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cordon-nft beside a dataplane, which is played by a process that holds the lock and lets a heart beat in a
 * ring file. While it lives the kernel's bridge passes nothing; when it dies or hangs the kernel enforces.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "process.h"
#include "ring.h"
#include "space.h"

#define BEAT_NS     20000000
#define GAP_MAX_MS  1000
#define HANG_MAX_MS 1500

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* --- the dataplane -------------------------------------------------------------------------------------- */

static void live(const char *dir)
{
	static const char *const names[] = {"a", "b"};
	const struct ring_geometry g = {
		.n_workers = 1, .n_ports = 2, .n_records = 1024, .n_aggregates = 1024, .port_names = names};
	struct ring_file ring;
	char path[128];
	int lock;

	snprintf(path, sizeof(path), "%s/cordon-dp.lock", dir);
	lock = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) || dprintf(lock, "%d\n", getpid()) < 0)
		_exit(1);
	snprintf(path, sizeof(path), "%s/dp-%016x.ring", dir, (unsigned)getpid());
	if (ring_create(&ring, path, &g))
		_exit(2);
	for (;;) {
		__atomic_store_n(&ring_worker(&ring, 0)->counters.heartbeat, (uint64_t)now_ms(),
				 __ATOMIC_RELEASE);
		nanosleep(&(struct timespec){.tv_nsec = BEAT_NS}, NULL);
	}
}

static pid_t dataplane(const struct fixture *f)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		live(f->rig.dir);
	}
	assert_true(pid > 0);
	return pid;
}

static void end(pid_t pid)
{
	assert_true(pid > 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- what is seen of it --------------------------------------------------------------------------------- */

static bool guards(struct fixture *f, int fd)
{
	return hello_of(fd).standby == DP_STANDBY_GUARDING;
}

static bool is_active(struct fixture *f, int fd)
{
	return hello_of(fd).standby == DP_STANDBY_ACTIVE;
}

/* Milliseconds until the kernel enforces. */
static int64_t takes_over(int fd, int64_t since_ms)
{
	while (hello_of(fd).standby != DP_STANDBY_ACTIVE && now_ms() < since_ms + 10000)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	return now_ms() - since_ms;
}

static bool guarded(void)
{
	return space_run("nft list table netdev cordon >/dev/null 2>&1");
}

static int setup(void **state)
{
	const char *arguments[PROCESS_ARGUMENTS + 1];
	const int code = process_setup(state);
	struct fixture *f = *state;

	rig_end(&f->rig, SIGTERM);
	memcpy(arguments + 1, process_arguments, sizeof(process_arguments));
	arguments[0] = "--standby";
	rig_start(&f->rig, arguments);
	return code;
}

/* Without a generation nothing passes, dataplane or not. */
static void test_closed(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);

	assert_true(guards(f, fd) && guarded());
	assert_false(ping());
	pid_t pid = dataplane(f);
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	end(pid);
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	assert_true(guards(f, fd) && guarded());
	assert_int_equal(hello_of(fd).takeovers, 0);
	close(fd);
}

static void test_killed(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	pid_t pid = dataplane(f);

	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	put_in_force(f, fd);
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	assert_true(guards(f, fd) && guarded());
	assert_false(ping());

	for (unsigned i = 1; i <= 5; i++) {
		const int64_t at = now_ms();

		end(pid);
		const int64_t gap = takes_over(fd, at);
		print_message("# killed: the kernel enforces after %d ms\n", (int)gap);
		assert_true(gap <= GAP_MAX_MS);
		assert_int_equal(hello_of(fd).takeovers, i);
		assert_true(hello_of(fd).takeover_ns > 0);
		assert_false(guarded());
		assert_true(ping());
		pid = dataplane(f);
		assert_true(until(guards, f, fd));
		assert_true(guarded());
		assert_false(ping());
	}
	end(pid);
	close(fd);
}

/* Alive but not working counts as dead, until it works. */
static void test_hangs(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	pid_t pid = dataplane(f);

	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	put_in_force(f, fd);
	assert_true(guards(f, fd));
	const int64_t at = now_ms();
	kill(pid, SIGSTOP);
	const int64_t gap = takes_over(fd, at);
	print_message("# stopped: the kernel enforces after %d ms\n", (int)gap);
	assert_true(gap <= HANG_MAX_MS);
	assert_true(ping());
	kill(pid, SIGCONT);
	assert_true(until(guards, f, fd));
	assert_true(guarded());
	assert_false(ping());
	end(pid);
	close(fd);
}

/* What was denied is denied when the kernel takes over; and deny-all puts the guard back. */
static void test_denies(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);

	make_policy(f, UDP, 0);
	put_in_force(f, fd);
	assert_true(until(is_active, f, fd));
	assert_false(guarded());
	assert_false(ping());
	make_policy(f, ICMP, 0);
	put_in_force(f, fd);
	assert_true(ping());
	expect_ok(rig_ask(fd, rig_request(DP_DENY_ALL), -1, NULL));
	assert_true(guards(f, fd) && guarded());
	assert_false(ping());
	close(fd);
}

/* cordon-nft itself dies: the guard stays on while the dataplane lives, and off while it does not. */
static void test_restarted(void **state)
{
	const char *arguments[PROCESS_ARGUMENTS + 1];
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	pid_t pid = dataplane(f);

	memcpy(arguments + 1, process_arguments, sizeof(process_arguments));
	arguments[0] = "--standby";
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	put_in_force(f, fd);
	for (int alive = 1; alive >= 0; alive--) {
		rig_end(&f->rig, SIGKILL);
		close(fd);
		assert_int_equal(ping(), !alive);
		rig_start(&f->rig, arguments);
		fd = rig_connect(&f->rig);
		assert_true(until(alive ? guards : is_active, f, fd));
		assert_int_equal(hello_of(fd).takeovers, 0);
		assert_int_equal(ping(), !alive);
		if (alive) {
			end(pid);
			assert_true(until(is_active, f, fd));
		}
	}
	close(fd);
}

static bool is_guarded(struct fixture *f, int fd)
{
	return guarded();
}

/* The guard is taken away by somebody else, alone or with everything, while the dataplane works. */
static void test_guard_taken(void **state)
{
	static const char *const ways[] = {"nft delete table netdev cordon", "nft flush ruleset",
					   "nft delete chain netdev cordon guard0"};
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	pid_t pid = dataplane(f);

	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	put_in_force(f, fd);
	assert_true(guards(f, fd));
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		assert_true(guarded());
		assert_true(space_run("%s", ways[i]));
		nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
		assert_true(until(is_guarded, f, fd));
		assert_false(ping());
		assert_true(guards(f, fd));
	}
	end(pid);
	assert_true(until(is_active, f, fd));
	assert_true(ping());
	close(fd);
}

int main(int argc, char *argv[])
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, process_teardown)
	const struct CMUnitTest tests[] = {
		T(test_closed), T(test_killed),    T(test_hangs),
		T(test_denies), T(test_restarted), T(test_guard_taken),
	};

	if (argc != 2)
		return 2;
	rig_program(argv[1]);
	return cmocka_run_group_tests_name("standby", tests, process_world, process_world_end);
}
