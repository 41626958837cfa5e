/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which elements a binding is in each layout and at each kind of port, and a program with many of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "small_program.h"

static struct dp_binding binding(uint8_t family, uint16_t port, uint16_t domain)
{
	struct dp_binding b = {.mac = {2, 0, 0, 0, 0, 7}, .domain = domain, .port = port, .identity = 16};

	b.family = family;
	memcpy(b.addr,
	       family == 4 ? "\x0a\0\0\x07\0\0\0\0\0\0\0\0\0\0\0"
			   : "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07",
	       16);
	return b;
}

static const struct nft_bound *find(const struct nft_bound *all, size_t n, const char *set)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(all[i].set, set))
			return &all[i];
	fail_msg("no element in %s", set);
	return NULL;
}

static void has(const struct nft_bound *all, size_t n, const char *set, uint32_t family, const void *key,
		size_t len)
{
	const struct nft_bound *b = find(all, n, set);
	uint8_t whole[NFT_KEY_MAX] = {0};

	memcpy(whole, key, len);
	assert_int_equal(b->family, family);
	assert_memory_equal(b->element.key, whole, NFT_KEY_MAX);
	assert_memory_equal(b->element.key_end, whole, NFT_KEY_MAX);
}

#define HAS(set, family, key) has(out, n, set, family, key, sizeof(key) - 1)
#define MAC                   "\2\0\0\0\0\7\0\0"

static void access_port(void **state)
{
	const struct nft_box box = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	const struct dp_binding b = binding(4, 1, 20);
	struct nft_bound out[NFT_BOUND_MAX];
	const size_t n = nft_bind_elements(&box, &b, out);

	assert_int_equal(n, 7);
	HAS("bound4", NFT_BRIDGE, "\2\0\0\0" MAC "\x0a\0\0\7");
	HAS("held4", NFT_BRIDGE, "\x0a\0\0\7");
	HAS("to4", NFT_BRIDGE, MAC "\x0a\0\0\7");
	HAS("behind", NFT_BRIDGE, "\2\0\0\0" MAC);
	HAS("home", NFT_BRIDGE, "\2\0\0\0\0\7");
	HAS("address4", NFT_INET, "\x14\0\0\0\x0a\0\0\7");
	HAS("same4", NFT_INET, "\x0a\0\0\7\x0a\0\0\7");
	assert_int_equal(find(out, n, "address4")->element.data, 16);
	assert_int_equal(find(out, n, "bound4")->element.data, 0);
}

static void trunk_port(void **state)
{
	const struct nft_box box = mkbox(NFT_LAYOUT_BRCT, NFT_PLANE_FORWARD);
	const struct dp_binding b = binding(6, 3, 30), other = binding(6, 3, 31), native = binding(6, 3, 0);
	struct nft_bound out[NFT_BOUND_MAX];
	const size_t n = nft_bind_elements(&box, &b, out);

	assert_int_equal(n, 7);
	HAS("bound6", NFT_BRIDGE, "\x1e\0\0\0\4\0\0\0" MAC "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7");
	HAS("home", NFT_BRIDGE, "\x1e\0\0\0" MAC);
	HAS("address6", NFT_BRIDGE, "\x1e\0\0\0\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7");
	assert_int_equal(nft_bind_elements(&box, &other, out), 0);
	assert_int_equal(nft_bind_elements(&box, &native, out), 0);
}

static void outside_port(void **state)
{
	struct nft_box box = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	struct dp_binding b = binding(4, 0, 20);
	struct nft_bound out[NFT_BOUND_MAX];

	box.port[0].outside = 1;
	b.identity = IDENTITY_WORLD;
	const size_t n = nft_bind_elements(&box, &b, out);
	assert_int_equal(n, 7);
	assert_int_equal(find(out, n, "address4")->element.data, IDENTITY_WORLD);
}

static void probe_ports(void **state)
{
	const struct nft_box box = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	const struct dp_binding b = binding(4, 0xfff1, DP_PROBE_DOMAIN), wrong = binding(4, 0xfff1, 20),
				real = binding(4, 1, DP_PROBE_DOMAIN),
				third = binding(4, 0xfff2, DP_PROBE_DOMAIN);
	struct nft_bound out[NFT_BOUND_MAX];
	const size_t n = nft_bind_elements(&box, &b, out);

	assert_int_equal(n, 7);
	HAS("behind", NFT_BRIDGE, "\xf2\xff\0\0" MAC);
	HAS("address4", NFT_INET, "\xff\x0f\0\0\x0a\0\0\7");
	assert_int_equal(nft_bind_elements(&box, &wrong, out), 0);
	assert_int_equal(nft_bind_elements(&box, &real, out), 0);
	assert_int_equal(nft_bind_elements(&box, &third, out), 0);
}

