/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Partition refinement: all identities begin in one class, each selector splits the classes that it cuts
 * through. Exact, without signatures to compare, in time linear in the total size of the selectors.
 */
#include "classes.h"

#include <stdlib.h>
#include <string.h>

struct partition {
	size_t words;
	uint32_t *of;      /* by identity */
	uint32_t n;        /* classes; there are never more than identities */
	uint32_t *size;    /* by class: identities in it */
	uint32_t *inside;  /* by class: of those, how many the present set holds */
	uint32_t *split;   /* by class: the new class for them; 0 none yet */
	uint32_t *touched; /* classes with `inside` */
	uint32_t *member;  /* the present set, as a list */
};

static void partition_free(struct partition *p)
{
	free(p->of);
	free(p->size);
	free(p->inside);
	free(p->split);
	free(p->touched);
	free(p->member);
}

static bool partition_init(struct partition *p, const struct ruleset *rs)
{
	const size_t n = rs->n_identities + 1;

	*p = (struct partition){
		.words = rs->set_words,
		.n = 1,
		.of = calloc(n, sizeof *p->of),
		.size = calloc(n, sizeof *p->size),
		.inside = calloc(n, sizeof *p->inside),
		.split = calloc(n, sizeof *p->split),
		.touched = calloc(n, sizeof *p->touched),
		.member = calloc(n, sizeof *p->member),
	};
	if (!p->of || !p->size || !p->inside || !p->split || !p->touched || !p->member)
		return false;
	p->size[0] = (uint32_t)rs->n_identities;
	return true;
}

static uint32_t list_members(struct partition *p, const uint64_t *set)
{
	uint32_t n = 0;

	for (size_t w = 0; w < p->words; w++)
		for (uint64_t bits = set[w]; bits; bits &= bits - 1)
			p->member[n++] = (uint32_t)(w * 64 + (size_t)__builtin_ctzll(bits));
	return n;
}

static uint32_t count_inside(struct partition *p, uint32_t n_members)
{
	uint32_t n_touched = 0;

	for (uint32_t m = 0; m < n_members; m++) {
		const uint32_t c = p->of[p->member[m]];

		if (!p->inside[c]++)
			p->touched[n_touched++] = c;
	}
	return n_touched;
}

/* A class that lies wholly inside the set stays; of any other, the part inside becomes a new class. */
static void partition_split(struct partition *p, const uint64_t *set)
{
	const uint32_t n_members = list_members(p, set);
	const uint32_t n_touched = count_inside(p, n_members);

	for (uint32_t m = 0; m < n_members; m++) {
		const uint32_t c = p->of[p->member[m]];

		if (p->inside[c] == p->size[c])
			continue;
		if (!p->split[c])
			p->split[c] = p->n++;
		p->of[p->member[m]] = p->split[c];
	}
	for (uint32_t t = 0; t < n_touched; t++) {
		const uint32_t c = p->touched[t];

		if (p->split[c]) {
			p->size[p->split[c]] = p->inside[c];
			p->size[c] -= p->inside[c];
		}
		p->inside[c] = p->split[c] = 0;
	}
}

/* Identities that have words of their own in a decision are never merged with others. */
static void partition_split_reserved(struct partition *p, const struct ruleset *rs, uint64_t *scratch)
{
	for (size_t i = 0; i < rs->n_identities; i++) {
		if (!rs->identities[i].reserved)
			continue;
		memset(scratch, 0, rs->set_words * sizeof *scratch);
		scratch[i / 64] |= (uint64_t)1 << (i % 64);
		partition_split(p, scratch);
	}
}

static void partition_split_scopes(struct partition *p, const struct ruleset *rs, const uint32_t *scope,
				   uint64_t *scratch)
{
	for (size_t k = 0; k < rs->n_scopes; k++) {
		memset(scratch, 0, rs->set_words * sizeof *scratch);
		for (size_t i = 0; i < rs->n_identities; i++)
			if (scope[i] == k)
				scratch[i / 64] |= (uint64_t)1 << (i % 64);
		partition_split(p, scratch);
	}
}

