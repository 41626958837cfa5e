/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extension headers. The walk is bounded, a header may not come where or as often as it must not, and a
 * routing header that still has somewhere to go is refused like IPv4 source routing: the destination would
 * not be the one that policy was asked about.
 */
#include "parse_inside.h"

#define EXT_HEADERS_MAX 8u
#define EXT_BYTES_MAX   256u

/* Options that would make the receiver see another length, or another source, than we did. */
enum { JUMBO_PAYLOAD = 0xc2, HOME_ADDRESS = 0xc9 };

static enum reason ext_options(const uint8_t *at, uint32_t size)
{
	for (uint32_t i = 2; i < size; i++) {
		if (at[i] == 0) /* Pad1 */
			continue;
		if (i + 1 >= size || i + 2 + at[i + 1] > size || at[i] == JUMBO_PAYLOAD ||
		    at[i] == HOME_ADDRESS)
			return REASON_EXT_HEADER;
		i += 1 + at[i + 1];
	}
	return REASON_NONE;
}

static enum reason ext_one(const uint8_t *at, uint32_t size, uint8_t proto, uint32_t n, uint32_t *seen)
{
	if (proto == PROTO_ROUTING) {
		if ((*seen & 1) || at[2] == 0 || at[3] != 0)
			return REASON_EXT_HEADER;
		*seen |= 1;
		return REASON_NONE;
	}
	if (proto == PROTO_HOP_BY_HOP && n != 0)
		return REASON_EXT_HEADER;
	if (proto == PROTO_DEST_OPTS) {
		*seen += 2;
		if (*seen >= 6) /* a third one */
			return REASON_EXT_HEADER;
	}
	return ext_options(at, size);
}

enum reason parse_ext(const struct bytes *b, uint32_t *off, uint32_t end, uint8_t *proto)
{
	uint32_t start = *off, seen = 0;

	for (uint32_t n = 0;; n++) {
		enum reason r;
		uint32_t size;

		if (*proto == PROTO_FRAGMENT)
			return REASON_FRAGMENT;
		if (*proto == PROTO_NONE)
			return REASON_PROTO;
		if (*proto != PROTO_HOP_BY_HOP && *proto != PROTO_ROUTING && *proto != PROTO_DEST_OPTS)
			return REASON_NONE;
		r = has(b, *off, 8, end, REASON_EXT_HEADER);
		if (r != REASON_NONE)
			return r;
		size = (b->data[*off + 1] + 1u) * 8;
		if (n == EXT_HEADERS_MAX || *off + size - start > EXT_BYTES_MAX)
			return REASON_EXT_HEADER;
		r = has(b, *off, size, end, REASON_EXT_HEADER);
		if (r == REASON_NONE)
			r = ext_one(b->data + *off, size, *proto, n, &seen);
		if (r != REASON_NONE)
			return r;
		*proto = b->data[*off];
		*off += size;
	}
}
