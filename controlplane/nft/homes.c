/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "homes.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096u /* for what a dataplane may have, 65,536 bindings, chains stay short */

struct home {
	struct dp_binding binding;
	struct home *next;
};

struct home_key {
	uint8_t addr[16];
	uint16_t domain;
	uint8_t family;
	uint8_t zero[5];
};

bool homes_init(struct homes *h, const uint8_t hash_key[16])
{
	*h = (struct homes){.mask = BUCKETS - 1, .key = siphash_key(hash_key)};
	h->bucket = calloc(BUCKETS, sizeof(struct home *));
	return h->bucket != NULL;
}

void homes_clear(struct homes *h)
{
	for (uint32_t i = 0; h->bucket && i <= h->mask; i++)
		while (h->bucket[i]) {
			struct home *gone = h->bucket[i];

			h->bucket[i] = gone->next;
			free(gone);
		}
	h->n = 0;
}

void homes_free(struct homes *h)
{
	homes_clear(h);
	free(h->bucket);
	*h = (struct homes){0};
}

static struct home **place(const struct homes *h, uint16_t domain, uint8_t family, const uint8_t addr[16])
{
	struct home_key key = {.domain = domain, .family = family};
	struct home **at;

	memcpy(key.addr, addr, family == 4 ? 4 : sizeof(key.addr));
	at = &h->bucket[siphash13(&h->key, &key, sizeof(key)) & h->mask];
	for (; *at; at = &(*at)->next) {
		const struct dp_binding *b = &(*at)->binding;

		if (b->domain == domain && b->family == family &&
		    !memcmp(b->addr, key.addr, sizeof(key.addr)))
			break;
	}
	return at;
}

static void forget(struct homes *h, struct home **at)
{
	struct home *gone = *at;

	if (!gone)
		return;
	*at = gone->next;
	free(gone);
	h->n--;
}

bool homes_set(struct homes *h, const struct dp_binding *b)
{
	struct home **at = place(h, b->domain, b->family, b->addr);

	if (b->flags & DP_BINDING_GONE) {
		forget(h, at);
		return true;
	}
	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			return false;
		h->n++;
	}
	(*at)->binding = *b;
	if (b->family == 4)
		memset((*at)->binding.addr + 4, 0, sizeof(b->addr) - 4);
	return true;
}

const struct dp_binding *homes_find(const struct homes *h, uint16_t domain, uint8_t family,
				    const uint8_t addr[16])
{
	struct home *home = *place(h, domain, family, addr);

	return home ? &home->binding : NULL;
}
