/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets: swaps under traffic, conntrack, nflog, the guard, probe ports, and what the kernel can do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "space.h"

#define NONE            NFT_REG_NONE
#define E(b, name, ...) nft_build_expr(b, &(struct nft_expr){__VA_ARGS__}, name)

static struct nl *nl;

static void open_nl(void)
{
	const struct nft_box box = space_box();
	char error[320];

	if (nl_open(&nl, &box, error, sizeof error))
		fail_msg("%s", error);
}

static int fresh(void **state)
{
	space_new();
	open_nl();
	return 0;
}

static int bridged(void **state)
{
	space_new();
	space_bridge();
	open_nl();
	return 0;
}

static int done(void **state)
{
	nl_close(nl);
	return 0;
}

static int udp_socket(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static bool send_to(int fd, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sendto(fd, "hello", 5, 0, (struct sockaddr *)&a, sizeof a) == 5;
}

static bool arrives(int fd, int ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	char byte[2048];

	return poll(&p, 1, ms) == 1 && recv(fd, byte, sizeof byte, 0) > 0;
}

/* --- swaps under traffic ------------------------------------------------------------------------------ */

enum { SHUT = 4242 };

/* What comes to the door is counted and dropped, by a map of this version; all else passes. */
static struct nft_program *door(size_t *size)
{
	const struct nft_chain base = {.base = 1, .hook = NF_INET_LOCAL_IN, .policy = NF_ACCEPT};
	const struct nft_chain plain = {.named = NFT_VERSIONED};
	const struct nft_set set = {.flags = NFT_SET_MAP,
				    .named = NFT_VERSIONED,
				    .key_type = 13,
				    .key_len = 2,
				    .data_type = NFT_DATA_VERDICT,
				    .data_len = NFT_DATA_JUMP,
				    .size = 8,
				    .n_fields = 1};
	struct nft_element e = {.verdict = NFT_GOTO};
	struct nft_builder *b = nft_builder_new();
	char error[200];

	e.key[0] = e.key_end[0] = SHUT >> 8;
	e.key[1] = e.key_end[1] = SHUT & 0xff;
	nft_build_edge(b, INT64_MIN, 0);
	nft_build_model(b);
	nft_build_table(b, NFT_INET, NFT_TABLE);
	nft_build_set(b, "doors", &set);
	nft_build_element(b, &e, "shut");
	nft_build_chain(b, "input", &base, NULL);
	nft_build_rule(b);
	E(b, "look", .kind = NFT_EXPR_IMMEDIATE, .sreg = NONE, .dreg = NONE, .verdict = NFT_GOTO);
	nft_build_chain(b, "look", &plain, NULL);
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_PAYLOAD, .sreg = NONE, .dreg = 0, .base = NFT_PAYLOAD_TRANSPORT_HEADER,
	  .offset = 2, .len = 2);
	E(b, "doors", .kind = NFT_EXPR_LOOKUP, .sreg = 0, .dreg = NONE);
	nft_build_chain(b, "shut", &plain, NULL);
	nft_build_rule(b);
	E(b, "shut", .kind = NFT_EXPR_OBJREF, .sreg = NONE, .dreg = NONE);
	E(b, NULL, .kind = NFT_EXPR_IMMEDIATE, .sreg = NONE, .dreg = NONE, .verdict = NF_DROP + 1);
	nft_build_counter(b, "shut");
	struct nft_program *p = nft_builder_finish(b, NULL, size, error, sizeof error);
	nft_builder_free(b);
	if (!p)
		fail_msg("%s", error);
	return p;
}

static atomic_bool stop;
static atomic_ulong sent;

static void *knock(void *arg)
{
	const int fd = *(int *)arg;

	while (!atomic_load(&stop))
		if (send_to(fd, SHUT))
			atomic_fetch_add(&sent, 1);
	return NULL;
}

