/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compile in two halves. First everything that can be too much is made and measured beside the image:
 * classes, lists, rows, slots, prefixes. Only then are identity numbers given and bytes written, so that a
 * refused policy leaves the dictionary as it was.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "compile.h"
#include "image_check.h"
#include "matrix.h"

struct build {
	const struct ruleset *rs;
	struct dictionary *dict;
	const struct compile_limits *limits;
	char *error;
	size_t error_room;

	uint32_t *scope; /* by identity */
	struct classes source, responder;
	struct cells cells;
	struct matrix matrix;
	struct image_row *rows;
	struct image_slot *slots;
	size_t n_slots, slots_room;
	uint32_t n_exceptions;
	struct prefix_range *prefix4, *prefix6;
	size_t n_prefix4, n_prefix6;
	struct image_header header; /* sections, as they will be */
	uint64_t bytes;
	uint16_t *number; /* by identity */
};

static void build_free(struct build *b)
{
	free(b->scope);
	classes_free(&b->source);
	classes_free(&b->responder);
	cells_free(&b->cells);
	matrix_free(&b->matrix);
	free(b->rows);
	free(b->slots);
	free(b->prefix4);
	free(b->prefix6);
	free(b->number);
}

static enum compile_result too_much(struct build *b, const char *what, uint64_t needed, uint64_t available)
{
	snprintf(b->error, b->error_room, "the policy needs %" PRIu64 " %s, there are %" PRIu64, needed, what,
		 available);
	return COMPILE_CAPACITY;
}

static enum compile_result no_memory(struct build *b)
{
	snprintf(b->error, b->error_room, "out of memory");
	return COMPILE_NO_MEMORY;
}

/* --- measure
 * -------------------------------------------------------------------------------------------------- */

static enum compile_result make_classes(struct build *b)
{
	b->scope = classes_scopes(b->rs);
	if (!b->scope || !classes_of_sources(b->rs, &b->source) ||
	    !classes_of_responders(b->rs, b->scope, &b->responder))
		return no_memory(b);
	if (b->source.n > b->limits->source_classes)
		return too_much(b, "source classes", b->source.n, b->limits->source_classes);
	if (b->responder.n > b->limits->responder_classes)
		return too_much(b, "responder classes", b->responder.n, b->limits->responder_classes);
	return COMPILE_OK;
}

/* What a cell list is bound to cost in bytes: stops a policy that is far too large long before memory ends.
 */
static bool lists_fit(const void *ctx, const struct cells *c)
{
	const struct compile_limits *limits = ctx;
	const uint64_t regions = c->lists.n_words / 2;

	return c->lists.n <= limits->lists && regions <= limits->regions &&
	       c->lists.n * sizeof(struct image_list) + regions * sizeof(struct image_region) <=
		       limits->bytes;
}

static enum compile_result make_matrix(struct build *b)
{
	const struct compile_limits *limits = b->limits;
	enum matrix_result result;

	if (!cells_init(&b->cells, b->rs))
		return no_memory(b);
	result = matrix_make(&b->matrix, &b->cells, &b->source, &b->responder, b->scope, lists_fit, limits);
	if (result == MATRIX_NO_MEMORY)
		return no_memory(b);
	if (result == MATRIX_OK)
		return COMPILE_OK;
	if (b->cells.lists.n > limits->lists)
		return too_much(b, "cell lists or more", b->cells.lists.n, limits->lists);
	if (b->cells.lists.n_words / 2 > limits->regions)
		return too_much(b, "service regions or more", b->cells.lists.n_words / 2, limits->regions);
	return too_much(b, "bytes for cell lists or more",
			b->cells.lists.n * sizeof(struct image_list) +
				b->cells.lists.n_words / 2 * sizeof(struct image_region),
			limits->bytes);
}

/* Puts the pairs (class, list) into `n_slots` empty slots; false if one lies too far from its start. */
static bool fill_slots(struct image_slot *slots, uint32_t n_slots, const uint32_t *pairs, size_t n_pairs)
{
	memset(slots, 0, n_slots * sizeof *slots);
	for (uint32_t i = 0; i < n_slots; i++)
		slots[i].responder = IMAGE_SLOT_EMPTY;
	for (size_t i = 0; i < n_pairs; i++) {
		uint32_t at = image_slot_start(pairs[2 * i], n_slots), probe = 0;

		for (; slots[at].responder != IMAGE_SLOT_EMPTY; at = (at + 1) & (n_slots - 1))
			if (++probe == IMAGE_PROBE_MAX)
				return false;
		slots[at] = (struct image_slot){pairs[2 * i], pairs[2 * i + 1]};
	}
	return true;
}

static bool slots_reserve(struct build *b, size_t n)
{
	struct image_slot *slots;
	size_t room = b->slots_room ? b->slots_room : 64;

	while (room < b->n_slots + n)
		room *= 2;
	if (room == b->slots_room)
		return true;
	slots = realloc(b->slots, room * sizeof *slots);
	if (!slots)
		return false;
	b->slots = slots;
	b->slots_room = room;
	return true;
}

