/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Judge an image: shape first (header, sections), then content, in an order in which each check may rely on
 * those before it. One pass over each table, no memory, time linear in the size: rows and lists may not share
 * slots or regions, and a probe is bounded. No state; any thread.
 */
#include "image_check.h"

#include <stdbool.h>
#include <string.h>

_Static_assert(sizeof(struct image_identity) == 4, "layout");
_Static_assert(sizeof(struct image_edge) == 16, "layout");
_Static_assert(sizeof(struct image_row) == 16, "layout");
_Static_assert(sizeof(struct image_slot) == 8, "layout");
_Static_assert(sizeof(struct image_list) == 8, "layout");
_Static_assert(sizeof(struct image_region) == 8, "layout");
_Static_assert(sizeof(struct image_decision) == 16, "layout");
_Static_assert(sizeof(struct image_prefix4) == 8, "layout");
_Static_assert(sizeof(struct image_prefix6) == 24, "layout");
_Static_assert(sizeof(struct image_header) % 8 == 0, "layout");

#define CLASSES_MAX    ((uint32_t)UINT16_MAX + 1)
#define DECISION_FLAGS (DECISION_ALLOW | DECISION_INTENDED_ALLOW | DECISION_REJECT | DECISION_LOG_ALWAYS)
#define PREFIX_FLAGS   (PREFIX_FINAL | PREFIX_OUTSIDE)

#define SECTION(name, type)                                                                                  \
	{                                                                                                    \
		offsetof(struct image_header, name), sizeof(type)                                            \
	}
static const struct {
	size_t header_offset;
	size_t element;
} sections[] = {
	SECTION(identity, struct image_identity),
	SECTION(schedule, struct image_edge),
	SECTION(matrix, uint32_t),
	SECTION(row, struct image_row),
	SECTION(slot, struct image_slot),
	SECTION(list, struct image_list),
	SECTION(region, struct image_region),
	SECTION(decision, struct image_decision),
	SECTION(prefix4, struct image_prefix4),
	SECTION(prefix6, struct image_prefix6),
};
#undef SECTION
#define N_SECTIONS (sizeof sections / sizeof sections[0])

uint64_t image_crc(const struct image_header *image)
{
	static const uint64_t zero;
	const size_t at = offsetof(struct image_header, crc64);
	const size_t rest = at + sizeof image->crc64;
	uint64_t crc = crc64(0, image, at);

	crc = crc64(crc, &zero, sizeof zero);
	return crc64(crc, (const char *)image + rest, image->size - rest);
}

static const char *check_header(const struct image_header *h, size_t size)
{
	if ((uintptr_t)h % 8)
		return "image: not aligned in memory";
	if (size < sizeof *h)
		return "image: shorter than its header";
	if (size > IMAGE_SIZE_MAX)
		return "image: larger than any image may be";
	if (memcmp(h->magic, IMAGE_MAGIC, sizeof h->magic))
		return "image: not a policy image";
	if (h->abi != IMAGE_ABI)
		return "image: made for another version";
	if (h->size != size)
		return "image: size differs from its header";
	if (h->crc64 != image_crc(h))
		return "image: damaged (checksum differs)";
	if (h->reserved)
		return "image: header: reserved field is set";
	return NULL;
}

static struct image_section section_of(const struct image_header *h, size_t i)
{
	struct image_section s;

	memcpy(&s, (const char *)h + sections[i].header_offset, sizeof s);
	return s;
}

static uint64_t section_end(const struct image_header *h, size_t i)
{
	struct image_section s = section_of(h, i);

	return s.offset + (uint64_t)s.count * sections[i].element;
}

static bool sections_overlap(const struct image_header *h, size_t i, size_t k)
{
	return section_of(h, i).offset < section_end(h, k) && section_of(h, k).offset < section_end(h, i);
}

static const char *check_sections(const struct image_header *h)
{
	for (size_t i = 0; i < N_SECTIONS; i++) {
		struct image_section s = section_of(h, i);

		if (s.offset % IMAGE_ALIGN || s.offset < sizeof *h)
			return "image: section misplaced";
		if (section_end(h, i) > h->size)
			return "image: section beyond the end";
		for (size_t k = 0; k < i; k++)
			if (sections_overlap(h, i, k))
				return "image: sections overlap";
	}
	return NULL;
}

static const char *check_counts(const struct image_header *h)
{
	if (!h->n_source || h->n_source > CLASSES_MAX || !h->n_responder || h->n_responder > CLASSES_MAX)
		return "image: number of classes out of range";
	if (!h->n_matrix || (uint64_t)h->n_matrix * h->n_source != h->matrix.count)
		return "image: matrix has another size than its classes need";
	if (h->n_rules >= RULE_SCOPE_BIT || h->n_scopes >= RULE_SCOPE_BIT)
		return "image: number of rules out of range";
	if (!h->identity.count || h->identity.count > IDENTITY_LAST + 1)
		return "image: number of identities out of range";
	if (!h->row.count || !h->list.count || !h->decision.count || !h->schedule.count)
		return "image: empty table";
	return NULL;
}

