/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The binding table through its own interface: who may hold what, for how long, and what the control plane
 * hears.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bind.h"
#include "packet.h"

#define S(n)   ((uint64_t)(n)*1000000000u)
#define LEASE  300u
#define VLAN   10u
#define DICT   40u
#define HOST_A "10.0.0.1"
#define HOST_B "10.0.0.2"

static void *zeroed(size_t size, size_t align)
{
	size_t rounded = (size + align - 1) / align * align;
	void *p = aligned_alloc(align, rounded);

	return p != NULL ? memset(p, 0, rounded) : NULL;
}

static struct bind_table *table(uint32_t max)
{
	struct bind_config c = {
		.max = max, .lease_s = LEASE, .hash_key = {1, 2, 3}, .alloc = zeroed, .free = free};
	struct bind_table *t = bind_create(&c);

	assert_non_null(t);
	return t;
}

static struct engine_clock at(uint64_t ns)
{
	return (struct engine_clock){.now_ns = S(1000) + ns, .utc_ns = 77};
}

struct who {
	const char *addr;
	unsigned mac;
	uint16_t port;
	uint16_t domain;
};

static enum reason claim(struct bind_table *t, struct who w, uint64_t when, uint32_t *handle)
{
	uint8_t addr[16], mac[6];
	struct bind_claim c = {
		.addr = addr, .mac = mac, .port = w.port, .domain = w.domain ? w.domain : VLAN};
	uint32_t ignored;

	c.family = pkt_addr(addr, w.addr);
	pkt_mac(mac, w.mac);
	return bind_claim(t, &c, at(when), handle != NULL ? handle : &ignored);
}

static uint32_t find(struct bind_table *t, const char *text, uint64_t when)
{
	uint8_t addr[16];
	uint8_t family = pkt_addr(addr, text);

	return bind_find(t, VLAN, family, addr, at(when).now_ns);
}

static struct dp_binding said(struct who w, uint16_t identity)
{
	struct dp_binding b = {
		.domain = VLAN, .port = w.port, .identity = identity, .dictionary = DICT, .lease_s = LEASE};

	b.family = pkt_addr(b.addr, w.addr);
	pkt_mac(b.mac, w.mac);
	return b;
}

static int next_event(struct bind_table *t, struct dp_endpoint *e)
{
	return bind_event(t, e) ? e->kind : 0;
}

static const struct binding *slot(struct bind_table *t, uint32_t handle)
{
	assert_int_not_equal(handle, BIND_NONE);
	return bind_at(bind_view(t), handle);
}

static void first_come_holds(void **state)
{
	struct bind_table *t = table(64);
	struct dp_endpoint e;
	uint32_t a, again;

	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0}, 0, &a), REASON_NONE);
	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0}, S(1), &again), REASON_NONE);
	assert_int_equal(a, again);
	assert_int_equal(find(t, HOST_A, S(1)), a);
	assert_int_equal(slot(t, a)->identity, IDENTITY_UNKNOWN);
	assert_int_equal(next_event(t, &e), DP_ENDPOINT_NEW);
	assert_int_equal(e.port, 0);
	assert_int_equal(e.domain, VLAN);
	assert_int_equal(e.time_ns, 77);
	assert_int_equal(next_event(t, &e), 0); /* once is enough */
	bind_destroy(t);
}

static void others_are_refused_and_told(void **state)
{
	static const struct who liars[] = {{HOST_A, 2, 0}, {HOST_A, 2, 1}, {HOST_A, 1, 1}, {HOST_B, 1, 1}};
	struct bind_table *t = table(64);
	struct dp_endpoint e;

	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0}, 0, NULL), REASON_NONE);
	assert_int_equal(next_event(t, &e), DP_ENDPOINT_NEW);
	for (size_t i = 0; i < sizeof(liars) / sizeof(liars[0]); i++) {
		assert_int_equal(claim(t, liars[i], S(299), NULL), REASON_SPOOF);
		assert_int_equal(next_event(t, &e), DP_ENDPOINT_SPOOF);
		assert_int_equal(e.port, liars[i].port);
		assert_int_equal(e.mac[5], liars[i].mac);
	}
	assert_int_equal(bind_count(t), 1);
	assert_int_equal(slot(t, find(t, HOST_A, S(299)))->mac[5], 1);
	bind_destroy(t);
}

