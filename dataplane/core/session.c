/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening, deciding again and ending sessions. Everything here is bounded by one packet or one table slot.
 *
 * Order of a first packet: source (spoof), kind (may it open?), checksum, policy, way out, room in the table.
 * So a record of a decision is about a packet that was what it said it was.
 */
#include "session.h"

#include <string.h>

#include "ends.h"

#define UPDATE_MS (300u * 1000u)

struct question {
	struct end src, dst;
	struct image_decision decision;
};

static uint32_t drop(struct engine *e, uint32_t k, uint8_t reason)
{
	lane_frame(e, k)->reason = reason;
	return FLOW_NONE;
}

/* --- the end of a session --- */

void session_end(struct engine *e, uint32_t flow, enum record_end why)
{
	recorder_ended(&e->recorder, &e->flows.hot[flow], &e->flows.cold[flow], why);
	recorder_add(&e->recorder.count->sessions_ended, 1);
	flow_remove(&e->flows, flow);
	e->removals++;
}

static void session_expire(struct engine *e, uint32_t flow)
{
	bool over = state_is_over(e->flows.hot[flow].state);

	session_end(e, flow, over ? RECORD_END_CLOSED : RECORD_END_TIMEOUT);
}

/* --- refusals --- */

static uint32_t refuse(struct engine *e, uint32_t k, const struct question *q)
{
	const struct packet *p = lane_packet(e, k);
	struct recorder_refusal what = {
		.packet = p,
		.decision = q->decision,
		.generation = e->generation,
		.src_identity = q->src.identity,
		.dst_identity = q->dst.identity,
		.in_port = e->port,
		.out_port = UINT16_MAX,
	};

	if (q->dst.handle != BIND_NONE)
		what.out_port = bind_at(e->bound, q->dst.handle)->port;
	recorder_refused(&e->recorder, &what);
	if (q->decision.flags & DECISION_REJECT)
		originate_reject(&e->own, &e->key, p, lane_frame(e, k), e->port, e->now.now_ns);
	return drop(e, k, q->decision.reason);
}

static uint32_t refuse_because(struct engine *e, uint32_t k, struct question *q, uint8_t reason)
{
	q->decision = match_refusal(reason);
	return refuse(e, k, q);
}

/* The rules would have allowed it; the record says so. */
static uint32_t refuse_full(struct engine *e, uint32_t k, struct question *q)
{
	struct image_decision wanted = q->decision;

	q->decision = match_refusal(REASON_FLOW_LIMIT);
	q->decision.intended_rule = wanted.intended_rule;
	q->decision.intended_reason = wanted.intended_reason;
	q->decision.flags = wanted.flags & DECISION_INTENDED_ALLOW;
	return refuse(e, k, q);
}

/* --- a new session --- */

static void set_decision(const struct engine *e, struct flow_cold *c, const struct question *q)
{
	c->policy = e->policy;
	c->generation = e->generation;
	c->src_identity = q->src.identity;
	c->dst_identity = q->dst.identity;
	c->rule = q->decision.rule;
	c->intended_rule = q->decision.intended_rule;
	c->intended = q->decision.flags & DECISION_INTENDED_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
	c->reason = q->decision.reason;
	c->intended_reason = q->decision.intended_reason;
	c->obligations = q->decision.obligations;
}

static void set_binding(const struct engine *e, struct flow *f, uint32_t side, uint32_t handle)
{
	const uint8_t flag = side ? FLOW_BOUND_1 : FLOW_BOUND_0;

	f->flags &= (uint8_t)~flag;
	if (handle == BIND_NONE)
		return;
	f->flags |= flag;
	f->binding[side] = (uint16_t)handle;
	f->epoch[side] = bind_at(e->bound, handle)->epoch;
}

