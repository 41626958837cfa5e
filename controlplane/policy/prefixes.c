/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identity by address alone: the address space is cut wherever a prefix of classify, a protected prefix or a
 * special range begins or ends; between two cuts all addresses are alike, so each piece is classified by its
 * first one.
 */
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "evidence.h"

struct cuts {
	uint8_t (*at)[16];
	size_t n;
};

static const struct cidr special[] = {
	{4, 32, {0}},
	{4, 8, {127}},
	{4, 16, {169, 254}},
	{4, 4, {224}},
	{4, 32, {255, 255, 255, 255}},
	{6, 128, {0}},
	{6, 128, {[15] = 1}},
	{6, 10, {0xfe, 0x80}},
	{6, 8, {0xff}},
};
#define N_SPECIAL (sizeof(special) / sizeof(*special))

/* The address after the last one of a prefix; false at the end of the space. */
static bool after(uint8_t family, uint8_t addr[16], uint8_t len)
{
	addr_last(family, addr, len);
	for (size_t i = addr_bits(family) / 8; i-- > 0;)
		if (++addr[i])
			return true;
	return false;
}

static void add_cuts(struct cuts *c, uint8_t family, const uint8_t addr[16], uint8_t len)
{
	memcpy(c->at[c->n], addr, 16);
	addr_first(family, c->at[c->n++], len);
	memcpy(c->at[c->n], addr, 16);
	c->n += after(family, c->at[c->n], len);
}

