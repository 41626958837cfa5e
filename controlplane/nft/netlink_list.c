/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of what is in our tables. Rows are kept in the kernel's order: rules of a chain in theirs.
 */
#include "netlink_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>

#include "arena.h"

#define EXPRS_MAX 128u /* of one rule; the kernel's own limit */

static const uint8_t families[] = {NFT_INET, NFT_NETDEV, NFT_BRIDGE};

/* A zeroed row behind the last of a growing array. */
static void *add_row(void **rows, size_t *n, size_t *room, size_t size)
{
	if (*n == *room) {
		const size_t more = *room ? *room * 2 : 64;
		void *grown = realloc(*rows, more * size);

		if (!grown)
			return NULL;
		*rows = grown;
		*room = more;
	}
	return memset((char *)*rows + (*n)++ * size, 0, size);
}

#define ADD_ROW(l, what)                                                                                     \
	((__typeof__((l)->what))add_row((void **)&(l)->what, &(l)->n_##what, &(l)->room_##what,              \
					sizeof *(l)->what))

static bool is_ours(const char *table, uint32_t family)
{
	if (!table || strcmp(table, NFT_TABLE))
		return false;
	for (size_t i = 0; i < sizeof families; i++)
		if (families[i] == family)
			return true;
	return false;
}

static const char *text(struct nl_listing *l, const char *t)
{
	return t ? arena_strdup(l->arena, t) : "";
}

/* The first attribute of these messages is the table's name; libnftnl is asked only for ours. */
static bool ours(const struct nlmsghdr *h)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	const struct nlattr *attr[2];

	nl_attributes(h, attr, 1);
	return attr[1] && !mnl_attr_validate(attr[1], MNL_TYPE_NUL_STRING) &&
	       is_ours(mnl_attr_get_str(attr[1]), g->nfgen_family);
}

static uint8_t family_of(const struct nlmsghdr *h)
{
	return ((const struct nfgenmsg *)mnl_nlmsg_get_payload(h))->nfgen_family;
}

static int take_table(void *ctx, const struct nlmsghdr *h)
{
	struct nl_listing *l = ctx;
	const struct nlattr *attr[NFTA_TABLE_FLAGS + 1];

	if (!ours(h))
		return 0;
	struct nl_table_row *row = ADD_ROW(l, table);
	if (!row)
		return -ENOMEM;
	nl_attributes(h, attr, NFTA_TABLE_FLAGS);
	row->family = family_of(h);
	row->dormant = attr[NFTA_TABLE_FLAGS] &&
		       ntohl(mnl_attr_get_u32(attr[NFTA_TABLE_FLAGS])) & NFT_TABLE_F_DORMANT;
	return 0;
}

static void read_base(struct nl_listing *l, struct nl_chain_row *row, const struct nftnl_chain *c)
{
	const char *const *devices = nftnl_chain_is_set(c, NFTNL_CHAIN_DEVICES)
					     ? nftnl_chain_get_array(c, NFTNL_CHAIN_DEVICES)
					     : NULL;
	const char *device = nftnl_chain_get_str(c, NFTNL_CHAIN_DEV);

	row->chain.base = 1;
	row->chain.hook = nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM);
	row->chain.priority = nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO);
	row->chain.policy = nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY);
	row->type = text(l, nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE));
	row->device = row->family == NFT_NETDEV ? text(l, devices && devices[0] ? devices[0] : device) : "";
	row->odd = strcmp(row->type, "filter") != 0 || (devices && devices[0] && devices[1]);
	if (nftnl_chain_is_set(c, NFTNL_CHAIN_FLAGS))
		row->odd |= nftnl_chain_get_u32(c, NFTNL_CHAIN_FLAGS) & NFT_CHAIN_HW_OFFLOAD;
	if (row->chain.hook > 5 || row->chain.policy > 1) {
		row->odd = true;
		row->chain.hook = row->chain.policy = 0;
	}
}

