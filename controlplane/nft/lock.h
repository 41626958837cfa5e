/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One cordon-nft per run directory: a lock on <run>/cordon-nft.lock that the kernel releases when we die.
 */
#pragma once

#include <stddef.h>

/* Makes the directory if it is missing. The fd to keep, or -errno with the reason (and the holder) in
 * `error`. */
int lock_take(const char *run_dir, char *error, size_t room);
