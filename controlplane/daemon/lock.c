/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The instance lock. The holder's pid is in the file, for the message to the second one.
 */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int held(int fd, const char *run_dir, char *error, size_t room)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	if (n < 0)
		pid[0] = 0;
	pid[strspn(pid, "0123456789")] = 0;
	snprintf(error, room, "%s: another cordond (pid %s) is running here", run_dir,
		 pid[0] ? pid : "unknown");
	close(fd);
	return -EBUSY;
}

int lock_take(const char *run_dir, char *error, size_t room)
{
	char path[PATH_MAX], pid[16];
	int fd, n;

	if (mkdir(run_dir, 0770) < 0 && errno != EEXIST) {
		n = -errno;
		snprintf(error, room, "%s: %s", run_dir, strerror(-n));
		return n;
	}
	snprintf(path, sizeof(path), "%s/cordond.lock", run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0) {
		n = -errno;
		snprintf(error, room, "%s: %s", path, strerror(-n));
		return n;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return held(fd, run_dir, error, room);
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
		n = -errno;
		snprintf(error, room, "%s: %s", path, strerror(-n));
		close(fd);
		return n;
	}
	return fd;
}
