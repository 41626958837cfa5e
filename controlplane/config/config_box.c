/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From config to what others need to know of it: the policy compiler, and the box of a kernel program.
 */
#include "config.h"

#include <string.h>

#include "config_port.h"
#include "zone.h"

void config_env(const struct config *c, const char *ports[CONFIG_PORTS_MAX], struct policy_env *env)
{
	*env = (struct policy_env){.ports = ports, .n_ports = c->n_ports, .day_end = zone_day_end};
	for (size_t i = 0; i < c->n_ports; i++)
		ports[i] = c->ports[i].name;
	if (!c->has_protected)
		return;
	env->protected = c->protected;
	env->n_protected = c->n_protected;
}

bool config_uses_nft(const struct config *c)
{
	return c->engine == DP_ENGINE_NFT || c->standby || c->has_management;
}

static void box_port(const struct config_port *p, struct nft_box_port *out)
{
	memcpy(out->name, p->name, strlen(p->name));
	config_port_device(p, out->device);
	out->trunk = p->role == PORT_TRUNK;
	out->outside = p->side == PORT_OUTSIDE;
	out->vlan = out->trunk ? p->native : p->vlan;
	out->n_vlans = (uint16_t)p->n_vlans;
	memcpy(out->vlans, p->vlans, p->n_vlans * sizeof(p->vlans[0]));
}

void config_box(const struct config *c, struct nft_box *box)
{
	bool forward = c->engine == DP_ENGINE_NFT || c->standby;

	memset(box, 0, sizeof(*box));
	box->planes =
		(forward ? NFT_PLANE_FORWARD : 0u) | (c->has_management ? (uint32_t)NFT_PLANE_HOST : 0u);
	box->group = c->nft_group;
	for (size_t i = 0; i < c->n_management; i++) {
		box->management[i].family = c->management[i].family;
		memcpy(box->management[i].addr, c->management[i].addr, sizeof(box->management[i].addr));
	}
	box->n_management = (uint32_t)c->n_management;
	if (!forward)
		return;
	strncpy(box->bridge, c->bridge, sizeof(box->bridge) - 1);
	box->n_ports = (uint32_t)c->n_ports;
	for (size_t i = 0; i < c->n_ports; i++)
		box_port(&c->ports[i], &box->port[i]);
}
