/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live verification, the thinking part: which questions show that an engine decides as an image says, which
 * frames ask them, and what must become of each frame. Whoever has a connection to an engine sends the cases
 * with DP_PROBE (dpmsg.h), one case a message. Pure: no clock, no I/O, nothing kept; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dpmsg.h"
#include "image.h"

#define PROBE_BYTES      192u
#define PROBE_STEPS      6u
#define PROBE_CASES_MAX  32u
#define PROBE_SERIAL_MAX 65535u

/* A pair, a service, and the verdict that a first packet must meet. */
struct probe_question {
	uint16_t from, to; /* identity numbers */
	uint8_t family;    /* 4 or 6 */
	bool allow;
	service_key key;
	uint32_t decision; /* class: decision number of the image */
	uint32_t serial;   /* another one, another pair of addresses: 0 to PROBE_SERIAL_MAX */
};

struct probe_frame {
	uint16_t side; /* as in struct dp_probe */
	uint16_t len;
	bool forwarded; /* must be */
	uint8_t bytes[PROBE_BYTES];
};

struct probe_case {
	const char *about; /* static, one word: what kind of question it is */
	const char *name;  /* static, short, for people */
	uint32_t n;
	struct probe_frame frame[PROBE_STEPS];
};

/*
 * All cases of a question: its first packet and, as far as its protocol and family have them, state, related
 * errors, fragments, options and spoofing. Returns how many, at most `room` (PROBE_CASES_MAX is enough). The
 * first one is the first packet alone. 0: the key is of no packet that can be sent (probe_sendable()).
 */
size_t probe_cases(const struct probe_question *q, struct probe_case *out, size_t room);
/* Is there a first packet of this service that goes between two hosts and that no guard takes for itself? */
bool probe_sendable(uint8_t family, service_key key);

/* The message that asks a case, and its frames' bytes (DP_PROBE_FRAMES * PROBE_BYTES are enough). Returns
 * their size. */
size_t probe_order(const struct probe_question *q, const struct probe_case *c, struct dp_probes *order,
		   uint8_t *bytes);
/* The first frame of the case that met another fate than it must, or -1. */
int probe_differs(const struct probe_case *c, const struct dp_probes *answer);

/*
 * One question for each decision that occurs in a cell of the matrix in force at `at_utc`, at most `room`.
 * Returns how many; *left_out: decisions that occur but have no question, because no packet can ask it or for
 * lack of room. Serials count from 0. The image must be checked.
 */
size_t probe_plan(const struct image_header *image, int64_t at_utc, struct probe_question *out, size_t room,
		  size_t *left_out);
