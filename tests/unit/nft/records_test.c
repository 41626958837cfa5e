/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a kernel that the test plays becomes in the ring file. After every tick both laws are checked: no test
 * may leave a decision that is neither in a record, nor in an aggregate, nor lost, nor waited for.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_kernel.h"
#include "mkbox.h"
#include "mkimage.h"
#include "packet.h"
#include "records.h"
#include "ring.h"
#include "state.h"
#include "to_nft.h"

#define VLAN 20
enum { WEB = 16, DB = 17, GUEST = 18 };
enum { ICMP = 1, TCP = 6, UDP = 17 };
#define PING        ((service_key)ICMP << 16 | 8 << 8)
#define TCP_PORT(n) ((service_key)TCP << 16 | (n)), ((service_key)TCP << 16 | (n)) + 1

/* Web may reach the database by rule 1, guests may not by rule 2. */
static const struct mkimage_cell first_policy[] = {
	{WEB,
	 DB,
	 TCP_PORT(5432),
	 {1, 1, 0, DECISION_ALLOW | DECISION_INTENDED_ALLOW, REASON_RULE, REASON_RULE}},
	{GUEST, DB, TCP_PORT(5432), {2, 2, 0, 0, REASON_RULE, REASON_RULE}},
};
/* The same by another rule. */
static const struct mkimage_cell other_rule[] = {
	{WEB,
	 DB,
	 TCP_PORT(5432),
	 {7, 7, 0, DECISION_ALLOW | DECISION_INTENDED_ALLOW, REASON_RULE, REASON_RULE}},
};
static const struct mkimage_cell both_allowed[] = {
	{WEB,
	 DB,
	 TCP_PORT(5432),
	 {1, 1, 0, DECISION_ALLOW | DECISION_INTENDED_ALLOW, REASON_RULE, REASON_RULE}},
	{GUEST,
	 DB,
	 TCP_PORT(5432),
	 {7, 7, 0, DECISION_ALLOW | DECISION_INTENDED_ALLOW, REASON_RULE, REASON_RULE}},
};
static const struct mkimage_cell ping_allowed[] = {
	{WEB,
	 DB,
	 PING,
	 PING + 1,
	 {1, 1, 0, DECISION_ALLOW | DECISION_INTENDED_ALLOW, REASON_RULE, REASON_RULE}},
};
static const struct mkimage_cell nothing_allowed[] = {
	{WEB, DB, TCP_PORT(5432), {3, 3, 0, 0, REASON_RULE, REASON_RULE}},
};

struct world {
	struct records *r;
	struct nft_box box;
	struct nft_program *program[4]; /* those of all generations, for marks */
	uint32_t n_programs, generation;
	char dir[64];
	struct ring_file ring;
	uint64_t read;
	uint32_t n_notices, n_endpoints;
	char notice[256];
	struct dp_endpoint endpoint;
};

static struct world w;

static void on_notice(void *ctx, const char *text)
{
	w.n_notices++;
	snprintf(w.notice, sizeof(w.notice), "%s", text);
}

static void on_endpoint(void *ctx, const struct dp_endpoint *e)
{
	w.n_endpoints++;
	w.endpoint = *e;
}

static const struct ring_counters *count(void)
{
	return &ring_worker(&w.ring, 0)->counters;
}

static uint64_t dropped(enum reason reason)
{
	return count()->dropped[w.ring.n_ports - 1][reason];
}

/* decisions = pushed + aggregated + lost + those that were counted and not told yet. */
static void check_decisions(uint64_t awaited)
{
	const struct ring_counters *c = count();

	assert_int_equal(c->decisions,
			 c->decisions_pushed + c->decisions_aggregated + c->decisions_lost + awaited);
	assert_int_equal(c->updates, c->updates_pushed + c->updates_lost);
}

static void check_frames(void)
{
	uint64_t sum = count()->forwarded;

	for (unsigned i = 0; i < REASON_COUNT; i++)
		sum += dropped(i);
	assert_int_equal(count()->frames_in, sum);
}

static void tick(double seconds)
{
	kernel.now_ms += (int64_t)(seconds * 1000);
	records_tick(w.r, kernel.now_ms);
}

/* Time for every message to come. */
static void settle(void)
{
	for (int i = 0; i < 5; i++)
		tick(1);
	check_decisions(0);
	check_frames();
}

static struct record next_record(enum record_type type)
{
	struct record record;

	assert_int_equal(ring_read(&w.ring, 0, w.read, &record, 1), 1);
	w.read++;
	assert_int_equal(record.type, type);
	return record;
}

static void no_record(void)
{
	struct record record;

	assert_int_equal(ring_read(&w.ring, 0, w.read, &record, 1), 0);
}

/* Turns as generations: one program, one turn. */
static void take(const struct nft_program *p)
{
	const struct nft_version version = {w.generation, 0, w.generation};

	records_use(w.r, p, &version);
}

static void use(const struct mkimage_cell *cells, uint32_t n, uint32_t generation)
{
	const struct mkimage m = {.cell = cells, .n_cells = n};
	struct image_header *image = mkimage(&m);
	struct nft_program *p;
	char error[256];
	size_t size;

	assert_int_equal(compile_nft(image, &w.box, &NFT_LIMITS_DEFAULT, &p, &size, error, sizeof(error)),
			 COMPILE_OK);
	free(image);
	w.program[w.n_programs++] = p;
	w.generation = generation;
	take(p);
}

static struct dp_binding binding(const char *addr, uint16_t identity, uint16_t port)
{
	struct dp_binding b = {.domain = VLAN, .port = port, .identity = identity, .mac = {2, 0, 0, 0, 0}};

	b.family = pkt_addr(b.addr, addr);
	b.mac[5] = (uint8_t)(port + 1);
	return b;
}

static void bind_hosts(void)
{
	const struct dp_binding b[] = {
		binding("10.0.0.1", WEB, 0),
		binding("10.0.0.2", DB, 1),
		binding("10.0.0.3", GUEST, 2),
	};

	records_bindings(w.r, b, 3);
}

static void open_records(void)
{
	char error[256];

	assert_int_equal(records_open(&w.r, w.dir, &w.box, NULL, error, sizeof(error)), 0);
	records_on_notice(w.r, on_notice, NULL);
	records_on_endpoint(w.r, on_endpoint, NULL);
	assert_int_equal(ring_open(&w.ring, records_ring_path(w.r), true), 0);
	w.read = 0;
}

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	fake_reset();
	w.box = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD | NFT_PLANE_HOST);
	snprintf(w.dir, sizeof(w.dir), "/tmp/records-test-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	open_records();
	use(first_policy, 2, 5);
	bind_hosts();
	assert_int_equal(records_sweep(w.r), 0);
	return 0;
}

static void shut(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s", records_ring_path(w.r));
	records_close(w.r);
	assert_int_equal(w.ring.header->state, RING_CLOSED);
	ring_close(&w.ring);
	unlink(path);
}

static int teardown(void **state)
{
	shut();
	for (uint32_t i = 0; i < w.n_programs; i++)
		free(w.program[i]);
	return rmdir(w.dir);
}

/* --- traffic ------------------------------------------------------------------------------------------ */

