/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Evaluation over part of the rules: those that do not match anyway are left out beforehand, so that many
 * questions about few identities are quick. The answers are policy_eval()'s. Pure; the caller owns the
 * indexes.
 */
#pragma once

#include "policy.h"

/* Rules by index in ascending order; NULL: all of them. */
struct rule_view {
	const uint32_t *index;
	size_t n;
};

/* Views over the rules that can match; `index` has room for as many as there are. */
struct rule_view view_meeting(const struct ruleset *rs, const uint64_t *from, const uint64_t *to,
			      const struct service_set *service, uint32_t *index);
/* Of a view, the rules whose selector of one side holds the identity. */
struct rule_view view_narrow(const struct ruleset *rs, const struct rule_view *view, bool initiator,
			     size_t identity, uint32_t *index);
void eval_view(const struct ruleset *rs, const struct rule_view *view, size_t from, size_t to,
	       service_key key, struct decision *out);