static void domains_are_apart(void **state)
{
	struct bind_table *t = table(64);

	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0, 10}, 0, NULL), REASON_NONE);
	assert_int_equal(claim(t, (struct who){HOST_A, 2, 1, 20}, 0, NULL), REASON_NONE);
	assert_int_equal(bind_count(t), 2);
	bind_destroy(t);
}

static void lease_ends_by_itself(void **state)
{
	struct bind_table *t = table(64);
	struct dp_endpoint e;
	uint32_t a, b, epoch;

	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0}, 0, &a), REASON_NONE);
	epoch = slot(t, a)->epoch;
	assert_int_equal(find(t, HOST_A, S(LEASE) - 1), a);
	assert_int_equal(find(t, HOST_A, S(LEASE)), BIND_NONE);
	assert_int_equal(claim(t, (struct who){HOST_A, 2, 1}, S(LEASE), &b), REASON_NONE);
	assert_true(b != a || slot(t, b)->epoch != epoch);
	assert_int_equal(bind_count(t), 1);
	assert_int_equal(next_event(t, &e), DP_ENDPOINT_NEW);
	assert_int_equal(next_event(t, &e), DP_ENDPOINT_NEW);
	assert_int_equal(e.mac[5], 2);
	bind_destroy(t);
}

static void moved_after_the_lease(void **state)
{
	struct bind_table *t = table(64);
	struct dp_binding b = said((struct who){HOST_A, 1, 0}, 20);
	struct dp_endpoint e;
	uint32_t h;

	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0}, 0, NULL), REASON_NONE);
	assert_int_equal(bind_update(t, &b, DICT, at(0)), 0);
	assert_int_equal(next_event(t, &e), DP_ENDPOINT_NEW);
	assert_int_equal(claim(t, (struct who){HOST_A, 1, 1}, S(LEASE), &h), REASON_NONE);
	assert_int_equal(next_event(t, &e), DP_ENDPOINT_MOVED);
	assert_int_equal(e.port, 1);
	assert_int_equal(slot(t, h)->identity, IDENTITY_UNKNOWN);
	bind_destroy(t);
}

static void sweep_reports_and_frees(void **state)
{
	struct bind_table *t = table(64);
	struct dp_endpoint e;

	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0}, 0, NULL), REASON_NONE);
	assert_int_equal(claim(t, (struct who){HOST_B, 2, 0}, S(100), NULL), REASON_NONE);
	while (bind_event(t, &e))
		;
	bind_tick(t, at(S(LEASE)), 63); /* a slot short of a round, and the first two are in it */
	assert_int_equal(bind_count(t), 1);
	assert_int_equal(next_event(t, &e), DP_ENDPOINT_GONE);
	assert_int_equal(e.mac[5], 1);
	bind_tick(t, at(S(LEASE + 100)), 1000);
	assert_int_equal(bind_count(t), 0);
	bind_destroy(t);
}