static uint32_t class_of_service(uint16_t from, uint16_t to, service_key key)
{
	return nft_ask(w.program[w.n_programs - 1], 0, from, to, key);
}

static uint32_t class_of(uint16_t from, uint16_t to, uint16_t port)
{
	return class_of_service(from, to, service_key_make(TCP, port));
}

static struct nl_session session(uint32_t id, const char *src, const char *dst, uint16_t sport, uint32_t mark)
{
	struct nl_session s = {
		.id = id,
		.mark = mark,
		.zone = VLAN,
		.proto = TCP,
		.sport = sport,
		.dport = 5432,
		.tcp_state = 1,
	};

	s.family = pkt_addr(s.src, src);
	pkt_addr(s.dst, dst);
	return s;
}

/* Web opens a session to the database. */
static void kernel_opens(uint32_t id, bool lose)
{
	struct nl_session s = session(id, "10.0.0.1", "10.0.0.2", (uint16_t)(1000 + id),
				      nft_mark(w.generation, class_of(WEB, DB, 5432)));

	fake_count(NFT_BRIDGE, "frames_in", 1);
	fake_count(NFT_BRIDGE, "handed", 1);
	fake_count(NFT_INET, "seen", 1);
	fake_count(NFT_INET, "opened", 1);
	fake_count(NFT_INET, "forwarded", 1);
	fake_event(NL_SESSION_NEW, &s, lose);
	s.start_ns = fake_utc_ns();
	s.packets[0] = 1;
	s.bytes[0] = 60;
	fake_add(&s);
}

static void kernel_passes(uint32_t id, int back, uint64_t packets, uint64_t bytes)
{
	struct nl_session *s = fake_session(id);

	s->packets[back] += packets;
	s->bytes[back] += bytes;
	s->tcp_state = 3;
	fake_count(NFT_BRIDGE, "frames_in", packets);
	fake_count(NFT_BRIDGE, "handed", packets);
	fake_count(NFT_INET, "seen", packets);
	fake_count(NFT_INET, "forwarded", packets);
}

static void kernel_ends(uint32_t id, uint8_t tcp_state, bool lose)
{
	struct nl_session s = *fake_session(id);

	s.tcp_state = tcp_state;
	s.stop_ns = fake_utc_ns();
	fake_event(NL_SESSION_GONE, &s, lose);
	fake_remove(id);
}

static void log_of(struct pkt *p, struct nl_log *l, uint32_t mark)
{
	*l = (struct nl_log){
		.kind = NL_LOG_DECISION,
		.mark = mark,
		.in_port = 2,
		.protocol = p->family == 4 ? 0x0800 : 0x86dd,
		.has_mac = true,
		.src_mac = {2, 0, 0, 0, 0, 3},
		.dst_mac = {2, 0, 0, 0, 0, 2},
		.payload = p->data,
		.len = p->len < 128 ? p->len : 128,
	};
}

static void kernel_refuses(const char *src, const char *dst, uint16_t dport, uint32_t mark, bool lose)
{
	struct nl_log l;
	struct pkt p;

	pkt_raw(&p);
	pkt_ip(&p, src, dst);
	pkt_tcp(&p, 999, dport, PKT_SYN, 1, 0);
	pkt_zeros(&p, 400); /* longer than the snap length */
	pkt_done(&p);
	log_of(&p, &l, mark);
	fake_count(NFT_BRIDGE, "frames_in", 1);
	fake_count(NFT_BRIDGE, "handed", 1);
	fake_count(NFT_INET, "seen", 1);
	fake_count(NFT_INET, "refused", 1);
	fake_count(NFT_INET, "drop_rule", 1);
	fake_log(&l, lose);
}

static void guest_refused(bool lose)
{
	kernel_refuses("10.0.0.3", "10.0.0.2", 5432, nft_mark(w.generation, class_of(GUEST, DB, 5432)), lose);
}

/* --- sessions ----------------------------------------------------------------------------------------- */

static void a_session_has_an_opening_and_an_end(void **state)
{
	struct record open, end;

	kernel_opens(1, false);
	tick(0.1);
	open = next_record(RECORD_OPEN);
	assert_int_equal(open.rule, 1);
	assert_int_equal(open.verdict, VERDICT_ALLOW);
	assert_int_equal(open.generation, 5);
	assert_int_equal(open.src_identity, WEB);
	assert_int_equal(open.dst_identity, DB);
	assert_int_equal(open.domain, VLAN);
	assert_int_equal(open.in_port, 0);
	assert_int_equal(open.out_port, 1);
	assert_int_equal(open.src_mac[5], 1);
	assert_int_equal(open.dst_mac[5], 2);
	assert_int_equal(open.sport, 1001);
	assert_int_equal(open.dport, 5432);
	assert_int_equal(open.src[3], 1);
	assert_int_equal(open.dst[3], 2);
	assert_true(open.session);
	check_decisions(0);
	kernel_passes(1, 0, 9, 940);
	kernel_passes(1, 1, 20, 30000);
	kernel_ends(1, 7, false);
	settle();
	end = next_record(RECORD_END);
	assert_int_equal(end.session, open.session);
	assert_int_equal(end.end, RECORD_END_CLOSED);
	assert_int_equal(end.packets[0], 10);
	assert_int_equal(end.packets[1], 20);
	assert_int_equal(end.bytes[0], 1000);
	assert_int_equal(end.bytes[1], 30000);
	assert_int_equal(end.tcp_state, STATE_TIME_WAIT);
	no_record();
	assert_int_equal(count()->sessions_opened, 1);
	assert_int_equal(count()->sessions_ended, 1);
	assert_int_equal(count()->sessions, 0);
	assert_int_equal(w.n_notices, 0);
}

static void an_open_tcp_session_that_goes_timed_out(void **state)
{
	kernel_opens(1, false);
	kernel_passes(1, 1, 1, 60);
	kernel_ends(1, 3, false);
	settle();
	next_record(RECORD_OPEN);
	assert_int_equal(next_record(RECORD_END).end, RECORD_END_TIMEOUT);
}

static void other_peoples_entries_are_none_of_ours(void **state)
{
	struct nl_session s = session(9, "10.0.0.1", "10.0.0.2", 1, 0);

	fake_event(NL_SESSION_NEW, &s, false);
	s.mark = 77;
	fake_event(NL_SESSION_MARK, &s, false);
	fake_event(NL_SESSION_GONE, &s, false);
	fake_add(&s);
	settle();
	assert_int_equal(records_sweep(w.r), 0);
	no_record();
	assert_int_equal(count()->decisions, 0);
	assert_int_equal(kernel.deleted + kernel.marked, 0);
}

static void a_long_session_is_updated(void **state)
{
	struct record update;

	kernel_opens(1, false);
	tick(0.1);
	next_record(RECORD_OPEN);
	tick(61);
	kernel_passes(1, 0, 4, 400);
	tick(61);
	no_record();
	tick(61);
	tick(61);
	tick(61);
	update = next_record(RECORD_UPDATE);
	assert_int_equal(update.packets[0], 5);
	assert_int_equal(update.bytes[0], 460);
	assert_true(update.last_ns < fake_utc_ns() - INT64_C(100) * 1000000000);
	no_record();
}

