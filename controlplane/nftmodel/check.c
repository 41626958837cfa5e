/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Judge a program: shape first (header, sections, names), then content, each check relying on those before
 * it, and the checksum last. Time linear in the size but for look-ups of names; memory: one bit per byte of
 * names. No state; any thread.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>

#include "image_check.h"
#include "inside.h"

_Static_assert(sizeof(struct nft_edge) == 16, "layout");
_Static_assert(sizeof(struct nft_table) == 32, "layout");
_Static_assert(sizeof(struct nft_set) == 56, "layout");
_Static_assert(sizeof(struct nft_element) == 112, "layout");
_Static_assert(sizeof(struct nft_chain) == 36, "layout");
_Static_assert(sizeof(struct nft_program) % 8 == 0, "layout");
_Static_assert(NFT_INTERVALS == NFT_SET_INTERVAL && NFT_MAPS == NFT_SET_MAP, "as the kernel");

#define SET_FLAGS      0x1ffu
#define NAMED_FLAGS    (NFT_VERSIONED | NFT_VOLATILE | NFT_FOREIGN)
#define DECISION_FLAGS (DECISION_ALLOW | DECISION_INTENDED_ALLOW | DECISION_REJECT | DECISION_LOG_ALWAYS)
#define HOOKS          6u
#define N(array)       (sizeof(array) / sizeof(array)[0])

struct judge {
	const struct nft_program *p;
	uint8_t *used; /* a bit per byte of names: a name that begins there was meant by something */
	const struct nft_table *table;
};

static bool all_zero(const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= at[i];
	return !any;
}

uint64_t nft_program_crc(const struct nft_program *p)
{
	static const uint64_t zero;
	const size_t at = offsetof(struct nft_program, crc64), rest = at + sizeof zero;
	uint64_t crc = crc64(crc64(0, p, at), &zero, sizeof zero);

	return crc64(crc, (const char *)p + rest, p->size - rest);
}

/* --- header, box, sections ---------------------------------------------------------------------------- */

static const char *check_header(const struct nft_program *p, size_t size)
{
	if ((uintptr_t)p % 8)
		return "program: not aligned in memory";
	if (size < sizeof *p)
		return "program: shorter than its header";
	if (size > NFT_PROGRAM_SIZE_MAX)
		return "program: larger than any program may be";
	if (memcmp(p->magic, NFT_PROGRAM_MAGIC, sizeof p->magic))
		return "program: not a kernel program";
	if (p->abi != NFT_PROGRAM_ABI)
		return "program: made for another version";
	if (p->size != size)
		return "program: size differs from its header";
	return NULL;
}

/* NUL-terminated in its room, zero behind; of the characters that names may have. */
static bool device_good(const char *text, size_t room)
{
	const size_t n = strnlen(text, room);

	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			return false;
	return n < room && all_zero(text + n, room - n);
}

static bool port_good(const struct nft_box_port *port)
{
	if (!device_good(port->name, sizeof port->name) || !device_good(port->device, sizeof port->device))
		return false;
	for (uint32_t i = 0; i < NFT_VLANS_MAX; i++)
		if (port->vlans[i] > DP_PROBE_DOMAIN || (i >= port->n_vlans && port->vlans[i]))
			return false;
	return port->vlan <= DP_PROBE_DOMAIN && port->n_vlans <= NFT_VLANS_MAX && port->outside <= 1 &&
	       port->trunk <= 1 && all_zero(port->reserved, sizeof port->reserved);
}

static bool address_good(const struct nft_box_address *a)
{
	if (a->reserved[0] || a->reserved[1] || a->reserved[2])
		return false;
	return a->family == 6 || (a->family == 4 && all_zero(a->addr + 4, sizeof a->addr - 4));
}

