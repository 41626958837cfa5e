/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statements on control.db in one call each. Values follow their kinds in `kinds`:
 *   i int64_t   t const char * (NULL: SQL NULL)   b const void *, size_t   n (SQL NULL, takes nothing)
 * 0 or -errno: -ENOSPC disk full, -EBADMSG corrupt, -EIO all else; sqlite3_errmsg() has the words. One
 * thread.
 */
#pragma once

#include <stdint.h>

#include <sqlite3.h>

typedef void sql_row_fn(void *ctx, sqlite3_stmt *row);

int sql_run(sqlite3 *db, const char *sql, const char *kinds, ...);
/* Calls `f` per row. */
int sql_each(sqlite3 *db, sql_row_fn *f, void *ctx, const char *sql, const char *kinds, ...);
/* First column of the first row, or `otherwise`. */
int64_t sql_number(sqlite3 *db, int64_t otherwise, const char *sql, const char *kinds, ...);
/* Text of a column, "" for NULL. */
const char *sql_text(sqlite3_stmt *row, int column);
