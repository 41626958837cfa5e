/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "endpoints.h"

#include <string.h>

#include "siphash.h"

#define SECOND_MS 1000

/* A fixed key: who finds two endpoints that meet hides the second for a second, and nothing else. */
static const struct siphash_key fold_key = {0x636f72646f6e2d6e, 0x66742d666f6c6473};

/* All but the time. */
static uint64_t hash_of(const struct dp_endpoint *e)
{
	struct dp_endpoint bare = *e;

	bare.time_ns = 0;
	return siphash13(&fold_key, &bare, sizeof(bare)) | 1;
}

/* Direct-mapped: one that was pushed out is told again, which does no harm. */
static bool repeats(struct endpoints *q, const struct dp_endpoint *e, int64_t now_ms)
{
	const uint64_t hash = hash_of(e);
	struct endpoints_recent *slot = &q->recent[hash / 2 % ENDPOINTS_RECENT];

	if (slot->hash == hash && now_ms < slot->until_ms)
		return true;
	*slot = (struct endpoints_recent){hash, now_ms + SECOND_MS};
	return false;
}

static bool too_many(struct endpoints *q, const struct dp_endpoint *e, int64_t now_ms)
{
	const uint32_t port = e->port < ENDPOINTS_PORTS - 1 ? e->port : ENDPOINTS_PORTS - 1;

	if (now_ms >= q->second_ms + SECOND_MS || now_ms < q->second_ms) {
		memset(q->port, 0, sizeof(q->port));
		q->second_ms = now_ms;
	}
	return q->n == ENDPOINTS_QUEUE || q->port[port]++ >= ENDPOINTS_PER_PORT;
}

bool endpoints_put(struct endpoints *q, const struct dp_endpoint *e, int64_t now_ms)
{
	if (repeats(q, e, now_ms))
		return false;
	if (too_many(q, e, now_ms)) {
		q->lost++;
		return false;
	}
	q->queue[(q->head + q->n++) % ENDPOINTS_QUEUE] = *e;
	return true;
}

uint32_t endpoints_take(struct endpoints *q, struct dp_endpoint *out, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && q->n) {
		out[n++] = q->queue[q->head];
		q->head = (q->head + 1) % ENDPOINTS_QUEUE;
		q->n--;
	}
	return n;
}