static const char *check_box(struct judge *j)
{
	const struct nft_box *box = &j->p->box;

	if (box->layout > NFT_LAYOUT_BRCT || box->planes & ~(uint32_t)(NFT_PLANE_FORWARD | NFT_PLANE_HOST) ||
	    box->reserved)
		return "program: box: layout or planes out of range";
	if (!device_good(box->bridge, sizeof box->bridge))
		return "program: box: bad name of the bridge";
	if (box->n_ports > NFT_PORTS_MAX || box->n_management > NFT_MANAGEMENT_MAX)
		return "program: box: too many ports or addresses";
	for (uint32_t i = 0; i < NFT_PORTS_MAX; i++)
		if (i < box->n_ports ? !port_good(&box->port[i])
				     : !all_zero(&box->port[i], sizeof box->port[i]))
			return "program: box: bad port";
	for (uint32_t i = 0; i < NFT_MANAGEMENT_MAX; i++)
		if (i < box->n_management ? !address_good(&box->management[i])
					  : !all_zero(&box->management[i], sizeof box->management[i]))
			return "program: box: bad management address";
	return NULL;
}

static const struct {
	size_t at, element;
} sections[] = {
#define X(section, type) {offsetof(struct nft_program, section), sizeof(type)},
	NFT_SECTIONS(X)
#undef X
};

static const char *check_sections(struct judge *j)
{
	const struct nft_program *p = j->p;
	uint64_t next = sizeof *p;

	if (!all_zero((const char *)p + NFT_HEADER_USED, sizeof *p - NFT_HEADER_USED))
		return "program: header: padding is set";
	for (size_t i = 0; i < N(sections); i++) {
		struct image_section s;

		memcpy(&s, (const char *)p + sections[i].at, sizeof s);
		if (s.offset != next)
			return "program: section misplaced";
		const uint64_t end = next + s.count * (uint64_t)sections[i].element;
		next = nft_aligned(end);
		if (next > p->size)
			return "program: section beyond the end";
		if (!all_zero((const char *)p + end, next - end))
			return "program: something between two sections";
	}
	return next == p->size ? NULL : "program: something behind the last section";
}

/* --- names -------------------------------------------------------------------------------------------- */

static bool name_text_good(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			return false;
	return n > 0 && n < NFT_NAME_MAX;
}

/* Ascending, so that names compare as their offsets do. */
static const char *check_names(struct judge *j)
{
	const char *names = nft_namess(j->p), *before = names;
	const uint32_t count = j->p->names.count;

	if (!count || names[0] || names[count - 1])
		return "program: names do not begin or end with NUL";
	for (uint32_t at = 1; at < count;) {
		const size_t n = strlen(names + at);

		if (!name_text_good(names + at, n))
			return "program: bad name";
		if (strcmp(before, names + at) >= 0)
			return "program: names not ascending";
		before = names + at;
		at += (uint32_t)n + 1;
	}
	return NULL;
}

/* Notes that the name is used. */
static bool name_good(struct judge *j, nft_name name)
{
	if (name >= j->p->names.count || (name && nft_namess(j->p)[name - 1]))
		return false;
	j->used[name / 8] |= (uint8_t)(1u << name % 8);
	return true;
}

static const char *check_names_used(struct judge *j)
{
	const char *names = nft_namess(j->p);

	for (uint32_t at = 1; at < j->p->names.count; at += (uint32_t)strlen(names + at) + 1)
		if (!(j->used[at / 8] >> at % 8 & 1))
			return "program: a name that nothing has";
	return NULL;
}

/* --- schedule and decisions --------------------------------------------------------------------------- */

static const char *check_edges(struct judge *j)
{
	const struct nft_edge *edge = nft_edges(j->p);

	if (!j->p->edge.count || edge[0].from_utc != INT64_MIN)
		return "program: schedule does not begin at the beginning of time";
	for (uint32_t i = 0; i < j->p->edge.count; i++) {
		if (i && edge[i].from_utc <= edge[i - 1].from_utc)
			return "program: schedule not ascending";
		if (edge[i].model >= j->p->model.count)
			return "program: schedule: model out of range";
		if (edge[i].reserved)
			return "program: schedule: reserved field is set";
	}
	return NULL;
}

