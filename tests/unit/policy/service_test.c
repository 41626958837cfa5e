/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services and selectors as people type them, and as policies define them.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICES                                                                                             \
	"  narrow: {proto: tcp, dport: 1000-2000}\n"                                                         \
	"  two: {any: [{proto: tcp, dport: 80}, {proto: tcp, dport: 81}, {proto: udp, dport: 53}]}\n"        \
	"  echo4: {proto: icmp, type: echo-request}\n"                                                       \
	"  unreach: {proto: icmpv6, type: 1, code: 4}\n"                                                     \
	"  stamp: {proto: icmp, type: 13}\n"                                                                 \
	"  gre: {proto: gre}\n"                                                                              \
	"  proto6: {proto: 6, dport: 0-65535}\n"

static const char policy[] = "cordon: 1\nbundle: {name: t, owner: o, timezone: UTC}\n"
			     "labels: {role: [a, b, spare], state: {values: [n, q], default: n}}\n"
			     "classify:\n  - {id: ca, when: {prefix: 10.0.0.1/32}, set: {role: a}}\n"
			     "  - {id: cb, when: {prefix: 10.0.0.0/24}, set: {role: b}}\n"
			     "groups: {ga: {role: a}, sick: {state: q}}\nservices:\n" SERVICES
			     "rules:\n  - {id: r, effect: deny, from: any, to: any, service: [47, icmp/17, "
			     "esp, icmpv6/128], " OWNED "}\n";

struct typed_service {
	const char *text, *ranges; /* ranges NULL: refused */
};

static const struct typed_service services[] = {
	{"tcp/443", "tcp/443-tcp/443"},
	{"udp/1000-2000", "udp/1000-udp/2000"},
	{"icmp/8", "icmp/8/0-icmp/8/255"},
	{"icmp/echo-request", "icmp/8/0-icmp/8/255"},
	{"icmpv6/128/0", "icmpv6/128/0-icmpv6/128/0"},
	{"47", "47-47"},
	{"esp", "50-50"},
	{"6/22", "tcp/22-tcp/22"},
	{"ping", "icmp/8/0-icmp/8/255 icmpv6/128/0-icmpv6/128/255"},
	{"any", "icmp/8/0-icmp/8/255 tcp/0-tcp/65535 udp/0-udp/65535 icmpv6/128/0-icmpv6/128/255"},
	{"narrow", "tcp/1000-tcp/2000"},
	{"two", "tcp/80-tcp/81 udp/53-udp/53"},
	{"echo4", "icmp/8/0-icmp/8/255"},
	{"unreach", "icmpv6/1/4-icmpv6/1/4"},
	{"stamp", "icmp/13/0-icmp/13/255"},
	{"gre", "47-47"},
	{"proto6", "tcp/0-tcp/65535"},
	{"tcp", NULL},
	{"tcp/", NULL},
	{"tcp/65536", NULL},
	{"tcp/2-1", NULL},
	{"tcp/1-2-3", NULL},
	{"tcp/-1", NULL},
	{"tcp/0x10", NULL},
	{"icmp", NULL},
	{"icmp/256", NULL},
	{"icmp/8/256", NULL},
	{"icmp/8/0/0", NULL},
	{"gre/1", NULL},
	{"256", NULL},
	{"0", NULL},
	{"51", NULL},
	{"", NULL},
	{"/", NULL},
	{"nothing", NULL},
};

static void parses_service(void **state)
{
	const struct typed_service *s = *state;
	struct ruleset *rs = must_compile(policy);
	struct service_range ranges[8];
	char error[128] = "", text[256] = "", first[24], last[24];
	size_t n = 0;
	bool ok = policy_parse_service(rs, s->text, ranges, &n, 8, error, sizeof(error));

	assert_int_equal(ok, s->ranges != NULL);
	assert_int_equal(*error != '\0', !ok);
	for (size_t i = 0; ok && i < n; i++) {
		service_key_text(ranges[i].from, first, sizeof(first));
		service_key_text(ranges[i].to - 1, last, sizeof(last));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s-%s", i ? " " : "", first,
			 last);
	}
	if (ok)
		assert_string_equal(text, s->ranges);
	ruleset_free(rs);
}

