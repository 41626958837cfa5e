/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads back what the kernel holds into the form that programs have: versions taken off names, generations
 * off marks, registers and order made canonical. Whatever a program of ours could not have put there shows.
 */
#include "netlink_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"

/* An element as it is read. In an interval set of one field: a beginning, or the end of one. */
struct edge {
	uint8_t key[NFT_KEY_MAX];
	uint32_t len;
	bool end;
	struct nft_element element;
	const char *chain;
};

struct dump {
	struct nl *nl;
	struct nl_listing l;
	struct nft_builder *b;
	struct nft_version version;
	char suffix[NFT_VERSION_TEXT];
	bool versioned;
};

/* --- names -------------------------------------------------------------------------------------------- */

static const char *behind(const char *name, const char *suffix)
{
	const size_t len = strlen(name), tail = strlen(suffix);

	return len > tail && !strcmp(name + len - tail, suffix) ? name + len - tail : NULL;
}

static const struct nl_chain_row *chain_row(const struct dump *d, uint8_t family, const char *name)
{
	for (size_t i = 0; i < d->l.n_chain; i++)
		if (d->l.chain[i].family == family && !strcmp(d->l.chain[i].name, name))
			return &d->l.chain[i];
	return NULL;
}

static const struct nl_set_row *set_row(const struct dump *d, uint8_t family, const char *name)
{
	for (size_t i = 0; i < d->l.n_set; i++)
		if (d->l.set[i].family == family && !strcmp(d->l.set[i].name, name))
			return &d->l.set[i];
	return NULL;
}

enum kind { CHAIN, SET };

static bool exists(const struct dump *d, uint8_t family, enum kind kind, const char *name)
{
	return kind == SET ? set_row(d, family, name) != NULL : chain_row(d, family, name) != NULL;
}

/* Names that programs cannot have: too long, or that of something in force without its version. */
static const char *foreign_name(struct dump *d, uint8_t family, enum kind kind, const char *name)
{
	const char *clash = arena_printf(d->l.arena, "%s%s", name, d->suffix);

	if (d->versioned && exists(d, family, kind, clash))
		return arena_printf(d->l.arena, "%.100s (foreign)", name);
	return strlen(name) > 120 ? arena_strndup(d->l.arena, name, 120) : name;
}

/* The name without the version in force; *named: NFT_VERSIONED, or NFT_FOREIGN and the name as it is. */
static const char *plain_name(struct dump *d, uint8_t family, enum kind kind, const char *name,
			      uint32_t *named)
{
	const char *tail = d->versioned ? behind(name, d->suffix) : NULL;

	*named = tail ? NFT_VERSIONED : NFT_FOREIGN;
	if (!tail || tail - name > 120)
		return foreign_name(d, family, kind, name);
	return arena_strndup(d->l.arena, name, (size_t)(tail - name));
}

/* What base chains lead to says which version is in force. */
static void find_version(struct dump *d)
{
	size_t len;

	for (size_t i = 0; !d->versioned && i < d->l.n_rule; i++) {
		const struct nl_rule_row *r = &d->l.rule[i];
		const struct nl_chain_row *c = chain_row(d, r->family, r->chain);

		for (uint32_t k = 0; c && c->chain.base && !d->versioned && k < r->n; k++) {
			const uint8_t kind = r->expr[k].kind;

			d->versioned = (kind == NFT_EXPR_IMMEDIATE || kind == NFT_EXPR_LOOKUP) &&
				       r->name[k] && nft_version_parse(r->name[k], &d->version, &len);
		}
	}
	if (d->versioned)
		nft_version_suffix(&d->version, d->suffix);
	else
		d->version = (struct nft_version){0};
}

/* --- marks -------------------------------------------------------------------------------------------- */

/*
 * The class of a mark of the turn in force. Other marks stay whole; one that has no turn would look like a
 * class, so it is given that of ours, which no other mark can have.
 */
static uint32_t class_of(const struct dump *d, uint32_t mark)
{
	const uint32_t turn = nft_mark(d->version.turn, 0);

	if (mark >> 24 == turn >> 24)
		return nft_mark_class(mark);
	return mark >> 24 ? mark : mark | turn;
}

/* --- sets --------------------------------------------------------------------------------------------- */

