/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The API server over a real UNIX socket: roles from the kernel's credentials, routing, and bounds against
 * slow, many and lying clients.
 */
#include "server.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dir.h"

#define PATIENCE_MS 5000

struct bench {
	char dir[64], path[128];
	char user[64], group[64];
	struct access_entry access[4];
	struct api_server *server;
	int listen_fd;
	unsigned denied, called;
	char last_denied[256];
	json_t *last_body;
};

static void echo(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	struct bench *b = ctx;
	const char *q = api_query(rq, "q");

	b->called++;
	answer_json(a, 200,
		    json_pack("{s:s, s:s, s:s, s:s?, s:O}", "peer", rq->peer->name, "role",
			      role_word(rq->peer->role), "rest", rq->rest, "q", q, "body", rq->body));
}

static void large(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	char *body = malloc(8 << 20);

	memset(body, 'x', 8 << 20);
	answer_text(a, 200, "text/plain", body, 8 << 20);
}

static const struct api_endpoint endpoints[] = {
	{"GET", "/look", ROLE_VIEWER, echo},      {"GET", "/look/*", ROLE_VIEWER, echo},
	{"POST", "/change", ROLE_OPERATOR, echo}, {"POST", "/approve", ROLE_APPROVER, echo},
	{"GET", "/large", ROLE_VIEWER, large},
};

static void on_denied(void *ctx, const struct api_peer *peer, const char *what)
{
	struct bench *b = ctx;

	b->denied++;
	snprintf(b->last_denied, sizeof(b->last_denied), "%s", what);
}

