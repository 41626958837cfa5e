/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reader: one pass = one transaction over all ring files of the run directory, dead instances first.
 *
 * Order inside a pass: look at the directory, begin, stage every source, commit, and only then move shared
 * tails and remove files of closed instances. Whatever goes wrong before the commit leaves everything as it
 * was: the records stay pending in their rings, and the next pass tries again. So a full disk needs no other
 * treatment.
 *
 * An instance that the store knows as open, but whose file is gone, ended with the machine (tmpfs): its
 * account is closed as 2 with what was pending counted as lost.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ring_source.h"

#define BURST     64u /* of a dataplane worker: the work that may be in hand */
#define LAW_TRIES 3

/* An account of the store without a ring file. */
struct orphan {
	char instance[INSTANCE_TEXT];
	uint32_t worker;
	struct account account;
	bool open; /* to be settled */
};

struct reader {
	struct store *store;
	struct ledger ledger;
	char run_dir[STORE_PATH_MAX];
	struct ring_source *sources; /* dead ones first after sort_sources() */
	struct orphan *orphans;
	size_t n_orphans, room_for_orphans;
	bool looked; /* the directory was read once, and the store's accounts */
	bool storing;
	char note[160]; /* what is wrong without being an error: a file that is not a ring, a ring that lies
			 */
};

int reader_new(struct store *s, const char *run_dir, struct reader **out)
{
	struct reader *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (!r)
		return -ENOMEM;
	if (snprintf(r->run_dir, sizeof(r->run_dir), "%s", run_dir) >= (int)sizeof(r->run_dir)) {
		free(r);
		return -ENAMETOOLONG;
	}
	r->store = s;
	r->ledger.store = s;
	r->storing = true;
	*out = r;
	return 0;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	while (r->sources) {
		struct ring_source *src = r->sources;

		r->sources = src->next;
		source_free(src);
	}
	ledger_close(&r->ledger);
	free(r->orphans);
	free(r);
}

/* --- the directory ------------------------------------------------------------------------------------- */

/* dp-<16 hex>.ring */
static bool is_ring_name(const char *name)
{
	return strlen(name) == 24 && !strncmp(name, "dp-", 3) && strspn(name + 3, "0123456789abcdef") == 16 &&
	       !strcmp(name + 19, ".ring");
}

static bool is_open(const struct reader *r, const char *path)
{
	for (const struct ring_source *src = r->sources; src; src = src->next) {
		if (!strcmp(src->path, path))
			return true;
	}
	return false;
}

static bool same_instance(const struct reader *r, const char *instance)
{
	for (const struct ring_source *src = r->sources; src; src = src->next) {
		if (!strcmp(src->instance, instance))
			return true;
	}
	return false;
}

static int open_ring(struct reader *r, const char *name)
{
	char path[STORE_PATH_MAX];
	struct ring_source *src;
	int error;

	if (snprintf(path, sizeof(path), "%s/%s", r->run_dir, name) >= (int)sizeof(path) || is_open(r, path))
		return 0;
	error = source_open(path, &src);
	if (error == -ENOMEM)
		return error;
	if (error) { /* being made, or not ours: looked at again in the next pass */
		snprintf(r->note, sizeof(r->note), "%s: %s", name,
			 error == -EPROTO ? "not a ring file of this version" : strerror(-error));
		return 0;
	}
	if (same_instance(r, src->instance)) {
		snprintf(r->note, sizeof(r->note), "%s: a copy of another ring file", name);
		source_free(src);
		return 0;
	}
	src->next = r->sources;
	r->sources = src;
	return 0;
}

static int look(struct reader *r)
{
	struct dirent *entry;
	int error = 0;
	DIR *dir = opendir(r->run_dir);

	r->note[0] = 0;
	if (!dir && errno == ENOENT)
		return 0;
	if (!dir) {
		error = -errno;
		snprintf(r->store->error, sizeof(r->store->error), "%.200s: %s", r->run_dir,
			 strerror(-error));
		return error;
	}
	while (!error && (entry = readdir(dir))) {
		if (is_ring_name(entry->d_name))
			error = open_ring(r, entry->d_name);
	}
	closedir(dir);
	return error;
}

