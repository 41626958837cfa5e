/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a config demands of a policy.
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define GATEWAY (IDENTITY_GATEWAY - 1) /* its index in the identity space */

/* --- rules about the gateway ------------------------------------------------------------------ */

/* Selectors that may name the gateway only if somebody wrote it: `any` of an allow does not, that of a deny
 * does. */
static bool names_gateway(const struct selector *s)
{
	return strstr(s->text, "$gateway") && identity_in(s->set, GATEWAY);
}

static void refuse_gateway_rules(const struct ruleset *rs, struct diags *d)
{
	for (size_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];

		if (r->mode != MODE_OFF && (names_gateway(&r->from) || names_gateway(&r->to)))
			diag_add(d, SEV_ERROR, r->place,
				 "rule `%s` names $gateway: nothing here enforces the gateway's own traffic; "
				 "give `management: {addresses, from}` in the gateway's config and run "
				 "cordon-nft",
				 r->id);
	}
}

/* --- the way to the gateway ------------------------------------------------------------------- */

static const struct group *find_group(const struct ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->n_groups; i++)
		if (strcmp(rs->groups[i].name, name) == 0)
			return &rs->groups[i];
	return NULL;
}

/* One finding for each group: the first identity that is kept out, and by which rule. No rule has a window
 * yet, so that `now_utc` stands for every edge of the schedule. */
static void check_ssh(const struct ruleset *rs, const struct group *g, const uint64_t *members,
		      int64_t now_utc, struct diags *d)
{
	for (size_t i = 0; i < rs->n_identities; i++) {
		struct decision got;
		char rule[128];

		if (!identity_in(members, i))
			continue;
		policy_eval(rs, i, GATEWAY, service_key_make(6, 22), now_utc, &got);
		if (got.verdict == VERDICT_ALLOW)
			continue;
		diag_add(d, SEV_ERROR, g->place,
			 "management.from: `%s` must reach $gateway by ssh: %s -> $gateway tcp/22 is denied "
			 "by %s",
			 g->name, rs->identities[i].text,
			 ruleset_rule_text(rs, got.rule, rule, sizeof(rule)));
		return;
	}
}

/* Whether some range of a family's addresses is one of these, whatever else is known of who uses it. */
static bool known_by_prefix(const struct ruleset *rs, uint8_t family, const uint64_t *members)
{
	size_t n;
	struct prefix_range *ranges = policy_prefixes(rs, family, &n);
	bool found = false;

	for (size_t i = 0; i < n && !found; i++)
		found = ranges[i].final && identity_in(members, ranges[i].identity);
	free(ranges);
	return found;
}

static bool has_address(const struct config *c, uint8_t family)
{
	for (size_t i = 0; i < c->n_management; i++)
		if (c->management[i].family == family)
			return true;
	return false;
}

/* The kernel knows the callers of the gateway by their addresses alone: it sees no port of theirs. */
static void check_known(const struct config *c, const struct ruleset *rs, const struct group *g,
			const uint64_t *members, struct diags *d)
{
	for (uint8_t family = 4; family <= 6; family += 2)
		if (has_address(c, family) && known_by_prefix(rs, family, members))
			return;
	diag_add(d, SEV_ERROR, g->place,
		 "management.from: `%s` must reach $gateway by ssh: no address is known to be its; who calls "
		 "the "
		 "gateway is known by prefix alone, so classify it by a `prefix` without other conditions, "
		 "within "
		 "`protected`",
		 g->name);
}

/* What a group means to people: defaulted labels at their default, unless it speaks of them. */
static void check_from(const struct config *c, const struct ruleset *rs, const struct config_from *from,
		       int64_t now_utc, struct diags *d)
{
	const struct group *g = find_group(rs, from->name);
	uint64_t *members = calloc(rs->set_words + 1, sizeof(*members));
	char error[256] = "out of memory";

	if (!g) {
		diag_add(d, SEV_ERROR, from->place,
			 "management.from names the group `%s`, which the policy does not have", from->name);
	} else if (members && policy_parse_who(rs, from->name, members, error, sizeof(error))) {
		check_ssh(rs, g, members, now_utc, d);
		check_known(c, rs, g, members, d);
	} else {
		diag_add(d, SEV_ERROR, from->place, "management.from: %s", error);
	}
	free(members);
}

void config_demands(const struct config *c, const struct ruleset *rs, int64_t now_utc, struct diags *d)
{
	if (!c->has_management)
		refuse_gateway_rules(rs, d);
	for (size_t i = 0; i < c->n_from; i++)
		check_from(c, rs, &c->from[i], now_utc, d);
}
