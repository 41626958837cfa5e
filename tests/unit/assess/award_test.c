/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nothing but observed enforcement raises a stage. The first test shows that an honest week does; every other
 * one spoils one thing and must lose it.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assess.h"

#define WEEK (NOW - 7 * DAY)

static void honest_week_is_awarded(void **state)
{
	struct world *w = *state;
	json_t *r;

	world_fill(w);
	r = world_assess(w, WEEK);
	assert_string_equal(cell_state(r, "SEG", "traditional"), "INSUFFICIENT");
	assert_string_equal(cell_state(r, "SEG", "initial"), "AWARDED");
	assert_string_equal(cell_state(r, "VA", "initial"), "AWARDED");
	assert_string_equal(cell_state(r, "AO", "initial"), "AWARDED");
	assert_string_equal(function_stage(r, "SEG"), "initial");
	/* a week is no month: the stages above are not reached */
	assert_string_not_equal(cell_state(r, "SEG", "advanced"), "AWARDED");
	assert_true(cell_says(r, "SEG", "advanced", "30 are wanted"));
	/* the pillar is the least of its functions, and GOV has nothing */
	assert_string_equal(json_string_value(json_object_get(r, "stage")), "traditional");
	json_decref(r);
}

static void states_of_their_own(void **state)
{
	struct world *w = *state;
	json_t *r;

	world_fill(w);
	r = world_assess(w, WEEK);
	assert_string_equal(cell_state(r, "VA", "optimal"), "NOT_OBSERVABLE");
	assert_string_equal(cell_state(r, "AO", "advanced"), "NOT_APPLICABLE");
	assert_true(cell_says(r, "AO", "advanced", "ciso"));
	assert_true(cell_says(r, "VA", "advanced", "VA.A1: no attestation"));
	assert_string_equal(cell_state(r, "GOV", "initial"), "INSUFFICIENT");
	assert_true(cell_says(r, "GOV", "advanced", "GOV.A1: no metric looks at it"));
	json_decref(r);
}

static void attestation_stands_apart_and_expires(void **state)
{
	struct world *w = *state;
	json_t *r;

	world_fill(w);
	world_control(w,
		      "INSERT INTO attestation (time_ns, requirement, author, statement, expires_ns) VALUES "
		      "(1, 'GOV.I1', 'a', 's', 9000000000000000000)");
	r = world_assess(w, WEEK);
	assert_string_equal(cell_state(r, "GOV", "initial"), "ATTESTED_ONLY");
	assert_string_equal(function_stage(r, "GOV"), "traditional");
	json_decref(r);
	world_control(w, "UPDATE attestation SET expires_ns = 2");
	r = world_assess(w, WEEK);
	assert_string_equal(cell_state(r, "GOV", "initial"), "INSUFFICIENT");
	json_decref(r);
}

/* Read-backs that say nothing against the policy that was in force: from before the first commit, and of a
 * commit that was given up. */
static void other_generations_do_not_spoil_a_week(void **state)
{
	struct world *w = *state;
	json_t *r;

	world_fill(w);
	world_control(w, "INSERT INTO readback (time_ns, engine, generation, expected, image_digest, equal)"
			 " SELECT max(time_ns) + 1, 'dpdk', 0, 0, '', 1 FROM readback");
	world_control(
		w,
		"INSERT INTO generation (number, state, digest, image_digest, author, message, prepared_ns)"
		" SELECT 2, 'abandoned', 'd', 'x', 'a', 'm', max(time_ns) FROM readback");
	world_control(w, "INSERT INTO readback (time_ns, engine, generation, expected, image_digest, equal)"
			 " SELECT max(time_ns) + 1, 'dpdk', 1, 2, '', 0 FROM readback");
	r = world_assess(w, WEEK);
	assert_string_equal(cell_state(r, "SEG", "initial"), "AWARDED");
	json_decref(r);
}

/* A clock is set some seconds after each start; what was dated before is few. */
static void a_start_does_not_spoil_a_week(void **state)
{
	struct world *w = *state;
	json_t *r;

	world_fill(w);
	world_control(w, "UPDATE readback SET clock_bad = 1 WHERE id % 200 = 0");
	r = world_assess(w, WEEK);
	assert_string_equal(cell_state(r, "SEG", "initial"), "AWARDED");
	json_decref(r);
}

/* --- windows that somebody chose well ------------------------------------------------------------------ */

static json_t *assess_window(struct world *w, int64_t from_ns, int64_t until_ns, int64_t now_ns)
{
	char error[256] = "", *text = NULL;
	json_t *r;

	if (assess_run(w->s, w->catalogue, from_ns, until_ns, now_ns, "t", false, &text, error,
		       sizeof(error)))
		fail_msg("%s", error);
	r = json_loads(text, 0, NULL);
	free(text);
	return r;
}

