/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From evidence to identity, by example and, for the prefix tables, against the classifier over random
 * policies.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "random.h"

#define HEAD                                                                                                 \
	"cordon: 1\nbundle: {name: t, owner: o, timezone: UTC}\n"                                            \
	"labels: {role: [a, b, c], site: [x, y], state: {values: [n, q], default: n}}\nclassify:\n"

#define MAC1 "02:00:00:00:00:01"

static const char policy[] =
	HEAD "  - {id: wide, when: {prefix: 10.0.0.0/8}, set: {role: a}}\n"
	     "  - {id: narrow, when: {prefix: 10.1.0.0/16}, set: {role: b}}\n"
	     "  - {id: mac, when: {mac: \"" MAC1 "\"}, set: {role: c}}\n"
	     "  - {id: port, when: {port: p1}, set: {site: x}}\n"
	     "  - {id: vlan, when: {vlan: 7}, set: {site: y}}\n"
	     "  - {id: v6, when: {prefix: \"fd00::/8\"}, set: {role: a}}\n"
	     "  - {id: quarantine, when: {prefix: 10.9.0.0/16, vlan: 9}, set: {state: q}}\n"
	     "  - {id: lan, when: {prefix: 192.168.0.0/16, vlan: 5}, set: {site: x}}\n";

struct endpoint {
	const char *name, *addr, *mac, *port;
	uint16_t vlan;
	bool inside, own, group;
	const char *identity;
	const char *role_by; /* rule that gave `role`, NULL: not asked */
};

static const struct endpoint endpoints[] = {
	{"a prefix", "10.2.0.1", .identity = "role=a,state=n", .role_by = "wide"},
	{"the longer prefix wins", "10.1.0.1", .identity = "role=b,state=n", .role_by = "narrow"},
	{"the next address is outside it", "10.2.0.0", .identity = "role=a,state=n"},
	{"a MAC beats a prefix", "10.1.0.1", MAC1, .identity = "role=c,state=n", .role_by = "mac"},
	{"another MAC does not", "10.1.0.1", "02:00:00:00:00:02", .identity = "role=b,state=n"},
	{"a port adds its label", "10.1.0.1", .port = "p1", .identity = "role=b,site=x,state=n"},
	{"another port does not", "10.1.0.1", .port = "p2", .identity = "role=b,state=n"},
	{"equal strength, different values", "10.1.0.1", .port = "p1", .vlan = 7, .identity = "$conflict"},
	{"all conditions hold", "10.9.0.1", .vlan = 9, .identity = "role=a,state=q"},
	{"one condition does not", "10.9.0.1", .vlan = 8, .identity = "role=a,state=n"},
	{"IPv6", "fd01::1", .identity = "role=a,state=n", .role_by = "v6"},
	{"outside of all that is protected", "203.0.113.9", .identity = "$world"},
	{"a MAC does not change that", "203.0.113.9", MAC1, .identity = "$world"},
	{"seen inside it is not the world", "203.0.113.9", .inside = true, .identity = "$unknown"},
	{"seen inside a MAC speaks", "203.0.113.9", MAC1, .inside = true, .identity = "role=c,state=n"},
	{"protected and not described", "192.168.1.1", .identity = "$unknown"},
	{"protected and described", "192.168.1.1", .vlan = 5, .identity = "site=x,state=n"},
	{"link-local is never the world", "fe80::1", .identity = "$unknown"},
	{"link-local is known by its MAC", "fe80::1", MAC1, .identity = "role=c,state=n"},
	{"link-local IPv4", "169.254.1.1", .identity = "$unknown"},
	{"loopback", "127.0.0.1", .identity = "$unknown"},
	{"unspecified", "::", .identity = "$unknown"},
	{"a group", "ff02::1", .identity = "$multicast"},
	{"an IPv4 group", "239.1.1.1", MAC1, .identity = "$multicast"},
	{"broadcast by flag", "10.255.255.255", .group = true, .identity = "$multicast"},
	{"our own address", "10.1.0.1", MAC1, .own = true, .identity = "$gateway"},
};

static struct endpoint_evidence evidence_of(const struct endpoint *p)
{
	struct endpoint_evidence e = {
		.vlan = p->vlan, .port = p->port, .outside = !p->inside, .own = p->own, .group = p->group};

