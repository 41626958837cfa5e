/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket of a port that serves a guest. We listen and the guest's machine connects, so that the names
 * are made by one user alone, and a guest may start, stop and come back whenever it likes. Who may connect is
 * the host behind the port; that is the group of the socket's directory. Main thread.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* What the socket is made with: nobody else can connect while the port is being set up. */
#define GUEST_UMASK ((mode_t)0177)

/* Make room for a socket: its directory is one that only we can change, and what a dead process left there
 * is removed. 0 or -errno. */
int guest_clear(const char *path, char *error, size_t room);
/* Let the group of the socket connect. 0 or -errno. */
int guest_admit(const char *path);
