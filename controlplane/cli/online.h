/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asking the daemon: one call that turns every way in which it can go wrong into words on stderr and the
 * documented exit code.
 */
#pragma once

#include "client.h"
#include "command.h"

/* CLI_DONE with *answer (the envelope, the caller's), or an exit code with everything said. */
int online_call(struct cli *cli, const char *method, const char *path, const struct api_query *query,
		size_t n, const json_t *body, json_t **answer);
/* A list of findings on stderr, with carets where `body` (of the request, or NULL) holds the files. */
void online_findings(struct cli *cli, const json_t *findings, const json_t *body);
/* Of a daemon that cannot be reached: what the start of the box left to be told beside its socket, on stderr.
 */
void online_notices(struct cli *cli);
/* The envelope without its data, for out_envelope(). */
json_t *online_members(const json_t *answer);
