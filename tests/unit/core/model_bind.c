/* SPDX-License-Identifier: BSD-3-Clause */
/* The model's bindings: wire rules 7, 8 and 11. */
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define NS_PER_S UINT64_C(1000000000)

bool model_alive(const struct model *m, const struct model_binding *b)
{
	return b->used && b->expires_ns > m->now.now_ns;
}

static struct model_binding *held(struct model *m, uint16_t domain, uint8_t family, unsigned host)
{
	for (uint32_t i = 0; i < MODEL_BINDINGS; i++) {
		struct model_binding *b = &m->binding[i];

		if (b->used && b->domain == domain && b->family == family && b->host == host)
			return b;
	}
	return NULL;
}

struct model_binding *model_holder(struct model *m, uint16_t domain, uint8_t family, unsigned host)
{
	struct model_binding *b = held(m, domain, family, host);

	return b && model_alive(m, b) ? b : NULL;
}

/* A MAC lives at one port of a domain; dead bindings of it are cleared away on the occasion. */
static bool mac_elsewhere(struct model *m, uint16_t domain, unsigned mac, uint16_t port)
{
	bool elsewhere = false;

	for (uint32_t i = 0; i < MODEL_BINDINGS; i++) {
		struct model_binding *b = &m->binding[i];

		if (!b->used || b->domain != domain || b->mac != mac)
			continue;
		if (!model_alive(m, b))
			b->used = false;
		else if (b->port != port)
			elsewhere = true;
	}
	return elsewhere;
}

static struct model_binding *new_binding(struct model *m, const struct model_binding *like, uint64_t lease_ns)
{
	for (uint32_t i = 0; i < MODEL_BINDINGS; i++) {
		struct model_binding *b = &m->binding[i];

		if (b->used)
			continue;
		*b = *like;
		b->used = true;
		b->version = ++m->versions;
		b->expires_ns = m->now.now_ns + lease_ns;
		return b;
	}
	abort();
}

static uint64_t lease_ns(const struct model *m)
{
	return m->config->timeouts.lease * NS_PER_S;
}

/* First come holds it while the lease runs. */
struct model_binding *model_claim(struct model *m, uint16_t domain, uint8_t family, unsigned host,
				  unsigned mac, uint16_t port)
{
	struct model_binding like = {.domain = domain,
				     .port = port,
				     .identity = IDENTITY_UNKNOWN,
				     .family = family,
				     .host = host,
				     .mac = mac};
	struct model_binding *b = held(m, domain, family, host);

	if (b && model_alive(m, b)) {
		if (b->mac != mac || b->port != port)
			return NULL;
		if (b->expires_ns != UINT64_MAX)
			b->expires_ns = m->now.now_ns + lease_ns(m);
		return b;
	}
	if (b)
		b->used = false;
	return mac_elsewhere(m, domain, mac, port) ? NULL : new_binding(m, &like, lease_ns(m));
}

void model_bind(struct model *m, const struct model_binding *from, bool is_static)
{
	struct model_binding *b = held(m, from->domain, from->family, from->host);
	uint64_t expires = is_static ? UINT64_MAX : m->now.now_ns + lease_ns(m);

	if (b && model_alive(m, b) && b->mac == from->mac && b->port == from->port) {
		if (!b->classified || b->identity != from->identity)
			b->version = ++m->versions;
		b->classified = true;
		b->identity = from->identity;
		if (is_static || b->expires_ns == UINT64_MAX)
			b->expires_ns = expires;
		return;
	}
	if (b && model_alive(m, b) && !is_static)
		return;
	if (b)
		b->used = false;
	if (mac_elsewhere(m, from->domain, from->mac, from->port))
		return;
	b = new_binding(m, from, 0);
	b->classified = true;
	b->expires_ns = expires;
}

uint32_t model_bound(const struct model *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MODEL_BINDINGS; i++)
		n += m->binding[i].used;
	return n;
}

bool model_unsettled(const struct model *m, bool same_port_too)
{
	for (uint32_t i = 0; i < MODEL_BINDINGS; i++)
		for (uint32_t k = 0; k < MODEL_BINDINGS; k++) {
			const struct model_binding *a = &m->binding[i], *b = &m->binding[k];

			if (a->used && b->used && a->mac == b->mac && a->domain == b->domain &&
			    model_alive(m, a) && !model_alive(m, b) && (same_port_too || a->port != b->port))
				return true;
		}
	return false;
}
