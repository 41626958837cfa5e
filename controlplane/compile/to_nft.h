/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Image -> kernel program. Pure and deterministic: the same image and box give the same bytes. The image must
 * be checked. What the kernel cannot do exactly is done stricter, never looser, and told per rule.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "compile.h"
#include "image.h"
#include "nftmodel.h"

struct nft_limits {
	uint32_t elements; /* of one set */
	uint64_t bytes;
};
#define NFT_LIMITS_DEFAULT ((struct nft_limits){1u << 20, NFT_PROGRAM_SIZE_MAX})

/* `*out` is malloc'ed, *size bytes, and passes nft_program_check(). COMPILE_CAPACITY: `error` says what was
 * needed and what there is. */
enum compile_result compile_nft(const struct image_header *image, const struct nft_box *box,
				const struct nft_limits *limits, struct nft_program **out, size_t *size,
				char *error, size_t room);

/*
 * What a rule asks for that the kernel engine does not do: `f` is called once per rule and thing, with a
 * static sentence that begins with the missing feature's name. There the kernel is stricter.
 */
void nft_needs_dpdk(const struct ruleset *rs, const struct nft_box *box,
		    void (*f)(void *ctx, const struct rule *rule, const char *what), void *ctx);
/* Why this box cannot run the forward plane at all with what the kernel has; NULL: it can. `features`: enum
 * dp_feature bits. Fills box->layout. The sentence names the missing feature. */
const char *nft_choose_layout(struct nft_box *box, uint32_t features);

/*
 * Does what the kernel holds mean what the image means? Every pair of classes and every region of the service
 * space is compared, cell by cell, with the matrix in force at `at_utc`. `got`: a read-back, model 0.
 * Independent of compile_nft(). True: equal. Else the first cell that differs.
 */
struct nft_difference {
	uint16_t from, to; /* identity numbers of a pair that meets it */
	service_key key;
	uint32_t expected, found; /* classes = decision numbers of the image */
	char text[256];
};
bool nft_means(const struct nft_program *got, const struct image_header *image, int64_t at_utc,
	       struct nft_difference *out);