static void confirm_is_strict(void **state)
{
	struct bind_table *t = table(64);
	struct dp_binding b = said((struct who){HOST_A, 1, 3}, 20);
	uint32_t a, epoch;
	uint8_t mac[6], other[6];

	pkt_mac(mac, 1);
	pkt_mac(other, 2);
	assert_int_equal(claim(t, (struct who){HOST_A, 1, 3}, 0, &a), REASON_NONE);
	epoch = slot(t, a)->epoch;
	assert_true(bind_confirm(bind_view(t), a, epoch, 3, mac, at(S(200)).now_ns));
	assert_true(bind_confirm(bind_view(t), a, epoch, 3, mac,
				 at(S(499)).now_ns)); /* the last one renewed it */
	assert_false(bind_confirm(bind_view(t), a, epoch, 2, mac, at(S(499)).now_ns));
	assert_false(bind_confirm(bind_view(t), a, epoch, 3, other, at(S(499)).now_ns));
	assert_false(bind_confirm(bind_view(t), a, epoch + 1, 3, mac, at(S(499)).now_ns));
	assert_false(bind_confirm(bind_view(t), BIND_NONE, epoch, 3, mac, at(S(499)).now_ns));
	assert_int_equal(bind_update(t, &b, DICT, at(S(499))), 0);
	assert_false(bind_confirm(bind_view(t), a, epoch, 3, mac, at(S(499)).now_ns)); /* identity changed */
	epoch = slot(t, a)->epoch;
	assert_int_equal(bind_update(t, &b, DICT, at(S(499))), 0);
	assert_true(bind_confirm(bind_view(t), a, epoch, 3, mac, at(S(499)).now_ns)); /* it did not */
	assert_false(bind_confirm(bind_view(t), a, epoch, 3, mac, at(S(499 + LEASE)).now_ns));
	bind_destroy(t);
}

static void static_never_expires(void **state)
{
	struct bind_table *t = table(64);
	struct dp_binding b = said((struct who){HOST_A, 1, 3}, 20);
	uint8_t mac[6];
	uint32_t h;

	pkt_mac(mac, 1);
	b.lease_s = UINT32_MAX;
	assert_int_equal(bind_update(t, &b, DICT, at(0)), 0);
	h = find(t, HOST_A, 0);
	assert_true(bind_confirm(bind_view(t), h, slot(t, h)->epoch, 3, mac, at(S(5)).now_ns));
	assert_int_equal(claim(t, (struct who){HOST_A, 1, 3}, S(6), NULL), REASON_NONE);
	bind_tick(t, at(S(1000000)), 64);
	assert_int_equal(find(t, HOST_A, S(1000000)), h);
	assert_int_equal(claim(t, (struct who){HOST_A, 2, 3}, S(1000000), NULL), REASON_SPOOF);
	bind_destroy(t);
}

static void sixteen_per_mac(void **state)
{
	struct bind_table *t = table(64);
	char text[32];

	for (int i = 1; i <= 17; i++) {
		snprintf(text, sizeof(text), "10.0.0.%d", i);
		assert_int_equal(claim(t, (struct who){text, 1, 0}, 0, NULL),
				 i <= 16 ? REASON_NONE : REASON_ENDPOINT_LIMIT);
	}
	assert_int_equal(claim(t, (struct who){"10.0.0.17", 2, 0}, 0, NULL), REASON_NONE);
	/* when the leases are over there is room again */
	assert_int_equal(claim(t, (struct who){"10.0.0.18", 1, 0}, S(LEASE), NULL), REASON_NONE);
	bind_destroy(t);
}

static void oldest_idle_ipv6_makes_room(void **state)
{
	struct bind_table *t = table(64);
	char text[32];

	assert_int_equal(claim(t, (struct who){"fe80::1", 1, 0}, 0, NULL), REASON_NONE);
	for (unsigned i = 1; i <= 15; i++) {
		snprintf(text, sizeof(text), "fd00::%x", i);
		assert_int_equal(claim(t, (struct who){text, 1, 0}, S(i), NULL), REASON_NONE);
	}
	/* none is idle for long enough yet */
	assert_int_equal(claim(t, (struct who){"fd00::99", 1, 0}, S(BIND_IDLE_S), NULL),
			 REASON_ENDPOINT_LIMIT);
	assert_int_equal(claim(t, (struct who){"fd00::99", 1, 0}, S(BIND_IDLE_S + 3), NULL), REASON_NONE);
	assert_int_equal(find(t, "fd00::1", S(40)), BIND_NONE);
	assert_int_not_equal(find(t, "fd00::2", S(40)), BIND_NONE);
	assert_int_not_equal(find(t, "fe80::1", S(40)), BIND_NONE); /* link-local stays */
	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0}, S(200), NULL), REASON_ENDPOINT_LIMIT);
	assert_int_equal(bind_count(t), 16);
	bind_destroy(t);
}

