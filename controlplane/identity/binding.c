/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live bindings: one hash by (domain, family, address). An identity that the dictionary does not know is
 * $unknown, never a guess.
 */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "snapshot.h"

#define NS_PER_S 1000000000LL

struct key {
	uint8_t addr[16];
	uint16_t domain;
	uint8_t family;
	uint8_t zero;
};

struct entry {
	struct live_binding live; /* first: what the outside sees */
	struct key key;
	bool held; /* by the dataplane, while syncing */
	UT_hash_handle hh;
};

struct bindings {
	struct entry *by_key;
	const struct binding_port *ports;
	size_t n_ports;
	uint32_t lease_s;
	struct binding_observer observer;
	struct naming naming;
};

struct bindings *bindings_new(const struct binding_port *ports, size_t n_ports, uint32_t lease_s,
			      struct binding_observer observer)
{
	struct bindings *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ports = ports;
	t->n_ports = n_ports;
	t->lease_s = lease_s;
	t->observer = observer;
	return t;
}

void bindings_free(struct bindings *t)
{
	struct entry *e, *next;

	if (!t)
		return;
	HASH_ITER (hh, t->by_key, e, next) {
		HASH_DEL(t->by_key, e);
		free(e);
	}
	free(t);
}

static size_t address_bytes(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

static bool make_key(uint16_t domain, uint8_t family, const uint8_t addr[16], struct key *key)
{
	memset(key, 0, sizeof(*key));
	if (family != 4 && family != 6)
		return false;
	key->domain = domain;
	key->family = family;
	memcpy(key->addr, addr, address_bytes(family));
	return true;
}

static struct entry *find(const struct bindings *t, const struct key *key)
{
	struct entry *e;

	HASH_FIND(hh, t->by_key, key, sizeof(*key), e);
	return e;
}

/* --- classification --------------------------------------------------------------------------- */

static uint16_t classify(const struct bindings *t, const struct naming *by_name, const struct dp_binding *b,
			 const char **method)
{
	const struct ruleset *rs = by_name->rs;
	ptrdiff_t by[LABELS_MAX];
	struct endpoint_evidence evidence;
	uint16_t number;
	size_t i;

	*method = "none";
	if (!rs)
		return IDENTITY_UNKNOWN;
	for (size_t k = 0; k < LABELS_MAX; k++)
		by[k] = -1;
	evidence_of_binding(b, t->ports, t->n_ports, &evidence);
	i = policy_classify_why(rs, &evidence, by);
	*method = evidence_method(rs, by);
	if (rs->identities[i].reserved)
		return rs->identities[i].reserved;
	number = dictionary_find(by_name->dict, rs->identities[i].text);
	return number && number < by_name->size ? number : IDENTITY_UNKNOWN;
}

static void open_entry(struct bindings *t, struct entry *e, uint16_t identity, const char *method,
		       int64_t now_ns)
{
	e->live.b.identity = identity;
	e->live.method = method;
	e->live.since_ns = now_ns;
	if (t->observer.opened)
		t->observer.opened(t->observer.ctx, &e->live);
}

static void close_entry(struct bindings *t, const struct entry *e, int64_t now_ns)
{
	if (t->observer.closed)
		t->observer.closed(t->observer.ctx, &e->live, now_ns);
}

static void reclassify(struct bindings *t, struct entry *e, int64_t now_ns)
{
	const char *method;
	uint16_t identity = classify(t, &t->naming, &e->live.b, &method);

	if (identity == e->live.b.identity)
		return;
	close_entry(t, e, now_ns);
	open_entry(t, e, identity, method, now_ns);
}

void bindings_use(struct bindings *t, struct naming naming, int64_t now_ns)
{
	struct entry *e, *next;

	t->naming = naming;
	HASH_ITER (hh, t->by_key, e, next)
		reclassify(t, e, now_ns);
}

/* --- changes ---------------------------------------------------------------------------------- */

static struct entry *add(struct bindings *t, const struct key *key)
{
	struct entry *e;

	if (HASH_COUNT(t->by_key) >= SNAPSHOT_BINDINGS_MAX)
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->key = *key;
	memcpy(e->live.b.addr, key->addr, sizeof(key->addr));
	e->live.b.domain = key->domain;
	e->live.b.family = key->family;
	HASH_ADD(hh, t->by_key, key, sizeof(e->key), e);
	return e;
}

static bool same_owner(const struct dp_binding *a, const uint8_t mac[6], uint16_t port)
{
	return a->port == port && memcmp(a->mac, mac, sizeof(a->mac)) == 0;
}

/* The owner of `key` is (mac, port) now. */
static struct entry *own(struct bindings *t, const struct key *key, const uint8_t mac[6], uint16_t port,
			 int64_t now_ns)
{
	struct entry *e = find(t, key);
	const char *method;
	uint16_t identity;

	if (e && same_owner(&e->live.b, mac, port)) {
		reclassify(t, e, now_ns);
		return e;
	}
	if (e)
		close_entry(t, e, now_ns);
	else
		e = add(t, key);
	if (!e)
		return NULL;
	memcpy(e->live.b.mac, mac, sizeof(e->live.b.mac));
	e->live.b.port = port;
	identity = classify(t, &t->naming, &e->live.b, &method);
	open_entry(t, e, identity, method, now_ns);
	return e;
}

const struct live_binding *bindings_seen(struct bindings *t, const struct dp_endpoint *e, int64_t now_ns)
{
	struct key key;
	struct entry *entry;

	if (!make_key(e->domain, e->family, e->addr, &key))
		return NULL;
	entry = own(t, &key, e->mac, e->port, now_ns);
	if (!entry)
		return NULL;
	entry->live.expires_ns = now_ns + t->lease_s * NS_PER_S;
	return &entry->live;
}

static void drop(struct bindings *t, struct entry *e, int64_t now_ns)
{
	close_entry(t, e, now_ns);
	HASH_DEL(t->by_key, e);
	free(e);
}

bool bindings_gone(struct bindings *t, const struct dp_endpoint *e)
{
	struct key key;
	struct entry *entry;

	if (!make_key(e->domain, e->family, e->addr, &key))
		return false;
	entry = find(t, &key);
	if (!entry || !same_owner(&entry->live.b, e->mac, e->port))
		return false;
	drop(t, entry, e->time_ns);
	return true;
}

/* --- the dataplane's view --------------------------------------------------------------------- */

static int64_t expiry(uint32_t lease_s, int64_t now_ns)
{
	return lease_s == UINT32_MAX ? INT64_MAX : now_ns + lease_s * NS_PER_S;
}

static uint32_t lease_left(int64_t expires_ns, int64_t now_ns)
{
	if (expires_ns == INT64_MAX)
		return UINT32_MAX;
	return expires_ns <= now_ns ? 0 : (uint32_t)((expires_ns - now_ns + NS_PER_S - 1) / NS_PER_S);
}

/* One binding of the dataplane's; whether it has it as we do. */
static bool take(struct bindings *t, const struct dp_binding *held, int64_t now_ns, struct entry **out)
{
	struct key key;

	*out = NULL;
	if (make_key(held->domain, held->family, held->addr, &key))
		*out = own(t, &key, held->mac, held->port, now_ns);
	if (!*out)
		return true;
	(*out)->held = true;
	(*out)->live.expires_ns = expiry(held->lease_s, now_ns);
	/* dictionary 0: not classified there yet */
	return held->identity == (*out)->live.b.identity && held->dictionary != 0;
}

static bool keeps(const struct entry *e, bool offer, int64_t now_ns)
{
	return e->held || (offer && lease_left(e->live.expires_ns, now_ns) > 0);
}

size_t bindings_sync(struct bindings *t, const struct dp_binding *held, size_t n, bool offer,
		     struct dp_binding *wrong, int64_t now_ns)
{
	struct entry *e, *next;
	size_t n_wrong = 0;

	for (size_t i = 0; i < n; i++)
		if (!take(t, &held[i], now_ns, &e) && wrong)
			wrong[n_wrong++] = bindings_message(t, &e->live, now_ns);
	HASH_ITER (hh, t->by_key, e, next) {
		if (!keeps(e, offer, now_ns)) {
			drop(t, e, now_ns);
			continue;
		}
		if (!e->held && wrong)
			wrong[n_wrong++] = bindings_message(t, &e->live, now_ns);
		e->held = false;
	}
	return n_wrong;
}

/* One binding of a follower's; whether it has it as we do. */
static bool as_ours(struct bindings *t, const struct dp_binding *held)
{
	struct key key;
	struct entry *e = make_key(held->domain, held->family, held->addr, &key) ? find(t, &key) : NULL;

	if (e)
		e->held = true;
	return e && same_owner(&e->live.b, held->mac, held->port) && held->identity == e->live.b.identity;
}

size_t bindings_wrong(struct bindings *t, const struct dp_binding *held, size_t n, struct dp_binding *wrong,
		      int64_t now_ns)
{
	size_t n_wrong = 0;

	for (struct entry *e = t->by_key; e; e = e->hh.next)
		e->held = false;
	for (size_t i = 0; i < n; i++) {
		struct key key;
		const struct entry *e;

		if (as_ours(t, &held[i]))
			continue;
		e = make_key(held[i].domain, held[i].family, held[i].addr, &key) ? find(t, &key) : NULL;
		wrong[n_wrong] = e ? bindings_message(t, &e->live, now_ns) : held[i];
		wrong[n_wrong++].flags |= e ? 0 : DP_BINDING_GONE;
	}
	for (struct entry *e = t->by_key; e; e = e->hh.next) {
		if (!e->held)
			wrong[n_wrong++] = bindings_message(t, &e->live, now_ns);
		e->held = false;
	}
	return n_wrong;
}

struct dp_binding bindings_message(const struct bindings *t, const struct live_binding *l, int64_t now_ns)
{
	struct dp_binding b = l->b;

	b.dictionary = t->naming.size;
	b.lease_s = lease_left(l->expires_ns, now_ns);
	return b;
}

size_t bindings_export(const struct bindings *t, const struct naming *naming, struct dp_binding *out,
		       int64_t now_ns)
{
	struct entry *e, *next;
	size_t n = 0;

	HASH_ITER (hh, t->by_key, e, next) {
		const char *method;

		out[n] = bindings_message(t, &e->live, now_ns);
		out[n].identity = classify(t, naming, &e->live.b, &method);
		out[n].dictionary = naming->size;
		if (out[n].lease_s > 0)
			n++;
	}
	return n;
}

/* --- questions -------------------------------------------------------------------------------- */

struct bindings_count bindings_count(const struct bindings *t)
{
	struct bindings_count c = {0};

	for (const struct entry *e = t->by_key; e; e = e->hh.next) {
		c.bound++;
		c.unknown += e->live.b.identity == IDENTITY_UNKNOWN;
		c.conflict += e->live.b.identity == IDENTITY_CONFLICT;
	}
	return c;
}

const struct live_binding *bindings_find(const struct bindings *t, uint8_t family, const uint8_t addr[16],
					 const struct live_binding *previous)
{
	const struct entry *e = previous ? ((const struct entry *)previous)->hh.next : t->by_key;

	for (; e; e = e->hh.next)
		if (e->key.family == family && memcmp(e->key.addr, addr, address_bytes(family)) == 0)
			return &e->live;
	return NULL;
}
