/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One engine of a kind per run directory: a lock on <run>/<name> that the kernel releases when we die.
 */
#pragma once

#include <stddef.h>

/* Makes the directory if it is missing. The fd to keep, or -errno with the reason (and the holder) in
 * `error`. */
int runlock_take(const char *run_dir, const char *name, char *error, size_t room);
