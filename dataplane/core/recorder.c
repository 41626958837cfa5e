/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Order of stores: a decision is raised first and accounted for last, so a kill in between shows as a
 * difference and never as a loss that nobody counts. A record is published before it is counted as pushed,
 * for the same reason.
 */
#include "recorder.h"

#include <string.h>

#define NS_PER_S     UINT64_C(1000000000)
#define WINDOW_NS    (RECORDER_WINDOW_S * NS_PER_S)
#define PROBES       8u
#define WORKER_SHIFT 56
#define LINE         64u
#define NO_SLOT      UINT32_MAX

_Static_assert(sizeof(struct recorder_kind) == 40, "no padding: compared as bytes");

bool recorder_init(struct recorder *r, const struct ring_producer *ring, const struct engine_config *config,
		   const struct flow_memory *memory)
{
	*r = (struct recorder){
		.ring = *ring,
		.count = &ring->shared->counters,
		.mask = ring->aggregate_mask,
		.key = siphash_key(config->hash_key),
		.session = (uint64_t)config->worker << WORKER_SHIFT,
		.cost_ns = config->records_per_second ? NS_PER_S / config->records_per_second : 0,
		.record_all = config->record_all,
		.free = memory->free,
	};
	r->slot = memory->alloc(((size_t)r->mask + 1) * sizeof(*r->slot), LINE);
	return r->slot != NULL;
}

void recorder_fini(struct recorder *r)
{
	if (r->slot)
		r->free(r->slot);
	r->slot = NULL;
}

uint64_t recorder_session(struct recorder *r)
{
	return ++r->session;
}

void recorder_expect(struct recorder *r, uint64_t n)
{
	r->expected += n;
	recorder_add(&r->count->decisions, n);
}

static void raise_decision(struct recorder *r)
{
	if (r->expected)
		r->expected--;
	else
		recorder_add(&r->count->decisions, 1);
}

void recorder_lost(struct recorder *r, uint64_t n)
{
	uint64_t known = n < r->expected ? n : r->expected;

	r->expected -= known;
	recorder_add(&r->count->decisions, n - known);
	recorder_add(&r->count->decisions_lost, n);
}

/* The allowance fills up to one second's worth. */
static bool take_allowance(struct recorder *r)
{
	uint64_t now = r->now.now_ns;

	if (!r->cost_ns)
		return true;
	if (r->spent_ns < now)
		r->spent_ns = now;
	if (r->spent_ns - now + r->cost_ns > NS_PER_S)
		return false;
	r->spent_ns += r->cost_ns;
	return true;
}

static void push_decision(struct recorder *r, const struct record *record)
{
	struct record *slot = ring_next(&r->ring);

	if (!slot) {
		recorder_add(&r->count->decisions_lost, 1);
		return;
	}
	*slot = *record;
	ring_publish(&r->ring);
	recorder_add(&r->count->decisions_pushed, 1);
}

static void push_update(struct recorder *r, const struct record *record)
{
	struct record *slot;

	recorder_add(&r->count->updates, 1);
	slot = ring_next(&r->ring);
	if (!slot) {
		recorder_add(&r->count->updates_lost, 1);
		return;
	}
	*slot = *record;
	ring_publish(&r->ring);
	recorder_add(&r->count->updates_pushed, 1);
}

/* Everything counted is stored, or nothing was counted. A consumer that claims more is not believed. */
static bool settled(const struct recorder *r, uint32_t i)
{
	const struct recorder_slot *s = &r->slot[i];

	if (!s->serial)
		return true;
	return ring_ack_count(__atomic_load_n(&r->ring.acked[i], __ATOMIC_ACQUIRE), s->serial) == s->count;
}

static bool window_open(const struct recorder *r, const struct recorder_slot *s)
{
	return r->now.now_ns - s->window_ns < WINDOW_NS;
}

static bool reusable(const struct recorder *r, uint32_t i)
{
	const struct recorder_slot *s = &r->slot[i];

	return !s->window_ns || (!window_open(r, s) && settled(r, i));
}

static void open_window(struct recorder *r, uint32_t i)
{
	struct recorder_slot *s = &r->slot[i];

	s->window_ns = r->now.now_ns ? r->now.now_ns : 1;
	if (!settled(r, i))
		return; /* same kind, still being stored: go on counting in it */
	s->serial = 0;
	s->count = 0;
	s->n_samples = 0;
}

struct place {
	uint32_t slot; /* NO_SLOT: the neighbourhood is full of others */
	bool repeated; /* this kind was seen in the slot's window */
};

