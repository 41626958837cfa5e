/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the parser share. Offsets are from the start of the frame. `len` bounds what may be read,
 * `end` is where the IP packet ends by its own length (it may lie beyond `len` in a cut capture, never beyond
 * the wire). Nothing is read before has() or reaches() said yes. Included by parse*.c only.
 */
#pragma once

#include "parse.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define IP4_HEADER 20u
#define IP6_HEADER 40u

enum {
	PROTO_HOP_BY_HOP = 0,
	PROTO_ICMP = 1,
	PROTO_IGMP = 2,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_ICMPV6 = 58,
	PROTO_NONE = 59,
	PROTO_DEST_OPTS = 60,
};

struct bytes {
	const uint8_t *data;
	uint32_t len; /* captured */
	uint32_t wire;
};

/* REASON_NONE if [off, off + size) lies inside the packet and was captured. */
static inline enum reason has(const struct bytes *b, uint32_t off, uint32_t size, uint32_t end,
			      enum reason malformed)
{
	if (likely(off + size <= b->len && off + size <= end))
		return REASON_NONE;
	return off + size > end ? malformed : REASON_TRUNCATED;
}

/* The same for a header that only the wire bounds. */
static inline enum reason reaches(const struct bytes *b, uint32_t off, uint32_t size)
{
	if (likely(off + size <= b->len))
		return REASON_NONE;
	return off + size > b->wire ? REASON_PARSE : REASON_TRUNCATED;
}

/* Walks IPv6 extension headers from *off on; *proto names the first one, in the end the L4 protocol at *off.
 */
enum reason parse_ext(const struct bytes *b, uint32_t *off, uint32_t end, uint8_t *proto);
/* ICMP of both families, at p->l4. */
enum reason parse_icmp(struct packet *p, const struct bytes *b, uint32_t end);
