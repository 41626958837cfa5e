/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One sweep over the service keys per distinct set of matching rules: the borders of their services, sorted,
 * switch rules on and off in a bit set in rank order, so that the first bit set is the rule that decides.
 * Twice: over enforced rules for the verdict, over all for the intention.
 */
#include "cells.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"

#define SEEN_WORDS_MAX ((size_t)8 << 20) /* forget what was asked beyond this: memory, not meaning */
#define DECISION_WORDS (sizeof(struct image_decision) / sizeof(uint32_t))
#define SORT_SMALL     24u

/* --- ranks
 * ---------------------------------------------------------------------------------------------------- */

static int by_rank(const void *a, const void *b)
{
	const struct rule *x = *(const struct rule *const *)a;
	const struct rule *y = *(const struct rule *const *)b;

	if (x->tier != y->tier)
		return x->tier < y->tier ? -1 : 1;
	if (x->effect != y->effect)
		return x->effect == EFFECT_DENY ? -1 : 1;
	return x < y ? -1 : 1; /* the ruleset has them by id */
}

static bool rank_rules(struct cells *c)
{
	c->rule = calloc(c->rs->n_rules + 1, sizeof *c->rule);
	if (!c->rule)
		return false;
	for (size_t i = 0; i < c->rs->n_rules; i++)
		if (c->rs->rules[i].mode != MODE_OFF)
			c->rule[c->n_ranks++] = &c->rs->rules[i];
	qsort(c->rule, c->n_ranks, sizeof *c->rule, by_rank);
	return true;
}

/* --- decisions
 * ------------------------------------------------------------------------------------------------ */

static rule_ref ref_of(const struct cells *c, const struct rule *rule)
{
	return rule ? (rule_ref)(rule - c->rs->rules) + 1 : RULE_DEFAULT_DENY;
}

static uint8_t reason_of(const struct rule *rule, const struct cells_key *key)
{
	return rule ? REASON_RULE : (uint8_t)key->denied_reason;
}

static bool allows(const struct rule *rule)
{
	return rule && rule->effect == EFFECT_ALLOW;
}

/* Whether the pair's scope turns this denial into an allow; `selective`: the scope enforces this service. */
static bool relaxes(const struct rule *denied_by, const struct cells_key *key, bool selective)
{
	return key->scope != SCOPE_NONE && !selective && !(denied_by && denied_by->tier == TIER_GUARD);
}

static uint8_t flags_of(const struct rule *rule)
{
	uint8_t flags = 0;

	if (rule && rule->log == LOG_ALWAYS)
		flags |= DECISION_LOG_ALWAYS;
	if (allows(rule))
		flags |= DECISION_ALLOW;
	else if (rule && rule->action == ACTION_REJECT)
		flags |= DECISION_REJECT;
	return flags;
}

/* `enforced` and `intended` decide; NULL: no rule does. */
static uint32_t decide(struct cells *c, const struct cells_key *key, const struct rule *enforced,
		       const struct rule *intended, bool selective)
{
	struct image_decision d = {
		.rule = ref_of(c, enforced),
		.reason = reason_of(enforced, key),
		.flags = flags_of(enforced),
		.intended_rule = ref_of(c, intended),
		.intended_reason = reason_of(intended, key),
	};
	uint32_t words[DECISION_WORDS];

	if (!allows(enforced) && relaxes(enforced, key, selective)) {
		d.rule = RULE_SCOPE_BIT | key->scope;
		d.reason = REASON_SCOPE;
		d.flags = DECISION_ALLOW;
	}
	if (allows(intended))
		d.flags |= DECISION_INTENDED_ALLOW;
	memcpy(words, &d, sizeof words);
	return intern(&c->decisions, words, DECISION_WORDS);
}

/* --- the sweep
 * ------------------------------------------------------------------------------------------------ */

