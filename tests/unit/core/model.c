/* SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

/* --- who, and what policy says --- */

static bool is_outside(const struct model *m, uint16_t port)
{
	return m->config->port[port].side == ENGINE_OUTSIDE;
}

static uint16_t by_prefix(const struct model *m, uint8_t family, unsigned host, bool outside)
{
	const struct mkimage_prefix *last = NULL;

	if (!m->cell || family != 4)
		return IDENTITY_UNKNOWN;
	for (uint32_t i = 0; i < m->n_prefixes; i++)
		if (m->prefix[i].from <= (0x0a000000u | host))
			last = &m->prefix[i];
	if (!last || !(last->flags & PREFIX_FINAL) || ((last->flags & PREFIX_OUTSIDE) && !outside))
		return IDENTITY_UNKNOWN;
	return last->identity;
}

struct somebody {
	uint16_t identity, port;
	uint64_t version;
};

/* `outside`: on which side an address is that nobody holds. */
static struct somebody who(struct model *m, uint16_t domain, uint8_t family, unsigned host, bool outside)
{
	const struct model_binding *b = model_holder(m, domain, family, host);

	if (host == MODEL_GROUP)
		return (struct somebody){IDENTITY_MULTICAST, UINT16_MAX, 0};
	if (!b)
		return (struct somebody){by_prefix(m, family, host, outside), UINT16_MAX, 0};
	return (struct somebody){b->classified ? b->identity
					       : by_prefix(m, family, host, is_outside(m, b->port)),
				 b->port, b->version};
}

static uint8_t proto_of(const struct shot_ends *e, uint8_t family)
{
	switch (e->kind) {
	case SHOT_TCP:
		return 6;
	case SHOT_UDP:
		return 17;
	case SHOT_GRE:
		return 47;
	default:
		return family == 4 ? 1 : 58;
	}
}

/* The low half of a service key, and what records call dport. */
static uint16_t service_of(const struct shot_ends *e, uint8_t family)
{
	switch (e->kind) {
	case SHOT_TCP:
	case SHOT_UDP:
		return e->dport;
	case SHOT_ECHO:
		return family == 4 ? 8 << 8 : 128 << 8;
	case SHOT_ECHO_REPLY:
		return family == 4 ? 0 : 129 << 8;
	case SHOT_STAMP:
		return 13 << 8;
	case SHOT_STAMP_REPLY:
		return 14 << 8;
	default:
		return 0;
	}
}

static uint16_t sport_of(const struct shot_ends *e)
{
	return e->kind <= SHOT_ECHO_REPLY ? e->sport : 0;
}

static struct image_decision judge(const struct model *m, uint16_t from, uint16_t to, service_key key)
{
	struct image_decision d = {.reason = REASON_NO_RULE, .intended_reason = REASON_NO_RULE};

	for (uint32_t i = 0; i < m->n_cells; i++) {
		const struct mkimage_cell *c = &m->cell[i];

		if (c->from == from && c->to == to && key >= c->first && key < c->end)
			d = c->decision;
	}
	return d;
}

static bool named(const struct model *m, uint8_t proto, uint16_t service)
{
	for (uint32_t i = 0; i < m->n_cells; i++)
		if (m->cell[i].first >> 16 == proto &&
		    (proto == 47 || (m->cell[i].first >> 8 & 0xff) == service >> 8))
			return true;
	return false;
}

/* --- records --- */

static void address(uint8_t out[16], uint8_t family, unsigned host)
{
	memset(out, 0, 16);
	if (family == 4) {
		out[0] = 10;
		out[3] = (uint8_t)host;
		if (host == MODEL_GROUP)
			memcpy(out, "\xe0\x00\x00\xfb", 4);
		return;
	}
	out[0] = host == MODEL_GROUP ? 0xff : 0xfd;
	out[1] = host == MODEL_GROUP ? 2 : 0;
	out[15] = (uint8_t)host;
}

