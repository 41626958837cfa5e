/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `status`: one screen, in which every line can be read by itself: a word, then facts. Both laws of counting
 * are shown as the equations that they are.
 */
#include <string.h>

#include "member.h"
#include "online.h"
#include "text.h"
#include "verbs.h"

struct screen {
	struct cli *cli;
	FILE *out;
	const json_t *answer, *data;
};

static void line(const struct screen *s, const char *word)
{
	fprintf(s->out, "%-11s ", word);
}

/* Words of a text, broken before column 80 and set under its beginning. */
static void print_wrapped(FILE *out, int indent, const char *text)
{
	for (int used = indent; *text != '\0';) {
		int word = (int)strcspn(text, " ");
		if (used > indent && used + 1 + word > 80) {
			fprintf(out, "\n%*s", indent, "");
			used = indent;
		}
		used += fprintf(out, "%s%.*s", used > indent ? " " : "", word, text);
		text += word + (int)strspn(text + word, " ");
	}
	fputc('\n', out);
}

static const char *age_text(const char *since, char *buffer, size_t room)
{
	int64_t now = text_now(), then;

	if (!text_parse_time(since, now, &then))
		return "-";
	int64_t seconds = (now - then) / 1000000000;
	if (seconds < 120)
		snprintf(buffer, room, "%d s", (int)seconds);
	else if (seconds < 7200)
		snprintf(buffer, room, "%d min", (int)(seconds / 60));
	else if (seconds < 172800)
		snprintf(buffer, room, "%d h", (int)(seconds / 3600));
	else
		snprintf(buffer, room, "%d d", (int)(seconds / 86400));
	return buffer;
}

/* What the engines do, in one word. */
static const char *state_word(const struct screen *s)
{
	const json_t *engines = json_object_get(s->data, "engines");
	bool all_equal = true, tap = false;
	size_t i;
	json_t *e;

	if (json_array_size(engines) == 0)
		return "NO ENGINE";
	json_array_foreach(engines, i, e)
	{
		all_equal = all_equal && !json_is_false(json_object_get(e, "equal"));
		tap = tap || json_is_true(json_object_get(e, "tap"));
	}
	if (member_integer(json_object_get(s->data, "generation"), "number") == 0)
		return "DENY ALL (no policy in force)";
	return !all_equal ? "NOT AS COMMITTED" : tap ? "TAP (forwards nothing back)" : "enforcing";
}

static void show_head(const struct screen *s)
{
	const json_t *generation = json_object_get(s->data, "generation");
	char since[40], up[32];

	fprintf(s->out, "cordon %s  %s", member_text(s->answer, "node", "-"), state_word(s));
	if (member_integer(generation, "number") > 0)
		fprintf(s->out, "  generation %" JSON_INTEGER_FORMAT " (%s by %s)",
			member_integer(generation, "number"),
			text_time_local(member_text(generation, "active_since", "-"), since, sizeof(since)),
			member_text(generation, "author", "-"));
	fprintf(s->out, "  up %s\n", age_text(member_text(s->data, "started", "-"), up, sizeof(up)));
}

/* `equal to the policy: PROVED 16:02:07, 1204 cells`, or since when it is not. */
static void show_proof(const struct screen *s, const json_t *e)
{
	const json_t *proof = json_object_get(e, "proof");
	const char *equal_time = member_text(proof, "equal_time", "");
	bool equal = json_is_true(json_object_get(e, "equal"));
	char when[40];

	if (!json_is_object(proof) || (!equal && equal_time[0] == '\0'))
		return;
	line(s, "");
	text_time_local(equal_time, when, sizeof(when));
	if (equal)
		fprintf(s->out, "  equal to the policy: PROVED %s, %" JSON_INTEGER_FORMAT " cells\n", when,
			member_integer(proof, "cells"));
	else
		fprintf(s->out, "  equal to the policy: %s, last proved %s\n",
			json_is_true(json_object_get(e, "adopted")) ? "NO (adopted)" : "NO", when);
}