static void seen(void *ctx, uint32_t family, const char *name, uint64_t packets, uint64_t bytes)
{
	if (!strcmp(name, "shut"))
		*(uint64_t *)ctx = packets;
}

static void no_packet_slips_through_a_swap(void **state)
{
	const int in = udp_socket(SHUT), out = udp_socket(0);
	struct nft_version v = {1, 0, 1};
	uint64_t counted = 0;
	pthread_t thread;
	size_t size;
	struct nft_program *p = door(&size);

	assert_true(send_to(out, SHUT));
	assert_true(arrives(in, 1000));
	assert_int_equal(nl_swap(nl, p, 0, &v, NULL, 0), 0);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, knock, (void *)(uintptr_t)&out), 0);
	for (v.turn = 2; v.turn < 52; v.turn++)
		if (nl_swap(nl, p, 0, &v, NULL, 0))
			fail_msg("%s", nl_error(nl));
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_false(arrives(in, 100));
	assert_true(atomic_load(&sent) > 100);
	assert_int_equal(nl_counters(nl, seen, &counted), 0);
	assert_int_equal(counted, atomic_load(&sent));
	assert_int_equal(nl_remove(nl), 0);
	assert_true(send_to(out, SHUT));
	assert_true(arrives(in, 1000));
	free(p);
	close(in);
	close(out);
}

/* --- conntrack ---------------------------------------------------------------------------------------- */

#define MARK 0x02000003u

struct found {
	struct nl_session s[8];
	uint32_t n, new, mark, gone;
};

static void find(void *ctx, enum nl_session_event event, const struct nl_session *s)
{
	struct found *f = ctx;

	if (f->n < 8)
		f->s[f->n++] = *s;
	f->new += event == NL_SESSION_NEW;
	f->mark += event == NL_SESSION_MARK;
	f->gone += event == NL_SESSION_GONE;
}

static struct found sessions(void)
{
	struct found f = {0};

	if (nl_sessions(nl, find, &f))
		fail_msg("%s", nl_error(nl));
	return f;
}

static struct found events(void)
{
	struct pollfd p = {nl_sessions_fd(nl), POLLIN, 0};
	struct found f = {0};

	assert_int_equal(poll(&p, 1, 2000), 1);
	assert_true(nl_session_events(nl, 1000, find, &f) > 0);
	return f;
}

/* UDP to port 5001 is in our zone with a class mark; to 5002 it is somebody else's, who writes such marks
 * too. */
static void track(void)
{
	assert_true(space_run(
		"nft -f - <<'X'\n"
		"table inet t {\n"
		"chain z { type filter hook output priority -300; udp dport 5001 ct zone set 7; }\n"
		"chain m { type filter hook output priority 0; udp dport 5001-5002 ct mark set %u;\n"
		"ct state new accept; }\n"
		"chain p { type filter hook prerouting priority -300; udp dport 5001 ct zone set 7; }\n"
		"}\nX",
		MARK));
}

static void sessions_are_listed_marked_and_deleted(void **state)
{
	const int out = udp_socket(5000);

	track();
	assert_true(send_to(out, 5001));
	assert_true(send_to(out, 5002));
	struct found f = sessions();
	assert_int_equal(f.n, 1);
	struct nl_session s = f.s[0], other = s;
	assert_int_equal(s.zone, 7);
	assert_int_equal(s.mark, MARK);
	assert_int_equal(s.sport, 5000);
	assert_int_equal(s.dport, 5001);
	assert_int_equal(s.proto, IPPROTO_UDP);
	assert_int_equal(s.family, 4);
	assert_memory_equal(s.src, "\x7f\0\0\1", 4);
	f = events();
	assert_int_equal(f.n, 1);
	assert_int_equal(f.new, 1);

	other.id ^= 1;
	assert_int_equal(nl_session_mark(nl, &other, MARK + 1), -ENOENT);
	assert_int_equal(sessions().s[0].mark, MARK);
	assert_int_equal(nl_session_mark(nl, &s, MARK + 1), 0);
	assert_int_equal(sessions().s[0].mark, MARK + 1);
	f = events();
	assert_int_equal(f.mark, 1);
	assert_int_equal(f.s[0].mark, MARK + 1);

	assert_int_equal(nl_session_delete(nl, &other), -ENOENT);
	assert_int_equal(sessions().n, 1);
	assert_int_equal(nl_session_delete(nl, &s), 0);
	assert_int_equal(sessions().n, 0);
	assert_int_equal(nl_session_delete(nl, &s), -ENOENT);
	assert_non_null(strstr(nl_error(nl), "gone"));
	f = events();
	assert_int_equal(f.gone, 1);
	assert_int_equal(f.s[0].id, s.id);
	close(out);
}

