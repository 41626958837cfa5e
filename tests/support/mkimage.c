/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkimage.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "image_check.h"

#define N      MKIMAGE_IDENTITIES
#define SLOTS  64u /* per row */
#define LISTS  64u
#define CELLS  64u
#define PREFIX 16u

struct layout {
	struct image_header h;
	alignas(IMAGE_ALIGN) struct image_identity identity[N];
	alignas(IMAGE_ALIGN) struct image_edge schedule[2];
	alignas(IMAGE_ALIGN) uint32_t matrix[2 * N];
	alignas(IMAGE_ALIGN) struct image_row row[N];
	alignas(IMAGE_ALIGN) struct image_slot slot[(N - 1) * SLOTS];
	alignas(IMAGE_ALIGN) struct image_list list[LISTS];
	alignas(IMAGE_ALIGN) struct image_region region[3 * CELLS];
	alignas(IMAGE_ALIGN) struct image_decision decision[1 + CELLS];
	alignas(IMAGE_ALIGN) struct image_prefix4 prefix4[1 + PREFIX];
	alignas(IMAGE_ALIGN) struct image_prefix6 prefix6[1];
};

struct maker {
	struct layout *l;
	uint32_t n_lists, n_regions;
};

#define SECTION(member, n) ((struct image_section){offsetof(struct layout, member), (n)})

static void add_region(struct maker *m, service_key from, uint32_t decision)
{
	m->l->region[m->n_regions++] = (struct image_region){from, decision};
}

static void put_slot(struct image_slot *slots, uint32_t responder, uint32_t list)
{
	uint32_t at = image_slot_start(responder, SLOTS);

	while (slots[at].responder != IMAGE_SLOT_EMPTY)
		at = (at + 1) % SLOTS;
	slots[at] = (struct image_slot){responder, list};
}

/* All cells of the pair become one list, with default-deny between them. */
static void add_pair(struct maker *m, const struct mkimage *spec, uint16_t from, uint16_t to)
{
	uint32_t first = m->n_regions;
	service_key at = 0;

	for (uint32_t i = 0; i < spec->n_cells; i++) {
		const struct mkimage_cell *c = &spec->cell[i];

		if (c->from != from || c->to != to)
			continue;
		if (c->first > at)
			add_region(m, at, 0);
		add_region(m, c->first, 1 + i);
		at = c->end;
	}
	if (at == 0)
		return;
	if (at < SERVICE_KEY_END)
		add_region(m, at, 0);
	m->l->list[m->n_lists] = (struct image_list){first, m->n_regions - first};
	put_slot(&m->l->slot[(from - 1) * SLOTS], to, m->n_lists++);
}

static void set_bit(uint64_t set[4], uint32_t i)
{
	set[i / 64] |= UINT64_C(1) << i % 64;
}

static void name_services(struct image_header *h, const struct mkimage *spec)
{
	for (uint32_t i = 0; i < spec->n_cells; i++) {
		uint32_t proto = spec->cell[i].first >> 16, type = spec->cell[i].first >> 8 & 0xff;

		if (spec->cell[i].end - spec->cell[i].first > 1u << 16)
			continue;
		if (proto == 1 && type != 8)
			set_bit(h->named_icmp, type);
		else if (proto == 58 && type != 128)
			set_bit(h->named_icmpv6, type);
		else if (proto != 1 && proto != 58 && proto != 6 && proto != 17)
			set_bit(h->named_proto, proto);
	}
}

static void fill_tables(struct maker *m, const struct mkimage *spec)
{
	struct layout *l = m->l;

	for (uint32_t i = 1; i < N; i++) {
		l->identity[i] = (struct image_identity){(uint16_t)i, (uint16_t)i};
		l->matrix[i] = i;
		l->row[i] = (struct image_row){0, (i - 1) * SLOTS, SLOTS, 0};
	}
	for (uint32_t i = 0; i < (N - 1) * SLOTS; i++)
		l->slot[i].responder = IMAGE_SLOT_EMPTY;
	l->schedule[0].from_utc = INT64_MIN;
	l->schedule[1] = (struct image_edge){.from_utc = spec->closes_utc, .matrix = 1};
	l->decision[0] = (struct image_decision){.reason = REASON_NO_RULE, .intended_reason = REASON_NO_RULE};
	for (uint32_t i = 0; i < spec->n_cells; i++)
		l->decision[1 + i] = spec->cell[i].decision;
	add_region(m, 0, 0);
	l->list[m->n_lists++] = (struct image_list){0, 1};
	for (uint16_t from = 1; from < N; from++)
		for (uint16_t to = 1; to < N; to++)
			add_pair(m, spec, from, to);
	for (uint32_t i = 0; i < spec->n_prefixes; i++)
		l->prefix4[1 + i] = (struct image_prefix4){spec->prefix[i].from, spec->prefix[i].identity,
							   spec->prefix[i].flags};
	l->prefix4[0].identity = IDENTITY_UNKNOWN;
	l->prefix6[0].identity = IDENTITY_UNKNOWN;
}

static void fill_header(struct maker *m, const struct mkimage *spec)
{
	struct image_header *h = &m->l->h;

	memcpy(h->magic, IMAGE_MAGIC, sizeof(h->magic));
	h->abi = IMAGE_ABI;
	h->size = sizeof(*m->l);
	h->n_source = N;
	h->n_responder = N;
	h->n_matrix = spec->closes_utc ? 2 : 1;
	h->n_rules = CELLS;
	h->n_scopes = 1;
	h->identity = SECTION(identity, N);
	h->schedule = SECTION(schedule, h->n_matrix);
	h->matrix = SECTION(matrix, h->n_matrix * N);
	h->row = SECTION(row, N);
	h->slot = SECTION(slot, (N - 1) * SLOTS);
	h->list = SECTION(list, m->n_lists);
	h->region = SECTION(region, m->n_regions);
	h->decision = SECTION(decision, 1 + spec->n_cells);
	h->prefix4 = SECTION(prefix4, 1 + spec->n_prefixes);
	h->prefix6 = SECTION(prefix6, 1);
	name_services(h, spec);
	h->crc64 = image_crc(h);
}

struct image_header *mkimage(const struct mkimage *spec)
{
	struct maker m = {.l = aligned_alloc(IMAGE_ALIGN, sizeof(struct layout))};

	if (!m.l || spec->n_cells > CELLS || spec->n_prefixes > PREFIX)
		abort();
	memset(m.l, 0, sizeof(*m.l));
	fill_tables(&m, spec);
	fill_header(&m, spec);
	if (image_check(m.l, sizeof(*m.l)))
		abort();
	return &m.l->h;
}

struct image_decision mkimage_allow(rule_ref rule)
{
	return (struct image_decision){
		.rule = rule,
		.intended_rule = rule,
		.flags = DECISION_ALLOW | DECISION_INTENDED_ALLOW,
		.reason = REASON_RULE,
		.intended_reason = REASON_RULE,
	};
}

struct image_decision mkimage_deny(rule_ref rule)
{
	return (struct image_decision){
		.rule = rule,
		.intended_rule = rule,
		.reason = REASON_RULE,
		.intended_reason = REASON_RULE,
	};
}
