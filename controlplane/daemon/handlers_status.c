/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /v1/status: everything a person wants to know first.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "handlers.h"
#include "needs.h"
#include "notices.h"
#include "sql.h"

#define PENDING_MANY 10000u

/* --- engine ----------------------------------------------------------------------------------- */

static const char *port_state(const struct dp_hello *h, size_t i)
{
	if (h->port_removed >> i & 1)
		return "removed";
	return h->port_up >> i & 1 ? "up" : "down";
}

static json_t *ports_json(const struct daemon *d, const struct dp_hello *h)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n_ports; i++) {
		const struct config_port *p = NULL;

		for (size_t k = 0; k < d->config->n_ports; k++)
			if (strcmp(d->config->ports[k].name, d->ports[i].name) == 0)
				p = &d->config->ports[k];
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:b, s:s, s:s, s:s}", "name", d->ports[i].name,
						"driver", h->port_driver[i], "up", (int)(h->port_up >> i & 1),
						"state", port_state(h, i), "side",
						p && p->side == PORT_OUTSIDE ? "outside" : "inside", "role",
						!p                      ? "unknown"
						: p->role == PORT_TRUNK ? "trunk"
									: "access"));
	}
	return list;
}

static const char *engine_state(const struct link *l)
{
	const struct dp_hello *h = dp_last_hello(l->dp);

	if (!dp_connected(l->dp))
		return "disconnected";
	if (h->generation == 0)
		return "deny-all";
	if (h->standby == DP_STANDBY_GUARDING)
		return "standby";
	return l->kind == DP_ENGINE_NFT && h->layout == NFT_LAYOUT_NONE ? "host" : "active";
}

/* X(bit, word): what a kernel may lack. */
#define FEATURES(X)                                                                                          \
	X(BRIDGE, "bridge")                                                                                  \
	X(BRIDGE_CT, "bridge-conntrack")                                                                     \
	X(BRIDGE_REJECT, "bridge-reject")                                                                    \
	X(BR_NETFILTER, "br_netfilter")                                                                      \
	X(VLAN_FILTER, "vlan-filter")                                                                        \
	X(CT_EVENTS, "conntrack-events")                                                                     \
	X(NFLOG, "nflog")                                                                                    \
	X(STRICT_TCP, "strict-tcp")

static json_t *missing_json(uint32_t features)
{
	json_t *list = json_array();

#define X(bit, word)                                                                                         \
	if (!(features & DP_FEATURE_##bit))                                                                  \
		json_array_append_new(list, json_string(word));
	FEATURES(X)
#undef X
	return list;
}

static const char *layout_word(uint8_t layout)
{
	static const char *const words[] = {"none", "br_netfilter", "bridge-conntrack"};

	return layout < sizeof(words) / sizeof(words[0]) ? words[layout] : "unknown";
}

/* What only the kernel engine has. */
static json_t *kernel_json(const struct dp_hello *h)
{
	static const char *const standbys[] = {"none", "guarding", "active"};

	return json_pack("{s:s, s:o, s:s, s:I, s:o, s:I}", "layout", layout_word(h->layout), "missing",
			 missing_json(h->features), "standby",
			 h->standby < 3 ? standbys[h->standby] : "unknown", "takeovers",
			 (json_int_t)h->takeovers, "last_takeover", json_time(h->takeover_ns), "last_gap_ms",
			 (json_int_t)h->takeover_gap_ms);
}

static json_t *proof_json(const struct link *l)
{
	return json_pack("{s:o, s:o, s:I, s:I}", "time", json_time(l->proof_ns), "equal_time",
			 json_time(l->equal_ns), "cells", (json_int_t)l->proof.cells, "elements",
			 (json_int_t)l->proof.elements);
}

static json_t *engine_json(const struct daemon *d, const struct link *l)
{
	const struct dp_hello *h = dp_last_hello(l->dp);
	char digest[65], instance[17];
	json_t *e;

	digest_text(h->digest, digest);
	snprintf(instance, sizeof(instance), "%016llx", (unsigned long long)h->instance);
	e = json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:o, s:b, s:b}", "name", link_word(l), "state",
		      engine_state(l), "generation", (json_int_t)h->generation, "digest",
		      h->generation ? digest : "", "instance", h->instance ? instance : "", "pid",
		      (json_int_t)h->pid, "workers", (json_int_t)h->n_workers, "ports",
		      l == &d->links[0] ? ports_json(d, h) : json_array(), "tap", (int)h->tap, "test_mode",
		      (int)h->test_mode);
	json_object_update_new(e,
			       json_pack("{s:b, s:b, s:b, s:s, s:o}", "equal",
					 (int)(dp_connected(l->dp) && l->equal), "adopted", (int)l->adopted,
					 "closed", (int)l->closed, "text", l->text, "proof", proof_json(l)));
	if (l->kind == DP_ENGINE_NFT)
		json_object_update_new(e, json_pack("{s:o}", "kernel", kernel_json(h)));
	return e;
}

