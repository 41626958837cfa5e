/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Journal: who had an address when, and what happened. Many rows, so binding rows gather in one transaction
 * until journal_flush(); a death in between loses at most those of one turn of the loop, and the next
 * synchronisation with the dataplane brings the state back.
 */
#include "journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "sql.h"

#define NS_PER_S 1000000000LL

static void open_batch(struct journal *j)
{
	if (!j->batch)
		j->batch = sql_run(j->db, "BEGIN IMMEDIATE", "") == 0;
}

int journal_flush(struct journal *j)
{
	int r;

	if (!j->batch)
		return 0;
	j->batch = false;
	r = sql_run(j->db, "COMMIT", "");
	if (r < 0 && !sqlite3_get_autocommit(j->db))
		sql_run(j->db, "ROLLBACK", "");
	return r;
}

/* A row of an earlier process that says the same and was not closed goes on. */
static int64_t adopt(struct journal *j, const struct live_binding *b, const char *address, const char *mac,
		     const char *port)
{
	int64_t row = sql_number(
		j->db, 0,
		"SELECT max(id) FROM binding WHERE address = ? AND domain = ? AND mac = ? AND port = ?"
		" AND identity = ? AND until_ns IS NULL AND id <= ?"
		" AND id NOT IN (SELECT id FROM adopted)",
		"tittii", address, (int64_t)b->b.domain, mac, port, (int64_t)b->b.identity, j->adopt_max);

	if (row > 0)
		sql_run(j->db, "INSERT INTO adopted (id) VALUES (?)", "i", row);
	return row;
}

void journal_binding_opened(void *ctx, struct live_binding *b)
{
	const struct journal_bindings *jb = ctx;
	struct journal *j = jb->journal;
	const char *port = b->b.port < *jb->n_ports ? jb->ports[b->b.port].name : "?";
	char address[ADDR_TEXT], mac[MAC_TEXT];

	addr_print(b->b.family, b->b.addr, address, sizeof(address));
	mac_print(b->b.mac, mac, sizeof(mac));
	open_batch(j);
	b->row = j->adopt_max > 0 ? adopt(j, b, address, mac, port) : 0;
	if (b->row > 0)
		return;
	if (sql_run(j->db,
		    "INSERT INTO binding (domain, address, mac, port, identity, method, from_ns)"
		    " VALUES (?, ?, ?, ?, ?, ?, ?)",
		    "itttiti", (int64_t)b->b.domain, address, mac, port, (int64_t)b->b.identity, b->method,
		    b->since_ns) == 0)
		b->row = sqlite3_last_insert_rowid(j->db);
}

void journal_binding_closed(void *ctx, const struct live_binding *b, int64_t time_ns)
{
	const struct journal_bindings *jb = ctx;

	if (b->row == 0)
		return;
	open_batch(jb->journal);
	sql_run(jb->journal->db, "UPDATE binding SET until_ns = max(from_ns, ?) WHERE id = ?", "ii", time_ns,
		b->row);
}

void journal_close_orphans(struct journal *j, int64_t time_ns)
{
	if (j->adopt_max == 0)
		return;
	open_batch(j);
	sql_run(j->db,
		"UPDATE binding SET until_ns = max(from_ns, ?) WHERE until_ns IS NULL AND id <= ?"
		" AND id NOT IN (SELECT id FROM adopted)",
		"ii", time_ns, j->adopt_max);
	sql_run(j->db, "DELETE FROM adopted", "");
	j->adopt_max = 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static void event_row(struct journal *j, int64_t time_ns, const char *kind, char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	sql_run(j->db, "INSERT INTO event (time_ns, kind, text) VALUES (?, ?, ?)", "itt", time_ns, kind,
		text);
}

static void end_second(struct journal *j, int64_t now)
{
	for (size_t i = 0; i < JOURNAL_KINDS && j->kinds[i].kind[0]; i++) {
		struct journal_kind *k = &j->kinds[i];
		char text[128];

		if (k->n > JOURNAL_EVENTS) {
			snprintf(text, sizeof(text),
				 "%u more events of kind %s in one second were not written",
				 k->n - JOURNAL_EVENTS, k->kind);
			event_row(j, now, "events-skipped", text);
		}
		k->n = 0;
	}
	j->event_window_ns = now;
}

void journal_events_settle(struct journal *j)
{
	int64_t now = utc_now_ns();

	if (now - j->event_window_ns >= NS_PER_S || now < j->event_window_ns)
		end_second(j, now);
}

/* The last entry is of all kinds beyond the table. */
static struct journal_kind *count_of(struct journal *j, const char *kind)
{
	size_t i = 0;

	while (i < JOURNAL_KINDS - 1 && j->kinds[i].kind[0] && strcmp(j->kinds[i].kind, kind) != 0)
		i++;
	if (!j->kinds[i].kind[0])
		snprintf(j->kinds[i].kind, sizeof(j->kinds[i].kind), "%s", kind);
	return &j->kinds[i];
}

void journal_event(struct journal *j, const char *kind, const char *format, ...)
{
	char text[512];
	va_list ap;

	journal_events_settle(j);
	if (count_of(j, kind)->n++ >= JOURNAL_EVENTS)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	event_row(j, utc_now_ns(), kind, text);
}