	e.family = addr_parse(p->addr, e.addr);
	assert_int_not_equal(e.family, 0);
	e.has_mac = p->mac && mac_parse(p->mac, e.mac);
	return e;
}

static void classifies(void **state)
{
	const struct endpoint *p = *state;
	struct endpoint_evidence e = evidence_of(p);
	struct ruleset *rs = must_compile(policy);
	ptrdiff_t by[LABELS_MAX];
	size_t i = policy_classify_why(rs, &e, by);

	assert_string_equal(rs->identities[i].text, p->identity);
	assert_int_equal(policy_classify(rs, &e), i);
	if (p->role_by)
		assert_string_equal(rs->classifiers[by[0]].id, p->role_by);
	else if (!strstr(p->identity, "role="))
		assert_true(by[0] == -1 || strcmp(p->identity, "$conflict") == 0);
	ruleset_free(rs);
}

/* The gateway's config says what is protected; a label outside of it does not make a host of the world known.
 */
static void takes_protected_from_the_config(void **state)
{
	static const struct cidr protected[] = {{4, 16, {10, 1}}};
	struct policy_env env = {.protected = protected, .n_protected = 1};
	struct policy_source source = {"t.yaml", policy, sizeof(policy) - 1};
	struct endpoint_evidence e = {.family = 4, .addr = {10, 1, 0, 1}, .outside = true};
	struct ruleset *rs;
	struct diags d;

	(void)state;
	diags_init(&d);
	rs = policy_compile(&source, 1, &env, &d);
	assert_non_null(rs);
	assert_string_equal(rs->identities[policy_classify(rs, &e)].text, "role=b,state=n");
	e.addr[1] = 2;
	assert_string_equal(rs->identities[policy_classify(rs, &e)].text, "$world");
	e.outside = false;
	assert_string_equal(rs->identities[policy_classify(rs, &e)].text, "role=a,state=n");
	ruleset_free(rs);
	diags_free(&d);
}

/* --- prefix tables
 * ------------------------------------------------------------------------------------------------------ */

static const struct prefix_range *range_of(const struct prefix_range *r, size_t n, const uint8_t addr[16])
{
	size_t i = n;

	while (i > 1 && memcmp(r[i - 1].from, addr, 16) > 0)
		i--;
	return &r[i - 1];
}

static void cuts_the_space(void **state)
{
	struct ruleset *rs = must_compile(policy);
	static const struct {
		const char *addr, *identity;
		bool final, outside;
	} want[] = {
		{"10.1.0.1", "role=b,state=n", false, false},
		{"10.200.0.1", "role=a,state=n", false, false},
		{"8.8.8.8", "$world", true, true},
		{"192.168.0.1", "$unknown", false, false},
		{"127.0.0.1", "$unknown", false, false},
		{"224.0.0.1", "$multicast", true, false},
		{"255.255.255.255", "$multicast", true, false},
	};
	size_t n;
	struct prefix_range *r = policy_prefixes(rs, 4, &n);

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		const struct prefix_range *hit;
		uint8_t addr[16];

		addr_parse(want[i].addr, addr);
		hit = range_of(r, n, addr);
		assert_string_equal(rs->identities[hit->identity].text, want[i].identity);
		assert_int_equal(hit->final, want[i].final);
		assert_int_equal(hit->outside_only, want[i].outside);
	}
	free(r);
	ruleset_free(rs);
}

/* A rule that says what the prefix says anyway, or is weaker, leaves the prefix the last word. */
static void knows_what_is_final(void **state)
{
	struct ruleset *rs =
		must_compile(HEAD "  - {id: 1, when: {prefix: 10.0.0.1/32}, set: {role: a, site: x}}\n"
				  "  - {id: 2, when: {prefix: 10.0.0.2/32}, set: {role: b, site: x}}\n"
				  "  - {id: 3, when: {mac: \"" MAC1 "\"}, set: {role: a}}\n"
				  "  - {id: 4, when: {vlan: 1}, set: {site: y}}\n"
				  "  - {id: 5, when: {prefix: 10.0.0.2/31, port: p}, set: {site: x}}\n");
	uint8_t one[16] = {10, 0, 0, 1}, two[16] = {10, 0, 0, 2};
	size_t n;
	struct prefix_range *r = policy_prefixes(rs, 4, &n);

	(void)state;
	assert_true(range_of(r, n, one)->final);
	assert_false(range_of(r, n, two)->final);
	free(r);
	ruleset_free(rs);
}