static void a_week_gone_by_is_not_today(void **state)
{
	struct world *w = *state;
	json_t *r;

	world_fill(w);
	r = assess_window(w, WEEK, NOW, NOW + 5 * HOUR);
	assert_string_equal(cell_state(r, "SEG", "initial"), "AWARDED");
	json_decref(r);
	r = assess_window(w, WEEK, NOW, NOW + DAY);
	assert_string_equal(cell_state(r, "SEG", "initial"), "PROVISIONAL");
	assert_true(cell_says(r, "SEG", "initial", "ended 24 hours ago"));
	json_decref(r);
}

static void the_future_is_no_window(void **state)
{
	struct world *w = *state;
	json_t *r;

	world_fill(w);
	r = assess_window(w, NOW - 2 * DAY, NOW + 5 * DAY, NOW);
	assert_true(cell_says(r, "SEG", "initial", "the window is 2.00 days, 7 are wanted"));
	json_decref(r);
	r = assess_window(w, INT64_MIN, INT64_MAX, NOW);
	assert_string_equal(cell_state(r, "SEG", "initial"), "AWARDED");
	json_decref(r);
}

/* All ports but one are all ports, in however many ranges they are written. */
static void split_ranges_are_wide(void **state)
{
	struct world *w = *state;
	json_t *r;

	w->policy = policy_split;
	world_fill(w);
	r = world_assess(w, WEEK);
	assert_float_equal(measure_of(r, "SEG-2", "initial", "flows"), 0.75,
			   0.001); /* web to db is a quarter */
	assert_float_equal(measure_of(r, "SEG-3", "initial", "flows"), 0.5, 0.001);
	json_decref(r);
}

/* --- what must not raise a stage ----------------------------------------------------------------------- */

struct spoiled {
	const char *name;
	struct world with;   /* how the store is filled */
	const char *control; /* then done to control.db */
	const char *flows;   /* and to the newest day */
	int64_t window;      /* 0: a week */
	const char *function, *state, *says;
};

