/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `explain`: what the policy says to one question, and why. With --policy the file is judged here; without,
 * the daemon answers for the generation in force. Both give the same objects, so one printer serves them. A
 * few answers are shown as cards with the walk through the tiers, many as a table.
 */
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "explain.h"
#include "member.h"
#include "online.h"
#include "shorten.h"
#include "text.h"
#include "verbs.h"

#define SERVICE_RANGES_MAX 512u
#define CARDS_MAX          4u

struct explain {
	struct cli *cli;
	const struct ruleset *rs; /* NULL: asked the daemon */
	const char *service;      /* as typed */
	int64_t at;
	json_t *answers;
	struct explain_answer *raw; /* parallel to answers, for the walk */
	size_t n, room;
	bool failed; /* no memory for all answers */
};

/* Put there by name_ends(). */
static const char *from_text(const json_t *row, char *buffer, size_t room)
{
	return member_text(row, "from_short", "-");
}

static const char *to_text(const json_t *row, char *buffer, size_t room)
{
	return member_text(row, "to_short", "-");
}

static const struct out_column explain_columns[] = {
	{"from", "FROM", OUT_FOLD | OUT_PEOPLE, from_text},
	{"to", "TO", OUT_FOLD | OUT_PEOPLE, to_text},
	{"service", "SERVICE", 0, NULL},
	{"verdict", "VERDICT", OUT_VERDICT, NULL},
	{"rule", "RULE", 0, NULL},
	{"reason", "REASON", 0, NULL},
	{"intended", "INTENDED", OUT_VERDICT, NULL},
	{"intended_rule", "BY", OUT_SHRINK | OUT_ROOMY, NULL},
};

static json_t *answer_json(const struct explain *e, const struct explain_answer *a)
{
	char service[64], rule[128], intended[128];
	const struct decision *d = &a->decision;

	service_range_text(a->first, a->end, service, sizeof(service));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "from", e->rs->identities[a->from].text,
			 "to", e->rs->identities[a->to].text, "service", a->whole ? e->service : service,
			 "verdict", verdict_word(d->verdict), "rule",
			 ruleset_rule_text(e->rs, d->rule, rule, sizeof(rule)), "reason",
			 reason_word(d->reason), "intended", verdict_word(d->intended), "intended_rule",
			 ruleset_rule_text(e->rs, d->intended_rule, intended, sizeof(intended)));
}

static bool explain_add(void *ctx, const struct explain_answer *a)
{
	struct explain *e = ctx;

	if (e->n == e->room) {
		size_t room = e->room == 0 ? 16 : 2 * e->room;
		struct explain_answer *raw = realloc(e->raw, room * sizeof(*raw));
		if (raw == NULL) {
			e->failed = true;
			return false;
		}
		e->raw = raw;
		e->room = room;
	}
	e->raw[e->n++] = *a;
	json_array_append_new(e->answers, answer_json(e, a));
	return true;
}

/* --- cards ------------------------------------------------------------------------------------- */

static bool rule_matches(const struct rule *r, const struct explain_answer *a)
{
	return r->mode != MODE_OFF && identity_in(r->from.set, a->from) && identity_in(r->to.set, a->to) &&
	       service_has(&r->service, a->first);
}

/* Prints the tier's matching rules; true if an enforced one decides. */
static bool card_tier(const struct explain *e, const struct explain_answer *a, enum tier tier)
{
	static const char *const names[] = {
		[TIER_GUARD] = "guard", [TIER_TEAM] = "team", [TIER_BASELINE] = "baseline"};
	bool decides = false, any = false;

	fprintf(e->cli->out, " %-8s %-9s ", tier == TIER_GUARD ? "walk" : "", names[tier]);
	for (size_t i = 0; i < e->rs->n_rules; i++) {
		const struct rule *r = &e->rs->rules[i];
		if (r->tier != tier || !rule_matches(r, a))
			continue;
		fprintf(e->cli->out, "%s%s %s%s", any ? ", " : "",
			r->effect == EFFECT_ALLOW ? "allow" : "deny", r->id,
			r->mode == MODE_MONITOR ? " (monitor)" : "");
		decides = decides || r->mode == MODE_ENFORCE;
		any = true;
	}
	fputs(any ? "\n" : "no rule\n", e->cli->out);
	return decides;
}

