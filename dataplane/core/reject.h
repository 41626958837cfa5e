/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers to refused packets (wire rule 21): a TCP reset, or ICMP "administratively prohibited", in the name
 * of the responder. Builds bytes only; whether and how often to answer is the engine's. No state, any thread.
 */
#pragma once

#include <stdint.h>

#include "frame.h"
#include "parse.h"

#define REJECT_MAX 1294u /* Ethernet header and an IPv6 packet of the minimum MTU */

/*
 * Writes an untagged Ethernet frame into `out` and returns its length; 0 if the packet must not be answered
 * (resets, ICMP but echo requests, group destinations, no layer 2) or `room` is too small.
 */
uint32_t reject_build(const struct packet *p, const struct frame *refused, uint8_t *out, uint32_t room);
