/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read an image back the plain way: every table linearly, no hash, no search. It shares no code with the
 * compiler or the engine, so that the three can be held against one another. Pure; any thread.
 */
#include <stdlib.h>
#include <string.h>

#include "compile.h"

static struct image_identity class_of(const struct image_header *image, uint32_t number)
{
	const struct image_identity *identity = image_at(image, image->identity);

	return number < image->identity.count ? identity[number] : (struct image_identity){0, 0};
}

static const struct image_row *row_of(const struct image_header *image, uint16_t source, int64_t at_utc)
{
	const struct image_edge *edge = image_at(image, image->schedule);
	const uint32_t *matrix = image_at(image, image->matrix);
	const struct image_row *row = image_at(image, image->row);
	uint32_t in_force = 0;

	for (uint32_t i = 0; i < image->schedule.count; i++)
		if (edge[i].from_utc <= at_utc)
			in_force = edge[i].matrix;
	return &row[matrix[(size_t)in_force * image->n_source + source]];
}

static uint32_t list_of(const struct image_header *image, const struct image_row *row, uint16_t responder)
{
	const struct image_slot *slot = image_at(image, image->slot);

	for (uint32_t i = 0; i < row->slot_count; i++)
		if (slot[row->slot_first + i].responder == responder)
			return slot[row->slot_first + i].list;
	return row->default_list;
}

struct image_decision decode_ask(const struct image_header *image, uint16_t from, uint16_t to,
				 service_key key, int64_t at_utc)
{
	const struct image_row *row = row_of(image, class_of(image, from).source, at_utc);
	const struct image_list *list = image_at(image, image->list);
	const struct image_region *region = image_at(image, image->region);
	const struct image_decision *decision = image_at(image, image->decision);
	uint32_t found = 0;

	list += list_of(image, row, class_of(image, to).responder);
	for (uint32_t i = 0; i < list->region_count; i++)
		if (region[list->region_first + i].from <= key)
			found = region[list->region_first + i].decision;
	return decision[found];
}

/* --- cells
 * ---------------------------------------------------------------------------------------------------- */

struct reader {
	const struct image_header *image;
	bool (*f)(void *ctx, const struct cell *c);
	void *ctx;
};

static bool emit_list(const struct reader *r, struct cell *cell, uint32_t number)
{
	const struct image_list *list = image_at(r->image, r->image->list);
	const struct image_region *region = image_at(r->image, r->image->region);
	const struct image_decision *decision = image_at(r->image, r->image->decision);

	list += number;
	region += list->region_first;
	for (uint32_t i = 0, next; i < list->region_count; i = next) {
		cell->first = region[i].from;
		cell->decision = decision[region[i].decision];
		for (next = i + 1; next < list->region_count; next++)
			if (memcmp(&decision[region[next].decision], &cell->decision, sizeof cell->decision))
				break;
		cell->end = next < list->region_count ? region[next].from : SERVICE_KEY_END;
		if (!r->f(r->ctx, cell))
			return false;
	}
	return true;
}

/* The row as one list per responder class. */
static void expand_row(const struct image_header *image, const struct image_row *row, uint32_t *lists)
{
	const struct image_slot *slot = image_at(image, image->slot);

	for (uint32_t i = 0; i < image->n_responder; i++)
		lists[i] = row->default_list;
	for (uint32_t i = row->slot_first; i < row->slot_first + row->slot_count; i++)
		if (slot[i].responder != IMAGE_SLOT_EMPTY)
			lists[slot[i].responder] = slot[i].list;
}

static bool emit_source(const struct reader *r, uint32_t from, const struct image_row *row, uint32_t *lists)
{
	if (lists)
		expand_row(r->image, row, lists);
	for (uint32_t to = 0; to < r->image->identity.count; to++) {
		const struct image_identity class = class_of(r->image, to);
		struct cell cell = {.from = (uint16_t)from, .to = (uint16_t)to};

		if (!class.source && !class.responder)
			continue;
		if (!emit_list(r, &cell,
			       lists ? lists[class.responder] : list_of(r->image, row, class.responder)))
			return false;
	}
	return true;
}

void decode_cells(const struct image_header *image, int64_t at_utc,
		  bool (*f)(void *ctx, const struct cell *c), void *ctx)
{
	const struct reader r = {image, f, ctx};
	uint32_t *lists = malloc(image->n_responder * sizeof *lists); /* without it: the same, slower */
	bool more = true;

	for (uint32_t from = 0; more && from < image->identity.count; from++) {
		const struct image_identity class = class_of(image, from);

		if (class.source || class.responder)
			more = emit_source(&r, from, row_of(image, class.source, at_utc), lists);
	}
	free(lists);
}