static void limit_per_port(void **state)
{
	struct bind_table *t = table(2048);
	char text[32];

	for (unsigned i = 0; i < BIND_PER_PORT; i++) {
		snprintf(text, sizeof(text), "10.1.%u.%u", i >> 8, i & 255);
		assert_int_equal(claim(t, (struct who){text, i + 0x1000, 5}, 0, NULL), REASON_NONE);
	}
	assert_int_equal(claim(t, (struct who){HOST_A, 1, 5}, 0, NULL), REASON_ENDPOINT_LIMIT);
	assert_int_equal(claim(t, (struct who){HOST_A, 1, 6}, 0, NULL), REASON_NONE);
	bind_destroy(t);
}

static void limit_in_all(void **state)
{
	struct bind_table *t = table(2);

	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0}, 0, NULL), REASON_NONE);
	assert_int_equal(claim(t, (struct who){HOST_B, 2, 0}, 0, NULL), REASON_NONE);
	assert_int_equal(claim(t, (struct who){"10.0.0.3", 3, 0}, 0, NULL), REASON_ENDPOINT_LIMIT);
	assert_int_not_equal(find(t, HOST_A, 0), BIND_NONE);
	assert_int_not_equal(find(t, HOST_B, 0), BIND_NONE);
	bind_tick(t, at(S(LEASE)), 2);
	assert_int_equal(claim(t, (struct who){"10.0.0.3", 3, 0}, S(LEASE), NULL), REASON_NONE);
	bind_destroy(t);
}

/* More claims than one second's allowance: lost events are counted, and an unheard endpoint speaks up again.
 */
static void events_are_bounded(void **state)
{
	struct bind_table *t = table(4096);
	struct dp_endpoint e;
	unsigned heard = 0;
	char text[32];

	for (unsigned i = 0; i < BIND_PER_PORT; i++) {
		snprintf(text, sizeof(text), "10.1.%u.%u", i >> 8, i & 255);
		claim(t, (struct who){text, i + 0x1000, 5}, 0, NULL);
	}
	while (bind_event(t, &e))
		heard++;
	assert_int_equal(heard, BIND_EVENTS_PER_S);
	assert_int_equal(bind_events_lost(t), BIND_PER_PORT - BIND_EVENTS_PER_S);
	claim(t, (struct who){"10.1.3.255", 0x1000 + 1023, 5}, S(1), NULL);
	assert_int_equal(next_event(t, &e), DP_ENDPOINT_NEW);
	assert_int_equal(e.addr[3], 255);
	claim(t, (struct who){"10.1.0.0", 0x1000, 5}, S(1), NULL); /* was heard */
	assert_int_equal(next_event(t, &e), 0);
	bind_destroy(t);
}

static void liars_leave_room_for_others(void **state)
{
	struct bind_table *t = table(64);
	struct dp_endpoint e;

	claim(t, (struct who){HOST_A, 1, 0}, 0, NULL);
	for (unsigned i = 0; i < 2000; i++)
		claim(t, (struct who){HOST_A, 2, 1}, 0, NULL);
	claim(t, (struct who){HOST_B, 3, 1}, 0, NULL);
	assert_int_equal(next_event(t, &e), DP_ENDPOINT_NEW);
	for (unsigned i = 0; i < BIND_SPOOFS_PER_S; i++)
		assert_int_equal(next_event(t, &e), DP_ENDPOINT_SPOOF);
	assert_int_equal(next_event(t, &e), DP_ENDPOINT_NEW);
	assert_int_equal(e.mac[5], 3);
	bind_destroy(t);
}

