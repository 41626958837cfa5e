/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live verification: frames of made-up hosts through the engine in force (probe.h), and what became of them.
 * A question for each decision that the image in force has, the cases of state, errors, fragments and
 * spoofing once for each kind of session. Bounded in time; what was not asked is told, never passed over.
 */
#pragma once

#include <stddef.h>

#include "daemon.h"

/* `passed`: 1, 0, or -1 if it was not asked, or not to its end. */
typedef void live_check_fn(void *ctx, const char *name, int passed, const char *detail);

/* Calls `f` for each check of one connected engine. Nothing without an active generation. */
void live_verify(struct daemon *d, struct link *l, live_check_fn *f, void *ctx);
