/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The award: from evidence and values to a state per cell, a stage per function, a stage for the pillar.
 *
 * A cell starts as awarded and every test may only take away: what it finds missing is told in words and
 * lowers the state to the first that applies. A stage rests on the stages below it; the pillar is the least
 * of its functions, never a mean. Traditional is assumed for everyone by the model and awarded to nobody.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assessment.h"

#define EPSILON 1e-12

const char *const cell_words[CELL_STATES] = {"NOT_OBSERVABLE", "NOT_APPLICABLE", "INSUFFICIENT", "NOT_MET",
					     "PROVISIONAL",    "ATTESTED_ONLY",  "AWARDED"};

void cell_lack(struct cell *cell, enum cell_state state, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (state < cell->state)
		cell->state = state;
	json_array_append_new(cell->lacks, json_pack("{s:s, s:s}", "state", cell_words[state], "text", text));
}

/* --- gates: the evidence as a whole -------------------------------------------------------------------- */

static void gate_sample(const struct assessment *a, enum stage stage, struct cell *cell)
{
	const struct evidence *e = &a->evidence[stage];
	const struct limits *l = &a->c->limits;
	double small = l->flows_per_identity * (double)e->identities,
	       need = (double)a->c->stages[stage].flows;

	if (small < l->flow_floor)
		small = l->flow_floor;
	if (small < need)
		need = small;
	if ((double)e->flows < need)
		cell_lack(cell, CELL_INSUFFICIENT,
			  "%llu natural flows in the window, at least %.0f are wanted",
			  (unsigned long long)e->flows, need);
}

static void gate_window(const struct assessment *a, enum stage stage, struct cell *cell)
{
	const struct evidence *e = &a->evidence[stage];
	const struct limits *l = &a->c->limits;
	double days = (double)(e->until_ns - e->from_ns) / NS_PER_DAY,
	       age = (double)(a->now_ns - e->until_ns) / NS_PER_HOUR;

	if (age > l->gap_hours)
		cell_lack(cell, CELL_PROVISIONAL, "the window ended %.0f hours ago, at most %.0f are allowed",
			  age, l->gap_hours);
	if (days + EPSILON < a->c->stages[stage].days)
		cell_lack(cell, CELL_PROVISIONAL, "the window is %.2f days, %u are wanted", days,
			  a->c->stages[stage].days);
	if ((double)e->hours_with < l->hours_share * (double)e->hours)
		cell_lack(cell, CELL_PROVISIONAL, "evidence in %llu of %llu hours, %.0f %% are wanted",
			  (unsigned long long)e->hours_with, (unsigned long long)e->hours,
			  100 * l->hours_share);
	if (e->longest_gap_hours > l->gap_hours)
		cell_lack(cell, CELL_PROVISIONAL, "%.0f hours without evidence, at most %.0f are allowed",
			  e->longest_gap_hours, l->gap_hours);
	if (e->largest_day > l->day_share)
		cell_lack(cell, CELL_PROVISIONAL,
			  "one day supplies %.0f %% of the flows, at most %.0f %% are allowed",
			  100 * e->largest_day, 100 * l->day_share);
}

static void gate_health(const struct assessment *a, enum stage stage, struct cell *cell)
{
	const struct evidence *e = &a->evidence[stage];

	if ((double)e->lost > a->c->stages[stage].loss * (double)e->decisions)
		cell_lack(cell, CELL_INSUFFICIENT,
			  "%llu of %llu decisions are lost, at most %g %% are allowed",
			  (unsigned long long)e->lost, (unsigned long long)e->decisions,
			  100 * a->c->stages[stage].loss);
	if (e->open_accounts)
		cell_lack(cell, CELL_INSUFFICIENT, "the decisions of %llu closed accounts do not add up",
			  (unsigned long long)e->open_accounts);
	if (e->missing_rows)
		cell_lack(cell, CELL_INSUFFICIENT,
			  "records of %llu instances were stored and are gone from the store",
			  (unsigned long long)e->missing_rows);
	if (e->removed_days)
		cell_lack(cell, CELL_INSUFFICIENT, "%llu days of the window were removed by retention",
			  (unsigned long long)e->removed_days);
	if (e->days_unread)
		cell_lack(cell, CELL_INSUFFICIENT,
			  "%u days of the window cannot be read together with the others", a->days_missing);
}

static void gate_clock(const struct assessment *a, enum stage stage, struct cell *cell)
{
	const struct evidence *e = &a->evidence[stage];
	double ahead = (double)(a->latest_ns - a->now_ns) / NS_PER_SECOND;
	double share = a->c->stages[stage].loss; /* a record of unknown date is as good as lost */

	if (ahead > a->c->limits.clock_tolerance_seconds)
		cell_lack(cell, CELL_INSUFFICIENT, "evidence is dated %.0f s after now: the clock went back",
			  ahead);
	if (e->clock_back)
		cell_lack(cell, CELL_INSUFFICIENT, "the clock went back %llu times while decisions were made",
			  (unsigned long long)e->clock_back);
	if ((double)e->clock_bad > share * (double)e->clock_asked)
		cell_lack(cell, CELL_INSUFFICIENT,
			  "the clock was not synchronised at %llu of %llu read-backs, at most %g %% are "
			  "allowed",
			  (unsigned long long)e->clock_bad, (unsigned long long)e->clock_asked, 100 * share);
}

