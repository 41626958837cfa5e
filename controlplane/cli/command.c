/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From argv to a handler: options are read strictly by the verb's own table, and what is not in it is refused
 * with the nearest name that is. Nothing is ever ignored.
 */
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complete.h"
#include "help.h"

static const struct option_def global_options[] = {
	{"output", 'o', "FORMAT", "one of the formats below", OPTION_FORMAT},
	{"json", 0, NULL, "the same as -o json", OPTION_FORMAT},
	{"color", 0, "WHEN", "auto, always or never", 0},
	{"socket", 0, "PATH", "of the daemon (default: $CORDON_SOCKET)", 0},
	{"help", 'h', NULL, "this text", 0},
	{NULL, 0, NULL, NULL, 0},
};

const struct option_def *command_global_options(void)
{
	return global_options;
}

/* --- narration --------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 4, 0)))
say(struct cli *cli, const char *what, const char *colour, const char *format, va_list ap)
{
	fprintf(cli->err, "cordon%s%s: ", cli->command != NULL ? " " : "",
		cli->command != NULL ? cli->command->name : "");
	if (what[0] != '\0')
		fprintf(cli->err, "%s%s%s: ", cli->err_colour ? colour : "", what,
			cli->err_colour ? "\033[0m" : "");
	vfprintf(cli->err, format, ap);
	fputc('\n', cli->err);
}

int cli_fail(struct cli *cli, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(cli, "error", "\033[31m", format, ap);
	va_end(ap);
	return code;
}

void cli_note(struct cli *cli, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(cli, "", "", format, ap);
	va_end(ap);
}

int cli_written(struct cli *cli, bool good, int code)
{
	if (good)
		return code;
	return cli_fail(cli, CLI_INCOMPLETE, "the output could not be written in full: %s", strerror(errno));
}

/* --- nearest name ------------------------------------------------------------------------------ */

#define NAME_MAX_LEN 31

/* Edits from `a` to `b`: insert, delete, replace. */
static unsigned name_distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_LEN + 1];
	size_t len = strlen(b);

	if (len > NAME_MAX_LEN)
		return UINT32_MAX;
	for (size_t j = 0; j <= len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= len; j++) {
			unsigned replace = diagonal + (a[i - 1] != b[j - 1]);
			unsigned other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			diagonal = row[j];
			row[j] = replace < other ? replace : other;
		}
	}
	return row[len];
}

struct nearest {
	const char *wanted, *name;
	unsigned distance;
};

static void nearest_try(struct nearest *n, const char *name)
{
	unsigned distance = name_distance(n->wanted, name);

	if (distance < n->distance && distance <= 1 + strlen(name) / 3) {
		n->distance = distance;
		n->name = name;
	}
}

static void nearest_option(struct nearest *n, const struct option_def *options)
{
	for (; options != NULL && options->name != NULL; options++)
		nearest_try(n, options->name);
}

static int refuse_option(struct cli *cli, const char *name)
{
	struct nearest n = {name, NULL, UINT32_MAX};

	if (cli->command != NULL)
		nearest_option(&n, cli->command->options);
	nearest_option(&n, global_options);
	if (n.name == NULL)
		return cli_fail(cli, CLI_USAGE, "unknown option --%s (see --help)", name);
	return cli_fail(cli, CLI_USAGE, "unknown option --%s; did you mean --%s?", name, n.name);
}

static int refuse_verb(struct cli *cli, const char *name)
{
	struct nearest n = {name, NULL, UINT32_MAX};

	for (const struct command *c = cli_commands; c->name != NULL; c++)
		if ((c->flags & COMMAND_HIDDEN) == 0)
			nearest_try(&n, c->name);
	if (n.name == NULL)
		return cli_fail(cli, CLI_USAGE, "unknown command '%s' (see cordon --help)", name);
	return cli_fail(cli, CLI_USAGE, "unknown command '%s'; did you mean '%s'?", name, n.name);
}

/* --- options ----------------------------------------------------------------------------------- */

struct parse {
	struct cli *cli;
	char **argv;
	int argc, at;
	const char *globals[sizeof(global_options) / sizeof(global_options[0])];
};

static const struct option_def *option_find(const struct option_def *options, const char *name, size_t len,
					    char letter)
{
	for (; options != NULL && options->name != NULL; options++) {
		if (letter != 0 ? options->letter == letter
				: strlen(options->name) == len && memcmp(options->name, name, len) == 0)
			return options;
	}
	return NULL;
}

