/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bindings between the daemon and its engines. The data path is the authority on who is there, the daemon on
 * who that is; a follower is told both, without an end of leases, because it does not see the frames.
 */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"

/* A box without ports has no use for bindings. */
static bool wants_bindings(const struct daemon *d, const struct link *l)
{
	return l->kind == DP_ENGINE_DPDK || (d->box.planes & NFT_PLANE_FORWARD);
}

/* --- comparing -------------------------------------------------------------------------------- */

/* The engine refuses one (its table is full, say): it stays $unknown there and is tried again with the next
 * sync. */
static int correct(struct daemon *d, struct link *l, struct dp_binding *wrong, size_t n)
{
	bool follows = l != daemon_primary(d);
	int r;

	d->keep.dirty |= n > 0 && !follows;
	if (n == 0 || !d->active)
		return 0;
	for (size_t i = 0; follows && i < n; i++)
		wrong[i].lease_s = UINT32_MAX;
	r = dp_bind(l->dp, wrong, n);
	if (r == 0 || !dp_connected(l->dp))
		return r;
	daemon_log(d, LOG_LEVEL_WARNING, "%s: bindings refused: %s", link_word(l), dp_error(l->dp));
	return 0;
}

static size_t compare(struct daemon *d, struct link *l, const struct dp_binding *held, size_t n,
		      struct dp_binding *wrong)
{
	if (l != daemon_primary(d))
		return bindings_wrong(d->bindings, held, n, wrong, utc_now_ns());
	return bindings_sync(d->bindings, held, n, d->keep.instance != dp_last_hello(l->dp)->instance, wrong,
			     utc_now_ns());
}

int link_agree(struct daemon *d, struct link *l, bool tell)
{
	struct dp_binding *held, *wrong;
	size_t n, n_wrong;
	int r;

	if (!wants_bindings(d, l))
		return 0;
	r = dp_dump_bindings(l->dp, &held, &n);
	if (r < 0)
		return r;
	wrong = calloc(n + bindings_count(d->bindings).bound + 1, sizeof(*wrong));
	if (!wrong) {
		free(held);
		return -ENOMEM;
	}
	n_wrong = compare(d, l, held, n, wrong);
	r = tell ? correct(d, l, wrong, n_wrong) : 0;
	if (tell && r == 0)
		l->resync = false;
	free(wrong);
	free(held);
	return r;
}

int link_sync_bindings(struct daemon *d)
{
	for (size_t i = 0; i < d->n_links; i++) {
		int r = dp_connected(d->links[i].dp) ? link_agree(d, &d->links[i], true) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- single ones ------------------------------------------------------------------------------ */

/* The data path took an end of lease itself; followers are told, and for as long as we say. */
static size_t batch_for(const struct daemon *d, bool follows, struct dp_binding *out)
{
	size_t n = 0;

	for (size_t i = 0; i < d->keep.n_batch; i++) {
		if (!follows && (d->keep.batch[i].flags & DP_BINDING_GONE))
			continue;
		out[n] = d->keep.batch[i];
		if (follows)
			out[n].lease_s = UINT32_MAX;
		n++;
	}
	return n;
}

void link_flush(struct daemon *d)
{
	struct dp_binding batch[DP_BATCH];

	for (size_t i = 0; i < d->n_links && d->keep.n_batch > 0 && d->active; i++) {
		struct link *l = &d->links[i];
		size_t n = batch_for(d, i > 0, batch);

		if (n > 0 && wants_bindings(d, l) && dp_connected(l->dp) && dp_bind(l->dp, batch, n) < 0)
			l->resync = true;
	}
	d->keep.n_batch = 0;
}

static void gather(struct daemon *d, const struct dp_binding *b)
{
	d->keep.batch[d->keep.n_batch++] = *b;
	d->keep.dirty = true;
	if (d->keep.n_batch == DP_BATCH)
		link_flush(d);
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
	int64_t now = utc_now_ns();
	const struct live_binding *b = bindings_seen(d->bindings, e, now);
	struct dp_binding message;
	bool conflict;

	if (!b)
		return;
	conflict = b->b.identity == IDENTITY_CONFLICT;
	message = bindings_message(d->bindings, b, now);
	gather(d, &message);
	if (conflict)
		event_row(d, e, "conflict", "has contradicting evidence, is $conflict:");
}

static void forget_endpoint(struct daemon *d, const struct dp_endpoint *e)
{
	struct dp_binding gone = {
		.domain = e->domain, .port = e->port, .family = e->family, .flags = DP_BINDING_GONE};

	memcpy(gone.addr, e->addr, sizeof(gone.addr));
	memcpy(gone.mac, e->mac, sizeof(gone.mac));
	if (bindings_gone(d->bindings, e))
		gather(d, &gone);
}

void link_endpoint(void *ctx, const struct dp_endpoint *e)
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
		forget_endpoint(d, e);
		break;
	case DP_ENDPOINT_SPOOF:
		event_row(d, e, "spoof", "was claimed by");
		break;
	default:
		break;
	}
}
