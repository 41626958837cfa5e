/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random lives: few hosts, few ports, a small table, so that everything meets everything; policies,
 * identities, links and time change between bursts. What must hold is that both laws close after every step,
 * that nothing refused by policy ever passes, and that the table is empty in the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define STEPS 3000
#define BURST 24u

static const struct mkimage_cell open_policy[] = {
	{RIG_WEB, RIG_DB, PING, ALLOW(3)},     {RIG_WEB, RIG_DB, TCP(2), ALLOW(1)},
	{RIG_WEB, RIG_DB, UDP(2), ALLOW(2)},   {RIG_DB, RIG_WEB, TCP(1), ALLOW(4)},
	{RIG_ADMIN, RIG_DB, TCP(2), ALLOW(5)}, {RIG_GUEST, RIG_DB, TCP(2), DENY(6)},
};

static const struct mkimage_cell other_policy[] = {
	{RIG_WEB, RIG_DB, TCP(2), ALLOW(7)},
	{RIG_ADMIN, RIG_WEB, UDP(1), ALLOW(8)},
};

static unsigned pick(unsigned n)
{
	return (unsigned)rand() % n;
}

static const uint16_t home[] = {[WEB] = 0, [DB] = 1, [GUEST] = 0, [ADMIN] = 3};

/* Mostly somebody who lives at this port; port 2 is a trunk that none of them may use untagged. */
static unsigned sender_at(uint32_t port)
{
	unsigned host = 1 + pick(4);

	while (pick(40) && home[host] != port && port != 2)
		host = 1 + pick(4);
	return host;
}

static void random_packet(struct rig *r, struct pkt *p, uint32_t port)
{
	static const uint8_t flags[] = {PKT_SYN, PKT_SYN | PKT_ACK, PKT_ACK, PKT_FIN | PKT_ACK, PKT_RST};
	unsigned from = r->ring.n_ports > 2 ? sender_at(port) : 1 + pick(4), to = 1 + pick(4);
	uint16_t sport = (uint16_t)(1 + pick(2)), dport = (uint16_t)(1 + pick(2));

	if (from <= DB && pick(4)) { /* the pair that may talk, in the right roles */
		to = from == WEB ? DB : WEB;
		sport = from == WEB ? 1 : 2;
		dport = from == WEB ? 2 : 1;
	}

	if (pick(3))
		rig_make_tcp(r, p, from, sport, to, dport, flags[pick(sizeof(flags))]);
	else
		rig_make_udp(r, p, from, sport, to, dport);
	if (!pick(8))
		p->data[pick(p->len)] ^= (uint8_t)(1u << pick(8));
}

static void drain(struct rig *r)
{
	uint8_t room[2048];
	struct frame f = {.data = room, .len = sizeof(room)};
	struct dp_endpoint event;

	while (engine_originated(r->engine, &f))
		f.len = sizeof(room);
	while (engine_event(r->engine, &event))
		continue;
	if (pick(4))
		return;
	r->read = ring_worker(&r->ring, 0)->head;
	ring_release(&r->ring, 0, r->read);
	rig_store_aggregates(r);
}

static void random_burst(struct rig *r, uint32_t ports)
{
	static struct pkt p[BURST];
	struct pkt *all[BURST];
	uint32_t n = 1 + pick(BURST), port = pick(ports);

	for (uint32_t i = 0; i < n; i++) {
		random_packet(r, &p[i], port);
		all[i] = &p[i];
	}
	rig_burst(r, port, all, n);
	for (uint32_t i = 0; i < n; i++)
		if (r->frame[i].act != FRAME_DROP)
			assert_true(r->frame[i].reason == REASON_NONE || r->frame[i].reason == REASON_L2);
}

/* The control plane says who somebody is, now and then somebody else; it may be too late for the binding. */
static void random_identity(struct rig *r)
{
	unsigned host = 1 + pick(4);
	struct dp_binding b = {
		.addr = {10, 0, 10, (uint8_t)host},
		.domain = 10,
		.port = home[host],
		.identity = (uint16_t)(15 + (pick(10) ? host : 1 + pick(4))),
		.family = 4,
		.dictionary = MKIMAGE_IDENTITIES,
		.lease_s = 300,
	};

	pkt_mac(b.mac, host);
	engine_bind(r->engine, &b, r->now);
}

static void random_change(struct rig *r, uint32_t step, uint32_t ports)
{
	switch (pick(12)) {
	case 0:
		rig_publish(r, step, open_policy, N(open_policy));
		break;
	case 1:
		rig_publish(r, step, other_policy, N(other_policy));
		break;
	case 2:
		rig_pass_time(r, pick(100));
		break;
	case 3:
		engine_port_state(r->engine, pick(ports), pick(6));
		break;
	case 4:
		engine_tick(r->engine, r->now, pick(40));
		rig_laws(r);
		break;
	case 5:
	case 6:
		random_identity(r);
		break;
	default:
		rig_pass_time(r, 0.01 * pick(100));
	}
}

static void live(struct rig *r, uint32_t ports)
{
	rig_publish(r, 1, open_policy, N(open_policy));
	for (uint32_t step = 2; step < STEPS; step++) {
		random_burst(r, ports);
		random_change(r, step, ports);
		drain(r);
	}
	engine_close_sessions(r->engine, r->now, RECORD_END_SHUTDOWN);
	rig_laws(r);
	assert_int_equal(rig_count(r)->sessions, 0);
	assert_true(rig_count(r)->sessions_opened > 100);
	assert_true(rig_count(r)->redecided > 10);
	assert_true(rig_count(r)->forwarded > 1000);
	rig_free(r);
}

static void tune_small(struct engine_config *c)
{
	c->max_sessions = 12;
	c->records_per_second = 20;
}

static void a_tap(void **state)
{
	struct rig r;

	srand(11);
	rig_tap(&r, tune_small);
	live(&r, 1);
}

static void a_bridge(void **state)
{
	struct rig r;

	srand(12);
	rig_bridge(&r, tune_small);
	rig_publish(&r, 1, open_policy, N(open_policy));
	rig_bind(&r, WEB, 10, 0, RIG_WEB);
	rig_bind(&r, DB, 10, 1, RIG_DB);
	rig_bind(&r, GUEST, 10, 0, RIG_GUEST);
	rig_bind(&r, ADMIN, 10, 3, RIG_ADMIN);
	live(&r, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tap),
		cmocka_unit_test(a_bridge),
	};

	return cmocka_run_group_tests_name("chaos", tests, NULL, NULL);
}
