/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The policy look-up over a checked image. A view holds the image's tables as pointers and the schedule edge
 * in force; it borrows the image. One thread per view.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "image.h"

struct match_view {
	const struct image_header *image; /* NULL: deny everything */
	const struct image_identity *identity;
	const uint32_t *matrix; /* of the edge in force */
	const struct image_row *row;
	const struct image_slot *slot;
	const struct image_list *list;
	const struct image_region *region;
	const struct image_decision *decision;
	int64_t from_utc, last_utc; /* seconds the edge holds, both included */
};

void match_view_init(struct match_view *v, const struct image_header *image, int64_t utc_s);
/* Take the edge of this second. True: another one than before. */
bool match_set_time(struct match_view *v, int64_t utc_s);
struct image_decision match_ask(const struct match_view *v, uint16_t from, uint16_t to, service_key key);

/* A refusal that no rule made. */
struct image_decision match_refusal(uint8_t reason);

/* Does some service of the policy name this protocol or ICMP type? */
bool match_names_proto(const struct match_view *v, uint8_t proto);
bool match_names_icmp(const struct match_view *v, uint8_t family, uint8_t type);
