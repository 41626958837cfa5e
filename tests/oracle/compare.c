/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Evaluation is the judge. Differences are counted and the first is told.
 */
#include "compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "random.h"

#define AT_UTC COMPARE_AT_UTC

/* --- keys
 * ----------------------------------------------------------------------------------------------------- */

static void add_key(struct compare_keys *k, uint64_t key)
{
	if (key < SERVICE_KEY_END)
		k->keys[k->n++] = (service_key)key;
}

static void add_borders(struct compare_keys *k, const struct service_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const service_key borders[] = {set->ranges[i].from - 1, set->ranges[i].from,
					       set->ranges[i].to - 1, set->ranges[i].to};

		for (size_t b = 0; b < sizeof borders / sizeof borders[0]; b++)
			add_key(k, borders[b]);
	}
}

static int by_key(const void *a, const void *b)
{
	const service_key x = *(const service_key *)a, y = *(const service_key *)b;

	return (x > y) - (x < y);
}

static void sort_unique(struct compare_keys *k)
{
	size_t n = 0;

	qsort(k->keys, k->n, sizeof *k->keys, by_key);
	for (size_t i = 0; i < k->n; i++)
		if (!n || k->keys[n - 1] != k->keys[i])
			k->keys[n++] = k->keys[i];
	k->n = n;
}

struct compare_keys compare_keys(const struct ruleset *rs, size_t n_random, uint64_t seed)
{
	static const service_key corners[] = {0,        1,        0x01ffff, 0x010800, 0x010801,
					      0x060000, 0x06ffff, 0x110000, 0x11ffff, 0x2f0000,
					      0x3a8000, 0x3a8001, 0x840000, 0xffffff};
	struct rng rng = {seed};
	struct compare_keys k = {0};
	size_t room = n_random + sizeof corners / sizeof corners[0];

	for (size_t i = 0; i < rs->n_rules; i++)
		room += 4 * rs->rules[i].service.n;
	for (size_t i = 0; i < rs->n_scopes; i++)
		room += 4 * rs->scopes[i].enforce_services.n;
	k.keys = calloc(room, sizeof *k.keys);
	if (!k.keys)
		abort();
	for (size_t i = 0; i < rs->n_rules; i++)
		add_borders(&k, &rs->rules[i].service);
	for (size_t i = 0; i < rs->n_scopes; i++)
		add_borders(&k, &rs->scopes[i].enforce_services);
	for (size_t i = 0; i < sizeof corners / sizeof corners[0]; i++)
		add_key(&k, corners[i]);
	for (size_t i = 0; i < n_random; i++)
		add_key(&k, rng_below(&rng, SERVICE_KEY_END));
	sort_unique(&k);
	return k;
}

/* --- decisions
 * ------------------------------------------------------------------------------------------------ */

static struct image_decision as_image(const struct decision *d)
{
	return (struct image_decision){
		.rule = d->rule,
		.intended_rule = d->intended_rule,
		.reason = d->reason,
		.intended_reason = d->intended_reason,
		.flags = (uint8_t)((d->verdict == VERDICT_ALLOW ? DECISION_ALLOW : 0) |
				   (d->intended == VERDICT_ALLOW ? DECISION_INTENDED_ALLOW : 0) |
				   (d->reject ? DECISION_REJECT : 0) |
				   (d->log_always ? DECISION_LOG_ALWAYS : 0)),
	};
}

static bool same(const struct image_decision *a, const struct image_decision *b)
{
	return !memcmp(a, b, sizeof *a);
}

static void tell(struct compare_result *r, const char *who, const char *from, const char *to, service_key key,
		 const struct image_decision *want, const struct image_decision *got)
{
	if (r->different++)
		return;
	snprintf(r->text, sizeof r->text,
		 "%s: %s -> %s key %06x: rule %x/%x flags %x reason %u/%u, not %x/%x flags %x reason %u/%u",
		 who, from, to, key, got->rule, got->intended_rule, got->flags, got->reason,
		 got->intended_reason, want->rule, want->intended_rule, want->flags, want->reason,
		 want->intended_reason);
}

struct image_decision compare_evaluate(const struct ruleset *rs, size_t from, size_t to, service_key key)
{
	struct decision d = {0};

	policy_eval(rs, from, to, key, AT_UTC, &d);
	return as_image(&d);
}

static void compare_pair(const struct ruleset *rs, const struct dictionary *dict,
			 const struct image_header *image, const struct compare_keys *keys, size_t from,
			 size_t to, struct compare_result *r)
{
	const char *from_text = rs->identities[from].text, *to_text = rs->identities[to].text;
	const uint16_t s = dictionary_find(dict, from_text), d = dictionary_find(dict, to_text);

	for (size_t i = 0; i < keys->n; i++) {
		const service_key key = keys->keys[i];
		const struct image_decision want = compare_evaluate(rs, from, to, key);
		const struct image_decision decoded = decode_ask(image, s, d, key, AT_UTC);
		const struct image_decision engine = engine_ask(image, s, d, key, AT_UTC);

		r->compared++;
		if (!same(&want, &decoded))
			tell(r, "decode", from_text, to_text, key, &want, &decoded);
		if (!same(&want, &engine))
			tell(r, "engine", from_text, to_text, key, &want, &engine);
	}
}

/* --- prefixes, names, digest
 * ---------------------------------------------------------------------------------- */

static void check(struct compare_result *r, bool ok, const char *what, size_t i)
{
	if (!ok && !r->different++)
		snprintf(r->text, sizeof r->text, "%s %zu differs", what, i);
}

