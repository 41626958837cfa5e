/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One ring file as the reader sees it. The file's writer may be dead, mad or hostile: records and aggregates
 * are copied before they are looked at, positions come from the store, counters only ever raise what is
 * known.
 *
 * An instance is over when its process is gone (or a zombie), or said so. A reused pid makes it look alive
 * until that process ends as well: its records are stored all the same, only its account stays open so long.
 */
#include "ring_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- opening ------------------------------------------------------------------------------------------- */

static bool read_text_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = 0;
	return n > 0;
}

/* Unreadable counts as the same boot: records must not be given up on a guess. */
static bool from_other_boot(const uint8_t id[16])
{
	char text[64], mine[33];
	size_t n = 0;

	if (!read_text_file("/proc/sys/kernel/random/boot_id", text, sizeof(text)))
		return false;
	for (const char *p = text; *p && n < 32; p++) {
		if (*p != '-' && *p != '\n')
			mine[n++] = *p;
	}
	mine[n] = 0;
	for (size_t i = 0; i < 16 && n == 32; i++) {
		char two[3];

		snprintf(two, sizeof(two), "%02x", id[i]);
		if (memcmp(two, mine + 2 * i, 2))
			return true;
	}
	return false;
}

static void copy_port_names(struct ring_source *src)
{
	for (uint32_t i = 0; i < RING_PORTS_MAX; i++) {
		char *name = src->port_name[i];

		memcpy(name, src->file.header->port_name[i], RING_PORT_NAME);
		for (char *p = name; *p; p++) {
			if (*p < 0x21 || *p > 0x7e)
				*p = '?';
		}
		if (!name[0])
			snprintf(name, RING_PORT_NAME + 1, "port%u", i);
	}
}

static int take_memory(struct ring_source *src)
{
	src->workers = calloc(src->file.n_workers, sizeof(*src->workers));
	src->total = calloc(SOURCE_CELLS, sizeof(*src->total));
	src->chunk = malloc(SOURCE_CHUNK * sizeof(*src->chunk));
	if (!src->workers || !src->total || !src->chunk)
		return -ENOMEM;
	for (uint32_t w = 0; w < src->file.n_workers; w++) {
		src->workers[w].slots = calloc(src->file.n_aggregates, sizeof(struct slot));
		if (!src->workers[w].slots)
			return -ENOMEM;
	}
	return 0;
}

int source_open(const char *path, struct ring_source **out)
{
	struct ring_source *src = calloc(1, sizeof(*src));
	int error;

	*out = NULL;
	if (!src)
		return -ENOMEM;
	snprintf(src->path, sizeof(src->path), "%s", path);
	error = ring_open(&src->file, path, true);
	if (!error)
		error = take_memory(src);
	if (error) {
		source_free(src);
		return error;
	}
	snprintf(src->instance, sizeof(src->instance), "%016" PRIx64, src->file.header->instance);
	src->pid = src->file.header->pid;
	src->started_ns = src->file.header->started_ns;
	src->other_boot = from_other_boot(src->file.header->boot_id);
	copy_port_names(src);
	source_check_alive(src);
	*out = src;
	return 0;
}

void source_free(struct ring_source *src)
{
	if (!src)
		return;
	for (uint32_t w = 0; src->workers && w < src->file.n_workers; w++)
		free(src->workers[w].slots);
	free(src->workers);
	free(src->total);
	free(src->chunk);
	free(src->staged);
	ring_close(&src->file);
	free(src);
}

/* A zombie writes no more, although it still has its pid. */
static bool process_runs(uint32_t pid)
{
	char path[32], text[512];
	const char *state;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (read_text_file(path, text, sizeof(text)) && (state = strrchr(text, ')')) && state[1] == ' ')
		return state[2] != 'Z' && state[2] != 'X';
	return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

void source_check_alive(struct ring_source *src)
{
	if (src->dead)
		return;
	src->dead = src->other_boot ||
		    __atomic_load_n(&src->file.header->state, __ATOMIC_ACQUIRE) == RING_CLOSED || !src->pid ||
		    src->pid > INT32_MAX || !process_runs(src->pid);
}

/* --- counters ------------------------------------------------------------------------------------------ */

static uint64_t dropped_now(const struct ring_counters *c)
{
	uint64_t sum = 0;

	for (uint32_t p = 0; p <= RING_PORT_NONE; p++) {
		for (uint32_t r = 0; r < REASON_COUNT; r++)
			sum += load(&c->dropped[p][r]);
	}
	return sum;
}

/* What was raised first by the worker is read last, so no difference comes out negative. */
void source_take_counters(const struct ring_counters *c, struct account *a)
{
	raise_to(&a->lost, load(&c->decisions_lost) + a->missed);
	raise_to(&a->updates_lost, load(&c->updates_lost) + a->updates_missed);
	raise_to(&a->decisions, load(&c->decisions));
	raise_to(&a->updates, load(&c->updates));
	raise_to(&a->dropped, dropped_now(c));
	raise_to(&a->forwarded, load(&c->forwarded));
	raise_to(&a->frames_in, load(&c->frames_in));
}

void account_settle(struct account *a, unsigned closed)
{
	uint64_t died = missing(a->decisions, a->written + a->aggregated + a->lost);
	uint64_t updates_died = missing(a->updates, a->updates_written + a->updates_lost);

	a->missed += died;
	a->lost += died;
	a->updates_missed += updates_died;
	a->updates_lost += updates_died;
	a->dropped += missing(a->frames_in, a->forwarded + a->dropped);
	a->closed = closed;
}

/* --- what pends ---------------------------------------------------------------------------------------- */

void source_count_records(const struct ring_source *src, uint32_t worker, uint64_t from, uint64_t to,
			  struct pending *pending)
{
	const struct record *records = ring_records(&src->file, worker);

	if (to - from > src->file.n_records)
		return;
	for (uint64_t i = from; i != to; i++) {
		const struct record *r = &records[i & (src->file.n_records - 1)];

		pending->decisions += (uint64_t)is_decision(r);
		pending->updates += (uint64_t)is_update(r);
	}
}

uint64_t source_count_aggregates(const struct ring_source *src, uint32_t worker)
{
	const struct ring_aggregate *a = ring_aggregates(&src->file, worker);
	uint64_t pending = 0;

	for (uint32_t i = 0; i < src->file.n_aggregates; i++) {
		uint64_t serial = __atomic_load_n(&a[i].serial, __ATOMIC_ACQUIRE);

		if (serial)
			pending +=
				missing(load(&a[i].count), stored_of(&src->workers[worker].slots[i], serial));
	}
	return pending;
}

void source_now(const struct ring_source *src, uint32_t worker, struct account *now, struct pending *pending)
{
	const struct source_worker *sw = &src->workers[worker];
	const struct ring_worker *shared = ring_worker(&src->file, worker);

	*now = sw->stored;
	*pending = (struct pending){0};
	if (src->closed)
		return;
	if (!src->other_boot) {
		source_count_records(src, worker, sw->stored.tail, load(&shared->head), pending);
		pending->decisions += source_count_aggregates(src, worker);
	}
	source_take_counters(&shared->counters, now);
}
