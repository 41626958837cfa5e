/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rule in nft(8)'s text: the expressions are followed through the registers, each of which holds the words
 * for its value; conditions and statements come out as clauses. A condition that only says which protocol a
 * later field is of is left out, as nft does.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>

#include "inside.h"
#include "sets.h"
#include "text.h"

#define WORDS     400u
#define CLAUSES   64u
#define REGISTERS 16u

enum layer { LAYER_LINK, LAYER_NETWORK, LAYER_TRANSPORT, LAYERS };

struct reg {
	char words[WORDS];
	uint8_t type, len;
	bool host, constant, masked;
	uint8_t data[16]; /* constant, or mask */
	uint8_t proves;   /* layer + 1 whose protocol a comparison with it says */
};

struct walk {
	const struct nft_program *p;
	const struct nft_table *table;
	struct reg reg[REGISTERS];
	uint32_t protocol[LAYERS]; /* ethertype, ethertype, protocol; 0: unknown */
	int proof[LAYERS];         /* clause that says so; -1: none */
	char clause[CLAUSES][WORDS];
	uint32_t n;
};

/* The next clause, or the last one again if a hostile rule has too many. */
static char *clause(struct walk *w)
{
	return w->clause[w->n < CLAUSES ? w->n++ : CLAUSES - 1];
}

/* --- loads -------------------------------------------------------------------------------------------- */

struct term {
	uint16_t key;
	uint8_t type, len;
	bool host;
	uint8_t proves;
	const char *words;
};

static const struct term metas[] = {
	{NFT_META_PROTOCOL, TYPE_ETHERTYPE, 2, false, LAYER_NETWORK + 1, "meta protocol"},
	{NFT_META_PRIORITY, TYPE_CLASSID, 4, true, 0, "meta priority"},
	{NFT_META_MARK, TYPE_MARK, 4, true, 0, "meta mark"},
	{NFT_META_IIFNAME, TYPE_IFNAME, 16, false, 0, "iifname"},
	{NFT_META_OIFNAME, TYPE_IFNAME, 16, false, 0, "oifname"},
	{NFT_META_NFPROTO, TYPE_NFPROTO, 1, false, LAYER_NETWORK + 1, "meta nfproto"},
	{NFT_META_L4PROTO, TYPE_PROTO, 1, false, LAYER_TRANSPORT + 1, "meta l4proto"},
};
static const struct term cts[] = {
	{NFT_CT_STATE, TYPE_CT_STATE, 4, true, 0, "ct state"},
	{NFT_CT_DIRECTION, TYPE_CT_DIRECTION, 1, false, 0, "ct direction"},
	{NFT_CT_MARK, TYPE_MARK, 4, true, 0, "ct mark"},
	{NFT_CT_ZONE, TYPE_INTEGER, 2, true, 0, "ct zone"},
	{NFT_CT_SRC_IP, TYPE_IP4, 4, false, 0, "ip saddr"},
	{NFT_CT_DST_IP, TYPE_IP4, 4, false, 0, "ip daddr"},
	{NFT_CT_SRC_IP6, TYPE_IP6, 16, false, 0, "ip6 saddr"},
	{NFT_CT_DST_IP6, TYPE_IP6, 16, false, 0, "ip6 daddr"},
};

