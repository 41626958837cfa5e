/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One assessment while it is made: evidence, values, cells. Not for other folders. Owner: assess_run().
 */
#pragma once

#include <jansson.h>
#include <sqlite3.h>

#include "catalogue.h"
#include "store.h"

#define NS_PER_SECOND  INT64_C(1000000000)
#define NS_PER_HOUR    (3600 * NS_PER_SECOND)
#define NS_PER_DAY     (24 * NS_PER_HOUR)
#define GENERATION_MAX UINT32_MAX

/* First that applies; a cell's state is the least of what it lacks. */
enum cell_state {
	CELL_NOT_OBSERVABLE,
	CELL_NOT_APPLICABLE,
	CELL_INSUFFICIENT,
	CELL_NOT_MET,
	CELL_PROVISIONAL,
	CELL_ATTESTED_ONLY,
	CELL_AWARDED,
	CELL_STATES,
};
extern const char *const cell_words[CELL_STATES];

struct cell {
	enum cell_state state;
	json_t *lacks;               /* array of {state, text} */
	unsigned observed, attested; /* requirements met by evidence, by attestation */
};

/* What the store holds of the window of a stage. */
struct evidence {
	int64_t from_ns, until_ns;
	uint64_t flows, identities;
	uint64_t hours, hours_with;
	double longest_gap_hours, largest_day;
	uint64_t decisions, lost;
	uint64_t open_accounts, missing_rows, clock_back, removed_days;
	bool days_unread;
	uint64_t readbacks, readbacks_unequal; /* of the active generation; of any */
	uint64_t clock_asked, clock_bad; /* read-backs of any; those dated by a clock nobody vouched for */
	double readback_gap_seconds;
};

struct stratum {
	double numerator, denominator;
};
struct measure {
	char name[24];
	double numerator, denominator;
	struct stratum *strata;
	size_t n_strata;
};
/* A metric over the window of a stage. */
struct value {
	struct measure measures[MEASURES_MAX];
	size_t n;
};

struct assessment {
	struct store *store;
	sqlite3 *db;
	const struct catalogue *c;
	int64_t from_ns, until_ns, now_ns;
	const char *author;
	unsigned days_missing;

	int64_t generation; /* active; 0 none */
	int64_t active_ns;
	char image_digest[DIGEST_TEXT];
	int64_t latest_ns; /* of anything in the store */

	struct evidence evidence[STAGE_COUNT];
	struct value (*values)[STAGE_COUNT]; /* per metric */
	struct cell (*cells)[STAGE_COUNT];   /* per function */
	char error[256];
};

/* A statement over the query connection with the window and the like bound by name; NULL with a->error. */
sqlite3_stmt *assess_prepare(struct assessment *a, const char *name, const char *sql, int64_t from_ns);
/* -errno, text from SQLite in a->error. */
int assess_failed(struct assessment *a, const char *name);

int evidence_collect(struct assessment *a);
/* facts.c: what SQL cannot say, from the images, into the temp table `fact`. */
int facts_compute(struct assessment *a);
/* Copy them into the store. */
int facts_keep(struct assessment *a);
int metrics_compute(struct assessment *a);
const struct measure *value_measure(const struct value *v, const char *name);
/* The stratum at the worst decile of those with a sample; false if none has. */
bool measure_worst(const struct measure *m, double min_sample, bool at_least, double *worst, size_t *unknown);
int award(struct assessment *a);
enum stage award_function(const struct assessment *a, size_t function);
enum stage award_pillar(const struct assessment *a);
json_t *report_json(struct assessment *a);
void cell_lack(struct cell *cell, enum cell_state state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
