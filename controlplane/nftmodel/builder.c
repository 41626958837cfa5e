/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builder of programs. Everything is appended to one growing array per section, with the number of a name in
 * place of its offset; finishing sorts and copies.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "inside.h"

struct array {
	char *at;
	size_t n, room;
};

struct nft_builder {
	struct array edge, decision, model, table, set, element, chain, rule, expr, counter;
	struct array text;    /* of names, each with its NUL */
	struct array name;    /* size_t: where in text; number 0 is "" */
	struct array bucket;  /* uint32_t: open-addressed hash of names, numbers */
	struct nft_set *open; /* of elements, else NULL */
	bool in_chain, in_rule;
	char error[200];
};

static void __attribute__((format(printf, 2, 3))) fail(struct nft_builder *b, const char *format, ...)
{
	va_list args;

	if (b->error[0])
		return;
	va_start(args, format);
	vsnprintf(b->error, sizeof b->error, format, args);
	va_end(args);
}

/* n zeroed items behind the array's last; NULL: failed, now or before. */
static void *extend(struct nft_builder *b, struct array *a, size_t item, size_t n)
{
	if (b->error[0])
		return NULL;
	if ((a->n + n) * item > a->room) {
		const size_t room = (a->n + n) * item * 2;
		char *at = room > NFT_PROGRAM_SIZE_MAX * (size_t)2 ? NULL : realloc(a->at, room);

		if (!at) {
			fail(b, "kernel program: out of memory");
			return NULL;
		}
		a->at = at;
		a->room = room;
	}
	void *first = memset(a->at + a->n * item, 0, n * item);
	a->n += n;
	return first;
}

#define ADD(b, what, type) ((type *)extend(b, &(b)->what, sizeof(type), 1))
#define LAST(b, what, type)                                                                                  \
	((b)->error[0] || !(b)->what.n ? NULL : (type *)(void *)(b)->what.at + (b)->what.n - 1)

/* --- names -------------------------------------------------------------------------------------------- */

static const char *text_of(const struct nft_builder *b, uint32_t number)
{
	return b->text.at + ((const size_t *)(const void *)b->name.at)[number];
}

