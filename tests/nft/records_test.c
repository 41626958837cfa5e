/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of what a real kernel decides: hosts in namespaces of their own on both ports of a bridge, traffic
 * between them, and the ring file beside what tcpdump saw. Both laws must close whenever traffic rests.
 *
 * Host a has 10.7.0.1 (web) and 10.7.0.3 (guest), host b 10.7.0.2 (database, serves port 5432).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mkimage.h"
#include "packet.h"
#include "records.h"
#include "ring.h"
#include "space.h"
#include "to_nft.h"

#define VLAN 7
enum { WEB = 16, DB = 17, GUEST = 18, TCP = 6 };
#define PORT(n) ((service_key)TCP << 16 | (n)), ((service_key)TCP << 16 | (n)) + 1

static const struct mkimage_cell allowed[] = {
	{WEB, DB, PORT(5432), {1, 1, 0, DECISION_ALLOW | DECISION_INTENDED_ALLOW, REASON_RULE, REASON_RULE}},
	{GUEST, DB, PORT(5432), {2, 2, 0, 0, REASON_RULE, REASON_RULE}},
};
static const struct mkimage_cell denied[] = {
	{WEB, DB, PORT(5432), {3, 3, 0, 0, REASON_RULE, REASON_RULE}},
};

static struct {
	struct nl *nl;
	struct nft_box box;
	struct records *r;
	struct nft_program *program[4];
	uint32_t n_programs;
	struct dp_binding binding[3];
	struct ring_file ring;
	uint64_t read;
	char a[32], b[32], dir[32];
	pid_t child[4];
	uint32_t n_notices;
} w;

