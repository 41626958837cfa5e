/* SPDX-License-Identifier: BSD-3-Clause */
#include "value.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool value_refuse(char *error, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(error, ARGS_ERROR, format, list);
	va_end(list);
	return false;
}

static bool number(const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !errno && !*end && *out >= low && *out <= high;
}

bool value_number32(const char *what, const char *text, uint64_t low, uint64_t high, uint32_t *out,
		    char *error)
{
	uint64_t value;

	if (!number(text, low, high, &value))
		return value_refuse(error, "%s: '%s' is not a number from %llu to %llu", what, text,
				    (unsigned long long)low, (unsigned long long)high);
	*out = (uint32_t)value;
	return true;
}

bool value_number16(const char *what, const char *text, uint64_t low, uint64_t high, uint16_t *out,
		    char *error)
{
	uint32_t value;

	if (!value_number32(what, text, low, high, &value, error))
		return false;
	*out = (uint16_t)value;
	return true;
}

bool value_copy(const char *what, const char *text, char *out, size_t room, char *error)
{
	size_t len = strlen(text);

	if (!len)
		return value_refuse(error, "%s: empty", what);
	if (len >= room)
		return value_refuse(error, "%s: longer than %zu characters: '%.40s...'", what, room - 1,
				    text);
	memcpy(out, text, len + 1);
	return true;
}