/* --- refusals ----------------------------------------------------------------------------------------- */

static void a_refusal_is_written_and_repeats_are_aggregated(void **state)
{
	struct ring_aggregate a;
	struct record one;
	uint64_t sum = 0;

	for (int i = 0; i < 50; i++)
		guest_refused(false);
	settle();
	one = next_record(RECORD_REFUSED);
	assert_int_equal(one.rule, 2);
	assert_int_equal(one.verdict, VERDICT_DENY);
	assert_int_equal(one.reason, REASON_RULE);
	assert_int_equal(one.src_identity, GUEST);
	assert_int_equal(one.dst_identity, DB);
	assert_int_equal(one.in_port, 2);
	assert_int_equal(one.out_port, 1);
	assert_int_equal(one.domain, VLAN);
	assert_int_equal(one.src_mac[5], 3);
	assert_int_equal(one.dport, 5432);
	assert_int_equal(one.bytes[0], 440);
	assert_int_equal(one.session, 0);
	no_record();
	for (uint32_t i = 0; i < w.ring.n_aggregates; i++)
		sum += ring_read_aggregate(&w.ring, 0, i, &a) ? a.count : 0;
	assert_int_equal(sum, 49);
	assert_int_equal(count()->decisions, 50);
	assert_int_equal(count()->decisions_aggregated, 49);
	assert_int_equal(dropped(REASON_RULE), 50);
	assert_int_equal(w.n_notices, 0);
}

static void an_unbound_source_is_unknown(void **state)
{
	struct record one;

	kernel_refuses("10.0.0.77", "10.0.0.2", 80, nft_mark(5, 0), false);
	tick(0.1);
	one = next_record(RECORD_REFUSED);
	assert_int_equal(one.src_identity, IDENTITY_UNKNOWN);
	assert_int_equal(one.rule, RULE_DEFAULT_DENY);
	assert_int_equal(one.reason, REASON_NO_RULE);
	kernel_refuses("10.0.0.3", "10.0.0.78", 80, nft_mark(5, 0), false);
	tick(0.1);
	one = next_record(RECORD_REFUSED);
	assert_int_equal(one.src_identity, GUEST);
	assert_int_equal(one.dst_identity, IDENTITY_UNKNOWN);
	assert_int_equal(one.out_port, UINT16_MAX);
}

static void a_packet_of_no_session_says_so(void **state)
{
	const struct nft_program *p = w.program[0];

	kernel_refuses("10.0.0.1", "10.0.0.2", 5432, nft_mark(5, p->decision.count - 1), false);
	tick(0.1);
	assert_int_equal(next_record(RECORD_REFUSED).reason, REASON_NO_SESSION);
}

static void a_host_session_has_no_domain(void **state)
{
	struct record one;
	struct nl_log l;
	struct pkt p;

	pkt_raw(&p);
	pkt_ip(&p, "198.51.100.9", "192.0.2.1");
	pkt_tcp(&p, 999, 22, PKT_SYN, 1, 0);
	pkt_done(&p);
	log_of(&p, &l, nft_mark(5, 0));
	l.in_port = UINT32_MAX;
	fake_count(NFT_INET, "host_refused", 1);
	fake_log(&l, false);
	settle();
	one = next_record(RECORD_REFUSED);
	assert_int_equal(one.domain, 0);
	assert_int_equal(one.in_port, UINT16_MAX);
	assert_int_equal(one.src_identity, IDENTITY_UNKNOWN);
	assert_int_equal(one.dst_identity, IDENTITY_GATEWAY);
	assert_int_equal(count()->frames_in, 0);
	assert_int_equal(count()->decisions, 1);
}

static void a_refused_probe_is_of_its_domain(void **state)
{
	struct dp_binding b = binding("10.0.0.3", GUEST, 0xfff0);
	struct record one;
	struct nl_log l;
	struct pkt p;

	b.domain = DP_PROBE_DOMAIN;
	records_binding(w.r, &b);
	pkt_raw(&p);
	pkt_ip(&p, "10.0.0.3", "10.0.0.2");
	pkt_tcp(&p, 999, 22, PKT_SYN, 1, 0);
	pkt_done(&p);
	log_of(&p, &l, nft_mark(5, 0));
	l.in_port = 0xfff0;
	fake_count(NFT_INET, "refused", 1);
	fake_log(&l, false);
	settle();
	one = next_record(RECORD_REFUSED);
	assert_int_equal(one.domain, DP_PROBE_DOMAIN);
	assert_int_equal(one.in_port, UINT16_MAX);
	assert_int_equal(one.src_identity, GUEST);
	assert_int_equal(one.dst_identity, IDENTITY_UNKNOWN); /* the one of VLAN 20 is another host */
}

static void a_mark_of_no_known_generation_is_lost_aloud(void **state)
{
	struct nl_session s = session(1, "10.0.0.1", "10.0.0.2", 1, nft_mark(77, 1));

	kernel_refuses("10.0.0.3", "10.0.0.2", 5432, nft_mark(77, 1), false);
	tick(0.1);
	fake_count(NFT_INET, "opened", 1);
	fake_event(NL_SESSION_NEW, &s, false);
	tick(0.1);
	assert_int_equal(w.n_notices, 0);
	/* and a class that this generation has not */
	kernel_refuses("10.0.0.3", "10.0.0.2", 5432, nft_mark(5, w.program[0]->decision.count), false);
	settle();
	no_record();
	assert_int_equal(count()->decisions, 3);
	assert_int_equal(count()->decisions_lost, 3);
	assert_int_equal(w.n_notices, 1); /* not one for each */
	assert_non_null(strstr(w.notice, "3 decisions could not be recorded"));
}

/* --- the laws ----------------------------------------------------------------------------------------- */

static void what_is_counted_and_never_told_is_lost(void **state)
{
	for (int i = 0; i < 10; i++)
		guest_refused(i >= 7);
	tick(0.1);
	assert_int_equal(count()->decisions, 10); /* at once: the kernel has counted it */
	assert_int_equal(count()->decisions_lost, 0);
	check_decisions(3);
	settle();
	assert_int_equal(count()->decisions_lost, 3);
	assert_int_equal(count()->decisions_aggregated, 6);
	assert_int_equal(w.n_notices, 0);
	/* the twin: nothing more is lost when all is told */
	for (int i = 0; i < 10; i++)
		guest_refused(false);
	settle();
	assert_int_equal(count()->decisions, 20);
	assert_int_equal(count()->decisions_lost, 3);
}

static void a_late_message_is_not_lost(void **state)
{
	struct nl_log l;
	struct pkt p;

	pkt_raw(&p);
	pkt_ip(&p, "10.0.0.3", "10.0.0.2");
	pkt_tcp(&p, 999, 5432, PKT_SYN, 1, 0);
	pkt_done(&p);
	log_of(&p, &l, nft_mark(5, class_of(GUEST, DB, 5432)));
	fake_count(NFT_INET, "refused", 1);
	tick(0.1);
	check_decisions(1);
	tick(1.0);
	fake_log(&l, false);
	settle();
	assert_int_equal(count()->decisions, 1);
	assert_int_equal(count()->decisions_lost, 0);
	next_record(RECORD_REFUSED);
}

