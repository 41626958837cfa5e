/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts that a kernel program is put together from; each is a file with one reason to change. What leads
 * where is drawn in to_nft.c. All of them append to the builder, whose failures are told at its end. Pure.
 */
#pragma once

#include "image.h"
#include "nft_emit.h"
#include "to_nft.h"

/* Ports of the probes: kernel devices that only cordon-nft has (dpmsg.h). Their numbers are these + 1. */
#define NFT_PROBE_PORT     0xfff0u
#define NFT_PROBE_DEVICE_0 "cordonp0"
#define NFT_PROBE_DEVICE_1 "cordonp1"

/* The one class that is no decision of the image: a packet that neither has a session nor may open one. */
static inline uint32_t nft_class_no_session(const struct image_header *image)
{
	return image->decision.count;
}
static inline uint32_t nft_class_count(const struct image_header *image)
{
	return image->decision.count + 1;
}

/* A model in the making. */
struct nft_making {
	const struct image_header *image;
	const struct nft_box *box;
	uint32_t matrix;
	const struct image_decision *class; /* nft_class_count() */
	const uint8_t *list_used;           /* by list: some pair of classes of this matrix has it */
};

/* Where a set or chain belongs. */
enum nft_place {
	NFT_AT_GUARD = 1 << 0,  /* the bridge table */
	NFT_AT_TAGGED = 1 << 1, /* the bridge table, in BRCT only */
	NFT_AT_DECIDE = 1 << 2, /* the table that decides bridged sessions */
	NFT_AT_HOST = 1 << 3,   /* the host plane */
	NFT_AT_ZONED = 1 << 4,  /* where a port's domain becomes a zone: BRNF inet, BRCT bridge */
};

/* How many elements each set of these places will hold, until one has more than `limit`: its name, else
 * NULL. */
const char *nft_maps_too_large(const struct nft_making *m, uint32_t limit, uint64_t *needed);
/* Elements of all sets of all places together. */
uint64_t nft_maps_elements(const struct nft_making *m, uint32_t places);
/* The sets of these places, in the open table. */
void nft_build_maps(struct nft_builder *b, const struct nft_making *m, uint32_t places);

/* The chains of the guards, in the open bridge table, and the base chains that lead to them. */
void nft_build_guard(struct nft_emit *e, const struct nft_box *box);
/* Sessions and decisions: bridged ones, or those of the host itself. */
void nft_build_decide(struct nft_emit *e, const struct nft_making *m, bool host);
/* Base chains around nft_build_decide(). */
void nft_build_forward_base(struct nft_emit *e, const struct nft_box *box);
void nft_build_host_base(struct nft_emit *e);

/* The chain that ends a refusal of this class: `refuse_no_rule`, `reject_rule`. */
#define NFT_CHAIN_NAME 48u
void nft_refusal_chain(const struct image_decision *d, bool host, uint32_t layout, char out[NFT_CHAIN_NAME]);
/* A reason's word as part of a name: `no_rule`. */
void nft_reason_name(const char *prefix, unsigned reason, char out[NFT_CHAIN_NAME]);
