/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading members of JSON objects that came from elsewhere: absent or of another type is the caller's
 * default. */
#pragma once

#include <jansson.h>

static inline const char *member_text(const json_t *object, const char *key, const char *absent)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : absent;
}

/* 0 if absent. */
static inline json_int_t member_integer(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}
