/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "notify.h"

/* A manager that listens at `name`, which begins with 0 if it is abstract. */
static int listen_at(const char *name, size_t len)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, name, len);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	return fd;
}

static void hears(int fd, const char *want)
{
	char said[32] = "";

	assert_int_equal(recv(fd, said, sizeof(said) - 1, 0), strlen(want));
	assert_string_equal(said, want);
}

static void test_path(void **state)
{
	char dir[] = "/tmp/cordon-notify-XXXXXX", path[64];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	int fd = listen_at(path, strlen(path));

	setenv("NOTIFY_SOCKET", path, 1);
	notify("READY=1");
	hears(fd, "READY=1");
	close(fd);
	unlink(path);
	notify("READY=1"); /* to nobody */
	rmdir(dir);
}

static void test_abstract(void **state)
{
	char name[64];

	snprintf(name, sizeof(name), "@cordon-notify-%d", getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = 0;
	int fd = listen_at(name, 1 + strlen(name + 1));

	notify("WATCHDOG=1");
	hears(fd, "WATCHDOG=1");
	assert_int_equal(recv(fd, name, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
}

static void test_nowhere(void **state)
{
	char path[200];

	unsetenv("NOTIFY_SOCKET");
	notify("READY=1");
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	setenv("NOTIFY_SOCKET", path, 1);
	notify("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	notify("READY=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_nowhere),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
