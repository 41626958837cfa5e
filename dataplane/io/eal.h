/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting DPDK's environment for exactly the devices that were asked for. Main thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "device.h"

#define EAL_WORKER_LCORE 1u

struct eal_plan {
	uint32_t n_devices;
	const struct device *device;
	uint64_t memory; /* bytes that mbufs and sessions will take */
};

/* 0 or -errno with the reason in `error`. */
int eal_start(const struct args *a, const struct eal_plan *plan, char *error, size_t room);
/* The end of DPDK; huge pages go back to the system, which DPDK alone would leave to the next run. */
void eal_stop(const struct args *a);
