/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bindings that are in force, and how often each element of the kernel's sets is asked for by them. A
 * change is begun, done in the kernel, and then committed or cancelled, so that this table always says what
 * the kernel holds. Owner: whoever called bound_new(). One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nftmodel.h"

struct bound;

/* A table of these bindings; of two of one address in one domain the later holds. `box` is copied. NULL: no
 * memory or too many. */
struct bound *bound_of(const struct nft_box *box, const struct dp_binding *bindings, size_t n, int64_t now_s);
void bound_free(struct bound *b);

/* What a change does to the kernel's sets; valid until it ends. */
struct bound_change {
	struct nft_bound *del, *add;
	size_t n_del, n_add;
};
/* These bindings come, change or (DP_BINDING_GONE) go. False: no memory or too many, nothing was begun. */
bool bound_begin(struct bound *b, const struct dp_binding *bindings, size_t n, struct bound_change *out);
void bound_end(struct bound *b, struct bound_change *change, bool commit);

/* All elements; malloc'ed, *n of them. NULL: no memory. */
struct nft_bound *bound_elements(const struct bound *b, size_t *n);
size_t bound_count(const struct bound *b);
/* The first binding from *at on, *at moves behind it; false: there is none. `*at` starts with 0. */
bool bound_next(const struct bound *b, uint32_t *at, struct dp_binding *out);
/* The binding of this address in this domain. */
bool bound_find(const struct bound *b, const struct dp_binding *like, struct dp_binding *out);

/* Leases run on this clock, and are told as what is left of them. */
void bound_time(struct bound *b, int64_t now_s);
void bound_renew(struct bound *b, const struct dp_binding *like, uint32_t lease_s);
