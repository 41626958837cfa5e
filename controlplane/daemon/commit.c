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
#include "needs.h"
#include "proof.h"
#include "to_nft.h"

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

	return journal_readback(&p->d->journal, engine, got, expected->number, equal,
				daemon_clock(p->d) == CLOCK_BAD, error);
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

/* One transaction over the engines that are connected. */
struct work {
	struct pending pending;
	struct enforcer *engines[DAEMON_ENGINES_MAX];
	struct link *links[DAEMON_ENGINES_MAX];
	struct proof proofs[DAEMON_ENGINES_MAX];
	struct txn txn;
};

/* The kernel engine goes first: it may refuse a batch when the dataplane can no longer. */
static void transaction(struct daemon *d, struct work *w, struct generation *g,
			const struct commit_meta *meta)
{
	size_t n = 0;

	memset(w, 0, sizeof(*w));
	w->pending = (struct pending){d, g, meta};
	for (int nft = 1; nft >= 0; nft--) {
		for (size_t i = 0; i < d->n_links; i++) {
			struct link *l = &d->links[i];

			if ((l->kind == DP_ENGINE_NFT) != nft || !dp_connected(l->dp))
				continue;
			w->links[n] = l;
			w->engines[n++] = dp_enforcer(l->dp);
		}
	}
	w->txn = (struct txn){.engines = w->engines,
			      .n_engines = n,
			      .journal = d->wrap_journal ? d->wrap_journal(d, &journal_ops) : &journal_ops,
			      .journal_ctx = &w->pending,
			      .proofs = w->proofs};
}

static int enforced_both(struct daemon *d, struct work *w, struct generation *g)
{
	if (link_enforced(d, g, &w->txn.next) == 0 && link_enforced(d, d->active, &w->txn.old) == 0)
		return 0;
	link_enforced_free(&w->txn.next);
	return -ENOMEM;
}

static void work_free(struct work *w)
{
	link_enforced_free(&w->txn.next);
	link_enforced_free(&w->txn.old);
}

/* --- what needs only the text ----------------------------------------------------------------- */