static const struct ring_counters *count(void)
{
	return &ring_worker(&w.ring, 0)->counters;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_notice(void *ctx, const char *text)
{
	fprintf(stderr, "# notice: %s\n", text);
	w.n_notices++;
}

/* What cordon-nft's loop does. */
static void run(int ms)
{
	const int64_t until = now_ms() + ms;
	int64_t next = 0;
	int fds[4];
	size_t n = records_fds(w.r, fds);
	struct pollfd p[4];

	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	while (now_ms() < until) {
		if (poll(p, n, 20) > 0)
			records_ready(w.r);
		if (now_ms() < next)
			continue;
		next = now_ms() + 100;
		records_tick(w.r, now_ms());
	}
}

/* --- the box ------------------------------------------------------------------------------------------ */

static void make_hosts(void)
{
	snprintf(w.a, sizeof(w.a), "cxr-%da", getpid());
	snprintf(w.b, sizeof(w.b), "cxr-%db", getpid());
	space_bridge();
	if (!space_run("sysctl -qw net.bridge.bridge-nf-call-iptables=1 "
		       "net.bridge.bridge-nf-call-ip6tables=1 net.netfilter.nf_conntrack_acct=1 "
		       "net.netfilter.nf_conntrack_timestamp=1 net.netfilter.nf_conntrack_events=1 "
		       "net.netfilter.nf_conntrack_tcp_loose=0 "
		       "net.netfilter.nf_conntrack_tcp_timeout_time_wait=1 "
		       "net.netfilter.nf_conntrack_tcp_timeout_close=1") ||
	    !space_run("ip netns add %s && ip netns add %s && ip link set va1 netns %s && "
		       "ip link set vb1 netns %s",
		       w.a, w.b, w.a, w.b) ||
	    !space_run("ip -n %s link set va1 address 02:00:00:00:00:01 up && ip -n %s addr add 10.7.0.1/24 "
		       "dev va1 && ip -n %s addr add 10.7.0.3/24 dev va1 && ip -n %s link set lo up",
		       w.a, w.a, w.a, w.a) ||
	    !space_run("ip -n %s link set vb1 address 02:00:00:00:00:02 up && ip -n %s addr add 10.7.0.2/24 "
		       "dev vb1 && ip -n %s link set lo up",
		       w.b, w.b, w.b) ||
	    !space_run("for d in va0 vb0; do ethtool -K $d tso off gso off gro off; done >/dev/null 2>&1; "
		       "ip netns exec %s ethtool -K va1 tso off gso off gro off tx off >/dev/null 2>&1; "
		       "ip netns exec %s ethtool -K vb1 tso off gso off gro off tx off >/dev/null 2>&1; "
		       "ip netns exec %s sysctl -qw net.ipv6.conf.all.disable_ipv6=1; "
		       "ip netns exec %s sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
		       w.a, w.b, w.a, w.b))
		fail_msg("the box could not be made");
}

static void make_bindings(void)
{
	static const struct {
		const char *addr;
		uint16_t identity, port;
	} hosts[] = {{"10.7.0.1", WEB, 0}, {"10.7.0.2", DB, 1}, {"10.7.0.3", GUEST, 0}};

	for (int i = 0; i < 3; i++) {
		w.binding[i] = (struct dp_binding){
			.mac = {2, 0, 0, 0, 0, (uint8_t)(hosts[i].port + 1)},
			.domain = VLAN,
			.port = hosts[i].port,
			.identity = hosts[i].identity,
			.lease_s = UINT32_MAX,
		};
		w.binding[i].family = pkt_addr(w.binding[i].addr, hosts[i].addr);
	}
}

static void publish(const struct mkimage_cell *cells, uint32_t n, uint32_t generation)
{
	const struct mkimage m = {.cell = cells, .n_cells = n};
	const struct nft_version version = {generation, 0, generation};
	struct nft_bound bound[3 * NFT_BOUND_MAX];
	struct image_header *image = mkimage(&m);
	struct nft_program **p = &w.program[w.n_programs++];
	size_t size, n_bound = 0;
	char error[256];

	assert_int_equal(compile_nft(image, &w.box, &NFT_LIMITS_DEFAULT, p, &size, error, sizeof(error)),
			 COMPILE_OK);
	free(image);
	for (int i = 0; i < 3; i++)
		n_bound += nft_bind_elements(&w.box, &w.binding[i], bound + n_bound);
	records_expect(w.r, *p, &version);
	if (nl_swap(w.nl, *p, 0, &version, bound, n_bound))
		fail_msg("%s", nl_error(w.nl));
	records_use(w.r, *p, &version);
	records_bindings(w.r, w.binding, 3);
}

static int setup(void **state)
{
	char error[320];

	memset(&w, 0, sizeof(w));
	space_new();
	w.box = space_box();
	make_hosts();
	make_bindings();
	snprintf(w.dir, sizeof(w.dir), "/tmp/cxr-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	if (nl_open(&w.nl, &w.box, error, sizeof(error)))
		fail_msg("%s", error);
	if (records_open(&w.r, w.dir, &w.box, w.nl, error, sizeof(error)))
		fail_msg("%s", error);
	records_on_notice(w.r, on_notice, NULL);
	assert_int_equal(ring_open(&w.ring, records_ring_path(w.r), true), 0);
	publish(allowed, 2, 5);
	assert_int_equal(records_sweep(w.r), 0);
	run(300);
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < 4; i++)
		if (w.child[i] > 0) {
			kill(w.child[i], SIGKILL);
			waitpid(w.child[i], NULL, 0);
		}
	records_close(w.r);
	ring_close(&w.ring);
	nl_close(w.nl);
	for (uint32_t i = 0; i < w.n_programs; i++)
		free(w.program[i]);
	space_run("ip netns del %s; ip netns del %s; rm -rf %s", w.a, w.b, w.dir);
	return 0;
}

/* --- hosts -------------------------------------------------------------------------------------------- */

static void enter(const char *space)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/var/run/netns/%s", space);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		_exit(1);
	close(fd);
}

static pid_t start(int slot, const char *space, void (*f)(void *arg), void *arg)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		alarm(60);
		enter(space);
		f(arg);
		_exit(0);
	}
	w.child[slot] = pid;
	return pid;
}

/* The loop goes on while it works. */
static int ended(int slot)
{
	int status = 0;
	const int64_t until = now_ms() + 30000;

	while (waitpid(w.child[slot], &status, WNOHANG) == 0 && now_ms() < until)
		run(50);
	w.child[slot] = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Echoes one connection after another until it is killed. */
static void serve(void *arg)
{
	const struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(5432)};
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	char bytes[4096];

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (const struct sockaddr *)&at, sizeof(at)) || listen(s, 16))
		_exit(1);
	for (;;) {
		int c = accept(s, NULL, NULL);
		ssize_t n;

		while ((n = read(c, bytes, sizeof(bytes))) > 0)
			if (write(c, bytes, (size_t)n) != n)
				break;
		close(c);
	}
}

struct talk {
	const char *from;
	int bytes; /* to send and get back */
	int stay_s;
	bool chats; /* while it stays */
};

