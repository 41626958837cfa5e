/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a ruleset says, as rows for people and for the assessment: tables rule and generation_identity.
 */
#pragma once

#include "dictionary.h"
#include "generation.h"

struct sqlite3;

/* Inside the caller's transaction. 0 or -errno. */
int journal_rows_rules(struct sqlite3 *db, const struct generation *g);
int journal_rows_identities(struct sqlite3 *db, const struct generation *g, const struct dictionary *dict);
/* The labels without defaulted ones; reserved identities are segments of their own. */
void identity_segment(const struct ruleset *rs, const struct identity *id, char *buffer, size_t room);