static struct place find_place(struct recorder *r, const struct recorder_kind *kind)
{
	uint32_t start = (uint32_t)siphash13(&r->key, kind, sizeof(*kind));
	uint32_t unused = NO_SLOT;

	for (uint32_t probe = 0; probe < PROBES && probe <= r->mask; probe++) {
		uint32_t i = (start + probe) & r->mask;
		struct recorder_slot *s = &r->slot[i];

		if (s->window_ns && !memcmp(&s->kind, kind, sizeof(*kind))) {
			bool repeated = window_open(r, s);

			if (!repeated)
				open_window(r, i);
			return (struct place){i, repeated};
		}
		if (unused == NO_SLOT && reusable(r, i))
			unused = i;
	}
	if (unused != NO_SLOT) {
		r->slot[unused].kind = *kind;
		open_window(r, unused);
	}
	return (struct place){unused, false};
}

/* The shared slot gets a new holder: serial 0, contents, serial. */
static void hand_over(struct recorder *r, uint32_t i, const struct record *record)
{
	struct ring_aggregate *a = &r->ring.aggregates[i];
	struct recorder_slot *s = &r->slot[i];

	__atomic_store_n(&a->serial, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&a->count, 0, __ATOMIC_RELAXED);
	a->first_ns = record->last_ns;
	a->last_ns = record->last_ns;
	memcpy(a->src, s->kind.src, sizeof(a->src));
	a->src_identity = s->kind.src_identity;
	a->dst_identity = s->kind.dst_identity;
	a->domain = s->kind.domain;
	a->in_port = s->kind.in_port;
	a->generation = s->kind.generation;
	a->rule = s->kind.rule;
	a->intended_rule = s->kind.intended_rule;
	a->family = s->kind.family;
	a->verdict = s->kind.verdict;
	a->reason = s->kind.reason;
	a->intended = record->intended;
	a->intended_reason = record->intended_reason;
	a->n_samples = 0;
	s->n_samples = 0;
	s->serial = ++r->serial;
	__atomic_store_n(&a->serial, s->serial, __ATOMIC_RELEASE);
}

static void add_sample(struct recorder_slot *s, struct ring_aggregate *a, const struct record *record)
{
	struct ring_sample sample = {.sport = record->sport, .dport = record->dport, .proto = record->proto};

	memcpy(sample.dst, record->dst, sizeof(sample.dst));
	for (uint32_t i = 0; i < s->n_samples; i++)
		if (!memcmp(&a->sample[i], &sample, sizeof(sample)))
			return;
	if (s->n_samples == RING_SAMPLES)
		return;
	a->sample[s->n_samples++] = sample;
	__atomic_store_n(&a->n_samples, (uint8_t)s->n_samples, __ATOMIC_RELEASE);
}

static void aggregate(struct recorder *r, uint32_t i, const struct record *record)
{
	struct ring_aggregate *a = &r->ring.aggregates[i];
	struct recorder_slot *s = &r->slot[i];

	if (!s->serial)
		hand_over(r, i, record);
	add_sample(s, a, record);
	a->last_ns = record->last_ns;
	s->count++;
	__atomic_store_n(&a->count, s->count, __ATOMIC_RELEASE);
	recorder_add(&r->count->decisions_aggregated, 1);
}

static struct recorder_kind kind_of(const struct record *record)
{
	struct recorder_kind kind = {
		.generation = record->generation,
		.rule = record->rule,
		.intended_rule = record->intended_rule,
		.src_identity = record->src_identity,
		.dst_identity = record->dst_identity,
		.domain = record->domain,
		.in_port = record->in_port,
		.family = record->family,
		.verdict = record->verdict,
		.reason = record->reason,
	};

	memcpy(kind.src, record->src, sizeof(kind.src));
	return kind;
}

static void set_decision(struct record *record, const struct image_decision *d)
{
	record->rule = d->rule;
	record->intended_rule = d->intended_rule;
	record->verdict = d->flags & DECISION_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
	record->intended = d->flags & DECISION_INTENDED_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
	record->reason = d->reason;
	record->intended_reason = d->intended_reason;
	record->obligations = d->obligations;
}

/* An echo reply's key has its request's ports; its record says what the packet was. */
static void set_ports(struct record *record, const struct packet *p)
{
	bool reply = p->kind == PACKET_ECHO_REPLY;

	record->sport = reply ? p->key.dport : p->key.sport;
	record->dport = reply ? (uint16_t)(p->icmp_type << 8 | p->icmp_code) : p->key.dport;
}

/* What a port is called outside. */
static uint16_t port_number(uint16_t port)
{
	if (port < ENGINE_PROBE_PORT || port >= ENGINE_PORTS_ALL)
		return port;
	return (uint16_t)(DP_PROBE_PORT + port - ENGINE_PROBE_PORT);
}

