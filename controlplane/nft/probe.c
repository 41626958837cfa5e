/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_MAX 1024u /* frames of others that wait at a tap */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* What the kernel itself has to say at its devices, and what came too late. */
static void drain(int tap)
{
	uint8_t frame[DP_PROBE_FRAME];

	for (uint32_t i = 0; i < DRAIN_MAX && read(tap, frame, sizeof(frame)) > 0; i++)
		;
}

/* 1: this very frame came out, 0: it did not, or -errno. */
static int comes_out(int tap, const uint8_t *bytes, uint16_t len)
{
	const int64_t until = now_ms() + PROBE_WAIT_MS;
	uint8_t frame[DP_PROBE_FRAME];

	for (;;) {
		const ssize_t n = read(tap, frame, sizeof(frame));
		struct pollfd p = {.fd = tap, .events = POLLIN};

		if (n == len && !memcmp(frame, bytes, len))
			return 1;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		const int64_t left = until - now_ms();
		if (left <= 0)
			return 0;
		if (n < 0)
			poll(&p, 1, (int)left);
	}
}

int probe_frames(const int taps[2], struct dp_probes *p, const uint8_t *bytes, void (*idle)(void *ctx),
		 void *ctx)
{
	for (uint32_t i = 0; i < p->n; i++) {
		struct dp_probe *f = &p->frame[i];

		drain(taps[!f->side]);
		if (write(taps[f->side], bytes, f->len) != f->len)
			return -errno;
		const int code = comes_out(taps[!f->side], bytes, f->len);
		if (code < 0)
			return code;
		f->forwarded = (uint8_t)code;
		bytes += f->len;
		idle(ctx);
	}
	return 0;
}