static void card_walk(const struct explain *e, const struct explain_answer *a)
{
	static const char *const names[] = {"guard", "team", "baseline"};
	bool decided = false;

	for (int tier = TIER_GUARD; tier < TIER_COUNT; tier++) {
		if (decided)
			fprintf(e->cli->out, " %-8s %-9s not reached\n", "", names[tier]);
		else
			decided = card_tier(e, a, (enum tier)tier);
	}
	if (!decided)
		fprintf(e->cli->out, " %-8s %-9s deny default-deny\n", "", "(none)");
	if ((a->decision.rule & RULE_SCOPE_BIT) != 0)
		fprintf(e->cli->out, " %-8s %s is in monitor mode and lets it pass\n", "scope",
			e->rs->scopes[a->decision.rule & ~RULE_SCOPE_BIT].id);
}

static void card_rule(const struct explain *e, rule_ref ref)
{
	const struct rule *r;

	if (ref == RULE_DEFAULT_DENY || (ref & RULE_SCOPE_BIT) != 0)
		return;
	r = &e->rs->rules[ref - 1];
	fprintf(e->cli->out, " %-8s %s:%u  owner %s%s%s\n", "rule", r->place.file, r->place.line, r->owner,
		r->why != NULL ? "  why: " : "", r->why != NULL ? r->why : "");
}

static void card_print(const struct explain *e, size_t i)
{
	const json_t *row = json_array_get(e->answers, i);
	const char *verdict = member_text(row, "verdict", "-");
	bool allow = strcmp(verdict, "allow") == 0, colour = e->cli->style.colour;
	FILE *out = e->cli->out;

	fprintf(out, "%s%s%s%s by %s  reason %s\n", i > 0 ? "\n" : "",
		colour ? (allow ? "\033[32m" : "\033[31m") : "", allow ? "ALLOW" : "DENY",
		colour ? "\033[0m" : "", member_text(row, "rule", "-"), member_text(row, "reason", "-"));
	fprintf(out, " %-8s %s\n %-8s %s\n %-8s %s\n", "from", member_text(row, "from", "-"), "to",
		member_text(row, "to", "-"), "service", member_text(row, "service", "-"));
	if (e->rs != NULL) {
		card_walk(e, &e->raw[i]);
		card_rule(e, e->raw[i].decision.rule);
	}
	if (strcmp(verdict, member_text(row, "intended", "-")) != 0 ||
	    strcmp(member_text(row, "rule", "-"), member_text(row, "intended_rule", "-")) != 0)
		fprintf(out, " %-8s %s by %s\n", "intended", member_text(row, "intended", "-"),
			member_text(row, "intended_rule", "-"));
}

/* --- printing and the expectation -------------------------------------------------------------- */

static void name_ends(json_t *answers)
{
	struct shorten s = {0};
	char buffer[512];
	size_t i;
	json_t *row;

	json_array_foreach(answers, i, row)
	{
		shorten_see(&s, member_text(row, "from", "-"));
		shorten_see(&s, member_text(row, "to", "-"));
	}
	json_array_foreach(answers, i, row)
	{
		json_object_set_new(
			row, "from_short",
			json_string(shorten_text(&s, member_text(row, "from", "-"), buffer, sizeof(buffer))));
		json_object_set_new(
			row, "to_short",
			json_string(shorten_text(&s, member_text(row, "to", "-"), buffer, sizeof(buffer))));
	}
}

static bool same_pair(const json_t *answers)
{
	const json_t *first = json_array_get(answers, 0);
	size_t i;
	json_t *row;

	json_array_foreach(
		answers, i,
		row) if (!json_equal(json_object_get(row, "from"), json_object_get(first, "from")) ||
			 !json_equal(json_object_get(row, "to"), json_object_get(first, "to"))) return false;
	return true;
}

