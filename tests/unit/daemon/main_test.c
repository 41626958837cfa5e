/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cordond as a process: arguments, exit codes, one instance, and a clean end. Argument 1 is the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dir.h"

static const char *program;

struct bench {
	char dir[64], config[128], out[128];
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	FILE *f;

	dir_make(b->dir, sizeof(b->dir));
	snprintf(b->config, sizeof(b->config), "%s/gw.yaml", b->dir);
	snprintf(b->out, sizeof(b->out), "%s/out", b->dir);
	f = fopen(b->config, "we");
	fprintf(f,
		"gateway: gw1\nports: [{name: a, device: net_null, role: access, vlan: 10, side: inside}]\n"
		"records: {dir: %s}\n",
		b->dir);
	fclose(f);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	dir_remove(b->dir);
	free(b);
	return 0;
}

static pid_t start_with(struct bench *b, const char *config, const char *option, const char *more)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(b->out, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		execl(program, program, "--config", config, "--run-dir", b->dir, option, more, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static pid_t start(struct bench *b, const char *config, const char *option)
{
	return start_with(b, config, option, NULL);
}

static int finish(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const char *output(struct bench *b)
{
	static char text[4096];
	FILE *f = fopen(b->out, "re");

	text[f ? fread(text, 1, sizeof(text) - 1, f) : 0] = 0;
	if (f)
		fclose(f);
	return text;
}

static void write_config(struct bench *b, const char *text)
{
	FILE *f = fopen(b->config, "we");

	fputs(text, f);
	fclose(f);
}

static bool answers(struct bench *b)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/api.sock", b->dir);
	r = connect(fd, (struct sockaddr *)&a, sizeof(a));
	close(fd);
	return r == 0;
}

static void wait_until_up(struct bench *b)
{
	for (int i = 0; i < 1000 && !answers(b); i++)
		poll(NULL, 0, 5);
	if (!answers(b))
		fail_msg("not up: %s", output(b));
}

static void test_check(void **state)
{
	struct bench *b = *state;

	assert_int_equal(finish(start(b, b->config, "--check")), 0);
	assert_non_null(strstr(output(b), "config of gateway gw1 is good"));
	assert_int_equal(finish(start(b, b->config, "--dp-args")), 0);
	assert_non_null(strstr(output(b), "--port\nname=a,role=access,vlan=10,side=inside,"));
}

static bool is_there(struct bench *b, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	return access(path, F_OK) == 0;
}

static void must_have(struct bench *b, const char *name, const char *expected)
{
	char path[128], text[4096] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	f = fopen(path, "re");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	assert_string_equal(text, expected);
}

/* The same as is printed for each; what cannot be written leaves what was there, or it says so. */
static void test_write_args(void **state)
{
	static const char *const whose[] = {"dp", "nft", "bridge", "port"};
	struct bench *b = *state;
	char option[96], name[32], path[128], was[4096];

	snprintf(option, sizeof(option), "--write-args=%s", b->dir);
	assert_int_equal(finish(start(b, b->config, option)), 0);
	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "--%s-args", whose[i]);
		assert_int_equal(finish(start(b, b->config, name)), 0);
		snprintf(was, sizeof(was), "%s", output(b));
		snprintf(name, sizeof(name), "%s.args", whose[i]);
		must_have(b, name, was);
		snprintf(name, sizeof(name), "%s.args.new", whose[i]);
		assert_false(is_there(b, name));
	}
	must_have(b, "port.args", "net_null\n");
	must_have(b, "bridge.args", "");
	assert_int_equal(finish(start(b, b->config, "--dp-args")), 0);
	snprintf(was, sizeof(was), "%s", output(b));

	write_config(b, "gateway: gw1\nports: []\n");
	assert_int_equal(finish(start(b, b->config, option)), 2);
	must_have(b, "dp.args", was);

	write_config(
		b,
		"gateway: gw1\nports: [{name: z, device: net_null, role: access, vlan: 10, side: inside}]\n");
	snprintf(path, sizeof(path), "%s/port.args.new", b->dir); /* the last of them cannot be written */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(finish(start(b, b->config, option)), 6);
	assert_non_null(strstr(output(b), "cannot write the arguments to"));
	assert_non_null(strstr(output(b), "what was there stays as it was"));
	must_have(b, "dp.args", was);
	assert_false(is_there(b, "dp.args.new"));
	rmdir(path);
	snprintf(path, sizeof(path), "%s/dp.args.new",
		 b->dir); /* a link of somebody else's is not followed */
	snprintf(was, sizeof(was), "%s/theirs", b->dir);
	assert_int_equal(symlink(was, path), 0);
	assert_int_equal(finish(start(b, b->config, option)), 0);
	assert_false(is_there(b, "theirs"));
	assert_int_equal(finish(start(b, b->config, "--dp-args")), 0);
	snprintf(was, sizeof(was), "%s", output(b));
	must_have(b, "dp.args", was);
	assert_non_null(strstr(was, "z"));

	snprintf(path, sizeof(path), "%s/port.args", b->dir); /* the last of them cannot be replaced */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(finish(start(b, b->config, option)), 6);
	assert_non_null(strstr(output(b), "some of them were replaced"));
	assert_false(is_there(b, "port.args.new"));
	rmdir(path);

	assert_int_equal(finish(start_with(b, b->config, option, "--check")), 2);
}

static void test_bad_config(void **state)
{
	struct bench *b = *state;

	write_config(b, "gateway: gw1\nport: []\n");
	assert_int_equal(finish(start(b, b->config, NULL)), 2);
	assert_non_null(strstr(output(b), "gw.yaml:2:1: error: unknown key `port`"));
	assert_non_null(strstr(output(b), "^"));
	assert_int_equal(finish(start(b, "/nonexistent.yaml", NULL)), 2);
	assert_non_null(strstr(output(b), "/nonexistent.yaml: No such file"));
	assert_int_equal(finish(start(b, b->config, "--nonsense")), 2);
	assert_non_null(strstr(output(b), "usage:"));
}

static void test_one_instance_and_a_clean_end(void **state)
{
	struct bench *b = *state;
	pid_t first = start(b, b->config, NULL);
	char expected[64];

	wait_until_up(b);
	assert_int_equal(finish(start(b, b->config, NULL)), 6);
	snprintf(expected, sizeof(expected), "another cordond (pid %d)", (int)first);
	assert_non_null(strstr(output(b), expected));
	assert_true(answers(b));
	kill(first, SIGTERM);
	assert_int_equal(finish(first), 0);
	assert_false(answers(b));
	first = start(b, b->config, NULL);
	wait_until_up(b);
	kill(first, SIGKILL); /* leaves its socket; the next one replaces it */
	assert_int_equal(waitpid(first, NULL, 0), first);
	first = start(b, b->config, NULL);
	wait_until_up(b);
	kill(first, SIGTERM);
	assert_int_equal(finish(first), 0);
}

static void test_corrupt_store(void **state)
{
	struct bench *b = *state;
	char path[128];
	struct stat before, after;
	FILE *f;

	snprintf(path, sizeof(path), "%s/control.db", b->dir);
	f = fopen(path, "we");
	fputs("this is not a database, but long enough to have a header in it\n", f);
	fclose(f);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(finish(start(b, b->config, NULL)), 6);
	assert_non_null(strstr(output(b), "control.db"));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_check),         T(test_write_args),
		T(test_bad_config),    T(test_one_instance_and_a_clean_end),
		T(test_corrupt_store),
	};

	if (argc != 2)
		return 2;
	program = argv[1];
	return cmocka_run_group_tests_name("daemon main", tests, NULL, NULL);
}
