/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How evidence adds up: for each label the value with the highest rank (strength, then prefix length) wins;
 * equal ranks with different values are a conflict. Adding is commutative and associative, so no order
 * matters. Internal.
 */
#pragma once

#include <stddef.h>

#include "build.h"

#define CLAIM_CONFLICT UINT16_MAX

/* A label's value and why it holds; value 0: nothing known. */
struct claim {
	uint16_t value; /* CLAIM_CONFLICT: two values of this rank */
	uint16_t rank;
};

struct evidence {
	struct claim claim[LABELS_MAX];
};

static inline uint16_t classifier_rank(const struct classifier *c)
{
	return (uint16_t)(c->strength << 8 | (c->has_prefix ? c->prefix_len + 1 : 0));
}

static inline void claim_add(struct claim *a, struct claim b)
{
	if (!b.value || (a->value && a->rank > b.rank))
		return;
	if (!a->value || b.rank > a->rank)
		*a = b;
	else if (a->value != b.value)
		a->value = CLAIM_CONFLICT;
}

static inline void evidence_add(struct evidence *e, const struct evidence *more, size_t n_labels)
{
	for (size_t k = 0; k < n_labels; k++)
		claim_add(&e->claim[k], more->claim[k]);
}

static inline void evidence_add_classifier(struct evidence *e, const struct classifier *c, size_t n_labels)
{
	for (size_t k = 0; k < n_labels; k++)
		claim_add(&e->claim[k], (struct claim){c->value[k], classifier_rank(c)});
}

/* Index of the identity it makes: `none` if it says nothing, $conflict, or a label set with its defaults
 * filled in. */
size_t evidence_identity(const struct ruleset *rs, const struct evidence *e, size_t none);

/* `app=hr,role=web`: labels in order of name. */
char *label_set_text(const struct ruleset *rs, const uint16_t value[LABELS_MAX], struct arena *a);

/* Indices of the reserved identities. */
enum { AT_UNKNOWN, AT_CONFLICT, AT_GATEWAY, AT_WORLD, AT_MULTICAST };