struct set_reading {
	struct dump *d;
	const struct nl_set_row *row;
	struct nft_set set; /* as it will be built */
	enum nft_class_at class;
	bool odd;
	struct edge *edge;
	size_t n, room;
};

static bool take_key(const struct nlattr *data, uint32_t len, uint8_t key[NFT_KEY_MAX])
{
	const struct nlattr *attr[NFTA_DATA_MAX + 1];

	nl_nested(data, attr, NFTA_DATA_MAX);
	if (!attr[NFTA_DATA_VALUE] || mnl_attr_get_payload_len(attr[NFTA_DATA_VALUE]) != len)
		return false;
	memcpy(key, mnl_attr_get_payload(attr[NFTA_DATA_VALUE]), len);
	return true;
}

static bool take_verdict(const struct nlattr *data, struct nft_element *e, const char **chain)
{
	const struct nlattr *attr[NFTA_VERDICT_MAX + 1];

	nl_nested(data, attr, NFTA_VERDICT_MAX);
	if (!attr[NFTA_VERDICT_CODE])
		return false;
	const int32_t code = (int32_t)ntohl(mnl_attr_get_u32(attr[NFTA_VERDICT_CODE]));
	if (code == NFT_JUMP || code == NFT_GOTO) {
		e->verdict = code;
		*chain = attr[NFTA_VERDICT_CHAIN] ? mnl_attr_get_str(attr[NFTA_VERDICT_CHAIN]) : NULL;
		return *chain;
	}
	e->data = (uint32_t)code;
	return code == 0 || code == 1;
}

static bool take_data(const struct set_reading *r, const struct nlattr *data, struct edge *x)
{
	const struct nlattr *attr[NFTA_DATA_MAX + 1];

	nl_nested(data, attr, NFTA_DATA_MAX);
	if (r->set.data_len == NFT_DATA_JUMP)
		return take_verdict(attr[NFTA_DATA_VERDICT], &x->element, &x->chain);
	const struct nlattr *value = attr[NFTA_DATA_VALUE];
	if (!value || mnl_attr_get_payload_len(value) != r->set.data_len)
		return false;
	uint16_t half = 0;
	if (r->set.data_len == sizeof half) {
		memcpy(&half, mnl_attr_get_payload(value), sizeof half);
		x->element.data = half;
		return true;
	}
	memcpy(&x->element.data, mnl_attr_get_payload(value), sizeof x->element.data);
	if (r->class == NFT_CLASS_DATA)
		x->element.data = class_of(r->d, x->element.data);
	return true;
}

static void read_class_key(const struct set_reading *r, uint8_t key[NFT_KEY_MAX])
{
	uint32_t mark;

	memcpy(&mark, key, sizeof mark);
	mark = class_of(r->d, mark);
	memcpy(key, &mark, sizeof mark);
}

static void build_element(struct set_reading *r, const struct edge *x)
{
	uint32_t named;

	nft_build_element(r->d->b, &x->element,
			  x->chain ? plain_name(r->d, r->row->family, CHAIN, x->chain, &named) : NULL);
}

static int keep_edge(struct set_reading *r, const struct edge *x)
{
	if (r->n == r->room) {
		const size_t room = r->room ? r->room * 2 : 256;
		struct edge *edge = realloc(r->edge, room * sizeof *edge);

		if (!edge)
			return -ENOMEM;
		r->edge = edge;
		r->room = room;
	}
	r->edge[r->n] = *x;
	if (x->chain)
		r->edge[r->n].chain = arena_strdup(r->d->l.arena, x->chain);
	r->n++;
	return 0;
}

/* Something about an element that a program's cannot have. */
static bool extras(const struct set_reading *r, const struct nlattr *const *attr, uint32_t flags)
{
	return flags & ~(uint32_t)NFT_SET_ELEM_INTERVAL_END || attr[NFTA_SET_ELEM_EXPR] ||
	       attr[NFTA_SET_ELEM_EXPRESSIONS] || attr[NFTA_SET_ELEM_OBJREF] ||
	       (attr[NFTA_SET_ELEM_TIMEOUT] && !(r->set.named & NFT_VOLATILE));
}