static void a_message_that_was_never_counted_is_told_of(void **state)
{
	struct nl_session s = session(1, "10.0.0.1", "10.0.0.2", 1, nft_mark(5, class_of(WEB, DB, 5432)));

	fake_event(NL_SESSION_NEW, &s, false);
	settle();
	next_record(RECORD_OPEN);
	assert_int_equal(count()->decisions, 1);
	assert_int_equal(w.n_notices, 1);
	assert_non_null(strstr(w.notice, "1 sessions opened were told of but not counted"));
	settle();
	assert_int_equal(w.n_notices, 1);
	/* it does not hide a loss that comes after it */
	kernel_opens(2, true);
	fake_remove(2);
	settle();
	assert_int_equal(count()->decisions_lost, 1);
}

static void frames_add_up(void **state)
{
	fake_count(NFT_BRIDGE, "frames_in", 100);
	fake_count(NFT_BRIDGE, "drop_spoof", 10);
	fake_count(NFT_BRIDGE, "drop_no_port", 5);
	fake_count(NFT_INET, "drop_no_port", 2); /* both tables have it */
	fake_count(NFT_BRIDGE, "forwarded", 3);
	fake_count(NFT_INET, "forwarded", 40);
	fake_count(NFT_BRIDGE, "handed", 82);
	fake_count(NFT_INET, "seen", 42);
	fake_count(NFT_BRIDGE, "something_else", 9);
	fake_count(NFT_NETDEV, "frames_in", 9);
	settle();
	assert_int_equal(count()->frames_in, 100);
	assert_int_equal(count()->bytes_in, 10000);
	assert_int_equal(count()->forwarded, 43);
	assert_int_equal(dropped(REASON_SPOOF), 10);
	assert_int_equal(dropped(REASON_NO_PORT), 7);
	assert_int_equal(dropped(REASON_PARSE), 40);
}

static void frames_on_their_way_are_no_drops(void **state)
{
	fake_count(NFT_BRIDGE, "frames_in", 10);
	fake_count(NFT_BRIDGE, "handed", 10);
	tick(0.1); /* read between guard and session */
	assert_int_equal(dropped(REASON_PARSE), 0);
	fake_count(NFT_INET, "seen", 10);
	fake_count(NFT_INET, "forwarded", 10);
	settle();
	assert_int_equal(dropped(REASON_PARSE), 0);
	assert_int_equal(count()->forwarded, 10);
}

static void a_frame_that_went_out_has_come_in(void **state)
{
	fake_count(NFT_BRIDGE, "frames_in", 1);
	fake_count(NFT_INET, "forwarded", 2); /* read later than frames_in */
	tick(0.1);
	check_frames();
	assert_int_equal(count()->frames_in, 2);
	fake_count(NFT_BRIDGE, "frames_in", 1);
	settle();
	assert_int_equal(count()->frames_in, 2);
}

static void tables_made_anew_count_from_nothing(void **state)
{
	fake_count(NFT_BRIDGE, "frames_in", 7);
	fake_count(NFT_BRIDGE, "drop_arp", 7);
	settle();
	kernel.no_tables = true;
	settle();
	assert_int_equal(count()->frames_in, 7);
	kernel.no_tables = false;
	kernel.n_counters = 0;
	memset(kernel.counter, 0, sizeof(kernel.counter));
	fake_count(NFT_BRIDGE, "frames_in", 20);
	fake_count(NFT_BRIDGE, "drop_arp", 20);
	settle();
	assert_int_equal(count()->frames_in, 27);
	assert_int_equal(dropped(REASON_ARP), 27);
}

static void counters_below_what_they_were_began_anew(void **state)
{
	fake_count(NFT_BRIDGE, "frames_in", 7);
	fake_count(NFT_BRIDGE, "drop_arp", 7);
	settle();
	memset(kernel.counter, 0, sizeof(kernel.counter));
	kernel.n_counters = 0;
	fake_count(NFT_BRIDGE, "frames_in", 2);
	fake_count(NFT_BRIDGE, "drop_arp", 2);
	settle();
	assert_int_equal(count()->frames_in, 9);
	assert_int_equal(dropped(REASON_ARP), 9);
}

/* As a swap does with what only the program before has: gone, and back with a later one. */
static void a_counter_that_went_begins_anew(void **state)
{
	fake_count(NFT_BRIDGE, "drop_arp", 7);
	settle();
	memset(kernel.counter, 0, sizeof(kernel.counter));
	kernel.n_counters = 0;
	fake_count(NFT_BRIDGE, "drop_nd", 1);
	settle();
	fake_count(NFT_BRIDGE, "drop_arp", 9);
	settle();
	assert_int_equal(dropped(REASON_ARP), 16);
}

static void begin_session(void)
{
	kernel_opens(1, false);
	tick(0.1);
	next_record(RECORD_OPEN);
}

/* --- loss of events ----------------------------------------------------------------------------------- */

static void a_list_finds_what_events_did_not_tell(void **state)
{
	kernel_opens(1, false);
	kernel_opens(2, false);
	tick(0.1);
	next_record(RECORD_OPEN);
	next_record(RECORD_OPEN);
	kernel_opens(3, true); /* still there: the list has it */
	kernel_opens(4, true); /* gone again, its end is told: opening and end */
	kernel_ends(4, 8, false);
	kernel_opens(5, true); /* never told of: lost */
	kernel_ends(5, 7, true);
	kernel_passes(1, 1, 5, 500);
	tick(61);
	kernel_ends(1, 3, true); /* its end is lost, its counters are known from the last list */
	kernel.overrun = true;
	tick(0.1);
	settle();
	assert_int_equal(next_record(RECORD_OPEN).sport, 1004);
	assert_int_equal(next_record(RECORD_END).end, RECORD_END_CLOSED);
	assert_int_equal(next_record(RECORD_OPEN).sport, 1003);
	tick(5);
	{
		struct record end = next_record(RECORD_END);

		assert_int_equal(end.sport, 1001);
		assert_int_equal(end.packets[1], 5);
		assert_int_equal(end.end, RECORD_END_TIMEOUT);
	}
	no_record();
	assert_int_equal(count()->sessions, 2);
	assert_int_equal(count()->decisions, 5);
	assert_int_equal(count()->decisions_lost, 1);
	assert_int_equal(w.n_notices, 0);
}

static void an_update_tells_of_a_lost_opening(void **state)
{
	struct nl_session s;

	kernel_opens(1, true);
	s = *fake_session(1);
	s.start_ns = 0; /* as in events */
	fake_event(NL_SESSION_MARK, &s, false);
	fake_event(NL_SESSION_MARK, &s, false);
	settle();
	next_record(RECORD_OPEN);
	no_record();
	assert_int_equal(count()->decisions_lost, 0);
}