static const struct spoiled cases[] = {
	{"perfect policy, no traffic",
	 {.no_flows = true},
	 NULL,
	 NULL,
	 0,
	 "SEG",
	 "INSUFFICIENT",
	 "0 natural flows"},
	{"perfect policy, no traffic (AO)",
	 {.no_flows = true},
	 NULL,
	 NULL,
	 0,
	 "AO",
	 "INSUFFICIENT",
	 "0 natural flows"},
	{"few flows", {.per_hour = 5}, NULL, NULL, 0, "SEG", "INSUFFICIENT", "natural flows in the window"},
	{"monitor only", {.policy = policy_monitor}, NULL, NULL, 0, "SEG", "NOT_MET", "SEG-2 flows: 0,"},
	{"allow-any below neat rules",
	 {.policy = policy_allow_any},
	 NULL,
	 NULL,
	 0,
	 "SEG",
	 "NOT_MET",
	 "SEG-3 flows: 1,"},
	{"review dates in 2099",
	 {.policy = policy_far_review},
	 NULL,
	 NULL,
	 0,
	 "AO",
	 "NOT_MET",
	 "AO-2 covered: 0,"},
	{"overdue and still enforced",
	 {.age = 0},
	 "UPDATE rule SET review_end = 1700000000",
	 NULL,
	 0,
	 "AO",
	 "NOT_MET",
	 "AO-2 overdue: 1,"},
	{"no read-back", {.no_readback = true}, NULL, NULL, 0, "SEG", "INSUFFICIENT", "never read back"},
	{"read-back unequal",
	 {.age = 0},
	 "UPDATE readback SET equal = 0 WHERE id = 100",
	 NULL,
	 0,
	 "SEG",
	 "INSUFFICIENT",
	 "another policy"},
	{"read-back of another image",
	 {.age = 0},
	 "UPDATE readback SET image_digest = 'x' WHERE id = 100",
	 NULL,
	 0,
	 "SEG",
	 "INSUFFICIENT",
	 "another policy"},
	{"read-back of another generation",
	 {.age = 0},
	 "UPDATE readback SET generation = 7 WHERE id = 100",
	 NULL,
	 0,
	 "SEG",
	 "INSUFFICIENT",
	 "another policy"},
	{"read-back with a hole",
	 {.age = 0},
	 "DELETE FROM readback WHERE id BETWEEN 200 AND 210",
	 NULL,
	 0,
	 "SEG",
	 "PROVISIONAL",
	 "between two read-backs"},
	{"read back only since yesterday",
	 {.age = 0},
	 "DELETE FROM readback WHERE time_ns < (SELECT max(time_ns) FROM readback) - 86400000000000",
	 NULL,
	 0,
	 "SEG",
	 "PROVISIONAL",
	 "between two read-backs"},
	{"switched on an hour ago",
	 {.commit_age = HOUR},
	 NULL,
	 NULL,
	 0,
	 "SEG",
	 "PROVISIONAL",
	 "1.0 hours old"},
	{"window of minutes",
	 {.age = 20 * 60 * SECOND, .per_hour = 7200},
	 NULL,
	 NULL,
	 20 * 60 * SECOND,
	 "SEG",
	 "PROVISIONAL",
	 "7 are wanted"},
	{"a week asked, minutes seen",
	 {.age = 20 * 60 * SECOND, .per_hour = 7200},
	 NULL,
	 NULL,
	 0,
	 "SEG",
	 "PROVISIONAL",
	 "of 168 hours"},
	{"logger lost records",
	 {.age = 0},
	 NULL,
	 "UPDATE account SET lost = 100, decisions = decisions + 100",
	 0,
	 "VA",
	 "INSUFFICIENT",
	 "are lost"},
	{"records gone from the store",
	 {.age = 0},
	 NULL,
	 "DELETE FROM decision WHERE sequence % 7 = 0",
	 0,
	 "VA",
	 "INSUFFICIENT",
	 "are gone from the store"},
	{"a closed account that does not add up",
	 {.age = 0},
	 NULL,
	 "UPDATE account SET closed = 1, decisions = decisions + 3",
	 0,
	 "VA",
	 "INSUFFICIENT",
	 "do not add up"},
	{"the clock went back",
	 {.age = 0},
	 NULL,
	 "UPDATE account SET clock_back = 1",
	 0,
	 "SEG",
	 "INSUFFICIENT",
	 "clock went back"},
	{"nobody vouched for the clock",
	 {.age = 0},
	 "UPDATE readback SET clock_bad = 1 WHERE id % 90 = 0",
	 NULL,
	 0,
	 "SEG",
	 "INSUFFICIENT",
	 "clock was not synchronised at"},
	{"evidence from the future",
	 {.age = 0},
	 NULL,
	 "UPDATE account SET seen_ns = seen_ns + 3600000000000",
	 0,
	 "SEG",
	 "INSUFFICIENT",
	 "dated 3600 s after now"},
	{"a day removed by retention",
	 {.age = 0},
	 "INSERT INTO removed_day VALUES ('2026-02-25', 1771977600000000000, 1772064000000000000, 5, 0)",
	 NULL,
	 0,
	 "SEG",
	 "INSUFFICIENT",
	 "removed by retention"},
	{"an image that is not the published one",
	 {.age = 0},
	 "UPDATE generation_image SET bytes = zeroblob(length(bytes))",
	 NULL,
	 0,
	 "SEG",
	 "INSUFFICIENT",
	 "SEG-8 p95: no sample"},
	{"no active policy",
	 {.age = 0},
	 "UPDATE generation SET state = 'retired'",
	 NULL,
	 0,
	 "SEG",
	 "INSUFFICIENT",
	 "no policy is active"},
};

static void spoiled_is_not_awarded(void **state)
{
	const struct spoiled *c = *state;
	struct world *w = NULL;
	json_t *r;

	assert_int_equal(world_setup((void **)&w), 0);
	w->policy = c->with.policy;
	w->age = c->with.age;
	w->commit_age = c->with.commit_age;
	w->per_hour = c->with.per_hour;
	w->no_flows = c->with.no_flows;
	w->no_readback = c->with.no_readback;
	world_fill(w);
	if (c->control)
		world_control(w, c->control);
	if (c->flows)
		world_flows(w, c->flows);
	r = world_assess(w, NOW - (c->window ? c->window : 7 * DAY));
	if (strcmp(cell_state(r, c->function, "initial"), c->state) ||
	    !cell_says(r, c->function, "initial", c->says))
		fail_msg("%s: %s, lacks %s", c->name, cell_state(r, c->function, "initial"),
			 json_dumps(r, 0));
	assert_string_equal(function_stage(r, c->function), "traditional");
	json_decref(r);
	world_teardown((void **)&w);
}

#define CASES (sizeof(cases) / sizeof(cases[0]))

int main(void)
{
	struct CMUnitTest tests[8 + CASES] = {
		cmocka_unit_test_setup_teardown(honest_week_is_awarded, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(states_of_their_own, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(attestation_stands_apart_and_expires, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(other_generations_do_not_spoil_a_week, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(a_start_does_not_spoil_a_week, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(a_week_gone_by_is_not_today, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(the_future_is_no_window, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(split_ranges_are_wide, world_setup, world_teardown),
	};

	for (size_t i = 0; i < CASES; i++)
		tests[8 + i] = (struct CMUnitTest){.name = cases[i].name,
						   .test_func = spoiled_is_not_awarded,
						   .initial_state = (void *)&cases[i]};
	return cmocka_run_group_tests_name("assess-award", tests, NULL, NULL);
}