/* Columns of explain_columns that name the pair. */
#define PAIR_COLUMNS 2u

static bool explain_rows(struct explain *e)
{
	bool people = e->cli->style.format == OUT_TABLE || e->cli->style.format == OUT_WIDE;
	size_t i, skip = people && same_pair(e->answers) ? PAIR_COLUMNS : 0;
	const json_t *first = json_array_get(e->answers, 0);
	json_t *row;

	if (people)
		name_ends(e->answers);
	if (skip > 0)
		fprintf(e->cli->out, "from %s\nto   %s\n", member_text(first, "from", "-"),
			member_text(first, "to", "-"));
	struct out *o = out_new(e->cli->out, &e->cli->style, NULL, explain_columns + skip,
				sizeof(explain_columns) / sizeof(explain_columns[0]) - skip);
	json_array_foreach(e->answers, i, row) out_row(o, json_incref(row));
	return out_close(o);
}

static bool explain_print(struct explain *e)
{
	enum out_format format = e->cli->style.format;
	size_t n = json_array_size(e->answers);

	if (format == OUT_TABLE && n <= CARDS_MAX) {
		for (size_t i = 0; i < n; i++)
			card_print(e, i);
		return fflush(e->cli->out) == 0 && ferror(e->cli->out) == 0;
	}
	return explain_rows(e);
}

/* Every answer must be `expected`. */
static int explain_met(struct explain *e, const char *expected)
{
	size_t i;
	json_t *row;

	json_array_foreach(e->answers, i, row)
	{
		if (expected != NULL && strcmp(member_text(row, "verdict", "-"), expected) != 0) {
			cli_note(e->cli, "expected %s, but %s -> %s %s is %s by %s", expected,
				 member_text(row, "from", "-"), member_text(row, "to", "-"),
				 member_text(row, "service", "-"), member_text(row, "verdict", "-"),
				 member_text(row, "rule", "-"));
			return CLI_NO;
		}
	}
	return CLI_DONE;
}

/* --- the two sources of answers ---------------------------------------------------------------- */

static int ask_policy(struct explain *e)
{
	const struct ruleset *rs = e->rs;
	struct cli *cli = e->cli;
	struct service_range ranges[SERVICE_RANGES_MAX];
	size_t n_ranges = 0;
	char error[256];
	int code = CLI_DONE;
	uint64_t *sets = calloc(2 * rs->set_words + 1, sizeof(*sets));

	if (sets == NULL)
		return cli_fail(cli, CLI_CAPACITY, "out of memory");
	uint64_t *from = sets, *to = sets + rs->set_words;
	if (!policy_parse_who(rs, cli->args[0], from, error, sizeof(error)))
		code = cli_fail(cli, CLI_USAGE, "FROM: %s", error);
	else if (!policy_parse_who(rs, cli->args[1], to, error, sizeof(error)))
		code = cli_fail(cli, CLI_USAGE, "TO: %s", error);
	else if (!policy_parse_service(rs, e->service, ranges, &n_ranges, SERVICE_RANGES_MAX, error,
				       sizeof(error)))
		code = cli_fail(cli, CLI_USAGE, "SERVICE: %s", error);
	else if (!policy_explain(rs, from, to, ranges, n_ranges, e->at, explain_add, e) || e->failed)
		code = cli_fail(cli, CLI_CAPACITY, "out of memory");
	else if (e->n == 0)
		code = cli_fail(cli, CLI_USAGE, "%s -> %s: no identity of this policy is meant", cli->args[0],
				cli->args[1]);
	free(sets);
	return code;
}

