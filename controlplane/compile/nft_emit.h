/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules in the words of nft(8): each function appends what nft itself would send for one piece of text, so
 * that `nft list ruleset` shows that text. One chain and one rule are open at a time.
 *
 * A rule is written left to right. nft_key() loads the fields of a key side by side into registers from 0 on;
 * before the first field of a protocol it writes the condition that the packet is of that protocol, as nft
 * does. What follows works on the register 0: a look-up, a comparison, or a set of mark, priority or zone.
 *
 * Borrows the builder, which keeps failures. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nftmodel.h"

/* X(symbol, kind, key or base, offset, length, protocol that it is of) */
#define NFT_TERMS(X)                                                                                         \
	X(MARK, META, NFT_META_MARK, 0, 4, ANY)                                                              \
	X(PRIORITY, META, NFT_META_PRIORITY, 0, 4, ANY)                                                      \
	X(L4PROTO, META, NFT_META_L4PROTO, 0, 1, ANY)                                                        \
	X(PROTOCOL, META, NFT_META_PROTOCOL, 0, 2, ANY)                                                      \
	X(IIFNAME, META, NFT_META_IIFNAME, 0, 16, ANY)                                                       \
	X(OIFNAME, META, NFT_META_OIFNAME, 0, 16, ANY)                                                       \
	X(ZONE, CT, NFT_CT_ZONE, 0, 2, ANY)                                                                  \
	X(CLASS, CT, NFT_CT_MARK, 0, 4, ANY)                                                                 \
	X(STATE, CT, NFT_CT_STATE, 0, 4, ANY)                                                                \
	X(DIRECTION, CT, NFT_CT_DIRECTION, 0, 1, ANY)                                                        \
	X(FROM4, CT, NFT_CT_SRC_IP, 1, 4, ANY)                                                               \
	X(TO4, CT, NFT_CT_DST_IP, 1, 4, ANY)                                                                 \
	X(FROM6, CT, NFT_CT_SRC_IP6, 1, 16, ANY)                                                             \
	X(TO6, CT, NFT_CT_DST_IP6, 1, 16, ANY)                                                               \
	X(DMAC, PAYLOAD, NFT_PAYLOAD_LL_HEADER, 0, 6, ANY)                                                   \
	X(SMAC, PAYLOAD, NFT_PAYLOAD_LL_HEADER, 6, 6, ANY)                                                   \
	X(ETHERTYPE, PAYLOAD, NFT_PAYLOAD_LL_HEADER, 12, 2, ANY)                                             \
	X(VLAN, PAYLOAD, NFT_PAYLOAD_LL_HEADER, 14, 2, TAG)                                                  \
	X(ARP_HTYPE, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 0, 2, ARP)                                         \
	X(ARP_PTYPE, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 2, 2, ARP)                                         \
	X(ARP_HLEN, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 4, 1, ARP)                                          \
	X(ARP_PLEN, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 5, 1, ARP)                                          \
	X(ARP_OP, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 6, 2, ARP)                                            \
	X(ARP_SMAC, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 8, 6, ARP)                                          \
	X(ARP_SIP, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 14, 4, ARP)                                          \
	X(ARP_DIP, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 24, 4, ARP)                                          \
	X(IP4_FIRST, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 0, 1, IP4)                                         \
	X(IP4_FRAG, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 6, 2, IP4)                                          \
	X(IP4_PROTO, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 9, 1, IP4)                                         \
	X(SIP4, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, IP4)                                             \
	X(DIP4, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, IP4)                                             \
	X(IP6_LEN, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 4, 2, IP6)                                           \
	X(NEXTHDR, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 6, 1, IP6)                                           \
	X(HOPLIMIT, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 7, 1, IP6)                                          \
	X(SIP6, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 8, 16, IP6)                                             \
	X(DIP6, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 24, 16, IP6)                                            \
	X(TCP_FLAGS, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, TCP)                                      \
	X(UDP_DPORT, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, UDP)                                       \
	X(UDP_SUM, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 6, 2, UDP)                                         \
	X(SPORT, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, ANY)                                           \
	X(DPORT, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, ANY)                                           \
	X(ICMP_TYPE, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, ICMP)                                      \
	X(ICMP_CODE, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 1, 1, ICMP)                                      \
	X(ICMP_MTU, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 6, 2, ICMP)                                       \
	X(ICMP6_TYPE, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, ICMP6)                                    \
	X(ICMP6_CODE, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 1, 1, ICMP6)                                    \
	X(ICMP6_MTU, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 4, 4, ICMP6)                                     \
	X(ND_TARGET, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 8, 16, ICMP6)                                    \
	X(ND_OPTION, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 24, 2, ICMP6)                                    \
	X(ND_LLADDR, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 26, 6, ICMP6)