static void identity_goes_to_the_live_place_only(void **state)
{
	struct bind_table *t = table(64);
	struct dp_binding here = said((struct who){HOST_A, 1, 0}, 20),
			  there = said((struct who){HOST_A, 1, 1}, 21);
	struct dp_binding else_mac = said((struct who){HOST_A, 2, 0}, 22), newer = here, gone = here;
	uint32_t h;

	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0}, 0, &h), REASON_NONE);
	assert_int_equal(bind_update(t, &there, DICT, at(0)), -ESTALE);
	assert_int_equal(bind_update(t, &else_mac, DICT, at(0)), -ESTALE);
	newer.dictionary = DICT + 1;
	assert_int_equal(bind_update(t, &newer, DICT, at(0)), -ESTALE);
	assert_int_equal(slot(t, h)->identity, IDENTITY_UNKNOWN);
	assert_int_equal(bind_update(t, &here, DICT, at(0)), 0);
	assert_int_equal(slot(t, h)->identity, 20);
	else_mac.flags = gone.flags = DP_BINDING_GONE;
	assert_int_equal(bind_update(t, &else_mac, DICT, at(0)), -ESTALE);
	assert_int_equal(find(t, HOST_A, 0), h);
	assert_int_equal(bind_update(t, &gone, DICT, at(0)), 0);
	assert_int_equal(find(t, HOST_A, 0), BIND_NONE);
	bind_destroy(t);
}

static void nonsense_is_refused(void **state)
{
	struct bind_table *t = table(1);
	struct dp_binding b = said((struct who){HOST_A, 1, 0}, 20), bad = b;

	bad.family = 5;
	assert_int_equal(bind_update(t, &bad, DICT, at(0)), -EINVAL);
	bad = b;
	bad.port = ENGINE_PORTS_MAX;
	assert_int_equal(bind_update(t, &bad, DICT, at(0)), -EINVAL);
	bad = b;
	bad.mac[0] = 1;
	assert_int_equal(bind_update(t, &bad, DICT, at(0)), -EINVAL);
	assert_int_equal(bind_update(t, &b, DICT, at(0)), 0);
	b = said((struct who){HOST_B, 2, 0}, 20);
	assert_int_equal(bind_update(t, &b, DICT, at(0)), -ENOSPC);
	bind_destroy(t);
}

static void snapshot_replaces(void **state)
{
	struct bind_table *t = table(64);
	struct dp_binding first[2] = {said((struct who){HOST_A, 1, 0}, 20),
				      said((struct who){HOST_B, 2, 0}, 21)};
	struct dp_binding second[3] = {said((struct who){HOST_A, 1, 0}, 30),
				       said((struct who){"10.0.0.4", 4, 0}, 31),
				       said((struct who){"10.0.0.5", 5, 0}, 32)};
	uint32_t learned, a, epoch;

	second[2].dictionary = DICT + 1;
	bind_replace(t, first, 2, DICT, at(0));
	assert_int_equal(claim(t, (struct who){"10.0.0.3", 3, 0}, 0, &learned), REASON_NONE);
	a = find(t, HOST_A, 0);
	epoch = slot(t, a)->epoch;
	bind_replace(t, second, 3, DICT, at(0));
	assert_int_equal(find(t, HOST_A, 0), a);
	assert_int_equal(slot(t, a)->identity, 30);
	assert_int_not_equal(slot(t, a)->epoch, epoch);
	assert_int_equal(find(t, HOST_B, 0), BIND_NONE);
	assert_int_equal(find(t, "10.0.0.3", 0), learned);
	assert_int_equal(slot(t, find(t, "10.0.0.4", 0))->identity, 31);
	assert_int_equal(slot(t, find(t, "10.0.0.5", 0))->identity, IDENTITY_UNKNOWN); /* numbered too new */
	bind_replace(t, NULL, 0, DICT, at(0));
	assert_int_equal(bind_count(t), 2); /* the learned one and the one without an identity */
	bind_destroy(t);
}

