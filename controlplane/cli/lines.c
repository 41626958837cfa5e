/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One hash for both kinds of line: sessions by their number, refusals by their tuple. A key is compared as
 * bytes, so it is zeroed first. Numbers of lines are counted when a line begins: that is the moment its
 * decision was made.
 */
#include "lines.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM         1
#define uthash_nonfatal_oom(line) ((line)->homeless = true)
#include <uthash.h>

struct line_key {
	uint64_t session; /* 0: refused, and the rest counts */
	uint8_t src[16], dst[16];
	uint16_t sport, dport, domain;
	uint8_t family, proto;
};

struct line {
	struct line_key key;
	struct record record;
	uint64_t order;
	bool finished, homeless;
	UT_hash_handle hh;
};

struct lines {
	struct line *hash;
	uint64_t limit, threshold; /* lines held when finished ones are handed out next */
	uint64_t order, written, aggregated, parts, lost;
	lines_print_fn *print;
	void *ctx;
};

struct lines *lines_new(uint64_t limit, lines_print_fn *print, void *ctx)
{
	struct lines *l = calloc(1, sizeof(*l));

	if (l != NULL)
		*l = (struct lines){.limit = limit, .threshold = limit, .print = print, .ctx = ctx};
	return l;
}

void lines_free(struct lines *l)
{
	struct line *line, *next;

	if (l == NULL)
		return;
	HASH_ITER (hh, l->hash, line, next) {
		HASH_DEL(l->hash, line);
		free(line);
	}
	free(l);
}

static struct line_key key_of(const struct record *r)
{
	struct line_key key;
	bool icmp = r->proto == 1 || r->proto == 58;

	memset(&key, 0, sizeof(key));
	key.session = r->session;
	if (r->session != 0)
		return key;
	memcpy(key.src, r->src, sizeof(key.src));
	memcpy(key.dst, r->dst, sizeof(key.dst));
	key.sport = r->sport;
	key.dport = icmp ? r->dport >> 8 : r->dport; /* the tuple names the type */
	key.domain = r->domain;
	key.family = r->family;
	key.proto = r->proto;
	return key;
}

/* --- handing out ------------------------------------------------------------------------------- */

static int line_cmp(const void *a, const void *b)
{
	const struct line *x = *(struct line *const *)a, *y = *(struct line *const *)b;

	if (x->record.first_ns != y->record.first_ns)
		return x->record.first_ns < y->record.first_ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void lines_print(struct lines *l, struct line **sorted, size_t n)
{
	qsort(sorted, n, sizeof(struct line *), line_cmp);
	for (size_t i = 0; i < n; i++) {
		l->print(l->ctx, &sorted[i]->record);
		HASH_DEL(l->hash, sorted[i]);
		free(sorted[i]);
	}
}

static void lines_out(struct lines *l, bool all)
{
	struct line *line, *next, **sorted = malloc((HASH_COUNT(l->hash) + 1) * sizeof(struct line *));
	size_t n = 0;

	HASH_ITER (hh, l->hash, line, next) {
		if (!all && !line->finished)
			continue;
		if (sorted == NULL) /* no memory for the order: one by one */
			lines_print(l, (struct line *[]){line}, 1);
		else
			sorted[n++] = line;
	}
	if (sorted != NULL)
		lines_print(l, sorted, n);
	free(sorted);
}

void lines_finish(struct lines *l)
{
	lines_out(l, true);
}

/* --- adding ------------------------------------------------------------------------------------ */

static void line_begin(struct lines *l, const struct record *r, const struct line_key *key)
{
	struct line *line;

	if (HASH_COUNT(l->hash) >= l->threshold) {
		uint64_t before = HASH_COUNT(l->hash);
		lines_out(l, false);
		l->parts += HASH_COUNT(l->hash) < before;
		l->threshold = HASH_COUNT(l->hash) + l->limit; /* live sessions cannot go */
	}
	line = calloc(1, sizeof(*line));
	if (line == NULL) {
		l->lost++;
		return;
	}
	line->key = *key;
	line->record = *r;
	line->finished = r->type == RECORD_REFUSED;
	HASH_ADD(hh, l->hash, key, sizeof(line->key), line);
	if (line->homeless) {
		free(line);
		l->lost++;
		return;
	}
	line->order = l->order++;
	l->written++;
}

static void line_repeat(struct lines *l, struct line *line, const struct record *r)
{
	for (int way = 0; way < 2; way++) {
		line->record.packets[way] += r->packets[way];
		line->record.bytes[way] += r->bytes[way];
	}
	if (r->last_ns > line->record.last_ns)
		line->record.last_ns = r->last_ns;
	l->aggregated++;
}

static void line_update(struct lines *l, struct line *line, const struct record *r)
{
	memcpy(line->record.packets, r->packets, sizeof(r->packets));
	memcpy(line->record.bytes, r->bytes, sizeof(r->bytes));
	if (r->last_ns > line->record.last_ns)
		line->record.last_ns = r->last_ns;
	line->finished = r->type == RECORD_END;
	if (record_is_decision(r->type))
		l->aggregated++;
}

void lines_add(struct lines *l, const struct record *r)
{
	struct line_key key = key_of(r);
	struct line *line;

	HASH_FIND(hh, l->hash, &key, sizeof(key), line);
	if (line != NULL && r->type == RECORD_REFUSED)
		line_repeat(l, line, r);
	else if (line != NULL)
		line_update(l, line, r);
	else if (r->type == RECORD_OPEN || r->type == RECORD_REFUSED)
		line_begin(l, r, &key);
}

uint64_t lines_written(const struct lines *l)
{
	return l->written;
}

uint64_t lines_aggregated(const struct lines *l)
{
	return l->aggregated;
}

uint64_t lines_parts(const struct lines *l)
{
	return l->parts;
}

uint64_t lines_lost(const struct lines *l)
{
	return l->lost;
}
