/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What turns into text and back: findings, addresses, times, zones, log lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "diag.h"
#include "log.h"
#include "timefmt.h"
#include "zone.h"

/* --- findings
 * ------------------------------------------------------------------------------------------------------- */

static const char source[] = "first: line\n\tna\xc3\xafve:\tword # tab and UTF-8\r\nlast";

static const char *find_source(void *ctx, const char *file, size_t *len)
{
	(void)ctx;
	*len = sizeof(source) - 1;
	return strcmp(file, "a.yaml") == 0 ? source : NULL;
}

static char *printed(const struct diags *d)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	diags_print(d, out, find_source, NULL);
	fclose(out);
	return text;
}

static void prints_carets(void **state)
{
	struct diags d;
	char *text;

	(void)state;
	diags_init(&d);
	diag_add(&d, SEV_ERROR, (struct place){"a.yaml", 2, 9, 13}, "no %s", "good");
	diag_add(&d, SEV_WARNING, (struct place){"a.yaml", 3, 1, 0}, "late");
	diag_add(&d, SEV_NOTE, (struct place){"b.yaml", 7, 2, 3}, "unseen");
	diag_add(&d, SEV_ERROR, (struct place){"a.yaml", 0, 0, 0}, "whole");
	text = printed(&d);
	assert_string_equal(text, "a.yaml:2:9: error: no good\n"
				  "  \tna\xc3\xafve:\tword # tab and UTF-8\n"
				  "  \t      \t^~~~\n"
				  "a.yaml:3:1: warning: late\n"
				  "  last\n"
				  "  ^\n"
				  "b.yaml:7:2: note: unseen\n"
				  "a.yaml: error: whole\n");
	assert_int_equal(d.n_errors, 2);
	assert_int_equal(d.n_warnings, 1);
	free(text);
	diags_free(&d);
}

/* The printer goes on from the line before, so going back and past the end must not confuse it. */
static void finds_lines_in_any_order(void **state)
{
	static const unsigned lines[] = {3, 1, 99, 3, 3, 2, 1};
	struct diags d;
	char *text;

	(void)state;
	diags_init(&d);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		diag_add(&d, SEV_NOTE, (struct place){"a.yaml", lines[i], 1, 0}, "x");
	text = printed(&d);
	assert_string_equal(text, "a.yaml:3:1: note: x\n  last\n  ^\n"
				  "a.yaml:1:1: note: x\n  first: line\n  ^\n"
				  "a.yaml:99:1: note: x\n"
				  "a.yaml:3:1: note: x\n  last\n  ^\n"
				  "a.yaml:3:1: note: x\n  last\n  ^\n"
				  "a.yaml:2:1: note: x\n  \tna\xc3\xafve:\tword # tab and UTF-8\n  ^\n"
				  "a.yaml:1:1: note: x\n  first: line\n  ^\n");
	free(text);
	diags_free(&d);
}

/* A place beyond the text, or in a long line, must not read beyond it. */
static void survives_odd_places(void **state)
{
	struct diags d;
	char *text;

	(void)state;
	diags_init(&d);
	diag_add(&d, SEV_ERROR, (struct place){"a.yaml", 99, 1, 2}, "x");
	diag_add(&d, SEV_ERROR, (struct place){"a.yaml", 1, 5000, 6000}, "y");
	text = printed(&d);
	assert_non_null(strstr(text, "a.yaml:99:1: error: x\na.yaml:1:5000: error: y\n"));
	free(text);
	diags_free(&d);
}

static void sorts_findings(void **state)
{
	struct diags d;

	(void)state;
	diags_init(&d);
	diag_add(&d, SEV_ERROR, (struct place){"b", 1, 1, 0}, "4");
	diag_add(&d, SEV_ERROR, (struct place){"a", 2, 1, 0}, "3");
	diag_add(&d, SEV_ERROR, (struct place){"a", 1, 9, 0}, "1");
	diag_add(&d, SEV_ERROR, (struct place){"a", 1, 9, 0}, "2");
	diag_add(&d, SEV_ERROR, (struct place){"a", 1, 1, 0}, "0");
	diags_sort(&d);
	for (size_t i = 0; i < d.n; i++)
		assert_int_equal(d.items[i].text[0], '0' + (int)i);
	diags_free(&d);
}

/* The list keeps file names of its own. */
static void keeps_names(void **state)
{
	struct diags d;
	char name[] = "x.yaml";

	(void)state;
	diags_init(&d);
	diag_add(&d, SEV_ERROR, (struct place){name, 1, 1, 0}, "t");
	name[0] = 'y';
	assert_string_equal(d.items[0].place.file, "x.yaml");
	diags_free(&d);
	diags_free(NULL);
}

/* --- addresses
 * ------------------------------------------------------------------------------------------------------- */