static const char *check_decision(const struct image_decision *d)
{
	if (d->flags & ~DECISION_FLAGS)
		return "program: decision: unknown flag";
	if (d->reason >= REASON_COUNT || reason_stage(d->reason) != REASON_STAGE_POLICY ||
	    d->intended_reason >= REASON_COUNT || reason_stage(d->intended_reason) != REASON_STAGE_POLICY)
		return "program: decision: no reason of the policy";
	if (d->flags & DECISION_ALLOW && d->rule == RULE_DEFAULT_DENY)
		return "program: decision: allow without a rule";
	if (d->obligations || !all_zero(d->reserved, sizeof d->reserved))
		return "program: decision: reserved field is set";
	return NULL;
}

static const char *check_decisions(struct judge *j)
{
	const struct image_decision *d = nft_decisions(j->p);
	const char *error = NULL;

	if (j->p->decision.count > NFT_CLASS_MAX)
		return "program: more decisions than there are classes";
	if (j->p->decision.count && (d[0].rule != RULE_DEFAULT_DENY || d[0].flags & DECISION_ALLOW))
		return "program: decision 0 is not default-deny";
	for (uint32_t i = 0; !error && i < j->p->decision.count; i++)
		error = check_decision(&d[i]);
	return error;
}

/* --- sets --------------------------------------------------------------------------------------------- */

static bool fields_good(const struct nft_set *s)
{
	uint32_t len = 0;

	if (!s->n_fields || s->n_fields > NFT_FIELDS_MAX)
		return false;
	if (s->n_fields == 1)
		return s->key_len && s->key_len <= NFT_KEY_MAX && all_zero(s->field_len, sizeof s->field_len);
	for (uint32_t i = 0; i < sizeof s->field_len; i++) {
		if ((i < s->n_fields) != (s->field_len[i] != 0))
			return false;
		len += nft_padded(s->field_len[i]);
	}
	return len == s->key_len && len <= NFT_KEY_MAX;
}

static const char *check_set(const struct nft_set *s)
{
	const uint32_t d = s->data_len;

	if (s->flags & ~SET_FLAGS || s->named & ~(uint32_t)NAMED_FLAGS)
		return "program: set: unknown flag";
	if (!fields_good(s))
		return "program: set: fields do not make the key";
	if (s->flags & NFT_SET_MAP ? d != 2 && d != 4 && d != 16 : d || s->data_type)
		return "program: set: length of data out of range";
	if (!s->size || s->element_count > s->size)
		return "program: set: more elements than its size";
	return NULL;
}

/* Padding of fields and what lies behind the key. */
static bool key_padding_zero(const struct nft_set *s, const uint8_t *key)
{
	uint32_t at = 0;

	for (uint32_t i = 0; s->n_fields > 1 && i < s->n_fields; i++) {
		const uint32_t len = s->field_len[i];

		if (!all_zero(key + at + len, nft_padded(len) - len))
			return false;
		at += nft_padded(len);
	}
	return all_zero(key + s->key_len, NFT_KEY_MAX - s->key_len);
}

static bool range_good(const struct nft_set *s, const struct nft_element *e)
{
	uint32_t at = 0;

	if (!nft_ranged(s))
		return !memcmp(e->key, e->key_end, sizeof e->key);
	if (s->n_fields == 1)
		return memcmp(e->key, e->key_end, s->key_len) <= 0;
	for (uint32_t i = 0; i < s->n_fields; i++) {
		if (memcmp(e->key + at, e->key_end + at, s->field_len[i]) > 0)
			return false;
		at += nft_padded(s->field_len[i]);
	}
	return true;
}

static const struct nft_chain *chain_named(const struct judge *j, nft_name name)
{
	const struct nft_chain *chain = nft_chains(j->p) + j->table->chain_first;
	uint32_t low = 0, high = j->table->chain_count;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (chain[middle].name < name)
			low = middle + 1;
		else
			high = middle;
	}
	return low < j->table->chain_count && chain[low].name == name ? &chain[low] : NULL;
}

