/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of decisions under repetition, load, and a slow or lying consumer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "recorder.h"
#include "rig.h"

static const struct mkimage_cell policy[] = {
	{RIG_WEB, RIG_DB, UDP(53), ALLOW(2)},
	{RIG_GUEST,
	 RIG_DB,
	 UDP(53),
	 {.rule = 3,
	  .intended_rule = 3,
	  .flags = DECISION_LOG_ALWAYS,
	  .reason = REASON_RULE,
	  .intended_reason = REASON_RULE}},
};

static void begin(struct rig *r, rig_tune *tune)
{
	rig_tap(r, tune);
	rig_publish(r, 1, policy, N(policy));
}

static uint32_t aggregates(struct rig *r, struct ring_aggregate *one)
{
	struct ring_aggregate a;
	uint32_t n = 0;

	*one = (struct ring_aggregate){0};

	for (uint32_t i = 0; i < r->ring.n_aggregates; i++) {
		if (!ring_read_aggregate(&r->ring, 0, i, &a))
			continue;
		*one = a;
		n++;
	}
	return n;
}

static void repeats_are_counted_with_samples(void **state)
{
	struct ring_aggregate a;
	struct rig r;

	begin(&r, NULL);
	for (uint16_t i = 0; i < 30; i++) {
		rig_udp(&r, 0, DB, 1000, WEB, (uint16_t)(60 + i % 12));
		rig_pass_time(&r, 1);
	}
	assert_int_equal(rig_record(&r, RECORD_REFUSED).dport, 60);
	rig_no_record(&r);
	assert_int_equal(aggregates(&r, &a), 1);
	assert_int_equal(a.count, 29);
	assert_int_equal(a.n_samples, RING_SAMPLES);
	for (uint32_t i = 0; i < RING_SAMPLES; i++)
		assert_int_equal(a.sample[i].dport, 61 + i);
	assert_int_equal(a.src_identity, RIG_DB);
	assert_int_equal(a.dst_identity, RIG_WEB);
	assert_int_equal(a.verdict, VERDICT_DENY);
	assert_int_equal(a.reason, REASON_NO_RULE);
	assert_int_equal(a.last_ns - a.first_ns, INT64_C(28) * 1000000000);
	assert_int_equal(a.src[3], DB);
	rig_free(&r);
}

static void another_kind_is_another_record(void **state)
{
	struct rig r;

	begin(&r, NULL);
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	rig_udp(&r, 0, DB, 1000, GUEST, 60);        /* responder identity */
	rig_udp(&r, 0, ADMIN, 1000, WEB, 60);       /* source */
	rig_tcp(&r, 0, DB, 1000, WEB, 60, PKT_ACK); /* reason */
	rig_publish(&r, 2, policy, N(policy));      /* generation */
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	for (int i = 0; i < 5; i++)
		rig_record(&r, RECORD_REFUSED);
	rig_no_record(&r);
	assert_int_equal(rig_count(&r)->decisions_aggregated, 0);
	rig_free(&r);
}

static void a_window_lasts_a_minute(void **state)
{
	struct ring_aggregate a;
	struct rig r;

	begin(&r, NULL);
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	rig_pass_time(&r, 59.9);
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	rig_pass_time(&r, 0.2);
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	rig_record(&r, RECORD_REFUSED);
	rig_record(&r, RECORD_REFUSED);
	rig_no_record(&r);
	/* nothing was stored yet, so the count goes on in the same slot */
	assert_int_equal(aggregates(&r, &a), 1);
	assert_int_equal(a.count, 2);
	rig_free(&r);
}

static void a_stored_aggregate_begins_anew(void **state)
{
	struct ring_aggregate a, b;
	struct rig r;

	begin(&r, NULL);
	for (int i = 0; i < 4; i++)
		rig_udp(&r, 0, DB, 1000, WEB, 60);
	assert_int_equal(aggregates(&r, &a), 1);
	assert_int_equal(a.count, 3);
	rig_store_aggregates(&r);
	rig_pass_time(&r, 61);
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	assert_int_equal(aggregates(&r, &b), 1);
	assert_int_equal(b.count, 1);
	assert_true(b.serial != a.serial);
	assert_int_equal(b.n_samples, 1);
	rig_free(&r);
}

static void log_always_repeats_in_full(void **state)
{
	struct rig r;

	begin(&r, NULL);
	for (int i = 0; i < 5; i++)
		assert_int_equal(rig_udp(&r, 0, GUEST, 1000, DB, 53), REASON_RULE);
	for (int i = 0; i < 5; i++)
		rig_record(&r, RECORD_REFUSED);
	assert_int_equal(rig_count(&r)->decisions_aggregated, 0);
	rig_free(&r);
}

static void tune_all(struct engine_config *c)
{
	c->record_all = true;
	c->records_per_second = 1;
}

static void record_all_suppresses_nothing(void **state)
{
	struct rig r;

	begin(&r, tune_all);
	for (uint16_t i = 0; i < 5; i++) {
		rig_udp(&r, 0, DB, 1000, WEB, 60);
		rig_udp(&r, 0, WEB, i, DB, 53);
	}
	for (int i = 0; i < 5; i++) {
		rig_record(&r, RECORD_REFUSED);
		rig_record(&r, RECORD_OPEN);
	}
	rig_no_record(&r);
	rig_free(&r);
}