static void reads_addresses(void **state)
{
	static const struct {
		const char *text, *printed; /* NULL: refused */
		enum addr_kind kind;
	} samples[] = {
		{"10.0.0.1", "10.0.0.1", ADDR_UNICAST},
		{"127.1.2.3", "127.1.2.3", ADDR_LOCAL},
		{"169.254.0.1", "169.254.0.1", ADDR_LOCAL},
		{"0.0.0.0", "0.0.0.0", ADDR_LOCAL},
		{"224.0.0.1", "224.0.0.1", ADDR_GROUP},
		{"255.255.255.255", "255.255.255.255", ADDR_GROUP},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1", ADDR_UNICAST},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", ADDR_UNICAST},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1", ADDR_UNICAST},
		{"::ffff:1.2.3.4", "::ffff:1.2.3.4", ADDR_UNICAST},
		{"::", "::", ADDR_LOCAL},
		{"::1", "::1", ADDR_LOCAL},
		{"febf::1", "febf::1", ADDR_LOCAL},
		{"fec0::1", "fec0::1", ADDR_UNICAST},
		{"ff02::1", "ff02::1", ADDR_GROUP},
		{"10.0.0", NULL, 0},
		{"10.0.0.256", NULL, 0},
		{"010.0.0.1", NULL, 0},
		{"fe80::1%eth0", NULL, 0},
		{"1::2::3", NULL, 0},
		{"", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		uint8_t addr[16], family = addr_parse(samples[i].text, addr);
		char text[ADDR_TEXT];

		assert_int_equal(family != 0, samples[i].printed != NULL);
		if (!family)
			continue;
		assert_string_equal(addr_print(family, addr, text, sizeof(text)), samples[i].printed);
		assert_int_equal(addr_kind(family, addr), samples[i].kind);
	}
}

