/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The API server, on libmicrohttpd with our own accept loop, so that credentials and limits are judged before
 * a single byte of a peer is read.
 */
#include "server.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#define RUNS_MAX 64

struct connection {
	struct connection *next;
	struct api_peer peer;
	int fd;
	int64_t since; /* monotonic seconds: start of the phase */
	bool answering;
};

struct request {
	const struct api_endpoint *endpoint;
	const char *rest;
	char *body;
	size_t len, room;
	bool too_large;
};

struct api_server {
	struct api_config config;
	struct MHD_Daemon *mhd;
	struct connection *connections;
};

static int64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* --- listening -------------------------------------------------------------------------------- */

static int alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return 0;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
	close(fd);
	return r;
}

static int bind_at(int fd, const struct sockaddr_un *address)
{
	struct stat st;

	if (lstat(address->sun_path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return -EEXIST;
		if (alive(address))
			return -EADDRINUSE;
		unlink(address->sun_path);
	}
	return bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

int api_listen(const char *path, const char *group)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct group *g = getgrnam(group);
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_at(fd, &address);
	/* without the right to give the socket away it stays with our own group */
	if (r == 0 && g && chown(path, (uid_t)-1, g->gr_gid) < 0 && errno != EPERM)
		r = -errno;
	if (r == 0 && chmod(path, 0660) < 0)
		r = -errno;
	if (r == 0 && listen(fd, (int)API_CONNECTIONS) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static bool room_for(const struct api_server *s, const struct api_peer *peer)
{
	unsigned all = 0, same = 0;

	for (const struct connection *c = s->connections; c; c = c->next) {
		bool both_unlisted = peer->role == ROLE_NONE && c->peer.role == ROLE_NONE;

		all++;
		same += both_unlisted || c->peer.uid == peer->uid;
	}
	return all < API_CONNECTIONS && same < API_PER_USER;
}

void api_server_accept(struct api_server *s, int listen_fd)
{
	for (;;) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		struct api_peer peer;
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && errno == EINTR)
			continue;
		if (fd < 0)
			break;
		if (access_peer(fd, s->config.access, s->config.n_access, &peer) < 0 || !room_for(s, &peer)) {
			close(fd);
			continue;
		}
		MHD_add_connection(s->mhd, fd, (struct sockaddr *)&address,
				   sizeof(sa_family_t)); /* takes fd */
	}
	api_server_run(s);
}

/* --- connections ------------------------------------------------------------------------------ */

static struct connection *connection_new(struct api_server *s, int fd)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c || access_peer(fd, s->config.access, s->config.n_access, &c->peer) < 0) {
		free(c);
		return NULL;
	}
	c->fd = fd;
	c->since = now_s();
	c->next = s->connections;
	s->connections = c;
	return c;
}

static void connection_free(struct api_server *s, struct connection *c)
{
	struct connection **at = &s->connections;

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	free(c);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*context = info ? connection_new(cls, info->connect_fd) : NULL;
	else
		connection_free(cls, *context);
}

static struct connection *connection_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

void api_server_tick(struct api_server *s)
{
	int64_t now = now_s();

	for (struct connection *c = s->connections; c; c = c->next)
		if (now - c->since > (c->answering ? API_ANSWER_S : API_REQUEST_S))
			shutdown(c->fd, SHUT_RDWR);
	api_server_run(s);
}

/* --- answering -------------------------------------------------------------------------------- */

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct api_answer *a, bool last)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(a->len, a->body, MHD_RESPMEM_MUST_FREE);
	struct connection *c = connection_of(connection);
	enum MHD_Result r;

	if (!response) {
		free(a->body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	if (last)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	r = MHD_queue_response(connection, a->status, response);
	MHD_destroy_response(response);
	if (c) {
		c->since = now_s();
		c->answering = true;
	}
	return r;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, enum cli_exit code,
			      const char *text)
{
	struct api_answer a = {0};

	answer_error(&a, status, code, text, NULL, NULL, NULL);
	return a.body ? send_answer(connection, &a, true) : MHD_NO;
}

static enum MHD_Result deny(struct api_server *s, struct MHD_Connection *connection,
			    const struct api_peer *peer, const char *method, const char *url,
			    enum api_role needed)
{
	char text[256];

	snprintf(text, sizeof(text), "%.8s %.120s", method, url);
	if (s->config.denied)
		s->config.denied(s->config.ctx, peer, text);
	if (peer->role == ROLE_NONE)
		snprintf(text, sizeof(text), "%s is not listed in the gateway's access list", peer->name);
	else
		snprintf(text, sizeof(text), "%s is %s; this needs the role %s", peer->name,
			 role_word(peer->role), role_word(needed));
	return refuse(connection, MHD_HTTP_FORBIDDEN, CLI_NOT_ALLOWED, text);
}

/* --- routing ---------------------------------------------------------------------------------- */

static bool path_matches(const char *pattern, const char *path, const char **rest)
{
	size_t n = strlen(pattern);

	*rest = "";
	if (n > 0 && pattern[n - 1] == '*') {
		*rest = path + n - 1;
		return strncmp(pattern, path, n - 1) == 0 && path[n - 1];
	}
	return strcmp(pattern, path) == 0;
}

/* NULL: none; *known says whether another method would have been right. */
static const struct api_endpoint *route(const struct api_server *s, const char *method, const char *path,
					const char **rest, bool *known)
{
	*known = false;
	for (size_t i = 0; i < s->config.n_endpoints; i++) {
		const struct api_endpoint *e = &s->config.endpoints[i];

		if (!path_matches(e->path, path, rest))
			continue;
		*known = true;
		if (strcmp(e->method, method) == 0)
			return e;
	}
	return NULL;
}

static bool content_fits(struct MHD_Connection *connection)
{
	const char *length =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return !length || strtoull(length, NULL, 10) <= API_BODY_MAX;
}

static enum MHD_Result begin(struct api_server *s, struct MHD_Connection *connection,
			     const struct api_peer *peer, const char *url, const char *method, void **state)
{
	struct request *rq;
	const char *rest;
	bool known;
	const struct api_endpoint *e = route(s, method, url, &rest, &known);

	if (peer->role == ROLE_NONE)
		return deny(s, connection, peer, method, url, ROLE_VIEWER);
	if (!e && known)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, CLI_USAGE,
			      "this path does not take this method");
	if (!e)
		return refuse(connection, MHD_HTTP_NOT_FOUND, CLI_USAGE, "there is nothing at this path");
	if (peer->role < e->role)
		return deny(s, connection, peer, method, url, e->role);
	if (!content_fits(connection))
		return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, CLI_USAGE,
			      "the body is larger than 32 MiB");
	rq = calloc(1, sizeof(*rq));
	if (!rq)
		return MHD_NO;
	rq->endpoint = e;
	rq->rest = rest;
	*state = rq;
	return MHD_YES;
}

