/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "now.h"
#include "records_inside.h"

#define N_RECORDS     65536u
#define N_AGGREGATES  8192u
#define RECORDS_PER_S 100000u
#define PSEUDO_PORT   "bridge" /* drops that the kernel counts without a port */
#define LIST_MS       60000
#define NS_PER_MS     INT64_C(1000000)
#define BATCH         1024u
#define BATCHES       64u
#define LINE          64u
#define NOTICE        256u

/* --- for the other files ------------------------------------------------------------------------------ */

void records_clock(struct records *r)
{
	struct engine_clock now = now_clock();

	if (now.now_ns < r->recorder.now.now_ns)
		now.now_ns = r->recorder.now.now_ns;
	r->recorder.now = now;
}

void records_notice(struct records *r, const char *format, ...)
{
	char text[NOTICE];
	va_list list;

	if (!r->on_notice)
		return;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	r->on_notice(r->notice_ctx, text);
}

void records_failed(struct records *r, const char *what, int error)
{
	if (error && (error != r->told_error || what != r->told_what))
		records_notice(r, "%s: %s", what, nl_error(r->nl));
	if (error || what == r->told_what)
		r->told_error = error;
	if (error)
		r->told_what = what;
}

/* An end of the host plane, by the maps that the kernel uses there. */
static struct who who_by_prefix(const struct records *r, uint8_t family, const uint8_t addr[16])
{
	const struct nft_table *t =
		r->program ? nft_find_table(r->program, r->version.model, NFT_INET) : NULL;
	const struct nft_set *set = t ? nft_find_set(r->program, t, family == 4 ? "host4" : "host6") : NULL;
	const struct nft_element *e;
	uint8_t key[NFT_KEY_MAX] = {0};

	memcpy(key, addr, family == 4 ? 4 : 16);
	e = set ? nft_find_element(r->program, set, key) : NULL;
	if (!e)
		return (struct who){NULL, IDENTITY_UNKNOWN, false};
	return (struct who){NULL, (uint16_t)e->data, true};
}

struct who records_who(const struct records *r, bool host, uint16_t domain, uint8_t family,
		       const uint8_t addr[16])
{
	const struct dp_binding *home;

	if (host)
		return who_by_prefix(r, family, addr);
	home = homes_find(&r->homes, domain, family, addr);
	return (struct who){home, home ? home->identity : IDENTITY_UNKNOWN, home != NULL};
}

uint16_t records_port(const struct records *r, const struct dp_binding *home)
{
	return home && home->port < r->box->n_ports ? home->port : PORT_NONE;
}

/* --- life --------------------------------------------------------------------------------------------- */

static void *aligned(size_t size, size_t align)
{
	const size_t rounded = (size + align - 1) & ~(align - 1);
	void *p = aligned_alloc(align, rounded);

	if (p)
		memset(p, 0, rounded);
	return p;
}

/* The file's name tells its instance, which it gets when it is made. */
static int make_ring(struct records *r, const char *run_dir)
{
	const char *names[RING_PORTS_MAX];
	const uint32_t n = r->box->n_ports;
	struct ring_geometry g = {1, n + 1, N_RECORDS, N_AGGREGATES, false, names};
	char making[PATH_MAX];
	int error;

	for (uint32_t i = 0; i < n; i++)
		names[i] = r->box->port[i].name;
	names[n] = PSEUDO_PORT;
	snprintf(making, sizeof(making), "%s/nft.ring.new", run_dir);
	unlink(making);
	error = ring_create(&r->ring, making, &g);
	if (error)
		return error;
	if (snprintf(r->ring_path, sizeof(r->ring_path), "%s/dp-%016" PRIx64 ".ring", run_dir,
		     r->ring.header->instance) >= (int)sizeof(r->ring_path))
		error = -ENAMETOOLONG;
	else if (rename(making, r->ring_path))
		error = -errno;
	if (error) {
		unlink(making);
		r->ring_path[0] = 0;
	}
	return error;
}

