/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest image that uses every table, made by hand from image.h alone: two rules, one scope, two
 * matrices.
 *
 *   identity 16 -> 17: tcp/443 allowed by rule 1; 16 -> 18: everything allowed by scope 0 against rule 2;
 *   from UTC second 1000 on the second matrix denies everything. 10.0.0.0/8 and fd00::/8 are 16.
 */
#pragma once

#include <stdalign.h>
#include <string.h>

#include "image_check.h"

struct tiny_image {
	struct image_header h;
	alignas(IMAGE_ALIGN) struct image_identity identity[19];
	alignas(IMAGE_ALIGN) struct image_edge schedule[2];
	alignas(IMAGE_ALIGN) uint32_t matrix[2 * 2];
	alignas(IMAGE_ALIGN) struct image_row row[2];
	alignas(IMAGE_ALIGN) struct image_slot slot[4];
	alignas(IMAGE_ALIGN) struct image_list list[3];
	alignas(IMAGE_ALIGN) struct image_region region[5];
	alignas(IMAGE_ALIGN) struct image_decision decision[3];
	alignas(IMAGE_ALIGN) struct image_prefix4 prefix4[3];
	alignas(IMAGE_ALIGN) struct image_prefix6 prefix6[3];
};

#define TINY_SECTION(member)                                                                                 \
	((struct image_section){offsetof(struct tiny_image, member),                                         \
				sizeof((struct tiny_image *)0)->member /                                     \
					sizeof((struct tiny_image *)0)->member[0]})

static inline void tiny_image_put(struct image_slot *slots, uint32_t responder, uint32_t list)
{
	uint32_t at = image_slot_start(responder, 4);

	while (slots[at].responder != IMAGE_SLOT_EMPTY)
		at = (at + 1) & 3;
	slots[at] = (struct image_slot){responder, list};
}

static inline void tiny_image_tables(struct tiny_image *t)
{
	const service_key https = service_key_make(6, 443);

	t->identity[16] = (struct image_identity){1, 1};
	t->identity[17] = (struct image_identity){0, 1};
	t->identity[18] = (struct image_identity){0, 2};
	t->schedule[0] = (struct image_edge){.from_utc = INT64_MIN, .matrix = 0};
	t->schedule[1] = (struct image_edge){.from_utc = 1000, .matrix = 1};
	t->matrix[1] = 1; /* all others: row 0 */
	t->row[1] = (struct image_row){.default_list = 0, .slot_first = 0, .slot_count = 4};
	for (int i = 0; i < 4; i++)
		t->slot[i].responder = IMAGE_SLOT_EMPTY;
	tiny_image_put(t->slot, 1, 1);
	tiny_image_put(t->slot, 2, 2);
	t->list[0] = (struct image_list){0, 1};
	t->list[1] = (struct image_list){1, 3};
	t->list[2] = (struct image_list){4, 1};
	t->region[1] = (struct image_region){0, 0};
	t->region[2] = (struct image_region){https, 1};
	t->region[3] = (struct image_region){https + 1, 0};
	t->region[4] = (struct image_region){0, 2};
	t->decision[0] = (struct image_decision){.reason = REASON_NO_RULE, .intended_reason = REASON_NO_RULE};
	t->decision[1] = (struct image_decision){.rule = 1,
						 .intended_rule = 1,
						 .flags = DECISION_ALLOW | DECISION_INTENDED_ALLOW,
						 .reason = REASON_RULE,
						 .intended_reason = REASON_RULE};
	t->decision[2] = (struct image_decision){.rule = RULE_SCOPE_BIT,
						 .intended_rule = 2,
						 .flags = DECISION_ALLOW,
						 .reason = REASON_SCOPE,
						 .intended_reason = REASON_RULE};
	t->prefix4[1] = (struct image_prefix4){0x0a000000, 16, PREFIX_FINAL};
	t->prefix4[2] = (struct image_prefix4){0x0b000000, 0, PREFIX_OUTSIDE};
	t->prefix6[1] = (struct image_prefix6){.from_high = 0xfd00000000000000, .identity = 16};
	t->prefix6[2] = (struct image_prefix6){.from_high = 0xfe00000000000000};
}

static inline void tiny_image_make(struct tiny_image *t)
{
	memset(t, 0, sizeof *t);
	memcpy(t->h.magic, IMAGE_MAGIC, sizeof t->h.magic);
	t->h.abi = IMAGE_ABI;
	t->h.size = sizeof *t;
	t->h.n_source = 2;
	t->h.n_responder = 3;
	t->h.n_matrix = 2;
	t->h.n_rules = 2;
	t->h.n_scopes = 1;
	t->h.identity = TINY_SECTION(identity);
	t->h.schedule = TINY_SECTION(schedule);
	t->h.matrix = TINY_SECTION(matrix);
	t->h.row = TINY_SECTION(row);
	t->h.slot = TINY_SECTION(slot);
	t->h.list = TINY_SECTION(list);
	t->h.region = TINY_SECTION(region);
	t->h.decision = TINY_SECTION(decision);
	t->h.prefix4 = TINY_SECTION(prefix4);
	t->h.prefix6 = TINY_SECTION(prefix6);
	tiny_image_tables(t);
	t->h.crc64 = image_crc(&t->h);
}