/* `attached`: the value written in the same word, or NULL. */
static int option_take(struct parse *p, const struct option_def *def, const char **slot, const char *attached)
{
	struct cli *cli = p->cli;

	if (def->flags & OPTION_LATER)
		return cli_fail(cli, CLI_USAGE, "--%s is not supported yet", def->name);
	if (*slot != NULL)
		return cli_fail(cli, CLI_USAGE, "--%s is given twice", def->name);
	if (def->value == NULL) {
		if (attached != NULL)
			return cli_fail(cli, CLI_USAGE, "--%s takes no value", def->name);
		*slot = "";
		return CLI_DONE;
	}
	if (attached == NULL && p->at + 1 >= p->argc)
		return cli_fail(cli, CLI_USAGE, "--%s needs %s", def->name, def->value);
	*slot = attached != NULL ? attached : p->argv[++p->at];
	return CLI_DONE;
}

static int parse_option(struct parse *p, const char *word)
{
	const struct option_def *own = p->cli->command != NULL ? p->cli->command->options : NULL, *def;
	bool is_long = word[1] == '-';
	const char *name = word + (is_long ? 2 : 1), *attached = NULL;
	size_t len = is_long ? strcspn(name, "=") : 1;

	if (name[len] != '\0')
		attached = name + len + (is_long ? 1 : 0);
	if ((def = option_find(own, name, len, is_long ? 0 : name[0])) != NULL)
		return option_take(p, def, &p->cli->values[def - own], attached);
	if ((def = option_find(global_options, name, len, is_long ? 0 : name[0])) != NULL)
		return option_take(p, def, &p->globals[def - global_options], attached);
	if (!is_long)
		return cli_fail(p->cli, CLI_USAGE, "unknown option -%c (see --help)", name[0]);
	char cut[64];
	snprintf(cut, sizeof(cut), "%.*s", (int)len, name);
	return refuse_option(p->cli, cut);
}

static const char *global_value(const struct parse *p, const char *name)
{
	return p->globals[option_find(global_options, name, strlen(name), 0) - global_options];
}

static bool colour_default(FILE *file)
{
	const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE"), *term = getenv("TERM");

	if (no != NULL && no[0] != '\0')
		return false;
	if (force != NULL && force[0] != '\0' && strcmp(force, "0") != 0)
		return true;
	return isatty(fileno(file)) && (term == NULL || strcmp(term, "dumb") != 0);
}

static int apply_colour(struct cli *cli, const char *when)
{
	if (when == NULL || strcmp(when, "auto") == 0) {
		cli->style.colour = colour_default(cli->out);
		cli->err_colour = colour_default(cli->err);
		return CLI_DONE;
	}
	if (strcmp(when, "always") != 0 && strcmp(when, "never") != 0)
		return cli_fail(cli, CLI_USAGE, "--color takes auto, always or never, not '%s'", when);
	cli->style.colour = cli->err_colour = when[0] == 'a';
	return CLI_DONE;
}

static int apply_format(struct cli *cli, const char *name)
{
	int format = out_format_find(name);

	if (strcmp(name, "dot") == 0 || strcmp(name, "html") == 0)
		return cli_fail(cli, CLI_USAGE, "-o %s is not supported yet", name);
	if (format < 0)
		return cli_fail(cli, CLI_USAGE,
				"unknown format '%s': table, wide, plain, json, jsonl, csv or junit", name);
	if ((cli->command->formats & OUT_BIT(format)) == 0)
		return cli_fail(cli, CLI_USAGE, "-o %s is not a format of this command", name);
	cli->style.format = (enum out_format)format;
	cli->format_given = true;
	return CLI_DONE;
}

static int apply_globals(struct parse *p)
{
	struct cli *cli = p->cli;
	const char *name = global_value(p, "output");

	if (global_value(p, "json") != NULL)
		name = "json";
	cli->style.format = isatty(fileno(cli->out)) ? OUT_TABLE : OUT_PLAIN;
	cli->socket = global_value(p, "socket");
	int code = apply_colour(cli, global_value(p, "color"));
	return code != CLI_DONE || name == NULL ? code : apply_format(cli, name);
}

static int check_needed(struct cli *cli)
{
	const struct command *c = cli->command;

	if (cli->n_args < c->args_min)
		return cli_fail(cli, CLI_USAGE, "something is missing: cordon %s %s", c->name, c->usage);
	for (size_t i = 0; c->options != NULL && c->options[i].name != NULL; i++)
		if ((c->options[i].flags & OPTION_NEEDED) != 0 && cli->values[i] == NULL)
			return cli_fail(cli, CLI_USAGE, "--%s %s is needed: cordon %s %s", c->options[i].name,
					c->options[i].value, c->name, c->usage);
	return CLI_DONE;
}

