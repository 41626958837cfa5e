/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bound.h"

#include <stdlib.h>
#include <string.h>

#include "snapshot.h"
#include "table.h"

#define NAMES_MAX 32u
#define BATCH_MAX DP_BATCH

/* Who has an address: the key of bindings. */
struct holder {
	uint8_t addr[16];
	uint16_t domain;
	uint8_t family, zero;
};

struct holding {
	struct holder holder;
	struct dp_binding binding;
	int64_t until_s; /* the lease's end on the clock of bound_time() */
};

/* Elements of bindings are single keys of hash sets; several bindings of one MAC may ask for the same. */
struct wanted_key {
	uint8_t key[NFT_KEY_MAX];
	uint32_t data;
	uint16_t name; /* of the set: number in `names` */
	uint16_t family;
};

struct wanted {
	struct wanted_key key;
	uint32_t count;
	uint32_t before; /* the count when the change began, */
	uint32_t change; /* and the change it is told for */
};

struct bound {
	struct nft_box box;
	struct table holdings, wanted;
	const char *names[NAMES_MAX];
	uint32_t n_names, change;
	int64_t now_s;
	/* of the change that is going on */
	uint32_t touched[2 * BATCH_MAX * NFT_BOUND_MAX], n_touched;
	struct dp_binding new[BATCH_MAX];
	uint32_t n_new, n_old;
};

static struct holder holder_of(const struct dp_binding *b)
{
	struct holder h = {.domain = b->domain, .family = b->family};

	memcpy(h.addr, b->addr, b->family == 4 ? 4 : 16);
	return h;
}

static struct bound *bound_new(const struct nft_box *box)
{
	struct bound *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->box = *box;
	table_init(&b->holdings, sizeof(struct holding), sizeof(struct holder), SNAPSHOT_BINDINGS_MAX);
	table_init(&b->wanted, sizeof(struct wanted), sizeof(struct wanted_key),
		   SNAPSHOT_BINDINGS_MAX * NFT_BOUND_MAX);
	return b;
}

void bound_free(struct bound *b)
{
	if (!b)
		return;
	table_fini(&b->holdings);
	table_fini(&b->wanted);
	free(b);
}

/* --- elements ------------------------------------------------------------------------------------------ */

static uint32_t name_number(struct bound *b, const char *name)
{
	for (uint32_t i = 0; i < b->n_names; i++)
		if (!strcmp(b->names[i], name))
			return i;
	if (b->n_names == NAMES_MAX)
		return NAMES_MAX;
	b->names[b->n_names] = name;
	return b->n_names++;
}

static uint32_t find_wanted(struct bound *b, const struct nft_bound *e)
{
	struct wanted_key key = {.data = e->element.data, .family = (uint16_t)e->family};
	const uint32_t name = name_number(b, e->set);

	memcpy(key.key, e->element.key, sizeof(key.key));
	key.name = (uint16_t)name;
	return name == NAMES_MAX ? TABLE_NONE : table_put(&b->wanted, &key);
}

static struct wanted *wanted_at(const struct bound *b, uint32_t number)
{
	return table_at(&b->wanted, number);
}

static struct nft_bound element_of(const struct bound *b, const struct wanted *w)
{
	struct nft_bound e = {.family = w->key.family, .set = b->names[w->key.name]};

	e.element.data = w->key.data;
	memcpy(e.element.key, w->key.key, sizeof(w->key.key));
	memcpy(e.element.key_end, w->key.key, sizeof(w->key.key));
	return e;
}

/* One binding's elements are wanted once more or less. False: no memory. */
static bool want(struct bound *b, const struct dp_binding *binding, bool more, bool note)
{
	struct nft_bound elements[NFT_BOUND_MAX];
	const size_t n = nft_bind_elements(&b->box, binding, elements);

	for (size_t i = 0; i < n; i++) {
		const uint32_t number = find_wanted(b, &elements[i]);

		if (number == TABLE_NONE)
			return false;
		struct wanted *w = wanted_at(b, number);
		if (note && w->change != b->change) {
			w->change = b->change;
			w->before = w->count;
			b->touched[b->n_touched++] = number;
		}
		w->count += more ? 1u : (uint32_t)-1;
	}
	return true;
}

static int64_t until(const struct bound *b, uint32_t lease_s)
{
	return lease_s == UINT32_MAX ? INT64_MAX : b->now_s + lease_s;
}

static struct holding *holding_at(const struct bound *b, uint32_t number)
{
	return table_at(&b->holdings, number);
}

static bool hold(struct bound *b, const struct dp_binding *binding)
{
	const struct holder h = holder_of(binding);
	const uint32_t number = table_put(&b->holdings, &h);

	if (number == TABLE_NONE)
		return false;
	holding_at(b, number)->binding = *binding;
	holding_at(b, number)->until_s = until(b, binding->lease_s);
	return true;
}

struct bound *bound_of(const struct nft_box *box, const struct dp_binding *bindings, size_t n, int64_t now_s)
{
	struct bound *b = bound_new(box);
	bool ok = b;

	if (b)
		b->now_s = now_s;
	for (size_t i = 0; ok && i < n; i++)
		ok = hold(b, &bindings[i]);
	for (uint32_t at = 0; ok;) {
		struct dp_binding binding;

		if (!bound_next(b, &at, &binding))
			return b;
		ok = want(b, &binding, true, false);
	}
	bound_free(b);
	return NULL;
}

