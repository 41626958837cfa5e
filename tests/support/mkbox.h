/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A box for tests of kernel programs: ports p1, p2 and p3 (devices lab1 ...) in VLAN 20, in BRCT a trunk p4
 * with VLANs 20 and 30; managed at 192.0.2.1 and 2001:db8::1.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "nftmodel.h"

static inline struct nft_box mkbox(uint32_t layout, uint32_t planes)
{
	struct nft_box box = {.layout = layout,
			      .planes = planes,
			      .bridge = "br-cordon",
			      .n_ports = layout == NFT_LAYOUT_BRCT ? 4 : 3,
			      .group = NFT_GROUP_DEFAULT};

	for (uint32_t i = 0; i < box.n_ports; i++) {
		snprintf(box.port[i].name, sizeof box.port[i].name, "p%u", i + 1);
		snprintf(box.port[i].device, sizeof box.port[i].device, "lab%u", i + 1);
		box.port[i].vlan = 20;
	}
	if (layout == NFT_LAYOUT_BRCT) {
		box.port[3].vlan = 0;
		box.port[3].trunk = 1;
		box.port[3].n_vlans = 2;
		box.port[3].vlans[0] = 20;
		box.port[3].vlans[1] = 30;
	}
	if (planes & NFT_PLANE_HOST) {
		box.n_management = 2;
		box.management[0] = (struct nft_box_address){4, {0}, {192, 0, 2, 1}};
		box.management[1] = (struct nft_box_address){6, {0}, {0x20, 1, 0xd, 0xb8, [15] = 1}};
	}
	return box;
}
