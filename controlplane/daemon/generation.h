/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A generation in memory: the policy's text, what it means, and the image made of it. Owns all of it. One
 * thread.
 */
#pragma once

#include "compile.h"
#include "diag.h"
#include "nftmodel.h"
#include "policy.h"

struct config;

struct policy_file {
	char *name, *text;
	size_t len;
};

struct generation {
	uint32_t number; /* 0: not committed */
	struct policy_file *files;
	size_t n_files;
	struct ruleset *rs; /* NULL: a stored text that this version does not accept */
	struct image_header *image;
	size_t image_size;
	uint8_t image_digest[32];
	struct nft_program *program; /* of the image, for the box it was asked for; NULL: not made */
	size_t program_size;
	size_t tests_passed;
	int64_t needs_dpdk; /* rules that the kernel engine follows stricter; -1: there is none, or it was not
			       asked */
	uint64_t cells;     /* of the policy that were compared with the image */
};

struct generation *generation_new(size_t n_files);
void generation_free(struct generation *g);
/* Copies. false: no memory, or the name is there already. */
bool generation_add_file(struct generation *g, const char *name, const char *text, size_t len);

/* Text -> ruleset, under this gateway's config. All findings; false if there was an error. */
bool generation_resolve(struct generation *g, const struct config *config, struct diags *d);
/* What keeps a resolved policy from being committed: failed tests, and what the config demands of it. */
bool generation_admit(struct generation *g, const struct config *config, int64_t now_utc, struct diags *d);
/* Ruleset -> image. */
enum compile_result generation_compile(struct generation *g, struct dictionary *dict, char *error,
				       size_t room);
/* Image -> kernel program for this box; kept until it is forgotten. */
enum compile_result generation_program(struct generation *g, const struct nft_box *box, char *error,
				       size_t room);
/* `g` may be NULL. */
void generation_forget_program(struct generation *g);
/* Take image bytes as they were stored; false if they may not be used. */
bool generation_take_image(struct generation *g, const void *bytes, size_t size);
/* Text only again, to be committed anew. */
void generation_forget_image(struct generation *g);

void digest_text(const uint8_t digest[32], char out[65]);
/* The text of a named file, for carets. Fits diag_source_fn; ctx is the generation. */
const char *generation_source(void *ctx, const char *file, size_t *len);
