/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values on the command line: each function takes one value or says in `error` (ARGS_ERROR bytes) what is
 * wrong with it and returns false. `what` names the argument. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"

/* Always false. */
bool value_refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Decimal, low to high. */
bool value_number32(const char *what, const char *text, uint64_t low, uint64_t high, uint32_t *out,
		    char *error);
bool value_number16(const char *what, const char *text, uint64_t low, uint64_t high, uint16_t *out,
		    char *error);
/* Not empty, shorter than `room`. */
bool value_copy(const char *what, const char *text, char *out, size_t room, char *error);
