/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up what is not needed. The process has one thread and has no other until it ends. Main, once.
 */
#pragma once

#include <stddef.h>

/* Nothing executed from here on can gain rights, and CAP_NET_ADMIN alone is kept. 0, or -errno with the
 * reason in `error`. -EPERM also if there was no CAP_NET_ADMIN to keep. */
int rights_drop(char *error, size_t room);