static void sort_sources(struct reader *r)
{
	struct ring_source *dead = NULL, *alive = NULL, **dead_end = &dead, **alive_end = &alive;

	for (struct ring_source *src = r->sources; src; src = src->next) {
		struct ring_source ***end = src->dead ? &dead_end : &alive_end;

		**end = src;
		*end = &src->next;
	}
	*alive_end = NULL;
	*dead_end = alive;
	r->sources = dead;
}

/* --- accounts without a file --------------------------------------------------------------------------- */

static struct orphan *find_orphan(const struct reader *r, const char *instance, uint32_t worker)
{
	for (size_t i = 0; i < r->n_orphans; i++) {
		if (r->orphans[i].worker == worker && !strcmp(r->orphans[i].instance, instance))
			return &r->orphans[i];
	}
	return NULL;
}

static int make_room(struct reader *r, size_t more)
{
	const size_t want = r->n_orphans + more;
	struct orphan *at;

	if (want <= r->room_for_orphans)
		return 0;
	at = realloc(r->orphans, want * sizeof(*at));
	if (!at)
		return -ENOMEM;
	r->orphans = at;
	r->room_for_orphans = want;
	return 0;
}

/* There is room for it. */
static void add_orphan(struct reader *r, const char *instance, uint32_t worker, const struct account *a)
{
	struct orphan *o = &r->orphans[r->n_orphans++];

	*o = (struct orphan){.worker = worker, .account = *a, .open = !a->closed};
	snprintf(o->instance, sizeof(o->instance), "%s", instance);
}

static int load_orphan(void *ctx, const char *instance, uint32_t worker, const struct account *a)
{
	struct reader *r = ctx;
	int error;

	if (same_instance(r, instance) || find_orphan(r, instance, worker))
		return 0;
	error = make_room(r, 1);
	if (!error)
		add_orphan(r, instance, worker, a);
	return error;
}

static int prepare_sources(struct reader *r)
{
	int error = look(r);

	for (struct ring_source *src = r->sources; src && !error; src = src->next) {
		source_check_alive(src);
		error = source_adopt(src, r->store);
	}
	sort_sources(r);
	if (error || r->looked)
		return error;
	free(r->orphans);
	r->orphans = NULL;
	r->n_orphans = r->room_for_orphans = 0;
	error = ledger_load_accounts(r->store, NULL, load_orphan, r);
	r->looked = !error;
	return error;
}

static int stage_orphans(struct reader *r)
{
	for (size_t i = 0; i < r->n_orphans; i++) {
		const struct orphan *o = &r->orphans[i];
		struct account settled = o->account;
		int error;

		if (!o->open)
			continue;
		account_settle(&settled, 2);
		error = ledger_account(&r->ledger, o->instance, o->worker, &settled);
		if (error)
			return error;
	}
	return 0;
}

static void orphans_committed(struct reader *r)
{
	for (size_t i = 0; i < r->n_orphans; i++) {
		if (r->orphans[i].open)
			account_settle(&r->orphans[i].account, 2);
		r->orphans[i].open = false;
	}
}

/* --- the pass ------------------------------------------------------------------------------------------ */

/* For what `retire` leaves: after the commit nothing may fail any more. */
static int make_room_for_all(struct reader *r)
{
	size_t workers = 0;

	for (const struct ring_source *src = r->sources; src; src = src->next)
		workers += src->file.n_workers;
	return make_room(r, workers);
}

static int stage(struct reader *r, uint32_t max, uint32_t *n)
{
	int error = make_room_for_all(r);

	if (!error)
		error = stage_orphans(r);

	for (struct ring_source *src = r->sources; src && !error; src = src->next)
		error = source_stage(src, &r->ledger, max, n);
	return error;
}

/* The account outlives the file: it goes on as one of those without a file. */
static void retire(struct reader *r, struct ring_source *src)
{
	for (uint32_t w = 0; w < src->file.n_workers; w++)
		add_orphan(r, src->instance, w, &src->workers[w].stored);
	unlink(src->path);
	source_free(src);
}