/* Fields of headers. `protocol` 0: of any. */
static const struct header_field {
	uint8_t base;
	uint32_t protocol;
	uint32_t offset;
	uint8_t len, type;
	const char *words;
} payloads[] = {
	{NFT_PAYLOAD_LL_HEADER, 0, 0, 6, TYPE_ETHER, "ether daddr"},
	{NFT_PAYLOAD_LL_HEADER, 0, 6, 6, TYPE_ETHER, "ether saddr"},
	{NFT_PAYLOAD_LL_HEADER, 0, 12, 2, TYPE_ETHERTYPE, "ether type"},
	{NFT_PAYLOAD_LL_HEADER, 0x8100, 14, 2, TYPE_INTEGER, "vlan id"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0806, 0, 2, TYPE_INTEGER, "arp htype"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0806, 2, 2, TYPE_ETHERTYPE, "arp ptype"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0806, 4, 1, TYPE_INTEGER, "arp hlen"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0806, 5, 1, TYPE_INTEGER, "arp plen"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0806, 6, 2, TYPE_ARPOP, "arp operation"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0806, 8, 6, TYPE_ETHER, "arp saddr ether"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0806, 14, 4, TYPE_IP4, "arp saddr ip"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0806, 24, 4, TYPE_IP4, "arp daddr ip"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0800, 0, 1, TYPE_INTEGER, "ip hdrlength"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0800, 6, 2, TYPE_INTEGER, "ip frag-off"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0800, 9, 1, TYPE_PROTO, "ip protocol"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0800, 12, 4, TYPE_IP4, "ip saddr"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x0800, 16, 4, TYPE_IP4, "ip daddr"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x86dd, 4, 2, TYPE_INTEGER, "ip6 length"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x86dd, 6, 1, TYPE_PROTO, "ip6 nexthdr"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x86dd, 7, 1, TYPE_INTEGER, "ip6 hoplimit"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x86dd, 8, 16, TYPE_IP6, "ip6 saddr"},
	{NFT_PAYLOAD_NETWORK_HEADER, 0x86dd, 24, 16, TYPE_IP6, "ip6 daddr"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 6, 0, 2, TYPE_SERVICE, "tcp sport"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 6, 2, 2, TYPE_SERVICE, "tcp dport"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 6, 13, 1, TYPE_TCP_FLAGS, "tcp flags"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 17, 0, 2, TYPE_SERVICE, "udp sport"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 17, 2, 2, TYPE_SERVICE, "udp dport"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 1, 0, 1, TYPE_ICMP, "icmp type"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 1, 1, 1, TYPE_INTEGER, "icmp code"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 1, 6, 2, TYPE_INTEGER, "icmp mtu"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 58, 0, 1, TYPE_ICMP6, "icmpv6 type"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 58, 1, 1, TYPE_INTEGER, "icmpv6 code"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 58, 4, 4, TYPE_INTEGER, "icmpv6 mtu"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 0, 0, 2, TYPE_SERVICE, "th sport"},
	{NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, 2, TYPE_SERVICE, "th dport"},
};

#define N(array) (sizeof(array) / sizeof(array)[0])

static void set_register(struct walk *w, uint8_t reg, const struct term *term, const char *before)
{
	struct reg *r = &w->reg[reg];

	*r = (struct reg){.type = term->type, .len = term->len, .host = term->host, .proves = term->proves};
	snprintf(r->words, sizeof r->words, "%s%s", before, term->words);
}

static void load_key(struct walk *w, const struct nft_expr *e, const struct term *terms, size_t n,
		     const char *what)
{
	static const char *const directions[] = {"", "ct original ", "ct reply "};
	struct term other = {.type = TYPE_INTEGER, .len = 4, .words = what};

	for (size_t i = 0; i < n; i++)
		if (terms[i].key == e->key)
			other = terms[i];
	set_register(w, e->dreg, &other, directions[e->kind == NFT_EXPR_CT ? e->base : 0]);
}

/* The field needs that its protocol was said: nft says it by itself. */
static void forget_proof(struct walk *w, enum layer layer)
{
	if (w->proof[layer] >= 0)
		w->clause[w->proof[layer]][0] = '\0';
	w->proof[layer] = -1;
}

static void load_payload(struct walk *w, const struct nft_expr *e)
{
	static const char *const bases[] = {"ll", "nh", "th", "ih", "ih"};
	const enum layer layer = e->base < LAYERS ? (enum layer)e->base : LAYER_TRANSPORT;
	struct term raw = {.type = TYPE_INTEGER, .len = e->len};
	char words[48];

	for (size_t i = 0; i < N(payloads); i++) {
		const struct header_field *f = &payloads[i];

		if (f->base != e->base || f->offset != e->offset || f->len != e->len ||
		    (f->protocol && f->protocol != w->protocol[layer]))
			continue;
		raw.type = f->type;
		raw.words = f->words;
		set_register(w, e->dreg, &raw, "");
		if (f->protocol)
			forget_proof(w, layer);
		return;
	}
	snprintf(words, sizeof words, "@%s,%u,%u", bases[e->base], e->offset * 8u, e->len * 8u);
	raw.words = words;
	set_register(w, e->dreg, &raw, "");
}

