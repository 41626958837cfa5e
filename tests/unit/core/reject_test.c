/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers to refused packets: parsed again and checked with the builder's own checksums.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet.h"
#include "reject.h"

struct answer {
	uint8_t bytes[REJECT_MAX];
	uint32_t len;
	struct packet request, packet;
	struct frame refused;
};

static void answer_to(struct answer *a, struct pkt *k, uint32_t captured)
{
	struct frame f = pkt_done(k);

	f.len = captured < f.len ? captured : f.len;
	parse_frame(&a->request, &f, PARSE_ETHERNET);
	a->refused = f;
	a->len = reject_build(&a->request, &f, a->bytes, sizeof(a->bytes));
	if (a->len == 0)
		return;
	f = (struct frame){.data = a->bytes, .len = a->len, .wire_len = a->len};
	parse_frame(&a->packet, &f, PARSE_ETHERNET);
	assert_int_equal(a->packet.reason, REASON_NONE);
	assert_true(pkt_sums_good(a->bytes, a->len));
	assert_memory_equal(a->packet.src_mac, a->request.dst_mac, 6);
	assert_memory_equal(a->packet.dst_mac, a->request.src_mac, 6);
	assert_memory_equal(a->packet.key.src, a->request.key.dst, 16);
	assert_memory_equal(a->packet.key.dst, a->request.key.src, 16);
	assert_int_equal(a->packet.hop_limit, 64);
	assert_int_equal(a->packet.tag_len, 0);
}

static void start(struct pkt *k, int family)
{
	pkt_ether(k, 2, 1);
	pkt_tag(k, 0x8100, 10);
	pkt_ip(k, family == 4 ? "10.0.0.1" : "fd00::1", family == 4 ? "10.0.0.2" : "fd00::2");
}

static void reset_for(struct answer *a, int family, uint8_t flags, uint32_t payload)
{
	struct pkt k;

	start(&k, family);
	pkt_tcp(&k, 1000, 443, flags, 0xfffffffe, 5000);
	pkt_zeros(&k, payload);
	answer_to(a, &k, UINT32_MAX);
}

static void reset_of_a_syn(void **state)
{
	struct answer a;

	for (int family = 4; family <= 6; family += 2) {
		reset_for(&a, family, PKT_SYN, 0);
		assert_int_equal(a.packet.kind, PACKET_TCP);
		assert_int_equal(a.packet.tcp_flags, PKT_RST | PKT_ACK);
		assert_int_equal(a.packet.seq, 0);
		assert_int_equal(a.packet.ack, 0xffffffff);
		assert_int_equal(a.packet.key.sport, 443);
		assert_int_equal(a.packet.key.dport, 1000);
	}
}

static void reset_counts_payload(void **state)
{
	struct answer a;

	reset_for(&a, 4, PKT_SYN, 7);
	assert_int_equal(a.packet.ack, 6); /* wraps */
}

static void reset_of_an_ack(void **state)
{
	struct answer a;

	reset_for(&a, 4, PKT_ACK | PKT_PSH, 9);
	assert_int_equal(a.packet.tcp_flags, PKT_RST);
	assert_int_equal(a.packet.seq, 5000);
	assert_int_equal(a.packet.ack, 0);
}

static void never_answer_a_reset(void **state)
{
	struct answer a;

	reset_for(&a, 4, PKT_RST, 0);
	assert_int_equal(a.len, 0);
	reset_for(&a, 6, PKT_RST | PKT_ACK, 0);
	assert_int_equal(a.len, 0);
}

static void prohibited_quotes_the_packet(void **state)
{
	struct answer a;
	struct pkt k;

	for (int family = 4; family <= 6; family += 2) {
		start(&k, family);
		pkt_udp(&k, 1000, 53);
		pkt_zeros(&k, 20);
		answer_to(&a, &k, UINT32_MAX);
		assert_int_equal(a.packet.kind, PACKET_ICMP_ERROR);
		assert_int_equal(a.packet.icmp_type, family == 4 ? 3 : 1);
		assert_int_equal(a.packet.icmp_code, family == 4 ? 13 : 1);
		assert_int_equal(a.packet.inner.sport, 1000);
		assert_int_equal(a.packet.inner.dport, 53);
		assert_int_equal(a.packet.payload, a.request.ip_len);
		assert_memory_equal(a.bytes + a.packet.l4 + 8, a.refused.data + a.request.l3,
				    a.request.ip_len);
	}
}

