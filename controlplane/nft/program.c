/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "program.h"

#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "sets.h"

#define BRCT_NEEDS                                                                                           \
	(DP_FEATURE_BRIDGE | DP_FEATURE_BRIDGE_CT | DP_FEATURE_BRIDGE_REJECT | DP_FEATURE_VLAN_FILTER)

uint32_t program_layout(const struct nft_box *box, uint32_t features)
{
	if (!(box->planes & NFT_PLANE_FORWARD))
		return NFT_LAYOUT_NONE;
	return (features & BRCT_NEEDS) == BRCT_NEEDS ? NFT_LAYOUT_BRCT : NFT_LAYOUT_BRNF;
}

const char *program_differs(const struct nft_box *a, const struct nft_box *b)
{
	if (a->planes != b->planes)
		return "program: it is for other planes";
	if (memcmp(a->bridge, b->bridge, sizeof(a->bridge)) != 0)
		return "program: it is for another bridge";
	if (a->n_ports != b->n_ports || memcmp(a->port, b->port, sizeof(a->port)) != 0)
		return "program: it is for other ports";
	if (a->n_management != b->n_management ||
	    memcmp(a->management, b->management, sizeof(a->management)) != 0)
		return "program: it is for other management addresses";
	if (a->group != b->group)
		return "program: it logs to another group";
	return NULL;
}

uint32_t program_model_at(const struct nft_program *p, int64_t utc_s, int64_t *until_s)
{
	const struct nft_edge *edge = nft_at(p, p->edge);
	uint32_t i = 0;

	while (i + 1 < p->edge.count && edge[i + 1].from_utc <= utc_s)
		i++;
	*until_s = i + 1 < p->edge.count ? edge[i + 1].from_utc : INT64_MAX;
	return p->edge.count ? edge[i].model : 0;
}

/* --- read-backs ---------------------------------------------------------------------------------------- */

static const struct nft_set *set_of(const struct nft_program *p, uint32_t family, const char *name)
{
	const struct nft_table *t = nft_find_table(p, 0, family);

	return t ? nft_find_set(p, t, name) : NULL;
}

static const struct nft_element *elements_of(const struct nft_program *p, const struct nft_set *set)
{
	return (const struct nft_element *)nft_at(p, p->element) + set->element_first;
}

uint32_t program_layout_of(const struct nft_program *got)
{
	if (!set_of(got, NFT_BRIDGE, "port"))
		return NFT_LAYOUT_NONE;
	return set_of(got, NFT_BRIDGE, "address4") ? NFT_LAYOUT_BRCT : NFT_LAYOUT_BRNF;
}

static bool same_elements(const struct nft_program *a, const struct nft_program *b, uint32_t family,
			  const char *name)
{
	const struct nft_set *x = set_of(a, family, name), *y = set_of(b, family, name);

	if (!x || !y)
		return !x && !y;
	if (x->element_count != y->element_count)
		return false;
	for (uint32_t i = 0; i < x->element_count; i++) {
		const struct nft_element *e = &elements_of(a, x)[i], *f = &elements_of(b, y)[i];

		if (memcmp(e->key, f->key, sizeof(e->key)) != 0 || e->data != f->data)
			return false;
	}
	return true;
}

bool program_same_box(const struct nft_program *got, const struct nft_program *closed)
{
	return same_elements(got, closed, NFT_BRIDGE, "port") &&
	       same_elements(got, closed, NFT_INET, "mgmt4") && same_elements(got, closed, NFT_INET, "mgmt6");
}

static bool chain_hooked(const struct nft_program *p, const struct nft_chain *chain,
			 const struct nft_program *got, const struct nft_table *table, bool same)
{
	const struct nft_chain *found = nft_find_chain(got, table, nft_text(p, chain->name));

	if (!chain->base)
		return true;
	if (!found || !found->base || found->hook != chain->hook || found->priority != chain->priority)
		return false;
	return same ? found->rule_count == chain->rule_count : !chain->rule_count || found->rule_count;
}

