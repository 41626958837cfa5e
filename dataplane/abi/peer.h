/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One end of the control socket: whole messages in and out, never blocking. Control thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "dpmsg.h"

struct peer {
	int fd; /* -1: nobody */
	int epoll;
	struct dpmsg answer; /* that found no room, */
	int answer_fd;       /* its descriptor, */
	bool waiting;        /* and whether there is one */
};

struct peer_credentials {
	pid_t pid;
	uid_t uid;
};

/* The listening socket <run_dir>/<name>, 0660. fd, or -errno with the reason in `error`. */
int peer_listen(const char *run_dir, const char *name, char *error, size_t room);
/* fd, or -errno. */
int peer_accept(int listen, struct peer_credentials *who);
void peer_open(struct peer *p, int fd, int epoll);
void peer_close(struct peer *p);
/* Say `m`, if it can be said at once, and close. */
void peer_refuse(int fd, const struct dpmsg *m);

/* Bytes of the message (more than sizeof(*m) if it was longer), 0 at the end, or -errno. *fd: the descriptor
 * that came with it, now the caller's, or -1. */
ssize_t peer_receive(struct peer *p, struct dpmsg *m, int *fd);
/* Sends, or keeps it until peer_flush() can. Takes `fd`. 0 or -errno. */
int peer_answer(struct peer *p, const struct dpmsg *m, int fd);
int peer_flush(struct peer *p);
bool peer_waits(const struct peer *p);
/* 0, -EAGAIN: not sent, or -errno. */
int peer_event(struct peer *p, const struct dpmsg *m);
