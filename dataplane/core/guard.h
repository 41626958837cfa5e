/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guards: what is decided about a frame before and without policy, in layer-2 mode (wire rules 1, 2, 12 to
 * 16).
 *
 * Way of a frame without a parse reason:
 *   guard_domain()  VLAN membership -> key.domain, or `vlan`
 *   guard_frame()   if packet.guard: the guard alone decides the frame (it claims bindings itself)
 *   guard_admit()   else: shape of the addresses, then the source's binding. A packet of an established
 * session may use bind_confirm() instead, if it has none of PACKET_GROUP, GROUP_IP, MARTIAN. After policy
 * allowed it: bind_route(), or for PACKET_GROUP guard_group() and guard_members().
 *
 * Ports are fixed at guard_init(). All functions of one guard: the thread of its bind table.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bind.h"
#include "engine.h"
#include "parse.h"

#define GUARD_VLANS       4096u
#define GUARD_ARP_PER_S   50u   /* per endpoint */
#define GUARD_PROBE_PER_S 500u  /* per port: ARP probes, whose senders have no binding */
#define GUARD_GROUP_PER_S 1000u /* per endpoint: multicast that policy allows */

struct guard {
	struct engine_port port[ENGINE_PORTS_ALL];
	uint32_t n_ports;
	uint32_t members[GUARD_VLANS]; /* ports of a domain, bit per port */
	uint32_t tagged[GUARD_VLANS];  /* trunks that take this tag */
	uint32_t probe_rate[ENGINE_PORTS_ALL];
};

struct guard_fate {
	uint8_t act;    /* enum frame_act */
	uint8_t reason; /* enum reason, with FRAME_DROP */
	uint16_t out_port;
	uint32_t flood_ports;
};

/* NULL, or what is wrong with the ports (static text). */
const char *guard_init(struct guard *g, const struct engine_port *ports, uint32_t n_ports);

/* Sets key.domain. REASON_NONE or REASON_VLAN. */
enum reason guard_domain(const struct guard *g, uint16_t port, struct packet *p);
/* A frame with packet.guard set: its whole fate. `data` are the frame's bytes, `len` the captured ones. */
struct guard_fate guard_frame(struct guard *g, struct bind_table *t, uint16_t port, const struct packet *p,
			      const uint8_t *data, uint32_t len, struct engine_clock clock);
/* Any other IP packet: is its source who it says? *src is the source's binding. */
enum reason guard_admit(struct bind_table *t, uint16_t port, const struct packet *p,
			struct engine_clock clock, uint32_t *src);
/* Multicast that policy allowed: may this endpoint send one more now? Else it is dropped `multicast`. */
bool guard_group(struct bind_table *t, uint32_t src, uint64_t now_ns);

/* Ports of a domain but `in_port`. The domain of probes has none, whatever bit its ports would be. */
static inline uint32_t guard_members(const struct guard *g, uint16_t domain, uint16_t in_port)
{
	return g->members[domain & (GUARD_VLANS - 1)] & ~(UINT32_C(1) << (in_port & 31));
}