static void take_body(struct request *rq, const char *bytes, size_t n)
{
	if (rq->len + n > API_BODY_MAX) {
		rq->too_large = true;
		return;
	}
	if (rq->len + n > rq->room) {
		size_t room = (rq->len + n) * 2;
		char *body = realloc(rq->body, room);

		if (!body) {
			rq->too_large = true;
			return;
		}
		rq->body = body;
		rq->room = room;
	}
	memcpy(rq->body + rq->len, bytes, n);
	rq->len += n;
}

static json_t *parse_body(const struct request *rq, char *error, size_t room)
{
	json_error_t e;
	json_t *json;

	if (rq->len == 0)
		return json_object();
	json = json_loadb(rq->body, rq->len, JSON_REJECT_DUPLICATES, &e);
	if (!json)
		snprintf(error, room, "the body is not JSON: %d:%d: %s", e.line, e.column, e.text);
	else if (!json_is_object(json))
		snprintf(error, room, "the body is not a JSON object");
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

static enum MHD_Result finish(struct api_server *s, struct MHD_Connection *connection,
			      const struct api_peer *peer, const char *url, const char *method,
			      struct request *rq)
{
	char error[256];
	struct api_answer a = {0};
	json_t *body;

	if (rq->too_large)
		return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, CLI_USAGE,
			      "the body is larger than 32 MiB");
	body = parse_body(rq, error, sizeof(error));
	if (!body)
		return refuse(connection, MHD_HTTP_BAD_REQUEST, CLI_USAGE, error);
	rq->endpoint->f(s->config.ctx,
			&(struct api_request){.peer = peer,
					      .method = method,
					      .path = url,
					      .rest = rq->rest,
					      .body = body,
					      .connection = connection},
			&a);
	json_decref(body);
	return a.body ? send_answer(connection, &a, false) : MHD_NO;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	struct connection *c = connection_of(connection);
	struct request *rq = *state;

	if (!c)
		return MHD_NO;
	if (!rq)
		return begin(cls, connection, &c->peer, url, method, state);
	if (*upload_size > 0) {
		take_body(rq, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	return finish(cls, connection, &c->peer, url, method, rq);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct connection *c = connection_of(connection);
	struct request *rq = *state;

	if (rq)
		free(rq->body);
	free(rq);
	*state = NULL;
	if (c) {
		c->since = now_s();
		c->answering = false;
	}
}

const char *api_query(const struct api_request *rq, const char *key)
{
	return MHD_lookup_connection_value(rq->connection, MHD_GET_ARGUMENT_KIND, key);
}

struct unknown {
	const char *const *known;
	const char *key;
};

static enum MHD_Result find_unknown(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct unknown *u = cls;

	for (size_t i = 0; u->known[i]; i++)
		if (strcmp(u->known[i], key) == 0)
			return MHD_YES;
	u->key = key;
	return MHD_NO;
}

const char *api_query_unknown(const struct api_request *rq, const char *const *known)
{
	struct unknown u = {.known = known};

	MHD_get_connection_values(rq->connection, MHD_GET_ARGUMENT_KIND, find_unknown, &u);
	return u.key;
}

/* --- life ------------------------------------------------------------------------------------- */

struct api_server *api_server_new(const struct api_config *config)
{
	struct api_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->config = *config;
	s->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, s,
				  MHD_OPTION_CONNECTION_LIMIT, API_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
				  (unsigned)API_REQUEST_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
				  MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
	if (s->mhd)
		return s;
	free(s);
	return NULL;
}

void api_server_free(struct api_server *s)
{
	if (!s)
		return;
	MHD_stop_daemon(s->mhd);
	free(s);
}

int api_server_epoll_fd(const struct api_server *s)
{
	return MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void api_server_run(struct api_server *s)
{
	MHD_UNSIGNED_LONG_LONG wait = 0;

	for (int i = 0; i < RUNS_MAX; i++) {
		MHD_run(s->mhd);
		if (MHD_get_timeout(s->mhd, &wait) != MHD_YES || wait > 0)
			break;
	}
}
