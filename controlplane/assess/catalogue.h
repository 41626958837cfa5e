/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The catalogue: functions, stages, requirements, metrics and bounds, read from data. Immutable after
 * loading; owns all it points to. Not for other folders.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_TEXT  65u
#define MEASURES_MAX 4u
#define COVERS_MAX   8u

enum stage { STAGE_TRADITIONAL, STAGE_INITIAL, STAGE_ADVANCED, STAGE_OPTIMAL, STAGE_COUNT };
extern const char *const stage_words[STAGE_COUNT];

enum see { SEE_OBSERVED, SEE_PARTLY, SEE_ATTESTED, SEE_OUTSIDE };

struct requirement {
	const char *id, *text;
	enum see see;
	const char *see_word;
};

struct exemption {
	const char *reason, *approver; /* NULL: applies */
};

struct function {
	const char *id, *title, *source;
	struct {
		struct requirement *requirements;
		size_t n;
		struct exemption exemption;
	} stages[STAGE_COUNT];
};

/* `measure` of a metric must keep at_least (or at most) `bound`. */
struct threshold {
	const char *measure;
	const char *text;
	bool at_least;
	double bound;
};

/* What a metric asks at a stage; `text` without thresholds for metrics that are not measured. */
struct demand {
	bool asked;
	const char *text;
	struct threshold thresholds[MEASURES_MAX];
	size_t n;
};

struct metric {
	const char *id, *title, *formula;
	const struct function *function;
	const char *covers[COVERS_MAX];
	size_t n_covers;
	const char *lacks;    /* not measured, because */
	const char *sql_file; /* else NULL */
	char *sql;
	char digest[DIGEST_TEXT];
	struct demand demands[STAGE_COUNT];
};

struct stage_rules {
	unsigned days;
	uint64_t flows;
	double loss;
};

struct limits {
	double flow_floor, flows_per_identity, segment_flows, hours_share, gap_hours, day_share, floor_points;
	double commit_age_hours, readback_gap_seconds, clock_tolerance_seconds;
};

struct catalogue {
	struct yaml_tree *tree;
	char *text;
	char *views;
	const char *model, *version, *published, *pillar, *checked;
	struct stage_rules stages[STAGE_COUNT];
	struct limits limits;
	struct function *functions;
	size_t n_functions;
	struct metric *metrics;
	size_t n_metrics;
	char digest[DIGEST_TEXT]; /* over catalogue.yaml, views.sql and every metric, by name */
};

/* NULL with the first finding in `error`. */
struct catalogue *catalogue_load(const char *dir, char *error, size_t room);
void catalogue_free(struct catalogue *c);
