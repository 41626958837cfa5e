/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services as sets of keys and as text: names and numbers of protocols, ports and ICMP types.
 */
#include "services.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct name_number {
	const char *name;
	uint16_t number;
};

static const struct name_number protocols[] = {
	{"icmp", 1},  {"igmp", 2},  {"ipip", 4},   {"tcp", 6},    {"udp", 17},    {"dccp", 33},
	{"ipv6", 41}, {"rsvp", 46}, {"gre", 47},   {"esp", 50},   {"icmpv6", 58}, {"eigrp", 88},
	{"ospf", 89}, {"pim", 103}, {"vrrp", 112}, {"l2tp", 115}, {"sctp", 132},  {"udplite", 136},
};

/* Numbers that are IPv6 extension headers or nothing: no packet is of such a protocol. */
static const uint8_t not_protocols[] = {0, 43, 44, 51, 59, 60, 135, 139, 140, 255};

static const struct name_number icmp_types[] = {
	{"echo-reply", 0},       {"destination-unreachable", 3}, {"redirect", 5},
	{"echo-request", 8},     {"router-advertisement", 9},    {"router-solicitation", 10},
	{"time-exceeded", 11},   {"parameter-problem", 12},      {"timestamp-request", 13},
	{"timestamp-reply", 14},
};

static const struct name_number icmpv6_types[] = {
	{"destination-unreachable", 1},
	{"packet-too-big", 2},
	{"time-exceeded", 3},
	{"parameter-problem", 4},
	{"echo-request", 128},
	{"echo-reply", 129},
	{"multicast-listener-query", 130},
	{"multicast-listener-report", 131},
	{"multicast-listener-done", 132},
	{"router-solicitation", 133},
	{"router-advertisement", 134},
	{"neighbour-solicitation", 135},
	{"neighbour-advertisement", 136},
	{"redirect", 137},
};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const struct service_range any_ranges[] = {
	{IPPROTO_ICMP << 16 | ICMP_ECHO << 8, IPPROTO_ICMP << 16 | (ICMP_ECHO + 1) << 8},
	{IPPROTO_TCP << 16, (IPPROTO_TCP + 1) << 16},
	{IPPROTO_UDP << 16, (IPPROTO_UDP + 1) << 16},
	{IPPROTO_ICMPV6 << 16 | ICMPV6_ECHO << 8, IPPROTO_ICMPV6 << 16 | (ICMPV6_ECHO + 1) << 8},
};
static const struct service_range ping_ranges[] = {
	{IPPROTO_ICMP << 16 | ICMP_ECHO << 8, IPPROTO_ICMP << 16 | (ICMP_ECHO + 1) << 8},
	{IPPROTO_ICMPV6 << 16 | ICMPV6_ECHO << 8, IPPROTO_ICMPV6 << 16 | (ICMPV6_ECHO + 1) << 8},
};

/* --- sets
 * ------------------------------------------------------------------------------------------------------------
 */

bool service_has(const struct service_set *s, service_key key)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->ranges[middle].to <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->n && s->ranges[low].from <= key;
}

bool services_meet(const struct service_set *a, const struct service_set *b)
{
	for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
		if (a->ranges[i].to <= b->ranges[j].from)
			i++;
		else if (b->ranges[j].to <= a->ranges[i].from)
			j++;
		else
			return true;
	}
	return false;
}

static int compare_ranges(const void *a, const void *b)
{
	service_key x = ((const struct service_range *)a)->from, y = ((const struct service_range *)b)->from;

	return (x > y) - (x < y);
}

size_t service_normalise(struct service_range *ranges, size_t n)
{
	size_t last = 0;

	if (!n)
		return 0;
	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	for (size_t i = 1; i < n; i++) {
		if (ranges[i].from > ranges[last].to)
			ranges[++last] = ranges[i];
		else if (ranges[i].to > ranges[last].to)
			ranges[last].to = ranges[i].to;
	}
	return last + 1;
}