/* A snapshot made before the address changed hands must not give its identity to the new holder. */
static void snapshot_never_names_a_stranger(void **state)
{
	struct bind_table *t = table(64);
	struct dp_binding old = said((struct who){HOST_A, 1, 0}, 20);
	uint32_t h;

	assert_int_equal(claim(t, (struct who){HOST_A, 2, 1}, 0, &h), REASON_NONE);
	bind_replace(t, &old, 1, DICT, at(0));
	assert_int_equal(find(t, HOST_A, 0), h);
	assert_int_equal(slot(t, h)->identity, IDENTITY_UNKNOWN);
	assert_int_equal(slot(t, h)->port, 1);
	bind_destroy(t);
}

static void dump_gives_back(void **state)
{
	struct bind_table *t = table(64);
	struct dp_binding in = said((struct who){HOST_A, 1, 3}, 20), out[4];
	uint32_t cursor = 0;

	in.lease_s = 100;
	assert_int_equal(bind_update(t, &in, DICT, at(0)), 0);
	assert_int_equal(claim(t, (struct who){"fd00::7", 7, 2}, 0, NULL), REASON_NONE);
	assert_int_equal(bind_dump(t, &cursor, out, 1, at(S(40)).now_ns), 1);
	in.lease_s = 60;
	assert_memory_equal(&out[0], &in, sizeof(in));
	assert_int_equal(bind_dump(t, &cursor, out, 4, at(S(40)).now_ns), 1);
	assert_int_equal(out[0].dictionary, 0);
	assert_int_equal(out[0].identity, IDENTITY_UNKNOWN);
	assert_int_equal(out[0].lease_s, 260);
	assert_int_equal(bind_dump(t, &cursor, out, 4, at(S(40)).now_ns), 0);
	cursor = 0;
	assert_int_equal(bind_dump(t, &cursor, out, 4, at(S(LEASE)).now_ns), 0);
	bind_destroy(t);
}

static struct packet packet(const char *src, const char *dst, unsigned smac, unsigned dmac)
{
	struct packet p;
	struct frame f;
	struct pkt k;

	pkt_ether(&k, dmac, smac);
	pkt_ip(&k, src, dst);
	pkt_udp(&k, 1, 2);
	f = pkt_done(&k);
	parse_frame(&p, &f, PARSE_ETHERNET);
	p.key.domain = VLAN;
	return p;
}

static void sources(void **state)
{
	static const char *const impossible[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255",
						 HOST_B};
	struct bind_table *t = table(64);
	struct packet p = packet(HOST_A, HOST_B, 1, 2);
	uint32_t h;

	assert_int_equal(bind_source(t, &p, 0, at(0), &h), REASON_NONE);
	assert_int_equal(find(t, HOST_A, 0), h);
	for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
		p = packet(impossible[i], HOST_B, 1, 2);
		assert_int_equal(bind_source(t, &p, 0, at(0), &h), REASON_SPOOF);
	}
	p = packet("10.0.0.9", HOST_B, PKT_BROADCAST, 2);
	assert_int_equal(bind_source(t, &p, 0, at(0), &h), REASON_SPOOF);
	assert_int_equal(bind_count(t), 1);
	bind_destroy(t);
}

static void routes(void **state)
{
	struct bind_table *t = table(64);
	struct packet p = packet(HOST_A, HOST_B, 1, 2), wrong_mac = packet(HOST_A, HOST_B, 1, 3);
	uint32_t b, h;

	assert_int_equal(bind_route(t, &p, 0, at(0).now_ns, &h), REASON_NO_PORT);
	assert_int_equal(claim(t, (struct who){HOST_B, 2, 1}, 0, &b), REASON_NONE);
	assert_int_equal(bind_route(t, &p, 0, at(0).now_ns, &h), REASON_NONE);
	assert_int_equal(h, b);
	assert_int_equal(bind_route(t, &p, 1, at(0).now_ns, &h), REASON_SAME_PORT);
	assert_int_equal(bind_route(t, &wrong_mac, 0, at(0).now_ns, &h), REASON_NO_PORT);
	assert_int_equal(bind_route(t, &p, 0, at(S(LEASE)).now_ns, &h), REASON_NO_PORT);
	p.key.domain = VLAN + 1;
	assert_int_equal(bind_route(t, &p, 0, at(0).now_ns, &h), REASON_NO_PORT);
	bind_destroy(t);
}

