/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rules ask of the dataplane only.
 */
#include "needs.h"

struct noting {
	struct diags *d;
	const struct rule *last; /* a rule's notes come one after another */
	size_t n;
};

static void note(void *ctx, const struct rule *rule, const char *what)
{
	struct noting *n = ctx;

	n->n += rule != n->last;
	n->last = rule;
	if (n->d)
		diag_add(n->d, SEV_NOTE, rule->place, "rule `%s` needs dpdk: %s", rule->id, what);
}

size_t needs_note(const struct ruleset *rs, const struct nft_box *box, struct diags *d)
{
	struct noting n = {.d = d};

	if (box->planes & NFT_PLANE_FORWARD)
		nft_needs_dpdk(rs, box, note, &n);
	return n.n;
}