static void emit(struct model *m, struct record r, enum record_type type)
{
	if (m->n_records == MODEL_RECORDS)
		abort();
	r.type = (uint8_t)type;
	m->record[m->n_records++] = r;
	m->decisions += record_is_decision(type);
	m->updates += !record_is_decision(type);
}

static void put_decision(struct record *r, const struct image_decision *d)
{
	r->rule = d->rule;
	r->intended_rule = d->intended_rule;
	r->verdict = d->flags & DECISION_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
	r->intended = d->flags & DECISION_INTENDED_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
	r->reason = d->reason;
	r->intended_reason = d->intended_reason;
}

static struct record describe(const struct model *m, const struct shot *s, uint16_t domain,
			      const struct somebody *src, const struct somebody *dst)
{
	struct record r = {
		.sport = sport_of(&s->ends),
		.dport = service_of(&s->ends, s->family),
		.family = s->family,
		.proto = proto_of(&s->ends, s->family),
		.domain = domain,
		.src_identity = src->identity,
		.dst_identity = dst->identity,
		.in_port = s->port,
		.out_port = dst->port,
		.generation = m->generation,
		.packets = {1, 0},
		.bytes = {s->ip_len, 0},
	};

	address(r.src, s->family, s->ends.src);
	address(r.dst, s->family, s->ends.dst);
	pkt_mac(r.src_mac, s->src_mac);
	pkt_mac(r.dst_mac, s->dst_mac);
	return r;
}

/* --- sessions --- */

static uint64_t timeout_ns(const struct model *m, enum model_state state)
{
	const struct engine_timeouts *t = &m->config->timeouts;

	switch (state) {
	case MODEL_SYN_SENT:
	case MODEL_SYN_BOTH:
	case MODEL_SYN_RECV:
		return t->tcp_syn * NS_PER_S;
	case MODEL_ESTABLISHED:
		return t->tcp_established * NS_PER_S;
	case MODEL_UDP_FIRST:
		return t->udp_first * NS_PER_S;
	case MODEL_UDP_ANSWERED:
		return t->udp_answered * NS_PER_S;
	case MODEL_ICMP_OPEN:
		return t->icmp * NS_PER_S;
	default:
		return t->tcp_closing * NS_PER_S;
	}
}

static bool over(const struct model_session *f)
{
	return f->state == MODEL_TIME_WAIT || f->state == MODEL_CLOSED;
}

static void end_session(struct model *m, struct model_session *f, enum record_end why)
{
	struct record r = f->record;

	r.end = (uint8_t)why;
	emit(m, r, RECORD_END);
	f->used = false;
	m->ended++;
}

static bool expire(struct model *m, struct model_session *f)
{
	if (m->now.now_ns - f->seen_ns <= timeout_ns(m, f->state))
		return false;
	end_session(m, f, over(f) ? RECORD_END_CLOSED : RECORD_END_TIMEOUT);
	return true;
}

/* May a packet with these ends belong to this session, as its initiator's (0) or its responder's (1)? -1: no.
 * Answers carry the numbers of their question the other way round. */
static int direction(const struct model_session *f, const struct shot_ends *e)
{
	bool forth = e->src == f->ends.src && e->dst == f->ends.dst;
	bool back = e->src == f->ends.dst && e->dst == f->ends.src;
	bool answer = e->kind == SHOT_ECHO_REPLY || e->kind == SHOT_STAMP_REPLY;

	switch (f->ends.kind) {
	case SHOT_TCP:
	case SHOT_UDP:
		if (e->kind != f->ends.kind)
			return -1;
		if (forth && e->sport == f->ends.sport && e->dport == f->ends.dport)
			return 0;
		return back && e->sport == f->ends.dport && e->dport == f->ends.sport ? 1 : -1;
	case SHOT_GRE:
		return e->kind != SHOT_GRE ? -1 : forth ? 0 : back ? 1 : -1;
	case SHOT_ECHO:
		if ((e->kind != SHOT_ECHO && e->kind != SHOT_ECHO_REPLY) || e->sport != f->ends.sport)
			return -1;
		return forth && !answer ? 0 : back && answer ? 1 : -1;
	case SHOT_STAMP:
		if (e->kind != SHOT_STAMP && e->kind != SHOT_STAMP_REPLY)
			return -1;
		return forth && !answer ? 0 : back && answer ? 1 : -1;
	case SHOT_STAMP_REPLY:
		return forth && e->kind == SHOT_STAMP_REPLY ? 0 : -1;
	default:
		return -1;
	}
}