static void pings_have_tuples_too(void **state)
{
	assert_true(space_run(
		"nft 'add table inet t; add chain inet t z { type filter hook output priority -300; };"
		"add rule inet t z ct zone set 7; add chain inet t p { type filter hook prerouting "
		"priority -300; }; add rule inet t p ct zone set 7'"));
	assert_true(space_run("ping -q -c1 -W1 127.0.0.1 > /dev/null && ping -q -c1 -W1 ::1 > /dev/null"));
	struct found f = sessions();
	uint32_t pings = 0;
	for (uint32_t i = 0; i < f.n; i++) {
		const bool six = f.s[i].family == 6;

		if (f.s[i].dport != (six ? 128 << 8 : 8 << 8))
			continue;
		pings++;
		assert_int_equal(nl_session_mark(nl, &f.s[i], MARK), 0);
		assert_int_equal(nl_session_delete(nl, &f.s[i]), 0);
	}
	assert_int_equal(pings, 2);
}

static void lost_events_are_told(void **state)
{
	const int out = udp_socket(5000), small = 4096, large = 1 << 20;
	struct found f = {0};
	int code = 0, lost = 0;

	track();
	setsockopt(nl_sessions_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &small, sizeof small);
	for (int i = 0; i < 100; i++) {
		const int fd = udp_socket(0);

		assert_true(send_to(fd, 5001));
		close(fd);
	}
	setsockopt(nl_sessions_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof large);
	for (int i = 0; i < 10; i++) {
		code = nl_session_events(nl, 1000, find, &f);
		lost += code == -ENOBUFS;
	}
	assert_int_equal(lost, 1);
	assert_int_equal(code, 0);
	assert_true(send_to(out, 5001));
	f = events();
	assert_int_equal(f.new, 1);
	close(out);
}

/* --- nflog -------------------------------------------------------------------------------------------- */

struct logs {
	struct nl_log last;
	uint8_t payload[256];
	uint32_t n;
};

static void keep_log(void *ctx, const struct nl_log *l)
{
	struct logs *logs = ctx;

	logs->last = *l;
	logs->n++;
	memcpy(logs->payload, l->payload, l->len < 256 ? l->len : 256);
}

/* All that comes until it is quiet for a while. */
static uint32_t read_logs(struct logs *logs, uint64_t *lost)
{
	struct pollfd p = {nl_log_fd(nl), POLLIN, 0};
	uint64_t some = 0;
	int n;

	*lost = 0;
	while (poll(&p, 1, 300) == 1) {
		n = nl_logs(nl, 1000, keep_log, logs, &some);
		if (n < 0)
			fail_msg("%s", nl_error(nl));
		*lost += some;
	}
	return logs->n;
}

