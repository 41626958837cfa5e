/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening and closing the daemon's parts, and one turn of its clock.
 */
#include "daemon.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lastgood.h"
#include "link.h"
#include "proof.h"

#define RETAIN_EVERY_MS 60000
#define READ_PASSES     4

int64_t mono_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

void daemon_log(const struct daemon *d, enum log_level level, const char *format, ...)
{
	char text[512];
	va_list ap;

	if (!d->log)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	log_line(d->log, level, "%s", text);
}

uint32_t daemon_generation(const struct daemon *d)
{
	return d->active ? d->active->number : 0;
}

struct naming daemon_naming(const struct daemon *d, const struct generation *g)
{
	return (struct naming){
		.rs = g ? g->rs : NULL, .dict = d->dictionary, .size = g ? g->image->identity.count : 0};
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Until the dataplane tells its own order, ports are numbered as in the config: that is how it was started.
 */
static void name_ports(struct daemon *d)
{
	d->n_ports = d->config->n_ports;
	for (size_t i = 0; i < d->n_ports; i++) {
		snprintf(d->port_names[i], sizeof(d->port_names[i]), "%s", d->config->ports[i].name);
		d->ports[i].name = d->port_names[i];
		d->ports[i].outside = d->config->ports[i].side == PORT_OUTSIDE;
	}
}

/*
 * The image that was active is used as it was stored, never compiled again. If this version no longer accepts
 * the text, the image still holds and endpoints are $unknown until the next commit.
 */
static int load_active(struct daemon *d, char *error)
{
	uint32_t number = journal_newest(&d->journal, "active");
	struct diags findings;
	int r;

	d->open_intent = journal_newest(&d->journal, "prepared");
	if (number == 0)
		return 0;
	r = journal_load(&d->journal, number, &d->active, error);
	if (r < 0 || !d->active)
		return r < 0 ? r : -EBADMSG;
	diags_init(&findings);
	if (!generation_resolve(d->active, d->config, &findings)) {
		ruleset_free(d->active->rs);
		d->active->rs = NULL;
		daemon_log(d, LOG_LEVEL_ERROR,
			   "generation %u: this version or config does not accept its text; "
			   "it stays in force, new endpoints are $unknown until the next commit",
			   number);
	}
	diags_free(&findings);
	return 0;
}

static int add_link(struct daemon *d, enum dp_engine kind)
{
	struct link *l = &d->links[d->n_links];
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.sock", d->run_dir, kind == DP_ENGINE_NFT ? "nft" : "dp");
	l->dp = dp_new(path, kind);
	if (!l->dp)
		return -ENOMEM;
	l->kind = kind;
	proof_use(d, dp_enforcer(l->dp));
	if (d->n_links++ > 0)
		dp_follow(l->dp);
	return 0;
}

/* The data path, and cordon-nft beside cordon-dp if the config has work for it. */
static int open_links(struct daemon *d)
{
	int r = add_link(d, d->config->engine);

	if (r == 0 && d->config->engine != DP_ENGINE_NFT && config_uses_nft(d->config))
		r = add_link(d, DP_ENGINE_NFT);
	return r;
}

static int open_bindings(struct daemon *d)
{
	struct binding_observer observer = {.opened = journal_binding_opened,
					    .closed = journal_binding_closed,
					    .ctx = &d->journal_bindings};

	d->journal_bindings = (struct journal_bindings){&d->journal, d->ports, &d->n_ports};
	/* Ports are looked up in an array that may grow up to its full size when the dataplane says more. */
	d->bindings = bindings_new(d->ports, CONFIG_PORTS_MAX, d->config->timeouts.lease, observer);
	return d->bindings ? 0 : -ENOMEM;
}

/*
 * Who was bound when we stopped, for a dataplane that starts anew beside us: hosts that are silent but known
 * stay reachable. A dataplane that went on meanwhile knows better, and overrules it when we connect.
 */
static void restore_bindings(struct daemon *d)
{
	struct snapshot_header *s = lastgood_read_bindings(d->config->dir);

	if (s && d->active)
		bindings_sync(d->bindings, snapshot_bindings(s), s->count, true, NULL, utc_now_ns());
	free(s);
	d->keep.instance = journal_instance(&d->journal);
	journal_flush(&d->journal);
}

static int open_parts(struct daemon *d, char *error, size_t room)
{
	char text[ENFORCER_ERROR] = "";
	int r = store_open(d->config->dir, false, &d->store, error, room);

	if (r < 0)
		return r;
	journal_init(&d->journal, store_control(d->store));
	d->dictionary = journal_dictionary(&d->journal, text);
	r = d->dictionary ? load_active(d, text) : -EBADMSG;
	if (r < 0) {
		snprintf(error, room, "%s/%s", d->config->dir, text);
		return r;
	}
	r = open_links(d);
	if (r == 0)
		r = open_bindings(d);
	if (r < 0) {
		snprintf(error, room, "%s/*.sock: path too long or out of memory", d->run_dir);
		return r;
	}
	bindings_use(d->bindings, daemon_naming(d, d->active), utc_now_ns());
	restore_bindings(d);
	r = reader_new(d->store, d->run_dir, &d->reader);
	if (r < 0)
		snprintf(error, room, "%s: cannot watch for ring files: %s", d->run_dir, strerror(-r));
	return r;
}

int daemon_open(struct daemon *d, struct config *config, const char *run_dir, struct log *log, char *error,
		size_t room)
{
	int r;

	memset(d, 0, sizeof(*d));
	d->log = log;
	d->config = config;
	d->run_dir = run_dir;
	d->started_ns = utc_now_ns();
	name_ports(d);
	config_box(config, &d->box); /* without a layout, until the kernel is known */
	r = open_parts(d, error, room);
	if (r < 0) {
		daemon_close(d);
		return r;
	}
	journal_event(&d->journal, "start", "cordond started with generation %u", daemon_generation(d));
	return 0;
}

void daemon_close(struct daemon *d)
{
	if (d->bindings && d->keep.dirty)
		link_write_lastgood_bindings(d);
	if (d->store && d->bindings)
		journal_flush(&d->journal);
	bindings_free(d->bindings);
	for (size_t i = 0; i < d->n_links; i++)
		dp_free(d->links[i].dp);
	if (d->reader)
		reader_free(d->reader);
	if (d->store)
		store_close(d->store);
	dictionary_free(d->dictionary);
	generation_free(d->active);
	config_free(d->config);
	memset(d, 0, sizeof(*d));
}

/* --- the clock -------------------------------------------------------------------------------- */

void daemon_read_records(struct daemon *d)
{
	int r = DAEMON_READ_MAX;

	/* behind: go on, but let the loop turn in between */
	for (int i = 0; i < READ_PASSES && r == DAEMON_READ_MAX; i++)
		r = reader_pass(d->reader, utc_now_ns(), DAEMON_READ_MAX);
	if (r >= 0) {
		if (d->reader_error[0])
			daemon_log(d, LOG_LEVEL_NOTICE, "records are stored again");
		d->reader_error[0] = 0;
		return;
	}
	if (!d->reader_error[0])
		daemon_log(d, LOG_LEVEL_ERROR,
			   "records are not stored: %s; they stay pending in the dataplane",
			   store_error(d->store));
	snprintf(d->reader_error, sizeof(d->reader_error), "%s", store_error(d->store));
}

static void retain(struct daemon *d, int64_t now_ms)
{
	if (now_ms - d->retained_ms < RETAIN_EVERY_MS)
		return;
	d->retained_ms = now_ms;
	store_reserve(d->store);
	if (store_retain(d->store, d->config->records_max, 0) < 0)
		daemon_log(d, LOG_LEVEL_WARNING, "retention: %s", store_error(d->store));
}

void daemon_tick(struct daemon *d)
{
	int64_t now_ms = mono_now_ms();

	link_tick(d, now_ms);
	journal_events_settle(&d->journal);
	journal_flush(&d->journal);
	daemon_read_records(d);
	retain(d, now_ms);
}

void daemon_engine_ready(struct daemon *d)
{
	link_events(d);
	journal_flush(&d->journal);
}
