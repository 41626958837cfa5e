/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For one source class only those responder classes are looked at one by one that some rule of that source
 * tells from the others: classes that a narrow rule names, or that a wide rule (more than half of all) leaves
 * out. All other classes meet the same rules, so that one list per scope answers for them. The work follows
 * what the policy says and not the product of the classes.
 */
#include "matrix.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"

struct work {
	struct cells *cells;
	const struct ruleset *rs;
	const struct classes *source, *responder;
	const uint32_t *scope; /* by identity */
	size_t rank_words;     /* words of a set of ranks */
	size_t class_words;    /* words of a set of responder classes */
	uint64_t *ranks_from;  /* by source class: ranks whose `from` holds it */
	uint64_t *ranks_to;    /* by responder class: ranks whose `to` holds it */
	uint64_t *classes_to;  /* by rank: responder classes */
	uint64_t *wide;        /* ranks that name most classes */
	uint64_t *singled;     /* scratch: responder classes to look at one by one */
	uint32_t *words_used;  /* scratch: words of ranks_from[s] that are not zero */
	size_t n_words_used;
	uint32_t *key;    /* scratch: struct cells_key, ranks */
	uint32_t *common; /* scratch: by scope + 1: list of all that are not singled out */
	uint32_t *list;   /* scratch: by responder class */
	uint32_t *row;    /* scratch: as in struct matrix */
	uint32_t *votes;  /* scratch: by list, zero between uses */
	uint32_t votes_room;
};

static void set_bit(uint64_t *set, size_t i)
{
	set[i / 64] |= (uint64_t)1 << (i % 64);
}

static bool has_bit(const uint64_t *set, size_t i)
{
	return set[i / 64] >> (i % 64) & 1;
}

static void work_free(struct work *w)
{
	free(w->ranks_from);
	free(w->ranks_to);
	free(w->classes_to);
	free(w->wide);
	free(w->singled);
	free(w->words_used);
	free(w->key);
	free(w->common);
	free(w->list);
	free(w->row);
	free(w->votes);
}

static bool work_alloc(struct work *w)
{
	const size_t n_ranks = w->cells->n_ranks;

	w->rank_words = n_ranks / 64 + 1;
	w->class_words = w->responder->n / 64 + 1;
	w->ranks_from = calloc(w->source->n * w->rank_words, sizeof(uint64_t));
	w->ranks_to = calloc(w->responder->n * w->rank_words, sizeof(uint64_t));
	w->classes_to = calloc((n_ranks + 1) * w->class_words, sizeof(uint64_t));
	w->wide = calloc(w->rank_words, sizeof(uint64_t));
	w->singled = calloc(w->class_words, sizeof(uint64_t));
	w->words_used = calloc(w->rank_words, sizeof(uint32_t));
	w->key = calloc(CELLS_KEY_WORDS + n_ranks, sizeof(uint32_t));
	w->common = calloc(w->rs->n_scopes + 1, sizeof(uint32_t));
	w->list = calloc(w->responder->n, sizeof(uint32_t));
	w->row = calloc(1 + (size_t)w->responder->n * 2, sizeof(uint32_t));
	return w->ranks_from && w->ranks_to && w->classes_to && w->wide && w->singled && w->words_used &&
	       w->key && w->common && w->list && w->row;
}

/* Who is in which rule, by class instead of by identity. */
static void index_rules(struct work *w)
{
	for (uint32_t rank = 0; rank < w->cells->n_ranks; rank++) {
		const struct rule *rule = w->cells->rule[rank];
		uint64_t *to = w->classes_to + rank * w->class_words;
		uint32_t n_to = 0;

		for (uint32_t s = 1; s < w->source->n; s++)
			if (identity_in(rule->from.set, w->source->some[s]))
				set_bit(w->ranks_from + s * w->rank_words, rank);
		for (uint32_t d = 1; d < w->responder->n; d++) {
			if (!identity_in(rule->to.set, w->responder->some[d]))
				continue;
			set_bit(w->ranks_to + d * w->rank_words, rank);
			set_bit(to, d);
			n_to++;
		}
		if (n_to > w->responder->n / 2)
			set_bit(w->wide, rank);
	}
}

static bool is_conflict(const struct work *w, size_t identity)
{
	return w->rs->identities[identity].reserved == IDENTITY_CONFLICT;
}

/* The scope that may turn a denial of this pair into an allow. */
static uint32_t relaxing_scope(const struct work *w, uint32_t s, uint32_t d)
{
	const size_t from = w->source->some[s], to = w->responder->some[d];
	const uint32_t k = w->scope[to];

	if (k == SCOPE_NONE || w->rs->scopes[k].mode != MODE_MONITOR ||
	    !identity_in(w->rs->scopes[k].from.set, from))
		return SCOPE_NONE;
	if (is_conflict(w, from) || is_conflict(w, to) || w->rs->identities[to].reserved == IDENTITY_GATEWAY)
		return SCOPE_NONE;
	return k;
}

static uint32_t denied_reason(const struct work *w, uint32_t s, uint32_t d)
{
	const bool conflict = is_conflict(w, w->source->some[s]) || is_conflict(w, w->responder->some[d]);

	return conflict ? REASON_CONFLICT : REASON_NO_RULE;
}

/* Appends the ranks in `set` to the key. */
static size_t add_ranks(uint32_t *key, size_t n, size_t word, uint64_t set)
{
	for (; set; set &= set - 1)
		key[n++] = (uint32_t)(word * 64 + (size_t)__builtin_ctzll(set));
	return n;
}

