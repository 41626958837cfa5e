/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine against its model (model.h): random lives of a few hosts in two domains that use the same
 * addresses, with policies, identities, links and time changing in between. Every frame's fate, every record
 * and every counter must be what the model says. A failure names seed and step; CORDON_MODEL_SEED and
 * CORDON_MODEL_STEPS run others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model.h"
#include "random.h"

#define STEPS    24000u
#define HOSTS    8u
#define CELLS    60u
#define TICK     64u
#define PAYLOAD  8u
#define BIG      1390u
#define ECHO4_ID 0x0800u
#define ECHO6_ID 0x8000u

enum { LAN1, LAN2, TRUNK, WAN, SIDE, MIXED, PORTS };

struct life {
	struct rig rig;
	struct model model;
	struct rng rng;
	struct engine_config config;
	struct mkimage_cell cell[2][CELLS]; /* the policy in force, and the next one */
	struct mkimage_prefix prefix[2][HOSTS];
	unsigned turn;
	bool at_home; /* nobody is where it does not belong */
	uint64_t seed;
	unsigned step;
	uint64_t packets;
};

struct home {
	uint16_t port;
	int tag;
};

/* Of hosts 1 to 6; 7 and 8 have none. */
static const struct home homes[2][7] = {
	{{0, 0}, {LAN1, -1}, {LAN1, 0}, {LAN2, -1}, {TRUNK, 10}, {WAN, -1}, {MIXED, -1}},
	{{0, 0}, {SIDE, -1}, {TRUNK, 20}, {MIXED, 20}, {SIDE, -1}, {TRUNK, 20}, {MIXED, 20}},
};

static bool chance(struct life *l, unsigned percent)
{
	return rng_chance(&l->rng, percent);
}

static unsigned pick(struct life *l, unsigned n)
{
	return (unsigned)rng_below(&l->rng, n);
}

/* --- a life's world --- */

static struct engine_config *tuned; /* what rig_bridge() made of it */
static bool small_table, aggregating;

static void tune(struct engine_config *c)
{
	c->n_ports = PORTS;
	c->port[MIXED] = (struct engine_port){
		.role = ENGINE_TRUNK, .vlan = 10, .n_vlans = 1, .vlans = {20}, .mtu = 1500};
	c->port[SIDE] = (struct engine_port){.role = ENGINE_ACCESS, .vlan = 20, .mtu = 1500};
	c->max_sessions = small_table ? 8 : MODEL_SESSIONS;
	c->record_all = !aggregating;
	*tuned = *c;
}

static struct image_decision random_decision(struct life *l)
{
	rule_ref rule = 1 + pick(l, 60);

	switch (pick(l, 8)) {
	case 0:
		return mkimage_deny(rule);
	case 1: /* a monitored rule would allow */
		return (struct image_decision){.intended_rule = rule,
					       .flags = DECISION_INTENDED_ALLOW,
					       .reason = REASON_NO_RULE,
					       .intended_reason = REASON_RULE};
	case 2: /* a monitored scope */
		return (struct image_decision){.rule = RULE_SCOPE_BIT,
					       .flags = DECISION_ALLOW,
					       .reason = REASON_SCOPE,
					       .intended_reason = REASON_NO_RULE};
	case 3: {
		struct image_decision d = mkimage_deny(rule);

		d.flags |= DECISION_REJECT;
		return d;
	}
	default:
		return mkimage_allow(rule);
	}
}

static uint32_t random_policy(struct life *l, struct mkimage_cell *cell)
{
	static const uint16_t who[] = {IDENTITY_UNKNOWN, IDENTITY_MULTICAST, 16, 17, 18, 19};
	static const service_key first[][2] = {
		{PING},   {STAMP},  {KEYS(1, 14 << 8)},           {6 << 16 | 1, 6 << 16 | 3},
		{TCP(3)}, {UDP(1)}, {17 << 16 | 2, 17 << 16 | 4}, {GRE},
		{PING6},
	};
	uint32_t n = 0, start = pick(l, N(who));

	for (unsigned f = 0; f < N(who); f++)
		for (unsigned to = 0; to < N(who); to++) {
			unsigned from = (start + f) % N(who);

			if (from == 1 || chance(l, 40))
				continue;
			for (unsigned i = 0; i < N(first) && n < CELLS; i++)
				if (chance(l, 40))
					cell[n++] = (struct mkimage_cell){who[from], who[to], first[i][0],
									  first[i][1], random_decision(l)};
		}
	return n;
}

