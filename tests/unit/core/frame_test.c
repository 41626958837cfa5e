/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame_retag(): every way from (tagged or not) to (tag or none). What follows the tag must not change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "packet.h"
#include "parse.h"

static struct frame made(struct pkt *k, int tci)
{
	pkt_ether(k, 2, 1);
	if (tci >= 0)
		pkt_tag(k, 0x8100, (uint16_t)tci);
	pkt_ip(k, "10.0.0.1", "10.0.0.2");
	pkt_udp(k, 1000, 53);
	pkt_zeros(k, 9);
	return pkt_done(k);
}

static struct packet parsed(struct frame *f)
{
	struct packet p;

	parse_frame(&p, f, PARSE_ETHERNET);
	assert_int_equal(p.reason, REASON_NONE);
	return p;
}

static void check(int tci_in, uint16_t vid, int tci_out)
{
	struct pkt k, want;
	struct frame f = made(&k, tci_in), w = made(&want, tci_out);
	struct packet p = parsed(&f);

	assert_int_equal(f.tag_len, tci_in >= 0 ? 4 : 0);
	frame_retag(&f, vid);
	assert_int_equal(f.len, w.len);
	assert_int_equal(f.wire_len, w.wire_len);
	assert_memory_equal(f.data, w.data, w.len);
	p = parsed(&f);
	assert_int_equal(p.vlan, vid);
	assert_int_equal(f.tag_len, tci_out >= 0 ? 4 : 0);
}

static void untagged_stays(void **state)
{
	check(-1, 0, -1);
}

static void push(void **state)
{
	check(-1, 4094, 4094);
	check(-1, 10, 10);
}

static void pop(void **state)
{
	check(10, 0, -1);
	check(0xe000, 0, -1);
}

static void rewrite_keeps_priority(void **state)
{
	check(0xf000 | 10, 4000, 0xf000 | 4000);
	check(0xa000, 300, 0xa000 | 300);
	check(0xb000 | 4094, 1, 0xb001);
}

static void there_and_back(void **state)
{
	struct pkt k, want;
	struct frame f = made(&k, -1), w = made(&want, -1);

	parsed(&f);
	frame_retag(&f, 77);
	frame_retag(&f, 0);
	assert_int_equal(f.len, w.len);
	assert_memory_equal(f.data, w.data, w.len);
}

static void too_short_to_have_addresses(void **state)
{
	uint8_t bytes[16] = {1, 2, 3};
	struct frame f = {.data = bytes + 4, .len = 11, .wire_len = 11};

	frame_retag(&f, 5);
	assert_int_equal(f.len, 11);
	assert_ptr_equal(f.data, bytes + 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(untagged_stays),
		cmocka_unit_test(push),
		cmocka_unit_test(pop),
		cmocka_unit_test(rewrite_keeps_priority),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(too_short_to_have_addresses),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
