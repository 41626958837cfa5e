/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both clocks at one instant. Any thread. */
#pragma once

#include "engine.h"

struct engine_clock now_clock(void);
