/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "inside.h"
#include "sets.h"
#include "text.h"

void text_add(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	const int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (t->failed || n < 0)
		return;
	if (t->n + (size_t)n + 1 > t->room) {
		const size_t room = (t->n + (size_t)n + 1) * 2;
		char *at = realloc(t->at, room);

		t->failed = !at;
		if (!at)
			return;
		t->at = at;
		t->room = room;
	}
	va_start(args, format);
	vsnprintf(t->at + t->n, t->room - t->n, format, args);
	va_end(args);
	t->n += (size_t)n;
}

static const struct word {
	uint8_t type;
	uint32_t number;
	const char *word;
} words[] = {
	{TYPE_NFPROTO, 2, "ipv4"},
	{TYPE_NFPROTO, 10, "ipv6"},
	{TYPE_ETHERTYPE, 0x0800, "ip"},
	{TYPE_ETHERTYPE, 0x0806, "arp"},
	{TYPE_ETHERTYPE, 0x86dd, "ip6"},
	{TYPE_ETHERTYPE, 0x8100, "8021q"},
	{TYPE_ETHERTYPE, 0x88a8, "8021ad"},
	{TYPE_ARPOP, 1, "request"},
	{TYPE_ARPOP, 2, "reply"},
	{TYPE_PROTO, 1, "icmp"},
	{TYPE_PROTO, 6, "tcp"},
	{TYPE_PROTO, 17, "udp"},
	{TYPE_PROTO, 58, "ipv6-icmp"},
	{TYPE_CT_DIRECTION, 0, "original"},
	{TYPE_CT_DIRECTION, 1, "reply"},
	{TYPE_ICMP, 0, "echo-reply"},
	{TYPE_ICMP, 3, "destination-unreachable"},
	{TYPE_ICMP, 8, "echo-request"},
	{TYPE_ICMP, 11, "time-exceeded"},
	{TYPE_ICMP, 12, "parameter-problem"},
	{TYPE_ICMP6, 1, "destination-unreachable"},
	{TYPE_ICMP6, 2, "packet-too-big"},
	{TYPE_ICMP6, 3, "time-exceeded"},
	{TYPE_ICMP6, 4, "parameter-problem"},
	{TYPE_ICMP6, 128, "echo-request"},
	{TYPE_ICMP6, 129, "echo-reply"},
	{TYPE_ICMP6, 130, "mld-listener-query"},
	{TYPE_ICMP6, 131, "mld-listener-report"},
	{TYPE_ICMP6, 132, "mld-listener-done"},
	{TYPE_ICMP6, 133, "nd-router-solicit"},
	{TYPE_ICMP6, 134, "nd-router-advert"},
	{TYPE_ICMP6, 135, "nd-neighbor-solicit"},
	{TYPE_ICMP6, 136, "nd-neighbor-advert"},
	{TYPE_ICMP6, 137, "nd-redirect"},
	{TYPE_ICMP6, 143, "mld2-listener-report"},
	{TYPE_CLASSID, 0, "none"},
	{TYPE_CLASSID, UINT32_MAX, "root"},
};

/* Bits with names; `between` them. */
static const struct word bits[] = {
	{TYPE_TCP_FLAGS, 1, "fin"},        {TYPE_TCP_FLAGS, 2, "syn"},    {TYPE_TCP_FLAGS, 4, "rst"},
	{TYPE_TCP_FLAGS, 8, "psh"},        {TYPE_TCP_FLAGS, 16, "ack"},   {TYPE_TCP_FLAGS, 32, "urg"},
	{TYPE_TCP_FLAGS, 64, "ecn"},       {TYPE_TCP_FLAGS, 128, "cwr"},  {TYPE_CT_STATE, 1, "invalid"},
	{TYPE_CT_STATE, 2, "established"}, {TYPE_CT_STATE, 4, "related"}, {TYPE_CT_STATE, 8, "new"},
	{TYPE_CT_STATE, 64, "untracked"},
};

static void bits_value(struct text *t, uint32_t type, uint64_t number)
{
	const char *between = "";

	for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
		if (bits[i].type != type || !(number & bits[i].number))
			continue;
		text_add(t, "%s%s", between, bits[i].word);
		between = type == TYPE_CT_STATE ? "," : " | ";
		number &= ~(uint64_t)bits[i].number;
	}
	if (number || !*between)
		text_add(t, "%s0x%" PRIx64, between, number);
}

static void number_value(struct text *t, uint32_t type, uint64_t number)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].type == type && words[i].number == number) {
			text_add(t, "%s", words[i].word);
			return;
		}
	if (type == TYPE_MARK)
		text_add(t, "0x%08" PRIx64, number);
	else if (type == TYPE_CLASSID)
		text_add(t, "%" PRIx64 ":%" PRIx64, number >> 16, number & 0xffff);
	else if (type == TYPE_ETHERTYPE)
		text_add(t, "0x%04" PRIx64, number);
	else
		text_add(t, "%" PRIu64, number);
}