static uint32_t *find_bucket(struct nft_builder *b, const char *text)
{
	uint32_t *bucket = (uint32_t *)(void *)b->bucket.at, hash = 2166136261u;

	for (const char *c = text; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	size_t i = hash % b->bucket.n;
	while (bucket[i] && strcmp(text_of(b, bucket[i]), text))
		i = (i + 1) % b->bucket.n;
	return &bucket[i];
}

/* At most half of the buckets are in use. */
static void grow_buckets(struct nft_builder *b)
{
	const size_t n = b->bucket.n ? b->bucket.n * 2 : 256;

	b->bucket.n = 0;
	if (!extend(b, &b->bucket, sizeof(uint32_t), n))
		return;
	for (uint32_t i = 1; i < b->name.n; i++)
		*find_bucket(b, text_of(b, i)) = i;
}

static uint32_t add_name(struct nft_builder *b, const char *text)
{
	const size_t at = b->text.n, size = strlen(text) + 1;
	size_t *name = ADD(b, name, size_t);
	char *copy = extend(b, &b->text, 1, size);

	if (!name || !copy)
		return 0;
	memcpy(copy, text, size);
	*name = at;
	return (uint32_t)b->name.n - 1;
}

static uint32_t name_number(struct nft_builder *b, const char *text)
{
	if (b->error[0] || !text || !*text)
		return 0;
	if (strlen(text) >= NFT_NAME_MAX)
		fail(b, "kernel program: name `%.20s...` is longer than %u", text, NFT_NAME_MAX - 1);
	if (b->name.n * 2 >= b->bucket.n)
		grow_buckets(b);
	if (b->error[0])
		return 0;
	uint32_t *bucket = find_bucket(b, text);
	if (!*bucket)
		*bucket = add_name(b, text);
	return *bucket;
}

/* --- appending ---------------------------------------------------------------------------------------- */

struct nft_builder *nft_builder_new(void)
{
	struct nft_builder *b = calloc(1, sizeof *b);

	if (b)
		add_name(b, "");
	return b;
}

void nft_builder_free(struct nft_builder *b)
{
	if (!b)
		return;
	struct array *all[] = {&b->edge,    &b->decision, &b->model, &b->table, &b->set,
			       &b->element, &b->chain,    &b->rule,  &b->expr,  &b->counter,
			       &b->text,    &b->name,     &b->bucket};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		free(all[i]->at);
	free(b);
}

void nft_build_edge(struct nft_builder *b, int64_t from_utc, uint32_t model)
{
	struct nft_edge *edge = ADD(b, edge, struct nft_edge);

	if (edge)
		*edge = (struct nft_edge){.from_utc = from_utc, .model = model};
}

void nft_build_decisions(struct nft_builder *b, const struct image_decision *d, size_t n)
{
	struct image_decision *to = n ? extend(b, &b->decision, sizeof *to, n) : NULL;

	if (to)
		memcpy(to, d, n * sizeof *d);
}

static void close_all(struct nft_builder *b)
{
	b->in_chain = b->in_rule = false;
	b->open = NULL;
}

void nft_build_model(struct nft_builder *b)
{
	struct nft_model *model = ADD(b, model, struct nft_model);

	close_all(b);
	if (model)
		model->table_first = (uint32_t)b->table.n;
}

void nft_build_table(struct nft_builder *b, uint32_t family, const char *name)
{
	struct nft_model *model = LAST(b, model, struct nft_model);
	struct nft_table *table = ADD(b, table, struct nft_table);

	close_all(b);
	if (!model)
		fail(b, "kernel program: table `%s` outside a model", name);
	if (!model || !table)
		return;
	model->table_count++;
	*table = (struct nft_table){.name = name_number(b, name),
				    .family = family,
				    .set_first = (uint32_t)b->set.n,
				    .chain_first = (uint32_t)b->chain.n,
				    .counter_first = (uint32_t)b->counter.n};
}

/* The table that is open, for something in it. */
static struct nft_table *open_table(struct nft_builder *b, const char *name)
{
	const struct nft_model *model = LAST(b, model, struct nft_model);
	struct nft_table *table = LAST(b, table, struct nft_table);

	close_all(b);
	if (model && model->table_count)
		return table;
	fail(b, "kernel program: `%s` outside a table", name);
	return NULL;
}

void nft_build_set(struct nft_builder *b, const char *name, const struct nft_set *like)
{
	struct nft_table *table = open_table(b, name);
	struct nft_set *set = ADD(b, set, struct nft_set);

	if (!table || !set)
		return;
	table->set_count++;
	*set = *like;
	set->name = name_number(b, name);
	set->element_first = (uint32_t)b->element.n;
	set->element_count = 0;
	b->open = set;
}

void nft_build_element(struct nft_builder *b, const struct nft_element *like, const char *chain)
{
	struct nft_element *element = ADD(b, element, struct nft_element);

	if (!b->open)
		fail(b, "kernel program: element outside a set");
	if (!b->open || !element)
		return;
	b->open->element_count++;
	*element = *like;
	element->chain = name_number(b, chain);
}

void nft_build_chain(struct nft_builder *b, const char *name, const struct nft_chain *like,
		     const char *device)
{
	struct nft_table *table = open_table(b, name);
	struct nft_chain *chain = ADD(b, chain, struct nft_chain);

	if (!table || !chain)
		return;
	table->chain_count++;
	*chain = *like;
	chain->name = name_number(b, name);
	chain->device = name_number(b, device);
	chain->rule_first = (uint32_t)b->rule.n;
	chain->rule_count = 0;
	b->in_chain = true;
}

void nft_build_rule(struct nft_builder *b)
{
	struct nft_chain *chain = LAST(b, chain, struct nft_chain);
	struct nft_rule *rule = ADD(b, rule, struct nft_rule);

	if (!b->in_chain)
		fail(b, "kernel program: rule outside a chain");
	if (!b->in_chain || !chain || !rule)
		return;
	chain->rule_count++;
	rule->expr_first = (uint32_t)b->expr.n;
	b->in_rule = true;
}

void nft_build_expr(struct nft_builder *b, const struct nft_expr *like, const char *name)
{
	struct nft_rule *rule = LAST(b, rule, struct nft_rule);
	struct nft_expr *expr = ADD(b, expr, struct nft_expr);

	if (!b->in_rule)
		fail(b, "kernel program: expression outside a rule");
	if (!b->in_rule || !rule || !expr)
		return;
	rule->expr_count++;
	*expr = *like;
	expr->name = name_number(b, name);
}

void nft_build_counter(struct nft_builder *b, const char *name)
{
	struct nft_table *table = open_table(b, name);
	struct nft_counter *counter = ADD(b, counter, struct nft_counter);

	if (!table || !counter)
		return;
	table->counter_count++;
	counter->name = name_number(b, name);
}

/* --- finishing ---------------------------------------------------------------------------------------- */

struct finish {
	struct nft_builder *b;
	struct nft_program *p;
	nft_name *offset; /* of names, by number */
	uint32_t *order;  /* scratch, as many as the longest section that is sorted */
	uint32_t sets, elements, chains, rules, exprs, counters, tables;
};

/* What qsort_r compares: items of `size` bytes at `first`, each beginning with a name. */
struct sorting {
	const struct nft_builder *b;
	const char *first;
	size_t size;
};

static int by_text(const void *a, const void *b, void *context)
{
	const struct nft_builder *builder = context;

	return strcmp(text_of(builder, *(const uint32_t *)a), text_of(builder, *(const uint32_t *)b));
}

static int by_item_name(const void *a, const void *b, void *context)
{
	const struct sorting *s = context;

	return by_text(s->first + *(const uint32_t *)a * s->size, s->first + *(const uint32_t *)b * s->size,
		       (void *)(uintptr_t)s->b);
}

static int by_family(const void *a, const void *b, void *context)
{
	const struct nft_table *first = context, *x = first + *(const uint32_t *)a,
			       *y = first + *(const uint32_t *)b;

	return x->family < y->family ? -1 : x->family > y->family;
}

static const uint32_t *ordered(struct finish *f, const void *first, size_t size, uint32_t n)
{
	struct sorting s = {f->b, first, size};

	for (uint32_t i = 0; i < n; i++)
		f->order[i] = i;
	qsort_r(f->order, n, sizeof *f->order, by_item_name, &s);
	return f->order;
}

static int by_key(const void *a, const void *b, void *context)
{
	return nft_element_order(context, a, b);
}

static void sort_elements(struct finish *f, struct nft_set *set, struct nft_element *e)
{
	bool sorted = true;

	for (uint32_t i = 1; sorted && i < set->element_count; i++)
		sorted = nft_element_order(set, &e[i - 1], &e[i]) < 0;
	if (sorted)
		return;
	qsort_r(e, set->element_count, sizeof *e, by_key, set);
	for (uint32_t i = 1; i < set->element_count; i++)
		if (!nft_element_order(set, &e[i - 1], &e[i]))
			fail(f->b, "kernel program: set `%s` has two elements of one key",
			     nft_text(f->p, set->name));
}

/* The writable section of the block that is being filled. */
#define OUT(f, section, type) ((type *)(void *)((char *)(f)->p + (f)->p->section.offset))
#define IN(f, section, type)  ((const type *)(const void *)(f)->b->section.at)

static void put_set(struct finish *f, const struct nft_set *in)
{
	struct nft_set *out = &OUT(f, set, struct nft_set)[f->sets++];
	struct nft_element *e = OUT(f, element, struct nft_element) + f->elements;

	*out = *in;
	out->name = f->offset[in->name];
	out->element_first = f->elements;
	f->elements += in->element_count;
	if (in->element_count)
		memcpy(e, IN(f, element, struct nft_element) + in->element_first,
		       in->element_count * sizeof *e);
	for (uint32_t i = 0; i < in->element_count; i++)
		e[i].chain = f->offset[e[i].chain];
	sort_elements(f, out, e);
}

static void put_rule(struct finish *f, const struct nft_rule *in)
{
	struct nft_rule *out = &OUT(f, rule, struct nft_rule)[f->rules++];

	*out = (struct nft_rule){f->exprs, in->expr_count};
	for (uint32_t i = 0; i < in->expr_count; i++) {
		struct nft_expr *e = &OUT(f, expr, struct nft_expr)[f->exprs++];

		*e = IN(f, expr, struct nft_expr)[in->expr_first + i];
		e->name = f->offset[e->name];
	}
}

static void put_chain(struct finish *f, const struct nft_chain *in)
{
	struct nft_chain *out = &OUT(f, chain, struct nft_chain)[f->chains++];

	*out = *in;
	out->name = f->offset[in->name];
	out->device = f->offset[in->device];
	out->rule_first = f->rules;
	for (uint32_t i = 0; i < in->rule_count; i++)
		put_rule(f, &IN(f, rule, struct nft_rule)[in->rule_first + i]);
}

static void put_table(struct finish *f, const struct nft_table *in)
{
	struct nft_table *out = &OUT(f, table, struct nft_table)[f->tables++];
	const struct nft_set *set = IN(f, set, struct nft_set) + in->set_first;
	const struct nft_chain *chain = IN(f, chain, struct nft_chain) + in->chain_first;
	const struct nft_counter *counter = IN(f, counter, struct nft_counter) + in->counter_first;
	const uint32_t *order;

	*out = *in;
	out->name = f->offset[in->name];
	out->set_first = f->sets;
	out->chain_first = f->chains;
	out->counter_first = f->counters;
	order = ordered(f, set, sizeof *set, in->set_count);
	for (uint32_t i = 0; i < in->set_count; i++)
		put_set(f, &set[order[i]]);
	order = ordered(f, chain, sizeof *chain, in->chain_count);
	for (uint32_t i = 0; i < in->chain_count; i++)
		put_chain(f, &chain[order[i]]);
	order = ordered(f, counter, sizeof *counter, in->counter_count);
	for (uint32_t i = 0; i < in->counter_count; i++)
		OUT(f, counter, struct nft_counter)[f->counters++].name = f->offset[counter[order[i]].name];
}

static void put_model(struct finish *f, uint32_t i)
{
	const struct nft_model *in = &IN(f, model, struct nft_model)[i];
	const struct nft_table *table = IN(f, table, struct nft_table) + in->table_first;
	uint32_t order[8];

	OUT(f, model, struct nft_model)[i] = (struct nft_model){f->tables, in->table_count};
	if (in->table_count > sizeof order / sizeof order[0]) {
		fail(f->b, "kernel program: more tables than families");
		return;
	}
	for (uint32_t k = 0; k < in->table_count; k++)
		order[k] = k;
	qsort_r(order, in->table_count, sizeof order[0], by_family, (void *)(uintptr_t)table);
	for (uint32_t k = 0; k < in->table_count; k++)
		put_table(f, &table[order[k]]);
}

static void put_names(struct finish *f)
{
	const uint32_t n = (uint32_t)f->b->name.n;
	char *names = OUT(f, names, char);
	nft_name at = 0;

	for (uint32_t i = 0; i < n; i++)
		f->order[i] = i;
	qsort_r(f->order, n, sizeof *f->order, by_text, f->b);
	for (uint32_t i = 0; i < n; i++) {
		const char *text = text_of(f->b, f->order[i]);

		strcpy(names + at, text);
		f->offset[f->order[i]] = at;
		at += (nft_name)strlen(text) + 1;
	}
}

/* Where everything will lie; 0: larger than a program may be. */
static size_t lay_out(const struct nft_builder *b, struct nft_program *head)
{
	const size_t counts[] = {b->edge.n,  b->decision.n, b->model.n, b->table.n,   b->set.n, b->element.n,
				 b->chain.n, b->rule.n,     b->expr.n,  b->counter.n, b->text.n};
	const size_t sizes[] = {
#define X(section, type) sizeof(type),
		NFT_SECTIONS(X)
#undef X
	};
	struct image_section *sections[] = {
#define X(section, type) &head->section,
		NFT_SECTIONS(X)
#undef X
	};
	size_t at = sizeof *head;

	for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
		if (at > NFT_PROGRAM_SIZE_MAX || counts[i] > NFT_PROGRAM_SIZE_MAX)
			return 0;
		*sections[i] = (struct image_section){(uint32_t)at, (uint32_t)counts[i]};
		at = nft_aligned(at + counts[i] * sizes[i]);
	}
	return at > NFT_PROGRAM_SIZE_MAX ? 0 : at;
}