static void talk(void *arg)
{
	const struct talk *t = arg;
	struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
	const struct timeval patience = {2, 0};
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char bytes[1000] = {0};

	inet_pton(AF_INET, t->from, &from.sin_addr);
	inet_pton(AF_INET, "10.7.0.2", &to.sin_addr);
	to.sin_port = htons(5432);
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (bind(s, (const struct sockaddr *)&from, sizeof(from)) ||
	    connect(s, (const struct sockaddr *)&to, sizeof(to)))
		_exit(2);
	for (int left = t->bytes; left > 0;) {
		ssize_t n = write(s, bytes, left < 1000 ? (size_t)left : 1000), back = 0;

		for (ssize_t got = 1; n > 0 && back < n && got > 0; back += got)
			got = read(s, bytes, sizeof(bytes));
		if (n <= 0 || back < n)
			_exit(3);
		left -= (int)n;
	}
	for (int i = 0; i < t->stay_s * 10; i++) {
		if (t->chats)
			(void)!write(s, bytes, 1);
		usleep(100000);
	}
	close(s);
}

struct flood {
	const char *from;
	uint32_t n;
};

static void flood(void *arg)
{
	const struct flood *f = arg;
	struct sockaddr_in to = {.sin_family = AF_INET};
	int s = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	struct pkt p;

	inet_pton(AF_INET, "10.7.0.2", &to.sin_addr);
	for (uint32_t i = 0; i < f->n; i++) {
		pkt_raw(&p);
		pkt_ip(&p, f->from, "10.7.0.2");
		pkt_tcp(&p, (uint16_t)(1024 + i % 60000), 5432, PKT_SYN, i, 0);
		pkt_done(&p);
		if (sendto(s, p.data, p.len, 0, (const struct sockaddr *)&to, sizeof(to)) != (ssize_t)p.len)
			_exit(1);
	}
}

/* --- reading ------------------------------------------------------------------------------------------ */

static bool next_of(enum record_type type, struct record *record)
{
	while (ring_read(&w.ring, 0, w.read, record, 1) == 1) {
		w.read++;
		if (record->type == type)
			return true;
	}
	return false;
}

static uint64_t in_aggregates(void)
{
	struct ring_aggregate a;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < w.ring.n_aggregates; i++)
		sum += ring_read_aggregate(&w.ring, 0, i, &a) ? a.count : 0;
	return sum;
}

static uint64_t in_ring(void)
{
	struct record record;
	uint64_t n = 0;

	for (uint64_t at = 0; ring_read(&w.ring, 0, at, &record, 1) == 1; at++)
		n += (uint64_t)record_is_decision(record.type);
	return n;
}

static void check_counters(void)
{
	const struct ring_counters *c = count();
	uint64_t dropped = 0;

	for (uint32_t p = 0; p < w.ring.n_ports; p++)
		for (uint32_t i = 0; i < REASON_COUNT; i++) {
			dropped += c->dropped[p][i];
			if (c->dropped[p][i])
				fprintf(stderr, "# dropped %s: %" PRIu64 "\n", reason_word(i),
					c->dropped[p][i]);
		}
	fprintf(stderr, "# frames_in %" PRIu64 " forwarded %" PRIu64 " dropped %" PRIu64 "\n", c->frames_in,
		c->forwarded, dropped);
	fprintf(stderr,
		"# decisions %" PRIu64 " pushed %" PRIu64 " aggregated %" PRIu64 " lost %" PRIu64 "\n",
		c->decisions, c->decisions_pushed, c->decisions_aggregated, c->decisions_lost);
	assert_int_equal(c->frames_in, c->forwarded + dropped);
	assert_int_equal(c->decisions, c->decisions_pushed + c->decisions_aggregated + c->decisions_lost);
	assert_int_equal(c->updates, c->updates_pushed + c->updates_lost);
}

static void check_laws(void)
{
	check_counters();
	assert_int_equal(count()->decisions, in_ring() + in_aggregates() + count()->decisions_lost);
}

/* The kernel's own count. */
static uint64_t kernel_counter(const char *family, const char *name)
{
	const char *at = strstr(space_output("nft list counter %s cordon %s", family, name), "packets ");

	return at ? strtoull(at + 8, NULL, 10) : 0;
}

static void no_more(void *ctx, enum nl_session_event event, const struct nl_session *s)
{
}

/* --- the tests ---------------------------------------------------------------------------------------- */

static void capture(void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/cap", w.dir);
	close(2);
	execlp("tcpdump", "tcpdump", "-Z", "root", "-i", "va1", "-U", "-w", path, "tcp", NULL);
}

static void stop(int slot)
{
	kill(w.child[slot], SIGINT);
	ended(slot);
}