static const struct nft_set *set_named(const struct judge *j, nft_name name)
{
	const struct nft_set *set = nft_sets(j->p) + j->table->set_first;
	uint32_t low = 0, high = j->table->set_count;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (set[middle].name < name)
			low = middle + 1;
		else
			high = middle;
	}
	return low < j->table->set_count && set[low].name == name ? &set[low] : NULL;
}

static bool jumps(int32_t verdict)
{
	return verdict == NFT_JUMP || verdict == NFT_GOTO;
}

/* A chain that rules may lead to. */
static bool target_good(struct judge *j, nft_name name)
{
	if (!name || !name_good(j, name))
		return false;
	const struct nft_chain *chain = chain_named(j, name);
	return chain && !chain->base;
}

static const char *check_data(struct judge *j, const struct nft_set *s, const struct nft_element *e)
{
	const uint32_t most = s->data_len == 4 ? UINT32_MAX : s->data_len == 2 ? UINT16_MAX : 0;

	if (s->data_len != 16)
		return e->data > most || e->verdict || e->chain ? "program: element: data out of range"
								: NULL;
	if (e->verdict == 0)
		return e->data > 1 || e->chain ? "program: element: verdict out of range" : NULL;
	if (e->data || !jumps(e->verdict))
		return "program: element: verdict out of range";
	return target_good(j, e->chain) ? NULL : "program: element: no such chain";
}

static const char *check_element(struct judge *j, const struct nft_set *s, const struct nft_element *e,
				 bool first)
{
	if (!key_padding_zero(s, e->key) || !key_padding_zero(s, e->key_end) || e->reserved)
		return "program: element: padding is set";
	if (!range_good(s, e))
		return "program: element: ends before it begins";
	if (!first && nft_element_order(s, e - 1, e) >= 0)
		return "program: elements not ascending";
	if (!first && nft_ranged(s) && !nft_boxed(s) && memcmp(e[-1].key_end, e->key, s->key_len) >= 0)
		return "program: elements overlap";
	return check_data(j, s, e);
}

static const char *check_sets(struct judge *j)
{
	const struct nft_set *set = nft_sets(j->p) + j->table->set_first;
	const char *error = NULL;

	for (uint32_t i = 0; !error && i < j->table->set_count; i++) {
		const struct nft_element *e = nft_elements(j->p) + set[i].element_first;

		if (!set[i].name || !name_good(j, set[i].name) || (i && set[i].name <= set[i - 1].name))
			return "program: set: bad name, or not ascending";
		error = check_set(&set[i]);
		for (uint32_t k = 0; !error && k < set[i].element_count; k++)
			error = check_element(j, &set[i], &e[k], k == 0);
	}
	return error;
}

/* --- expressions -------------------------------------------------------------------------------------- */

/* Which fields a kind of expression uses; all others are zero, unused registers NFT_REG_NONE. */
enum use {
	SREG = 1 << 0,
	DREG = 1 << 1,
	EITHER = 1 << 2, /* one of both registers: it reads or it writes */
	OP = 1 << 3,
	BASE = 1 << 4,
	LEN = 1 << 5,
	KEY = 1 << 6,
	OFFSET = 1 << 7,
	NAME = 1 << 8,
	RATE = 1 << 9,
	DATA = 1 << 10,
	XOR = 1 << 11,
	VERDICT = 1 << 12,
};

