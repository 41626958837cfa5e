/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may stand at the cursor of a shell, from the command table: for firmware/completion.bash. One
 * candidate a line, `WORD<tab>WHAT IT IS`; the line `:file` stands for names of files. Pure, to a FILE.
 */
#pragma once

#include <stdio.h>

/* The words after `cordon`; the last is the one that is being typed, and may be empty. */
void complete(const char *const *words, unsigned n, FILE *out);
