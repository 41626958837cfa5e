/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses, protocols, times and sizes as text, and times as people type them. Pure but for the local time
 * zone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `tcp udp icmp icmpv6`, else the number. */
const char *text_proto(uint8_t proto, char *buffer, size_t room);
/* An RFC 3339 time as people read it: local HH:MM:SS today, else with day and year as needed. */
const char *text_time_local(const char *rfc3339, char *buffer, size_t room);
/* 0, 812, 4.1k, 17M */
const char *text_amount(uint64_t amount, char *buffer, size_t room);

/*
 * RFC 3339 with an offset (`2026-08-25T10:00:00+03:00`), or how long before `now_ns` (`30s 15m 2h 14d`).
 * UTC nanoseconds; false if it is neither.
 */
bool text_parse_time(const char *text, int64_t now_ns, int64_t *ns);
int64_t text_now(void);