static void logged_packets_arrive(void **state)
{
	const int out = udp_socket(6001);
	struct logs logs = {0};
	uint64_t lost;

	assert_true(space_run(
		"nft 'add table inet t; add chain inet t o { type filter hook output priority 0; };"
		"add rule inet t o udp dport 6000 meta mark set %u log group %u snaplen 128 prefix \"why\";"
		"add rule inet t o udp dport 6002 meta mark set 2 log group %u'",
		MARK, NFT_GROUP_DEFAULT, NFT_GROUP_DEFAULT + 1));
	assert_true(send_to(out, 6000));
	assert_int_equal(read_logs(&logs, &lost), 1);
	assert_int_equal(lost, 0);
	assert_int_equal(logs.last.kind, NL_LOG_DECISION);
	assert_int_equal(logs.last.mark, MARK);
	assert_string_equal(logs.last.prefix, "why");
	assert_int_equal(logs.last.protocol, ETH_P_IP);
	assert_int_equal(logs.last.len, 20 + 8 + 5);
	assert_int_equal(logs.payload[0], 0x45);
	assert_int_equal(logs.last.in_port, UINT32_MAX);
	assert_true(send_to(out, 6002));
	assert_int_equal(read_logs(&logs, &lost), 2);
	assert_int_equal(logs.last.kind, NL_LOG_ENDPOINT);
	assert_int_equal(logs.last.mark, 2);
	close(out);
}

static void lost_logs_are_counted(void **state)
{
	const int out = udp_socket(6001), small = 8192, large = 1 << 22;
	struct logs logs = {0};
	uint64_t lost, more;

	assert_true(
		space_run("nft 'add table inet t; add chain inet t o { type filter hook output priority 0; };"
			  "add rule inet t o udp dport 6000 log group %u queue-threshold 1'",
			  NFT_GROUP_DEFAULT));
	setsockopt(nl_log_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &small, sizeof small);
	for (int i = 0; i < 2000; i++)
		assert_true(send_to(out, 6000));
	setsockopt(nl_log_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof large);
	const uint32_t before = read_logs(&logs, &lost);
	assert_true(before < 2000);
	assert_true(lost > 0);
	assert_true(send_to(out, 6000));
	read_logs(&logs, &more);
	assert_int_equal(logs.n + lost + more, 2001);
	close(out);
}

/* --- the bridge --------------------------------------------------------------------------------------- */

static int packet_socket(const char *device)
{
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));

	a.sll_ifindex = (int)if_nametoindex(device);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* UDP from 10.0.0.1 to 10.0.0.2, MACs 02:..:01 to 02:..:02, without checksums of the payload. */
#define FRAME 42 /* without the padding, which br_netfilter takes off */
static const uint8_t frame[60] = {2,    0, 0,  0,  0, 2, 2, 0,    0,    0,    0,    1,    8,  0,
				  0x45, 0, 0,  28, 0, 1, 0, 0,    0x40, 0x11, 0x66, 0xce, 10, 0,
				  0,    1, 10, 0,  0, 2, 1, 0x11, 2,    0x22, 0,    8};

static bool crosses(int from, int to)
{
	uint8_t got[2048];
	struct pollfd p = {to, POLLIN, 0};

	while (recv(to, got, sizeof got, 0) > 0)
		continue;
	assert_int_equal(send(from, frame, sizeof frame, 0), sizeof frame);
	for (int i = 0; i < 20 && poll(&p, 1, 300) == 1; i++)
		if (recv(to, got, sizeof got, 0) >= FRAME && !memcmp(got, frame, FRAME))
			return true;
	return false;
}

static void check_bridged_log(const struct logs *logs)
{
	assert_int_equal(logs->n, 1);
	assert_int_equal(logs->last.in_port, 0);
	assert_true(logs->last.has_mac);
	assert_memory_equal(logs->last.dst_mac, frame, 6);
	assert_memory_equal(logs->last.src_mac, frame + 6, 6);
	assert_int_equal(logs->last.protocol, ETH_P_IP);
	assert_int_equal(logs->payload[0], 0x45);
}