static json_t *engines_json(const struct daemon *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n_links; i++)
		json_array_append_new(list, engine_json(d, &d->links[i]));
	return list;
}

/* --- identities, scopes, generation ----------------------------------------------------------- */

static json_t *identities_json(const struct daemon *d)
{
	struct bindings_count c = bindings_count(d->bindings);

	return json_pack("{s:I, s:I, s:I}", "bound", (json_int_t)c.bound, "unknown", (json_int_t)c.unknown,
			 "conflict", (json_int_t)c.conflict);
}

static json_t *scopes_json(const struct daemon *d)
{
	json_t *list = json_array();

	for (size_t i = 0; d->active && d->active->rs && i < d->active->rs->n_scopes; i++)
		json_array_append_new(
			list,
			json_pack("{s:s, s:s}", "id", d->active->rs->scopes[i].id, "mode",
				  d->active->rs->scopes[i].mode == MODE_MONITOR ? "monitor" : "enforce"));
	return list;
}

static void take_generation(void *ctx, sqlite3_stmt *row)
{
	json_object_update_new(ctx, json_pack("{s:s, s:s, s:s, s:o}", "digest", sql_text(row, 0), "author",
					      sql_text(row, 1), "message", sql_text(row, 2), "active_since",
					      json_time(sqlite3_column_int64(row, 3))));
}

static json_t *generation_json(struct daemon *d)
{
	json_t *g = json_pack("{s:I}", "number", (json_int_t)daemon_generation(d));

	sql_each(d->journal.db, take_generation, g,
		 "SELECT digest, author, message, active_ns FROM generation WHERE number = ?", "i",
		 (int64_t)daemon_generation(d));
	return g;
}

/* --- laws, records ---------------------------------------------------------------------------- */

static void add_reason(void *ctx, sqlite3_stmt *row)
{
	json_object_set_new(ctx, sql_text(row, 0), json_integer(sqlite3_column_int64(row, 1)));
}

static json_t *reasons_json(struct daemon *d)
{
	json_t *reasons = json_object();
	unsigned missing;
	sqlite3 *db = store_query_db(d->store, 0, &missing);

	if (db)
		sql_each(db, add_reason, reasons,
			 "SELECT reason, sum(count) FROM frames WHERE reason NOT IN ('', 'l2') GROUP BY "
			 "reason ORDER BY 2 DESC",
			 "");
	return reasons;
}

static json_t *laws_json(struct daemon *d, const struct laws *l)
{
	json_t *laws = json_pack("{s:I, s:I, s:I, s:o}", "frames_in", (json_int_t)l->frames_in, "forwarded",
				 (json_int_t)l->forwarded, "dropped", (json_int_t)l->dropped, "reasons",
				 reasons_json(d));

	json_object_update_new(laws, json_pack("{s:I, s:I, s:I, s:I, s:I}", "decisions",
					       (json_int_t)l->decisions, "written", (json_int_t)l->written,
					       "aggregated", (json_int_t)l->aggregated, "pending",
					       (json_int_t)l->pending, "lost", (json_int_t)l->lost));
	json_object_set_new(laws, "updates",
			    json_pack("{s:I, s:I, s:I, s:I}", "updates", (json_int_t)l->updates, "written",
				      (json_int_t)l->updates_written, "pending",
				      (json_int_t)l->updates_pending, "lost", (json_int_t)l->updates_lost));
	json_object_update_new(laws, json_pack("{s:b, s:I, s:s}", "closed", (int)l->closed, "in_hand",
					       (json_int_t)l->in_hand, "text", l->text));
	return laws;
}

static json_t *records_json(const struct daemon *d, const struct laws *l)
{
	DIR *dir = opendir(d->config->dir);
	json_int_t bytes = 0, days = 0;
	struct dirent *e;
	struct stat st;

	while (dir && (e = readdir(dir))) {
		bool flows = strncmp(e->d_name, "flows-", 6) == 0;

		if (!flows && strncmp(e->d_name, "control.db", 10) != 0)
			continue;
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += st.st_size;
		days += flows && strlen(e->d_name) > 3 &&
			strcmp(e->d_name + strlen(e->d_name) - 3, ".db") == 0;
	}
	if (dir)
		closedir(dir);
	return json_pack("{s:s, s:I, s:I, s:I, s:b}", "dir", d->config->dir, "bytes", bytes, "max",
			 (json_int_t)d->config->records_max, "days", days, "storing",
			 (int)(l->storing && !d->reader_error[0]));
}