bool program_hooked(const struct nft_program *p, uint32_t model, const struct nft_program *got, bool same)
{
	const struct nft_model *m = (const struct nft_model *)nft_at(p, p->model) + model;
	const struct nft_table *tables = nft_at(p, p->table);
	const struct nft_chain *chains = nft_at(p, p->chain);

	for (uint32_t i = 0; i < m->table_count; i++) {
		const struct nft_table *t = &tables[m->table_first + i];
		const struct nft_table *there = nft_find_table(got, 0, t->family);

		if (!there)
			return false;
		for (uint32_t c = 0; c < t->chain_count; c++)
			if (!chain_hooked(p, &chains[t->chain_first + c], got, there, same))
				return false;
	}
	return true;
}

/* --- bindings ------------------------------------------------------------------------------------------ */

struct reading {
	const struct nft_program *got;
	const struct nft_box *box;
	uint32_t layout, lease_s;
	uint8_t family;
	const struct nft_set *address;
	struct nft_set_shape bound, key;
};

/* Keys are `domain . port . MAC . address`, without the domain where there is only one. */
static void take_key(const struct reading *r, const struct nft_element *e, struct dp_binding *b)
{
	const uint32_t port_at = r->layout == NFT_LAYOUT_BRCT;
	const size_t len = r->family == 4 ? 4 : 16;

	*b = (struct dp_binding){.family = r->family, .lease_s = r->lease_s};
	b->port = (uint16_t)(nft_key_get(&r->bound, port_at, e->key) - 1);
	memcpy(b->mac, e->key + nft_key_offset(&r->bound, port_at + 1), sizeof(b->mac));
	memcpy(b->addr, e->key + nft_key_offset(&r->bound, port_at + 2), len);
	if (r->layout == NFT_LAYOUT_BRCT)
		b->domain = (uint16_t)nft_key_get(&r->bound, 0, e->key);
	else if (b->port < r->box->n_ports)
		b->domain = r->box->port[b->port].vlan;
}

/* False: no binding of a port of ours, or an address that the maps give no identity. */
static bool take_binding(const struct reading *r, const struct nft_element *e, struct dp_binding *b)
{
	uint8_t key[NFT_KEY_MAX] = {0};

	take_key(r, e, b);
	nft_key_number(&r->key, 0, b->domain, key);
	nft_key_bytes(&r->key, 1, b->addr, r->family == 4 ? 4 : 16, key);
	const struct nft_element *found = nft_find_element(r->got, r->address, key);
	if (!found || b->port >= r->box->n_ports)
		return false;
	b->identity = (uint16_t)found->data;
	return true;
}

static bool open_family(struct reading *r, uint8_t family, const struct nft_set **bound)
{
	const char *const bound_name = family == 4 ? "bound4" : "bound6";
	const char *const address_name = family == 4 ? "address4" : "address6";

	r->family = family;
	*bound = set_of(r->got, NFT_BRIDGE, bound_name);
	r->address = set_of(r->got, r->layout == NFT_LAYOUT_BRCT ? NFT_BRIDGE : NFT_INET, address_name);
	return *bound && r->address && nft_shape(r->layout, bound_name, &r->bound) &&
	       nft_shape(r->layout, address_name, &r->key) && r->bound.key_len == (*bound)->key_len &&
	       r->key.key_len == r->address->key_len;
}

struct dp_binding *program_bindings(const struct nft_program *got, const struct nft_box *box,
				    uint32_t lease_s, size_t *n)
{
	struct reading r = {.got = got, .box = box, .layout = program_layout_of(got), .lease_s = lease_s};
	struct dp_binding *out = calloc(got->element.count + 1u, sizeof(*out));
	const struct nft_set *bound;

	*n = 0;
	for (uint8_t family = 4; out && family <= 6; family += 2) {
		if (!open_family(&r, family, &bound))
			continue;
		for (uint32_t i = 0; i < bound->element_count; i++)
			*n += take_binding(&r, &elements_of(got, bound)[i], &out[*n]);
	}
	return out;
}
