/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers of the API: a status and a body. The body is malloc'ed and becomes the server's.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "cli_exit.h"

struct api_answer {
	unsigned status;
	const char *type; /* content type, static */
	char *body;
	size_t len;
};

/* A string that is JSON whatever bytes a peer sent or a sentence was cut to: if they are not UTF-8, all
 * beyond ASCII are question marks. */
json_t *answer_string(const char *text);
/* Serialise and take `json`. */
void answer_json(struct api_answer *a, unsigned status, json_t *json);
/* `body` is taken. */
void answer_text(struct api_answer *a, unsigned status, const char *type, char *body, size_t len);
/* What stayed as it was and what to do next may be NULL; `findings` is taken (NULL: none). */
void answer_error(struct api_answer *a, unsigned status, enum cli_exit code, const char *text,
		  const char *unchanged, const char *next, json_t *findings);
