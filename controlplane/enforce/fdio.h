/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole writes and reads on descriptors. No state, any thread.
 */
#pragma once

#include <stddef.h>

/* All bytes at the current position, whatever interrupts. 0 or -errno. */
int fd_write_all(int fd, const void *bytes, size_t size);
/* Bytes [0, size) of a file, wherever its position is. 0, -errno, or -EPROTO if the file is shorter. */
int fd_read_all(int fd, void *bytes, size_t size);