/* The administrator's ssh, when the first policy comes: the kernel decides it, and nobody has opened it. */
static void a_session_from_before_the_first_policy_has_no_opening(void **state)
{
	struct nl_session s;

	shut();
	kernel.now_ms += 1000;
	open_records();
	take(NULL);
	assert_int_equal(records_sweep(w.r), 0);
	s = session(1, "10.0.0.1", "10.0.0.2", 1001, 0);
	fake_event(NL_SESSION_NEW, &s, false);
	s.start_ns = fake_utc_ns();
	fake_add(&s);
	tick(1);
	take(w.program[0]);
	bind_hosts();
	assert_int_equal(records_sweep(w.r), 0);
	fake_session(1)->mark = nft_mark(w.generation, class_of(WEB, DB, 5432));
	fake_count(NFT_INET, "redecided", 1);
	s = *fake_session(1);
	s.start_ns = 0; /* as in events */
	fake_event(NL_SESSION_MARK, &s, false);
	settle();
	no_record();
	assert_int_equal(count()->decisions, 0);
	assert_int_equal(count()->sessions, 1);
	assert_int_equal(w.n_notices, 0);
	kernel.now_ms += 1000;
	kernel_opens(2, true); /* the twin: opened by a decision, and its event lost */
	s = *fake_session(2);
	s.start_ns = 0;
	fake_event(NL_SESSION_MARK, &s, false);
	settle();
	assert_int_equal(next_record(RECORD_OPEN).sport, 1002);
	no_record();
	assert_int_equal(w.n_notices, 0);
}

static void an_event_behind_its_list_is_not_told_twice(void **state)
{
	struct nl_session s;

	kernel_opens(1, true);
	s = *fake_session(1);
	kernel.overrun = true;
	tick(0.1);
	next_record(RECORD_OPEN);
	fake_event(NL_SESSION_NEW, &s, false);
	settle();
	no_record();
	assert_int_equal(count()->decisions, 1);
}

static void a_failed_list_is_made_up_for(void **state)
{
	begin_session();
	kernel_ends(1, 3, true);
	kernel.overrun = true;
	kernel.list_error = -5;
	tick(0.1);
	assert_int_equal(w.n_notices, 1);
	tick(0.1);
	assert_int_equal(w.n_notices, 1); /* the same again */
	kernel.list_error = 0;
	tick(0.1);
	tick(6);
	assert_int_equal(next_record(RECORD_END).end, RECORD_END_TIMEOUT);
}

static void a_number_given_again_is_another_session(void **state)
{
	struct nl_session s;

	kernel_opens(1, false);
	tick(0.1);
	next_record(RECORD_OPEN);
	s = *fake_session(1);
	fake_count(NFT_INET, "opened", 1);
	s.packets[0] = 0;
	fake_event(NL_SESSION_NEW, &s, false);
	settle();
	next_record(RECORD_END);
	next_record(RECORD_OPEN);
	no_record();
}

static void without_a_loss_nothing_ends_by_a_list(void **state)
{
	kernel_opens(1, false);
	tick(0.1);
	next_record(RECORD_OPEN);
	kernel_ends(1, 3, true);
	tick(61);
	settle();
	tick(61);
	no_record();
}

/* --- change ------------------------------------------------------------------------------------------- */

/* Its next packet is decided by the kernel, because its mark is of another turn. */
static void what_stays_allowed_is_left_to_the_kernel(void **state)
{
	begin_session();
	use(first_policy, 2, 6);
	assert_int_equal(records_sweep(w.r), 0);
	settle();
	no_record();
	assert_int_equal(kernel.marked, 0);
	assert_int_equal(kernel.deleted, 0);
	assert_int_equal(fake_session(1)->mark, nft_mark(5, class_of(WEB, DB, 5432)));
	fake_session(1)->mark = nft_mark(6, class_of(WEB, DB, 5432));
	fake_event(NL_SESSION_MARK, fake_session(1), false);
	settle();
	no_record();
	assert_int_equal(kernel.deleted, 0);
}

/* Turns come round: no mark may grow so old that a new one looks like it. */
static void an_old_mark_is_made_new(void **state)
{
	begin_session();
	for (uint32_t turn = 6; turn < 5 + 2 * NFT_MARK_TURNS; turn++) {
		const uint32_t mark = fake_session(1)->mark;

		w.generation = turn;
		take(w.program[0]);
		if (mark >> 24 == nft_mark(turn, 0) >> 24)
			fail_msg("turn %u honours a mark of long ago", turn);
		assert_int_equal(records_sweep(w.r), 0);
	}
	assert_in_range(kernel.marked, 3, 10);
	no_record();
}

/* An answer cannot decide a session of ICMP, so it does not wait for one. */
static void sessions_of_icmp_are_marked_at_once(void **state)
{
	struct nl_session s;

	use(ping_allowed, 1, 6);
	s = session(1, "10.0.0.1", "10.0.0.2", 7, nft_mark(6, class_of_service(WEB, DB, PING)));
	s.proto = ICMP;
	s.dport = 8 << 8;
	s.start_ns = fake_utc_ns();
	fake_add(&s);
	fake_event(NL_SESSION_NEW, &s, false);
	tick(0.1);
	next_record(RECORD_OPEN);
	use(ping_allowed, 1, 7);
	assert_int_equal(records_sweep(w.r), 0);
	assert_int_equal(kernel.marked, 1);
	assert_int_equal(fake_session(1)->mark, nft_mark(7, class_of_service(WEB, DB, PING)));
	use(nothing_allowed, 1, 8);
	assert_int_equal(records_sweep(w.r), 0);
	assert_int_equal(kernel.deleted, 1);
}

/* A packet on its way was decided by the binding before; its opening is heard of after the change. */
static void an_opening_that_raced_a_change_is_decided_again(void **state)
{
	struct dp_binding guest = binding("10.0.0.1", GUEST, 0);

	records_binding(w.r, &guest);
	kernel_opens(1, false);
	tick(0.1);
	settle();
	next_record(RECORD_OPEN);
	assert_int_equal(next_record(RECORD_CHANGED).verdict, VERDICT_DENY);
	assert_int_equal(kernel.deleted, 1);
	next_record(RECORD_END);
	no_record();
}

/* The same for a session that was there: the kernel marks it by the binding before, and that is heard of
 * after. */
static void a_mark_that_raced_a_change_is_decided_again(void **state)
{
	struct dp_binding guest = binding("10.0.0.1", GUEST, 0);
	uint32_t web, late;

	use(both_allowed, 2, 6);
	kernel_opens(1, false);
	tick(0.1);
	next_record(RECORD_OPEN);
	web = late = fake_session(1)->mark;
	records_binding(w.r, &guest);
	assert_int_equal(next_record(RECORD_CHANGED).rule, 7);
	assert_int_not_equal(fake_session(1)->mark, web);
	kernel.n_events = 0;
	fake_session(1)->mark = late;
	fake_event(NL_SESSION_MARK, fake_session(1), false);
	tick(0.1);
	assert_int_not_equal(fake_session(1)->mark, late);
	assert_int_equal(fake_session(1)->mark, nft_mark(6, class_of(GUEST, DB, 5432)));
}

static void another_rule_is_a_change(void **state)
{
	struct record changed;

	begin_session();
	use(other_rule, 1, 6);
	assert_int_equal(records_sweep(w.r), 0);
	settle();
	changed = next_record(RECORD_CHANGED);
	assert_int_equal(changed.rule, 7);
	assert_int_equal(changed.old_rule, 1);
	assert_int_equal(changed.verdict, VERDICT_ALLOW);
	assert_int_equal(changed.generation, 6);
	no_record();
	assert_int_equal(kernel.marked, 0);
	assert_int_equal(count()->decisions, 2);
	assert_int_equal(count()->redecided, 0); /* by its next packet, if there is one */
}