static int take_chain(void *ctx, const struct nlmsghdr *h)
{
	struct nl_listing *l = ctx;
	struct nftnl_chain *c = ours(h) ? nftnl_chain_alloc() : NULL;

	if (!c)
		return ours(h) ? -ENOMEM : 0;
	struct nl_chain_row *row = nftnl_chain_nlmsg_parse(h, c) < 0 ? NULL : ADD_ROW(l, chain);
	if (row) {
		row->family = family_of(h);
		row->name = text(l, nftnl_chain_get_str(c, NFTNL_CHAIN_NAME));
		row->device = row->type = "";
		if (nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM))
			read_base(l, row, c);
	}
	nftnl_chain_free(c);
	return row ? 0 : -EBADMSG;
}

/* --- sets --------------------------------------------------------------------------------------------- */

/* Bytes of nft's data types that our shapes do not have the lengths of. */
static uint32_t fields_of_type(uint32_t type)
{
	uint32_t n = 0;

	for (; type; type >>= 6)
		n++;
	return n ? n : 1;
}

/* Hash sets are not told the lengths of their fields, so the kernel does not know them. */
static bool fields_from_shape(struct nft_set *s)
{
	struct nft_set_shape shape;

	for (size_t i = 0; nft_shape_at(i, &shape); i++)
		if (shape.key_type == s->key_type && shape.key_len == s->key_len) {
			s->n_fields = shape.n_fields;
			if (shape.n_fields > 1)
				memcpy(s->field_len, shape.field_len, sizeof s->field_len);
			return true;
		}
	return false;
}

static bool fields_from_kernel(struct nft_set *s, const struct nftnl_set *from)
{
	uint32_t len = 0, sum = 0;
	const uint8_t *fields = nftnl_set_get_data(from, NFTNL_SET_DESC_CONCAT, &len);

	if (!fields || len < 2 || len > NFT_FIELDS_MAX)
		return false;
	for (uint32_t i = 0; i < len; i++)
		sum += (fields[i] + 3u) & ~3u;
	if (sum != s->key_len)
		return false;
	s->n_fields = len;
	memcpy(s->field_len, fields, len);
	return true;
}

/* False: a set that struct nft_set cannot hold; what is put there then is one that nothing can be found in.
 */
static bool read_set(struct nft_set *s, const struct nftnl_set *from)
{
	s->flags = nftnl_set_get_u32(from, NFTNL_SET_FLAGS);
	s->key_type = nftnl_set_get_u32(from, NFTNL_SET_KEY_TYPE);
	s->key_len = nftnl_set_get_u32(from, NFTNL_SET_KEY_LEN);
	s->size = nftnl_set_get_u32(from, NFTNL_SET_DESC_SIZE);
	s->timeout_ms = (uint32_t)nftnl_set_get_u64(from, NFTNL_SET_TIMEOUT);
	s->n_fields = 1;
	if (s->flags & NFT_SET_MAP) {
		s->data_type = nftnl_set_get_u32(from, NFTNL_SET_DATA_TYPE);
		s->data_len = s->data_type == NFT_DATA_VERDICT ? NFT_DATA_JUMP
							       : nftnl_set_get_u32(from, NFTNL_SET_DATA_LEN);
	}
	if (!fields_from_kernel(s, from) && fields_of_type(s->key_type) > 1)
		fields_from_shape(s);
	const bool word =
		s->data_len == 2 || s->data_len == NFT_DATA_WORD || s->data_type == NFT_DATA_VERDICT;
	if (!s->key_len || s->key_len > NFT_KEY_MAX || (s->flags & NFT_SET_MAP && !word) ||
	    s->flags & (NFT_SET_OBJECT | NFT_SET_ANONYMOUS) || s->flags & ~0x1ffu ||
	    (s->flags & NFT_SET_CONCAT && s->n_fields == 1)) {
		*s = (struct nft_set){.key_type = s->key_type, .key_len = 4, .n_fields = 1, .size = 1};
		return false;
	}
	return !nftnl_set_is_set(from, NFTNL_SET_EXPR) && !nftnl_set_is_set(from, NFTNL_SET_EXPRESSIONS);
}

