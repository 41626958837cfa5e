/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Giving up capabilities. capset() speaks for one thread only, and DPDK has made threads by the time the
 * ports are open; so every thread of the process is interrupted to drop its own, and the result is read back
 * from /proc. Main thread, once.
 */
#pragma once

#include <stddef.h>

/* First thing in main, before there are threads: nothing executed from here on can gain rights. 0 or -errno.
 */
int rights_seal(void);
/* 0 when no thread holds any capability any more; else -errno, with the reason in `error`. */
int rights_drop_all(char *error, size_t room);
