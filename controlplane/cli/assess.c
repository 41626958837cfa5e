/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `assess`: the maturity stages that the evidence supports. The daemon assesses its own store and keeps the
 * result; with --store the same library does it here, read-only, and nothing is kept.
 */
#include "assess.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "member.h"
#include "online.h"
#include "store.h"
#include "text.h"
#include "timefmt.h"
#include "verbs.h"

/* Long enough for the window of every stage; each takes its own part of it. */
#define WINDOW_NS (90 * INT64_C(86400000000000))

static bool time_option(struct cli *cli, const char *name, int64_t absent, int64_t *ns)
{
	const char *text = cli_option(cli, name);

	*ns = absent;
	if (text == NULL || text_parse_time(text, text_now(), ns))
		return true;
	cli_fail(cli, CLI_USAGE,
		 "--%s takes a time like 2026-08-25T10:00:00+03:00 or an age like 14d, not '%s'", name, text);
	return false;
}

/* Installed, or, for a program that runs from its build directory, the source tree's. */
static const char *catalogue_dir(const struct cli *cli)
{
	const char *given = cli_option(cli, "catalogue"), *from_env = getenv("CORDON_CATALOGUE");

	if (given != NULL)
		return given;
	if (from_env != NULL && from_env[0] != '\0')
		return from_env;
	return access(CORDON_CATALOGUE_DIR, R_OK) != 0 && access(CORDON_CATALOGUE_SOURCE, R_OK) == 0
		       ? CORDON_CATALOGUE_SOURCE
		       : CORDON_CATALOGUE_DIR;
}

/* CLI_DONE and the result's text (malloc'ed). */
static int assess_here(struct cli *cli, int64_t from, int64_t until, char **json)
{
	char error[512] = "";
	struct store *store;

	int problem = store_open(cli_option(cli, "store"), true, &store, error, sizeof(error));
	if (problem != 0)
		return cli_fail(cli, CLI_USAGE, "cannot open the store: %s",
				error[0] != '\0' ? error : strerror(-problem));
	problem = assess_run(store, catalogue_dir(cli), from, until, text_now(), "", false, json, error,
			     sizeof(error));
	store_close(store);
	return problem == 0 ? CLI_DONE
			    : cli_fail(cli, CLI_INCOMPLETE, "cannot assess: %s",
				       error[0] != '\0' ? error : strerror(-problem));
}

static int assess_there(struct cli *cli, const char *since, const char *until, json_t **answer)
{
	json_t *body = json_pack("{s:s?, s:s?}", "since", since, "until", until);
	int code;

	if (cli_option(cli, "catalogue") != NULL) {
		json_decref(body);
		return cli_fail(cli, CLI_USAGE, "--catalogue goes with --store; the daemon has its own");
	}
	code = online_call(cli, "POST", "/v1/assess", NULL, 0, body, answer);
	json_decref(body);
	return code;
}

/* --- showing it -------------------------------------------------------------------------------- */

/* What a cell lacks, as one text. */
static const char *lacks_text(const json_t *row, char *buffer, size_t room)
{
	const json_t *lacks = json_object_get(row, "lacks");
	size_t used = 0, i;
	json_t *one;

	buffer[0] = '\0';
	json_array_foreach(lacks, i, one)
	{
		int n = snprintf(buffer + used, room - used, "%s%s", i > 0 ? "; " : "",
				 member_text(one, "text", "-"));
		if (n < 0 || (size_t)n >= room - used)
			break;
		used += (size_t)n;
	}
	return buffer[0] != '\0' ? buffer : "-";
}

static const struct out_column cell_columns[] = {
	{"function", "FUNCTION", 0, NULL},
	{"stage", "STAGE", 0, NULL},
	{"state", "STATE", 0, NULL},
	{"lacks", "LACKS", 0, lacks_text},
};

/* One row per function and stage. */
static bool show_rows(struct cli *cli, const json_t *result)
{
	struct out *o = out_new(cli->out, &cli->style, NULL, cell_columns,
				sizeof(cell_columns) / sizeof(cell_columns[0]));
	json_t *function, *cell;
	size_t i, k;

	json_array_foreach(json_object_get(result, "functions"), i, function)
	{
		json_array_foreach(json_object_get(function, "cells"), k, cell)
		{
			out_row(o, json_pack("{s:s, s:s, s:s, s:O?}", "function",
					     member_text(function, "id", "-"), "stage",
					     member_text(cell, "stage", "-"), "state",
					     member_text(cell, "state", "-"), "lacks",
					     json_object_get(cell, "lacks")));
		}
	}
	return out_close(o);
}

static int show_table(struct cli *cli, const json_t *result)
{
	char *text = json_dumps(result, JSON_COMPACT), error[256] = "";
	int problem = text != NULL ? assess_print_table(text, cli->out, error, sizeof(error)) : -1;

	free(text);
	if (problem != 0)
		return cli_fail(cli, CLI_INCOMPLETE, "the result cannot be shown: %s", error);
	return cli_written(cli, fflush(cli->out) == 0 && ferror(cli->out) == 0, CLI_DONE);
}

/* Takes both. */
static int assess_show(struct cli *cli, json_t *members, json_t *result)
{
	int code;

	if (cli->style.format == OUT_JSON)
		return cli_written(cli, out_document(cli->out, OUT_JSON, "cordon.assess/1", members, result),
				   CLI_DONE);
	if (cli->style.format == OUT_TABLE || cli->style.format == OUT_WIDE)
		code = show_table(cli, result);
	else
		code = cli_written(cli, show_rows(cli, result), CLI_DONE);
	json_decref(members);
	json_decref(result);
	return code;
}

static int assess_offline(struct cli *cli, int64_t from, int64_t until)
{
	char *text = NULL;
	int code = assess_here(cli, from, until, &text);

	if (code != CLI_DONE)
		return code;
	json_t *result = json_loads(text, 0, NULL);
	free(text);
	return assess_show(cli, json_pack("{s:b, s:i}", "complete", 1, "lost", 0), result);
}

static int assess_online(struct cli *cli, const char *since, const char *until)
{
	json_t *answer;
	int code = assess_there(cli, since, until, &answer);

	if (code != CLI_DONE)
		return code;
	json_t *members = online_members(answer), *result = json_incref(json_object_get(answer, "data"));
	json_object_del(members, "schema");
	json_decref(answer);
	return assess_show(cli, members, result);
}

int verb_assess(struct cli *cli)
{
	char since[TIME_TEXT], until[TIME_TEXT];
	int64_t from_ns, until_ns;

	if (!time_option(cli, "until", text_now(), &until_ns) ||
	    !time_option(cli, "since", until_ns - WINDOW_NS, &from_ns))
		return CLI_USAGE;
	if (from_ns >= until_ns)
		return cli_fail(cli, CLI_USAGE, "--since must be before --until");
	if (cli_option(cli, "store") != NULL)
		return assess_offline(cli, from_ns, until_ns);
	return assess_online(cli, time_print(from_ns, 9, since, sizeof(since)),
			     time_print(until_ns, 9, until, sizeof(until)));
}
