/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Times as text. Days are counted in eras of 400 years that begin on 1 March, so that leap days come last.
 */
#include "timefmt.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DAY 86400
#define NS  INT64_C(1000000000)

int64_t time_days(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct civil time_civil(int64_t days)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
	struct civil c = {.month = (int)(m < 10 ? m + 3 : m - 9),
			  .day = (int)(of_year - (153 * m + 2) / 5 + 1)};

	c.year = (int)(year + era * 400 + (c.month <= 2));
	return c;
}

/* `n` digits; NULL if they are not there. */
static const char *digits(const char *p, unsigned n, int *out)
{
	*out = 0;
	for (; n; n--, p++) {
		if (!isdigit((unsigned char)*p))
			return NULL;
		*out = *out * 10 + (*p - '0');
	}
	return p;
}

static const char *literal(const char *p, char c)
{
	return p && *p == c ? p + 1 : NULL;
}

static const char *field(const char *p, unsigned n, int min, int max, int *out)
{
	p = p ? digits(p, n, out) : NULL;
	return p && *out >= min && *out <= max ? p : NULL;
}

static const char *parse_day(const char *p, struct civil *c)
{
	struct civil again;

	p = field(p, 4, 1970, 9999, &c->year);
	p = field(literal(p, '-'), 2, 1, 12, &c->month);
	p = field(literal(p, '-'), 2, 1, 31, &c->day);
	if (!p)
		return NULL;
	again = time_civil(time_days(c->year, c->month, c->day));
	return again.month == c->month ? p : NULL;
}

bool time_parse_date(const char *text, struct civil *out)
{
	const char *end = parse_day(text, out);

	return end && !*end;
}

static const char *parse_fraction(const char *p, int64_t *ns)
{
	int64_t scale = NS / 10;

	*ns = 0;
	if (!p || *p != '.')
		return p;
	if (!isdigit((unsigned char)*++p))
		return NULL;
	for (; isdigit((unsigned char)*p); p++, scale /= 10)
		*ns += (*p - '0') * scale;
	return p;
}

static const char *parse_offset(const char *p, int *seconds)
{
	int sign, hours, minutes;

	*seconds = 0;
	if (!p)
		return NULL;
	if (*p == 'Z' || *p == 'z')
		return p + 1;
	if (*p != '+' && *p != '-')
		return NULL;
	sign = *p == '-' ? -1 : 1;
	p = field(p + 1, 2, 0, 23, &hours);
	p = field(literal(p, ':'), 2, 0, 59, &minutes);
	*seconds = p ? sign * (hours * 3600 + minutes * 60) : 0;
	return p;
}

static bool parse_time(const char *p, int64_t *utc, int64_t *ns)
{
	int hour, minute, second, offset;
	struct civil c;

	p = parse_day(p, &c);
	if (!p || (*p != 'T' && *p != 't'))
		return false;
	p = field(p + 1, 2, 0, 23, &hour);
	p = field(literal(p, ':'), 2, 0, 59, &minute);
	p = field(literal(p, ':'), 2, 0, 59, &second);
	p = parse_offset(parse_fraction(p, ns), &offset);
	if (!p || *p)
		return false;
	*utc = time_days(c.year, c.month, c.day) * DAY + hour * 3600 + minute * 60 + second - offset;
	return true;
}

bool time_parse(const char *text, int64_t *utc_ns)
{
	int64_t utc, ns;

	return parse_time(text, &utc, &ns) && !__builtin_mul_overflow(utc, NS, &utc) &&
	       !__builtin_add_overflow(utc, ns, utc_ns);
}

bool time_parse_seconds(const char *text, int64_t *utc)
{
	int64_t ns;

	return parse_time(text, utc, &ns);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int print_whole(int64_t utc, char *buffer, size_t room)
{
	int64_t days = floor_div(utc, DAY), rest = utc - days * DAY;
	struct civil c = time_civil(days);

	return snprintf(buffer, room, "%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month, c.day,
			(int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
}

char *time_print(int64_t utc_ns, unsigned n_digits, char *buffer, size_t room)
{
	int64_t utc = floor_div(utc_ns, NS), fraction = utc_ns - utc * NS;
	char text[2 * TIME_TEXT];
	int len = print_whole(utc, text, TIME_TEXT);

	if (n_digits > 9)
		n_digits = 9;
	if (n_digits) {
		snprintf(text + len, TIME_TEXT, ".%09lld", (long long)fraction);
		len += 1 + (int)n_digits;
	}
	snprintf(buffer, room, "%.*sZ", len, text);
	return buffer;
}

char *time_print_seconds(int64_t utc, char *buffer, size_t room)
{
	char text[TIME_TEXT];

	print_whole(utc, text, sizeof(text));
	snprintf(buffer, room, "%sZ", text);
	return buffer;
}
