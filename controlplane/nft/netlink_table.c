/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes into the kernel's tables. A swap writes the new version beside the old one and switches the base
 * chains to it in one batch, which names the generation of the listing it was made from, so nothing can come
 * between. The old version goes in a second batch, when no packet can be in it any more: the kernel lets a
 * packet that is under way finish the old rules, but takes the elements of deleted maps from it at once, and
 * a packet that misses in a map may get through.
 */
#include "netlink_list.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>

struct swap {
	struct nl *nl;
	struct nl_batch batch;
	struct nl_listing old;
	const struct nft_program *p;
	uint32_t model;
	const struct nft_version *version;
	char suffix[NFT_VERSION_TEXT];
	const struct nft_bound **bound; /* by family and set */
	size_t n_bound;
	uint32_t n_sets;
	bool no_memory;
	bool switched; /* the new version is in force: only what is not of it may go */
	bool again;    /* the same version is there already: its names must go before they come */
};

#define ITEM(p, what, i) (&((const struct nft_##what *)nft_at(p, (p)->what))[i])

static const uint8_t families[] = {NFT_INET, NFT_BRIDGE};

static struct nlmsghdr *put(struct swap *s, uint8_t type, uint8_t family, uint16_t flags, uint8_t thing,
			    const char *name)
{
	return nl_put(s->nl, &s->batch, type, family, flags, (struct nl_note){.thing = thing, .name = name});
}

static void full_name(const struct swap *s, const char *name, char out[NFT_NAME_MAXLEN])
{
	snprintf(out, NFT_NAME_MAXLEN, "%s%s", name, s->suffix);
}

/* --- what was there ----------------------------------------------------------------------------------- */

/* A chain of the listing stays only if it is the base chain that the model has there. */
static bool chain_stays(const struct nft_program *p, const struct nft_table *t,
			const struct nl_chain_row *row)
{
	const struct nft_chain *c = t ? nft_find_chain(p, t, row->name) : NULL;

	return c && c->base && row->chain.base && !row->odd && c->hook == row->chain.hook &&
	       c->priority == row->chain.priority;
}

static bool object_stays(const struct nft_program *p, const struct nft_table *t,
			 const struct nl_object_row *row)
{
	for (uint32_t i = 0; i < t->counter_count; i++)
		if (row->type == NFT_OBJECT_COUNTER &&
		    !strcmp(nft_text(p, ITEM(p, counter, t->counter_first + i)->name), row->name))
			return true;
	return false;
}

static void delete_named(struct swap *s, uint8_t type, uint8_t family, uint8_t thing, const char *name,
			 uint16_t table_attr, uint16_t name_attr)
{
	struct nlmsghdr *h = put(s, type, family, 0, thing, name);

	mnl_attr_put_strz(h, table_attr, NFT_TABLE);
	if (name_attr)
		mnl_attr_put_strz(h, name_attr, name);
}

/* Of the version that this swap writes. Before the switch nothing is. */
static bool is_new(const struct swap *s, const char *name)
{
	const size_t len = strlen(name), tail = strlen(s->suffix);

	return s->switched && len > tail && !strcmp(name + len - tail, s->suffix);
}

static void delete_rules(struct swap *s, uint8_t family, const char *chain)
{
	delete_named(s, NFT_MSG_DELRULE, family, NL_RULES, chain, NFTA_RULE_TABLE, NFTA_RULE_CHAIN);
}

/* The rules of all base chains, and those of them that are not ours: these stop here, and nothing behind. */
static void leave_old(struct swap *s, const struct nft_table *t)
{
	for (size_t i = 0; i < s->old.n_chain; i++) {
		const struct nl_chain_row *row = &s->old.chain[i];

		if (row->family != t->family || !row->chain.base)
			continue;
		delete_rules(s, row->family, row->name);
		if (!chain_stays(s->p, t, row))
			delete_named(s, NFT_MSG_DELCHAIN, row->family, NL_CHAIN, row->name, NFTA_CHAIN_TABLE,
				     NFTA_CHAIN_NAME);
	}
}

static void delete_sets(struct swap *s, uint8_t family)
{
	for (size_t i = 0; i < s->old.n_set; i++) {
		const struct nl_set_row *row = &s->old.set[i];

		if (row->family == family && !row->anonymous && !is_new(s, row->name))
			delete_named(s, NFT_MSG_DELSET, family, NL_SET, row->name, NFTA_SET_TABLE,
				     NFTA_SET_NAME);
	}
}

