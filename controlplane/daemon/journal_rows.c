/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rows of a ruleset.
 */
#include "journal_rows.h"

#include <stdio.h>
#include <string.h>

#include "sql.h"

#define SEGMENT_TEXT 2048u

static const char insert_rule[] = "INSERT INTO rule (generation, number, id, effect, tier, mode, file, line, "
				  "owner, review_end, services,"
				  " widest_range, from_count, to_count, to_profiles) VALUES (?, ?, ?, ?, ?, "
				  "?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

static const char *const effects[] = {"allow", "deny"};
static const char *const tiers[] = {"guard", "team", "baseline"};
static const char *const modes[] = {"enforce", "monitor", "off"};

static int64_t count_set(const uint64_t *set, size_t words)
{
	int64_t n = 0;

	for (size_t i = 0; i < words; i++)
		n += __builtin_popcountll(set[i]);
	return n;
}

static bool sets_meet(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (a[i] & b[i])
			return true;
	return false;
}

static int64_t count_profiles(const struct ruleset *rs, const uint64_t *to)
{
	int64_t n = 0;

	for (size_t i = 0; i < rs->n_profiles; i++)
		n += sets_meet(rs->profiles[i].members, to, rs->set_words);
	return n;
}

static int64_t widest(const struct service_set *s)
{
	service_key max = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->ranges[i].to - s->ranges[i].from > max)
			max = s->ranges[i].to - s->ranges[i].from;
	return max;
}

static int row_of_rule(struct sqlite3 *db, const struct generation *g, size_t i)
{
	const struct ruleset *rs = g->rs;
	const struct rule *r = &rs->rules[i];

	return sql_run(db, insert_rule,
		       "iittttti"
		       "tiiiiii",
		       (int64_t)g->number, (int64_t)i + 1, r->id, effects[r->effect], tiers[r->tier],
		       modes[r->mode], r->place.file, (int64_t)r->place.line, r->owner, r->review_end,
		       (int64_t)r->service.n, widest(&r->service), count_set(r->from.set, rs->set_words),
		       count_set(r->to.set, rs->set_words), count_profiles(rs, r->to.set));
}

static int row_of_scope(struct sqlite3 *db, const struct generation *g, size_t i)
{
	const struct ruleset *rs = g->rs;
	const struct scope *s = &rs->scopes[i];
	char id[160];

	snprintf(id, sizeof(id), "scope:%s", s->id);
	return sql_run(db, insert_rule,
		       "iittttti"
		       "nniiiii",
		       (int64_t)g->number, (int64_t)(RULE_SCOPE_BIT | i), id, "scope", (const char *)NULL,
		       modes[s->mode], s->place.file, (int64_t)s->place.line, (int64_t)s->enforce_services.n,
		       widest(&s->enforce_services), count_set(s->from.set, rs->set_words),
		       count_set(s->to.set, rs->set_words), count_profiles(rs, s->to.set));
}

int journal_rows_rules(struct sqlite3 *db, const struct generation *g)
{
	int r = sql_run(db,
			"INSERT INTO rule (generation, number, id, effect, mode)"
			" VALUES (?, 0, 'default-deny', 'deny', 'enforce')",
			"i", (int64_t)g->number);

	for (size_t i = 0; r == 0 && i < g->rs->n_rules; i++)
		r = row_of_rule(db, g, i);
	for (size_t i = 0; r == 0 && i < g->rs->n_scopes; i++)
		r = row_of_scope(db, g, i);
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