static int take_set(void *ctx, const struct nlmsghdr *h)
{
	struct nl_listing *l = ctx;
	struct nftnl_set *s = ours(h) ? nftnl_set_alloc() : NULL;

	if (!s)
		return ours(h) ? -ENOMEM : 0;
	struct nl_set_row *row = nftnl_set_nlmsg_parse(h, s) < 0 ? NULL : ADD_ROW(l, set);
	if (row) {
		row->family = family_of(h);
		row->name = text(l, nftnl_set_get_str(s, NFTNL_SET_NAME));
		row->anonymous = nftnl_set_get_u32(s, NFTNL_SET_FLAGS) & NFT_SET_ANONYMOUS;
		row->odd = !read_set(&row->set, s);
	}
	nftnl_set_free(s);
	return row ? 0 : -EBADMSG;
}

/* --- objects, flow tables ----------------------------------------------------------------------------- */

static int take_object(void *ctx, const struct nlmsghdr *h)
{
	struct nl_listing *l = ctx;
	struct nftnl_obj *o = ours(h) ? nftnl_obj_alloc() : NULL;

	if (!o)
		return ours(h) ? -ENOMEM : 0;
	struct nl_object_row *row = nftnl_obj_nlmsg_parse(h, o) < 0 ? NULL : ADD_ROW(l, object);
	if (row) {
		row->family = family_of(h);
		row->name = text(l, nftnl_obj_get_str(o, NFTNL_OBJ_NAME));
		row->type = nftnl_obj_get_u32(o, NFTNL_OBJ_TYPE);
	}
	if (row && row->type == NFT_OBJECT_COUNTER) {
		row->packets = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
		row->bytes = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_BYTES);
	}
	nftnl_obj_free(o);
	return row ? 0 : -EBADMSG;
}

static int take_flowtable(void *ctx, const struct nlmsghdr *h)
{
	struct nl_listing *l = ctx;
	const struct nlattr *attr[NFTA_FLOWTABLE_NAME + 1];

	nl_attributes(h, attr, NFTA_FLOWTABLE_NAME);
	if (!ours(h) || !attr[NFTA_FLOWTABLE_NAME])
		return 0;
	struct nl_flowtable_row *row = ADD_ROW(l, flowtable);
	if (!row)
		return -ENOMEM;
	row->family = family_of(h);
	row->name = text(l, mnl_attr_get_str(attr[NFTA_FLOWTABLE_NAME]));
	return 0;
}

/* --- rules -------------------------------------------------------------------------------------------- */

struct exprs {
	struct nl_listing *l;
	uint32_t n;
	struct nft_expr expr[EXPRS_MAX];
	const char *name[EXPRS_MAX];
};

static int take_expr(struct nftnl_expr *e, void *ctx)
{
	struct exprs *x = ctx;
	const char *name = NULL;

	if (x->n == EXPRS_MAX)
		return -1;
	nl_expr_read(e, &x->expr[x->n], &name);
	x->name[x->n++] = name ? text(x->l, name) : NULL;
	return 0;
}

static int keep_rule(struct nl_listing *l, uint8_t family, const struct nftnl_rule *r, struct exprs *x)
{
	struct nl_rule_row *row = ADD_ROW(l, rule);

	if (!row)
		return -ENOMEM;
	/* a rule without expressions does nothing, but somebody put it there */
	if (!x->n)
		x->expr[x->n++] = (struct nft_expr){
			.kind = NFT_EXPR_UNKNOWN, .sreg = NFT_REG_NONE, .dreg = NFT_REG_NONE};
	row->family = family;
	row->chain = text(l, nftnl_rule_get_str(r, NFTNL_RULE_CHAIN));
	row->n = x->n;
	row->expr = arena_copy(l->arena, x->expr, x->n * sizeof *x->expr);
	row->name = arena_copy(l->arena, x->name, x->n * sizeof *x->name);
	return 0;
}

