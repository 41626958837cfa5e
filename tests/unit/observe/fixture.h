/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A run directory, a store directory and a dataplane that follows ring.h to the letter, for the tests of this
 * folder.
 */
#pragma once

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "ring.h"
#include "store.h"

#define DAY  INT64_C(86400000000000)
#define NOON INT64_C(1767268800000000000) /* 2026-01-01T12:00:00Z */

struct fixture {
	char root[64], run[80], store[80];
	struct store *s;
	struct reader *r;
};

static inline void fixture_open(struct fixture *f)
{
	char error[256] = "";

	assert_int_equal(store_open(f->store, false, &f->s, error, sizeof(error)), 0);
	assert_int_equal(reader_new(f->s, f->run, &f->r), 0);
}

static inline void fixture_close(struct fixture *f)
{
	reader_free(f->r);
	store_close(f->s);
	f->r = NULL;
	f->s = NULL;
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->root, sizeof(f->root), "/tmp/cordon-observe-XXXXXX");
	if (!mkdtemp(f->root))
		return -1;
	snprintf(f->run, sizeof(f->run), "%s/run", f->root);
	snprintf(f->store, sizeof(f->store), "%s/store", f->root);
	mkdir(f->run, 0700);
	fixture_open(f);
	*state = f;
	return 0;
}

static inline void remove_files(const char *path)
{
	char file[512];
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir))) {
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		unlink(file);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	fixture_close(f);
	remove_files(f->run);
	remove_files(f->store);
	rmdir(f->root);
	free(f);
	return 0;
}

static inline unsigned count_files(const char *path, const char *part)
{
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir)))
		n += strstr(entry->d_name, part) != NULL;
	if (dir)
		closedir(dir);
	return n;
}

static inline int64_t ask(struct fixture *f, const char *sql)
{
	struct sqlite3 *db = store_query_db(f->s, 0, NULL);
	sqlite3_stmt *q = NULL;
	int64_t value;

	assert_non_null(db);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	value = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return value;
}

/* --- a dataplane --------------------------------------------------------------------------------------- */

struct plane {
	struct ring_file file;
	struct ring_producer p;
	struct ring_counters *c;
	uint64_t serial, session;
	int64_t now; /* of its records */
};

static inline void plane_open(struct plane *d, const char *run, uint32_t n_records)
{
	static const char *const ports[] = {"lan1", "wan"};
	struct ring_geometry g = {
		.n_workers = 1, .n_ports = 2, .n_records = n_records, .n_aggregates = 4, .port_names = ports};
	char making[160], path[160];

	*d = (struct plane){.session = 1, .now = NOON};
	snprintf(making, sizeof(making), "%s/making-%d", run, getpid());
	if (ring_create(&d->file, making, &g) < 0)
		abort();
	snprintf(path, sizeof(path), "%s/dp-%016llx.ring", run, (unsigned long long)d->file.header->instance);
	if (rename(making, path) < 0)
		abort();
	ring_producer_init(&d->p, &d->file, 0);
	d->c = &d->p.shared->counters;
}

static inline void bump(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELEASE);
}

static inline struct record plane_record(struct plane *d, enum record_type type)
{
	return (struct record){
		.session = d->session,
		.first_ns = d->now,
		.last_ns = d->now,
		.packets = {1, 0},
		.bytes = {60, 0},
		.src = {10, 0, 0, 1},
		.dst = {10, 0, 0, 2},
		.sport = 40000,
		.dport = 443,
		.family = RECORD_IPV4,
		.proto = 6,
		.domain = 10,
		.src_identity = IDENTITY_FIRST,
		.dst_identity = IDENTITY_FIRST + 1,
		.in_port = 0,
		.out_port = UINT16_MAX,
		.generation = 1,
		.rule = 1,
		.intended_rule = 1,
		.type = (uint8_t)type,
		.verdict = VERDICT_ALLOW,
		.intended = VERDICT_ALLOW,
		.reason = REASON_RULE,
		.intended_reason = REASON_RULE,
	};
}

static inline void plane_push(struct plane *d, const struct record *r, uint64_t *all, uint64_t *pushed,
			      uint64_t *lost)
{
	struct record *slot;

	bump(all);
	slot = ring_next(&d->p);
	if (!slot) {
		bump(lost);
		return;
	}
	*slot = *r;
	ring_publish(&d->p);
	bump(pushed);
}

static inline void plane_decide(struct plane *d, const struct record *r)
{
	plane_push(d, r, &d->c->decisions, &d->c->decisions_pushed, &d->c->decisions_lost);
}

static inline void plane_update(struct plane *d, const struct record *r)
{
	plane_push(d, r, &d->c->updates, &d->c->updates_pushed, &d->c->updates_lost);
}

/* One frame that opens a session, forwarded. */
static inline void plane_open_session(struct plane *d)
{
	struct record r = plane_record(d, RECORD_OPEN);

	bump(&d->c->frames_in);
	plane_decide(d, &r);
	d->session++;
	bump(&d->c->forwarded);
}

/* One frame that adds to an aggregate of refusals. */
static inline void plane_repeat(struct plane *d)
{
	struct ring_aggregate *a = &d->p.aggregates[d->serial % 4];

	bump(&d->c->frames_in);
	bump(&d->c->decisions);
	if (!d->serial ||
	    (a->count >= 8 && ring_ack_count(__atomic_load_n(&d->p.acked[d->serial % 4], __ATOMIC_ACQUIRE),
					     a->serial) == a->count)) {
		d->serial++;
		a = &d->p.aggregates[d->serial % 4];
		if (a->serial && ring_ack_count(__atomic_load_n(&d->p.acked[d->serial % 4], __ATOMIC_ACQUIRE),
						a->serial) != a->count) {
			d->serial--;
			a = &d->p.aggregates[d->serial % 4];
		}
	}
	if (a->serial != d->serial) {
		__atomic_store_n(&a->serial, 0, __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_RELEASE);
		a->first_ns = a->last_ns = d->now;
		memcpy(a->src, (uint8_t[16]){10, 0, 0, 9}, 16);
		a->src_identity = IDENTITY_UNKNOWN;
		a->dst_identity = IDENTITY_FIRST;
		a->generation = 1;
		a->family = RECORD_IPV4;
		a->reason = a->intended_reason = REASON_NO_RULE;
		a->n_samples = 1;
		a->sample[0] =
			(struct ring_sample){.dst = {10, 0, 0, 2}, .sport = 1, .dport = 22, .proto = 6};
		__atomic_store_n(&a->count, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&a->serial, d->serial, __ATOMIC_RELEASE);
	}
	bump(&a->count);
	bump(&d->c->decisions_aggregated);
	bump(&d->c->dropped[0][REASON_NO_RULE]);
}
