/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking over an instance: what the store knows of it decides where reading goes on, never the shared words
 * alone.
 */
#include <errno.h>
#include <string.h>

#include "ring_source.h"

#define ADOPT_TRIES 100

struct adoption {
	struct ring_source *src;
	bool *known; /* per worker: the newest account was taken */
};

static int adopt_account(void *ctx, const char *instance, uint32_t worker, const struct account *a)
{
	struct adoption *ad = ctx;

	if (worker >= ad->src->file.n_workers || ad->known[worker])
		return 0;
	ad->known[worker] = true;
	ad->src->workers[worker].stored = *a;
	if (a->closed)
		ad->src->closed = true;
	return 0;
}

static uint32_t reason_number(const char *word)
{
	for (uint32_t r = 1; r < REASON_COUNT; r++) {
		if (!strcmp(word, reason_word(r)))
			return r;
	}
	return SOURCE_FORWARDED;
}

static uint32_t port_number(const struct ring_source *src, const char *name)
{
	for (uint32_t p = 0; p < RING_PORTS_MAX && name[0]; p++) {
		if (!strcmp(name, src->port_name[p]))
			return p;
	}
	return SOURCE_PORT_NONE;
}

static int adopt_total(void *ctx, const char *port, const char *reason, uint64_t count)
{
	struct ring_source *src = ctx;

	src->total[port_number(src, port) * REASON_COUNT + reason_number(reason)][0] = count;
	return 0;
}

static int adopt_aggregate(void *ctx, uint32_t worker, uint64_t serial, uint64_t count)
{
	struct ring_source *src = ctx;

	if (worker >= src->file.n_workers)
		return 0;
	for (uint32_t i = 0; i < src->file.n_aggregates; i++) {
		struct slot *slot = &src->workers[worker].slots[i];

		if (slot->serial == serial) {
			slot->stored += count;
			break;
		}
	}
	return 0;
}

/* Serials as they stand now; what was acknowledged was stored, though its day may be gone by retention. */
static void adopt_slots(struct ring_source *src, uint32_t worker, bool acked_too)
{
	const struct ring_aggregate *a = ring_aggregates(&src->file, worker);
	const uint64_t *acked = ring_acked(&src->file, worker);

	for (uint32_t i = 0; i < src->file.n_aggregates; i++) {
		struct slot *slot = &src->workers[worker].slots[i];

		if (!acked_too) {
			slot->serial = __atomic_load_n(&a[i].serial, __ATOMIC_ACQUIRE);
			continue;
		}
		raise_to(&slot->stored, ring_ack_count(load(&acked[i]), slot->serial));
		if (slot->stored > load(&a[i].count))
			slot->stored = load(&a[i].count);
	}
}

/*
 * The store does not know this worker but somebody released records: the store was replaced. What was
 * released is not in this store, so here it counts as missed.
 */
static void adopt_unknown(struct ring_source *src, uint32_t worker)
{
	const struct ring_worker *shared = ring_worker(&src->file, worker);
	struct account *a = &src->workers[worker].stored;
	uint64_t head, tail = load(&shared->consumer.tail), decisions, updates, unstored;
	struct pending pending;
	int tries = 0;

	do {
		head = load(&shared->head);
		decisions = load(&shared->counters.decisions_pushed);
		updates = load(&shared->counters.updates_pushed);
	} while (head != load(&shared->head) && ++tries < ADOPT_TRIES);
	a->tail = head - tail <= src->file.n_records ? tail : head;
	pending = (struct pending){0};
	source_count_records(src, worker, a->tail, head, &pending);
	unstored = source_count_aggregates(src, worker);
	a->missed = missing(decisions, pending.decisions) +
		    missing(load(&shared->counters.decisions_aggregated), unstored);
	a->updates_missed = missing(updates, pending.updates);
}

static bool was_released(const struct ring_source *src, uint32_t worker)
{
	const uint64_t *acked = ring_acked(&src->file, worker);
	uint64_t any = load(&ring_worker(&src->file, worker)->consumer.tail);

	for (uint32_t i = 0; i < src->file.n_aggregates && !any; i++)
		any = load(&acked[i]);
	return any != 0;
}

static int adopt(struct ring_source *src, struct store *s, bool *known)
{
	struct adoption ad = {src, known};
	int error = ledger_load_accounts(s, src->instance, adopt_account, &ad);

	for (uint32_t w = 0; w < src->file.n_workers; w++)
		adopt_slots(src, w, false);
	if (!error)
		error = ledger_load_aggregates(s, src->instance, adopt_aggregate, src);
	if (!error)
		error = ledger_load_totals(s, src->instance, adopt_total, src);
	if (error)
		return error;
	for (uint32_t w = 0; w < src->file.n_workers; w++) {
		adopt_slots(src, w, true);
		if (!known[w] && was_released(src, w))
			adopt_unknown(src, w);
		src->workers[w].stored.started_ns = src->started_ns;
		src->workers[w].next = src->workers[w].stored;
	}
	for (size_t i = 0; i < SOURCE_CELLS; i++)
		src->total[i][1] = src->total[i][0];
	return 0;
}

int source_adopt(struct ring_source *src, struct store *s)
{
	bool known[RING_WORKERS_MAX] = {0};
	int error;

	if (src->adopted)
		return 0;
	for (uint32_t w = 0; w < src->file.n_workers; w++)
		src->workers[w].stored = (struct account){0};
	error = adopt(src, s, known);
	src->adopted = !error;
	return error;
}
