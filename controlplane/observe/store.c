/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store's files: opening, schema, errors.
 *
 * Why every record is stored exactly once. A ring's rows and its account, which holds the position up to
 * which rows are stored, are written by one transaction into one file, so after any death of this process
 * they agree; the reader starts from the account, never from the shared tail. The shared tail moves only
 * after the commit. It must not move past rows that a power cut could take back while their ring lives on,
 * and it must not claim as stored what is not: so the day files use synchronous=FULL like control.db. One
 * sync per batch is the price; a batch is tens of thousands of rows under load. A reboot loses the ring as
 * well; the difference between the account's decisions and its rows is then written as lost.
 *
 * A file that SQLite calls corrupt is never repaired or moved here: the error names it and says what to do.
 * Owner: one thread.
 */
#include "store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_FILE "control.db"
#define DAY_PREFIX   "flows-"
#define DAY_SUFFIX   ".db"
#define BUSY_MS      5000
/* A write-ahead log of 64 MB and a cache to match: a checkpoint per small batch would halve the rate. */
#define WRITER_PRAGMAS                                                                                       \
	"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA "                  \
	"secure_delete=OFF; "                                                                                \
	"PRAGMA journal_size_limit=67108864; PRAGMA wal_autocheckpoint=16384; PRAGMA cache_size=-65536"

const char store_control_sql[] =
#include "control.sql.inc"
	;
const char store_flows_sql[] =
#include "flows.sql.inc"
	;

static int errno_of(sqlite3 *db)
{
	switch (sqlite3_errcode(db)) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CANTOPEN:
		return sqlite3_system_errno(db) ? -sqlite3_system_errno(db) : -ENOENT;
	case SQLITE_IOERR:
		return sqlite3_system_errno(db) == ENOSPC ? -ENOSPC : -EIO;
	default:
		return -EIO;
	}
}

int store_fail(struct store *s, sqlite3 *db, const char *file, const char *doing)
{
	int error = errno_of(db);

	if (error == -EBADMSG)
		snprintf(s->error, sizeof(s->error),
			 "%.200s/%s is damaged (%s): move it away and start again; what it held is then "
			 "missing",
			 s->dir, file, sqlite3_errmsg(db));
	else if (error == -ENOSPC)
		snprintf(s->error, sizeof(s->error), "%.200s: disk full, %s waits", s->dir, doing);
	else
		snprintf(s->error, sizeof(s->error), "%.160s/%s: %s: %s", s->dir, file, doing,
			 sqlite3_errmsg(db));
	return error;
}

const char *store_error(const struct store *s)
{
	return s->error;
}

int store_exec(struct store *s, sqlite3 *db, const char *file, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_fail(s, db, file, "writing");
}

bool store_path(const struct store *s, const char *name, char path[STORE_PATH_MAX])
{
	return snprintf(path, STORE_PATH_MAX, "%s/%s", s->dir, name) < (int)STORE_PATH_MAX;
}

void store_day_file(const char *day, char name[32])
{
	snprintf(name, 32, DAY_PREFIX "%s" DAY_SUFFIX, day);
}

/* --- days ---------------------------------------------------------------------------------------------- */

void day_text(int64_t utc_ns, char day[STORE_DAY_TEXT])
{
	time_t t = (time_t)(utc_ns / 1000000000);
	struct tm tm;

	gmtime_r(&t, &tm);
	if (!strftime(day, STORE_DAY_TEXT, "%Y-%m-%d", &tm))
		memcpy(day, "1970-01-01", STORE_DAY_TEXT);
}

int64_t day_start(const char *day)
{
	struct tm tm = {0};

	if (!strptime(day, "%Y-%m-%d", &tm))
		return 0;
	return (int64_t)timegm(&tm) * 1000000000;
}

/* flows-YYYY-MM-DD.db, and nothing that only resembles it. */
static bool is_day_file(const char *name, char day[STORE_DAY_TEXT])
{
	static const char form[] = "dddd-dd-dd";
	const char *p = name + strlen(DAY_PREFIX);

	if (strncmp(name, DAY_PREFIX, strlen(DAY_PREFIX)) ||
	    strlen(p) != sizeof(form) - 1 + strlen(DAY_SUFFIX) || strcmp(p + sizeof(form) - 1, DAY_SUFFIX))
		return false;
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		if (form[i] == 'd' ? p[i] < '0' || p[i] > '9' : p[i] != form[i])
			return false;
	}
	memcpy(day, p, STORE_DAY_TEXT - 1);
	day[STORE_DAY_TEXT - 1] = 0;
	return true;
}

static int by_day(const void *a, const void *b)
{
	return strcmp(a, b);
}

void days_free(struct day_list *days)
{
	free(days->day);
	*days = (struct day_list){0};
}