static void load_option(struct walk *w, const struct nft_expr *e)
{
	static const struct {
		uint16_t key;
		const char *word;
	} options[] = {{7, "rr"}, {131, "lsrr"}, {137, "ssrr"}, {148, "ra"}};
	struct term term = {.type = TYPE_INTEGER, .len = 1, .words = "exthdr"};

	for (size_t i = 0; i < N(options) && e->base == NFT_EXTHDR_OP_IPV4; i++)
		if (options[i].key == e->key)
			term.words = options[i].word;
	set_register(w, e->dreg, &term, e->base == NFT_EXTHDR_OP_IPV4 ? "ip option " : "");
	if (e->base == NFT_EXTHDR_OP_IPV4)
		forget_proof(w, LAYER_NETWORK);
}

/* --- conditions --------------------------------------------------------------------------------------- */

static void append(char *clause, const struct text *t)
{
	snprintf(clause, WORDS, "%s", t->at ? t->at : "");
}

static const char *const operators[] = {"== ", "!= ", "< ", "<= ", "> ", ">= "};

static void note_protocol(struct walk *w, const struct reg *r, const struct nft_expr *e)
{
	const enum layer layer = r->proves - 1;
	uint32_t number = e->len == 2 ? (uint32_t)e->data[0] << 8 | e->data[1] : e->data[0];

	if (r->type == TYPE_NFPROTO)
		number = number == NFPROTO_IPV4 ? 0x0800 : number == NFPROTO_IPV6 ? 0x86dd : 0;
	w->protocol[layer] = number;
	w->proof[layer] = (int)w->n - 1;
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

static void masked_condition(struct text *t, const struct reg *r, const struct nft_expr *e)
{
	if (r->type == TYPE_CT_STATE && e->op == NFT_CMP_NEQ && all_zero(e->data, e->len)) {
		text_add(t, "%s ", r->words);
		text_value(t, r->type, r->host, r->data, e->len);
		return;
	}
	text_add(t, "%s %s", r->words, operators[e->op]);
	text_value(t, r->type, r->host, e->data, e->len);
}

static void compare(struct walk *w, const struct nft_expr *e)
{
	const struct reg *r = &w->reg[e->sreg];
	struct text t = {0};

	if (r->masked) {
		masked_condition(&t, r, e);
	} else if (!strncmp(r->words, "ip option ", 10) || !strcmp(r->words, "exthdr")) {
		text_add(&t, "%s %s", r->words,
			 (e->op == NFT_CMP_EQ) == (e->data[0] == 1) ? "exists" : "missing");
	} else {
		text_add(&t, "%s %s", r->words, e->op == NFT_CMP_EQ ? "" : operators[e->op]);
		text_value(&t, r->type, r->host, e->data, e->len);
	}
	append(clause(w), &t);
	if (e->op == NFT_CMP_EQ && !r->masked && (r->proves || !strcmp(r->words, "ether type"))) {
		struct reg proof = *r;

		if (!proof.proves)
			proof.proves = LAYER_LINK + 1;
		note_protocol(w, &proof, e);
	}
	free(t.at);
}

static void mask(struct walk *w, const struct nft_expr *e)
{
	struct reg r = w->reg[e->sreg];
	struct text t = {0};

	if (strcmp(r.words, "vlan id") != 0 && strcmp(r.words, "ip hdrlength") != 0) {
		const bool flags = r.type == TYPE_TCP_FLAGS;

		r.masked = true;
		memcpy(r.data, e->data, sizeof r.data);
		if (r.type != TYPE_CT_STATE) {
			text_add(&t, flags ? "%s & (" : "%s & ", r.words);
			text_value(&t, r.type, r.host, e->data, e->len);
			text_add(&t, flags ? ")" : "");
			append(r.words, &t);
		}
	}
	w->reg[e->dreg] = r;
	free(t.at);
}

/* --- sets --------------------------------------------------------------------------------------------- */

static const struct nft_set *set_of(const struct walk *w, const struct nft_expr *e)
{
	return nft_find_set(w->p, w->table, nft_text(w->p, e->name));
}

static void key_words(const struct walk *w, const struct nft_set *set, uint8_t sreg, struct text *t)
{
	uint32_t at = sreg;

	if (set->n_fields == 1) {
		text_add(t, "%s", w->reg[sreg].words);
		return;
	}
	for (uint32_t i = 0; i < set->n_fields && at < REGISTERS; i++) {
		text_add(t, "%s%s", i ? " . " : "", w->reg[at].words);
		at += nft_padded(set->field_len[i]) / 4;
	}
}

static void lookup(struct walk *w, const struct nft_expr *e)
{
	const struct nft_set *set = set_of(w, e);
	const char *name = nft_text(w->p, e->name);
	struct text t = {0};

	key_words(w, set, e->sreg, &t);
	if (e->dreg != NFT_REG_NONE) {
		struct reg r = {.type = (uint8_t)set->data_type, .len = (uint8_t)set->data_len, .host = true};

		text_add(&t, " map @%s", name);
		append(r.words, &t);
		w->reg[e->dreg] = r;
	} else {
		text_add(&t,
			 set->data_len == 16 && !e->op ? " vmap @%s"
			 : e->op                       ? " != @%s"
			 : w->reg[e->sreg].masked      ? " == @%s"
						       : " @%s",
			 name);
		append(clause(w), &t);
	}
	free(t.at);
}

static void change_set(struct walk *w, const struct nft_expr *e)
{
	static const char *const words[] = {"add", "update", "delete"};
	struct text t = {0};

	text_add(&t, "%s @%s { ", words[e->op], nft_text(w->p, e->name));
	key_words(w, set_of(w, e), e->sreg, &t);
	if (e->rate)
		text_add(&t, " timeout %ums", e->rate);
	text_add(&t, " }");
	append(clause(w), &t);
	free(t.at);
}

/* --- statements --------------------------------------------------------------------------------------- */

static void store(struct walk *w, const struct nft_expr *e, const struct term *terms, size_t n,
		  const char *what)
{
	const struct reg *r = &w->reg[e->sreg];
	struct term target = {.type = TYPE_INTEGER, .len = 4, .words = what};
	struct text t = {0};

	for (size_t i = 0; i < n; i++)
		if (terms[i].key == e->key)
			target = terms[i];
	text_add(&t, "%s set ", target.words);
	if (r->constant)
		text_value(&t, target.type, target.host, r->data, target.len);
	else
		text_add(&t, "%s", r->words);
	append(clause(w), &t);
	free(t.at);
}

static void verdict(struct walk *w, const struct nft_expr *e)
{
	static const struct {
		int32_t code;
		const char *word;
	} words[] = {{NF_ACCEPT + 1, "accept"},
		     {NF_DROP + 1, "drop"},
		     {NFT_JUMP, "jump "},
		     {NFT_GOTO, "goto "},
		     {NFT_RETURN, "return"}};

	for (size_t i = 0; i < N(words); i++)
		if (words[i].code == e->verdict)
			snprintf(clause(w), WORDS, "%s%s", words[i].word, nft_text(w->p, e->name));
}

static void immediate(struct walk *w, const struct nft_expr *e)
{
	if (e->verdict) {
		verdict(w, e);
		return;
	}
	struct reg *r = &w->reg[e->dreg];
	*r = (struct reg){.constant = true, .type = TYPE_INTEGER, .len = e->len, .host = true};
	memcpy(r->data, e->data, sizeof r->data);
	snprintf(r->words, sizeof r->words, "a number");
}

static void log_statement(struct walk *w, const struct nft_expr *e)
{
	struct text t = {0};

	text_add(&t, "log");
	if (e->name)
		text_add(&t, " prefix \"%s\"", nft_text(w->p, e->name));
	text_add(&t, " group %u", e->key);
	if (e->offset)
		text_add(&t, " snaplen %u", e->offset);
	if (e->rate)
		text_add(&t, " queue-threshold %u", e->rate);
	append(clause(w), &t);
	free(t.at);
}

static void reject(struct walk *w, const struct nft_expr *e)
{
	static const char *const icmp[] = {
		[0] = "net-unreachable",  [1] = "host-unreachable", [2] = "prot-unreachable",
		[3] = "port-unreachable", [9] = "net-prohibited",   [10] = "host-prohibited",
		[13] = "admin-prohibited"};
	static const char *const icmpx[] = {"no-route", "port-unreachable", "host-unreachable",
					    "admin-prohibited"};
	const bool x = e->op == NFT_REJECT_ICMPX_UNREACH;
	const char *const word =
		x ? (e->key < N(icmpx) ? icmpx[e->key] : NULL) : (e->key < N(icmp) ? icmp[e->key] : NULL);

	if (e->op == NFT_REJECT_TCP_RST)
		snprintf(clause(w), WORDS, "reject with tcp reset");
	else if (word)
		snprintf(clause(w), WORDS, "reject with %s %s", x ? "icmpx" : "icmp", word);
	else
		snprintf(clause(w), WORDS, "reject with %s %u", x ? "icmpx" : "icmp", e->key);
	if (e->op == NFT_REJECT_TCP_RST)
		forget_proof(w, LAYER_TRANSPORT);
}

static void simple(struct walk *w, const struct nft_expr *e)
{
	if (e->kind == NFT_EXPR_LIMIT)
		snprintf(clause(w), WORDS, "limit rate %u/second burst %u packets", e->rate, e->offset);
	else if (e->kind == NFT_EXPR_COUNTER)
		snprintf(clause(w), WORDS, "counter");
	else if (e->kind == NFT_EXPR_OBJREF)
		snprintf(clause(w), WORDS, "counter name \"%s\"", nft_text(w->p, e->name));
	else
		snprintf(clause(w), WORDS, "?%s", nft_text(w->p, e->name));
}

static void meta(struct walk *w, const struct nft_expr *e)
{
	if (e->sreg == NFT_REG_NONE)
		load_key(w, e, metas, N(metas), "meta ?");
	else
		store(w, e, metas, N(metas), "meta ?");
}

static void ct(struct walk *w, const struct nft_expr *e)
{
	if (e->sreg == NFT_REG_NONE)
		load_key(w, e, cts, N(cts), "ct ?");
	else
		store(w, e, cts, N(cts), "ct ?");
}

/* The words stay: it is nft's own business in which order a set wants a number. */
static void turn(struct walk *w, const struct nft_expr *e)
{
	if (e->sreg != e->dreg)
		w->reg[e->dreg] = w->reg[e->sreg];
}

void text_rule(struct text *t, const struct nft_program *p, const struct nft_table *table,
	       const struct nft_rule *rule)
{
	static void (*const kinds[NFT_EXPR_KINDS])(struct walk *, const struct nft_expr *) = {
		[NFT_EXPR_META] = meta,          [NFT_EXPR_PAYLOAD] = load_payload,
		[NFT_EXPR_EXTHDR] = load_option, [NFT_EXPR_CT] = ct,
		[NFT_EXPR_BITWISE] = mask,       [NFT_EXPR_BYTEORDER] = turn,
		[NFT_EXPR_CMP] = compare,        [NFT_EXPR_LOOKUP] = lookup,
		[NFT_EXPR_DYNSET] = change_set,  [NFT_EXPR_IMMEDIATE] = immediate,
		[NFT_EXPR_LOG] = log_statement,  [NFT_EXPR_LIMIT] = simple,
		[NFT_EXPR_COUNTER] = simple,     [NFT_EXPR_OBJREF] = simple,
		[NFT_EXPR_REJECT] = reject,      [NFT_EXPR_UNKNOWN] = simple,
	};
	struct walk *w = calloc(1, sizeof *w);
	const char *between = "";

	t->failed |= !w;
	if (!w)
		return;
	w->p = p;
	w->table = table;
	for (int i = 0; i < LAYERS; i++)
		w->proof[i] = -1;
	for (uint32_t i = 0; i < rule->expr_count; i++) {
		const struct nft_expr *e = &nft_exprs(p)[rule->expr_first + i];

		kinds[e->kind](w, e);
	}
	for (uint32_t i = 0; i < w->n; i++)
		if (w->clause[i][0]) {
			text_add(t, "%s%s", between, w->clause[i]);
			between = " ";
		}
	free(w);
}
