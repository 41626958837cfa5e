/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The evidence store: control.db and one flows-<day>.db per UTC day in one directory (see control.sql,
 * flows.sql). One thread. Errors are -errno (-EBADMSG: a database file is corrupt, -ENOSPC: disk full) with
 * text from store_error().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;
struct store;

/* read_only: offline assess and queries; a missing store opens as an empty one. */
int store_open(const char *dir, bool read_only, struct store **out, char *error, size_t room);
void store_close(struct store *s);
const char *store_error(const struct store *s);
/* control.db, with all flows-<day>.db of the last `days` days attached as views `decision`, `session_update`,
 * `aggregate`, `frames`, `account` in the temp schema (0: all that exist; SQLite's limit of attached files is
 * met by newest first and *days_missing says how many were left out). */
struct sqlite3 *store_query_db(struct store *s, unsigned days, unsigned *days_missing);
/* control.db for writing. */
struct sqlite3 *store_control(struct store *s);

/* --- reading rings (reader.c)
 * -------------------------------------------------------------------------------- */

struct reader;

/* The laws, summed over all instances that the store has seen, from the files and the rings at this moment.
 */
struct laws {
	uint64_t frames_in, forwarded, dropped;
	uint64_t decisions, written, aggregated, pending, lost;
	uint64_t updates, updates_written, updates_pending, updates_lost;
	/* decisions - written - aggregated - pending - lost, and frames_in - forwarded - dropped: 0, or at
	 * most `in_hand` (one burst per live worker) while frames arrive */
	int64_t decisions_open, frames_open, updates_open;
	uint64_t in_hand;
	bool closed;  /* both laws hold within in_hand */
	bool storing; /* false: disk full or database error; see text */
	char text[160];
};

/* Watches `run_dir` for dp-<instance>.ring files; leftovers of dead instances are drained first, then
 * removed. */
int reader_new(struct store *s, const char *run_dir, struct reader **out);
void reader_free(struct reader *r);
/* One pass: at most `max` records. Returns how many were stored, or -errno (nothing moved; pending stays
 * pending). */
int reader_pass(struct reader *r, int64_t now_utc_ns, uint32_t max);
void reader_laws(struct reader *r, struct laws *out);
/* On a disk that is full, give up the room that is held for it; hold it again when there is room enough. Done
 * at opening; else now and then. */
void store_reserve(struct store *s);
/* Whether so little is free that no records of traffic are stored, and how much that is. */
bool store_full(const struct store *s, uint64_t *free_bytes);
/* Remove whole days beyond `max_bytes` or `max_days` (0: no bound), oldest first. */
int store_retain(struct store *s, uint64_t max_bytes, unsigned max_days);
