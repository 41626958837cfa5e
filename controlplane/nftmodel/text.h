/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nft(8)'s words for what a program holds, appended to a text that grows. A text without memory stays as it
 * was and says so in `failed`. One thread.
 */
#pragma once

#include "nftmodel.h"

struct text {
	char *at; /* malloc'ed, NUL-terminated; NULL: empty */
	size_t n, room;
	bool failed;
};

void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* nft's data types, by its numbers. */
enum nft_type {
	TYPE_VERDICT = 1,
	TYPE_NFPROTO = 2,
	TYPE_INTEGER = 4,
	TYPE_IP4 = 7,
	TYPE_IP6 = 8,
	TYPE_ETHER = 9,
	TYPE_ETHERTYPE = 10,
	TYPE_ARPOP = 11,
	TYPE_PROTO = 12,
	TYPE_SERVICE = 13,
	TYPE_ICMP = 14,
	TYPE_TCP_FLAGS = 15,
	TYPE_CT_STATE = 16,
	TYPE_CT_DIRECTION = 17,
	TYPE_MARK = 19,
	TYPE_CLASSID = 23,
	TYPE_ICMP6 = 29,
	TYPE_IFNAME = 41,
};

/* A value of `len` bytes; `host`: a number in host order. */
void text_value(struct text *t, uint32_t type, bool host, const uint8_t *bytes, uint32_t len);
/* From one value to another, as a prefix where it is one. */
void text_range(struct text *t, uint32_t type, bool host, const uint8_t *from, const uint8_t *to,
		uint32_t len);
void text_element(struct text *t, const struct nft_program *p, const struct nft_set *set,
		  const struct nft_element *e);
void text_rule(struct text *t, const struct nft_program *p, const struct nft_table *table,
	       const struct nft_rule *rule);
