/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's view of one frame: where its bytes are, what the parser found, what becomes of it.
 * The caller owns frame and bytes; the engine keeps no pointer past the call. `data` needs FRAME_HEADROOM
 * writable bytes before it where a tag may have to be pushed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FRAME_HEADROOM 4u

enum frame_act { FRAME_DROP = 0, FRAME_FORWARD = 1, FRAME_FLOOD = 2 };

struct frame {
	/* in */
	uint8_t *data;
	uint32_t len;      /* captured bytes at data */
	uint32_t wire_len; /* length on the wire; == len except for captures cut by a snap length */
	void *cookie;      /* caller's */
	/* out */
	uint32_t flood_ports; /* bit per port (FRAME_FLOOD) */
	uint16_t out_port;    /* FRAME_FORWARD */
	uint16_t domain;
	uint8_t act;      /* enum frame_act */
	uint8_t reason;   /* enum reason */
	uint16_t tag_len; /* bytes of VLAN tag in the frame as received: 0 or 4 */
};

/*
 * Give the frame the tag it needs on its way out: vid 0 = none. Moves the MAC addresses, keeps PCP of an
 * existing tag, adjusts data and len. Pure; any thread.
 */
void frame_retag(struct frame *f, uint16_t vid);
