/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Staging: from a ring to rows, aggregates, frames and accounts of the transaction in hand; and what becomes
 * of it after the commit, or without one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring_source.h"

#define CLOCK_BACK_NS 100000000 /* of the clock: less is jitter between bursts */

static void note_clock(struct account *a, const struct record *r)
{
	if (r->last_ns + CLOCK_BACK_NS < a->clock_ns)
		a->clock_back++;
	a->clock_ns = r->last_ns;
}

/* A type that nobody knows is counted as a lost decision: the more visible of the two. */
static int stage_record(struct ring_source *src, struct ledger *l, uint32_t worker, const struct record *r)
{
	struct account *a = &src->workers[worker].next;
	int error = 0;

	if (is_decision(r)) {
		error = ledger_decision(l, src->instance, worker, a->tail, r);
		a->written++;
		note_clock(a, r);
	} else if (is_update(r)) {
		error = ledger_update(l, src->instance, worker, a->tail, r);
		a->updates_written++;
	} else {
		a->missed++;
		a->lost++;
	}
	a->tail++;
	return error;
}

static int stage_records(struct ring_source *src, struct ledger *l, uint32_t worker, uint32_t max,
			 uint32_t *n)
{
	struct account *a = &src->workers[worker].next;

	while (*n < max) {
		uint32_t want = max - *n < SOURCE_CHUNK ? max - *n : SOURCE_CHUNK;
		uint32_t got = ring_read(&src->file, worker, a->tail, src->chunk, want);

		for (uint32_t i = 0; i < got; i++) {
			int error = stage_record(src, l, worker, &src->chunk[i]);

			if (error)
				return error;
		}
		*n += got;
		if (got < want)
			break;
	}
	src->lying = *n < max && load(&ring_worker(&src->file, worker)->head) - a->tail > src->file.n_records;
	return 0;
}

static int stage_slot(struct ring_source *src, uint32_t worker, uint32_t index, uint64_t serial,
		      uint64_t count)
{
	if (src->n_staged == src->staged_room) {
		size_t room = src->staged_room ? 2 * src->staged_room : 256;
		void *more = realloc(src->staged, room * sizeof(*src->staged));

		if (!more)
			return -ENOMEM;
		src->staged = more;
		src->staged_room = room;
	}
	src->staged[src->n_staged++] = (struct staged_slot){worker, index, {serial, count}};
	return 0;
}

static int stage_aggregate(struct ring_source *src, struct ledger *l, uint32_t worker, uint32_t index,
			   uint32_t *n)
{
	struct source_worker *sw = &src->workers[worker];
	const struct ring_aggregate *shared = &ring_aggregates(&src->file, worker)[index];
	uint64_t serial = __atomic_load_n(&shared->serial, __ATOMIC_ACQUIRE);
	struct ring_aggregate a;
	uint64_t more;
	int error;

	if (!serial || load(&shared->count) <= stored_of(&sw->slots[index], serial))
		return 0;
	if (!ring_read_aggregate(&src->file, worker, index, &a))
		return 0;
	more = missing(a.count, stored_of(&sw->slots[index], a.serial));
	if (!more)
		return 0;
	error = ledger_aggregate(l, src->instance, worker, &a, more);
	if (!error)
		error = stage_slot(src, worker, index, a.serial, a.count);
	sw->next.aggregated += more;
	(*n)++;
	return error;
}

/* The scan is as long as the table, so it is made only when the worker says that something is new, or is
 * dead. */
static int stage_aggregates(struct ring_source *src, struct ledger *l, uint32_t worker, uint32_t max,
			    uint32_t *n)
{
	struct source_worker *sw = &src->workers[worker];
	uint32_t entries = src->file.n_aggregates;

	if (!src->dead &&
	    load(&ring_worker(&src->file, worker)->counters.decisions_aggregated) == sw->next.aggregated)
		return 0;
	for (uint32_t i = 0; i < entries && *n < max; i++) {
		uint32_t index = (sw->next_slot + i) & (entries - 1);
		int error = stage_aggregate(src, l, worker, index, n);

		if (error)
			return error;
		if (*n == max)
			sw->next_slot = index + 1;
	}
	return 0;
}

static const char *cell_port(const struct ring_source *src, size_t cell)
{
	size_t port = cell / REASON_COUNT;

	return port == SOURCE_PORT_NONE ? "" : src->port_name[port];
}

static const char *cell_reason(size_t cell)
{
	unsigned reason = (unsigned)(cell % REASON_COUNT);

	return reason == SOURCE_FORWARDED ? "" : reason_word(reason);
}

