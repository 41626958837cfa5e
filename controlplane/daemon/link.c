/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The link to cordon-dp.
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "commit.h"
#include "lastgood.h"

#define BACKOFF_FIRST_MS  100u
#define BACKOFF_MAX_MS    5000u
#define PING_EVERY_MS     2000
#define READBACK_EVERY_MS 60000
#define LASTGOOD_EVERY_MS 1000

/* --- images and snapshots --------------------------------------------------------------------- */

int link_enforced(struct daemon *d, const struct generation *g, struct enforced *out)
{
	struct naming naming = daemon_naming(d, g);
	struct dp_binding *all;
	size_t n = bindings_count(d->bindings).bound, size;

	memset(out, 0, sizeof(*out));
	if (!g)
		return 0;
	all = calloc(n ? n : 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	n = bindings_export(d->bindings, &naming, all, utc_now_ns());
	out->snapshot = snapshot_make(g->image, g->number, naming.size, all, (uint32_t)n, &size);
	free(all);
	if (!out->snapshot)
		return -ENOMEM;
	out->number = g->number;
	out->image = g->image;
	out->image_size = g->image_size;
	out->snapshot_size = size;
	return 0;
}

void link_enforced_free(struct enforced *e)
{
	free((void *)(uintptr_t)e->snapshot);
	e->snapshot = NULL;
}

static int write_pair(const struct daemon *d, const struct enforced *e)
{
	const struct link *l = &d->link;
	int r = 0;

	if (l->image_written != e->number)
		r = lastgood_write(d->config->dir, LAST_GOOD_IMAGE, e->image, e->image_size);
	return r < 0 ? r : lastgood_write(d->config->dir, LAST_GOOD_BINDINGS, e->snapshot, e->snapshot_size);
}

/* A failure is told once and tried again: `dirty` stays. */
void link_write_lastgood(struct daemon *d, const struct enforced *e)
{
	struct link *l = &d->link;
	int r = write_pair(d, e);

	if (r < 0 && !l->write_failed)
		daemon_log(d, LOG_LEVEL_ERROR, "%s: cannot write the last good generation: %s",
			   d->config->dir, strerror(-r));
	l->write_failed = l->dirty = r < 0;
	l->image_written = r < 0 ? 0 : e->number;
	l->lastgood_ms = mono_now_ms();
}

void link_write_lastgood_bindings(struct daemon *d)
{
	struct enforced e;

	d->link.lastgood_ms = mono_now_ms();
	d->link.dirty = false;
	if (!d->active || link_enforced(d, d->active, &e) < 0)
		return;
	link_write_lastgood(d, &e);
	link_enforced_free(&e);
}

/* --- bindings --------------------------------------------------------------------------------- */

/* The dataplane refuses one (its table is full, say): it stays $unknown there and is tried again with the
 * next sync. */
static int correct(struct daemon *d, const struct dp_binding *wrong, size_t n)
{
	int r;

	d->link.dirty |= n > 0;
	if (n == 0 || !d->active)
		return 0;
	r = dp_bind(d->link.dp, wrong, n);
	if (r == 0 || !dp_connected(d->link.dp))
		return r;
	daemon_log(d, LOG_LEVEL_WARNING, "dataplane: bindings refused: %s", dp_error(d->link.dp));
	return 0;
}

/* `tell`: send what the dataplane has wrong; else a publish will. */
static int sync_bindings(struct daemon *d, bool tell)
{
	struct link *l = &d->link;
	struct dp_binding *held, *wrong;
	size_t n, n_wrong;
	int r = dp_dump_bindings(l->dp, &held, &n);

	if (r < 0)
		return r;
	wrong = calloc(n + bindings_count(d->bindings).bound + 1, sizeof(*wrong));
	if (!wrong) {
		free(held);
		return -ENOMEM;
	}
	n_wrong = bindings_sync(d->bindings, held, n, l->instance != dp_last_hello(l->dp)->instance, wrong,
				utc_now_ns());
	r = tell ? correct(d, wrong, n_wrong) : 0;
	free(wrong);
	free(held);
	return r;
}

int link_sync_bindings(struct daemon *d)
{
	int r = sync_bindings(d, true);

	if (r == 0)
		d->link.resync = false;
	return r;
}

/* Bindings, generation, bindings again: the first round feeds the snapshot of a publish, which the second may
 * need. */
static int agree(struct daemon *d)
{
	struct link *l = &d->link;
	uint64_t instance = dp_last_hello(l->dp)->instance;
	int r = sync_bindings(d, false);

	if (r == 0)
		r = commit_recover(d);
	if (r == 0)
		r = commit_verify(d);
	if (r == 0)
		r = link_sync_bindings(d);
	if (r < 0)
		return r;
	if (instance != l->instance)
		journal_set_instance(&d->journal, instance);
	l->instance = instance;
	if (!l->synced)
		journal_close_orphans(&d->journal, utc_now_ns());
	l->synced = true;
	return 0;
}

static void flush_batch(struct daemon *d)
{
	struct link *l = &d->link;
	size_t n = l->n_batch;

	l->n_batch = 0;
	if (n > 0 && d->active && dp_connected(l->dp) && dp_bind(l->dp, l->batch, n) < 0)
		l->resync = true;
}

static void event_row(struct daemon *d, const struct dp_endpoint *e, const char *kind, const char *what)
{
	char address[ADDR_TEXT], mac[MAC_TEXT];

	journal_event(&d->journal, kind, "%s %s %s at port %s, VLAN %u",
		      addr_print(e->family, e->addr, address, sizeof(address)), what,
		      mac_print(e->mac, mac, sizeof(mac)),
		      e->port < d->n_ports ? d->ports[e->port].name : "?", e->domain);
}

static void bind_endpoint(struct daemon *d, const struct dp_endpoint *e)
{
	struct link *l = &d->link;
	int64_t now = utc_now_ns();
	const struct live_binding *b = bindings_seen(d->bindings, e, now);

	if (!b)
		return;
	l->batch[l->n_batch++] = bindings_message(d->bindings, b, now);
	l->dirty = true;
	if (b->b.identity == IDENTITY_CONFLICT)
		event_row(d, e, "conflict", "has contradicting evidence, is $conflict:");
	if (l->n_batch == DP_BATCH)
		flush_batch(d);
}

static void on_endpoint(void *ctx, const struct dp_endpoint *e)
{
	struct daemon *d = ctx;

	if (e->family != 4 && e->family != 6)
		return;
	switch (e->kind) {
	case DP_ENDPOINT_MOVED:
		event_row(d, e, "moved", "moved with");
		bind_endpoint(d, e);
		break;
	case DP_ENDPOINT_NEW:
		bind_endpoint(d, e);
		break;
	case DP_ENDPOINT_GONE:
		bindings_gone(d->bindings, e);
		d->link.dirty = true;
		break;
	case DP_ENDPOINT_SPOOF:
		event_row(d, e, "spoof", "was claimed by");
		break;
	default:
		break;
	}
}

/* --- connection ------------------------------------------------------------------------------- */

static void lost(struct daemon *d)
{
	struct link *l = &d->link;

	if (strcmp(l->text, dp_error(l->dp)) != 0)
		daemon_log(d, LOG_LEVEL_WARNING, "dataplane: %s", dp_error(l->dp));
	snprintf(l->text, sizeof(l->text), "%s", dp_error(l->dp));
	dp_disconnect(l->dp);
	l->equal = false;
	l->n_batch = 0;
	l->next_try_ms = mono_now_ms() + l->backoff_ms;
	l->backoff_ms = l->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : l->backoff_ms * 2;
}

void link_events(struct daemon *d)
{
	if (!dp_connected(d->link.dp))
		return;
	dp_events(d->link.dp, on_endpoint, d);
	flush_batch(d);
	if (dp_events_lost(d->link.dp) > 0)
		d->link.resync = true;
	if (!dp_connected(d->link.dp))
		lost(d);
}

/* The dataplane's own order of ports; one that the config does not know counts as inside and has no evidence.
 */
static void take_ports(struct daemon *d)
{
	const struct dp_hello *h = dp_last_hello(d->link.dp);

	d->n_ports = h->n_ports < CONFIG_PORTS_MAX ? h->n_ports : CONFIG_PORTS_MAX;
	for (size_t i = 0; i < d->n_ports; i++) {
		snprintf(d->port_names[i], sizeof(d->port_names[i]), "%s", h->port_name[i]);
		d->ports[i] = (struct binding_port){.name = d->port_names[i]};
		for (size_t k = 0; k < d->config->n_ports; k++)
			if (strcmp(d->config->ports[k].name, h->port_name[i]) == 0)
				d->ports[i].outside = d->config->ports[k].side == PORT_OUTSIDE;
	}
}

static void connect_now(struct daemon *d)
{
	struct link *l = &d->link;

	if (l->backoff_ms == 0)
		l->backoff_ms = BACKOFF_FIRST_MS;
	if (dp_connect(l->dp) < 0) {
		lost(d);
		return;
	}
	take_ports(d);
	if (agree(d) < 0) {
		lost(d);
		return;
	}
	l->backoff_ms = BACKOFF_FIRST_MS;
	l->ping_ms = l->readback_ms = mono_now_ms();
	daemon_log(d, LOG_LEVEL_NOTICE, "dataplane: connected, generation %u, %u ports",
		   dp_last_hello(l->dp)->generation, dp_last_hello(l->dp)->n_ports);
}

static void ping(struct daemon *d, int64_t now_ms)
{
	d->link.ping_ms = now_ms;
	if (dp_ping(d->link.dp) < 0)
		lost(d);
	else if (dp_last_hello(d->link.dp)->generation != daemon_generation(d) && d->active)
		d->link.readback_ms = now_ms - READBACK_EVERY_MS;
}

static void verify(struct daemon *d, int64_t now_ms)
{
	d->link.readback_ms = now_ms;
	if (link_sync_bindings(d) < 0 || commit_verify(d) < 0)
		lost(d);
}

void link_tick(struct daemon *d, int64_t now_ms)
{
	struct link *l = &d->link;

	if (!dp_connected(l->dp) && now_ms >= l->next_try_ms)
		connect_now(d);
	link_events(d);
	if (dp_connected(l->dp) && now_ms - l->ping_ms >= PING_EVERY_MS)
		ping(d, now_ms);
	if (dp_connected(l->dp) && now_ms - l->readback_ms >= READBACK_EVERY_MS)
		verify(d, now_ms);
	if (dp_connected(l->dp) && l->resync && link_sync_bindings(d) < 0)
		lost(d);
	if (l->dirty && now_ms - l->lastgood_ms >= LASTGOOD_EVERY_MS)
		link_write_lastgood_bindings(d);
}