static void random_prefixes(struct life *l, struct mkimage_prefix *prefix)
{
	static const uint16_t flags[] = {0, PREFIX_FINAL, PREFIX_FINAL | PREFIX_OUTSIDE};

	for (unsigned i = 0; i < HOSTS; i++)
		prefix[i] = (struct mkimage_prefix){0x0a000001 + i, (uint16_t)(16 + pick(l, 4)),
						    flags[pick(l, 3)]};
}

static void to_dp(const struct model_binding *b, struct dp_binding *out, bool fixed)
{
	char text[40];

	*out = (struct dp_binding){.domain = b->domain,
				   .port = b->port,
				   .identity = b->identity,
				   .family = b->family,
				   .dictionary = MKIMAGE_IDENTITIES,
				   .lease_s = fixed ? UINT32_MAX : 300};
	snprintf(text, sizeof(text), b->family == 4 ? "10.0.0.%u" : "fd00::%u", b->host);
	pkt_addr(out->addr, text);
	pkt_mac(out->mac, b->mac);
}

static void make_sure(struct life *l, bool ok, const char *what)
{
	if (!ok)
		fail_msg("seed %llu step %u: %s", (unsigned long long)l->seed, l->step, what);
}

/* --- comparing --- */

/* What order and numbering inside a burst may change is not compared. */
static void neutral(struct record *r)
{
	r->session = 0;
	r->first_ns = r->last_ns = 0;
	r->tcp_state = 0;
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct record));
}

static void show(const char *whose, const struct record *r)
{
	print_message("# %s: type %u %u.%u:%u > %u.%u:%u proto %u dom %u ids %u>%u gen %u verdict %u rule %u "
		      "(%u) old %u %s/%s end %u in %u out %u pk %llu/%llu by %llu/%llu\n",
		      whose, r->type, r->family, r->src[r->family == 4 ? 3 : 15], r->sport, r->family,
		      r->dst[r->family == 4 ? 3 : 15], r->dport, r->proto, r->domain, r->src_identity,
		      r->dst_identity, r->generation, r->verdict, r->rule, r->intended_rule, r->old_rule,
		      reason_word(r->reason), reason_word(r->intended_reason), r->end, r->in_port,
		      r->out_port, (unsigned long long)r->packets[0], (unsigned long long)r->packets[1],
		      (unsigned long long)r->bytes[0], (unsigned long long)r->bytes[1]);
}

static uint32_t drain(struct life *l, struct record *out)
{
	uint32_t n = ring_read(&l->rig.ring, 0, l->rig.read, out, RIG_RECORDS);

	l->rig.read += n;
	ring_release(&l->rig.ring, 0, l->rig.read);
	for (uint32_t i = 0; i < n; i++)
		neutral(&out[i]);
	return n;
}

static void same_records(struct life *l, struct record *got, uint32_t n)
{
	struct model *m = &l->model;

	for (uint32_t i = 0; i < m->n_records; i++)
		neutral(&m->record[i]);
	qsort(got, n, sizeof(*got), by_bytes);
	qsort(m->record, m->n_records, sizeof(*got), by_bytes);
	for (uint32_t i = 0; i < n || i < m->n_records; i++) {
		if (i < n && i < m->n_records && !by_bytes(&got[i], &m->record[i]))
			continue;
		for (uint32_t k = i; k < n && k < i + 3; k++)
			show("engine", &got[k]);
		for (uint32_t k = i; k < m->n_records && k < i + 3; k++)
			show("model ", &m->record[k]);
		make_sure(l, false, "other records");
	}
}

static void same_counters(struct life *l)
{
	const struct ring_counters *c = rig_count(&l->rig);
	const struct model *m = &l->model;

	make_sure(l, !memcmp(c->dropped, m->dropped, sizeof(c->dropped)), "other drops");
	make_sure(l, c->forwarded == m->forwarded, "other forwarded");
	make_sure(l, c->decisions == m->decisions, "other decisions");
	make_sure(l, c->updates == m->updates, "other updates");
	make_sure(l, c->sessions_opened == m->opened && c->sessions_ended == m->ended, "other sessions");
	make_sure(l, c->sessions == model_live(m), "other live sessions");
	make_sure(l, c->bindings == model_bound(m), "other bindings");
	make_sure(l, c->generation == m->generation, "another generation");
}

