/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A decision can only change where some rule's or scope's service set begins or ends. Those points cut the
 * service asked for into pieces; each piece is judged once per pair, and neighbours that agree are joined
 * again. Only rules that can match the pair cut, and only they are asked: a question to everybody about
 * anything has a million pairs.
 */
#include "explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"

struct walk {
	const struct ruleset *rs;
	const struct service_set *asked;
	uint32_t *rules; /* of the three views, each narrower than the one before */
	service_key *cuts;
	struct service_range *pieces;
	struct explain_answer *answers;
	bool (*f)(void *ctx, const struct explain_answer *answer);
	void *ctx;
};

/* --- pieces ----------------------------------------------------------------------------------------------
 */

static int key_cmp(const void *a, const void *b)
{
	service_key x = *(const service_key *)a, y = *(const service_key *)b;

	return x < y ? -1 : x > y;
}

static size_t cut_set(service_key *at, const struct service_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		at[2 * i] = set->ranges[i].from;
		at[2 * i + 1] = set->ranges[i].to;
	}
	return 2 * set->n;
}

static size_t cuts_make(const struct walk *w, const struct rule_view *pair, size_t to)
{
	const struct ruleset *rs = w->rs;
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < pair->n; i++)
		n += cut_set(w->cuts + n, &rs->rules[pair->index[i]].service);
	for (size_t i = 0; i < rs->n_scopes; i++)
		if (identity_in(rs->scopes[i].to.set, to))
			n += cut_set(w->cuts + n, &rs->scopes[i].enforce_services);
	qsort(w->cuts, n, sizeof(*w->cuts), key_cmp);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || w->cuts[kept - 1] != w->cuts[i])
			w->cuts[kept++] = w->cuts[i];
	return kept;
}

/* The pieces of the service, as half-open ranges. */
static size_t pieces_make(const struct walk *w, size_t n_cuts)
{
	size_t made = 0;

	for (size_t i = 0, k = 0; i < w->asked->n; i++) {
		service_key from = w->asked->ranges[i].from, end = w->asked->ranges[i].to;
		for (; k < n_cuts && w->cuts[k] < end; k++) {
			if (w->cuts[k] <= from)
				continue;
			w->pieces[made++] = (struct service_range){from, w->cuts[k]};
			from = w->cuts[k];
		}
		w->pieces[made++] = (struct service_range){from, end};
	}
	return made;
}

/* --- pairs -----------------------------------------------------------------------------------------------
 */

static bool decision_equal(const struct decision *a, const struct decision *b)
{
	return a->verdict == b->verdict && a->intended == b->intended && a->rule == b->rule &&
	       a->intended_rule == b->intended_rule && a->reason == b->reason &&
	       a->intended_reason == b->intended_reason && a->reject == b->reject &&
	       a->log_always == b->log_always;
}

static bool explain_pair(const struct walk *w, const struct rule_view *own, size_t from, size_t to)
{
	struct rule_view pair = view_narrow(w->rs, own, false, to, w->rules + 2 * w->rs->n_rules);
	size_t n = 0, n_pieces = pieces_make(w, cuts_make(w, &pair, to));
	bool same = true;

	for (size_t i = 0; i < n_pieces; i++) {
		struct explain_answer a = {from, to, w->pieces[i].from, w->pieces[i].to, false, {0}};
		eval_view(w->rs, &pair, from, to, a.first, &a.decision);
		struct explain_answer *last = n > 0 ? &w->answers[n - 1] : NULL;
		if (last != NULL && last->end == a.first && decision_equal(&last->decision, &a.decision))
			last->end = a.end;
		else
			w->answers[n++] = a;
		same = same && decision_equal(&w->answers[0].decision, &a.decision);
	}
	if (same) {
		w->answers[0].whole = true;
		return w->f(w->ctx, &w->answers[0]);
	}
	for (size_t i = 0; i < n; i++)
		if (!w->f(w->ctx, &w->answers[i]))
			return false;
	return true;
}