static bool make_tables(struct records *r)
{
	const struct flow_memory memory = {aligned, free};
	struct engine_config config = {.records_per_second = RECORDS_PER_S};

	if (getrandom(config.hash_key, sizeof(config.hash_key), 0) != sizeof(config.hash_key))
		return false;
	ring_producer_init(&r->producer, &r->ring, 0);
	return recorder_init(&r->recorder, &r->producer, &config, &memory) &&
	       homes_init(&r->homes, config.hash_key) && sessions_init(&r->sessions, config.hash_key);
}

/* What the version before has counted to its last packet. */
static void before_clearance(void *ctx)
{
	struct records *r = ctx;

	for (int tries = 0; tries < 3; tries++)
		if (!counters_read(&r->counters, r->nl))
			return;
	records_notice(r, "counters of the version before are incomplete: %s", nl_error(r->nl));
}

static int build(struct records *r, const char *run_dir, char *error, size_t room)
{
	int code;

	if (r->box->n_ports >= RING_PORTS_MAX) {
		snprintf(error, room, "records: %u ports, and there is room for %u", r->box->n_ports,
			 RING_PORTS_MAX - 1);
		return -EINVAL;
	}
	code = make_ring(r, run_dir);
	if (code) {
		snprintf(error, room, "ring file in %s: %s", run_dir, strerror(-code));
		return code;
	}
	if (!make_tables(r)) {
		snprintf(error, room, "records: no memory for their tables");
		return -ENOMEM;
	}
	records_clock(r);
	r->began_ns = r->recorder.now.utc_ns;
	r->settle_ms = (int64_t)r->recorder.now.now_ns / NS_PER_MS;
	code = counters_read(&r->counters, r->nl);
	if (code)
		snprintf(error, room, "counters of the kernel: %s", nl_error(r->nl));
	nl_on_clearance(r->nl, before_clearance, r);
	return code;
}

static void release(struct records *r)
{
	nl_on_clearance(r->nl, NULL, NULL);
	sessions_free(&r->sessions);
	homes_free(&r->homes);
	marks_free(&r->marks);
	if (r->recorder.free)
		recorder_fini(&r->recorder);
	ring_close(&r->ring);
	free(r);
}

int records_open(struct records **out, const char *run_dir, const struct nft_box *box, struct nl *nl,
		 char *error, size_t room)
{
	struct records *r = calloc(1, sizeof(*r));
	int code;

	*out = NULL;
	if (!r) {
		snprintf(error, room, "records: out of memory");
		return -ENOMEM;
	}
	r->nl = nl;
	r->box = box;
	code = build(r, run_dir, error, room);
	if (code) {
		if (r->ring_path[0])
			unlink(r->ring_path);
		release(r);
		return code;
	}
	*out = r;
	return 0;
}

void records_close(struct records *r)
{
	if (!r)
		return;
	records_ready(r);
	if (!laws_publish(r))
		records_drain(r);
	ring_shut(&r->ring);
	release(r);
}

const char *records_ring_path(const struct records *r)
{
	return r->ring_path;
}

uint64_t records_instance(const struct records *r)
{
	return r->ring.header->instance;
}

/* --- what is in force --------------------------------------------------------------------------------- */

void records_expect(struct records *r, const struct nft_program *program, const struct nft_version *version)
{
	if (!marks_use(&r->marks, program, version))
		records_notice(r, "out of memory: decisions of generation %u cannot be recorded",
			       version->generation);
}

void records_use(struct records *r, const struct nft_program *program, const struct nft_version *version)
{
	if (r->program)
		records_ready(r); /* what the programs before have decided */
	else
		records_clock(r);
	if (r->told && !r->program && program)
		r->began_ns = r->recorder.now.utc_ns; /* what is open by now was not opened by a decision */
	r->told = true;
	r->program = program;
	r->version = *version;
	sweep_forget(r);
	records_expect(r, program, version);
	__atomic_store_n(&r->recorder.count->generation, version->generation, __ATOMIC_RELEASE);
}

/* --- bindings ----------------------------------------------------------------------------------------- */

