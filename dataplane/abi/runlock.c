/* SPDX-License-Identifier: BSD-3-Clause */
#include "runlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(const char *path, char *error, size_t room)
{
	int code = errno;

	snprintf(error, room, "%s: %s", path, strerror(code));
	return -code;
}

static int held_by_another(int fd, const char *path, char *error, size_t room)
{
	char pid[16] = "";

	if (pread(fd, pid, sizeof(pid) - 1, 0) > 0)
		snprintf(error, room, "%s is held by process %d: only one instance per run directory", path,
			 atoi(pid));
	else
		snprintf(error, room, "%s is held by another process", path);
	close(fd);
	return -EBUSY;
}

int runlock_take(const char *run_dir, const char *name, char *error, size_t room)
{
	char path[256];

	if (mkdir(run_dir, 0755) && errno != EEXIST)
		return refuse(run_dir, error, room);
	snprintf(path, sizeof(path), "%s/%s", run_dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return refuse(path, error, room);
	if (flock(fd, LOCK_EX | LOCK_NB))
		return held_by_another(fd, path, error, room);
	if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0) {
		int code = refuse(path, error, room);

		close(fd);
		return code;
	}
	return fd;
}