static void tune_slow(struct engine_config *c)
{
	c->records_per_second = 10;
}

static void allowed_sessions_above_the_rate_are_aggregated(void **state)
{
	struct ring_aggregate a;
	struct rig r;

	begin(&r, tune_slow);
	for (uint16_t i = 0; i < 25; i++)
		assert_int_equal(rig_udp(&r, 0, WEB, i, DB, 53), REASON_NONE);
	assert_int_equal(rig_count(&r)->decisions_pushed, 10);
	assert_int_equal(aggregates(&r, &a), 1);
	assert_int_equal(a.count, 15);
	assert_int_equal(a.verdict, VERDICT_ALLOW);
	assert_int_equal(a.rule, 2);
	/* a second later there is room again, and a refusal was never limited */
	rig_pass_time(&r, 0.5);
	for (uint16_t i = 25; i < 35; i++)
		rig_udp(&r, 0, WEB, i, DB, 53);
	assert_int_equal(rig_count(&r)->decisions_pushed, 15);
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	assert_int_equal(rig_count(&r)->decisions_pushed, 16);
	rig_free(&r);
}

static void a_full_ring_is_a_counted_loss(void **state)
{
	struct rig r;

	begin(&r, tune_all);
	for (uint16_t i = 0; i < RIG_RECORDS + 7; i++)
		rig_udp(&r, 0, DB, 1000, WEB, 60);
	assert_int_equal(rig_count(&r)->decisions_lost, 7);
	rig_record(&r, RECORD_REFUSED);
	rig_udp(&r, 0, WEB, 1000, DB, 53);
	assert_int_equal(rig_count(&r)->decisions_lost, 7);
	engine_close_sessions(r.engine, r.now, RECORD_END_SHUTDOWN);
	assert_int_equal(rig_count(&r)->updates_lost, 1);
	rig_laws(&r);
	rig_free(&r);
}

/* More kinds than slots: every decision is still somewhere. */
static void a_flood_of_kinds_fits_or_is_lost(void **state)
{
	struct rig r;
	uint32_t n = 0;

	begin(&r, NULL);
	for (unsigned host = 5; host < 205; host++)
		for (int i = 0; i < 3; i++, n++)
			rig_udp(&r, 0, host, 1000, WEB, 60);
	assert_int_equal(rig_count(&r)->decisions, n);
	assert_true(rig_count(&r)->decisions_aggregated >= 64);
	rig_free(&r);
}

/* The same with a consumer that keeps up, over many windows: nothing is lost, nothing counted twice. */
static void slots_change_hands_without_a_loss(void **state)
{
	struct rig r;

	begin(&r, NULL);
	for (int window = 0; window < 6; window++) {
		for (unsigned host = 5; host < 65; host++)
			for (int i = 0; i < 3; i++)
				rig_udp(&r, 0, host + (unsigned)window * 10, 1000, WEB, 60);
		rig_store_aggregates(&r);
		r.read = ring_worker(&r.ring, 0)->head;
		ring_release(&r.ring, 0, r.read);
		rig_pass_time(&r, 61);
	}
	assert_int_equal(rig_count(&r)->decisions, 6 * 60 * 3);
	assert_int_equal(rig_count(&r)->decisions_lost, 0);
	assert_int_equal(rig_count(&r)->decisions, r.n_stored + rig_count(&r)->decisions_pushed);
	rig_free(&r);
}

/* A consumer that acknowledges what never was cannot make a slot change hands early. */
static void a_false_acknowledgement_is_not_believed(void **state)
{
	struct ring_aggregate a;
	struct rig r;

	begin(&r, NULL);
	for (int i = 0; i < 4; i++)
		rig_udp(&r, 0, DB, 1000, WEB, 60);
	for (uint32_t i = 0; i < r.ring.n_aggregates; i++)
		ring_acked(&r.ring, 0)[i] = UINT64_MAX;
	rig_pass_time(&r, 61);
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	rig_udp(&r, 0, DB, 1000, WEB, 60);
	assert_int_equal(aggregates(&r, &a), 1);
	assert_int_equal(a.count, 4);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeats_are_counted_with_samples),
		cmocka_unit_test(another_kind_is_another_record),
		cmocka_unit_test(a_window_lasts_a_minute),
		cmocka_unit_test(a_stored_aggregate_begins_anew),
		cmocka_unit_test(log_always_repeats_in_full),
		cmocka_unit_test(record_all_suppresses_nothing),
		cmocka_unit_test(allowed_sessions_above_the_rate_are_aggregated),
		cmocka_unit_test(a_full_ring_is_a_counted_loss),
		cmocka_unit_test(a_flood_of_kinds_fits_or_is_lost),
		cmocka_unit_test(slots_change_hands_without_a_loss),
		cmocka_unit_test(a_false_acknowledgement_is_not_believed),
	};

	return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
