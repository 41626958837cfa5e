/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of keys: what each map of the language may hold. Internal to this folder. A reader gets the value's
 * node and the field that its table names; it adds findings and leaves the field alone if the value is not
 * usable.
 */
#pragma once

#include "build.h"

enum need { KEY_OPTIONAL, KEY_REQUIRED, KEY_LATER };

typedef void key_reader(struct build *b, const struct yaml_node *value, void *field);

struct key {
	const char *name;
	enum need need;
	key_reader *read;
	size_t field; /* offset in the item */
};

struct key_table {
	const char *what; /* "a rule" */
	const struct key *keys;
	size_t n;
};

#define KEY_TABLE(what, keys)                                                                                \
	{                                                                                                    \
		what, keys, sizeof(keys) / sizeof(*(keys))                                                   \
	}

/* Reads a map by its table: unknown, missing and later keys are findings. False if it is no map. */
bool read_map(struct build *b, const struct key_table *t, const struct yaml_node *map, void *item);

/* General readers. */
key_reader read_node;    /* const struct yaml_node * */
key_reader read_text;    /* const char *, not empty, lasting */
key_reader read_id;      /* const char *: letters, digits, . _ - */
key_reader read_flag;    /* bool */
key_reader read_nothing; /* accepted, decides nothing, is not kept */

struct word {
	const char *text;
	int value;
	bool later;
};
/* One of a list of words; `what` names them. False after a finding. */
bool read_word(struct build *b, const struct yaml_node *n, const char *what, const struct word *words,
	       size_t n_words, int *out);

bool good_name(const char *text);
/* Expect a list or map; false after a finding. */
bool expect_type(struct build *b, const struct yaml_node *n, enum yaml_type type, const char *what);
__attribute__((format(printf, 3, 4))) void error_at(struct build *b, const struct yaml_node *n,
						    const char *format, ...);

/* Nearest of the names to a mistyped one, in the words ", did you mean `x`?", or "". */
struct hint {
	const char *text;
	const char *best;
	unsigned distance;
	char words[128];
};
void hint_start(const struct build *b, struct hint *h, const char *text);
void hint_offer(struct hint *h, const char *name);
const char *hint_words(struct hint *h);

/* All items of a section: lists' entries or maps' values, over all files. */
struct items {
	const struct yaml_node **node;
	size_t n;
};
struct items section_items(struct build *b, enum section s, enum yaml_type type, const char *what);

/* Remembers a definition; a second one of the name is a finding and false. */
bool define(struct build *b, struct bytemap *names, const char *name, const struct yaml_node *at,
	    const char *what);