const struct service_set *service_builtin(const char *name)
{
	static const struct service_set any = {any_ranges, COUNT(any_ranges)};
	static const struct service_set ping = {ping_ranges, COUNT(ping_ranges)};

	if (strcmp(name, "any") == 0)
		return &any;
	return strcmp(name, "ping") == 0 ? &ping : NULL;
}

/* --- numbers and names
 * ----------------------------------------------------------------------------------------------- */

static bool parse_number(const char *text, size_t len, unsigned max, unsigned *out)
{
	*out = 0;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		*out = *out * 10 + (unsigned)(text[i] - '0');
		if (*out > max)
			return false;
	}
	return len > 0;
}

static bool parse_named(const char *text, size_t len, const struct name_number *names, size_t n,
			unsigned *out)
{
	for (size_t i = 0; i < n; i++) {
		if (strlen(names[i].name) != len || memcmp(names[i].name, text, len) != 0)
			continue;
		*out = names[i].number;
		return true;
	}
	return parse_number(text, len, 255, out);
}

bool service_protocol(const char *text, size_t len, unsigned *proto)
{
	if (!parse_named(text, len, protocols, COUNT(protocols), proto))
		return false;
	for (size_t i = 0; i < COUNT(not_protocols); i++)
		if (not_protocols[i] == *proto)
			return false;
	return true;
}

static bool parse_type(unsigned proto, const char *text, size_t len, unsigned *type)
{
	if (proto == IPPROTO_ICMP)
		return parse_named(text, len, icmp_types, COUNT(icmp_types), type);
	return parse_named(text, len, icmpv6_types, COUNT(icmpv6_types), type);
}

bool service_ports(const char *text, unsigned proto, struct service_range *range, const char **why)
{
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : strlen(text);
	unsigned low, high;

	*why = "ports are numbers from 0 to 65535: `443` or `1000-2000`";
	if (!parse_number(text, len, UINT16_MAX, &low))
		return false;
	high = low;
	if (dash && !parse_number(dash + 1, strlen(dash + 1), UINT16_MAX, &high))
		return false;
	*why = "bad range: the first port is above the last";
	*range = service_key_range(proto, low, high);
	return low <= high;
}

bool service_icmp(const char *text, unsigned proto, struct service_range *range, const char **why)
{
	const char *slash = strchr(text, '/');
	unsigned type, code;

	*why = "an ICMP type is a name like `echo-request` or a number from 0 to 255";
	if (!parse_type(proto, text, slash ? (size_t)(slash - text) : strlen(text), &type))
		return false;
	*range = service_key_range(proto, type << 8, type << 8 | 0xff);
	if (!slash)
		return true;
	*why = "an ICMP code is a number from 0 to 255";
	if (!parse_number(slash + 1, strlen(slash + 1), 255, &code))
		return false;
	*range = service_key_range(proto, type << 8 | code, type << 8 | code);
	return true;
}

bool service_parse(const char *text, struct service_range *range, const char **why)
{
	const char *slash = strchr(text, '/');
	unsigned proto;

	*why = "unknown service or protocol";
	if (!service_protocol(text, slash ? (size_t)(slash - text) : strlen(text), &proto))
		return false;
	if (service_has_ports(proto)) {
		*why = "it needs a port, like tcp/443 or udp/1000-2000";
		return slash && service_ports(slash + 1, proto, range, why);
	}
	if (service_has_types(proto)) {
		*why = "it needs a type, like icmp/8 or icmpv6/128/0";
		return slash && service_icmp(slash + 1, proto, range, why);
	}
	*why = "this protocol has no ports";
	*range = service_key_range(proto, 0, 0);
	return !slash;
}

void service_key_text(service_key key, char *buffer, size_t room)
{
	unsigned proto = key >> 16, low = key & UINT16_MAX;

	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		snprintf(buffer, room, "%s/%u", proto == IPPROTO_TCP ? "tcp" : "udp", low);
		return;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		snprintf(buffer, room, "%s/%u/%u", proto == IPPROTO_ICMP ? "icmp" : "icmpv6", low >> 8,
			 low & 0xff);
		return;
	default:
		snprintf(buffer, room, "%u", proto);
	}
}