static const char *check_identities(const struct image_header *h)
{
	const struct image_identity *id = image_at(h, h->identity);

	if (id[IDENTITY_NONE].source || id[IDENTITY_NONE].responder)
		return "image: identity 0 has a class";
	for (uint32_t i = 0; i < h->identity.count; i++)
		if (id[i].source >= h->n_source || id[i].responder >= h->n_responder)
			return "image: identity: class out of range";
	return NULL;
}

static const char *check_schedule(const struct image_header *h)
{
	const struct image_edge *edge = image_at(h, h->schedule);

	if (edge[0].from_utc != INT64_MIN)
		return "image: schedule does not begin at the beginning of time";
	for (uint32_t i = 0; i < h->schedule.count; i++) {
		if (i && edge[i].from_utc <= edge[i - 1].from_utc)
			return "image: schedule not ascending";
		if (edge[i].matrix >= h->n_matrix)
			return "image: schedule: matrix out of range";
		if (edge[i].reserved)
			return "image: schedule: reserved field is set";
	}
	return NULL;
}

static bool rule_in_range(const struct image_header *h, rule_ref ref)
{
	if (ref & RULE_SCOPE_BIT)
		return (ref & ~RULE_SCOPE_BIT) < h->n_scopes;
	return ref <= h->n_rules;
}

static const char *check_decision(const struct image_header *h, const struct image_decision *d)
{
	const bool scope = d->rule & RULE_SCOPE_BIT;

	if (!rule_in_range(h, d->rule) || !rule_in_range(h, d->intended_rule))
		return "image: decision: rule out of range";
	if (d->flags & ~DECISION_FLAGS)
		return "image: decision: unknown flag";
	if (d->reason >= REASON_COUNT || reason_stage(d->reason) != REASON_STAGE_POLICY ||
	    d->intended_reason >= REASON_COUNT || reason_stage(d->intended_reason) != REASON_STAGE_POLICY)
		return "image: decision: no reason of the policy";
	if (d->flags & DECISION_ALLOW && d->rule == RULE_DEFAULT_DENY)
		return "image: decision: allow without a rule";
	if (d->flags & DECISION_INTENDED_ALLOW && d->intended_rule == RULE_DEFAULT_DENY)
		return "image: decision: intended allow without a rule";
	if ((scope && !(d->flags & DECISION_ALLOW)) || d->intended_rule & RULE_SCOPE_BIT)
		return "image: decision: a scope only ever allows, and never by intention";
	if (d->obligations || d->reserved[0] || d->reserved[1] || d->reserved[2])
		return "image: decision: reserved field is set";
	return NULL;
}

static const char *check_decisions(const struct image_header *h)
{
	const struct image_decision *d = image_at(h, h->decision);

	if (d[0].rule != RULE_DEFAULT_DENY || d[0].intended_rule != RULE_DEFAULT_DENY || d[0].flags)
		return "image: decision 0 is not default-deny";
	for (uint32_t i = 0; i < h->decision.count; i++) {
		const char *error = check_decision(h, &d[i]);

		if (error)
			return error;
	}
	return NULL;
}

static const char *check_list(const struct image_header *h, const struct image_region *region, uint32_t n)
{
	if (region[0].from)
		return "image: list does not begin at service 0";
	for (uint32_t i = 0; i < n; i++) {
		if (i && region[i].from <= region[i - 1].from)
			return "image: list not ascending";
		if (region[i].from >= SERVICE_KEY_END)
			return "image: region beyond the last service";
		if (region[i].decision >= h->decision.count)
			return "image: region: decision out of range";
	}
	return NULL;
}

static const char *check_lists(const struct image_header *h)
{
	const struct image_list *list = image_at(h, h->list);
	const struct image_region *region = image_at(h, h->region);
	uint32_t next = 0;

	for (uint32_t i = 0; i < h->list.count; i++) {
		const char *error;

		if (list[i].region_first != next || !list[i].region_count ||
		    list[i].region_count > h->region.count - next)
			return "image: list: regions out of place";
		error = check_list(h, region + next, list[i].region_count);
		if (error)
			return error;
		next += list[i].region_count;
	}
	if (next != h->region.count)
		return "image: regions that no list has";
	if (list[0].region_count != 1 || region[0].decision != 0)
		return "image: list 0 is not default-deny";
	return NULL;
}

/* From its start to the slot itself a look-up meets neither an empty slot nor the same class, and not too
 * late. */
static bool slot_found(const struct image_slot *slot, uint32_t count, uint32_t at)
{
	uint32_t i = image_slot_start(slot[at].responder, count);

	for (uint32_t probe = 0; probe < IMAGE_PROBE_MAX; probe++, i = (i + 1) & (count - 1)) {
		if (i == at)
			return true;
		if (slot[i].responder == IMAGE_SLOT_EMPTY || slot[i].responder == slot[at].responder)
			return false;
	}
	return false;
}

