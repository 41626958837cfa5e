/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel as one more judge: random policies are compiled, loaded and asked with real packets through a
 * bridge; evaluation, the program's maps, the engine and the kernel must say the same of every one of them.
 * Then single elements of the kernel's maps are changed, and the read-back must name a packet that shows it.
 * COUNT=n (kernel decisions) and SEED=n run longer or elsewhere.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <cmocka.h>

#include "case.h"
#include "compare.h"
#include "engine.h"
#include "kernel.h"
#include "mkbox.h"
#include "netlink.h"
#include "packet.h"
#include "random.h"
#include "to_nft.h"

#define DECISIONS   100000u
#define PER_POLICY  2048u /* packets of a policy */
#define RANDOM_KEYS 64u
#define AT_UTC      COMPARE_AT_UTC
#define FAULTS      20u
#define DOMAIN      20u
#define HOSTS_MAX   1024u /* identities that have hosts */

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

/* --- the two engines and the policy in force ------------------------------------------------------------ */

struct world {
	struct nft_box box;
	struct kernel *kernel;
	struct nl *nl;
	struct engine *engine;
	struct ring_file ring;
	void *memory;
	uint32_t generation;

	/* the policy in force */
	struct policy_case c;
	struct nft_program *p;
	size_t size;
	uint32_t model;
	struct nft_version version;
	uint16_t who[HOSTS_MAX]; /* identities' places in the ruleset */
	uint32_t n_who;
	struct dp_binding bindings[2 * HOSTS_MAX];
	struct compare_keys keys;

	uint64_t decisions, passed, refused, no_session;
};

static struct world world;

static void make_engine(struct world *w)
{
	static const char *const names[] = {"p1", "p2", "p3"};
	struct ring_geometry g = {
		.n_workers = 1, .n_ports = 3, .n_records = 64, .n_aggregates = 64, .port_names = names};
	struct engine_config c = {.max_sessions = 4 * KERNEL_BATCH,
				  .max_bindings = 4096,
				  .n_ports = 3,
				  .timeouts = ENGINE_TIMEOUTS_DEFAULT,
				  .hash_key = {3}};
	struct ring_producer producer;
	const char *error;

	for (uint32_t i = 0; i < 3; i++)
		c.port[i] = (struct engine_port){.role = ENGINE_ACCESS, .vlan = DOMAIN, .mtu = 1500};
	w->memory = aligned_alloc(64, ring_size(&g));
	memset(w->memory, 0, ring_size(&g));
	ring_create_mem(&w->ring, w->memory, &g);
	ring_producer_init(&producer, &w->ring, 0);
	w->engine = engine_create(&c, &producer, &error);
	if (!w->engine)
		fail_msg("%s", error);
}

static struct engine_clock engine_now(void)
{
	return (struct engine_clock){5000000000, AT_UTC * INT64_C(1000000000), true};
}

static int setup(void **state)
{
	struct world *w = &world;
	struct nft_box silent;
	const char *what;
	char error[256] = "";

	(void)state;
	w->box = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	w->kernel = kernel_start(&w->box, &what);
	if (!w->kernel) {
		print_error("%s\n", what);
		return -1;
	}
	silent = w->box; /* a log group has one reader, and that is the test */
	silent.group += 100;
	if (nl_open(&w->nl, &silent, error, sizeof(error))) {
		print_error("%s\n", error);
		return -1;
	}
	make_engine(w);
	return 0;
}

static void forget_policy(struct world *w)
{
	engine_publish(w->engine, NULL, 0, NULL, 0, engine_now());
	free(w->p);
	free(w->keys.keys);
	case_free(&w->c);
	w->p = NULL;
	w->keys = (struct compare_keys){0};
}

static int teardown(void **state)
{
	struct world *w = &world;

	(void)state;
	if (w->engine) {
		forget_policy(w);
		engine_destroy(w->engine);
		ring_close(&w->ring);
		free(w->memory);
	}
	if (w->nl)
		nl_close(w->nl);
	kernel_stop(w->kernel);
	return 0;
}

