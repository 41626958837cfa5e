/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reader of TZif version 2 and later. Up to the last transition the table decides; beyond it the rule in
 * the footer does (`EET-2EEST,M3.5.0/3,M10.5.0/4`). Every count is checked against the bytes that are there.
 */
#include "zone.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "timefmt.h"

#define FILE_MAX ((size_t)256 << 10)
#define HEADER   44u

struct zone {
	unsigned char bytes[FILE_MAX + 1];
	size_t size;
	const unsigned char *times, *types, *infos;
	uint32_t n_times, n_infos;
	const char *footer; /* ends with a zero byte */
};

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

/* --- file
 * ---------------------------------------------------------------------------------------------------------
 */

/* `localtime` and `posixrules` are another zone on each machine: a policy means the same everywhere. */
static bool good_name(const char *zone)
{
	if (!*zone || *zone == '/' || strlen(zone) > 64 || strstr(zone, ".."))
		return false;
	if (strcmp(zone, "localtime") == 0 || strcmp(zone, "posixrules") == 0)
		return false;
	for (; *zone; zone++)
		if (!isalnum((unsigned char)*zone) && !strchr("/_+-", *zone))
			return false;
	return true;
}

static bool read_zone(struct zone *z, const char *dir, const char *name)
{
	char path[512];
	ssize_t n;
	int fd;

	if (!good_name(name))
		return false;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	for (z->size = 0; z->size < FILE_MAX; z->size += (size_t)n) {
		n = read(fd, z->bytes + z->size, FILE_MAX - z->size);
		if (n <= 0)
			break;
	}
	close(fd);
	z->bytes[z->size] = '\0';
	return z->size >= HEADER;
}

/* Size of a data block with `width` bytes a time, from its header. */
static uint64_t block_size(const unsigned char *header, unsigned width)
{
	uint64_t isut = be32(header + 20), isstd = be32(header + 24), leap = be32(header + 28);
	uint64_t times = be32(header + 32), types = be32(header + 36), chars = be32(header + 40);

	return times * width + times + types * 6 + chars + leap * (width + 4) + isstd + isut;
}

static bool is_header(const struct zone *z, uint64_t at)
{
	return at + HEADER <= z->size && memcmp(z->bytes + at, "TZif", 4) == 0 && z->bytes[at + 4] >= '2';
}

static bool index_zone(struct zone *z)
{
	const unsigned char *header;
	uint64_t second, end;

	if (!is_header(z, 0))
		return false;
	second = HEADER + block_size(z->bytes, 4);
	if (!is_header(z, second))
		return false;
	header = z->bytes + second;
	end = second + HEADER + block_size(header, 8);
	if (end + 2 > z->size || z->bytes[end] != '\n')
		return false;
	z->n_times = be32(header + 32);
	z->n_infos = be32(header + 36);
	z->times = header + HEADER;
	z->types = z->times + (size_t)z->n_times * 8;
	z->infos = z->types + z->n_times;
	z->footer = (const char *)z->bytes + end + 1;
	return z->n_infos > 0;
}

/* --- footer: a POSIX TZ rule ------------------------------------------------------------------- */

struct change {
	int month, week, weekday, seconds;
};

struct rule {
	int standard, daylight; /* seconds east */
	bool changes;
	struct change start, end;
};

static const char *skip_name(const char *p)
{
	const char *from = p;

	if (*p == '<') {
		p = strchr(p, '>');
		return p ? p + 1 : NULL;
	}
	while (isalpha((unsigned char)*p))
		p++;
	return p - from >= 3 ? p : NULL;
}

/* [+-]h[:mm[:ss]] in seconds. */
static const char *parse_clock(const char *p, int *seconds)
{
	int sign = *p == '-' ? -1 : 1, unit = 3600, total = 0;

	p += *p == '-' || *p == '+';
	for (; unit; unit /= 60) {
		int value = 0;

		if (!isdigit((unsigned char)*p))
			return NULL;
		for (; isdigit((unsigned char)*p) && value < 1000; p++)
			value = value * 10 + (*p - '0');
		total += value * unit;
		if (*p != ':' || unit == 1)
			break;
		p++;
	}
	*seconds = sign * total;
	return p;
}

