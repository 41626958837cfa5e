/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The identity space: every label set that some endpoint can come to, plus the reserved ones.
 *
 * The set of each classify rule is in. Beyond that, a port, a VLAN, a MAC and an address are chosen one after
 * the other, each from the values that rules name or "another one". What rules still depend on the later
 * choices is carried on; rules whose conditions are all met add their evidence. At each step only the
 * distinct sums of evidence are kept, so that a thousand hosts with the same labels cost as much as one; a
 * limit on the work bounds the rest.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "evidence.h"
#include "keys.h"

#define SETS_MAX (IDENTITY_LAST - IDENTITY_FIRST + 1u)
#define WORK_MAX (UINT64_C(50) << 20) /* sums of evidence that are made */
#define KEPT_MAX (UINT64_C(1) << 20)  /* and that are kept, over all steps */

struct chooser {
	const struct ruleset *rs;
	struct arena *arena;
	uint64_t work, kept;
};

/* A set of distinct evidence: the keys of a map, in the order in which they came. */
struct sums {
	struct bytemap *map;
};

static void sums_init(struct chooser *c, struct sums *s)
{
	s->map = bytemap_new(c->arena);
}

static size_t sums_count(const struct sums *s)
{
	return bytemap_count(s->map);
}

static void sums_put(struct chooser *c, struct sums *s, const struct evidence *e)
{
	c->work++;
	c->kept += !bytemap_put(s->map, e->claim, c->rs->n_labels * sizeof(*e->claim), s);
}

static struct evidence sums_get(const struct chooser *c, const struct sums *s, size_t i)
{
	struct evidence e = {0};

	memcpy(e.claim, bytemap_key(s->map, i), c->rs->n_labels * sizeof(*e.claim));
	return e;
}

static bool exhausted(const struct chooser *c)
{
	return c->work > WORK_MAX || c->kept > KEPT_MAX;
}

/* Rules whose earlier choices are made. */
struct rest {
	const struct classifier **rule;
	size_t n;
};

static struct rest rest_new(struct chooser *c, size_t room)
{
	return (struct rest){arena_array(c->arena, room, sizeof(struct classifier *)), 0};
}

/* --- the last choice: an address
 * ------------------------------------------------------------------------------------ */

static int compare_prefixes(const void *a, const void *b)
{
	const struct classifier *x = *(const struct classifier *const *)a,
				*y = *(const struct classifier *const *)b;
	int order = x->family != y->family ? x->family - y->family
					   : memcmp(x->prefix, y->prefix, sizeof(x->prefix));

	if (order)
		return order;
	return x->prefix_len - y->prefix_len;
}

static bool covers(const struct classifier *outer, const struct classifier *inner)
{
	return outer->family == inner->family && outer->prefix_len <= inner->prefix_len &&
	       addr_in_prefix(inner->prefix, outer->prefix, outer->prefix_len);
}

/* A prefix on the way down to the current one, with all that holds inside it. */
struct nest {
	const struct classifier *prefix;
	struct evidence sum;
};

/*
 * Rules have a prefix or nothing. Sorted, each prefix follows those around it, which wait on a stack. `rest`
 * is the caller's still and stays as it is.
 */
static void choose_address(struct chooser *c, struct rest rest, struct sums *out)
{
	struct rest prefixed = rest_new(c, rest.n);
	struct nest nest[130];
	size_t depth = 0;

	nest[0] = (struct nest){0};
	for (size_t i = 0; i < rest.n; i++) {
		if (rest.rule[i]->has_prefix)
			prefixed.rule[prefixed.n++] = rest.rule[i];
		else
			evidence_add_classifier(&nest[0].sum, rest.rule[i], c->rs->n_labels);
	}
	sums_put(c, out, &nest[0].sum);
	qsort(prefixed.rule, prefixed.n, sizeof(*prefixed.rule), compare_prefixes);
	for (size_t i = 0; i < prefixed.n && !exhausted(c); i++) {
		const struct classifier **rule = &prefixed.rule[i];

		while (depth && !covers(nest[depth].prefix, *rule))
			depth--;
		if (!depth || nest[depth].prefix->prefix_len != (*rule)->prefix_len) {
			nest[depth + 1] = (struct nest){*rule, nest[depth].sum};
			depth++;
		}
		evidence_add_classifier(&nest[depth].sum, *rule, c->rs->n_labels);
		if (i + 1 == prefixed.n || compare_prefixes(rule, rule + 1) != 0)
			sums_put(c, out, &nest[depth].sum);
	}
}

/* --- the choices before it
 * ------------------------------------------------------------------------------------------ */

/* One thing an endpoint has exactly one of. */
struct choice {
	bool (*names)(const struct classifier *c);
	int (*compare)(const struct classifier *a, const struct classifier *b);
};