static void quote_is_bounded(void **state)
{
	struct answer a;
	struct pkt k;

	for (int family = 4; family <= 6; family += 2) {
		start(&k, family);
		pkt_udp(&k, 1000, 53);
		pkt_zeros(&k, 1400);
		answer_to(&a, &k, UINT32_MAX);
		assert_int_equal(a.packet.ip_len, family == 4 ? 576 : 1280);
		answer_to(&a, &k, 100); /* no more than was captured */
		assert_int_equal(a.packet.payload, 100 - 18);
	}
}

static void echo_request_is_answered(void **state)
{
	struct answer a;
	struct pkt k;

	start(&k, 4);
	pkt_icmp(&k, 8, 0, 0x00070001);
	answer_to(&a, &k, UINT32_MAX);
	assert_int_equal(a.packet.kind, PACKET_ICMP_ERROR);
	assert_int_equal(a.packet.inner.sport, 7);
}

static void other_icmp_is_not(void **state)
{
	static const uint8_t types[] = {0, 5, 13, 14};
	struct answer a;
	struct pkt k;

	for (size_t i = 0; i < sizeof(types); i++) {
		start(&k, 4);
		pkt_icmp(&k, types[i], 0, 0);
		answer_to(&a, &k, UINT32_MAX);
		assert_int_equal(a.len, 0);
	}
}

static void errors_are_not(void **state)
{
	struct answer a;
	struct pkt k, inner;

	start(&inner, 4);
	pkt_udp(&inner, 53, 1000);
	pkt_done(&inner);
	pkt_ether(&k, 2, 1);
	pkt_ip(&k, "10.0.0.2", "10.0.0.1");
	pkt_icmp(&k, 3, 3, 0);
	pkt_bytes(&k, inner.data + inner.l3, inner.len - inner.l3);
	answer_to(&a, &k, UINT32_MAX);
	assert_int_equal(a.request.kind, PACKET_ICMP_ERROR);
	assert_int_equal(a.len, 0);
}

static void groups_are_not(void **state)
{
	struct answer a;
	struct pkt k;

	pkt_ether(&k, PKT_BROADCAST, 1);
	pkt_ip(&k, "10.0.0.1", "10.0.0.2");
	pkt_udp(&k, 1, 2);
	answer_to(&a, &k, UINT32_MAX);
	assert_int_equal(a.len, 0);
	pkt_ether(&k, 2, 1);
	pkt_ip(&k, "10.0.0.1", "239.0.0.1");
	pkt_udp(&k, 1, 2);
	answer_to(&a, &k, UINT32_MAX);
	assert_int_equal(a.len, 0);
	pkt_ether(&k, 2, 1);
	pkt_ip(&k, "0.0.0.0", "10.0.0.2"); /* nobody to answer to */
	pkt_udp(&k, 1, 2);
	answer_to(&a, &k, UINT32_MAX);
	assert_int_equal(a.len, 0);
}

static void needs_room_and_layer_2(void **state)
{
	struct packet p;
	struct frame f;
	uint8_t out[REJECT_MAX];
	struct pkt k;

	start(&k, 4);
	pkt_udp(&k, 1, 2);
	f = pkt_done(&k);
	parse_frame(&p, &f, PARSE_ETHERNET);
	assert_int_equal(reject_build(&p, &f, out, REJECT_MAX - 1), 0);
	assert_int_not_equal(reject_build(&p, &f, out, REJECT_MAX), 0);
	f.data += 18;
	f.len = f.wire_len -= 18;
	parse_frame(&p, &f, PARSE_IP);
	assert_int_equal(p.reason, REASON_NONE);
	assert_int_equal(reject_build(&p, &f, out, REJECT_MAX), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_of_a_syn),
		cmocka_unit_test(reset_counts_payload),
		cmocka_unit_test(reset_of_an_ack),
		cmocka_unit_test(never_answer_a_reset),
		cmocka_unit_test(prohibited_quotes_the_packet),
		cmocka_unit_test(quote_is_bounded),
		cmocka_unit_test(echo_request_is_answered),
		cmocka_unit_test(other_icmp_is_not),
		cmocka_unit_test(errors_are_not),
		cmocka_unit_test(groups_are_not),
		cmocka_unit_test(needs_room_and_layer_2),
	};

	return cmocka_run_group_tests_name("reject", tests, NULL, NULL);
}
