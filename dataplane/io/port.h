/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ports: DPDK devices with one queue each way, fed from one mbuf pool. Opened by the main thread with the
 * rights they need and closed by it; a port that must be reopened is a restart. In between only the worker
 * touches queues. A port whose device leaves the running machine is closed alone (removal.h).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "device.h"

struct rte_device;
struct rte_mempool;

struct port {
	char name[RING_PORT_NAME];
	char driver[RING_PORT_NAME];
	struct device device;
	uint16_t id; /* DPDK's */
	bool open;
	struct rte_device *on; /* what it is a port of */
	int claim;             /* fd, or -1 */
	unsigned netdev;       /* index of the kernel device; 0: there is none behind it */
	_Atomic bool up;       /* as last seen by the control thread */
	_Atomic bool leaving;  /* its device asks to be let go, or is gone */
	_Atomic bool removed;  /* closed since */
};

struct ports {
	uint32_t n;
	struct port port[ENGINE_PORTS_MAX];
	struct rte_mempool *pool;
	uint32_t mbufs;
	uint16_t mbuf_room;
	int probe; /* socket for questions about kernel devices */
};

/* What will be needed; opens nothing. 0 or -errno. */
int ports_plan(struct ports *p, const struct args *a, char *error, size_t room);
uint64_t ports_memory(const struct ports *p, bool no_huge);
/* After eal_start(). 0 or -errno; then ports_close() all the same. */
int ports_open(struct ports *p, const struct args *a, char *error, size_t room);
/* Let guests connect to their ports: when we have no rights left that they could misuse. 0 or -errno. */
int ports_admit(const struct ports *p, char *error, size_t room);
void ports_close(struct ports *p);
/* Ask for the link state now; returns true if it differs from `up`, which is then renewed. */
bool port_poll_link(const struct ports *p, struct port *port);
/* Its device asks to be let go, or is gone. Any thread; the control thread sees to it. */
void port_leaves(struct port *port);
/* Close one port and let its device go. The worker must not know it any more. 0, or -errno if DPDK keeps
 * something of it; it is not used again either way. */
int port_remove(struct port *port);
