/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in our tables right now, all of it but elements, as the kernel names it. Owner: the caller, until
 * nl_listing_free(). One thread.
 */
#pragma once

#include "netlink_inside.h"

struct arena;

struct nl_table_row {
	uint8_t family;
	bool dormant;
};

struct nl_chain_row {
	uint8_t family;
	const char *name, *device, *type;
	struct nft_chain chain;
	bool odd; /* more than struct nft_chain can say */
};

struct nl_set_row {
	uint8_t family;
	const char *name;
	struct nft_set set;
	bool odd;
	bool anonymous; /* goes with its rule */
};

struct nl_object_row {
	uint8_t family;
	const char *name;
	uint32_t type; /* NFT_OBJECT_* */
	uint64_t packets, bytes;
};

struct nl_rule_row {
	uint8_t family;
	const char *chain;
	uint32_t n;
	struct nft_expr *expr;
	const char **name; /* of each expression, or NULL */
};

struct nl_flowtable_row {
	uint8_t family;
	const char *name;
};

/* X(plural, row type) */
#define NL_ROWS(X)                                                                                           \
	X(table, struct nl_table_row)                                                                        \
	X(chain, struct nl_chain_row)                                                                        \
	X(set, struct nl_set_row)                                                                            \
	X(object, struct nl_object_row)                                                                      \
	X(flowtable, struct nl_flowtable_row)                                                                \
	X(rule, struct nl_rule_row)

struct nl_listing {
	struct arena *arena;
	uint32_t id; /* the generation that it shows */
#define X(what, type)                                                                                        \
	type *what;                                                                                          \
	size_t n_##what, room_##what;
	NL_ROWS(X)
#undef X
};

/* Bits of what nl_listing_take() asks for, beside tables. */
enum { NL_WITH_CHAINS = 1, NL_WITH_SETS = 2, NL_WITH_OBJECTS = 4, NL_WITH_RULES = 8 };

/* One generation, taken again until nothing came between. -EINTR: it never stood still, and nl_error(). The
 * id is read before and compared by the caller, or the kernel, after what it does with the listing. */
int nl_listing_take(struct nl *nl, struct nl_listing *l, unsigned with);
void nl_listing_free(struct nl_listing *l);
bool nl_listing_has(const struct nl_listing *l, uint8_t family);
