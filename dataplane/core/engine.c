/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's life and what happens between bursts: making, publishing, bindings, time-outs, ending. The
 * burst itself is burst.c, the slow way of a packet session.c. Whatever may have changed an input of a
 * session raises the stamp.
 */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "session.h"

#define NS_PER_MS    UINT64_C(1000000)
#define NS_PER_S     INT64_C(1000000000)
#define SESSIONS_MAX (1u << 26)
#define BINDINGS_MAX 65536u
#define HUGE_PAGE    (UINT64_C(2) << 20)
#define LINE         64u

/* --- life --- */

/* Big tables on huge pages where the system has them: a look-up should cost a cache miss, not a page walk
 * too. */
static void *libc_alloc(size_t size, size_t align)
{
	size_t unit = size >= HUGE_PAGE ? HUGE_PAGE : align;
	size_t rounded = (size + unit - 1) & ~(unit - 1);
	void *p = aligned_alloc(unit, rounded);

	if (!p)
		return NULL;
	if (unit == HUGE_PAGE)
		madvise(p, rounded, MADV_HUGEPAGE);
	memset(p, 0, rounded);
	return p;
}

static bool timeouts_set(const struct engine_timeouts *t)
{
	return t->tcp_syn && t->tcp_established && t->tcp_closing && t->udp_first && t->udp_answered &&
	       t->icmp && t->lease;
}

static const char *config_error(const struct engine_config *c)
{
	if (!c->max_sessions || c->max_sessions > SESSIONS_MAX)
		return "max_sessions must be 1 to 67108864";
	if (c->max_bindings > BINDINGS_MAX || (!c->tap && !c->max_bindings))
		return "max_bindings must be 1 to 65536";
	if (!c->n_ports || c->n_ports > ENGINE_PORTS_MAX)
		return "number of ports must be 1 to 32";
	if (c->tap && c->n_ports > 2)
		return "tap mode has one ingress and one egress port";
	if (c->raw_ip && !c->tap)
		return "frames without layer 2 are for tap mode only";
	if (c->classify && !c->tap)
		return "a classifier is for tap mode only";
	if (!timeouts_set(&c->timeouts))
		return "a time-out is zero";
	if (!c->alloc != !c->free)
		return "alloc and free come together";
	return NULL;
}

static bool create_bindings(struct engine *e, const struct flow_memory *memory)
{
	struct bind_config c = {
		.max = e->config.max_bindings,
		.lease_s = e->config.timeouts.lease,
		.alloc = memory->alloc,
		.free = memory->free,
	};

	if (!c.max)
		return true;
	memcpy(c.hash_key, e->config.hash_key, sizeof(c.hash_key));
	e->bindings = bind_create(&c);
	if (!e->bindings)
		return false;
	e->bound = bind_view(e->bindings);
	return true;
}

static const char *build(struct engine *e, const struct ring_producer *ring, const struct flow_memory *memory)
{
	const struct engine_config *c = &e->config;
	const char *error = c->tap ? NULL : guard_init(&e->guard, c->port, c->n_ports);

	if (error)
		return error;
	if (!flow_table_init(&e->flows, c->max_sessions, c->hash_key, memory) ||
	    !recorder_init(&e->recorder, ring, c, memory) || !create_bindings(e, memory))
		return "out of memory";
	return NULL;
}

struct engine *engine_create(const struct engine_config *config, const struct ring_producer *ring,
			     const char **error)
{
	struct flow_memory memory = {config->alloc, config->free};
	struct engine *e;

	*error = config_error(config);
	if (*error)
		return NULL;
	if (!memory.alloc)
		memory = (struct flow_memory){libc_alloc, free};
	e = memory.alloc(sizeof(*e), LINE);
	if (!e) {
		*error = "out of memory";
		return NULL;
	}
	e->config = *config;
	e->free = memory.free;
	e->key = siphash_key(config->hash_key);
	for (uint32_t i = 0; i < config->n_ports; i++)
		engine_port_state(e, i, true);
	for (uint32_t i = ENGINE_PROBE_PORT; i < ENGINE_PORTS_ALL; i++)
		e->room[i] = DP_PROBE_FRAME;
	state_timeouts(&config->timeouts, e->timeout_ms);
	match_view_init(&e->match, NULL, 0);
	*error = build(e, ring, &memory);
	if (!*error)
		return e;
	engine_destroy(e);
	return NULL;
}

void engine_destroy(struct engine *e)
{
	if (!e)
		return;
	flow_table_fini(&e->flows);
	recorder_fini(&e->recorder);
	if (e->bindings)
		bind_destroy(e->bindings);
	e->free(e);
}

/* --- inputs of sessions --- */

