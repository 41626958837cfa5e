/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does an engine hold what the policy says? Read-backs are decoded and compared with the image cell by cell,
 * and the image with the evaluation of the ruleset, so that text, image, dataplane and kernel are one. What
 * differs is told as a packet that a person can try. One thread.
 */
#pragma once

#include "daemon.h"

/* From now on this engine's comparisons are made here. */
void proof_use(struct daemon *d, struct enforcer *e);

/*
 * The ruleset of `g` against its image: every pair of classes, every region. What would take longer than
 * about three seconds is thinned out evenly; proof->cells says how many were asked. 0 or -ENOMEM.
 */
int proof_policy(const struct daemon *d, const struct generation *g, int64_t at_utc, struct proof *out);
