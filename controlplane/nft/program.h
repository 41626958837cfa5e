/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cordon-nft asks of a kernel program and of a read-back before it uses them. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nftmodel.h"

/* The layout that this kernel can do for a box without a program, by enum dp_feature bits. */
uint32_t program_layout(const struct nft_box *box, uint32_t features);

/* NULL if the program is for this box, whatever its layout; else the first thing that differs, in words. */
const char *program_differs(const struct nft_box *program, const struct nft_box *box);

/* The model for this second, and when it ends (INT64_MAX: never). */
uint32_t program_model_at(const struct nft_program *p, int64_t utc_s, int64_t *until_s);

/* The layout that a read-back is of: NFT_LAYOUT_NONE if it has no forward plane. */
uint32_t program_layout_of(const struct nft_program *got);
/* Whether a read-back has the ports and addresses of the closed program of our box. */
bool program_same_box(const struct nft_program *got, const struct nft_program *closed);
/* Whether every table and hooked chain of a model is in the read-back, with rules in it; `same`: as many. */
bool program_hooked(const struct nft_program *p, uint32_t model, const struct nft_program *got, bool same);
/* The bindings that a read-back holds; malloc'ed, *n of them. NULL: no memory. Their evidence, dictionary and
 * lease are not in the kernel: `lease_s` is given to all. */
struct dp_binding *program_bindings(const struct nft_program *got, const struct nft_box *box,
				    uint32_t lease_s, size_t *n);