static void show_kernel(const struct screen *s, const json_t *kernel)
{
	const json_t *missing = json_object_get(kernel, "missing");
	char words[160], text[256], when[40];

	if (!json_is_object(kernel))
		return;
	line(s, "");
	snprintf(text, sizeof(text), "layout %s%s%s", member_text(kernel, "layout", "-"),
		 json_array_size(missing) > 0 ? ", kernel lacks " : "",
		 json_array_size(missing) > 0 ? out_value(missing, words, sizeof(words)) : "");
	for (char *c = strchr(text, ','); c != NULL && (c = strchr(c, '/')) != NULL;)
		*c = ' ';
	fputs("  ", s->out);
	print_wrapped(s->out, 14, text);
	if (member_integer(kernel, "takeovers") == 0)
		return;
	line(s, "");
	fprintf(s->out,
		"  %" JSON_INTEGER_FORMAT " takeovers, last %s after a gap of %" JSON_INTEGER_FORMAT " ms\n",
		member_integer(kernel, "takeovers"),
		text_time_local(member_text(kernel, "last_takeover", "-"), when, sizeof(when)),
		member_integer(kernel, "last_gap_ms"));
}

static void show_engine(const struct screen *s, const json_t *e)
{
	const json_t *equal = json_object_get(e, "equal");

	fprintf(s->out, "%-4s  %s  gen %" JSON_INTEGER_FORMAT "  digest %.8s", member_text(e, "name", "-"),
		member_text(e, "state", "-"), member_integer(e, "generation"), member_text(e, "digest", "-"));
	if (!json_is_object(json_object_get(e, "kernel")))
		fprintf(s->out, "  workers %" JSON_INTEGER_FORMAT, member_integer(e, "workers"));
	fprintf(s->out, "%s%s%s\n",
		json_is_boolean(equal) ? (json_is_true(equal) ? "  as committed" : "  DIFFERS") : "",
		json_is_true(json_object_get(e, "tap")) ? "  tap" : "",
		json_is_true(json_object_get(e, "test_mode")) ? "  test mode" : "");
	show_proof(s, e);
	show_kernel(s, json_object_get(e, "kernel"));
}

static void show_engines(const struct screen *s)
{
	json_int_t needs = member_integer(s->data, "needs_dpdk");
	size_t i;
	json_t *e;

	json_array_foreach(json_object_get(s->data, "engines"), i, e)
	{
		line(s, i == 0 ? "engines" : "");
		show_engine(s, e);
	}
	if (needs == 0)
		return;
	line(s, "");
	fprintf(s->out, "%" JSON_INTEGER_FORMAT " %s dpdk; there the kernel is stricter (cordon check)\n",
		needs, needs == 1 ? "rule needs" : "rules need");
}

/* Of a gateway that says no more than up or not, that. */
static const char *port_word(const json_t *port)
{
	if (strcmp(member_text(port, "state", ""), "removed") == 0)
		return "REMOVED";
	return json_is_true(json_object_get(port, "up")) ? "up" : "DOWN";
}

static void show_ports(const struct screen *s)
{
	size_t i, k;
	json_t *e, *port;
	bool any = false;

	json_array_foreach(json_object_get(s->data, "engines"), i, e)
	{
		json_array_foreach(json_object_get(e, "ports"), k, port)
		{
			if (!any)
				line(s, "ports");
			fprintf(s->out, "%s%s %s", any ? "  " : "", member_text(port, "name", "-"),
				port_word(port));
			any = true;
		}
	}
	if (any)
		fputc('\n', s->out);
}

static void show_identities(const struct screen *s)
{
	const json_t *identities = json_object_get(s->data, "identities");

	line(s, "identities");
	fprintf(s->out,
		"%" JSON_INTEGER_FORMAT " bound, %" JSON_INTEGER_FORMAT " unknown, %" JSON_INTEGER_FORMAT
		" conflict\n",
		member_integer(identities, "bound"), member_integer(identities, "unknown"),
		member_integer(identities, "conflict"));
}

static void show_scopes(const struct screen *s)
{
	const json_t *scopes = json_object_get(s->data, "scopes");
	size_t i;
	json_t *scope;

	if (json_array_size(scopes) == 0)
		return;
	line(s, "scopes");
	json_array_foreach(scopes, i, scope)
	{
		const char *mode = member_text(scope, "mode", "-");
		fprintf(s->out, "%s%s %s", i > 0 ? "  " : "", member_text(scope, "id", "-"),
			strcmp(mode, "monitor") == 0 ? "MONITOR" : mode);
	}
	fputc('\n', s->out);
}