static void compare(struct life *l)
{
	static struct record got[RIG_RECORDS];
	uint32_t n = drain(l, got);

	if (!aggregating)
		same_records(l, got, n);
	else
		rig_store_aggregates(&l->rig);
	l->model.n_records = 0;
	same_counters(l);
	rig_laws(&l->rig);
}

/* --- shots --- */

static unsigned mac_of(struct life *l, unsigned host)
{
	return host == MODEL_GROUP ? PKT_BROADCAST : chance(l, 2) && !l->at_home ? 1 + pick(l, HOSTS) : host;
}

static void go_home(struct life *l, struct shot *s, unsigned domain)
{
	const struct home *home = &homes[domain][s->ends.src <= 6 ? s->ends.src : 0];

	s->port = home->port;
	s->tag = home->tag;
	if (l->at_home)
		return;
	if (s->ends.src > 6 || chance(l, 2))
		s->port = (uint16_t)pick(l, PORTS);
	if (s->ends.src > 6 || chance(l, 2))
		s->tag = (const int[]){-1, 0, 10, 20, 30}[pick(l, 5)];
}

static void random_ends(struct life *l, struct shot *s)
{
	static const uint8_t kinds[] = {SHOT_TCP,  SHOT_TCP,        SHOT_TCP,   SHOT_UDP,         SHOT_UDP,
					SHOT_ECHO, SHOT_ECHO_REPLY, SHOT_STAMP, SHOT_STAMP_REPLY, SHOT_GRE};

	s->family = chance(l, 60) ? 4 : 6;
	s->ends.kind = kinds[pick(l, N(kinds))];
	if (s->family == 6 && (s->ends.kind == SHOT_STAMP || s->ends.kind == SHOT_STAMP_REPLY))
		s->ends.kind = SHOT_ECHO;
	s->ends.src = 1 + pick(l, chance(l, 90) ? 6 : HOSTS);
	s->ends.dst = chance(l, 8) ? MODEL_GROUP : 1 + pick(l, HOSTS);
	s->ends.sport = (uint16_t)(1 + pick(l, 3));
	s->ends.dport = (uint16_t)(1 + pick(l, 3));
	if ((s->ends.kind == SHOT_ECHO || s->ends.kind == SHOT_ECHO_REPLY) && chance(l, 50))
		s->ends.sport = s->family == 4 ? ECHO4_ID : ECHO6_ID;
}

static const struct model_session *some_session(struct life *l)
{
	unsigned at = pick(l, MODEL_SESSIONS);

	for (unsigned i = 0; i < MODEL_SESSIONS; i++) {
		const struct model_session *f = &l->model.session[(at + i) % MODEL_SESSIONS];

		if (f->used)
			return f;
	}
	return NULL;
}

/* What brings a TCP session forward, if sent in this direction. */
static uint8_t next_flags(struct life *l, enum model_state state, bool *back)
{
	static const uint8_t in_life[] = {PKT_ACK, PKT_ACK, PKT_ACK, PKT_ACK,           PKT_ACK, PKT_ACK,
					  PKT_ACK, PKT_ACK, PKT_ACK, PKT_FIN | PKT_ACK, PKT_RST};

	switch (state) {
	case MODEL_SYN_SENT:
		*back = true;
		return PKT_SYN | PKT_ACK;
	case MODEL_SYN_RECV:
		*back = false;
		return PKT_ACK;
	case MODEL_FIN_FROM:
	case MODEL_FIN_TO:
		*back = state == MODEL_FIN_FROM;
		return PKT_FIN | PKT_ACK;
	case MODEL_TIME_WAIT:
	case MODEL_CLOSED:
		return chance(l, 30) ? PKT_SYN : PKT_ACK;
	default:
		return in_life[pick(l, N(in_life))];
	}
}

