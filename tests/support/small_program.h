/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small kernel program that has some of everything, made by hand: what tests damage and compare. Built in
 * another order than the canonical one. `change` numbers one difference; 0: none.
 */
#pragma once

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>

#include "mkbox.h"
#include "sets.h"

enum small_change {
	SMALL_SAME,
	SMALL_DATA,       /* of an element */
	SMALL_ELEMENT,    /* one more */
	SMALL_LESS,       /* one fewer */
	SMALL_SET,        /* one more */
	SMALL_SIZE,       /* of a set */
	SMALL_VERDICT,    /* of an element, another chain */
	SMALL_CHAIN,      /* one more */
	SMALL_PRIORITY,   /* of a base chain */
	SMALL_POLICY,     /* of a base chain */
	SMALL_EXPR,       /* another constant */
	SMALL_RULE,       /* one more */
	SMALL_RULE_LESS,  /* one fewer */
	SMALL_RULE_NAME,  /* another target */
	SMALL_NO_COUNTER, /* one fewer */
	SMALL_NO_CHAIN,   /* one fewer */
	SMALL_CHANGES,
	/* what is no difference */
	SMALL_COUNTER = SMALL_CHANGES, /* one more */
	SMALL_IDLE,                    /* an empty base chain more */
	SMALL_FRESH,                   /* an element in a volatile set */
	SMALL_ALL,
};

#define SMALL_NONE .sreg = NFT_REG_NONE, .dreg = NFT_REG_NONE

static inline void small_set(struct nft_builder *b, const char *name, uint32_t size)
{
	struct nft_set_shape shape;

	if (!nft_shape(NFT_LAYOUT_BRNF, name, &shape))
		abort();
	struct nft_set set = nft_shape_set(&shape, size);
	nft_build_set(b, name, &set);
}

/* Fields as numbers; `last`: the last field's end. */
static inline void small_element(struct nft_builder *b, const char *name, const uint32_t *fields,
				 uint32_t last, struct nft_element e, const char *chain)
{
	struct nft_set_shape shape;

	if (!nft_shape(NFT_LAYOUT_BRNF, name, &shape))
		abort();
	for (uint32_t i = 0; i < shape.n_fields; i++) {
		nft_key_number(&shape, i, fields[i], e.key);
		nft_key_number(&shape, i, i + 1 == shape.n_fields && last ? last : fields[i], e.key_end);
	}
	nft_build_element(b, &e, chain);
}

#define SMALL_PUT(b, name, value, ...)                                                                       \
	small_element(b, name, (const uint32_t[]){__VA_ARGS__}, 0, (struct nft_element){.data = value}, NULL)

static inline void small_sets(struct nft_builder *b, enum small_change change)
{
	small_set(b, "source", change == SMALL_SIZE ? 9 : 8);
	if (change != SMALL_LESS)
		SMALL_PUT(b, "source", 2, 17);
	SMALL_PUT(b, "source", change == SMALL_DATA ? 3 : 1, 16);
	if (change == SMALL_ELEMENT)
		SMALL_PUT(b, "source", 1, 18);
	small_set(b, "responder", 8);
	SMALL_PUT(b, "responder", 1, 17);
	SMALL_PUT(b, "responder", 2, 18);
	SMALL_PUT(b, "responder", 3, 19);
	small_set(b, "pair", 8);
	SMALL_PUT(b, "pair", 1, 1, 1);
	SMALL_PUT(b, "pair", 3, 1, 3);
	small_set(b, "row", 8);
	SMALL_PUT(b, "row", 2, 1);
	small_set(b, "ports", 8);
	small_element(b, "ports", (const uint32_t[]){1, 6, 8000}, 8010, (struct nft_element){.data = 2},
		      NULL);
	small_element(b, "ports", (const uint32_t[]){1, 6, 443}, 0, (struct nft_element){.data = 1}, NULL);
	small_element(b, "ports", (const uint32_t[]){2, 17, 53}, 0, (struct nft_element){.data = 3}, NULL);
	small_set(b, "types", 8);
	small_element(b, "types", (const uint32_t[]){1, 8, 0}, 0, (struct nft_element){.data = 1}, NULL);
	small_set(b, "types6", 8);
	small_element(b, "types6", (const uint32_t[]){1, 128, 0}, 0, (struct nft_element){.data = 2}, NULL);
	small_set(b, "protos", 8);
	small_element(b, "protos", (const uint32_t[]){1, 47}, 0, (struct nft_element){.data = 3}, NULL);
	small_set(b, "opening", 8);
	small_element(b, "opening", (const uint32_t[]){1}, 0, (struct nft_element){.verdict = NFT_GOTO},
		      change == SMALL_VERDICT ? "closed" : "open");
	small_element(b, "opening", (const uint32_t[]){0}, 0, (struct nft_element){.data = NF_DROP}, NULL);
	small_set(b, "host4", 8);
	small_element(b, "host4", (const uint32_t[]){0x0a000000}, 0x0affffff,
		      (struct nft_element){.data = 16}, NULL);
	small_element(b, "host4", (const uint32_t[]){0x0b000000}, 0x0b000005,
		      (struct nft_element){.data = 17}, NULL);
	if (change == SMALL_SET)
		small_set(b, "mgmt4", 8);
	small_set(b, "fresh", 8);
	if (change == SMALL_FRESH)
		SMALL_PUT(b, "fresh", 0, 1, 7);
}