static uint64_t number_of(bool host, const uint8_t *bytes, uint32_t len)
{
	const bool little = host && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	uint64_t number = 0;

	for (uint32_t i = 0; i < len; i++)
		number = number << 8 | bytes[little ? len - 1 - i : i];
	return number;
}

static void hex_value(struct text *t, const uint8_t *bytes, uint32_t len, const char *between)
{
	if (!*between)
		text_add(t, "0x");
	for (uint32_t i = 0; i < len; i++)
		text_add(t, "%s%02x", i ? between : "", bytes[i]);
}

void text_value(struct text *t, uint32_t type, bool host, const uint8_t *bytes, uint32_t len)
{
	char address[INET6_ADDRSTRLEN];

	if (type == TYPE_IP4 && len == 4)
		text_add(t, "%s", inet_ntop(AF_INET, bytes, address, sizeof address));
	else if (type == TYPE_IP6 && len == 16)
		text_add(t, "%s", inet_ntop(AF_INET6, bytes, address, sizeof address));
	else if (type == TYPE_ETHER)
		hex_value(t, bytes, len, ":");
	else if (type == TYPE_IFNAME)
		text_add(t, "\"%.*s\"", (int)len, (const char *)bytes);
	else if (type == TYPE_TCP_FLAGS || type == TYPE_CT_STATE)
		bits_value(t, type, len <= 8 ? number_of(host, bytes, len) : 0);
	else if (len <= 8)
		number_value(t, type, number_of(host, bytes, len));
	else
		hex_value(t, bytes, len, "");
}

/* Length of the prefix that an aligned range is; -1: it is none. */
static int prefix_of(const uint8_t *from, const uint8_t *to, uint32_t len)
{
	uint32_t same = 0;

	while (same < len * 8 && !((from[same / 8] ^ to[same / 8]) >> (7 - same % 8) & 1))
		same++;
	for (uint32_t i = same; i < len * 8; i++)
		if ((from[i / 8] >> (7 - i % 8) & 1) || !(to[i / 8] >> (7 - i % 8) & 1))
			return -1;
	return (int)same;
}

void text_range(struct text *t, uint32_t type, bool host, const uint8_t *from, const uint8_t *to,
		uint32_t len)
{
	const bool address = type == TYPE_IP4 || type == TYPE_IP6;
	const bool one = !memcmp(from, to, len);
	const int prefix = address ? prefix_of(from, to, len) : -1;

	/* nft reads no words in ranges of ICMP types */
	if (!one && (type == TYPE_ICMP || type == TYPE_ICMP6))
		type = TYPE_INTEGER;
	text_value(t, type, host, from, len);
	if (one)
		return;
	if (prefix >= 0) {
		text_add(t, "/%d", prefix);
		return;
	}
	text_add(t, "-");
	text_value(t, type, host, to, len);
}

static void element_data(struct text *t, const struct nft_program *p, const struct nft_set *set,
			 const struct nft_element *e)
{
	const uint16_t zone = (uint16_t)e->data;

	text_add(t, " : ");
	if (set->data_len == 2)
		text_value(t, set->data_type, true, (const uint8_t *)&zone, sizeof zone);
	else if (set->data_len == 4)
		text_value(t, set->data_type, true, (const uint8_t *)&e->data, sizeof e->data);
	else if (e->verdict == 0)
		text_add(t, "%s", e->data == NF_ACCEPT ? "accept" : "drop");
	else
		text_add(t, "%s %s", e->verdict == NFT_GOTO ? "goto" : "jump", nft_text(p, e->chain));
}

void text_element(struct text *t, const struct nft_program *p, const struct nft_set *set,
		  const struct nft_element *e)
{
	struct nft_set_shape shape;
	const bool known = nft_shape_of(nft_text(p, set->name), set, &shape);
	uint32_t at = 0;

	for (uint32_t i = 0; i < set->n_fields; i++) {
		const uint32_t len = set->n_fields > 1 ? set->field_len[i] : set->key_len;
		const uint32_t type = set->key_type >> 6 * (set->n_fields - 1 - i) & 63;
		const bool host = known && shape.field_order[i] == NFT_ORDER_HOST && !nft_ranged(set);

		text_add(t, i ? " . " : "");
		text_range(t, known ? type : 0, host, e->key + at, e->key_end + at, len);
		at += nft_padded(len);
	}
	if (set->data_len)
		element_data(t, p, set, e);
}