/* A question of the responder whose numbers cannot be told from the session's. */
static bool ambiguous(const struct model_session *f, const struct shot_ends *e, uint8_t family)
{
	uint16_t word = family == 4 ? 8 << 8 : 128 << 8;
	bool back = e->src == f->ends.dst && e->dst == f->ends.src;
	bool forth = e->src == f->ends.src && e->dst == f->ends.dst;

	if (f->ends.kind == SHOT_ECHO && f->ends.sport == word && e->sport == word)
		return (back && e->kind == SHOT_ECHO) || (forth && e->kind == SHOT_ECHO_REPLY);
	return f->ends.kind == SHOT_STAMP_REPLY && back && e->kind == SHOT_STAMP;
}

struct found {
	struct model_session *session;
	bool back, stranger;
};

static struct found find(struct model *m, uint16_t domain, uint8_t family, const struct shot_ends *e)
{
	for (uint32_t i = 0; i < MODEL_SESSIONS; i++) {
		struct model_session *f = &m->session[i];
		int way;

		if (!f->used || f->domain != domain || f->family != family)
			continue;
		way = direction(f, e);
		if (way >= 0)
			return (struct found){f, way == 1, false};
		if (ambiguous(f, e, family))
			return (struct found){f, e->src == f->ends.dst, true};
	}
	return (struct found){NULL, false, false};
}

static bool input_changed(struct model *m, const struct model_session *f, unsigned side)
{
	unsigned host = side ? f->ends.dst : f->ends.src;

	if (!f->version[side])
		return model_holder(m, f->domain, f->family, host) != NULL;
	for (uint32_t i = 0; i < MODEL_BINDINGS; i++)
		if (m->binding[i].used && m->binding[i].version == f->version[side])
			return false;
	return true;
}

/* REASON_NONE: it goes on. */
static enum reason decide_again(struct model *m, struct model_session *f)
{
	struct somebody src, dst;
	struct image_decision d;
	struct record r;

	if (f->policy == m->policy && !input_changed(m, f, 0) && !input_changed(m, f, 1))
		return REASON_NONE;
	src = who(m, f->domain, f->family, f->ends.src, is_outside(m, f->record.in_port));
	dst = f->group ? (struct somebody){IDENTITY_MULTICAST, UINT16_MAX, 0}
		       : who(m, f->domain, f->family, f->ends.dst, true);
	d = judge(m, src.identity, dst.identity,
		  service_key_make(f->record.proto, service_of(&f->ends, f->family)));
	if (!m->cell)
		d = (struct image_decision){.reason = REASON_DENY_ALL, .intended_reason = REASON_DENY_ALL};
	r = f->record;
	r.src_identity = src.identity;
	r.dst_identity = dst.identity;
	r.generation = m->generation;
	r.old_rule = f->record.rule;
	r.old_verdict = VERDICT_ALLOW;
	put_decision(&r, &d);
	if (!(d.flags & DECISION_ALLOW)) {
		emit(m, r, RECORD_CHANGED);
		end_session(m, f, RECORD_END_REVOKED);
		return d.reason;
	}
	if (d.rule != f->record.rule)
		emit(m, r, RECORD_CHANGED);
	r.old_rule = 0;
	r.old_verdict = 0;
	f->record = r;
	f->policy = m->policy;
	f->version[0] = src.version;
	f->version[1] = dst.version;
	return REASON_NONE;
}