/* --- hosts: two of each identity, a sender at p1 and a responder at p2 -----------------------------------
 */

/* A host's number is also its MAC's (packet.h). */
static unsigned host(unsigned who, unsigned side)
{
	return (side ? 0x4000u : 0x1000u) + who;
}

static const char *address(unsigned number, int family, char text[40])
{
	snprintf(text, 40, family == 4 ? "10.9.%u.%u" : "fd00::%x:%x", number >> 8, number & 0xff);
	return text;
}

static bool is_host(uint16_t number)
{
	return number != IDENTITY_NONE && number != IDENTITY_MULTICAST &&
	       (number < IDENTITY_PROBE_FIRST || number > IDENTITY_PROBE_LAST);
}

static uint16_t number_of(const struct world *w, uint32_t who)
{
	return dictionary_find(w->c.dict, w->c.rs->identities[w->who[who]].text);
}

/* Four for each identity: two sides, two families. */
static size_t make_bindings(struct world *w, struct dp_binding *out)
{
	size_t n = 0;

	for (uint32_t i = 0; i < w->n_who; i++)
		for (unsigned k = 0; k < 4; k++) {
			struct dp_binding *b = &out[n++];
			char text[40];

			*b = (struct dp_binding){.domain = DOMAIN,
						 .port = k & 1,
						 .identity = number_of(w, i),
						 .dictionary = w->c.image->identity.count,
						 .lease_s = UINT32_MAX};
			b->family = pkt_addr(b->addr, address(host(i, k & 1), k & 2 ? 6 : 4, text));
			pkt_mac(b->mac, host(i, k & 1));
		}
	return n;
}

static void find_hosts(struct world *w)
{
	w->n_who = 0;
	for (size_t i = 0; i < w->c.rs->n_identities && w->n_who < HOSTS_MAX / 2; i++)
		if (is_host(dictionary_find(w->c.dict, w->c.rs->identities[i].text)))
			w->who[w->n_who++] = (uint16_t)i;
}

static uint32_t model_now(const struct nft_program *p)
{
	const struct nft_edge *edge = nft_at(p, p->edge);
	uint32_t i = p->edge.count;

	while (i > 1 && edge[i - 1].from_utc > AT_UTC)
		i--;
	return edge[i - 1].model;
}

static void load(struct world *w, size_t n)
{
	const size_t room = n * NFT_BOUND_MAX;
	struct nft_bound *bound = calloc(room, sizeof(*bound));
	size_t elements = 0;

	assert_non_null(bound);
	for (size_t i = 0; i < n; i++)
		elements += nft_bind_elements(&w->box, &w->bindings[i], bound + elements);
	w->generation++;
	w->version = (struct nft_version){w->generation, w->model, w->generation};
	if (nl_swap(w->nl, w->p, w->model, &w->version, bound, elements))
		fail_msg("%s\n%s", nl_error(w->nl), w->c.text);
	free(bound);
}

static void take_policy(struct world *w, uint64_t *seed, size_t *refused)
{
	const struct nft_limits limits = NFT_LIMITS_DEFAULT;
	char error[256] = "";
	size_t n;

	forget_policy(w);
	case_draw(&w->c, seed, refused);
	if (compile_nft(w->c.image, &w->box, &limits, &w->p, &w->size, error, sizeof(error)))
		fail_msg("%s\n%s", error, w->c.text);
	w->model = model_now(w->p);
	w->keys = compare_keys(w->c.rs, RANDOM_KEYS, *seed);
	find_hosts(w);
	n = make_bindings(w, w->bindings);
	engine_publish(w->engine, w->c.image, w->generation + 1, w->bindings, (uint32_t)n, engine_now());
	load(w, n);
}

/* --- questions ------------------------------------------------------------------------------------------ */

struct question {
	uint16_t from, to; /* of world.who */
	uint8_t family, flags;
	service_key key;
};