static void a_generation_that_denies_cuts(void **state)
{
	struct record changed, end;

	begin_session();
	kernel_passes(1, 1, 3, 300);
	use(nothing_allowed, 1, 6);
	assert_int_equal(records_sweep(w.r), 0);
	settle();
	changed = next_record(RECORD_CHANGED);
	assert_int_equal(changed.verdict, VERDICT_DENY);
	assert_int_equal(changed.old_verdict, VERDICT_ALLOW);
	assert_int_equal(changed.rule, 3);
	assert_int_equal(changed.old_rule, 1);
	assert_int_equal(changed.generation, 6);
	end = next_record(RECORD_END);
	assert_int_equal(end.end, RECORD_END_REVOKED);
	assert_int_equal(end.packets[1], 3);
	assert_int_equal(end.session, changed.session);
	no_record();
	assert_int_equal(kernel.deleted, 1);
	assert_int_equal(kernel.n_sessions, 0);
}

static void deny_all_cuts_everything(void **state)
{
	begin_session();
	w.generation = 0;
	take(NULL);
	assert_int_equal(records_sweep(w.r), 0);
	settle();
	assert_int_equal(next_record(RECORD_CHANGED).reason, REASON_DENY_ALL);
	assert_int_equal(next_record(RECORD_END).end, RECORD_END_REVOKED);
	assert_int_equal(count()->generation, 0);
}

static void the_kernel_changes_a_session_by_itself(void **state)
{
	struct nl_session *s;

	begin_session();
	use(other_rule, 1, 6);
	s = fake_session(1);
	s->mark = nft_mark(6, class_of(WEB, DB, 5432));
	fake_count(NFT_INET, "redecided", 1);
	fake_event(NL_SESSION_MARK, s, false);
	settle();
	assert_int_equal(next_record(RECORD_CHANGED).rule, 7);
	assert_int_equal(count()->redecided, 1);
	/* and cuts it, which leaves an entry behind */
	use(nothing_allowed, 1, 7);
	s->mark = nft_mark(7, class_of(WEB, DB, 5432));
	fake_event(NL_SESSION_MARK, s, false);
	settle();
	assert_int_equal(next_record(RECORD_CHANGED).rule, 3);
	assert_int_equal(next_record(RECORD_END).end, RECORD_END_REVOKED);
	assert_int_equal(kernel.deleted, 1);
	no_record();
}

static void an_old_event_does_not_undo_a_newer_mark(void **state)
{
	struct nl_session s;

	begin_session();
	s = *fake_session(1);
	use(other_rule, 1, 6);
	assert_int_equal(records_sweep(w.r), 0);
	next_record(RECORD_CHANGED);
	fake_event(NL_SESSION_MARK, &s, false); /* of generation 5 */
	settle();
	no_record();
	/* messages of the generation before are understood */
	fake_count(NFT_INET, "opened", 1);
	s.id = 2;
	s.sport = 4444;
	fake_event(NL_SESSION_NEW, &s, false);
	settle();
	assert_int_equal(next_record(RECORD_OPEN).generation, 5);
}

static void a_cut_that_fails_is_tried_again(void **state)
{
	begin_session();
	use(nothing_allowed, 1, 6);
	kernel.delete_error = -13;
	assert_int_equal(records_sweep(w.r), -EAGAIN);
	assert_int_equal(kernel.deleted, 0);
	assert_int_equal(w.n_notices, 1);
	tick(0.1);
	kernel.delete_error = 0;
	tick(0.1);
	assert_int_equal(kernel.deleted, 1);
	settle();
	next_record(RECORD_CHANGED);
	assert_int_equal(next_record(RECORD_END).end, RECORD_END_REVOKED);
	no_record();
}

static void a_sweep_without_a_list_is_an_error(void **state)
{
	begin_session();
	use(nothing_allowed, 1, 6);
	kernel.list_error = -5;
	assert_int_equal(records_sweep(w.r), -5);
	kernel.list_error = 0;
	tick(0.1); /* made up for */
	assert_int_equal(kernel.deleted, 1);
}

/* --- bindings ----------------------------------------------------------------------------------------- */

static void a_binding_that_goes_takes_its_sessions_along(void **state)
{
	struct dp_binding b = binding("10.0.0.1", WEB, 0);
	struct record changed;

	begin_session();
	records_binding(w.r, &b); /* the same again: nothing */
	assert_int_equal(kernel.deleted, 0);
	b = binding("10.0.0.3", GUEST, 2);
	b.flags = DP_BINDING_GONE; /* somebody else's */
	records_binding(w.r, &b);
	assert_int_equal(kernel.deleted, 0);
	b = binding("10.0.0.1", WEB, 0);
	b.flags = DP_BINDING_GONE;
	records_binding(w.r, &b);
	assert_int_equal(kernel.deleted, 1);
	settle();
	changed = next_record(RECORD_CHANGED);
	assert_int_equal(changed.src_identity, IDENTITY_UNKNOWN);
	assert_int_equal(changed.reason, REASON_NO_RULE);
	assert_int_equal(next_record(RECORD_END).src_identity, WEB);
	no_record();
}

/* The kernel knows no identity of an address without binding, whatever $unknown may do. */
static void unbound_is_denied_though_unknown_is_allowed(void **state)
{
	static const struct mkimage_cell cells[] = {
		{IDENTITY_UNKNOWN,
		 DB,
		 TCP_PORT(5432),
		 {4, 4, 0, DECISION_ALLOW | DECISION_INTENDED_ALLOW, REASON_RULE, REASON_RULE}},
		{WEB,
		 DB,
		 TCP_PORT(5432),
		 {5, 5, 0, DECISION_ALLOW | DECISION_INTENDED_ALLOW, REASON_RULE, REASON_RULE}},
	};
	struct dp_binding b = binding("10.0.0.1", IDENTITY_UNKNOWN, 0);

	begin_session();
	use(cells, 2, 6);
	assert_int_equal(records_sweep(w.r), 0);
	assert_int_equal(next_record(RECORD_CHANGED).rule, 5);
	records_binding(w.r, &b); /* bound, and not classified */
	assert_int_equal(next_record(RECORD_CHANGED).rule, 4);
	b.flags = DP_BINDING_GONE;
	records_binding(w.r, &b);
	assert_int_equal(next_record(RECORD_CHANGED).rule, RULE_DEFAULT_DENY);
	assert_int_equal(kernel.deleted, 1);
}

static void another_identity_is_judged(void **state)
{
	struct dp_binding b = binding("10.0.0.2", GUEST, 1); /* the responder's */

	begin_session();
	records_binding(w.r, &b);
	settle();
	assert_int_equal(next_record(RECORD_CHANGED).dst_identity, GUEST);
	next_record(RECORD_END);
	no_record();
}

