/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions as stories: each step is who sends what, and the state after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "state.h"

enum { S = PACKET_TCP_SYN, A = PACKET_TCP_ACK, F = PACKET_TCP_FIN, R = PACKET_TCP_RST };
enum { I = 0, P = 1 }; /* initiator, responder */

struct step {
	uint8_t from, flags;
	enum state_id after;
};

struct story {
	const char *name;
	struct step step[9];
};

static const struct story stories[] = {
	{"open and close by the initiator",
	 {{P, S | A, STATE_SYN_RECV},
	  {I, A, STATE_ESTABLISHED},
	  {P, A, STATE_ESTABLISHED},
	  {I, F | A, STATE_FIN_FROM},
	  {P, A, STATE_FIN_FROM},
	  {P, F | A, STATE_TIME_WAIT},
	  {I, A, STATE_TIME_WAIT},
	  {I, S, STATE_REOPEN}}},
	{"close by the responder",
	 {{P, S | A, STATE_SYN_RECV},
	  {I, A, STATE_ESTABLISHED},
	  {P, F | A, STATE_FIN_TO},
	  {I, A, STATE_FIN_TO},
	  {I, F | A, STATE_TIME_WAIT},
	  {P, S, STATE_REOPEN}}},
	{"both close at once",
	 {{P, S | A, STATE_SYN_RECV},
	  {I, A, STATE_ESTABLISHED},
	  {I, F | A, STATE_FIN_FROM},
	  {P, F | A, STATE_TIME_WAIT}}},
	{"refused by the responder",
	 {{P, R | A, STATE_CLOSED}, {P, R | A, STATE_CLOSED}, {I, A, STATE_CLOSED}, {I, S, STATE_REOPEN}}},
	{"taken back by the initiator",
	 {{I, R, STATE_CLOSED}, {P, S | A, STATE_CLOSED}, {P, S, STATE_REOPEN}}},
	{"retransmissions change nothing",
	 {{I, S, STATE_SYN_SENT},
	  {P, S | A, STATE_SYN_RECV},
	  {P, S | A, STATE_SYN_RECV},
	  {I, S, STATE_SYN_RECV},
	  {I, A, STATE_ESTABLISHED},
	  {P, S | A, STATE_ESTABLISHED}}},
	{"a SYN inside is passed on",
	 {{P, S | A, STATE_SYN_RECV},
	  {I, A, STATE_ESTABLISHED},
	  {P, S, STATE_ESTABLISHED},
	  {I, S, STATE_ESTABLISHED}}},
	{"simultaneous open",
	 {{P, S, STATE_SYN_BOTH},
	  {I, S | A, STATE_SYN_RECV},
	  {P, S | A, STATE_SYN_RECV},
	  {I, A, STATE_ESTABLISHED}}},
	{"an acknowledgement alone establishes nothing",
	 {{P, A, STATE_SYN_SENT},
	  {I, A, STATE_SYN_SENT},
	  {P, F | A, STATE_SYN_SENT},
	  {P, 0, STATE_SYN_SENT}}},
	{"the responder cannot establish for the initiator",
	 {{P, S | A, STATE_SYN_RECV}, {P, A, STATE_SYN_RECV}, {P, F | A, STATE_FIN_TO}}},
	{"reset in mid-session and while closing",
	 {{P, S | A, STATE_SYN_RECV},
	  {I, A, STATE_ESTABLISHED},
	  {I, F | A, STATE_FIN_FROM},
	  {P, R, STATE_CLOSED}}},
	{"a reset with every other flag is a reset", {{P, R | S | F | A, STATE_CLOSED}}},
};

static void tcp_stories(void **state)
{
	for (size_t s = 0; s < sizeof(stories) / sizeof(*stories); s++) {
		enum state_id at = STATE_SYN_SENT;

		for (const struct step *step = stories[s].step; step->after; step++) {
			struct packet p = {.kind = PACKET_TCP, .tcp_flags = step->flags};
			enum state_id next = state_next(at, step->from, &p);

			if (next != step->after)
				fail_msg("%s, step %d: %s", stories[s].name,
					 (int)(step - stories[s].step) + 1, state_word(next));
			at = next;
		}
	}
}

