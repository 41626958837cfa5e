/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `flows`: what was decided. Oldest first, so that the newest stands where one looks. The last line says how
 * many of how many are shown and whether anything is missing; a script sees the latter as exit code 8 when it
 * asks.
 */
#include <stdlib.h>
#include <string.h>

#include "member.h"
#include "online.h"
#include "shorten.h"
#include "text.h"
#include "timefmt.h"
#include "verbs.h"

#define LIMIT_DEFAULT 100u
#define LIMIT_MAX     100000u
#define COUNT_MAX     10000u /* people are told how many match, up to this */

/* --- cells ------------------------------------------------------------------------------------- */

static const char *time_text(const json_t *row, char *buffer, size_t room)
{
	return text_time_local(member_text(row, "time", "-"), buffer, room);
}

/* `from` and `to` are put there by name_ends(). */
static const char *from_text(const json_t *row, char *buffer, size_t room)
{
	return member_text(row, "from", member_text(row, "src", "-"));
}

static const char *to_text(const json_t *row, char *buffer, size_t room)
{
	return member_text(row, "to", member_text(row, "dst", "-"));
}

/* The daemon may name the protocol by word or by number. */
static const char *service_text(const json_t *row, char *buffer, size_t room)
{
	const json_t *proto = json_object_get(row, "proto");
	json_int_t port = member_integer(row, "dport");
	char number[24];
	const char *word = json_is_string(proto)
				   ? json_string_value(proto)
				   : text_proto((uint8_t)json_integer_value(proto), number, sizeof(number));

	if (strncmp(word, "icmp", 4) == 0)
		snprintf(buffer, room, "%s/%d", word, (int)(port > 255 ? port >> 8 : port));
	else if (strcmp(word, "tcp") == 0 || strcmp(word, "udp") == 0)
		snprintf(buffer, room, "%s/%d", word, (int)port);
	else
		snprintf(buffer, room, "%s", word);
	return buffer;
}

static const char *intended_text(const json_t *row, char *buffer, size_t room)
{
	const char *intended = member_text(row, "intended", "-"),
		   *rule = member_text(row, "intended_rule", "-");

	if (strcmp(intended, member_text(row, "verdict", "-")) == 0 &&
	    strcmp(rule, member_text(row, "rule", "-")) == 0)
		return "same";
	snprintf(buffer, room, "%s %s", intended, rule);
	return buffer;
}

static const char *bytes_text(const json_t *row, char *buffer, size_t room)
{
	const json_t *bytes = json_object_get(row, "bytes");
	uint64_t sum = (uint64_t)json_integer_value(json_array_get(bytes, 0)) +
		       (uint64_t)json_integer_value(json_array_get(bytes, 1));

	return text_amount(sum, buffer, room);
}

static const struct out_column flow_columns[] = {
	{"time", "TIME", OUT_PEOPLE, time_text},
	{"verdict", "VERDICT", OUT_VERDICT, NULL},
	{"src", "FROM", OUT_SHRINK | OUT_PEOPLE, from_text},
	{"dst", "TO", OUT_SHRINK | OUT_PEOPLE, to_text},
	{"proto", "SERVICE", OUT_PEOPLE, service_text},
	{"rule", "RULE", 0, NULL},
	{"intended", "INTENDED", OUT_PEOPLE | OUT_ROOMY, intended_text},
	{"reason", "REASON", OUT_WIDE_ONLY, NULL},
	{"bytes", "BYTES", OUT_RIGHT | OUT_PEOPLE | OUT_ROOMY, bytes_text},
	{"count", "x", OUT_RIGHT, NULL},
	{"sport", "SPORT", OUT_RIGHT | OUT_WIDE_ONLY, NULL},
	{"dport", "DPORT", OUT_RIGHT | OUT_WIDE_ONLY, NULL},
	{"src_identity", "FROM IDENTITY", OUT_WIDE_ONLY, NULL},
	{"dst_identity", "TO IDENTITY", OUT_WIDE_ONLY, NULL},
	{"intended_rule", "INTENDED BY", OUT_WIDE_ONLY, NULL},
	{"packets", "PACKETS", OUT_RIGHT | OUT_WIDE_ONLY, NULL},
	{"kind", "KIND", OUT_WIDE_ONLY, NULL},
	{"generation", "GEN", OUT_RIGHT | OUT_WIDE_ONLY, NULL},
	{"last", "LAST", OUT_WIDE_ONLY, NULL},
};

/* --- the verb ---------------------------------------------------------------------------------- */

