/* SPDX-License-Identifier: BSD-3-Clause */
#include "nft_emit.h"

#include <linux/icmp.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdarg.h>
#include <string.h>

enum protocol { P_ANY, P_TAG, P_ARP, P_IP4, P_IP6, P_TCP, P_UDP, P_ICMP, P_ICMP6 };

static const struct {
	uint8_t kind, key, offset, len, protocol;
} terms[] = {
#define X(sym, kind, key, offset, len, protocol)                                                             \
	[T_##sym] = {NFT_EXPR_##kind, key, offset, len, P_##protocol},
	NFT_TERMS(X)
#undef X
};

static void put(struct nft_emit *e, const struct nft_expr *x, const char *name)
{
	nft_build_expr(e->b, x, name);
}

/* The last `len` bytes of a number in network order. */
static void to_bytes(uint64_t number, uint8_t len, uint8_t *out)
{
	for (uint8_t i = 0; i < len; i++, number >>= 8)
		out[len - 1 - i] = (uint8_t)number;
}

/* --- tables and chains -------------------------------------------------------------------------------- */

void nft_table_open(struct nft_emit *e, uint32_t family)
{
	e->family = family;
	nft_build_table(e->b, family, NFT_TABLE);
}

void nft_chain_open(struct nft_emit *e, const char *name)
{
	nft_build_chain(e->b, name, &(struct nft_chain){.named = NFT_VERSIONED}, NULL);
}

void nft_base_open(struct nft_emit *e, const char *name, uint32_t hook, int32_t priority)
{
	const struct nft_chain base = {.base = 1, .hook = hook, .priority = priority, .policy = NF_ACCEPT};

	nft_build_chain(e->b, name, &base, NULL);
}

void nft_rule_open(struct nft_emit *e)
{
	e->known = 0;
	nft_build_rule(e->b);
}

/* --- conditions --------------------------------------------------------------------------------------- */

static void load(struct nft_emit *e, enum nft_term term, uint8_t dreg)
{
	struct nft_expr x = {.kind = terms[term].kind, .sreg = NFT_REG_NONE, .dreg = dreg};

	if (x.kind == NFT_EXPR_PAYLOAD) {
		x.base = terms[term].key;
		x.offset = terms[term].offset;
		x.len = terms[term].len;
	} else {
		x.key = terms[term].key;
		x.base = terms[term].offset; /* CT: direction + 1 */
	}
	put(e, &x, NULL);
}

void nft_cmp(struct nft_emit *e, uint8_t op, uint64_t number, uint8_t len)
{
	struct nft_expr x = {.kind = NFT_EXPR_CMP, .sreg = 0, .dreg = NFT_REG_NONE, .op = op, .len = len};

	to_bytes(number, len, x.data);
	put(e, &x, NULL);
}

static void require(struct nft_emit *e, enum protocol p)
{
	static const struct {
		uint8_t term, len;
		uint16_t number;
	} proof[] = {
		[P_TAG] = {T_ETHERTYPE, 2, 0x8100}, [P_ARP] = {T_PROTOCOL, 2, 0x0806},
		[P_IP4] = {T_PROTOCOL, 2, 0x0800},  [P_IP6] = {T_PROTOCOL, 2, 0x86dd},
		[P_TCP] = {T_L4PROTO, 1, 6},        [P_UDP] = {T_L4PROTO, 1, 17},
		[P_ICMP] = {T_L4PROTO, 1, 1},       [P_ICMP6] = {T_L4PROTO, 1, 58},
	};
	static const struct nft_expr nfproto = {
		.kind = NFT_EXPR_META, .sreg = NFT_REG_NONE, .key = NFT_META_NFPROTO};

	if (p == P_ANY || e->known & 1u << p)
		return;
	e->known |= 1u << p;
	if (e->family == NFT_INET && (p == P_IP4 || p == P_IP6)) {
		put(e, &nfproto, NULL);
		nft_cmp(e, NFT_CMP_EQ, p == P_IP4 ? NFPROTO_IPV4 : NFPROTO_IPV6, 1);
		return;
	}
	load(e, proof[p].term, 0);
	nft_cmp(e, NFT_CMP_EQ, proof[p].number, proof[p].len);
}

void nft_key(struct nft_emit *e, ...)
{
	va_list list, again;
	int term;
	uint8_t reg = 0;

	va_start(list, e);
	va_copy(again, list);
	while ((term = va_arg(list, int)) != T_END)
		require(e, terms[term].protocol);
	while ((term = va_arg(again, int)) != T_END) {
		load(e, term, reg);
		reg = (uint8_t)(reg + (terms[term].len + 3) / 4);
	}
	va_end(list);
	va_end(again);
}

static void lookup(struct nft_emit *e, const char *set, uint8_t dreg, uint8_t op)
{
	put(e, &(struct nft_expr){.kind = NFT_EXPR_LOOKUP, .sreg = 0, .dreg = dreg, .op = op}, set);
}

void nft_in(struct nft_emit *e, const char *set)
{
	lookup(e, set, NFT_REG_NONE, 0);
}

void nft_not_in(struct nft_emit *e, const char *set)
{
	lookup(e, set, NFT_REG_NONE, NFT_LOOKUP_F_INV);
}

static void compare(struct nft_emit *e, enum nft_term term, uint8_t op, uint64_t number)
{
	nft_key(e, term, T_END);
	nft_cmp(e, op, number, terms[term].len);
}

void nft_is(struct nft_emit *e, enum nft_term term, uint64_t number)
{
	compare(e, term, NFT_CMP_EQ, number);
}

void nft_is6_zero(struct nft_emit *e, enum nft_term term)
{
	const struct nft_expr x = {
		.kind = NFT_EXPR_CMP, .sreg = 0, .dreg = NFT_REG_NONE, .op = NFT_CMP_EQ, .len = 16};

	nft_key(e, term, T_END);
	put(e, &x, NULL);
}

void nft_is_family(struct nft_emit *e, int family)
{
	require(e, family == 4 ? P_IP4 : P_IP6);
}

void nft_is_not(struct nft_emit *e, enum nft_term term, uint64_t number)
{
	compare(e, term, NFT_CMP_NEQ, number);
}

void nft_at_least(struct nft_emit *e, enum nft_term term, uint64_t number)
{
	compare(e, term, NFT_CMP_GTE, number);
}

void nft_at_most(struct nft_emit *e, enum nft_term term, uint64_t number)
{
	compare(e, term, NFT_CMP_LTE, number);
}

void nft_below(struct nft_emit *e, enum nft_term term, uint64_t number)
{
	compare(e, term, NFT_CMP_LT, number);
}

void nft_mask(struct nft_emit *e, uint64_t mask, uint8_t len)
{
	struct nft_expr x = {.kind = NFT_EXPR_BITWISE, .sreg = 0, .dreg = 0, .len = len};

	to_bytes(mask, len, x.data);
	put(e, &x, NULL);
}

void nft_tag_key(struct nft_emit *e)
{
	struct nft_expr vid = {.kind = NFT_EXPR_BITWISE, .sreg = 1, .dreg = 1, .len = 2};

	to_bytes(0x0fff, 2, vid.data);
	nft_key(e, T_MARK, T_VLAN, T_END);
	put(e, &vid, NULL);
}

void nft_device(struct nft_emit *e, enum nft_term term, bool is, const char *name)
{
	struct nft_expr x = {
		.kind = NFT_EXPR_CMP,
		.sreg = 0,
		.dreg = NFT_REG_NONE,
		.op = is ? NFT_CMP_EQ : NFT_CMP_NEQ,
		.len = NFT_DEVICE,
	};

	memcpy(x.data, name, strnlen(name, NFT_DEVICE - 1));
	nft_key(e, term, T_END);
	put(e, &x, NULL);
}

void nft_group_mac(struct nft_emit *e, bool is)
{
	const uint64_t bit = UINT64_C(1) << 40;

	nft_key(e, T_DMAC, T_END);
	nft_mask(e, bit, 6);
	nft_cmp(e, NFT_CMP_EQ, is ? bit : 0, 6);
}

/* Numbers of the kernel's own are compared in its byte order. */
static void any_bit(struct nft_emit *e, uint32_t bits)
{
	struct nft_expr x = {.kind = NFT_EXPR_BITWISE, .sreg = 0, .dreg = 0, .len = 4};

	memcpy(x.data, &bits, sizeof bits);
	put(e, &x, NULL);
	nft_cmp(e, NFT_CMP_NEQ, 0, 4);
}

void nft_ct_state(struct nft_emit *e, uint32_t bits)
{
	nft_key(e, T_STATE, T_END);
	any_bit(e, bits);
}

void nft_ct_reply(struct nft_emit *e)
{
	nft_is(e, T_DIRECTION, 1);
}

void nft_ip_options(struct nft_emit *e)
{
	enum { WORDS = 0x0f, WITHOUT = 5 };

	nft_key(e, T_IP4_FIRST, T_END);
	nft_mask(e, WORDS, 1);
	nft_cmp(e, NFT_CMP_GT, WITHOUT, 1);
}

void nft_limit(struct nft_emit *e, uint32_t per_second)
{
	const struct nft_expr x = {
		.kind = NFT_EXPR_LIMIT,
		.sreg = NFT_REG_NONE,
		.dreg = NFT_REG_NONE,
		.key = NFT_LIMIT_PKTS,
		.offset = per_second / 10,
		.rate = per_second,
	};

	put(e, &x, NULL);
}

/* --- maps and scratch values -------------------------------------------------------------------------- */

void nft_map(struct nft_emit *e, const char *map)
{
	lookup(e, map, 0, 0);
}

void nft_vmap(struct nft_emit *e, const char *map)
{
	lookup(e, map, NFT_REG_NONE, 0);
}

void nft_list_key(struct nft_emit *e, enum nft_term a, enum nft_term b)
{
	const struct nft_expr turn = {
		.kind = NFT_EXPR_BYTEORDER, .sreg = 0, .dreg = 0, .op = NFT_BYTEORDER_HTON, .len = 4};

	require(e, terms[a].protocol);
	load(e, T_MARK, 0);
	put(e, &turn, NULL);
	load(e, a, 1);
	if (b != T_END)
		load(e, b, 2);
}

static void store(struct nft_emit *e, uint8_t kind, uint16_t key)
{
	put(e, &(struct nft_expr){.kind = kind, .sreg = 0, .dreg = NFT_REG_NONE, .key = key}, NULL);
}

void nft_set_mark(struct nft_emit *e)
{
	store(e, NFT_EXPR_META, NFT_META_MARK);
}

void nft_set_priority(struct nft_emit *e)
{
	store(e, NFT_EXPR_META, NFT_META_PRIORITY);
}

void nft_set_zone(struct nft_emit *e)
{
	store(e, NFT_EXPR_CT, NFT_CT_ZONE);
}

void nft_set_class(struct nft_emit *e)
{
	store(e, NFT_EXPR_CT, NFT_CT_MARK);
}

void nft_number(struct nft_emit *e, uint32_t number)
{
	struct nft_expr x = {.kind = NFT_EXPR_IMMEDIATE, .sreg = NFT_REG_NONE, .dreg = 0, .len = 4};

	memcpy(x.data, &number, sizeof number);
	put(e, &x, NULL);
}

/* --- statements and verdicts -------------------------------------------------------------------------- */

static void statement(struct nft_emit *e, uint8_t kind, const char *name)
{
	put(e, &(struct nft_expr){.kind = kind, .sreg = NFT_REG_NONE, .dreg = NFT_REG_NONE}, name);
}

void nft_count(struct nft_emit *e, const char *counter)
{
	statement(e, NFT_EXPR_OBJREF, counter);
}

void nft_add(struct nft_emit *e, const char *set)
{
	put(e,
	    &(struct nft_expr){
		    .kind = NFT_EXPR_DYNSET, .sreg = 0, .dreg = NFT_REG_NONE, .op = NFT_DYNSET_OP_ADD},
	    set);
}

#define SNAPLEN   128u /* of a refused packet: headers, and what an ICMP error quotes */
#define THRESHOLD 8u   /* messages that may wait for one another */

static void log_to(struct nft_emit *e, uint16_t group, uint32_t threshold, const char *prefix)
{
	const struct nft_expr x = {
		.kind = NFT_EXPR_LOG,
		.sreg = NFT_REG_NONE,
		.dreg = NFT_REG_NONE,
		.key = group,
		.offset = SNAPLEN,
		.rate = threshold,
	};

	put(e, &x, prefix);
}

void nft_log_decision(struct nft_emit *e, uint16_t group)
{
	log_to(e, group, THRESHOLD, NULL);
}

void nft_log_endpoint(struct nft_emit *e, uint16_t group, const char *prefix)
{
	log_to(e, group, 1, prefix);
}

static void reject(struct nft_emit *e, uint8_t type, uint16_t code)
{
	put(e,
	    &(struct nft_expr){.kind = NFT_EXPR_REJECT,
			       .sreg = NFT_REG_NONE,
			       .dreg = NFT_REG_NONE,
			       .op = type,
			       .key = code},
	    NULL);
}

void nft_reject_tcp(struct nft_emit *e)
{
	require(e, P_TCP);
	reject(e, NFT_REJECT_TCP_RST, 0);
}

void nft_reject_icmpx(struct nft_emit *e)
{
	reject(e, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
}

static void verdict(struct nft_emit *e, int32_t what, const char *chain)
{
	put(e,
	    &(struct nft_expr){
		    .kind = NFT_EXPR_IMMEDIATE, .sreg = NFT_REG_NONE, .dreg = NFT_REG_NONE, .verdict = what},
	    chain);
}

void nft_goto(struct nft_emit *e, const char *chain)
{
	verdict(e, NFT_GOTO, chain);
}

void nft_jump(struct nft_emit *e, const char *chain)
{
	verdict(e, NFT_JUMP, chain);
}

void nft_return(struct nft_emit *e)
{
	verdict(e, NFT_RETURN, NULL);
}

void nft_accept(struct nft_emit *e)
{
	verdict(e, NF_ACCEPT + 1, NULL);
}

void nft_drop(struct nft_emit *e)
{
	verdict(e, NF_DROP + 1, NULL);
}

void nft_else(struct nft_emit *e, const char *chain)
{
	nft_rule_open(e);
	nft_goto(e, chain);
}
