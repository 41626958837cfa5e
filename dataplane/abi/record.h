/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow record: a verdict with a flow and a time. Fixed size, host byte order, written once by the worker
 * that decided, read by the control plane. Zero means "not known" in every reserved field, so later features
 * fill fields without moving them. Times are UTC in nanoseconds since 1970.
 */
#pragma once

#include <stdint.h>

#include "verdict.h"

enum record_type {
	/* decisions */
	RECORD_OPEN = 1,    /* a session was opened */
	RECORD_REFUSED = 2, /* a packet was refused by policy */
	RECORD_CHANGED = 3, /* a live session was decided again and its verdict or rule changed */
	/* updates */
	RECORD_UPDATE = 16, /* counters of a live session */
	RECORD_END = 17,    /* a session ended, with its final counters */
};

static inline int record_is_decision(unsigned type)
{
	return type >= RECORD_OPEN && type <= RECORD_CHANGED;
}

enum record_end {
	RECORD_END_NONE = 0,
	RECORD_END_CLOSED = 1, /* FIN on both sides, or an accepted RST */
	RECORD_END_TIMEOUT = 2,
	RECORD_END_REVOKED = 3, /* cut by a change: see revoked_by */
	RECORD_END_SHUTDOWN = 4,
};

enum record_family { RECORD_IPV4 = 4, RECORD_IPV6 = 6 };

struct record {
	uint64_t session;    /* worker << 56 | counter; 0 for a refused packet */
	int64_t first_ns;    /* first packet */
	int64_t last_ns;     /* last packet; the decision's time for RECORD_OPEN, REFUSED and CHANGED */
	uint64_t packets[2]; /* [0] initiator -> responder, [1] back */
	uint64_t bytes[2];   /* IP lengths */

	uint8_t src[16]; /* initiator; IPv4 in the first four bytes, network order */
	uint8_t dst[16]; /* responder */
	uint16_t sport;  /* host order; ICMP echo: identifier */
	uint16_t dport;  /* host order; ICMP: type << 8 | code */
	uint8_t family;  /* enum record_family */
	uint8_t proto;
	uint16_t domain; /* VLAN id of the broadcast domain; 0 in tap mode without a tag */

	uint16_t src_identity;
	uint16_t dst_identity;
	uint16_t in_port; /* index; UINT16_MAX unknown */
	uint16_t out_port;
	uint8_t src_mac[6];
	uint8_t dst_mac[6];

	uint32_t generation;
	rule_ref rule;
	rule_ref intended_rule;
	rule_ref old_rule; /* RECORD_CHANGED: what decided before */
	uint8_t type;      /* enum record_type */
	uint8_t verdict;   /* enum verdict, enforced */
	uint8_t intended;  /* enum verdict */
	uint8_t reason;    /* enum reason */
	uint8_t intended_reason;
	uint8_t end; /* enum record_end */
	uint8_t old_verdict;
	uint8_t tcp_state;

	/* reserved for what comes later; 0 until then */
	uint16_t obligations;
	uint8_t posture_state, posture_source;
	uint32_t posture_age_s;
	uint8_t enc_class;
	uint8_t draft_verdict;
	uint16_t tls_version;
	uint32_t revoked_by;
	uint8_t reserved[36];
};

_Static_assert(sizeof(struct record) == 192, "records are three cache lines");