void records_binding(struct records *r, const struct dp_binding *b)
{
	const struct dp_binding *old = homes_find(&r->homes, b->domain, b->family, b->addr);
	const bool gone = b->flags & DP_BINDING_GONE;
	const bool same = old ? !gone && old->identity == b->identity : gone;

	records_ready(r); /* what was decided by the binding before */
	if (!homes_set(&r->homes, b))
		records_notice(r, "out of memory: a binding's sessions count as $unknown's");
	if (same)
		return;
	sessions_at(&r->sessions, b->domain, b->family, b->addr, sweep_one, r);
}

void records_bindings(struct records *r, const struct dp_binding *b, size_t n)
{
	bool all = true;

	records_ready(r);
	homes_clear(&r->homes);
	for (size_t i = 0; i < n; i++)
		all &= homes_set(&r->homes, &b[i]);
	if (!all)
		records_notice(r, "out of memory: sessions of some bindings count as $unknown's");
	r->recheck = true;
}

/* --- time --------------------------------------------------------------------------------------------- */

size_t records_fds(const struct records *r, int fds[4])
{
	fds[0] = nl_sessions_fd(r->nl);
	fds[1] = nl_log_fd(r->nl);
	return 2;
}

static bool drain_events(struct records *r)
{
	int n = nl_session_events(r->nl, BATCH, flows_take, r);

	if (n == -ENOBUFS) {
		r->overrun = true;
		return true;
	}
	records_failed(r, "conntrack's events", n < 0 ? n : 0);
	return n >= (int)BATCH;
}

static bool drain_logs(struct records *r)
{
	uint64_t lost = 0; /* the counters tell it, for decisions alone */
	int n = nl_logs(r->nl, BATCH, refusals_take, r, &lost);

	records_failed(r, "messages of refused packets", n < 0 ? n : 0);
	return n >= (int)BATCH;
}

void records_drain(struct records *r)
{
	for (uint32_t i = 0; i < BATCHES && drain_events(r); i++)
		;
	for (uint32_t i = 0; i < BATCHES && drain_logs(r); i++)
		;
}

void records_ready(struct records *r)
{
	records_clock(r);
	records_drain(r);
}

void records_beat(struct records *r)
{
	records_clock(r);
	__atomic_store_n(&r->recorder.count->heartbeat, r->recorder.now.now_ns / NS_PER_MS, __ATOMIC_RELEASE);
}

static void show_gauges(struct records *r, int64_t now_ms)
{
	struct ring_counters *out = r->recorder.count;

	__atomic_store_n(&out->sessions, r->sessions.n, __ATOMIC_RELAXED);
	__atomic_store_n(&out->bindings, r->homes.n, __ATOMIC_RELAXED);
	__atomic_store_n(&out->heartbeat, (uint64_t)now_ms, __ATOMIC_RELEASE);
}

static void list_if_due(struct records *r, int64_t now_ms)
{
	/* Before a program is in use, the marks that are there mean nothing yet. */
	const bool due = r->list_due || ((r->adopted || r->program) && now_ms - r->list_ms >= LIST_MS);

	if (r->overrun || due)
		records_failed(r, "list of the kernel's sessions", flows_list(r));
}

void records_tick(struct records *r, int64_t now_ms)
{
	int error;

	records_ready(r);
	error = laws_publish(r);
	records_failed(r, "counters of the kernel", error);
	list_if_due(r, now_ms);
	flows_settle(r, now_ms);
	if (r->recheck && r->told) {
		r->recheck = false;
		sweep_all(r);
	}
	if (!error)
		laws_settle(r, now_ms);
	show_gauges(r, now_ms);
}

void records_on_endpoint(struct records *r, void (*f)(void *ctx, const struct dp_endpoint *e), void *ctx)
{
	r->on_endpoint = f;
	r->endpoint_ctx = ctx;
}

void records_on_notice(struct records *r, void (*f)(void *ctx, const char *text), void *ctx)
{
	r->on_notice = f;
	r->notice_ctx = ctx;
}