static bool is_echo_like(uint8_t family, unsigned type)
{
	return family == 4 ? type == 8 || type == 13 || type == 15 || type == 17 : type == 128;
}

/* Has a packet of this service a first one that two hosts can exchange and that conntrack follows as the
 * policy language means it? (Transports with checks of their own and extension headers are not asked.) */
static bool askable(uint8_t family, service_key key)
{
	static const uint8_t odd[] = {0, 2, 33, 43, 44, 50, 51, 59, 60, 132, 135, 136, 139, 140, 253, 254};
	unsigned proto = key >> 16, low = key & 0xffff;

	switch (proto) {
	case TCP:
		return true;
	case UDP:
		return family == 4 ? low != 67 && low != 68 : low != 546 && low != 547;
	case ICMP:
	case ICMPV6:
		return (proto == ICMP) == (family == 4) && is_echo_like(family, low >> 8);
	default:
		return !low && !memchr(odd, (int)proto, sizeof(odd));
	}
}

static void build(struct kernel_packet *out, const struct question *q, uint32_t number)
{
	const uint32_t trailer = htonl(number);
	const uint16_t client = (uint16_t)(KERNEL_CLIENT + number);
	unsigned proto = q->key >> 16, low = q->key & 0xffff;
	char a[40], b[40];
	struct pkt p;

	pkt_ether(&p, host(q->to, 1), host(q->from, 0));
	pkt_ip(&p, address(host(q->from, 0), q->family, a), address(host(q->to, 1), q->family, b));
	if (proto == TCP)
		pkt_tcp(&p, client, (uint16_t)low, q->flags, 1000, q->flags & PKT_ACK ? 2000 : 0);
	else if (proto == UDP)
		pkt_udp(&p, client, (uint16_t)low);
	else if (proto == ICMP || proto == ICMPV6)
		pkt_icmp(&p, (uint8_t)(low >> 8), (uint8_t)low, (uint32_t)client << 16 | 1);
	else
		pkt_proto(&p, (uint8_t)proto);
	if (proto != TCP && proto != UDP) /* room for the time stamps of ICMP and a GRE header */
		pkt_zeros(&p, 16);
	pkt_bytes(&p, &trailer, sizeof(trailer));
	pkt_done(&p);
	*out = (struct kernel_packet){.len = p.len, .family = q->family, .proto = (uint8_t)proto};
	assert_true(p.len <= sizeof(out->bytes));
	memcpy(out->bytes, p.data, p.len);
}

/* A protocol without ports has one session for a pair of addresses. */
static bool is_twin(const struct question *a, const struct question *b)
{
	return a->from == b->from && a->to == b->to && a->family == b->family && a->key >> 16 == b->key >> 16;
}

static bool is_single(const struct question *q, const struct question *before, uint32_t n)
{
	unsigned proto = q->key >> 16;

	if (proto == TCP || proto == UDP || proto == ICMP || proto == ICMPV6)
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (is_twin(q, &before[i]))
			return false;
	return true;
}

static struct question draw(const struct world *w, struct rng *r)
{
	static const uint8_t others[] = {PKT_ACK, PKT_SYN | PKT_ACK, PKT_RST, PKT_RST | PKT_ACK,
					 PKT_FIN | PKT_ACK};
	struct question q = {.from = (uint16_t)rng_below(r, w->n_who),
			     .to = (uint16_t)rng_below(r, w->n_who),
			     .family = rng_chance(r, 50) ? 4 : 6,
			     .flags = PKT_SYN,
			     .key = w->keys.keys[rng_below(r, w->keys.n)]};

	if (rng_chance(r, 5))
		q.flags = others[rng_below(r, sizeof(others))];
	return q;
}

static uint32_t draw_batch(const struct world *w, struct rng *r, struct question *q, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t tries = 0; n < max && tries < 20 * max; tries++) {
		q[n] = draw(w, r);
		if (askable(q[n].family, q[n].key) && is_single(&q[n], q, n))
			n++;
	}
	return n;
}