/* The next packet of a live session, or something that looks like it. */
static void follow(struct life *l, struct shot *s, const struct model_session *f)
{
	bool back = chance(l, 50);

	if (f->ends.kind == SHOT_TCP && chance(l, 70))
		s->flags = next_flags(l, f->state, &back);
	s->family = f->family;
	s->ends = f->ends;
	if (chance(l, 3))
		s->family ^= 4 ^ 6;
	if (back) {
		s->ends.src = f->ends.dst;
		s->ends.dst = f->ends.src;
		if (f->ends.kind == SHOT_TCP || f->ends.kind == SHOT_UDP) {
			s->ends.sport = f->ends.dport;
			s->ends.dport = f->ends.sport;
		}
		if (f->ends.kind == SHOT_ECHO || f->ends.kind == SHOT_STAMP)
			s->ends.kind = f->ends.kind + 1;
	}
	if (chance(l, 4))
		s->ends.sport = (uint16_t)(1 + pick(l, 3));
	if (chance(l, 4) && s->ends.kind <= SHOT_UDP)
		s->ends.kind ^= 1;
	if (chance(l, 4) && s->ends.kind >= SHOT_ECHO && s->ends.kind <= SHOT_ECHO_REPLY)
		s->ends.kind = SHOT_ECHO + SHOT_ECHO_REPLY - s->ends.kind;
	if (s->family == 6 && (s->ends.kind == SHOT_STAMP || s->ends.kind == SHOT_STAMP_REPLY))
		s->family = 4;
	if (s->ends.src == MODEL_GROUP)
		s->ends.src = 1 + pick(l, HOSTS);
}

/* An error about a session's packet, from its other end or from anybody. */
static void make_error(struct life *l, struct shot *s)
{
	s->quoted = s->ends;
	s->ends = (struct shot_ends){.kind = SHOT_ERROR, .src = s->quoted.dst, .dst = s->quoted.src};
	if (chance(l, 20) || s->ends.src == MODEL_GROUP)
		s->ends.src = 1 + pick(l, HOSTS);
	if (chance(l, 5))
		s->ends.dst = 1 + pick(l, HOSTS);
}

static struct shot random_shot(struct life *l)
{
	static const uint8_t flags[] = {PKT_SYN, PKT_SYN,           PKT_SYN | PKT_ACK, PKT_ACK,
					PKT_ACK, PKT_FIN | PKT_ACK, PKT_RST,           PKT_RST | PKT_ACK};
	const struct model_session *f = chance(l, 65) ? some_session(l) : NULL;
	struct shot s = {.flags = flags[pick(l, N(flags))], .bad_sum = chance(l, 5)};
	unsigned domain = f ? f->domain / 10u - 1 : pick(l, 2);

	if (f)
		follow(l, &s, f);
	else
		random_ends(l, &s);
	if (chance(l, 7))
		make_error(l, &s);
	if (chance(l, 2))
		domain ^= 1;
	go_home(l, &s, domain);
	s.src_mac = mac_of(l, s.ends.src);
	s.dst_mac = chance(l, 3) ? PKT_BROADCAST : mac_of(l, s.ends.dst);
	if (s.ends.dst == MODEL_GROUP && chance(l, 5))
		s.dst_mac = 1 + pick(l, HOSTS);
	return s;
}

/* --- from shots to bytes --- */

static const char *text_of(unsigned host, uint8_t family, char text[32])
{
	if (host == MODEL_GROUP)
		return family == 4 ? "224.0.0.251" : "ff02::c8";
	snprintf(text, 32, family == 4 ? "10.0.0.%u" : "fd00::%u", host);
	return text;
}

static void put_ip(struct pkt *p, const struct shot_ends *e, uint8_t family)
{
	char a[32], b[32];

	pkt_ip(p, text_of(e->src, family, a), text_of(e->dst, family, b));
}

static void put_l4(struct pkt *p, const struct shot_ends *e, uint8_t family, uint8_t flags)
{
	static const uint8_t type[2][4] = {{8, 0, 13, 14}, {128, 129}};

	if (e->kind == SHOT_TCP)
		pkt_tcp(p, e->sport, e->dport, flags, 100, 200);
	else if (e->kind == SHOT_UDP)
		pkt_udp(p, e->sport, e->dport);
	else if (e->kind == SHOT_GRE)
		pkt_proto(p, 47);
	else
		pkt_icmp(p, type[family == 6][e->kind - SHOT_ECHO], 0, (uint32_t)e->sport << 16 | 1);
	pkt_zeros(p, PAYLOAD);
}