static const struct {
	uint16_t uses;
	uint8_t most_op, most_base, most_len;
} kinds[NFT_EXPR_KINDS] = {
	[NFT_EXPR_META] = {EITHER | KEY, 0, 0, 0},
	[NFT_EXPR_PAYLOAD] = {DREG | BASE | LEN | OFFSET, 0, 4, 64},
	[NFT_EXPR_EXTHDR] = {DREG | OP | BASE | LEN | KEY | OFFSET, 1, 4, 64},
	[NFT_EXPR_CT] = {EITHER | BASE | KEY, 0, 2, 0},
	[NFT_EXPR_BITWISE] = {SREG | DREG | LEN | DATA | XOR, 0, 0, 16},
	[NFT_EXPR_BYTEORDER] = {SREG | DREG | OP | LEN, 1, 0, 8},
	[NFT_EXPR_CMP] = {SREG | OP | LEN | DATA, NFT_CMP_GTE, 0, 16},
	[NFT_EXPR_LOOKUP] = {SREG | DREG | OP | NAME, 1, 0, 0},
	[NFT_EXPR_DYNSET] = {SREG | OP | NAME | RATE, NFT_DYNSET_OP_DELETE, 0, 0},
	[NFT_EXPR_IMMEDIATE] = {DREG | LEN | DATA | NAME | VERDICT, 0, 0, 16},
	[NFT_EXPR_LOG] = {KEY | OFFSET | NAME | RATE, 0, 0, 0},
	[NFT_EXPR_LIMIT] = {KEY | OFFSET | RATE, 0, 0, 0},
	[NFT_EXPR_COUNTER] = {0, 0, 0, 0},
	[NFT_EXPR_OBJREF] = {NAME, 0, 0, 0},
	[NFT_EXPR_REJECT] = {OP | KEY, NFT_REJECT_ICMPX_UNREACH, 0, 0},
	[NFT_EXPR_UNKNOWN] = {NAME, 0, 0, 0},
};

/* A register, with `len` bytes from it on inside the sixteen words. */
static bool register_good(uint8_t reg, uint32_t len)
{
	return reg < 16 && reg * 4u + len <= 64;
}

static const char *check_registers(const struct nft_expr *e, uint16_t uses)
{
	const uint32_t len = e->len ? e->len : 1;
	const bool s = e->sreg != NFT_REG_NONE, d = e->dreg != NFT_REG_NONE;

	if ((s && !register_good(e->sreg, len)) || (d && !register_good(e->dreg, len)))
		return "program: expression: register out of range";
	if (uses & EITHER ? s == d : (s && !(uses & SREG)) || (d && !(uses & DREG)))
		return "program: expression: a register that it does not use";
	/* look-ups may and verdicts do go without */
	if ((uses & SREG && !s) || (uses & DREG && !d && !(uses & NAME)))
		return "program: expression: register is missing";
	return NULL;
}

static const char *check_unused(const struct nft_expr *e, uint16_t uses)
{
	const bool set = (!(uses & KEY) && e->key) || (!(uses & OFFSET) && e->offset) ||
			 (!(uses & NAME) && e->name) || (!(uses & RATE) && e->rate) ||
			 (!(uses & VERDICT) && e->verdict) || !all_zero(e->reserved, sizeof e->reserved);

	if (set)
		return "program: expression: a field that it does not use";
	const size_t data = uses & DATA ? e->len : 0, xor = uses &XOR ? e->len : 0;
	if (!all_zero(e->data + data, sizeof e->data - data) || !all_zero(e->xor +xor, sizeof e->xor -xor))
		return "program: expression: data beyond its length";
	return NULL;
}

static const char *check_lookup(struct judge *j, const struct nft_expr *e)
{
	const struct nft_set *s = set_named(j, e->name);

	if (!e->name || !s)
		return "program: expression: no such set";
	if (e->sreg * 4u + nft_padded(s->key_len) > 64)
		return "program: expression: register out of range";
	if (e->kind == NFT_EXPR_DYNSET)
		return s->flags & NFT_SET_EVAL ? NULL : "program: expression: no dynamic set";
	if (e->dreg != NFT_REG_NONE && (!(s->flags & NFT_SET_MAP) || s->data_len == 16 || e->op))
		return "program: expression: look-up of what the set does not hold";
	return NULL;
}

static const char *check_immediate(struct judge *j, const struct nft_expr *e)
{
	const bool fixed =
		e->verdict == NF_ACCEPT + 1 || e->verdict == NF_DROP + 1 || e->verdict == NFT_RETURN;

	if (!e->verdict)
		return e->dreg == NFT_REG_NONE || !e->len || e->name ? "program: expression: bad immediate"
								     : NULL;
	if (e->dreg != NFT_REG_NONE || e->len || (!fixed && !jumps(e->verdict)) || (fixed && e->name))
		return "program: expression: bad verdict";
	return fixed || target_good(j, e->name) ? NULL : "program: expression: no such chain";
}

