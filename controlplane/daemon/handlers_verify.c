/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * POST /v1/verify: read back and prove now, all engines. The answer is a list of engines with what they hold,
 * and a list of checks, each of which passed or did not. One that was not decided says whether that is so
 * every time (skipped).
 */
#include <stdio.h>
#include <string.h>

#include "handlers.h"
#include "link.h"
#include "live.h"
#include "proof.h"

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL

static void add_check(json_t *checks, const char *class, const char *name, bool passed, const char *detail)
{
	json_array_append_new(checks, json_pack("{s:s, s:s, s:b, s:o}", "class", class, "name", name,
						"passed", (int)passed, "detail", answer_string(detail)));
}

/* --- text and image --------------------------------------------------------------------------- */

static void check_policy(const struct daemon *d, json_t *checks)
{
	char detail[ENFORCER_ERROR];
	struct proof p;

	if (!d->active)
		return;
	if (!d->active->rs) {
		add_check(checks, "proof", "policy", false,
			  "this version or config does not accept the policy's text");
		return;
	}
	if (proof_policy(d, d->active, utc_now_ns() / NS_PER_S, &p) < 0)
		snprintf(p.text, sizeof(p.text), "out of memory");
	snprintf(detail, sizeof(detail), "%llu cells of the image are as the text evaluates",
		 (unsigned long long)p.cells);
	add_check(checks, "proof", "policy", p.equal, p.equal ? detail : p.text);
}

/* --- engines ---------------------------------------------------------------------------------- */

static json_t *difference_json(const struct proof *p)
{
	if (p->equal)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "text", answer_string(p->text), "from",
			 answer_string(p->from), "to", answer_string(p->to), "service",
			 answer_string(p->service), "rule", answer_string(p->rule), "packet",
			 answer_string(p->packet));
}

static const char *after(const struct link *l)
{
	if (l->found.equal)
		return "equal";
	if (l->closed)
		return "closed";
	if (l->adopted)
		return "adopted";
	return l->equal ? "reverted" : "differs";
}

static json_t *engine_json(const struct link *l)
{
	bool connected = dp_connected(l->dp);
	const struct proof *p = &l->found;

	if (!connected)
		return json_pack("{s:s, s:b, s:n, s:o}", "name", link_word(l), "connected", 0, "equal",
				 "text", answer_string(l->text));
	return json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:s, s:o}", "name", link_word(l), "connected",
			 1, "equal", (int)p->equal, "generation",
			 (json_int_t)dp_last_hello(l->dp)->generation, "cells", (json_int_t)p->cells,
			 "elements", (json_int_t)p->elements, "duration_ms",
			 (json_int_t)(l->proof_took_ns / NS_PER_MS), "state", after(l), "difference",
			 difference_json(p));
}

static void check_engine(const struct link *l, json_t *checks)
{
	const struct proof *p = &l->found;
	char detail[ENFORCER_ERROR + 64];

	if (!p->equal)
		snprintf(detail, sizeof(detail), "%s (%s)", p->text, after(l));
	else if (p->elements > 0)
		snprintf(detail, sizeof(detail), "%llu cells and %llu elements are the policy's",
			 (unsigned long long)p->cells, (unsigned long long)p->elements);
	else
		snprintf(detail, sizeof(detail), "%llu cells are the policy's", (unsigned long long)p->cells);
	add_check(checks, "proof", link_word(l), p->equal, detail);
}

/* --- live --------------------------------------------------------------------------------------- */

struct live_checks {
	json_t *checks;
	const char *engine;
	unsigned failed;
	char first[ENFORCER_ERROR]; /* what failed first */
};

static void add_live(void *ctx, const struct live_check *c)
{
	const bool decided = c->result == LIVE_PASSED || c->result == LIVE_FAILED;
	struct live_checks *l = ctx;
	json_t *passed = decided ? json_boolean(c->result == LIVE_PASSED) : json_null();

	json_array_append_new(l->checks,
			      json_pack("{s:s, s:s, s:s, s:o, s:o, s:b, s:o}", "class", "live", "engine",
					l->engine, "about", c->about, "name", answer_string(c->name),
					"passed", passed, "skipped", c->result == LIVE_SKIPPED, "detail",
					answer_string(c->detail)));
	if (c->result == LIVE_FAILED && !l->failed++)
		snprintf(l->first, sizeof(l->first), "%s: %s", c->name, c->detail);
}

/* Nothing is shut by itself: what is loaded is right, so loading it again would change nothing. */
static void raise_alarm(struct daemon *d, const struct live_checks *l)
{
	char text[ENFORCER_ERROR + 128];

	if (!l->failed)
		return;
	snprintf(text, sizeof(text), "%s decides otherwise than the policy says in %u live checks; %s",
		 l->engine, l->failed, l->first);
	journal_event(&d->journal, "alarm", "%s", text);
	daemon_log(d, LOG_LEVEL_ERROR, "%s", text);
}

/* A standby is asked as well: its guard is at the ports, and the probes' devices are none of these. */
static void check_live(struct daemon *d, json_t *checks)
{
	for (size_t i = 0; i < d->n_links; i++) {
		struct live_checks live = {.checks = checks, .engine = link_word(&d->links[i])};

		if (dp_connected(d->links[i].dp))
			live_verify(d, &d->links[i], add_live, &live);
		raise_alarm(d, &live);
	}
}

void handle_verify(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	static const char *const none[] = {NULL};
	json_t *engines, *checks;
	struct daemon *d = ctx;
	bool complete = true;

	if (!handlers_only_keys(rq->body, none, a))
		return;
	engines = json_array();
	checks = json_array();
	check_policy(d, checks);
	for (size_t i = 0; i < d->n_links; i++) {
		struct link *l = &d->links[i];

		if (dp_connected(l->dp))
			link_verify(d, l);
		if (dp_connected(l->dp))
			check_engine(l, checks);
		complete = complete && dp_connected(l->dp);
		json_array_append_new(engines, engine_json(l));
	}
	check_live(d, checks);
	handlers_answer(d, a, "verify", json_pack("{s:o, s:o}", "engines", engines, "checks", checks),
			complete, 0);
}