static void notes_named(void **state)
{
	struct ruleset *rs = must_compile(policy);
	uint64_t proto[4] = {UINT64_C(1) << 47 | UINT64_C(1) << 50}, icmp[4] = {1 << 13 | 1 << 17},
		 icmpv6[4] = {1 << 1};

	(void)state;
	assert_memory_equal(rs->named_proto, proto, sizeof(proto));
	assert_memory_equal(rs->named_icmp, icmp, sizeof(icmp));
	assert_memory_equal(rs->named_icmpv6, icmpv6, sizeof(icmpv6));
	ruleset_free(rs);
}

static void limits_ranges(void **state)
{
	struct ruleset *rs = must_compile(policy);
	struct service_range ranges[3];
	char error[128];
	size_t n;

	(void)state;
	assert_false(policy_parse_service(rs, "any", ranges, &n, 3, error, sizeof(error)));
	assert_non_null(strstr(error, "more than 3 ranges"));
	ruleset_free(rs);
}

struct typed_who {
	const char *text, *identities; /* NULL: refused */
};

static const struct typed_who whos[] = {
	{"ga", "role=a,state=n"},
	{"sick", "role=a,state=q role=b,state=q"},
	{"role=a", "role=a,state=n"},
	{"role=a,state=q", "role=a,state=q"},
	{"state=n", "role=a,state=n role=b,state=n"},
	{"$unknown", "$unknown"},
	{"$conflict", "$conflict"},
	{"$known", "role=a,state=n role=b,state=n"},
	{"any", "$unknown $conflict $gateway $world $multicast role=a,state=n role=b,state=n"},
	{"10.0.0.1", "role=a,state=n"},
	{"10.0.0.2", "role=b,state=n"},
	{"10.0.1.1", "$world"},
	{"ff02::1", "$multicast"},
	{"role=spare", NULL},
	{"role=zz", NULL},
	{"rolle=a", NULL},
	{"role=a,role=b", NULL},
	{"role", NULL},
	{"role=a,", NULL},
	{"10.0.0.1/32", NULL},
	{"$nobody", NULL},
	{"", NULL},
};

static void parses_who(void **state)
{
	const struct typed_who *w = *state;
	struct ruleset *rs = must_compile(policy);
	char error[128] = "", text[256] = "";
	uint64_t set[4];
	bool ok;

	assert_in_range(rs->set_words, 1, 4);
	ok = policy_parse_who(rs, w->text, set, error, sizeof(error));
	assert_int_equal(ok, w->identities != NULL);
	assert_int_equal(*error != '\0', !ok);
	for (size_t i = 0; ok && i < rs->n_identities; i++)
		if (identity_in(set, i))
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? " " : "",
				 rs->identities[i].text);
	if (ok)
		assert_string_equal(text, w->identities);
	ruleset_free(rs);
}

#define N_SERVICES (sizeof(services) / sizeof(*services))
#define N_WHOS     (sizeof(whos) / sizeof(*whos))

int main(void)
{
	static const struct CMUnitTest others[] = {cmocka_unit_test(notes_named),
						   cmocka_unit_test(limits_ranges)};
	struct CMUnitTest tests[N_SERVICES + N_WHOS + sizeof(others) / sizeof(*others)], *t = tests;

	for (size_t i = 0; i < N_SERVICES; i++)
		*t++ = (struct CMUnitTest){services[i].text, parses_service, NULL, NULL,
					   (void *)(uintptr_t)&services[i]};
	for (size_t i = 0; i < N_WHOS; i++)
		*t++ = (struct CMUnitTest){whos[i].text, parses_who, NULL, NULL, (void *)(uintptr_t)&whos[i]};
	memcpy(t, others, sizeof(others));
	return cmocka_run_group_tests_name("policy-service", tests, NULL, NULL);
}
