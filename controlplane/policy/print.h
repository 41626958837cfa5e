/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The canonical form's digest; internal to this folder (policy_print_canonical() is public).
 */
#pragma once

#include "ruleset.h"

/* Fills rs->digest; false if the hash is not available. */
bool print_digest(struct ruleset *rs);
