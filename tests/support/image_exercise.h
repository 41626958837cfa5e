/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything that readers of an image do, over a sample of questions: for images that image_check() accepted
 * after somebody changed them. Both readers must agree, and ASan sees a read outside. Bounded time.
 */
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "engine.h"

#define EXERCISE_CELLS_MAX 20000

static inline bool exercise_cell(void *ctx, const struct cell *c)
{
	size_t *n = ctx;

	if (c->first >= c->end || c->end > SERVICE_KEY_END)
		abort();
	return ++*n < EXERCISE_CELLS_MAX;
}

static inline void exercise_question(const struct image_header *image, uint16_t from, uint16_t to,
				     service_key key, int64_t at_utc)
{
	const struct image_decision decoded = decode_ask(image, from, to, key, at_utc);
	const struct image_decision engine = engine_ask(image, from, to, key, at_utc);

	if (memcmp(&decoded, &engine, sizeof decoded))
		abort();
	if ((!from || !to || from >= image->identity.count || to >= image->identity.count) && decoded.flags)
		abort(); /* nobody was allowed something */
}

/* Identity numbers of prefixes must be in the table. */
static inline void exercise_prefixes(const struct image_header *image)
{
	const struct image_prefix4 *p4 = image_at(image, image->prefix4);
	const struct image_prefix6 *p6 = image_at(image, image->prefix6);

	for (uint32_t i = 0; i < image->prefix4.count; i++)
		exercise_question(image, p4[i].identity, p4[image->prefix4.count - 1 - i].identity, 0x0601bb,
				  0);
	for (uint32_t i = 0; i < image->prefix6.count; i++)
		exercise_question(image, p6[i].identity, p6[image->prefix6.count - 1 - i].identity, 0x0601bb,
				  0);
}

static inline void image_exercise(const struct image_header *image)
{
	static const service_key keys[] = {0, 0x0601ba, 0x0601bb, 0x0601bc, SERVICE_KEY_END - 1};
	static const int64_t times[] = {999, 1000};
	const uint32_t step = image->identity.count / 8 + 1;
	size_t n = 0;

	for (uint32_t from = 0; from <= image->identity.count; from += step)
		for (uint32_t to = 0; to <= image->identity.count; to += step)
			for (size_t i = 0; i < sizeof keys / sizeof keys[0] * 2; i++)
				exercise_question(image, (uint16_t)from, (uint16_t)to, keys[i / 2],
						  times[i % 2]);
	exercise_prefixes(image);
	decode_cells(image, 1000, exercise_cell, &n);
}