static void fill(struct engine *e, uint32_t k, uint32_t flow, const struct question *q)
{
	const struct packet *p = lane_packet(e, k);
	struct flow *f = &e->flows.hot[flow];
	struct flow_cold *c = &e->flows.cold[flow];
	bool from = e->lane[k].sender;

	f->stamp = e->stamp;
	f->seen_ms = e->now_ms;
	f->state = (uint8_t)state_first(p);
	f->flags = (from ? FLOW_FROM_1 : 0) | (q->dst.identity == IDENTITY_MULTICAST ? FLOW_GROUP : 0);
	set_binding(e, f, from, q->src.handle);
	set_binding(e, f, !from, q->dst.handle);
	c->session = recorder_session(&e->recorder);
	c->first_ns = e->now.utc_ns;
	c->last_ns = e->now.utc_ns;
	c->updated_ms = e->now_ms;
	c->sport = p->key.sport;
	c->service = p->key.dport;
	c->in_port = e->port;
	c->out_port = f->flags & FLOW_GROUP ? UINT16_MAX : lane_frame(e, k)->out_port;
	memcpy(c->src_mac, p->src_mac, sizeof(c->src_mac));
	memcpy(c->dst_mac, p->dst_mac, sizeof(c->dst_mac));
	set_decision(e, c, q);
}

static uint32_t insert(struct engine *e, uint32_t k, struct question *q)
{
	uint32_t flow = flow_insert(&e->flows, &e->flow_key[k], e->hash[k]);

	if (flow == FLOW_NONE)
		return refuse_full(e, k, q);
	fill(e, k, flow, q);
	e->inserts++;
	recorder_opened(&e->recorder, &e->flows.hot[flow], &e->flows.cold[flow], lane_packet(e, k)->ip_len);
	recorder_add(&e->recorder.count->sessions_opened, 1);
	return flow;
}

/* ICMP of a type that no service names opens nothing. */
static bool unnamed_icmp(const struct engine *e, const struct packet *p)
{
	return p->kind == PACKET_ICMP && !match_names_icmp(&e->match, p->key.family, p->icmp_type);
}

static bool may_open(const struct engine *e, const struct packet *p)
{
	return state_opens(p) && !unnamed_icmp(e, p) &&
	       (p->kind != PACKET_PROTO || match_names_proto(&e->match, p->key.proto));
}

/* Multicast that no rule speaks of, not even a monitored one, is refused as such, before policy (wire rule
 * 15). */
static bool unwanted_group(const struct question *q)
{
	return q->dst.identity == IDENTITY_MULTICAST && q->decision.reason == REASON_NO_RULE &&
	       q->decision.intended_reason == REASON_NO_RULE;
}

static uint32_t ask(struct engine *e, uint32_t k, struct question *q)
{
	const struct packet *p = lane_packet(e, k);
	service_key key = service_key_make(p->key.proto, p->key.dport);
	enum reason reason;

	q->decision = match_ask(&e->match, q->src.identity, q->dst.identity, key);
	if (!(q->decision.flags & DECISION_ALLOW))
		return unwanted_group(q) ? drop(e, k, REASON_MULTICAST) : refuse(e, k, q);
	reason = ends_route(e, p, lane_frame(e, k), q->src.handle);
	return reason == REASON_NONE ? insert(e, k, q) : drop(e, k, reason);
}

static uint32_t open_session(struct engine *e, uint32_t k)
{
	const struct packet *p = lane_packet(e, k);
	struct question q;
	uint32_t handle;
	enum reason reason = ends_admit(e, p, &handle);

	if (reason != REASON_NONE)
		return drop(e, k, reason);
	if (e->match.image && p->key.family == RECORD_IPV6 && unnamed_icmp(e, p))
		return drop(e, k, REASON_ICMP_TYPE); /* wire rule 16: no question of policy */
	q.src = ends_source(e, p, handle);
	q.dst = ends_responder(e, p);
	if (!e->match.image)
		return refuse_because(e, k, &q, REASON_DENY_ALL);
	if (!may_open(e, p))
		return refuse_because(e, k, &q, REASON_NO_SESSION);
	if (parse_l4_sum(p, lane_frame(e, k)->data) == PARSE_SUM_BAD)
		return drop(e, k, REASON_CHECKSUM);
	return ask(e, k, &q);
}

