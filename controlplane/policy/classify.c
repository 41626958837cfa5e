/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one classifier: what is known of an endpoint -> identity.
 */
#include <string.h>

#include "addr.h"
#include "evidence.h"

static bool prefix_holds(const struct classifier *c, const struct endpoint_evidence *e, enum addr_kind kind)
{
	return kind == ADDR_UNICAST && c->family == e->family &&
	       addr_in_prefix(e->addr, c->prefix, c->prefix_len);
}

static bool classifier_holds(const struct classifier *c, const struct endpoint_evidence *e,
			     enum addr_kind kind)
{
	if (c->has_prefix && !prefix_holds(c, e, kind))
		return false;
	if (c->has_mac && (!e->has_mac || memcmp(c->mac, e->mac, sizeof(c->mac)) != 0))
		return false;
	if (c->has_vlan && c->vlan != e->vlan)
		return false;
	return !c->has_port || (e->port && strcmp(c->port, e->port) == 0);
}

static bool is_protected(const struct ruleset *rs, const struct endpoint_evidence *e)
{
	for (size_t i = 0; i < rs->n_protected; i++)
		if (rs->protected[i].family == e->family &&
		    addr_in_prefix(e->addr, rs->protected[i].addr, rs->protected[i].len))
			return true;
	return false;
}

/* Rules that gave the winning values; among equals the first by id. */
static void explain_sum(const struct ruleset *rs, const struct endpoint_evidence *e, enum addr_kind kind,
			const struct evidence *sum, ptrdiff_t *by)
{
	for (size_t i = rs->n_classifiers; i-- > 0;) {
		const struct classifier *c = &rs->classifiers[i];

		if (!classifier_holds(c, e, kind))
			continue;
		for (size_t k = 0; k < rs->n_labels; k++)
			if (c->value[k] && classifier_rank(c) == sum->claim[k].rank)
				by[k] = (ptrdiff_t)i;
	}
}

size_t policy_classify_why(const struct ruleset *rs, const struct endpoint_evidence *e, ptrdiff_t *by)
{
	enum addr_kind kind = addr_kind(e->family, e->addr);
	struct evidence sum = {0};

	for (size_t k = 0; by && k < rs->n_labels; k++)
		by[k] = -1;
	if (e->own)
		return AT_GATEWAY;
	if (e->group || kind == ADDR_GROUP)
		return AT_MULTICAST;
	if (kind == ADDR_UNICAST && e->outside && !is_protected(rs, e))
		return AT_WORLD;
	for (size_t i = 0; i < rs->n_classifiers; i++)
		if (classifier_holds(&rs->classifiers[i], e, kind))
			evidence_add_classifier(&sum, &rs->classifiers[i], rs->n_labels);
	if (by)
		explain_sum(rs, e, kind, &sum, by);
	return evidence_identity(rs, &sum, AT_UNKNOWN);
}

size_t policy_classify(const struct ruleset *rs, const struct endpoint_evidence *e)
{
	return policy_classify_why(rs, e, NULL);
}