static void unknown_ports(void **state)
{
	const struct nft_box box = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	const struct nft_box host = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_HOST);
	const struct dp_binding good = binding(4, 1, 20), port = binding(4, 3, 20),
				domain = binding(4, 1, 21), family = binding(5, 1, 20);
	struct nft_bound out[NFT_BOUND_MAX];

	assert_int_equal(nft_bind_elements(&box, &good, out), 7);
	assert_int_equal(nft_bind_elements(&host, &good, out), 0);
	assert_int_equal(nft_bind_elements(&box, &port, out), 0);
	assert_int_equal(nft_bind_elements(&box, &domain, out), 0);
	assert_int_equal(nft_bind_elements(&box, &family, out), 0);
}

/* A program with the sets that bindings fill, and nothing else but one address of its own. */
static struct nft_program *empty_sets(void)
{
	static const char *const bridge[] = {"bound4", "held4",  "to4",   "behind",
					     "home",   "bound6", "held6", "to6"};
	static const char *const inet[] = {"address4", "same4", "address6", "same6"};
	const struct nft_program head = {.box = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD)};
	struct nft_builder *b = nft_builder_new();
	char error[200] = "";
	size_t size;

	nft_build_model(b);
	nft_build_table(b, NFT_BRIDGE, NFT_TABLE);
	for (size_t i = 0; i < sizeof bridge / sizeof bridge[0]; i++)
		small_set(b, bridge[i], 4);
	nft_build_table(b, NFT_INET, NFT_TABLE);
	for (size_t i = 0; i < sizeof inet / sizeof inet[0]; i++) {
		small_set(b, inet[i], 4);
		if (i == 0)
			SMALL_PUT(b, "address4", 3, 20, 9);
	}
	struct nft_program *p = nft_builder_finish(b, &head, &size, error, sizeof error);
	if (!p)
		fail_msg("%s", error);
	nft_builder_free(b);
	return p;
}

static uint32_t count(const struct nft_program *p, uint32_t family, const char *set)
{
	return nft_find_set(p, nft_find_table(p, 0, family), set)->element_count;
}

static void one_mac_shares_elements(void **state)
{
	struct nft_program *p = empty_sets();
	const struct dp_binding b[] = {binding(4, 1, 20), binding(6, 1, 20), binding(4, 1, 20)};
	char error[200] = "";
	size_t size;
	struct nft_program *with = nft_with_bindings(p, 0, b, 3, &size, error, sizeof error);

	assert_non_null(with);
	assert_null(nft_program_check(with, size));
	assert_int_equal(count(with, NFT_BRIDGE, "behind"), 1);
	assert_int_equal(count(with, NFT_BRIDGE, "home"), 1);
	assert_int_equal(count(with, NFT_BRIDGE, "bound4"), 1);
	assert_int_equal(count(with, NFT_BRIDGE, "bound6"), 1);
	assert_int_equal(count(with, NFT_INET, "address4"), 2);
	free(with);
	free(p);
}

static void contradictions_are_told(void **state)
{
	struct nft_program *p = empty_sets();
	struct dp_binding b[] = {binding(4, 1, 20), binding(4, 1, 20)};
	char error[200] = "";
	size_t size;

	b[1].identity = 17;
	assert_null(nft_with_bindings(p, 0, b, 2, &size, error, sizeof error));
	assert_string_equal(error, "kernel program: set address4: bindings want one key with different data");
	assert_null(nft_with_bindings(p, 1, b, 1, &size, error, sizeof error));
	assert_string_equal(error, "kernel program: it has no model 1");
	free(p);
	p = small_program(SMALL_SAME, &size, error, sizeof error);
	assert_null(nft_with_bindings(p, 0, b, 1, &size, error, sizeof error));
	assert_string_equal(error, "kernel program: a binding needs the set bound4, which it has not");
	free(p);
}

static void many_are_fast(void **state)
{
	enum { BINDINGS = 15000 };
	struct dp_binding *b = calloc(BINDINGS, sizeof *b);
	struct nft_program *p = empty_sets();
	struct timespec from, to;
	char error[200] = "";
	size_t size;

	for (uint32_t i = 0; i < BINDINGS; i++) {
		const uint32_t mixed = i * 2654435761u;

		b[i] = binding(4, (uint16_t)(i % 3), 20);
		memcpy(b[i].addr, &mixed, 4);
		memcpy(b[i].mac + 2, &mixed, 4);
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	struct nft_program *with = nft_with_bindings(p, 0, b, BINDINGS, &size, error, sizeof error);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_non_null(with);
	assert_int_equal(with->element.count, 7 * BINDINGS + 1);
	/* far more than it takes, far less than quadratic work would */
	assert_true(to.tv_sec - from.tv_sec < 10);
	free(with);
	free(p);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_port),
		cmocka_unit_test(trunk_port),
		cmocka_unit_test(outside_port),
		cmocka_unit_test(probe_ports),
		cmocka_unit_test(unknown_ports),
		cmocka_unit_test(one_mac_shares_elements),
		cmocka_unit_test(contradictions_are_told),
		cmocka_unit_test(many_are_fast),
	};

	return cmocka_run_group_tests_name("nftmodel bindings", tests, NULL, NULL);
}