static unsigned below(struct rng *rnd, unsigned n)
{
	return (unsigned)rng_below(rnd, n);
}

static void random_policy(struct rng *rnd, char *text, size_t room)
{
	static const char *const sets[] = {"role: a", "role: b", "role: c",
					   "site: x", "site: y", "role: a, site: x"};
	size_t len = (size_t)snprintf(text, room, "%s", HEAD);

	for (unsigned i = 0, n = 1 + below(rnd, 8); i < n; i++) {
		unsigned bits = 24 + below(rnd, 9), low = below(rnd, 16) * 16 + below(rnd, 16);
		char extra[64] = "";

		low &= 0xff00u >> (bits - 24) & 0xff;
		if (below(rnd, 3) == 0)
			snprintf(extra, sizeof(extra), ", vlan: %u", 1 + below(rnd, 2));
		else if (below(rnd, 4) == 0)
			snprintf(extra, sizeof(extra), ", mac: \"02:00:00:00:00:%02x\"", below(rnd, 2));
		len += (size_t)snprintf(text + len, room - len,
					"  - {id: c%u, when: {prefix: 10.0.0.%u/%u%s}, set: {%s}}\n", i, low,
					bits, extra, sets[below(rnd, 6)]);
		if (below(rnd, 4) == 0)
			len += (size_t)snprintf(text + len, room - len,
						"  - {id: d%u, when: {port: p%u}, set: {%s}}\n", i,
						below(rnd, 2), sets[below(rnd, 6)]);
	}
}

/* Every identity that classify can give is in the space, and the prefix tables say what classify says. */
static void check_address(const struct ruleset *rs, const struct prefix_range *r, size_t n, uint8_t low,
			  struct rng *rnd)
{
	struct endpoint_evidence e = {.family = 4, .addr = {10, 0, 0, low}, .outside = true};
	const struct prefix_range *hit = range_of(r, n, e.addr);
	size_t full;

	assert_int_equal(policy_classify(rs, &e), hit->identity);
	e.vlan = (uint16_t)below(rnd, 4);
	e.has_mac = below(rnd, 2);
	memcpy(e.mac, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)below(rnd, 3)}, 6);
	e.port = below(rnd, 2) ? "p0" : "p1";
	full = policy_classify(rs, &e);
	assert_in_range(full, 0, rs->n_identities - 1);
	if (hit->final)
		assert_int_equal(full, hit->identity);
	if (full == 0 && rs->identities[hit->identity].reserved == 0)
		fail_msg("10.0.0.%u came to a label set outside the space", low);
}

static void tables_agree_with_classify(void **state)
{
	struct rng rnd = {7};
	char text[4096];

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct ruleset *rs;
		struct prefix_range *r;
		size_t n;

		random_policy(&rnd, text, sizeof(text));
		rs = must_compile(text);
		r = policy_prefixes(rs, 4, &n);
		assert_non_null(r);
		for (unsigned low = 0; low < 256; low++)
			check_address(rs, r, n, (uint8_t)low, &rnd);
		free(r);
		ruleset_free(rs);
	}
}

#define N_ENDPOINTS (sizeof(endpoints) / sizeof(*endpoints))

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(takes_protected_from_the_config),
		cmocka_unit_test(cuts_the_space),
		cmocka_unit_test(knows_what_is_final),
		cmocka_unit_test(tables_agree_with_classify),
	};
	struct CMUnitTest tests[N_ENDPOINTS + sizeof(others) / sizeof(*others)];

	for (size_t i = 0; i < N_ENDPOINTS; i++)
		tests[i] = (struct CMUnitTest){endpoints[i].name, classifies, NULL, NULL,
					       (void *)(uintptr_t)&endpoints[i]};
	memcpy(tests + N_ENDPOINTS, others, sizeof(others));
	return cmocka_run_group_tests_name("policy-classify", tests, NULL, NULL);
}