static int take_element(struct set_reading *r, const struct nlattr *one)
{
	const struct nlattr *attr[NFTA_SET_ELEM_MAX + 1];
	const bool ranges = r->set.flags & NFT_SET_INTERVAL;
	struct edge x = {.len = r->set.key_len};

	nl_nested(one, attr, NFTA_SET_ELEM_MAX);
	const uint32_t flags =
		attr[NFTA_SET_ELEM_FLAGS] ? ntohl(mnl_attr_get_u32(attr[NFTA_SET_ELEM_FLAGS])) : 0;
	x.end = flags & NFT_SET_ELEM_INTERVAL_END;
	if (extras(r, attr, flags))
		r->odd = true;
	if (!take_key(attr[NFTA_SET_ELEM_KEY], x.len, x.key) ||
	    (!x.end && r->set.data_len && !take_data(r, attr[NFTA_SET_ELEM_DATA], &x))) {
		r->odd = true;
		return 0;
	}
	if (r->class == NFT_CLASS_KEY)
		read_class_key(r, x.key);
	memcpy(x.element.key, x.key, sizeof x.key);
	memcpy(x.element.key_end, x.key, sizeof x.key);
	if (ranges && attr[NFTA_SET_ELEM_KEY_END] &&
	    !take_key(attr[NFTA_SET_ELEM_KEY_END], x.len, x.element.key_end))
		r->odd = true;
	return keep_edge(r, &x);
}

static int take_elements(void *ctx, const struct nlmsghdr *h)
{
	struct set_reading *r = ctx;
	const struct nlattr *attr[NFTA_SET_ELEM_LIST_MAX + 1], *one;
	int code = 0;

	nl_attributes(h, attr, NFTA_SET_ELEM_LIST_MAX);
	if (!attr[NFTA_SET_ELEM_LIST_ELEMENTS])
		return 0;
	mnl_attr_for_each_nested(one, attr[NFTA_SET_ELEM_LIST_ELEMENTS])
	{
		code = take_element(r, one);
		if (code)
			break;
	}
	return code;
}

static int by_key(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;
	const int order = memcmp(x->key, y->key, sizeof x->key);

	return order ? order : (int)y->end - (int)x->end;
}

static void key_before(const uint8_t *key, uint32_t len, uint8_t out[NFT_KEY_MAX])
{
	memcpy(out, key, len);
	for (uint32_t i = len; i-- > 0;)
		if (out[i]--)
			return;
}

/* Beginnings and ends become intervals; one without an end reaches to the next, or to the last key. */
static void make_intervals(struct set_reading *r)
{
	size_t n = 0;

	if (r->n)
		qsort(r->edge, r->n, sizeof *r->edge, by_key);
	for (size_t i = 0; i < r->n; i++) {
		struct edge *x = &r->edge[i];

		if (x->end)
			continue;
		memcpy(x->element.key, x->key, sizeof x->key);
		if (i + 1 < r->n)
			key_before(r->edge[i + 1].key, x->len, x->element.key_end);
		else
			memset(x->element.key_end, 0xff, x->len);
		r->edge[n++] = *x;
	}
	r->n = n;
}

static int list_elements(struct set_reading *r)
{
	char buffer[MNL_NLMSG_HDRLEN + 64 + NFT_NAME_MAXLEN];
	struct nlmsghdr *h = nl_request(buffer, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETSETELEM, r->row->family, 0);

	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, r->row->name);
	const int code = nl_list(r->d->nl, r->d->nl->nft, h, take_elements, r);
	return code == -ENOENT ? -EINTR : code; /* gone since the listing */
}

static bool representable(const struct nl_set_row *row)
{
	return !row->odd || row->set.flags;
}

static int build_set(struct dump *d, const struct nl_set_row *row)
{
	struct set_reading r = {.d = d, .row = row, .set = row->set, .odd = row->odd};
	struct nft_set_shape shape;
	const char *name = plain_name(d, row->family, SET, row->name, &r.set.named);
	int code = 0;

	if (row->set.flags & NFT_SET_EVAL)
		r.set.named |= NFT_VOLATILE;
	if (nft_shape_of(name, &r.set, &shape))
		r.class = shape.class;
	if (representable(row))
		code = list_elements(&r);
	if (!code && r.set.flags & NFT_SET_INTERVAL && r.set.n_fields == 1)
		make_intervals(&r);
	if (r.odd)
		r.set.named |= NFT_FOREIGN;
	if (!r.set.size || r.n > r.set.size)
		r.set.size = r.n ? (uint32_t)r.n : 1;
	nft_build_set(d->b, name, &r.set);
	for (size_t i = 0; !code && i < r.n; i++)
		build_element(&r, &r.edge[i]);
	free(r.edge);
	return code;
}