struct batch {
	struct question q[KERNEL_BATCH];
	struct kernel_packet packet[KERNEL_BATCH];
	struct kernel_met met[KERNEL_BATCH];
	struct frame frame[KERNEL_BATCH];
	uint8_t room[KERNEL_BATCH][KERNEL_FRAME];
	uint32_t n;
};

static struct batch batch;

/* --- answers -------------------------------------------------------------------------------------------- */

static void tell(const struct world *w, const struct question *q, const char *what, uint32_t expected,
		 const struct kernel_met *met, const struct frame *f)
{
	fail_msg("%s -> %s key %06x v%u flags %02x: %s; table %u, engine %s (%s), kernel %s mark %x\n%s",
		 w->c.rs->identities[w->who[q->from]].text, w->c.rs->identities[w->who[q->to]].text, q->key,
		 q->family, q->flags, what, expected, f->act == FRAME_FORWARD ? "passes" : "drops",
		 reason_word(f->reason),
		 met->fate == KERNEL_PASSED    ? "passes"
		 : met->fate == KERNEL_REFUSED ? "refuses"
					       : "says nothing",
		 met->mark, w->c.text);
}

/* NULL, or in what the four differ. */
static const char *difference(struct world *w, const struct question *q, const struct kernel_met *met,
			      const struct frame *f, uint32_t *class)
{
	const struct image_decision *decision = nft_at(w->p, w->p->decision);
	const struct image_decision want = compare_evaluate(w->c.rs, w->who[q->from], w->who[q->to], q->key);
	const uint16_t from = number_of(w, q->from), to = number_of(w, q->to);
	const struct image_decision engine = engine_ask(w->c.image, from, to, q->key, AT_UTC);
	bool no_session = f->reason == REASON_NO_SESSION || f->reason == REASON_ICMP_TYPE;
	bool allow = !no_session && want.flags & DECISION_ALLOW;

	*class = nft_ask(w->p, w->model, from, to, q->key);
	if (memcmp(&decision[*class], &want, sizeof(want)))
		return "evaluation and table differ";
	if (memcmp(&engine, &want, sizeof(want)))
		return "evaluation and engine's look-up differ";
	if (no_session)
		*class = w->c.image->decision.count; /* neither has a session nor may open one */
	else if ((f->act == FRAME_FORWARD) != allow || (!allow && f->reason != want.reason))
		return "evaluation and engine differ";
	if (met->times != 1)
		return met->times ? "the kernel says it twice" : "the kernel lost it";
	if ((met->fate == KERNEL_PASSED) != allow)
		return "engine and kernel differ";
	if (met->mark != nft_mark(w->version.turn, *class))
		return "the kernel decided by another class";
	w->no_session += no_session;
	w->passed += allow;
	w->refused += !allow;
	w->decisions++;
	return NULL;
}

static void ask_engine(struct world *w, const struct kernel_packet *p, uint32_t n, struct frame *f,
		       uint8_t (*room)[KERNEL_FRAME])
{
	for (uint32_t i = 0; i < n; i++) {
		memcpy(room[i], p[i].bytes, p[i].len);
		f[i] = (struct frame){.data = room[i], .len = p[i].len, .wire_len = p[i].len};
	}
	for (uint32_t done = 0; done < n; done += ENGINE_BURST) {
		uint32_t k = n - done < ENGINE_BURST ? n - done : ENGINE_BURST;

		engine_burst(w->engine, 0, f + done, k, engine_now());
		for (uint32_t i = 0; i < k; i++)
			if (f[done + i].act != FRAME_DROP)
				engine_sent(w->engine, 0, 1, 0);
	}
	engine_close_sessions(w->engine, engine_now(), RECORD_END_SHUTDOWN);
}

static void run_batch(struct world *w, struct batch *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		build(&b->packet[i], &b->q[i], i);
	ask_engine(w, b->packet, b->n, b->frame, b->room);
	assert_true(kernel_run(w->kernel, b->packet, b->n, b->met));
}

