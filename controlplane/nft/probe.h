/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frames of a live probe: sent one by one at one tap, looked for at the other. The kernel forwards a
 * frame while it is written, so what passes is there at once; what does not come in PROBE_WAIT_MS was
 * dropped. One thread.
 */
#pragma once

#include <stdint.h>

#include "dpmsg.h"

#define PROBE_WAIT_MS 10

/* Fills `forwarded`. `idle` is called after each wait. 0, or -errno of a tap that failed. */
int probe_frames(const int taps[2], struct dp_probes *p, const uint8_t *bytes, void (*idle)(void *ctx),
		 void *ctx);
