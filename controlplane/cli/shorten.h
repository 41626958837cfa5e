/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identities for people's tables: `app=hr,crit=high,role=web,state=normal` as `hr/high/web`. Labels that
 * every identity of the table has in common tell nothing there and are left out; data formats always have the
 * whole text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SHORTEN_LABELS 32u

struct shorten {
	char common[SHORTEN_LABELS][96]; /* `label=value` */
	size_t n;
	bool begun;
};

/* Begin with a zeroed struct and show it every identity first. Names with `$` have no labels and do not
 * count. */
void shorten_see(struct shorten *s, const char *identity);
const char *shorten_text(const struct shorten *s, const char *identity, char *buffer, size_t room);
