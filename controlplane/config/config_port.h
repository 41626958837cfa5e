/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports of the gateway's config: reading, checking, and printing as cordon-dp's arguments.
 */
#pragma once

#include "config.h"
#include "yaml.h"

/* Reader of one item of `ports`; object is the config. */
void config_port_read(void *object, const struct yaml_node *n, struct diags *d);
/* The kernel device behind a port: its name, or the `iface=` of an af_packet or af_xdp device. False: none.
 */
bool config_port_device(const struct config_port *p, char device[NFT_DEVICE]);
/* What concerns more than one port, and what an engine demands of each. */
void config_ports_check(const struct config *c, const struct yaml_node *ports, struct diags *d);
