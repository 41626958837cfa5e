/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bindings and the elements they ask for: after any sequence of changes, committed or cancelled, what the
 * kernel was told is what nft_bind_elements() says of the bindings that are there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bound.h"
#include "endpoints.h"
#include "table.h"

#define HOSTS  6u
#define ROUNDS 3000u
#define KEPT   1024u

static struct nft_box box(void)
{
	struct nft_box b = {.layout = NFT_LAYOUT_BRNF, .planes = NFT_PLANE_FORWARD, .n_ports = 3};

	for (int i = 0; i < 3; i++)
		b.port[i].vlan = 10;
	return b;
}

static struct dp_binding binding(uint8_t address, uint8_t mac, uint16_t port, uint16_t identity)
{
	struct dp_binding b = {.domain = 10, .port = port, .identity = identity, .family = 4, .lease_s = 60};

	memcpy(b.addr, (uint8_t[]){10, 0, 0, address}, 4);
	b.mac[0] = 2;
	b.mac[5] = mac;
	return b;
}

/* What a kernel would hold: adding twice or deleting what is not there fails the test. */
struct kernel {
	struct nft_bound at[KEPT];
	size_t n;
};

static bool same(const struct nft_bound *a, const struct nft_bound *b)
{
	return a->family == b->family && !strcmp(a->set, b->set) && a->element.data == b->element.data &&
	       !memcmp(a->element.key, b->element.key, sizeof(a->element.key));
}

static size_t find(const struct kernel *k, const struct nft_bound *e)
{
	size_t i = 0;

	while (i < k->n && !same(&k->at[i], e))
		i++;
	return i;
}

static void apply(struct kernel *k, const struct bound_change *c)
{
	for (size_t i = 0; i < c->n_del; i++) {
		const size_t at = find(k, &c->del[i]);

		assert_true(at < k->n);
		k->at[at] = k->at[--k->n];
	}
	for (size_t i = 0; i < c->n_add; i++) {
		assert_true(find(k, &c->add[i]) == k->n && k->n < KEPT);
		k->at[k->n++] = c->add[i];
	}
}

static void expect_same(const struct kernel *k, const struct bound *b)
{
	struct kernel want = {.n = 0};
	const struct nft_box of = box();
	struct dp_binding one;
	uint32_t at = 0;
	size_t n;

	while (bound_next(b, &at, &one)) {
		struct nft_bound e[NFT_BOUND_MAX];
		const size_t m = nft_bind_elements(&of, &one, e);

		for (size_t i = 0; i < m; i++)
			if (find(&want, &e[i]) == want.n)
				want.at[want.n++] = e[i];
	}
	assert_int_equal(k->n, want.n);
	for (size_t i = 0; i < want.n; i++)
		assert_true(find(k, &want.at[i]) < k->n);
	struct nft_bound *all = bound_elements(b, &n);
	assert_int_equal(n, want.n);
	for (size_t i = 0; i < n; i++)
		assert_true(find(&want, &all[i]) < want.n);
	free(all);
}

/* Few addresses, MACs, ports and identities, so that all meet all. */
static void test_any_sequence(void **state)
{
	const struct nft_box of = box();
	struct kernel *k = calloc(1, sizeof(*k));
	struct bound *b = bound_of(&of, NULL, 0, 0);

	srand(7);
	assert_non_null(b);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct dp_binding batch[4];
		struct bound_change change;
		const size_t n = 1 + (size_t)rand() % 4;
		const bool commit = rand() % 4;

		for (size_t i = 0; i < n; i++) {
			batch[i] = binding((uint8_t)(1 + rand() % HOSTS), (uint8_t)(rand() % 3),
					   (uint16_t)(rand() % 3), (uint16_t)(16 + rand() % 2));
			batch[i].flags = rand() % 3 ? 0 : DP_BINDING_GONE;
		}
		assert_true(bound_begin(b, batch, n, &change));
		if (commit)
			apply(k, &change);
		bound_end(b, &change, commit);
		expect_same(k, b);
	}
	bound_free(b);
	free(k);
}

static void test_of_a_snapshot(void **state)
{
	const struct nft_box of = box();
	const struct dp_binding all[] = {binding(1, 1, 0, 16), binding(2, 1, 0, 16), binding(1, 2, 1, 17)};
	struct bound *b = bound_of(&of, all, 3, 0);
	struct dp_binding found;

	assert_int_equal(bound_count(b), 2);
	assert_true(bound_find(b, &all[0], &found));
	assert_int_equal(found.identity, 17);
	bound_free(b);
}

