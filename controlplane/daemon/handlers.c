/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The endpoint table and what all handlers share.
 */
#include "handlers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "timefmt.h"

const struct api_endpoint handlers[] = {
	{"GET", "/v1/status", ROLE_VIEWER, handle_status},
	{"POST", "/v1/commit", ROLE_OPERATOR, handle_commit},
	{"POST", "/v1/rollback", ROLE_OPERATOR, handle_rollback},
	{"GET", "/v1/generations", ROLE_VIEWER, handle_generations},
	{"GET", "/v1/generations/*", ROLE_VIEWER, handle_generation},
	{"GET", "/v1/flows", ROLE_VIEWER, handle_flows},
	{"GET", "/v1/explain", ROLE_VIEWER, handle_explain},
	{"POST", "/v1/assess", ROLE_VIEWER, handle_assess},
	{"POST", "/v1/verify", ROLE_OPERATOR, handle_verify},
	{"GET", "/metrics", ROLE_VIEWER, handle_metrics},
};
const size_t n_handlers = sizeof(handlers) / sizeof(handlers[0]);

void handlers_denied(void *ctx, const struct api_peer *peer, const char *what)
{
	struct daemon *d = ctx;

	journal_event(&d->journal, "access-denied", "%s (uid %u, pid %d, role %s): %s", peer->name, peer->uid,
		      (int)peer->pid, role_word(peer->role), what);
	daemon_log(d, LOG_LEVEL_WARNING, "access denied: %s (uid %u, pid %d): %s", peer->name, peer->uid,
		   (int)peer->pid, what);
}

json_t *json_time(int64_t utc_ns)
{
	char text[TIME_TEXT];

	return utc_ns ? json_string(time_print(utc_ns, 6, text, sizeof(text))) : json_null();
}

void handlers_answer(struct daemon *d, struct api_answer *a, const char *verb, json_t *data, bool complete,
		     uint64_t lost)
{
	char schema[64];

	snprintf(schema, sizeof(schema), "cordon.%s/1", verb);
	answer_json(a, 200,
		    json_pack("{s:s, s:s, s:I, s:o, s:b, s:I, s:o}", "schema", schema, "node",
			      d->config->gateway, "generation", (json_int_t)daemon_generation(d), "time",
			      json_time(utc_now_ns()), "complete", (int)complete, "lost", (json_int_t)lost,
			      "data", data));
}

void handlers_usage(struct api_answer *a, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	answer_error(a, 400, CLI_USAGE, text, NULL, NULL, NULL);
}

bool handlers_only_keys(const json_t *body, const char *const *known, struct api_answer *a)
{
	json_t *copy = (json_t *)(uintptr_t)body, *value;
	const char *key;

	json_object_foreach(copy, key, value)
	{
		size_t i = 0;

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i]) {
			handlers_usage(a, "unknown key `%.60s` in the body", key);
			return false;
		}
	}
	return true;
}

bool handlers_only_query(const struct api_request *rq, const char *const *known, struct api_answer *a)
{
	const char *key = api_query_unknown(rq, known);

	if (key)
		handlers_usage(a, "unknown key `%.60s` in the query", key);
	return !key;
}
