/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts made from the command table: help for people, JSON lines for programs. Pure, to a
 * FILE. */
#pragma once

#include <stdio.h>

#include "command.h"

void help_all(FILE *out);
void help_command(const struct command *c, FILE *out);
void help_dump(FILE *out);
/* The options that every verb takes. */
const struct option_def *command_global_options(void);
