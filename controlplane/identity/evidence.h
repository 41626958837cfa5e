/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the dataplane saw of an endpoint, as the classifier wants it. Pure; any thread.
 */
#pragma once

#include <stddef.h>

#include "dpmsg.h"
#include "policy.h"

/* What the gateway's config says of a port, by the dataplane's index. Names are borrowed. */
struct binding_port {
	const char *name;
	bool outside;
};

/* A port index that the config does not know gives no port evidence and counts as inside: the stricter
 * reading. */
void evidence_of_binding(const struct dp_binding *b, const struct binding_port *ports, size_t n_ports,
			 struct endpoint_evidence *out);
/* `mac`, `port`, `vlan`, `prefix` or `none`: the strongest condition among the classifiers that won (-1: no
 * label). */
const char *evidence_method(const struct ruleset *rs, const ptrdiff_t *by);
