/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VLAN tags on the way out. Pushing a tag moves the MAC addresses into the headroom, popping one moves them
 * over it; the payload never moves.
 */
#include "frame.h"

#include <string.h>

#define MACS       12u
#define TAG        4u
#define TPID_8021Q 0x8100u
#define VID_MASK   0x0fffu

static void put_be16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void push(struct frame *f)
{
	memmove(f->data - TAG, f->data, MACS);
	f->data -= TAG;
	f->len += TAG;
	f->wire_len += TAG;
	f->tag_len = TAG;
	put_be16(f->data + MACS, TPID_8021Q);
	put_be16(f->data + MACS + 2, 0);
}

static void pop(struct frame *f)
{
	memmove(f->data + TAG, f->data, MACS);
	f->data += TAG;
	f->len -= TAG;
	f->wire_len -= TAG;
	f->tag_len = 0;
}

void frame_retag(struct frame *f, uint16_t vid)
{
	uint8_t *tci;

	if (f->len < MACS + f->tag_len)
		return;
	if (vid == 0) {
		if (f->tag_len != 0)
			pop(f);
		return;
	}
	if (f->tag_len == 0)
		push(f);
	tci = f->data + MACS + 2;
	tci[0] = (uint8_t)((tci[0] & ~(VID_MASK >> 8)) | (vid & VID_MASK) >> 8);
	tci[1] = (uint8_t)vid;
}
