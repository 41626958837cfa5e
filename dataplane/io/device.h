/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a port's device string means to DPDK, and what it will need, before anything is opened. Main thread.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "vhost.h"

struct device {
	char id[RING_PORT_NAME * 2]; /* name of the DPDK device: a PCI address or net_af_xdp0 */
	char devargs[ARGS_DEVICE + 48];
	char driver[RING_PORT_NAME];     /* net_af_xdp, or pci until the real one is known */
	char netdev[IFNAMSIZ];           /* "": no kernel device behind it */
	char socket[VHOST_PATH_MAX + 1]; /* of a guest's port; "": of none */
	bool pci;
	uint32_t mbufs;      /* that it can hold at once */
	uint32_t frame_room; /* longest frame */
};

/* `index` numbers a vdev that has no number. 0 or -errno with `error`. */
int device_plan(struct device *d, const struct args_port *port, uint32_t index, char *error, size_t room);
