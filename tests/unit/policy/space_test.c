/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The identity space: which label sets exist, and that it stays bounded.
 */
#include "fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "random.h"

#define HEAD   "cordon: 1\nbundle: {name: t, owner: o, timezone: UTC}\n"
#define LABELS HEAD "labels: {role: [a, b], site: [x, y]}\nclassify:\n"

struct space {
	const char *name, *text;
	const char *sets[8]; /* all label sets, in order */
};

static const struct space spaces[] = {
	{"no rule, no set", HEAD, {NULL}},
	{"prefixes apart exclude each other",
	 LABELS "  - {id: 1, when: {prefix: 10.0.0.0/9}, set: {role: a}}\n"
		"  - {id: 2, when: {prefix: 10.128.0.0/9}, set: {site: x}}\n",
	 {"role=a", "site=x"}},
	{"families exclude each other",
	 LABELS "  - {id: 1, when: {prefix: 0.0.0.0/0}, set: {role: a}}\n"
		"  - {id: 2, when: {prefix: \"::/0\"}, set: {site: x}}\n",
	 {"role=a", "site=x"}},
	{"nested prefixes meet",
	 LABELS "  - {id: 1, when: {prefix: 10.0.0.0/8}, set: {role: a}}\n"
		"  - {id: 2, when: {prefix: 10.1.0.0/16}, set: {site: x}}\n",
	 {"role=a", "role=a,site=x", "site=x"}},
	{"MACs exclude each other and meet prefixes",
	 LABELS "  - {id: 1, when: {mac: \"02:00:00:00:00:01\"}, set: {role: a}}\n"
		"  - {id: 2, when: {mac: \"02:00:00:00:00:02\"}, set: {role: b}}\n"
		"  - {id: 3, when: {prefix: 10.0.0.0/8}, set: {site: x}}\n",
	 {"role=a", "role=a,site=x", "role=b", "role=b,site=x", "site=x"}},
	{"ports exclude each other, so do VLANs",
	 LABELS
	 "  - {id: 1, when: {port: p}, set: {role: a}}\n  - {id: 2, when: {port: q}, set: {role: b}}\n"
	 "  - {id: 3, when: {vlan: 1}, set: {site: x}}\n  - {id: 4, when: {vlan: 2}, set: {site: y}}\n",
	 {"role=a", "role=a,site=x", "role=a,site=y", "role=b", "role=b,site=x", "role=b,site=y", "site=x",
	  "site=y"}},
	{"the stronger value wins, the weaker rule stays a set of its own",
	 LABELS "  - {id: 1, when: {mac: \"02:00:00:00:00:01\"}, set: {role: a}}\n"
		"  - {id: 2, when: {prefix: 10.0.0.0/8}, set: {role: b}}\n",
	 {"role=a", "role=b"}},
	{"rules that tie a MAC to a prefix",
	 LABELS "  - {id: 1, when: {mac: \"02:00:00:00:00:01\", prefix: 10.0.0.0/8}, set: {role: a}}\n"
		"  - {id: 2, when: {prefix: 11.0.0.0/8}, set: {site: x}}\n"
		"  - {id: 3, when: {prefix: 10.1.0.0/16}, set: {site: y}}\n",
	 {"role=a", "role=a,site=y", "site=x", "site=y"}},
	{"a rule without prefix still holds beside one that ties a MAC to a prefix",
	 LABELS "  - {id: 1, when: {vlan: 1}, set: {role: a}}\n"
		"  - {id: 2, when: {vlan: 1, prefix: 11.0.0.0/8}, set: {role: a}}\n"
		"  - {id: 3, when: {mac: \"02:00:00:00:00:01\", prefix: 10.0.0.0/8}, set: {site: x}}\n",
	 {"role=a", "role=a,site=x", "site=x"}},
	{"a conflict is no set",
	 LABELS
	 "  - {id: 1, when: {port: p}, set: {role: a}}\n  - {id: 2, when: {vlan: 1}, set: {role: b}}\n",
	 {"role=a", "role=b"}},
	{"defaulted labels take every value",
	 HEAD "labels: {role: [a], state: {values: [n, q], default: n}}\n"
	      "classify: [{id: 1, when: {vlan: 1}, set: {role: a}}]\n",
	 {"role=a,state=n", "role=a,state=q"}},
	{"a set of a defaulted label alone",
	 HEAD "labels: {role: [a], state: {values: [n, q], default: n}}\n"
	      "classify: [{id: 1, when: {vlan: 1}, set: {state: q}}]\n",
	 {"state=n", "state=q"}},
};

