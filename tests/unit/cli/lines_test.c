/* SPDX-License-Identifier: BSD-3-Clause */
/* Records in, lines out: which decisions share a line, and that none is lost or counted twice. */
#include "lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct printed {
	struct record line[32];
	unsigned n;
};

static void keep(void *ctx, const struct record *line)
{
	struct printed *p = ctx;

	assert_true(p->n < 32);
	p->line[p->n++] = *line;
}

static struct record refused(uint8_t src, uint16_t sport, uint16_t dport, uint8_t proto, int64_t ns)
{
	struct record r = {.type = RECORD_REFUSED,
			   .family = 4,
			   .src = {10, 0, 0, src},
			   .dst = {10, 0, 0, 99},
			   .sport = sport,
			   .dport = dport,
			   .proto = proto,
			   .packets = {1, 0},
			   .bytes = {60, 0},
			   .first_ns = ns,
			   .last_ns = ns};

	return r;
}

static struct record session(enum record_type type, uint64_t number, uint64_t packets, int64_t first,
			     int64_t last)
{
	struct record r = {.type = (uint8_t)type,
			   .session = number,
			   .family = 4,
			   .src = {10, 0, 0, 1},
			   .packets = {packets, packets / 2},
			   .bytes = {packets * 100, packets * 50},
			   .first_ns = first,
			   .last_ns = last};

	return r;
}

static void add(struct lines *l, struct record r)
{
	lines_add(l, &r);
}

static void expect(const struct lines *l, uint64_t written, uint64_t aggregated)
{
	assert_int_equal(lines_written(l), written);
	assert_int_equal(lines_aggregated(l), aggregated);
	assert_int_equal(lines_lost(l), 0);
}

static void repeats_of_a_tuple_share_a_line(void **state)
{
	struct printed p = {0};
	struct lines *l = lines_new(100, keep, &p);

	add(l, refused(1, 1000, 80, 6, 50));
	add(l, refused(1, 1000, 80, 6, 70));
	add(l, refused(1, 1000, 80, 6, 60));
	expect(l, 1, 2);
	lines_finish(l);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.line[0].packets[0], 3);
	assert_int_equal(p.line[0].bytes[0], 180);
	assert_int_equal(p.line[0].first_ns, 50);
	assert_int_equal(p.line[0].last_ns, 70);
	lines_free(l);
}

static void each_part_of_the_tuple_tells_lines_apart(void **state)
{
	struct record base = refused(1, 1000, 80, 6, 50), others[7];
	struct printed p = {0};
	struct lines *l = lines_new(100, keep, &p);

	for (size_t i = 0; i < 7; i++)
		others[i] = base;
	others[0].src[3] = 2;
	others[1].dst[3] = 2;
	others[2].sport = 1;
	others[3].dport = 1;
	others[4].proto = 17;
	others[5].domain = 10;
	memcpy(others[6].src, base.dst, 16); /* the other side as initiator */
	memcpy(others[6].dst, base.src, 16);
	add(l, base);
	for (size_t i = 0; i < 7; i++)
		add(l, others[i]);
	expect(l, 8, 0);
	lines_free(l);
}

static void icmp_codes_of_one_type_share_a_line(void **state)
{
	struct printed p = {0};
	struct lines *l = lines_new(100, keep, &p);

	add(l, refused(1, 7, 8 << 8 | 0, 1, 1));
	add(l, refused(1, 7, 8 << 8 | 1, 1, 2));
	add(l, refused(1, 7, 13 << 8, 1, 3));
	expect(l, 2, 1);
	lines_free(l);
}

static void a_session_is_one_line_with_its_last_counters(void **state)
{
	struct printed p = {0};
	struct lines *l = lines_new(100, keep, &p);

	add(l, session(RECORD_OPEN, 1, 0, 10, 10));
	add(l, session(RECORD_UPDATE, 1, 4, 10, 20));
	add(l, session(RECORD_END, 1, 8, 10, 30));
	add(l, session(RECORD_OPEN, 2, 0, 40, 40));
	expect(l, 2, 0);
	lines_finish(l);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.line[0].packets[0], 8);
	assert_int_equal(p.line[0].packets[1], 4);
	assert_int_equal(p.line[0].last_ns, 30);
	lines_free(l);
}

static void a_changed_session_adds_to_its_line(void **state)
{
	struct printed p = {0};
	struct lines *l = lines_new(100, keep, &p);

	add(l, session(RECORD_OPEN, 1, 0, 10, 10));
	add(l, session(RECORD_CHANGED, 1, 4, 10, 20));
	expect(l, 1, 1);
	lines_free(l);
}

static void lines_come_by_first_packet(void **state)
{
	struct printed p = {0};
	struct lines *l = lines_new(100, keep, &p);

	add(l, refused(1, 1, 80, 6, 30));
	add(l, session(RECORD_OPEN, 1, 0, 10, 10));
	add(l, refused(2, 1, 80, 6, 20));
	add(l, refused(3, 1, 80, 6, 20));
	lines_finish(l);
	assert_int_equal(p.n, 4);
	for (unsigned i = 1; i < p.n; i++)
		assert_true(p.line[i - 1].first_ns <= p.line[i].first_ns);
	assert_int_equal(p.line[1].src[3], 2); /* equal times keep their order */
	assert_int_equal(p.line[2].src[3], 3);
	lines_free(l);
}

/* At the limit finished lines go, live sessions stay, and every decision is still counted once. */
static void the_limit_prints_early(void **state)
{
	struct printed p = {0};
	struct lines *l = lines_new(3, keep, &p);

	add(l, session(RECORD_OPEN, 1, 0, 1, 1));
	for (uint8_t i = 1; i <= 4; i++)
		add(l, refused(i, 1, 80, 6, 10 + i));
	assert_int_equal(lines_parts(l), 1);
	assert_int_equal(p.n, 2);
	add(l, refused(1, 1, 80, 6, 30)); /* printed already: a line of its own */
	add(l, refused(4, 1, 80, 6, 31)); /* may be held still */
	add(l, session(RECORD_END, 1, 6, 1, 40));
	lines_finish(l);
	assert_int_equal(lines_written(l), p.n);
	assert_int_equal(lines_written(l) + lines_aggregated(l), 7);
	for (unsigned i = 0; i < p.n; i++)
		if (p.line[i].session == 1)
			assert_int_equal(p.line[i].packets[0], 6);
	lines_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeats_of_a_tuple_share_a_line),
		cmocka_unit_test(each_part_of_the_tuple_tells_lines_apart),
		cmocka_unit_test(icmp_codes_of_one_type_share_a_line),
		cmocka_unit_test(a_session_is_one_line_with_its_last_counters),
		cmocka_unit_test(a_changed_session_adds_to_its_line),
		cmocka_unit_test(lines_come_by_first_packet),
		cmocka_unit_test(the_limit_prints_early),
	};

	return cmocka_run_group_tests_name("cli-lines", tests, NULL, NULL);
}