uint32_t session_reopen(struct engine *e, uint32_t k, uint32_t flow)
{
	session_end(e, flow, RECORD_END_CLOSED);
	return open_session(e, k);
}

/* --- a live session, decided again --- */

static bool binding_changed(const struct engine *e, const struct flow *f, uint32_t side)
{
	const struct flow_key *key = &f->key;

	if (f->flags & (side ? FLOW_BOUND_1 : FLOW_BOUND_0))
		return bind_at(e->bound, f->binding[side])->epoch != f->epoch[side];
	if (!e->bindings || (e->config.tap && e->config.classify))
		return false;
	return bind_find(e->bindings, key->domain, key->family, key->addr[side], e->now.now_ns) != BIND_NONE;
}

static bool inputs_changed(const struct engine *e, const struct flow *f, const struct flow_cold *c)
{
	return c->policy != e->policy || binding_changed(e, f, 0) || binding_changed(e, f, 1);
}

static struct question ask_again(struct engine *e, struct flow *f, const struct flow_cold *c)
{
	const struct flow_key *key = &f->key;
	bool from = f->flags & FLOW_FROM_1;
	struct question q;

	q.src = ends_who(e, key->domain, key->family, key->addr[from], c->src_mac, c->in_port);
	if (f->flags & FLOW_GROUP)
		q.dst = (struct end){BIND_NONE, IDENTITY_MULTICAST};
	else
		q.dst = ends_who(e, key->domain, key->family, key->addr[!from], c->dst_mac,
				 ends_far_port(e, c->in_port));
	set_binding(e, f, from, q.src.handle);
	set_binding(e, f, !from, q.dst.handle);
	q.decision = match_ask(&e->match, q.src.identity, q.dst.identity,
			       service_key_make(key->proto, c->service));
	return q;
}

/* The record of the cut names the identities that were judged; the session's end says who it was for. */
static void cut(struct engine *e, uint32_t flow, const struct question *q)
{
	struct flow_cold judged = e->flows.cold[flow];

	judged.src_identity = q->src.identity;
	judged.dst_identity = q->dst.identity;
	recorder_changed(&e->recorder, &e->flows.hot[flow], &judged, &q->decision, judged.rule,
			 e->generation);
	session_end(e, flow, RECORD_END_REVOKED);
}

/* REASON_NONE: the session goes on. Else it was cut, and this is why. */
static uint8_t recheck(struct engine *e, uint32_t flow)
{
	struct flow *f = &e->flows.hot[flow];
	struct flow_cold *c = &e->flows.cold[flow];
	rule_ref old_rule = c->rule;
	struct question q;

	if (!inputs_changed(e, f, c)) {
		f->stamp = e->stamp;
		return REASON_NONE;
	}
	q = ask_again(e, f, c);
	recorder_add(&e->recorder.count->redecided, 1);
	if (!(q.decision.flags & DECISION_ALLOW)) {
		cut(e, flow, &q);
		return q.decision.reason;
	}
	f->stamp = e->stamp;
	set_decision(e, c, &q);
	if (q.decision.rule != old_rule)
		recorder_changed(&e->recorder, f, c, &q.decision, old_rule, e->generation);
	return REASON_NONE;
}

/* The hosts learn of the cut by a reset each, as far as there is a way to the far one. */
static void answer_cut(struct engine *e, uint32_t k, uint32_t src)
{
	const struct packet *p = lane_packet(e, k);
	struct frame *f = lane_frame(e, k);

	if (p->kind != PACKET_TCP)
		return;
	originate_reset(&e->own, p, f, e->port);
	if (ends_route(e, p, f, src) == REASON_NONE)
		originate_reset_far(&e->own, p, f, f->out_port);
}

/* A packet of a live session that the fast way did not settle. */
static uint32_t pass(struct engine *e, uint32_t k, uint32_t flow)
{
	const struct packet *p = lane_packet(e, k);
	uint32_t src;
	enum reason reason = ends_admit(e, p, &src);

	if (reason != REASON_NONE)
		return drop(e, k, reason);
	reason = recheck(e, flow);
	if (reason != REASON_NONE) {
		answer_cut(e, k, src);
		return drop(e, k, reason);
	}
	reason = ends_route(e, p, lane_frame(e, k), src);
	return reason == REASON_NONE ? flow : drop(e, k, reason);
}