static bool names_port(const struct classifier *c)
{
	return c->has_port;
}

static int compare_port(const struct classifier *a, const struct classifier *b)
{
	return strcmp(a->port, b->port);
}

static bool names_vlan(const struct classifier *c)
{
	return c->has_vlan;
}

static int compare_vlan(const struct classifier *a, const struct classifier *b)
{
	return a->vlan - b->vlan;
}

static bool names_mac(const struct classifier *c)
{
	return c->has_mac;
}

static int compare_mac(const struct classifier *a, const struct classifier *b)
{
	return memcmp(a->mac, b->mac, sizeof(a->mac));
}

static const struct choice choices[] = {
	{names_port, compare_port}, {names_vlan, compare_vlan}, {names_mac, compare_mac}};
#define N_CHOICES (sizeof(choices) / sizeof(*choices))

static int compare_by(const void *a, const void *b, void *choice)
{
	return ((const struct choice *)choice)
		->compare(*(const struct classifier *const *)a, *(const struct classifier *const *)b);
}

/* Whether a rule depends on nothing after choice `step`. */
static bool settled(const struct classifier *c, size_t step)
{
	for (size_t i = step + 1; i < N_CHOICES; i++)
		if (choices[i].names(c))
			return false;
	return !c->has_prefix;
}

static void choose(struct chooser *c, size_t step, struct rest rest, struct sums *out);

/* Rules of one value that later choices can touch: choose on with them. */
static void choose_on(struct chooser *c, size_t step, struct rest others, struct rest named, struct sums *out)
{
	struct rest all = {malloc((others.n + named.n) * sizeof(*all.rule)), others.n + named.n};

	if (!all.rule)
		abort();
	if (others.n)
		memcpy(all.rule, others.rule, others.n * sizeof(*all.rule));
	memcpy(all.rule + others.n, named.rule, named.n * sizeof(*all.rule));
	c->work += all.n;
	choose(c, step + 1, all, out);
	free(all.rule);
}

/* One value of a choice. `plain`: what the rules without it come to; `seen`: evidence that was added to it
 * before. */
static void choose_value(struct chooser *c, size_t step, struct rest others, const struct sums *plain,
			 struct rest named, struct bytemap *seen, struct sums *out)
{
	struct evidence sum = {0};
	bool alone = true;

	for (size_t i = 0; i < named.n; i++)
		alone = alone && settled(named.rule[i], step);
	if (!alone) {
		choose_on(c, step, others, named, out);
		return;
	}
	for (size_t i = 0; i < named.n; i++)
		evidence_add_classifier(&sum, named.rule[i], c->rs->n_labels);
	if (bytemap_put(seen, &sum, sizeof(sum), seen))
		return;
	for (size_t i = 0; i < sums_count(plain) && !exhausted(c); i++) {
		struct evidence e = sums_get(c, plain, i);

		evidence_add(&e, &sum, c->rs->n_labels);
		sums_put(c, out, &e);
	}
}

/* All sums of evidence over the choices from `step` on. */
static void choose(struct chooser *c, size_t step, struct rest rest, struct sums *out)
{
	struct rest named, others;
	struct bytemap *seen;
	struct sums plain;

	if (step == N_CHOICES) {
		choose_address(c, rest, out);
		return;
	}
	named = rest_new(c, rest.n);
	others = rest_new(c, rest.n);
	seen = bytemap_new(c->arena);
	for (size_t i = 0; i < rest.n; i++) {
		struct rest *to = choices[step].names(rest.rule[i]) ? &named : &others;

		to->rule[to->n++] = rest.rule[i];
	}
	sums_init(c, &plain);
	choose(c, step + 1, others, &plain);
	for (size_t i = 0; i < sums_count(&plain); i++) {
		struct evidence e = sums_get(c, &plain, i);

		sums_put(c, out, &e);
	}
	qsort_r(named.rule, named.n, sizeof(*named.rule), compare_by, (void *)(uintptr_t)&choices[step]);
	for (size_t i = 0, end; i < named.n && !exhausted(c); i = end) {
		for (end = i + 1; end < named.n; end++)
			if (choices[step].compare(named.rule[i], named.rule[end]) != 0)
				break;
		choose_value(c, step, others, &plain, (struct rest){named.rule + i, end - i}, seen, out);
	}
}

/* --- from sums to identities
 * ------------------------------------------------------------------------------------------ */

/* Distinct label sets, with 0 for each label that has a default. */
struct label_sets {
	struct bytemap *map;
	uint16_t (*item)[LABELS_MAX];
	size_t n;
};

