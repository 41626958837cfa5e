/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The real engine in tap mode over a policy, offline: the policy compiled to an image, the ring in memory,
 * identities from policy_classify(), time from the capture. Frames go in one by one; after each, its records
 * come out. One thread.
 */
#pragma once

#include "compile.h"
#include "engine.h"

struct tap;

struct tap_config {
	const struct ruleset *rs; /* must outlive the tap */
	const char *port;         /* NULL: no classifier with a port condition holds */
	uint32_t max_sessions;
	bool layer2; /* MAC addresses mean something */
	/* Told of every endpoint that the engine asks about; may be NULL. */
	void (*endpoint)(void *ctx, const struct engine_endpoint *endpoint, uint16_t identity);
	void *ctx;
};

typedef void tap_record_fn(void *ctx, const struct record *record);

/* COMPILE_OK and *out, or what the compiler said with words in `error`. */
enum compile_result tap_new(const struct tap_config *config, struct tap **out, char *error, size_t room);
void tap_free(struct tap *t);

/* One frame at its capture time; calls `f` for each record that it led to. */
void tap_frame(struct tap *t, struct frame *frame, int64_t utc_ns, tap_record_fn *f, void *ctx);
/* End all sessions. */
void tap_finish(struct tap *t, tap_record_fn *f, void *ctx);

const struct ring_counters *tap_counters(const struct tap *t);
const struct image_header *tap_image(const struct tap *t, size_t *size);
const struct dictionary *tap_dictionary(const struct tap *t);
const char *tap_identity_text(const struct tap *t, uint16_t number);
