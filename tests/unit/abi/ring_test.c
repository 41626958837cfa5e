/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring file from both ends: order, full and wrapped rings, files that are not ours, peers that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring.h"

#define RECORDS 8u

static const char *const names[] = {"lan1", "a name that is far too long"};
static const struct ring_geometry geometry = {
	.n_workers = 2,
	.n_ports = 2,
	.n_records = RECORDS,
	.n_aggregates = 4,
	.port_names = names,
};

struct fixture {
	char path[64];
	struct ring_file ring;
	struct ring_producer producer;
};

static int setup(void **state)
{
	static struct fixture f;
	int fd;

	f = (struct fixture){.path = "/tmp/cordon-ring-XXXXXX"};
	fd = mkstemp(f.path);
	assert_true(fd >= 0);
	close(fd);
	unlink(f.path);
	assert_int_equal(ring_create(&f.ring, f.path, &geometry), 0);
	ring_producer_init(&f.producer, &f.ring, 1);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ring_close(&f->ring);
	unlink(f->path);
	return 0;
}

static bool put(struct fixture *f, uint64_t session)
{
	struct record *r = ring_next(&f->producer);

	if (!r)
		return false;
	*r = (struct record){.session = session};
	ring_publish(&f->producer);
	return true;
}

static void a_new_file_says_what_it_is(void **state)
{
	struct fixture *f = *state;
	struct ring_file other;
	struct stat st;

	assert_int_equal(ring_open(&other, f->path, false), 0);
	assert_int_equal(other.n_workers, 2);
	assert_int_equal(other.n_records, RECORDS);
	assert_int_equal(other.header->state, RING_LIVE);
	assert_true(other.header->instance != 0);
	assert_string_equal(other.header->port_name[0], "lan1");
	assert_int_equal(strlen(other.header->port_name[1]), RING_PORT_NAME - 1);
	ring_shut(&f->ring);
	assert_int_equal(other.header->state, RING_CLOSED);
	ring_close(&other);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

static void an_existing_file_is_not_touched(void **state)
{
	struct fixture *f = *state;
	struct ring_file other;
	char draft[80];

	assert_int_equal(ring_create(&other, f->path, &geometry), -EEXIST);
	snprintf(draft, sizeof(draft), "%s.new", f->path);
	assert_int_equal(access(draft, F_OK), -1);
	assert_int_equal(ring_open(&other, f->path, true), 0);
	assert_int_equal(other.header->instance, f->ring.header->instance);
	ring_close(&other);
}

static void geometry_is_checked(void **state)
{
	static const struct ring_geometry bad[] = {
		{0, 1, 8, 4}, {65, 1, 8, 4}, {1, 33, 8, 4},       {1, 1, 0, 4},
		{1, 1, 7, 4}, {1, 1, 8, 3},  {1, 1, 1u << 25, 4},
	};
	struct ring_file ring;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(ring_create(&ring, "/tmp/cordon-ring-never", &bad[i]), -EINVAL);
}

static void records_come_out_in_order(void **state)
{
	struct fixture *f = *state;
	struct record out[RECORDS];
	uint64_t tail = 0;

	for (uint64_t i = 0; i < 5 * RECORDS; i += 3) {
		for (uint64_t j = 0; j < 3; j++)
			assert_true(put(f, 100 + i + j));
		assert_int_equal(ring_read(&f->ring, 1, tail, out, RECORDS), 3);
		for (uint64_t j = 0; j < 3; j++)
			assert_int_equal(out[j].session, 100 + i + j);
		tail += 3;
		ring_release(&f->ring, 1, tail);
	}
	assert_int_equal(ring_read(&f->ring, 1, tail, out, RECORDS), 0);
	assert_int_equal(ring_worker(&f->ring, 0)->head, 0);
}

static void a_full_ring_says_so_and_goes_on(void **state)
{
	struct fixture *f = *state;
	struct record out[RECORDS];

	for (uint64_t i = 0; i < RECORDS; i++)
		assert_true(put(f, i));
	assert_false(put(f, 99));
	assert_false(put(f, 99));
	assert_int_equal(ring_read(&f->ring, 1, 0, out, RECORDS), RECORDS);
	ring_release(&f->ring, 1, 1);
	assert_true(put(f, RECORDS));
	assert_false(put(f, 99));
	assert_int_equal(ring_read(&f->ring, 1, 1, out, RECORDS), RECORDS);
	assert_int_equal(out[RECORDS - 1].session, RECORDS);
}

static void a_lying_consumer_costs_records_only(void **state)
{
	static const uint64_t lies[] = {RECORDS + 1, UINT64_MAX, UINT64_C(1) << 63};
	struct fixture *f = *state;

	for (uint64_t i = 0; i < RECORDS; i++)
		assert_true(put(f, i));
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		ring_worker(&f->ring, 1)->consumer.tail = lies[i];
		assert_false(put(f, 99));
	}
	ring_worker(&f->ring, 1)->consumer.tail = 2;
	assert_true(put(f, RECORDS));
	assert_true(put(f, RECORDS + 1));
	ring_worker(&f->ring, 1)->consumer.tail = 1; /* back again */
	assert_false(put(f, 99));
}

