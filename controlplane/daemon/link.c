/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The links to the engines.
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"
#include "lastgood.h"
#include "timefmt.h"
#include "to_nft.h"

#define BACKOFF_FIRST_MS  100u
#define BACKOFF_MAX_MS    5000u
#define BACKOFF_ABSENT_MS 1000u /* nobody at the socket: to ask again costs nothing */
#define PING_EVERY_MS     2000
#define LASTGOOD_EVERY_MS 1000

/* --- images and snapshots --------------------------------------------------------------------- */

/* The kernel program of `g`, if there is an engine for it whose kernel can hold it. */
static void add_program(struct daemon *d, struct generation *g, struct enforced *out)
{
	char text[ENFORCER_ERROR];

	if (!d->box_known || d->box_error)
		return;
	if (generation_program(g, &d->box, text, sizeof(text)) != COMPILE_OK) {
		daemon_log(d, LOG_LEVEL_ERROR, "generation %u as a kernel program: %s", g->number, text);
		return;
	}
	out->program = g->program;
	out->program_size = g->program_size;
}

int link_enforced(struct daemon *d, struct generation *g, struct enforced *out)
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
	add_program(d, g, out);
	return 0;
}

void link_enforced_free(struct enforced *e)
{
	free((void *)(uintptr_t)e->snapshot);
	e->snapshot = NULL;
}

static int write_pair(const struct daemon *d, const struct enforced *e)
{
	const struct upkeep *k = &d->keep;
	int r = 0;

	if (k->image_written != e->number)
		r = lastgood_write(d->config->dir, LAST_GOOD_IMAGE, e->image, e->image_size);
	return r < 0 ? r : lastgood_write(d->config->dir, LAST_GOOD_BINDINGS, e->snapshot, e->snapshot_size);
}

/* A failure is told once and tried again: `dirty` stays. */
void link_write_lastgood(struct daemon *d, const struct enforced *e)
{
	struct upkeep *k = &d->keep;
	int r = write_pair(d, e);

	if (r < 0 && !k->write_failed)
		daemon_log(d, LOG_LEVEL_ERROR, "%s: cannot write the last good generation: %s",
			   d->config->dir, strerror(-r));
	k->write_failed = k->dirty = r < 0;
	k->image_written = r < 0 ? 0 : e->number;
	k->lastgood_ms = mono_now_ms();
}

void link_write_lastgood_bindings(struct daemon *d)
{
	struct enforced e;

	d->keep.lastgood_ms = mono_now_ms();
	d->keep.dirty = false;
	if (!d->active || link_enforced(d, d->active, &e) < 0)
		return;
	link_write_lastgood(d, &e);
	link_enforced_free(&e);
}

/* --- connection ------------------------------------------------------------------------------- */

const char *link_word(const struct link *l)
{
	return dp_enforcer(l->dp)->name;
}

const char *link_title(const struct link *l)
{
	return l->kind == DP_ENGINE_NFT ? "the kernel engine" : "the dataplane";
}

bool daemon_connected(const struct daemon *d)
{
	for (size_t i = 0; i < d->n_links; i++)
		if (!dp_connected(d->links[i].dp))
			return false;
	return true;
}

/* All engines ask the same kernel and config. */
enum daemon_clock daemon_clock(const struct daemon *d)
{
	for (size_t i = 0; i < d->n_links; i++)
		if (dp_connected(d->links[i].dp))
			return dp_last_hello(d->links[i].dp)->clock_bad ? CLOCK_BAD : CLOCK_GOOD;
	return CLOCK_UNKNOWN;
}

static void lost(struct daemon *d, struct link *l)
{
	/* an engine that gave no reason was not the one that failed */
	const char *why = dp_error(l->dp)[0]
				  ? dp_error(l->dp)
				  : "what was agreed with it cannot be written down, see `records`";

	if (strcmp(l->text, why) != 0)
		daemon_log(d, LOG_LEVEL_WARNING, "%s: %s", link_word(l), why);
	snprintf(l->text, sizeof(l->text), "%s", why);
	dp_disconnect(l->dp);
	l->equal = false;
	if (l == daemon_primary(d))
		link_flush(d); /* what it said last is for those who stand by */
	l->next_try_ms = mono_now_ms() + l->backoff_ms;
	l->backoff_ms = l->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : l->backoff_ms * 2;
}

