/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>

/* The kernel says that its clock is synchronised. One that will not say, or that we may not ask, does not. */
bool clock_synced(void);
