/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From policy text to ruleset, and the questions one asks of it. Pure: no files, no sockets, no clock.
 * Semantics: the policy language page in the documentation; eval() is its specification in code: slow and
 * obvious.
 */
#pragma once

#include "ruleset.h"

/* One file of a bundle. Borrowed for the call; `name` must outlive the ruleset's places and the findings. */
struct policy_source {
	const char *name;
	const char *text;
	size_t len;
};

/* What the gateway's config says, when there is one. */
struct policy_env {
	const char *const *ports; /* known port names; NULL: not checked */
	size_t n_ports;
	const struct cidr *protected; /* NULL: take the prefixes of classify */
	size_t n_protected;
	/* UTC second at which the civil day `y-m-d` ends in `zone`; false if the zone is unknown. NULL: UTC.
	 */
	bool (*day_end)(void *ctx, const char *zone, int year, int month, int day, int64_t *end);
	void *ctx;
};

/*
 * Parse and resolve. All errors are found as far as possible, each with its place. NULL if there was any
 * error. Tests are loaded but not run. `env` may be NULL.
 */
struct ruleset *policy_compile(const struct policy_source *sources, size_t n, const struct policy_env *env,
			       struct diags *d);
void ruleset_free(struct ruleset *rs);

/* Warnings that need a clock: review_by passed; and those that do not: overlap of allow and deny in a tier.
 */
void policy_warn(const struct ruleset *rs, int64_t now_utc, struct diags *d);

/* The canonical form that is hashed: stable text, one fact a line. malloc'ed. */
char *policy_print_canonical(const struct ruleset *rs, size_t *len);

/* --- evaluation
 * ---------------------------------------------------------------------------------------------- */

struct decision {
	enum verdict verdict, intended;
	rule_ref rule, intended_rule;
	uint8_t reason, intended_reason; /* enum reason: RULE, NO_RULE, SCOPE or CONFLICT */
	bool reject, log_always;
};

/* `from` and `to` are indices into the identity space. */
void policy_eval(const struct ruleset *rs, size_t from, size_t to, service_key key, int64_t at_utc,
		 struct decision *out);

/* --- classification
 * ------------------------------------------------------------------------------------------ */

struct endpoint_evidence {
	uint8_t family; /* 4 or 6 */
	uint8_t addr[16];
	bool has_mac;
	uint8_t mac[6];
	uint16_t vlan;    /* broadcast domain's VLAN; 0 unknown */
	const char *port; /* NULL: unknown */
	bool outside;     /* seen at an outside port; offline always true */
	bool own;         /* one of the gateway's own addresses */
	bool group;       /* group destination */
};

/* Index of the endpoint's identity. Never fails: what no rule matches is $unknown or $world. */
size_t policy_classify(const struct ruleset *rs, const struct endpoint_evidence *e);
/* The same, telling for each label key which classify rule gave the winning value (-1 none); `by` has
 * n_labels. */
size_t policy_classify_why(const struct ruleset *rs, const struct endpoint_evidence *e, ptrdiff_t *by);

/*
 * Identity by address alone, as a partition of one family's address space in ascending order (image prefix
 * tables). FINAL: no rule with another condition could change the answer for an address of this range.
 */
struct prefix_range {
	uint8_t from[16]; /* network order */
	size_t identity;
	bool final, outside_only;
};
/* malloc'ed array, *n entries; entry 0 starts at the zero address. */
struct prefix_range *policy_prefixes(const struct ruleset *rs, uint8_t family, size_t *n);

/* --- selectors and services as people type them
 * ------------------------------------------------------------------ */

/*
 * A group, `k=v,k=v`, `$name`, `any`, or an address (classified by prefix). Fills `set` (set_words words)
 * with defaulted labels at their default unless mentioned. False with a message in `error`.
 */
bool policy_parse_who(const struct ruleset *rs, const char *text, uint64_t *set, char *error, size_t room);
/* `tcp/443`, `udp/1000-2000`, a service name, `ping` (echo of both families), `icmp/8`, `icmpv6/128/0`,
 * `any`. */
bool policy_parse_service(const struct ruleset *rs, const char *text, struct service_range *ranges, size_t *n,
			  size_t max, char *error, size_t room);
/* `tcp/443`, `icmp/8/0`, `47`. */
void service_key_text(service_key key, char *buffer, size_t room);

/* --- tests inside the policy
 * ------------------------------------------------------------------------------------- */

struct test_result {
	const struct policy_test *test;
	bool passed;
	char text[256]; /* if failed: the first identity pair and what came out instead */
};

/* `results` has rs->n_tests entries. Returns the number that failed. */
size_t policy_run_tests(const struct ruleset *rs, int64_t now_utc, struct test_result *results);