static int compare_addr(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static bool find_cuts(const struct ruleset *rs, uint8_t family, struct cuts *c)
{
	size_t n = 1;

	c->at = calloc(2 * (rs->n_classifiers + rs->n_protected + N_SPECIAL) + 1, sizeof(*c->at));
	if (!c->at)
		return false;
	c->n = 1; /* the zero address */
	for (size_t i = 0; i < rs->n_classifiers; i++)
		if (rs->classifiers[i].has_prefix && rs->classifiers[i].family == family)
			add_cuts(c, family, rs->classifiers[i].prefix, rs->classifiers[i].prefix_len);
	for (size_t i = 0; i < rs->n_protected; i++)
		if (rs->protected[i].family == family)
			add_cuts(c, family, rs->protected[i].addr, rs->protected[i].len);
	for (size_t i = 0; i < N_SPECIAL; i++)
		if (special[i].family == family)
			add_cuts(c, family, special[i].addr, special[i].len);
	qsort(c->at, c->n, sizeof(*c->at), compare_addr);
	for (size_t i = 1; i < c->n; i++)
		if (memcmp(c->at[i], c->at[n - 1], 16) != 0)
			memmove(c->at[n++], c->at[i], 16);
	c->n = n;
	return true;
}

/* --- what the prefixes say and whether it is the last word
 * -------------------------------------------------------------- */

static bool beyond_prefix(const struct classifier *c)
{
	return c->has_mac || c->has_port || c->has_vlan;
}

/* Whether adding the rule's evidence could change the outcome. */
static bool could_change(const struct classifier *c, const struct evidence *sum, size_t n_labels)
{
	uint16_t rank = classifier_rank(c);

	for (size_t k = 0; k < n_labels; k++) {
		const struct claim *have = &sum->claim[k];

		if (c->value[k] && c->value[k] != have->value && (!have->value || rank >= have->rank))
			return true;
	}
	return false;
}

/* Rules that may hold for addresses of the piece that is looked at, in ascending order of prefix. */
struct walk {
	const struct ruleset *rs;
	const struct classifier **by_prefix; /* with a prefix of the family, sorted */
	const struct classifier **around;    /* those whose prefix holds the piece, outermost first */
	const struct classifier **loose;     /* without a prefix */
	size_t n_by_prefix, next, n_around, n_loose;
};

static int compare_prefixes(const void *a, const void *b)
{
	const struct classifier *x = *(const struct classifier *const *)a,
				*y = *(const struct classifier *const *)b;
	int order = memcmp(x->prefix, y->prefix, sizeof(x->prefix));

	return order ? order : x->prefix_len - y->prefix_len;
}

static bool walk_start(struct walk *w, const struct ruleset *rs, uint8_t family)
{
	*w = (struct walk){.rs = rs};
	w->by_prefix = calloc(3 * rs->n_classifiers + 1, sizeof(struct classifier *));
	if (!w->by_prefix)
		return false;
	w->around = w->by_prefix + rs->n_classifiers;
	w->loose = w->around + rs->n_classifiers;
	for (size_t i = 0; i < rs->n_classifiers; i++) {
		const struct classifier *c = &rs->classifiers[i];

		if (!c->has_prefix)
			w->loose[w->n_loose++] = c;
		else if (c->family == family)
			w->by_prefix[w->n_by_prefix++] = c;
	}
	qsort(w->by_prefix, w->n_by_prefix, sizeof(*w->by_prefix), compare_prefixes);
	return true;
}

static void walk_to(struct walk *w, const uint8_t at[16])
{
	while (w->n_around) {
		const struct classifier *c = w->around[w->n_around - 1];

		if (addr_in_prefix(at, c->prefix, c->prefix_len))
			break;
		w->n_around--;
	}
	while (w->next < w->n_by_prefix && memcmp(w->by_prefix[w->next]->prefix, at, 16) == 0)
		w->around[w->n_around++] = w->by_prefix[w->next++];
}

/* Identity by the prefixes around, and whether no further condition could change it. */
static size_t by_prefixes(const struct walk *w, enum addr_kind kind, bool *final)
{
	size_t n_labels = w->rs->n_labels, n_around = kind == ADDR_UNICAST ? w->n_around : 0;
	struct evidence sum = {0};

	for (size_t i = 0; i < n_around; i++)
		if (!beyond_prefix(w->around[i]))
			evidence_add_classifier(&sum, w->around[i], n_labels);
	*final = true;
	for (size_t i = 0; i < n_around && *final; i++)
		*final = !beyond_prefix(w->around[i]) || !could_change(w->around[i], &sum, n_labels);
	for (size_t i = 0; i < w->n_loose && *final; i++)
		*final = !could_change(w->loose[i], &sum, n_labels);
	return evidence_identity(w->rs, &sum, AT_UNKNOWN);
}

static bool is_protected(const struct ruleset *rs, uint8_t family, const uint8_t at[16])
{
	for (size_t i = 0; i < rs->n_protected; i++)
		if (rs->protected[i].family == family &&
		    addr_in_prefix(at, rs->protected[i].addr, rs->protected[i].len))
			return true;
	return false;
}

/*
 * A piece that is not protected is $world at an outside port, which no other evidence changes; the range
 * cannot say what it is at an inside port, so readers take $unknown there.
 */
static struct prefix_range describe(const struct walk *w, uint8_t family, const uint8_t at[16])
{
	enum addr_kind kind = addr_kind(family, at);
	struct prefix_range r = {.final = true};

	memcpy(r.from, at, sizeof(r.from));
	if (kind == ADDR_GROUP) {
		r.identity = AT_MULTICAST;
	} else if (kind == ADDR_UNICAST && !is_protected(w->rs, family, at)) {
		r.identity = AT_WORLD;
		r.outside_only = true;
	} else {
		r.identity = by_prefixes(w, kind, &r.final);
	}
	return r;
}

static bool alike(const struct prefix_range *a, const struct prefix_range *b)
{
	return a->identity == b->identity && a->final == b->final && a->outside_only == b->outside_only;
}

struct prefix_range *policy_prefixes(const struct ruleset *rs, uint8_t family, size_t *n)
{
	struct prefix_range *ranges = NULL;
	struct cuts cuts = {0};
	struct walk walk = {0};

	*n = 0;
	if (find_cuts(rs, family, &cuts) && walk_start(&walk, rs, family))
		ranges = calloc(cuts.n, sizeof(*ranges));
	for (size_t i = 0; ranges && i < cuts.n; i++) {
		struct prefix_range r;

		walk_to(&walk, cuts.at[i]);
		r = describe(&walk, family, cuts.at[i]);
		if (!*n || !alike(&ranges[*n - 1], &r))
			ranges[(*n)++] = r;
	}
	free(cuts.at);
	free(walk.by_prefix);
	return ranges;
}
