/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a ring file through the real reader to a result: what the dataplane counted is what the metrics see.
 */
#include "../observe/fixture.h"

#include <jansson.h>
#include <time.h>

#include "assess.h"
#include "dpmsg.h"

/* The ring file says when it was made, so the window must reach to the real day. */
static int64_t wall_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static json_t *assess(struct fixture *f)
{
	char error[256] = "", *text = NULL;
	int64_t now = wall_clock();
	json_t *r;

	if (assess_run(f->s, ZTMM, NOON - DAY, now, now, "t", true, &text, error, sizeof(error)))
		fail_msg("%s", error);
	r = json_loads(text, 0, NULL);
	free(text);
	return r;
}

static const json_t *measure(const json_t *r, const char *id, const char *name)
{
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(r, "metrics"), i, m)
	{
		if (!strcmp(json_string_value(json_object_get(m, "id")), id)) {
			m = json_object_get(json_object_get(json_object_get(m, "stages"), "initial"),
					    "measures");
			return json_object_get(m, name);
		}
	}
	return NULL;
}

static double part(const json_t *r, const char *id, const char *name, const char *key)
{
	return json_number_value(json_object_get(measure(r, id, name), key));
}

static void ring_to_result(void **state)
{
	struct fixture *f = *state;
	struct plane d;
	json_t *r;

	plane_open(&d, f->run, 1024);
	d.now = wall_clock();
	for (int i = 0; i < 300; i++)
		plane_open_session(&d);
	for (int i = 0; i < 8; i++)
		plane_repeat(&d);
	assert_int_equal(reader_pass(f->r, wall_clock(), 100000), 301);
	r = assess(f);
	assert_true(part(r, "VA-1", "records", "numerator") == 308.0);
	assert_true(part(r, "VA-1", "records", "denominator") == 308.0);
	assert_true(part(r, "VA-2", "flows", "denominator") == 308.0);
	assert_true(part(r, "VA-2", "flows", "numerator") == 300.0); /* the repeats come from $unknown */
	assert_true(part(r, "SEG-2", "flows", "numerator") == 0.0);  /* no image of generation 1 is stored */
	assert_string_equal(json_string_value(json_object_get(r, "stage")), "traditional");
	json_decref(r);
	ring_close(&d.file);
}

/* Verification of a policy is no evidence of what hosts do: it changes no measure but the law's. */
static void probes_do_not_count(void **state)
{
	static const char *const sums[][2] = {{"SEG-2", "flows"}, {"SEG-2", "pairs"}, {"SEG-3", "flows"},
					      {"SEG-3", "pairs"}, {"VA-2", "flows"},  {"VA-2", "pairs"}};
	struct fixture *f = *state;
	struct ring_aggregate *a;
	struct plane d;
	struct record r;
	json_t *before, *after;

	plane_open(&d, f->run, 1024);
	d.now = wall_clock();
	for (int i = 0; i < 300; i++)
		plane_open_session(&d);
	assert_int_equal(reader_pass(f->r, wall_clock(), 100000), 300);
	before = assess(f);
	r = plane_record(&d, RECORD_OPEN);
	r.domain = DP_PROBE_DOMAIN;
	r.dst_identity++;
	for (int i = 0; i < 50; i++) {
		r.type = i % 2 ? RECORD_OPEN : RECORD_REFUSED;
		r.dport++;
		plane_decide(&d, &r);
	}
	plane_repeat(&d); /* and one aggregate */
	a = &d.p.aggregates[d.serial % 4];
	a->domain = DP_PROBE_DOMAIN;
	assert_int_equal(reader_pass(f->r, wall_clock(), 100000), 51);
	after = assess(f);
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		assert_true(part(before, sums[i][0], sums[i][1], "denominator") > 0.0);
		assert_true(part(before, sums[i][0], sums[i][1], "denominator") ==
			    part(after, sums[i][0], sums[i][1], "denominator"));
		assert_true(part(before, sums[i][0], sums[i][1], "numerator") ==
			    part(after, sums[i][0], sums[i][1], "numerator"));
	}
	assert_true(part(after, "VA-1", "records", "numerator") == 351.0);
	assert_true(json_equal(json_object_get(json_object_get(before, "scope"), "domains"),
			       json_object_get(json_object_get(after, "scope"), "domains")));
	json_decref(before);
	json_decref(after);
	ring_close(&d.file);
}

/* Pending is not stored: completeness falls until it is. */
static void pending_is_not_complete(void **state)
{
	struct fixture *f = *state;
	struct plane d;
	json_t *r;

	plane_open(&d, f->run, 1024);
	d.now = wall_clock();
	for (int i = 0; i < 300; i++)
		plane_open_session(&d);
	assert_int_equal(reader_pass(f->r, wall_clock(), 150), 150);
	r = assess(f);
	assert_true(part(r, "VA-1", "records", "value") == 0.5);
	json_decref(r);
	ring_close(&d.file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ring_to_result, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(probes_do_not_count, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(pending_is_not_complete, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests_name("assess-ring", tests, NULL, NULL);
}
