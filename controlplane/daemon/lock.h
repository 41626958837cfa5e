/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One cordond per run directory: a lock on <run>/cordond.lock that the kernel releases when we die.
 */
#pragma once

#include <stddef.h>

/* Makes the directory if it is missing. The fd to keep, or -errno with the reason (and the holder) in
 * `error`. */
int lock_take(const char *run_dir, char *error, size_t room);
