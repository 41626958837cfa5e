/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's half of the API: HTTP and JSON over the daemon's UNIX socket. One request at a time, one
 * thread per client. Never prints; what went wrong comes back as a result with text.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#define API_SOCKET_DEFAULT "/run/cordon/api.sock"
#define API_ANSWER_MAX     (256u << 20) /* bytes of one answer */
#define API_TIMEOUT_S      60L

struct api_client;

/* A query parameter; value NULL is left out. */
struct api_query {
	const char *key, *value;
};

enum api_result {
	API_ANSWERED = 0, /* see status; json may be an error object */
	API_UNREACHABLE,  /* no socket, nobody listens, not allowed to connect */
	API_TIMED_OUT,
	API_BROKEN, /* not HTTP, not JSON, cut off or too large */
};

struct api_reply {
	long status;    /* of HTTP */
	json_t *json;   /* NULL unless API_ANSWERED */
	char text[256]; /* what went wrong */
};

/* NULL if memory ran out. `timeout_s` 0: API_TIMEOUT_S. */
struct api_client *api_client_new(const char *socket, long timeout_s);
void api_client_free(struct api_client *c);

/* `body` (borrowed) may be NULL. api_reply_free() is due whatever comes back. */
enum api_result api_call(struct api_client *c, const char *method, const char *path,
			 const struct api_query *query, size_t n_query, const json_t *body,
			 struct api_reply *reply);
void api_reply_free(struct api_reply *reply);
