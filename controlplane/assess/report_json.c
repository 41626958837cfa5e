/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The result as JSON: every number that a state rests on, so that it can be judged again without the store.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assessment.h"
#include "timefmt.h"

static const char schema[] = "cordon.assessment/1";
static const char statement[] = "Only traffic that passed this gateway is judged. Whether neighbours on one "
				"switch can reach each other past it is "
				"not tested (SEG-0), so nothing is claimed about them. Requirements marked "
				"attested rest on a person's word.";
/* What the method asks for and this program does not do yet. */
static const char *const not_applied[] = {
	"hysteresis over earlier results (a stage is judged anew each time)",
	"approved exclusions (there are none: nothing is left out)",
	"probes and their confidence bounds (there are no probes)",
	"frames lost before the dataplane counted them",
};

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *time_json(int64_t ns)
{
	char text[TIME_TEXT];

	return json_string(time_print(ns, 0, text, sizeof(text)));
}

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

/* --- metrics ------------------------------------------------------------------------------------------- */

static const char *bound_of(const struct demand *d, const char *measure)
{
	for (size_t i = 0; i < d->n; i++) {
		if (!strcmp(d->thresholds[i].measure, measure))
			return d->thresholds[i].text;
	}
	return NULL;
}

static bool at_least(const struct demand *d, const char *measure)
{
	const char *text = bound_of(d, measure);

	return !text || text[0] == '>';
}

static json_t *measure_json(const struct assessment *a, const struct demand *d, const struct measure *m)
{
	json_t *j = json_object();
	size_t unknown = 0;
	double worst = NAN;

	if (!measure_worst(m, a->c->limits.segment_flows, at_least(d, m->name), &worst, &unknown))
		worst = NAN;
	json_object_set_new(j, "numerator", number(m->numerator));
	json_object_set_new(j, "denominator", number(m->denominator));
	json_object_set_new(j, "value",
			    m->denominator > 0 ? number(m->numerator / m->denominator) : json_null());
	json_object_set_new(j, "asked", text_or_null(bound_of(d, m->name)));
	json_object_set_new(j, "strata", json_integer((json_int_t)m->n_strata));
	json_object_set_new(j, "strata_unknown", json_integer((json_int_t)unknown));
	json_object_set_new(j, "worst_tenth", number(worst));
	return j;
}

static json_t *demand_json(const struct assessment *a, const struct demand *d, const struct value *v)
{
	json_t *j = json_object(), *measures = json_object();

	for (size_t i = 0; i < v->n; i++)
		json_object_set_new(measures, v->measures[i].name, measure_json(a, d, &v->measures[i]));
	json_object_set_new(j, "asked", text_or_null(d->text));
	json_object_set_new(j, "measures", measures);
	return j;
}

static json_t *metric_json(const struct assessment *a, size_t i)
{
	const struct metric *m = &a->c->metrics[i];
	json_t *j = json_object(), *stages = json_object(), *covers = json_array();

	for (int s = STAGE_INITIAL; s < STAGE_COUNT; s++) {
		if (m->demands[s].asked)
			json_object_set_new(stages, stage_words[s],
					    demand_json(a, &m->demands[s], &a->values[i][s]));
	}
	for (size_t k = 0; k < m->n_covers; k++)
		json_array_append_new(covers, json_string(m->covers[k]));
	json_object_set_new(j, "id", json_string(m->id));
	json_object_set_new(j, "function", json_string(m->function->id));
	json_object_set_new(j, "title", json_string(m->title));
	json_object_set_new(j, "formula", json_string(m->formula));
	json_object_set_new(j, "covers", covers);
	json_object_set_new(j, "sql", text_or_null(m->sql_file));
	json_object_set_new(j, "sha256", text_or_null(m->sql ? m->digest : NULL));
	json_object_set_new(j, "lacks", text_or_null(m->lacks));
	json_object_set_new(j, "stages", stages);
	return j;
}

/* --- functions ----------------------------------------------------------------------------------------- */

static json_t *cell_json(const struct function *f, enum stage stage, const struct cell *cell)
{
	json_t *j = json_object(), *requirements = json_array();

	for (size_t i = 0; i < f->stages[stage].n; i++) {
		const struct requirement *r = &f->stages[stage].requirements[i];

		json_array_append_new(requirements, json_pack("{s:s, s:s, s:s}", "id", r->id, "see",
							      r->see_word, "text", r->text));
	}
	json_object_set_new(j, "stage", json_string(stage_words[stage]));
	json_object_set_new(j, "state", json_string(cell_words[cell->state]));
	json_object_set(j, "lacks", cell->lacks);
	json_object_set_new(j, "requirements", requirements);
	json_object_set_new(j, "observed", json_integer(cell->observed));
	json_object_set_new(j, "attested", json_integer(cell->attested));
	return j;
}

static json_t *function_json(const struct assessment *a, size_t i)
{
	const struct function *f = &a->c->functions[i];
	enum stage stage = award_function(a, i);
	json_t *j = json_object(), *cells = json_array();

	for (int s = STAGE_TRADITIONAL; s < STAGE_COUNT; s++)
		json_array_append_new(cells, cell_json(f, (enum stage)s, &a->cells[i][s]));
	json_object_set_new(j, "id", json_string(f->id));
	json_object_set_new(j, "title", json_string(f->title));
	json_object_set_new(j, "source", json_string(f->source));
	json_object_set_new(j, "stage", json_string(stage_words[stage]));
	json_object_set_new(j, "assumed", json_boolean(stage == STAGE_TRADITIONAL));
	json_object_set_new(j, "cells", cells);
	return j;
}

