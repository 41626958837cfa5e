/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost.h"

/* Whoever can change the directory could put a socket of his own into the place of ours, and hosts would
 * connect to that. */
static int check_directory(const char *path, char *error, size_t room)
{
	char dir[VHOST_PATH_MAX + 1];
	struct stat st;
	int code = 0;

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (!dir[0])
		snprintf(dir, sizeof(dir), "/");
	if (stat(dir, &st))
		code = errno;
	else if (!S_ISDIR(st.st_mode))
		code = ENOTDIR;
	if (code) {
		snprintf(error, room, "directory %s of the socket: %s", dir, strerror(code));
		return -code;
	}
	if (st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	snprintf(error, room,
		 "directory %s of the socket: it must belong to the user of cordon-dp and be writable for "
		 "nobody else",
		 dir);
	return -EPERM;
}

/* Whether somebody listens at the socket. 0: nobody. */
static int ask(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int code = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : EADDRINUSE;
	close(fd);
	return code == ECONNREFUSED ? 0 : code;
}

int guest_clear(const char *path, char *error, size_t room)
{
	struct stat st;
	int code = check_directory(path, error, room);

	if (code)
		return code;
	if (lstat(path, &st))
		code = errno == ENOENT ? 0 : errno;
	else if (!S_ISSOCK(st.st_mode))
		code = EEXIST;
	else if (!(code = ask(path)) && unlink(path))
		code = errno;
	if (code)
		snprintf(error, room, "%s: %s", path,
			 code == EADDRINUSE ? "somebody serves this socket already"
			 : code == EEXIST   ? "it is there already, and no socket"
					    : strerror(code));
	return -code;
}

int guest_admit(const char *path)
{
	return chmod(path, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) ? -errno : 0;
}
