/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole API over its real socket: a policy goes in by HTTP, packets are judged by it, and what happened
 * comes out by HTTP again.
 */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "handlers.h"

struct bench {
	struct rig r;
	struct api_server *server;
	struct access_entry access;
	char user[64];
	int listen_fd;
};

static struct passwd *me(void)
{
	struct passwd *pw = getpwuid(getuid());

	if (!pw)
		skip();
	return pw;
}

static void serve_as(struct bench *b, enum api_role role)
{
	struct api_config c = {.access = &b->access,
			       .n_access = 1,
			       .endpoints = handlers,
			       .n_endpoints = n_handlers,
			       .ctx = &b->r.d,
			       .denied = handlers_denied};

	api_server_free(b->server);
	snprintf(b->user, sizeof(b->user), "%s", me()->pw_name);
	b->access = (struct access_entry){role, false, b->user};
	b->server = api_server_new(&c);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	char path[128];

	rig_start(&b->r);
	snprintf(path, sizeof(path), "%s/api.sock", b->r.dir);
	b->listen_fd = api_listen(path, "cordon-no-such-group");
	serve_as(b, ROLE_APPROVER);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	api_server_free(b->server);
	close(b->listen_fd);
	rig_stop(&b->r);
	free(b);
	return 0;
}

static int dial(struct bench *b)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/api.sock", b->r.dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Status and body (malloc'ed) of one exchange. */
static int ask(struct bench *b, const char *method, const char *path, const char *body, char **out)
{
	size_t n = 0, room = 4 << 20;
	char *answer = malloc(room), *end;
	int fd = dial(b), status;
	ssize_t got = 1;

	dprintf(fd, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", method,
		path, strlen(body), body);
	for (int i = 0; i < 1000 && got != 0; i++) {
		struct pollfd p = {fd, POLLIN, 0};

		api_server_accept(b->server, b->listen_fd);
		api_server_run(b->server);
		poll(&p, 1, 5);
		got = recv(fd, answer + n, room - 1 - n, MSG_DONTWAIT);
		n += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	answer[n] = 0;
	end = strstr(answer, "\r\n\r\n");
	assert_non_null(end);
	status = atoi(answer + 9);
	*out = strdup(end + 4);
	free(answer);
	return status;
}

static json_t *call(struct bench *b, const char *method, const char *path, const char *body, int expected)
{
	char *text;
	int status = ask(b, method, path, body, &text);
	json_t *json = json_loads(text, 0, NULL);

	if (status != expected || !json)
		fail_msg("%s %s: %d, expected %d: %s", method, path, status, expected, text);
	free(text);
	return json;
}

static json_t *commit(struct bench *b, const char *text, int expected)
{
	json_t *body = json_pack("{s:[{s:s, s:s}], s:s, s:s}", "files", "name", "p.yaml", "text", text,
				 "message", "by hand", "ticket", "T-1");
	char *dumped = json_dumps(body, 0);
	json_t *answer = call(b, "POST", "/v1/commit", dumped, expected);

	json_decref(body);
	free(dumped);
	return answer;
}

/* The value at a dotted path; numbers are indices. */
static const json_t *at(const json_t *json, const char *path)
{
	char copy[128], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *part = strtok_r(copy, ".", &save); part; part = strtok_r(NULL, ".", &save))
		json = json_is_array(json) ? json_array_get(json, (size_t)atoi(part))
					   : json_object_get(json, part);
	if (!json)
		fail_msg("no %s", path);
	return json;
}

#define TEXT(json, path)   json_string_value(at(json, path))
#define NUMBER(json, path) json_integer_value(at(json, path))

static void test_commit_and_rollback(void **state)
{
	struct bench *b = *state;
	json_t *a = commit(b, policy_one, 200);

	assert_string_equal(TEXT(a, "schema"), "cordon.commit/1");
	assert_string_equal(TEXT(a, "node"), "bench");
	assert_int_equal(NUMBER(a, "data.generation"), 1);
	assert_int_equal(NUMBER(a, "data.tests_passed"), 2);
	assert_int_equal(NUMBER(a, "data.changed.opens"), 1);
	assert_true(json_is_null(at(a, "data.revoked")));
	json_decref(a);
	json_decref(commit(b, policy_two, 200));
	a = call(b, "POST", "/v1/rollback", "{}", 200);
	assert_int_equal(NUMBER(a, "data.generation"), 3);
	json_decref(a);
	a = call(b, "POST", "/v1/rollback", "{\"to\": 2}", 200);
	assert_int_equal(NUMBER(a, "data.generation"), 4);
	json_decref(a);
	rig_check_active(&b->r, 4);
	a = call(b, "GET", "/v1/generations", "", 200);
	assert_int_equal(json_array_size(at(a, "data")), 4);
	assert_string_equal(TEXT(a, "data.0.author"), me()->pw_name);
	assert_int_equal(NUMBER(a, "data.1.from_generation"), 1);
	assert_string_equal(TEXT(a, "data.3.ticket"), "T-1");
	assert_string_equal(TEXT(a, "data.0.digest"), TEXT(a, "data.2.digest"));
	json_decref(a);
	a = call(b, "GET", "/v1/generations/3", "", 200);
	assert_string_equal(TEXT(a, "data.files.0.text"), policy_one);
	json_decref(a);
}

