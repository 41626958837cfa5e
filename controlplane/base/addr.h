/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses as text and bytes. `family` is 4 or 6; an address is 16 bytes in network order, of which IPv4
 * uses the first four and leaves the rest zero. Printing follows RFC 5952. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_TEXT 64u /* room for any address or prefix */
#define MAC_TEXT  18u

/* Kinds of address that identity must tell apart. */
enum addr_kind {
	ADDR_UNICAST,
	ADDR_LOCAL, /* unspecified, loopback, link-local: no prefix speaks of it */
	ADDR_GROUP, /* multicast and the IPv4 broadcast address */
};

static inline unsigned addr_bits(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

/* Family of the address that was read, 0 if it is none. */
uint8_t addr_parse(const char *text, uint8_t addr[16]);
/* `address/length` or an address alone (full length). Bits beyond the length are kept as written. */
bool addr_parse_prefix(const char *text, uint8_t *family, uint8_t addr[16], uint8_t *len);
/* `buffer`, for use in calls. */
char *addr_print(uint8_t family, const uint8_t addr[16], char *buffer, size_t room);
char *addr_print_prefix(uint8_t family, const uint8_t addr[16], uint8_t len, char *buffer, size_t room);

enum addr_kind addr_kind(uint8_t family, const uint8_t addr[16]);
/* Whether the first `len` bits are equal. */
bool addr_in_prefix(const uint8_t addr[16], const uint8_t prefix[16], uint8_t len);
/* Clear or set all bits beyond `len`: a prefix's first and last address. */
void addr_first(uint8_t family, uint8_t addr[16], uint8_t len);
void addr_last(uint8_t family, uint8_t addr[16], uint8_t len);

/* Six pairs of hex digits with `:` or `-` between them. */
bool mac_parse(const char *text, uint8_t mac[6]);
char *mac_print(const uint8_t mac[6], char *buffer, size_t room);
