/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NS_PER_S  1000000000.0
#define START_NS  UINT64_C(5000000000)
#define START_UTC (INT64_C(1700000000) * 1000000000)

static const struct mkimage_prefix prefixes[] = {
	{0x0a000001, RIG_WEB, PREFIX_FINAL},   {0x0a000002, RIG_DB, PREFIX_FINAL},
	{0x0a000003, RIG_GUEST, PREFIX_FINAL}, {0x0a000004, RIG_ADMIN, PREFIX_FINAL},
	{0x0a000005, IDENTITY_UNKNOWN, 0},     {0xc0000201, RIG_GUEST, PREFIX_FINAL | PREFIX_OUTSIDE},
	{0xc0000202, IDENTITY_UNKNOWN, 0},
};

static void start(struct rig *r, struct engine_config *c, rig_tune *tune)
{
	struct ring_geometry g = {.n_workers = 1,
				  .n_ports = c->n_ports,
				  .n_records = RIG_RECORDS,
				  .n_aggregates = RIG_AGGREGATES};
	struct ring_producer producer;
	const char *error;

	if (tune)
		tune(c);
	r->memory = aligned_alloc(64, ring_size(&g));
	assert_non_null(r->memory);
	memset(r->memory, 0, ring_size(&g));
	assert_int_equal(ring_create_mem(&r->ring, r->memory, &g), 0);
	ring_producer_init(&producer, &r->ring, 0);
	r->engine = engine_create(c, &producer, &error);
	if (error)
		fail_msg("%s", error);
	r->now = (struct engine_clock){START_NS, START_UTC, true};
}

static struct engine_config common(void)
{
	return (struct engine_config){
		.max_sessions = 64,
		.max_bindings = 64,
		.timeouts = ENGINE_TIMEOUTS_DEFAULT,
		.hash_key = {1, 2, 3},
	};
}

void rig_tap(struct rig *r, rig_tune *tune)
{
	struct engine_config c = common();

	*r = (struct rig){0};
	c.tap = true;
	c.n_ports = 2;
	start(r, &c, tune);
}

void rig_bridge(struct rig *r, rig_tune *tune)
{
	struct engine_config c = common();

	*r = (struct rig){0};
	c.n_ports = 4;
	c.port[0] = (struct engine_port){.role = ENGINE_ACCESS, .vlan = 10, .mtu = 1500};
	c.port[1] = (struct engine_port){.role = ENGINE_ACCESS, .vlan = 10, .mtu = 1400};
	c.port[2] = (struct engine_port){.role = ENGINE_TRUNK, .n_vlans = 2, .vlans = {10, 20}, .mtu = 1500};
	c.port[3] = (struct engine_port){.role = ENGINE_ACCESS,
					 .side = ENGINE_OUTSIDE,
					 .vlan = 10,
					 .trust = ENGINE_TRUST_DHCP,
					 .mtu = 1500};
	start(r, &c, tune);
}

void rig_free(struct rig *r)
{
	free((void *)(uintptr_t)engine_publish(r->engine, NULL, 0, NULL, 0, r->now));
	engine_destroy(r->engine);
	ring_close(&r->ring);
	free(r->memory);
}

void rig_publish_until(struct rig *r, uint32_t generation, const struct mkimage_cell *cells, uint32_t n,
		       int64_t closes_utc)
{
	struct mkimage m = {cells, n, prefixes, sizeof(prefixes) / sizeof(*prefixes), closes_utc};
	struct dp_binding bindings[64];
	uint32_t cursor = 0, count = engine_dump_bindings(r->engine, &cursor, bindings, 64, r->now);

	free((void *)(uintptr_t)engine_publish(r->engine, mkimage(&m), generation, bindings, count, r->now));
	rig_laws(r);
}

void rig_publish(struct rig *r, uint32_t generation, const struct mkimage_cell *cells, uint32_t n)
{
	rig_publish_until(r, generation, cells, n, 0);
}

static bool bridged(const struct rig *r)
{
	return r->ring.n_ports > 2;
}

const char *rig_address(const struct rig *r, unsigned host, char text[32])
{
	snprintf(text, 32, "10.0.%d.%u", bridged(r) ? 10 : 0, host);
	return text;
}

static void bind(struct rig *r, const char *address, unsigned host, uint16_t domain, uint16_t port,
		 uint16_t identity)
{
	struct dp_binding b = {
		.domain = domain,
		.port = port,
		.identity = identity,
		.dictionary = MKIMAGE_IDENTITIES,
		.lease_s = 300,
	};

	b.family = pkt_addr(b.addr, address);
	pkt_mac(b.mac, host);
	assert_int_equal(engine_bind(r->engine, &b, r->now), 0);
}

void rig_bind(struct rig *r, unsigned host, uint16_t domain, uint16_t port, uint16_t identity)
{
	char text[40];

	snprintf(text, sizeof(text), "10.0.%u.%u", domain, host);
	bind(r, text, host, domain, port, identity);
}

void rig_bind6(struct rig *r, unsigned host, uint16_t domain, uint16_t port, uint16_t identity)
{
	char text[40];

	snprintf(text, sizeof(text), "fd00:%u::%u", domain, host);
	bind(r, text, host, domain, port, identity);
}

void rig_pass_time(struct rig *r, double seconds)
{
	r->now.now_ns += (uint64_t)(seconds * NS_PER_S);
	r->now.utc_ns += (int64_t)(seconds * NS_PER_S);
}