static void delete_objects(struct swap *s, const struct nft_table *t)
{
	for (size_t i = 0; i < s->old.n_object; i++) {
		const struct nl_object_row *row = &s->old.object[i];

		if (row->family != t->family || object_stays(s->p, t, row))
			continue;
		struct nlmsghdr *h = put(s, NFT_MSG_DELOBJ, row->family, 0, NL_OBJECT, row->name);
		mnl_attr_put_strz(h, NFTA_OBJ_TABLE, NFT_TABLE);
		mnl_attr_put_strz(h, NFTA_OBJ_NAME, row->name);
		mnl_attr_put_u32(h, NFTA_OBJ_TYPE, htonl(row->type));
	}
	for (size_t i = 0; i < s->old.n_flowtable; i++)
		if (s->old.flowtable[i].family == t->family)
			delete_named(s, NFT_MSG_DELFLOWTABLE, (uint8_t)t->family, NL_FLOWTABLE,
				     s->old.flowtable[i].name, NFTA_FLOWTABLE_TABLE, NFTA_FLOWTABLE_NAME);
}

/* Rules, then maps, whose elements hold chains, then chains, then what rules referred to. */
static void delete_old(struct swap *s, const struct nft_table *t)
{
	const uint8_t family = (uint8_t)t->family;

	for (size_t i = 0; i < s->old.n_chain; i++)
		if (s->old.chain[i].family == family && !s->old.chain[i].chain.base &&
		    !is_new(s, s->old.chain[i].name))
			delete_rules(s, family, s->old.chain[i].name);
	delete_sets(s, family);
	for (size_t i = 0; i < s->old.n_chain; i++)
		if (s->old.chain[i].family == family && !s->old.chain[i].chain.base &&
		    !is_new(s, s->old.chain[i].name))
			delete_named(s, NFT_MSG_DELCHAIN, family, NL_CHAIN, s->old.chain[i].name,
				     NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME);
	delete_objects(s, t);
}

/* --- what comes --------------------------------------------------------------------------------------- */

/* Without flags: a table that somebody put to sleep wakes up. */
static void put_table(struct swap *s, const struct nft_table *t)
{
	struct nlmsghdr *h = put(s, NFT_MSG_NEWTABLE, (uint8_t)t->family, NLM_F_CREATE, NL_TABLE, "");

	mnl_attr_put_strz(h, NFTA_TABLE_NAME, NFT_TABLE);
	mnl_attr_put_u32(h, NFTA_TABLE_FLAGS, 0);
}

static void put_hook(struct nlmsghdr *h, const struct nft_chain *c)
{
	struct nlattr *hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);

	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(c->hook));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl((uint32_t)c->priority));
	mnl_attr_nest_end(h, hook);
	mnl_attr_put_u32(h, NFTA_CHAIN_POLICY, htonl(c->policy));
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
}

static void put_chain(struct swap *s, const struct nft_table *t, const struct nft_chain *c)
{
	const char *name = nft_text(s->p, c->name);
	struct nlmsghdr *h = put(s, NFT_MSG_NEWCHAIN, (uint8_t)t->family, NLM_F_CREATE, NL_CHAIN, name);
	char full[NFT_NAME_MAXLEN];

	full_name(s, name, full);
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, NFT_TABLE);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, c->base ? name : full);
	if (c->base)
		put_hook(h, c);
}

