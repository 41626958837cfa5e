/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client of cordon-dp's socket against peers that lie, stall and leave: each request ends in bounded
 * time, with a sentence, and a connection that cannot be trusted is not kept.
 */
#include "dp.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "dir.h"
#include "testdp.h"

struct bench {
	char dir[64], path[128];
	struct testdp *peer;
	struct dp *dp;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	dir_make(b->dir, sizeof(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/dp.sock", b->dir);
	b->peer = testdp_start(b->dir);
	b->dp = dp_new(b->path, DP_ENGINE_DPDK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	dp_free(b->dp);
	testdp_stop(b->peer);
	dir_remove(b->dir);
	free(b);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void test_sound(void **state)
{
	struct bench *b = *state;
	struct dp_binding *held;
	struct readback got;
	size_t n;

	assert_int_equal(dp_fd(b->dp), -1);
	assert_int_equal(dp_ping(b->dp), -ENOTCONN);
	assert_int_equal(dp_connect(b->dp), 0);
	assert_int_equal(dp_last_hello(b->dp)->n_ports, 3);
	assert_string_equal(dp_last_hello(b->dp)->port_name[2], "wan");
	assert_int_equal(dp_ping(b->dp), 0);
	assert_int_equal(dp_deny_all(b->dp), 0);
	assert_int_equal(dp_dump_bindings(b->dp, &held, &n), 0);
	assert_int_equal(n, 0);
	free(held);
	assert_int_equal(dp_enforcer(b->dp)->ops->readback(dp_enforcer(b->dp), &got), 0);
	assert_null(got.image);
	assert_int_equal(got.generation, 0);
	assert_true(dp_connected(b->dp));
}

static void test_nobody_listens(void **state)
{
	struct bench *b = *state;

	testdp_stop(b->peer);
	b->peer = NULL;
	assert_int_equal(dp_connect(b->dp), -ECONNREFUSED);
	assert_non_null(strstr(dp_error(b->dp), b->path));
	assert_false(dp_connected(b->dp));
}

static const struct {
	enum testdp_fault fault;
	int code;
} lies[] = {
	{TESTDP_SIZE, -EPROTO}, {TESTDP_ABI, -EPROTO},      {TESTDP_TYPE, -EPROTO},
	{TESTDP_SEQ, -EPROTO},  {TESTDP_STALL, -ETIMEDOUT}, {TESTDP_CLOSE, -ECONNRESET},
};

static void test_lies(void **state)
{
	static const uint16_t types[] = {DP_HELLO, DP_PING};
	struct bench *b = *state;

	for (size_t i = 0; i < 2 * sizeof(lies) / sizeof(lies[0]); i++) {
		uint16_t type = types[i % 2];
		int64_t start;
		int r;

		testdp_fault(b->peer, type, lies[i / 2].fault, 1);
		if (type != DP_HELLO)
			assert_int_equal(dp_connect(b->dp), 0);
		start = now_ms();
		r = type == DP_HELLO ? dp_connect(b->dp) : dp_ping(b->dp);
		assert_int_equal(r, lies[i / 2].code);
		assert_in_range(now_ms() - start, 0, DP_TIMEOUT_MS + 200);
		assert_false(dp_connected(b->dp));
		assert_true(dp_error(b->dp)[0]);
	}
	assert_int_equal(dp_connect(b->dp), 0);
	assert_int_equal(dp_ping(b->dp), 0);
}

/* Events for ever instead of an answer: the deadline holds, and no memory grows. */
static void test_flood(void **state)
{
	struct bench *b = *state;
	int64_t start;

	assert_int_equal(dp_connect(b->dp), 0);
	testdp_fault(b->peer, DP_PING, TESTDP_FLOOD, 1);
	start = now_ms();
	assert_int_equal(dp_ping(b->dp), -ETIMEDOUT);
	assert_in_range(now_ms() - start, 0, DP_TIMEOUT_MS + 500);
	assert_true(dp_events_lost(b->dp) > 0);
	assert_int_equal(dp_events_lost(b->dp), 0);
	assert_int_equal(dp_connect(b->dp), 0);
}

static void test_refusal_keeps_the_connection(void **state)
{
	struct bench *b = *state;

	assert_int_equal(dp_connect(b->dp), 0);
	testdp_fault(b->peer, DP_DENY_ALL, TESTDP_REFUSE, 1);
	assert_int_equal(dp_deny_all(b->dp), -ENOMEM);
	assert_string_equal(dp_error(b->dp), "cordon-dp: refused by the test");
	assert_true(dp_connected(b->dp));
	assert_int_equal(dp_deny_all(b->dp), 0);
}

static void test_unsealed_dump(void **state)
{
	struct bench *b = *state;
	struct dp_binding *held;
	size_t n;

	assert_int_equal(dp_connect(b->dp), 0);
	testdp_fault(b->peer, DP_DUMP, TESTDP_UNSEALED, 1);
	assert_int_equal(dp_dump_bindings(b->dp, &held, &n), -EPROTO);
	assert_null(held);
	assert_false(dp_connected(b->dp));
}

static void count(void *ctx, const struct dp_endpoint *e)
{
	(*(unsigned *)ctx)++;
}

/* An event that comes while a request waits is not lost. */
static void test_events_between(void **state)
{
	struct bench *b = *state;
	unsigned seen = 0;
	struct pkt p;

	assert_int_equal(dp_connect(b->dp), 0);
	pkt_ether(&p, PKT_BROADCAST, 1);
	pkt_arp(&p, 1, 1, "10.0.10.1", 0, "10.0.10.1");
	testdp_frame(b->peer, 0, &p);
	for (int i = 0; i < 1000 && seen == 0; i++) {
		assert_int_equal(dp_ping(b->dp), 0);
		assert_int_equal(dp_events(b->dp, count, &seen), 0);
	}
	assert_int_equal(seen, 1);
}

static void test_events_report_the_end(void **state)
{
	struct bench *b = *state;
	struct pollfd p;
	unsigned seen = 0;

	assert_int_equal(dp_connect(b->dp), 0);
	p = (struct pollfd){dp_fd(b->dp), POLLIN, 0};
	testdp_stop(b->peer);
	b->peer = NULL;
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_true(dp_events(b->dp, count, &seen) < 0);
	assert_false(dp_connected(b->dp));
	assert_int_equal(seen, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_sound),
		T(test_nobody_listens),
		T(test_lies),
		T(test_flood),
		T(test_refusal_keeps_the_connection),
		T(test_unsealed_dump),
		T(test_events_between),
		T(test_events_report_the_end),
	};

	return cmocka_run_group_tests_name("enforce dp", tests, NULL, NULL);
}
