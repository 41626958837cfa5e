/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commit transaction: prepare everywhere, write the intent, publish everywhere, read back, make active.
 *
 * Before the intent nothing has changed anywhere. After it, every way out either finishes or puts the old
 * generation back into all engines and voids the intent.
 */
#include "txn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *txn_step_word(enum txn_step step)
{
	static const char *const words[] = {
		[TXN_PREPARE] = "prepare",    [TXN_INTENT] = "intent",   [TXN_PUBLISH] = "publish",
		[TXN_READBACK] = "read back", [TXN_ACTIVE] = "activate",
	};

	return words[step];
}

static int failed(struct txn_error *error, enum txn_step step, int code, const char *who, const char *text)
{
	error->step = step;
	snprintf(error->text, sizeof(error->text), "%s%s%s: %s", txn_step_word(step), who ? " " : "",
		 who ? who : "", text[0] ? text : strerror(-code));
	return code;
}

typedef int engine_step(struct enforcer *e, const struct enforced *g);

static int each(const struct txn *t, enum txn_step step, struct txn_error *error)
{
	for (size_t i = 0; i < t->n_engines; i++) {
		struct enforcer *e = t->engines[i];
		engine_step *f = step == TXN_PREPARE ? e->ops->prepare : e->ops->publish;
		int r;

		e->error[0] = 0;
		r = f(e, &t->next);
		if (r < 0)
			return failed(error, step, r, e->name, e->error);
	}
	return 0;
}

int enforcer_compare_bytes(void *ctx, const struct enforced *g, const struct readback *got, struct proof *out)
{
	out->equal = got->generation == g->number && got->size == g->image_size &&
		     (got->size == 0 || memcmp(got->image, g->image, got->size) == 0);
	if (!out->equal)
		snprintf(out->text, sizeof(out->text),
			 "holds generation %u with %zu bytes of image, expected %u with %zu", got->generation,
			 got->size, g->number, g->image_size);
	return 0;
}

int txn_compare(const struct txn *t, struct enforcer *e, const struct enforced *g, struct proof *proof)
{
	char error[ENFORCER_ERROR] = "";
	struct readback got;
	int r;

	memset(proof, 0, sizeof(*proof));
	e->error[0] = 0;
	r = e->ops->readback(e, &got);
	if (r < 0) {
		snprintf(proof->text, sizeof(proof->text), "%s", e->error);
		return r;
	}
	r = e->compare(e->compare_ctx, g, &got, proof);
	if (r == 0)
		r = t->journal->readback(t->journal_ctx, e->name, &got, g, proof->equal, error);
	if (r < 0)
		snprintf(proof->text, sizeof(proof->text), "%s", error[0] ? error : strerror(-r));
	free(got.image);
	return r;
}

static int compare_all(const struct txn *t, struct txn_error *error)
{
	for (size_t i = 0; i < t->n_engines; i++) {
		struct proof *p = &t->proofs[i];
		int r = txn_compare(t, t->engines[i], &t->next, p);

		if (r < 0 || !p->equal)
			return failed(error, TXN_READBACK, r < 0 ? r : -EBADMSG, t->engines[i]->name,
				      p->text);
	}
	return 0;
}

/* The reason of the failure is already in `error`; what goes wrong here is added, not put in its place. */
static void back_to_old(const struct txn *t, struct txn_error *error)
{
	char text[ENFORCER_ERROR] = "";
	size_t used;

	error->old_in_force = true;
	for (size_t i = 0; i < t->n_engines; i++) {
		struct enforcer *e = t->engines[i];

		e->error[0] = 0;
		if (e->ops->rollback(e, &t->old) == 0)
			continue;
		error->old_in_force = false;
		used = strlen(error->text);
		snprintf(error->text + used, sizeof(error->text) - used, "; %s not yet back: %.200s", e->name,
			 e->error);
	}
	if (t->journal->abandoned(t->journal_ctx, &t->next, text) < 0) {
		used = strlen(error->text);
		snprintf(error->text + used, sizeof(error->text) - used, "; intent stays open: %.200s", text);
	}
}

static int activate(const struct txn *t, struct txn_error *error)
{
	char text[ENFORCER_ERROR] = "";
	int r = t->journal->active(t->journal_ctx, &t->next, text);

	return r < 0 ? failed(error, TXN_ACTIVE, r, NULL, text) : 0;
}

static int publish_and_prove(const struct txn *t, struct txn_error *error)
{
	int r = each(t, TXN_PUBLISH, error);

	if (r == 0)
		r = compare_all(t, error);
	if (r == 0)
		r = activate(t, error);
	return r;
}

int txn_run(const struct txn *t, struct txn_error *error)
{
	char text[ENFORCER_ERROR] = "";
	int r;

	memset(error, 0, sizeof(*error));
	error->old_in_force = true;
	r = each(t, TXN_PREPARE, error);
	if (r < 0)
		return r;
	r = t->journal->intent(t->journal_ctx, &t->next, text);
	if (r < 0)
		return failed(error, TXN_INTENT, r, NULL, text);
	r = publish_and_prove(t, error);
	if (r < 0)
		back_to_old(t, error);
	return r;
}

int txn_recover(const struct txn *t, bool *finished, struct txn_error *error)
{
	int r;

	memset(error, 0, sizeof(*error));
	error->old_in_force = true;
	*finished = false;
	r = compare_all(t, error);
	if (r == -ENOTCONN || r == -ETIMEDOUT || r == -ECONNRESET)
		return r;
	if (r == 0)
		r = activate(t, error);
	if (r == 0) {
		*finished = true;
		return 0;
	}
	back_to_old(t, error);
	return error->old_in_force ? 0 : r;
}
