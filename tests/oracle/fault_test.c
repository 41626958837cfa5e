/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does the comparison see? One element of an image is changed and the checksum put right; then image_check()
 * must refuse it or the comparison must find a difference. Each kind of fault is tried at several places of
 * several policies.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "case.h"
#include "compare.h"
#include "image_check.h"
#include "random.h"

#define POLICIES 4u
#define PLACES   2u

/* Element `i` of a section, writable. */
#define ELEMENT(image, section, type, i) ((type *)((char *)(image) + (image)->section.offset) + (i))

/* Each changes one thing at a random place; false if this image has no place for it. */
typedef bool fault_fn(struct image_header *image, struct rng *r);

static uint32_t other_than(struct rng *r, uint32_t value, uint32_t count)
{
	return (value + 1 + (uint32_t)rng_below(r, count - 1)) % count;
}

static bool region_decision(struct image_header *h, struct rng *r)
{
	struct image_region *region = ELEMENT(h, region, struct image_region, rng_below(r, h->region.count));

	region->decision = other_than(r, region->decision, h->decision.count);
	return true;
}

static struct image_region *inner_region(struct image_header *h, struct rng *r)
{
	for (int tries = 0; tries < 1000; tries++) {
		struct image_region *region =
			ELEMENT(h, region, struct image_region, rng_below(r, h->region.count));

		if (region->from)
			return region;
	}
	return NULL;
}

static bool region_later(struct image_header *h, struct rng *r)
{
	struct image_region *region = inner_region(h, r);

	return region && ++region->from;
}

static bool region_earlier(struct image_header *h, struct rng *r)
{
	struct image_region *region = inner_region(h, r);

	return region && region->from--;
}

static bool row_default(struct image_header *h, struct rng *r)
{
	struct image_row *row = ELEMENT(h, row, struct image_row, rng_below(r, h->row.count));

	row->default_list = other_than(r, row->default_list, h->list.count);
	return true;
}

static struct image_slot *used_slot(struct image_header *h, struct rng *r)
{
	for (int tries = 0; h->slot.count && tries < 1000; tries++) {
		struct image_slot *slot = ELEMENT(h, slot, struct image_slot, rng_below(r, h->slot.count));

		if (slot->responder != IMAGE_SLOT_EMPTY)
			return slot;
	}
	return NULL;
}

static bool slot_list(struct image_header *h, struct rng *r)
{
	struct image_slot *slot = used_slot(h, r);

	if (slot)
		slot->list = other_than(r, slot->list, h->list.count);
	return slot;
}

static bool slot_responder(struct image_header *h, struct rng *r)
{
	struct image_slot *slot = used_slot(h, r);

	if (slot)
		slot->responder = other_than(r, slot->responder, h->n_responder);
	return slot;
}

static bool slot_emptied(struct image_header *h, struct rng *r)
{
	struct image_slot *slot = used_slot(h, r);

	if (slot)
		slot->responder = IMAGE_SLOT_EMPTY;
	return slot;
}

static bool matrix_row(struct image_header *h, struct rng *r)
{
	uint32_t *row = ELEMENT(h, matrix, uint32_t, rng_below(r, h->matrix.count));

	if (h->row.count < 2)
		return false;
	*row = other_than(r, *row, h->row.count);
	return true;
}

/* An identity of the policy: label sets of this case have no gaps. */
static struct image_identity *some_identity(struct image_header *h, struct rng *r)
{
	return ELEMENT(h, identity, struct image_identity,
		       IDENTITY_FIRST + rng_below(r, h->identity.count - IDENTITY_FIRST));
}

static uint32_t list_in_row(struct image_header *h, const struct image_row *row, uint32_t responder)
{
	for (uint32_t i = row->slot_first; i < row->slot_first + row->slot_count; i++)
		if (ELEMENT(h, slot, struct image_slot, i)->responder == responder)
			return ELEMENT(h, slot, struct image_slot, i)->list;
	return row->default_list;
}

/* Rules may be shadowed, so classes that the policy tells apart can have equal answers: then to swap is no
 * fault. */
