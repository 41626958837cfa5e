/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From conntrack's events and lists to records of sessions.
 *
 * An event may be lost, and the next list tells what it would have told: a session that is in the list and
 * not in the table was opened; one that is in the table and not in the list is over, but for a while its end
 * may still come, with exact counters. A session that began before we counted has its opening elsewhere; here
 * it only gets changes, updates and its end.
 */
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <string.h>

#include "records_inside.h"
#include "state.h"

#define UPDATE_MS 300000u /* like the engine's */
#define ABSENT_MS 5000
#define NS_PER_MS UINT64_C(1000000)

enum { ICMP = 1, TCP = 6, ICMPV6 = 58 };

/* --- what an entry says ------------------------------------------------------------------------------- */

static uint8_t state_of(const struct nl_session *now, uint8_t before)
{
	static const uint8_t tcp[] = {
		[TCP_CONNTRACK_SYN_SENT] = STATE_SYN_SENT,       [TCP_CONNTRACK_SYN_RECV] = STATE_SYN_RECV,
		[TCP_CONNTRACK_ESTABLISHED] = STATE_ESTABLISHED, [TCP_CONNTRACK_FIN_WAIT] = STATE_FIN_FROM,
		[TCP_CONNTRACK_CLOSE_WAIT] = STATE_FIN_FROM,     [TCP_CONNTRACK_LAST_ACK] = STATE_TIME_WAIT,
		[TCP_CONNTRACK_TIME_WAIT] = STATE_TIME_WAIT,     [TCP_CONNTRACK_CLOSE] = STATE_CLOSED,
		[TCP_CONNTRACK_SYN_SENT2] = STATE_SYN_BOTH,
	};

	if (now->proto == TCP) {
		if (now->tcp_state < sizeof(tcp) && tcp[now->tcp_state])
			return tcp[now->tcp_state];
		return before ? before : STATE_SYN_SENT;
	}
	if (now->proto == ICMP || now->proto == ICMPV6)
		return STATE_ICMP;
	if (now->status & IPS_SEEN_REPLY || before == STATE_UDP_ANSWERED)
		return STATE_UDP_ANSWERED;
	return STATE_UDP_FIRST;
}

/* Events of openings and marks carry no counters. */
static void take_counters(struct records *r, struct session *s, const struct nl_session *now)
{
	struct flow_cold *c = &s->cold;

	s->flow.state = state_of(now, s->flow.state);
	if (now->packets[0] + now->packets[1] <= c->packets[0] + c->packets[1])
		return;
	for (int i = 0; i < 2; i++) {
		c->packets[i] = now->packets[i];
		c->bytes[i] = now->bytes[i];
	}
	c->last_ns = now->stop_ns ? now->stop_ns : r->recorder.now.utc_ns;
}

bool flows_is_host(const struct records *r, const struct session *s)
{
	const struct flow_key *k = &s->flow.key;

	return !k->domain && (nft_box_manages(r->box, k->family, k->addr[0]) ||
			      nft_box_manages(r->box, k->family, k->addr[1]));
}

bool flows_set_ends(struct records *r, struct session *s)
{
	const struct flow_key *k = &s->flow.key;
	const bool host = flows_is_host(r, s);
	const struct who src = records_who(r, host, k->domain, k->family, k->addr[0]);
	const struct who dst = records_who(r, host, k->domain, k->family, k->addr[1]);
	struct flow_cold *c = &s->cold;

	c->src_identity = src.identity;
	c->dst_identity = dst.identity;
	c->in_port = records_port(r, src.home);
	c->out_port = records_port(r, dst.home);
	if (src.home)
		memcpy(c->src_mac, src.home->mac, sizeof(c->src_mac));
	if (dst.home)
		memcpy(c->dst_mac, dst.home->mac, sizeof(c->dst_mac));
	return src.known && dst.known;
}

static void set_decision(struct session *s, const struct image_decision *d, uint32_t generation)
{
	struct flow_cold *c = &s->cold;

	c->generation = generation;
	c->rule = d->rule;
	c->intended_rule = d->intended_rule;
	c->intended = d->flags & DECISION_INTENDED_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
	c->reason = d->reason;
	c->intended_reason = d->intended_reason;
	c->obligations = d->obligations;
}

static void decided(struct session *s, const struct mark_meaning *m)
{
	set_decision(s, &m->decision, m->generation);
	s->turn = m->turn;
}

/* --- beginning ---------------------------------------------------------------------------------------- */