/* One direction of the session in a capture of host a's device. */
static void check_direction(const struct record *end, int back)
{
	const char *text = space_output("tcpdump -nr %s/cap -v src host 10.7.0.%d 2>/dev/null | "
					"sed -n 's/.*proto TCP (6), length \\([0-9]*\\)).*/\\1/p' | "
					"awk '{n++; s += $1} END {print n+0, s+0}'",
					w.dir, 1 + back);
	uint64_t packets = 0, bytes = 0;

	assert_int_equal(sscanf(text, "%" SCNu64 " %" SCNu64, &packets, &bytes), 2);
	fprintf(stderr,
		"# direction %d: tcpdump %" PRIu64 ", %" PRIu64 " bytes; record %" PRIu64 ", %" PRIu64 "\n",
		back, packets, bytes, end->packets[back], end->bytes[back]);
	assert_true(packets > 5);
	assert_int_equal(end->packets[back], packets);
	assert_int_equal(end->bytes[back], bytes);
}

static void a_session_is_recorded_with_exact_counters(void **state)
{
	struct talk t = {"10.7.0.1", 5000, 0};
	struct record open, end;

	start(0, w.b, serve, NULL);
	start(1, w.a, capture, NULL);
	run(1000);
	start(2, w.a, talk, &t);
	assert_int_equal(ended(2), 0);
	run(500);
	assert_true(next_of(RECORD_OPEN, &open));
	assert_int_equal(open.rule, 1);
	assert_int_equal(open.generation, 5);
	assert_int_equal(open.src_identity, WEB);
	assert_int_equal(open.dst_identity, DB);
	assert_int_equal(open.domain, VLAN);
	assert_int_equal(open.dport, 5432);
	assert_int_equal(open.in_port, 0);
	assert_int_equal(open.out_port, 1);
	run(1500);
	nl_sessions(w.nl, no_more, NULL); /* a list makes the kernel see what is over */
	run(2500);
	stop(1);
	assert_true(next_of(RECORD_END, &end));
	assert_int_equal(end.session, open.session);
	assert_int_equal(end.end, RECORD_END_CLOSED);
	check_direction(&end, 0);
	check_direction(&end, 1);
	check_laws();
	assert_int_equal(count()->decisions, 1);
	assert_int_equal(count()->sessions, 0);
	assert_int_equal(w.n_notices, 0);
}

/* The deny twin. */
static void a_refused_session_is_recorded(void **state)
{
	struct talk t = {"10.7.0.3", 5000, 0};
	struct record refused;

	start(0, w.b, serve, NULL);
	run(300);
	start(2, w.a, talk, &t);
	assert_int_equal(ended(2), 2);
	run(3000);
	assert_true(next_of(RECORD_REFUSED, &refused));
	assert_int_equal(refused.rule, 2);
	assert_int_equal(refused.reason, REASON_RULE);
	assert_int_equal(refused.src_identity, GUEST);
	assert_int_equal(refused.dst_identity, DB);
	assert_int_equal(refused.domain, VLAN);
	assert_int_equal(refused.in_port, 0);
	assert_int_equal(refused.src_mac[5], 1);
	assert_int_equal(refused.dst_mac[5], 2);
	assert_int_equal(refused.dport, 5432);
	assert_int_equal(refused.bytes[0], 60);
	assert_false(next_of(RECORD_OPEN, &refused));
	check_laws();
	assert_true(count()->decisions >= 2); /* SYNs that were sent again */
	assert_int_equal(count()->decisions, kernel_counter("inet", "refused"));
	assert_int_equal(count()->decisions_lost, 0);
	assert_int_equal(w.n_notices, 0);
}

static void a_flood_is_counted_to_the_last(void **state)
{
	struct flood f = {"10.7.0.3", 20000};

	start(2, w.a, flood, &f);
	assert_int_equal(ended(2), 0);
	run(4500);
	check_laws();
	assert_int_equal(kernel_counter("inet", "refused"), f.n);
	assert_int_equal(count()->decisions, f.n);
	assert_int_equal(count()->decisions_lost, 0);
	assert_int_equal(count()->decisions_pushed, 1);
	assert_int_equal(w.n_notices, 0);
}

/* Nobody reads meanwhile: the kernel drops messages, and each of them is counted lost. */
static void what_the_kernel_drops_is_lost(void **state)
{
	struct flood f = {"10.7.0.3", 200000};

	start(2, w.a, flood, &f);
	assert_int_equal(waitpid(w.child[2], NULL, 0), w.child[2]);
	w.child[2] = 0;
	run(4500);
	check_laws();
	assert_int_equal(count()->decisions, kernel_counter("inet", "refused"));
	assert_true(count()->decisions_lost > 0);
	assert_true(count()->decisions_aggregated > 0);
	assert_int_equal(w.n_notices, 0);
}