static void quote(struct pkt *p, const struct shot *s)
{
	struct pkt inner;

	pkt_raw(&inner);
	put_ip(&inner, &s->quoted, s->family);
	put_l4(&inner, &s->quoted, s->family, s->flags);
	pkt_done(&inner);
	pkt_icmp(p, s->family == 4 ? 3 : 1, 1, 0);
	pkt_bytes(p, inner.data, inner.len);
}

static void spoil_sum(struct pkt *p, struct shot *s)
{
	uint8_t *l4 = p->data + p->l4;
	bool none = s->ends.kind == SHOT_UDP && !l4[6] && !l4[7]; /* a sum that came out as zero */

	if (s->ends.kind >= SHOT_GRE || none)
		s->bad_sum = none && s->family == 6;
	else if (s->bad_sum)
		l4[s->ends.kind == SHOT_TCP ? 15 : s->ends.kind == SHOT_UDP ? 8 : 7] ^= 1;
}

/* One thing the parser must not let through. */
static void spoil_frame(struct life *l, struct pkt *p, struct shot *s)
{
	uint8_t *ip = p->data + p->l3;

	switch (pick(l, 4)) {
	case 0:
		s->malformed = REASON_TRUNCATED;
		p->len -= 2;
		return;
	case 1:
		s->malformed = REASON_ETHERTYPE;
		p->data[p->l3 - 2] = 0x88;
		p->data[p->l3 - 1] = 0xcc;
		return;
	case 2:
		if (s->family == 6)
			return;
		s->malformed = REASON_FRAGMENT;
		ip[6] = 0x20;
		pkt_ip_sum(p);
		return;
	default:
		if (s->ends.kind != SHOT_TCP)
			return;
		s->malformed = REASON_TCP_FLAGS;
		p->data[p->l4 + 13] = PKT_SYN | PKT_FIN;
	}
}

static void render(struct life *l, struct shot *s, struct pkt *p)
{
	pkt_ether(p, s->dst_mac, s->src_mac);
	if (s->tag >= 0)
		pkt_tag(p, 0x8100, (uint16_t)s->tag);
	put_ip(p, &s->ends, s->family);
	if (s->ends.kind == SHOT_ERROR)
		quote(p, s);
	else
		put_l4(p, &s->ends, s->family, s->flags);
	if (chance(l, 3))
		pkt_zeros(p, BIG);
	pkt_done(p);
	spoil_sum(p, s);
	s->ip_len = p->len - p->l3;
	if (chance(l, 2))
		spoil_frame(l, p, s);
	else if (chance(l, 3))
		pkt_zeros(p, chance(l, 50) ? 10 : BIG); /* padding */
	s->l2_len = p->len - p->l3;
}

/* --- steps --- */

static void same_fate(struct life *l, const struct shot *s, const struct frame *f, struct fate want)
{
	bool same = f->act == want.act;

	if (want.act == FRAME_DROP)
		same = same && f->reason == want.reason;
	if (want.act == FRAME_FORWARD)
		same = same && f->out_port == want.out_port;
	if (want.act == FRAME_FLOOD)
		same = same && f->flood_ports == want.flood_ports;
	if (same)
		return;
	print_message("# kind %u v%u %u:%u > %u:%u port %u tag %d macs %u>%u flags %u bad %u | quoted kind "
		      "%u %u:%u > %u:%u\n",
		      s->ends.kind, s->family, s->ends.src, s->ends.sport, s->ends.dst, s->ends.dport,
		      s->port, s->tag, s->src_mac, s->dst_mac, s->flags, s->bad_sum, s->quoted.kind,
		      s->quoted.src, s->quoted.sport, s->quoted.dst, s->quoted.dport);
	print_message("# engine: act %u %s out %u flood %x; model: act %u %s out %u flood %x\n", f->act,
		      reason_word(f->reason), f->out_port, f->flood_ports, want.act, reason_word(want.reason),
		      want.out_port, want.flood_ports);
	make_sure(l, false, "another fate");
}