static const char *check_slots(const struct image_header *h, const struct image_slot *slot, uint32_t count)
{
	uint32_t empty = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (slot[i].responder == IMAGE_SLOT_EMPTY) {
			empty++;
			continue;
		}
		if (slot[i].responder >= h->n_responder || slot[i].list >= h->list.count)
			return "image: row: exception out of range";
		if (!slot_found(slot, count, i))
			return "image: row: exception cannot be found";
	}
	return empty ? NULL : "image: row: no empty slot";
}

/* The list that a row gives responder class 0; the row's slots are already checked. */
static uint32_t list_of_nobody(const struct image_row *row, const struct image_slot *slot)
{
	uint32_t i;

	if (!row->slot_count)
		return row->default_list;
	for (i = image_slot_start(0, row->slot_count); slot[i].responder != IMAGE_SLOT_EMPTY;
	     i = (i + 1) & (row->slot_count - 1))
		if (slot[i].responder == 0)
			return slot[i].list;
	return row->default_list;
}

static const char *check_row(const struct image_header *h, const struct image_row *row,
			     const struct image_slot *slot)
{
	const char *error;

	if (row->default_list >= h->list.count)
		return "image: row: list out of range";
	if (row->reserved)
		return "image: row: reserved field is set";
	if (row->slot_count & (row->slot_count - 1))
		return "image: row: number of slots is no power of two";
	error = row->slot_count ? check_slots(h, slot, row->slot_count) : NULL;
	if (error)
		return error;
	if (list_of_nobody(row, slot) != 0)
		return "image: row: responder class 0 is not denied";
	return NULL;
}

static const char *check_rows(const struct image_header *h)
{
	const struct image_row *row = image_at(h, h->row);
	const struct image_slot *slot = image_at(h, h->slot);
	uint32_t next = 0;

	for (uint32_t i = 0; i < h->row.count; i++) {
		const char *error;

		if (row[i].slot_first != next || row[i].slot_count > h->slot.count - next)
			return "image: row: slots out of place";
		error = check_row(h, &row[i], slot + next);
		if (error)
			return error;
		next += row[i].slot_count;
	}
	return next == h->slot.count ? NULL : "image: slots that no row has";
}

static const char *check_matrices(const struct image_header *h)
{
	const uint32_t *matrix = image_at(h, h->matrix);
	const struct image_row *row = image_at(h, h->row);

	for (uint32_t i = 0; i < h->matrix.count; i++) {
		if (matrix[i] >= h->row.count)
			return "image: matrix: row out of range";
		if (i % h->n_source == 0 && (row[matrix[i]].default_list || row[matrix[i]].slot_count))
			return "image: source class 0 is not denied";
	}
	return NULL;
}

static const char *check_prefix4(const struct image_header *h)
{
	const struct image_prefix4 *p = image_at(h, h->prefix4);

	if (!h->prefix4.count || p[0].from)
		return "image: IPv4 prefixes do not begin at 0.0.0.0";
	for (uint32_t i = 0; i < h->prefix4.count; i++) {
		if (i && p[i].from <= p[i - 1].from)
			return "image: IPv4 prefixes not ascending";
		if (p[i].identity >= h->identity.count || p[i].flags & ~PREFIX_FLAGS)
			return "image: IPv4 prefix: identity or flag out of range";
	}
	return NULL;
}

static bool prefix6_ascends(const struct image_prefix6 *a, const struct image_prefix6 *b)
{
	return a->from_high != b->from_high ? a->from_high < b->from_high : a->from_low < b->from_low;
}

static const char *check_prefix6(const struct image_header *h)
{
	const struct image_prefix6 *p = image_at(h, h->prefix6);

	if (!h->prefix6.count || p[0].from_high || p[0].from_low)
		return "image: IPv6 prefixes do not begin at ::";
	for (uint32_t i = 0; i < h->prefix6.count; i++) {
		if (i && !prefix6_ascends(&p[i - 1], &p[i]))
			return "image: IPv6 prefixes not ascending";
		if (p[i].identity >= h->identity.count || p[i].flags & ~PREFIX_FLAGS || p[i].reserved)
			return "image: IPv6 prefix: identity or flag out of range";
	}
	return NULL;
}

const char *image_check(const void *bytes, size_t size)
{
	/* in this order: each may rely on those before it */
	static const char *(*const checks[])(const struct image_header *) = {
		check_sections, check_counts, check_identities, check_schedule, check_decisions,
		check_lists,    check_rows,   check_matrices,   check_prefix4,  check_prefix6,
	};
	const struct image_header *h = bytes;
	const char *error = check_header(h, size);

	for (size_t i = 0; !error && i < sizeof checks / sizeof checks[0]; i++)
		error = checks[i](h);
	return error;
}