static void mac_to_port(void **state)
{
	struct bind_table *t = table(64);
	uint8_t mac[6];
	uint32_t a, b;

	pkt_mac(mac, 1);
	assert_int_equal(bind_find_mac(t, VLAN, mac, at(0).now_ns), BIND_NONE);
	assert_int_equal(claim(t, (struct who){HOST_A, 1, 4}, 0, &a), REASON_NONE);
	assert_int_equal(claim(t, (struct who){"fe80::1", 1, 4}, S(200), &b), REASON_NONE);
	assert_int_equal(slot(t, bind_find_mac(t, VLAN, mac, at(0).now_ns))->port, 4);
	assert_int_equal(bind_find_mac(t, VLAN, mac, at(S(LEASE)).now_ns), b); /* the other one is over */
	bind_tick(t, at(S(LEASE)), 64);
	assert_int_equal(bind_find_mac(t, VLAN, mac, at(S(LEASE)).now_ns), b);
	assert_int_equal(bind_find_mac(t, VLAN + 1, mac, at(0).now_ns), BIND_NONE);
	bind_destroy(t);
}

/* An image with prefixes only. */
struct prefixes {
	struct image_header header;
	struct image_prefix4 p4[4];
	struct image_prefix6 p6[3];
};

static void identity_by_prefix(void **state)
{
	static const struct prefixes image = {
		.header = {.prefix4 = {offsetof(struct prefixes, p4), 4},
			   .prefix6 = {offsetof(struct prefixes, p6), 3}},
		.p4 = {{0, IDENTITY_WORLD, PREFIX_FINAL | PREFIX_OUTSIDE},
		       {0x0a000000, 20, PREFIX_FINAL},
		       {0x0a000100, 21, 0},
		       {0x0a000200, IDENTITY_WORLD, PREFIX_FINAL | PREFIX_OUTSIDE}},
		.p6 = {{0, 0, IDENTITY_UNKNOWN, PREFIX_FINAL, 0},
		       {0xfd00000000000000, 0, 30, PREFIX_FINAL, 0},
		       {0xfd00000000000000, 0x10000, 31, PREFIX_FINAL, 0}},
	};
	static const struct {
		const char *addr;
		bool outside;
		uint16_t identity;
	} rows[] = {
		{"9.255.255.255", true, IDENTITY_WORLD},
		{"9.255.255.255", false, IDENTITY_UNKNOWN},
		{"10.0.0.0", false, 20},
		{"10.0.0.255", true, 20},
		{"10.0.1.0", false, IDENTITY_UNKNOWN}, /* not final */
		{"10.0.2.0", true, IDENTITY_WORLD},
		{"255.255.255.255", true, IDENTITY_WORLD},
		{"::", false, IDENTITY_UNKNOWN},
		{"fd00::", false, 30},
		{"fd00::ffff", false, 30},
		{"fd00::1:0", false, 31},
		{"ffff::", false, 31},
	};
	static const struct prefixes empty;
	uint8_t addr[16], family;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		family = pkt_addr(addr, rows[i].addr);
		assert_int_equal(bind_prefix_identity(&image.header, family, addr, rows[i].outside),
				 rows[i].identity);
		assert_int_equal(bind_prefix_identity(&empty.header, family, addr, rows[i].outside),
				 IDENTITY_UNKNOWN);
		assert_int_equal(bind_prefix_identity(NULL, family, addr, rows[i].outside), IDENTITY_UNKNOWN);
	}
}

