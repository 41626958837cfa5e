/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commit: steps in the order of certainty. What needs only the text comes first, then what grows the
 * dictionary, then the transaction over the engines. Each step either passes or fills the error; nothing
 * before the transaction's publish touches what is in force.
 */
#include "commit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "link.h"

#define NS_PER_S 1000000000LL

struct pending {
	struct daemon *d;
	const struct generation *g;
	const struct commit_meta *meta;
};

static bool refuse(const struct daemon *d, struct commit_error *e, unsigned status, enum cli_exit code,
		   const char *next, const char *format, ...) __attribute__((format(printf, 6, 7)));

static bool refuse(const struct daemon *d, struct commit_error *e, unsigned status, enum cli_exit code,
		   const char *next, const char *format, ...)
{
	va_list ap;

	e->status = status;
	e->code = code;
	e->next = next;
	va_start(ap, format);
	vsnprintf(e->text, sizeof(e->text), format, ap);
	va_end(ap);
	if (d->active)
		snprintf(e->unchanged, sizeof(e->unchanged), "generation %u stays active",
			 daemon_generation(d));
	else
		snprintf(e->unchanged, sizeof(e->unchanged),
			 "no generation is active, everything stays denied");
	return false;
}

/* --- the journal as a transaction sees it ----------------------------------------------------- */

static int on_intent(void *ctx, const struct enforced *g, char *error)
{
	struct pending *p = ctx;
	int r = journal_intent(&p->d->journal, p->g, p->meta, p->d->dictionary, error);

	if (r == 0)
		p->d->open_intent = g->number;
	return r;
}

static int on_readback(void *ctx, const char *engine, const struct readback *got,
		       const struct enforced *expected, bool equal, char *error)
{
	struct pending *p = ctx;

	return journal_readback(&p->d->journal, engine, got, expected->number, equal, error);
}

static int on_active(void *ctx, const struct enforced *g, char *error)
{
	struct pending *p = ctx;
	int r = journal_activate(&p->d->journal, g->number, error);

	if (r == 0)
		p->d->open_intent = 0;
	return r;
}

static int on_abandoned(void *ctx, const struct enforced *g, char *error)
{
	struct pending *p = ctx;
	int r = journal_abandon(&p->d->journal, g->number, error);

	if (r == 0)
		p->d->open_intent = 0;
	return r;
}

static const struct txn_journal journal_ops = {on_intent, on_readback, on_active, on_abandoned};

static struct txn transaction(struct daemon *d, struct pending *p, struct enforcer **engine)
{
	*engine = dp_enforcer(d->link.dp);
	return (struct txn){.engines = engine,
			    .n_engines = 1,
			    .journal = d->wrap_journal ? d->wrap_journal(d, &journal_ops) : &journal_ops,
			    .journal_ctx = p};
}

/* --- what needs only the text ----------------------------------------------------------------- */

static bool understand(struct daemon *d, struct generation *g, struct diags *findings, struct commit_error *e)
{
	int64_t now = utc_now_ns() / NS_PER_S;
	bool ok;

	if (!generation_resolve(g, d->config, findings))
		return refuse(d, e, 422, CLI_POLICY, "fix the findings and commit again",
			      "the policy does not compile");
	ok = generation_admit(g, now, findings);
	policy_warn(g->rs, now, findings);
	diags_sort(findings);
	if (ok)
		return true;
	return refuse(d, e, 422, CLI_POLICY, "fix the findings and commit again",
		      "the policy is refused: %zu of %zu tests passed, %zu findings", g->tests_passed,
		      g->rs->n_tests, findings->n_errors);
}

/* --- dictionary and image --------------------------------------------------------------------- */

/* A refused commit must not spend numbers: the dictionary goes back to what the store has. */
static void restore_dictionary(struct daemon *d)
{
	char text[ENFORCER_ERROR];
	struct dictionary *stored = journal_dictionary(&d->journal, text);

	if (!stored)
		return;
	dictionary_free(d->dictionary);
	d->dictionary = stored;
	bindings_use(d->bindings, daemon_naming(d, d->active), utc_now_ns());
}

