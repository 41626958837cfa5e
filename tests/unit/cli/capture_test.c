/* SPDX-License-Identifier: BSD-3-Clause */
/* Small pcap files, made here byte by byte, and what comes out of them. */
#include "capture.h"

#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static char path[64];

static void put32(FILE *f, uint32_t v)
{
	fwrite(&v, sizeof(v), 1, f);
}

static FILE *begin(uint32_t link)
{
	snprintf(path, sizeof(path), "/tmp/cordon-capture-XXXXXX");
	FILE *f = fdopen(mkstemp(path), "wb");

	assert_non_null(f);
	put32(f, 0xa1b2c3d4);
	put32(f, 2 | 4 << 16);
	put32(f, 0);
	put32(f, 0);
	put32(f, 65535);
	put32(f, link);
	return f;
}

static void packet(FILE *f, uint32_t s, uint32_t us, const void *bytes, uint32_t captured, uint32_t len)
{
	put32(f, s);
	put32(f, us);
	put32(f, captured);
	put32(f, len);
	fwrite(bytes, captured, 1, f);
}

static struct capture *finish(FILE *f)
{
	char error[256] = "";

	fclose(f);
	struct capture *c = capture_open(path, error, sizeof(error));
	assert_string_equal(error, "");
	assert_non_null(c);
	return c;
}

static void end(struct capture *c)
{
	capture_close(c);
	unlink(path);
}

/* --- link types -------------------------------------------------------------------------------- */

struct link_case {
	const char *what;
	uint32_t link;
	uint8_t bytes[48];
	uint32_t len;
	uint16_t ethertype;
	uint8_t first; /* first payload byte */
	bool layer2;
};

static const struct link_case link_cases[] = {
	{"ethernet", 1, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x08, 0x00, 0x45}, 15, 0x0800, 0x45, true},
	{"raw 4", 101, {0x45, 1}, 2, 0x0800, 0x45, false},
	{"raw 6", 101, {0x60, 1}, 2, 0x86dd, 0x60, false},
	{"raw neither", 101, {0x10, 1}, 2, 0x0800, 0x10, false},
	{"ipv4", 228, {0x45, 1}, 2, 0x0800, 0x45, false},
	{"ipv6", 229, {0x60, 1}, 2, 0x86dd, 0x60, false},
	{"cooked 4",
	 113,
	 {0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x08, 0x00, 0x45},
	 17,
	 0x0800,
	 0x45,
	 false},
	{"cooked 6",
	 113,
	 {0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x86, 0xdd, 0x60},
	 17,
	 0x86dd,
	 0x60,
	 false},
	{"cooked arp",
	 113,
	 {0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x08, 0x06, 0x00},
	 17,
	 0x0806,
	 0x00,
	 false},
	{"cooked 2",
	 276,
	 {0x86, 0xdd, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x60},
	 21,
	 0x86dd,
	 0x60,
	 false},
	{"null 4 little", 0, {2, 0, 0, 0, 0x45}, 5, 0x0800, 0x45, false},
	{"null 4 big", 0, {0, 0, 0, 2, 0x45}, 5, 0x0800, 0x45, false},
	{"null 6 bsd", 0, {24, 0, 0, 0, 0x60}, 5, 0x86dd, 0x60, false},
	{"null 6 freebsd", 0, {28, 0, 0, 0, 0x60}, 5, 0x86dd, 0x60, false},
	{"null 6 mac", 0, {30, 0, 0, 0, 0x60}, 5, 0x86dd, 0x60, false},
	{"null 6 linux", 0, {10, 0, 0, 0, 0x60}, 5, 0x86dd, 0x60, false},
	{"null neither", 0, {7, 0, 0, 0, 0x45}, 5, 0xffff, 0x45, false},
	{"loop", 108, {0, 0, 0, 2, 0x45}, 5, 0x0800, 0x45, false},
};

static void every_link_type_becomes_ethernet(void **state)
{
	for (size_t i = 0; i < LEN(link_cases); i++) {
		const struct link_case *k = &link_cases[i];
		FILE *file = begin(k->link);
		struct frame f;
		int64_t ns;

		packet(file, 1, 0, k->bytes, k->len, k->len + 100);
		struct capture *c = finish(file);
		if (capture_has_layer2(c) != k->layer2)
			fail_msg("%s: layer 2", k->what);
		assert_int_equal(capture_next(c, &f, &ns), CAPTURE_FRAME);
		if ((f.data[12] << 8 | f.data[13]) != k->ethertype || f.data[14] != k->first)
			fail_msg("%s: %02x%02x %02x", k->what, f.data[12], f.data[13], f.data[14]);
		if (f.wire_len != f.len + 100)
			fail_msg("%s: lengths %u %u", k->what, f.len, f.wire_len);
		if (!k->layer2)
			for (unsigned b = 0; b < 12; b++)
				assert_int_equal(f.data[b], 0);
		assert_int_equal(capture_next(c, &f, &ns), CAPTURE_END);
		end(c);
	}
}

