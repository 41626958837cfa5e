/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses as text. inet_ntop() formats through printf, which would be a third of the reader's time, and it
 * writes some IPv6 addresses with an IPv4 tail that RFC 5952 leaves to known prefixes.
 */
#include "text.h"

#include <stdbool.h>

static const char hex_digits[] = "0123456789abcdef";

static char *put_decimal(char *at, uint8_t v)
{
	if (v >= 100)
		*at++ = (char)('0' + v / 100);
	if (v >= 10)
		*at++ = (char)('0' + v / 10 % 10);
	*at++ = (char)('0' + v % 10);
	return at;
}

static size_t address4_text(const uint8_t addr[4], char *out)
{
	char *at = out;

	for (int i = 0; i < 4; i++) {
		if (i)
			*at++ = '.';
		at = put_decimal(at, addr[i]);
	}
	*at = 0;
	return (size_t)(at - out);
}

static char *put_group(char *at, unsigned v)
{
	int shift = v > 0xfff ? 12 : v > 0xff ? 8 : v > 0xf ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		*at++ = hex_digits[v >> shift & 15];
	return at;
}

/* The longest run of two or more zero groups, the first of equals. */
static int longest_zeros(const unsigned group[8], int *length)
{
	int best = -1;

	*length = 1;
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && !group[i + n])
			n++;
		if (n > *length) {
			best = i;
			*length = n;
		}
		if (n)
			i += n - 1;
	}
	return best;
}

static size_t address6_text(const uint8_t addr[16], char *out)
{
	unsigned group[8];
	int zeros, length;
	char *at = out;

	for (int i = 0; i < 8; i++)
		group[i] = (unsigned)addr[2 * i] << 8 | addr[2 * i + 1];
	zeros = longest_zeros(group, &length);
	for (int i = 0; i < 8; i++) {
		if (i == zeros) {
			*at++ = ':';
			*at++ = ':';
			i += length - 1;
			continue;
		}
		if (at != out && at[-1] != ':')
			*at++ = ':';
		at = put_group(at, group[i]);
	}
	*at = 0;
	return (size_t)(at - out);
}

size_t address_text(uint8_t family, const uint8_t addr[16], char out[ADDRESS_TEXT])
{
	return family == 6 ? address6_text(addr, out) : address4_text(addr, out);
}

size_t mac_text(const uint8_t mac[6], char out[MAC_TEXT])
{
	char *at = out;

	for (int i = 0; i < 6; i++) {
		if (i)
			*at++ = ':';
		*at++ = hex_digits[mac[i] >> 4];
		*at++ = hex_digits[mac[i] & 15];
	}
	*at = 0;
	return (size_t)(at - out);
}
