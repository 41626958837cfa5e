/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A capture made frame by frame, for a net_pcap port to receive.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "packet.h"

struct capture_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, figures, snap, link;
};

struct capture_frame {
	uint32_t s, us, captured, wire;
};

/* fclose() ends it. */
FILE *capture_begin(const char *path);
void capture_add(FILE *file, struct pkt *p);
/* A frame from host to host by number: 10.0.0.N with MAC N; UDP to port 53 that good_image() allows, or, its
 * twin, a TCP SYN. */
void capture_udp(FILE *file, struct pkt *p, unsigned from, unsigned to);
void capture_tcp(FILE *file, struct pkt *p, unsigned from, unsigned to);