/* A time option as RFC 3339 in `buffer`; NULL if it was not given. */
static bool time_option(struct cli *cli, const char *name, char *buffer, size_t room, const char **out)
{
	const char *text = cli_option(cli, name);
	int64_t ns;

	*out = NULL;
	if (text == NULL)
		return true;
	if (!text_parse_time(text, text_now(), &ns)) {
		cli_fail(cli, CLI_USAGE,
			 "--%s takes a time like 2026-08-25T10:00:00+03:00 or an age like 2h, not '%s'", name,
			 text);
		return false;
	}
	*out = time_print(ns, 9, buffer, room);
	return true;
}

static void name_end(const struct shorten *s, json_t *row, const char *name, const char *identity,
		     const char *address)
{
	char buffer[512];

	json_object_set_new(
		row, name,
		json_sprintf("%s %s",
			     shorten_text(s, member_text(row, identity, "-"), buffer, sizeof(buffer)),
			     member_text(row, address, "-")));
}

/* For tables: each end as its address, and who it is where there is room for that. */
static void name_ends(const json_t *rows, size_t n, bool roomy)
{
	struct shorten s = {0};

	for (size_t i = 0; i < n; i++) {
		shorten_see(&s, member_text(json_array_get(rows, i), "src_identity", "-"));
		shorten_see(&s, member_text(json_array_get(rows, i), "dst_identity", "-"));
	}
	for (size_t i = 0; roomy && i < n; i++) {
		name_end(&s, json_array_get(rows, i), "from", "src_identity", "src");
		name_end(&s, json_array_get(rows, i), "to", "dst_identity", "dst");
	}
}

static bool for_people(const struct cli *cli)
{
	return cli->style.format == OUT_TABLE || cli->style.format == OUT_WIDE;
}

static void say_end(struct cli *cli, const json_t *answer, size_t shown, size_t matched)
{
	bool complete = json_is_true(json_object_get(answer, "complete"));

	fprintf(for_people(cli) ? cli->out : cli->err,
		"%zu of %zu%s shown   complete: %s, lost %" JSON_INTEGER_FORMAT "\n", shown, matched,
		for_people(cli) && matched >= COUNT_MAX ? " or more" : "", complete ? "yes" : "no",
		member_integer(answer, "lost"));
}

/* Rows come newest first. */
static int flows_print(struct cli *cli, json_t *answer, size_t limit)
{
	const json_t *rows = json_object_get(answer, "data");
	size_t matched = json_array_size(rows), shown = matched < limit ? matched : limit;
	const char *schema = json_string_value(json_object_get(answer, "schema"));

	struct out *o = out_new(cli->out, &cli->style, schema != NULL ? schema : "cordon.flows/1",
				flow_columns, sizeof(flow_columns) / sizeof(flow_columns[0]));
	out_envelope(o, online_members(answer));
	if (for_people(cli))
		name_ends(rows, shown, out_is_roomy(o));
	for (size_t i = shown; i-- > 0;)
		out_row(o, json_incref(json_array_get(rows, i)));
	bool good = out_close(o);
	if (cli->style.format != OUT_JSON)
		say_end(cli, answer, shown, matched);
	return cli_written(cli, good && fflush(cli->out) == 0, CLI_DONE);
}

int verb_flows(struct cli *cli)
{
	char since[TIME_TEXT], until[TIME_TEXT], count[24];
	const char *since_text, *until_text;
	unsigned long long limit;
	json_t *answer;

	if (!cli_number(cli, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit) ||
	    !time_option(cli, "since", since, sizeof(since), &since_text) ||
	    !time_option(cli, "until", until, sizeof(until), &until_text))
		return CLI_USAGE;
	unsigned long long asked = for_people(cli) && limit < COUNT_MAX ? COUNT_MAX : limit;
	snprintf(count, sizeof(count), "%llu", asked);
	const struct api_query query[] = {
		{"since", since_text},
		{"until", until_text},
		{"verdict", cli_option(cli, "verdict")},
		{"from", cli_option(cli, "from")},
		{"to", cli_option(cli, "to")},
		{"rule", cli_option(cli, "rule")},
		{"reason", cli_option(cli, "reason")},
		{"service", cli_option(cli, "service")},
		{"limit", count},
	};
	int code =
		online_call(cli, "GET", "/v1/flows", query, sizeof(query) / sizeof(query[0]), NULL, &answer);
	if (code != CLI_DONE)
		return code;
	bool complete = json_is_true(json_object_get(answer, "complete"));
	code = flows_print(cli, answer, (size_t)limit);
	json_decref(answer);
	return code == CLI_DONE && !complete && cli_option(cli, "complete") != NULL ? CLI_INCOMPLETE : code;
}