static bool make_image(struct daemon *d, struct generation *g, struct commit_error *e)
{
	char text[ENFORCER_ERROR] = "";
	enum compile_result r = generation_compile(g, d->dictionary, text, sizeof(text));

	if (r == COMPILE_OK && journal_save_dictionary(&d->journal, d->dictionary, text) == 0)
		return true;
	restore_dictionary(d);
	if (r == COMPILE_CAPACITY)
		return refuse(d, e, 422, CLI_CAPACITY, NULL, "the policy is too large: %s", text);
	if (r == COMPILE_NO_MEMORY)
		return refuse(d, e, 500, CLI_NOT_APPLIED, NULL, "out of memory while compiling");
	return refuse(d, e, 500, CLI_NOT_APPLIED, "free space or repair the disk and commit again", "%s",
		      text);
}

/* --- the transaction -------------------------------------------------------------------------- */

static void take_active(struct daemon *d, struct generation *g)
{
	generation_free(d->active);
	d->active = g;
	bindings_use(d->bindings, daemon_naming(d, g), utc_now_ns());
	d->link.equal = true;
	d->link.text[0] = 0;
	journal_flush(&d->journal);
}

static bool enforce(struct daemon *d, struct generation *g, const struct commit_meta *meta,
		    struct commit_error *e)
{
	struct pending p = {d, g, meta};
	struct enforcer *engine;
	struct txn t = transaction(d, &p, &engine);
	struct txn_error te;
	int r = link_sync_bindings(d);

	if (r < 0)
		return refuse(d, e, 503, CLI_NOT_APPLIED, NULL, "%s", dp_error(d->link.dp));
	if (link_enforced(d, g, &t.next) < 0 || link_enforced(d, d->active, &t.old) < 0) {
		link_enforced_free(&t.next);
		return refuse(d, e, 500, CLI_NOT_APPLIED, NULL, "out of memory for the bindings");
	}
	r = txn_run(&t, &te);
	if (r == 0) {
		link_write_lastgood(d, &t.next);
		take_active(d, g);
	} else {
		d->link.resync = true;
		refuse(d, e, 503, CLI_NOT_APPLIED, NULL, "the dataplane did not take the policy: %s%s",
		       te.text,
		       te.old_in_force ? ""
				       : "; the old generation is published again on the next connection");
	}
	link_enforced_free(&t.next);
	link_enforced_free(&t.old);
	return r == 0;
}

static bool ready(struct daemon *d, struct commit_error *e)
{
	if (!dp_connected(d->link.dp))
		return refuse(d, e, 503, CLI_NOT_APPLIED, "start cordon-dp, then commit again",
			      "the dataplane is not connected: %s", d->link.text);
	if (d->open_intent)
		return refuse(d, e, 503, CLI_NOT_APPLIED, "wait until the dataplane is connected again",
			      "generation %u is still being decided", d->open_intent);
	return true;
}

bool commit_run(struct daemon *d, struct generation *g, const struct commit_meta *meta,
		struct diags *findings, struct commit_result *out, struct commit_error *error)
{
	memset(error, 0, sizeof(*error));
	if (!understand(d, g, findings, error) || !ready(d, error))
		return false;
	g->number = journal_next_number(&d->journal);
	if (!make_image(d, g, error))
		return false;
	if (!change_count(d->active ? d->active->image : NULL, g->image, utc_now_ns() / NS_PER_S,
			  &out->change))
		return refuse(d, error, 500, CLI_NOT_APPLIED, NULL, "out of memory while comparing");
	if (!enforce(d, g, meta, error))
		return false;
	out->number = g->number;
	out->tests_passed = g->tests_passed;
	digest_text(g->rs->digest, out->digest);
	daemon_log(d, LOG_LEVEL_NOTICE, "generation %u is active, by %s", g->number, meta->author);
	return true;
}