/* --- the way of a frame --- */

static struct fate drop(enum reason reason)
{
	return (struct fate){.act = FRAME_DROP, .reason = (uint8_t)reason};
}

static bool carries(const struct model *m, uint16_t port, uint16_t vlan, bool tagged)
{
	const struct engine_port *p = &m->config->port[port];

	if (!tagged)
		return p->vlan == vlan && vlan;
	for (uint32_t i = 0; p->role == ENGINE_TRUNK && i < p->n_vlans; i++)
		if (p->vlans[i] == vlan)
			return true;
	return false;
}

static uint16_t domain_of(const struct model *m, const struct shot *s)
{
	uint16_t native = m->config->port[s->port].vlan;

	if (s->tag <= 0)
		return native;
	return carries(m, s->port, (uint16_t)s->tag, true) ? (uint16_t)s->tag : 0;
}

static enum reason port_takes(const struct model *m, uint16_t port, const struct shot *s)
{
	if (!(m->ports_up >> port & 1))
		return REASON_NO_PORT;
	return s->l2_len > m->config->port[port].mtu ? REASON_MTU : REASON_NONE;
}

static struct fate to_port(const struct model *m, uint16_t port, const struct shot *s)
{
	enum reason r = port == s->port ? REASON_SAME_PORT : port_takes(m, port, s);

	return r != REASON_NONE ? drop(r) : (struct fate){.act = FRAME_FORWARD, .out_port = port};
}

static struct fate to_all(const struct model *m, uint16_t domain, const struct shot *s)
{
	struct fate fate = {.act = FRAME_FLOOD};
	enum reason why = REASON_NO_PORT;

	for (uint16_t port = 0; port < m->config->n_ports; port++) {
		enum reason r = port_takes(m, port, s);

		if (port == s->port || !(carries(m, port, domain, false) || carries(m, port, domain, true)))
			continue;
		if (r == REASON_NONE)
			fate.flood_ports |= 1u << port;
		else
			why = r;
	}
	return fate.flood_ports ? fate : drop(why);
}

static bool to_group(const struct shot *s)
{
	return s->dst_mac == PKT_BROADCAST;
}

static struct fate route(struct model *m, uint16_t domain, const struct shot *s)
{
	const struct model_binding *b;

	if (to_group(s))
		return to_all(m, domain, s);
	b = model_holder(m, domain, s->family, s->ends.dst);
	return !b || b->mac != s->dst_mac ? drop(REASON_NO_PORT) : to_port(m, b->port, s);
}

static struct somebody addressee(struct model *m, uint16_t domain, const struct shot *s)
{
	return who(m, domain, s->family, to_group(s) ? MODEL_GROUP : s->ends.dst, true);
}

/* The source is who it says: REASON_NONE. */
static enum reason admit(struct model *m, uint16_t domain, const struct shot *s)
{
	if ((s->ends.dst == MODEL_GROUP && !to_group(s)) || s->ends.src == s->ends.dst ||
	    s->ends.src == MODEL_GROUP)
		return REASON_SPOOF;
	return model_claim(m, domain, s->family, s->ends.src, s->src_mac, s->port) ? REASON_NONE
										   : REASON_SPOOF;
}

static struct fate refuse(struct model *m, struct record r, const struct image_decision *d)
{
	put_decision(&r, d);
	emit(m, r, RECORD_REFUSED);
	return drop(d->reason);
}

static struct fate refuse_as(struct model *m, const struct record *r, enum reason reason)
{
	struct image_decision d = {.reason = (uint8_t)reason, .intended_reason = (uint8_t)reason};

	return refuse(m, *r, &d);
}

