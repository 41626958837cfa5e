/* SPDX-License-Identifier: BSD-3-Clause */
#include "shorten.h"

#include <stdio.h>
#include <string.h>

/* Length of the label at `text`. */
static size_t label_len(const char *text)
{
	return strcspn(text, ",");
}

static const char *label_next(const char *text)
{
	text += label_len(text);
	return *text == ',' ? text + 1 : text;
}

static bool has_label(const char *identity, const char *label)
{
	for (; *identity != '\0'; identity = label_next(identity))
		if (label_len(identity) == strlen(label) && strncmp(identity, label, strlen(label)) == 0)
			return true;
	return false;
}

static bool is_common(const struct shorten *s, const char *label, size_t len)
{
	for (size_t i = 0; i < s->n; i++)
		if (strlen(s->common[i]) == len && strncmp(s->common[i], label, len) == 0)
			return true;
	return false;
}

static void begin(struct shorten *s, const char *identity)
{
	s->begun = true;
	for (; *identity != '\0' && s->n < SHORTEN_LABELS; identity = label_next(identity)) {
		size_t len = label_len(identity);
		if (len >= sizeof(s->common[0]))
			continue;
		memcpy(s->common[s->n], identity, len);
		s->common[s->n++][len] = '\0';
	}
}

void shorten_see(struct shorten *s, const char *identity)
{
	size_t kept = 0;

	if (strchr(identity, '=') == NULL)
		return;
	if (!s->begun) {
		begin(s, identity);
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		if (!has_label(identity, s->common[i]))
			continue;
		if (kept != i)
			memcpy(s->common[kept], s->common[i], sizeof(s->common[i]));
		kept++;
	}
	s->n = kept;
}

static size_t print_values(const struct shorten *s, const char *identity, char *buffer, size_t room)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (; *identity != '\0' && used + 1 < room; identity = label_next(identity)) {
		size_t len = label_len(identity), key = strcspn(identity, "=,");
		size_t skip = identity[key] == '=' ? key + 1 : 0;
		if (s != NULL && is_common(s, identity, len))
			continue;
		int n = snprintf(buffer + used, room - used, "%s%.*s", used > 0 ? "/" : "", (int)(len - skip),
				 identity + skip);
		used += n > 0 ? (size_t)n : 0;
	}
	return used;
}

const char *shorten_text(const struct shorten *s, const char *identity, char *buffer, size_t room)
{
	if (print_values(s, identity, buffer, room) == 0)
		print_values(NULL, identity, buffer, room); /* nothing of its own: say all */
	return buffer;
}
