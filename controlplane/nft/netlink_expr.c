/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expressions: struct nft_expr to libnftnl's and back, one line a kind. What a reader cannot hold without
 * loss is unknown, so that it shows as a difference.
 */
#include "netlink_inside.h"

#include <errno.h>
#include <string.h>

#include <libnftnl/expr.h>

#define WORD_BITS 4u /* registers of the kernel's old numbers hold four words */

static uint32_t reg_of(uint8_t word)
{
	return NFT_REG32_00 + word;
}

static uint8_t word_of(const struct nftnl_expr *e, uint16_t attribute)
{
	const uint32_t reg = nftnl_expr_is_set(e, attribute) ? nftnl_expr_get_u32(e, attribute) : 0;

	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (uint8_t)((reg - NFT_REG_1) * WORD_BITS);
	return reg >= NFT_REG32_00 && reg <= NFT_REG32_15 ? (uint8_t)(reg - NFT_REG32_00) : NFT_REG_NONE;
}

static void put_reg(struct nftnl_expr *e, uint16_t attribute, uint8_t word)
{
	if (word != NFT_REG_NONE)
		nftnl_expr_set_u32(e, attribute, reg_of(word));
}

static uint32_t number(const struct nftnl_expr *e, uint16_t attribute)
{
	return nftnl_expr_is_set(e, attribute) ? nftnl_expr_get_u32(e, attribute) : 0;
}

/* Bytes of at most 16; false: longer, or not as long as *len says (0: any). */
static bool take_data(const struct nftnl_expr *e, uint16_t attribute, uint8_t out[16], uint8_t *len)
{
	uint32_t n = 0;
	const void *bytes = nftnl_expr_is_set(e, attribute) ? nftnl_expr_get(e, attribute, &n) : NULL;

	if (!bytes || n == 0 || n > 16 || (*len && *len != n))
		return false;
	memcpy(out, bytes, n);
	*len = (uint8_t)n;
	return true;
}

static bool fits(const struct nftnl_expr *e, uint16_t attribute, uint32_t most)
{
	return number(e, attribute) <= most;
}

/* --- one pair of functions a kind --------------------------------------------------------------------- */

static void make_meta(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	nftnl_expr_set_u32(to, NFTNL_EXPR_META_KEY, e->key);
	put_reg(to, NFTNL_EXPR_META_DREG, e->dreg);
	put_reg(to, NFTNL_EXPR_META_SREG, e->sreg);
}

static bool read_meta(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	e->key = (uint16_t)number(from, NFTNL_EXPR_META_KEY);
	e->dreg = word_of(from, NFTNL_EXPR_META_DREG);
	e->sreg = word_of(from, NFTNL_EXPR_META_SREG);
	return true;
}

static void make_payload(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	put_reg(to, NFTNL_EXPR_PAYLOAD_DREG, e->dreg);
	nftnl_expr_set_u32(to, NFTNL_EXPR_PAYLOAD_BASE, e->base);
	nftnl_expr_set_u32(to, NFTNL_EXPR_PAYLOAD_OFFSET, e->offset);
	nftnl_expr_set_u32(to, NFTNL_EXPR_PAYLOAD_LEN, e->len);
}

static bool read_payload(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	e->dreg = word_of(from, NFTNL_EXPR_PAYLOAD_DREG);
	e->base = (uint8_t)number(from, NFTNL_EXPR_PAYLOAD_BASE);
	e->offset = number(from, NFTNL_EXPR_PAYLOAD_OFFSET);
	e->len = (uint8_t)number(from, NFTNL_EXPR_PAYLOAD_LEN);
	return !nftnl_expr_is_set(from, NFTNL_EXPR_PAYLOAD_SREG) && fits(from, NFTNL_EXPR_PAYLOAD_LEN, 64) &&
	       fits(from, NFTNL_EXPR_PAYLOAD_BASE, 4);
}