/* --- chains and rules --------------------------------------------------------------------------------- */

/* What a program's expression must not be, though its kind is known: the checker wants what it names there.
 */
static bool can_hold(const struct dump *d, uint8_t family, struct nft_expr *e, const char *name)
{
	const bool verdict = e->reserved[0] == NL_LOOKUP_VERDICT;
	const struct nl_set_row *set;

	e->reserved[0] = 0;
	switch (e->kind) {
	case NFT_EXPR_LOOKUP:
	case NFT_EXPR_DYNSET:
		set = name ? set_row(d, family, name) : NULL;
		return set && representable(set) && e->sreg != NFT_REG_NONE &&
		       verdict == (e->kind == NFT_EXPR_LOOKUP && set->set.data_len == NFT_DATA_JUMP) &&
		       (e->kind != NFT_EXPR_DYNSET || set->set.flags & NFT_SET_EVAL);
	case NFT_EXPR_META:
	case NFT_EXPR_CT:
		return e->key <= UINT8_MAX && (e->sreg == NFT_REG_NONE) != (e->dreg == NFT_REG_NONE);
	case NFT_EXPR_IMMEDIATE:
		return e->verdict || e->dreg != NFT_REG_NONE;
	default:
		return true;
	}
}

static void take_class(const struct dump *d, struct nft_expr *e, const struct nft_expr *next)
{
	uint32_t mark;

	if (e->kind != NFT_EXPR_IMMEDIATE || e->verdict || e->len != sizeof mark || !next ||
	    next->kind != NFT_EXPR_CT || next->key != NFT_CT_MARK || next->sreg != e->dreg)
		return;
	memcpy(&mark, e->data, sizeof mark);
	mark = class_of(d, mark);
	memcpy(e->data, &mark, sizeof mark);
}

static void build_expr(struct dump *d, const struct nl_rule_row *r, uint32_t i)
{
	static const char *const words[] = {
#define X(sym, word) word,
		NFT_EXPRS(X)
#undef X
	};
	struct nft_expr e = r->expr[i];
	const char *name = r->name[i];
	uint32_t named;

	if (!can_hold(d, r->family, &e, name)) {
		name = words[e.kind];
		e = (struct nft_expr){.kind = NFT_EXPR_UNKNOWN, .sreg = NFT_REG_NONE, .dreg = NFT_REG_NONE};
	} else if (name &&
		   (e.kind == NFT_EXPR_LOOKUP || e.kind == NFT_EXPR_DYNSET || e.kind == NFT_EXPR_IMMEDIATE)) {
		name = plain_name(d, r->family, e.kind == NFT_EXPR_IMMEDIATE ? CHAIN : SET, name, &named);
	}
	take_class(d, &e, i + 1 < r->n ? &r->expr[i + 1] : NULL);
	if (name && strlen(name) > 120)
		name = arena_strndup(d->l.arena, name, 120);
	nft_build_expr(d->b, &e, name);
}

static void build_chain(struct dump *d, const struct nl_chain_row *row)
{
	struct nft_chain chain = row->chain;
	const char *name = plain_name(d, row->family, CHAIN, row->name, &chain.named);

	if (row->chain.base) {
		chain.named = row->odd ? NFT_FOREIGN : 0;
		name = foreign_name(d, row->family, CHAIN, row->name);
	}
	nft_build_chain(d->b, name, &chain, row->device);
	for (size_t i = 0; i < d->l.n_rule; i++) {
		const struct nl_rule_row *r = &d->l.rule[i];

		if (r->family != row->family || strcmp(r->chain, row->name))
			continue;
		nft_build_rule(d->b);
		for (uint32_t k = 0; k < r->n; k++)
			build_expr(d, r, k);
	}
}

