/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The decision matrix in sparse form: for each source class a row, which is a default list and the responder
 * classes that have another one. Equal rows are kept once. The caller frees. Pure.
 */
#pragma once

#include "cells.h"
#include "classes.h"

struct matrix {
	struct intern rows; /* default list, then pairs of responder class and list, ascending by class */
	uint32_t *row;      /* by source class */
};

/* Asked after each row; false stops the work. */
typedef bool matrix_room_fn(const void *ctx, const struct cells *c);

enum matrix_result { MATRIX_OK, MATRIX_STOPPED, MATRIX_NO_MEMORY };

/* `scope` is what classes_scopes() said. matrix_free() in any case. */
enum matrix_result matrix_make(struct matrix *m, struct cells *c, const struct classes *source,
			       const struct classes *responder, const uint32_t *scope, matrix_room_fn *room,
			       const void *ctx);
void matrix_free(struct matrix *m);
