/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A policy from the file system: one file, or all *.yaml and *.yml files of a directory. Owns names, texts,
 * findings and the ruleset; findings point into names, so the bundle goes last.
 */
#pragma once

#include "command.h"
#include "policy.h"

struct bundle {
	struct policy_source *sources;
	size_t n;
	struct diags diags;
	struct ruleset *rs; /* NULL until bundle_compile() succeeded */
};

/* Reads the files. CLI_DONE, or CLI_USAGE with words on stderr. bundle_free() is due either way. */
int bundle_read(struct cli *cli, const char *path, struct bundle *b);
/* The same from a list of {name, text}, as the API gives the files of a generation. False if it is none. */
bool bundle_take(struct bundle *b, const json_t *files);
/* Compiles what was read, judged without a gateway config; the findings are in b->diags. */
bool bundle_compile(struct bundle *b);
/* The same for the gateway of a config; NULL: none. */
struct config;
bool bundle_compile_for(struct bundle *b, const struct config *config);
/* Both, with findings of severity error on stderr. CLI_DONE, CLI_USAGE or CLI_POLICY. */
int bundle_load(struct cli *cli, const char *path, struct bundle *b);
void bundle_free(struct bundle *b);

/* A diag_source_fn over the bundle. */
const char *bundle_text(void *bundle, const char *file, size_t *len);
