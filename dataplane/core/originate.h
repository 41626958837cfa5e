/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames of our own on their way out: built when a packet is refused, handed to the caller of the engine
 * after the burst. A short queue; what does not fit is not answered, as a limit per endpoint says anyway. One
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "parse.h"
#include "reject.h"
#include "siphash.h"

#define ORIGINATE_QUEUE     128u  /* a power of two */
#define ORIGINATE_PER_S     20u   /* answers per endpoint */
#define ORIGINATE_ENDPOINTS 1024u /* limits; endpoints that share one by hash share its allowance */

struct originate_frame {
	uint32_t len;
	uint16_t out_port;
	uint16_t domain;
	uint8_t bytes[REJECT_MAX];
};

struct originate {
	uint32_t head, tail;
	uint32_t rate[ORIGINATE_ENDPOINTS];
	struct originate_frame frame[ORIGINATE_QUEUE];
};

/* Answer a refused packet to where it came from, if it may be answered and the endpoint's allowance lasts. */
void originate_reject(struct originate *o, const struct siphash_key *key, const struct packet *p,
		      const struct frame *f, uint16_t port, uint64_t now_ns);
/* A live TCP session was cut when this packet of it came in: reset its sender at `port`, or the far end. */
void originate_reset(struct originate *o, const struct packet *p, const struct frame *f, uint16_t port);
void originate_reset_far(struct originate *o, const struct packet *p, const struct frame *f, uint16_t port);
/* Copy the oldest frame out (`len` is room in, length out). False: none. One that has no room is discarded.
 */
bool originate_next(struct originate *o, struct frame *f);
