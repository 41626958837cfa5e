/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two tables of chains over the same entries. They grow together, all at once; a table that cannot grow goes
 * on with longer chains.
 */
#include "sessions.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 4096u
#define BUCKETS_MAX   (1u << 22)

struct end_key {
	uint8_t addr[16];
	uint16_t domain;
	uint8_t family;
	uint8_t zero[5];
};

bool sessions_init(struct sessions *t, const uint8_t hash_key[16])
{
	*t = (struct sessions){.mask = BUCKETS_FIRST - 1, .key = siphash_key(hash_key)};
	t->by_id = calloc(BUCKETS_FIRST, sizeof(struct session *));
	t->by_end = calloc(BUCKETS_FIRST, sizeof(struct session *));
	if (t->by_id && t->by_end)
		return true;
	sessions_free(t);
	return false;
}

static void free_one(void *ctx, struct session *s)
{
	free(s);
}

void sessions_free(struct sessions *t)
{
	if (t->by_id)
		sessions_each(t, free_one, NULL);
	free(t->by_id);
	free(t->by_end);
	*t = (struct sessions){0};
}

/* --- places ------------------------------------------------------------------------------------------- */

/* The kernel's number is a hash already. */
static struct session **id_bucket(const struct sessions *t, uint32_t id)
{
	return &t->by_id[(id ^ id >> 16) & t->mask];
}

static struct session_end **end_bucket(const struct sessions *t, uint16_t domain, uint8_t family,
				       const uint8_t addr[16])
{
	struct end_key key = {.domain = domain, .family = family};

	memcpy(key.addr, addr, sizeof(key.addr));
	return &t->by_end[siphash13(&t->key, &key, sizeof(key)) & t->mask];
}

static void link_end(const struct sessions *t, struct session *s, uint32_t side)
{
	const struct flow_key *k = &s->flow.key;
	struct session_end **head = end_bucket(t, k->domain, k->family, k->addr[side]);
	struct session_end *end = &s->end[side];

	*end = (struct session_end){.owner = s, .next = *head, .from = head};
	if (*head)
		(*head)->from = &end->next;
	*head = end;
}

static void unlink_end(struct session_end *end)
{
	*end->from = end->next;
	if (end->next)
		end->next->from = end->from;
}

static void link_all(const struct sessions *t, struct session *s)
{
	struct session **head = id_bucket(t, s->id);

	s->next = *head;
	*head = s;
	link_end(t, s, 0);
	link_end(t, s, 1);
}

static void grow(struct sessions *t)
{
	const struct sessions old = *t;
	uint32_t n = (t->mask + 1) * 2;

	if (t->n <= t->mask || n > BUCKETS_MAX)
		return;
	t->by_id = calloc(n, sizeof(*t->by_id));
	t->by_end = calloc(n, sizeof(*t->by_end));
	if (!t->by_id || !t->by_end) {
		free(t->by_id);
		free(t->by_end);
		*t = old;
		return;
	}
	t->mask = n - 1;
	for (uint32_t i = 0; i <= old.mask; i++)
		for (struct session *s = old.by_id[i], *next; s; s = next) {
			next = s->next;
			link_all(t, s);
		}
	free(old.by_id);
	free(old.by_end);
}

/* --- entries ------------------------------------------------------------------------------------------ */

static struct flow_key key_of(const struct nl_session *s)
{
	const size_t size = s->family == 4 ? 4 : 16;
	struct flow_key key = {
		.port = {s->sport, s->dport},
		.domain = s->zone,
		.family = s->family,
		.proto = s->proto,
	};

	memcpy(key.addr[0], s->src, size);
	memcpy(key.addr[1], s->dst, size);
	return key;
}

struct session *sessions_find(const struct sessions *t, const struct nl_session *s)
{
	const struct flow_key key = key_of(s);

	for (struct session *at = *id_bucket(t, s->id); at; at = at->next)
		if (at->id == s->id && flow_key_equal(&at->flow.key, &key))
			return at;
	return NULL;
}

struct session *sessions_add(struct sessions *t, const struct nl_session *s)
{
	struct session *new;

	grow(t);
	new = calloc(1, sizeof(*new));
	if (!new)
		return NULL;
	new->flow.key = key_of(s);
	new->cold.sport = s->sport;
	new->cold.service = s->dport;
	new->id = s->id;
	new->mark = s->mark;
	link_all(t, new);
	t->n++;
	return new;
}

void sessions_remove(struct sessions *t, struct session *s)
{
	struct session **at = id_bucket(t, s->id);

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	unlink_end(&s->end[0]);
	unlink_end(&s->end[1]);
	free(s);
	t->n--;
}

void sessions_chain(struct sessions *t, uint32_t chain, session_fn *f, void *ctx)
{
	for (struct session *s = t->by_id[chain], *next; s; s = next) {
		next = s->next;
		f(ctx, s);
	}
}

void sessions_each(struct sessions *t, session_fn *f, void *ctx)
{
	for (uint32_t i = 0; i <= t->mask; i++)
		sessions_chain(t, i, f, ctx);
}

void sessions_at(struct sessions *t, uint16_t domain, uint8_t family, const uint8_t addr[16], session_fn *f,
		 void *ctx)
{
	for (struct session_end *end = *end_bucket(t, domain, family, addr); end; end = end->next) {
		struct session *s = end->owner;
		const struct flow_key *k = &s->flow.key;

		if (k->domain == domain && k->family == family &&
		    !memcmp(k->addr[end == &s->end[1]], addr, sizeof(k->addr[0])))
			f(ctx, s);
	}
}

struct nl_session session_name(const struct session *s)
{
	const struct flow_key *k = &s->flow.key;
	struct nl_session name = {
		.id = s->id,
		.mark = s->mark,
		.zone = k->domain,
		.family = k->family,
		.proto = k->proto,
		.sport = k->port[0],
		.dport = k->port[1],
	};

	memcpy(name.src, k->addr[0], sizeof(name.src));
	memcpy(name.dst, k->addr[1], sizeof(name.dst));
	return name;
}
