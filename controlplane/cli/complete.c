/* SPDX-License-Identifier: BSD-3-Clause */
/* What is not built yet is not offered, and nothing is that was given already. */
#include "complete.h"

#include <string.h>

#include "command.h"
#include "help.h"

/* What an option's value may be, by the word that stands for it in the help. "": a file. The rest is free
 * text. */
static const struct {
	const char *value, *list[5];
} values[] = {
	{"WHEN", {"auto", "always", "never"}},
	{"ENGINE", {"dpdk", "nft"}},
	{"VERDICT", {"allow", "deny"}},
	{"LIST", {"allow", "deny", "would-deny", "would-allow"}},
	{"FILE", {""}},
	{"DIR", {""}},
	{"FILE|DIR", {""}},
	{"PATH", {""}},
	{"CAPTURE", {""}},
	{"OUT", {""}},
};

struct line {
	const char *const *words;
	unsigned n;
	const char *typed; /* so far */
	FILE *out;
};

static void offer(const struct line *l, const char *dashes, const char *word, const char *what)
{
	char whole[64];

	snprintf(whole, sizeof(whole), "%s%s", dashes, word);
	if (strncmp(whole, l->typed, strlen(l->typed)) == 0)
		fprintf(l->out, "%s\t%s\n", whole, what);
}

static void offer_files(const struct line *l)
{
	fputs(":file\n", l->out);
}

static void offer_verbs(const struct line *l)
{
	for (const struct command *c = cli_commands; c->name != NULL; c++)
		if (c->run != NULL && (c->flags & COMMAND_HIDDEN) == 0)
			offer(l, "", c->name, c->summary);
	offer(l, "", "help", "what a command does");
	offer(l, "", "version", "which version this is");
}

static void offer_formats(const struct line *l, unsigned formats)
{
	for (int i = 0; i < OUT_FORMATS; i++)
		if (formats & OUT_BIT(i))
			offer(l, "", out_format_name((enum out_format)i), "format");
}

static void offer_values(const struct line *l, const struct command *c, const struct option_def *of)
{
	if (strcmp(of->value, "FORMAT") == 0)
		offer_formats(l, c->formats);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strcmp(values[i].value, of->value) != 0)
			continue;
		for (const char *const *v = values[i].list; *v != NULL; v++)
			if ((*v)[0] != '\0')
				offer(l, "", *v, of->name);
			else
				offer_files(l);
	}
}

static bool is_option(const struct option_def *o, const char *word)
{
	return word[0] == '-' && (word[1] == '-' ? strcmp(word + 2, o->name) == 0
						 : o->letter != 0 && word[1] == o->letter && word[2] == '\0');
}

static bool given(const struct line *l, const struct option_def *o)
{
	for (unsigned i = 1; i + 1 < l->n; i++)
		if (is_option(o, l->words[i]))
			return true;
	return false;
}

static void offer_options(const struct line *l, const struct command *c, const struct option_def *o)
{
	for (; o != NULL && o->name != NULL; o++)
		if ((o->flags & OPTION_LATER) == 0 && (c->formats != 0 || (o->flags & OPTION_FORMAT) == 0) &&
		    !given(l, o))
			offer(l, "--", o->name, o->help);
}

/* The option that `word` is and that takes a value, or NULL. c: NULL before the verb. */
static const struct option_def *takes_value(const struct command *c, const char *word)
{
	const struct option_def *sets[] = {c != NULL ? c->options : NULL, command_global_options()};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		for (const struct option_def *o = sets[i]; o != NULL && o->name != NULL; o++)
			if (o->value != NULL && is_option(o, word))
				return o;
	return NULL;
}

/* How many words stand before the cursor that are neither options nor their values. */
static unsigned arguments(const struct line *l, const struct command *c)
{
	unsigned n = 0;

	for (unsigned i = 1; i + 1 < l->n; i++)
		if (takes_value(c, l->words[i]) != NULL)
			i++;
		else if (l->words[i][0] != '-')
			n++;
	return n;
}

static void after_verb(const struct line *l, const struct command *c)
{
	const struct option_def *of = l->n > 2 ? takes_value(c, l->words[l->n - 2]) : NULL;

	if (of != NULL) {
		offer_values(l, c, of);
	} else if (l->typed[0] == '-') {
		offer_options(l, c, c->options);
		offer_options(l, c, command_global_options());
	} else if (arguments(l, c) == 0 && strncmp(c->usage, "FILE|DIR", 8) == 0) {
		offer_files(l);
	}
}

void complete(const char *const *words, unsigned n, FILE *out)
{
	struct line l = {words, n, n > 0 ? words[n - 1] : "", out};
	unsigned skip = 0;

	while (skip + 1 < n && words[skip][0] == '-')
		skip += takes_value(NULL, words[skip]) != NULL ? 2 : 1;
	if (skip >= n)
		return;
	l.words = words += skip;
	l.n = n -= skip;
	if (n <= 1 || (n == 2 && strcmp(words[0], "help") == 0)) {
		offer_verbs(&l);
		return;
	}
	for (const struct command *c = cli_commands; c->name != NULL; c++)
		if (strcmp(c->name, words[0]) == 0 && c->run != NULL)
			after_verb(&l, c);
}
