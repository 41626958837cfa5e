/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulk bytes between daemons as sealed memfds. No state, any thread.
 */
#pragma once

#include <stddef.h>

/* A memfd that holds a copy of the bytes and can no longer change; -errno. */
int memfd_sealed(const char *name, const void *bytes, size_t size);
/* A malloc'ed copy of what is in `fd`. -EPROTO if it is not sealed or larger than `max`. Empty: *bytes is
 * NULL. */
int memfd_read(int fd, size_t max, void **bytes, size_t *size);
