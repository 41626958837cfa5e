/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Findings with a place: the one way in which loaders, resolvers and compilers say what is wrong.
 *
 * Libraries add findings to a list and go on as far as they can; only daemons and the CLI print. The list
 * copies texts and file names and owns them. Not shared between threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum severity { SEV_ERROR, SEV_WARNING, SEV_NOTE };

/* A span in a source. line 0: the whole source; columns count characters from 1; end_column is exclusive. */
struct place {
	const char *file; /* borrowed; a list keeps a copy of its own */
	unsigned line, column, end_column;
};

struct diag {
	enum severity severity;
	struct place place;
	char *text;
};

struct diags {
	struct diag *items;
	size_t n, room;
	size_t n_errors, n_warnings;
	char **files; /* names that places of items point to */
	size_t n_files;
};

void diags_init(struct diags *d);
void diags_free(struct diags *d);
void diag_add(struct diags *d, enum severity severity, struct place place, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* By file, line, column; findings of equal place keep their order. */
void diags_sort(struct diags *d);

/* Text of a named source, to show the line under a finding; NULL if unknown. */
typedef const char *diag_source_fn(void *ctx, const char *file, size_t *len);

/* `file:line:column: error: text`, then the source line and a caret line when `source` finds it. */
void diags_print(const struct diags *d, FILE *out, diag_source_fn *source, void *ctx);
