/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses as text and bytes, over inet_pton() and inet_ntop(), which know the RFC 5952 form.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

uint8_t addr_parse(const char *text, uint8_t addr[16])
{
	memset(addr, 0, 16);
	if (inet_pton(AF_INET, text, addr) == 1)
		return 4;
	return inet_pton(AF_INET6, text, addr) == 1 ? 6 : 0;
}

/* A prefix length without sign, space or leading zero. */
static bool parse_length(const char *text, unsigned max, uint8_t *len)
{
	unsigned value = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return false;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > max)
			return false;
	}
	*len = (uint8_t)value;
	return true;
}

bool addr_parse_prefix(const char *text, uint8_t *family, uint8_t addr[16], uint8_t *len)
{
	const char *slash = strchr(text, '/');
	char head[ADDR_TEXT];
	size_t n = slash ? (size_t)(slash - text) : strlen(text);

	if (n >= sizeof(head))
		return false;
	memcpy(head, text, n);
	head[n] = '\0';
	*family = addr_parse(head, addr);
	if (!*family)
		return false;
	*len = (uint8_t)addr_bits(*family);
	return !slash || parse_length(slash + 1, addr_bits(*family), len);
}

char *addr_print(uint8_t family, const uint8_t addr[16], char *buffer, size_t room)
{
	if (!inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, buffer, (socklen_t)room) && room)
		buffer[0] = '\0';
	return buffer;
}

char *addr_print_prefix(uint8_t family, const uint8_t addr[16], uint8_t len, char *buffer, size_t room)
{
	char text[ADDR_TEXT];

	snprintf(buffer, room, "%s/%u", addr_print(family, addr, text, sizeof(text)), len);
	return buffer;
}

bool addr_in_prefix(const uint8_t addr[16], const uint8_t prefix[16], uint8_t len)
{
	unsigned whole = len / 8, rest = len % 8;

	if (memcmp(addr, prefix, whole) != 0)
		return false;
	return !rest || (addr[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

struct kind_prefix {
	uint8_t family, len;
	enum addr_kind kind;
	uint8_t prefix[16];
};

static const struct kind_prefix kinds[] = {
	{4, 32, ADDR_LOCAL, {0}},
	{4, 8, ADDR_LOCAL, {127}},
	{4, 16, ADDR_LOCAL, {169, 254}},
	{4, 4, ADDR_GROUP, {224}},
	{4, 32, ADDR_GROUP, {255, 255, 255, 255}},
	{6, 128, ADDR_LOCAL, {0}},
	{6, 128, ADDR_LOCAL, {[15] = 1}},
	{6, 10, ADDR_LOCAL, {0xfe, 0x80}},
	{6, 8, ADDR_GROUP, {0xff}},
};

enum addr_kind addr_kind(uint8_t family, const uint8_t addr[16])
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].family == family && addr_in_prefix(addr, kinds[i].prefix, kinds[i].len))
			return kinds[i].kind;
	return ADDR_UNICAST;
}

static void fill_tail(uint8_t family, uint8_t addr[16], uint8_t len, uint8_t with)
{
	unsigned size = addr_bits(family) / 8, whole = len / 8;
	uint8_t tail = (uint8_t)(0xff >> len % 8);

	if (whole >= size)
		return;
	addr[whole] = (uint8_t)((addr[whole] & ~tail) | (with & tail));
	memset(addr + whole + 1, with, size - whole - 1);
}

void addr_first(uint8_t family, uint8_t addr[16], uint8_t len)
{
	fill_tail(family, addr, len, 0);
}

void addr_last(uint8_t family, uint8_t addr[16], uint8_t len)
{
	fill_tail(family, addr, len, 0xff);
}

static int hex_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mac_parse(const char *text, uint8_t mac[6])
{
	if (strlen(text) != MAC_TEXT - 1)
		return false;
	for (unsigned i = 0; i < 6; i++, text += 3) {
		int high = hex_value(text[0]), low = hex_value(text[1]);

		if (high < 0 || low < 0 || (i < 5 && text[2] != ':' && text[2] != '-'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

char *mac_print(const uint8_t mac[6], char *buffer, size_t room)
{
	snprintf(buffer, room, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	return buffer;
}
