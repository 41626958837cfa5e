/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strict YAML for policy and configuration: a tree with places.
 *
 * YAML 1.2 core read strictly: one document; no anchors, aliases, tags or duplicate keys; keys are plain
 * strings; `yes no on off` are strings. Scalars keep their text, the reader of a key decides its type. After
 * a syntax error the tree found so far is returned together with the finding. Depth, size and node count are
 * bounded. The tree owns all of its memory; yaml_free() ends it. No files are read here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"

#define YAML_SIZE_MAX  (32u << 20)
#define YAML_DEPTH_MAX 32u

enum yaml_type { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_type type;
	struct place place;
	bool quoted;             /* scalar: was in quotes, so it is a string whatever it looks like */
	const char *text;        /* scalar */
	struct yaml_node *key;   /* in a map: the key's node */
	struct yaml_node *first; /* list and map: children in order */
	struct yaml_node *next;  /* sibling */
	size_t n_children;
	bool open; /* list and map: a syntax error cut it off, more may have been meant */
};

struct yaml_tree;

/* `name` is copied. NULL only if nothing could be read; the findings say why. */
struct yaml_tree *yaml_parse(const char *name, const char *text, size_t len, struct diags *d);
const struct yaml_node *yaml_root(const struct yaml_tree *t);
/* libyaml exports an internal yaml_free() of its own, which ours must not stand in for. */
#define yaml_free yaml_tree_free
void yaml_free(struct yaml_tree *t);

/* The value of `key` in a map, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* Scalars with types; on failure a finding at the node and false. */
bool yaml_u64(const struct yaml_node *n, uint64_t min, uint64_t max, uint64_t *out, struct diags *d);
bool yaml_bool(const struct yaml_node *n, bool *out, struct diags *d); /* true, false */
const char *yaml_string(const struct yaml_node *n, struct diags *d);   /* borrowed; NULL on failure */