static inline void small_expr(struct nft_builder *b, struct nft_expr e, const char *name)
{
	nft_build_expr(b, &e, name);
}

static inline void small_chains(struct nft_builder *b, enum small_change change)
{
	const struct nft_chain plain = {.named = NFT_VERSIONED};
	const struct nft_chain base = {.base = 1,
				       .hook = NF_INET_FORWARD,
				       .priority = change == SMALL_PRIORITY ? 1 : 0,
				       .policy = change == SMALL_POLICY ? NF_DROP : NF_ACCEPT};

	nft_build_chain(b, "open", &plain, NULL);
	nft_build_rule(b);
	small_expr(b, (struct nft_expr){.kind = NFT_EXPR_OBJREF, SMALL_NONE}, "opened");
	small_expr(b, (struct nft_expr){.kind = NFT_EXPR_IMMEDIATE, SMALL_NONE, .verdict = NF_ACCEPT + 1},
		   NULL);
	nft_build_chain(b, "closed", &plain, NULL);
	if (change == SMALL_CHAIN)
		nft_build_chain(b, "more", &plain, NULL);
	if (change != SMALL_NO_CHAIN)
		nft_build_chain(b, "alone", &plain, NULL);
	nft_build_chain(b, "forward", &base, NULL);
	nft_build_rule(b);
	small_expr(
		b,
		(struct nft_expr){.kind = NFT_EXPR_CT, .sreg = NFT_REG_NONE, .dreg = 0, .key = NFT_CT_MARK},
		NULL);
	small_expr(b, (struct nft_expr){.kind = NFT_EXPR_LOOKUP, .sreg = 0, .dreg = NFT_REG_NONE}, "opening");
	nft_build_rule(b);
	small_expr(b,
		   (struct nft_expr){
			   .kind = NFT_EXPR_META, .sreg = NFT_REG_NONE, .dreg = 0, .key = NFT_META_L4PROTO},
		   NULL);
	small_expr(b,
		   (struct nft_expr){.kind = NFT_EXPR_CMP,
				     .sreg = 0,
				     .dreg = NFT_REG_NONE,
				     .len = 1,
				     .data = {change == SMALL_EXPR ? 17 : 6}},
		   NULL);
	small_expr(b, (struct nft_expr){.kind = NFT_EXPR_IMMEDIATE, SMALL_NONE, .verdict = NFT_GOTO},
		   change == SMALL_RULE_NAME ? "closed" : "open");
	for (int i = 0; i < (change == SMALL_RULE ? 2 : change == SMALL_RULE_LESS ? 0 : 1); i++) {
		nft_build_rule(b);
		small_expr(b, (struct nft_expr){.kind = NFT_EXPR_LOG, SMALL_NONE, .key = 5, .offset = 128},
			   "new");
	}
	if (change == SMALL_IDLE)
		nft_build_chain(b, "input", &(struct nft_chain){.base = 1, .hook = 1, .policy = NF_ACCEPT},
				NULL);
}

/* malloc'ed; NULL with a sentence in `error`. */
static inline struct nft_program *small_program(enum small_change change, size_t *size, char *error,
						size_t room)
{
	static const struct image_decision decisions[] = {
		{.reason = REASON_NO_RULE, .intended_reason = REASON_NO_RULE},
		{.rule = 1, .flags = DECISION_ALLOW, .reason = REASON_RULE, .intended_reason = REASON_RULE},
		{.rule = 2, .flags = DECISION_ALLOW, .reason = REASON_RULE, .intended_reason = REASON_RULE},
		{.rule = 3, .reason = REASON_RULE, .intended_reason = REASON_RULE}};
	const struct nft_program head = {.image_crc = 7, .box = mkbox(NFT_LAYOUT_BRNF, 3)};
	struct nft_builder *b = nft_builder_new();
	struct nft_program *p;

	nft_build_edge(b, INT64_MIN, 0);
	nft_build_edge(b, 1000, 0);
	nft_build_decisions(b, decisions, 4);
	nft_build_model(b);
	nft_build_table(b, NFT_BRIDGE, NFT_TABLE);
	nft_build_table(b, NFT_INET, NFT_TABLE);
	small_sets(b, change);
	small_chains(b, change);
	nft_build_counter(b, "seen");
	if (change != SMALL_NO_COUNTER)
		nft_build_counter(b, "opened_too");
	nft_build_counter(b, "opened");
	if (change == SMALL_COUNTER)
		nft_build_counter(b, "kept");
	p = nft_builder_finish(b, &head, size, error, room);
	nft_builder_free(b);
	return p;
}
