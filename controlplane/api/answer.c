/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers: one place that turns JSON into bytes and failures into the error form.
 */
#include "answer.h"

#include <stdlib.h>
#include <string.h>

static const char no_memory[] =
	"{\"schema\":\"cordon.error/1\",\"error\":{\"exit\":6,\"text\":\"out of memory\"}}";

void answer_text(struct api_answer *a, unsigned status, const char *type, char *body, size_t len)
{
	free(a->body);
	a->status = status;
	a->type = type;
	a->body = body;
	a->len = len;
}

void answer_json(struct api_answer *a, unsigned status, json_t *json)
{
	char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!body) {
		status = 500;
		body = strdup(no_memory);
	}
	answer_text(a, status, "application/json", body, body ? strlen(body) : 0);
}

json_t *answer_string(const char *text)
{
	json_t *string = json_string(text);
	char *ascii = string || !text ? NULL : strdup(text);

	for (char *c = ascii; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	if (ascii)
		string = json_string(ascii);
	free(ascii);
	return string;
}

void answer_error(struct api_answer *a, unsigned status, enum cli_exit code, const char *text,
		  const char *unchanged, const char *next, json_t *findings)
{
	answer_json(a, status,
		    json_pack("{s:s, s:{s:i, s:o, s:s*, s:s*}, s:o}", "schema", "cordon.error/1", "error",
			      "exit", code, "text", answer_string(text), "unchanged", unchanged, "next", next,
			      "findings", findings ? findings : json_array()));
}