static void a_lying_producer_gives_nothing(void **state)
{
	struct fixture *f = *state;
	struct record out[RECORDS];

	put(f, 1);
	assert_int_equal(ring_read(&f->ring, 1, 5, out, RECORDS), 0);
	ring_worker(&f->ring, 1)->head = UINT64_MAX;
	assert_int_equal(ring_read(&f->ring, 1, 0, out, RECORDS), 0);
}

/* The producer dies without a word; what it published is there. */
static void a_killed_producer_leaves_its_records(void **state)
{
	struct fixture *f = *state;
	struct record out[RECORDS];
	struct ring_file again;
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct record *half;

		put(f, 1);
		put(f, 2);
		half = ring_next(&f->producer);
		half->session = 3; /* not published */
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	ring_close(&f->ring);
	assert_int_equal(ring_open(&again, f->path, true), 0);
	assert_int_equal(again.header->state, RING_LIVE);
	assert_int_equal(ring_read(&again, 1, 0, out, RECORDS), 2);
	assert_int_equal(out[1].session, 2);
	ring_release(&again, 1, 2);
	assert_int_equal(ring_worker(&again, 1)->consumer.tail, 2);
	ring_close(&again);
}

static void spoil(const char *path, off_t at, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

#define FIELD(member) offsetof(struct ring_header, member)

static void a_damaged_header_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
		size_t size;
	} damage[] = {
		{FIELD(magic), 0, 8},
		{FIELD(abi), RING_ABI - 1, 4},
		{FIELD(abi), RING_ABI + 1, 4},
		{FIELD(state), RING_MAKING, 4},
		{FIELD(state), 9, 4},
		{FIELD(size), 64, 8},
		{FIELD(instance), 0, 8},
		{FIELD(n_workers), 3, 4},
		{FIELD(n_workers), 0, 4},
		{FIELD(n_workers), UINT32_MAX, 4},
		{FIELD(n_ports), 33, 4},
		{FIELD(n_records), 16, 4},
		{FIELD(n_records), 7, 4},
		{FIELD(n_records), 0, 4},
		{FIELD(n_aggregates), 8, 4},
		{FIELD(n_aggregates), 0, 4},
		{FIELD(n_records), 1u << 31, 4},
	};
	struct fixture *f = *state;
	struct ring_header good = *f->ring.header;
	struct ring_file other;

	for (size_t i = 0; i < sizeof(damage) / sizeof(*damage); i++) {
		spoil(f->path, (off_t)damage[i].at, &damage[i].value, damage[i].size);
		assert_int_equal(ring_open(&other, f->path, false), -EPROTO);
		spoil(f->path, 0, &good, sizeof(good));
	}
	assert_int_equal(ring_open(&other, f->path, false), 0);
	ring_close(&other);
	assert_int_equal(truncate(f->path, (off_t)sizeof(good) + 64), 0);
	assert_int_equal(ring_open(&other, f->path, false), -EPROTO);
	assert_int_equal(truncate(f->path, 0), 0);
	assert_int_equal(ring_open(&other, f->path, false), -EPROTO);
	assert_int_equal(ring_open(&other, "/tmp", false), -EPROTO);
	assert_int_equal(ring_open(&other, "/nonexistent/ring", false), -ENOENT);
}