/* The kernel decided with the identity of before, and nobody was told of the session when that changed. */
static void a_session_opened_unseen_is_judged_when_it_is_seen(void **state)
{
	struct dp_binding b = binding("10.0.0.1", GUEST, 0);

	kernel_opens(1, true);
	records_binding(w.r, &b);
	assert_int_equal(kernel.deleted, 0);
	kernel.overrun = true;
	settle();
	assert_int_equal(kernel.deleted, 1);
	next_record(RECORD_OPEN);
	assert_int_equal(next_record(RECORD_CHANGED).rule, 2);
	next_record(RECORD_END);
	no_record();
}

/* The twin: its packet was on its way while the binding changed, and its event came behind. */
static void a_session_opened_with_a_late_event_is_judged(void **state)
{
	struct dp_binding b = binding("10.0.0.1", GUEST, 0);
	struct nl_session s;

	kernel_opens(1, true);
	s = *fake_session(1);
	records_binding(w.r, &b);
	fake_event(NL_SESSION_NEW, &s, false);
	settle();
	assert_int_equal(kernel.deleted, 1);
	b.identity = WEB;
	records_binding(w.r, &b);
	kernel_opens(2, false); /* decided with the identity that it has */
	settle();
	assert_int_equal(kernel.deleted, 1);
	assert_int_equal(kernel.marked, 0);
}

static void all_bindings_anew_is_judged_at_the_tick(void **state)
{
	const struct dp_binding b = binding("10.0.0.1", WEB, 0);

	begin_session();
	bind_hosts();
	tick(0.1);
	assert_int_equal(kernel.deleted, 0);
	records_bindings(w.r, &b, 1);
	tick(0.1);
	assert_int_equal(kernel.deleted, 1);
}

static void unbound_sources_are_endpoint_events(void **state)
{
	struct nl_log l;
	struct pkt p;

	pkt_raw(&p);
	pkt_ip(&p, "10.0.0.50", "10.0.0.2");
	pkt_udp(&p, 1, 2);
	pkt_done(&p);
	log_of(&p, &l, 3); /* port number, not a class */
	l.kind = NL_LOG_ENDPOINT;
	l.in_port = UINT32_MAX;
	strcpy(l.prefix, "new");
	fake_log(&l, false);
	settle();
	assert_int_equal(w.n_endpoints, 1);
	assert_int_equal(w.endpoint.kind, DP_ENDPOINT_NEW);
	assert_int_equal(w.endpoint.port, 2);
	assert_int_equal(w.endpoint.domain, VLAN);
	assert_int_equal(w.endpoint.addr[3], 50);
	assert_int_equal(w.endpoint.family, 4);
	assert_int_equal(w.endpoint.mac[5], 3);
	assert_int_equal(w.endpoint.time_ns > 0, 1);
	strcpy(l.prefix, "spoof");
	fake_log(&l, false);
	l.has_mac = false; /* says nothing */
	fake_log(&l, false);
	settle();
	assert_int_equal(w.n_endpoints, 2);
	assert_int_equal(w.endpoint.kind, DP_ENDPOINT_SPOOF);
	assert_int_equal(count()->decisions, 0);
	no_record();
}

static void arp_names_its_sender(void **state)
{
	struct nl_log l;
	struct pkt p;

	pkt_ether(&p, PKT_BROADCAST, 9);
	pkt_arp(&p, 1, 9, "10.0.0.51", 0, "10.0.0.2");
	log_of(&p, &l, 1);
	l.kind = NL_LOG_ENDPOINT;
	l.protocol = 0x0806;
	l.payload = p.data + 14;
	l.len = 28;
	strcpy(l.prefix, "new");
	fake_log(&l, false);
	l.len = 20; /* cut short */
	fake_log(&l, false);
	settle();
	assert_int_equal(w.n_endpoints, 1);
	assert_int_equal(w.endpoint.addr[3], 51);
	assert_int_equal(w.endpoint.port, 0);
}

/* --- restart ------------------------------------------------------------------------------------------ */

static void a_restart_goes_on_with_the_kernels_sessions(void **state)
{
	struct record end;

	begin_session();
	guest_refused(false);
	settle();
	shut();
	kernel.now_ms += 5000;
	kernel_opens(2, false); /* while nobody looked */
	kernel.n_events = 0;
	kernel.now_ms += 5000;
	open_records();
	assert_int_equal(count()->decisions, 0);
	take(w.program[0]);
	bind_hosts();
	assert_int_equal(records_sweep(w.r), 0);
	kernel_passes(1, 0, 2, 200);
	kernel_ends(1, 7, false);
	settle();
	end = next_record(RECORD_END);
	assert_int_equal(end.sport, 1001);
	assert_int_equal(end.packets[0], 3);
	assert_int_equal(end.rule, 1);
	no_record();
	assert_int_equal(count()->decisions, 0);
	assert_int_equal(count()->frames_in, 2);
	assert_int_equal(count()->sessions, 1);
	assert_int_equal(kernel.deleted, 0);
	kernel_opens(3, false); /* the twin: a new one has its opening */
	settle();
	assert_int_equal(next_record(RECORD_OPEN).sport, 1003);
	assert_int_equal(w.n_notices, 0);
}

/* Bindings are read from the kernel at once, the program comes with the next publish: until then nothing is
 * cut. */
static void what_was_adopted_is_not_judged(void **state)
{
	shut();
	kernel.now_ms += 1000;
	open_records();
	bind_hosts();
	kernel_opens(1, false);
	kernel.overrun = true; /* that makes a list, too */
	kernel_opens(2, true);
	settle();
	no_record();
	assert_int_equal(kernel.deleted, 0);
	assert_int_equal(count()->decisions_lost, 2); /* by which rule nobody knows */
	take(w.program[0]);
	assert_int_equal(records_sweep(w.r), 0);
	kernel_ends(1, 7, false);
	settle();
	assert_int_equal(next_record(RECORD_END).rule, 1);
	no_record();
	assert_int_equal(kernel.deleted, 0);
}

/* The twin: nothing is in force, and that was said. */
static void what_nothing_allows_is_cut(void **state)
{
	begin_session();
	w.generation = 0;
	take(NULL);
	bind_hosts();
	settle();
	assert_int_equal(next_record(RECORD_CHANGED).reason, REASON_DENY_ALL);
	assert_int_equal(next_record(RECORD_END).end, RECORD_END_REVOKED);
	assert_int_equal(kernel.deleted, 1);
}

/* Without time stamps the first list says nothing about age, but an event does. */
static void a_session_opened_while_starting_has_its_opening(void **state)
{
	shut();
	kernel.now_ms += 1000;
	open_records();
	kernel_opens(1, false);
	fake_session(1)->start_ns = 0;
	kernel_opens(2, true); /* the twin: older than we, as far as anybody knows */
	fake_session(2)->start_ns = 0;
	take(w.program[0]);
	{
		struct nl_session early = kernel.event[0].session;

		kernel.n_events = 0;
		bind_hosts();
		assert_int_equal(records_sweep(w.r), 0);
		no_record();
		fake_event(NL_SESSION_NEW, &early, false);
	}
	tick(0.1);
	next_record(RECORD_OPEN);
	settle();
	no_record();
	assert_int_equal(count()->decisions, 2);
	assert_int_equal(count()->decisions_lost, 1);
}