static void judge_batch(struct world *w, struct batch *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t class;
		const char *what = difference(w, &b->q[i], &b->met[i], &b->frame[i], &class);

		if (what)
			tell(w, &b->q[i], what, class, &b->met[i], &b->frame[i]);
	}
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static uint64_t from_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void the_four_agree(void **state)
{
	const uint64_t count = from_env("COUNT", DECISIONS);
	uint64_t seed = from_env("SEED", 1), policies = 0;
	struct world *w = &world;
	struct rng rng = {seed};
	size_t refused = 0;

	(void)state;
	for (; w->decisions < count; policies++) {
		take_policy(w, &seed, &refused);
		batch.n = draw_batch(w, &rng, batch.q, PER_POLICY);
		run_batch(w, &batch);
		judge_batch(w, &batch);
	}
	print_message("# %" PRIu64 " policies, %" PRIu64 " kernel decisions: %" PRIu64 " passed, %" PRIu64
		      " refused (%" PRIu64 " for want of a session); evaluation, table, engine and kernel "
		      "agree on all\n",
		      policies, w->decisions, w->passed, w->refused, w->no_session);
	assert_true(w->passed > count / 50 && w->refused > count / 50 && w->no_session > 0);
}

/* --- faults in the kernel's maps ------------------------------------------------------------------------ */

/* Maps that decide; a fault in one of them is another policy. */
static const struct {
	uint32_t family;
	const char *name;
} deciding[] = {
	{NFT_INET, "ports"},  {NFT_INET, "protos"},    {NFT_INET, "pair"},  {NFT_INET, "row"},
	{NFT_INET, "source"}, {NFT_INET, "responder"}, {NFT_INET, "types"},
};
#define DECIDING (sizeof(deciding) / sizeof(deciding[0]))
#define PAIR     2u /* its place */

enum fault_kind { FAULT_GONE, FAULT_CHANGED, FAULT_MOVED, FAULT_KINDS };

static const struct nft_set *set_of(const struct world *w, size_t which)
{
	const struct nft_table *t = nft_find_table(w->p, w->model, deciding[which].family);

	return t ? nft_find_set(w->p, t, deciding[which].name) : NULL;
}

/* Another number of the same map. */
static bool other_data(const struct nft_program *p, const struct nft_set *s, struct nft_element *e)
{
	const struct nft_element *all = (const struct nft_element *)nft_at(p, p->element) + s->element_first;

	for (uint32_t i = 0; i < s->element_count; i++)
		if (all[i].data != e->data) {
			e->data = all[i].data;
			return true;
		}
	return false;
}

/* What the element was, and what it is to be; false: the set has no place for such a fault. */
struct fault {
	struct nft_bound was, is;
	bool gone, added;
	size_t which;
};

static bool choose_fault(const struct world *w, struct rng *r, enum fault_kind kind, struct fault *f)
{
	const struct nft_set *s;
	size_t which = kind == FAULT_MOVED ? PAIR : rng_below(r, DECIDING);

	s = set_of(w, which);
	if (!s || s->element_count < 2)
		return false;
	f->which = which;
	f->was = (struct nft_bound){
		deciding[which].family, deciding[which].name,
		((const struct nft_element *)nft_at(
			w->p, w->p->element))[s->element_first + rng_below(r, s->element_count)]};
	f->is = f->was;
	f->gone = true;
	f->added = kind != FAULT_GONE;
	if (kind == FAULT_CHANGED)
		return other_data(w->p, s, &f->is.element);
	if (kind == FAULT_MOVED) {
		/* something that the policy has not: a pair of the same source with another responder class
		 */
		for (uint8_t word = 1; word < 200; word++) {
			const uint32_t responder = word;

			memcpy(f->is.element.key + 4, &responder, 4);
			memcpy(f->is.element.key_end, f->is.element.key, sizeof(f->is.element.key));
			if (!nft_find_element(w->p, s, f->is.element.key) &&
			    other_data(w->p, s, &f->is.element))
				return true;
		}
		return false;
	}
	return true;
}