static bool counter_exists(const struct judge *j, nft_name name)
{
	const struct nft_counter *counter = nft_counters(j->p) + j->table->counter_first;

	for (uint32_t i = 0; i < j->table->counter_count; i++)
		if (counter[i].name == name)
			return true;
	return false;
}

static const char *check_kind(struct judge *j, const struct nft_expr *e)
{
	switch (e->kind) {
	case NFT_EXPR_LOOKUP:
	case NFT_EXPR_DYNSET:
		return check_lookup(j, e);
	case NFT_EXPR_IMMEDIATE:
		return check_immediate(j, e);
	case NFT_EXPR_BYTEORDER:
		return e->len == 2 || e->len == 4 || e->len == 8 ? NULL : "program: expression: bad length";
	case NFT_EXPR_LIMIT:
		return e->rate && e->key == NFT_LIMIT_PKTS ? NULL : "program: expression: bad limit";
	case NFT_EXPR_OBJREF:
		return e->name && counter_exists(j, e->name) ? NULL : "program: expression: no such counter";
	case NFT_EXPR_META:
	case NFT_EXPR_CT:
		return e->key <= UINT8_MAX ? NULL : "program: expression: key out of range";
	default:
		return NULL;
	}
}

static const char *check_expr(struct judge *j, const struct nft_expr *e)
{
	const char *error;

	if (e->kind >= NFT_EXPR_KINDS)
		return "program: expression: unknown kind";
	const uint16_t uses = kinds[e->kind].uses;
	if (e->op > kinds[e->kind].most_op || e->base > kinds[e->kind].most_base ||
	    e->len > kinds[e->kind].most_len || (uses & LEN && !(uses & VERDICT) && !e->len))
		return "program: expression: operation, base or length out of range";
	if (!name_good(j, e->name))
		return "program: expression: bad name";
	error = check_registers(e, uses);
	if (!error)
		error = check_unused(e, uses);
	return error ? error : check_kind(j, e);
}

/* --- chains, counters --------------------------------------------------------------------------------- */

static const char *check_chain(struct judge *j, const struct nft_chain *c)
{
	if (c->named & ~(uint32_t)NAMED_FLAGS || c->base > 1)
		return "program: chain: unknown flag";
	if (!name_good(j, c->device) || (c->device && j->table->family != NFT_NETDEV))
		return "program: chain: bad device";
	if (c->base ? c->hook >= HOOKS || c->policy > NF_ACCEPT
		    : c->hook || c->priority || c->policy || c->device)
		return "program: chain: hook or policy out of range";
	return NULL;
}

static const char *check_chains(struct judge *j)
{
	const struct nft_chain *chain = nft_chains(j->p) + j->table->chain_first;
	const char *error = NULL;

	for (uint32_t i = 0; !error && i < j->table->chain_count; i++) {
		if (!chain[i].name || !name_good(j, chain[i].name) ||
		    (i && chain[i].name <= chain[i - 1].name))
			return "program: chain: bad name, or not ascending";
		error = check_chain(j, &chain[i]);
	}
	return error;
}

static const char *check_rules(struct judge *j)
{
	const struct nft_chain *chain = nft_chains(j->p) + j->table->chain_first;
	const char *error = NULL;

	for (uint32_t i = 0; i < j->table->chain_count; i++) {
		const struct nft_rule *rule = nft_rules(j->p) + chain[i].rule_first;

		for (uint32_t r = 0; r < chain[i].rule_count; r++) {
			const struct nft_expr *e = nft_exprs(j->p) + rule[r].expr_first;

			if (!rule[r].expr_count)
				return "program: rule without expressions";
			for (uint32_t k = 0; k < rule[r].expr_count; k++)
				if ((error = check_expr(j, &e[k])))
					return error;
		}
	}
	return NULL;
}

