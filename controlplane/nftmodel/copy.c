/* SPDX-License-Identifier: BSD-3-Clause */
#include "copy.h"

#include "inside.h"

void nft_copy_element(struct nft_builder *b, const struct nft_program *p, const struct nft_element *e)
{
	nft_build_element(b, e, nft_text(p, e->chain));
}

static void copy_chain(struct nft_builder *b, const struct nft_program *p, const struct nft_chain *c)
{
	nft_build_chain(b, nft_text(p, c->name), c, nft_text(p, c->device));
	for (uint32_t r = 0; r < c->rule_count; r++) {
		const struct nft_rule *rule = &nft_rules(p)[c->rule_first + r];

		nft_build_rule(b);
		for (uint32_t i = 0; i < rule->expr_count; i++) {
			const struct nft_expr *e = &nft_exprs(p)[rule->expr_first + i];

			nft_build_expr(b, e, nft_text(p, e->name));
		}
	}
}

static bool copy_table(struct nft_builder *b, const struct nft_program *p, const struct nft_table *t,
		       nft_copy_elements *elements, void *context)
{
	nft_build_table(b, t->family, nft_text(p, t->name));
	for (uint32_t i = 0; i < t->set_count; i++) {
		const struct nft_set *set = &nft_sets(p)[t->set_first + i];

		nft_build_set(b, nft_text(p, set->name), set);
		if (!elements(context, b, set))
			return false;
	}
	for (uint32_t i = 0; i < t->chain_count; i++)
		copy_chain(b, p, &nft_chains(p)[t->chain_first + i]);
	for (uint32_t i = 0; i < t->counter_count; i++)
		nft_build_counter(b, nft_text(p, nft_counters(p)[t->counter_first + i].name));
	return true;
}

bool nft_copy_model(struct nft_builder *b, const struct nft_program *p, uint32_t model,
		    nft_copy_elements *elements, void *context)
{
	const struct nft_model *m = &nft_models(p)[model];

	nft_build_decisions(b, nft_decisions(p), p->decision.count);
	nft_build_model(b);
	for (uint32_t i = 0; i < m->table_count; i++)
		if (!copy_table(b, p, &nft_tables(p)[m->table_first + i], elements, context))
			return false;
	return true;
}