static void make_exthdr(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	put_reg(to, NFTNL_EXPR_EXTHDR_DREG, e->dreg);
	nftnl_expr_set_u8(to, NFTNL_EXPR_EXTHDR_TYPE, (uint8_t)e->key);
	nftnl_expr_set_u32(to, NFTNL_EXPR_EXTHDR_OFFSET, e->offset);
	nftnl_expr_set_u32(to, NFTNL_EXPR_EXTHDR_LEN, e->len);
	nftnl_expr_set_u32(to, NFTNL_EXPR_EXTHDR_FLAGS, e->op);
	nftnl_expr_set_u32(to, NFTNL_EXPR_EXTHDR_OP, e->base);
}

static bool read_exthdr(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	e->dreg = word_of(from, NFTNL_EXPR_EXTHDR_DREG);
	e->key = nftnl_expr_get_u8(from, NFTNL_EXPR_EXTHDR_TYPE);
	e->offset = number(from, NFTNL_EXPR_EXTHDR_OFFSET);
	e->len = (uint8_t)number(from, NFTNL_EXPR_EXTHDR_LEN);
	e->op = (uint8_t)number(from, NFTNL_EXPR_EXTHDR_FLAGS);
	e->base = (uint8_t)number(from, NFTNL_EXPR_EXTHDR_OP);
	return !nftnl_expr_is_set(from, NFTNL_EXPR_EXTHDR_SREG) && fits(from, NFTNL_EXPR_EXTHDR_LEN, 64) &&
	       fits(from, NFTNL_EXPR_EXTHDR_FLAGS, 1) && fits(from, NFTNL_EXPR_EXTHDR_OP, 4);
}

static void make_ct(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	nftnl_expr_set_u32(to, NFTNL_EXPR_CT_KEY, e->key);
	put_reg(to, NFTNL_EXPR_CT_DREG, e->dreg);
	put_reg(to, NFTNL_EXPR_CT_SREG, e->sreg);
	if (e->base)
		nftnl_expr_set_u8(to, NFTNL_EXPR_CT_DIR, e->base - 1);
}

static bool read_ct(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	e->key = (uint16_t)number(from, NFTNL_EXPR_CT_KEY);
	e->dreg = word_of(from, NFTNL_EXPR_CT_DREG);
	e->sreg = word_of(from, NFTNL_EXPR_CT_SREG);
	if (nftnl_expr_is_set(from, NFTNL_EXPR_CT_DIR))
		e->base = nftnl_expr_get_u8(from, NFTNL_EXPR_CT_DIR) + 1;
	return e->base <= 2;
}