/* Things that programs do not have at all are told as foreign chains, whose names say what they are. */
static void build_strange(struct dump *d, const struct nl_table_row *t)
{
	const struct nft_chain foreign = {.named = NFT_FOREIGN};

	if (t->dormant)
		nft_build_chain(d->b, "(table is dormant)", &foreign, NULL);
	for (size_t i = 0; i < d->l.n_flowtable; i++)
		if (d->l.flowtable[i].family == t->family)
			nft_build_chain(d->b,
					arena_printf(d->l.arena, "(flowtable %.80s)", d->l.flowtable[i].name),
					&foreign, NULL);
	for (size_t i = 0; i < d->l.n_object; i++)
		if (d->l.object[i].family == t->family && d->l.object[i].type != NFT_OBJECT_COUNTER)
			nft_build_chain(d->b,
					arena_printf(d->l.arena, "(object %.80s of type %u)",
						     d->l.object[i].name, d->l.object[i].type),
					&foreign, NULL);
}

static int build_table(struct dump *d, const struct nl_table_row *t)
{
	int code = 0;

	nft_build_table(d->b, t->family, NFT_TABLE);
	for (size_t i = 0; !code && i < d->l.n_set; i++)
		if (d->l.set[i].family == t->family)
			code = build_set(d, &d->l.set[i]);
	for (size_t i = 0; !code && i < d->l.n_chain; i++)
		if (d->l.chain[i].family == t->family)
			build_chain(d, &d->l.chain[i]);
	build_strange(d, t);
	for (size_t i = 0; i < d->l.n_object; i++)
		if (d->l.object[i].family == t->family && d->l.object[i].type == NFT_OBJECT_COUNTER)
			nft_build_counter(d->b, d->l.object[i].name);
	return code;
}

/* --- the whole ---------------------------------------------------------------------------------------- */

static int build_all(struct dump *d)
{
	bool some = false;
	int code = 0;

	nft_build_edge(d->b, INT64_MIN, 0);
	nft_build_model(d->b);
	find_version(d);
	for (size_t i = 0; !code && i < d->l.n_table; i++)
		if (d->l.table[i].family != NFT_NETDEV) {
			some = true;
			code = build_table(d, &d->l.table[i]);
		}
	return code ? code : some ? 0 : -ENOENT;
}

static int finish(struct dump *d, struct nft_program **out, size_t *size)
{
	char error[200];
	uint32_t id = 0;
	int code = nl_generation(d->nl, &id);

	if (code)
		return code;
	if (id != d->l.id)
		return -EINTR;
	*out = nft_builder_finish(d->b, NULL, size, error, sizeof error);
	return *out ? 0 : nl_fail(d->nl, -EBADMSG, "what nf_tables holds cannot be read back: %s", error);
}

static int dump_once(struct nl *nl, struct nft_program **out, size_t *size, struct nft_version *version)
{
	struct dump d = {.nl = nl, .b = nft_builder_new()};
	int code = d.b ? nl_listing_take(nl, &d.l,
					 NL_WITH_CHAINS | NL_WITH_SETS | NL_WITH_OBJECTS | NL_WITH_RULES)
		       : -ENOMEM;

	if (!code) {
		code = build_all(&d);
		code = code ? code : finish(&d, out, size);
		*version = d.version;
		nl_listing_free(&d.l);
	}
	nft_builder_free(d.b);
	return code;
}

/* What is there may be from another process: elements of bindings have to fit its sets. */
static void note_layout(struct nl *nl, const struct nft_program *got)
{
	const struct nft_table *bridge = nft_find_table(got, 0, NFT_BRIDGE);

	if (bridge && nft_find_set(got, bridge, "port"))
		nl->box.layout = nft_find_set(got, bridge, "address4") ? NFT_LAYOUT_BRCT : NFT_LAYOUT_BRNF;
}

int nl_dump(struct nl *nl, struct nft_program **out, size_t *size, struct nft_version *version)
{
	int code = -EINTR;

	*out = NULL;
	nl->error[0] = 0;
	for (uint32_t i = 0; code == -EINTR && i < NL_TRIES; i++) {
		code = dump_once(nl, out, size, version);
		if (code == -EINTR)
			usleep(2000 * (i + 1));
	}
	if (code == -ENOENT)
		return nl_fail(nl, code, "nf_tables holds no table %s", NFT_TABLE);
	if (code && !nl->error[0])
		return nl_fail(nl, code, "nf_tables could not be read back: %s", strerror(-code));
	if (!code)
		note_layout(nl, *out);
	return code;
}
