/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identities that no rule and no scope can tell apart form a class: once as source, once as responder. Class
 * 0 is kept for identities that the policy does not know. The caller frees. Pure.
 */
#pragma once

#include <stdbool.h>

#include "ruleset.h"

#define SCOPE_NONE UINT32_MAX

struct classes {
	uint32_t n;     /* class 0 included */
	uint32_t *of;   /* by index into the identity space: the class, from 1 */
	uint32_t *some; /* by class, from 1: an identity of it */
};

/* False without memory; the classes are empty then. */
bool classes_of_sources(const struct ruleset *rs, struct classes *out);
/* `scope` is what classes_scopes() said. */
bool classes_of_responders(const struct ruleset *rs, const uint32_t *scope, struct classes *out);
void classes_free(struct classes *c);

/*
 * By identity, the index of the most specific scope that holds it as responder, or SCOPE_NONE; the caller
 * frees. NULL without memory.
 */
uint32_t *classes_scopes(const struct ruleset *rs);
