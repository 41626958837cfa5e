/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The live bindings: classification by evidence, history told once per change, and agreement with the
 * dataplane.
 */
#include "binding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NS    1000000000LL
#define LEASE 300

static const char text[] =
	"cordon: 1\n"
	"bundle: {name: b, owner: o@example, timezone: UTC}\n"
	"labels: {role: [web, db, lan], state: {values: [normal, held], default: normal}}\n"
	"classify:\n"
	"  - {id: a, when: {prefix: 10.0.0.1/32, mac: \"02:00:00:00:00:01\"}, set: {role: web}}\n"
	"  - {id: b, when: {prefix: 10.0.0.2/32}, set: {role: db}}\n"
	"  - {id: c, when: {prefix: 10.0.0.3/32, port: lan1}, set: {role: lan}}\n"
	"  - {id: d, when: {prefix: 10.0.0.4/32}, set: {role: db}}\n"
	"  - {id: e, when: {prefix: 10.0.0.4/32, vlan: 20}, set: {role: web}}\n";

static const struct binding_port ports[] = {{"lan1", false}, {"lan2", false}, {"wan", true}};

struct bench {
	struct bindings *t;
	struct ruleset *rs;
	struct dictionary *dict;
	unsigned opened, closed;
	uint16_t last_closed;
};

static void on_opened(void *ctx, struct live_binding *b)
{
	((struct bench *)ctx)->opened++;
	b->row = ((struct bench *)ctx)->opened;
}

static void on_closed(void *ctx, const struct live_binding *b, int64_t time_ns)
{
	((struct bench *)ctx)->closed++;
	((struct bench *)ctx)->last_closed = b->b.identity;
}

static struct naming naming(struct bench *b)
{
	return (struct naming){b->rs, b->dict, dictionary_size(b->dict)};
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct policy_source source = {"p.yaml", text, sizeof(text) - 1};
	struct diags d;

	diags_init(&d);
	b->rs = policy_compile(&source, 1, NULL, &d);
	diags_print(&d, stderr, NULL, NULL);
	diags_free(&d);
	assert_non_null(b->rs);
	b->dict = dictionary_new();
	for (size_t i = 0; i < b->rs->n_identities; i++)
		if (!b->rs->identities[i].reserved)
			assert_true(dictionary_number(b->dict, b->rs->identities[i].text) >= IDENTITY_FIRST);
	b->t = bindings_new(ports, 3, LEASE, (struct binding_observer){on_opened, on_closed, b});
	bindings_use(b->t, naming(b), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	bindings_free(b->t);
	ruleset_free(b->rs);
	dictionary_free(b->dict);
	free(b);
	return 0;
}

static struct dp_endpoint endpoint(unsigned host, unsigned mac, uint16_t port)
{
	struct dp_endpoint e = {.addr = {10, 0, 0, (uint8_t)host},
				.mac = {2, 0, 0, 0, 0, (uint8_t)mac},
				.domain = 10,
				.port = port,
				.family = 4,
				.kind = DP_ENDPOINT_NEW,
				.time_ns = NS};

