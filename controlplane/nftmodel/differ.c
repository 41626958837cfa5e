/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first difference of two models. Names are compared as text, so the two may have other names beside.
 * Counters and empty base chains are permanent: more of them than expected is no difference; nor is a table
 * of family netdev that was not expected, which is the guard of the ports (netlink.h).
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "inside.h"
#include "text.h"

struct pair {
	const struct nft_program *e, *g; /* expected, got */
	const struct nft_table *et, *gt;
	char *what;
	size_t room;
};

static bool __attribute__((format(printf, 2, 3))) say(struct pair *p, const char *format, ...)
{
	const char *family = p->et->family == NFT_INET     ? "inet"
			     : p->et->family == NFT_BRIDGE ? "bridge"
							   : "netdev";
	const int n = snprintf(p->what, p->room, "table %s %s: ", family, NFT_TABLE);
	va_list args;

	va_start(args, format);
	if (n > 0 && (size_t)n < p->room)
		vsnprintf(p->what + n, p->room - (size_t)n, format, args);
	va_end(args);
	return true;
}

static bool same_name(const struct pair *p, nft_name e, nft_name g)
{
	return !strcmp(nft_text(p->e, e), nft_text(p->g, g));
}

/* --- sets --------------------------------------------------------------------------------------------- */

static bool same_declaration(const struct nft_set *a, const struct nft_set *b)
{
	return a->flags == b->flags && a->named == b->named && a->key_type == b->key_type &&
	       a->data_type == b->data_type && a->key_len == b->key_len && a->data_len == b->data_len &&
	       a->size == b->size && a->timeout_ms == b->timeout_ms && a->n_fields == b->n_fields &&
	       !memcmp(a->field_len, b->field_len, sizeof a->field_len);
}

static bool say_element(struct pair *p, const struct nft_program *of, const struct nft_set *set,
			const struct nft_element *e, const char *how)
{
	struct text t = {0};

	text_element(&t, of, set, e);
	say(p, "set %s: element %s %s", nft_text(of, set->name), t.at ? t.at : "?", how);
	free(t.at);
	return true;
}

static bool same_data(const struct pair *p, const struct nft_element *e, const struct nft_element *g)
{
	return e->data == g->data && e->verdict == g->verdict && same_name(p, e->chain, g->chain);
}

static bool elements_differ(struct pair *p, const struct nft_set *es, const struct nft_set *gs)
{
	const struct nft_element *e = nft_elements(p->e) + es->element_first;
	const struct nft_element *g = nft_elements(p->g) + gs->element_first;
	uint32_t i = 0, k = 0;

	while (i < es->element_count || k < gs->element_count) {
		const int order = i == es->element_count   ? 1
				  : k == gs->element_count ? -1
							   : nft_element_order(es, &e[i], &g[k]);

		if (order < 0)
			return say_element(p, p->e, es, &e[i], "is missing");
		if (order > 0)
			return say_element(p, p->g, gs, &g[k], "is too much");
		if (!same_data(p, &e[i], &g[k]))
			return say_element(p, p->g, gs, &g[k], "has other data than expected");
		i++;
		k++;
	}
	return false;
}

static bool sets_differ(struct pair *p)
{
	for (uint32_t i = 0; i < p->et->set_count; i++) {
		const struct nft_set *e = &nft_sets(p->e)[p->et->set_first + i];
		const char *name = nft_text(p->e, e->name);
		const struct nft_set *g = nft_find_set(p->g, p->gt, name);

		if (!g)
			return say(p, "set %s is missing", name);
		if (!same_declaration(e, g))
			return say(p, "set %s is declared otherwise", name);
		if (!(e->named & NFT_VOLATILE) && elements_differ(p, e, g))
			return true;
	}
	for (uint32_t i = 0; i < p->gt->set_count; i++) {
		const char *name = nft_text(p->g, nft_sets(p->g)[p->gt->set_first + i].name);

		if (!nft_find_set(p->e, p->et, name))
			return say(p, "set %s is too much", name);
	}
	return false;
}

/* --- chains ------------------------------------------------------------------------------------------- */

static bool same_expr(const struct pair *p, const struct nft_expr *e, const struct nft_expr *g)
{
	struct nft_expr a = *e, b = *g;

	a.name = b.name = 0;
	return !memcmp(&a, &b, sizeof a) && same_name(p, e->name, g->name);
}

static bool same_rule(const struct pair *p, const struct nft_rule *e, const struct nft_rule *g)
{
	if (e->expr_count != g->expr_count)
		return false;
	for (uint32_t i = 0; i < e->expr_count; i++)
		if (!same_expr(p, &nft_exprs(p->e)[e->expr_first + i], &nft_exprs(p->g)[g->expr_first + i]))
			return false;
	return true;
}