static bool explain_initiator(const struct walk *w, const struct rule_view *view, size_t from,
			      const uint64_t *to)
{
	struct rule_view own = view_narrow(w->rs, view, true, from, w->rules + w->rs->n_rules);

	for (size_t d = 0; d < w->rs->n_identities; d++)
		if (identity_in(to, d) && !explain_pair(w, &own, from, d))
			return false;
	return true;
}

static size_t most_cuts(const struct ruleset *rs)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->n_rules; i++)
		n += 2 * rs->rules[i].service.n;
	for (size_t i = 0; i < rs->n_scopes; i++)
		n += 2 * rs->scopes[i].enforce_services.n;
	return n;
}

static bool walk_init(struct walk *w)
{
	size_t cuts = most_cuts(w->rs), pieces = cuts + w->asked->n;

	w->rules = calloc(3 * w->rs->n_rules + 1, sizeof(*w->rules));
	w->cuts = calloc(cuts + 1, sizeof(*w->cuts));
	w->pieces = calloc(pieces, sizeof(*w->pieces));
	w->answers = calloc(pieces, sizeof(*w->answers));
	return w->rules != NULL && w->cuts != NULL && w->pieces != NULL && w->answers != NULL;
}

static void walk_free(struct walk *w)
{
	free(w->rules);
	free(w->cuts);
	free(w->pieces);
	free(w->answers);
}

static void explain_pairs(const struct walk *w, const uint64_t *from, const uint64_t *to)
{
	struct rule_view view = view_meeting(w->rs, from, to, w->asked, w->rules);

	for (size_t s = 0; s < w->rs->n_identities; s++)
		if (identity_in(from, s) && !explain_initiator(w, &view, s, to))
			return;
}

bool policy_explain(const struct ruleset *rs, const uint64_t *from, const uint64_t *to,
		    const struct service_range *ranges, size_t n, int64_t at_utc,
		    bool (*f)(void *ctx, const struct explain_answer *answer), void *ctx)
{
	const struct service_set asked = {ranges, n};
	struct walk w = {.rs = rs, .asked = &asked, .f = f, .ctx = ctx};

	(void)at_utc; /* no rule depends on time yet */
	if (n == 0)
		return true;
	bool enough = walk_init(&w);
	if (enough)
		explain_pairs(&w, from, to);
	walk_free(&w);
	return enough;
}

static void text_ports(const char *proto, uint16_t low, uint16_t high, char *buffer, size_t room)
{
	if (low == high)
		snprintf(buffer, room, "%s/%u", proto, low);
	else
		snprintf(buffer, room, "%s/%u-%u", proto, low, high);
}

/* ICMP keys are type << 8 | code; a whole type is named without its codes. */
static bool text_icmp(const char *proto, uint16_t low, uint16_t high, char *buffer, size_t room)
{
	unsigned type = low >> 8, code = low & 0xff;

	if (low == high)
		snprintf(buffer, room, "%s/%u/%u", proto, type, code);
	else if (code != 0 || (high & 0xff) != 0xff)
		return false;
	else if (type == high >> 8u)
		snprintf(buffer, room, "%s/%u", proto, type);
	else
		snprintf(buffer, room, "%s/%u-%u", proto, type, (unsigned)high >> 8);
	return true;
}

void service_range_text(service_key first, service_key end, char *buffer, size_t room)
{
	uint16_t low = first & 0xffff, high = (end - 1) & 0xffff;
	unsigned proto = first >> 16;
	char other[32];

	if (proto == (end - 1) >> 16) {
		if (proto == 6 || proto == 17) {
			text_ports(proto == 6 ? "tcp" : "udp", low, high, buffer, room);
			return;
		}
		if ((proto == 1 || proto == 58) &&
		    text_icmp(proto == 1 ? "icmp" : "icmpv6", low, high, buffer, room))
			return;
		if (proto != 1 && proto != 58) {
			snprintf(buffer, room, "%u", proto);
			return;
		}
	}
	service_key_text(first, buffer, room);
	service_key_text(end - 1, other, sizeof(other));
	size_t used = strlen(buffer);
	snprintf(buffer + used, room - used, "-%s", other);
}