/* --- what needs somebody's attention ---------------------------------------------------------- */

static void attend(json_t *list, bool when, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void attend(json_t *list, bool when, const char *format, ...)
{
	char text[512];
	va_list ap;

	if (!when)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_array_append_new(list, answer_string(text));
}

static void attend_engine(json_t *list, const struct daemon *d, const struct link *l)
{
	const char *who = link_title(l);
	bool connected = dp_connected(l->dp);

	attend(list, !connected, "%s is not connected: %s", who, l->text);
	attend(list, connected && !l->equal, "%s does not hold the active generation%s: %s", who,
	       l->adopted ? " (adopted until the next commit)" : "", l->text);
	attend(list, l->closed,
	       "%s denies everything until it holds the policy again (on_difference: closed)", who);
	attend(list, connected && dp_last_hello(l->dp)->generation == 0 && !l->closed,
	       l == &d->links[0] ? "no policy is in force: everything is denied"
				 : "no policy is in force in the kernel engine");
	attend(list, connected && dp_last_hello(l->dp)->standby == DP_STANDBY_ACTIVE,
	       "cordon-dp is gone: the kernel enforces in its place");
}

static void attend_ports(json_t *list, const struct daemon *d)
{
	const struct dp *dp = d->links[0].dp;

	for (size_t i = 0; i < d->n_ports && dp_connected(dp); i++)
		attend(list, dp_last_hello(dp)->port_removed >> i & 1,
		       "port %s is removed: its card or device is gone, the other ports go on; when it is "
		       "back, restart cordon-ports and cordon-dp, or the gateway, to use it again",
		       d->ports[i].name);
}

static void attend_notice(void *list, const char *text)
{
	attend(list, true, "%s", text);
}

static json_t *clock_json(const struct daemon *d)
{
	enum daemon_clock clock = daemon_clock(d);

	return json_pack("{s:s, s:o}", "source", d->config->clock_trusted ? "trusted" : "kernel",
			 "synchronised",
			 clock == CLOCK_UNKNOWN ? json_null() : json_boolean(clock == CLOCK_GOOD));
}

static json_t *attention_json(const struct daemon *d, const struct laws *l)
{
	struct bindings_count c = bindings_count(d->bindings);
	json_t *list = json_array();
	uint64_t free_bytes;
	bool full = store_full(d->store, &free_bytes);

	notices_each(d->run_dir, attend_notice, list);
	for (size_t i = 0; i < d->n_links; i++)
		attend_engine(list, d, &d->links[i]);
	attend_ports(list, d);
	attend(list, d->box_error, "this kernel cannot be the nft engine: %s", d->box_error);
	attend(list, daemon_clock(d) == CLOCK_BAD,
	       "the clock is not synchronised: records have the time that this machine believes it is, and "
	       "no stage is awarded for it. Give it a time server, or say `clock: trusted` in the gateway's "
	       "config");
	attend(list, full,
	       "the disk of %s is full but for %llu MiB: policies can still be committed, records of traffic "
	       "wait and are lost when their ring is full; make room",
	       d->config->dir, (unsigned long long)(free_bytes >> 20));
	attend(list, d->open_intent, "generation %u is prepared but not decided", d->open_intent);
	attend(list, d->active && !d->active->rs,
	       "generation %u no longer compiles with this version or config; commit a policy that does",
	       daemon_generation(d));
	attend(list, d->reader_error[0], "records are not stored: %s", d->reader_error);
	attend(list, !l->storing && !d->reader_error[0], "records are not stored: %s", l->text);
	attend(list, !l->closed, "the counts do not add up: %s", l->text);
	attend(list, l->lost > 0, "%llu decisions have no record (lost)", (unsigned long long)l->lost);
	attend(list, l->pending > PENDING_MANY, "%llu records wait to be stored",
	       (unsigned long long)l->pending);
	attend(list, c.conflict > 0, "%zu endpoints have contradicting evidence ($conflict)", c.conflict);
	return list;
}

void handle_status(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	struct daemon *d = ctx;
	size_t needs = d->active && d->active->rs ? needs_note(d->active->rs, &d->box, NULL) : 0;
	struct laws laws;

	daemon_read_records(d);
	reader_laws(d->reader, &laws);
	handlers_answer(d, a, "status",
			json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "engines",
				  engines_json(d), "needs_dpdk", (json_int_t)needs, "identities",
				  identities_json(d), "scopes", scopes_json(d), "laws", laws_json(d, &laws),
				  "records", records_json(d, &laws), "attention", attention_json(d, &laws),
				  "started", json_time(d->started_ns), "clock", clock_json(d), "generation",
				  generation_json(d)),
			laws.lost == 0 && laws.closed, laws.lost);
}
