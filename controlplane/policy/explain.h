/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `explain`: the answer of policy_eval() for every identity pair that two selectors can mean, over a whole
 * service, cut where the answer changes. Pure; one thread per call.
 */
#pragma once

#include "policy.h"

struct explain_answer {
	size_t from, to;        /* indices into the identity space */
	service_key first, end; /* the region; of the whole service if `whole` */
	bool whole;             /* one answer for all that was asked */
	struct decision decision;
};

/* Calls `f` per pair and region, ordered by (from, to, key), until it returns false. False if memory ran out.
 */
bool policy_explain(const struct ruleset *rs, const uint64_t *from, const uint64_t *to,
		    const struct service_range *ranges, size_t n, int64_t at_utc,
		    bool (*f)(void *ctx, const struct explain_answer *answer), void *ctx);

/* `tcp/80`, `tcp/81-65535`, `icmp/8`: the region in the words of policy_parse_service(). */
void service_range_text(service_key first, service_key end, char *buffer, size_t room);