static int take_rule(void *ctx, const struct nlmsghdr *h)
{
	struct nl_listing *l = ctx;
	struct nftnl_rule *r = ours(h) ? nftnl_rule_alloc() : NULL;
	struct exprs x;
	int code = -EBADMSG;

	if (!r)
		return ours(h) ? -ENOMEM : 0;
	x.l = l;
	x.n = 0;
	memset(x.name, 0, sizeof x.name);
	if (nftnl_rule_nlmsg_parse(h, r) >= 0 && nftnl_expr_foreach(r, take_expr, &x) >= 0)
		code = keep_rule(l, family_of(h), r, &x);
	nftnl_rule_free(r);
	return code;
}

/* --- all of it ---------------------------------------------------------------------------------------- */

static const struct {
	unsigned with;
	uint8_t type;
	uint8_t table; /* the attribute that names the table, to get only its things; 0: not asked for */
	nl_part_fn *take;
} lists[] = {
	{0, NFT_MSG_GETTABLE, 0, take_table},
	{NL_WITH_CHAINS, NFT_MSG_GETCHAIN, 0, take_chain},
	{NL_WITH_SETS, NFT_MSG_GETSET, NFTA_SET_TABLE, take_set},
	{NL_WITH_OBJECTS, NFT_MSG_GETOBJ, NFTA_OBJ_TABLE, take_object},
	{NL_WITH_OBJECTS, NFT_MSG_GETFLOWTABLE, NFTA_FLOWTABLE_TABLE, take_flowtable},
	{NL_WITH_RULES, NFT_MSG_GETRULE, NFTA_RULE_TABLE, take_rule},
};

static int list_one(struct nl *nl, struct nl_listing *l, size_t which, uint8_t family)
{
	char buffer[MNL_NLMSG_HDRLEN + 64];
	struct nlmsghdr *h = nl_request(buffer, NFNL_SUBSYS_NFTABLES, lists[which].type, family, 0);

	if (lists[which].table)
		mnl_attr_put_strz(h, lists[which].table, NFT_TABLE);
	const int code = nl_list(nl, nl->nft, h, lists[which].take, l);
	/* a kernel without that family, or without our table in it */
	return code == -ENOENT || code == -EAFNOSUPPORT ? 0 : code;
}

static int list_all(struct nl *nl, struct nl_listing *l, unsigned with)
{
	int code = nl_generation(nl, &l->id);

	for (size_t i = 0; !code && i < sizeof lists / sizeof lists[0]; i++)
		for (size_t f = 0; !code && f < sizeof families; f++)
			if (!lists[i].with || (with & lists[i].with && nl_listing_has(l, families[f])))
				code = list_one(nl, l, i, families[f]);
	uint32_t after = l->id;
	if (!code)
		code = nl_generation(nl, &after);
	return code ? code : after != l->id ? -EINTR : 0;
}

int nl_listing_take(struct nl *nl, struct nl_listing *l, unsigned with)
{
	int code = -EINTR;

	for (uint32_t i = 0; code == -EINTR && i < NL_TRIES; i++) {
		*l = (struct nl_listing){.arena = arena_new()};
		nl->error[0] = 0;
		code = list_all(nl, l, with);
		if (code)
			nl_listing_free(l);
		if (code == -EINTR)
			usleep(2000 * (i + 1));
	}
	if (code == -EINTR)
		return nl_fail(nl, code, "nf_tables never stood still for as long as it takes to list it");
	if (code && !nl->error[0])
		return nl_fail(nl, code, "nf_tables could not be listed: %s", strerror(-code));
	return code;
}

void nl_listing_free(struct nl_listing *l)
{
#define X(what, type) free(l->what);
	NL_ROWS(X)
#undef X
	if (l->arena)
		arena_free(l->arena);
	*l = (struct nl_listing){0};
}

bool nl_listing_has(const struct nl_listing *l, uint8_t family)
{
	for (size_t i = 0; i < l->n_table; i++)
		if (l->table[i].family == family)
			return true;
	return false;
}
