/* SPDX-License-Identifier: BSD-3-Clause */
/* An error answer is shown as the daemon meant it: findings with carets (when we sent the files), what stayed
 * as it was, what to do next. */
#include "online.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "diag.h"
#include "member.h"
#include "notices.h"

#define HTTP_NOT_CONNECTED 503 /* nothing was tried */
#define ASK_AGAIN_MS       250

static const char *socket_path(const struct cli *cli)
{
	const char *from_env = getenv("CORDON_SOCKET");

	if (cli->socket != NULL)
		return cli->socket;
	return from_env != NULL && from_env[0] != '\0' ? from_env : API_SOCKET_DEFAULT;
}

/* The text of a file that was sent with the request. */
static const char *sent_text(void *body, const char *file, size_t *len)
{
	size_t i;
	json_t *sent;

	json_array_foreach(json_object_get(body, "files"), i, sent)
	{
		if (strcmp(member_text(sent, "name", ""), file) != 0)
			continue;
		*len = json_string_length(json_object_get(sent, "text"));
		return json_string_value(json_object_get(sent, "text"));
	}
	return NULL;
}

static enum severity severity_of(const char *word)
{
	return strcmp(word, "warning") == 0 ? SEV_WARNING : strcmp(word, "note") == 0 ? SEV_NOTE : SEV_ERROR;
}

static unsigned number_of(const json_t *object, const char *key)
{
	json_int_t value = member_integer(object, key);

	return value > 0 && value < 1000000000 ? (unsigned)value : 0;
}

void online_findings(struct cli *cli, const json_t *findings, const json_t *body)
{
	struct diags diags;
	size_t i;
	json_t *f;

	diags_init(&diags);
	json_array_foreach(findings, i, f)
	{
		struct place place = {member_text(f, "file", NULL), number_of(f, "line"),
				      number_of(f, "column"), number_of(f, "end_column")};
		diag_add(&diags, severity_of(member_text(f, "severity", "error")), place, "%s",
			 member_text(f, "text", ""));
	}
	diags_print(&diags, cli->err, sent_text, (void *)body);
	diags_free(&diags);
}

static int exit_of(const json_t *error, long status)
{
	json_int_t code = member_integer(error, "exit");

	if (code > CLI_DONE && code <= CLI_TIMED_OUT)
		return (int)code;
	return status == 403 ? CLI_NOT_ALLOWED : status >= 400 && status < 500 ? CLI_USAGE : CLI_NOT_APPLIED;
}

static int refused(struct cli *cli, const struct api_reply *reply, const json_t *body)
{
	const json_t *error = json_object_get(reply->json, "error");
	const char *unchanged = member_text(error, "unchanged", ""), *next = member_text(error, "next", "");
	int code = exit_of(error, reply->status);

	online_findings(cli, json_object_get(reply->json, "findings"), body);
	cli_fail(cli, code, "%s", member_text(error, "text", "the daemon refused without words"));
	if (unchanged[0] != '\0')
		cli_note(cli, "%s", unchanged);
	if (next[0] != '\0')
		cli_note(cli, "%s", next);
	return code;
}

static int finish(struct cli *cli, enum api_result result, struct api_reply *reply, const json_t *body,
		  json_t **out)
{
	switch (result) {
	case API_ANSWERED:
		if (reply->status >= 400 || json_object_get(reply->json, "error") != NULL)
			return refused(cli, reply, body);
		*out = json_incref(reply->json);
		return CLI_DONE;
	case API_TIMED_OUT:
		return cli_fail(cli, CLI_TIMED_OUT, "%s; what came of it is seen with: cordon status",
				reply->text);
	case API_UNREACHABLE:
		cli_fail(cli, CLI_UNREACHABLE, "the daemon is not reachable: %s", reply->text);
		cli_note(cli, "is cordond running (systemctl status cordond), and are you in group cordon? "
			      "another socket: --socket PATH");
		return CLI_UNREACHABLE;
	case API_BROKEN:
		break;
	}
	return cli_fail(cli, CLI_UNREACHABLE, "the daemon gave no usable answer: %s", reply->text);
}

static int64_t mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* An engine that is just being started connects in a moment: then the same request is good. */
static enum api_result ask(struct cli *cli, struct api_client *client, const char *method, const char *path,
			   const struct api_query *query, size_t n, const json_t *body, struct api_reply *got)
{
	const struct timespec pause = {0, ASK_AGAIN_MS * 1000000L};
	const int64_t until = mono_ms() + cli->wait_s * 1000LL;

	for (bool told = false;; told = true) {
		enum api_result result = api_call(client, method, path, query, n, body, got);

		if (result != API_ANSWERED || got->status != HTTP_NOT_CONNECTED || mono_ms() >= until)
			return result;
		if (!told)
			cli_note(cli, "waiting, for %u s at most: %s", cli->wait_s,
				 member_text(json_object_get(got->json, "error"), "text",
					     "an engine is away"));
		api_reply_free(got);
		nanosleep(&pause, NULL);
	}
}

int online_call(struct cli *cli, const char *method, const char *path, const struct api_query *query,
		size_t n, const json_t *body, json_t **answer)
{
	struct api_client *client = api_client_new(socket_path(cli), 0);
	struct api_reply got;

	*answer = NULL;
	if (client == NULL)
		return cli_fail(cli, CLI_UNREACHABLE, "out of memory");
	enum api_result result = ask(cli, client, method, path, query, n, body, &got);
	int code = finish(cli, result, &got, body, answer);
	api_reply_free(&got);
	api_client_free(client);
	return code;
}

static void print_notice(void *err, const char *text)
{
	fprintf(err, "  ! %s\n", text);
}

void online_notices(struct cli *cli)
{
	char *path = strdup(socket_path(cli));

	if (path != NULL)
		notices_each(dirname(path), print_notice, cli->err);
	free(path);
}

json_t *online_members(const json_t *answer)
{
	json_t *members = json_copy((json_t *)answer);

	json_object_del(members, "data");
	return members;
}
