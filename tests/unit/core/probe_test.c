/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live verification: probes meet the policy in force, and neither meet hosts nor can be met by them. Hosts of
 * probes are numbers too: host N has MAC N and address 10.0.9.N or fd00:9::N.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "guard.h"
#include "rig.h"

enum { LAN1, LAN2, TRUNK, WAN };
enum { FROM = 21, TO = 22, OTHER = 23 };

static const struct mkimage_cell policy[] = {
	{RIG_WEB, RIG_DB, PING, ALLOW(5)},
	{RIG_WEB, RIG_DB, TCP(5432), ALLOW(1)},
	{RIG_WEB, RIG_DB, TCP(5433), DECIDED(6, DECISION_REJECT)},
	{RIG_WEB, RIG_DB, UDP(53), ALLOW(2)},
	{RIG_WEB, RIG_DB, PING6, ALLOW(5)},
	{RIG_WEB, IDENTITY_UNKNOWN, UDP(53), ALLOW(4)},
	{RIG_WEB, IDENTITY_MULTICAST, UDP(5353), ALLOW(3)},
};

struct order {
	struct dp_probes probes;
	uint8_t bytes[DP_PROBE_FRAMES * DP_PROBE_FRAME];
	size_t size;
};

static int setup(void **state)
{
	static struct rig r;

	rig_bridge(&r, NULL);
	rig_publish(&r, 1, policy, N(policy));
	rig_bind(&r, WEB, 10, LAN1, RIG_WEB);
	rig_bind(&r, DB, 10, LAN2, RIG_DB);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static const char *address(unsigned host, int family, char text[32])
{
	snprintf(text, 32, family == 4 ? "10.0.9.%u" : "fd00:9::%u", host);
	return text;
}

static struct order *begin(uint16_t from, uint16_t to, int family)
{
	static struct order o;
	char text[32];

	memset(&o, 0, sizeof(o));
	o.probes = (struct dp_probes){.from = from, .to = to, .family = (uint16_t)family};
	pkt_addr(o.probes.src, address(FROM, family, text));
	pkt_addr(o.probes.dst, address(TO, family, text));
	pkt_mac(o.probes.src_mac, FROM);
	pkt_mac(o.probes.dst_mac, TO);
	return &o;
}

static void add(struct order *o, uint16_t side, struct pkt *p)
{
	struct frame f = pkt_frame(p);

	o->probes.frame[o->probes.n++] = (struct dp_probe){.side = side, .len = (uint16_t)f.len};
	memcpy(o->bytes + o->size, f.data, f.len);
	o->size += f.len;
}

static void ends(struct pkt *p, unsigned from, unsigned to, int family)
{
	char a[32], b[32];

	pkt_ether(p, to, from);
	pkt_ip(p, address(from, family, a), address(to, family, b));
}

static void add_tcp(struct order *o, uint16_t side, uint16_t sport, uint16_t dport, uint8_t flags)
{
	struct pkt p;

	ends(&p, side ? TO : FROM, side ? FROM : TO, o->probes.family);
	pkt_tcp(&p, sport, dport, flags, 100, 200);
	pkt_done(&p);
	add(o, side, &p);
}

static void add_udp(struct order *o, unsigned from, unsigned to, uint16_t dport)
{
	struct pkt p;

	ends(&p, from, to, o->probes.family);
	pkt_udp(&p, 1000, dport);
	pkt_done(&p);
	add(o, 0, &p);
}

static int try(struct rig *r, struct order *o)
{
	int code = engine_probe(r->engine, &o->probes, o->bytes, o->size, r->now);

	rig_laws(r);
	return code;
}

/* Nothing of a probe is left: no session, binding, event or frame of ours. */
static void expect_clean(struct rig *r)
{
	struct dp_binding b[64];
	struct dp_endpoint event;
	uint8_t room[2048];
	struct frame own = {.data = room, .len = sizeof(room)};
	uint32_t cursor = 0, n = engine_dump_bindings(r->engine, &cursor, b, 64, r->now);

	for (uint32_t i = 0; i < n; i++)
		assert_int_not_equal(b[i].domain, DP_PROBE_DOMAIN);
	assert_int_equal(rig_count(r)->bindings, 2);
	assert_false(engine_originated(r->engine, &own));
	while (engine_event(r->engine, &event))
		assert_int_not_equal(event.domain, DP_PROBE_DOMAIN);
}

static void run(struct rig *r, struct order *o)
{
	assert_int_equal(try(r, o), 0);
	expect_clean(r);
	assert_int_equal(rig_count(r)->sessions, 0);
}

static void a_probe_meets_the_policy_in_force(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);
	struct record rec;

	add_tcp(o, 0, 1000, 5432, PKT_SYN);
	add_tcp(o, 1, 5432, 1000, PKT_SYN | PKT_ACK);
	add_tcp(o, 0, 1000, 5432, PKT_ACK);
	add_tcp(o, 0, 1001, 80, PKT_SYN);
	add_tcp(o, 1, 1000, 5432, PKT_SYN); /* the other way */
	run(r, o);
	for (int i = 0; i < 3; i++)
		assert_int_equal(o->probes.frame[i].forwarded, 1);
	assert_int_equal(o->probes.frame[3].forwarded, 0);
	assert_int_equal(o->probes.frame[4].forwarded, 0);
	rec = rig_record(r, RECORD_OPEN);
	assert_int_equal(rec.domain, DP_PROBE_DOMAIN);
	assert_int_equal(rec.in_port, DP_PROBE_PORT);
	assert_int_equal(rec.out_port, DP_PROBE_PORT + 1);
	assert_int_equal(rec.src_identity, RIG_WEB);
	rec = rig_record(r, RECORD_REFUSED);
	assert_int_equal(rec.domain, DP_PROBE_DOMAIN);
	assert_int_equal(rec.reason, REASON_NO_RULE);
	rec = rig_record(r, RECORD_REFUSED);
	assert_int_equal(rec.in_port, DP_PROBE_PORT + 1);
	assert_int_equal(rig_record(r, RECORD_END).packets[0], 2);
	assert_int_equal(rig_count(r)->frames_in, 5);
	assert_int_equal(rig_count(r)->forwarded, 3);
	assert_int_equal(rig_count(r)->dropped[RING_PORT_NONE][REASON_NO_RULE], 2);
}

