/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statements in one call.
 */
#include "sql.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>

static int code_of(int r)
{
	switch (r & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

static void bind(sqlite3_stmt *s, const char *kinds, va_list ap)
{
	for (int i = 1; kinds[i - 1]; i++) {
		const void *bytes;

		switch (kinds[i - 1]) {
		case 'i':
			sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
			break;
		case 't':
			sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
			break;
		case 'b':
			bytes = va_arg(ap, const void *);
			sqlite3_bind_blob64(s, i, bytes, va_arg(ap, size_t), SQLITE_STATIC);
			break;
		default:
			sqlite3_bind_null(s, i);
		}
	}
}

static int each(sqlite3 *db, sql_row_fn *f, void *ctx, const char *sql, const char *kinds, va_list ap)
{
	sqlite3_stmt *s;
	int r = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

	if (r != SQLITE_OK)
		return code_of(r);
	bind(s, kinds, ap);
	while ((r = sqlite3_step(s)) == SQLITE_ROW)
		if (f)
			f(ctx, s);
	sqlite3_finalize(s);
	return code_of(r);
}

int sql_run(sqlite3 *db, const char *sql, const char *kinds, ...)
{
	va_list ap;
	int r;

	va_start(ap, kinds);
	r = each(db, NULL, NULL, sql, kinds, ap);
	va_end(ap);
	return r;
}

int sql_each(sqlite3 *db, sql_row_fn *f, void *ctx, const char *sql, const char *kinds, ...)
{
	va_list ap;
	int r;

	va_start(ap, kinds);
	r = each(db, f, ctx, sql, kinds, ap);
	va_end(ap);
	return r;
}

struct first {
	int64_t value;
	int seen;
};

static void take_first(void *ctx, sqlite3_stmt *row)
{
	struct first *first = ctx;

	if (first->seen++ == 0 && sqlite3_column_type(row, 0) != SQLITE_NULL)
		first->value = sqlite3_column_int64(row, 0);
}

int64_t sql_number(sqlite3 *db, int64_t otherwise, const char *sql, const char *kinds, ...)
{
	struct first first = {.value = otherwise};
	va_list ap;

	va_start(ap, kinds);
	each(db, take_first, &first, sql, kinds, ap);
	va_end(ap);
	return first.value;
}

const char *sql_text(sqlite3_stmt *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	return text ? text : "";
}