static void classified_beats_prefix(void **state)
{
	static const struct prefixes image = {
		.header = {.prefix4 = {offsetof(struct prefixes, p4), 1}},
		.p4 = {{0, 20, PREFIX_FINAL}},
	};
	struct bind_table *t = table(4);
	struct dp_binding b = said((struct who){HOST_A, 1, 0}, IDENTITY_CONFLICT);
	uint32_t h;

	assert_int_equal(claim(t, (struct who){HOST_A, 1, 0}, 0, &h), REASON_NONE);
	assert_int_equal(bind_identity(slot(t, h), &image.header, false), 20);
	assert_int_equal(bind_update(t, &b, DICT, at(0)), 0);
	assert_int_equal(bind_identity(slot(t, h), &image.header, false), IDENTITY_CONFLICT);
	bind_destroy(t);
}

/* A long random life against a plain array: same answers, and nothing leaks when all is over. */
struct shadow {
	uint64_t expires;
	unsigned mac;
	uint16_t port;
};

static void random_life_equals_shadow(void **state)
{
	enum { ADDRS = 200, STEPS = 20000 };
	static struct shadow shadow[ADDRS];
	struct bind_table *t = table(ADDRS);
	uint32_t seed = 1;
	char text[32];

	memset(shadow, 0, sizeof(shadow));
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i, mac;
		uint64_t now = S(step) / 10;
		bool holds;

		seed = seed * 1664525 + 1013904223;
		i = (seed >> 8) % ADDRS;
		mac = i / 8 + ((seed >> 20) % 8 == 0); /* mostly its own, sometimes the neighbour's */
		snprintf(text, sizeof(text), "10.9.0.%u", i);
		holds = shadow[i].expires > at(now).now_ns;
		assert_int_equal(find(t, text, now) != BIND_NONE, holds);
		if (claim(t, (struct who){text, mac, (uint16_t)(mac % 7)}, now, NULL) == REASON_NONE) {
			assert_true(!holds || shadow[i].mac == mac);
			shadow[i] = (struct shadow){at(now).now_ns + S(LEASE), mac, (uint16_t)(mac % 7)};
		} else {
			assert_true(holds ? shadow[i].mac != mac : true);
		}
		if (holds && shadow[i].mac == mac)
			assert_int_equal(slot(t, find(t, text, now))->port, mac % 7);
		bind_tick(t, at(now), 1);
	}
	bind_tick(t, at(S(STEPS)), ADDRS);
	assert_int_equal(bind_count(t), 0);
	bind_destroy(t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_come_holds),
		cmocka_unit_test(others_are_refused_and_told),
		cmocka_unit_test(domains_are_apart),
		cmocka_unit_test(lease_ends_by_itself),
		cmocka_unit_test(moved_after_the_lease),
		cmocka_unit_test(sweep_reports_and_frees),
		cmocka_unit_test(confirm_is_strict),
		cmocka_unit_test(static_never_expires),
		cmocka_unit_test(sixteen_per_mac),
		cmocka_unit_test(oldest_idle_ipv6_makes_room),
		cmocka_unit_test(limit_per_port),
		cmocka_unit_test(limit_in_all),
		cmocka_unit_test(events_are_bounded),
		cmocka_unit_test(liars_leave_room_for_others),
		cmocka_unit_test(identity_goes_to_the_live_place_only),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(snapshot_replaces),
		cmocka_unit_test(snapshot_never_names_a_stranger),
		cmocka_unit_test(dump_gives_back),
		cmocka_unit_test(sources),
		cmocka_unit_test(routes),
		cmocka_unit_test(mac_to_port),
		cmocka_unit_test(identity_by_prefix),
		cmocka_unit_test(classified_beats_prefix),
		cmocka_unit_test(random_life_equals_shadow),
	};

	return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}