static void both_families(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, RIG_DB, 6);

	add_udp(o, FROM, TO, 53);
	add_udp(o, FROM, TO, 54);
	run(r, o);
	assert_int_equal(o->probes.frame[0].forwarded, 1);
	assert_int_equal(o->probes.frame[1].forwarded, 0);
}

static void a_probe_knows_nothing_of_the_one_before(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);

	add_tcp(o, 0, 1000, 5432, PKT_SYN);
	run(r, o);
	assert_int_equal(o->probes.frame[0].forwarded, 1);
	o = begin(RIG_WEB, RIG_DB, 4);
	add_tcp(o, 1, 5432, 1000, PKT_SYN | PKT_ACK);
	run(r, o);
	assert_int_equal(o->probes.frame[0].forwarded, 0);
	o = begin(RIG_GUEST, RIG_DB, 4);
	add_tcp(o, 0, 1000, 5432, PKT_SYN);
	run(r, o);
	assert_int_equal(o->probes.frame[0].forwarded, 0);
}

static void all_64_sessions_go(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);

	for (uint16_t i = 0; i < DP_PROBE_FRAMES; i++)
		add_tcp(o, 0, 1000 + i, 5432, PKT_SYN);
	run(r, o);
	for (uint16_t i = 0; i < DP_PROBE_FRAMES; i++)
		assert_int_equal(o->probes.frame[i].forwarded, 1);
	assert_int_equal(rig_count(r)->sessions_opened, DP_PROBE_FRAMES);
	assert_int_equal(rig_count(r)->sessions_ended, DP_PROBE_FRAMES);
}

