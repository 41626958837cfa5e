/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "lane.h"
#include "log.h"

#define TICK_BUSY    8u /* table slots per turn while frames arrive */
#define TICK_IDLE    512u
#define DUMP_STEP    256u /* bindings per turn */
#define IDLE_POLLS   1000u
#define NAP_FIRST_NS 100000u
#define NAP_LAST_NS  1000000u
#define ORDERS       64u
#define EVENTS       4096u
/* Both, and a second between two signs of life, are below WatchdogSec of cordon-dp.service: it would end us
 * without a word of why. */
#define ORDER_WAIT_NS 7000000000ull
#define LATE_NS       1000000000ull
#define EXIT_HANGS    6 /* as for a start that fails: cordon-dp(8) */

struct worker {
	struct engine *engine;
	const struct clock *clock;
	uint64_t *heartbeat; /* in the ring file */
	struct lanes lanes;
	uint32_t n_rx;          /* ports polled: all, or in tap mode the first */
	struct rte_mbuf *spare; /* for the next frame of the engine's own */
	struct order *order;    /* begun */
	bool stop;
	struct rte_ring *orders, *events;
	unsigned lcore;
};

/* --- frames
 * -------------------------------------------------------------------------------------------------- */

/* One segment, with its tag where the wire had it. What cannot be brought into that form is shown to the
 * engine as an empty frame, which it drops as unreadable. */
static uint32_t normalise(struct rte_mbuf **m)
{
	if ((*m)->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED && rte_vlan_insert(m))
		return 0;
	if ((*m)->nb_segs > 1 && rte_pktmbuf_linearize(*m))
		return 0;
	return (*m)->pkt_len;
}

static inline void frame_of(struct frame *f, struct rte_mbuf *m)
{
	uint32_t len = m->pkt_len;

	if (unlikely(m->nb_segs > 1 || m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED))
		len = normalise(&m);
	f->data = rte_pktmbuf_mtod(m, uint8_t *);
	f->len = len;
	f->wire_len = len;
	f->cookie = m;
	rte_prefetch0(f->data);
}

/* Resets and rejects. */
static void send_own(struct worker *w)
{
	for (;;) {
		if (!w->spare)
			w->spare = rte_pktmbuf_alloc(w->lanes.pool);
		if (!w->spare)
			return;
		struct frame f = {
			.data = rte_pktmbuf_mtod(w->spare, uint8_t *),
			.len = rte_pktmbuf_tailroom(w->spare),
			.cookie = w->spare,
		};
		if (!engine_originated(w->engine, &f))
			return;
		w->spare = NULL;
		lanes_send_own(&w->lanes, &f);
	}
}

static uint32_t poll_port(struct worker *w, uint32_t port, struct engine_clock now)
{
	struct rte_mbuf *mbufs[ENGINE_BURST];
	struct frame frames[ENGINE_BURST];
	const struct lane *lane = &w->lanes.lane[port];
	uint32_t n = likely(!lane->left) ? rte_eth_rx_burst(lane->id, 0, mbufs, ENGINE_BURST) : 0;

	if (!n)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		frame_of(&frames[i], mbufs[i]);
	engine_burst(w->engine, port, frames, n, now);

	struct lanes_tally tally = lanes_dispatch(&w->lanes, frames, n);
	engine_sent(w->engine, port, tally.sent, tally.failed);
	send_own(w);
	return n;
}

/* --- orders
 * -------------------------------------------------------------------------------------------------- */

static bool do_publish(struct worker *w, struct order *o, struct engine_clock now)
{
	o->publish.image = engine_publish(w->engine, o->publish.image, o->publish.generation,
					  o->publish.bindings, o->publish.n_bindings, now);
	return true;
}

static bool do_bind(struct worker *w, struct order *o, struct engine_clock now)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < o->bind.n; i++) {
		int code = engine_bind(w->engine, &o->bind.bindings[i], now);

		taken += !code;
		if (code && !o->result)
			o->result = code;
	}
	o->bind.n = taken;
	return true;
}

/* A long answer is given over several turns. */
static bool do_dump(struct worker *w, struct order *o, struct engine_clock now)
{
	uint32_t left = o->dump.room - o->dump.n;
	uint32_t n = engine_dump_bindings(w->engine, &o->dump.cursor, o->dump.out + o->dump.n,
					  left < DUMP_STEP ? left : DUMP_STEP, now);

	o->dump.n += n;
	return !n || o->dump.n == o->dump.room;
}

static bool do_port(struct worker *w, struct order *o, struct engine_clock now)
{
	engine_port_state(w->engine, o->port.index, o->port.up);
	if (o->port.leave)
		lanes_leave(&w->lanes, o->port.index);
	return true;
}

static bool do_probe(struct worker *w, struct order *o, struct engine_clock now)
{
	o->result = engine_probe(w->engine, o->probe.probes, o->probe.bytes, o->probe.size, now);
	return true;
}

static bool do_stop(struct worker *w, struct order *o, struct engine_clock now)
{
	engine_close_sessions(w->engine, now, RECORD_END_SHUTDOWN);
	w->stop = true;
	return true;
}

/* True when the order is finished. */
static bool (*const doers[ORDER_KINDS])(struct worker *w, struct order *o, struct engine_clock now) = {
	[ORDER_PUBLISH] = do_publish, [ORDER_BIND] = do_bind,   [ORDER_DUMP] = do_dump,
	[ORDER_PORT] = do_port,       [ORDER_PROBE] = do_probe, [ORDER_STOP] = do_stop,
};

