/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the section reader and the text parser of services share; internal to this folder. The parsers give
 * true and the result, or false with the reason in *why (static text).
 */
#pragma once

#include <netinet/in.h>

#include "keys.h"

#define ICMP_ECHO   8u
#define ICMPV6_ECHO 128u

static inline bool service_has_ports(unsigned proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

static inline bool service_has_types(unsigned proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/* Keys of a protocol from `first` to `last`, both included. */
static inline struct service_range service_key_range(unsigned proto, unsigned first, unsigned last)
{
	return (struct service_range){proto << 16 | first, (proto << 16 | last) + 1};
}

/* A protocol's name or number, `len` characters. */
bool service_protocol(const char *text, size_t len, unsigned *proto);
/* `lo` or `lo-hi`. */
bool service_ports(const char *text, unsigned proto, struct service_range *range, const char **why);
/* `type` or `type/code`. */
bool service_icmp(const char *text, unsigned proto, struct service_range *range, const char **why);