static int commit(struct reader *r)
{
	struct ring_source **at = &r->sources;
	int error = ledger_commit(&r->ledger);

	if (error)
		return error;
	orphans_committed(r);
	while (*at) {
		struct ring_source *src = *at;

		source_committed(src);
		if (!src->closed) {
			at = &src->next;
			continue;
		}
		*at = src->next;
		retire(r, src);
	}
	return 0;
}

static void note_lies(struct reader *r)
{
	for (const struct ring_source *src = r->sources; src; src = src->next) {
		if (src->lying)
			snprintf(r->note, sizeof(r->note),
				 "dp-%s.ring: its head contradicts what is stored of it", src->instance);
	}
}

int reader_pass(struct reader *r, int64_t now_utc_ns, uint32_t max)
{
	uint32_t n = 0;
	int error = prepare_sources(r);

	if (!error)
		error = store_room(r->store);
	if (!error)
		error = ledger_begin(&r->ledger, now_utc_ns);
	if (!error) {
		error = stage(r, max < INT32_MAX ? max : INT32_MAX, &n);
		if (!error)
			error = commit(r);
		if (error) {
			ledger_rollback(&r->ledger);
			for (struct ring_source *src = r->sources; src; src = src->next)
				source_discard(src);
		}
	}
	r->storing = !error;
	note_lies(r);
	return error ? error : (int)n;
}

/* --- laws ---------------------------------------------------------------------------------------------- */

static void add_account(struct laws *laws, const struct account *a)
{
	laws->frames_in += a->frames_in;
	laws->forwarded += a->forwarded;
	laws->dropped += a->dropped;
	laws->decisions += a->decisions;
	laws->written += a->written;
	laws->aggregated += a->aggregated;
	laws->lost += a->lost;
	laws->updates += a->updates;
	laws->updates_written += a->updates_written;
	laws->updates_lost += a->updates_lost;
}

/* What a live worker did while it was looked at is in hand too; a few tries find a quiet moment if there is
 * one. */
static void add_worker(struct laws *laws, const struct ring_source *src, uint32_t worker)
{
	const struct ring_counters *c = &ring_worker(&src->file, worker)->counters;
	struct pending pending;
	struct account now;
	uint64_t before, moved = 0;

	for (int i = 0; i < LAW_TRIES; i++) {
		before = __atomic_load_n(&c->frames_in, __ATOMIC_ACQUIRE);
		source_now(src, worker, &now, &pending);
		moved = __atomic_load_n(&c->frames_in, __ATOMIC_ACQUIRE) - before;
		if (!moved)
			break;
	}
	add_account(laws, &now);
	laws->pending += pending.decisions;
	laws->updates_pending += pending.updates;
	if (!src->closed)
		laws->in_hand += BURST + moved;
}

static bool within(int64_t open, uint64_t in_hand)
{
	return open >= 0 && (uint64_t)open <= in_hand;
}

void reader_laws(struct reader *r, struct laws *out)
{
	*out = (struct laws){.storing = r->storing};
	for (size_t i = 0; i < r->n_orphans; i++)
		add_account(out, &r->orphans[i].account);
	for (const struct ring_source *src = r->sources; src; src = src->next) {
		for (uint32_t w = 0; w < src->file.n_workers; w++)
			add_worker(out, src, w);
	}
	out->frames_open = (int64_t)(out->frames_in - out->forwarded - out->dropped);
	out->decisions_open =
		(int64_t)(out->decisions - out->written - out->aggregated - out->pending - out->lost);
	out->updates_open =
		(int64_t)(out->updates - out->updates_written - out->updates_pending - out->updates_lost);
	out->closed = within(out->frames_open, out->in_hand) && within(out->decisions_open, out->in_hand) &&
		      within(out->updates_open, out->in_hand);
	snprintf(out->text, sizeof(out->text), "%s", r->storing ? r->note : store_error(r->store));
}