/* --- evidence and scope -------------------------------------------------------------------------------- */

static json_t *evidence_json(const struct assessment *a, enum stage stage)
{
	const struct evidence *e = &a->evidence[stage];
	json_t *j = json_object();
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{"flows", e->flows},
		{"identities", e->identities},
		{"hours", e->hours},
		{"hours_with", e->hours_with},
		{"decisions", e->decisions},
		{"lost", e->lost},
		{"readbacks", e->readbacks},
		{"readbacks_unequal", e->readbacks_unequal},
		{"open_accounts", e->open_accounts},
		{"missing_rows", e->missing_rows},
		{"clock_back", e->clock_back},
		{"clock_asked", e->clock_asked},
		{"clock_bad", e->clock_bad},
		{"removed_days", e->removed_days},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(j, counts[i].name, json_integer((json_int_t)counts[i].value));
	json_object_set_new(j, "from", time_json(e->from_ns));
	json_object_set_new(j, "until", time_json(e->until_ns));
	json_object_set_new(j, "longest_gap_hours", number(e->longest_gap_hours));
	json_object_set_new(j, "largest_day", number(e->largest_day));
	json_object_set_new(j, "readback_gap_seconds", number(e->readback_gap_seconds));
	json_object_set_new(j, "small_population", json_boolean(e->flows < a->c->stages[stage].flows));
	return j;
}

/* Distinct values of one column as an array, in order. */
static json_t *list_json(struct assessment *a, const char *sql)
{
	sqlite3_stmt *q = assess_prepare(a, "scope", sql, a->from_ns);
	json_t *j = json_array();

	while (q && sqlite3_step(q) == SQLITE_ROW)
		json_array_append_new(j, sqlite3_column_type(q, 0) == SQLITE_INTEGER
						 ? json_integer(sqlite3_column_int64(q, 0))
						 : text_or_null((const char *)sqlite3_column_text(q, 0)));
	sqlite3_finalize(q);
	return j;
}

static json_t *scope_json(struct assessment *a)
{
	json_t *j = json_object();

	json_object_set_new(j, "statement", json_string(statement));
	json_object_set_new(
		j, "instances",
		list_json(a, "SELECT DISTINCT instance FROM account WHERE started_ns < :until_ns AND "
			     "seen_ns >= :from_ns ORDER BY 1"));
	json_object_set_new(j, "ports",
			    list_json(a, "SELECT DISTINCT port FROM frames WHERE port <> '' ORDER BY 1"));
	json_object_set_new(
		j, "domains",
		list_json(
			a,
			"SELECT domain FROM decision WHERE time_ns >= :from_ns AND time_ns < :until_ns "
			"AND synthetic = 0 UNION SELECT domain FROM aggregate WHERE last_ns >= :from_ns AND "
			"last_ns < :until_ns AND domain <> 4095 ORDER BY 1"));
	json_object_set_new(
		j, "segments",
		list_json(a,
			  "SELECT DISTINCT segment FROM generation_identity WHERE generation = :generation "
			  "ORDER BY 1"));
	json_object_set_new(j, "generation", a->generation ? json_integer(a->generation) : json_null());
	return j;
}

json_t *report_json(struct assessment *a)
{
	json_t *j = json_object(), *functions = json_array(), *metrics = json_array(),
	       *evidence = json_object();
	json_t *missing = json_array();

	for (size_t i = 0; i < a->c->n_functions; i++)
		json_array_append_new(functions, function_json(a, i));
	for (size_t i = 0; i < a->c->n_metrics; i++)
		json_array_append_new(metrics, metric_json(a, i));
	for (int s = STAGE_INITIAL; s < STAGE_COUNT; s++)
		json_object_set_new(evidence, stage_words[s], evidence_json(a, (enum stage)s));
	for (size_t i = 0; i < sizeof(not_applied) / sizeof(not_applied[0]); i++)
		json_array_append_new(missing, json_string(not_applied[i]));
	json_object_set_new(j, "schema", json_string(schema));
	json_object_set_new(j, "model",
			    json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", a->c->model, "version",
				      a->c->version, "published", a->c->published, "pillar", a->c->pillar,
				      "checked", a->c->checked));
	json_object_set_new(j, "catalogue_sha256", json_string(a->c->digest));
	json_object_set_new(j, "author", json_string(a->author));
	json_object_set_new(j, "time", time_json(a->now_ns));
	json_object_set_new(
		j, "window",
		json_pack("{s:o, s:o}", "from", time_json(a->from_ns), "until", time_json(a->until_ns)));
	json_object_set_new(j, "stage", json_string(stage_words[award_pillar(a)]));
	json_object_set_new(j, "functions", functions);
	json_object_set_new(j, "metrics", metrics);
	json_object_set_new(j, "evidence", evidence);
	json_object_set_new(j, "not_applied", missing);
	json_object_set_new(j, "scope", scope_json(a));
	return j;
}
