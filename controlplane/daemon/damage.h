/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which decisions go through one byte of an image: what a fault there would change. Pure; any thread.
 */
#pragma once

#include "view.h"

/* A cell that is decided through the byte at `offset`; `found` is not filled. False: none is (a header,
 * padding, a table that decides nothing). */
bool damage_cell(const struct view *v, uint32_t offset, struct view_cell *out);
