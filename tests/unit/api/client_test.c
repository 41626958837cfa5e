/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client against a real HTTP server on a UNIX socket. The server's thread writes what it got before it
 * answers; the test reads it after the call returned, so no lock is needed.
 */
#include "client.h"

#include <microhttpd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct server {
	char dir[64], path[96];
	int fd;
	struct MHD_Daemon *daemon;
	/* what to answer */
	unsigned status;
	const char *body;
	/* what came */
	char method[16], url[128], from[128], at[64], got[4096];
	size_t got_len;
	int has_at;
};

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	struct server *s = cls;

	if (*state == NULL) {
		*state = s;
		s->got_len = 0;
		return MHD_YES;
	}
	if (*upload_size > 0) {
		size_t n = *upload_size, room = sizeof(s->got) - 1 - s->got_len;
		n = n < room ? n : room;
		memcpy(s->got + s->got_len, upload, n);
		s->got_len += n;
		*upload_size = 0;
		return MHD_YES;
	}
	const char *from = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "from");
	snprintf(s->method, sizeof(s->method), "%s", method);
	snprintf(s->url, sizeof(s->url), "%s", url);
	snprintf(s->from, sizeof(s->from), "%s", from != NULL ? from : "");
	s->has_at = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "at") != NULL;
	s->got[s->got_len] = '\0';
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(s->body), (void *)s->body, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_queue_response(connection, s->status, response);
	MHD_destroy_response(response);
	return result;
}

static int server_listen(struct server *s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(s->dir, sizeof(s->dir), "/tmp/cordon-client-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/api.sock", s->dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	return 0;
}

static int setup(void **state)
{
	struct server *s = calloc(1, sizeof(*s));

	server_listen(s);
	s->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, s,
				     MHD_OPTION_LISTEN_SOCKET, s->fd, MHD_OPTION_END);
	assert_non_null(s->daemon);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct server *s = *state;

	MHD_stop_daemon(s->daemon);
	unlink(s->path);
	rmdir(s->dir);
	free(s);
	return 0;
}

static enum api_result call(const struct server *s, const char *method, const char *path,
			    const struct api_query *query, size_t n, const json_t *body,
			    struct api_reply *reply)
{
	struct api_client *c = api_client_new(s->path, 5);

	assert_non_null(c);
	enum api_result result = api_call(c, method, path, query, n, body, reply);
	api_client_free(c);
	return result;
}

static void get_passes_the_query_as_it_is(void **state)
{
	struct server *s = *state;
	const struct api_query query[] = {{"from", "app=hr,role=web & $x/100% +ü"}, {"at", NULL}};
	struct api_reply reply;

	s->status = 200;
	s->body = "{\"data\": [1, 2]}";
	assert_int_equal(call(s, "GET", "/v1/explain", query, 2, NULL, &reply), API_ANSWERED);
	assert_int_equal(reply.status, 200);
	assert_int_equal(json_array_size(json_object_get(reply.json, "data")), 2);
	assert_string_equal(s->method, "GET");
	assert_string_equal(s->url, "/v1/explain");
	assert_string_equal(s->from, "app=hr,role=web & $x/100% +ü");
	assert_false(s->has_at);
	api_reply_free(&reply);
}

static void post_sends_the_body(void **state)
{
	struct server *s = *state;
	json_t *body = json_pack("{s:s}", "message", "why");
	struct api_reply reply;

	s->status = 200;
	s->body = "{}";
	assert_int_equal(call(s, "POST", "/v1/commit", NULL, 0, body, &reply), API_ANSWERED);
	assert_string_equal(s->method, "POST");
	assert_string_equal(s->got, "{\"message\":\"why\"}");
	api_reply_free(&reply);
	json_decref(body);
}

static void a_post_without_body_is_empty(void **state)
{
	struct server *s = *state;
	struct api_reply reply;

	s->status = 200;
	s->body = "{}";
	assert_int_equal(call(s, "POST", "/v1/assess", NULL, 0, NULL, &reply), API_ANSWERED);
	assert_string_equal(s->method, "POST");
	assert_string_equal(s->got, "");
	api_reply_free(&reply);
}

static void one_client_asks_twice(void **state)
{
	struct server *s = *state;
	struct api_client *c = api_client_new(s->path, 5);
	json_t *body = json_object();
	struct api_reply reply;

	s->status = 200;
	s->body = "{}";
	assert_int_equal(api_call(c, "POST", "/v1/commit", NULL, 0, body, &reply), API_ANSWERED);
	api_reply_free(&reply);
	assert_int_equal(api_call(c, "GET", "/v1/status", NULL, 0, NULL, &reply), API_ANSWERED);
	assert_string_equal(s->method, "GET");
	api_reply_free(&reply);
	json_decref(body);
	api_client_free(c);
}

static void a_refusal_is_an_answer(void **state)
{
	struct server *s = *state;
	struct api_reply reply;

	s->status = 403;
	s->body = "{\"error\": {\"exit\": 4, \"text\": \"no\"}}";
	assert_int_equal(call(s, "GET", "/v1/status", NULL, 0, NULL, &reply), API_ANSWERED);
	assert_int_equal(reply.status, 403);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(reply.json, "error"), "exit")),
			 4);
	api_reply_free(&reply);
}

static void what_is_no_json_object_is_broken(void **state)
{
	static const char *const bodies[] = {
		"", "<html>", "[1]", "{\"a\": 1} tail", "{\"a\": 1, \"a\": 2}", "\"x\""};
	struct server *s = *state;

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct api_reply reply;
		s->status = 200;
		s->body = bodies[i];
		assert_int_equal(call(s, "GET", "/v1/status", NULL, 0, NULL, &reply), API_BROKEN);
		assert_null(reply.json);
		assert_non_null(strstr(reply.text, "not a JSON object"));
		api_reply_free(&reply);
	}
}

static void expect_unreachable(const char *path, const char *why)
{
	struct api_client *c = api_client_new(path, 5);
	struct api_reply reply;

	assert_int_equal(api_call(c, "GET", "/v1/status", NULL, 0, NULL, &reply), API_UNREACHABLE);
	assert_non_null(strstr(reply.text, why));
	assert_non_null(strstr(reply.text, path));
	api_reply_free(&reply);
	api_client_free(c);
}

static void no_daemon_is_unreachable(void **state)
{
	struct server s;

	expect_unreachable("/tmp/cordon-no-such-dir/api.sock", "No such file");
	expect_unreachable("/dev/null", "not a socket");
	server_listen(&s);
	close(s.fd);
	expect_unreachable(s.path, "nobody listens");
	unlink(s.path);
	rmdir(s.dir);
}

/* A listening socket that nobody accepts from. */
static void a_stalled_daemon_times_out(void **state)
{
	struct server s;
	struct api_reply reply;

	server_listen(&s);
	struct api_client *c = api_client_new(s.path, 1);
	assert_int_equal(api_call(c, "GET", "/v1/status", NULL, 0, NULL, &reply), API_TIMED_OUT);
	api_client_free(c);
	close(s.fd);
	unlink(s.path);
	rmdir(s.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(get_passes_the_query_as_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(post_sends_the_body, setup, teardown),
		cmocka_unit_test_setup_teardown(a_post_without_body_is_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(one_client_asks_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_is_an_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_json_object_is_broken, setup, teardown),
		cmocka_unit_test(no_daemon_is_unreachable),
		cmocka_unit_test(a_stalled_daemon_times_out),
	};

	return cmocka_run_group_tests_name("api-client", tests, NULL, NULL);
}