/* One step of one order a turn. */
static void serve_orders(struct worker *w, struct engine_clock now)
{
	if (likely(!w->order) && rte_ring_sc_dequeue(w->orders, (void **)&w->order))
		return;
	if (!doers[w->order->kind](w, w->order, now))
		return;
	atomic_store_explicit(&w->order->done, true, memory_order_release);
	w->order = NULL;
}

/* Events wait in the engine, which counts those it has no room for, until the control thread made room here.
 */
static void pass_events(struct worker *w)
{
	struct dp_endpoint event;

	while (!rte_ring_full(w->events) && engine_event(w->engine, &event))
		rte_ring_sp_enqueue_elem(w->events, &event, sizeof(event));
}

/* --- the loop
 * ------------------------------------------------------------------------------------------------ */

/* Once a millisecond at most: the line is one that another process reads. */
static void beat(struct worker *w, struct engine_clock now)
{
	uint64_t ms = clock_kernel_ms(w->clock, now.now_ns);

	if (*w->heartbeat != ms)
		__atomic_store_n(w->heartbeat, ms, __ATOMIC_RELEASE);
}

/* After so many turns without a frame: sleep, twice as long each time. */
static void nap(uint32_t idle)
{
	if (idle < IDLE_POLLS)
		return;
	uint32_t doublings = idle - IDLE_POLLS < 4 ? idle - IDLE_POLLS : 4;
	uint32_t ns = NAP_FIRST_NS << doublings;
	nanosleep(&(struct timespec){.tv_nsec = ns < NAP_LAST_NS ? ns : NAP_LAST_NS}, NULL);
}

static uint32_t turn(struct worker *w)
{
	struct engine_clock now = clock_now(w->clock);
	uint32_t got = 0;

	beat(w, now);
	for (uint32_t port = 0; port < w->n_rx; port++)
		got += poll_port(w, port, now);
	engine_tick(w->engine, now, got ? TICK_BUSY : TICK_IDLE);
	send_own(w);
	serve_orders(w, now);
	pass_events(w);
	return got;
}

static int worker_main(void *arg)
{
	struct worker *w = arg;
	uint32_t idle = 0;

	while (!w->stop) {
		idle = turn(w) ? 0 : idle + 1;
		nap(idle);
	}
	return 0;
}

/* --- the control thread's side
 * ------------------------------------------------------------------------------- */

static bool make_queues(struct worker *w)
{
	w->orders = rte_ring_create("orders", ORDERS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	w->events = rte_ring_create_elem("events", sizeof(struct dp_endpoint), EVENTS, SOCKET_ID_ANY,
					 RING_F_SP_ENQ | RING_F_SC_DEQ);
	return w->orders && w->events;
}

struct worker *worker_create(const struct worker_config *config, const char **error)
{
	struct worker *w = rte_zmalloc("worker", sizeof(*w), RTE_CACHE_LINE_SIZE);

	*error = "no memory";
	if (!w)
		return NULL;
	w->clock = config->clock;
	w->heartbeat = &config->ring->shared->counters.heartbeat;
	w->n_rx = config->engine->tap ? 1 : config->engine->n_ports;
	lanes_init(&w->lanes, config->ports, config->engine);
	w->engine = make_queues(w) ? engine_create(config->engine, config->ring, error) : NULL;
	for (uint32_t i = 0; w->engine && i < config->ports->n; i++)
		engine_port_state(w->engine, i, atomic_load(&config->ports->port[i].up));
	if (w->engine)
		return w;
	worker_destroy(w);
	return NULL;
}

void worker_destroy(struct worker *w)
{
	if (!w)
		return;
	engine_destroy(w->engine);
	rte_pktmbuf_free(w->spare);
	rte_ring_free(w->orders);
	rte_ring_free(w->events);
	rte_free(w);
}

void worker_preload(struct worker *w, const struct order *publish)
{
	struct order o = {.kind = ORDER_PUBLISH, .publish = publish->publish};

	do_publish(w, &o, clock_now(w->clock));
}

int worker_start(struct worker *w, unsigned lcore)
{
	w->lcore = lcore;
	return rte_eal_remote_launch(worker_main, w, lcore);
}

void worker_join(struct worker *w)
{
	rte_eal_wait_lcore(w->lcore);
}

/* It holds an order of ours, and memory that the order names: nothing of that may go or change while it runs.
 */
static _Noreturn void hangs(void)
{
	log_error("the worker does not answer: ending at once");
	_exit(EXIT_HANGS);
}

int worker_order(struct worker *w, struct order *o)
{
	static const struct timespec pause = {.tv_nsec = 50000};
	uint64_t give_up = clock_mono_ns(w->clock) + ORDER_WAIT_NS;
	bool late = false;

	o->result = 0;
	atomic_store_explicit(&o->done, false, memory_order_relaxed);
	if (rte_ring_sp_enqueue(w->orders, o))
		return -ENOBUFS;
	while (!atomic_load_explicit(&o->done, memory_order_acquire)) {
		if (clock_mono_ns(w->clock) > give_up) {
			if (late)
				hangs();
			/* A process that was frozen is late by the clock alone. */
			late = true;
			give_up = clock_mono_ns(w->clock) + LATE_NS;
		}
		nanosleep(&pause, NULL);
	}
	return o->result;
}

uint32_t worker_events(struct worker *w, struct dp_endpoint *out, uint32_t max)
{
	return rte_ring_sc_dequeue_burst_elem(w->events, out, sizeof(*out), max, NULL);
}