static void logs_of_bridged_frames_have_port_and_addresses(void **state)
{
	const int a = packet_socket("va1"), b = packet_socket("vb1");
	struct logs logs = {0};
	uint64_t lost;

	assert_true(space_run(
		"nft 'add table bridge t; add chain bridge t o { type filter hook prerouting priority "
		"-300; }; add rule bridge t o udp dport 546 log group %u'",
		NFT_GROUP_DEFAULT));
	assert_true(crosses(a, b));
	read_logs(&logs, &lost);
	check_bridged_log(&logs);
	assert_true(space_run(
		"nft delete table bridge t; modprobe -q br_netfilter 2> /dev/null; "
		"sysctl -qw net.bridge.bridge-nf-call-iptables=1; "
		"nft 'add table inet t; add chain inet t o { type filter hook forward priority 0; };"
		"add rule inet t o udp dport 546 log group %u snaplen 128'",
		NFT_GROUP_DEFAULT));
	memset(&logs, 0, sizeof logs);
	assert_true(crosses(a, b));
	read_logs(&logs, &lost);
	check_bridged_log(&logs);
	close(a);
	close(b);
}

static void the_guard_keeps_frames_from_the_bridge(void **state)
{
	const int a = packet_socket("va1"), b = packet_socket("vb1");

	assert_int_equal(nl_guarded(nl), 0);
	assert_true(crosses(a, b));
	assert_int_equal(nl_guard(nl, true), 0);
	assert_int_equal(nl_guarded(nl), 1);
	assert_false(crosses(a, b));
	assert_int_equal(nl_guard(nl, true), 0);
	assert_true(space_run("nft 'flush chain netdev cordon guard0'"));
	assert_true(nl_changed(nl));
	assert_int_equal(nl_guarded(nl), -EUCLEAN);
	assert_true(crosses(a, b));
	assert_int_equal(nl_guard(nl, true), 0);
	assert_false(crosses(a, b));
	assert_int_equal(nl_guard(nl, false), 0);
	assert_int_equal(nl_guarded(nl), 0);
	assert_true(crosses(a, b));
	assert_true(space_run("ip link del va0"));
	/* older kernels refuse a device that is not there; newer ones guard it when it comes */
	if (nl_guard(nl, true)) {
		assert_non_null(strstr(nl_error(nl), "va0"));
		assert_int_equal(nl_guarded(nl), 0);
	} else {
		assert_true(
			space_run("ip link add va0 type veth peer name va1 && ip link set va0 master br0 && "
				  "ip link set va1 up && ip link set va0 up && sleep 1"));
		const int back = packet_socket("va1");
		assert_false(crosses(back, b));
		assert_int_equal(nl_guard(nl, false), 0);
		assert_true(crosses(back, b));
		close(back);
	}
	close(a);
	close(b);
}

/* What one of them sends comes out at the other. */
static void probe_ports_reach_each_other(void)
{
	const uint8_t broadcast[60] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 0x08, 0x06};
	uint8_t got[2048] = {0};
	int fds[2], n = 0;

	if (nl_probe_open(nl, fds))
		fail_msg("%s", nl_error(nl));
	assert_true(space_run("bridge link show dev cordonp0 | grep -q 'master br0 state forwarding'"));
	assert_int_equal(write(fds[0], broadcast, sizeof broadcast), sizeof broadcast);
	struct pollfd p = {fds[1], POLLIN, 0};
	while (poll(&p, 1, 1000) == 1 && n < 20 && read(fds[1], got, sizeof got) != sizeof broadcast)
		n++;
	assert_memory_equal(got, broadcast, sizeof broadcast);
	nl_probe_close(nl);
}

static void probe_ports_are_bridge_ports(void **state)
{
	int fds[2];

	probe_ports_reach_each_other();
	/* where VLANs are kept apart, also among ports that are in none */
	if (space_run("ip link set br0 type bridge vlan_filtering 1 vlan_default_pvid 0 2> /dev/null"))
		probe_ports_reach_each_other();
	assert_false(space_run("ip link show cordonp0 2> /dev/null"));
	assert_true(space_run("ip link set br0 down"));
	assert_int_equal(nl_probe_open(nl, fds), -ENETDOWN);
	assert_non_null(strstr(nl_error(nl), "the bridge lets nothing pass: Network is down"));
	assert_false(space_run("ip link show cordonp0 2> /dev/null"));
	assert_true(space_run("ip link del br0"));
	assert_int_equal(nl_probe_open(nl, fds), -ENODEV);
	assert_non_null(strstr(nl_error(nl), "cordonp0 could not be put into the bridge"));
	assert_int_equal(fds[0], -1);
	assert_false(space_run("ip link show cordonp0 2> /dev/null"));
}

