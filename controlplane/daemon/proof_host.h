/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway's own addresses: who the kernel takes a caller for, against what the image's prefixes say.
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nftmodel.h"
#include "view.h"

/* A caller, one of the gateway's addresses, and a cell that the kernel decides with another verdict for the
 * two. */
struct host_call {
	uint8_t family, caller[16], own[16];
	struct view_cell cell;
};

/* False: none was found. `got`: a read-back, model 0. */
bool host_call_differs(const struct nft_box *box, const struct nft_program *got, const struct view *v,
		       struct host_call *out);