/* Classes are numbered in the order of their first identities, so that the order of rules cannot be seen. */
static bool partition_number(const struct partition *p, const struct ruleset *rs, struct classes *out)
{
	uint32_t *number = calloc(p->n, sizeof *number);

	out->n = 1;
	out->of = calloc(rs->n_identities + 1, sizeof *out->of);
	out->some = calloc(p->n + (size_t)1, sizeof *out->some);
	for (size_t i = 0; number && out->of && out->some && i < rs->n_identities; i++) {
		uint32_t *c = &number[p->of[i]];

		if (!*c) {
			*c = out->n++;
			out->some[*c] = (uint32_t)i;
		}
		out->of[i] = *c;
	}
	free(number);
	return number && out->of && out->some;
}

/* What splits sources, and what splits responders. */
static void split_sources(struct partition *p, const struct ruleset *rs)
{
	for (size_t i = 0; i < rs->n_rules; i++)
		if (rs->rules[i].mode != MODE_OFF)
			partition_split(p, rs->rules[i].from.set);
	for (size_t i = 0; i < rs->n_scopes; i++)
		partition_split(p, rs->scopes[i].from.set);
}

static void split_responders(struct partition *p, const struct ruleset *rs, const uint32_t *scope,
			     uint64_t *scratch)
{
	for (size_t i = 0; i < rs->n_rules; i++)
		if (rs->rules[i].mode != MODE_OFF)
			partition_split(p, rs->rules[i].to.set);
	partition_split_scopes(p, rs, scope, scratch);
}

/* `scope` NULL: of sources. */
static bool make_classes(const struct ruleset *rs, const uint32_t *scope, struct classes *out)
{
	uint64_t *scratch = calloc(rs->set_words + 1, sizeof *scratch);
	struct partition p;
	bool ok = partition_init(&p, rs) && scratch;

	*out = (struct classes){0};
	if (ok) {
		if (scope)
			split_responders(&p, rs, scope, scratch);
		else
			split_sources(&p, rs);
		partition_split_reserved(&p, rs, scratch);
		ok = partition_number(&p, rs, out);
	}
	partition_free(&p);
	free(scratch);
	if (!ok)
		classes_free(out);
	return ok;
}

bool classes_of_sources(const struct ruleset *rs, struct classes *out)
{
	return make_classes(rs, NULL, out);
}

bool classes_of_responders(const struct ruleset *rs, const uint32_t *scope, struct classes *out)
{
	return make_classes(rs, scope, out);
}

void classes_free(struct classes *c)
{
	free(c->of);
	free(c->some);
	*c = (struct classes){0};
}

static size_t set_size(const uint64_t *set, size_t words)
{
	size_t n = 0;

	for (size_t w = 0; w < words; w++)
		n += (size_t)__builtin_popcountll(set[w]);
	return n;
}

/* The smallest scope wins: scopes that overlap contain one another. Equal ones: the greatest id, as in
 * evaluation. */
uint32_t *classes_scopes(const struct ruleset *rs)
{
	uint32_t *scope = malloc((rs->n_identities + 1) * sizeof *scope);
	size_t *size = calloc(rs->n_scopes + 1, sizeof *size);

	for (size_t k = 0; size && k < rs->n_scopes; k++)
		size[k] = set_size(rs->scopes[k].to.set, rs->set_words);
	for (size_t i = 0; scope && size && i < rs->n_identities; i++) {
		scope[i] = SCOPE_NONE;
		for (size_t k = 0; k < rs->n_scopes; k++)
			if (identity_in(rs->scopes[k].to.set, i) &&
			    (scope[i] == SCOPE_NONE || size[k] <= size[scope[i]]))
				scope[i] = (uint32_t)k;
	}
	if (!size) {
		free(scope);
		scope = NULL;
	}
	free(size);
	return scope;
}