static int days_add(struct day_list *days, const char *day)
{
	void *more = realloc(days->day, (days->n + 1) * sizeof(*days->day));

	if (!more)
		return -ENOMEM;
	days->day = more;
	memcpy(days->day[days->n++], day, STORE_DAY_TEXT);
	return 0;
}

int store_days(struct store *s, struct day_list *out)
{
	char day[STORE_DAY_TEXT];
	struct dirent *entry;
	int error = 0;
	DIR *dir;

	*out = (struct day_list){0};
	if (s->unmade)
		return 0;
	dir = opendir(s->dir);
	if (!dir) {
		error = -errno;
		snprintf(s->error, sizeof(s->error), "%.200s: %s", s->dir, strerror(-error));
		return error;
	}
	while (!error && (entry = readdir(dir))) {
		if (is_day_file(entry->d_name, day))
			error = days_add(out, day);
	}
	closedir(dir);
	if (error)
		days_free(out);
	else if (out->n)
		qsort(out->day, out->n, sizeof(*out->day), by_day);
	return error;
}

/* --- opening ------------------------------------------------------------------------------------------- */

static int query_int(sqlite3 *db, const char *sql, int *value)
{
	sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);

	if (rc == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
		*value = sqlite3_column_int(q, 0);
	return sqlite3_finalize(q) == SQLITE_OK && rc == SQLITE_OK ? 0 : -1;
}

static int check_version(struct store *s, sqlite3 *db, const char *file)
{
	int version = 0;

	if (query_int(db, "PRAGMA user_version", &version) < 0)
		return store_fail(s, db, file, "reading");
	if (version == STORE_SCHEMA || version == 0)
		return version;
	snprintf(s->error, sizeof(s->error),
		 "%.200s/%s was made by another version of the store (%d, this is %d)", s->dir, file, version,
		 STORE_SCHEMA);
	return -EPROTO;
}

static int make_schema(struct store *s, sqlite3 *db, const char *file, const char *schema)
{
	char version[48];
	int error = check_version(s, db, file);

	if (error)
		return error < 0 ? error : 0;
	snprintf(version, sizeof(version), "PRAGMA user_version=%d; COMMIT", STORE_SCHEMA);
	error = store_exec(s, db, file, "BEGIN IMMEDIATE");
	if (!error)
		error = store_exec(s, db, file, schema);
	return error ? error : store_exec(s, db, file, version);
}

static int open_writer(struct store *s, const char *file, const char *schema, sqlite3 **db)
{
	char path[STORE_PATH_MAX];
	int error;

	if (!store_path(s, file, path))
		return -ENAMETOOLONG;
	if (sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK) {
		error = store_fail(s, *db, file, "opening");
	} else {
		sqlite3_busy_timeout(*db, BUSY_MS);
		error = store_exec(s, *db, file, WRITER_PRAGMAS);
		if (!error)
			error = make_schema(s, *db, file, schema);
	}
	if (error) {
		sqlite3_close(*db);
		*db = NULL;
	}
	return error;
}

/* Small, and everything hangs on it: read it once, wholly. */
static int check_control(struct store *s)
{
	sqlite3_stmt *q = NULL;
	int error = 0;

	if (sqlite3_prepare_v2(s->control, "PRAGMA quick_check(1)", -1, &q, NULL) != SQLITE_OK ||
	    sqlite3_step(q) != SQLITE_ROW) {
		error = store_fail(s, s->control, CONTROL_FILE, "reading");
	} else if (strcmp((const char *)sqlite3_column_text(q, 0), "ok")) {
		snprintf(s->error, sizeof(s->error),
			 "%.160s/" CONTROL_FILE
			 " is damaged (%.80s): restore it from a backup or move it away",
			 s->dir, sqlite3_column_text(q, 0));
		error = -EBADMSG;
	}
	sqlite3_finalize(q);
	return error;
}

static int open_control(struct store *s)
{
	int error;

	if (mkdir(s->dir, 0750) < 0 && errno != EEXIST) {
		error = -errno;
		snprintf(s->error, sizeof(s->error), "%.200s: %s", s->dir, strerror(-error));
		return error;
	}
	store_reserve(s);
	error = open_writer(s, CONTROL_FILE, store_control_sql, &s->control);
	return error ? error : check_control(s);
}

