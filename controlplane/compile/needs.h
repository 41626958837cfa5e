/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `needs: dpdk`, as findings. Pure.
 */
#pragma once

#include "to_nft.h"

/*
 * A note at each rule that asks for what the forward plane of this box does not do; `d` NULL: only counted.
 * Returns how many rules they are. A box without a forward plane needs nothing.
 */
size_t needs_note(const struct ruleset *rs, const struct nft_box *box, struct diags *d);
