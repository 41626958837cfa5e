/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands in for cordond in a benchmark: takes every record and aggregate out of a dataplane's ring file and
 * forgets it, waits until the number of sessions stops growing, then measures. One JSON object on stdout.
 *
 *   ring_drain RING_FILE SECONDS
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ring.h"

#define STEP_NS   1000000
#define SETTLE_S  1.0 /* as long must the number of sessions stand still */
#define WARM_UP_S 60.0
#define CHUNK     1024u

struct drain {
	struct ring_file file;
	uint64_t position[RING_WORKERS_MAX];
	uint64_t records, aggregated;
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define SUM(name)                                                                                            \
	static uint64_t sum_##name(const struct drain *d)                                                    \
	{                                                                                                    \
		uint64_t sum = 0;                                                                            \
		for (uint32_t i = 0; i < d->file.n_workers; i++)                                             \
			sum += __atomic_load_n(&ring_worker(&d->file, i)->counters.name, __ATOMIC_RELAXED);  \
		return sum;                                                                                  \
	}
SUM(frames_in)
SUM(sessions)
SUM(decisions_lost)
SUM(updates_lost)

static void take_records(struct drain *d, uint32_t worker)
{
	static struct record sink[CHUNK];
	uint32_t n;

	while ((n = ring_read(&d->file, worker, d->position[worker], sink, CHUNK))) {
		d->position[worker] += n;
		d->records += n;
		ring_release(&d->file, worker, d->position[worker]);
	}
}

static void take_aggregates(struct drain *d, uint32_t worker)
{
	const uint64_t *acked = ring_acked(&d->file, worker);

	for (uint32_t i = 0; i < d->file.n_aggregates; i++) {
		struct ring_aggregate a;

		if (!ring_read_aggregate(&d->file, worker, i, &a))
			continue;
		uint64_t stored = ring_ack_count(acked[i], a.serial);
		if (a.count <= stored)
			continue;
		d->aggregated += a.count - stored;
		ring_ack_aggregate(&d->file, worker, i, a.count);
	}
}

/* A slice of time, with the rings kept empty. */
static void drain_for(struct drain *d, double length)
{
	double end = seconds() + length;

	do {
		for (uint32_t i = 0; i < d->file.n_workers; i++)
			take_records(d, i);
		nanosleep(&(struct timespec){.tv_nsec = STEP_NS}, NULL);
	} while (seconds() < end);
	for (uint32_t i = 0; i < d->file.n_workers; i++)
		take_aggregates(d, i);
}

static bool warm_up(struct drain *d)
{
	double give_up = seconds() + WARM_UP_S;
	uint64_t before;

	do {
		if (seconds() > give_up)
			return false;
		before = sum_sessions(d);
		drain_for(d, SETTLE_S);
	} while (!sum_frames_in(d) || sum_sessions(d) > before);
	return true;
}

static void measure(struct drain *d, double length)
{
	uint64_t frames = sum_frames_in(d);
	double begin = seconds();

	for (double left = length; left > 0; left = begin + length - seconds())
		drain_for(d, left < SETTLE_S ? left : SETTLE_S);

	double rate = (double)(sum_frames_in(d) - frames) / (seconds() - begin);
	printf("{\"mpps\": %.3f, \"flows\": %" PRIu64
	       ", \"ns_per_packet\": %.2f, \"records_written\": %" PRIu64 ", \"records_aggregated\": %" PRIu64
	       ", \"records_lost\": %" PRIu64 "}\n",
	       rate / 1e6, sum_sessions(d), rate > 0 ? 1e9 / rate : 0.0, d->records, d->aggregated,
	       sum_decisions_lost(d) + sum_updates_lost(d));
}

int main(int argc, char *argv[])
{
	struct drain d = {0};
	double length = argc == 3 ? atof(argv[2]) : 0;

	if (length <= 0) {
		fputs("usage: ring_drain RING_FILE SECONDS\n", stderr);
		return 2;
	}
	int error = ring_open(&d.file, argv[1], true);
	if (error) {
		fprintf(stderr, "ring_drain: %s: %s\n", argv[1], strerror(-error));
		return 1;
	}
	bool warm = warm_up(&d);
	if (warm)
		measure(&d, length);
	else
		fputs("ring_drain: the number of sessions does not stop growing\n", stderr);
	ring_close(&d.file);
	return warm ? 0 : 1;
}