static void test_refused_commit(void **state)
{
	struct bench *b = *state;
	json_t *a;

	json_decref(commit(b, policy_one, 200));
	a = commit(b, "cordon: 1\nnonsense: 2\n", 422);
	assert_string_equal(TEXT(a, "schema"), "cordon.error/1");
	assert_int_equal(NUMBER(a, "error.exit"), CLI_POLICY);
	assert_string_equal(TEXT(a, "error.unchanged"), "generation 1 stays active");
	assert_string_equal(TEXT(a, "findings.0.file"), "p.yaml");
	assert_string_equal(TEXT(a, "findings.0.severity"), "error");
	assert_true(NUMBER(a, "findings.0.line") >= 1);
	json_decref(a);
	testdp_fault(b->r.dp, DP_PREPARE, TESTDP_REFUSE, 1);
	a = commit(b, policy_two, 502);
	assert_int_equal(NUMBER(a, "error.exit"), CLI_NOT_APPLIED);
	json_decref(a);
	rig_check_active(&b->r, 1);
}

static void test_bad_requests(void **state)
{
	static const struct {
		const char *method, *path, *body;
		int status;
	} cases[] = {
		{"POST", "/v1/commit", "{}", 400},
		{"POST", "/v1/commit", "{\"files\": []}", 400},
		{"POST", "/v1/commit", "{\"files\": [{\"name\": \"a\"}]}", 400},
		{"POST", "/v1/commit",
		 "{\"files\": [{\"name\": \"a\", \"text\": \"\"}, {\"name\": \"a\", \"text\": \"\"}]}", 400},
		{"POST", "/v1/commit",
		 "{\"files\": [{\"name\": \"a\", \"text\": \"\"}], \"author\": \"eve\"}", 400},
		{"POST", "/v1/commit", "{\"files\": [{\"name\": \"a\", \"text\": \"\"}], \"message\": 1}",
		 400},
		{"POST", "/v1/rollback", "{\"to\": \"1\"}", 400},
		{"POST", "/v1/rollback", "{\"to\": 1}", 404},
		{"POST", "/v1/rollback", "{}", 404},
		{"GET", "/v1/generations/1", "", 404},
		{"GET", "/v1/generations/x", "", 404},
		{"GET", "/v1/flows?limit=0", "", 400},
		{"GET", "/v1/flows?since=noon", "", 400},
		{"GET", "/v1/flows?form=web", "", 400}, /* a slip must not ask for everything */
		{"GET", "/v1/flows?verdict=maybe", "", 400},
		{"GET", "/v1/flows?verdict=%c3%28", "", 400},
		{"GET", "/v1/flows?service=%ff", "", 400},
		{"GET", "/v1/explain?from=web", "", 409},
		{"POST", "/v1/assess", "{\"since\": \"noon\"}", 400},
		{"DELETE", "/v1/status", "", 405},
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		json_decref(call(b, cases[i].method, cases[i].path, cases[i].body, cases[i].status));
	rig_check_active(&b->r, 0);
}

static void test_roles(void **state)
{
	struct bench *b = *state;

	serve_as(b, ROLE_VIEWER);
	json_decref(call(b, "GET", "/v1/status", "", 200));
	json_decref(commit(b, policy_one, 403));
	json_decref(call(b, "POST", "/v1/rollback", "{}", 403));
	assert_int_equal(rig_number(&b->r, "SELECT count(*) FROM event WHERE kind = 'access-denied'"), 2);
	rig_check_active(&b->r, 0);
	serve_as(b, ROLE_OPERATOR);
	json_decref(commit(b, policy_one, 200));
	serve_as(b, ROLE_NONE);
	json_decref(call(b, "GET", "/v1/status", "", 403));
	assert_int_equal(rig_number(&b->r, "SELECT count(*) FROM event WHERE kind = 'access-denied'"), 3);
}

static void announce(struct bench *b, uint32_t port, unsigned mac, const char *address)
{
	struct pkt p;

	pkt_ether(&p, PKT_BROADCAST, mac);
	pkt_arp(&p, 1, mac, address, 0, address);
	testdp_frame(b->r.dp, port, &p);
}

static bool connects(struct bench *b, uint16_t dport)
{
	struct pkt p;

	pkt_ether(&p, 2, 1);
	pkt_ip(&p, "10.0.10.1", "10.0.10.2");
	pkt_tcp(&p, 1000, dport, PKT_SYN, 1, 0);
	return testdp_frame(b->r.dp, 0, &p);
}

static void traffic(struct bench *b)
{
	json_decref(commit(b, policy_one, 200));
	announce(b, 0, 1, "10.0.10.1");
	announce(b, 1, 2, "10.0.10.2");
	rig_expect(&b->r, 2, "SELECT count(*) FROM binding WHERE identity >= 16");
	while (!connects(b, 5432))
		rig_turn(&b->r);
	assert_false(connects(b, 22));
}

static void test_flows_and_status(void **state)
{
	struct bench *b = *state;
	json_t *a;

	traffic(b);
	rig_turn(&b->r);
	a = call(b, "GET", "/v1/flows?verdict=allow", "", 200);
	assert_int_equal(json_array_size(at(a, "data")), 1);
	assert_string_equal(TEXT(a, "data.0.rule"), "web-db");
	assert_string_equal(TEXT(a, "data.0.src"), "10.0.10.1");
	assert_int_equal(NUMBER(a, "data.0.dport"), 5432);
	json_decref(a);
	a = call(b, "GET", "/v1/flows?verdict=deny&service=tcp/22", "", 200);
	assert_int_equal(json_array_size(at(a, "data")), 1);
	assert_string_equal(TEXT(a, "data.0.rule"), "default-deny");
	json_decref(a);
	a = call(b, "GET", "/v1/status", "", 200);
	assert_string_equal(TEXT(a, "data.engines.0.state"), "active");
	assert_true(json_is_true(at(a, "data.engines.0.equal")));
	assert_true(json_is_true(at(a, "data.laws.closed")));
	assert_int_equal(NUMBER(a, "data.laws.decisions"),
			 NUMBER(a, "data.laws.written") + NUMBER(a, "data.laws.aggregated") +
				 NUMBER(a, "data.laws.pending") + NUMBER(a, "data.laws.lost"));
	assert_int_equal(NUMBER(a, "data.identities.bound"), 2);
	assert_int_equal(json_array_size(at(a, "data.attention")), 0);
	json_decref(a);
}

static void await_clock(struct bench *b, bool good)
{
	json_t *a;
	bool seen = false;

	testdp_clock(b->r.dp, good);
	for (int turn = 0; turn < 500 && !seen; turn++) {
		rig_turn(&b->r);
		a = call(b, "GET", "/v1/status", "", 200);
		seen = json_is_true(at(a, "data.clock.synchronised")) == good;
		if (seen)
			assert_int_equal(json_array_size(at(a, "data.attention")), good ? 0 : 1);
		if (seen && !good)
			assert_non_null(strstr(TEXT(a, "data.attention.0"), "clock is not synchronised"));
		json_decref(a);
	}
	assert_true(seen);
}

static void test_status_clock(void **state)
{
	struct bench *b = *state;

	json_decref(commit(b, policy_one, 200));
	await_clock(b, true);
	await_clock(b, false);
	assert_int_equal(rig_number(&b->r, "SELECT count(*) FROM readback WHERE clock_bad"), 0);
	json_decref(commit(b, policy_two, 200)); /* its read-back is dated by that clock */
	assert_int_equal(rig_number(&b->r, "SELECT count(*) FROM readback WHERE clock_bad AND expected = 2"),
			 1);
	await_clock(b, true);
}

static void test_status_without_dataplane(void **state)
{
	struct bench *b = *state;
	json_t *a;

	json_decref(commit(b, policy_one, 200));
	testdp_stop(b->r.dp);
	while (dp_connected(b->r.d.links[0].dp))
		rig_turn(&b->r);
	a = call(b, "GET", "/v1/status", "", 200);
	assert_string_equal(TEXT(a, "data.engines.0.state"), "disconnected");
	assert_true(json_array_size(at(a, "data.attention")) >= 1);
	json_decref(a);
	a = commit(b, policy_two, 503);
	assert_string_equal(TEXT(a, "error.unchanged"), "generation 1 stays active");
	json_decref(a);
	b->r.dp = testdp_start(b->r.dir);
}

static bool metrics_say(struct bench *b, const char *line)
{
	char *text = NULL;

	assert_int_equal(ask(b, "GET", "/metrics", "", &text), 200);
	bool say = strstr(text, line);
	free(text);
	return say;
}

/* A port whose card was taken out: said as long as it is so, in the journal once, and of no other port. */
static void test_removed_port(void **state)
{
	struct bench *b = *state;
	json_t *a;

	json_decref(commit(b, policy_one, 200));
	testdp_remove_ports(b->r.dp, 1u << 1);
	b->r.d.links[0].ping_ms -= 5000;
	rig_expect(&b->r, 1,
		   "SELECT count(*) FROM event WHERE kind = 'port-removed' AND text LIKE 'port lan2:%'");
	rig_expect(&b->r, 1,
		   "SELECT count(*) FROM event WHERE kind = 'alarm' AND text = 'port lan2 is removed'");
	a = call(b, "GET", "/v1/status", "", 200);
	assert_string_equal(TEXT(a, "data.engines.0.ports.0.state"), "up");
	assert_string_equal(TEXT(a, "data.engines.0.ports.1.state"), "removed");
	assert_true(json_is_false(at(a, "data.engines.0.ports.1.up")));
	assert_int_equal(json_array_size(at(a, "data.attention")), 1);
	assert_non_null(strstr(TEXT(a, "data.attention.0"), "port lan2 is removed"));
	assert_string_equal(TEXT(a, "data.engines.0.state"), "active");
	json_decref(a);
	assert_true(metrics_say(b, "cordon_port_removed{port=\"lan2\"} 1\n"));
	assert_true(metrics_say(b, "cordon_port_up{port=\"lan2\"} 0\n"));
	assert_true(metrics_say(b, "cordon_port_removed{port=\"lan1\"} 0\n"));

	b->r.d.links[0].ping_ms -= 5000;
	rig_turn(&b->r);
	rig_expect(&b->r, 1, "SELECT count(*) FROM event WHERE kind = 'port-removed'");
	testdp_remove_ports(b->r.dp, 0);
	b->r.d.links[0].ping_ms -= 5000;
	rig_expect(&b->r, 1,
		   "SELECT count(*) FROM event WHERE kind = 'port-back' AND text LIKE 'port lan2 %'");
	a = call(b, "GET", "/v1/status", "", 200);
	assert_string_equal(TEXT(a, "data.engines.0.ports.1.state"), "up");
	assert_int_equal(json_array_size(at(a, "data.attention")), 0);
	json_decref(a);
}

static void test_explain(void **state)
{
	struct bench *b = *state;
	json_t *a;

	traffic(b);
	a = call(b, "GET", "/v1/explain?from=web&to=db&service=tcp/5432", "", 200);
	assert_int_equal(json_array_size(at(a, "data")), 1);
	assert_string_equal(TEXT(a, "data.0.verdict"), "allow");
	assert_string_equal(TEXT(a, "data.0.rule"), "web-db");
	json_decref(a);
	/* web needs its MAC, which an address alone does not tell; the live binding does */
	a = call(b, "GET", "/v1/explain?from=10.0.10.1&to=10.0.10.2&service=tcp/5432", "", 200);
	assert_string_equal(TEXT(a, "data.0.verdict"), "allow");
	json_decref(a);
	a = call(b, "GET", "/v1/explain?from=10.0.10.77&to=10.0.10.2&service=tcp/5432", "", 200);
	assert_string_equal(TEXT(a, "data.0.from"), "$unknown");
	assert_string_equal(TEXT(a, "data.0.verdict"), "deny");
	json_decref(a);
	json_decref(call(b, "GET", "/v1/explain?from=nobody&to=db&service=tcp/1", "", 400));
	json_decref(call(b, "GET", "/v1/explain?from=web&to=db&service=tcp/99999", "", 400));
}

static void test_metrics(void **state)
{
	struct bench *b = *state;
	char *text;

	traffic(b);
	assert_int_equal(ask(b, "GET", "/metrics", "", &text), 200);
	assert_non_null(strstr(text, "cordon_generation 1\n"));
	assert_non_null(strstr(text, "cordon_dp_connected 1\n"));
	assert_non_null(strstr(text, "cordon_dp_sessions_opened 1\n"));
	assert_non_null(strstr(text, "# TYPE cordon_dp_heartbeat gauge\ncordon_dp_heartbeat "));
	assert_null(strstr(text, "cordon_dp_heartbeat 0\n"));
	assert_non_null(strstr(text, "# TYPE cordon_laws_closed gauge\ncordon_laws_closed 1\n"));
	assert_non_null(strstr(text, "# TYPE cordon_decisions counter\ncordon_decisions "));
	assert_non_null(strstr(text, "cordon_dp_dropped{port=\"lan1\",reason=\"no-rule\"} "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_commit_and_rollback),
		T(test_refused_commit),
		T(test_bad_requests),
		T(test_roles),
		T(test_flows_and_status),
		T(test_status_clock),
		T(test_status_without_dataplane),
		T(test_removed_port),
		T(test_explain),
		T(test_metrics),
	};

	return cmocka_run_group_tests_name("daemon handlers", tests, NULL, NULL);
}