static void discard_own(struct life *l)
{
	uint8_t room[2048];
	struct frame f = {.data = room, .len = sizeof(room)};
	struct dp_endpoint event;

	for (; engine_originated(l->rig.engine, &f); f.len = sizeof(room))
		make_sure(l, f.out_port < PORTS && f.len <= 1294, "a strange frame of our own");
	while (engine_event(l->rig.engine, &event))
		continue;
}

static void tick(struct life *l)
{
	static struct record got[2 * RIG_RECORDS + 4 * MODEL_SESSIONS];
	uint32_t n = 0;

	for (uint32_t done = 0; done < l->config.max_sessions; done += TICK) {
		engine_tick(l->rig.engine, l->rig.now, TICK);
		n += drain(l, got + n);
	}
	model_tick(&l->model);
	if (!aggregating)
		same_records(l, got, n);
	l->model.n_records = 0;
	compare(l);
}

/* With leases that are over but not cleared away, mostly clear them away, else have everybody stay at home.
 */
static void settle(struct life *l)
{
	l->at_home = model_unsettled(&l->model, true);
	if (!l->at_home || (chance(l, 80) && !model_unsettled(&l->model, false)))
		return;
	tick(l);
	l->at_home = false;
}

/* May it end a session and begin another? A frame behind it in its burst was looked up before; it is refused
 * all the same, but for another reason. So such a one is the last of its burst. */
static bool reopens(struct life *l, const struct shot *s)
{
	return s->ends.kind == SHOT_TCP && s->flags == PKT_SYN && model_knows(&l->model, s);
}

static void burst(struct life *l)
{
	static struct pkt pkt[ENGINE_BURST];
	static struct shot shot[ENGINE_BURST];
	struct pkt *all[ENGINE_BURST];
	unsigned n;

	settle(l);
	n = l->at_home || small_table || chance(l, 40) ? 1 : 1 + pick(l, 32);
	for (unsigned i = 0; i < n; i++) {
		shot[i] = random_shot(l);
		for (unsigned try = 0; i && try < 12 && shot[i].port != shot[0].port; try++)
			shot[i] = random_shot(l);
		shot[i].port = shot[0].port;
		if (reopens(l, &shot[i]))
			n = i + 1;
		render(l, &shot[i], &pkt[i]);
		all[i] = &pkt[i];
	}
	rig_burst(&l->rig, shot[0].port, all, n);
	for (unsigned i = 0; i < n; i++)
		same_fate(l, &shot[i], &l->rig.frame[i], model_frame(&l->model, &shot[i]));
	l->packets += n;
	discard_own(l);
	compare(l);
}

static void one_shot(struct life *l, struct shot s)
{
	struct pkt p;

	render(l, &s, &p);
	rig_send(&l->rig, s.port, &p);
	same_fate(l, &s, &l->rig.last, model_frame(&l->model, &s));
	l->packets++;
	discard_own(l);
	compare(l);
}

static bool lives(struct life *l, uint16_t domain, unsigned mac)
{
	for (unsigned i = 0; i < MODEL_BINDINGS; i++) {
		const struct model_binding *b = &l->model.binding[i];

		if (b->used && b->domain == domain && b->mac == mac && b->expires_ns > l->rig.now.now_ns)
			return true;
	}
	return false;
}

static int tag_at(uint16_t port, uint16_t domain)
{
	return port == TRUNK || (port == MIXED && domain == 20) ? domain : -1;
}

/* Somebody talks on to one who has fallen silent, and who may then turn up elsewhere. */
static void silence(struct life *l)
{
	const struct model_session *f = some_session(l);
	struct shot there, back;
	uint16_t domain;

	if (!f || f->group || f->ends.kind > SHOT_UDP)
		return;
	there = (struct shot){.ends = f->ends,
			      .port = f->record.in_port,
			      .tag = tag_at(f->record.in_port, f->domain),
			      .src_mac = f->src_mac,
			      .dst_mac = f->dst_mac,
			      .family = f->family,
			      .flags = PKT_ACK};
	domain = f->domain;
	back = there;
	back.ends.src = there.ends.dst;
	back.ends.dst = there.ends.src;
	back.ends.sport = there.ends.dport;
	back.ends.dport = there.ends.sport;
	back.src_mac = there.dst_mac;
	back.dst_mac = there.src_mac;
	back.port = domain == 20 ? SIDE : (uint16_t)pick(l, 2);
	back.tag = -1;
	for (unsigned i = 0; i < 5; i++) {
		one_shot(l, there);
		rig_pass_time(&l->rig, 75);
		l->model.now = l->rig.now;
	}
	one_shot(l, there);
	if (lives(l, domain, back.src_mac))
		return;
	one_shot(l, back);
	one_shot(l, there);
}