static size_t classify(const struct ruleset *rs, uint8_t family, const uint8_t *addr, bool outside)
{
	struct endpoint_evidence e = {.family = family, .outside = outside};

	memcpy(e.addr, addr, sizeof e.addr);
	return policy_classify(rs, &e);
}

static uint64_t read_be(const uint8_t *p, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | p[i];
	return value;
}

struct prefix_seen {
	bool from_right;
	uint16_t identity, flags;
};

static struct prefix_seen prefix_at(const struct image_header *image, uint8_t family, size_t i,
				    const uint8_t *from)
{
	const struct image_prefix4 *p4 = image_at(image, image->prefix4);
	const struct image_prefix6 *p6 = image_at(image, image->prefix6);

	if (family == 4)
		return (struct prefix_seen){p4[i].from == read_be(from, 4), p4[i].identity, p4[i].flags};
	return (struct prefix_seen){p6[i].from_high == read_be(from, 8) &&
					    p6[i].from_low == read_be(from + 8, 8),
				    p6[i].identity, p6[i].flags};
}

static void compare_prefixes(const struct ruleset *rs, const struct dictionary *dict,
			     const struct image_header *image, uint8_t family, struct compare_result *r)
{
	const uint32_t count = family == 4 ? image->prefix4.count : image->prefix6.count;
	size_t n = 0;
	struct prefix_range *p = policy_prefixes(rs, family, &n);

	if (!p)
		abort();
	check(r, n == count, "number of prefixes of family", family);
	for (size_t i = 0; i < n && i < count; i++) {
		const struct prefix_seen seen = prefix_at(image, family, i, p[i].from);
		const size_t outside = classify(rs, family, p[i].from, true);
		const size_t inside = classify(rs, family, p[i].from, false);
		const unsigned flags =
			(p[i].final ? PREFIX_FINAL : 0u) | (p[i].outside_only ? PREFIX_OUTSIDE : 0u);

		check(r, seen.from_right, "begin of prefix", i);
		check(r, seen.identity == dictionary_find(dict, rs->identities[outside].text),
		      "identity of prefix", i);
		check(r, seen.flags == flags, "flags of prefix", i);
		check(r, (inside != outside) == !!(seen.flags & PREFIX_OUTSIDE), "outside flag of prefix", i);
	}
	free(p);
}

void compare_image(const struct ruleset *rs, const struct dictionary *dict, const struct image_header *image,
		   const struct compare_keys *keys, struct compare_result *result)
{
	for (size_t from = 0; from < rs->n_identities; from++)
		for (size_t to = 0; to < rs->n_identities; to++)
			compare_pair(rs, dict, image, keys, from, to, result);
	compare_prefixes(rs, dict, image, 4, result);
	compare_prefixes(rs, dict, image, 6, result);
	check(result, !memcmp(rs->named_proto, image->named_proto, sizeof rs->named_proto), "named_proto", 0);
	check(result, !memcmp(rs->named_icmp, image->named_icmp, sizeof rs->named_icmp), "named_icmp", 0);
	check(result, !memcmp(rs->named_icmpv6, image->named_icmpv6, sizeof rs->named_icmpv6), "named_icmpv6",
	      0);
	check(result, !memcmp(rs->digest, image->digest, sizeof rs->digest), "digest", 0);
	check(result, image->n_rules == rs->n_rules && image->n_scopes == rs->n_scopes, "number of rules", 0);
}

/* --- cells
 * ---------------------------------------------------------------------------------------------------- */

struct cells_seen {
	const struct ruleset *rs;
	const struct dictionary *dict;
	struct compare_result *result;
	struct cell last;
	size_t n_pairs;
};

static void check_order(struct cells_seen *s, const struct cell *c)
{
	const bool next_pair = !s->n_pairs || c->from != s->last.from || c->to != s->last.to;
	const uint32_t before = (uint32_t)s->last.from << 16 | s->last.to,
		       now = (uint32_t)c->from << 16 | c->to;

	check(s->result, c->first < c->end && c->end <= SERVICE_KEY_END, "cell range after pair", s->n_pairs);
	if (next_pair) {
		check(s->result, !s->n_pairs || (s->last.end == SERVICE_KEY_END && now > before),
		      "order after pair", s->n_pairs);
		check(s->result, c->first == 0, "first cell after pair", s->n_pairs);
		s->n_pairs++;
	} else {
		check(s->result, c->first == s->last.end && !same(&c->decision, &s->last.decision),
		      "border of cells in pair", s->n_pairs);
	}
}

static bool see_cell(void *ctx, const struct cell *c)
{
	struct cells_seen *s = ctx;
	const char *from_text = dictionary_text(s->dict, c->from), *to_text = dictionary_text(s->dict, c->to);
	const ptrdiff_t from = ruleset_find_identity(s->rs, from_text),
			to = ruleset_find_identity(s->rs, to_text);

	check_order(s, c);
	check(s->result, from >= 0 && to >= 0, "cell of no identity of the policy, after pair", s->n_pairs);
	for (int end = 0; from >= 0 && to >= 0 && end < 2; end++) {
		const service_key key = end ? c->end - 1 : c->first;
		const struct image_decision want = compare_evaluate(s->rs, (size_t)from, (size_t)to, key);

		s->result->compared++;
		if (!same(&want, &c->decision))
			tell(s->result, "cells", from_text, to_text, key, &want, &c->decision);
	}
	s->last = *c;
	return true;
}

void compare_cells(const struct ruleset *rs, const struct dictionary *dict, const struct image_header *image,
		   struct compare_result *result)
{
	struct cells_seen seen = {.rs = rs, .dict = dict, .result = result};

	decode_cells(image, AT_UTC, see_cell, &seen);
	check(result, seen.n_pairs == rs->n_identities * rs->n_identities, "number of pairs", seen.n_pairs);
}
