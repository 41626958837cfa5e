/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Evidence: a binding's facts in the classifier's words, and the word for what decided.
 */
#include "evidence.h"

#include <string.h>

void evidence_of_binding(const struct dp_binding *b, const struct binding_port *ports, size_t n_ports,
			 struct endpoint_evidence *out)
{
	memset(out, 0, sizeof(*out));
	out->family = b->family;
	memcpy(out->addr, b->addr, sizeof(out->addr));
	out->has_mac = true;
	memcpy(out->mac, b->mac, sizeof(out->mac));
	out->vlan = b->domain;
	if (b->port < n_ports) {
		out->port = ports[b->port].name;
		out->outside = ports[b->port].outside;
	}
}

enum method { METHOD_NONE, METHOD_PREFIX, METHOD_VLAN, METHOD_PORT, METHOD_MAC };

static enum method method_of(const struct classifier *c)
{
	if (c->has_mac)
		return METHOD_MAC;
	if (c->has_port)
		return METHOD_PORT;
	return c->has_vlan ? METHOD_VLAN : METHOD_PREFIX;
}

const char *evidence_method(const struct ruleset *rs, const ptrdiff_t *by)
{
	static const char *const words[] = {"none", "prefix", "vlan", "port", "mac"};
	enum method best = METHOD_NONE;

	for (size_t k = 0; k < rs->n_labels; k++) {
		enum method m = by[k] < 0 ? METHOD_NONE : method_of(&rs->classifiers[by[k]]);

		if (m > best)
			best = m;
	}
	return words[best];
}