static enum model_state first_state(const struct shot *s)
{
	switch (s->ends.kind) {
	case SHOT_TCP:
		return MODEL_SYN_SENT;
	case SHOT_UDP:
	case SHOT_GRE:
		return MODEL_UDP_FIRST;
	default:
		return MODEL_ICMP_OPEN;
	}
}

static void open_session(struct model *m, const struct shot *s, uint16_t domain, struct record *r,
			 const uint64_t version[2])
{
	struct model_session *f = m->session;

	while (f->used)
		f++;
	*f = (struct model_session){
		.used = true,
		.group = to_group(s),
		.domain = domain,
		.family = s->family,
		.ends = s->ends,
		.src_mac = s->src_mac,
		.dst_mac = s->dst_mac,
		.state = first_state(s),
		.seen_ns = m->now.now_ns,
		.updated_ns = m->now.now_ns,
		.version = {version[0], version[1]},
		.policy = m->policy,
		.record = *r,
	};
	emit(m, *r, RECORD_OPEN);
	m->opened++;
}

static bool opens(const struct model *m, const struct shot *s)
{
	if (s->ends.kind == SHOT_TCP)
		return (s->flags & (PKT_SYN | PKT_ACK | PKT_FIN | PKT_RST)) == PKT_SYN;
	if (s->ends.kind == SHOT_GRE)
		return named(m, 47, 0);
	if (s->ends.kind == SHOT_STAMP || s->ends.kind == SHOT_STAMP_REPLY)
		return named(m, proto_of(&s->ends, s->family), service_of(&s->ends, s->family));
	return s->ends.kind != SHOT_ECHO_REPLY;
}

static struct fate first_packet(struct model *m, const struct shot *s, uint16_t domain)
{
	enum reason reason = admit(m, domain, s);
	uint16_t service = service_of(&s->ends, s->family);
	struct somebody src, dst;
	struct image_decision d;
	struct record r;
	struct fate fate;

	if (reason != REASON_NONE)
		return drop(reason);
	src = who(m, domain, s->family, s->ends.src, is_outside(m, s->port));
	dst = addressee(m, domain, s);
	r = describe(m, s, domain, &src, &dst);
	if (!m->cell)
		return refuse_as(m, &r, REASON_DENY_ALL);
	if (!opens(m, s))
		return refuse_as(m, &r, REASON_NO_SESSION);
	if (s->bad_sum)
		return drop(REASON_CHECKSUM);
	d = judge(m, src.identity, dst.identity, service_key_make(r.proto, service));
	if (!(d.flags & DECISION_ALLOW)) {
		if (to_group(s) && d.reason == REASON_NO_RULE && d.intended_reason == REASON_NO_RULE)
			return drop(REASON_MULTICAST);
		return refuse(m, r, &d);
	}
	fate = route(m, domain, s);
	if (fate.act == FRAME_DROP)
		return fate;
	if (model_live(m) == m->config->max_sessions) {
		d.reason = REASON_FLOW_LIMIT;
		d.rule = RULE_DEFAULT_DENY;
		d.flags &= DECISION_INTENDED_ALLOW;
		return refuse(m, r, &d);
	}
	put_decision(&r, &d);
	open_session(m, s, domain, &r, (uint64_t[2]){src.version, dst.version});
	return fate;
}

static enum model_state tcp_after(enum model_state state, bool back, uint8_t flags)
{
	bool syn = flags & PKT_SYN, ack = flags & PKT_ACK, fin = flags & PKT_FIN;

