/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All memory is taken at engine_create(): nothing is allocated or freed by bursts, publishes, ticks or ends
 * of sessions. (That the engine knows no other allocator than its caller's is a matter of lint.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "rig.h"

static unsigned taken, given;

static void *count_alloc(size_t size, size_t align)
{
	size_t whole = (size + align - 1) / align * align;
	void *p = aligned_alloc(align, whole);

	taken++;
	return p ? memset(p, 0, whole) : NULL;
}

static void count_free(void *p)
{
	given++;
	free(p);
}

static void counted(struct engine_config *c)
{
	c->alloc = count_alloc;
	c->free = count_free;
}

static const struct mkimage_cell open_cells[] = {{RIG_WEB, RIG_DB, TCP(5432), ALLOW(1)},
						 {RIG_WEB, RIG_DB, UDP(53), ALLOW(2)}};
static const struct mkimage_cell shut_cells[] = {{RIG_WEB, RIG_DB, UDP(53), ALLOW(2)}};

static void traffic(struct rig *r)
{
	for (uint16_t port = 1000; port < 1040; port++) {
		assert_int_equal(rig_udp(r, 0, WEB, port, DB, 53), REASON_NONE);
		assert_int_equal(rig_udp(r, 1, DB, 53, WEB, port), REASON_NONE);
		assert_int_not_equal(rig_udp(r, 0, WEB, port, DB, 54), REASON_NONE);
		engine_tick(r->engine, r->now, 64);
	}
}

static void nothing_is_allocated_after_create(void **state)
{
	struct rig r;
	unsigned at_start;

	taken = given = 0;
	rig_bridge(&r, counted);
	at_start = taken;
	assert_true(at_start > 0);
	rig_publish(&r, 1, open_cells, N(open_cells));
	rig_bind(&r, WEB, 10, 0, RIG_WEB);
	rig_bind(&r, DB, 10, 1, RIG_DB);
	traffic(&r);
	rig_publish(&r, 2, shut_cells, N(shut_cells));
	rig_bind(&r, WEB, 10, 0, RIG_WEB);
	rig_bind(&r, DB, 10, 1, RIG_DB);
	traffic(&r);
	rig_pass_time(&r, 400);
	engine_close_sessions(r.engine, r.now, RECORD_END_SHUTDOWN);
	assert_int_equal(taken, at_start);
	assert_int_equal(given, 0);
	rig_free(&r);
	assert_int_equal(given, at_start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_allocated_after_create)};

	return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
