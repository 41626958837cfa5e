/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rows of a ruleset.
 */
#include "journal_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql.h"

#define SEGMENT_TEXT 2048u

static const char insert_rule[] =
	"INSERT INTO rule (generation, number, id, effect, tier, mode, file, line, "
	"owner, review_end, services,"
	" widest_range, from_count, to_count, to_segments, to_profiles) VALUES (?, ?, ?, "
	"?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

static const char *const effects[] = {"allow", "deny"};
static const char *const tiers[] = {"guard", "team", "baseline"};
static const char *const modes[] = {"enforce", "monitor", "off"};

/* --- how wide a selector is --------------------------------------------------------------------- */

/* Segment of each identity: the index of one identity that stands for it. */
struct segments {
	uint32_t *of;
	uint64_t *met; /* scratch, a set over those indexes */
};

static int64_t count_set(const uint64_t *set, size_t words)
{
	int64_t n = 0;

	for (size_t i = 0; i < words; i++)
		n += __builtin_popcountll(set[i]);
	return n;
}

/* As a sort: identities of one segment differ by defaulted labels only; a reserved one is alone. */
static int compare_segments(const void *a, const void *b, void *ctx)
{
	const struct ruleset *rs = ctx;
	const struct identity *x = &rs->identities[*(const uint32_t *)a],
			      *y = &rs->identities[*(const uint32_t *)b];

	if (x->reserved || y->reserved)
		return (int)x->reserved - (int)y->reserved;
	for (size_t k = 0; k < rs->n_labels; k++)
		if (!rs->labels[k].default_value && x->value[k] != y->value[k])
			return (int)x->value[k] - (int)y->value[k];
	return 0;
}

static bool segments_make(struct segments *s, const struct ruleset *rs)
{
	uint32_t *order = calloc(rs->n_identities + 1, sizeof(*order));
	bool ok;

	s->of = calloc(rs->n_identities + 1, sizeof(*s->of));
	s->met = calloc(rs->set_words + 1, sizeof(*s->met));
	for (uint32_t i = 0; order && i < rs->n_identities; i++)
		order[i] = i;
	ok = order && s->of && s->met;
	if (ok) {
		qsort_r(order, rs->n_identities, sizeof(*order), compare_segments, (void *)(uintptr_t)rs);
		for (size_t i = 0; i < rs->n_identities; i++)
			s->of[order[i]] =
				i > 0 && !compare_segments(&order[i - 1], &order[i], (void *)(uintptr_t)rs)
					? s->of[order[i - 1]]
					: order[i];
	}
	free(order);
	return ok;
}

static int64_t count_segments(const struct ruleset *rs, const struct segments *s, const uint64_t *set)
{
	memset(s->met, 0, rs->set_words * sizeof(*s->met));
	for (size_t i = 0; i < rs->n_identities; i++)
		if (identity_in(set, i))
			s->met[s->of[i] / 64] |= 1ull << (s->of[i] % 64);
	return count_set(s->met, rs->set_words);
}

static bool sets_meet(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (a[i] & b[i])
			return true;
	return false;
}

static bool set_within(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (a[i] & ~b[i])
			return false;
	return true;
}

/* One if a single profile holds all of `to`; what lies beside the profiles that it meets counts as one more.
 */
static int64_t count_profiles(const struct ruleset *rs, const uint64_t *to)
{
	int64_t n = 0;

	for (size_t i = 0; i < rs->n_profiles; i++) {
		if (set_within(to, rs->profiles[i].members, rs->set_words))
			return 1;
		n += sets_meet(rs->profiles[i].members, to, rs->set_words);
	}
	return n == 1 ? 2 : n;
}

/* --- how wide a service is ---------------------------------------------------------------------- */

#define PROTO_TCP    6u
#define PROTO_UDP    17u
#define PROTO_ICMP   1u
#define PROTO_ICMPV6 58u

static bool is_ports(const struct service_range *r)
{
	unsigned proto = r->from >> 16;

	return (proto == PROTO_TCP || proto == PROTO_UDP) && (r->to - 1) >> 16 == proto;
}

static bool is_echo(const struct service_range *r)
{
	return r->from == service_key_make(PROTO_ICMP, 8 << 8) ||
	       r->from == service_key_make(PROTO_ICMPV6, 128 << 8);
}

/* The same ports over TCP and UDP are one service, and so is the echo of both IP versions. */
static bool same_service(const struct service_range *a, const struct service_range *b)
{
	if (is_ports(a) && is_ports(b))
		return (uint16_t)a->from == (uint16_t)b->from && a->to - a->from == b->to - b->from;
	return a->to - a->from == b->to - b->from && is_echo(a) && is_echo(b);
}

static int64_t count_services(const struct service_set *s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		size_t k = 0;

		while (k < i && !same_service(&s->ranges[k], &s->ranges[i]))
			k++;
		n += k == i;
	}
	return n;
}

/* Ports that [from, to) has in common with those of one protocol. */
static int64_t ports_of(const struct service_range *r, unsigned proto)
{
	int64_t from = service_key_make((uint8_t)proto, 0), to = from + 65536;

	from = from > r->from ? from : r->from;
	to = to < r->to ? to : r->to;
	return to > from ? to - from : 0;
}

