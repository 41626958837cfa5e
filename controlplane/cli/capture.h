/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capture files as a stream of Ethernet frames. What holds IP without layer 2 (raw IP, Linux cooked, null and
 * loop) is given a made-up Ethernet header with zero addresses, so that the engine has one way in;
 * capture_has_layer2() tells that its addresses mean nothing. pcap and pcapng; reads one packet at a time.
 * One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

struct capture;

enum capture_result {
	CAPTURE_FRAME,
	CAPTURE_END,
	CAPTURE_CUT, /* the file ends in the middle of a packet or goes on with something else:
			capture_error() */
};

/* NULL with words in `error` if it cannot be read or has a link type that is not one of ours. */
struct capture *capture_open(const char *path, char *error, size_t room);
void capture_close(struct capture *c);

bool capture_has_layer2(const struct capture *c);
/* Bytes of the file, 0 if it is a pipe. */
uint64_t capture_size(const struct capture *c);
/* Fills data, len and wire_len; `data` is valid, with FRAME_HEADROOM before it, until the next call. */
enum capture_result capture_next(struct capture *c, struct frame *f, int64_t *utc_ns);
const char *capture_error(const struct capture *c);