static void holds(void **state)
{
	const struct space *s = *state;
	struct ruleset *rs = must_compile(s->text);
	size_t n = 0;

	while (n < 8 && s->sets[n])
		n++;
	for (size_t i = 0; i < n && i + 5 < rs->n_identities; i++)
		assert_string_equal(rs->identities[5 + i].text, s->sets[i]);
	assert_int_equal(rs->n_identities, 5 + n);
	for (size_t i = 0; i < rs->n_identities; i++)
		assert_int_equal(ruleset_find_identity(rs, rs->identities[i].text), i);
	assert_int_equal(ruleset_find_identity(rs, "role=nobody"), -1);
	ruleset_free(rs);
}

/* `n_roles` roles, one of them earned by a VLAN, and a defaulted label of `n_states` values. */
static char *many_states(unsigned n_roles, unsigned n_states)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fprintf(out, HEAD "labels:\n  role: [");
	for (unsigned i = 0; i < n_roles; i++)
		fprintf(out, "%sr%u", i ? ", " : "", i);
	fprintf(out, "]\n  state: {default: s0, values: [");
	for (unsigned i = 0; i < n_states; i++)
		fprintf(out, "%ss%u", i ? ", " : "", i);
	fprintf(out, "]}\nclassify:\n");
	for (unsigned i = 0; i < n_roles; i++)
		fprintf(out, "  - {id: c%u, when: {vlan: %u}, set: {role: r%u}}\n", i, i + 1, i);
	fclose(out);
	return text;
}

static void takes_as_many_as_there_are_numbers(void **state)
{
	char *text = many_states(32, 2047); /* 32 * 2047 = 65,504 */
	struct ruleset *rs = must_compile(text);

	(void)state;
	assert_int_equal(rs->n_identities, 5 + 65504);
	ruleset_free(rs);
	free(text);
}

static void refuses(const char *text, const char *says)
{
	struct policy_source source = {"t.yaml", text, strlen(text)};
	struct diags d;

	diags_init(&d);
	assert_null(policy_compile(&source, 1, NULL, &d));
	assert_int_equal(d.n_errors, 1);
	if (!strstr(d.items[0].text, says))
		fail_msg("said `%s`", d.items[0].text);
	diags_free(&d);
}

static void refuses_more(void **state)
{
	char *text = many_states(33, 1985); /* one more than fits */

	(void)state;
	refuses(text, "capacity: classify and defaults make 65505 identities, at most 65504 are possible");
	free(text);
}

/* 300 values of each of four labels, by port, VLAN, MAC and prefix: 300^4 label sets. */
static void gives_up_on_explosions(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	fprintf(out, HEAD "labels:\n");
	for (unsigned k = 0; k < 4; k++) {
		fprintf(out, "  l%u: [", k);
		for (unsigned i = 0; i < 300; i++)
			fprintf(out, "%sv%u", i ? ", " : "", i);
		fprintf(out, "]\n");
	}
	fprintf(out, "classify:\n");
	for (unsigned i = 0; i < 300; i++) {
		fprintf(out, "  - {id: p%u, when: {port: p%u}, set: {l0: v%u}}\n", i, i, i);
		fprintf(out, "  - {id: v%u, when: {vlan: %u}, set: {l1: v%u}}\n", i, i + 1, i);
		fprintf(out, "  - {id: m%u, when: {mac: \"02:00:00:00:%02x:%02x\"}, set: {l2: v%u}}\n", i,
			i >> 8, i & 255, i);
		fprintf(out, "  - {id: a%u, when: {prefix: 10.0.%u.%u/32}, set: {l3: v%u}}\n", i, i >> 8,
			i & 255, i);
	}
	fclose(out);
	refuses(text, "capacity: the classify rules can hold together in more ways");
	free(text);
}

/* --- every endpoint has its set --------------------------------------------------------------------------
 */