/* VLAN 4095 is no tag that a wire may carry, on whatever port and with whomever's addresses. */
static void no_host_gets_into_the_domain(void **state)
{
	struct rig *r = *state;
	char a[32], b[32];
	struct pkt p;

	for (uint32_t port = LAN1; port <= WAN; port++) {
		pkt_ether(&p, TO, FROM);
		pkt_tag(&p, 0x8100, DP_PROBE_DOMAIN);
		pkt_ip(&p, address(FROM, 4, a), address(TO, 4, b));
		pkt_tcp(&p, 1000, 5432, PKT_SYN, 1, 0);
		pkt_done(&p);
		assert_int_equal(rig_send(r, port, &p), REASON_VLAN);
		pkt_ether(&p, PKT_BROADCAST, FROM);
		pkt_tag(&p, 0x8100, 0xe000 | DP_PROBE_DOMAIN);
		pkt_arp(&p, 1, FROM, a, 0, b);
		assert_int_equal(rig_send(r, port, &p), REASON_VLAN);
	}
	expect_clean(r);
	pkt_ether(&p, DB, WEB); /* its twin with a tag that is one */
	pkt_tag(&p, 0x8100, 10);
	pkt_ip(&p, "10.0.10.9", "10.0.10.2");
	pkt_udp(&p, 1, 2);
	pkt_done(&p);
	assert_int_not_equal(rig_send(r, TRUNK, &p), REASON_VLAN);
}

static void no_port_can_be_in_the_domain(void **state)
{
	static struct guard g;
	struct engine_port access = {.role = ENGINE_ACCESS, .vlan = DP_PROBE_DOMAIN};
	struct engine_port trunk = {.role = ENGINE_TRUNK, .n_vlans = 1, .vlans = {DP_PROBE_DOMAIN}};

	assert_non_null(guard_init(&g, &access, 1));
	assert_non_null(guard_init(&g, &trunk, 1));
	access.vlan = trunk.vlans[0] = DP_PROBE_DOMAIN - 1;
	assert_null(guard_init(&g, &access, 1));
	assert_null(guard_init(&g, &trunk, 1));
	assert_int_equal(g.members[DP_PROBE_DOMAIN], 0);
}

static void no_binding_puts_a_host_into_the_domain(void **state)
{
	struct rig *r = *state;
	struct dp_binding b = {
		.addr = {10, 0, 9, FROM},
		.mac = {2, 0, 0, 0, 0, FROM},
		.domain = DP_PROBE_DOMAIN,
		.port = LAN1,
		.identity = RIG_WEB,
		.family = 4,
		.dictionary = MKIMAGE_IDENTITIES,
		.lease_s = UINT32_MAX,
	};

	assert_int_equal(engine_bind(r->engine, &b, r->now), -EINVAL);
	b.domain = 10;
	b.port = DP_PROBE_PORT;
	assert_int_equal(engine_bind(r->engine, &b, r->now), -EINVAL);
	b.port = ENGINE_PROBE_PORT;
	assert_int_equal(engine_bind(r->engine, &b, r->now), -EINVAL);
	expect_clean(r);
	b.port = LAN1;
	assert_int_equal(engine_bind(r->engine, &b, r->now), 0);
}

