/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071): one's complement sums over wire bytes, in wire order. Pure; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Adds `size` bytes to a running sum (start with 0). Only the last piece may have an odd size. */
uint64_t checksum_add(uint64_t sum, const void *bytes, size_t size);
/* The pseudo header of TCP, UDP and ICMPv6; `addr_size` is 4 or 16. */
uint64_t checksum_pseudo(const void *src, const void *dst, size_t addr_size, uint8_t proto, uint32_t l4_len);
/* The checksum field for this sum, to be stored as it is. 0 over a message with its checksum in place:
 * correct. */
uint16_t checksum_fold(uint64_t sum);
