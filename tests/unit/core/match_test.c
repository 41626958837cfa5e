/* SPDX-License-Identifier: BSD-3-Clause */
/* The look-up of packets against a plain reading of the cells that made the image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"
#include "match.h"
#include "mkimage.h"
#include "tiny_image.h"

#define CELLS 48u

static struct image_decision expected(const struct mkimage_cell *cells, uint16_t from, uint16_t to,
				      service_key key)
{
	for (uint32_t i = 0; i < CELLS; i++)
		if (cells[i].from == from && cells[i].to == to && key >= cells[i].first && key < cells[i].end)
			return cells[i].decision;
	return match_refusal(REASON_NO_RULE);
}

static void assert_same(struct image_decision a, struct image_decision b)
{
	assert_int_equal(a.rule, b.rule);
	assert_int_equal(a.flags, b.flags);
	assert_int_equal(a.reason, b.reason);
	assert_int_equal(a.intended_rule, b.intended_rule);
}

/* Four pairs with twelve regions each, at random edges; asked at and around every edge, and at random. */
static void make_cells(struct mkimage_cell *cells)
{
	for (uint32_t i = 0; i < CELLS; i++) {
		uint32_t pair = i / 12, step = SERVICE_KEY_END / 12;
		service_key first = i % 12 * step + (uint32_t)rand() % (step / 2);

		cells[i] = (struct mkimage_cell){
			.from = (uint16_t)(16 + pair % 2),
			.to = (uint16_t)(18 + pair / 2),
			.first = i % 12 == 0 && pair == 0 ? 0 : first,
			.end = i % 12 == 11 && pair == 1 ? SERVICE_KEY_END
							 : first + 1 + (uint32_t)rand() % (step / 2 - 1),
			.decision = rand() % 2 ? mkimage_allow(i + 1) : mkimage_deny(i + 1),
		};
	}
}

static void ask_everyone(const struct image_header *image, const struct mkimage_cell *cells, service_key key)
{
	for (uint16_t from = 0; from < MKIMAGE_IDENTITIES + 2; from++)
		for (uint16_t to = 14; to < 22; to++)
			assert_same(engine_ask(image, from, to, key, 0), expected(cells, from, to, key));
}

static void every_edge_of_every_region(void **state)
{
	struct mkimage_cell cells[CELLS];
	const struct mkimage m = {cells, CELLS, NULL, 0, 0};
	struct image_header *image;

	srand(4);
	make_cells(cells);
	image = mkimage(&m);
	for (uint32_t i = 0; i < CELLS; i++)
		for (int d = -1; d <= 1; d++) {
			if (cells[i].first + (uint32_t)d < SERVICE_KEY_END)
				ask_everyone(image, cells, cells[i].first + (uint32_t)d);
			if (cells[i].end + (uint32_t)d < SERVICE_KEY_END)
				ask_everyone(image, cells, cells[i].end + (uint32_t)d);
		}
	for (int i = 0; i < 500; i++)
		ask_everyone(image, cells, (uint32_t)rand() % SERVICE_KEY_END);
	ask_everyone(image, cells, SERVICE_KEY_END - 1);
	free(image);
}

static void no_image_denies_all(void **state)
{
	struct image_decision d = engine_ask(NULL, 16, 17, service_key_make(6, 443), 0);

	assert_int_equal(d.flags, 0);
	assert_int_equal(d.rule, RULE_DEFAULT_DENY);
	assert_int_equal(d.reason, REASON_DENY_ALL);
}

static void numbers_beyond_the_table_are_nobody(void **state)
{
	struct tiny_image t;

	tiny_image_make(&t);
	assert_int_equal(engine_ask(&t.h, 16, 18, 0, 0).flags, DECISION_ALLOW);
	assert_int_equal(engine_ask(&t.h, 19, 18, 0, 0).flags, 0);
	assert_int_equal(engine_ask(&t.h, 19 + 16, 18, 0, 0).flags, 0);
	assert_int_equal(engine_ask(&t.h, 16, 19 + 18, 0, 0).flags, 0);
	assert_int_equal(engine_ask(&t.h, UINT16_MAX, 18, 0, 0).flags, 0);
	assert_int_equal(engine_ask(&t.h, 16, UINT16_MAX, 0, 0).flags, 0);
	assert_int_equal(engine_ask(&t.h, IDENTITY_NONE, 18, 0, 0).flags, 0);
}

static void the_schedule_is_exact_to_the_second(void **state)
{
	const service_key https = service_key_make(6, 443);
	struct tiny_image t;
	struct match_view v;

	tiny_image_make(&t);
	assert_int_equal(engine_ask(&t.h, 16, 17, https, INT64_MIN).rule, 1);
	assert_int_equal(engine_ask(&t.h, 16, 17, https, 999).rule, 1);
	assert_int_equal(engine_ask(&t.h, 16, 17, https, 1000).rule, 0);
	assert_int_equal(engine_ask(&t.h, 16, 17, https, INT64_MAX).rule, 0);
	match_view_init(&v, &t.h, 0);
	assert_false(match_set_time(&v, 999));
	assert_true(match_set_time(&v, 1000));
	assert_int_equal(match_ask(&v, 16, 17, https).rule, 0);
	assert_false(match_set_time(&v, INT64_MAX));
	assert_true(match_set_time(&v, 5)); /* clock set back */
	assert_int_equal(match_ask(&v, 16, 17, https).rule, 1);
}

static void only_named_protocols_are_named(void **state)
{
	const struct mkimage_cell cells[] = {
		{16, 17, service_key_make(47, 0), service_key_make(47, 0) + 1, mkimage_allow(1)},
		{16, 18, service_key_make(1, 13 << 8), service_key_make(1, 13 << 8) + 1, mkimage_allow(1)},
		{16, 19, service_key_make(58, 200 << 8), service_key_make(58, 200 << 8) + 1,
		 mkimage_allow(1)},
	};
	const struct mkimage m = {cells, 3, NULL, 0, 0};
	struct image_header *image = mkimage(&m);
	struct match_view v, none;

	match_view_init(&v, image, 0);
	match_view_init(&none, NULL, 0);
	for (uint32_t i = 0; i < 256; i++) {
		assert_int_equal(match_names_proto(&v, (uint8_t)i), i == 47);
		assert_int_equal(match_names_icmp(&v, 4, (uint8_t)i), i == 13);
		assert_int_equal(match_names_icmp(&v, 6, (uint8_t)i), i == 200);
		assert_false(match_names_proto(&none, (uint8_t)i));
	}
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_edge_of_every_region),
		cmocka_unit_test(no_image_denies_all),
		cmocka_unit_test(numbers_beyond_the_table_are_nobody),
		cmocka_unit_test(the_schedule_is_exact_to_the_second),
		cmocka_unit_test(only_named_protocols_are_named),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