	if (state == MODEL_TIME_WAIT || state == MODEL_CLOSED) {
		if (syn && !ack)
			return MODEL_REOPEN;
		return flags & PKT_RST ? MODEL_CLOSED : state;
	}
	if (flags & PKT_RST)
		return MODEL_CLOSED;
	switch (state) {
	case MODEL_SYN_SENT:
		return !back || !syn ? state : ack ? MODEL_SYN_RECV : MODEL_SYN_BOTH;
	case MODEL_SYN_BOTH:
		return syn && ack ? MODEL_SYN_RECV : state;
	case MODEL_SYN_RECV:
		if (fin)
			return back ? MODEL_FIN_TO : MODEL_FIN_FROM;
		return !back && ack ? MODEL_ESTABLISHED : state;
	case MODEL_ESTABLISHED:
		return !fin ? state : back ? MODEL_FIN_TO : MODEL_FIN_FROM;
	case MODEL_FIN_FROM:
		return fin && back ? MODEL_TIME_WAIT : state;
	case MODEL_FIN_TO:
		return fin && !back ? MODEL_TIME_WAIT : state;
	default:
		return state;
	}
}

static enum model_state state_after(const struct model_session *f, bool back, const struct shot *s)
{
	if (f->ends.kind == SHOT_TCP)
		return tcp_after(f->state, back, s->flags);
	return f->state == MODEL_UDP_FIRST && back ? MODEL_UDP_ANSWERED : f->state;
}

static void counted(struct model_session *f, bool back, const struct shot *s)
{
	f->record.packets[back]++;
	f->record.bytes[back] += s->ip_len;
}

/* A session's opening packet is in its record, and counted when it has gone. */
static struct fate opening(struct model *m, const struct shot *s, uint16_t domain)
{
	struct fate fate = first_packet(m, s, domain);

	if (fate.act == FRAME_DROP)
		return fate;
	for (uint32_t i = 0; i < MODEL_SESSIONS; i++) {
		struct model_session *f = &m->session[i];

		if (!f->used || f->domain != domain || f->family != s->family || direction(f, &s->ends) != 0)
			continue;
		memset(f->record.packets, 0, sizeof(f->record.packets));
		memset(f->record.bytes, 0, sizeof(f->record.bytes));
		counted(f, false, s);
	}
	return fate;
}

static struct fate member(struct model *m, const struct shot *s, uint16_t domain, struct found at)
{
	struct model_session *f = at.session;
	bool sensitive = s->ends.kind == SHOT_TCP && (s->flags & (PKT_SYN | PKT_FIN | PKT_RST));
	enum reason reason = admit(m, domain, s);
	struct somebody src, dst;
	struct record r;
	struct fate fate;
	enum model_state next;

	if (reason == REASON_NONE)
		reason = decide_again(m, f);
	if (reason != REASON_NONE)
		return drop(reason);
	fate = route(m, domain, s);
	if (fate.act == FRAME_DROP)
		return fate;
	if (to_group(s) != f->group || (f->group && at.back))
		return drop(REASON_MULTICAST);
	if (at.stranger) {
		src = who(m, domain, s->family, s->ends.src, is_outside(m, s->port));
		dst = addressee(m, domain, s);
		r = describe(m, s, domain, &src, &dst);
		return refuse_as(m, &r, REASON_NO_SESSION);
	}
	if (sensitive && s->bad_sum)
		return drop(REASON_CHECKSUM);
	next = state_after(f, at.back, s);
	if (next == MODEL_REOPEN) {
		end_session(m, f, RECORD_END_CLOSED);
		return opening(m, s, domain);
	}
	if (next != f->state || !over(f))
		f->seen_ns = m->now.now_ns;
	f->state = next;
	counted(f, at.back, s);
	return fate;
}

/* An error may only come from where the quoted packet went, and goes to where it came from. */
static struct fate icmp_error(struct model *m, const struct shot *s, uint16_t domain)
{
	struct found at = find(m, domain, s->family, &s->quoted);
	const struct model_binding *far;
	enum reason reason;
	struct fate fate;

