/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker of a running cordon-dp that is held while an order waits for it. One that hangs still has the
 * order and what it names, so the process ends before either can go; one that was only late answers.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon_rig.h"

#define ORDER_WAIT_S 7 /* as worker.c says */

static pid_t held; /* a thread that ends while it is held is not gone before it is waited for */

static int setup(void **state)
{
	static const char *const arguments[] = {"--port", RIG_PORT("a"), "--port", RIG_PORT("b"), NULL};
	struct rig *r = calloc(1, sizeof(*r));

	rig_init(r);
	rig_start(r, arguments);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	if (held) {
		kill(r->pid, SIGKILL);
		waitpid(held, NULL, __WALL);
	}
	held = 0;
	rig_fini(r);
	free(r);
	return 0;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool is_worker(pid_t pid, const char *thread)
{
	char path[300], name[32] = "";

	snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, thread);
	FILE *file = fopen(path, "r");
	bool is = file && fgets(name, sizeof(name), file) && strstr(name, "worker");

	if (file)
		fclose(file);
	return is;
}

static pid_t worker_of(pid_t pid)
{
	char path[64];
	pid_t found = 0;
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *threads = opendir(path);
	assert_non_null(threads);
	while ((entry = readdir(threads)))
		if (is_worker(pid, entry->d_name))
			found = atoi(entry->d_name);
	closedir(threads);
	assert_true(found > 0);
	return found;
}

/* It takes no turn until it is let go. */
static void hold_worker(const struct rig *r, int fd)
{
	assert_int_equal(rig_ask(fd, rig_request(DP_PING), -1, NULL).type, DP_OK); /* it runs */
	held = worker_of(r->pid);
	assert_int_equal(ptrace(PTRACE_SEIZE, held, NULL, NULL), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, held, NULL, NULL), 0);
	assert_int_equal(waitpid(held, NULL, __WALL), held);
}

static void send_order(int fd)
{
	struct dpmsg request = rig_request(DP_DENY_ALL);

	rig_send(fd, &request, sizeof(request), -1);
}

static void test_hangs(void **state)
{
	struct rig *r = *state;
	int fd = rig_connect(r);
	struct dpmsg answer;
	const double began = now_s();

	hold_worker(r, fd);
	send_order(fd);
	assert_false(rig_receive(fd, &answer, NULL));
	assert_int_equal(waitpid(held, NULL, __WALL), held);
	held = 0;
	assert_int_equal(rig_end(r, 0), 6);
	assert_true(rig_said(r, "the worker does not answer"));
	assert_true(now_s() - began >= ORDER_WAIT_S);
	assert_true(now_s() - began < ORDER_WAIT_S * 1.8); /* it is not asked a second time */
	close(fd);
}

/* The whole process stood still, as in a machine that is frozen, and its worker goes on a moment after the
 * rest. */
static void test_late(void **state)
{
	struct rig *r = *state;
	int fd = rig_connect(r);
	struct dpmsg answer;

	hold_worker(r, fd);
	send_order(fd);
	pause_ms(200); /* it is with the worker */
	assert_int_equal(kill(r->pid, SIGSTOP), 0);
	pause_ms(ORDER_WAIT_S * 1000 + 500);
	assert_int_equal(kill(r->pid, SIGCONT), 0);
	pause_ms(50);
	assert_int_equal(recv(fd, &answer, sizeof(answer), MSG_DONTWAIT), -1); /* still waited for */
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(ptrace(PTRACE_DETACH, held, NULL, NULL), 0);
	held = 0;
	assert_true(rig_receive(fd, &answer, NULL));
	assert_int_equal(answer.type, DP_OK);
	assert_int_equal(rig_end(r, SIGTERM), 0);
	close(fd);
}

int main(int argc, char *argv[])
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_hangs), T(test_late)};

	if (argc != 2)
		return 2;
	if (getenv("CORDON_EMULATED")) {
		puts("1..0 # SKIP the emulator has no ptrace");
		return 0;
	}
	rig_program(argv[1]);
	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