static int open_empty(struct store *s)
{
	s->unmade = true;
	if (sqlite3_open_v2(":memory:", &s->control, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
	    SQLITE_OK)
		return -ENOMEM;
	return make_schema(s, s->control, CONTROL_FILE, store_control_sql);
}

/*
 * Reading a WAL database needs its -shm file, which a reader without write permission cannot make. If there
 * is no -wal file either, nothing is pending and the database may be read as it stands.
 */
bool store_uri(const struct store *s, const char *file, char uri[STORE_URI_MAX])
{
	static const char hex[] = "0123456789ABCDEF";
	char path[STORE_PATH_MAX], wal[STORE_PATH_MAX];
	char *at = stpcpy(uri, "file:");

	if (!store_path(s, file, path) || snprintf(wal, sizeof(wal), "%s-wal", path) >= (int)sizeof(wal))
		return false;
	for (const char *p = path; *p; p++) {
		if (strchr("?#%", *p)) {
			*at++ = '%';
			*at++ = hex[*p >> 4 & 15];
			*at++ = hex[*p & 15];
		} else {
			*at++ = *p;
		}
	}
	strcpy(at, access(s->dir, W_OK) < 0 && access(wal, F_OK) < 0 ? "?mode=ro&immutable=1" : "?mode=ro");
	return true;
}

/*
 * A writer that was killed may leave a journal or a log that only a writer can bring in order, or a day file
 * without its tables. So a day file of a store that may be written is opened for writing once before it is
 * read; what is wrong with it shows when it is read.
 */
void store_recover(struct store *s, const char *file)
{
	char mine[32], day[STORE_DAY_TEXT];
	sqlite3 *db = NULL;

	store_day_file(s->flows_day, mine);
	if (s->read_only || !is_day_file(file, day) || (s->flows && !strcmp(file, mine)))
		return;
	if (open_writer(s, file, store_flows_sql, &db) == 0)
		sqlite3_close(db);
}

bool store_day_made(struct store *s, const char *day)
{
	char file[32];
	sqlite3 *db = NULL;
	int version = 0;
	bool unmade;

	store_day_file(day, file);
	if (store_open_reading(s, file, &db) < 0)
		return true; /* and the error shows when it is read */
	unmade = query_int(db, "PRAGMA user_version", &version) == 0 && version == 0;
	sqlite3_close(db);
	return !unmade;
}

int store_open_reading(struct store *s, const char *file, sqlite3 **db)
{
	char uri[STORE_URI_MAX];
	int error = 0;

	if (!store_uri(s, file, uri))
		return -ENAMETOOLONG;
	store_recover(s, file);
	if (sqlite3_open_v2(uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		error = store_fail(s, *db, file, "opening");
	else
		sqlite3_busy_timeout(*db, BUSY_MS);
	if (!error)
		error = check_version(s, *db, file);
	if (error >= 0)
		return 0;
	sqlite3_close(*db);
	*db = NULL;
	return error;
}

static int open_reading(struct store *s)
{
	char path[STORE_PATH_MAX];
	struct stat st;
	int error;

	if (!store_path(s, CONTROL_FILE, path))
		return -ENAMETOOLONG;
	if (stat(path, &st) < 0) {
		error = -errno;
		if (error == -ENOENT)
			return open_empty(s);
		snprintf(s->error, sizeof(s->error), "%.200s: %s", path, strerror(-error));
		return error;
	}
	error = store_open_reading(s, CONTROL_FILE, &s->control);
	return error ? error : check_control(s);
}

int store_open(const char *dir, bool read_only, struct store **out, char *error, size_t room)
{
	struct store *s = calloc(1, sizeof(*s));
	int code;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->read_only = read_only;
	code = snprintf(s->dir, sizeof(s->dir), "%s", dir) < (int)sizeof(s->dir) ? 0 : -ENAMETOOLONG;
	if (!code)
		code = read_only ? open_reading(s) : open_control(s);
	if (code) {
		snprintf(error, room, "%s", s->error[0] ? s->error : strerror(-code));
		store_close(s);
		return code;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	sqlite3_close(s->query);
	sqlite3_close(s->flows);
	sqlite3_close(s->control);
	days_free(&s->attached);
	free(s);
}

struct sqlite3 *store_control(struct store *s)
{
	return s->control;
}

/* --- day files ----------------------------------------------------------------------------------------- */

static int newest_day(struct store *s, char day[STORE_DAY_TEXT])
{
	struct day_list days;
	int error = store_days(s, &days);

	if (!error && days.n && strcmp(days.day[days.n - 1], day) > 0)
		memcpy(day, days.day[days.n - 1], STORE_DAY_TEXT);
	days_free(&days);
	return error;
}

int store_flows(struct store *s, int64_t now_utc_ns, sqlite3 **db)
{
	char day[STORE_DAY_TEXT], file[32];
	sqlite3 *opened = NULL;
	int error;

	day_text(now_utc_ns, day);
	if (s->flows && strcmp(s->flows_day, day) >= 0) {
		*db = s->flows;
		return 0;
	}
	error = newest_day(s, day);
	if (error)
		return error;
	store_day_file(day, file);
	error = open_writer(s, file, store_flows_sql, &opened);
	if (error)
		return error;
	sqlite3_close(s->flows);
	s->flows = *db = opened;
	memcpy(s->flows_day, day, sizeof(day));
	return 0;
}

int store_open_day(struct store *s, const char *day, sqlite3 **db)
{
	char file[32];

	store_day_file(day, file);
	return store_open_reading(s, file, db);
}