static const char *const prefixes[] = {"10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "11.0.0.0/8", "fd00::/16"};
static const char *const addresses[] = {"10.9.0.1", "10.1.9.1", "10.1.1.9", "11.0.0.1", "fd00::1", "fe80::1"};
static const char *const ports[] = {NULL, "p", "q"};
static const char *const macs[] = {"02:00:00:00:00:00", "02:00:00:00:00:01", "02:00:00:00:00:02"};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* Up to seven rules whose conditions meet often. */
static void draw_rules(struct rng *r, char *text, size_t room)
{
	size_t n = 2 + rng_below(r, 6), len = (size_t)snprintf(text, room, "%s", LABELS);

	for (size_t i = 0; i < n; i++) {
		unsigned which = 1 + (unsigned)rng_below(r, 15), set = 1 + (unsigned)rng_below(r, 3);

		len += (size_t)snprintf(text + len, room - len, "  - {id: c%zu, when: {", i);
		if (which & 1)
			len += (size_t)snprintf(text + len, room - len, "prefix: \"%s\", ",
						prefixes[rng_below(r, COUNT(prefixes))]);
		if (which & 2)
			len += (size_t)snprintf(text + len, room - len, "mac: \"%s\", ",
						macs[1 + rng_below(r, 2)]);
		if (which & 4)
			len += (size_t)snprintf(text + len, room - len, "vlan: %zu, ", 1 + rng_below(r, 2));
		if (which & 8)
			len += (size_t)snprintf(text + len, room - len, "port: %s, ",
						ports[1 + rng_below(r, 2)]);
		len += (size_t)snprintf(text + len, room - len, "}, set: {");
		if (set & 1)
			len += (size_t)snprintf(text + len, room - len, "role: %s, ",
						rng_chance(r, 50) ? "a" : "b");
		if (set & 2)
			len += (size_t)snprintf(text + len, room - len, "site: %s, ",
						rng_chance(r, 50) ? "x" : "y");
		len += (size_t)snprintf(text + len, room - len, "}}\n");
	}
	assert_true(len < room);
}

static bool rule_holds(const struct classifier *c, const struct endpoint_evidence *e, bool by_prefix)
{
	return (!c->has_prefix ||
		(by_prefix && c->family == e->family && addr_in_prefix(e->addr, c->prefix, c->prefix_len))) &&
	       (!c->has_mac || memcmp(c->mac, e->mac, sizeof(c->mac)) == 0) &&
	       (!c->has_vlan || c->vlan == e->vlan) &&
	       (!c->has_port || (e->port && strcmp(c->port, e->port) == 0));
}

/* The winning value of a label, worded as the language page does: 0 none, -1 a conflict. */
static int winner(const struct ruleset *rs, const struct endpoint_evidence *e, bool by_prefix, size_t label)
{
	int best_strength = 0, best_len = -1, value = 0;

	for (size_t i = 0; i < rs->n_classifiers; i++) {
		const struct classifier *c = &rs->classifiers[i];
		int strength = c->has_mac ? 2 : 1, len = c->has_prefix ? c->prefix_len : -1;

		if (!c->value[label] || !rule_holds(c, e, by_prefix))
			continue;
		if (strength > best_strength || (strength == best_strength && len > best_len)) {
			best_strength = strength;
			best_len = len;
			value = c->value[label];
		} else if (strength == best_strength && len == best_len && value != c->value[label]) {
			value = -1;
		}
	}
	return value;
}

/* `role` and `site` are the only labels, in this order. */
static void expected_text(const struct ruleset *rs, const struct endpoint_evidence *e, char *text,
			  size_t room)
{
	bool by_prefix = addr_kind(e->family, e->addr) == ADDR_UNICAST;
	int role = winner(rs, e, by_prefix, 0), site = winner(rs, e, by_prefix, 1);

	if (role < 0 || site < 0)
		snprintf(text, room, "$conflict");
	else if (!role && !site)
		snprintf(text, room, "$unknown");
	else
		snprintf(text, room, "%s%s%s%s%s", role ? "role=" : "",
			 role ? rs->labels[0].values[role - 1] : "", role && site ? "," : "",
			 site ? "site=" : "", site ? rs->labels[1].values[site - 1] : "");
}

static void ask_endpoint(const struct ruleset *rs, uint64_t seed, size_t which)
{
	struct endpoint_evidence e = {.has_mac = true};
	char expected[64];

	e.family = addr_parse(addresses[which % COUNT(addresses)], e.addr);
	which /= COUNT(addresses);
	e.port = ports[which % COUNT(ports)];
	which /= COUNT(ports);
	e.vlan = (uint16_t)(which % 3);
	mac_parse(macs[which / 3], e.mac);
	expected_text(rs, &e, expected, sizeof(expected));
	if (strcmp(rs->identities[policy_classify(rs, &e)].text, expected) != 0)
		fail_msg("seed %" PRIu64 ": %s instead of %s", seed,
			 rs->identities[policy_classify(rs, &e)].text, expected);
}

static void every_endpoint_has_its_set(void **state)
{
	char text[4096];

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct rng r = {seed};
		struct ruleset *rs;

		draw_rules(&r, text, sizeof(text));
		rs = must_compile(text);
		for (size_t i = 0; i < COUNT(addresses) * COUNT(ports) * 3 * COUNT(macs); i++)
			ask_endpoint(rs, seed, i);
		ruleset_free(rs);
	}
}

#define N_SPACES (sizeof(spaces) / sizeof(*spaces))

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(takes_as_many_as_there_are_numbers),
		cmocka_unit_test(refuses_more),
		cmocka_unit_test(gives_up_on_explosions),
		cmocka_unit_test(every_endpoint_has_its_set),
	};
	struct CMUnitTest tests[N_SPACES + sizeof(others) / sizeof(*others)];

	for (size_t i = 0; i < N_SPACES; i++)
		tests[i] =
			(struct CMUnitTest){spaces[i].name, holds, NULL, NULL, (void *)(uintptr_t)&spaces[i]};
	memcpy(tests + N_SPACES, others, sizeof(others));
	return cmocka_run_group_tests_name("policy-space", tests, NULL, NULL);
}