static struct record refusal_record(const struct recorder *r, const struct recorder_refusal *what)
{
	const struct packet *p = what->packet;
	struct record record = {
		.type = RECORD_REFUSED,
		.first_ns = r->now.utc_ns,
		.last_ns = r->now.utc_ns,
		.packets = {1, 0},
		.bytes = {p->ip_len, 0},
		.family = p->key.family,
		.proto = p->key.proto,
		.domain = p->key.domain,
		.src_identity = what->src_identity,
		.dst_identity = what->dst_identity,
		.in_port = port_number(what->in_port),
		.out_port = port_number(what->out_port),
		.generation = what->generation,
	};

	memcpy(record.src, p->key.src, sizeof(record.src));
	memcpy(record.dst, p->key.dst, sizeof(record.dst));
	memcpy(record.src_mac, p->src_mac, sizeof(record.src_mac));
	memcpy(record.dst_mac, p->dst_mac, sizeof(record.dst_mac));
	set_ports(&record, p);
	set_decision(&record, &what->decision);
	return record;
}

void recorder_refused(struct recorder *r, const struct recorder_refusal *what)
{
	struct record record = refusal_record(r, what);
	struct recorder_kind kind = kind_of(&record);
	struct place place = {NO_SLOT, false};

	raise_decision(r);
	if (!r->record_all && !(what->decision.flags & DECISION_LOG_ALWAYS))
		place = find_place(r, &kind);
	if (place.repeated)
		aggregate(r, place.slot, &record);
	else
		push_decision(r, &record);
}

static struct record session_record(const struct recorder *r, const struct flow *f, const struct flow_cold *c,
				    enum record_type type)
{
	bool from = f->flags & FLOW_FROM_1;
	struct record record = {
		.session = c->session,
		.first_ns = c->first_ns,
		.last_ns = record_is_decision(type) ? r->now.utc_ns : c->last_ns,
		.packets = {c->packets[0], c->packets[1]},
		.bytes = {c->bytes[0], c->bytes[1]},
		.sport = c->sport,
		.dport = c->service,
		.family = f->key.family,
		.proto = f->key.proto,
		.domain = f->key.domain,
		.src_identity = c->src_identity,
		.dst_identity = c->dst_identity,
		.in_port = port_number(c->in_port),
		.out_port = port_number(c->out_port),
		.generation = c->generation,
		.rule = c->rule,
		.intended_rule = c->intended_rule,
		.type = (uint8_t)type,
		.verdict = VERDICT_ALLOW,
		.intended = c->intended,
		.reason = c->reason,
		.intended_reason = c->intended_reason,
		.tcp_state = f->state,
		.obligations = c->obligations,
	};

	memcpy(record.src, f->key.addr[from], sizeof(record.src));
	memcpy(record.dst, f->key.addr[!from], sizeof(record.dst));
	memcpy(record.src_mac, c->src_mac, sizeof(record.src_mac));
	memcpy(record.dst_mac, c->dst_mac, sizeof(record.dst_mac));
	return record;
}

void recorder_opened(struct recorder *r, const struct flow *f, const struct flow_cold *c, uint32_t ip_len)
{
	struct record record = session_record(r, f, c, RECORD_OPEN);
	struct place place = {NO_SLOT, false};

	record.packets[0] = 1;
	record.bytes[0] = ip_len;
	raise_decision(r);
	if (!r->record_all && !take_allowance(r)) {
		struct recorder_kind kind = kind_of(&record);

		place = find_place(r, &kind);
	}
	if (place.slot != NO_SLOT)
		aggregate(r, place.slot, &record);
	else
		push_decision(r, &record);
}

void recorder_changed(struct recorder *r, const struct flow *f, const struct flow_cold *c,
		      const struct image_decision *to, rule_ref old_rule, uint32_t generation)
{
	struct record record = session_record(r, f, c, RECORD_CHANGED);

	set_decision(&record, to);
	record.old_rule = old_rule;
	record.old_verdict = VERDICT_ALLOW;
	record.generation = generation;
	recorder_add(&r->count->decisions, 1);
	push_decision(r, &record);
}

void recorder_update(struct recorder *r, const struct flow *f, const struct flow_cold *c)
{
	struct record record = session_record(r, f, c, RECORD_UPDATE);

	push_update(r, &record);
}

void recorder_ended(struct recorder *r, const struct flow *f, const struct flow_cold *c, enum record_end why)
{
	struct record record = session_record(r, f, c, RECORD_END);

	record.end = (uint8_t)why;
	push_update(r, &record);
}
