/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells the service manager how we are: a datagram to the socket that NOTIFY_SOCKET names, as sd_notify(3)
 * does, without another library in the process that reads hostile frames. Nobody listens: nothing happens.
 */
#pragma once

/* "READY=1", "WATCHDOG=1", "STATUS=..." */
void notify(const char *state);