/* At most half full, and larger where probes would be long. */
static bool make_slots(struct build *b, struct image_row *row, const uint32_t *pairs, size_t n_pairs)
{
	uint32_t n = 2;

	row->slot_first = (uint32_t)b->n_slots;
	if (!n_pairs)
		return true;
	while (n < 2 * n_pairs)
		n *= 2;
	for (;; n *= 2) {
		if (!slots_reserve(b, n))
			return false;
		if (fill_slots(b->slots + b->n_slots, n, pairs, n_pairs))
			break;
	}
	row->slot_count = n;
	b->n_slots += n;
	return true;
}

static enum compile_result make_rows(struct build *b)
{
	const struct intern *rows = &b->matrix.rows;

	b->rows = calloc(rows->n, sizeof *b->rows);
	if (!b->rows)
		return no_memory(b);
	for (uint32_t i = 0; i < rows->n; i++) {
		const uint32_t *words = intern_words(rows, i);
		const size_t n_pairs = intern_length(rows, i) / 2;

		b->rows[i].default_list = words[0];
		b->n_exceptions += (uint32_t)n_pairs;
		if (!make_slots(b, &b->rows[i], words + 1, n_pairs))
			return no_memory(b);
		if (b->n_slots * sizeof *b->slots > b->limits->bytes)
			return too_much(b, "bytes for exceptions or more", b->n_slots * sizeof *b->slots,
					b->limits->bytes);
	}
	return COMPILE_OK;
}

static enum compile_result make_prefixes(struct build *b)
{
	b->prefix4 = policy_prefixes(b->rs, 4, &b->n_prefix4);
	b->prefix6 = policy_prefixes(b->rs, 6, &b->n_prefix6);
	return b->prefix4 && b->prefix6 ? COMPILE_OK : no_memory(b);
}

static size_t count_new_identities(const struct build *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->rs->n_identities; i++)
		if (!dictionary_find(b->dict, b->rs->identities[i].text))
			n++;
	return n;
}

