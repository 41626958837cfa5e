/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One --port: `key=value,key=value,...,device=REST`. A table of keys; what belongs together is checked when
 * all of the command line is known, because --tap may stand anywhere. Pure.
 */
#pragma once

#include "args.h"

/* A port while it is read: what was written decides which defaults hold. */
struct port_spec {
	struct args_port *port;
	bool role, side, trust, vlan, vlans, native, mtu, device;
};

bool port_spec_take(struct port_spec *d, const char *spec, char *error);
/* What fits together on a switch port. In tap mode none of it has a meaning, so none of it is taken. */
bool port_spec_check(const struct port_spec *d, bool tap, char *error);
void port_spec_defaults(struct port_spec *d);