/* What the kernel holds; the caller frees it. */
static struct nft_program *read_back(struct world *w)
{
	struct nft_program *got;
	struct nft_version version;
	size_t size;

	if (nl_dump(w->nl, &got, &size, &version))
		fail_msg("%s", nl_error(w->nl));
	return got;
}

static bool proven(struct world *w, struct nft_difference *d)
{
	struct nft_program *got = read_back(w);
	bool equal = nft_means(got, w->c.image, AT_UTC, d);

	free(got);
	return equal;
}

/* A packet that the read-back and the policy decide differently; false: none that can be sent. */
static bool counter_example(const struct world *w, const struct nft_program *got, struct question *q)
{
	for (uint16_t from = 0; from < w->n_who; from++)
		for (uint16_t to = 0; to < w->n_who; to++)
			for (size_t k = 0; k < w->keys.n; k++) {
				const service_key key = w->keys.keys[k];
				const uint16_t a = number_of(w, from), b = number_of(w, to);

				*q = (struct question){from, to, key >> 16 == ICMPV6 ? 6 : 4, PKT_SYN, key};
				if (askable(q->family, key) &&
				    nft_ask(got, 0, a, b, key) != nft_ask(w->p, w->model, a, b, key))
					return true;
			}
	return false;
}

/* The read-back's counter-example as a real packet: the kernel must show the fault. */
static bool shown(struct world *w)
{
	struct nft_program *got = read_back(w);
	struct question *q = &batch.q[0];
	bool found = counter_example(w, got, q);
	uint32_t class;

	free(got);
	if (!found)
		return false;
	batch.n = 1;
	run_batch(w, &batch);
	if (batch.frame[0].reason == REASON_NO_SESSION)
		return false; /* a protocol that may not open a session in either */
	if (!difference(w, q, &batch.met[0], &batch.frame[0], &class))
		fail_msg("key %06x: the kernel does not do what the read-back says", q->key);
	return true;
}

static void every_fault_is_found_and_shown(void **state)
{
	uint64_t seed = from_env("SEED", 1) + 500;
	struct world *w = &world;
	size_t refused = 0, n = 0, packets = 0, kinds[FAULT_KINDS] = {0};
	struct rng rng = {seed};

	(void)state;
	for (unsigned tries = 0; n < FAULTS && tries < 400; tries++) {
		enum fault_kind kind = tries % FAULT_KINDS;
		struct nft_difference d;
		struct fault f;

		if (tries % 8 == 0)
			take_policy(w, &seed, &refused);
		if (!choose_fault(w, &rng, kind, &f))
			continue;
		if (!proven(w, &d))
			fail_msg("without a fault: %s\n%s", d.text, w->c.text);
		if (nl_elements(w->nl, &w->version, &f.was, f.gone, &f.is, f.added))
			fail_msg("%s", nl_error(w->nl));
		if (proven(w, &d))
			fail_msg("a fault in %s was not found\n%s", deciding[f.which].name, w->c.text);
		n++;
		kinds[kind]++;
		packets += shown(w);
		if (nl_elements(w->nl, &w->version, &f.is, f.added, &f.was, f.gone))
			fail_msg("%s", nl_error(w->nl));
		if (!proven(w, &d))
			fail_msg("put back: %s", d.text);
	}
	print_message("# %zu faults found (%zu gone, %zu changed, %zu moved), %zu shown by a packet of the "
		      "read-back's\n",
		      n, kinds[0], kinds[1], kinds[2], packets);
	assert_int_equal(n, FAULTS);
	assert_true(packets >= FAULTS / 2 && kinds[0] && kinds[1] && kinds[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_four_agree),
		cmocka_unit_test(every_fault_is_found_and_shown),
	};

	if (geteuid()) {
		printf("1..0 # SKIP a network namespace needs root\n");
		return 0;
	}
	return cmocka_run_group_tests_name("nft-oracle", tests, setup, teardown);
}
