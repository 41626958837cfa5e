/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers for DPDK's telemetry socket: /cordon/info, /cordon/stats, /cordon/ports. They are read straight
 * from the ring file's counters, so they are the same ones that cordond sees. Telemetry's own thread calls in
 * here.
 */
#pragma once

#include "port.h"
#include "publish.h"
#include "ring.h"

struct export_world {
	const struct ring_file *ring;
	const struct ports *ports;
	const struct publisher *publisher;
};

/* `world` must live until the process ends: telemetry knows no unregister. 0 or -errno. */
int export_register(const struct export_world *world);
