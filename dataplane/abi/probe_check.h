/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * May this order to probe be carried out? Asked by every engine before it believes a word of it. Pure; any
 * thread.
 */
#pragma once

#include <stddef.h>

#include "dpmsg.h"

/* NULL, or what is wrong with it (static text). `size`: of the frames' bytes that came with it. */
const char *probe_check(const struct dp_probes *p, size_t size);
