/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One message to or from cordon-dp: exactly one struct dpmsg in one packet, with at most one descriptor.
 * Checks size and abi, nothing else. No state, any thread.
 */
#pragma once

#include "dpmsg.h"

/* Monotonic milliseconds, the scale of deadlines. */
int64_t dpwire_now_ms(void);
/* 0, -ETIMEDOUT or -errno. */
int dpwire_wait(int socket, short events, int64_t deadline);
/* `fd` < 0: none; it stays the caller's. 0 or -errno. */
int dpwire_send(int socket, const struct dpmsg *m, int fd, int64_t deadline);
/* Never waits. 1: a message; 0: none there; -ECONNRESET: closed; -EPROTO: of another size or abi; -errno. *fd
 * is the caller's, -1 if none came. */
int dpwire_receive(int socket, struct dpmsg *m, int *fd);
