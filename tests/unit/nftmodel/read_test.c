/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What readers make of a program: its maps asked, every single change of it told by nft_differ(), look-ups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "small_program.h"

static struct nft_program *make(enum small_change change)
{
	char error[200] = "";
	size_t size;
	struct nft_program *p = small_program(change, &size, error, sizeof error);

	if (!p)
		fail_msg("change %d: %s", change, error);
	return p;
}

static void maps_are_asked(void **state)
{
	static const struct {
		uint16_t from, to;
		uint8_t proto;
		uint16_t low;
		uint32_t class;
	} cases[] = {
		{16, 17, 6, 443, 1},     {16, 17, 6, 444, 0},     {16, 17, 17, 443, 0},
		{16, 17, 6, 8000, 2},    {16, 17, 6, 8010, 2},    {16, 17, 6, 8011, 0},
		{16, 17, 6, 7999, 0},    {16, 18, 17, 53, 3},     {16, 18, 6, 53, 0},
		{16, 19, 6, 443, 0},     {16, 20, 6, 443, 0},     {18, 17, 6, 443, 0},
		{17, 18, 17, 53, 0},     {16, 17, 1, 0x0800, 1},  {16, 17, 1, 0, 0},
		{16, 17, 58, 0x8000, 2}, {16, 17, 58, 0x0800, 0}, {16, 17, 1, 0x8000, 0},
		{16, 17, 47, 0, 3},      {16, 17, 50, 0, 0},
	};
	struct nft_program *p = make(SMALL_SAME);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const uint32_t class = nft_ask(p, 0, cases[i].from, cases[i].to,
					       service_key_make(cases[i].proto, cases[i].low));

		if (class != cases[i].class)
			fail_msg("case %zu: class %u instead of %u", i, class, cases[i].class);
	}
	assert_int_equal(nft_ask(p, 1, 16, 17, service_key_make(6, 443)), 0);
	free(p);
}

static void each_change_is_told(void **state)
{
	struct nft_program *same = make(SMALL_SAME);
	char what[200];

	for (enum small_change c = SMALL_SAME; c < SMALL_ALL; c++) {
		struct nft_program *p = make(c);
		const bool change = c > SMALL_SAME && c < SMALL_CHANGES;

		if (nft_differ(same, 0, p, 0, what, sizeof what) != change)
			fail_msg("change %d is %s: %s", c, change ? "not found" : "none", what);
		free(p);
	}
	free(same);
}

static void differences_have_places(void **state)
{
	struct nft_program *same = make(SMALL_SAME), *data = make(SMALL_DATA), *expr = make(SMALL_EXPR);
	char what[200];

	assert_true(nft_differ(same, 0, data, 0, what, sizeof what));
	assert_string_equal(what, "table inet cordon: set source: element 0x00000010 : 0x00000003 has other "
				  "data than expected");
	assert_true(nft_differ(same, 0, expr, 0, what, sizeof what));
	assert_string_equal(what, "table inet cordon: chain forward, rule 2: expected `meta l4proto tcp goto "
				  "open`, found `meta l4proto udp goto open`");
	assert_true(nft_differ(same, 0, same, 1, what, sizeof what));
	free(same);
	free(data);
	free(expr);
}

static void elements_are_found(void **state)
{
	struct nft_program *p = make(SMALL_SAME);
	const struct nft_table *t = nft_find_table(p, 0, NFT_INET);
	const struct nft_set *s = nft_find_set(p, t, "host4");
	const struct nft_element *e = nft_find_element(p, s, (const uint8_t[NFT_KEY_MAX]){10, 255, 255, 255});

	assert_int_equal(e ? e->data : 0, 16);
	e = nft_find_element(p, s, (const uint8_t[NFT_KEY_MAX]){11, 0, 0, 5});
	assert_int_equal(e ? e->data : 0, 17);
	assert_null(nft_find_element(p, s, (const uint8_t[NFT_KEY_MAX]){11, 0, 0, 6}));
	assert_null(nft_find_element(p, s, (const uint8_t[NFT_KEY_MAX]){9, 255, 255, 255}));
	assert_null(nft_find_set(p, t, "host"));
	assert_non_null(nft_find_chain(p, t, "forward"));
	assert_null(nft_find_chain(p, t, "forwar"));
	assert_null(nft_find_table(p, 0, NFT_NETDEV));
	assert_null(nft_find_table(p, 1, NFT_INET));
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_are_asked),
		cmocka_unit_test(each_change_is_told),
		cmocka_unit_test(differences_have_places),
		cmocka_unit_test(elements_are_found),
	};

	return cmocka_run_group_tests_name("nftmodel read", tests, NULL, NULL);
}