/* --- a change ------------------------------------------------------------------------------------------ */

/* Of two of one address in one message the later holds. */
static bool superseded(const struct dp_binding *bindings, size_t n, size_t i)
{
	const struct holder h = holder_of(&bindings[i]);

	for (size_t j = i + 1; j < n; j++) {
		const struct holder later = holder_of(&bindings[j]);

		if (!memcmp(&h, &later, sizeof(h)))
			return true;
	}
	return false;
}

static bool begin_one(struct bound *b, const struct dp_binding *binding)
{
	struct dp_binding old;

	b->new[b->n_new++] = *binding;
	if (bound_find(b, binding, &old)) {
		b->n_old++;
		if (!want(b, &old, false, true))
			return false;
	}
	return binding->flags & DP_BINDING_GONE || want(b, binding, true, true);
}

/* Which elements appear and which go; those of no more use are thrown out of the table by drop_unwanted(). */
static bool list_change(const struct bound *b, struct bound_change *out)
{
	out->del = calloc(b->n_touched + 1, sizeof(*out->del));
	out->add = calloc(b->n_touched + 1, sizeof(*out->add));
	if (!out->del || !out->add)
		return false;
	for (uint32_t i = 0; i < b->n_touched; i++) {
		const struct wanted *w = wanted_at(b, b->touched[i]);

		if (w->before && !w->count)
			out->del[out->n_del++] = element_of(b, w);
		else if (!w->before && w->count)
			out->add[out->n_add++] = element_of(b, w);
	}
	return true;
}

static void drop_unwanted(struct bound *b)
{
	for (uint32_t i = 0; i < b->n_touched; i++)
		if (!wanted_at(b, b->touched[i])->count)
			table_remove(&b->wanted, b->touched[i]);
	b->n_touched = 0;
}

static void take_back(struct bound *b)
{
	for (uint32_t i = 0; i < b->n_touched; i++) {
		struct wanted *w = wanted_at(b, b->touched[i]);

		w->count = w->before;
	}
}

/* Room for all that the change may hold is taken before the kernel is asked. */
static bool reserve_holdings(struct bound *b)
{
	return b->holdings.n + b->n_new <= b->holdings.limit + b->n_old &&
	       table_reserve(&b->holdings, b->n_new);
}

bool bound_begin(struct bound *b, const struct dp_binding *bindings, size_t n, struct bound_change *out)
{
	bool ok = n <= BATCH_MAX;

	*out = (struct bound_change){0};
	b->n_touched = b->n_new = b->n_old = 0;
	b->change++;
	for (size_t i = 0; ok && i < n; i++)
		if (!superseded(bindings, n, i))
			ok = begin_one(b, &bindings[i]);
	if (ok && reserve_holdings(b) && list_change(b, out))
		return true;
	bound_end(b, out, false);
	return false;
}

static void commit_one(struct bound *b, const struct dp_binding *binding)
{
	const struct holder h = holder_of(binding);
	const uint32_t number = table_find(&b->holdings, &h);

	if (!(binding->flags & DP_BINDING_GONE))
		hold(b, binding);
	else if (number != TABLE_NONE)
		table_remove(&b->holdings, number);
}

void bound_end(struct bound *b, struct bound_change *change, bool commit)
{
	for (uint32_t i = 0; commit && i < b->n_new; i++)
		commit_one(b, &b->new[i]);
	if (!commit)
		take_back(b);
	drop_unwanted(b);
	free(change->del);
	free(change->add);
	*change = (struct bound_change){0};
}

/* --- reading ------------------------------------------------------------------------------------------- */

struct nft_bound *bound_elements(const struct bound *b, size_t *n)
{
	struct nft_bound *out = calloc(b->wanted.n + 1u, sizeof(*out));

	*n = 0;
	for (uint32_t i = table_next(&b->wanted, 0); out && i != TABLE_NONE;
	     i = table_next(&b->wanted, i + 1))
		out[(*n)++] = element_of(b, wanted_at(b, i));
	return out;
}

size_t bound_count(const struct bound *b)
{
	return b->holdings.n;
}

static struct dp_binding binding_at(const struct bound *b, uint32_t number)
{
	struct dp_binding out = holding_at(b, number)->binding;
	const int64_t left = holding_at(b, number)->until_s - b->now_s;

	if (out.lease_s != UINT32_MAX)
		out.lease_s = left > 0 ? (uint32_t)left : 0;
	return out;
}

void bound_time(struct bound *b, int64_t now_s)
{
	b->now_s = now_s;
}

bool bound_next(const struct bound *b, uint32_t *at, struct dp_binding *out)
{
	const uint32_t number = table_next(&b->holdings, *at);

	if (number == TABLE_NONE)
		return false;
	*at = number + 1;
	*out = binding_at(b, number);
	return true;
}

bool bound_find(const struct bound *b, const struct dp_binding *like, struct dp_binding *out)
{
	const struct holder h = holder_of(like);
	const uint32_t number = table_find(&b->holdings, &h);

	if (number == TABLE_NONE)
		return false;
	*out = binding_at(b, number);
	return true;
}

void bound_renew(struct bound *b, const struct dp_binding *like, uint32_t lease_s)
{
	const struct holder h = holder_of(like);
	const uint32_t number = table_find(&b->holdings, &h);

	if (number != TABLE_NONE && holding_at(b, number)->binding.lease_s != UINT32_MAX)
		holding_at(b, number)->until_s = until(b, lease_s);
}
