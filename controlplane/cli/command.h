/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command table: one entry per verb says how it is called, what it accepts, whether it needs the daemon
 * and what runs it. Dispatch, --help, `cordon help`, completion (`cordon __complete`) and `cordon __commands`
 * all read this one table, so they cannot disagree. Single-threaded, like all of the CLI.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli_exit.h"
#include "out.h"

enum option_flag {
	OPTION_LATER = 1 << 0, /* in the contract, not built: refused */
	OPTION_NEEDED = 1 << 1,
	OPTION_FORMAT = 1 << 2, /* of no use to a verb without formats */
};

struct option_def {
	const char *name;
	char letter;       /* 0: none */
	const char *value; /* what it takes, or NULL for a switch */
	const char *help;
	unsigned flags;
};

#define CLI_OPTIONS_MAX 16u
#define CLI_ARGS_MAX    8u

struct cli;

enum command_flag {
	COMMAND_ONLINE = 1 << 0, /* talks to cordond */
	COMMAND_HIDDEN = 1 << 1,
};

struct command {
	const char *name, *usage, *summary;
	int (*run)(struct cli *cli); /* NULL: part of the contract, not built */
	unsigned flags;
	unsigned formats; /* OUT_BIT of what -o accepts; 0: none */
	unsigned args_min, args_max;
	const char *const *examples;      /* ends with NULL */
	const struct option_def *options; /* ends with .name NULL */
	const char *notes;                /* after the options; may be NULL */
};

/* One run of one verb. */
struct cli {
	FILE *out, *err;
	const struct command *command;
	const char *args[CLI_ARGS_MAX];
	unsigned n_args;
	const char *values[CLI_OPTIONS_MAX]; /* by index into command->options; "" for a switch that is set */
	struct out_style style;
	bool format_given;
	bool err_colour;
	const char *socket; /* NULL: the default */
	unsigned wait_s;    /* how long online_call() lets an engine connect that is not connected yet */
};

extern const struct command cli_commands[];

/* The value of an option, or NULL if it was not given. */
const char *cli_option(const struct cli *cli, const char *name);
/* A whole number in [min, max] from an option; `absent` if it was not given. False: refused with words. */
bool cli_number(struct cli *cli, const char *name, unsigned long long min, unsigned long long max,
		unsigned long long absent, unsigned long long *out);

/* Narration on stderr: `cordon VERB: error: ...`. Returns `code`, so that handlers can end with it. */
int cli_fail(struct cli *cli, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void cli_note(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* CLI_DONE, or CLI_INCOMPLETE with words if the output could not be written. */
int cli_written(struct cli *cli, bool good, int code);

/* Run `cordon argv[1..]`. */
int cli_main(int argc, char **argv, FILE *out, FILE *err);
/* What SIGINT says (a whole line, static text) and which half-written file it removes (NULL: none). */
void cli_interrupt_says(const char *line);
void cli_interrupt_removes(const char *path);
/* Says and removes; called by the signal handler. */
void cli_interrupted(void);