static void add_label_set(const struct ruleset *rs, struct label_sets *sets, const struct evidence *e)
{
	uint16_t value[LABELS_MAX] = {0};
	bool any = false;

	for (size_t k = 0; k < rs->n_labels; k++) {
		if (e->claim[k].value == CLAIM_CONFLICT)
			return;
		any = any || e->claim[k].value;
		value[k] = rs->labels[k].default_value ? 0 : e->claim[k].value;
	}
	if (any && !bytemap_put(sets->map, value, sizeof(value), sets))
		memcpy(sets->item[sets->n++], value, sizeof(value));
}

static void collect_sums(struct chooser *c, struct sums *all)
{
	const struct ruleset *rs = c->rs;
	struct rest rest = rest_new(c, rs->n_classifiers);

	for (size_t i = 0; i < rs->n_classifiers; i++) {
		struct evidence alone = {0};

		evidence_add_classifier(&alone, &rs->classifiers[i], rs->n_labels);
		sums_put(c, all, &alone);
		rest.rule[rest.n++] = &rs->classifiers[i];
	}
	choose(c, 0, rest, all);
}

static int compare_identities(const void *a, const void *b)
{
	return strcmp(((const struct identity *)a)->text, ((const struct identity *)b)->text);
}

/* Each set with every value of the labels that have a default. */
static void expand(struct build *b, const struct label_sets *sets, size_t times)
{
	struct ruleset *rs = b->rs;

	for (size_t i = 0; i < sets->n * times; i++) {
		struct identity *id = &rs->identities[N_RESERVED + i];
		size_t which = i % times;

		memcpy(id->value, sets->item[i / times], sizeof(id->value));
		for (size_t k = 0; k < rs->n_labels; k++) {
			if (!rs->labels[k].default_value)
				continue;
			id->value[k] = (uint16_t)(which % rs->labels[k].n_values + 1);
			which /= rs->labels[k].n_values;
		}
		id->text = label_set_text(rs, id->value, b->arena);
	}
	qsort(rs->identities + N_RESERVED, sets->n * times, sizeof(*rs->identities), compare_identities);
}

static void index_identities(struct build *b)
{
	struct bytemap *map = bytemap_new(b->arena);

	for (size_t i = N_RESERVED; i < b->rs->n_identities; i++)
		bytemap_put(map, b->rs->identities[i].value, sizeof(b->rs->identities[i].value),
			    (void *)(uintptr_t)i);
	b->rs->by_values = map;
}

static void add_reserved(struct ruleset *rs)
{
	static const struct identity reserved[N_RESERVED] = {
		{.reserved = IDENTITY_UNKNOWN, .text = "$unknown"},
		{.reserved = IDENTITY_CONFLICT, .text = "$conflict"},
		{.reserved = IDENTITY_GATEWAY, .text = "$gateway"},
		{.reserved = IDENTITY_WORLD, .text = "$world"},
		{.reserved = IDENTITY_MULTICAST, .text = "$multicast"},
	};

	memcpy(rs->identities, reserved, sizeof(reserved));
}

__attribute__((format(printf, 2, 3))) static bool refuse(struct build *b, const char *format, ...)
{
	const struct yaml_node *at = b->n_parts[SECTION_CLASSIFY] ? b->part[SECTION_CLASSIFY][0]->key : NULL;
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	diag_add(b->diags, SEV_ERROR, at ? at->place : (struct place){0}, "capacity: %s", text);
	return false;
}

bool make_space(struct build *b)
{
	struct chooser c = {.rs = b->rs, .arena = b->scratch};
	struct label_sets sets = {.map = bytemap_new(b->scratch)};
	struct ruleset *rs = b->rs;
	struct sums all;
	uint64_t times = 1;

	sums_init(&c, &all);
	collect_sums(&c, &all);
	if (exhausted(&c))
		return refuse(b,
			      "the classify rules can hold together in more ways than are looked at (%" PRIu64
			      ")",
			      KEPT_MAX);
	sets.item = arena_array(b->scratch, sums_count(&all), sizeof(*sets.item));
	for (size_t i = 0; i < sums_count(&all); i++) {
		struct evidence e = sums_get(&c, &all, i);

		add_label_set(rs, &sets, &e);
	}
	for (size_t k = 0; k < rs->n_labels && times <= SETS_MAX; k++)
		times *= rs->labels[k].default_value ? rs->labels[k].n_values : 1;
	if (sets.n * times > SETS_MAX)
		return refuse(b, "classify and defaults make %" PRIu64 " identities, at most %u are possible",
			      sets.n * times, SETS_MAX);
	rs->n_identities = N_RESERVED + sets.n * times;
	rs->set_words = (rs->n_identities + 63) / 64;
	rs->identities = arena_array(b->arena, rs->n_identities, sizeof(*rs->identities));
	add_reserved(rs);
	expand(b, &sets, times);
	index_identities(b);
	return true;
}
