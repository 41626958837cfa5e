/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's event loop: timer, engines' sockets, API, signals; tells systemd how it is. One thread.
 */
#pragma once

#include "daemon.h"
#include "server.h"

/* Runs until SIGTERM or SIGINT. 0, or -errno if the loop itself fails. */
int loop_run(struct daemon *d, struct api_server *server, int listen_fd);