static bool same_answers(struct image_header *h, struct image_identity a, struct image_identity b)
{
	const uint32_t *matrix = ELEMENT(h, matrix, uint32_t, 0);

	for (uint32_t i = 0; i < h->row.count; i++) {
		const struct image_row *row = ELEMENT(h, row, struct image_row, i);

		if (list_in_row(h, row, a.responder) != list_in_row(h, row, b.responder))
			return false;
	}
	return matrix[a.source] == matrix[b.source];
}

static bool change_identity(struct image_header *h, struct image_identity *id, struct image_identity other)
{
	if (same_answers(h, *id, other))
		return false;
	*id = other;
	return true;
}

static bool identity_to_nobody(struct image_header *h, struct rng *r)
{
	return change_identity(h, some_identity(h, r), (struct image_identity){0, 0});
}

static bool identity_as_responder(struct image_header *h, struct rng *r)
{
	struct image_identity *id = some_identity(h, r), other = *id;

	other.responder = (uint16_t)other_than(r, id->responder, h->n_responder);
	return change_identity(h, id, other);
}

static bool identity_as_source(struct image_header *h, struct rng *r)
{
	struct image_identity *id = some_identity(h, r), other = *id;

	other.source = (uint16_t)other_than(r, id->source, h->n_source);
	return change_identity(h, id, other);
}

static struct image_decision *some_decision(struct image_header *h, struct rng *r)
{
	return ELEMENT(h, decision, struct image_decision, rng_below(r, h->decision.count));
}

static bool decision_verdict(struct image_header *h, struct rng *r)
{
	some_decision(h, r)->flags ^= DECISION_ALLOW;
	return true;
}

static bool decision_intended(struct image_header *h, struct rng *r)
{
	some_decision(h, r)->flags ^= DECISION_INTENDED_ALLOW;
	return true;
}

static bool decision_reject(struct image_header *h, struct rng *r)
{
	some_decision(h, r)->flags ^= DECISION_REJECT;
	return true;
}

static bool decision_log(struct image_header *h, struct rng *r)
{
	some_decision(h, r)->flags ^= DECISION_LOG_ALWAYS;
	return true;
}

static bool decision_rule(struct image_header *h, struct rng *r)
{
	some_decision(h, r)->rule ^= 1;
	return true;
}

static bool decision_intended_rule(struct image_header *h, struct rng *r)
{
	some_decision(h, r)->intended_rule ^= 1;
	return true;
}

static bool decision_reason(struct image_header *h, struct rng *r)
{
	struct image_decision *d = some_decision(h, r);

	d->reason = d->reason == REASON_RULE ? REASON_NO_RULE : REASON_RULE;
	return true;
}

static bool decision_intended_reason(struct image_header *h, struct rng *r)
{
	some_decision(h, r)->intended_reason = REASON_CLOCK;
	return true;
}

static bool decision_obligations(struct image_header *h, struct rng *r)
{
	some_decision(h, r)->obligations = 1;
	return true;
}

static bool prefix4_identity(struct image_header *h, struct rng *r)
{
	struct image_prefix4 *p = ELEMENT(h, prefix4, struct image_prefix4, rng_below(r, h->prefix4.count));

	p->identity = (uint16_t)other_than(r, p->identity, h->identity.count);
	return true;
}

static bool prefix4_from(struct image_header *h, struct rng *r)
{
	ELEMENT(h, prefix4, struct image_prefix4, rng_below(r, h->prefix4.count))->from++;
	return true;
}

static bool prefix4_final(struct image_header *h, struct rng *r)
{
	ELEMENT(h, prefix4, struct image_prefix4, rng_below(r, h->prefix4.count))->flags ^= PREFIX_FINAL;
	return true;
}

static bool prefix6_identity(struct image_header *h, struct rng *r)
{
	struct image_prefix6 *p = ELEMENT(h, prefix6, struct image_prefix6, rng_below(r, h->prefix6.count));

	p->identity = (uint16_t)other_than(r, p->identity, h->identity.count);
	return true;
}

static bool prefix6_from(struct image_header *h, struct rng *r)
{
	ELEMENT(h, prefix6, struct image_prefix6, rng_below(r, h->prefix6.count))->from_low++;
	return true;
}

static bool prefix6_outside(struct image_header *h, struct rng *r)
{
	ELEMENT(h, prefix6, struct image_prefix6, rng_below(r, h->prefix6.count))->flags ^= PREFIX_OUTSIDE;
	return true;
}