static void an_acknowledgement_is_for_one_holder(void **state)
{
	struct fixture *f = *state;
	struct ring_aggregate *slot = &ring_aggregates(&f->ring, 1)[3], seen;
	uint64_t *acked = &ring_acked(&f->ring, 1)[3];

	assert_false(ring_read_aggregate(&f->ring, 1, 3, &seen));
	*slot = (struct ring_aggregate){.serial = 7, .count = 5, .n_samples = 200};
	assert_true(ring_read_aggregate(&f->ring, 1, 3, &seen));
	assert_int_equal(seen.count, 5);
	assert_int_equal(seen.n_samples, RING_SAMPLES);
	assert_int_equal(ring_ack_count(*acked, 7), 0);
	ring_ack_aggregate(&f->ring, 1, 3, 5);
	assert_int_equal(ring_ack_count(*acked, 7), 5);
	slot->serial = 8;
	assert_int_equal(ring_ack_count(*acked, 8), 0);
}

static void the_slowest_heart_counts(void **state)
{
	struct ring_geometry g = {.n_workers = 2, .n_ports = 2, .n_records = 8, .n_aggregates = 8};
	void *memory = aligned_alloc(64, ring_size(&g));
	struct ring_file f;
	uint64_t *beat[2];

	(void)state;
	memset(memory, 0, ring_size(&g));
	assert_int_equal(ring_create_mem(&f, memory, &g), 0);
	for (uint32_t w = 0; w < 2; w++)
		beat[w] = &ring_worker(&f, w)->counters.heartbeat;
	*beat[0] = 10000;
	assert_false(ring_beats(&f, 10000)); /* the other has not begun */
	*beat[1] = 10100;
	assert_int_equal(ring_heartbeat(&f), 10000);
	assert_true(ring_beats(&f, 10000 + RING_DEAD_MS));
	assert_false(ring_beats(&f, 10000 + RING_DEAD_MS + 1));
	*beat[0] = 10100;
	assert_true(ring_beats(&f, 10000 + RING_DEAD_MS + 1));
	assert_true(ring_beats(&f, 9000));
	ring_close(&f);
	free(memory);
}

static void memory_serves_as_well_as_a_file(void **state)
{
	struct ring_file ring;
	char *memory = aligned_alloc(64, ring_size(&geometry) + 64);

	memset(memory, 0, ring_size(&geometry) + 64);
	assert_int_equal(ring_create_mem(&ring, memory + 8, &geometry), -EINVAL);
	assert_int_equal(ring_create_mem(&ring, memory, &geometry), 0);
	/* the last word of the last worker lies inside */
	assert_true((char *)(ring_acked(&ring, 1) + geometry.n_aggregates) <= memory + ring_size(&geometry));
	ring_close(&ring);
	ring_close(NULL);
	free(memory);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_new_file_says_what_it_is),
		CASE(an_existing_file_is_not_touched),
		CASE(geometry_is_checked),
		CASE(records_come_out_in_order),
		CASE(a_full_ring_says_so_and_goes_on),
		CASE(a_lying_consumer_costs_records_only),
		CASE(a_lying_producer_gives_nothing),
		CASE(a_killed_producer_leaves_its_records),
		CASE(a_damaged_header_is_refused),
		CASE(an_acknowledgement_is_for_one_holder),
		CASE(the_slowest_heart_counts),
		CASE(memory_serves_as_well_as_a_file),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
