/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both ends of a ring at work at once, each on a thread of its own, over a ring that is nearly always full or
 * nearly always empty. Nothing is lost, torn or read twice. Worth running under -Db_sanitize=thread too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "ring.h"

#define RECORDS 64u
#define TOTAL   100000u
#define BATCH   24u

struct queue {
	struct ring_file ring;
	uint32_t wrong;
};

/* Every field that is checked says which record it is. */
static void fill(struct record *r, uint64_t n)
{
	*r = (struct record){.session = n, .first_ns = (int64_t)~n, .packets = {n, n * 3}, .tcp_state = 1};
}

static bool sound(const struct record *r, uint64_t n)
{
	struct record want;

	fill(&want, n);
	return !memcmp(r, &want, sizeof(want));
}

static void *consume(void *arg)
{
	struct queue *q = arg;
	struct record got[BATCH];
	uint64_t at = 0;

	while (at < TOTAL) {
		uint32_t n = ring_read(&q->ring, 0, at, got, BATCH);

		for (uint32_t i = 0; i < n; i++)
			q->wrong += !sound(&got[i], at + i);
		at += n;
		ring_release(&q->ring, 0, at);
		if (!n)
			sched_yield();
	}
	return NULL;
}

static void produce(struct queue *q)
{
	struct ring_producer p;
	struct record *slot;

	ring_producer_init(&p, &q->ring, 0);
	for (uint64_t n = 0; n < TOTAL; n++) {
		while (!(slot = ring_next(&p)))
			sched_yield();
		fill(slot, n);
		ring_publish(&p);
	}
}

static void two_ends_agree(void **state)
{
	const struct ring_geometry g = {
		.n_workers = 1, .n_ports = 1, .n_records = RECORDS, .n_aggregates = 8};
	void *memory = aligned_alloc(64, ring_size(&g));
	struct queue q = {.wrong = 0};
	pthread_t consumer;

	assert_non_null(memory);
	memset(memory, 0, ring_size(&g));
	assert_int_equal(ring_create_mem(&q.ring, memory, &g), 0);
	assert_int_equal(pthread_create(&consumer, NULL, consume, &q), 0);
	produce(&q);
	pthread_join(consumer, NULL);
	assert_int_equal(q.wrong, 0);
	assert_int_equal(ring_worker(&q.ring, 0)->head, TOTAL);
	assert_int_equal(ring_worker(&q.ring, 0)->consumer.tail, TOTAL);
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(two_ends_agree)};

	return cmocka_run_group_tests_name("ring_threads", tests, NULL, NULL);
}
