/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a byte of an image to a cell: one question per table, asked of every pair.
 */
#include "damage.h"

#include <stddef.h>

/* A pair on its way through the tables. */
struct path {
	const struct view *v;
	uint32_t from, to; /* identities */
	uint32_t source, responder, list;
};

/* Each: does the path go through element `i` of its table? *region: the region that does. */
typedef bool goes_through(const struct path *p, uint32_t i, uint32_t *region);

static bool through_identity(const struct path *p, uint32_t i, uint32_t *region)
{
	return p->from == i || p->to == i;
}

static bool through_matrix(const struct path *p, uint32_t i, uint32_t *region)
{
	const uint32_t *cell = (const uint32_t *)image_at(p->v->image, p->v->image->matrix) + i;

	return cell == &p->v->rows[p->source];
}

static bool through_row(const struct path *p, uint32_t i, uint32_t *region)
{
	return p->v->rows[p->source] == i;
}

/* An empty slot ends a search that passes it. */
static bool through_slot(const struct path *p, uint32_t i, uint32_t *region)
{
	const struct image_row *row = &p->v->row[p->v->rows[p->source]];
	uint32_t responder = p->v->slot[i].responder;

	return i >= row->slot_first && i - row->slot_first < row->slot_count &&
	       (responder == p->responder || responder == IMAGE_SLOT_EMPTY);
}

static bool through_list(const struct path *p, uint32_t i, uint32_t *region)
{
	return p->list == i;
}

static bool through_region(const struct path *p, uint32_t i, uint32_t *region)
{
	const struct image_list *l = &p->v->list[p->list];

	*region = i - l->region_first;
	return i >= l->region_first && *region < l->region_count;
}

static bool through_decision(const struct path *p, uint32_t i, uint32_t *region)
{
	for (*region = 0; *region < view_regions(p->v, p->list); ++*region)
		if (view_decision(p->v, p->list, *region) == &p->v->decision[i])
			return true;
	return false;
}

/* X(section, element, question) */
#define TABLES(X)                                                                                            \
	X(identity, struct image_identity, through_identity)                                                 \
	X(matrix, uint32_t, through_matrix)                                                                  \
	X(row, struct image_row, through_row)                                                                \
	X(slot, struct image_slot, through_slot)                                                             \
	X(list, struct image_list, through_list)                                                             \
	X(region, struct image_region, through_region)                                                       \
	X(decision, struct image_decision, through_decision)

static goes_through *find_table(const struct image_header *image, uint32_t offset, uint32_t *element)
{
	const struct {
		struct image_section section;
		size_t size;
		goes_through *question;
	} tables[] = {
#define X(name, type, question) {image->name, sizeof(type), question},
		TABLES(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		*element = (uint32_t)((offset - tables[i].section.offset) / tables[i].size);
		if (offset >= tables[i].section.offset && *element < tables[i].section.count)
			return tables[i].question;
	}
	return NULL;
}

static bool take(const struct path *p, uint32_t region, struct view_cell *out)
{
	out->from = (uint16_t)p->from;
	out->to = (uint16_t)p->to;
	out->key = view_from(p->v, p->list, region);
	out->expected = *view_decision(p->v, p->list, region);
	return true;
}

bool damage_cell(const struct view *v, uint32_t offset, struct view_cell *out)
{
	uint32_t n = view_identities(v), element = 0, region = 0;
	goes_through *question = v->image ? find_table(v->image, offset, &element) : NULL;
	struct path p = {.v = v};

	for (p.from = 1; question && p.from < n; p.from++) {
		for (p.to = 1; p.to < n; p.to++) {
			p.source = v->identity[p.from].source;
			p.responder = v->identity[p.to].responder;
			if (p.source == 0 || p.responder == 0)
				continue;
			p.list = view_list(v, p.from, p.to);
			region = 0;
			if (question(&p, element, &region))
				return take(&p, region, out);
		}
	}
	return false;
}