static void place(struct build *b, struct image_section *section, uint64_t count, size_t element)
{
	b->bytes = (b->bytes + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
	section->offset = (uint32_t)b->bytes;
	section->count = (uint32_t)count;
	b->bytes += count * element;
}

static enum compile_result make_layout(struct build *b)
{
	const size_t n_new = count_new_identities(b);
	const uint32_t n_old = dictionary_size(b->dict);
	struct image_header *h = &b->header;

	if (n_new > IDENTITY_LAST + 1 - n_old)
		return too_much(b, "new identity numbers", n_new, IDENTITY_LAST + 1 - n_old);
	b->bytes = sizeof *h;
	place(b, &h->identity, n_old + n_new, sizeof(struct image_identity));
	place(b, &h->schedule, 1, sizeof(struct image_edge));
	place(b, &h->matrix, b->source.n, sizeof(uint32_t));
	place(b, &h->row, b->matrix.rows.n, sizeof(struct image_row));
	place(b, &h->slot, b->n_slots, sizeof(struct image_slot));
	place(b, &h->list, b->cells.lists.n, sizeof(struct image_list));
	place(b, &h->region, b->cells.lists.n_words / 2, sizeof(struct image_region));
	place(b, &h->decision, b->cells.decisions.n, sizeof(struct image_decision));
	place(b, &h->prefix4, b->n_prefix4, sizeof(struct image_prefix4));
	place(b, &h->prefix6, b->n_prefix6, sizeof(struct image_prefix6));
	b->bytes = (b->bytes + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
	if (b->bytes > b->limits->bytes)
		return too_much(b, "bytes", b->bytes, b->limits->bytes);
	if (b->bytes > IMAGE_SIZE_MAX)
		return too_much(b, "bytes", b->bytes, IMAGE_SIZE_MAX);
	return COMPILE_OK;
}

/* --- write
 * ---------------------------------------------------------------------------------------------------- */

static bool give_numbers(struct build *b)
{
	b->number = calloc(b->rs->n_identities + 1, sizeof *b->number);
	if (!b->number)
		return false;
	for (size_t i = 0; i < b->rs->n_identities; i++) {
		b->number[i] = dictionary_number(b->dict, b->rs->identities[i].text);
		if (!b->number[i])
			return false;
	}
	return true;
}

static void *writable(struct image_header *image, struct image_section section)
{
	return (char *)image + section.offset;
}

static void write_header(const struct build *b, struct image_header *image)
{
	const struct ruleset *rs = b->rs;

	*image = b->header;
	memcpy(image->magic, IMAGE_MAGIC, sizeof image->magic);
	image->abi = IMAGE_ABI;
	image->size = (uint32_t)b->bytes;
	memcpy(image->digest, rs->digest, sizeof image->digest);
	image->n_source = b->source.n;
	image->n_responder = b->responder.n;
	image->n_matrix = 1;
	image->n_rules = (uint32_t)rs->n_rules;
	image->n_scopes = (uint32_t)rs->n_scopes;
	memcpy(image->named_proto, rs->named_proto, sizeof image->named_proto);
	memcpy(image->named_icmp, rs->named_icmp, sizeof image->named_icmp);
	memcpy(image->named_icmpv6, rs->named_icmpv6, sizeof image->named_icmpv6);
}

static void write_identities(const struct build *b, struct image_header *image)
{
	struct image_identity *identity = writable(image, image->identity);

	for (size_t i = 0; i < b->rs->n_identities; i++)
		identity[b->number[i]] =
			(struct image_identity){(uint16_t)b->source.of[i], (uint16_t)b->responder.of[i]};
}

static void write_rows(const struct build *b, struct image_header *image)
{
	struct image_edge *edge = writable(image, image->schedule);

	*edge = (struct image_edge){.from_utc = INT64_MIN};
	memcpy(writable(image, image->matrix), b->matrix.row, b->source.n * sizeof *b->matrix.row);
	memcpy(writable(image, image->row), b->rows, b->matrix.rows.n * sizeof *b->rows);
	if (b->n_slots)
		memcpy(writable(image, image->slot), b->slots, b->n_slots * sizeof *b->slots);
}

static void write_lists(const struct build *b, struct image_header *image)
{
	const struct intern *lists = &b->cells.lists, *decisions = &b->cells.decisions;
	struct image_list *list = writable(image, image->list);

	for (uint32_t i = 0; i < lists->n; i++)
		list[i] = (struct image_list){lists->start[i] / 2, (uint32_t)intern_length(lists, i) / 2};
	memcpy(writable(image, image->region), lists->words, lists->n_words * sizeof *lists->words);
	memcpy(writable(image, image->decision), decisions->words,
	       decisions->n_words * sizeof *decisions->words);
}

static uint64_t read_be(const uint8_t *p, size_t n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | *p++;
	return value;
}

static uint16_t prefix_flags(const struct prefix_range *p)
{
	return (uint16_t)((p->final ? PREFIX_FINAL : 0) | (p->outside_only ? PREFIX_OUTSIDE : 0));
}

static void write_prefixes(const struct build *b, struct image_header *image)
{
	struct image_prefix4 *p4 = writable(image, image->prefix4);
	struct image_prefix6 *p6 = writable(image, image->prefix6);

	for (size_t i = 0; i < b->n_prefix4; i++) {
		const struct prefix_range *p = &b->prefix4[i];

		p4[i].from = (uint32_t)read_be(p->from, 4);
		p4[i].identity = b->number[p->identity];
		p4[i].flags = prefix_flags(p);
	}
	for (size_t i = 0; i < b->n_prefix6; i++) {
		const struct prefix_range *p = &b->prefix6[i];

		p6[i].from_high = read_be(p->from, 8);
		p6[i].from_low = read_be(p->from + 8, 8);
		p6[i].identity = b->number[p->identity];
		p6[i].flags = prefix_flags(p);
	}
}

static enum compile_result write_image(struct build *b, struct image_header **out)
{
	struct image_header *image = aligned_alloc(IMAGE_ALIGN, b->bytes);
	const char *defect;

	if (!image || !give_numbers(b)) {
		free(image);
		return no_memory(b);
	}
	memset(image, 0, b->bytes);
	write_header(b, image);
	write_identities(b, image);
	write_rows(b, image);
	write_lists(b, image);
	write_prefixes(b, image);
	image->crc64 = image_crc(image);
	defect = image_check(image, b->bytes);
	if (defect) {
		snprintf(b->error, b->error_room, "defect in the compiler: %s", defect);
		free(image);
		return COMPILE_DEFECT;
	}
	*out = image;
	return COMPILE_OK;
}

static void fill_stats(const struct build *b, struct compile_stats *stats)
{
	*stats = (struct compile_stats){
		.source_classes = b->source.n,
		.responder_classes = b->responder.n,
		.rows = b->matrix.rows.n,
		.lists = b->cells.lists.n,
		.regions = (uint32_t)(b->cells.lists.n_words / 2),
		.decisions = b->cells.decisions.n,
		.exceptions = b->n_exceptions,
		.bytes = b->bytes,
	};
}

enum compile_result compile_image(const struct ruleset *rs, struct dictionary *dict,
				  const struct compile_limits *limits, struct image_header **image,
				  size_t *size, struct compile_stats *stats, char *error, size_t room)
{
	static enum compile_result (*const steps[])(struct build *) = {
		make_classes, make_matrix, make_rows, make_prefixes, make_layout,
	};
	struct build b = {.rs = rs, .dict = dict, .limits = limits, .error = error, .error_room = room};
	enum compile_result result = COMPILE_OK;

	for (size_t i = 0; result == COMPILE_OK && i < sizeof steps / sizeof steps[0]; i++)
		result = steps[i](&b);
	if (result == COMPILE_OK)
		result = write_image(&b, image);
	if (result == COMPILE_OK) {
		*size = b.bytes;
		if (stats)
			fill_stats(&b, stats);
	}
	build_free(&b);
	return result;
}