static void fill(struct finish *f, size_t size)
{
	const struct nft_builder *b = f->b;

	put_names(f);
	if (b->edge.n)
		memcpy(OUT(f, edge, char), b->edge.at, b->edge.n * sizeof(struct nft_edge));
	if (b->decision.n)
		memcpy(OUT(f, decision, char), b->decision.at, b->decision.n * sizeof(struct image_decision));
	for (uint32_t i = 0; i < b->model.n; i++)
		put_model(f, i);
	f->p->size = (uint32_t)size;
	f->p->crc64 = nft_program_crc(f->p);
}

static size_t longest(const struct nft_builder *b)
{
	size_t n = b->name.n;

	n = b->set.n > n ? b->set.n : n;
	n = b->chain.n > n ? b->chain.n : n;
	return b->counter.n > n ? b->counter.n : n;
}

/* The block, or NULL with an error in the builder. */
static struct nft_program *assemble(struct nft_builder *b, const struct nft_program *head, size_t *size)
{
	struct nft_program start = {.magic = NFT_PROGRAM_MAGIC, .abi = NFT_PROGRAM_ABI};
	struct finish f = {.b = b};

	if (head) {
		start.image_crc = head->image_crc;
		memcpy(start.digest, head->digest, sizeof start.digest);
		start.box = head->box;
	}
	*size = lay_out(b, &start);
	if (!*size) {
		fail(b, "kernel program: larger than %u MB", NFT_PROGRAM_SIZE_MAX >> 20);
		return NULL;
	}
	f.p = aligned_alloc(8, *size);
	f.order = malloc(longest(b) * sizeof *f.order);
	f.offset = malloc(b->name.n * sizeof *f.offset);
	if (f.p && f.order && f.offset) {
		memset(f.p, 0, *size);
		memcpy(f.p, &start, NFT_HEADER_USED);
		fill(&f, *size);
	} else {
		fail(b, "kernel program: out of memory");
	}
	free(f.order);
	free(f.offset);
	return f.p;
}

struct nft_program *nft_builder_finish(struct nft_builder *b, const struct nft_program *head, size_t *size,
				       char *error, size_t room)
{
	struct nft_program *p = NULL;
	const char *wrong = NULL;

	if (!b->edge.n)
		nft_build_edge(b, INT64_MIN, 0);
	if (!b->error[0])
		p = assemble(b, head, size);
	if (p && !b->error[0] && (wrong = nft_program_check(p, *size)))
		fail(b, "kernel %s", wrong);
	if (!b->error[0])
		return p;
	snprintf(error, room, "%s", b->error);
	free(p);
	return NULL;
}