	/* What an error says about the answer to a time stamp interests nobody. */
	if (s->quoted.kind == SHOT_STAMP_REPLY || !at.session || expire(m, at.session) || at.session->group)
		return drop(REASON_ICMP_UNRELATED);
	if (to_group(s))
		return drop(REASON_MULTICAST);
	reason = admit(m, domain, s);
	if (reason == REASON_NONE)
		reason = decide_again(m, at.session);
	if (reason != REASON_NONE)
		return drop(reason);
	fate = route(m, domain, s);
	if (fate.act == FRAME_DROP)
		return fate;
	far = model_holder(m, domain, s->family, s->quoted.dst);
	if (!far || far->port != s->port || far->mac != s->src_mac)
		return drop(REASON_ICMP_UNRELATED);
	return fate;
}

/* ARP requests and neighbour solicitations with a sender. */
static struct fate question(struct model *m, const struct shot *s, uint16_t domain)
{
	const struct model_binding *b;

	if (!model_claim(m, domain, s->family, s->ends.src, s->src_mac, s->port))
		return drop(s->ends.kind == SHOT_ARP ? REASON_ARP : REASON_ND);
	b = model_holder(m, domain, s->family, s->ends.dst);
	return b ? to_port(m, b->port, s) : to_all(m, domain, s);
}

static struct fate decide(struct model *m, const struct shot *s)
{
	uint16_t domain = domain_of(m, s);
	struct found at;

	if (s->malformed != REASON_NONE)
		return drop(s->malformed);
	if (s->ends.kind == SHOT_ERROR && s->quoted.src != s->ends.dst)
		return drop(REASON_ICMP_UNRELATED); /* not even well formed */
	if (!domain)
		return drop(REASON_VLAN);
	if (s->ends.kind == SHOT_ARP || s->ends.kind == SHOT_NS)
		return question(m, s, domain);
	if (s->ends.kind == SHOT_ERROR)
		return icmp_error(m, s, domain);
	at = find(m, domain, s->family, &s->ends);
	if (at.session && expire(m, at.session))
		at.session = NULL;
	return at.session ? member(m, s, domain, at) : opening(m, s, domain);
}

struct fate model_frame(struct model *m, const struct shot *s)
{
	struct fate fate = decide(m, s);

	if (fate.act == FRAME_DROP)
		m->dropped[s->port][fate.reason]++;
	else
		m->forwarded++;
	return fate;
}

/* --- between frames --- */

void model_publish(struct model *m, const struct mkimage_cell *cell, uint32_t n_cells, uint32_t generation,
		   const struct model_binding *list, uint32_t n)
{
	m->cell = cell;
	m->n_cells = n_cells;
	m->generation = generation;
	m->policy++;
	for (uint32_t i = 0; i < MODEL_BINDINGS; i++) {
		struct model_binding *b = &m->binding[i];
		bool listed = !b->classified;

		for (uint32_t k = 0; k < n; k++)
			listed |= list[k].domain == b->domain && list[k].family == b->family &&
				  list[k].host == b->host && list[k].mac == b->mac && list[k].port == b->port;
		if (!listed)
			b->used = false;
	}
	for (uint32_t k = 0; k < n; k++)
		model_bind(m, &list[k], false);
}

void model_tick(struct model *m)
{
	for (uint32_t i = 0; i < MODEL_BINDINGS; i++)
		if (m->binding[i].used && !model_alive(m, &m->binding[i]))
			m->binding[i].used = false;
	for (uint32_t i = 0; i < MODEL_SESSIONS; i++) {
		struct model_session *f = &m->session[i];

		if (!f->used || expire(m, f) || decide_again(m, f) != REASON_NONE)
			continue;
		if (m->now.now_ns - f->updated_ns < 300 * NS_PER_S)
			continue;
		f->updated_ns = m->now.now_ns;
		emit(m, f->record, RECORD_UPDATE);
	}
}

bool model_knows(struct model *m, const struct shot *s)
{
	return find(m, domain_of(m, s), s->family, &s->ends).session != NULL;
}

uint32_t model_live(const struct model *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MODEL_SESSIONS; i++)
		n += m->session[i].used;
	return n;
}