static void a_restart_into_another_policy_cuts(void **state)
{
	begin_session();
	shut();
	kernel.now_ms += 10000;
	open_records();
	use(nothing_allowed, 1, 9);
	bind_hosts();
	assert_int_equal(records_sweep(w.r), 0);
	settle();
	assert_int_equal(next_record(RECORD_CHANGED).rule, 3);
	assert_int_equal(next_record(RECORD_END).end, RECORD_END_REVOKED);
	no_record();
}

/* Nobody knows by which rule it was allowed, so nobody can say that it changed. */
static void a_session_of_a_forgotten_generation_is_no_change(void **state)
{
	begin_session();
	shut();
	kernel.now_ms += 10000;
	open_records();
	use(other_rule, 1, 9);
	bind_hosts();
	assert_int_equal(records_sweep(w.r), 0);
	kernel_ends(1, 7, false);
	settle();
	assert_int_equal(next_record(RECORD_END).rule, 7);
	no_record();
}

static void too_many_ports_are_refused(void **state)
{
	struct nft_box box = w.box;
	struct records *r;
	char error[256] = "";

	box.n_ports = NFT_PORTS_MAX;
	assert_int_equal(records_open(&r, w.dir, &box, NULL, error, sizeof(error)), -22);
	assert_null(r);
	assert_string_equal(error, "records: 32 ports, and there is room for 31");
	assert_true(records_open(&r, "/nowhere", &w.box, NULL, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "/nowhere"));
}

static void the_last_port_is_the_bridge(void **state)
{
	assert_int_equal(w.ring.n_ports, 4);
	assert_string_equal(w.ring.header->port_name[0], "p1");
	assert_string_equal(w.ring.header->port_name[3], "bridge");
	assert_int_equal(records_instance(w.r), w.ring.header->instance);
	tick(0.1);
	assert_int_equal(count()->heartbeat, (uint64_t)kernel.now_ms);
	assert_int_equal(count()->bindings, 3);
	assert_int_equal(count()->generation, 5);
}

/* --- many --------------------------------------------------------------------------------------------- */

/* Ends come while others are still being cut. */
static void a_cut_of_many_sessions(void **state)
{
	enum { MANY = 5000 };

	for (uint32_t i = 1; i <= MANY; i++)
		kernel_opens(i, false);
	tick(0.1);
	use(nothing_allowed, 1, 6);
	assert_int_equal(records_sweep(w.r), 0);
	assert_true(kernel.n_events < MANY / 2);
	settle();
	assert_int_equal(kernel.deleted, MANY);
	assert_int_equal(count()->sessions, 0);
	assert_int_equal(count()->sessions_ended, MANY);
	assert_int_equal(count()->decisions, 2 * MANY);
	assert_int_equal(count()->decisions_lost, 0);
}

static void a_sweep_of_many_sessions(void **state)
{
	enum { MANY = 20000 };
	const uint32_t mark = nft_mark(5, class_of(WEB, DB, 5432));

	for (uint32_t i = 0; i < MANY; i++) {
		struct nl_session s = session(i * 2654435761u, "10.0.0.1", "10.0.0.2", (uint16_t)i, mark);

		fake_event(NL_SESSION_NEW, &s, false);
		fake_count(NFT_INET, "opened", 1);
	}
	settle();
	assert_int_equal(count()->sessions, MANY);
	assert_int_equal(count()->sessions_opened, MANY);
	assert_int_equal(count()->decisions, MANY);
	kernel.n_events = 0;
	use(first_policy, 2, 5 + NFT_MARK_TURNS / 2); /* old enough to be marked */
	assert_int_equal(records_sweep(w.r), 0);
	tick(0.1);
	assert_int_equal(kernel.mark_asked, MANY); /* each once, though they come and go meanwhile */
	for (uint32_t i = 0; i < MANY; i++) {
		struct nl_session s = session(i * 2654435761u, "10.0.0.1", "10.0.0.2", (uint16_t)i, mark);

		fake_event(NL_SESSION_GONE, &s, false);
	}
	settle();
	assert_int_equal(count()->sessions, 0);
	assert_int_equal(count()->sessions_ended, MANY);
	assert_int_equal(count()->updates, MANY);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_has_an_opening_and_an_end),
		TEST(an_open_tcp_session_that_goes_timed_out),
		TEST(other_peoples_entries_are_none_of_ours),
		TEST(a_long_session_is_updated),
		TEST(a_refusal_is_written_and_repeats_are_aggregated),
		TEST(an_unbound_source_is_unknown),
		TEST(a_packet_of_no_session_says_so),
		TEST(a_host_session_has_no_domain),
		TEST(a_refused_probe_is_of_its_domain),
		TEST(an_update_tells_of_a_lost_opening),
		TEST(a_session_from_before_the_first_policy_has_no_opening),
		TEST(a_mark_of_no_known_generation_is_lost_aloud),
		TEST(what_is_counted_and_never_told_is_lost),
		TEST(a_late_message_is_not_lost),
		TEST(a_message_that_was_never_counted_is_told_of),
		TEST(frames_add_up),
		TEST(frames_on_their_way_are_no_drops),
		TEST(a_frame_that_went_out_has_come_in),
		TEST(tables_made_anew_count_from_nothing),
		TEST(a_list_finds_what_events_did_not_tell),
		TEST(an_event_behind_its_list_is_not_told_twice),
		TEST(a_failed_list_is_made_up_for),
		TEST(counters_below_what_they_were_began_anew),
		TEST(a_counter_that_went_begins_anew),
		TEST(unbound_is_denied_though_unknown_is_allowed),
		TEST(a_session_opened_while_starting_has_its_opening),
		TEST(a_number_given_again_is_another_session),
		TEST(without_a_loss_nothing_ends_by_a_list),
		TEST(what_stays_allowed_is_left_to_the_kernel),
		TEST(an_old_mark_is_made_new),
		TEST(sessions_of_icmp_are_marked_at_once),
		TEST(an_opening_that_raced_a_change_is_decided_again),
		TEST(a_mark_that_raced_a_change_is_decided_again),
		TEST(another_rule_is_a_change),
		TEST(a_generation_that_denies_cuts),
		TEST(deny_all_cuts_everything),
		TEST(the_kernel_changes_a_session_by_itself),
		TEST(an_old_event_does_not_undo_a_newer_mark),
		TEST(a_cut_that_fails_is_tried_again),
		TEST(a_sweep_without_a_list_is_an_error),
		TEST(a_binding_that_goes_takes_its_sessions_along),
		TEST(another_identity_is_judged),
		TEST(a_session_opened_unseen_is_judged_when_it_is_seen),
		TEST(a_session_opened_with_a_late_event_is_judged),
		TEST(all_bindings_anew_is_judged_at_the_tick),
		TEST(unbound_sources_are_endpoint_events),
		TEST(arp_names_its_sender),
		TEST(a_restart_goes_on_with_the_kernels_sessions),
		TEST(what_was_adopted_is_not_judged),
		TEST(what_nothing_allows_is_cut),
		TEST(a_restart_into_another_policy_cuts),
		TEST(a_session_of_a_forgotten_generation_is_no_change),
		TEST(too_many_ports_are_refused),
		TEST(the_last_port_is_the_bridge),
		TEST(a_cut_of_many_sessions),
		TEST(a_sweep_of_many_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
