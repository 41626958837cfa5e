/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is no error but deserves a look.
 */
#include <string.h>

#include "addr.h"
#include "build.h"

/* A deny, with the outer edges of its service: most pairs of rules part there. */
struct deny {
	const struct rule *rule;
	service_key from, to;
};

struct denies {
	struct deny *item;
	size_t n;
};

static struct denies denies_of_tier(const struct ruleset *rs, enum tier tier, struct arena *a)
{
	struct denies out = {.item = arena_array(a, rs->n_rules, sizeof(*out.item))};

	for (size_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];
		const struct service_range *ranges = r->service.ranges;

		if (r->effect == EFFECT_DENY && r->tier == tier && r->mode != MODE_OFF && r->service.n)
			out.item[out.n++] = (struct deny){r, ranges[0].from, ranges[r->service.n - 1].to};
	}
	return out;
}

static bool overlap(const struct ruleset *rs, const struct rule *a, const struct rule *b)
{
	return services_meet(&a->service, &b->service) && sets_meet(rs, a->from.set, b->from.set) &&
	       sets_meet(rs, a->to.set, b->to.set);
}

/* One warning per allow, at the allow, naming the first deny and how many more there are. */
static void warn_overlap(const struct ruleset *rs, const struct rule *allow, const struct denies *denies,
			 struct diags *d)
{
	service_key from = allow->service.ranges[0].from, to = allow->service.ranges[allow->service.n - 1].to;
	const struct rule *first = NULL;
	size_t more = 0;

	for (size_t i = 0; i < denies->n; i++) {
		const struct deny *deny = &denies->item[i];

		if (deny->to <= from || deny->from >= to || !overlap(rs, allow, deny->rule))
			continue;
		if (first)
			more++;
		else
			first = deny->rule;
	}
	if (first && more)
		diag_add(d, SEV_WARNING, allow->place,
			 "allow `%s` overlaps deny `%s` and %zu more of its tier; the denies win", allow->id,
			 first->id, more);
	else if (first)
		diag_add(d, SEV_WARNING, allow->place,
			 "allow `%s` overlaps deny `%s` of its tier; the deny wins", allow->id, first->id);
}

static void warn_nobody(const struct ruleset *rs, const struct rule *r, struct diags *d)
{
	const struct selector *empty = set_empty(rs, r->from.set) ? &r->from : &r->to;

	if (set_empty(rs, empty->set))
		diag_add(d, SEV_WARNING, r->place,
			 "rule `%s` never matches: no classify rule makes an identity of %s", r->id,
			 empty->text);
}

/* Link-local, loopback and group addresses are never classified by prefix. */
static void warn_idle_prefix(const struct classifier *c, struct diags *d)
{
	uint8_t last[16];

	memcpy(last, c->prefix, sizeof(last));
	addr_last(c->family, last, c->prefix_len);
	if (c->has_prefix && addr_kind(c->family, c->prefix) != ADDR_UNICAST &&
	    addr_kind(c->family, last) == addr_kind(c->family, c->prefix))
		diag_add(d, SEV_WARNING, c->place,
			 "classify rule `%s` never holds: link-local, loopback and group addresses have no "
			 "prefix evidence",
			 c->id);
}

void policy_warn(const struct ruleset *rs, int64_t now_utc, struct diags *d)
{
	struct arena *a = arena_new();
	struct denies denies[TIER_COUNT];

	for (enum tier t = TIER_GUARD; t < TIER_COUNT; t++)
		denies[t] = denies_of_tier(rs, t, a);
	for (size_t i = 0; i < rs->n_classifiers; i++)
		warn_idle_prefix(&rs->classifiers[i], d);
	for (size_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];

		if (r->mode == MODE_OFF)
			continue;
		if (now_utc >= r->review_end)
			diag_add(d, SEV_WARNING, r->place, "review of rule `%s` was due by %s", r->id,
				 r->review_by);
		warn_nobody(rs, r, d);
		if (r->effect == EFFECT_ALLOW && r->service.n)
			warn_overlap(rs, r, &denies[r->tier], d);
	}
	arena_free(a);
}
