/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's event loop: timer, engines' sockets, API, signals; tells systemd how it is. One thread.
 */
#pragma once

#include "daemon.h"
#include "server.h"

/* First of all: a signal to end that comes while the daemon starts waits for the loop, which ends cleanly. 0
 * or -errno. */
int loop_hold_signals(void);
/* Runs until SIGTERM or SIGINT. 0, or -errno if the loop itself fails. */
int loop_run(struct daemon *d, struct api_server *server, int listen_fd);
