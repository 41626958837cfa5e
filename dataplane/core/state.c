/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP table. A session follows what both hosts will believe, not what a strict reading allows: a SYN
 * inside a live session is passed on and changes nothing (the hosts answer it with a challenge ACK), a reset
 * ends it, and only after the end does a SYN, from either side, begin a new one.
 */
#include "state.h"

#include <stddef.h>

#define MS_PER_S 1000u

enum flag_case { CASE_ACK, CASE_SYN, CASE_SYN_ACK, CASE_FIN, CASE_RST, CASE_COUNT };

/* Column order of a row: ACK (or no flag at all), SYN, SYN+ACK, FIN, RST. Shorthands only for this table. */
#define S1 STATE_SYN_SENT
#define S2 STATE_SYN_BOTH
#define SR STATE_SYN_RECV
#define ES STATE_ESTABLISHED
#define FF STATE_FIN_FROM
#define FT STATE_FIN_TO
#define TW STATE_TIME_WAIT
#define CL STATE_CLOSED
#define RE STATE_REOPEN

static const uint8_t tcp_table[STATE_COUNT][2][CASE_COUNT] = {
	/*                    initiator               responder           */
	[STATE_SYN_SENT] = {{S1, S1, S1, S1, CL}, {S1, S2, SR, S1, CL}},
	[STATE_SYN_BOTH] = {{S2, S2, SR, S2, CL}, {S2, S2, SR, S2, CL}},
	[STATE_SYN_RECV] = {{ES, SR, ES, FF, CL}, {SR, SR, SR, FT, CL}},
	[STATE_ESTABLISHED] = {{ES, ES, ES, FF, CL}, {ES, ES, ES, FT, CL}},
	[STATE_FIN_FROM] = {{FF, FF, FF, FF, CL}, {FF, FF, FF, TW, CL}},
	[STATE_FIN_TO] = {{FT, FT, FT, TW, CL}, {FT, FT, FT, FT, CL}},
	[STATE_TIME_WAIT] = {{TW, RE, TW, TW, CL}, {TW, RE, TW, TW, CL}},
	[STATE_CLOSED] = {{CL, RE, CL, CL, CL}, {CL, RE, CL, CL, CL}},
};

#undef S1
#undef S2
#undef SR
#undef ES
#undef FF
#undef FT
#undef TW
#undef CL
#undef RE

struct state_trait {
	const char *word;
	size_t timeout; /* offset in struct engine_timeouts */
	bool refreshes, over;
};

#define TIMEOUT(field) offsetof(struct engine_timeouts, field)

static const struct state_trait trait[STATE_COUNT] = {
	[STATE_NONE] = {"none", TIMEOUT(tcp_syn), false, false},
	[STATE_SYN_SENT] = {"syn-sent", TIMEOUT(tcp_syn), true, false},
	[STATE_SYN_BOTH] = {"syn-both", TIMEOUT(tcp_syn), true, false},
	[STATE_SYN_RECV] = {"syn-recv", TIMEOUT(tcp_syn), true, false},
	[STATE_ESTABLISHED] = {"established", TIMEOUT(tcp_established), true, false},
	[STATE_FIN_FROM] = {"fin-from", TIMEOUT(tcp_closing), true, false},
	[STATE_FIN_TO] = {"fin-to", TIMEOUT(tcp_closing), true, false},
	[STATE_TIME_WAIT] = {"time-wait", TIMEOUT(tcp_closing), false, true},
	[STATE_CLOSED] = {"closed", TIMEOUT(tcp_closing), false, true},
	[STATE_UDP_FIRST] = {"udp-first", TIMEOUT(udp_first), true, false},
	[STATE_UDP_ANSWERED] = {"udp-answered", TIMEOUT(udp_answered), true, false},
	[STATE_ICMP] = {"icmp", TIMEOUT(icmp), true, false},
};

static enum flag_case flag_case(uint8_t flags)
{
	if (flags & PACKET_TCP_RST)
		return CASE_RST;
	if (flags & PACKET_TCP_FIN)
		return CASE_FIN;
	if (flags & PACKET_TCP_SYN)
		return flags & PACKET_TCP_ACK ? CASE_SYN_ACK : CASE_SYN;
	return CASE_ACK;
}

bool state_needs_sum(const struct packet *p)
{
	return p->kind == PACKET_TCP && (p->tcp_flags & (PACKET_TCP_SYN | PACKET_TCP_FIN | PACKET_TCP_RST));
}

bool state_opens(const struct packet *p)
{
	const uint8_t deciding = PACKET_TCP_SYN | PACKET_TCP_ACK | PACKET_TCP_FIN | PACKET_TCP_RST;

	if (p->kind == PACKET_TCP)
		return (p->tcp_flags & deciding) == PACKET_TCP_SYN;
	return p->kind != PACKET_NOTHING && p->kind != PACKET_ECHO_REPLY && p->kind != PACKET_ICMP_ERROR;
}

enum state_id state_first(const struct packet *p)
{
	switch (p->kind) {
	case PACKET_TCP:
		return STATE_SYN_SENT;
	case PACKET_ECHO:
	case PACKET_ICMP:
		return STATE_ICMP;
	default:
		return STATE_UDP_FIRST;
	}
}

enum state_id state_next(enum state_id state, bool back, const struct packet *p)
{
	if (p->kind == PACKET_TCP)
		return tcp_table[state][back][flag_case(p->tcp_flags)];
	return state == STATE_UDP_FIRST && back ? STATE_UDP_ANSWERED : state;
}

bool state_refreshes(enum state_id state)
{
	return trait[state].refreshes;
}

bool state_is_over(enum state_id state)
{
	return trait[state].over;
}

void state_timeouts(const struct engine_timeouts *t, uint32_t out_ms[STATE_COUNT])
{
	for (int i = 0; i < STATE_COUNT; i++) {
		const uint32_t *seconds =
			(const uint32_t *)(const void *)((const char *)t + trait[i].timeout);

		out_ms[i] = *seconds < INT32_MAX / MS_PER_S ? *seconds * MS_PER_S : INT32_MAX;
	}
}

const char *state_word(enum state_id state)
{
	return state < STATE_COUNT ? trait[state].word : "invalid";
}
