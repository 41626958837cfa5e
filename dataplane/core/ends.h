/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two ends of a packet or session, and the way between them: who they are, whether the sender is at home
 * where the frame came in, and where the frame leaves. In layer-2 mode the bindings say all of it; in tap
 * mode the classifier or the image's prefixes say who, and there is one way out. Internal to core; the
 * engine's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "session.h"

/* One end of a flow while it is decided. */
struct end {
	uint32_t handle; /* of its binding, or BIND_NONE */
	uint16_t identity;
};

/* Who has an address. `seen_at`: the port it was seen at or is looked for from, which tells inside from
 * outside. */
struct end ends_who(const struct engine *e, uint16_t domain, uint8_t family, const uint8_t addr[16],
		    const uint8_t mac[6], uint16_t seen_at);
/* An address that nobody holds is looked for outside: another port on that side, or `in_port` if there is
 * none.
 */
uint16_t ends_far_port(const struct engine *e, uint16_t in_port);
/* Of the packet in hand; `handle` is the sender's binding. */
struct end ends_source(const struct engine *e, const struct packet *p, uint32_t handle);
struct end ends_responder(const struct engine *e, const struct packet *p);

/* May this frame come from here? *src is the sender's binding, BIND_NONE in tap mode. */
enum reason ends_admit(struct engine *e, const struct packet *p, uint32_t *src);
/* Is this port up and wide enough? */
enum reason ends_way(const struct engine *e, uint16_t out, const struct packet *p, const struct frame *f);
/* Of these ports, the ones that are up and wide enough; *why says what is wrong with the last of the others.
 */
uint32_t ends_open(const struct engine *e, uint32_t ports, const struct packet *p, const struct frame *f,
		   enum reason *why);
/* Where does it leave? Sets out_port, or flood_ports for a group. */
enum reason ends_route(struct engine *e, const struct packet *p, struct frame *f, uint32_t src);
/* Both at once for a session whose bindings are as they were: the fast way. Sets frame.out_port. */
bool ends_confirm(struct engine *e, uint32_t k, const struct flow *f);