static void test_leases(void **state)
{
	const struct nft_box of = box();
	struct dp_binding all[] = {binding(1, 1, 0, 16), binding(2, 2, 0, 16)}, found;
	struct bound *b;

	all[1].lease_s = UINT32_MAX;
	b = bound_of(&of, all, 2, 1000);
	bound_time(b, 1020);
	assert_true(bound_find(b, &all[0], &found));
	assert_int_equal(found.lease_s, 40);
	bound_renew(b, &all[0], 50);
	bound_renew(b, &all[1], 50);
	bound_time(b, 1069);
	assert_true(bound_find(b, &all[0], &found));
	assert_int_equal(found.lease_s, 1);
	bound_time(b, 2000);
	assert_true(bound_find(b, &all[0], &found));
	assert_int_equal(found.lease_s, 0);
	assert_true(bound_find(b, &all[1], &found));
	assert_int_equal(found.lease_s, UINT32_MAX);
	bound_free(b);
}

static void test_table_limit(void **state)
{
	struct table t;

	table_init(&t, 8, 4, 3);
	for (uint32_t key = 0; key < 3; key++)
		assert_int_equal(table_put(&t, &key), key);
	assert_int_equal(table_put(&t, &(uint32_t){9}), TABLE_NONE);
	table_remove(&t, 1);
	assert_int_equal(table_find(&t, &(uint32_t){1}), TABLE_NONE);
	assert_int_equal(table_next(&t, 1), 2);
	assert_int_equal(table_put(&t, &(uint32_t){9}), 1);
	table_fini(&t);
}

static struct dp_endpoint endpoint(uint32_t address, uint16_t port)
{
	struct dp_endpoint e = {.port = port, .family = 4, .kind = DP_ENDPOINT_NEW};

	memcpy(e.addr, &address, sizeof(address));
	return e;
}

/* Repeated within a second: told once. */
static void test_endpoints_fold(void **state)
{
	struct endpoints *q = calloc(1, sizeof(*q));
	struct dp_endpoint e = endpoint(1, 0), out[4];

	assert_true(endpoints_put(q, &e, 5000));
	e.time_ns = 1;
	assert_false(endpoints_put(q, &e, 5999));
	assert_true(endpoints_put(q, &e, 6000));
	e.kind = DP_ENDPOINT_SPOOF;
	assert_true(endpoints_put(q, &e, 6000));
	assert_int_equal(endpoints_take(q, out, 4), 3);
	assert_int_equal(out[2].kind, DP_ENDPOINT_SPOOF);
	assert_int_equal(endpoints_take(q, out, 4), 0);
	free(q);
}

/* One port cannot use up what the others need. */
static void test_endpoints_bounded(void **state)
{
	struct endpoints *q = calloc(1, sizeof(*q));
	struct dp_endpoint out[24];
	uint32_t n = 0, got = 0;

	for (uint32_t i = 0; i < 3 * ENDPOINTS_PER_PORT; i++) {
		const struct dp_endpoint e = endpoint(i, 0);

		n += endpoints_put(q, &e, 10);
	}
	assert_int_equal(n, ENDPOINTS_PER_PORT);
	assert_int_equal(q->lost, 2 * ENDPOINTS_PER_PORT);
	assert_true(endpoints_put(q, &(struct dp_endpoint){.port = 1}, 10));
	for (uint32_t i = 0; i < 10 * ENDPOINTS_QUEUE; i++) {
		const struct dp_endpoint e = endpoint(i, (uint16_t)(i % 32));

		endpoints_put(q, &e, 3000 + i);
	}
	assert_int_equal(q->n, ENDPOINTS_QUEUE);
	for (uint32_t k; (k = endpoints_take(q, out, 24));)
		got += k;
	assert_int_equal(got, ENDPOINTS_QUEUE);
	free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_sequence),   cmocka_unit_test(test_of_a_snapshot),
		cmocka_unit_test(test_leases),         cmocka_unit_test(test_table_limit),
		cmocka_unit_test(test_endpoints_fold), cmocka_unit_test(test_endpoints_bounded),
	};

	return cmocka_run_group_tests_name("bound", tests, NULL, NULL);
}