/* To real hosts, to everybody, to a group that policy allows: it stays inside. */
static void no_probe_leaves(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);
	char a[32];
	struct pkt p;

	pkt_ether(&p, DB, FROM);
	pkt_ip(&p, address(FROM, 4, a), "10.0.10.2");
	pkt_udp(&p, 1000, 53);
	pkt_done(&p);
	add(o, 0, &p);
	pkt_ether(&p, PKT_BROADCAST, FROM);
	pkt_arp(&p, 1, FROM, a, 0, "10.0.10.2");
	add(o, 0, &p);
	pkt_ether(&p, PKT_MULTICAST, FROM);
	pkt_ip(&p, a, "224.0.0.251");
	pkt_udp(&p, 5353, 5353);
	pkt_done(&p);
	add(o, 0, &p);
	pkt_ether(&p, TO, FROM);
	pkt_tag(&p, 0x8100, 10);
	pkt_ip(&p, a, "10.0.9.22");
	pkt_udp(&p, 1000, 53);
	pkt_done(&p);
	add(o, 0, &p);
	run(r, o);
	for (uint32_t i = 0; i < o->probes.n; i++)
		assert_int_equal(o->probes.frame[i].forwarded, 0);
	assert_int_equal(rig_count(r)->forwarded, 0);
	assert_int_equal(rig_count(r)->dropped[RING_PORT_NONE][REASON_NO_PORT], 3);
	assert_int_equal(rig_count(r)->dropped[RING_PORT_NONE][REASON_VLAN], 1);
}

static void a_question_for_the_other_side_gets_there(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);
	struct pkt p;

	pkt_ether(&p, PKT_BROADCAST, FROM);
	pkt_arp(&p, 1, FROM, "10.0.9.21", 0, "10.0.9.22");
	add(o, 0, &p);
	pkt_ether(&p, FROM, TO);
	pkt_arp(&p, 2, TO, "10.0.9.22", FROM, "10.0.9.21");
	add(o, 1, &p);
	run(r, o);
	assert_int_equal(o->probes.frame[0].forwarded, 1);
	assert_int_equal(o->probes.frame[1].forwarded, 1);
}

/* Another address, another's MAC, another's place: neither makes a binding or an event. */
static void a_spoof_is_refused_and_not_told(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);
	char a[32], b[32];
	struct pkt p;

	add_udp(o, OTHER, TO, 53);
	pkt_ether(&p, TO, OTHER);
	pkt_ip(&p, address(FROM, 4, a), address(TO, 4, b));
	pkt_udp(&p, 1000, 53);
	pkt_done(&p);
	add(o, 0, &p);
	add(o, 1, &p);
	add_udp(o, FROM, TO, 53);
	run(r, o);
	for (int i = 0; i < 3; i++)
		assert_int_equal(o->probes.frame[i].forwarded, 0);
	assert_int_equal(o->probes.frame[3].forwarded, 1);
	assert_int_equal(rig_count(r)->dropped[RING_PORT_NONE][REASON_SPOOF], 3);
	assert_int_equal(rig_count(r)->events_lost, 0);
}

static void a_reject_sends_nothing(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);

	add_tcp(o, 0, 1000, 5433, PKT_SYN);
	run(r, o);
	assert_int_equal(o->probes.frame[0].forwarded, 0);
	assert_int_equal(rig_record(r, RECORD_REFUSED).rule, 6);
}

static void a_live_session_notices_nothing(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);

	assert_int_equal(rig_tcp(r, LAN1, WEB, 1000, DB, 5432, PKT_SYN), REASON_NONE);
	add_tcp(o, 0, 1000, 5432, PKT_SYN);
	add_tcp(o, 0, 1000, 5432, PKT_RST);
	assert_int_equal(try(r, o), 0);
	expect_clean(r);
	assert_int_equal(rig_count(r)->sessions, 1);
	assert_int_equal(rig_tcp(r, LAN2, DB, 5432, WEB, 1000, PKT_SYN | PKT_ACK), REASON_NONE);
	assert_int_equal(rig_count(r)->redecided, 0);
}

static void without_a_policy_nothing_passes(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);
	const struct image_header *image = engine_publish(r->engine, NULL, 0, NULL, 0, r->now);

	add_tcp(o, 0, 1000, 5432, PKT_SYN);
	assert_int_equal(try(r, o), 0);
	assert_int_equal(o->probes.frame[0].forwarded, 0);
	assert_int_equal(rig_record(r, RECORD_REFUSED).reason, REASON_DENY_ALL);
	engine_publish(r->engine, image, 1, NULL, 0, r->now);
}