static struct session *add(struct records *r, const struct nl_session *now)
{
	struct session *s = sessions_add(&r->sessions, now);

	r->missed |= !s;
	if (!s)
		return NULL;
	s->list = r->list;
	s->cold.session = recorder_session(&r->recorder);
	s->cold.first_ns = now->start_ns ? now->start_ns : r->recorder.now.utc_ns;
	s->cold.last_ns = r->recorder.now.utc_ns;
	s->cold.updated_ms = (uint32_t)(r->recorder.now.now_ns / NS_PER_MS);
	s->flow.state = state_of(now, 0);
	flows_set_ends(r, s);
	return s;
}

/* It was there before us. */
static struct session *adopt(struct records *r, const struct nl_session *now)
{
	struct session *s = add(r, now);
	struct mark_meaning m;

	if (s && marks_read(&r->marks, now->mark, &m))
		decided(s, &m);
	if (s)
		s->flags |= SESSION_ADOPTED;
	return s;
}

/* `s` NULL: no memory for it. */
static void opened(struct records *r, struct session *s, const struct nl_session *now)
{
	struct mark_meaning m;

	laws_received(r, TOLD_OPENED);
	if (!s || !marks_read(&r->marks, now->mark, &m)) {
		laws_unrecorded(r, now->mark);
	} else {
		decided(s, &m);
		recorder_opened(&r->recorder, &s->flow, &s->cold, 0);
		/* Its event was late or lost, and a change meanwhile did not find it; or its packet was on
		 * its way while things changed. */
		r->recheck |= sweep_doubts(r, s);
	}
}

static struct session *open_session(struct records *r, const struct nl_session *now)
{
	struct session *s = add(r, now);

	opened(r, s, now);
	return s;
}

/* Older than our counting? Without time stamps: all that the first list has. */
static bool is_older(const struct records *r, const struct nl_session *now)
{
	return now->start_ns ? now->start_ns < r->began_ns : !r->adopted;
}

static bool is_cut(const struct records *r, const struct nl_session *now)
{
	struct mark_meaning m;

	return marks_read(&r->marks, now->mark, &m) && !(m.decision.flags & DECISION_ALLOW);
}

/* A session that no event told of. One that the kernel has cut meanwhile was opened with another mark. */
static struct session *meet(struct records *r, const struct nl_session *now)
{
	struct session *s;

	if (is_older(r, now) || is_cut(r, now)) {
		r->recheck |= is_cut(r, now);
		return adopt(r, now);
	}
	s = open_session(r, now);
	if (s)
		s->flags |= SESSION_LISTED;
	return s;
}

/* --- end ---------------------------------------------------------------------------------------------- */

static void end(struct records *r, struct session *s)
{
	enum record_end why = RECORD_END_TIMEOUT;

	if (s->flags & SESSION_REVOKED)
		why = RECORD_END_REVOKED;
	else if (state_is_over(s->flow.state))
		why = RECORD_END_CLOSED;
	recorder_ended(&r->recorder, &s->flow, &s->cold, why);
	recorder_add(&r->recorder.count->sessions_ended, 1);
	sessions_remove(&r->sessions, s);
}

/* --- changes ------------------------------------------------------------------------------------------ */

void flows_delete(struct records *r, struct session *s)
{
	const struct nl_session name = session_name(s);
	int error = nl_session_delete(r->nl, &name);

	if (!error || error == -ENOENT)
		return;
	r->missed = true;
	r->list_due = true; /* if it is still there then, it is tried again */
	records_failed(r, "a revoked session could not be deleted", error);
}

/* The record of the cut names the identities that were judged; the end comes from the kernel, with counters.
 */
static void cut(struct records *r, struct session *s, const struct image_decision *d, uint32_t generation)
{
	struct session judged = *s;

	flows_set_ends(r, &judged);
	recorder_changed(&r->recorder, &s->flow, &judged.cold, d, s->cold.rule, generation);
	s->flags |= SESSION_REVOKED;
	flows_delete(r, s);
}

void flows_changed(struct records *r, struct session *s, const struct image_decision *d, uint32_t generation)
{
	const rule_ref old_rule = s->cold.rule;
	const bool known = s->cold.generation != 0;

	if (s->flags & SESSION_REVOKED)
		return;
	if (!(d->flags & DECISION_ALLOW)) {
		cut(r, s, d, generation);
		return;
	}
	set_decision(s, d, generation);
	flows_set_ends(r, s);
	if (known && d->rule != old_rule)
		recorder_changed(&r->recorder, &s->flow, &s->cold, d, old_rule, generation);
}