static const char *parse_change(const char *p, struct change *c)
{
	int used = 0;

	if (sscanf(p, ",M%2d.%1d.%1d%n", &c->month, &c->week, &c->weekday, &used) != 3 || !used)
		return NULL;
	if (c->month < 1 || c->month > 12 || c->week < 1 || c->week > 5 || c->weekday > 6)
		return NULL;
	p += used;
	c->seconds = 7200;
	return *p == '/' ? parse_clock(p + 1, &c->seconds) : p;
}

static bool parse_rule(const char *p, struct rule *r)
{
	memset(r, 0, sizeof(*r));
	p = skip_name(p);
	p = p ? parse_clock(p, &r->standard) : NULL;
	if (!p)
		return false;
	r->standard = -r->standard;
	if (*p == '\n' || !*p)
		return true;
	p = skip_name(p);
	if (!p)
		return false;
	r->daylight = r->standard + 3600;
	if (*p != ',') {
		p = parse_clock(p, &r->daylight);
		r->daylight = -r->daylight;
	}
	p = p ? parse_change(p, &r->start) : NULL;
	p = p ? parse_change(p, &r->end) : NULL;
	r->changes = true;
	return p && (*p == '\n' || !*p);
}

/* UTC second of a change in a year, with the offset in force before it. */
static int64_t change_time(const struct change *c, int year, int offset)
{
	int64_t first = time_days(year, c->month, 1);
	int64_t next = c->month == 12 ? time_days(year + 1, 1, 1) : time_days(year, c->month + 1, 1);
	int64_t day = first + ((c->weekday - (first + 4) % 7) + 7) % 7 + (c->week - 1) * 7;

	while (day >= next)
		day -= 7;
	return day * 86400 + c->seconds - offset;
}

static int rule_offset(const struct rule *r, int64_t utc)
{
	int year = time_civil(utc / 86400).year;
	int64_t start, end;

	if (!r->changes)
		return r->standard;
	start = change_time(&r->start, year, r->standard);
	end = change_time(&r->end, year, r->daylight);
	if (start < end)
		return utc >= start && utc < end ? r->daylight : r->standard;
	return utc >= end && utc < start ? r->standard : r->daylight;
}

/* --- answers ----------------------------------------------------------------------------------- */

static bool info_offset(const struct zone *z, uint32_t info, int *offset)
{
	if (info >= z->n_infos)
		return false;
	*offset = (int)be32(z->infos + (size_t)info * 6);
	return true;
}

/* Seconds east of UTC at a time. */
static bool zone_offset(const struct zone *z, int64_t utc, int *offset)
{
	uint32_t low = 0, high = z->n_times;
	struct rule rule;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (be64(z->times + (size_t)middle * 8) <= utc)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == z->n_times && *z->footer != '\n' && *z->footer) {
		if (!parse_rule(z->footer, &rule))
			return false;
		*offset = rule_offset(&rule, utc);
		return true;
	}
	return info_offset(z, low ? z->types[low - 1] : 0, offset);
}

/*
 * The instant at which a civil day that ends at `local` is over for good. A midnight that comes twice ended
 * it the first time; one that the clock jumps over ends it at the jump; a clock set back before midnight
 * delays it.
 */
static bool local_to_utc(const struct zone *z, int64_t local, int64_t *utc)
{
	int before, after, at_before, at_after;

	if (!zone_offset(z, local - 86400, &before) || !zone_offset(z, local + 86400, &after) ||
	    !zone_offset(z, local - before, &at_before) || !zone_offset(z, local - after, &at_after))
		return false;
	if (at_before == before)
		*utc = local - before;
	else if (at_after == after)
		*utc = local - after;
	else
		*utc = local - (before < after ? before : after);
	return true;
}

bool zone_day_end(void *ctx, const char *zone, int year, int month, int day, int64_t *end)
{
	struct zone *z = malloc(sizeof(*z));
	bool ok = z && read_zone(z, ctx ? ctx : ZONE_DIR, zone) && index_zone(z) &&
		  local_to_utc(z, (time_days(year, month, day) + 1) * 86400, end);

	free(z);
	return ok;
}
