/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 48
#define WAIT_S    60
#define POLL_NS   5000000

static const char *program;

void rig_program(const char *path)
{
	program = path;
}

void rig_init(struct rig *r)
{
	*r = (struct rig){.pid = -1, .errors = -1, .socket = "dp.sock"};
	strcpy(r->dir, "/tmp/cordon-rig-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
}

static void run_program(const struct rig *r, const char *const arguments[], int errors)
{
	const char *words[WORDS_MAX] = {program, "--run-dir", r->dir, "--no-huge", "--state", r->dir};
	int n = r->bare ? 3 : 6;

	while (*arguments && n < WORDS_MAX - 1)
		words[n++] = *arguments++;
	dup2(errors, STDERR_FILENO);
	execv(program, (char *const *)(uintptr_t)words);
	_exit(127);
}

void rig_start(struct rig *r, const char *const arguments[])
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	if (r->errors >= 0)
		close(r->errors);
	r->errors = ends[0];
	r->said[0] = 0;
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (!r->pid)
		run_program(r, arguments, ends[1]);
	close(ends[1]);
}

int rig_end(struct rig *r, int signal)
{
	int status;

	/* One that has ended has the number -1, and a signal to that one goes to everybody. */
	if (r->pid <= 0)
		return -1;
	if (signal)
		kill(r->pid, signal);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	r->pid = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool rig_said(struct rig *r, const char *text)
{
	size_t len = strlen(r->said);
	ssize_t n;

	while (len < sizeof(r->said) - 1 &&
	       (n = read(r->errors, r->said + len, sizeof(r->said) - 1 - len)) > 0)
		len += (size_t)n;
	r->said[len] = 0;
	if (!strstr(r->said, text))
		print_message("# stderr was: %s\n", r->said);
	return strstr(r->said, text);
}

static void remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char child[512];

	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		if (entry->d_type == DT_DIR)
			remove_tree(child);
		else
			unlink(child);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

void rig_fini(struct rig *r)
{
	if (r->pid > 0)
		rig_end(r, SIGKILL);
	if (r->errors >= 0)
		close(r->errors);
	remove_tree(r->dir);
}

static int try_connect(const struct rig *r)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = WAIT_S};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", r->dir, r->socket);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

int rig_connect(struct rig *r)
{
	for (time_t end = time(NULL) + WAIT_S; time(NULL) < end;) {
		int fd = try_connect(r);

		if (fd >= 0)
			return fd;
		if (waitpid(r->pid, NULL, WNOHANG) == r->pid) {
			r->pid = -1;
			rig_said(r, "\n\n");
			fail_msg("the program ended");
		}
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
	}
	fail_msg("no connection within %d s", WAIT_S);
	return -1;
}

void rig_send(int fd, const void *bytes, size_t size, int memfd)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, size};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (memfd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.header = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(&control.header), &memfd, sizeof(memfd));
	}
	assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), size);
}

bool rig_receive(int fd, struct dpmsg *m, int *memfd)
{
	struct iovec iov = {m, sizeof(*m)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	int got = -1;

	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return false;
	assert_int_equal(n, sizeof(*m));
	assert_int_equal(m->abi, DP_ABI);
	if (CMSG_FIRSTHDR(&message))
		memcpy(&got, CMSG_DATA(&control.header), sizeof(got));
	if (memfd)
		*memfd = got;
	else if (got >= 0)
		close(got);
	return true;
}

struct dpmsg rig_ask(int fd, struct dpmsg request, int memfd, int *answer_fd)
{
	struct dpmsg answer;

	rig_send(fd, &request, sizeof(request), memfd);
	do
		assert_true(rig_receive(fd, &answer, answer_fd));
	while (!answer.seq);
	assert_int_equal(answer.seq, request.seq);
	return answer;
}

struct dpmsg rig_request(enum dpmsg_type type)
{
	static uint64_t seq;

	return (struct dpmsg){.abi = DP_ABI, .type = (uint16_t)type, .seq = ++seq};
}

int rig_memfd(const void *bytes, size_t size, bool sealed)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	if (sealed)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
	return fd;
}