/* --- events ------------------------------------------------------------------------------------------- */

static void take_new(struct records *r, struct session *s, const struct nl_session *now)
{
	const uint8_t flags = s ? s->flags : 0;

	if (s && !(flags & (SESSION_LISTED | SESSION_ADOPTED))) {
		end(r, s); /* whose own end was lost: the kernel gives its number again */
		s = NULL;
	}
	if (!s) {
		open_session(r, now);
		return;
	}
	s->flags &= (uint8_t) ~(SESSION_LISTED | SESSION_ADOPTED);
	if (flags & SESSION_ADOPTED)
		opened(r, s, now);
}

static void take_mark(struct records *r, struct session *s, const struct nl_session *now)
{
	struct mark_meaning m;

	if (!s) { /* its opening was lost, or it is older than we: an event does not say since when it is */
		r->list_due = true;
		return;
	}
	s->flow.state = state_of(now, s->flow.state);
	if (s->mark == now->mark)
		return;
	s->mark = now->mark;
	if (!marks_read(&r->marks, now->mark, &m))
		return;
	if (m.turn != r->version.turn && s->turn == r->version.turn)
		return; /* an event from before it was decided anew */
	s->turn = m.turn;
	flows_changed(r, s, &m.decision, m.generation);
	/* As with an opening: what an end of it is may have changed while its packet was on the way. */
	r->recheck |= m.turn == r->version.turn && sweep_doubts(r, s);
}

static void take_gone(struct records *r, struct session *s, const struct nl_session *now)
{
	if (!s)
		s = meet(r, now);
	if (!s)
		return;
	take_counters(r, s, now);
	end(r, s);
}

static void take_listed(struct records *r, struct session *s, const struct nl_session *now)
{
	const uint32_t now_ms = (uint32_t)(r->recorder.now.now_ns / NS_PER_MS);

	if (!s) {
		s = meet(r, now);
		if (!s)
			return;
	}
	s->list = r->list;
	s->flags &= (uint8_t)~SESSION_ABSENT;
	r->recheck |= s->mark != now->mark; /* its event is late or lost */
	s->mark = now->mark;
	take_counters(r, s, now);
	if (now_ms - s->cold.updated_ms < UPDATE_MS)
		return;
	s->cold.updated_ms = now_ms;
	recorder_update(&r->recorder, &s->flow, &s->cold);
}

void flows_take(void *ctx, enum nl_session_event event, const struct nl_session *now)
{
	static void (*const take[])(struct records *, struct session *, const struct nl_session *) = {
		[NL_SESSION_LISTED] = take_listed,
		[NL_SESSION_NEW] = take_new,
		[NL_SESSION_MARK] = take_mark,
		[NL_SESSION_GONE] = take_gone,
	};
	struct records *r = ctx;

	if (mark_is_class(now->mark))
		take[event](r, sessions_find(&r->sessions, now), now);
}

/* --- lists -------------------------------------------------------------------------------------------- */

static void mark_absent(void *ctx, struct session *s)
{
	const struct records *r = ctx;

	if (s->list != r->list)
		s->flags |= SESSION_ABSENT;
}

static void delete_again(void *ctx, struct session *s)
{
	struct records *r = ctx;

	if (s->list == r->list && s->flags & SESSION_REVOKED)
		flows_delete(r, s);
}

static int take_list(struct records *r)
{
	r->list++;
	r->list_ms = (int64_t)(r->recorder.now.now_ns / NS_PER_MS);
	return nl_sessions(r->nl, flows_take, r);
}

int flows_list(struct records *r)
{
	bool overrun;
	int error;

	records_drain(r);
	overrun = r->overrun;
	r->overrun = r->list_due = false;
	error = take_list(r);
	if (error) {
		r->overrun |= overrun;
		r->list_due = true;
		return error;
	}
	r->adopted = true;
	records_drain(r); /* ends that came meanwhile; what is missing now has lost its own */
	sessions_each(&r->sessions, delete_again, r);
	if (!overrun)
		return 0;
	sessions_each(&r->sessions, mark_absent, r);
	r->absent_ms = r->list_ms;
	return 0;
}

static void end_absent(void *ctx, struct session *s)
{
	if (s->flags & SESSION_ABSENT)
		end(ctx, s);
}

void flows_settle(struct records *r, int64_t now_ms)
{
	if (!r->absent_ms || now_ms - r->absent_ms < ABSENT_MS)
		return;
	r->absent_ms = 0;
	sessions_each(&r->sessions, end_absent, r);
}
