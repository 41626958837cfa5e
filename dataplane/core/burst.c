/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The burst: five loops over arrays.
 *
 *   parse    frames -> packets
 *   select   what the guards or tap mode settle; the rest becomes lanes with canonical keys
 *   find     all lanes' sessions at once
 *   decide   lanes without a session, with a stale one or without confirmation take the slow way (session.c)
 *   step     state and counters of each session, in order of arrival; then every frame is counted once
 *
 * A packet of an established session reads its bucket, the session's hot line and its first cold line, in
 * layer-2 mode also the two bindings; it meets no look-up of policy and no store to the ring.
 */
#include "ends.h"
#include "session.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static void count_in(struct engine *e, const struct frame *frames, uint32_t n)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += frames[i].wire_len;
	recorder_add(&e->recorder.count->frames_in, n);
	recorder_add(&e->recorder.count->bytes_in, bytes);
}

static void take_fate(struct frame *f, const struct guard_fate *fate)
{
	f->act = fate->act;
	f->reason = fate->act == FRAME_DROP ? fate->reason : REASON_NONE;
	f->out_port = fate->out_port;
	f->flood_ports = fate->flood_ports;
}

/* What a guard lets through also needs a port that is up and wide enough. */
static void only_open_ways(const struct engine *e, const struct packet *p, struct frame *f)
{
	enum reason why = REASON_NO_PORT;

	if (f->act == FRAME_DROP)
		return;
	if (f->act == FRAME_FORWARD)
		why = ends_way(e, f->out_port, p, f);
	else if ((f->flood_ports = ends_open(e, f->flood_ports, p, f, &why)))
		why = REASON_NONE;
	if (why == REASON_NONE)
		return;
	f->act = FRAME_DROP;
	f->reason = (uint8_t)why;
}

/* True: a question of sessions. */
static bool select_bridged(struct engine *e, struct packet *p, struct frame *f)
{
	struct guard_fate fate;

	f->reason = (uint8_t)guard_domain(&e->guard, e->port, p);
	f->domain = p->key.domain;
	if (f->reason != REASON_NONE)
		return false;
	if (p->guard == PACKET_GUARD_NONE)
		return true;
	fate = guard_frame(&e->guard, e->bindings, e->port, p, f->data, f->len, e->now);
	take_fate(f, &fate);
	only_open_ways(e, p, f);
	return false;
}

static bool select_tap(struct engine *e, const struct packet *p, struct frame *f)
{
	if (likely(p->guard != PACKET_GUARD_ARP && p->guard != PACKET_GUARD_ND))
		return true;
	f->act = FRAME_FORWARD;
	f->reason = REASON_L2;
	f->out_port = TAP_OUT;
	recorder_add(&e->recorder.count->l2[e->port], 1);
	return false;
}

static bool select_frame(struct engine *e, struct packet *p, struct frame *f)
{
	f->act = FRAME_DROP;
	f->reason = p->reason;
	f->domain = p->key.domain;
	f->flood_ports = 0;
	if (p->reason != REASON_NONE)
		return false;
	return e->config.tap ? select_tap(e, p, f) : select_bridged(e, p, f);
}

/* Answers of the ICMP query types other than echo share their request's session: answer type -> request type.
 */
static uint8_t icmp_request_of(const struct packet *p)
{
	static const uint8_t request[] = {[14] = 13, [16] = 15, [18] = 17};

	if (p->kind != PACKET_ICMP || p->key.family != RECORD_IPV4 || p->icmp_type >= sizeof(request))
		return 0;
	return request[p->icmp_type];
}

static struct packet_key session_ends(const struct packet *p)
{
	struct packet_key key = p->kind == PACKET_ICMP_ERROR ? p->inner : p->key;
	uint8_t request = icmp_request_of(p);

	key.domain = p->key.domain;
	if (request) {
		key.sport = (uint16_t)(request << 8);
		key.dport = 0;
	}
	return key;
}

static void add_lane(struct engine *e, uint32_t k, uint32_t i)
{
	const struct packet *p = &e->packet[i];
	struct flow_key *key = &e->flow_key[k];
	struct packet_key rare;
	const struct packet_key *ends = &p->key;

	if (p->kind == PACKET_ICMP || p->kind == PACKET_ICMP_ERROR) {
		rare = session_ends(p);
		ends = &rare;
	}
	e->lane[k].frame = (uint8_t)i;
	e->lane[k].sender = flow_key_set(key, ends->src, ends->sport, ends->dst, ends->dport);
	key->domain = ends->domain;
	key->family = ends->family;
	key->proto = ends->proto;
}

static uint32_t select_lanes(struct engine *e, uint32_t n)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++)
		if (select_frame(e, &e->packet[i], &e->frames[i]))
			add_lane(e, k++, i);
	return k;
}

static void find_lanes(struct engine *e, uint32_t n)
{
	flow_find_bulk(&e->flows, e->flow_key, n, e->hash, e->found);
	for (uint32_t k = 0; k < n; k++)
		e->lane[k].flow = e->found[k];
}

static bool settled(struct engine *e, uint32_t k)
{
	uint32_t flow = e->lane[k].flow;
	const struct flow *f;

	if (flow == FLOW_NONE || e->removals)
		return false;
	f = &e->flows.hot[flow];
	if (f->stamp != e->stamp || session_expired(e, f) ||
	    e->packet[e->lane[k].frame].kind == PACKET_ICMP_ERROR)
		return false;
	if (!e->config.tap)
		return ends_confirm(e, k, f);
	e->frames[e->lane[k].frame].out_port = TAP_OUT;
	return true;
}

