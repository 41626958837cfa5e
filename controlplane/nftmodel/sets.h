/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The named sets and maps of a kernel program: their keys, data and flags, written down once for the
 * compiler, the bindings, the loader and the reader. Static data; pure; any thread.
 *
 * Keys. The fields of a key follow one another, each padded with zeros to a multiple of four bytes; a key of
 * one field is not padded. A field's bytes by its order:
 *   NFT_ORDER_BYTES  as on the wire: addresses; device names, NUL-padded to 16 bytes; one-byte numbers
 *   NFT_ORDER_NET    a number as on the wire: ports, VLAN ids
 *   NFT_ORDER_HOST   a number of the kernel's own, marks for one: host order in hash sets; in interval sets
 *                    network order, and the rule must turn the register first (byteorder hton, size 4)
 * Interval sets: of several fields (CONCAT, the kernel's pipapo; field_len in NFTA_SET_DESC_CONCAT, KEY and
 * KEY_END inclusive, every field its own range); of one field (rbtree: the loader makes of [key, key_end] an
 * element at key and one with NFT_SET_ELEM_INTERVAL_END at key_end + 1, the latter left out after the last
 * address).
 *
 * Data of maps to words is in host order, of data_len bytes: four, or two where it becomes a conntrack zone.
 *
 * Classes. A program knows no version. Where `class` says so, a set's keys or data are class numbers; the
 * kernel is given nft_mark(turn, number), and a read-back takes the turn off again if it is the
 * one in force (else the mark stays whole, which no program has). In rules the same holds for each IMMEDIATE
 * whose register the next expression writes to the conntrack mark.
 *
 * nft(8) lists a set by NFTA_SET_KEY_TYPE, but has no text for plain integers (ct zone, vlan id): without
 * NFTA_SET_USERDATA such a set is listed as `type integer`, which nft itself does not read back. With
 * the user data of nft_shape_userdata() it is listed with `typeof`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nftmodel.h"

#define NFT_USERDATA_MAX 256u
#define NFT_DATA_WORD    4u
#define NFT_DATA_JUMP    16u /* nft_set.data_len of maps to verdicts; NFTA_SET_DATA_LEN is not sent */

enum nft_order { NFT_ORDER_BYTES, NFT_ORDER_NET, NFT_ORDER_HOST };

enum nft_class_at { NFT_CLASS_NOWHERE, NFT_CLASS_KEY, NFT_CLASS_DATA };

struct nft_set_shape {
	const char *name;
	uint32_t layouts; /* 1 << enum nft_layout: where it is so */
	uint32_t flags;   /* NFT_SET_* of the kernel */
	uint32_t named;   /* enum nft_named_flag */
	uint32_t key_type, data_type;
	uint32_t key_len, data_len;
	uint32_t size; /* to declare; 0: as many as it holds, at least one */
	uint32_t timeout_ms;
	enum nft_class_at class;
	uint32_t n_fields;
	uint8_t field_len[8];
	uint8_t field_order[8]; /* enum nft_order */
	uint8_t fields[8];      /* of sets.c */
	uint8_t data_field;
};

/* The shape of a set by its name; false: none such in this layout. Both layouts: NFT_LAYOUT_NONE gives the
 * first. */
bool nft_shape(uint32_t layout, const char *name, struct nft_set_shape *out);
/* The shape that this set of a program has; false: it is like none. */
bool nft_shape_of(const char *name, const struct nft_set *set, struct nft_set_shape *out);
/* All shapes, for loops: false behind the last. */
bool nft_shape_at(size_t index, struct nft_set_shape *out);

/* What nft_build_set() wants: all but name and elements, `n`: elements it will hold. */
struct nft_set nft_shape_set(const struct nft_set_shape *shape, uint32_t n);

/* `typeof` operands as nft(8) writes them: "meta mark . ether saddr"; data: "" for sets. */
void nft_shape_text(const struct nft_set_shape *shape, char *key, char *data, size_t room);
/* NFTA_SET_USERDATA as nft(8) sends it. Returns its length. */
size_t nft_shape_userdata(const struct nft_set_shape *shape, uint8_t out[NFT_USERDATA_MAX]);

/* Puts a field into a key that was zeroed. Addresses and device names (n bytes, at most the field's): */
void nft_key_bytes(const struct nft_set_shape *shape, uint32_t field, const void *bytes, size_t n,
		   uint8_t *key);
/* Numbers, of any order; one-byte fields too. */
void nft_key_number(const struct nft_set_shape *shape, uint32_t field, uint32_t number, uint8_t *key);
uint32_t nft_key_get(const struct nft_set_shape *shape, uint32_t field, const uint8_t *key);
/* Where a field begins in the key. */
uint32_t nft_key_offset(const struct nft_set_shape *shape, uint32_t field);
