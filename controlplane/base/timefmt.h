/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Times as text: RFC 3339 and civil days. Pure; no clock, no zone files, no locale. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT 40u

struct civil {
	int year, month, day;
};

/* Days since 1970-01-01 of a civil day (proleptic Gregorian), and back. */
int64_t time_days(int year, int month, int day);
struct civil time_civil(int64_t days);

/* `YYYY-MM-DD` of a day that exists, years 1970 to 9999. */
bool time_parse_date(const char *text, struct civil *out);
/* `YYYY-MM-DDThh:mm:ss[.fraction](Z|+hh:mm|-hh:mm)` to UTC nanoseconds; years 1970 to 2262. */
bool time_parse(const char *text, int64_t *utc_ns);
/* The same, as whole seconds (a fraction is cut), years 1970 to 9999. */
bool time_parse_seconds(const char *text, int64_t *utc);

/* UTC with `Z` and `digits` (0 to 9) of fraction; `buffer`, for use in calls. */
char *time_print(int64_t utc_ns, unsigned digits, char *buffer, size_t room);
char *time_print_seconds(int64_t utc, char *buffer, size_t room);
