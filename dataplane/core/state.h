/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a packet does to its session (wire rules 17 to 19): TCP by a table of state, direction and flags,
 * everything else by whether it was answered. Pure: no clock, no memory, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"
#include "parse.h"

enum state_id {
	STATE_NONE = 0, /* no session */
	STATE_SYN_SENT, /* the initiator's SYN was seen */
	STATE_SYN_BOTH, /* simultaneous open: a SYN from each side */
	STATE_SYN_RECV, /* SYN and ACK seen, not yet acknowledged */
	STATE_ESTABLISHED,
	STATE_FIN_FROM,  /* the initiator has closed its half */
	STATE_FIN_TO,    /* the responder has */
	STATE_TIME_WAIT, /* both have */
	STATE_CLOSED,    /* a reset was accepted */
	STATE_UDP_FIRST, /* not answered yet; also protocols that only a named service lets in */
	STATE_UDP_ANSWERED,
	STATE_ICMP,
	STATE_COUNT,
	STATE_REOPEN, /* only as an answer: the packet begins a new session with the same key */
};

/* Does the packet need a good L4 checksum before it may change this state? (Wire rule 20.) */
bool state_needs_sum(const struct packet *p);
/* The state of a session that this packet opens. */
enum state_id state_first(const struct packet *p);
/* May this packet open a session, as far as its own bytes tell? ICMP types and protocols are for the image.
 */
bool state_opens(const struct packet *p);
/* State after a packet in direction `back` (1: from the responder), or STATE_REOPEN. */
enum state_id state_next(enum state_id state, bool back, const struct packet *p);
/* Do packets in this state keep the session alive? After the end they do not. */
bool state_refreshes(enum state_id state);
bool state_is_over(enum state_id state);
/* Milliseconds without a packet after which a session in state i is over. */
void state_timeouts(const struct engine_timeouts *t, uint32_t out_ms[STATE_COUNT]);
const char *state_word(enum state_id state);
