/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1 on a UNIX socket: who is asking comes from the kernel, what may be asked from one table.
 *
 * Driven from outside: accept when the listening socket is readable, run when epoll_fd is, and tick a few
 * times a second. Handlers run inside api_server_run(), on the caller's thread, and must not free the server.
 *
 * Bounds: API_CONNECTIONS in all, API_PER_USER for one user (all unlisted users together count as one),
 * API_BODY_MAX per body, API_REQUEST_S to send a request whole. A peer without a role is answered 403,
 * reported and closed.
 */
#pragma once

#include "access.h"
#include "answer.h"

#define API_BODY_MAX    (32u << 20)
#define API_CONNECTIONS 32u
#define API_PER_USER    8u
#define API_REQUEST_S   10
#define API_ANSWER_S    60

struct api_request {
	const struct api_peer *peer;
	const char *method, *path;
	const char *rest;   /* what stood in place of the `*` that ends the endpoint's path */
	const json_t *body; /* POST: an object; borrowed */
	void *connection;   /* for api_query() */
};

/* The value of a query key, or NULL. Borrowed for the call. */
const char *api_query(const struct api_request *rq, const char *key);

/* The first key of the query that is not in `known` (NULL-terminated), or NULL. Borrowed for the call. */
const char *api_query_unknown(const struct api_request *rq, const char *const *known);

typedef void api_handler(void *ctx, const struct api_request *rq, struct api_answer *a);

struct api_endpoint {
	const char *method, *path; /* a path may end in `*` */
	enum api_role role;
	api_handler *f;
};

struct api_config {
	const struct access_entry *access; /* borrowed, like the endpoints */
	size_t n_access;
	const struct api_endpoint *endpoints;
	size_t n_endpoints;
	void *ctx; /* of handlers and `denied` */
	void (*denied)(void *ctx, const struct api_peer *peer, const char *what);
};

struct api_server;

/* Make a listening socket at `path` (0660, of `group` if it exists; a dead socket there is replaced). fd or
 * -errno. */
int api_listen(const char *path, const char *group);

struct api_server *api_server_new(const struct api_config *config);
void api_server_free(struct api_server *s);
int api_server_epoll_fd(const struct api_server *s);
/* Take all connections that wait on the listening socket. */
void api_server_accept(struct api_server *s, int listen_fd);
void api_server_run(struct api_server *s);
/* Close the connections of peers that are too slow. */
void api_server_tick(struct api_server *s);
