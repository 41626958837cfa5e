/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What cordon-nft asks of programs and read-backs. A read-back is played by the program with its bindings,
 * which has the same form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compile.h"
#include "mkimage.h"
#include "program.h"
#include "to_nft.h"

#define ROOM 256u

static struct nft_box box_of(uint32_t layout)
{
	struct nft_box b = {.layout = layout,
			    .planes = NFT_PLANE_FORWARD,
			    .bridge = "br0",
			    .n_ports = 2,
			    .group = NFT_GROUP_DEFAULT};

	for (int i = 0; i < 2; i++) {
		strcpy(b.port[i].name, i ? "b" : "a");
		strcpy(b.port[i].device, i ? "eth1" : "eth0");
		b.port[i].vlan = 10;
	}
	return b;
}

static struct nft_program *program_of(const struct nft_box *box, int64_t closes_utc)
{
	const struct mkimage_cell cell = {16, 16, service_key_make(6, 0), service_key_make(7, 0),
					  mkimage_allow(1)};
	const struct mkimage_prefix prefix = {10u << 24, 16, PREFIX_FINAL};
	const struct mkimage m = {
		.cell = &cell, .n_cells = 1, .prefix = &prefix, .n_prefixes = 1, .closes_utc = closes_utc};
	struct image_header *image = mkimage(&m);
	struct nft_program *p = NULL;
	char error[ROOM];
	size_t size;

	assert_int_equal(compile_nft(image, box, &NFT_LIMITS_DEFAULT, &p, &size, error, sizeof(error)),
			 COMPILE_OK);
	free(image);
	return p;
}

static struct dp_binding binding(uint8_t address, uint16_t port, uint8_t family)
{
	struct dp_binding b = {
		.domain = 10, .port = port, .identity = (uint16_t)(16 + address), .family = family};

	b.addr[0] = family == 4 ? 10 : 0xfd;
	b.addr[family == 4 ? 3 : 15] = address;
	b.mac[0] = 2;
	b.mac[5] = address;
	return b;
}

static struct nft_program *with(const struct nft_program *p, const struct dp_binding *b, size_t n)
{
	char error[ROOM];
	size_t size;
	struct nft_program *got = nft_with_bindings(p, 0, b, n, &size, error, sizeof(error));

	assert_non_null(got);
	return got;
}

/* In both layouts bindings come back out of the elements they were put into. */
static void test_bindings(void **state)
{
	const struct dp_binding all[] = {binding(1, 0, 4), binding(2, 1, 4), binding(3, 1, 6)};

	for (uint32_t layout = NFT_LAYOUT_BRNF; layout <= NFT_LAYOUT_BRCT; layout++) {
		const struct nft_box box = box_of(layout);
		struct nft_program *p = program_of(&box, 0), *got = with(p, all, 3);
		size_t n;
		struct dp_binding *b = program_bindings(got, &box, 77, &n);

		assert_int_equal(program_layout_of(got), layout);
		assert_int_equal(n, 3);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(b[i].lease_s, 77);
			b[i].lease_s = 0;
			assert_memory_equal(&b[i], &all[b[i].identity - 17], sizeof(*b));
		}
		free(b);
		free(got);
		free(p);
	}
}

static void test_model_at(void **state)
{
	const struct nft_box box = box_of(NFT_LAYOUT_BRNF);
	struct nft_program *p = program_of(&box, 1000), *always = program_of(&box, 0);
	int64_t until;

	const uint32_t open = program_model_at(p, 999, &until);
	assert_int_equal(until, 1000);
	const uint32_t shut = program_model_at(p, 1000, &until);
	assert_true(until == INT64_MAX && open != shut);
	assert_int_equal(program_model_at(p, INT64_MIN, &until), open);
	assert_int_equal(program_model_at(p, INT64_MAX, &until), shut);
	assert_int_equal(program_model_at(always, 5, &until), 0);
	assert_true(until == INT64_MAX);
	free(p);
	free(always);
}

static void test_same_box(void **state)
{
	const struct nft_box box = box_of(NFT_LAYOUT_BRNF);
	struct nft_box other = box;
	struct nft_program *p = program_of(&box, 0), *got = with(p, NULL, 0);
	char error[ROOM];
	size_t size;
	struct nft_program *closed = nft_closed(&box, &size, error, sizeof(error));

	assert_true(program_same_box(got, closed));
	assert_true(program_hooked(closed, 0, got, false));
	assert_true(program_hooked(p, 0, got, true));
	assert_false(program_hooked(got, 0, closed, true));
	free(closed);
	strcpy(other.port[1].device, "eth9");
	closed = nft_closed(&other, &size, error, sizeof(error));
	assert_false(program_same_box(got, closed));
	free(closed);
	free(got);
	free(p);
}

static void test_differs(void **state)
{
	const struct nft_box box = box_of(NFT_LAYOUT_BRNF);
	struct nft_box other = box_of(NFT_LAYOUT_BRCT);

	assert_null(program_differs(&other, &box));
	other.port[0].outside = 1;
	assert_non_null(strstr(program_differs(&other, &box), "other ports"));
	other = box;
	other.planes |= NFT_PLANE_HOST;
	assert_non_null(strstr(program_differs(&other, &box), "other planes"));
	other = box;
	strcpy(other.bridge, "br1");
	assert_non_null(strstr(program_differs(&other, &box), "another bridge"));
	other = box;
	other.management[0].family = 4;
	other.n_management = 1;
	assert_non_null(strstr(program_differs(&other, &box), "management"));
	other = box;
	other.group++;
	assert_non_null(strstr(program_differs(&other, &box), "group"));
}

static void test_layout(void **state)
{
	const struct nft_box box = box_of(NFT_LAYOUT_NONE);
	struct nft_box host = {.planes = NFT_PLANE_HOST};
	const uint32_t all =
		DP_FEATURE_BRIDGE | DP_FEATURE_BRIDGE_CT | DP_FEATURE_BRIDGE_REJECT | DP_FEATURE_VLAN_FILTER;

	assert_int_equal(program_layout(&box, all), NFT_LAYOUT_BRCT);
	assert_int_equal(program_layout(&box, all & ~(uint32_t)DP_FEATURE_BRIDGE_CT), NFT_LAYOUT_BRNF);
	assert_int_equal(program_layout(&host, all), NFT_LAYOUT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bindings), cmocka_unit_test(test_model_at),
		cmocka_unit_test(test_same_box), cmocka_unit_test(test_differs),
		cmocka_unit_test(test_layout),
	};

	return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