static bool understand(struct daemon *d, struct generation *g, struct diags *findings, struct commit_error *e)
{
	int64_t now = utc_now_ns() / NS_PER_S;
	bool ok;

	if (!generation_resolve(g, d->config, findings))
		return refuse(d, e, 422, CLI_POLICY, "fix the findings and commit again",
			      "the policy does not compile");
	ok = generation_admit(g, d->config, now, findings);
	g->needs_dpdk =
		d->box.planes & NFT_PLANE_FORWARD ? (int64_t)needs_note(g->rs, &d->box, findings) : -1;
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

/* A policy that the kernel cannot hold is refused before anything is written. */
static bool make_program(struct daemon *d, struct generation *g, struct commit_error *e)
{
	char text[ENFORCER_ERROR] = "";
	enum compile_result r;

	if (!d->box_known)
		return true;
	if (d->box_error)
		return refuse(d, e, 422, CLI_CAPACITY, "use another kernel, or engine dpdk with fail: closed",
			      "this kernel cannot be the nft engine: %s", d->box_error);
	r = generation_program(g, &d->box, text, sizeof(text));
	if (r == COMPILE_OK)
		return true;
	return refuse(d, e, r == COMPILE_CAPACITY ? 422 : 500,
		      r == COMPILE_CAPACITY ? CLI_CAPACITY : CLI_NOT_APPLIED, NULL,
		      "the policy does not fit into the kernel: %s", text);
}

/* Text and image are one before any engine is asked. */
static bool prove_image(struct daemon *d, struct generation *g, struct commit_error *e)
{
	struct proof p;

	if (proof_policy(d, g, utc_now_ns() / NS_PER_S, &p) < 0)
		return refuse(d, e, 500, CLI_NOT_APPLIED, NULL, "out of memory while proving");
	g->cells = p.cells;
	if (p.equal)
		return true;
	journal_event(&d->journal, "alarm", "compiler: %s", p.text);
	return refuse(d, e, 500, CLI_NOT_APPLIED, "this is a defect of the compiler: report it", "%s",
		      p.text);
}

static bool compile_failed(const struct daemon *d, enum compile_result r, const char *text,
			   struct commit_error *e)
{
	if (r == COMPILE_CAPACITY)
		return refuse(d, e, 422, CLI_CAPACITY, NULL, "the policy is too large: %s", text);
	if (r == COMPILE_NO_MEMORY)
		return refuse(d, e, 500, CLI_NOT_APPLIED, NULL, "out of memory while compiling");
	return refuse(d, e, 500, CLI_NOT_APPLIED, "free space or repair the disk and commit again", "%s",
		      text);
}

static bool make_image(struct daemon *d, struct generation *g, struct commit_error *e)
{
	char text[ENFORCER_ERROR] = "";
	enum compile_result r = generation_compile(g, d->dictionary, text, sizeof(text));
	bool made = r == COMPILE_OK;

	if (made && (!prove_image(d, g, e) || !make_program(d, g, e))) {
		restore_dictionary(d);
		return false;
	}
	if (made && journal_save_dictionary(&d->journal, d->dictionary, text) == 0)
		return true;
	restore_dictionary(d);
	return compile_failed(d, r, text, e);
}

/* --- the transaction -------------------------------------------------------------------------- */

/* What a read-back found, as the link shows it. */
static void take_proof(struct link *l, const struct proof *p, int64_t took_ns)
{
	l->proof = *p;
	l->proof_ns = utc_now_ns();
	l->proof_took_ns = took_ns;
	l->equal = p->equal;
	if (p->equal) {
		l->equal_ns = l->proof_ns;
		l->adopted = l->closed = false;
		l->told[0] = 0;
	}
	snprintf(l->text, sizeof(l->text), "%s", p->text);
}

/* Links that were not part of it find out by their next read-back. */
static void take_active(struct daemon *d, struct generation *g, const struct work *w)
{
	generation_free(d->active);
	d->active = g;
	bindings_use(d->bindings, daemon_naming(d, g), utc_now_ns());
	for (size_t i = 0; i < w->txn.n_engines; i++)
		take_proof(w->links[i], &w->proofs[i], 0);
	journal_flush(&d->journal);
}

static void resync_all(struct daemon *d)
{
	for (size_t i = 0; i < d->n_links; i++)
		d->links[i].resync = true;
}

static const char *first_error(const struct daemon *d)
{
	for (size_t i = 0; i < d->n_links; i++)
		if (!dp_connected(d->links[i].dp))
			return dp_error(d->links[i].dp);
	return dp_error(d->links[0].dp);
}

static bool enforce(struct daemon *d, struct generation *g, const struct commit_meta *meta,
		    struct commit_error *e)
{
	struct txn_error te;
	struct work w;
	int r = link_sync_bindings(d);

	if (r < 0)
		return refuse(d, e, 502, CLI_NOT_APPLIED, NULL, "%s", first_error(d));
	transaction(d, &w, g, meta);
	if (enforced_both(d, &w, g) < 0)
		return refuse(d, e, 500, CLI_NOT_APPLIED, NULL, "out of memory for the bindings");
	d->candidate = g;
	r = txn_run(&w.txn, &te);
	d->candidate = NULL;
	if (r == 0) {
		link_write_lastgood(d, &w.txn.next);
		take_active(d, g, &w);
	} else {
		resync_all(d);
		refuse(d, e, 502, CLI_NOT_APPLIED, NULL, "%s did not take the policy: %s%s",
		       link_title(daemon_primary(d)), te.text,
		       te.old_in_force ? ""
				       : "; the old generation is published again on the next connection");
	}
	work_free(&w);
	return r == 0;
}

/* 503 says that nothing was tried, so that who asks may ask again. */
static bool ready(struct daemon *d, struct commit_error *e)
{
	for (size_t i = 0; i < d->n_links; i++) {
		const struct link *l = &d->links[i];

		if (!dp_connected(l->dp))
			return refuse(d, e, 503, CLI_NOT_APPLIED,
				      l->kind == DP_ENGINE_NFT ? "start cordon-nft, then commit again"
							       : "start cordon-dp, then commit again",
				      "%s is not connected: %s", link_title(l), l->text);
	}
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

/* Followers waited for the decision. */
static void look_soon(struct daemon *d)
{
	for (size_t i = 0; i < d->n_links; i++)
		d->links[i].verify_ms = INT64_MIN / 2;
}

static int finish_or_void(struct daemon *d, struct generation *g)
{
	struct txn_error te;
	struct work w;
	bool finished;
	int r;

	transaction(d, &w, g, NULL);
	if (enforced_both(d, &w, g) < 0) {
		generation_free(g);
		return -ENOMEM;
	}
	d->candidate = g;
	r = txn_recover(&w.txn, &finished, &te);
	d->candidate = NULL;
	if (r == 0 && finished) {
		daemon_log(d, LOG_LEVEL_NOTICE, "generation %u was published before the stop: finished",
			   g->number);
		link_write_lastgood(d, &w.txn.next);
		take_active(d, g, &w);
		g = NULL;
	} else if (r == 0) {
		daemon_log(d, LOG_LEVEL_NOTICE,
			   "generation %u was not published: abandoned, generation %u stays", g->number,
			   daemon_generation(d));
	} else {
		snprintf(daemon_primary(d)->text, sizeof(daemon_primary(d)->text), "%.200s", te.text);
	}
	if (r == 0)
		look_soon(d);
	work_free(&w);
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

/* Read back and compare; the link has the result. */
static int look(struct work *w, struct link *l, const struct enforced *g)
{
	int64_t start = utc_now_ns();
	struct proof p;
	int r = txn_compare(&w->txn, dp_enforcer(l->dp), g, &p);

	if (r == 0)
		take_proof(l, &p, utc_now_ns() - start);
	else
		snprintf(l->text, sizeof(l->text), "%s", p.text);
	return r;
}

/* Each difference once: what stays different does not fill the journal. */
static void tell(struct daemon *d, struct link *l, const char *done)
{
	if (strcmp(l->told, l->text) == 0)
		return;
	snprintf(l->told, sizeof(l->told), "%s", l->text);
	journal_event(&d->journal, "drift", "%s: %s; %s", link_word(l), l->text, done);
	journal_event(&d->journal, "alarm", "%s: %s", link_word(l), l->text);
	daemon_log(d, LOG_LEVEL_WARNING, "drift of %s: %s; %s", link_word(l), l->text, done);
}

static int close_engine(struct daemon *d, struct link *l)
{
	int r;

	if (l->closed)
		return 0;
	r = dp_deny_all(l->dp);
	if (r < 0)
		return r;
	l->closed = true;
	journal_event(&d->journal, "alarm", "%s denies everything until it holds the policy again",
		      link_word(l));
	return 0;
}

static int publish_again(struct work *w, struct link *l, const struct enforced *g)
{
	struct enforcer *e = dp_enforcer(l->dp);
	int r = e->ops->prepare(e, g);

	if (r == 0)
		r = e->ops->publish(e, g);
	return r < 0 ? r : look(w, l, g);
}

/*
 * The engine holds something else. Before the first equal read-back of a connection that is a restart, later
 * drift. Failing closed comes first: what is loaded again takes its time, and may fail.
 */
static int repair(struct daemon *d, struct work *w, struct link *l, const struct enforced *g, bool drift)
{
	bool adopt = drift && d->config->verify.adopt;
	char done[64];
	int r = 0;

	snprintf(done, sizeof(done), adopt ? "adopted" : "generation %u is published again", g->number);
	if (drift)
		tell(d, l, done);
	if (adopt) {
		l->adopted = true;
		return 0;
	}
	if (drift && d->config->verify.closed)
		r = close_engine(d, l);
	if (r == 0)
		r = publish_again(w, l, g);
	if (r < 0 || l->equal)
		return r;
	tell(d, l, "it stays so after the generation was published again");
	return d->config->verify.closed ? close_engine(d, l) : 0;
}

/* Bindings come and go while an engine is read; a difference is one only if it is still there when both sides
 * agree on who is bound. */
static int look_again(struct daemon *d, struct work *w, struct link *l, struct enforced *g)
{
	int r = link_agree(d, l, true);

	if (r < 0)
		return r;
	link_enforced_free(g);
	return link_enforced(d, d->active, g) < 0 ? -ENOMEM : look(w, l, g);
}

/* cordon-nft found its tables in the kernel and enforces them, but does not know what they were made of, so
 * it takes no bindings. */
static bool is_orphan(const struct link *l)
{
	static const uint8_t unknown[32];
	const struct dp_hello *h = dp_last_hello(l->dp);

	return l->kind == DP_ENGINE_NFT && h->generation > 0 &&
	       memcmp(h->digest, unknown, sizeof(unknown)) == 0;
}

/* A publish may be carried out after its commit failed and was undone. With a generation to go back to that
 * is repaired like any difference; without one, nothing was ever to pass. What this store knows nothing of
 * stays. */
static int take_back(struct daemon *d, struct work *w, struct link *l, const struct enforced *none)
{
	const struct dp_hello *h = dp_last_hello(l->dp);
	int r;

	if (!journal_gave_up(&d->journal, h->generation, h->digest))
		return 0;
	tell(d, l, "the commit had failed: everything is denied");
	r = dp_deny_all(l->dp);
	return r < 0 ? r : look(w, l, none);
}

int commit_verify(struct daemon *d, struct link *l)
{
	bool drift = l->equal || l->adopted;
	struct enforced g;
	struct work w;
	int r;

	transaction(d, &w, d->active, NULL);
	if (link_enforced(d, d->active, &g) < 0)
		return -ENOMEM;
	r = look(&w, l, &g);
	if (r == 0 && !l->equal && drift && g.number > 0 && l->kind == DP_ENGINE_NFT)
		r = look_again(d, &w, l, &g);
	l->found = l->proof;
	if (r == 0 && (!l->equal || is_orphan(l)) && g.number > 0 && (l->kind == DP_ENGINE_DPDK || g.program))
		r = repair(d, &w, l, &g, drift && !l->equal);
	else if (r == 0 && !l->equal && g.number == 0)
		r = take_back(d, &w, l, &g);
	d->keep.dirty |= l->equal && l == daemon_primary(d) && g.number != d->keep.image_written;
	link_enforced_free(&g);
	return r;
}