static void reads_prefixes(void **state)
{
	static const char *const good[] = {"10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32",
					   "::/0",       "fd00::/8",  "fd00::1/128"};
	static const char *const bad[] = {"10.0.0.0/33", "10.0.0.0/",   "10.0.0.0/08",
					  "10.0.0.0/-1", "10.0.0.0/8x", "::/129",
					  "/8",          "10/8",        "::/1000"};
	uint8_t family, len, addr[16];
	char text[ADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(addr_parse_prefix(good[i], &family, addr, &len));
		assert_string_equal(addr_print_prefix(family, addr, len, text, sizeof(text)), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(addr_parse_prefix(bad[i], &family, addr, &len));
	assert_true(addr_parse_prefix("10.1.2.3", &family, addr, &len) && len == 32);
}

static void knows_prefix_edges(void **state)
{
	uint8_t a[16] = {10, 1, 2, 3}, first[16] = {10, 1, 2, 0}, last[16] = {10, 1, 3, 255},
		p[16] = {10, 1, 2};

	(void)state;
	assert_true(addr_in_prefix(a, p, 23));
	assert_true(addr_in_prefix(last, p, 23));
	last[2] = 4;
	assert_false(addr_in_prefix(last, p, 23));
	assert_true(addr_in_prefix(last, p, 0));
	addr_first(4, a, 23);
	assert_memory_equal(a, first, 16);
	addr_last(4, a, 23);
	last[2] = 3;
	assert_memory_equal(a, last, 16);
	addr_last(4, a, 32);
	assert_memory_equal(a, last, 16);
}

static void reads_macs(void **state)
{
	static const char *const bad[] = {"52:54:00:0a:00", "52:54:00:0a:00:3g",
					  "52:54:00:0a:00:31:", "525400:0a:00:311", ""};
	uint8_t mac[6];
	char text[MAC_TEXT];

	(void)state;
	assert_true(mac_parse("52:54:00:0A:00:31", mac));
	assert_string_equal(mac_print(mac, text, sizeof(text)), "52:54:00:0a:00:31");
	assert_true(mac_parse("52-54-00-0a-00-31", mac));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(mac_parse(bad[i], mac));
}

/* --- times
 * -------------------------------------------------------------------------------------------------------------
 */

static void reads_times(void **state)
{
	static const struct {
		const char *text;
		int64_t utc; /* -1: refused */
	} samples[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-08-25T10:00:00+03:00", 1787641200},
		{"2026-08-25t07:00:00.999z", 1787641200},
		{"2000-02-29T23:59:59Z", 951868799},
		{"1970-01-01T00:00:00-01:30", 5400},
		{"2026-08-25", -1},
		{"2026-08-25T10:00:00", -1},
		{"2026-08-25 10:00:00Z", -1},
		{"2026-13-01T00:00:00Z", -1},
		{"2026-02-29T00:00:00Z", -1},
		{"2026-08-25T24:00:00Z", -1},
		{"2026-08-25T10:60:00Z", -1},
		{"2026-08-25T10:00:60Z", -1},
		{"2026-08-25T10:00:00.Z", -1},
		{"2026-08-25T10:00:00+0300", -1},
		{"2026-08-25T10:00:00Zx", -1},
		{"", -1},
	};
	char text[TIME_TEXT];
	int64_t utc;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		assert_int_equal(time_parse_seconds(samples[i].text, &utc), samples[i].utc >= 0);
		if (samples[i].utc >= 0)
			assert_int_equal(utc, samples[i].utc);
	}
	assert_true(time_parse("2026-08-25T07:00:00.1234567899Z", &utc));
	assert_string_equal(time_print(utc, 6, text, sizeof(text)), "2026-08-25T07:00:00.123456Z");
	assert_string_equal(time_print(utc, 0, text, sizeof(text)), "2026-08-25T07:00:00Z");
	assert_string_equal(time_print(-1, 9, text, sizeof(text)), "1969-12-31T23:59:59.999999999Z");
	assert_string_equal(time_print_seconds(951868799, text, sizeof(text)), "2000-02-29T23:59:59Z");
	assert_false(time_parse("9999-01-01T00:00:00Z", &utc));
}

static void counts_days(void **state)
{
	struct civil c;

	(void)state;
	for (int64_t day = -800000; day < 3000000; day += 997) {
		c = time_civil(day);
		assert_int_equal(time_days(c.year, c.month, c.day), day);
	}
	assert_true(time_parse_date("2028-02-29", &c) && c.day == 29);
	assert_false(time_parse_date("2100-02-29", &c));
	assert_false(time_parse_date("2026-04-31", &c));
	assert_false(time_parse_date("2026-4-1", &c));
	assert_false(time_parse_date("2026-04-01x", &c));
}

static void ends_days(void **state)
{
	static const struct {
		const char *zone;
		int y, m, d;
		const char *end; /* NULL: refused */
	} samples[] = {
		{"UTC", 2026, 12, 31, "2027-01-01T00:00:00Z"},
		{"Europe/Riga", 2026, 12, 31, "2026-12-31T22:00:00Z"},
		{"Europe/Riga", 2026, 7, 1, "2026-07-01T21:00:00Z"},
		{"Europe/Riga", 2026, 10, 25, "2026-10-25T22:00:00Z"},
		{"Europe/Riga", 2026, 10, 24, "2026-10-24T21:00:00Z"},
		{"Europe/Riga", 2026, 3, 28, "2026-03-28T22:00:00Z"},
		{"Europe/London", 2026, 3, 28, "2026-03-29T00:00:00Z"},
		{"America/New_York", 2060, 7, 1, "2060-07-02T04:00:00Z"},
		{"America/New_York", 2060, 1, 1, "2060-01-02T05:00:00Z"},
		{"Australia/Sydney", 2060, 1, 1, "2060-01-01T13:00:00Z"},
		{"America/Santiago", 2022, 9, 10, "2022-09-11T04:00:00Z"}, /* midnight was jumped over */
		{"America/Havana", 2022, 11, 5, "2022-11-06T04:00:00Z"},
		{"Asia/Kathmandu", 2026, 1, 1, "2026-01-01T18:15:00Z"},
		{"Mars/Base", 2026, 1, 1, NULL},
		{"../../../etc/passwd", 2026, 1, 1, NULL},
		{"/etc/passwd", 2026, 1, 1, NULL},
		{"zone.tab", 2026, 1, 1, NULL},
		{"Europe", 2026, 1, 1, NULL},
		{"localtime", 2026, 1, 1, NULL},
		{"", 2026, 1, 1, NULL},
	};
	char text[TIME_TEXT];
	int64_t end;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		bool ok = zone_day_end(NULL, samples[i].zone, samples[i].y, samples[i].m, samples[i].d, &end);

		assert_int_equal(ok, samples[i].end != NULL);
		if (ok)
			assert_string_equal(time_print_seconds(end, text, sizeof(text)), samples[i].end);
	}
}

/* --- log
 * -----------------------------------------------------------------------------------------------------------------
 */

static void logs_lines(void **state)
{
	int pair[2];
	struct log l;
	char text[2048];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(pair), 0);
	log_init(&l, "t", LOG_LEVEL_NOTICE);
	l.fd = pair[1];
	l.journal = true;
	log_line(&l, LOG_LEVEL_INFO, "not said");
	log_line(&l, LOG_LEVEL_WARNING, "two\nlines %d", 7);
	n = read(pair[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "<4>two lines 7\n");
	l.journal = false;
	log_line(&l, LOG_LEVEL_ERROR, "%2000s", "long");
	n = read(pair[0], text, sizeof(text));
	assert_in_range(n, 1000, 1024);
	assert_int_equal(text[n - 1], '\n');
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_carets),
		cmocka_unit_test(survives_odd_places),
		cmocka_unit_test(finds_lines_in_any_order),
		cmocka_unit_test(sorts_findings),
		cmocka_unit_test(keeps_names),
		cmocka_unit_test(reads_addresses),
		cmocka_unit_test(reads_prefixes),
		cmocka_unit_test(knows_prefix_edges),
		cmocka_unit_test(reads_macs),
		cmocka_unit_test(reads_times),
		cmocka_unit_test(counts_days),
		cmocka_unit_test(ends_days),
		cmocka_unit_test(logs_lines),
	};

	return cmocka_run_group_tests_name("base-text", tests, NULL, NULL);
}