static void a_short_link_header_is_an_empty_frame(void **state)
{
	static const uint8_t bytes[20];
	FILE *file = begin(113);
	struct frame f;
	int64_t ns;

	packet(file, 1, 0, bytes, 15, 15);
	packet(file, 1, 0, bytes, 15, 100);
	packet(file, 1, 0, bytes, 0, 0);
	struct capture *c = finish(file);
	assert_int_equal(capture_next(c, &f, &ns), CAPTURE_FRAME);
	assert_int_equal(f.len, 0);
	assert_int_equal(f.wire_len, 0); /* malformed */
	assert_int_equal(capture_next(c, &f, &ns), CAPTURE_FRAME);
	assert_int_equal(f.len, 0);
	assert_true(f.wire_len > 0); /* cut short */
	assert_int_equal(capture_next(c, &f, &ns), CAPTURE_FRAME);
	end(c);
}

static void other_link_types_are_refused_by_name(void **state)
{
	static const struct {
		uint32_t link;
		const char *name;
	} cases[] = {{105, "IEEE802_11"}, {9, "PPP"}, {192, "PPI"}, {160, "USER13"}};

	for (size_t i = 0; i < LEN(cases); i++) {
		char error[256];
		fclose(begin(cases[i].link));
		assert_null(capture_open(path, error, sizeof(error)));
		assert_non_null(strstr(error, cases[i].name));
		assert_non_null(strstr(error, "not supported"));
		unlink(path);
	}
}

/* --- times and damage -------------------------------------------------------------------------- */

static void times_are_kept_and_bounded(void **state)
{
	static const struct {
		uint32_t s, us;
		int64_t ns;
	} cases[] = {{1, 2, 1000002000},
		     {0, 0, 0},
		     {5, 0xffffffff, 5000000000},
		     {0x7fffffff, 999999, 2147483647999999000}};
	FILE *file = begin(1);
	struct frame f;
	int64_t ns;

	for (size_t i = 0; i < LEN(cases); i++)
		packet(file, cases[i].s, cases[i].us, "xxxxxxxxxxxxxx", 14, 14);
	struct capture *c = finish(file);
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_int_equal(capture_next(c, &f, &ns), CAPTURE_FRAME);
		assert_int_equal(ns, cases[i].ns);
	}
	end(c);
}

static void a_cut_tail_is_told(void **state)
{
	FILE *file = begin(1);
	struct frame f;
	int64_t ns;

	packet(file, 1, 0, "xxxxxxxxxxxxxx", 14, 14);
	put32(file, 1);
	put32(file, 0);
	put32(file, 14);
	put32(file, 14);
	fwrite("xx", 2, 1, file);
	struct capture *c = finish(file);
	assert_int_equal(capture_next(c, &f, &ns), CAPTURE_FRAME);
	assert_int_equal(capture_next(c, &f, &ns), CAPTURE_CUT);
	assert_true(strlen(capture_error(c)) > 0);
	end(c);
}

static void a_wire_length_below_the_captured_is_raised(void **state)
{
	FILE *file = begin(1);
	struct frame f;
	int64_t ns;

	packet(file, 1, 0, "xxxxxxxxxxxxxx", 14, 3);
	struct capture *c = finish(file);
	assert_int_equal(capture_next(c, &f, &ns), CAPTURE_FRAME);
	assert_int_equal(f.len, 14);
	assert_int_equal(f.wire_len, 14);
	end(c);
}

static void what_is_no_capture_is_refused(void **state)
{
	char error[256] = "";

	assert_null(capture_open("/nonexistent.pcap", error, sizeof(error)));
	assert_non_null(strstr(error, "nonexistent"));
	FILE *file = begin(1);
	rewind(file);
	fputs("not a capture at all, not at all", file);
	fclose(file);
	assert_null(capture_open(path, error, sizeof(error)));
	assert_non_null(strstr(error, "cannot read"));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_link_type_becomes_ethernet),
		cmocka_unit_test(a_short_link_header_is_an_empty_frame),
		cmocka_unit_test(other_link_types_are_refused_by_name),
		cmocka_unit_test(times_are_kept_and_bounded),
		cmocka_unit_test(a_cut_tail_is_told),
		cmocka_unit_test(a_wire_length_below_the_captured_is_raised),
		cmocka_unit_test(what_is_no_capture_is_refused),
	};

	return cmocka_run_group_tests_name("cli-capture", tests, NULL, NULL);
}
