/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One's complement addition is associative and independent of byte order, so eight bytes are added at a time
 * and folded once at the end.
 */
#include "checksum.h"

#include <string.h>

static uint64_t add_carry(uint64_t sum, uint64_t v)
{
	sum += v;
	return sum + (sum < v);
}

uint64_t checksum_add(uint64_t sum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint64_t v;

	for (; size >= sizeof(v); at += sizeof(v), size -= sizeof(v)) {
		memcpy(&v, at, sizeof(v));
		sum = add_carry(sum, v);
	}
	v = 0;
	memcpy(&v, at, size);
	return add_carry(sum, v);
}

uint64_t checksum_pseudo(const void *src, const void *dst, size_t addr_size, uint8_t proto, uint32_t l4_len)
{
	uint32_t tail[2] = {__builtin_bswap32(l4_len), __builtin_bswap32(proto)};
	uint64_t sum = checksum_add(0, src, addr_size);

	sum = checksum_add(sum, dst, addr_size);
	return checksum_add(sum, tail, sizeof(tail));
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