static void start(struct bench *b, const struct access_entry *access, size_t n)
{
	struct api_config c = {.endpoints = endpoints, .n_endpoints = 5, .ctx = b, .denied = on_denied};

	memcpy(b->access, access, n * sizeof(*access));
	c.access = b->access;
	c.n_access = n;
	b->server = api_server_new(&c);
	assert_non_null(b->server);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct passwd *pw = getpwuid(getuid());
	struct group *gr = getgrgid(getgid());

	snprintf(b->user, sizeof(b->user), "%s", pw ? pw->pw_name : "?");
	snprintf(b->group, sizeof(b->group), "%s", gr ? gr->gr_name : "?");
	dir_make(b->dir, sizeof(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/api.sock", b->dir);
	b->listen_fd = api_listen(b->path, "cordon-no-such-group");
	assert_true(b->listen_fd >= 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	api_server_free(b->server);
	close(b->listen_fd);
	dir_remove(b->dir);
	free(b);
	return 0;
}

/* --- a client --------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int dial(struct bench *b)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, b->path, strlen(b->path));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void turn(struct bench *b, int client)
{
	struct pollfd p[] = {
		{b->listen_fd, POLLIN, 0}, {api_server_epoll_fd(b->server), POLLIN, 0}, {client, POLLIN, 0}};

	poll(p, 3, 20);
	if (p[0].revents)
		api_server_accept(b->server, b->listen_fd);
	api_server_run(b->server);
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static bool whole(const char *answer, size_t n)
{
	const char *end = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "content-length: ");

	return end && length && n >= (size_t)(end + 4 - answer) + strtoul(length + 16, NULL, 10);
}

/* One answer, or what came until the peer closed. */
static size_t take(struct bench *b, int fd, char *answer, size_t room)
{
	int64_t end = now_ms() + PATIENCE_MS;
	size_t n = 0;

	answer[0] = 0;
	while (now_ms() < end && !whole(answer, n)) {
		ssize_t got;

		turn(b, fd);
		got = recv(fd, answer + n, room - 1 - n, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			break;
		if (got > 0)
			n += (size_t)got;
		answer[n] = 0;
	}
	return n;
}

static bool closed(struct bench *b, int fd)
{
	int64_t end = now_ms() + PATIENCE_MS;
	char byte;

	while (now_ms() < end) {
		ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			return true;
		turn(b, fd);
	}
	return false;
}

static void ask(struct bench *b, const char *request, char *answer, size_t room)
{
	int fd = dial(b);

	put(fd, request);
	take(b, fd, answer, room);
	close(fd);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void post(struct bench *b, const char *path, const char *body, char *answer, size_t room)
{
	char request[1024];

	snprintf(request, sizeof(request), "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
		 path, strlen(body), body);
	ask(b, request, answer, room);
}

static void expect(const char *answer, int status, const char *says)
{
	char start[32];

	snprintf(start, sizeof(start), "HTTP/1.1 %d ", status);
	if (strncmp(answer, start, strlen(start)) != 0 || !strstr(answer, says))
		fail_msg("expected %d %s, got:\n%s", status, says, answer);
}

/* --- roles ------------------------------------------------------------------------------------ */

static void test_roles(void **state)
{
	static const struct {
		enum api_role role;
		int look, change, approve;
	} cases[] = {
		{ROLE_VIEWER, 200, 403, 403},
		{ROLE_OPERATOR, 200, 200, 403},
		{ROLE_APPROVER, 200, 200, 200},
	};
	struct bench *b = *state;
	char answer[4096];

	for (size_t i = 0; i < 3; i++) {
		for (int by_group = 0; by_group < 2; by_group++) {
			start(b,
			      &(struct access_entry){cases[i].role, by_group, by_group ? b->group : b->user},
			      1);
			ask(b, GET("/look"), answer, sizeof(answer));
			expect(answer, cases[i].look, role_word(cases[i].role));
			post(b, "/change", "{}", answer, sizeof(answer));
			expect(answer, cases[i].change, "");
			post(b, "/approve", "{}", answer, sizeof(answer));
			expect(answer, cases[i].approve, "");
			api_server_free(b->server);
			b->server = NULL;
		}
	}
	assert_int_equal(b->denied, 2 * 3);
}

static void test_highest_role_counts(void **state)
{
	struct bench *b = *state;
	char answer[4096];

	start(b, (struct access_entry[]){{ROLE_OPERATOR, true, b->group}, {ROLE_VIEWER, false, b->user}}, 2);
	ask(b, GET("/look"), answer, sizeof(answer));
	expect(answer, 200, "\"role\":\"operator\"");
}

static void test_unlisted(void **state)
{
	struct bench *b = *state;
	char answer[4096];
	int fd;

	start(b,
	      (struct access_entry[]){{ROLE_APPROVER, false, "cordon-no-such-user"},
				      {ROLE_APPROVER, true, "cordon-no-such-group"}},
	      2);
	fd = dial(b);
	put(fd, GET("/look"));
	take(b, fd, answer, sizeof(answer));
	expect(answer, 403, "\"exit\":4");
	expect(answer, 403, "is not listed");
	assert_true(closed(b, fd));
	close(fd);
	assert_int_equal(b->denied, 1);
	assert_int_equal(b->called, 0);
	assert_string_equal(b->last_denied, "GET /look");
	/* nor do they learn what exists */
	ask(b, GET("/nothing"), answer, sizeof(answer));
	expect(answer, 403, "");
}

static void test_credentials(void **state)
{
	struct access_entry root = {ROLE_APPROVER, false, "root"}, wheel = {ROLE_VIEWER, true, "root"};

	assert_int_equal(access_role(&root, 1, 0, 0), ROLE_APPROVER);
	assert_int_equal(access_role(&root, 1, 65534, 65534), ROLE_NONE);
	assert_int_equal(access_role(&wheel, 1, 4000000, 0), ROLE_VIEWER);
	assert_int_equal(access_role(&wheel, 1, 4000000, 4000000), ROLE_NONE);
	assert_int_equal(access_role(NULL, 0, 0, 0), ROLE_NONE);
}

/* --- requests --------------------------------------------------------------------------------- */

static void be_approver(struct bench *b)
{
	start(b, &(struct access_entry){ROLE_APPROVER, false, b->user}, 1);
}

static void test_routing(void **state)
{
	struct bench *b = *state;
	char answer[4096];

	be_approver(b);
	ask(b, GET("/nothing"), answer, sizeof(answer));
	expect(answer, 404, "\"exit\":2");
	ask(b, GET("/change"), answer, sizeof(answer));
	expect(answer, 405, "");
	ask(b, GET("/look/"), answer, sizeof(answer));
	expect(answer, 404, "");
	ask(b, GET("/look/17?q=a%20b"), answer, sizeof(answer));
	expect(answer, 200, "\"rest\":\"17\",\"q\":\"a b\"");
	ask(b, GET("/look"), answer, sizeof(answer));
	expect(answer, 200, "\"q\":null");
}

static void test_bodies(void **state)
{
	static const struct {
		const char *body;
		int status;
		const char *says;
	} cases[] = {
		{"{\"a\": [1, 2]}", 200, "\"body\":{\"a\":[1,2]}"},
		{"", 200, "\"body\":{}"},
		{"{\"a\": ", 400, "the body is not JSON: 1:"},
		{"[1]", 400, "not a JSON object"},
		{"{\"a\":1,\"a\":2}", 400, "duplicate"},
		{"{} x", 400, "not JSON"},
	};
	struct bench *b = *state;
	char answer[4096];

	be_approver(b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		post(b, "/change", cases[i].body, answer, sizeof(answer));
		expect(answer, cases[i].status, cases[i].says);
	}
	assert_int_equal(b->called, 2);
}

static void test_keep_alive(void **state)
{
	struct bench *b = *state;
	char answer[4096];
	int fd;

	be_approver(b);
	fd = dial(b);
	for (int i = 0; i < 3; i++) {
		put(fd, GET("/look"));
		take(b, fd, answer, sizeof(answer));
		expect(answer, 200, "approver");
	}
	close(fd);
}

static void test_large_answer(void **state)
{
	struct bench *b = *state;
	char *answer = malloc(9 << 20);

	be_approver(b);
	ask(b, GET("/large"), answer, 9 << 20);
	expect(answer, 200, "xxx");
	assert_true(strlen(answer) > 8 << 20);
	free(answer);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void test_body_limit(void **state)
{
	struct bench *b = *state;
	char answer[4096], request[256];

	be_approver(b);
	snprintf(request, sizeof(request), "POST /change HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n\r\n",
		 API_BODY_MAX + 1);
	ask(b, request, answer, sizeof(answer));
	expect(answer, 413, "32 MiB");
	assert_int_equal(b->called, 0);
}

static void test_endless_chunks(void **state)
{
	struct bench *b = *state;
	static char chunk[(1 << 20) + 16];
	char answer[4096];
	size_t len = (size_t)snprintf(chunk, sizeof(chunk), "100000\r\n");
	int fd;

	be_approver(b);
	memset(chunk + len, ' ', 1 << 20);
	memcpy(chunk + len + (1 << 20), "\r\n", 2);
	fd = dial(b);
	put(fd, "POST /change HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 40; i++) {
		size_t done = 0;

		while (done < len + (1 << 20) + 2) {
			ssize_t n = send(fd, chunk + done, len + (1 << 20) + 2 - done,
					 MSG_DONTWAIT | MSG_NOSIGNAL);

			if (n < 0)
				assert_int_equal(errno, EAGAIN);
			done += n > 0 ? (size_t)n : 0;
			turn(b, -1);
		}
	}
	put(fd, "0\r\n\r\n");
	take(b, fd, answer, sizeof(answer));
	expect(answer, 413, "32 MiB");
	close(fd);
	assert_int_equal(b->called, 0);
}

static void test_connections_per_user(void **state)
{
	struct bench *b = *state;
	int fd[API_PER_USER + 1];
	char answer[4096];

	be_approver(b);
	for (unsigned i = 0; i <= API_PER_USER; i++) {
		fd[i] = dial(b);
		turn(b, -1);
	}
	assert_true(closed(b, fd[API_PER_USER]));
	put(fd[0], GET("/look"));
	take(b, fd[0], answer, sizeof(answer));
	expect(answer, 200, "");
	for (unsigned i = 0; i <= API_PER_USER; i++)
		close(fd[i]);
	for (int i = 0; i < 10; i++)
		turn(b, -1);
	ask(b, GET("/look"), answer, sizeof(answer)); /* places are given back */
	expect(answer, 200, "");
}

/* A byte now and then never keeps a connection beyond the bound. */
static void test_slow_client(void **state)
{
	static const char request[] = GET("/look");
	struct bench *b = *state;
	int64_t start_ms;
	bool gone = false;
	int fd;

	be_approver(b);
	fd = dial(b);
	start_ms = now_ms();
	for (size_t i = 0; !gone && now_ms() - start_ms < (API_REQUEST_S + 5) * 1000; i++) {
		struct pollfd p = {fd, POLLIN, 0};
		char byte;

		/* sends all but the last byte, at most one each 500 ms */
		if (i + 2 < sizeof(request))
			send(fd, request + i, 1, MSG_NOSIGNAL);
		poll(&p, 1, 500);
		turn(b, fd);
		api_server_tick(b->server);
		gone = recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
	}
	assert_true(gone);
	assert_in_range(now_ms() - start_ms, API_REQUEST_S * 1000 - 1000, (API_REQUEST_S + 3) * 1000);
	assert_int_equal(b->called, 0);
	close(fd);
}

/* --- the socket ------------------------------------------------------------------------------- */

static void test_listen(void **state)
{
	struct bench *b = *state;
	struct stat st;
	FILE *f;
	int fd;

	assert_int_equal(stat(b->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(api_listen(b->path, "x"), -EADDRINUSE);
	close(b->listen_fd);
	fd = api_listen(b->path, "x"); /* a dead socket is replaced */
	assert_true(fd >= 0);
	close(fd);
	unlink(b->path);
	f = fopen(b->path, "we");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(api_listen(b->path, "x"), -EEXIST); /* a file is not */
	assert_int_equal(stat(b->path, &st), 0);
	b->listen_fd = dup(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_roles),
		T(test_highest_role_counts),
		T(test_unlisted),
		T(test_credentials),
		T(test_routing),
		T(test_bodies),
		T(test_keep_alive),
		T(test_large_answer),
		T(test_body_limit),
		T(test_endless_chunks),
		T(test_connections_per_user),
		T(test_slow_client),
		T(test_listen),
	};

	return cmocka_run_group_tests_name("api server", tests, NULL, NULL);
}