enum nft_term {
	T_END,
#define X(sym, ...) T_##sym,
	NFT_TERMS(X)
#undef X
};

struct nft_emit {
	struct nft_builder *b;
	uint32_t family; /* enum nft_family of the open table */
	uint32_t known;  /* protocols that the open rule has asked for */
};

/* --- tables and chains --- */
void nft_table_open(struct nft_emit *e, uint32_t family);
void nft_chain_open(struct nft_emit *e, const char *name);
void nft_base_open(struct nft_emit *e, const char *name, uint32_t hook, int32_t priority);
void nft_rule_open(struct nft_emit *e);

/* --- conditions --- */
void nft_key(struct nft_emit *e, ...); /* enum nft_term, T_END behind the last */
void nft_in(struct nft_emit *e, const char *set);
void nft_not_in(struct nft_emit *e, const char *set);
/* Register 0, `len` bytes, compared (NFT_CMP_*) with a number in network order. */
void nft_cmp(struct nft_emit *e, uint8_t op, uint64_t number, uint8_t len);
/* One field is this number: both at once. */
void nft_is(struct nft_emit *e, enum nft_term term, uint64_t number);
void nft_is6_zero(struct nft_emit *e, enum nft_term term); /* the address is :: */
void nft_is_family(struct nft_emit *e, int family);        /* 4 or 6 */
void nft_is_not(struct nft_emit *e, enum nft_term term, uint64_t number);
void nft_at_least(struct nft_emit *e, enum nft_term term, uint64_t number);
void nft_at_most(struct nft_emit *e, enum nft_term term, uint64_t number);
void nft_below(struct nft_emit *e, enum nft_term term, uint64_t number);
/* Register 0 of `len` bytes & mask, the mask in network order. */
void nft_mask(struct nft_emit *e, uint64_t mask, uint8_t len);
void nft_device(struct nft_emit *e, enum nft_term term, bool is, const char *name);
void nft_tag_key(struct nft_emit *e);            /* meta mark . vlan id */
void nft_group_mac(struct nft_emit *e, bool is); /* the destination MAC is a group's */
void nft_ct_state(struct nft_emit *e, uint32_t bits);
void nft_ct_reply(struct nft_emit *e);
void nft_ip_options(struct nft_emit *e); /* the IPv4 header has some */
void nft_limit(struct nft_emit *e, uint32_t per_second);

/* --- maps and scratch values --- */
/* meta mark . a . b as an interval set wants it: the mark in network order. `b` may be T_END. */
void nft_list_key(struct nft_emit *e, enum nft_term a, enum nft_term b);
void nft_map(struct nft_emit *e, const char *map);  /* register 0 -> register 0 */
void nft_vmap(struct nft_emit *e, const char *map); /* register 0 -> verdict */
void nft_set_mark(struct nft_emit *e);              /* from register 0, as all below */
void nft_set_priority(struct nft_emit *e);
void nft_set_zone(struct nft_emit *e);
void nft_set_class(struct nft_emit *e);
void nft_number(struct nft_emit *e, uint32_t number); /* register 0 = number */

/* --- statements and verdicts --- */
void nft_count(struct nft_emit *e, const char *counter);
void nft_add(struct nft_emit *e, const char *set); /* key in register 0 */
void nft_log_decision(struct nft_emit *e, uint16_t group);
void nft_log_endpoint(struct nft_emit *e, uint16_t group, const char *prefix);
void nft_reject_tcp(struct nft_emit *e);
void nft_reject_icmpx(struct nft_emit *e); /* administratively prohibited, of the packet's family */
void nft_goto(struct nft_emit *e, const char *chain);
void nft_jump(struct nft_emit *e, const char *chain);
void nft_return(struct nft_emit *e);
void nft_accept(struct nft_emit *e);
void nft_drop(struct nft_emit *e);

/* A rule of its own that only goes there. */
void nft_else(struct nft_emit *e, const char *chain);