static int parse_words(struct parse *p)
{
	struct cli *cli = p->cli;
	bool only_args = false;
	int code = CLI_DONE;

	for (; p->at < p->argc && code == CLI_DONE; p->at++) {
		const char *word = p->argv[p->at];
		if (!only_args && strcmp(word, "--") == 0)
			only_args = true;
		else if (!only_args && word[0] == '-' && word[1] != '\0')
			code = parse_option(p, word);
		else if (cli->n_args == cli->command->args_max)
			code = cli_fail(cli, CLI_USAGE, "'%s' is one word too many: cordon %s%s%s", word,
					cli->command->name, cli->command->usage[0] != '\0' ? " " : "",
					cli->command->usage);
		else
			cli->args[cli->n_args++] = word;
	}
	return code;
}

/* --- what handlers ask ------------------------------------------------------------------------- */

const char *cli_option(const struct cli *cli, const char *name)
{
	const struct option_def *def = option_find(cli->command->options, name, strlen(name), 0);

	return def != NULL ? cli->values[def - cli->command->options] : NULL;
}

bool cli_number(struct cli *cli, const char *name, unsigned long long min, unsigned long long max,
		unsigned long long absent, unsigned long long *out)
{
	const char *text = cli_option(cli, name);
	char *end;

	*out = absent;
	if (text == NULL)
		return true;
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && *out >= min && *out <= max)
		return true;
	cli_fail(cli, CLI_USAGE, "--%s takes a number from %llu to %llu, not '%s'", name, min, max, text);
	return false;
}

/* --- entry ------------------------------------------------------------------------------------- */

static const struct command *command_find(const char *name)
{
	for (const struct command *c = cli_commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static bool help_is_asked(const struct parse *p)
{
	for (int i = p->at; i < p->argc && strcmp(p->argv[i], "--") != 0; i++)
		if (strcmp(p->argv[i], "--help") == 0 || strcmp(p->argv[i], "-h") == 0)
			return true;
	return false;
}

static int run_command(struct parse *p)
{
	struct cli *cli = p->cli;

	if (help_is_asked(p)) {
		help_command(cli->command, cli->out);
		return cli_written(cli, fflush(cli->out) == 0, CLI_DONE);
	}
	if (cli->command->run == NULL)
		return cli_fail(cli, CLI_USAGE, "not supported yet");
	int code = parse_words(p);
	if (code == CLI_DONE)
		code = apply_globals(p);
	if (code == CLI_DONE)
		code = check_needed(cli);
	return code == CLI_DONE ? cli->command->run(cli) : code;
}

static int run_help(struct parse *p)
{
	struct cli *cli = p->cli;
	const char *topic = p->at < p->argc ? p->argv[p->at] : NULL;
	const struct command *c = topic != NULL ? command_find(topic) : NULL;

	if (topic != NULL && c == NULL)
		return refuse_verb(cli, topic);
	if (c != NULL)
		help_command(c, cli->out);
	else
		help_all(cli->out);
	return cli_written(cli, fflush(cli->out) == 0, CLI_DONE);
}

static int run_version(struct parse *p)
{
	fprintf(p->cli->out, "cordon %s\n", CORDON_VERSION);
	return cli_written(p->cli, fflush(p->cli->out) == 0, CLI_DONE);
}

static int run_dump(struct parse *p)
{
	help_dump(p->cli->out);
	return cli_written(p->cli, fflush(p->cli->out) == 0, CLI_DONE);
}

static int run_complete(struct parse *p)
{
	complete((const char *const *)p->argv + p->at, (unsigned)(p->argc - p->at), p->cli->out);
	return cli_written(p->cli, fflush(p->cli->out) == 0, CLI_DONE);
}

/* Words that are no verbs: they work without daemon, policy or options. */
static const struct {
	const char *word;
	int (*run)(struct parse *p);
} words[] = {
	{"help", run_help},       {"--help", run_help},         {"-h", run_help},
	{"version", run_version}, {"--version", run_version},   {"-V", run_version},
	{"__commands", run_dump}, {"__complete", run_complete},
};

static int run_word(struct parse *p, const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].run(p);
	p->cli->command = command_find(word);
	return p->cli->command != NULL ? run_command(p) : refuse_verb(p->cli, word);
}

static bool is_word(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, word) == 0)
			return true;
	return word[0] != '-' || word[1] == '\0';
}

int cli_main(int argc, char **argv, FILE *out, FILE *err)
{
	struct cli cli = {.out = out, .err = err, .err_colour = colour_default(err)};
	struct parse p = {.cli = &cli, .argv = argv, .argc = argc};

	for (p.at = 1; p.at < argc && !is_word(argv[p.at]); p.at++) {
		int code = parse_option(&p, argv[p.at]);
		if (code != CLI_DONE)
			return code;
	}
	if (p.at >= argc) {
		help_all(err);
		return CLI_USAGE;
	}
	p.at++;
	return run_word(&p, argv[p.at - 1]);
}