static void put_counters(struct swap *s, const struct nft_table *t)
{
	for (uint32_t i = 0; i < t->counter_count; i++) {
		const char *name = nft_text(s->p, ITEM(s->p, counter, t->counter_first + i)->name);
		struct nlmsghdr *h =
			put(s, NFT_MSG_NEWOBJ, (uint8_t)t->family, NLM_F_CREATE, NL_OBJECT, name);

		mnl_attr_put_strz(h, NFTA_OBJ_TABLE, NFT_TABLE);
		mnl_attr_put_strz(h, NFTA_OBJ_NAME, name);
		mnl_attr_put_u32(h, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
		mnl_attr_nest_end(h, mnl_attr_nest_start(h, NFTA_OBJ_DATA));
	}
}

static bool shape_of(const struct swap *s, const struct nft_set *set, struct nft_set_shape *shape)
{
	return nft_shape_of(nft_text(s->p, set->name), set, shape);
}

/* Interval sets of one field have no declared size: kernels differ in what they count there. */
static void describe_set(struct nftnl_set *to, const struct nft_set *set)
{
	nftnl_set_set_u32(to, NFTNL_SET_FLAGS, set->flags);
	nftnl_set_set_u32(to, NFTNL_SET_KEY_TYPE, set->key_type);
	nftnl_set_set_u32(to, NFTNL_SET_KEY_LEN, set->key_len);
	if (set->data_len) {
		nftnl_set_set_u32(to, NFTNL_SET_DATA_TYPE, set->data_type);
		nftnl_set_set_u32(to, NFTNL_SET_DATA_LEN, set->data_len);
	}
	if (set->timeout_ms)
		nftnl_set_set_u64(to, NFTNL_SET_TIMEOUT, set->timeout_ms);
	if (set->n_fields > 1 || !(set->flags & NFT_SET_INTERVAL))
		nftnl_set_set_u32(to, NFTNL_SET_DESC_SIZE, set->size);
	if (set->flags & NFT_SET_CONCAT)
		nftnl_set_set_data(to, NFTNL_SET_DESC_CONCAT, set->field_len, set->n_fields);
}

static void put_set(struct swap *s, const struct nft_table *t, const struct nft_set *set)
{
	const char *name = nft_text(s->p, set->name);
	struct nftnl_set *to = nftnl_set_alloc();
	uint8_t userdata[NFT_USERDATA_MAX];
	char full[NFT_NAME_MAXLEN];
	struct nft_set_shape shape;

	full_name(s, name, full);
	struct nlmsghdr *h = put(s, NFT_MSG_NEWSET, (uint8_t)t->family, NLM_F_CREATE, NL_SET, name);
	s->no_memory |= !to;
	if (!to)
		return;
	nftnl_set_set_str(to, NFTNL_SET_TABLE, NFT_TABLE);
	nftnl_set_set_str(to, NFTNL_SET_NAME, full);
	nftnl_set_set_u32(to, NFTNL_SET_ID, ++s->n_sets);
	describe_set(to, set);
	if (shape_of(s, set, &shape))
		nftnl_set_set_data(to, NFTNL_SET_USERDATA, userdata,
				   (uint32_t)nft_shape_userdata(&shape, userdata));
	nftnl_set_nlmsg_build_payload(h, to);
	nftnl_set_free(to);
}

/* --- elements ----------------------------------------------------------------------------------------- */

static int order_of(uint32_t family, const char *set, const struct nft_bound *b)
{
	return family != b->family ? (family < b->family ? -1 : 1) : strcmp(set, b->set);
}

static int by_set(const void *a, const void *b)
{
	const struct nft_bound *x = *(const struct nft_bound *const *)a,
			       *y = *(const struct nft_bound *const *)b;
	const int order = order_of(x->family, x->set, y);

	return order ? order : x < y ? -1 : x > y;
}

/* The first of those bound for a set; all of them follow. */
static size_t first_bound(const struct swap *s, uint32_t family, const char *set)
{
	size_t low = 0, high = s->n_bound;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (order_of(family, set, s->bound[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void put_elements(struct swap *s, const struct nft_table *t, const struct nft_set *set)
{
	const char *name = nft_text(s->p, set->name);
	struct nft_set_shape shape;
	char full[NFT_NAME_MAXLEN];
	struct nl_elements_of to = {.family = (uint8_t)t->family,
				    .name = name,
				    .kernel_name = full,
				    .set = set,
				    .class = shape_of(s, set, &shape) ? shape.class : NFT_CLASS_NOWHERE,
				    .turn = s->version->turn,
				    .p = s->p,
				    .suffix = s->suffix};

	full_name(s, name, full);
	for (uint32_t i = 0; i < set->element_count; i++)
		nl_put_element(s->nl, &s->batch, &to, NFT_MSG_NEWSETELEM,
			       ITEM(s->p, element, set->element_first + i));
	for (size_t i = first_bound(s, t->family, name);
	     i < s->n_bound && !order_of(t->family, name, s->bound[i]); i++)
		nl_put_element(s->nl, &s->batch, &to, NFT_MSG_NEWSETELEM, &s->bound[i]->element);
	nl_end_elements(&to);
}

/* --- rules -------------------------------------------------------------------------------------------- */

/* Does the expression behind this one write its register to the conntrack mark? Then it is a class. */
static bool writes_class(const struct nft_expr *e, uint32_t left)
{
	return left > 1 && e[0].kind == NFT_EXPR_IMMEDIATE && !e[0].verdict && e[0].len == 4 &&
	       e[1].kind == NFT_EXPR_CT && e[1].key == NFT_CT_MARK && e[1].sreg == e[0].dreg;
}

static const char *name_of(const struct swap *s, const struct nft_expr *e, char full[NFT_NAME_MAXLEN])
{
	const char *name = nft_text(s->p, e->name);
	const bool versioned =
		e->kind == NFT_EXPR_LOOKUP || e->kind == NFT_EXPR_DYNSET || e->kind == NFT_EXPR_IMMEDIATE;

	if (!versioned)
		return name;
	full_name(s, name, full);
	return full;
}

static bool jumps(const struct swap *s, const struct nft_table *t, const struct nft_expr *e)
{
	const struct nft_set *set =
		e->kind == NFT_EXPR_LOOKUP ? nft_find_set(s->p, t, nft_text(s->p, e->name)) : NULL;

	return set && set->data_len == NFT_DATA_JUMP;
}

static void add_exprs(struct swap *s, const struct nft_table *t, struct nftnl_rule *to,
		      const struct nft_rule *rule)
{
	const struct nft_expr *e = ITEM(s->p, expr, rule->expr_first);
	char full[NFT_NAME_MAXLEN];

	for (uint32_t i = 0; i < rule->expr_count; i++) {
		struct nft_expr copy = e[i];
		uint32_t mark;

		if (writes_class(&e[i], rule->expr_count - i)) {
			memcpy(&mark, copy.data, sizeof mark);
			mark = nft_mark(s->version->turn, mark);
			memcpy(copy.data, &mark, sizeof mark);
		}
		if (jumps(s, t, &e[i]))
			copy.reserved[0] = NL_LOOKUP_VERDICT;
		struct nftnl_expr *made = nl_expr_make(&copy, name_of(s, &e[i], full));
		s->no_memory |= !made;
		if (made)
			nftnl_rule_add_expr(to, made);
	}
}

static void put_rules(struct swap *s, const struct nft_table *t, const struct nft_chain *c)
{
	const char *name = nft_text(s->p, c->name);
	char full[NFT_NAME_MAXLEN];

	full_name(s, name, full);
	for (uint32_t i = 0; i < c->rule_count; i++) {
		struct nftnl_rule *to = nftnl_rule_alloc();

		s->no_memory |= !to;
		if (!to)
			return;
		nftnl_rule_set_str(to, NFTNL_RULE_TABLE, NFT_TABLE);
		nftnl_rule_set_str(to, NFTNL_RULE_CHAIN, c->base ? name : full);
		add_exprs(s, t, to, ITEM(s->p, rule, c->rule_first + i));
		nftnl_rule_nlmsg_build_payload(
			nl_put(s->nl, &s->batch, NFT_MSG_NEWRULE, (uint8_t)t->family,
			       NLM_F_CREATE | NLM_F_APPEND,
			       (struct nl_note){.thing = NL_RULE, .name = name, .number = i}),
			to);
		nftnl_rule_free(to);
	}
}

/* Chains before the maps that lead to them, sets before the rules that look them up. */
static void put_new(struct swap *s, const struct nft_table *t)
{
	const struct nft_set *set = ITEM(s->p, set, t->set_first);
	const struct nft_chain *chain = ITEM(s->p, chain, t->chain_first);

	put_counters(s, t);
	for (uint32_t i = 0; i < t->chain_count; i++)
		put_chain(s, t, &chain[i]);
	for (uint32_t i = 0; i < t->set_count; i++)
		put_set(s, t, &set[i]);
	for (uint32_t i = 0; i < t->set_count; i++)
		put_elements(s, t, &set[i]);
	for (uint32_t i = 0; i < t->chain_count; i++)
		put_rules(s, t, &chain[i]);
}

/* --- the transactions --------------------------------------------------------------------------------- */

/* Does the kernel hold something of the very version that is to come? */
static bool is_there(const struct swap *s)
{
	struct swap as_new = *s;

	as_new.switched = true;
	for (size_t i = 0; i < s->old.n_set; i++)
		if (is_new(&as_new, s->old.set[i].name))
			return true;
	for (size_t i = 0; i < s->old.n_chain; i++)
		if (is_new(&as_new, s->old.chain[i].name))
			return true;
	return false;
}

static void write_switch(struct swap *s)
{
	for (size_t i = 0; i < sizeof families; i++) {
		const struct nft_table *t = nft_find_table(s->p, s->model, families[i]);

		if (!t && nl_listing_has(&s->old, families[i]))
			delete_named(s, NFT_MSG_DELTABLE, families[i], NL_TABLE, NFT_TABLE, NFTA_TABLE_NAME,
				     0);
		if (!t)
			continue;
		put_table(s, t);
		leave_old(s, t);
		if (s->again)
			delete_old(s, t);
		put_new(s, t);
	}
}

static void write_clearance(struct swap *s)
{
	for (size_t i = 0; i < sizeof families; i++) {
		const struct nft_table *t = nft_find_table(s->p, s->model, families[i]);

		if (t)
			delete_old(s, t);
	}
}

static int one_batch(struct swap *s, void (*write)(struct swap *s))
{
	int code = nl_listing_take(s->nl, &s->old, NL_WITH_CHAINS | NL_WITH_SETS | NL_WITH_OBJECTS);

	if (code)
		return code;
	s->n_sets = 0;
	s->again = !s->switched && is_there(s);
	code = nl_batch_begin(s->nl, &s->batch, s->old.id);
	if (!code)
		write(s);
	if (!code && s->no_memory)
		code = nl_fail(s->nl, -ENOMEM, "out of memory for a transaction; nothing was changed");
	/* nothing to be done: a beginning only */
	if (!code && s->batch.n > 1)
		code = nl_commit(s->nl, &s->batch, s->old.id);
	nl_batch_free(&s->batch);
	nl_listing_free(&s->old);
	return code;
}

static int patiently(struct swap *s, void (*write)(struct swap *s))
{
	int code = -ERESTART;

	for (uint32_t i = 0; code == -ERESTART && i < NL_TRIES; i++) {
		if (i)
			usleep(2000 * i);
		code = one_batch(s, write);
	}
	if (code == -ERESTART)
		return nl_fail(s->nl, -EAGAIN,
			       "nf_tables never stood still for as long as a transaction takes; nothing was "
			       "changed");
	return code;
}

/* Until every packet that was under way is through: one that began with the old rules ends with them. */
static void let_packets_end(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(50000);
}

static int clear_old(struct swap *s)
{
	char why[200];

	let_packets_end();
	if (s->nl->on_clearance)
		s->nl->on_clearance(s->nl->clearance_ctx);
	s->switched = true;
	const int code = patiently(s, write_clearance);
	if (!code)
		return 0;
	snprintf(why, sizeof why, "%s", nl_error(s->nl));
	return nl_fail(s->nl, NL_LITTER,
		       "the new version is in force, but what was there before is still there: %s", why);
}

/* The answers to the switch were lost: the kernel holds the new version or it does not. */
static bool came_true(struct swap *s)
{
	bool there;

	if (nl_listing_take(s->nl, &s->old, NL_WITH_CHAINS | NL_WITH_SETS))
		return false;
	there = is_there(s);
	nl_listing_free(&s->old);
	return there;
}

static int switch_over(struct swap *s)
{
	const int code = patiently(s, write_switch);

	if ((code == -ENOBUFS || code == -EPROTO) && !s->again && came_true(s))
		return 0;
	return code;
}

/* What a swap cannot load, whatever the kernel holds. */
static int check_model(struct nl *nl, const struct nft_program *p, uint32_t model)
{
	if (model >= p->model.count)
		return nl_fail(nl, -EINVAL, "the program has no model %u; nothing was changed", model);
	const struct nft_model *m = ITEM(p, model, model);
	for (uint32_t i = 0; i < m->table_count; i++) {
		const struct nft_table *t = ITEM(p, table, m->table_first + i);

		if (t->family == NFT_NETDEV)
			return nl_fail(nl, -EINVAL, "a model has no netdev table; nothing was changed");
		for (uint32_t k = 0; k < t->set_count; k++)
			if (!(ITEM(p, set, t->set_first + k)->named & NFT_VERSIONED))
				return nl_fail(nl, -EINVAL, "set %s has no version; nothing was changed",
					       nft_text(p, ITEM(p, set, t->set_first + k)->name));
		for (uint32_t k = 0; k < t->chain_count; k++)
			if (!(ITEM(p, chain, t->chain_first + k)->named & NFT_VERSIONED) !=
			    (ITEM(p, chain, t->chain_first + k)->base != 0))
				return nl_fail(nl, -EINVAL,
					       "chain %s: base chains, and only they, have no version; "
					       "nothing was changed",
					       nft_text(p, ITEM(p, chain, t->chain_first + k)->name));
	}
	return 0;
}

static int sort_bound(struct swap *s, const struct nft_bound *bound, size_t n)
{
	s->bound = malloc((n + 1) * sizeof *s->bound);
	s->n_bound = n;
	if (!s->bound)
		return nl_fail(s->nl, -ENOMEM, "out of memory for a transaction; nothing was changed");
	for (size_t i = 0; i < n; i++)
		s->bound[i] = &bound[i];
	qsort(s->bound, n, sizeof *s->bound, by_set);
	for (size_t i = 0; i < n; i++) {
		const struct nft_table *t = nft_find_table(s->p, s->model, bound[i].family);

		if (!t || !nft_find_set(s->p, t, bound[i].set))
			return nl_fail(s->nl, -EINVAL,
				       "the model has no set %s for bindings; nothing was changed",
				       bound[i].set);
	}
	return 0;
}

int nl_swap(struct nl *nl, const struct nft_program *p, uint32_t m, const struct nft_version *version,
	    const struct nft_bound *bound, size_t n)
{
	struct swap s = {.nl = nl, .p = p, .model = m, .version = version};
	int code = check_model(nl, p, m);

	if (code)
		return code;
	nft_version_suffix(version, s.suffix);
	code = sort_bound(&s, bound, n);
	if (!code)
		code = switch_over(&s);
	if (!code)
		nl->box.layout = p->box.layout;
	if (!code)
		code = clear_old(&s);
	free(s.bound);
	return code;
}

int nl_tidy(struct nl *nl, const struct nft_program *p, uint32_t m, const struct nft_version *version)
{
	struct swap s = {.nl = nl, .p = p, .model = m, .version = version};
	const int code = check_model(nl, p, m);

	nft_version_suffix(version, s.suffix);
	return code ? code : clear_old(&s);
}

/* --- elements of the version in force ----------------------------------------------------------------- */

struct change {
	struct nl *nl;
	struct nl_batch batch;
	char suffix[NFT_VERSION_TEXT];
	const struct nft_version *version;
	const struct nft_bound *del, *add;
	size_t n_del, n_add;
	bool *gone; /* of del: it was not there */
};

/* What is known of a bound element's set without the program it is in: its shape. */
static bool bound_set(const struct nft_box *box, const struct nft_bound *b, struct nft_set_shape *shape,
		      struct nft_set *set)
{
	if (!nft_shape(box->layout, b->set, shape) && !nft_shape(NFT_LAYOUT_NONE, b->set, shape))
		return false;
	*set = nft_shape_set(shape, 1);
	return true;
}

/* One element in a message of its own; with `e` NULL none, which only asks whether the set exists. */
static int put_bound(struct change *c, const struct nft_bound *b, uint8_t type, bool element)
{
	struct nft_set_shape shape;
	struct nft_set set;
	char full[NFT_NAME_MAXLEN];
	struct nl_elements_of to = {.family = (uint8_t)b->family,
				    .name = b->set,
				    .kernel_name = full,
				    .set = &set,
				    .turn = c->version->turn,
				    .suffix = c->suffix};

	if (!bound_set(&c->nl->box, b, &shape, &set) || set.data_len == NFT_DATA_JUMP)
		return nl_fail(c->nl, -EINVAL, "%s is no set for bindings; nothing was changed", b->set);
	snprintf(full, sizeof full, "%s%s", b->set, c->suffix);
	to.class = shape.class;
	if (element)
		nl_put_element(c->nl, &c->batch, &to, type, &b->element);
	else
		nl_open_elements(c->nl, &c->batch, &to, type);
	nl_end_elements(&to);
	return 0;
}

static int write_change(struct change *c, uint32_t id, size_t *first_del)
{
	int code = nl_batch_begin(c->nl, &c->batch, id);

	for (size_t i = 0; !code && i < c->n_del; i++)
		if (i == 0 || strcmp(c->del[i].set, c->del[i - 1].set) ||
		    c->del[i].family != c->del[i - 1].family)
			code = put_bound(c, &c->del[i], NFT_MSG_NEWSETELEM, false);
	*first_del = c->batch.n;
	for (size_t i = 0; !code && i < c->n_del; i++)
		if (!c->gone[i])
			code = put_bound(c, &c->del[i], NFT_MSG_DELSETELEM, true);
	for (size_t i = 0; !code && i < c->n_add; i++)
		code = put_bound(c, &c->add[i], NFT_MSG_NEWSETELEM, true);
	return code ? code : nl_commit(c->nl, &c->batch, id);
}

/* Those that were not there are left out of the next try. False: there is none to leave out. */
static bool leave_out(struct change *c, size_t first_del)
{
	size_t at = first_del;
	bool some = false;

	for (size_t i = 0; i < first_del; i++)
		if (c->batch.note[i].error)
			return false;
	for (size_t i = 0; i < c->n_del; i++) {
		if (c->gone[i])
			continue;
		c->gone[i] = c->batch.note[at++].error == -ENOENT;
		some |= c->gone[i];
	}
	return some;
}

static int change_once(struct change *c)
{
	size_t first_del = 0;
	uint32_t id = 0;
	int code = nl_generation(c->nl, &id);

	if (code)
		return code;
	code = write_change(c, id, &first_del);
	if (code == -ENOENT && leave_out(c, first_del))
		code = -ERESTART;
	nl_batch_free(&c->batch);
	return code;
}

int nl_elements(struct nl *nl, const struct nft_version *version, const struct nft_bound *del, size_t n_del,
		const struct nft_bound *add, size_t n_add)
{
	struct change c = {.nl = nl,
			   .version = version,
			   .del = del,
			   .n_del = n_del,
			   .add = add,
			   .n_add = n_add,
			   .gone = calloc(n_del + 1, sizeof *c.gone)};
	int code = -ERESTART;

	if (!c.gone)
		return nl_fail(nl, -ENOMEM, "out of memory for a transaction; nothing was changed");
	nft_version_suffix(version, c.suffix);
	for (uint32_t i = 0; code == -ERESTART && i < NL_TRIES; i++)
		code = change_once(&c);
	free(c.gone);
	if (code == -ERESTART)
		return nl_fail(nl, -EAGAIN, "nf_tables never stood still; nothing was changed");
	return code;
}

/* --- counters, removal -------------------------------------------------------------------------------- */

int nl_counters(struct nl *nl, nl_counter_fn *f, void *ctx)
{
	struct nl_listing l;
	const int code = nl_listing_take(nl, &l, NL_WITH_OBJECTS);

	if (code)
		return code;
	for (size_t i = 0; i < l.n_object; i++)
		if (l.object[i].type == NFT_OBJECT_COUNTER)
			f(ctx, l.object[i].family, l.object[i].name, l.object[i].packets, l.object[i].bytes);
	nl_listing_free(&l);
	return 0;
}

void nl_on_clearance(struct nl *nl, void (*f)(void *ctx), void *ctx)
{
	nl->on_clearance = f;
	nl->clearance_ctx = ctx;
}

static int remove_once(struct nl *nl)
{
	struct swap s = {.nl = nl};
	int code = nl_listing_take(nl, &s.old, 0);

	if (code || !s.old.n_table) {
		nl_listing_free(&s.old);
		return code;
	}
	code = nl_batch_begin(nl, &s.batch, s.old.id);
	for (size_t i = 0; !code && i < s.old.n_table; i++)
		delete_named(&s, NFT_MSG_DELTABLE, s.old.table[i].family, NL_TABLE, NFT_TABLE,
			     NFTA_TABLE_NAME, 0);
	if (!code)
		code = nl_commit(nl, &s.batch, s.old.id);
	nl_batch_free(&s.batch);
	nl_listing_free(&s.old);
	return code;
}

int nl_remove(struct nl *nl)
{
	int code = -ERESTART;

	for (uint32_t i = 0; code == -ERESTART && i < NL_TRIES; i++)
		code = remove_once(nl);
	return code;
}
