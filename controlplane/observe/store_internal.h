/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder share about an open store. Not for other folders.
 */
#pragma once

#include <sqlite3.h>

#include "store.h"

#define STORE_DAY_TEXT 11u /* YYYY-MM-DD and a zero */
#define STORE_PATH_MAX 1024u
#define STORE_URI_MAX  (3u * STORE_PATH_MAX + 32u)
#define STORE_SCHEMA   1 /* PRAGMA user_version of every file */
#define NS_PER_DAY     INT64_C(86400000000000)
#define NS_PER_HOUR    INT64_C(3600000000000)

/* Names of the day files, oldest first. */
struct day_list {
	char (*day)[STORE_DAY_TEXT];
	size_t n;
};

struct store {
	char dir[STORE_PATH_MAX];
	bool read_only;
	bool unmade; /* read_only, and there is no store */
	bool reserve_held;
	sqlite3 *control;
	sqlite3 *flows; /* of `flows_day`, for writing */
	char flows_day[STORE_DAY_TEXT];
	sqlite3 *query;           /* see attach.c */
	struct day_list attached; /* newest first */
	unsigned attached_missing;
	char error[320];
};

/* Sets the error text and gives the -errno of what SQLite said last about `db` while `doing`. */
int store_fail(struct store *s, sqlite3 *db, const char *file, const char *doing);
/* 0, or -ENOSPC with its text: what is left is not for records of traffic (reserve.c). */
int store_room(struct store *s);
int store_exec(struct store *s, sqlite3 *db, const char *file, const char *sql);
/* `dir`/`name`; false if it does not fit. */
bool store_path(const struct store *s, const char *name, char path[STORE_PATH_MAX]);
/* The file as an SQLite URI for reading; false if it does not fit. */
bool store_uri(const struct store *s, const char *file, char uri[STORE_URI_MAX]);
/* Bring a file that a killed writer left in order, before it is read. */
void store_recover(struct store *s, const char *file);
/* False for a day file whose writer was killed before it had its tables. */
bool store_day_made(struct store *s, const char *day);
int store_open_reading(struct store *s, const char *file, sqlite3 **db);
void store_day_file(const char *day, char name[32]);

/* 0 or -errno. The caller frees with days_free(). */
int store_days(struct store *s, struct day_list *out);
void days_free(struct day_list *days);
void day_text(int64_t utc_ns, char day[STORE_DAY_TEXT]);
/* First nanosecond of a day. */
int64_t day_start(const char *day);

/*
 * The day file to write to at `now_utc_ns`: today's, or the newest that exists if the clock went back,
 * because the newest file's accounts are the ones that count.
 */
int store_flows(struct store *s, int64_t now_utc_ns, sqlite3 **db);
/* A day file for reading only. The caller closes it. */
int store_open_day(struct store *s, const char *day, sqlite3 **db);
/* Close the connection of store_query_db(); days are about to go. */
void store_forget_query(struct store *s);
/* The schemas; see the .sql files. */
extern const char store_control_sql[];
extern const char store_flows_sql[];