static void gate_readback(const struct assessment *a, enum stage stage, struct cell *cell)
{
	const struct evidence *e = &a->evidence[stage];
	double age = (double)(a->now_ns - a->active_ns) / NS_PER_HOUR;

	if (!a->generation) {
		cell_lack(cell, CELL_INSUFFICIENT, "no policy is active");
		return;
	}
	if (!e->readbacks)
		cell_lack(cell, CELL_INSUFFICIENT,
			  "generation %lld was never read back equal from an engine in the window",
			  (long long)a->generation);
	if (e->readbacks_unequal)
		cell_lack(cell, CELL_INSUFFICIENT,
			  "%llu read-backs show another policy than the committed one",
			  (unsigned long long)e->readbacks_unequal);
	if (e->readback_gap_seconds > a->c->limits.readback_gap_seconds)
		cell_lack(cell, CELL_PROVISIONAL, "%.0f s between two read-backs, at most %.0f are allowed",
			  e->readback_gap_seconds, a->c->limits.readback_gap_seconds);
	if (age < a->c->limits.commit_age_hours)
		cell_lack(cell, CELL_PROVISIONAL, "generation %lld is %.1f hours old, %.0f are wanted",
			  (long long)a->generation, age, a->c->limits.commit_age_hours);
}

/* --- metrics ------------------------------------------------------------------------------------------- */

static bool keeps(const struct threshold *t, double value, double slack)
{
	return t->at_least ? value + EPSILON >= t->bound - slack : value - EPSILON <= t->bound + slack;
}

static void judge_threshold(const struct assessment *a, const struct metric *m, const struct threshold *t,
			    const struct value *v, struct cell *cell)
{
	const struct measure *x = value_measure(v, t->measure);
	double value, worst;
	size_t unknown;

	if (!x || !(x->denominator > 0)) {
		cell_lack(cell, CELL_INSUFFICIENT, "%s %s: no sample", m->id, t->measure);
		return;
	}
	value = x->numerator / x->denominator;
	if (!keeps(t, value, 0))
		cell_lack(cell, CELL_NOT_MET, "%s %s: %.4g, asked is %s", m->id, t->measure, value, t->text);
	if (measure_worst(x, a->c->limits.segment_flows, t->at_least, &worst, &unknown) &&
	    !keeps(t, worst, a->c->limits.floor_points))
		cell_lack(cell, CELL_NOT_MET,
			  "%s %s: the worst tenth of segments is at %.4g, asked is %s within %g", m->id,
			  t->measure, worst, t->text, a->c->limits.floor_points);
}

static void judge_metric(const struct assessment *a, size_t i, enum stage stage, struct cell *cell)
{
	const struct metric *m = &a->c->metrics[i];
	const struct demand *d = &m->demands[stage];

	if (!m->sql) {
		cell_lack(cell, CELL_INSUFFICIENT, "%s %s: %s", m->id, m->title, m->lacks);
		return;
	}
	for (size_t t = 0; t < d->n; t++)
		judge_threshold(a, m, &d->thresholds[t], &a->values[i][stage], cell);
}

/* --- requirements -------------------------------------------------------------------------------------- */

static bool is_covered(const struct assessment *a, const struct function *f, const char *requirement,
		       enum stage stage)
{
	for (size_t i = 0; i < a->c->n_metrics; i++) {
		const struct metric *m = &a->c->metrics[i];

		if (m->function != f || !m->demands[stage].asked)
			continue;
		for (size_t k = 0; k < m->n_covers; k++) {
			if (!strcmp(m->covers[k], requirement))
				return true;
		}
	}
	return false;
}

/* 1 attested and unexpired, 0 not, -errno. */
static int is_attested(struct assessment *a, const char *requirement)
{
	static const char sql[] =
		"SELECT 1 FROM attestation WHERE requirement = ?1 AND time_ns <= :now_ns AND "
		"expires_ns > :now_ns";
	sqlite3_stmt *q = assess_prepare(a, "attestations", sql, 0);
	int found;

	if (!q)
		return -EIO;
	sqlite3_bind_text(q, sqlite3_bind_parameter_index(q, "?1"), requirement, -1, SQLITE_STATIC);
	found = sqlite3_step(q) == SQLITE_ROW;
	return sqlite3_finalize(q) == SQLITE_OK ? found : assess_failed(a, "attestations");
}

