/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket of a guest's port: where it may lie, what of a dead process is removed, what is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest.h"

struct place {
	char dir[40], path[64];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/cordon-guest-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/lan1", p->dir);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	unlink(p->path);
	rmdir(p->dir);
	free(p);
	return 0;
}

/* A socket as DPDK makes it; the listening end. */
static int serve(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t before = umask(GUEST_UMASK);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	umask(before);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_mode & 07777;
}

static void refused(const struct place *p, int code, const char *says)
{
	char error[256] = "";

	assert_int_equal(guest_clear(p->path, error, sizeof(error)), code);
	if (!strstr(error, says))
		fail_msg("'%s' lacks '%s'", error, says);
}

static void test_fresh(void **state)
{
	struct place *p = *state;
	char error[256] = "";

	assert_int_equal(guest_clear(p->path, error, sizeof(error)), 0);
	assert_string_equal(error, "");
}

static void test_left_by_the_dead(void **state)
{
	struct place *p = *state;
	char error[256];

	close(serve(p->path));
	assert_int_equal(guest_clear(p->path, error, sizeof(error)), 0);
	assert_int_equal(access(p->path, F_OK), -1);
}

static void test_served(void **state)
{
	struct place *p = *state;
	int fd = serve(p->path);

	refused(p, -EADDRINUSE, "somebody serves this socket already");
	assert_int_equal(access(p->path, F_OK), 0);
	close(fd);
}

static void test_no_socket(void **state)
{
	struct place *p = *state;

	close(open(p->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	refused(p, -EEXIST, "no socket");
	assert_int_equal(access(p->path, F_OK), 0);
	unlink(p->path);
	assert_int_equal(symlink("/etc/passwd", p->path), 0);
	refused(p, -EEXIST, "no socket");
}

/* Who can change the directory can put another socket there. */
static void test_directory(void **state)
{
	static const struct {
		mode_t mode;
		bool good;
	} cases[] = {{02750, true}, {0700, true}, {0755, true}, {0770, false}, {0702, false}, {01777, false}};
	struct place *p = *state, none = {.path = "/nonexistent/lan1"}, file = {.path = "/etc/passwd/lan1"};
	char error[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(chmod(p->dir, cases[i].mode), 0);
		if (cases[i].good)
			assert_int_equal(guest_clear(p->path, error, sizeof(error)), 0);
		else
			refused(p, -EPERM, "writable for nobody else");
	}
	refused(&none, -ENOENT, "directory /nonexistent of the socket");
	refused(&file, -ENOTDIR, "directory /etc/passwd");
}

static void test_directory_of_another(void **state)
{
	struct place *p = *state;

	if (geteuid())
		skip();
	assert_int_equal(chown(p->dir, 65534, 65534), 0);
	refused(p, -EPERM, "must belong to the user of cordon-dp");
	assert_int_equal(chown(p->dir, 0, 0), 0);
}

/* The group connects when it is let in, and nobody else at any time. */
static void test_admit(void **state)
{
	struct place *p = *state;
	int fd = serve(p->path);

	assert_int_equal(mode_of(p->path), 0600);
	assert_int_equal(guest_admit(p->path), 0);
	assert_int_equal(mode_of(p->path), 0660);
	close(fd);
	unlink(p->path);
	assert_int_equal(guest_admit(p->path), -ENOENT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_fresh),     T(test_left_by_the_dead),     T(test_served), T(test_no_socket),
		T(test_directory), T(test_directory_of_another), T(test_admit),
	};

	return cmocka_run_group_tests_name("guest", tests, NULL, NULL);
}