struct ring_counters *rig_count(struct rig *r)
{
	return &ring_worker(&r->ring, 0)->counters;
}

static uint64_t dropped(struct rig *r)
{
	uint64_t n = 0;

	for (uint32_t port = 0; port <= RING_PORT_NONE; port++)
		for (uint32_t reason = 0; reason < REASON_COUNT; reason++)
			n += rig_count(r)->dropped[port][reason];
	return n;
}

static uint64_t not_stored(const struct rig *r, uint32_t i, const struct ring_aggregate *a)
{
	return r->stored[i].serial == a->serial ? a->count - r->stored[i].count : a->count;
}

static uint64_t in_aggregates(struct rig *r)
{
	struct ring_aggregate a;
	uint64_t n = 0;

	for (uint32_t i = 0; i < r->ring.n_aggregates; i++)
		if (ring_read_aggregate(&r->ring, 0, i, &a))
			n += not_stored(r, i, &a);
	return n;
}

void rig_store_aggregates(struct rig *r)
{
	struct ring_aggregate a;

	for (uint32_t i = 0; i < r->ring.n_aggregates; i++) {
		if (!ring_read_aggregate(&r->ring, 0, i, &a) || !not_stored(r, i, &a))
			continue;
		r->n_stored += not_stored(r, i, &a);
		r->stored[i].serial = a.serial;
		r->stored[i].count = a.count;
		ring_ack_aggregate(&r->ring, 0, i, a.count);
	}
}

void rig_laws(struct rig *r)
{
	const struct ring_counters *c = rig_count(r);

	assert_int_equal(c->frames_in, c->forwarded + dropped(r));
	assert_int_equal(c->decisions, c->decisions_pushed + c->decisions_aggregated + c->decisions_lost);
	assert_int_equal(c->updates, c->updates_pushed + c->updates_lost);
	assert_int_equal(ring_worker(&r->ring, 0)->head, c->decisions_pushed + c->updates_pushed);
	assert_int_equal(c->sessions, c->sessions_opened - c->sessions_ended);
	assert_int_equal(c->decisions_aggregated, r->n_stored + in_aggregates(r));
	for (uint32_t port = 0; port <= RING_PORT_NONE; port++)
		assert_int_equal(c->dropped[port][REASON_NONE], 0);
}

static void report_sent(struct rig *r, uint32_t port, const struct frame *f)
{
	bool fails = r->refused_tx > 0;

	if (f->act == FRAME_DROP)
		return;
	r->refused_tx -= fails;
	engine_sent(r->engine, port, !fails, fails);
}

void rig_burst(struct rig *r, uint32_t port, struct pkt **p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		r->frame[i] = pkt_frame(p[i]);
	engine_burst(r->engine, port, r->frame, n, r->now);
	for (uint32_t i = 0; i < n; i++)
		report_sent(r, port, &r->frame[i]);
	rig_laws(r);
}

enum reason rig_send(struct rig *r, uint32_t port, struct pkt *p)
{
	r->last = pkt_frame(p);
	engine_burst(r->engine, port, &r->last, 1, r->now);
	report_sent(r, port, &r->last);
	rig_laws(r);
	return r->last.reason;
}

bool rig_passed(const struct rig *r)
{
	return r->last.act != FRAME_DROP;
}

static void begin(const struct rig *r, struct pkt *p, unsigned from, unsigned to)
{
	char a[32], b[32];

	pkt_ether(p, to, from);
	pkt_ip(p, rig_address(r, from, a), rig_address(r, to, b));
}

void rig_make_udp(const struct rig *r, struct pkt *p, unsigned from, uint16_t sport, unsigned to,
		  uint16_t dport)
{
	begin(r, p, from, to);
	pkt_udp(p, sport, dport);
	pkt_zeros(p, 4);
	pkt_done(p);
}

void rig_make_tcp(const struct rig *r, struct pkt *p, unsigned from, uint16_t sport, unsigned to,
		  uint16_t dport, uint8_t flags)
{
	begin(r, p, from, to);
	pkt_tcp(p, sport, dport, flags, 100, 200);
	pkt_done(p);
}

enum reason rig_udp(struct rig *r, uint32_t port, unsigned from, uint16_t sport, unsigned to, uint16_t dport)
{
	struct pkt p;

	rig_make_udp(r, &p, from, sport, to, dport);
	return rig_send(r, port, &p);
}

enum reason rig_tcp(struct rig *r, uint32_t port, unsigned from, uint16_t sport, unsigned to, uint16_t dport,
		    uint8_t flags)
{
	struct pkt p;

	rig_make_tcp(r, &p, from, sport, to, dport, flags);
	return rig_send(r, port, &p);
}

enum reason rig_icmp(struct rig *r, uint32_t port, unsigned from, unsigned to, uint8_t type, uint16_t id)
{
	struct pkt p;

	begin(r, &p, from, to);
	pkt_icmp(&p, type, 0, (uint32_t)id << 16 | 1);
	pkt_done(&p);
	return rig_send(r, port, &p);
}

struct record rig_record(struct rig *r, enum record_type type)
{
	struct record record;

	assert_int_equal(ring_read(&r->ring, 0, r->read, &record, 1), 1);
	r->read++;
	ring_release(&r->ring, 0, r->read);
	assert_int_equal(record.type, type);
	return record;
}

void rig_no_record(struct rig *r)
{
	assert_int_equal(ring_worker(&r->ring, 0)->head, r->read);
}