static uint32_t mark_of_tcp(void)
{
	const char *mark = strstr(space_output("conntrack -L -p tcp 2>/dev/null"), "mark=");

	return mark ? (uint32_t)strtoul(mark + strlen("mark="), NULL, 10) : 0;
}

static void a_publish_cuts_what_it_denies(void **state)
{
	struct talk t = {"10.7.0.1", 3000, 4, true};
	struct record changed, end;

	start(0, w.b, serve, NULL);
	run(300);
	start(2, w.a, talk, &t);
	run(1000);
	assert_int_equal(count()->sessions, 1);
	publish(allowed, 2, 6);
	assert_int_equal(records_sweep(w.r), 0);
	run(300);
	assert_false(next_of(RECORD_CHANGED, &changed)); /* the twin: the same again */
	assert_int_equal(count()->sessions, 1);
	assert_int_equal(mark_of_tcp() >> 24,
			 nft_mark(6, 0) >> 24); /* by the kernel: the sweep left it alone */
	assert_true(count()->redecided > 0);
	w.read = 0;
	publish(denied, 1, 7);
	assert_int_equal(records_sweep(w.r), 0);
	run(300);
	assert_true(next_of(RECORD_CHANGED, &changed));
	assert_int_equal(changed.rule, 3);
	assert_int_equal(changed.old_rule, 1);
	assert_int_equal(changed.verdict, VERDICT_DENY);
	assert_true(next_of(RECORD_END, &end));
	assert_int_equal(end.end, RECORD_END_REVOKED);
	assert_int_equal(end.session, changed.session);
	assert_true(end.packets[0] > 3 && end.packets[1] > 3);
	assert_int_equal(count()->sessions, 0);
	assert_string_equal(space_output("conntrack -L -p tcp 2>/dev/null"), "");
	ended(2);
	run(4500);
	check_laws();
	assert_int_equal(w.n_notices, 0);
}

/* Generous bounds: what counts is that the work is in proportion. */
static void a_sweep_of_many_takes_seconds_at_most(void **state)
{
	struct flood f = {"10.7.0.1", 50000};
	int64_t marked, cut;

	assert_true(space_run("ip netns exec %s nft 'table inet deaf { chain input { type filter hook input "
			      "priority 0; tcp dport 5432 drop; }; }'",
			      w.b));
	start(2, w.a, flood, &f);
	assert_int_equal(ended(2), 0);
	run(500);
	assert_int_equal(count()->sessions, f.n);
	publish(allowed, 2, 6);
	marked = now_ms();
	assert_int_equal(records_sweep(w.r), 0);
	marked = now_ms() - marked;
	run(300);
	assert_int_equal(count()->sessions, f.n);
	publish(denied, 1, 7);
	cut = now_ms();
	assert_int_equal(records_sweep(w.r), 0);
	cut = now_ms() - cut;
	run(4500);
	fprintf(stderr, "# %u sessions decided anew in %" PRId64 " ms, cut in %" PRId64 " ms\n", f.n, marked,
		cut);
	assert_int_equal(count()->sessions, 0);
	assert_int_equal(count()->sessions_ended, f.n);
	assert_true(marked < 10000 && cut < 10000);
	check_counters();
	assert_int_equal(w.n_notices, 0);
}

static void on_endpoint(void *ctx, const struct dp_endpoint *e)
{
	*(struct dp_endpoint *)ctx = *e;
}

static void an_unbound_source_is_an_endpoint(void **state)
{
	struct talk t = {"10.7.0.9", 100, 0};
	struct dp_endpoint e = {0};
	struct record refused;

	records_on_endpoint(w.r, on_endpoint, &e);
	assert_true(space_run("ip -n %s addr add 10.7.0.9/24 dev va1", w.a));
	start(2, w.a, talk, &t);
	assert_int_equal(ended(2), 2);
	run(3000);
	assert_int_equal(e.kind, DP_ENDPOINT_NEW);
	assert_int_equal(e.port, 0);
	assert_int_equal(e.domain, VLAN);
	assert_int_equal(e.addr[3], 9);
	assert_int_equal(e.mac[5], 1);
	assert_true(next_of(RECORD_REFUSED, &refused));
	assert_int_equal(refused.src_identity, IDENTITY_UNKNOWN);
	assert_int_equal(refused.rule, RULE_DEFAULT_DENY);
	check_laws();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_is_recorded_with_exact_counters),
		TEST(a_refused_session_is_recorded),
		TEST(a_flood_is_counted_to_the_last),
		TEST(what_the_kernel_drops_is_lost),
		TEST(a_publish_cuts_what_it_denies),
		TEST(a_sweep_of_many_takes_seconds_at_most),
		TEST(an_unbound_source_is_an_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
