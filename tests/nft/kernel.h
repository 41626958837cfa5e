/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A real kernel to send packets through, in a network namespace of the test's own: three ports of a bridge,
 * and what each packet met: did it come out, what did the log say, what mark has its conntrack entry. Shares
 * no code with cordon-nft, so that it can judge it. One thread; needs root.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nftmodel.h"

#define KERNEL_BATCH 2048u /* packets that can be told apart at once */
#define KERNEL_FRAME 160u

/* One frame in at the first port. Its number in the batch is in the last four bytes of its IP packet, and
 * where conntrack keeps it: client port or echo identifier is KERNEL_CLIENT + number. */
#define KERNEL_CLIENT 20000u
struct kernel_packet {
	uint32_t len;
	uint8_t family, proto;
	uint8_t bytes[KERNEL_FRAME];
};

enum kernel_fate { KERNEL_LOST, KERNEL_PASSED, KERNEL_REFUSED };
struct kernel_met {
	uint8_t fate;  /* enum kernel_fate */
	uint8_t times; /* more than once is a fault */
	uint32_t mark; /* of the conntrack entry, or of the log message; 0 none */
};

struct kernel;

/* Leaves the caller's namespace for a new one, for good. NULL with *error set. The devices are lab1, lab2 and
 * lab3 of mkbox.h; conntrack and br_netfilter as cordon-nft wants them. */
struct kernel *kernel_start(const struct nft_box *box, const char **error);
void kernel_stop(struct kernel *k);
/* The sessions of all batches before are forgotten. Sends `n` packets and waits for what becomes of them, at
 * most two seconds. */
bool kernel_run(struct kernel *k, const struct kernel_packet *p, uint32_t n, struct kernel_met *met);