	return e;
}

static const char *identity(struct bench *b, struct dp_endpoint e, const char **method)
{
	const struct live_binding *l = bindings_seen(b->t, &e, NS);

	assert_non_null(l);
	*method = l->method;
	return dictionary_text(b->dict, l->b.identity);
}

static void test_evidence(void **state)
{
	static const struct {
		unsigned host, mac;
		uint16_t port, domain;
		const char *identity, *method;
	} cases[] = {
		{1, 1, 0, 10, "role=web,state=normal", "mac"},
		{1, 9, 0, 10, "$unknown", "none"},
		{2, 9, 1, 10, "role=db,state=normal", "prefix"},
		{3, 9, 0, 10, "role=lan,state=normal", "port"},
		{3, 9, 1, 10, "$unknown", "none"},
		{3, 9, 77, 10, "$unknown", "none"},
		{4, 9, 0, 10, "role=db,state=normal", "prefix"},
		{4, 9, 0, 20, "$conflict", NULL},
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dp_endpoint e = endpoint(cases[i].host, cases[i].mac, cases[i].port);
		const char *method;

		e.domain = cases[i].domain;
		assert_string_equal(identity(b, e, &method), cases[i].identity);
		if (cases[i].method)
			assert_string_equal(method, cases[i].method);
	}
}

static void test_outside_is_world(void **state)
{
	struct bench *b = *state;
	struct dp_endpoint e = endpoint(1, 1, 2);
	const char *method;

	memcpy(e.addr, (uint8_t[]){192, 0, 2, 1}, 4);
	assert_string_equal(identity(b, e, &method), "$world");
	e.domain = 11;
	e.port = 0;
	assert_string_equal(identity(b, e, &method), "$unknown");
}

static void test_history(void **state)
{
	struct bench *b = *state;
	struct dp_endpoint e = endpoint(1, 1, 0);
	const char *method;

	identity(b, e, &method);
	identity(b, e, &method);
	assert_int_equal(b->opened, 1);
	e.mac[5] = 9; /* another owner */
	identity(b, e, &method);
	assert_int_equal(b->opened, 2);
	assert_int_equal(b->closed, 1);
	assert_int_equal(b->last_closed, dictionary_find(b->dict, "role=web,state=normal"));
	bindings_gone(b->t,
		      &(struct dp_endpoint){
			      .addr = {10, 0, 0, 1}, .mac = {2, 0, 0, 0, 0, 1}, .domain = 10, .family = 4});
	assert_int_equal(b->closed, 1); /* of the owner before: not this binding */
	bindings_gone(b->t, &e);
	assert_int_equal(b->closed, 2);
	assert_int_equal(bindings_count(b->t).bound, 0);
}

static void test_no_policy(void **state)
{
	struct bench *b = *state;
	const char *method;

	identity(b, endpoint(1, 1, 0), &method);
	bindings_use(b->t, (struct naming){0}, 2 * NS);
	assert_int_equal(bindings_count(b->t).unknown, 1);
	assert_int_equal(b->closed, 1);
	bindings_use(b->t, naming(b), 3 * NS);
	assert_int_equal(bindings_count(b->t).unknown, 0);
	assert_int_equal(b->opened, 3);
}

/* An identity that the image in force has no number for is $unknown, however known its text is. */
static void test_number_beyond_the_image(void **state)
{
	struct bench *b = *state;
	struct naming small = naming(b);
	const char *method;

	small.size = IDENTITY_FIRST;
	bindings_use(b->t, small, NS);
	assert_string_equal(identity(b, endpoint(1, 1, 0), &method), "$unknown");
}

static void test_sync(void **state)
{
	struct bench *b = *state;
	struct dp_binding held[3] = {
		{.addr = {10, 0, 0, 1},
		 .mac = {2, 0, 0, 0, 0, 1},
		 .domain = 10,
		 .port = 0,
		 .family = 4,
		 .identity = IDENTITY_UNKNOWN,
		 .lease_s = 100},
		{.addr = {10, 0, 0, 2},
		 .mac = {2, 0, 0, 0, 0, 2},
		 .domain = 10,
		 .port = 1,
		 .family = 4,
		 .lease_s = UINT32_MAX},
		{.addr = {1}, .family = 5},
	};
	struct dp_binding wrong[3], all[4];
	const char *method;

	identity(b, endpoint(3, 1, 0), &method);
	held[1].identity = dictionary_find(b->dict, "role=db,state=normal");
	held[1].dictionary = dictionary_size(b->dict);
	assert_int_equal(bindings_sync(b->t, held, 3, false, wrong, NS), 1);
	assert_int_equal(wrong[0].identity, dictionary_find(b->dict, "role=web,state=normal"));
	assert_int_equal(wrong[0].dictionary, dictionary_size(b->dict));
	assert_int_equal(wrong[0].lease_s, 100);
	assert_int_equal(bindings_count(b->t).bound, 2);
	assert_int_equal(b->closed, 1); /* what the dataplane does not hold */
	assert_int_equal(bindings_export(b->t, &(struct naming){b->rs, b->dict, dictionary_size(b->dict)},
					 all, 51 * NS),
			 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(all[i].lease_s, all[i].addr[3] == 1 ? 50 : UINT32_MAX);
	assert_int_equal(bindings_export(b->t, &(struct naming){b->rs, b->dict, dictionary_size(b->dict)},
					 all, 200 * NS),
			 1);
}

/* Not classified there yet, though the identity is the same number. */
static void test_sync_unclassified(void **state)
{
	struct bench *b = *state;
	struct dp_binding held = {.addr = {10, 0, 0, 99},
				  .mac = {2},
				  .domain = 10,
				  .family = 4,
				  .identity = IDENTITY_UNKNOWN,
				  .lease_s = 100};
	struct dp_binding wrong;

	assert_int_equal(bindings_sync(b->t, &held, 1, false, &wrong, NS), 1);
	held.dictionary = dictionary_size(b->dict);
	assert_int_equal(bindings_sync(b->t, &held, 1, false, &wrong, NS), 0);
}

/* A dataplane that just started is told what it cannot know, as long as the lease runs. */
static void test_offer(void **state)
{
	struct bench *b = *state;
	struct dp_binding wrong[2];
	const char *method;

	identity(b, endpoint(1, 1, 0), &method);
	assert_int_equal(bindings_sync(b->t, NULL, 0, true, wrong, 2 * NS), 1);
	assert_int_equal(wrong[0].identity, dictionary_find(b->dict, "role=web,state=normal"));
	assert_int_equal(wrong[0].lease_s, LEASE - 1);
	assert_int_equal(bindings_sync(b->t, NULL, 0, true, NULL, 2 * NS), 0);
	assert_int_equal(bindings_count(b->t).bound, 1);
	assert_int_equal(bindings_sync(b->t, NULL, 0, true, wrong, (LEASE + 2) * NS), 0);
	assert_int_equal(bindings_count(b->t).bound, 0);
	assert_int_equal(b->closed, 1);
}

static void test_find(void **state)
{
	struct bench *b = *state;
	struct dp_endpoint e = endpoint(2, 2, 0);
	const struct live_binding *l;
	const char *method;

	identity(b, e, &method);
	e.domain = 20;
	identity(b, e, &method);
	l = bindings_find(b->t, 4, e.addr, NULL);
	assert_non_null(l);
	l = bindings_find(b->t, 4, e.addr, l);
	assert_non_null(l);
	assert_null(bindings_find(b->t, 4, e.addr, l));
	assert_null(bindings_find(b->t, 6, e.addr, NULL));
	e.family = 7;
	assert_null(bindings_seen(b->t, &e, NS));
}

static void test_full(void **state)
{
	struct bench *b = *state;
	struct dp_endpoint e = endpoint(0, 5, 0);

	for (uint32_t i = 0; i < 65536; i++) {
		memcpy(e.addr, &i, 4);
		if (!bindings_seen(b->t, &e, NS))
			fail_msg("full at %u", i);
	}
	e.domain++;
	assert_null(bindings_seen(b->t, &e, NS));
	assert_int_equal(bindings_count(b->t).bound, 65536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_evidence),
		T(test_outside_is_world),
		T(test_history),
		T(test_no_policy),
		T(test_number_beyond_the_image),
		T(test_sync),
		T(test_sync_unclassified),
		T(test_offer),
		T(test_find),
		T(test_full),
	};

	return cmocka_run_group_tests_name("identity binding", tests, NULL, NULL);
}