static void sum_cells(struct ring_source *src, uint64_t sum[SOURCE_CELLS])
{
	memset(sum, 0, SOURCE_CELLS * sizeof(*sum));
	for (uint32_t w = 0; w < src->file.n_workers; w++) {
		const struct ring_counters *c = &ring_worker(&src->file, w)->counters;

		for (uint32_t p = 0; p <= RING_PORT_NONE; p++) {
			for (uint32_t r = 1; r < REASON_COUNT; r++)
				sum[p * REASON_COUNT + r] += load(&c->dropped[p][r]);
			if (p < RING_PORTS_MAX)
				sum[p * REASON_COUNT + REASON_L2] += load(&c->l2[p]);
		}
		sum[SOURCE_PORT_NONE * REASON_COUNT + SOURCE_FORWARDED] += load(&c->forwarded);
	}
}

/* Frames by hour, port and reason. `died` frames of a dead source had no port any more. */
static int stage_frames(struct ring_source *src, struct ledger *l, uint64_t died)
{
	uint64_t sum[SOURCE_CELLS];

	sum_cells(src, sum);
	sum[SOURCE_PORT_NONE * REASON_COUNT + REASON_TX] =
		src->total[SOURCE_PORT_NONE * REASON_COUNT + REASON_TX][1] + died;
	for (size_t i = 0; i < SOURCE_CELLS; i++) {
		uint64_t more = missing(sum[i], src->total[i][1]);
		int error;

		if (!more && !(l->fresh && src->total[i][1]))
			continue;
		src->total[i][1] += more;
		error = ledger_frames(l, src->instance, cell_port(src, i), cell_reason(i), more,
				      src->total[i][1]);
		if (error)
			return error;
	}
	return 0;
}

static int stage_accounts(struct ring_source *src, struct ledger *l)
{
	for (uint32_t w = 0; w < src->file.n_workers; w++) {
		struct source_worker *sw = &src->workers[w];
		int error;

		if (!l->fresh && !memcmp(&sw->next, &sw->stored, sizeof(sw->next)))
			continue;
		error = ledger_account(l, src->instance, w, &sw->next);
		if (error)
			return error;
	}
	return 0;
}

static int stage_rows(struct ring_source *src, struct ledger *l, uint32_t max, uint32_t *n)
{
	int error = 0;

	for (uint32_t w = 0; w < src->file.n_workers && !error; w++) {
		if (!src->other_boot)
			error = stage_records(src, l, w, max, n);
		if (!error && !src->other_boot)
			error = stage_aggregates(src, l, w, max, n);
		source_take_counters(&ring_worker(&src->file, w)->counters, &src->workers[w].next);
	}
	return error;
}

/* Drained: the pass had room left after reading all that a dead owner can have written. */
static uint64_t settle(struct ring_source *src)
{
	uint64_t died = 0;

	src->closing = true;
	for (uint32_t w = 0; w < src->file.n_workers; w++) {
		struct account *a = &src->workers[w].next;

		died += missing(a->frames_in, a->forwarded + a->dropped);
		account_settle(a, src->other_boot ? 2 : 1);
	}
	return died;
}

int source_stage(struct ring_source *src, struct ledger *l, uint32_t max, uint32_t *n)
{
	uint64_t died = 0;
	int error;

	if (src->closed)
		return 0;
	error = stage_rows(src, l, max, n);
	if (error)
		return error;
	if (src->dead && *n < max)
		died = settle(src);
	error = stage_frames(src, l, died);
	return error ? error : stage_accounts(src, l);
}

void source_committed(struct ring_source *src)
{
	for (size_t i = 0; i < src->n_staged; i++) {
		const struct staged_slot *st = &src->staged[i];

		src->workers[st->worker].slots[st->index] = st->slot;
		ring_ack_aggregate(&src->file, st->worker, st->index, st->slot.stored);
	}
	src->n_staged = 0;
	for (uint32_t w = 0; w < src->file.n_workers; w++) {
		struct source_worker *sw = &src->workers[w];

		if (sw->next.tail != load(&ring_worker(&src->file, w)->consumer.tail))
			ring_release(&src->file, w, sw->next.tail);
		sw->stored = sw->next;
	}
	for (size_t i = 0; i < SOURCE_CELLS; i++)
		src->total[i][0] = src->total[i][1];
	src->closed |= src->closing;
}

void source_discard(struct ring_source *src)
{
	src->n_staged = 0;
	src->closing = false;
	for (uint32_t w = 0; w < src->file.n_workers; w++)
		src->workers[w].next = src->workers[w].stored;
	for (size_t i = 0; i < SOURCE_CELLS; i++)
		src->total[i][1] = src->total[i][0];
}
