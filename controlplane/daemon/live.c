/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live verification. Every question is asked by its first packet alone; all of its cases only if it is the
 * first of its family, protocol and verdict, because they ask of the engine and not of the policy.
 */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>

#include "link.h"
#include "probe.h"

#define NS_PER_S  1000000000LL
#define PLAN_MAX  256u
#define BUDGET_MS 10000 /* of one engine: the daemon has one thread */

struct live {
	struct daemon *d;
	struct link *l;
	live_check_fn *f;
	void *ctx;
	int64_t deadline_ms;
	struct probe_question plan[PLAN_MAX];
	struct probe_case cases[PROBE_CASES_MAX];
	uint8_t bytes[DP_PROBE_FRAMES * PROBE_BYTES];
	uint8_t seen[2][2][256]; /* verdict, family, protocol: all cases were asked */
	size_t n, left_out, asked, frames, n_state;
	bool broken; /* the engine cannot be asked any more; it was told */
};

static void describe(const struct live *v, const struct probe_question *q, char *out, size_t room)
{
	const struct dictionary *names = v->d->dictionary;
	const char *from = dictionary_text(names, q->from), *to = dictionary_text(names, q->to);
	char service[32];

	service_key_text(q->key, service, sizeof(service));
	snprintf(out, room, "%s -> %s %s over IPv%u", from ? from : "?", to ? to : "?", service, q->family);
}

static void failed(struct live *v, const struct probe_question *q, const struct probe_case *c, int frame)
{
	char what[2 * ENFORCER_ERROR], pair[ENFORCER_ERROR];

	describe(v, q, pair, sizeof(pair));
	snprintf(what, sizeof(what), "%s: frame %d of `%s` %s", pair, frame + 1, c->name,
		 c->frame[frame].forwarded ? "did not pass and must" : "passed and must not");
	v->f(v->ctx, c->name, 0, what);
}

/* False: stop, what there is to say was said. */
static bool ask(struct live *v, const struct probe_question *q, const struct probe_case *c, size_t *bad)
{
	struct dp_probes order;
	size_t size = probe_order(q, c, &order, v->bytes);
	int differs;

	if (dp_probe(v->l->dp, &order, v->bytes, size) < 0) {
		v->f(v->ctx, c->name, -1, dp_error(v->l->dp));
		v->broken = true;
		return false;
	}
	v->frames += c->n;
	differs = probe_differs(c, &order);
	if (differs < 0)
		return true;
	failed(v, q, c, differs);
	++*bad;
	return true;
}

static bool ask_question(struct live *v, const struct probe_question *q, size_t *bad, size_t *bad_state)
{
	uint8_t *seen = &v->seen[q->allow][q->family == 6][q->key >> 16 & 0xff];
	size_t n = probe_cases(q, v->cases, PROBE_CASES_MAX);

	if (n == 0)
		return true;
	if (!ask(v, q, &v->cases[0], bad))
		return false;
	v->asked++;
	if (*seen)
		return true;
	*seen = 1;
	for (size_t i = 1; i < n; i++, v->n_state++)
		if (!ask(v, q, &v->cases[i], bad_state))
			return false;
	return true;
}

static void conclude(struct live *v, size_t bad, size_t bad_state)
{
	const bool all = v->asked == v->n && !v->broken;
	char text[ENFORCER_ERROR], left_out[64] = "";

	if (v->left_out)
		snprintf(left_out, sizeof(left_out), "; %zu more cannot be asked with a packet", v->left_out);
	snprintf(text, sizeof(text), "%zu of %zu decisions asked with a packet, %zu differ%s%s", v->asked,
		 v->n, bad, left_out,
		 all         ? ""
		 : v->broken ? "; the engine stopped answering"
			     : "; time was up");
	v->f(v->ctx, "decisions", bad ? 0 : all ? 1 : -1, text);
	snprintf(text, sizeof(text), "%zu cases of state, errors, fragments and spoofing, %zu differ",
		 v->n_state, bad_state);
	v->f(v->ctx, "state", bad_state ? 0 : v->broken ? -1 : 1, text);
}

void live_verify(struct daemon *d, struct link *l, live_check_fn *f, void *ctx)
{
	struct live *v;
	size_t bad = 0, bad_state = 0;

	if (!d->active)
		return;
	v = calloc(1, sizeof(*v));
	if (!v) {
		f(ctx, "decisions", -1, "out of memory");
		return;
	}
	v->d = d;
	v->l = l;
	v->f = f;
	v->ctx = ctx;
	v->deadline_ms = mono_now_ms() + BUDGET_MS;
	v->n = probe_plan(d->active->image, utc_now_ns() / NS_PER_S, v->plan, PLAN_MAX, &v->left_out);
	for (size_t i = 0; i < v->n && mono_now_ms() < v->deadline_ms; i++)
		if (!ask_question(v, &v->plan[i], &bad, &bad_state))
			break;
	conclude(v, bad, bad_state);
	free(v);
}