static void decide_lanes(struct engine *e, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		if (unlikely(!settled(e, k)))
			e->lane[k].flow = session_decide(e, k);
}

static void let_pass(struct frame *f)
{
	f->act = f->flood_ports ? FRAME_FLOOD : FRAME_FORWARD;
	f->reason = REASON_NONE;
}

static void account(struct engine *e, uint32_t flow, bool back, const struct packet *p)
{
	struct flow_cold *c = &e->flows.cold[flow];

	c->packets[back]++;
	c->bytes[back] += p->ip_len;
	c->last_ns = e->now.utc_ns;
}

/* To the group or to one: a session is the one thing or the other, and there is no way back from a group. */
static bool other_cast(const struct flow *f, const struct packet *p, bool back)
{
	bool group = p->flags & (PACKET_GROUP | PACKET_GROUP_IP);

	return group != !!(f->flags & FLOW_GROUP) || (group && back);
}

/* ICMP keys are made of numbers that a sender is free to choose, so a question from the responder can look
 * like a part of the session. It is not: questions go one way, answers the other. */
static bool wrong_way(const struct packet *p, bool back)
{
	if (p->kind == PACKET_ECHO)
		return back;
	if (p->kind == PACKET_ECHO_REPLY)
		return !back;
	return p->kind == PACKET_ICMP && back && !icmp_request_of(p);
}

/* Not TCP or UDP from one to one: the key alone does not tell whether it belongs to the session. */
static inline bool is_rare(const struct flow *f, const struct packet *p)
{
	return p->kind > PACKET_UDP || (p->flags & (PACKET_GROUP | PACKET_GROUP_IP)) ||
	       (f->flags & FLOW_GROUP);
}

/* True: it belongs. */
static __attribute__((noinline)) bool belongs(struct engine *e, uint32_t k, const struct flow *f, bool back)
{
	const struct packet *p = lane_packet(e, k);

	if (other_cast(f, p, back)) {
		lane_frame(e, k)->reason = REASON_MULTICAST;
		return false;
	}
	if (!wrong_way(p, back))
		return true;
	session_refuse(e, k);
	return false;
}

static void step(struct engine *e, uint32_t k)
{
	const struct packet *p = &e->packet[e->lane[k].frame];
	struct frame *frame = &e->frames[e->lane[k].frame];
	uint32_t flow = e->lane[k].flow;
	struct flow *f = &e->flows.hot[flow];
	bool back = e->lane[k].sender ^ (f->flags & FLOW_FROM_1);
	enum state_id next;

	if (unlikely(is_rare(f, p))) {
		if (p->kind == PACKET_ICMP_ERROR) {
			let_pass(frame);
			return;
		}
		if (!belongs(e, k, f, back))
			return;
	}
	if (state_needs_sum(p) && parse_l4_sum(p, frame->data) == PARSE_SUM_BAD) {
		frame->reason = REASON_CHECKSUM;
		return;
	}
	next = state_next(f->state, back, p);
	if (next == STATE_REOPEN) {
		flow = session_reopen(e, k, flow);
		if (flow == FLOW_NONE)
			return;
		f = &e->flows.hot[flow];
		back = false;
		next = f->state;
	}
	if (state_refreshes(next) || next != f->state)
		f->seen_ms = e->now_ms;
	f->state = (uint8_t)next;
	account(e, flow, back, p);
	let_pass(frame);
}

static void step_lanes(struct engine *e, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++) {
		if (e->removals && e->lane[k].flow != FLOW_NONE)
			e->lane[k].flow = session_decide(e, k);
		if (e->lane[k].flow != FLOW_NONE)
			step(e, k);
	}
}

static void count_dropped(struct engine *e, const struct frame *frames, uint32_t n)
{
	uint32_t row = e->port < ENGINE_PORTS_MAX ? e->port : RING_PORT_NONE;
	uint64_t *dropped = e->recorder.count->dropped[row];

	for (uint32_t i = 0; i < n; i++)
		if (frames[i].act == FRAME_DROP)
			recorder_add(&dropped[frames[i].reason], 1);
}

static void burst(struct engine *e, struct frame *frames, uint32_t n)
{
	uint32_t lanes;

	e->frames = frames;
	e->removals = 0;
	e->inserts = 0;
	count_in(e, frames, n);
	parse_burst(e->packet, frames, n, e->config.raw_ip ? PARSE_IP : PARSE_ETHERNET);
	lanes = select_lanes(e, n);
	find_lanes(e, lanes);
	decide_lanes(e, lanes);
	step_lanes(e, lanes);
	count_dropped(e, frames, n);
}

void burst_run(struct engine *e, uint16_t port, struct frame *frames, uint32_t n)
{
	e->port = port;
	for (uint32_t done = 0; done < n; done += ENGINE_BURST)
		burst(e, frames + done, n - done < ENGINE_BURST ? n - done : ENGINE_BURST);
}

void engine_burst(struct engine *e, uint32_t port, struct frame *frames, uint32_t n,
		  struct engine_clock clock)
{
	engine_set_time(e, clock);
	burst_run(e, (uint16_t)(port < e->config.n_ports ? port : e->config.n_ports - 1), frames, n);
	engine_show_gauges(e);
}
