/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the steps from text to ruleset share; internal to this folder. A build lives as long as one call of
 * policy_compile(). Sections are read in the order of enum section, whatever their order in the files, so
 * that each finds the names it needs; within a section no order matters.
 */
#pragma once

#include "arena.h"
#include "bytemap.h"
#include "policy.h"
#include "rule_view.h"
#include "yaml.h"

enum section {
	SECTION_CORDON,
	SECTION_BUNDLE,
	SECTION_LABELS,
	SECTION_CLASSIFY,
	SECTION_GROUPS,
	SECTION_SERVICES,
	SECTION_PROFILES,
	SECTION_RULES,
	SECTION_SCOPES,
	SECTION_TESTS,
	SECTION_COUNT
};

struct build {
	struct arena *arena;   /* the ruleset's */
	struct arena *scratch; /* ends with the build */
	struct diags *diags;
	const struct policy_env *env; /* never NULL */
	struct ruleset *rs;
	struct bytemap *files; /* source name -> lasting copy */
	struct bytemap *sets;  /* canonical selector -> its set */
	struct yaml_tree **trees;
	const struct yaml_node **part[SECTION_COUNT]; /* each file's value of the section */
	size_t n_parts[SECTION_COUNT];
	bool open[SECTION_COUNT]; /* a syntax error may hide some of its names */
};

/* A place that lasts as long as the ruleset. */
struct place build_place(struct build *b, const struct yaml_node *n);

/* One step per section, in this order. */
void load_bundle(struct build *b);
void load_labels(struct build *b);
void load_classify(struct build *b);
void load_groups(struct build *b);
void load_services(struct build *b);
void load_profiles(struct build *b);
void load_rules(struct build *b);
void load_scopes(struct build *b);
void load_tests(struct build *b);

/* The identity space of labels and classifiers; false if there are too many. */
bool make_space(struct build *b);

/* --- names
 * ------------------------------------------------------------------------------------------------------- */

ptrdiff_t find_label(const struct ruleset *rs, const char *name);
/* Number of a label's value, 0 if it has none of this name. */
uint16_t find_value(const struct ruleset *rs, size_t label, const char *value);
ptrdiff_t find_group(const struct ruleset *rs, const char *name);
ptrdiff_t find_service(const struct ruleset *rs, const char *name);
ptrdiff_t find_rule(const struct ruleset *rs, const char *id);
ptrdiff_t find_scope(const struct ruleset *rs, const char *id);

/* --- sets of identities
 * ------------------------------------------------------------------------------------------ */

#define N_RESERVED 5u /* identities before the label sets */

enum who_kind { WHO_ANY, WHO_KNOWN, WHO_RESERVED, WHO_GROUP, WHO_LABELS };

/* Label `label` has one of the values. */
struct label_match {
	size_t label, n;
	uint16_t *values;
};

struct who {
	enum who_kind kind;
	size_t index; /* identity or group */
	struct label_match *match;
	size_t n_match;
	uint32_t mentions; /* labels it speaks of */
	const char *text;  /* canonical */
};

/* How a selector is meant where it stands. */
enum who_use {
	WHO_ALL,       /* `any` is everybody */
	WHO_OF_ALLOW,  /* `any` leaves out $conflict and $gateway */
	WHO_DEFAULTED, /* `any` is everybody; defaulted labels at their default unless mentioned */
};

/* `$name`s and `any`; false if the text is neither. */
bool who_reserved(const char *text, struct who *w);
/* Adds to `set` all identities that `w` means. */
void who_add(const struct ruleset *rs, const struct who *w, enum who_use use, uint64_t *set);
size_t set_count(const struct ruleset *rs, const uint64_t *set);
bool set_empty(const struct ruleset *rs, const uint64_t *set);
bool sets_meet(const struct ruleset *rs, const uint64_t *a, const uint64_t *b);
bool set_within(const struct ruleset *rs, const uint64_t *inner, const uint64_t *outer);

/* Reads a selector; after a finding the set is empty. */
void read_selector(struct build *b, const struct yaml_node *n, enum who_use use, bool initiator,
		   struct selector *out);
/* Reads `label: value` or `label: [values]`; false after a finding. */
bool read_label_match(struct build *b, const struct yaml_node *n, struct label_match *out);
/* Reads a label map into `w`. */
bool read_label_map(struct build *b, const struct yaml_node *n, struct who *w);

/* --- services
 * ---------------------------------------------------------------------------------------------------- */

/* `tcp/443`, `icmp/8/0`, `47`: true and *range, or false with the reason (static text). */
bool service_parse(const char *text, struct service_range *range, const char **why);
/* Sorts and merges in place; the new count. */
size_t service_normalise(struct service_range *ranges, size_t n);
/* Ranges of a name that every policy has (`any`, `ping`); NULL if it has none. */
const struct service_set *service_builtin(const char *name);
void read_service(struct build *b, const struct yaml_node *n, struct service_set *out, const char **text);
bool services_meet(const struct service_set *a, const struct service_set *b);