static void every_cell_of_the_table_is_a_state(void **state)
{
	for (int at = STATE_SYN_SENT; at <= STATE_CLOSED; at++)
		for (int back = 0; back < 2; back++)
			for (int flags = 0; flags < 32; flags++) {
				struct packet p = {.kind = PACKET_TCP, .tcp_flags = (uint8_t)flags};
				enum state_id next = state_next((enum state_id)at, back, &p);

				assert_true(next == STATE_REOPEN ||
					    (next >= STATE_SYN_SENT && next <= STATE_CLOSED));
				/* only a pure SYN after the end begins anew */
				if (next == STATE_REOPEN)
					assert_true(state_is_over((enum state_id)at) && state_opens(&p));
			}
}

static void udp_is_answered_once_from_the_other_side(void **state)
{
	const struct packet p = {.kind = PACKET_UDP};

	assert_int_equal(state_first(&p), STATE_UDP_FIRST);
	assert_int_equal(state_next(STATE_UDP_FIRST, I, &p), STATE_UDP_FIRST);
	assert_int_equal(state_next(STATE_UDP_FIRST, P, &p), STATE_UDP_ANSWERED);
	assert_int_equal(state_next(STATE_UDP_ANSWERED, I, &p), STATE_UDP_ANSWERED);
}

static void who_may_open(void **state)
{
	static const struct {
		uint8_t kind, flags;
		bool opens;
	} cases[] = {
		{PACKET_TCP, S, true},        {PACKET_TCP, S | A, false},    {PACKET_TCP, S | F, false},
		{PACKET_TCP, S | R, false},   {PACKET_TCP, A, false},        {PACKET_TCP, 0, false},
		{PACKET_TCP, S | 0x08, true}, {PACKET_TCP, S | 0xc0, true},  {PACKET_UDP, 0, true},
		{PACKET_ECHO, 0, true},       {PACKET_ECHO_REPLY, 0, false}, {PACKET_ICMP_ERROR, 0, false},
		{PACKET_ICMP, 0, true},       {PACKET_PROTO, 0, true},       {PACKET_NOTHING, 0, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct packet p = {.kind = cases[i].kind, .tcp_flags = cases[i].flags};

		assert_int_equal(state_opens(&p), cases[i].opens);
	}
}

static void only_some_packets_need_their_checksum(void **state)
{
	struct packet p = {.kind = PACKET_TCP, .tcp_flags = A};

	assert_false(state_needs_sum(&p));
	for (uint8_t flag = 1; flag <= R; flag <<= 1) {
		p.tcp_flags = flag | A;
		assert_true(state_needs_sum(&p));
	}
	p.kind = PACKET_UDP;
	assert_false(state_needs_sum(&p));
}

static void each_state_has_its_timeout(void **state)
{
	const struct engine_timeouts t = {1, 2, 3, 4, 5, 6, 7};
	const struct engine_timeouts huge = {UINT32_MAX, UINT32_MAX, 1, 1, 1, 1, 1};
	uint32_t ms[STATE_COUNT];

	state_timeouts(&t, ms);
	assert_int_equal(ms[STATE_SYN_SENT], 1000);
	assert_int_equal(ms[STATE_SYN_BOTH], 1000);
	assert_int_equal(ms[STATE_SYN_RECV], 1000);
	assert_int_equal(ms[STATE_ESTABLISHED], 2000);
	assert_int_equal(ms[STATE_FIN_FROM], 3000);
	assert_int_equal(ms[STATE_FIN_TO], 3000);
	assert_int_equal(ms[STATE_TIME_WAIT], 3000);
	assert_int_equal(ms[STATE_CLOSED], 3000);
	assert_int_equal(ms[STATE_UDP_FIRST], 4000);
	assert_int_equal(ms[STATE_UDP_ANSWERED], 5000);
	assert_int_equal(ms[STATE_ICMP], 6000);
	state_timeouts(&huge, ms);
	assert_int_equal(ms[STATE_ESTABLISHED], INT32_MAX);
	assert_false(state_refreshes(STATE_TIME_WAIT));
	assert_false(state_refreshes(STATE_CLOSED));
	assert_true(state_refreshes(STATE_FIN_FROM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_stories),
		cmocka_unit_test(every_cell_of_the_table_is_a_state),
		cmocka_unit_test(udp_is_answered_once_from_the_other_side),
		cmocka_unit_test(who_may_open),
		cmocka_unit_test(only_some_packets_need_their_checksum),
		cmocka_unit_test(each_state_has_its_timeout),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