static void make_bitwise(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	put_reg(to, NFTNL_EXPR_BITWISE_SREG, e->sreg);
	put_reg(to, NFTNL_EXPR_BITWISE_DREG, e->dreg);
	nftnl_expr_set_u32(to, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(to, NFTNL_EXPR_BITWISE_LEN, e->len);
	nftnl_expr_set(to, NFTNL_EXPR_BITWISE_MASK, e->data, e->len);
	nftnl_expr_set(to, NFTNL_EXPR_BITWISE_XOR, e->xor, e->len);
}

static bool read_bitwise(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	e->sreg = word_of(from, NFTNL_EXPR_BITWISE_SREG);
	e->dreg = word_of(from, NFTNL_EXPR_BITWISE_DREG);
	e->len = (uint8_t)number(from, NFTNL_EXPR_BITWISE_LEN);
	return fits(from, NFTNL_EXPR_BITWISE_LEN, 16) &&
	       number(from, NFTNL_EXPR_BITWISE_OP) == NFT_BITWISE_BOOL &&
	       take_data(from, NFTNL_EXPR_BITWISE_MASK, e->data, &e->len) &&
	       take_data(from, NFTNL_EXPR_BITWISE_XOR, e->xor, &e->len);
}

static void make_byteorder(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	put_reg(to, NFTNL_EXPR_BYTEORDER_SREG, e->sreg);
	put_reg(to, NFTNL_EXPR_BYTEORDER_DREG, e->dreg);
	nftnl_expr_set_u32(to, NFTNL_EXPR_BYTEORDER_OP, e->op);
	nftnl_expr_set_u32(to, NFTNL_EXPR_BYTEORDER_LEN, e->len);
	nftnl_expr_set_u32(to, NFTNL_EXPR_BYTEORDER_SIZE, e->len);
}

static bool read_byteorder(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	e->sreg = word_of(from, NFTNL_EXPR_BYTEORDER_SREG);
	e->dreg = word_of(from, NFTNL_EXPR_BYTEORDER_DREG);
	e->op = (uint8_t)number(from, NFTNL_EXPR_BYTEORDER_OP);
	e->len = (uint8_t)number(from, NFTNL_EXPR_BYTEORDER_LEN);
	return fits(from, NFTNL_EXPR_BYTEORDER_OP, 1) &&
	       number(from, NFTNL_EXPR_BYTEORDER_SIZE) == number(from, NFTNL_EXPR_BYTEORDER_LEN) &&
	       (e->len == 2 || e->len == 4 || e->len == 8);
}

static void make_cmp(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	put_reg(to, NFTNL_EXPR_CMP_SREG, e->sreg);
	nftnl_expr_set_u32(to, NFTNL_EXPR_CMP_OP, e->op);
	nftnl_expr_set(to, NFTNL_EXPR_CMP_DATA, e->data, e->len);
}

static bool read_cmp(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	e->sreg = word_of(from, NFTNL_EXPR_CMP_SREG);
	e->op = (uint8_t)number(from, NFTNL_EXPR_CMP_OP);
	return fits(from, NFTNL_EXPR_CMP_OP, NFT_CMP_GTE) &&
	       take_data(from, NFTNL_EXPR_CMP_DATA, e->data, &e->len);
}

/* A map to verdicts is used as one only if its data goes to the verdict register; without a register it is a
 * set. What programs leave out is NL_LOOKUP_VERDICT here, which whoever knows the set puts in or takes off.
 */
static void make_lookup(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	put_reg(to, NFTNL_EXPR_LOOKUP_SREG, e->sreg);
	put_reg(to, NFTNL_EXPR_LOOKUP_DREG, e->dreg);
	if (e->reserved[0] == NL_LOOKUP_VERDICT)
		nftnl_expr_set_u32(to, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_str(to, NFTNL_EXPR_LOOKUP_SET, name);
	if (e->op)
		nftnl_expr_set_u32(to, NFTNL_EXPR_LOOKUP_FLAGS, e->op);
}

static bool read_lookup(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	e->sreg = word_of(from, NFTNL_EXPR_LOOKUP_SREG);
	e->dreg = word_of(from, NFTNL_EXPR_LOOKUP_DREG);
	if (nftnl_expr_is_set(from, NFTNL_EXPR_LOOKUP_DREG) && e->dreg == NFT_REG_NONE)
		e->reserved[0] = NL_LOOKUP_VERDICT;
	e->op = (uint8_t)number(from, NFTNL_EXPR_LOOKUP_FLAGS);
	*name = nftnl_expr_get_str(from, NFTNL_EXPR_LOOKUP_SET);
	return fits(from, NFTNL_EXPR_LOOKUP_FLAGS, 1);
}

/* An attribute that is not zero makes a rule that updates the time-out of its own. */
static void make_dynset(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	put_reg(to, NFTNL_EXPR_DYNSET_SREG_KEY, e->sreg);
	nftnl_expr_set_u32(to, NFTNL_EXPR_DYNSET_OP, e->op);
	nftnl_expr_set_str(to, NFTNL_EXPR_DYNSET_SET_NAME, name);
	if (e->rate)
		nftnl_expr_set_u64(to, NFTNL_EXPR_DYNSET_TIMEOUT, e->rate);
}

static int some_expr(struct nftnl_expr *e, void *some)
{
	*(bool *)some = true;
	return 0;
}

static bool read_dynset(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	const uint64_t timeout = nftnl_expr_is_set(from, NFTNL_EXPR_DYNSET_TIMEOUT)
					 ? nftnl_expr_get_u64(from, NFTNL_EXPR_DYNSET_TIMEOUT)
					 : 0;
	bool more = false;

	nftnl_expr_expr_foreach(from, some_expr, &more);
	e->sreg = word_of(from, NFTNL_EXPR_DYNSET_SREG_KEY);
	e->op = (uint8_t)number(from, NFTNL_EXPR_DYNSET_OP);
	e->rate = (uint32_t)timeout;
	*name = nftnl_expr_get_str(from, NFTNL_EXPR_DYNSET_SET_NAME);
	return !more && timeout <= UINT32_MAX && fits(from, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_DELETE) &&
	       !number(from, NFTNL_EXPR_DYNSET_SREG_DATA) && !number(from, NFTNL_EXPR_DYNSET_FLAGS);
}

static bool to_chain(int32_t verdict)
{
	return verdict == NFT_JUMP || verdict == NFT_GOTO;
}

/* NF_ACCEPT + 1 and NF_DROP + 1 make room for 0, which is no verdict. */
static void make_immediate(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	if (!e->verdict) {
		put_reg(to, NFTNL_EXPR_IMM_DREG, e->dreg);
		nftnl_expr_set(to, NFTNL_EXPR_IMM_DATA, e->data, e->len);
		return;
	}
	nftnl_expr_set_u32(to, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(to, NFTNL_EXPR_IMM_VERDICT,
			   (uint32_t)(e->verdict > 0 ? e->verdict - 1 : e->verdict));
	if (to_chain(e->verdict))
		nftnl_expr_set_str(to, NFTNL_EXPR_IMM_CHAIN, name);
}

static bool read_immediate(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	e->dreg = word_of(from, NFTNL_EXPR_IMM_DREG);
	if (!nftnl_expr_is_set(from, NFTNL_EXPR_IMM_VERDICT))
		return take_data(from, NFTNL_EXPR_IMM_DATA, e->data, &e->len);
	const int32_t verdict = (int32_t)nftnl_expr_get_u32(from, NFTNL_EXPR_IMM_VERDICT);
	e->verdict = verdict >= 0 ? verdict + 1 : verdict;
	if (to_chain(verdict))
		*name = nftnl_expr_get_str(from, NFTNL_EXPR_IMM_CHAIN);
	return verdict == 0 || verdict == 1 || verdict == NFT_RETURN || (to_chain(verdict) && *name);
}

static void make_log(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	nftnl_expr_set_u16(to, NFTNL_EXPR_LOG_GROUP, e->key);
	if (name && *name)
		nftnl_expr_set_str(to, NFTNL_EXPR_LOG_PREFIX, name);
	if (e->offset)
		nftnl_expr_set_u32(to, NFTNL_EXPR_LOG_SNAPLEN, e->offset);
	if (e->rate)
		nftnl_expr_set_u16(to, NFTNL_EXPR_LOG_QTHRESHOLD, (uint16_t)e->rate);
}

static bool read_log(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	if (!nftnl_expr_is_set(from, NFTNL_EXPR_LOG_GROUP) ||
	    (nftnl_expr_is_set(from, NFTNL_EXPR_LOG_FLAGS) && number(from, NFTNL_EXPR_LOG_FLAGS)))
		return false;
	e->key = nftnl_expr_get_u16(from, NFTNL_EXPR_LOG_GROUP);
	e->offset = number(from, NFTNL_EXPR_LOG_SNAPLEN);
	e->rate = nftnl_expr_is_set(from, NFTNL_EXPR_LOG_QTHRESHOLD)
			  ? nftnl_expr_get_u16(from, NFTNL_EXPR_LOG_QTHRESHOLD)
			  : 0;
	if (nftnl_expr_is_set(from, NFTNL_EXPR_LOG_PREFIX))
		*name = nftnl_expr_get_str(from, NFTNL_EXPR_LOG_PREFIX);
	return true;
}

static void make_limit(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	nftnl_expr_set_u64(to, NFTNL_EXPR_LIMIT_RATE, e->rate);
	nftnl_expr_set_u64(to, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(to, NFTNL_EXPR_LIMIT_BURST, e->offset);
	nftnl_expr_set_u32(to, NFTNL_EXPR_LIMIT_TYPE, e->key);
}

static bool read_limit(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	const uint64_t rate = nftnl_expr_get_u64(from, NFTNL_EXPR_LIMIT_RATE);

	e->rate = (uint32_t)rate;
	e->offset = number(from, NFTNL_EXPR_LIMIT_BURST);
	e->key = (uint16_t)number(from, NFTNL_EXPR_LIMIT_TYPE);
	return rate && rate <= UINT32_MAX && nftnl_expr_get_u64(from, NFTNL_EXPR_LIMIT_UNIT) == 1 &&
	       e->key == NFT_LIMIT_PKTS && !number(from, NFTNL_EXPR_LIMIT_FLAGS);
}

static void make_counter(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
}

static bool read_counter(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	return true;
}

static void make_objref(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	nftnl_expr_set_u32(to, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(to, NFTNL_EXPR_OBJREF_IMM_NAME, name);
}

static bool read_objref(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	if (number(from, NFTNL_EXPR_OBJREF_IMM_TYPE) != NFT_OBJECT_COUNTER)
		return false;
	*name = nftnl_expr_get_str(from, NFTNL_EXPR_OBJREF_IMM_NAME);
	return *name;
}

static void make_reject(struct nftnl_expr *to, const struct nft_expr *e, const char *name)
{
	nftnl_expr_set_u32(to, NFTNL_EXPR_REJECT_TYPE, e->op);
	nftnl_expr_set_u8(to, NFTNL_EXPR_REJECT_CODE, (uint8_t)e->key);
}

static bool read_reject(const struct nftnl_expr *from, struct nft_expr *e, const char **name)
{
	e->op = (uint8_t)number(from, NFTNL_EXPR_REJECT_TYPE);
	if (e->op != NFT_REJECT_TCP_RST)
		e->key = nftnl_expr_get_u8(from, NFTNL_EXPR_REJECT_CODE);
	return fits(from, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
}

/* --- the table ---------------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	void (*make)(struct nftnl_expr *to, const struct nft_expr *e, const char *name);
	bool (*read)(const struct nftnl_expr *from, struct nft_expr *e, const char **name);
} kinds[NFT_EXPR_UNKNOWN] = {
	[NFT_EXPR_META] = {"meta", make_meta, read_meta},
	[NFT_EXPR_PAYLOAD] = {"payload", make_payload, read_payload},
	[NFT_EXPR_EXTHDR] = {"exthdr", make_exthdr, read_exthdr},
	[NFT_EXPR_CT] = {"ct", make_ct, read_ct},
	[NFT_EXPR_BITWISE] = {"bitwise", make_bitwise, read_bitwise},
	[NFT_EXPR_BYTEORDER] = {"byteorder", make_byteorder, read_byteorder},
	[NFT_EXPR_CMP] = {"cmp", make_cmp, read_cmp},
	[NFT_EXPR_LOOKUP] = {"lookup", make_lookup, read_lookup},
	[NFT_EXPR_DYNSET] = {"dynset", make_dynset, read_dynset},
	[NFT_EXPR_IMMEDIATE] = {"immediate", make_immediate, read_immediate},
	[NFT_EXPR_LOG] = {"log", make_log, read_log},
	[NFT_EXPR_LIMIT] = {"limit", make_limit, read_limit},
	[NFT_EXPR_COUNTER] = {"counter", make_counter, read_counter},
	[NFT_EXPR_OBJREF] = {"objref", make_objref, read_objref},
	[NFT_EXPR_REJECT] = {"reject", make_reject, read_reject},
};

struct nftnl_expr *nl_expr_make(const struct nft_expr *e, const char *name)
{
	struct nftnl_expr *to = e->kind < NFT_EXPR_UNKNOWN ? nftnl_expr_alloc(kinds[e->kind].word) : NULL;

	if (to)
		kinds[e->kind].make(to, e, name);
	return to;
}

bool nl_expr_read(const struct nftnl_expr *from, struct nft_expr *out, const char **name)
{
	const struct nft_expr none = {.sreg = NFT_REG_NONE, .dreg = NFT_REG_NONE};
	const char *word = nftnl_expr_get_str(from, NFTNL_EXPR_NAME);

	for (uint8_t kind = 0; word && kind < NFT_EXPR_UNKNOWN; kind++) {
		*out = none;
		out->kind = kind;
		*name = NULL;
		if (!strcmp(word, kinds[kind].word) && kinds[kind].read(from, out, name))
			return true;
	}
	*out = none;
	out->kind = NFT_EXPR_UNKNOWN;
	*name = word;
	return false;
}