static void show_reasons(const struct screen *s, const json_t *reasons)
{
	const char *word;
	json_t *count;
	int used = 0;

	json_object_foreach((json_t *)reasons, word, count)
	{
		char one[64];
		if (json_integer_value(count) == 0)
			continue;
		int n = snprintf(one, sizeof(one), "%s %" JSON_INTEGER_FORMAT, word,
				 json_integer_value(count));
		if (used > 0 && used + n + 2 > 66) {
			fputc('\n', s->out);
			used = 0;
		}
		if (used == 0)
			line(s, "");
		used += fprintf(s->out, "%s%s", used > 0 ? "  " : "", one);
	}
	if (used > 0)
		fputc('\n', s->out);
}

static void show_laws(const struct screen *s)
{
	const json_t *laws = json_object_get(s->data, "laws");

	line(s, "frames");
	fprintf(s->out,
		"%" JSON_INTEGER_FORMAT " = forwarded %" JSON_INTEGER_FORMAT
		" + dropped %" JSON_INTEGER_FORMAT "\n",
		member_integer(laws, "frames_in"), member_integer(laws, "forwarded"),
		member_integer(laws, "dropped"));
	show_reasons(s, json_object_get(laws, "reasons"));
	line(s, "decisions");
	fprintf(s->out,
		"%" JSON_INTEGER_FORMAT " = written %" JSON_INTEGER_FORMAT
		" + aggregated %" JSON_INTEGER_FORMAT " + pending %" JSON_INTEGER_FORMAT
		" + lost %" JSON_INTEGER_FORMAT "\n",
		member_integer(laws, "decisions"), member_integer(laws, "written"),
		member_integer(laws, "aggregated"), member_integer(laws, "pending"),
		member_integer(laws, "lost"));
	line(s, "laws");
	fprintf(s->out, "%s%s%s\n", json_is_true(json_object_get(laws, "closed")) ? "closed" : "OPEN",
		member_text(laws, "text", "")[0] != '\0' ? ": " : "", member_text(laws, "text", ""));
}

static void show_records(const struct screen *s)
{
	const json_t *records = json_object_get(s->data, "records");
	char bytes[16], max[16];

	line(s, "records");
	fprintf(s->out, "%s of %s bytes, %" JSON_INTEGER_FORMAT " days, %s  (%s)\n",
		text_amount((uint64_t)member_integer(records, "bytes"), bytes, sizeof(bytes)),
		member_integer(records, "max") > 0
			? text_amount((uint64_t)member_integer(records, "max"), max, sizeof(max))
			: "unlimited",
		member_integer(records, "days"),
		json_is_true(json_object_get(records, "storing")) ? "storing" : "NOT STORING",
		member_text(records, "dir", "-"));
}

static void show_attention(const struct screen *s)
{
	size_t i;
	json_t *text;

	json_array_foreach(json_object_get(s->data, "attention"), i, text)
	{
		line(s, i == 0 ? "attention" : "");
		print_wrapped(s->out, 12 + fprintf(s->out, "%zu  ", i + 1),
			      json_is_string(text) ? json_string_value(text) : "-");
	}
}

static bool status_print(struct cli *cli, const json_t *answer)
{
	struct screen s = {cli, cli->out, answer, json_object_get(answer, "data")};

	show_head(&s);
	show_engines(&s);
	show_ports(&s);
	show_identities(&s);
	show_scopes(&s);
	show_laws(&s);
	show_records(&s);
	show_attention(&s);
	return fflush(cli->out) == 0 && ferror(cli->out) == 0;
}

int verb_status(struct cli *cli)
{
	json_t *answer;
	bool good;

	int code = online_call(cli, "GET", "/v1/status", NULL, 0, NULL, &answer);
	if (code == CLI_UNREACHABLE)
		online_notices(cli);
	if (code != CLI_DONE)
		return code;
	if (cli->style.format == OUT_JSON || cli->style.format == OUT_JSONL)
		good = out_document(cli->out, cli->style.format,
				    member_text(answer, "schema", "cordon.status/1"), online_members(answer),
				    json_incref(json_object_get(answer, "data")));
	else
		good = status_print(cli, answer);
	json_decref(answer);
	return cli_written(cli, good, CLI_DONE);
}