/* --- recovery and drift ----------------------------------------------------------------------- */

static int finish_or_void(struct daemon *d, struct generation *g)
{
	struct pending p = {d, g, NULL};
	struct enforcer *engine;
	struct txn t = transaction(d, &p, &engine);
	struct txn_error te;
	bool finished;
	int r;

	if (link_enforced(d, g, &t.next) < 0 || link_enforced(d, d->active, &t.old) < 0) {
		link_enforced_free(&t.next);
		generation_free(g);
		return -ENOMEM;
	}
	r = txn_recover(&t, &finished, &te);
	if (r == 0 && finished) {
		daemon_log(d, LOG_LEVEL_NOTICE, "generation %u was published before the stop: finished",
			   g->number);
		link_write_lastgood(d, &t.next);
		take_active(d, g);
		g = NULL;
	} else if (r == 0) {
		daemon_log(d, LOG_LEVEL_NOTICE,
			   "generation %u was not published: abandoned, generation %u stays", g->number,
			   daemon_generation(d));
	} else {
		snprintf(d->link.text, sizeof(d->link.text), "%.200s", te.text);
	}
	link_enforced_free(&t.next);
	link_enforced_free(&t.old);
	generation_free(g);
	return r;
}

int commit_recover(struct daemon *d)
{
	char text[ENFORCER_ERROR] = "";
	struct diags findings;
	struct generation *g;
	int r;

	if (d->open_intent == 0)
		return 0;
	r = journal_load(&d->journal, d->open_intent, &g, text);
	if (r < 0 && r != -EBADMSG)
		return r;
	if (!g) { /* an intent without its text or image cannot be finished */
		daemon_log(d, LOG_LEVEL_ERROR, "generation %u is abandoned: %s", d->open_intent,
			   r < 0 ? text : "its text is missing");
		r = journal_abandon(&d->journal, d->open_intent, text);
		d->open_intent = r == 0 ? 0 : d->open_intent;
		return r;
	}
	diags_init(&findings);
	if (!generation_resolve(g, d->config, &findings)) {
		ruleset_free(g->rs);
		g->rs = NULL;
	}
	diags_free(&findings);
	return finish_or_void(d, g);
}

static int publish_again(const struct txn *t, const struct enforced *g, char *text)
{
	struct enforcer *e = t->engines[0];
	int r = e->ops->prepare(e, g);

	if (r == 0)
		r = e->ops->publish(e, g);
	if (r < 0) {
		snprintf(text, ENFORCER_ERROR, "%s", e->error);
		return r;
	}
	return txn_compare(t, e, g, text);
}

/* The engine holds something else. Before the first equal read-back of a connection that is a restart, later
 * drift. */
static int repair(struct daemon *d, const struct txn *t, const struct enforced *g, char *text)
{
	if (d->link.equal) {
		journal_event(&d->journal, "drift", "%s; generation %u is published again", text, g->number);
		daemon_log(d, LOG_LEVEL_WARNING, "drift: %s; publishing generation %u again", text,
			   g->number);
	}
	return publish_again(t, g, text);
}

int commit_verify(struct daemon *d)
{
	struct pending p = {d, d->active, NULL};
	struct enforcer *engine;
	struct txn t = transaction(d, &p, &engine);
	char text[ENFORCER_ERROR] = "";
	struct enforced g;
	int r;

	if (link_enforced(d, d->active, &g) < 0)
		return -ENOMEM;
	r = txn_compare(&t, engine, &g, text);
	if (r == 0 && g.number > 0)
		r = repair(d, &t, &g, text);
	d->link.equal = r == 1;
	d->link.dirty |= r == 1 && g.number != d->link.image_written;
	snprintf(d->link.text, sizeof(d->link.text), "%s", r == 1 ? "" : text);
	link_enforced_free(&g);
	return r < 0 ? r : 0;
}
