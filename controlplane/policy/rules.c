/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Section `rules`.
 */
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "timefmt.h"

struct rule_item {
	struct rule rule;
	const struct yaml_node *effect, *from, *to, *service, *review_by, *action;
};

static const struct word effects[] = {{"allow", EFFECT_ALLOW}, {"deny", EFFECT_DENY}, {"require", 0, true}};
static const struct word tiers[] = {{"guard", TIER_GUARD}, {"team", TIER_TEAM}, {"baseline", TIER_BASELINE}};
static const struct word modes[] = {{"enforce", MODE_ENFORCE}, {"monitor", MODE_MONITOR}, {"off", MODE_OFF}};
static const struct word actions[] = {{"drop", ACTION_DROP}, {"reject", ACTION_REJECT}};
static const struct word logs[] = {{"default", LOG_DEFAULT}, {"always", LOG_ALWAYS}};

#define READ_WORD(name, what, words, type)                                                                   \
	static void name(struct build *b, const struct yaml_node *n, void *field)                            \
	{                                                                                                    \
		int value;                                                                                   \
                                                                                                             \
		if (read_word(b, n, what, words, sizeof(words) / sizeof(*(words)), &value))                  \
			*(type *)field = (type)value;                                                        \
	}

READ_WORD(read_effect, "effect", effects, enum effect)
READ_WORD(read_tier, "tier", tiers, enum tier)
READ_WORD(read_mode, "mode", modes, enum mode)
READ_WORD(read_action, "action", actions, enum action)
READ_WORD(read_log, "log", logs, enum log_mode)

/* The end of the day in the bundle's zone. */
static bool day_end(struct build *b, const struct civil *day, int64_t *end)
{
	const struct policy_env *env = b->env;

	if (env->day_end && b->rs->timezone)
		return env->day_end(env->ctx, b->rs->timezone, day->year, day->month, day->day, end);
	*end = (time_days(day->year, day->month, day->day) + 1) * 86400;
	return true;
}

static void read_review(struct build *b, const struct yaml_node *n, void *item)
{
	const char *text = yaml_string(n, b->diags);
	struct rule *r = item;
	struct civil day;

	if (!text)
		return;
	if (!time_parse_date(text, &day)) {
		error_at(b, n, "`%s` is no date, like 2026-12-31", text);
		return;
	}
	r->review_by = arena_strdup(b->arena, text);
	if (!day_end(b, &day, &r->review_end))
		r->review_end = 0; /* the zone is a finding of its own */
}

#define RULE(field) offsetof(struct rule_item, rule.field)

static const struct key rule_keys[] = {
	{"id", KEY_REQUIRED, read_id, RULE(id)},
	{"effect", KEY_REQUIRED, read_node, offsetof(struct rule_item, effect)},
	{"from", KEY_REQUIRED, read_node, offsetof(struct rule_item, from)},
	{"to", KEY_REQUIRED, read_node, offsetof(struct rule_item, to)},
	{"service", KEY_REQUIRED, read_node, offsetof(struct rule_item, service)},
	{"owner", KEY_REQUIRED, read_text, RULE(owner)},
	{"review_by", KEY_OPTIONAL, read_node, offsetof(struct rule_item, review_by)},
	{"tier", KEY_OPTIONAL, read_tier, RULE(tier)},
	{"mode", KEY_OPTIONAL, read_mode, RULE(mode)},
	{"why", KEY_OPTIONAL, read_text, RULE(why)},
	{"ticket", KEY_OPTIONAL, read_text, RULE(ticket)},
	{"keep", KEY_OPTIONAL, read_flag, RULE(keep)},
	{"log", KEY_OPTIONAL, read_log, RULE(log)},
	{"action", KEY_OPTIONAL, read_node, offsetof(struct rule_item, action)},
	{"window", KEY_LATER, NULL, 0},
	{"expires", KEY_LATER, NULL, 0},
	{"expire_opens", KEY_LATER, NULL, 0},
	{"posture", KEY_LATER, NULL, 0},
	{"tls", KEY_LATER, NULL, 0},
	{"rate", KEY_LATER, NULL, 0},
	{"except", KEY_LATER, NULL, 0},
	{"on_revoke", KEY_LATER, NULL, 0},
};
static const struct key_table rule_table = KEY_TABLE("a rule", rule_keys);

static void read_review_by(struct build *b, const struct yaml_node *map, struct rule_item *item)
{
	if (item->review_by)
		read_review(b, item->review_by, &item->rule);
	else if (!map->open && !yaml_get(map, "expires"))
		error_at(b, map, "a rule needs the key `review_by`");
}

static void read_effect_and_action(struct build *b, struct rule_item *item)
{
	if (item->effect)
		read_effect(b, item->effect, &item->rule.effect);
	if (!item->action)
		return;
	read_action(b, item->action, &item->rule.action);
	if (item->effect && item->rule.effect == EFFECT_ALLOW &&
	    strcmp(item->effect->text ? item->effect->text : "", "allow") == 0)
		error_at(b, item->action->key, "`action` says how a deny is carried out, this rule allows");
}

static void read_selectors(struct build *b, struct rule_item *item)
{
	enum who_use use = item->rule.effect == EFFECT_ALLOW ? WHO_OF_ALLOW : WHO_ALL;

	if (item->from)
		read_selector(b, item->from, use, true, &item->rule.from);
	if (item->to)
		read_selector(b, item->to, use, false, &item->rule.to);
	if (item->service)
		read_service(b, item->service, &item->rule.service, &item->rule.service_text);
}

static int compare_rules(const void *a, const void *b)
{
	return strcmp(((const struct rule *)a)->id, ((const struct rule *)b)->id);
}

ptrdiff_t find_rule(const struct ruleset *rs, const char *id)
{
	struct rule key = {.id = id}, *r = NULL;

	if (rs->n_rules)
		r = bsearch(&key, rs->rules, rs->n_rules, sizeof(key), compare_rules);
	return r ? r - rs->rules : -1;
}

static void read_rule(struct build *b, const struct yaml_node *n, struct bytemap *ids)
{
	struct rule_item item = {.rule = {.tier = TIER_TEAM, .place = build_place(b, n)}};
	const struct yaml_node *id;

	if (!read_map(b, &rule_table, n, &item))
		return;
	read_review_by(b, n, &item);
	read_effect_and_action(b, &item);
	read_selectors(b, &item);
	id = yaml_get(n, "id");
	if (item.rule.id && strcmp(item.rule.id, "default-deny") == 0)
		error_at(b, id, "`default-deny` is a reserved name");
	if (!item.rule.id || !define(b, ids, item.rule.id, id, "id"))
		return;
	b->rs->rules[b->rs->n_rules++] = item.rule;
}

void load_rules(struct build *b)
{
	struct items items = section_items(b, SECTION_RULES, YAML_LIST, "`rules`");
	struct bytemap *ids = bytemap_new(b->scratch);

	b->rs->rules = arena_array(b->arena, items.n, sizeof(*b->rs->rules));
	for (size_t i = 0; i < items.n; i++)
		read_rule(b, items.node[i], ids);
	qsort(b->rs->rules, b->rs->n_rules, sizeof(*b->rs->rules), compare_rules);
}
