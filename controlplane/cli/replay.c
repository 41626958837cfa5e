/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `replay`: a policy over a capture. Lines as they are handed out, then the summary, in which both laws of
 * counting must close: frames = forwarded + dropped, decisions = written + aggregated + pending + lost.
 */
#include "replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "lines.h"
#include "member.h"
#include "text.h"
#include "timefmt.h"
#include "verbs.h"

#define LINES_DEFAULT 4000000u

struct replay {
	struct replay_run run;
	struct lines *lines;
	struct out *out; /* NULL for -o json, which gathers */
	json_t *gathered;
};

static const char *service_text(const json_t *row, char *buffer, size_t room)
{
	const char *proto = json_string_value(json_object_get(row, "proto"));

	if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0 && strncmp(proto, "icmp", 4) != 0)
		return proto;
	snprintf(buffer, room, "%s/%" JSON_INTEGER_FORMAT, proto,
		 json_integer_value(json_object_get(row, "dport")));
	return buffer;
}

static const char *first_text(const json_t *row, char *buffer, size_t room)
{
	snprintf(buffer, room, "%.12s", member_text(row, "first", "") + strlen("YYYY-MM-DDT"));
	return buffer;
}

/* Two columns in one word: what happened, and whether it was meant. */
static const char *verdict_text(const json_t *row, char *buffer, size_t room)
{
	const char *verdict = member_text(row, "verdict", "-"), *intended = member_text(row, "intended", "-");

	if (strcmp(verdict, intended) == 0)
		return verdict;
	return strcmp(intended, "deny") == 0 ? "would-deny" : "would-allow";
}

static const struct out_column replay_columns[] = {
	{"first", "TIME", OUT_PEOPLE, first_text},
	{"last", "LAST", OUT_WIDE_ONLY, NULL},
	{"verdict", "VERDICT", OUT_VERDICT | OUT_PEOPLE, verdict_text},
	{"src", "FROM", OUT_FOLD, NULL},
	{"sport", "SPORT", OUT_RIGHT | OUT_WIDE_ONLY, NULL},
	{"src_identity", "FROM IDENTITY", OUT_WIDE_ONLY, NULL},
	{"dst", "TO", OUT_FOLD, NULL},
	{"dst_identity", "TO IDENTITY", OUT_WIDE_ONLY, NULL},
	{"proto", "SERVICE", OUT_PEOPLE, service_text},
	{"dport", "DPORT", OUT_RIGHT | OUT_WIDE_ONLY, NULL},
	{"rule", "RULE", 0, NULL},
	{"reason", "REASON", OUT_WIDE_ONLY, NULL},
	{"intended", "INTENDED", OUT_VERDICT | OUT_ROOMY, NULL},
	{"intended_rule", "BY", OUT_WIDE_ONLY, NULL},
	{"packets", "PACKETS", OUT_RIGHT, NULL},
	{"bytes", "BYTES", OUT_RIGHT | OUT_WIDE_ONLY, NULL},
};

/* --- lines ------------------------------------------------------------------------------------- */

static json_t *line_json(const struct replay *r, const struct record *line)
{
	char proto[8], src[ADDR_TEXT], dst[ADDR_TEXT], first[TIME_TEXT], last[TIME_TEXT], rule[160],
		intended[160];
	const struct ruleset *rs = r->run.bundle.rs;
	bool icmp = line->proto == 1 || line->proto == 58;

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:i, s:s, s:s, s:[I,I], s:[I,I], s:s, s:s}",
		"verdict", verdict_word(line->verdict), "rule",
		ruleset_rule_text(rs, line->rule, rule, sizeof(rule)), "reason", reason_word(line->reason),
		"intended", verdict_word(line->intended), "intended_rule",
		ruleset_rule_text(rs, line->intended_rule, intended, sizeof(intended)), "proto",
		text_proto(line->proto, proto, sizeof(proto)), "src",
		addr_print(line->family, line->src, src, sizeof(src)), "sport", (int)line->sport, "dst",
		addr_print(line->family, line->dst, dst, sizeof(dst)), "dport",
		icmp ? line->dport >> 8 : (int)line->dport, "src_identity",
		tap_identity_text(r->run.tap, line->src_identity), "dst_identity",
		tap_identity_text(r->run.tap, line->dst_identity), "packets", (json_int_t)line->packets[0],
		(json_int_t)line->packets[1], "bytes", (json_int_t)line->bytes[0], (json_int_t)line->bytes[1],
		"first", time_print(line->first_ns, 6, first, sizeof(first)), "last",
		time_print(line->last_ns, 6, last, sizeof(last)));
}

static void replay_line(void *ctx, const struct record *line)
{
	struct replay *r = ctx;
	json_t *row = line_json(r, line);

	if (r->out != NULL)
		out_row(r->out, row);
	else
		json_array_append_new(r->gathered, row);
}

static void replay_record(void *ctx, const struct record *record)
{
	lines_add(((struct replay *)ctx)->lines, record);
}

/* --- summary ----------------------------------------------------------------------------------- */

struct summary {
	uint64_t frames, forwarded, dropped, decisions, written, aggregated, pending, lost;
	json_t *reasons;
	bool closed;
};

static struct summary summarise(const struct replay *r)
{
	const struct ring_counters *c = tap_counters(r->run.tap);
	struct summary s = {.frames = c->frames_in,
			    .forwarded = c->forwarded,
			    .decisions = c->decisions,
			    .written = lines_written(r->lines),
			    .aggregated = lines_aggregated(r->lines),
			    .lost = c->decisions_lost + lines_lost(r->lines),
			    .reasons = json_object()};

