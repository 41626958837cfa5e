/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identities by text and by labels, and small questions to the finished ruleset.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence.h"

static int compare_text(const void *text, const void *identity)
{
	return strcmp(text, ((const struct identity *)identity)->text);
}

ptrdiff_t ruleset_find_identity(const struct ruleset *rs, const char *text)
{
	const struct identity *found;

	for (size_t i = 0; i < N_RESERVED; i++)
		if (strcmp(rs->identities[i].text, text) == 0)
			return (ptrdiff_t)i;
	found = bsearch(text, rs->identities + N_RESERVED, rs->n_identities - N_RESERVED, sizeof(*found),
			compare_text);
	return found ? found - rs->identities : -1;
}

char *label_set_text(const struct ruleset *rs, const uint16_t value[LABELS_MAX], struct arena *a)
{
	size_t room = 1, len = 0;
	char *text;

	for (size_t k = 0; k < rs->n_labels; k++)
		if (value[k])
			room += strlen(rs->labels[k].name) + strlen(rs->labels[k].values[value[k] - 1]) + 2;
	text = arena_alloc(a, room);
	for (size_t k = 0; k < rs->n_labels; k++) {
		if (!value[k])
			continue;
		len += (size_t)snprintf(text + len, room - len, "%s%s=%s", len ? "," : "", rs->labels[k].name,
					rs->labels[k].values[value[k] - 1]);
	}
	return text;
}

size_t evidence_identity(const struct ruleset *rs, const struct evidence *e, size_t none)
{
	uint16_t value[LABELS_MAX] = {0};
	bool any = false;
	size_t found;

	for (size_t k = 0; k < rs->n_labels; k++) {
		if (e->claim[k].value == CLAIM_CONFLICT)
			return AT_CONFLICT;
		any = any || e->claim[k].value;
		value[k] = e->claim[k].value ? e->claim[k].value : rs->labels[k].default_value;
	}
	if (!any)
		return none;
	found = (size_t)(uintptr_t)bytemap_get(rs->by_values, value, sizeof(value));
	return found ? found
		     : AT_CONFLICT; /* no set is outside the space; if one were, no rule could open it */
}

void ruleset_free(struct ruleset *rs)
{
	if (rs)
		arena_free(rs->memory);
}

const char *ruleset_rule_text(const struct ruleset *rs, rule_ref ref, char *buffer, size_t room)
{
	size_t scope = ref & ~RULE_SCOPE_BIT;

	if (ref == RULE_DEFAULT_DENY)
		return "default-deny";
	if (!(ref & RULE_SCOPE_BIT))
		return ref <= rs->n_rules ? rs->rules[ref - 1].id : "invalid";
	if (scope >= rs->n_scopes)
		return "invalid";
	snprintf(buffer, room, "scope:%s", rs->scopes[scope].id);
	return buffer;
}
