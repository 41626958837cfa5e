/* SPDX-License-Identifier: BSD-3-Clause */
/* One place, so that the same thing reads the same in every verb. */
#include "text.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "timefmt.h"

#define NS_PER_S 1000000000LL

const char *text_proto(uint8_t proto, char *buffer, size_t room)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	default:
		snprintf(buffer, room, "%u", proto);
		return buffer;
	}
}

const char *text_time_local(const char *rfc3339, char *buffer, size_t room)
{
	int64_t ns, now = text_now();
	struct tm then, today;

	if (!text_parse_time(rfc3339, now, &ns))
		return rfc3339;
	time_t seconds = ns / NS_PER_S, now_seconds = now / NS_PER_S;
	if (localtime_r(&seconds, &then) == NULL || localtime_r(&now_seconds, &today) == NULL)
		return rfc3339;
	bool same_year = then.tm_year == today.tm_year;
	bool same_day = same_year && then.tm_yday == today.tm_yday;
	strftime(buffer, room, same_day ? "%H:%M:%S" : same_year ? "%m-%d %H:%M" : "%Y-%m-%d %H:%M", &then);
	return buffer;
}

const char *text_amount(uint64_t amount, char *buffer, size_t room)
{
	static const char units[] = " kMGTPE";
	double value = (double)amount;
	unsigned unit = 0;

	for (; value >= 999.5 && units[unit + 1] != '\0'; unit++)
		value /= 1000;
	if (unit == 0)
		snprintf(buffer, room, "%u", (unsigned)amount);
	else
		snprintf(buffer, room, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return buffer;
}

/* --- times as typed ---------------------------------------------------------------------------- */

static bool parse_ago(const char *text, int64_t now_ns, int64_t *ns)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	long long n = strtoll(text, &end, 10);

	if (!isdigit((unsigned char)text[0]) || n > 100000000 || end[0] == '\0' || end[1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit == end[0]) {
			*ns = now_ns - n * units[i].seconds * NS_PER_S;
			return true;
		}
	}
	return false;
}

bool text_parse_time(const char *text, int64_t now_ns, int64_t *ns)
{
	return parse_ago(text, now_ns, ns) || time_parse(text, ns);
}

int64_t text_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}