static void absent(struct daemon *d, struct link *l)
{
	if (l->backoff_ms > BACKOFF_ABSENT_MS)
		l->backoff_ms = BACKOFF_ABSENT_MS;
	lost(d, l);
}

/* The dataplane's own order of ports; one that the config does not know counts as inside and has no evidence.
 */
static void take_ports(struct daemon *d)
{
	const struct dp_hello *h = dp_last_hello(daemon_primary(d)->dp);

	d->n_ports = h->n_ports < CONFIG_PORTS_MAX ? h->n_ports : CONFIG_PORTS_MAX;
	for (size_t i = 0; i < d->n_ports; i++) {
		snprintf(d->port_names[i], sizeof(d->port_names[i]), "%s", h->port_name[i]);
		d->ports[i] = (struct binding_port){.name = d->port_names[i]};
		for (size_t k = 0; k < d->config->n_ports; k++)
			if (strcmp(d->config->ports[k].name, h->port_name[i]) == 0)
				d->ports[i].outside = d->config->ports[k].side == PORT_OUTSIDE;
	}
}

/* The kernel's word on what the config asks of it. A program for another box is none for this. */
static void take_box(struct daemon *d, struct link *l)
{
	struct nft_box box;

	config_box(d->config, &box);
	d->box_error = nft_choose_layout(&box, dp_last_hello(l->dp)->features);
	if (!d->box_known || memcmp(&box, &d->box, sizeof(box)) != 0)
		generation_forget_program(d->active);
	d->box = box;
	d->box_known = true;
	if (d->box_error)
		daemon_log(d, LOG_LEVEL_ERROR, "nft: this kernel cannot be the engine: %s", d->box_error);
}

/* Bindings, generation, bindings again: the first round feeds the snapshot of a publish, which the second may
 * need. */
static int agree_primary(struct daemon *d, struct link *l)
{
	uint64_t instance = dp_last_hello(l->dp)->instance;
	int r = link_agree(d, l, false);

	if (r == 0)
		r = commit_recover(d);
	if (r == 0)
		r = commit_verify(d, l);
	if (r == 0)
		r = link_agree(d, l, true);
	if (r < 0)
		return r;
	if (instance != d->keep.instance)
		journal_set_instance(&d->journal, instance);
	d->keep.instance = instance;
	if (!d->keep.synced)
		journal_close_orphans(&d->journal, utc_now_ns());
	d->keep.synced = true;
	return 0;
}

/* An open intent is decided by what the data path holds, so a follower waits for it. */
static int agree_follower(struct daemon *d, struct link *l)
{
	int r = 0;

	if (d->open_intent)
		snprintf(l->text, sizeof(l->text), "it is read back when generation %u is decided",
			 d->open_intent);
	else
		r = commit_verify(d, l);
	return r < 0 ? r : link_agree(d, l, true);
}

static void connect_now(struct daemon *d, struct link *l)
{
	bool primary = l == daemon_primary(d);
	int r;

	if (l->backoff_ms == 0)
		l->backoff_ms = BACKOFF_FIRST_MS;
	r = dp_connect(l->dp);
	if (r < 0) {
		(r == -ENOENT || r == -ECONNREFUSED ? absent : lost)(d, l);
		return;
	}
	if (primary)
		take_ports(d);
	if (l->kind == DP_ENGINE_NFT)
		take_box(d, l);
	r = primary ? agree_primary(d, l) : agree_follower(d, l);
	if (r < 0) {
		lost(d, l);
		return;
	}
	l->backoff_ms = BACKOFF_FIRST_MS;
	l->ping_ms = l->verify_ms = mono_now_ms();
	daemon_log(d, LOG_LEVEL_NOTICE, "%s: connected, generation %u, %u ports", link_word(l),
		   dp_last_hello(l->dp)->generation, dp_last_hello(l->dp)->n_ports);
}

/* --- watching --------------------------------------------------------------------------------- */

/* While the data path is away, the standby is the one that sees frames. */
static bool speaks(struct daemon *d, const struct link *l)
{
	return l == daemon_primary(d) || !dp_connected(daemon_primary(d)->dp);
}

