/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What bindings put into the sets of a program, and a program with them. Elements are collected by set, each
 * set's are sorted once and merged with what the program has.
 */
#include <stdio.h>
#include <stdlib.h>

#include "copy.h"
#include "inside.h"
#include "sets.h"

#define PROBE_PORTS 2u
#define PROBE_PORT  0xfff0u /* index of the first */

/* --- one binding -------------------------------------------------------------------------------------- */

static bool port_has(const struct nft_box_port *port, uint16_t domain)
{
	if (!domain)
		return false;
	if (port->vlan == domain)
		return true;
	for (uint32_t i = 0; port->trunk && i < port->n_vlans; i++)
		if (port->vlans[i] == domain)
			return true;
	return false;
}

static bool box_has(const struct nft_box *box, const struct dp_binding *b)
{
	if (!(box->planes & NFT_PLANE_FORWARD) || (b->family != 4 && b->family != 6))
		return false;
	if (b->port >= PROBE_PORT && b->port < PROBE_PORT + PROBE_PORTS)
		return b->domain == DP_PROBE_DOMAIN;
	return b->port < box->n_ports && port_has(&box->port[b->port], b->domain);
}

/* What of a binding the fields of a key are, in their order. */
enum part { END, ZONE, PORT, MAC, ADDRESS };

static const struct {
	const char *set[2];  /* by family: 4, 6 */
	bool guard;          /* of the bridge table in every layout */
	uint8_t parts[2][4]; /* BRNF, BRCT */
} kinds[] = {
	{{"bound4", "bound6"}, true, {{PORT, MAC, ADDRESS}, {ZONE, PORT, MAC, ADDRESS}}},
	{{"held4", "held6"}, true, {{ADDRESS}, {ZONE, ADDRESS}}},
	{{"to4", "to6"}, true, {{MAC, ADDRESS}, {ZONE, MAC, ADDRESS}}},
	{{"behind", "behind"}, true, {{PORT, MAC}, {PORT, MAC}}},
	{{"home", "home"}, true, {{MAC}, {ZONE, MAC}}},
	{{"address4", "address6"}, false, {{ZONE, ADDRESS}, {ZONE, ADDRESS}}},
	{{"same4", "same6"}, false, {{ADDRESS, ADDRESS}, {ADDRESS, ADDRESS}}},
};
#define N_KINDS (sizeof kinds / sizeof kinds[0])
_Static_assert(N_KINDS <= NFT_BOUND_MAX, "all of them fit");

static void put_part(const struct nft_set_shape *shape, uint32_t field, enum part part,
		     const struct dp_binding *b, uint8_t *key)
{
	if (part == ZONE)
		nft_key_number(shape, field, b->domain, key);
	else if (part == PORT)
		nft_key_number(shape, field, b->port + 1u, key);
	else if (part == MAC)
		nft_key_bytes(shape, field, b->mac, sizeof b->mac, key);
	else
		nft_key_bytes(shape, field, b->addr, b->family == 4 ? 4 : 16, key);
}

size_t nft_bind_elements(const struct nft_box *box, const struct dp_binding *b,
			 struct nft_bound out[NFT_BOUND_MAX])
{
	const bool tagged = box->layout == NFT_LAYOUT_BRCT;

	if (!box_has(box, b))
		return 0;
	for (size_t i = 0; i < N_KINDS; i++) {
		struct nft_element *e = &out[i].element;
		struct nft_set_shape shape;

		out[i] = (struct nft_bound){
			.family = kinds[i].guard || tagged ? NFT_BRIDGE : NFT_INET,
			.set = kinds[i].set[b->family == 6],
		};
		if (!nft_shape(box->layout, out[i].set, &shape))
			return 0;
		for (uint32_t f = 0; f < shape.n_fields; f++)
			put_part(&shape, f, kinds[i].parts[tagged][f], b, e->key);
		memcpy(e->key_end, e->key, sizeof e->key);
		e->data = shape.data_len ? b->identity : 0;
	}
	return N_KINDS;
}

/* --- a program with bindings -------------------------------------------------------------------------- */

struct added {
	struct nft_element *at;
	size_t n, room;
};

struct work {
	const struct nft_program *p;
	uint32_t model, first; /* set number of the model's first set */
	struct added *added;   /* by set of the model */
	char *error;
	size_t room;
};

/* The number of a set among the model's; -1: there is none. */
static int64_t set_number(const struct work *w, const struct nft_bound *bound)
{
	const struct nft_table *t = nft_find_table(w->p, w->model, bound->family);
	const struct nft_set *set = t ? nft_find_set(w->p, t, bound->set) : NULL;

	if (!set) {
		snprintf(w->error, w->room, "kernel program: a binding needs the set %s, which it has not",
			 bound->set);
		return -1;
	}
	return set - nft_sets(w->p) - w->first;
}