/* List of a pair under those rules of `s` that are in `ranks`. */
static uint32_t list_of_pair(struct work *w, uint32_t s, uint32_t d, const uint64_t *ranks)
{
	const uint64_t *from = w->ranks_from + s * w->rank_words;
	const struct cells_key key = {relaxing_scope(w, s, d), denied_reason(w, s, d)};
	size_t n = CELLS_KEY_WORDS;

	memcpy(w->key, &key, sizeof key);
	for (size_t i = 0; i < w->n_words_used; i++) {
		const uint32_t word = w->words_used[i];

		n = add_ranks(w->key, n, word, from[word] & ranks[word]);
	}
	return cells_list(w->cells, w->key, n);
}

/* $conflict and $gateway as responders have answers that no rule shows. */
static void single_out_reserved(struct work *w)
{
	for (size_t i = 0; i < w->rs->n_identities; i++)
		if (w->rs->identities[i].reserved)
			set_bit(w->singled, w->responder->of[i]);
}

static void single_out(struct work *w, uint32_t s)
{
	const uint64_t *from = w->ranks_from + s * w->rank_words;

	memset(w->singled, 0, w->class_words * sizeof *w->singled);
	single_out_reserved(w);
	w->n_words_used = 0;
	for (uint32_t word = 0; word < w->rank_words; word++) {
		if (from[word])
			w->words_used[w->n_words_used++] = word;
		for (uint64_t set = from[word]; set; set &= set - 1) {
			const size_t rank = word * 64 + (size_t)__builtin_ctzll(set);
			const uint64_t flip = has_bit(w->wide, rank) ? UINT64_MAX : 0;
			const uint64_t *to = w->classes_to + rank * w->class_words;

			for (size_t i = 0; i < w->class_words; i++)
				w->singled[i] |= to[i] ^ flip;
		}
	}
}

static uint32_t list_of_class(struct work *w, uint32_t s, uint32_t d)
{
	uint32_t *common;

	if (has_bit(w->singled, d))
		return list_of_pair(w, s, d, w->ranks_to + d * w->rank_words);
	common = &w->common[w->scope[w->responder->some[d]] + 1];
	if (*common == INTERN_FAILED)
		*common = list_of_pair(w, s, d, w->wide);
	return *common;
}

/* Fills w->list for source class `s`. */
static bool make_lists(struct work *w, uint32_t s)
{
	single_out(w, s);
	for (size_t k = 0; k <= w->rs->n_scopes; k++)
		w->common[k] = INTERN_FAILED;
	w->list[0] = 0;
	for (uint32_t d = 1; d < w->responder->n; d++) {
		w->list[d] = list_of_class(w, s, d);
		if (w->list[d] == INTERN_FAILED)
			return false;
	}
	return true;
}

static bool votes_reserve(struct work *w)
{
	const uint32_t n = w->cells->lists.n;
	uint32_t *votes;

	if (n <= w->votes_room)
		return true;
	votes = calloc((size_t)n * 2, sizeof *votes);
	if (!votes)
		return false;
	free(w->votes);
	w->votes = votes;
	w->votes_room = n * 2;
	return true;
}

/* The list that most classes of the row have; the least of several. */
static uint32_t most_frequent(struct work *w)
{
	uint32_t best = 0;

	for (uint32_t d = 0; d < w->responder->n; d++)
		w->votes[w->list[d]]++;
	for (uint32_t d = 0; d < w->responder->n; d++) {
		const uint32_t list = w->list[d];

		if (w->votes[list] > w->votes[best] || (w->votes[list] == w->votes[best] && list < best))
			best = list;
	}
	for (uint32_t d = 0; d < w->responder->n; d++)
		w->votes[w->list[d]] = 0;
	return best;
}

static uint32_t make_row(struct work *w, struct intern *rows)
{
	size_t n = 0;

	if (!votes_reserve(w))
		return INTERN_FAILED;
	w->row[n++] = most_frequent(w);
	for (uint32_t d = 0; d < w->responder->n; d++) {
		if (w->list[d] == w->row[0])
			continue;
		w->row[n++] = d;
		w->row[n++] = w->list[d];
	}
	return intern(rows, w->row, n);
}

/* Row 0: source class 0, everything denied. */
static bool make_rows(struct work *w, struct matrix *m, matrix_room_fn *room, const void *ctx, bool *stopped)
{
	const uint32_t denied = 0;

	m->row[0] = intern(&m->rows, &denied, 1);
	if (m->row[0] == INTERN_FAILED)
		return false;
	for (uint32_t s = 1; s < w->source->n && !*stopped; s++) {
		if (!make_lists(w, s))
			return false;
		m->row[s] = make_row(w, &m->rows);
		if (m->row[s] == INTERN_FAILED)
			return false;
		*stopped = !room(ctx, w->cells);
	}
	return true;
}

enum matrix_result matrix_make(struct matrix *m, struct cells *c, const struct classes *source,
			       const struct classes *responder, const uint32_t *scope, matrix_room_fn *room,
			       const void *ctx)
{
	struct work w = {.cells = c, .rs = c->rs, .source = source, .responder = responder, .scope = scope};
	bool stopped = false, ok;

	*m = (struct matrix){.row = calloc(source->n, sizeof *m->row)};
	ok = m->row && work_alloc(&w);
	if (ok) {
		index_rules(&w);
		ok = make_rows(&w, m, room, ctx, &stopped);
	}
	work_free(&w);
	if (!ok)
		return MATRIX_NO_MEMORY;
	return stopped ? MATRIX_STOPPED : MATRIX_OK;
}

void matrix_free(struct matrix *m)
{
	intern_free(&m->rows);
	free(m->row);
	*m = (struct matrix){0};
}