	for (unsigned reason = 0; reason < REASON_COUNT; reason++) {
		uint64_t n = c->dropped[0][reason], passed = reason == REASON_L2 ? c->l2[0] : 0;
		s.dropped += n;
		if (n + passed > 0)
			json_object_set_new(s.reasons, reason_word(reason),
					    json_integer((json_int_t)(n + passed)));
	}
	s.closed = s.frames == r->run.frames && s.frames == s.forwarded + s.dropped &&
		   s.decisions == s.written + s.aggregated + s.pending + s.lost;
	return s;
}

static json_t *summary_json(const struct summary *s)
{
	return json_pack("{s:I, s:I, s:I, s:O, s:I, s:I, s:I, s:I, s:I}", "frames", (json_int_t)s->frames,
			 "forwarded", (json_int_t)s->forwarded, "dropped", (json_int_t)s->dropped, "reasons",
			 s->reasons, "decisions", (json_int_t)s->decisions, "written", (json_int_t)s->written,
			 "aggregated", (json_int_t)s->aggregated, "pending", (json_int_t)s->pending, "lost",
			 (json_int_t)s->lost);
}

static void summary_say(FILE *out, const struct summary *s)
{
	const char *word;
	json_t *count;

	fprintf(out, "frames    %" PRIu64 " = forwarded %" PRIu64 " + dropped %" PRIu64 "\n", s->frames,
		s->forwarded, s->dropped);
	fprintf(out,
		"decisions %" PRIu64 " = written %" PRIu64 " + aggregated %" PRIu64 " + pending %" PRIu64
		" + lost %" PRIu64 "\n",
		s->decisions, s->written, s->aggregated, s->pending, s->lost);
	fputs("reasons  ", out);
	json_object_foreach(s->reasons, word, count)
		fprintf(out, " %s %" JSON_INTEGER_FORMAT, word, json_integer_value(count));
	fputs(json_object_size(s->reasons) == 0 ? " none\n" : "\n", out);
}

static bool replay_end_json(struct replay *r, const struct summary *s)
{
	json_t *data = json_pack("{s:o, s:o}", "lines", r->gathered, "summary", summary_json(s));

	r->gathered = NULL;
	return out_document(
		r->run.cli->out, OUT_JSON, "cordon.replay/1",
		json_pack("{s:b, s:I}", "complete", !r->run.cut && s->lost == 0, "lost", (json_int_t)s->lost),
		data);
}

static bool replay_end(struct replay *r, const struct summary *s)
{
	struct cli *cli = r->run.cli;

	if (cli->style.format == OUT_JSON)
		return replay_end_json(r, s);
	if (cli->style.format == OUT_JSONL)
		out_row(r->out, json_pack("{s:o}", "summary", summary_json(s)));
	bool good = out_close(r->out);
	r->out = NULL;
	if (cli->style.format != OUT_JSONL)
		summary_say(cli->style.format == OUT_TABLE || cli->style.format == OUT_WIDE ? cli->out
											    : cli->err,
			    s);
	return good && fflush(cli->out) == 0;
}

/* --- the verb ---------------------------------------------------------------------------------- */

static int replay_finish(struct replay *r, int code)
{
	struct cli *cli = r->run.cli;

	if (code != CLI_DONE && code != CLI_INCOMPLETE)
		return code;
	lines_finish(r->lines);
	struct summary s = summarise(r);
	bool good = replay_end(r, &s);
	if (lines_parts(r->lines) > 0)
		cli_note(cli,
			 "more lines than --lines allows: printed in %" PRIu64
			 " parts, each in order by itself",
			 lines_parts(r->lines) + 1);
	if (!s.closed)
		code = cli_fail(cli, CLI_INCOMPLETE, "the counts do not add up; this is a defect");
	else if (s.lost > 0)
		code = cli_fail(cli, CLI_INCOMPLETE, "%" PRIu64 " decisions have no line", s.lost);
	json_decref(s.reasons);
	return cli_written(cli, good, code);
}

static int replay_pump(struct replay *r, uint64_t limit)
{
	struct cli *cli = r->run.cli;

	r->lines = lines_new(limit, replay_line, r);
	if (cli->style.format == OUT_JSON)
		r->gathered = json_array();
	else
		r->out = out_new(cli->out, &cli->style, NULL, replay_columns,
				 sizeof(replay_columns) / sizeof(replay_columns[0]));
	if (r->lines == NULL || (r->gathered == NULL && r->out == NULL))
		return cli_fail(cli, CLI_CAPACITY, "out of memory");
	return replay_finish(r, replay_run_pump(&r->run, replay_record, r));
}

int verb_replay(struct cli *cli)
{
	unsigned long long sessions, lines;
	struct replay r = {0};

	if (!cli_number(cli, "sessions", 1024, 1 << 24, 0, &sessions) ||
	    !cli_number(cli, "lines", 1, 1 << 30, LINES_DEFAULT, &lines))
		return CLI_USAGE;
	struct tap_config config = {.port = cli_option(cli, "port"), .max_sessions = (uint32_t)sessions};
	int code = replay_run_open(cli, &r.run, cli_option(cli, "policy"), cli_option(cli, "pcap"), &config);
	if (code == CLI_DONE)
		code = replay_pump(&r, lines);
	if (r.out != NULL)
		out_close(r.out);
	json_decref(r.gathered);
	lines_free(r.lines);
	replay_run_close(&r.run);
	return code;
}