static bool add(struct work *w, struct added *a, const struct nft_element *e)
{
	if (a->n == a->room) {
		const size_t room = a->room ? a->room * 2 : 64;
		struct nft_element *at = realloc(a->at, room * sizeof *at);

		if (!at) {
			snprintf(w->error, w->room, "kernel program: out of memory");
			return false;
		}
		a->at = at;
		a->room = room;
	}
	a->at[a->n++] = *e;
	return true;
}

/* Bindings of one box put their elements into the same few sets: those are looked up once each. */
struct known {
	const char *set;
	struct added *added;
};

static bool collect(struct work *w, const struct nft_box *box, const struct dp_binding *b, size_t n)
{
	struct known known[2 * NFT_BOUND_MAX] = {{NULL, NULL}};
	struct nft_bound bound[NFT_BOUND_MAX];

	for (size_t i = 0; i < n; i++) {
		const size_t count = nft_bind_elements(box, &b[i], bound);

		for (size_t k = 0; k < count; k++) {
			struct known *at = &known[2 * k + (b[i].family == 6)];

			if (at->set != bound[k].set) {
				const int64_t number = set_number(w, &bound[k]);

				if (number < 0)
					return false;
				*at = (struct known){bound[k].set, &w->added[number]};
			}
			if (!add(w, at->added, &bound[k].element))
				return false;
		}
	}
	return true;
}

static int by_key(const void *a, const void *b, void *set)
{
	return nft_element_order(set, a, b);
}

/* Equal ones become one. False: one key is wanted with different data. */
static bool sort_added(const struct nft_set *set, struct added *a)
{
	size_t kept = 0;

	if (a->n)
		qsort_r(a->at, a->n, sizeof *a->at, by_key, (void *)(uintptr_t)set);
	for (size_t i = 0; i < a->n; i++) {
		if (kept && !nft_element_order(set, &a->at[kept - 1], &a->at[i])) {
			if (a->at[kept - 1].data != a->at[i].data)
				return false;
			continue;
		}
		a->at[kept++] = a->at[i];
	}
	a->n = kept;
	return true;
}

/* nft_copy_model() asks for the elements of a set: its own and what bindings add, in order. */
static bool merge(void *context, struct nft_builder *b, const struct nft_set *set)
{
	struct work *w = context;
	struct added *a = &w->added[set - nft_sets(w->p) - w->first];
	const struct nft_element *own = nft_elements(w->p) + set->element_first;
	uint32_t i = 0;
	size_t k = 0;
	bool good = sort_added(set, a);

	while (good && (i < set->element_count || k < a->n)) {
		const int order = i == set->element_count ? 1
				  : k == a->n             ? -1
							  : nft_element_order(set, &own[i], &a->at[k]);

		good = order || own[i].data == a->at[k].data;
		nft_copy_element(b, w->p, order <= 0 ? &own[i] : &a->at[k]);
		i += order <= 0;
		k += order >= 0;
	}
	if (!good)
		snprintf(w->error, w->room,
			 "kernel program: set %s: bindings want one key with different data",
			 nft_text(w->p, set->name));
	return good;
}

static struct nft_program *build(struct work *w, size_t *size)
{
	struct nft_builder *b = nft_builder_new();
	struct nft_program *made = NULL;

	if (!b)
		snprintf(w->error, w->room, "kernel program: out of memory");
	else if (nft_copy_model(b, w->p, w->model, merge, w))
		made = nft_builder_finish(b, w->p, size, w->error, w->room);
	nft_builder_free(b);
	return made;
}

struct nft_program *nft_with_bindings(const struct nft_program *p, uint32_t model,
				      const struct dp_binding *bindings, size_t n, size_t *size, char *error,
				      size_t room)
{
	struct work w = {.p = p, .model = model, .error = error, .room = room};
	struct nft_program *made = NULL;
	uint32_t sets = 0;

	if (model >= p->model.count) {
		snprintf(error, room, "kernel program: it has no model %u", model);
		return NULL;
	}
	const struct nft_model *m = &nft_models(p)[model];
	const struct nft_table *table = nft_tables(p) + m->table_first;
	w.first = m->table_count ? table->set_first : 0;
	for (uint32_t i = 0; i < m->table_count; i++)
		sets += table[i].set_count;
	w.added = calloc(sets + 1, sizeof *w.added);
	if (!w.added)
		snprintf(error, room, "kernel program: out of memory");
	else if (collect(&w, &p->box, bindings, n))
		made = build(&w, size);
	for (uint32_t i = 0; w.added && i < sets; i++)
		free(w.added[i].at);
	free(w.added);
	return made;
}
