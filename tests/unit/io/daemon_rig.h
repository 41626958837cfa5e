/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A real cordon-dp as a child, in a directory of its own, and the other end of its control socket. Needs no
 * rights: ordinary pages, and ports that are files or nothing.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "dpmsg.h"

struct rig {
	char dir[40];       /* run and state directory */
	const char *socket; /* in there: dp.sock unless changed */
	bool bare;          /* started with no arguments of cordon-dp's */
	pid_t pid;
	int errors;      /* its stderr */
	char said[4096]; /* what was read from there so far */
};

#define RIG_PORT(name) "name=" name ",role=access,vlan=10,side=inside,device=net_null,no-rx=1"

/* Where the program lies: argv[1] of the test. */
void rig_program(const char *path);

void rig_init(struct rig *r);
/* Starts with `--run-dir DIR --no-huge --state DIR` (only the first if it is bare) and these arguments, NULL
 * at the end. */
void rig_start(struct rig *r, const char *const arguments[]);
/* Waits until it ends by itself or by `signal` (0: none is sent) and returns its exit code. */
int rig_end(struct rig *r, int signal);
/* Kills what runs, removes the directory. */
void rig_fini(struct rig *r);
/* Whether stderr has said `text` by the end of the process. */
bool rig_said(struct rig *r, const char *text);

/* A connection; waits for the socket. */
int rig_connect(struct rig *r);
/* A request with one sealed (or not) memfd, and its answer, skipping events. answer_fd may be NULL. */
struct dpmsg rig_ask(int fd, struct dpmsg request, int memfd, int *answer_fd);
void rig_send(int fd, const void *bytes, size_t size, int memfd);
/* False at the end of the connection. */
bool rig_receive(int fd, struct dpmsg *m, int *memfd);
struct dpmsg rig_request(enum dpmsg_type type);
int rig_memfd(const void *bytes, size_t size, bool sealed);