static void what_cannot_be_done_is_refused(void **state)
{
	struct rig *r = *state;
	struct order *o = begin(RIG_WEB, MKIMAGE_IDENTITIES, 4), good;

	add_tcp(o, 0, 1000, 5432, PKT_SYN);
	assert_int_equal(try(r, o), -ESTALE);
	o->probes.to = RIG_DB;
	good = *o;
#define BAD(change)                                                                                          \
	do {                                                                                                 \
		*o = good;                                                                                   \
		change;                                                                                      \
		assert_int_equal(try(r, o), -EINVAL);                                                        \
	} while (0)
	BAD(o->probes.n = 0);
	BAD(o->probes.n = DP_PROBE_FRAMES + 1);
	BAD(o->probes.family = 5);
	BAD(o->probes.src_mac[0] |= 1);
	BAD(memcpy(o->probes.dst_mac, o->probes.src_mac, 6));
	BAD(memset(o->probes.dst_mac, 0, 6));
	BAD(memcpy(o->probes.dst, o->probes.src, 16));
	BAD(o->probes.frame[0].side = 2);
	BAD(o->probes.frame[0].len--);
	BAD(o->probes.frame[0].len = 13; o->size = 13);
	BAD(o->probes.frame[0].len = DP_PROBE_FRAME + 1; o->size = DP_PROBE_FRAME + 1);
	BAD(o->size++);
#undef BAD
	expect_clean(r);
	assert_int_equal(rig_count(r)->frames_in, 0);
	*o = good;
	run(r, o);
	assert_int_equal(o->probes.frame[0].forwarded, 1);
}

static void two_bindings_of_room(struct engine_config *c)
{
	c->max_bindings = 3;
}

static void room_for_both_or_none(void **state)
{
	struct rig r;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);

	rig_bridge(&r, two_bindings_of_room);
	rig_publish(&r, 1, policy, N(policy));
	rig_bind(&r, WEB, 10, LAN1, RIG_WEB);
	rig_bind(&r, DB, 10, LAN2, RIG_DB);
	add_tcp(o, 0, 1000, 5432, PKT_SYN);
	assert_int_equal(try(&r, o), -ENOSPC);
	expect_clean(&r);
	assert_int_equal(rig_count(&r)->frames_in, 0);
	rig_free(&r);
}

static void tap_mode_has_none(void **state)
{
	struct rig r;
	struct order *o = begin(RIG_WEB, RIG_DB, 4);
	struct pkt p;

	rig_tap(&r, NULL);
	add_tcp(o, 0, 1000, 5432, PKT_SYN);
	assert_int_equal(try(&r, o), -ENOTSUP);
	pkt_ether(&p, 2, 1); /* and a tag from the wire does not make its frames look like some */
	pkt_tag(&p, 0x8100, DP_PROBE_DOMAIN);
	pkt_ip(&p, "10.0.0.1", "10.0.0.2");
	pkt_tcp(&p, 1000, 5432, PKT_SYN, 1, 0);
	pkt_done(&p);
	assert_int_equal(rig_send(&r, 0, &p), REASON_VLAN);
	rig_no_record(&r);
	rig_free(&r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_probe_meets_the_policy_in_force),
		T(both_families),
		T(a_probe_knows_nothing_of_the_one_before),
		T(all_64_sessions_go),
		T(no_host_gets_into_the_domain),
		T(no_port_can_be_in_the_domain),
		T(no_binding_puts_a_host_into_the_domain),
		T(no_probe_leaves),
		T(a_question_for_the_other_side_gets_there),
		T(a_spoof_is_refused_and_not_told),
		T(a_reject_sends_nothing),
		T(a_live_session_notices_nothing),
		T(without_a_policy_nothing_passes),
		T(what_cannot_be_done_is_refused),
		cmocka_unit_test(room_for_both_or_none),
		cmocka_unit_test(tap_mode_has_none),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