/* In ports; what has none is one wide. */
static int64_t widest(const struct service_set *s)
{
	int64_t max = s->n > 0;

	for (size_t i = 0; i < s->n; i++) {
		int64_t tcp = ports_of(&s->ranges[i], PROTO_TCP), udp = ports_of(&s->ranges[i], PROTO_UDP);

		max = tcp > max ? tcp : max;
		max = udp > max ? udp : max;
	}
	return max;
}

/* --- rules and scopes --------------------------------------------------------------------------- */

static int row_of_rule(struct sqlite3 *db, const struct generation *g, const struct segments *s, size_t i)
{
	const struct ruleset *rs = g->rs;
	const struct rule *r = &rs->rules[i];

	return sql_run(db, insert_rule,
		       "iittttti"
		       "tiiiiiii",
		       (int64_t)g->number, (int64_t)i + 1, r->id, effects[r->effect], tiers[r->tier],
		       modes[r->mode], r->place.file, (int64_t)r->place.line, r->owner, r->review_end,
		       count_services(&r->service), widest(&r->service),
		       count_set(r->from.set, rs->set_words), count_set(r->to.set, rs->set_words),
		       count_segments(rs, s, r->to.set), count_profiles(rs, r->to.set));
}

static int row_of_scope(struct sqlite3 *db, const struct generation *g, const struct segments *seg, size_t i)
{
	const struct ruleset *rs = g->rs;
	const struct scope *s = &rs->scopes[i];
	char id[160];

	snprintf(id, sizeof(id), "scope:%s", s->id);
	return sql_run(db, insert_rule,
		       "iittttti"
		       "nniiiiii",
		       (int64_t)g->number, (int64_t)(RULE_SCOPE_BIT | i), id, "scope", (const char *)NULL,
		       modes[s->mode], s->place.file, (int64_t)s->place.line,
		       count_services(&s->enforce_services), widest(&s->enforce_services),
		       count_set(s->from.set, rs->set_words), count_set(s->to.set, rs->set_words),
		       count_segments(rs, seg, s->to.set), count_profiles(rs, s->to.set));
}

static int rows(struct sqlite3 *db, const struct generation *g, const struct segments *s)
{
	int r = sql_run(db,
			"INSERT INTO rule (generation, number, id, effect, mode)"
			" VALUES (?, 0, 'default-deny', 'deny', 'enforce')",
			"i", (int64_t)g->number);

	for (size_t i = 0; r == 0 && i < g->rs->n_rules; i++)
		r = row_of_rule(db, g, s, i);
	for (size_t i = 0; r == 0 && i < g->rs->n_scopes; i++)
		r = row_of_scope(db, g, s, i);
	return r;
}

int journal_rows_rules(struct sqlite3 *db, const struct generation *g)
{
	struct segments s = {0};
	int r = segments_make(&s, g->rs) ? rows(db, g, &s) : -ENOMEM;

	free(s.of);
	free(s.met);
	return r;
}

/* --- identities ------------------------------------------------------------------------------- */

void identity_segment(const struct ruleset *rs, const struct identity *id, char *buffer, size_t room)
{
	size_t used = 0;

	if (id->reserved) {
		snprintf(buffer, room, "%s", id->text);
		return;
	}
	buffer[0] = 0;
	for (size_t k = 0; k < rs->n_labels; k++) {
		const struct label_key *key = &rs->labels[k];

		if (key->default_value || !id->value[k] || used >= room)
			continue;
		used += (size_t)snprintf(buffer + used, room - used, "%s%s=%s", used ? "," : "", key->name,
					 key->values[id->value[k] - 1]);
	}
}

static bool has_label(const struct ruleset *rs, const struct identity *id, const char *name,
		      const char *value)
{
	for (size_t k = 0; k < rs->n_labels; k++)
		if (id->value[k] && strcmp(rs->labels[k].name, name) == 0)
			return strcmp(rs->labels[k].values[id->value[k] - 1], value) == 0;
	return false;
}

/* The policy says so in one of two ways: label crit=high, or membership in a profile whose mission is
 * critical. */
static bool is_critical(const struct ruleset *rs, size_t i)
{
	if (has_label(rs, &rs->identities[i], "crit", "high"))
		return true;
	for (size_t p = 0; p < rs->n_profiles; p++) {
		const struct profile *profile = &rs->profiles[p];

		if (profile->mission && strcmp(profile->mission, "critical") == 0 &&
		    identity_in(profile->members, i))
			return true;
	}
	return false;
}

int journal_rows_identities(struct sqlite3 *db, const struct generation *g, const struct dictionary *dict)
{
	const struct ruleset *rs = g->rs;
	int r = 0;

	for (size_t i = 0; r == 0 && i < rs->n_identities; i++) {
		const struct identity *id = &rs->identities[i];
		uint16_t number = id->reserved ? id->reserved : dictionary_find(dict, id->text);
		char segment[SEGMENT_TEXT];

		identity_segment(rs, id, segment, sizeof(segment));
		r = sql_run(db,
			    "INSERT INTO generation_identity (generation, number, text, segment, critical)"
			    " VALUES (?, ?, ?, ?, ?)",
			    "iitti", (int64_t)g->number, (int64_t)number, id->text, segment,
			    (int64_t)is_critical(rs, i));
	}
	return r;
}
