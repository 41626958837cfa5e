/* SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4
#define FDS_MAX 4 /* received at once; all but the first are closed */

int peer_listen(const char *run_dir, const char *name, char *error, size_t room)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* We hold the lock of this directory, so a socket that lies there is a dead one's. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", run_dir, name);
	unlink(address.sun_path);
	mode_t before = umask(0117);
	int code = fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, BACKLOG)
			   ? errno
			   : 0;
	umask(before);
	if (!code)
		return fd;
	snprintf(error, room, "%s: %s", address.sun_path, strerror(code));
	if (fd >= 0)
		close(fd);
	return -code;
}

int peer_accept(int listen, struct peer_credentials *who)
{
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);
	int fd = accept4(listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	*who = (struct peer_credentials){cred.pid, cred.uid};
	return fd;
}

static void watch(const struct peer *p, int operation)
{
	struct epoll_event event = {.events = p->waiting ? EPOLLOUT : EPOLLIN, .data.fd = p->fd};

	epoll_ctl(p->epoll, operation, p->fd, &event);
}

void peer_open(struct peer *p, int fd, int epoll)
{
	*p = (struct peer){.fd = fd, .epoll = epoll, .answer_fd = -1};
	watch(p, EPOLL_CTL_ADD);
}

void peer_close(struct peer *p)
{
	if (p->answer_fd >= 0)
		close(p->answer_fd);
	if (p->fd >= 0)
		close(p->fd);
	p->fd = p->answer_fd = -1;
	p->waiting = false;
}

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

static int send_message(int to, const struct dpmsg *m, int fd)
{
	struct iovec iov = {(void *)(uintptr_t)m, sizeof(*m)};
	union control control = {0};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(fd));
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(to, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(*m))
		return 0;
	return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

void peer_refuse(int fd, const struct dpmsg *m)
{
	send_message(fd, m, -1);
	close(fd);
}

/* The first descriptor is kept, any others were not asked for. */
static int take_descriptor(struct msghdr *message)
{
	int kept = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (kept < 0)
				kept = fd;
			else
				close(fd);
		}
	}
	return kept;
}

ssize_t peer_receive(struct peer *p, struct dpmsg *m, int *fd)
{
	struct iovec iov = {m, sizeof(*m)};
	union control control;
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control)};

	memset(m, 0, sizeof(*m));
	*fd = -1;
	ssize_t n = recvmsg(p->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
	if (n < 0)
		return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
	*fd = take_descriptor(&message);
	return n;
}

static void forget_answer(struct peer *p)
{
	if (p->answer_fd >= 0)
		close(p->answer_fd);
	p->answer_fd = -1;
	p->waiting = false;
}

int peer_answer(struct peer *p, const struct dpmsg *m, int fd)
{
	p->answer = *m;
	p->answer_fd = fd;
	p->waiting = true;
	return peer_flush(p);
}

int peer_flush(struct peer *p)
{
	if (!p->waiting)
		return 0;
	int code = send_message(p->fd, &p->answer, p->answer_fd);
	if (code != -EAGAIN)
		forget_answer(p);
	watch(p, EPOLL_CTL_MOD);
	return code == -EAGAIN ? 0 : code;
}

bool peer_waits(const struct peer *p)
{
	return p->waiting;
}

int peer_event(struct peer *p, const struct dpmsg *m)
{
	return p->waiting ? -EAGAIN : send_message(p->fd, m, -1);
}