static const char *check_counters(struct judge *j)
{
	const struct nft_counter *counter = nft_counters(j->p) + j->table->counter_first;

	for (uint32_t i = 0; i < j->table->counter_count; i++)
		if (!counter[i].name || !name_good(j, counter[i].name) ||
		    (i && counter[i].name <= counter[i - 1].name))
			return "program: counter: bad name, or not ascending";
	return NULL;
}

/* --- who owns what ------------------------------------------------------------------------------------ */

/* Each owner's part follows that of the owner before it, and all of the section is somebody's. */
#define OWNED(owners, owner_type, member, section)                                                           \
	static const char *owned_##section(const struct nft_program *p)                                      \
	{                                                                                                    \
		const owner_type *owner = owners(p);                                                         \
		uint64_t next = 0;                                                                           \
                                                                                                             \
		for (uint32_t i = 0; i < p->member.count; i++) {                                             \
			if (owner[i].section##_first != next)                                                \
				return "program: " #section "s are not each of one owner, in order";         \
			next += owner[i].section##_count;                                                    \
		}                                                                                            \
		return next == p->section.count ? NULL : "program: " #section "s of nobody, or missing";     \
	}
OWNED(nft_models, struct nft_model, model, table)
OWNED(nft_tables, struct nft_table, table, set)
OWNED(nft_tables, struct nft_table, table, chain)
OWNED(nft_tables, struct nft_table, table, counter)
OWNED(nft_sets, struct nft_set, set, element)
OWNED(nft_chains, struct nft_chain, chain, rule)
OWNED(nft_rules, struct nft_rule, rule, expr)

static const char *check_owned(struct judge *j)
{
	static const char *(*const owned[])(const struct nft_program *) = {
		owned_table, owned_set, owned_chain, owned_counter, owned_element, owned_rule, owned_expr,
	};
	const char *error = NULL;

	if (!j->p->model.count)
		return "program: no model";
	for (size_t i = 0; !error && i < N(owned); i++)
		error = owned[i](j->p);
	return error;
}

static const char *check_table(struct judge *j, const struct nft_table *t, bool first)
{
	/* chains before what leads to them */
	static const char *(*const checks[])(struct judge *) = {check_chains, check_sets, check_counters,
								check_rules};
	const char *error = NULL;

	if (t->family != NFT_INET && t->family != NFT_NETDEV && t->family != NFT_BRIDGE)
		return "program: table: family out of range";
	if (!name_good(j, t->name) || strcmp(nft_text(j->p, t->name), NFT_TABLE))
		return "program: table: not ours";
	if (!first && t->family <= t[-1].family)
		return "program: tables not ascending";
	j->table = t;
	for (size_t i = 0; !error && i < N(checks); i++)
		error = checks[i](j);
	return error;
}

static const char *check_tables(struct judge *j)
{
	const struct nft_model *model = nft_models(j->p);
	const char *error = NULL;

	for (uint32_t m = 0; m < j->p->model.count; m++)
		for (uint32_t i = 0; !error && i < model[m].table_count; i++)
			error = check_table(j, nft_tables(j->p) + model[m].table_first + i, i == 0);
	return error;
}

static const char *check_content(struct judge *j)
{
	/* in this order: each may rely on those before it */
	static const char *(*const checks[])(struct judge *) = {
		check_names, check_owned, check_edges, check_decisions, check_tables, check_names_used,
	};
	const char *error = NULL;

	j->used = calloc(j->p->names.count / 8 + 1, 1);
	if (!j->used)
		return "program: out of memory";
	for (size_t i = 0; !error && i < N(checks); i++)
		error = checks[i](j);
	free(j->used);
	return error;
}

const char *nft_program_check(const void *bytes, size_t size)
{
	struct judge j = {.p = bytes};
	const char *error = check_header(bytes, size);

	if (!error)
		error = check_box(&j);
	if (!error)
		error = check_sections(&j);
	if (!error)
		error = check_content(&j);
	if (!error && j.p->crc64 != nft_program_crc(j.p))
		error = "program: damaged (checksum differs)";
	return error;
}
