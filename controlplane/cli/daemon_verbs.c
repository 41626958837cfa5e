/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs that change what is in force, and the list of what was: thin, because the daemon does the work.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "member.h"
#include "online.h"
#include "text.h"
#include "verbs.h"

#define INTERRUPTED_IN_FLIGHT                                                                                \
	"cordon: interrupted; the daemon may still finish the request: see cordon status\n"

/* An engine may take that long to start: its ports, huge pages, devices that are looked for. */
#define WAIT_S     30
#define WAIT_MAX_S 3600

static bool wants_json(const struct cli *cli)
{
	return cli->style.format == OUT_JSON || cli->style.format == OUT_JSONL;
}

/* --- commit and rollback ----------------------------------------------------------------------- */

static void print_applied(FILE *out, const json_t *data)
{
	const json_t *changed = json_object_get(data, "changed");

	fprintf(out, "generation  %" JSON_INTEGER_FORMAT " is active\n", member_integer(data, "generation"));
	fprintf(out, "digest      %s\n", member_text(data, "digest", "-"));
	fprintf(out, "tests       %" JSON_INTEGER_FORMAT " passed\n", member_integer(data, "tests_passed"));
	if (json_is_object(changed))
		fprintf(out,
			"changed     opens %" JSON_INTEGER_FORMAT " cells, closes %" JSON_INTEGER_FORMAT
			" cells\n",
			member_integer(changed, "opens"), member_integer(changed, "closes"));
	if (json_is_integer(json_object_get(data, "revoked")))
		fprintf(out, "revoked     %" JSON_INTEGER_FORMAT " sessions\n",
			member_integer(data, "revoked"));
}

static int apply(struct cli *cli, const char *path, json_t *body)
{
	json_t *answer;
	unsigned long long wait_s;

	if (!cli_number(cli, "wait", 0, WAIT_MAX_S, WAIT_S, &wait_s)) {
		json_decref(body);
		return CLI_USAGE;
	}
	cli->wait_s = (unsigned)wait_s;
	cli_interrupt_says(INTERRUPTED_IN_FLIGHT);
	int code = online_call(cli, "POST", path, NULL, 0, body, &answer);
	json_t *data = json_object_get(answer, "data");
	online_findings(cli, json_object_get(data, "findings"), body); /* warnings */
	json_decref(body);
	if (code != CLI_DONE)
		return code;
	bool good;
	if (wants_json(cli)) {
		good = out_document(cli->out, cli->style.format,
				    member_text(answer, "schema", "cordon.commit/1"), online_members(answer),
				    json_incref(data));
	} else {
		print_applied(cli->out, data);
		good = fflush(cli->out) == 0 && ferror(cli->out) == 0;
	}
	json_decref(answer);
	return cli_written(cli, good, CLI_DONE);
}

static json_t *files_json(const struct bundle *b, const char **not_text)
{
	json_t *files = json_array();

	*not_text = NULL;
	for (size_t i = 0; i < b->n; i++) {
		json_t *file = json_pack("{s:s, s:s%}", "name", b->sources[i].name, "text",
					 b->sources[i].text, b->sources[i].len);
		if (file == NULL)
			*not_text = b->sources[i].name;
		else
			json_array_append_new(files, file);
	}
	return files;
}

int verb_commit(struct cli *cli)
{
	struct bundle b;
	const char *not_text;
	int code = bundle_read(cli, cli->args[0], &b);

	if (code == CLI_DONE) {
		json_t *files = files_json(&b, &not_text);
		if (not_text != NULL) {
			json_decref(files);
			code = cli_fail(cli, CLI_POLICY, "%s is not UTF-8 text; nothing was sent", not_text);
		} else {
			code = apply(cli, "/v1/commit",
				     json_pack("{s:o, s:s, s:s?}", "files", files, "message",
					       cli_option(cli, "message"), "ticket",
					       cli_option(cli, "ticket")));
		}
	}
	bundle_free(&b);
	return code;
}

int verb_rollback(struct cli *cli)
{
	json_t *to = json_null();
	char *end;

	if (cli->n_args > 0) {
		errno = 0;
		unsigned long n = strtoul(cli->args[0], &end, 10);
		if (errno != 0 || cli->args[0][0] < '0' || cli->args[0][0] > '9' || *end != '\0' || n == 0 ||
		    n > UINT32_MAX)
			return cli_fail(cli, CLI_USAGE, "'%s' is no number of a generation", cli->args[0]);
		to = json_integer((json_int_t)n);
	}
	const char *message = cli_option(cli, "message");
	return apply(cli, "/v1/rollback", json_pack("{s:o, s:s?}", "to", to, "message", message));
}

/* --- generations ------------------------------------------------------------------------------- */

static const char *digest_short(const json_t *row, char *buffer, size_t room)
{
	snprintf(buffer, room, "%.12s", member_text(row, "digest", "-"));
	return buffer;
}

static const char *active_text(const json_t *row, char *buffer, size_t room)
{
	return text_time_local(member_text(row, "active", member_text(row, "prepared", "-")), buffer, room);
}

static const struct out_column generation_columns[] = {
	{"number", "GEN", OUT_RIGHT, NULL},
	{"state", "STATE", 0, NULL},
	{"active", "ACTIVE", OUT_PEOPLE, active_text},
	{"author", "AUTHOR", 0, NULL},
	{"digest", "DIGEST", OUT_PEOPLE, digest_short},
	{"needs_dpdk", "NEEDS DPDK", OUT_RIGHT, NULL},
	{"ticket", "TICKET", 0, NULL},
	{"message", "MESSAGE", OUT_SHRINK, NULL},
};

int verb_generations(struct cli *cli)
{
	json_t *answer, *row;
	size_t i;

	int code = online_call(cli, "GET", "/v1/generations", NULL, 0, NULL, &answer);
	if (code != CLI_DONE)
		return code;
	struct out *o =
		out_new(cli->out, &cli->style, member_text(answer, "schema", "cordon.generations/1"),
			generation_columns, sizeof(generation_columns) / sizeof(generation_columns[0]));
	out_envelope(o, online_members(answer));
	json_array_foreach(json_object_get(answer, "data"), i, row) out_row(o, json_incref(row));
	json_decref(answer);
	return cli_written(cli, out_close(o), CLI_DONE);
}
