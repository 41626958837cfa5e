/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ruleset: a policy in normal form. Immutable after policy_compile(); owns all that it points to; any
 * number of threads may read. Everything below the text (tests, compiler, explain) works on this and on
 * nothing else.
 *
 * Order never matters: rules and scopes are sorted by id, so a rule's number (rule_ref) is its index + 1 and
 * a scope's is its index under RULE_SCOPE_BIT. `digest` is SHA-256 over the canonical form
 * (policy_print_canonical()).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"
#include "verdict.h"

#define TIME_NEVER INT64_MAX
#define LABELS_MAX 32u

struct label_key {
	const char *name;
	struct place place;
	size_t n_values;
	const char **values;      /* in the order written */
	uint16_t default_value;   /* value number (1..n), 0 none */
	struct bytemap *by_value; /* value -> its number */
};

/*
 * One identity of the space: a reserved one, or a label set. `value[k]` is 0 (unset) or the number of key k's
 * value. `text` is canonical: `$unknown`, or `app=hr,role=web,state=normal` with keys in alphabetical order.
 */
struct identity {
	uint16_t reserved; /* IDENTITY_UNKNOWN ... IDENTITY_MULTICAST, or 0 */
	uint16_t value[LABELS_MAX];
	const char *text;
};

/* A set of identities of the space, as bits by index into ruleset.identities. */
typedef uint64_t *identity_set;
static inline bool identity_in(const uint64_t *set, size_t i)
{
	return set[i / 64] >> (i % 64) & 1;
}

/* A set of service keys: sorted, disjoint, not touching. [from, to) */
struct service_range {
	service_key from, to;
};
struct service_set {
	const struct service_range *ranges;
	size_t n;
};
bool service_has(const struct service_set *s, service_key key);

struct service {
	const char *name;
	struct place place;
	struct service_set set;
};

enum effect { EFFECT_ALLOW, EFFECT_DENY };
enum tier { TIER_GUARD, TIER_TEAM, TIER_BASELINE, TIER_COUNT };
enum mode { MODE_ENFORCE, MODE_MONITOR, MODE_OFF };
enum action { ACTION_DROP, ACTION_REJECT };
enum log_mode { LOG_DEFAULT, LOG_ALWAYS };

struct selector {
	identity_set set;
	const char *text; /* as canonical text, for messages */
};

struct rule {
	const char *id;
	struct place place;
	enum effect effect;
	enum tier tier;
	enum mode mode;
	enum action action;
	enum log_mode log;
	bool keep;
	struct selector from, to;
	struct service_set service;
	const char *service_text;
	const char *owner, *why, *ticket; /* why, ticket may be NULL */
	const char *review_by;            /* YYYY-MM-DD */
	int64_t review_end;               /* UTC seconds at which that day is over in the bundle's zone */
};

struct scope {
	const char *id;
	struct place place;
	struct selector from, to;
	enum mode mode; /* MODE_ENFORCE or MODE_MONITOR */
	struct service_set enforce_services;
	const char *enforce_text; /* as canonical text; NULL: none */
};

/* `when` of a classify rule; all given conditions must hold. */
struct classifier {
	const char *id;
	struct place place;
	bool has_prefix, has_mac, has_port, has_vlan;
	uint8_t family; /* of the prefix: 4 or 6 */
	uint8_t prefix_len;
	uint8_t prefix[16];
	uint8_t mac[6];
	uint16_t vlan;
	const char *port;
	uint8_t strength; /* of the strongest condition */
	uint16_t value[LABELS_MAX];
};

struct group {
	const char *name;
	struct place place;
	struct selector selector;
	uint32_t mentions; /* bit per label key: which labels it speaks of */
};

struct policy_test {
	const char *name;
	struct place place;
	identity_set from, to;           /* defaulted labels already at their default unless mentioned */
	const char *from_text, *to_text; /* as canonical text */
	struct service_set service;
	bool has_at;
	int64_t at; /* UTC seconds */
	/* expectations; has_* says which were written */
	bool has_verdict, has_intended, has_rule, has_intended_rule, has_reason;
	enum verdict verdict, intended;
	const char *rule, *intended_rule;
	uint8_t reason;
};

struct profile {
	const char *name;
	struct place place;
	const char *mission, *owner; /* may be NULL */
	identity_set members;
	const char *members_text; /* as canonical text */
};

/* What the policy is measured by; each may be NULL. */
struct framework {
	const char *model, *version, *checked;
};

/* Addresses the gateway protects; what lies outside them is $world. */
struct cidr {
	uint8_t family, len;
	uint8_t addr[16];
};

struct ruleset {
	const char *name, *owner, *timezone;
	bool has_tests_at;
	int64_t tests_at;
	uint8_t digest[32];
	struct framework framework;

	size_t n_labels, n_classifiers, n_groups, n_services, n_rules, n_scopes, n_tests, n_profiles,
		n_protected;
	struct label_key *labels; /* sorted by name */
	struct classifier *classifiers;
	struct group *groups;
	struct service *services;
	struct rule *rules;   /* sorted by id; mode off included, they match nothing */
	struct scope *scopes; /* sorted by id */
	struct policy_test *tests;
	struct profile *profiles;
	struct cidr *protected; /* from the environment, or every prefix that classify names */

	/* The identity space. The first five are $unknown, $conflict, $gateway, $world, $multicast; label
	 * sets follow, sorted by text. */
	size_t n_identities;
	struct identity *identities;
	size_t set_words;                /* 64-bit words of an identity_set */
	const struct bytemap *by_values; /* identity.value -> its index, for classify */

	/* services some rule or service entry names beyond TCP, UDP and echo: bit per protocol or ICMP type
	 */
	uint64_t named_proto[4], named_icmp[4], named_icmpv6[4];

	void *memory; /* arena of all of the above */
};

/* "default-deny", a rule's id or "scope:<id>". */
const char *ruleset_rule_text(const struct ruleset *rs, rule_ref ref, char *buffer, size_t room);
/* Index of the identity with this canonical text, or -1. */
ptrdiff_t ruleset_find_identity(const struct ruleset *rs, const char *text);