static bool say_rule(struct pair *p, const char *chain, uint32_t i, const struct nft_rule *e,
		     const struct nft_rule *g)
{
	struct text expected = {0}, got = {0};

	if (e)
		text_rule(&expected, p->e, p->et, e);
	if (g)
		text_rule(&got, p->g, p->gt, g);
	say(p, "chain %s, rule %u: expected `%s`, found `%s`", chain, i + 1, expected.at ? expected.at : "",
	    got.at ? got.at : "");
	free(expected.at);
	free(got.at);
	return true;
}

static bool rules_differ(struct pair *p, const struct nft_chain *e, const struct nft_chain *g)
{
	const char *name = nft_text(p->e, e->name);
	const uint32_t n = e->rule_count > g->rule_count ? e->rule_count : g->rule_count;

	for (uint32_t i = 0; i < n; i++) {
		const struct nft_rule *er = i < e->rule_count ? &nft_rules(p->e)[e->rule_first + i] : NULL;
		const struct nft_rule *gr = i < g->rule_count ? &nft_rules(p->g)[g->rule_first + i] : NULL;

		if (!er || !gr || !same_rule(p, er, gr))
			return say_rule(p, name, i, er, gr);
	}
	return false;
}

static bool same_hook(const struct pair *p, const struct nft_chain *e, const struct nft_chain *g)
{
	return e->named == g->named && e->base == g->base && e->hook == g->hook &&
	       e->priority == g->priority && e->policy == g->policy && same_name(p, e->device, g->device);
}

static bool idle(const struct nft_chain *c)
{
	return c->base && !c->rule_count && c->policy == NF_ACCEPT;
}

static bool chains_differ(struct pair *p)
{
	for (uint32_t i = 0; i < p->et->chain_count; i++) {
		const struct nft_chain *e = &nft_chains(p->e)[p->et->chain_first + i];
		const char *name = nft_text(p->e, e->name);
		const struct nft_chain *g = nft_find_chain(p->g, p->gt, name);

		if (!g)
			return say(p, "chain %s is missing", name);
		if (!same_hook(p, e, g))
			return say(p, "chain %s has another hook, priority or policy", name);
		if (rules_differ(p, e, g))
			return true;
	}
	for (uint32_t i = 0; i < p->gt->chain_count; i++) {
		const struct nft_chain *g = &nft_chains(p->g)[p->gt->chain_first + i];
		const char *name = nft_text(p->g, g->name);

		if (!idle(g) && !nft_find_chain(p->e, p->et, name))
			return say(p, "chain %s is too much", name);
	}
	return false;
}

static bool counters_differ(struct pair *p)
{
	const struct nft_counter *g = nft_counters(p->g) + p->gt->counter_first;
	uint32_t k = 0;

	for (uint32_t i = 0; i < p->et->counter_count; i++) {
		const char *name = nft_text(p->e, nft_counters(p->e)[p->et->counter_first + i].name);

		while (k < p->gt->counter_count && strcmp(nft_text(p->g, g[k].name), name) < 0)
			k++;
		if (k == p->gt->counter_count || strcmp(nft_text(p->g, g[k].name), name) != 0)
			return say(p, "counter %s is missing", name);
	}
	return false;
}

static bool unexpected_table(struct pair *p, uint32_t em, uint32_t gm)
{
	const struct nft_model *m = &nft_models(p->g)[gm];

	for (uint32_t i = 0; i < m->table_count; i++) {
		p->et = &nft_tables(p->g)[m->table_first + i];
		if (p->et->family != NFT_NETDEV && !nft_find_table(p->e, em, p->et->family))
			return say(p, "the table is too much");
	}
	return false;
}

bool nft_differ(const struct nft_program *expected, uint32_t em, const struct nft_program *got, uint32_t gm,
		char *what, size_t room)
{
	struct pair p = {.e = expected, .g = got, .what = what, .room = room};

	if (em >= expected->model.count || gm >= got->model.count) {
		snprintf(what, room, "there is no such model");
		return true;
	}
	const struct nft_model *m = &nft_models(expected)[em];
	for (uint32_t i = 0; i < m->table_count; i++) {
		p.et = &nft_tables(expected)[m->table_first + i];
		p.gt = nft_find_table(got, gm, p.et->family);
		if (!p.gt)
			return say(&p, "the table is missing");
		if (sets_differ(&p) || chains_differ(&p) || counters_differ(&p))
			return true;
	}
	return unexpected_table(&p, em, gm);
}