static int judge_requirement(struct assessment *a, const struct function *f, const struct requirement *r,
			     enum stage stage, struct cell *cell)
{
	int attested = 0;

	if (r->see == SEE_OUTSIDE)
		return 0;
	if (r->see == SEE_ATTESTED)
		attested = is_attested(a, r->id);
	if (attested < 0)
		return attested;
	if (attested)
		cell->attested++;
	else if (r->see == SEE_ATTESTED)
		cell_lack(cell, CELL_INSUFFICIENT, "%s: no attestation that is still good", r->id);
	else if (is_covered(a, f, r->id, stage))
		cell->observed++;
	else
		cell_lack(cell, CELL_INSUFFICIENT, "%s: no metric looks at it yet", r->id);
	return 0;
}

static bool all_outside(const struct function *f, enum stage stage)
{
	for (size_t i = 0; i < f->stages[stage].n; i++) {
		if (f->stages[stage].requirements[i].see != SEE_OUTSIDE)
			return false;
	}
	return true;
}

/* --- cells --------------------------------------------------------------------------------------------- */

static void judge_gates(const struct assessment *a, enum stage stage, struct cell *cell)
{
	static void (*const gates[])(const struct assessment *, enum stage, struct cell *) = {
		gate_sample, gate_health, gate_clock, gate_readback, gate_window,
	};

	for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++)
		gates[i](a, stage, cell);
}

static int judge_evidence(struct assessment *a, const struct function *f, enum stage stage, struct cell *cell)
{
	bool measured = false;
	int error = 0;

	for (size_t i = 0; i < f->stages[stage].n && !error; i++)
		error = judge_requirement(a, f, &f->stages[stage].requirements[i], stage, cell);
	for (size_t i = 0; i < a->c->n_metrics; i++) {
		if (a->c->metrics[i].function != f || !a->c->metrics[i].demands[stage].asked)
			continue;
		judge_metric(a, i, stage, cell);
		measured = true;
	}
	if (!measured && cell->state == CELL_AWARDED)
		cell_lack(cell, CELL_ATTESTED_ONLY, "attested, not observed");
	else if (measured || cell->observed)
		judge_gates(a, stage, cell);
	return error;
}

/* A stage presumes the one below it, unless that does not apply. */
static void judge_below(const struct cell *below, enum stage stage, struct cell *cell)
{
	if (stage > STAGE_INITIAL && below->state != CELL_AWARDED && below->state != CELL_NOT_APPLICABLE)
		cell_lack(cell, below->state == CELL_NOT_OBSERVABLE ? CELL_INSUFFICIENT : below->state,
			  "the stage below, %s, is %s", stage_words[stage - 1], cell_words[below->state]);
}

static int judge_cell(struct assessment *a, size_t function, enum stage stage)
{
	const struct function *f = &a->c->functions[function];
	const struct exemption *x = &f->stages[stage].exemption;
	struct cell *cell = &a->cells[function][stage];
	int error = 0;

	*cell = (struct cell){.state = CELL_AWARDED, .lacks = json_array()};
	if (!cell->lacks)
		return -ENOMEM;
	if (all_outside(f, stage))
		cell_lack(cell, CELL_NOT_OBSERVABLE, "nothing of it can be seen from a gateway");
	else if (x->reason)
		cell_lack(cell, CELL_NOT_APPLICABLE, "%s (approved by %s)", x->reason, x->approver);
	else if (stage == STAGE_TRADITIONAL)
		cell_lack(cell, CELL_INSUFFICIENT,
			  "assumed for everyone by the model; no metric measures this stage");
	else
		error = judge_evidence(a, f, stage, cell);
	if (!error && cell->state > CELL_NOT_APPLICABLE && stage > STAGE_TRADITIONAL)
		judge_below(&a->cells[function][stage - 1], stage, cell);
	return error;
}

int award(struct assessment *a)
{
	for (size_t f = 0; f < a->c->n_functions; f++) {
		for (int s = STAGE_TRADITIONAL; s < STAGE_COUNT; s++) {
			int error = judge_cell(a, f, (enum stage)s);

			if (error)
				return error;
		}
	}
	return 0;
}

enum stage award_function(const struct assessment *a, size_t function)
{
	enum stage best = STAGE_TRADITIONAL;

	for (int s = STAGE_INITIAL; s < STAGE_COUNT; s++) {
		enum cell_state state = a->cells[function][s].state;

		if (state == CELL_AWARDED)
			best = (enum stage)s;
		else if (state != CELL_NOT_APPLICABLE)
			break;
	}
	return best;
}

enum stage award_pillar(const struct assessment *a)
{
	enum stage least = a->c->n_functions ? STAGE_OPTIMAL : STAGE_TRADITIONAL;

	for (size_t f = 0; f < a->c->n_functions; f++) {
		enum stage stage = award_function(a, f);

		if (stage < least)
			least = stage;
	}
	return least;
}
