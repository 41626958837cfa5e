/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The decision, as the language page words it: the specification that every engine is tested against. Kept
 * slow and obvious; what may be fast stands elsewhere.
 */
#include "evidence.h"

static uint32_t rule_at(const struct rule_view *view, size_t i)
{
	return view->index ? view->index[i] : (uint32_t)i;
}

struct rule_view view_meeting(const struct ruleset *rs, const uint64_t *from, const uint64_t *to,
			      const struct service_set *service, uint32_t *index)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];

		if (r->mode != MODE_OFF && sets_meet(rs, r->from.set, from) && sets_meet(rs, r->to.set, to) &&
		    services_meet(&r->service, service))
			index[n++] = (uint32_t)i;
	}
	return (struct rule_view){index, n};
}

struct rule_view view_narrow(const struct ruleset *rs, const struct rule_view *view, bool initiator,
			     size_t identity, uint32_t *index)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n; i++) {
		const struct rule *r = &rs->rules[view->index[i]];

		if (identity_in(initiator ? r->from.set : r->to.set, identity))
			index[n++] = view->index[i];
	}
	return (struct rule_view){index, n};
}

static bool holds(const struct rule *r, bool monitored)
{
	return r->mode == MODE_ENFORCE || (monitored && r->mode == MODE_MONITOR);
}

static bool matches(const struct rule *r, size_t from, size_t to, service_key key)
{
	return identity_in(r->from.set, from) && identity_in(r->to.set, to) && service_has(&r->service, key);
}

/* The least rule of a tier and effect that matches; 0 if none does. Rules are sorted by id. */
static rule_ref first_match(const struct ruleset *rs, const struct rule_view *view, enum tier tier,
			    enum effect effect, size_t from, size_t to, service_key key, bool monitored)
{
	for (size_t i = 0; i < view->n; i++) {
		uint32_t at = rule_at(view, i);
		const struct rule *r = &rs->rules[at];

		if (r->tier == tier && r->effect == effect && holds(r, monitored) &&
		    matches(r, from, to, key))
			return at + 1;
	}
	return RULE_DEFAULT_DENY;
}

static enum verdict decide(const struct ruleset *rs, const struct rule_view *view, size_t from, size_t to,
			   service_key key, bool monitored, rule_ref *rule)
{
	for (enum tier tier = TIER_GUARD; tier < TIER_COUNT; tier++) {
		*rule = first_match(rs, view, tier, EFFECT_DENY, from, to, key, monitored);
		if (*rule)
			return VERDICT_DENY;
		*rule = first_match(rs, view, tier, EFFECT_ALLOW, from, to, key, monitored);
		if (*rule)
			return VERDICT_ALLOW;
	}
	*rule = RULE_DEFAULT_DENY;
	return VERDICT_DENY;
}

/* The most specific scope for a responder, or -1. Scopes that share an identity are nested. */
static ptrdiff_t scope_of(const struct ruleset *rs, size_t to)
{
	ptrdiff_t best = -1;

	for (size_t i = 0; i < rs->n_scopes; i++) {
		if (!identity_in(rs->scopes[i].to.set, to))
			continue;
		if (best < 0 || set_within(rs, rs->scopes[i].to.set, rs->scopes[best].to.set))
			best = (ptrdiff_t)i;
	}
	return best;
}

/* Whether the scope lets a denied session pass; $conflict and $gateway and the guard tier are never relaxed.
 */
static bool relaxes(const struct ruleset *rs, const struct scope *s, size_t from, size_t to, service_key key,
		    rule_ref denied_by)
{
	if (s->mode != MODE_MONITOR || !identity_in(s->from.set, from))
		return false;
	if (from == AT_CONFLICT || to == AT_CONFLICT || to == AT_GATEWAY)
		return false;
	if (denied_by != RULE_DEFAULT_DENY && rs->rules[denied_by - 1].tier == TIER_GUARD)
		return false;
	return !service_has(&s->enforce_services, key);
}

static uint8_t reason_of(rule_ref rule, size_t from, size_t to)
{
	if (rule != RULE_DEFAULT_DENY)
		return REASON_RULE;
	return from == AT_CONFLICT || to == AT_CONFLICT ? REASON_CONFLICT : REASON_NO_RULE;
}

void eval_view(const struct ruleset *rs, const struct rule_view *view, size_t from, size_t to,
	       service_key key, struct decision *out)
{
	ptrdiff_t scope;

	*out = (struct decision){0};
	out->intended = decide(rs, view, from, to, key, true, &out->intended_rule);
	out->intended_reason = reason_of(out->intended_rule, from, to);
	out->verdict = decide(rs, view, from, to, key, false, &out->rule);
	out->reason = reason_of(out->rule, from, to);
	if (out->rule != RULE_DEFAULT_DENY) {
		const struct rule *r = &rs->rules[out->rule - 1];

		out->reject = out->verdict == VERDICT_DENY && r->action == ACTION_REJECT;
		out->log_always = r->log == LOG_ALWAYS;
	}
	scope = out->verdict == VERDICT_DENY ? scope_of(rs, to) : -1;
	if (scope < 0 || !relaxes(rs, &rs->scopes[scope], from, to, key, out->rule))
		return;
	out->verdict = VERDICT_ALLOW;
	out->rule = RULE_SCOPE_BIT | (rule_ref)scope;
	out->reason = REASON_SCOPE;
	out->reject = false;
	out->log_always = false;
}

void policy_eval(const struct ruleset *rs, size_t from, size_t to, service_key key, int64_t at_utc,
		 struct decision *out)
{
	struct rule_view all = {.n = rs->n_rules};

	(void)at_utc; /* no rule depends on time yet */
	eval_view(rs, &all, from, to, key, out);
}