/* For the walk through the tiers: the answer found again in the text of the generation that gave it. */
static bool find_answer(const struct ruleset *rs, const json_t *row, struct explain_answer *out)
{
	struct service_range ranges[SERVICE_RANGES_MAX];
	ptrdiff_t from = ruleset_find_identity(rs, member_text(row, "from", ""));
	ptrdiff_t to = ruleset_find_identity(rs, member_text(row, "to", ""));
	size_t n = 0;
	char error[256];

	if (from < 0 || to < 0 ||
	    !policy_parse_service(rs, member_text(row, "service", ""), ranges, &n, SERVICE_RANGES_MAX, error,
				  sizeof(error)) ||
	    n == 0)
		return false;
	*out = (struct explain_answer){.from = (size_t)from, .to = (size_t)to, .first = ranges[0].from};
	policy_eval(rs, out->from, out->to, out->first, 0, &out->decision);
	return true;
}

/* Without it the cards are shorter; that is no failure. */
static void fetch_walk(struct explain *e, struct bundle *b, json_int_t generation)
{
	size_t i, n = json_array_size(e->answers);
	char path[64];
	json_t *answer, *row;

	if (e->cli->style.format != OUT_TABLE || n > CARDS_MAX)
		return;
	snprintf(path, sizeof(path), "/v1/generations/%" JSON_INTEGER_FORMAT, generation);
	if (online_call(e->cli, "GET", path, NULL, 0, NULL, &answer) != CLI_DONE)
		return;
	bool good = bundle_take(b, json_object_get(json_object_get(answer, "data"), "files")) &&
		    bundle_compile(b);
	json_decref(answer);
	e->raw = good ? calloc(n + 1, sizeof(*e->raw)) : NULL;
	json_array_foreach(e->answers, i, row) good = good && find_answer(b->rs, row, &e->raw[i]);
	e->rs = good ? b->rs : NULL;
}

static int ask_daemon(struct explain *e, struct bundle *b)
{
	struct cli *cli = e->cli;
	const struct api_query query[] = {{"from", cli->args[0]},
					  {"to", cli->args[1]},
					  {"service", e->service},
					  {"at", cli_option(cli, "at")}};
	json_t *answer;
	int code = online_call(cli, "GET", "/v1/explain", query, 4, NULL, &answer);

	if (code != CLI_DONE)
		return code;
	json_decref(e->answers);
	e->answers = json_incref(json_object_get(answer, "data"));
	json_int_t generation = member_integer(answer, "generation");
	json_decref(answer);
	if (!json_is_array(e->answers))
		return cli_fail(cli, CLI_UNREACHABLE, "the daemon's answer holds no list");
	fetch_walk(e, b, generation);
	return CLI_DONE;
}

static int explain_run(struct explain *e)
{
	const char *policy = cli_option(e->cli, "policy");
	struct bundle b = {0};
	int code;

	if (policy == NULL) {
		code = ask_daemon(e, &b);
	} else {
		code = bundle_load(e->cli, policy, &b);
		e->rs = b.rs;
		if (code == CLI_DONE)
			code = ask_policy(e);
	}
	if (code == CLI_DONE)
		code = cli_written(e->cli, explain_print(e), explain_met(e, cli_option(e->cli, "expect")));
	bundle_free(&b);
	return code;
}

int verb_explain(struct cli *cli)
{
	const char *at = cli_option(cli, "at"), *expect = cli_option(cli, "expect");
	struct explain e = {.cli = cli, .service = cli->args[2]};
	int64_t now = text_now(), ns = now;

	if (at != NULL && !text_parse_time(at, now, &ns))
		return cli_fail(
			cli, CLI_USAGE,
			"--at takes a time like 2026-08-25T10:00:00+03:00 or an age like 2h, not '%s'", at);
	if (expect != NULL && strcmp(expect, "allow") != 0 && strcmp(expect, "deny") != 0)
		return cli_fail(cli, CLI_USAGE, "--expect takes allow or deny, not '%s'", expect);
	e.at = ns / 1000000000;
	e.answers = json_array();
	int code = explain_run(&e);
	json_decref(e.answers);
	free(e.raw);
	return code;
}