static void neighbour_question(struct life *l)
{
	struct shot s = {.ends = {.kind = chance(l, 50) ? SHOT_ARP : SHOT_NS, .src = 1 + pick(l, HOSTS)}};
	char a[32], b[32];
	struct pkt p;

	settle(l);
	s.family = s.ends.kind == SHOT_ARP ? 4 : 6;
	s.ends.dst = 1 + (s.ends.src + pick(l, HOSTS - 1)) % HOSTS;
	go_home(l, &s, pick(l, 2));
	s.src_mac = mac_of(l, s.ends.src);
	s.dst_mac = PKT_BROADCAST;
	pkt_ether(&p, s.dst_mac, s.src_mac);
	if (s.tag >= 0)
		pkt_tag(&p, 0x8100, (uint16_t)s.tag);
	text_of(s.ends.dst, s.family, b);
	if (s.family == 4) {
		pkt_arp(&p, 1, s.src_mac, text_of(s.ends.src, 4, a), 0, b);
	} else {
		pkt_ip(&p, text_of(s.ends.src, 6, a), "ff02::c8");
		p.data[p.l3 + 7] = 255;
		pkt_nd(&p, 135, b, 1, s.src_mac);
		pkt_done(&p);
	}
	s.l2_len = p.len - p.l3;
	rig_send(&l->rig, s.port, &p);
	same_fate(l, &s, &l->rig.last, model_frame(&l->model, &s));
	l->packets++;
	discard_own(l);
	compare(l);
}

static struct model_binding random_binding(struct life *l)
{
	unsigned domain = pick(l, 2), host = 1 + pick(l, 6);
	struct model_binding b = {.domain = (uint16_t)(10 + 10 * domain),
				  .port = homes[domain][host].port,
				  .identity = (uint16_t)(16 + pick(l, 4)),
				  .family = chance(l, 60) ? 4 : 6,
				  .host = host,
				  .mac = mac_of(l, host)};

	if (chance(l, 4) && !l->at_home)
		b.port = (uint16_t)pick(l, PORTS);
	if (chance(l, 4))
		b.identity = (const uint16_t[]){IDENTITY_CONFLICT, IDENTITY_WORLD, 31, 900}[pick(l, 4)];
	return b;
}

static void identify(struct life *l)
{
	struct model_binding b;
	bool fixed = chance(l, 5);
	struct dp_binding out;

	settle(l);
	b = random_binding(l);
	to_dp(&b, &out, fixed);
	engine_bind(l->rig.engine, &out, l->rig.now);
	if (l->model.cell) /* without a policy the identity is one too new */
		model_bind(&l->model, &b, fixed);
	compare(l);
}

/* Mostly everybody as before, some as somebody else, and some forgotten or made up. */
static uint32_t snapshot(struct life *l, struct model_binding *list)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MODEL_BINDINGS; i++) {
		const struct model_binding *b = &l->model.binding[i];

		if (!b->used || chance(l, 10))
			continue;
		list[n] = *b;
		if (!b->classified || chance(l, 10))
			list[n].identity = (uint16_t)(16 + pick(l, 4));
		n++;
	}
	if (chance(l, 30))
		list[n++] = random_binding(l);
	return n;
}

