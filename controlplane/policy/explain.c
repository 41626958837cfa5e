/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A decision can only change where some rule's or scope's service set begins or ends. Those points cut the
 * service asked for into pieces; each piece is judged once per pair, and neighbours that agree are joined
 * again.
 */
#include "explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cuts {
	service_key *at;
	size_t n;
};

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

static bool cuts_make(struct cuts *c, const struct ruleset *rs)
{
	size_t room = 1, kept = 0;

	for (size_t i = 0; i < rs->n_rules; i++)
		room += 2 * rs->rules[i].service.n;
	for (size_t i = 0; i < rs->n_scopes; i++)
		room += 2 * rs->scopes[i].enforce_services.n;
	*c = (struct cuts){malloc(room * sizeof(*c->at)), 0};
	if (c->at == NULL)
		return false;
	for (size_t i = 0; i < rs->n_rules; i++)
		c->n += cut_set(c->at + c->n, &rs->rules[i].service);
	for (size_t i = 0; i < rs->n_scopes; i++)
		c->n += cut_set(c->at + c->n, &rs->scopes[i].enforce_services);
	qsort(c->at, c->n, sizeof(*c->at), key_cmp);
	for (size_t i = 0; i < c->n; i++)
		if (kept == 0 || c->at[kept - 1] != c->at[i])
			c->at[kept++] = c->at[i];
	c->n = kept;
	return true;
}

/* The pieces of the service, as half-open ranges. */
static struct service_range *pieces_make(const struct cuts *c, const struct service_range *ranges, size_t n,
					 size_t *n_pieces)
{
	struct service_range *pieces = malloc((c->n + n) * sizeof(*pieces));
	size_t made = 0;

	for (size_t i = 0; pieces != NULL && i < n; i++) {
		service_key from = ranges[i].from;
		for (size_t k = 0; k < c->n && c->at[k] < ranges[i].to; k++) {
			if (c->at[k] <= from)
				continue;
			pieces[made++] = (struct service_range){from, c->at[k]};
			from = c->at[k];
		}
		pieces[made++] = (struct service_range){from, ranges[i].to};
	}
	*n_pieces = made;
	return pieces;
}

static bool decision_equal(const struct decision *a, const struct decision *b)
{
	return a->verdict == b->verdict && a->intended == b->intended && a->rule == b->rule &&
	       a->intended_rule == b->intended_rule && a->reason == b->reason &&
	       a->intended_reason == b->intended_reason && a->reject == b->reject &&
	       a->log_always == b->log_always;
}

struct walk {
	const struct ruleset *rs;
	const struct service_range *pieces;
	size_t n;
	int64_t at;
	struct explain_answer *answers; /* room for n */
	bool (*f)(void *ctx, const struct explain_answer *answer);
	void *ctx;
};

static bool explain_pair(const struct walk *w, size_t from, size_t to)
{
	size_t n = 0;
	bool same = true;

	for (size_t i = 0; i < w->n; i++) {
		struct explain_answer a = {from, to, w->pieces[i].from, w->pieces[i].to, false, {0}};
		policy_eval(w->rs, from, to, a.first, w->at, &a.decision);
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

static void explain_pairs(const struct walk *w, const uint64_t *from, const uint64_t *to)
{
	for (size_t s = 0; s < w->rs->n_identities; s++) {
		if (!identity_in(from, s))
			continue;
		for (size_t d = 0; d < w->rs->n_identities; d++)
			if (identity_in(to, d) && !explain_pair(w, s, d))
				return;
	}
}

bool policy_explain(const struct ruleset *rs, const uint64_t *from, const uint64_t *to,
		    const struct service_range *ranges, size_t n, int64_t at_utc,
		    bool (*f)(void *ctx, const struct explain_answer *answer), void *ctx)
{
	struct walk w = {.rs = rs, .at = at_utc, .f = f, .ctx = ctx};
	struct service_range *pieces = NULL;
	struct cuts cuts;

	if (n == 0)
		return true;
	if (!cuts_make(&cuts, rs))
		return false;
	pieces = pieces_make(&cuts, ranges, n, &w.n);
	w.pieces = pieces;
	w.answers = pieces != NULL ? calloc(w.n, sizeof(*w.answers)) : NULL;
	bool enough = w.answers != NULL;
	if (enough)
		explain_pairs(&w, from, to);
	free(w.answers);
	free(pieces);
	free(cuts.at);
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