static void ignore_endpoint(void *ctx, const struct dp_endpoint *e)
{
}

static void read_events(struct daemon *d, struct link *l)
{
	if (!dp_connected(l->dp))
		return;
	dp_events(l->dp, speaks(d, l) ? link_endpoint : ignore_endpoint, d);
	if (dp_events_lost(l->dp) > 0)
		l->resync = true;
	if (dp_drifted(l->dp)) {
		l->changed = true;
		l->verify_ms = INT64_MIN / 2;
	}
	if (!dp_connected(l->dp))
		lost(d, l);
}

void link_events(struct daemon *d)
{
	for (size_t i = 0; i < d->n_links; i++)
		read_events(d, &d->links[i]);
	link_flush(d);
}

static void tell_takeover(struct daemon *d, struct link *l)
{
	const struct dp_hello *h = dp_last_hello(l->dp);
	char when[TIME_TEXT];

	if (h->takeovers > l->takeovers)
		journal_event(&d->journal, "takeover",
			      "the kernel took the ports over from cordon-dp at %s, %llu ms after its last "
			      "sign of life",
			      time_print(h->takeover_ns, 3, when, sizeof(when)),
			      (unsigned long long)h->takeover_gap_ms);
	if (l->standby == DP_STANDBY_ACTIVE && h->standby == DP_STANDBY_GUARDING)
		journal_event(&d->journal, "takeover-end", "cordon-dp has its ports again");
	l->takeovers = h->takeovers;
	l->standby = h->standby;
}

static void tell_removals(struct daemon *d, struct link *l)
{
	const struct dp_hello *h = dp_last_hello(l->dp);
	uint32_t changed = l == daemon_primary(d) ? h->port_removed ^ l->removed : 0;

	for (size_t i = 0; i < d->n_ports; i++) {
		bool removed = h->port_removed >> i & 1;

		if (!(changed >> i & 1))
			continue;
		journal_event(&d->journal, removed ? "port-removed" : "port-back",
			      removed ? "port %s: its device is gone, the other ports go on"
				      : "port %s has its device again",
			      d->ports[i].name);
		if (removed)
			journal_event(&d->journal, "alarm", "port %s is removed", d->ports[i].name);
	}
	l->removed = h->port_removed;
}

static void ping(struct daemon *d, struct link *l, int64_t now_ms)
{
	l->ping_ms = now_ms;
	if (dp_ping(l->dp) < 0) {
		lost(d, l);
		return;
	}
	tell_takeover(d, l);
	tell_removals(d, l);
	if (dp_last_hello(l->dp)->generation != daemon_generation(d) && d->active && !l->closed &&
	    !l->adopted)
		l->verify_ms = INT64_MIN / 2;
}

void link_verify(struct daemon *d, struct link *l)
{
	l->verify_ms = mono_now_ms();
	if (link_agree(d, l, true) < 0 || commit_verify(d, l) < 0)
		lost(d, l);
	else if (l->changed && l->found.equal)
		journal_event(&d->journal, "drift",
			      "%s: somebody else changed the tables; they hold generation %u all the same",
			      link_word(l), daemon_generation(d));
	l->changed = false;
}

static void tick(struct daemon *d, struct link *l, int64_t now_ms)
{
	int64_t every_ms = d->config->verify.every * 1000LL;

	if (!dp_connected(l->dp) && now_ms >= l->next_try_ms)
		connect_now(d, l);
	read_events(d, l);
	if (dp_connected(l->dp) && now_ms - l->ping_ms >= PING_EVERY_MS)
		ping(d, l, now_ms);
	if (dp_connected(l->dp) && !d->open_intent && now_ms - l->verify_ms >= every_ms)
		link_verify(d, l);
	if (dp_connected(l->dp) && l->resync && link_agree(d, l, true) < 0)
		lost(d, l);
}

void link_tick(struct daemon *d, int64_t now_ms)
{
	for (size_t i = 0; i < d->n_links; i++)
		tick(d, &d->links[i], now_ms);
	link_flush(d);
	if (d->keep.dirty && now_ms - d->keep.lastgood_ms >= LASTGOOD_EVERY_MS)
		link_write_lastgood_bindings(d);
}