static void publish(struct life *l)
{
	struct model_binding list[MODEL_BINDINGS + 1];
	struct dp_binding out[MODEL_BINDINGS + 1];
	unsigned next = l->turn ^ 1;
	bool none = chance(l, 5), again = chance(l, 20);
	uint32_t n_cells = none ? 0 : random_policy(l, l->cell[next]), n;
	struct mkimage spec = {l->cell[next], n_cells, l->prefix[next], HOSTS, 0};
	struct image_header *image;

	settle(l);
	random_prefixes(l, l->prefix[next]);
	if (again && l->model.cell && !none) { /* the same policy under a new number */
		n_cells = l->model.n_cells;
		memcpy(l->cell[next], l->cell[l->turn], sizeof(l->cell[0]));
		memcpy(l->prefix[next], l->prefix[l->turn], sizeof(l->prefix[0]));
		spec.n_cells = n_cells;
	}
	n = none ? 0 : snapshot(l, list);
	for (uint32_t i = 0; i < n; i++)
		to_dp(&list[i], &out[i], false);
	image = none ? NULL : mkimage(&spec);
	free((void *)(uintptr_t)engine_publish(l->rig.engine, image, l->step + 1, out, n, l->rig.now));
	l->model.prefix = l->prefix[next];
	l->model.n_prefixes = HOSTS;
	model_publish(&l->model, none ? NULL : l->cell[next], n_cells, none ? 0 : l->step + 1, list, n);
	l->turn = next;
	compare(l);
}

static void pass_time(struct life *l)
{
	static const double seconds[] = {1.5, 1.5, 1.5, 1.5, 5, 5, 5, 5, 11, 11, 35, 35, 130, 190, 310};

	rig_pass_time(&l->rig, seconds[pick(l, N(seconds))]);
	if (chance(l, 3))
		l->rig.now.utc_ns -= INT64_C(7200000000000); /* somebody sets the clock */
	l->model.now = l->rig.now;
	if (chance(l, 60))
		tick(l);
}

static void link_changes(struct life *l)
{
	unsigned port = pick(l, PORTS);
	bool up = chance(l, 90);

	engine_port_state(l->rig.engine, port, up);
	l->model.ports_up = up ? l->model.ports_up | 1u << port : l->model.ports_up & ~(1u << port);
}

static void step(struct life *l)
{
	unsigned what = pick(l, 100);

	if (what < 78)
		burst(l);
	else if (what < 82)
		neighbour_question(l);
	else if (what < 87)
		identify(l);
	else if (what < 88)
		silence(l);
	else if (what < 97)
		pass_time(l);
	else if (what < 98)
		publish(l);
	else
		link_changes(l);
}

static void live(uint64_t seed, unsigned steps, uint64_t start_ns)
{
	static struct life l;

	memset(&l, 0, sizeof(l));
	l.seed = seed;
	l.rng.state = seed;
	tuned = &l.config;
	rig_bridge(&l.rig, tune);
	l.rig.now.now_ns += start_ns;
	l.model.config = &l.config;
	l.model.now = l.rig.now;
	l.model.ports_up = (1u << PORTS) - 1;
	for (; l.step < steps; l.step++)
		step(&l);
	print_message(
		"# seed %llu: %llu packets, %llu forwarded, %llu decisions, %llu sessions, %llu updates\n",
		(unsigned long long)seed, (unsigned long long)l.packets,
		(unsigned long long)l.model.forwarded, (unsigned long long)l.model.decisions,
		(unsigned long long)l.model.opened, (unsigned long long)l.model.updates);
	assert_true(l.model.opened > steps / 100);
	rig_free(&l.rig);
}

static uint64_t setting(const char *name, uint64_t usual)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : usual;
}

static void run(uint64_t seed, unsigned part, uint64_t start_ns)
{
	live(setting("CORDON_MODEL_SEED", seed), (unsigned)setting("CORDON_MODEL_STEPS", STEPS) * part / 3,
	     start_ns);
}

static void the_engine_does_as_its_model(void **state)
{
	small_table = aggregating = false;
	run(1, 3, 0);
}

/* Milliseconds are 32 bits wide in a session: 49 days. */
static void also_when_the_clock_wraps(void **state)
{
	small_table = aggregating = false;
	run(2, 1, ((UINT64_C(1) << 32) - 3000000) * 1000000);
}

static void also_with_a_full_table(void **state)
{
	small_table = true;
	aggregating = false;
	run(3, 2, 0);
}

static void also_with_aggregates(void **state)
{
	small_table = false;
	aggregating = true;
	run(4, 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_does_as_its_model),
		cmocka_unit_test(also_when_the_clock_wraps),
		cmocka_unit_test(also_with_a_full_table),
		cmocka_unit_test(also_with_aggregates),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
