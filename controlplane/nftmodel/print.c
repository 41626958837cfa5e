/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>

#include "inside.h"
#include "sets.h"
#include "text.h"

static const char *family_word(uint32_t family)
{
	return family == NFT_INET ? "inet" : family == NFT_BRIDGE ? "bridge" : "netdev";
}

static void print_elements(struct text *t, const struct nft_program *p, const struct nft_set *set)
{
	for (uint32_t i = 0; i < set->element_count; i++) {
		text_add(t, i ? ",\n\t\t\t     " : "\t\telements = { ");
		text_element(t, p, set, &nft_elements(p)[set->element_first + i]);
	}
	if (set->element_count)
		text_add(t, " }\n");
}

static void print_flags(struct text *t, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = {{NFT_SET_CONSTANT, "constant"},
		     {NFT_SET_EVAL, "dynamic"},
		     {NFT_SET_INTERVAL, "interval"},
		     {NFT_SET_TIMEOUT, "timeout"}};
	const char *before = "\t\tflags ";

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (flags & words[i].flag) {
			text_add(t, "%s%s", before, words[i].word);
			before = ",";
		}
	if (*before == ',')
		text_add(t, "\n");
}

static void print_set(struct text *t, const struct nft_program *p, const struct nft_set *set, bool elements)
{
	const char *name = nft_text(p, set->name);
	struct nft_set_shape shape;
	char key[256], data[64];

	if (!nft_shape_of(name, set, &shape)) {
		text_add(t, "\t# set %s: of no known shape, %u bytes a key, %u elements\n\n", name,
			 set->key_len, set->element_count);
		return;
	}
	nft_shape_text(&shape, key, data, sizeof data);
	text_add(t, "\t%s %s {\n\t\ttypeof %s%s%s\n", set->data_len ? "map" : "set", name, key,
		 set->data_len ? " : " : "", data);
	text_add(t, "\t\tsize %u\n", set->size);
	print_flags(t, set->flags);
	if (set->timeout_ms)
		text_add(t, "\t\ttimeout %ums\n", set->timeout_ms);
	if (elements)
		print_elements(t, p, set);
	text_add(t, "\t}\n\n");
}

static void print_hook(struct text *t, const struct nft_program *p, uint32_t family,
		       const struct nft_chain *c)
{
	static const char *const hooks[] = {"prerouting", "input",       "forward",
					    "output",     "postrouting", "ingress"};
	static const char *const netdev[] = {"ingress", "egress"};

	text_add(t, "\t\ttype filter hook %s ", family == NFT_NETDEV ? netdev[c->hook & 1] : hooks[c->hook]);
	if (c->device)
		text_add(t, "device \"%s\" ", nft_text(p, c->device));
	text_add(t, "priority %" PRId32 "; policy %s;\n", c->priority,
		 c->policy == NF_ACCEPT ? "accept" : "drop");
}

static void print_chain(struct text *t, const struct nft_program *p, const struct nft_table *table,
			const struct nft_chain *c)
{
	text_add(t, "\tchain %s {\n", nft_text(p, c->name));
	if (c->base)
		print_hook(t, p, table->family, c);
	for (uint32_t i = 0; i < c->rule_count; i++) {
		text_add(t, "\t\t");
		text_rule(t, p, table, &nft_rules(p)[c->rule_first + i]);
		text_add(t, "\n");
	}
	text_add(t, "\t}\n\n");
}

static void print_table(struct text *t, const struct nft_program *p, const struct nft_table *table,
			bool elements)
{
	text_add(t, "table %s %s {\n", family_word(table->family), nft_text(p, table->name));
	for (uint32_t i = 0; i < table->counter_count; i++)
		text_add(t, "\tcounter %s {\n\t}\n\n",
			 nft_text(p, nft_counters(p)[table->counter_first + i].name));
	for (uint32_t i = 0; i < table->set_count; i++)
		print_set(t, p, &nft_sets(p)[table->set_first + i], elements);
	for (uint32_t i = 0; i < table->chain_count; i++)
		print_chain(t, p, table, &nft_chains(p)[table->chain_first + i]);
	text_add(t, "}\n");
}

char *nft_print(const struct nft_program *p, uint32_t model, bool elements, size_t *len)
{
	struct text t = {0};

	text_add(&t, "%s", "");
	if (model < p->model.count) {
		const struct nft_model *m = &nft_models(p)[model];

		for (uint32_t i = 0; i < m->table_count; i++)
			print_table(&t, p, &nft_tables(p)[m->table_first + i], elements);
	}
	*len = t.n;
	if (!t.failed)
		return t.at;
	free(t.at);
	return NULL;
}