/* An event switches one bit at one key: key << 32 | bit. */
static int by_key(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void sort_events(uint64_t *events, size_t n)
{
	if (n > SORT_SMALL) {
		qsort(events, n, sizeof *events, by_key);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		const uint64_t event = events[i];
		size_t k = i;

		for (; k && events[k - 1] > event; k--)
			events[k] = events[k - 1];
		events[k] = event;
	}
}

static bool events_reserve(struct cells *c, size_t n)
{
	uint64_t *events;

	if (n <= c->events_room)
		return true;
	events = realloc(c->events, 2 * n * sizeof *events);
	if (!events)
		return false;
	c->events = events;
	c->events_room = 2 * n;
	return true;
}

/* A region begins only at an event or at 0, so this is room for all of them. */
static bool regions_reserve(struct cells *c, size_t n_events)
{
	const size_t n = 2 * (n_events + 1);
	uint32_t *regions;

	if (n <= c->regions_room)
		return true;
	regions = realloc(c->regions, 2 * n * sizeof *regions);
	if (!regions)
		return false;
	c->regions = regions;
	c->regions_room = 2 * n;
	return true;
}

/* All zero between two sweeps. */
static bool active_reserve(struct cells *c, size_t words)
{
	uint64_t *active, *enforced;

	if (words <= c->active_room)
		return true;
	active = calloc(2 * words, sizeof *active);
	enforced = calloc(2 * words, sizeof *enforced);
	if (!active || !enforced) {
		free(active);
		free(enforced);
		return false;
	}
	free(c->active);
	free(c->enforced);
	c->active = active;
	c->enforced = enforced;
	c->active_room = 2 * words;
	return true;
}

static size_t add_events(struct cells *c, size_t at, const struct service_set *service, size_t bit)
{
	for (size_t r = 0; r < service->n; r++) {
		c->events[at++] = (uint64_t)service->ranges[r].from << 32 | bit;
		c->events[at++] = (uint64_t)service->ranges[r].to << 32 | bit;
	}
	return at;
}

/* Bit `n` is the scope's enforced services. Returns the number of events, SIZE_MAX without memory. */
static size_t gather_events(struct cells *c, const struct scope *scope, const uint32_t *ranks, size_t n)
{
	size_t n_events = scope ? 2 * scope->enforce_services.n : 0;
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		n_events += 2 * c->rule[ranks[i]]->service.n;
	if (!events_reserve(c, n_events + 1) || !regions_reserve(c, n_events) ||
	    !active_reserve(c, n / 64 + 1))
		return SIZE_MAX;
	for (size_t i = 0; i < n; i++)
		at = add_events(c, at, &c->rule[ranks[i]]->service, i);
	if (scope)
		at = add_events(c, at, &scope->enforce_services, n);
	sort_events(c->events, at);
	return at;
}

static void toggle(struct cells *c, const uint32_t *ranks, size_t n, size_t bit)
{
	const uint64_t mask = (uint64_t)1 << (bit % 64);

	c->active[bit / 64] ^= mask;
	if (bit < n && c->rule[ranks[bit]]->mode == MODE_ENFORCE)
		c->enforced[bit / 64] ^= mask;
}

static const struct rule *first_rule(const struct cells *c, const uint64_t *set, const uint32_t *ranks,
				     size_t n)
{
	for (size_t w = 0; w * 64 < n; w++) {
		if (set[w]) {
			const size_t bit = w * 64 + (size_t)__builtin_ctzll(set[w]);

			return bit < n ? c->rule[ranks[bit]] : NULL;
		}
	}
	return NULL;
}

static uint32_t decide_here(struct cells *c, const struct cells_key *key, const uint32_t *ranks, size_t n)
{
	const bool selective = c->active[n / 64] >> (n % 64) & 1;

	return decide(c, key, first_rule(c, c->enforced, ranks, n), first_rule(c, c->active, ranks, n),
		      selective);
}

static uint32_t sweep(struct cells *c, const struct cells_key *key, const uint32_t *ranks, size_t n)
{
	const struct scope *scope = key->scope == SCOPE_NONE ? NULL : &c->rs->scopes[key->scope];
	const size_t n_events = gather_events(c, scope, ranks, n);
	size_t e = 0, n_words = 0;
	uint64_t at = 0;

	if (n_events == SIZE_MAX)
		return INTERN_FAILED;
	while (at < SERVICE_KEY_END) {
		uint32_t decision;

		for (; e < n_events && c->events[e] >> 32 == at; e++)
			toggle(c, ranks, n, (uint32_t)c->events[e]);
		decision = decide_here(c, key, ranks, n);
		if (decision == INTERN_FAILED)
			return INTERN_FAILED;
		if (!n_words || c->regions[n_words - 1] != decision) {
			c->regions[n_words++] = (uint32_t)at;
			c->regions[n_words++] = decision;
		}
		at = e < n_events ? c->events[e] >> 32 : SERVICE_KEY_END;
	}
	memset(c->active, 0, (n / 64 + 1) * sizeof *c->active);
	memset(c->enforced, 0, (n / 64 + 1) * sizeof *c->enforced);
	return intern(&c->lists, c->regions, n_words);
}

/* --- the table
 * ------------------------------------------------------------------------------------------------ */

bool cells_init(struct cells *c, const struct ruleset *rs)
{
	const struct cells_key nobody = {SCOPE_NONE, REASON_NO_RULE};
	uint32_t key[CELLS_KEY_WORDS];

	*c = (struct cells){.rs = rs};
	memcpy(key, &nobody, sizeof key);
	return rank_rules(c) && cells_list(c, key, CELLS_KEY_WORDS) == 0;
}

void cells_free(struct cells *c)
{
	free(c->rule);
	intern_free(&c->decisions);
	intern_free(&c->lists);
	intern_free(&c->seen);
	free(c->seen_list);
	free(c->events);
	free(c->active);
	free(c->enforced);
	free(c->regions);
	*c = (struct cells){0};
}

static bool seen_reserve(struct cells *c)
{
	uint32_t *seen_list;

	if (c->seen.n_words > SEEN_WORDS_MAX)
		intern_clear(&c->seen);
	if (c->seen.n < c->seen_room)
		return true;
	seen_list = realloc(c->seen_list, 2 * (c->seen_room + (size_t)64) * sizeof *seen_list);
	if (!seen_list)
		return false;
	c->seen_list = seen_list;
	c->seen_room = 2 * (c->seen_room + 64);
	return true;
}

uint32_t cells_list(struct cells *c, const uint32_t *key, size_t n)
{
	struct cells_key k;
	uint32_t before, number;

	if (!seen_reserve(c))
		return INTERN_FAILED;
	before = c->seen.n;
	number = intern(&c->seen, key, n);
	if (number == INTERN_FAILED || number < before)
		return number == INTERN_FAILED ? INTERN_FAILED : c->seen_list[number];
	memcpy(&k, key, sizeof k);
	c->seen_list[number] = sweep(c, &k, key + CELLS_KEY_WORDS, n - CELLS_KEY_WORDS);
	return c->seen_list[number];
}