/* Without a good clock the last edge holds: timed allows are shut and timed denies are on. */
static int64_t schedule_time(const struct engine_clock *clock)
{
	int64_t s = clock->utc_ns / NS_PER_S;

	if (!clock->utc_good)
		return INT64_MAX;
	return s - (clock->utc_ns % NS_PER_S < 0);
}

static void policy_changed(struct engine *e)
{
	e->policy++;
	e->stamp++;
}

/* Monotonic time never goes back, whatever the caller's source does. */
void engine_set_time(struct engine *e, struct engine_clock clock)
{
	if (clock.now_ns < e->now.now_ns)
		clock.now_ns = e->now.now_ns;
	e->now = clock;
	e->now_ms = (uint32_t)(clock.now_ns / NS_PER_MS);
	e->recorder.now = clock;
	if (match_set_time(&e->match, schedule_time(&clock)))
		policy_changed(e);
}

static uint32_t dictionary_of(const struct image_header *image)
{
	return image ? image->identity.count : 0;
}

void engine_show_gauges(struct engine *e)
{
	struct ring_counters *count = e->recorder.count;

	__atomic_store_n(&count->sessions, flow_live(&e->flows), __ATOMIC_RELAXED);
	if (!e->bindings)
		return;
	__atomic_store_n(&count->bindings, bind_count(e->bindings), __ATOMIC_RELAXED);
	__atomic_store_n(&count->events_lost, bind_events_lost(e->bindings), __ATOMIC_RELAXED);
}

const struct image_header *engine_publish(struct engine *e, const struct image_header *image,
					  uint32_t generation, const struct dp_binding *bindings,
					  uint32_t n_bindings, struct engine_clock clock)
{
	const struct image_header *before = e->match.image;

	engine_set_time(e, clock);
	match_view_init(&e->match, image, schedule_time(&e->now));
	e->generation = image ? generation : 0;
	if (e->bindings)
		bind_replace(e->bindings, bindings, n_bindings, dictionary_of(image), e->now);
	policy_changed(e);
	__atomic_store_n(&e->recorder.count->generation, e->generation, __ATOMIC_RELEASE);
	engine_show_gauges(e);
	return before;
}

int engine_bind(struct engine *e, const struct dp_binding *binding, struct engine_clock clock)
{
	int result;

	engine_set_time(e, clock);
	if (!e->bindings)
		return -ENOSPC;
	result = bind_update(e->bindings, binding, dictionary_of(e->match.image), e->now);
	e->stamp++;
	engine_show_gauges(e);
	return result;
}

uint32_t engine_dump_bindings(struct engine *e, uint32_t *cursor, struct dp_binding *out, uint32_t max,
			      struct engine_clock clock)
{
	engine_set_time(e, clock);
	return e->bindings ? bind_dump(e->bindings, cursor, out, max, e->now.now_ns) : 0;
}

void engine_port_state(struct engine *e, uint32_t port, bool up)
{
	if (port < e->config.n_ports)
		e->room[port] = up ? e->config.port[port].mtu : 0;
}

void engine_sent(struct engine *e, uint32_t in_port, uint32_t forwarded, uint32_t failed)
{
	struct ring_counters *count = e->recorder.count;

	recorder_add(&count->forwarded, forwarded);
	if (failed && in_port < ENGINE_PORTS_MAX)
		recorder_add(&count->dropped[in_port][REASON_TX], failed);
}

bool engine_originated(struct engine *e, struct frame *f)
{
	if (!originate_next(&e->own, f))
		return false;
	recorder_add(&e->recorder.count->originated, 1);
	return true;
}

/* --- between bursts --- */

static void sweep(struct engine *e, uint32_t budget)
{
	uint32_t n = budget < e->flows.max ? budget : e->flows.max;

	for (uint32_t i = 0; i < n; i++) {
		if (e->flows.hot[e->sweep].state != STATE_NONE)
			session_visit(e, e->sweep);
		e->sweep = e->sweep + 1 < e->flows.max ? e->sweep + 1 : 0;
	}
}

void engine_tick(struct engine *e, struct engine_clock clock, uint32_t budget)
{
	engine_set_time(e, clock);
	if (e->bindings)
		bind_tick(e->bindings, e->now, budget);
	sweep(e, budget);
	engine_show_gauges(e);
}

bool engine_event(struct engine *e, struct dp_endpoint *event)
{
	return e->bindings && bind_event(e->bindings, event);
}

void engine_close_sessions(struct engine *e, struct engine_clock clock, enum record_end why)
{
	engine_set_time(e, clock);
	for (uint32_t i = 0; i < e->flows.max; i++)
		if (e->flows.hot[i].state != STATE_NONE)
			session_end(e, i, why);
	engine_show_gauges(e);
}
