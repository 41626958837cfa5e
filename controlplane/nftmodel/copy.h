/* SPDX-License-Identifier: BSD-3-Clause */
/* A model, built anew. One thread; failures stay in the builder. */
#pragma once

#include "nftmodel.h"

/* Builds the elements of a set of `p`; false: stop. */
typedef bool nft_copy_elements(void *context, struct nft_builder *b, const struct nft_set *set);

/* Decisions of `p` and one model of it, with the elements that `elements` gives its sets. */
bool nft_copy_model(struct nft_builder *b, const struct nft_program *p, uint32_t model,
		    nft_copy_elements *elements, void *context);
/* One element, whose chain is a name of `p`. */
void nft_copy_element(struct nft_builder *b, const struct nft_program *p, const struct nft_element *e);