void session_refuse(struct engine *e, uint32_t k)
{
	const struct packet *p = lane_packet(e, k);
	struct question q;
	uint32_t handle;
	enum reason reason = ends_admit(e, p, &handle);

	if (reason != REASON_NONE) {
		drop(e, k, reason);
		return;
	}
	q.src = ends_source(e, p, handle);
	q.dst = ends_responder(e, p);
	refuse_because(e, k, &q, REASON_NO_SESSION);
}

/* Did lane k's frame come from where the session's packets to the other side go? */
static bool comes_back(const struct engine *e, uint32_t k, const struct flow *f)
{
	uint32_t far = !e->lane[k].sender;
	const struct binding *b;

	if (e->config.tap)
		return true;
	if (!(f->flags & (far ? FLOW_BOUND_1 : FLOW_BOUND_0)))
		return false;
	b = bind_at(e->bound, f->binding[far]);
	return b->port == e->port && !memcmp(b->mac, lane_packet(e, k)->src_mac, sizeof(b->mac));
}

/*
 * An ICMP error goes to the sender of the packet it quotes, if that packet's session lives (wire rule 16) and
 * the error comes the way back: its rest may be anything, so for anybody else it would be a way around
 * policy.
 */
static uint32_t relate(struct engine *e, uint32_t k, uint32_t flow)
{
	if (flow == FLOW_NONE || (e->flows.hot[flow].flags & FLOW_GROUP))
		return drop(e, k, REASON_ICMP_UNRELATED);
	if (lane_packet(e, k)->flags & PACKET_GROUP)
		return drop(e, k, REASON_MULTICAST);
	flow = pass(e, k, flow);
	if (flow == FLOW_NONE || comes_back(e, k, &e->flows.hot[flow]))
		return flow;
	return drop(e, k, REASON_ICMP_UNRELATED);
}

static bool still_there(const struct engine *e, uint32_t k, uint32_t flow)
{
	const struct flow *f = &e->flows.hot[flow];

	return f->state != STATE_NONE && flow_key_equal(&f->key, &e->flow_key[k]);
}

static uint32_t look_again(const struct engine *e, uint32_t k)
{
	uint32_t flow = e->lane[k].flow;

	if (flow == FLOW_NONE)
		return e->inserts ? flow_find(&e->flows, &e->flow_key[k], e->hash[k]) : FLOW_NONE;
	if (!e->removals || still_there(e, k, flow))
		return flow;
	return flow_find(&e->flows, &e->flow_key[k], e->hash[k]);
}

uint32_t session_decide(struct engine *e, uint32_t k)
{
	uint32_t flow = look_again(e, k);

	if (flow != FLOW_NONE && session_expired(e, &e->flows.hot[flow])) {
		session_expire(e, flow);
		flow = FLOW_NONE;
	}
	if (lane_packet(e, k)->kind == PACKET_ICMP_ERROR)
		return relate(e, k, flow);
	return flow == FLOW_NONE ? open_session(e, k) : pass(e, k, flow);
}

/* A packet would notice a binding that is gone; for an idle session somebody has to look. */
static bool wants_recheck(const struct engine *e, const struct flow *f)
{
	return f->stamp != e->stamp ||
	       (!e->config.tap && (binding_changed(e, f, 0) || binding_changed(e, f, 1)));
}

void session_visit(struct engine *e, uint32_t flow)
{
	const struct flow *f = &e->flows.hot[flow];
	struct flow_cold *c = &e->flows.cold[flow];

	if (session_expired(e, f)) {
		session_expire(e, flow);
		return;
	}
	if (wants_recheck(e, f) && recheck(e, flow) != REASON_NONE)
		return;
	if (e->now_ms - c->updated_ms < UPDATE_MS)
		return;
	c->updated_ms = e->now_ms;
	recorder_update(&e->recorder, f, c);
}