/* --- features ----------------------------------------------------------------------------------------- */

static void bit(uint32_t feature, bool wanted)
{
	assert_int_equal(nl_features(nl) & feature, wanted ? feature : 0);
}

static void toggles(uint32_t feature, const char *off, const char *on)
{
	assert_true(space_run("%s", off));
	bit(feature, false);
	assert_true(space_run("%s", on));
	bit(feature, true);
}

static void features_are_found_by_trying(void **state)
{
	static const char chain[] = "add table bridge x; add chain bridge x y { type filter hook prerouting "
				    "priority 0; }; add rule bridge x y";
	char *before;

	before = strdup(space_output("nft list ruleset"));
	nl_features(nl);
	assert_false(nl_changed(nl));
	assert_string_equal(space_output("nft list ruleset"), before);
	free(before);
	bit(DP_FEATURE_BRIDGE, space_run("nft -c '%s accept'", chain));
	bit(DP_FEATURE_BRIDGE_CT, space_run("nft -c '%s ct state new' 2> /dev/null", chain));
	bit(DP_FEATURE_BRIDGE_REJECT, space_run("nft -c '%s reject' 2> /dev/null", chain));
	bit(DP_FEATURE_NFLOG, true);
	bit(DP_FEATURE_VLAN_FILTER, false);
	if (space_run("ip link set br0 type bridge vlan_filtering 1 2> /dev/null"))
		toggles(DP_FEATURE_VLAN_FILTER, "ip link set br0 type bridge vlan_filtering 0",
			"ip link set br0 type bridge vlan_filtering 1");
	toggles(DP_FEATURE_BR_NETFILTER,
		"modprobe -q br_netfilter 2> /dev/null; sysctl -qw net.bridge.bridge-nf-call-iptables=1 "
		"net.bridge.bridge-nf-call-ip6tables=0",
		"sysctl -qw net.bridge.bridge-nf-call-ip6tables=1");
	toggles(DP_FEATURE_STRICT_TCP, "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1",
		"sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0");
	toggles(DP_FEATURE_CT_EVENTS,
		"sysctl -qw net.netfilter.nf_conntrack_acct=1 "
		"net.netfilter.nf_conntrack_timestamp=0",
		"sysctl -qw net.netfilter.nf_conntrack_timestamp=1");
}

static void a_group_in_use_is_told(void **state)
{
	const struct nft_box box = space_box();
	char error[320];
	struct nl *other;

	assert_int_equal(nl_open(&other, &box, error, sizeof error), -EPERM);
	assert_non_null(strstr(error, "nflog group 20240 cannot be used: another process has it"));
	assert_null(other);
}

int main(void)
{
#define TEST(f, setup) cmocka_unit_test_setup_teardown(f, setup, done)
	const struct CMUnitTest tests[] = {
		TEST(no_packet_slips_through_a_swap, fresh),
		TEST(sessions_are_listed_marked_and_deleted, fresh),
		TEST(pings_have_tuples_too, fresh),
		TEST(lost_events_are_told, fresh),
		TEST(logged_packets_arrive, fresh),
		TEST(lost_logs_are_counted, fresh),
		TEST(logs_of_bridged_frames_have_port_and_addresses, bridged),
		TEST(the_guard_keeps_frames_from_the_bridge, bridged),
		TEST(probe_ports_are_bridge_ports, bridged),
		TEST(features_are_found_by_trying, bridged),
		TEST(a_group_in_use_is_told, fresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