static bool named_bit(struct image_header *h, struct rng *r)
{
	uint64_t *words[] = {h->named_proto, h->named_icmp, h->named_icmpv6};

	words[rng_below(r, 3)][rng_below(r, 4)] ^= (uint64_t)1 << rng_below(r, 64);
	return true;
}

static bool digest_bit(struct image_header *h, struct rng *r)
{
	h->digest[rng_below(r, sizeof h->digest)] ^= (uint8_t)(1u << rng_below(r, 8));
	return true;
}

static bool n_rules(struct image_header *h, struct rng *r)
{
	h->n_rules++;
	return true;
}

#define FAULT(name)                                                                                          \
	{                                                                                                    \
#name, name                                                                                  \
	}
static const struct {
	const char *name;
	fault_fn *apply;
} faults[] = {
	FAULT(region_decision),
	FAULT(region_later),
	FAULT(region_earlier),
	FAULT(row_default),
	FAULT(slot_list),
	FAULT(slot_responder),
	FAULT(slot_emptied),
	FAULT(matrix_row),
	FAULT(identity_to_nobody),
	FAULT(identity_as_source),
	FAULT(identity_as_responder),
	FAULT(decision_verdict),
	FAULT(decision_intended),
	FAULT(decision_reject),
	FAULT(decision_log),
	FAULT(decision_rule),
	FAULT(decision_intended_rule),
	FAULT(decision_reason),
	FAULT(decision_intended_reason),
	FAULT(decision_obligations),
	FAULT(prefix4_identity),
	FAULT(prefix4_from),
	FAULT(prefix4_final),
	FAULT(prefix6_identity),
	FAULT(prefix6_from),
	FAULT(prefix6_outside),
	FAULT(named_bit),
	FAULT(digest_bit),
	FAULT(n_rules),
};
#define N_FAULTS (sizeof faults / sizeof faults[0])

struct tally {
	size_t tried, refused, found;
};

static bool fault_is_seen(const struct policy_case *c, const struct compare_keys *keys,
			  struct image_header *copy, struct tally *tally)
{
	struct compare_result r = {0};

	copy->crc64 = image_crc(copy);
	tally->tried++;
	if (image_check(copy, c->size)) {
		tally->refused++;
		return true;
	}
	compare_image(c->rs, c->dict, copy, keys, &r);
	tally->found += r.different > 0;
	return r.different > 0;
}

static void try_faults(const struct policy_case *c, size_t kind, struct rng *rng, struct tally *tally)
{
	struct compare_keys keys = compare_keys(c->rs, 0, 1);
	struct image_header *copy = aligned_alloc(IMAGE_ALIGN, c->size);

	assert_non_null(copy);
	for (size_t place = 0; place < PLACES; place++) {
		memcpy(copy, c->image, c->size);
		if (!faults[kind].apply(copy, rng))
			continue;
		if (!fault_is_seen(c, &keys, copy, tally))
			fail_msg("not seen: %s\n%s", faults[kind].name, c->text);
	}
	free(copy);
	free(keys.keys);
}

static void every_seeded_fault_is_seen(void **state)
{
	size_t tried_kinds[N_FAULTS] = {0}, refused = 0;
	struct rng rng = {4711};
	struct tally tally = {0};
	uint64_t seed = 5000;

	for (unsigned i = 0; i < POLICIES; i++) {
		struct policy_case c;

		case_draw(&c, &seed, &refused);
		for (size_t kind = 0; kind < N_FAULTS; kind++) {
			const size_t before = tally.tried;

			try_faults(&c, kind, &rng, &tally);
			tried_kinds[kind] += tally.tried - before;
		}
		case_free(&c);
	}
	for (size_t kind = 0; kind < N_FAULTS; kind++)
		if (!tried_kinds[kind])
			fail_msg("never tried: %s", faults[kind].name);
	print_message("# %zu kinds, %zu faults: %zu refused by image_check, %zu found by comparison\n",
		      N_FAULTS, tally.tried, tally.refused, tally.found);
	assert_true(tally.found >= 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_seeded_fault_is_seen),
	};

	return cmocka_run_group_tests_name("oracle-faults", tests, NULL, NULL);
}
