/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A store as an honest gateway would have filled it: a real policy with its real image, a week of flows,
 * read-backs and an account that adds up. Each test changes one thing of it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>

#include "store.h"

#define SECOND INT64_C(1000000000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
#define NOW    INT64_C(1772366400000000000) /* 2026-03-01T12:00:00Z */

struct world {
	char root[64], store[96], catalogue[96];
	struct store *s;
	/* how it is filled */
	const char *policy; /* NULL: the neat one */
	int64_t age;        /* of flows and read-backs; 0: 7 days and a bit */
	int64_t commit_age; /* 0: 30 days */
	unsigned per_hour;  /* 0: 12 */
	bool no_flows, no_readback;
};

extern const char policy_neat[], policy_monitor[], policy_allow_any[], policy_far_review[], policy_split[];

int world_setup(void **state);
int world_teardown(void **state);
/* Fill the store; the policy's rules decide each flow by eval, as the dataplane would. */
void world_fill(struct world *w);
/* Statements on control.db, or on the newest day file. */
void world_control(struct world *w, const char *sql);
void world_flows(struct world *w, const char *sql);
/* Assess with the small catalogue; the caller frees with json_decref(). */
json_t *world_assess(struct world *w, int64_t from_ns);
json_t *world_assess_with(struct world *w, const char *catalogue, int64_t from_ns, bool keep);
/* State of a cell, stage of a function. */
const char *cell_state(const json_t *result, const char *function, const char *stage);
const char *function_stage(const json_t *result, const char *function);
/* Some lack of the cell says this. */
bool cell_says(const json_t *result, const char *function, const char *stage, const char *text);
double measure_of(const json_t *result, const char *metric, const char *stage, const char *measure);
