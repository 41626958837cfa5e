/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A running cordon-nft on the real kernel, driven over its socket as cordond would: what may be asked, what a
 * peer that lies gets, and what passes between two hosts of the bridge meanwhile. As root, in a network
 * namespace of the test's own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../unit/io/good_files.h"
#include "compile.h"
#include "process.h"
#include "ring.h"
#include "space.h"
#include "to_nft.h"

/* --- requests ------------------------------------------------------------------------------------------- */

static void test_hello(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct dpmsg answer = rig_ask(fd, rig_request(DP_HELLO), -1, NULL);
	struct ring_file ring;

	assert_int_equal(answer.type, DP_HELLO);
	assert_int_equal(answer.hello.engine, DP_ENGINE_NFT);
	assert_int_equal(answer.hello.layout, NFT_LAYOUT_BRNF);
	assert_int_equal(answer.hello.pid, f->rig.pid);
	assert_int_equal(answer.hello.generation, 0);
	assert_int_equal(answer.hello.n_ports, 2);
	assert_string_equal(answer.hello.port_name[1], "b");
	assert_string_equal(answer.hello.port_driver[1], "vb0");
	assert_int_equal(answer.hello.port_up, 3);
	assert_true(answer.hello.features & DP_FEATURE_BRIDGE);
	assert_int_equal(answer.hello.standby, DP_STANDBY_NONE);
	assert_int_equal(ring_open(&ring, answer.hello.ring_path, false), 0);
	assert_int_equal(ring.header->instance, answer.hello.instance);
	ring_close(&ring);
	close(fd);
}

/* Closed until something is published; then what the policy allows, and nothing else. */
static void test_publish(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);

	assert_false(ping());
	put_in_force(f, fd);
	assert_int_equal(hello_of(fd).generation, GENERATION);
	assert_memory_equal(hello_of(fd).digest, f->program->digest, 32);
	assert_true(ping());
	expect_held(f, fd, 0, snapshot_bindings(f->bindings), 2);

	make_policy(f, UDP, 0);
	put_in_force(f, fd);
	assert_false(ping());
	expect_held(f, fd, 0, snapshot_bindings(f->bindings), 2);
	close(fd);
}

static void bind_one(int fd, struct dp_binding b, bool gone)
{
	struct dpmsg request = rig_request(DP_BIND);

	b.flags = gone ? DP_BINDING_GONE : 0;
	request.count = 1;
	request.bind[0] = b;
	expect_ok(rig_ask(fd, request, -1, NULL));
}

static void test_bind(void **state)
{
	struct fixture *f = *state;
	struct dp_binding b[3], *held;
	size_t size;
	int fd = rig_connect(&f->rig);

	put_in_force(f, fd);
	memcpy(b, snapshot_bindings(f->bindings), 2 * sizeof(*b));
	assert_true(ping());

	/* Two addresses of one MAC share elements. */
	b[2] = b[1];
	b[2].addr[3] = 77;
	bind_one(fd, b[2], false);
	expect_held(f, fd, 0, b, 3);
	held = dump(fd, DP_DUMP_BINDINGS, &size);
	assert_int_equal(size, 3 * sizeof(*held));
	free(held);
	bind_one(fd, b[2], true);
	expect_held(f, fd, 0, b, 2);
	assert_true(ping());

	/* Another identity, which may nothing, and back. */
	b[1].identity = 17;
	bind_one(fd, b[1], false);
	expect_held(f, fd, 0, b, 2);
	assert_false(ping());
	b[1].identity = 16;
	bind_one(fd, b[1], false);
	assert_true(ping());
	bind_one(fd, b[1], true);
	expect_held(f, fd, 0, b, 1);
	assert_false(ping());
	close(fd);
}

static void test_deny_all(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct dpmsg request = rig_request(DP_BIND);
	size_t size;

	put_in_force(f, fd);
	assert_true(ping());
	expect_ok(rig_ask(fd, rig_request(DP_DENY_ALL), -1, NULL));
	assert_int_equal(hello_of(fd).generation, 0);
	assert_null(dump(fd, DP_DUMP_IMAGE, &size)); /* nothing is in force, and that is no failure */
	assert_false(ping());
	request.count = 1;
	request.bind[0] = snapshot_bindings(f->bindings)[0];
	expect_error(rig_ask(fd, request, -1, NULL), ENOENT, "no generation");
	put_in_force(f, fd);
	assert_true(ping());
	close(fd);
}

/* Each refusal leaves what is in force. */
static void test_refused_publish(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	const size_t size = f->program_size;

	put_in_force(f, fd);
	expect_error(publish(f, fd), ENOENT, "prepared");
	expect_error(ask_with(fd, DP_PREPARE, 6, NULL, 0, true), EBADF, "descriptor");
	expect_error(ask_with(fd, DP_PREPARE, 6, f->program, size, false), EPERM, "sealed");
	expect_error(ask_with(fd, DP_PREPARE, 6, f->program, size - 8, true), EINVAL, "program:");
	expect_error(ask_with(fd, DP_PREPARE, 6, f->image, f->image->size, true), EINVAL, "program:");

	expect_ok(prepare(f, fd));
	expect_error(ask_with(fd, DP_PUBLISH, 6, f->bindings, f->bindings_size, true), EINVAL,
		     "generation 5, not 6");
	expect_error(ask_with(fd, DP_PUBLISH, 5, f->bindings, f->bindings_size, false), EPERM, "sealed");
	expect_error(ask_with(fd, DP_PUBLISH, 5, f->bindings, f->bindings_size - 1, true), EINVAL,
		     "bindings:");
	struct dp_binding *first = (struct dp_binding *)(f->bindings + 1);
	first->port = 2;
	good_snapshot_seal(f->bindings);
	expect_error(publish(f, fd), EINVAL, "port that does not exist");
	first->port = 0;
	f->bindings->image_crc ^= 1;
	good_snapshot_seal(f->bindings);
	expect_error(publish(f, fd), EINVAL, "another image");
	f->bindings->image_crc ^= 1;
	good_snapshot_seal(f->bindings);

	assert_int_equal(hello_of(fd).generation, GENERATION);
	expect_held(f, fd, 0, snapshot_bindings(f->bindings), 2);
	assert_true(ping());
	close(fd);
}

/* A program of another box is none of ours, whatever it allows. */
static void test_another_box(void **state)
{
	struct fixture *f = *state;
	struct nft_box b = process_box();
	int fd = rig_connect(&f->rig);
	struct nft_program *p;
	char error[256];
	size_t size;

	strcpy(b.port[1].device, "vc0");
	assert_int_equal(compile_nft(f->image, &b, &NFT_LIMITS_DEFAULT, &p, &size, error, sizeof(error)),
			 COMPILE_OK);
	expect_error(ask_with(fd, DP_PREPARE, 6, p, size, true), EINVAL, "other ports");
	free(p);
	b = process_box();
	strcpy(b.bridge, "br1");
	assert_int_equal(compile_nft(f->image, &b, &NFT_LIMITS_DEFAULT, &p, &size, error, sizeof(error)),
			 COMPILE_OK);
	expect_error(ask_with(fd, DP_PREPARE, 6, p, size, true), EINVAL, "another bridge");
	free(p);
	close(fd);
}

static void test_refused_requests(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct dpmsg request = rig_request(DP_BIND);

	put_in_force(f, fd);
	expect_error(rig_ask(fd, request, -1, NULL), EINVAL, "one to 24");
	request = rig_request(DP_BIND);
	request.count = DP_BATCH + 1;
	expect_error(rig_ask(fd, request, -1, NULL), EINVAL, "one to 24");
	request = rig_request(DP_BIND);
	request.count = 1;
	request.bind[0] = snapshot_bindings(f->bindings)[0];
	request.bind[0].port = 2;
	expect_error(rig_ask(fd, request, -1, NULL), EINVAL, "port that does not exist");
	request = rig_request(DP_DUMP);
	request.dump.what = 9;
	expect_error(rig_ask(fd, request, -1, NULL), EINVAL, "dump");
	expect_held(f, fd, 0, snapshot_bindings(f->bindings), 2);
	close(fd);
}

/* Told why, closed, and the next one is served. */
static void expect_closed(struct fixture *f, const void *bytes, size_t size, const char *word)
{
	int fd = rig_connect(&f->rig);
	struct dpmsg answer;

	rig_send(fd, bytes, size, -1);
	assert_true(rig_receive(fd, &answer, NULL));
	expect_error(answer, EPROTO, word);
	assert_false(rig_receive(fd, &answer, NULL));
	close(fd);
}

static void test_malformed(void **state)
{
	struct fixture *f = *state;
	char large[sizeof(struct dpmsg) + 1] = {0};
	struct dpmsg m = rig_request(DP_PING);

	expect_closed(f, &m, sizeof(m) - 1, "another size");
	expect_closed(f, &m, 1, "another size");
	expect_closed(f, large, sizeof(large), "another size");
	m.abi = DP_ABI + 1;
	expect_closed(f, &m, sizeof(m), "another version");
	m = rig_request(DP_OK);
	expect_closed(f, &m, sizeof(m), "unknown type");

	int fd = rig_connect(&f->rig);
	assert_int_equal(hello_of(fd).generation, 0);
	close(fd);
}

static void test_second_connection(void **state)
{
	struct fixture *f = *state;
	int first = rig_connect(&f->rig);
	struct dpmsg answer;

	hello_of(first);
	int second = rig_connect(&f->rig);
	assert_true(rig_receive(second, &answer, NULL));
	expect_error(answer, EBUSY, "another");
	assert_false(rig_receive(second, &answer, NULL));
	close(second);
	hello_of(first);
	close(first);
}

/* --- probes --------------------------------------------------------------------------------------------- */

#define PING_SIZE 42u

/* An echo request between two hosts that only the probe has; the kernel checks sums, so it has them. */
static void put_ping(uint8_t out[PING_SIZE])
{
	static const uint8_t frame[PING_SIZE] = {
		2,    0, 0,    0,    9, 2, 2, 0, 0,  0, 9, 1, 8,  0,                    /* Ethernet */
		0x45, 0, 0,    28,   0, 1, 0, 0, 64, 1, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2, /* IPv4 */
		8,    0, 0xf7, 0xfd, 0, 1, 0, 1,                                        /* ICMP */
	};
	uint32_t sum = 0;

	memcpy(out, frame, PING_SIZE);
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)out[i] << 8 | out[i + 1];
	sum = ~(sum + (sum >> 16));
	out[24] = (uint8_t)(sum >> 8);
	out[25] = (uint8_t)sum;
}

static struct dpmsg probe(int fd, uint16_t from, uint16_t to)
{
	struct dpmsg request = rig_request(DP_PROBE);
	uint8_t frame[PING_SIZE];

	put_ping(frame);
	request.probe.family = 4;
	request.probe.from = from;
	request.probe.to = to;
	request.probe.n = 1;
	request.probe.frame[0].len = PING_SIZE;
	memcpy(request.probe.src, frame + 26, 4);
	memcpy(request.probe.dst, frame + 30, 4);
	memcpy(request.probe.src_mac, frame + 6, 6);
	memcpy(request.probe.dst_mac, frame, 6);
	int memfd = rig_memfd(frame, PING_SIZE, true);
	struct dpmsg answer = rig_ask(fd, request, memfd, NULL);
	close(memfd);
	return answer;
}

/* A probe meets the tables in force, both ways, and leaves nothing behind. */
static void test_probe(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);

	expect_error(probe(fd, 16, 16), ENOENT, "no generation");
	put_in_force(f, fd);
	struct dpmsg answer = probe(fd, 16, 16);
	expect_ok(answer);
	assert_int_equal(answer.probe.frame[0].forwarded, 1);
	answer = probe(fd, 16, 17);
	expect_ok(answer);
	assert_int_equal(answer.probe.frame[0].forwarded, 0);
	expect_held(f, fd, 0, snapshot_bindings(f->bindings), 2);
	assert_string_equal(space_output("conntrack -L -w 4095 2>/dev/null"), "");

	make_policy(f, UDP, 0);
	put_in_force(f, fd);
	answer = probe(fd, 16, 16);
	expect_ok(answer);
	assert_int_equal(answer.probe.frame[0].forwarded, 0);
	close(fd);
	fd = rig_connect(&f->rig);
	assert_true(space_run("for i in $(seq 100); do ip link show cordonp0 >/dev/null 2>&1 || exit 0; "
			      "sleep 0.1; done; exit 1"));
	close(fd);
}

/* Without a session and a frame a lease ends; the kernel forgets the host, and cordond is told. */
static void test_lease(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct dp_binding b = snapshot_bindings(f->bindings)[1];
	struct dpmsg m;

	put_in_force(f, fd);
	b.addr[3] = 77;
	b.lease_s = 1;
	bind_one(fd, b, false);
	do
		assert_true(rig_receive(fd, &m, NULL));
	while (m.type != DP_ENDPOINTS || m.endpoints[0].kind != DP_ENDPOINT_GONE);
	assert_int_equal(m.endpoints[0].addr[3], 77);
	assert_int_equal(m.endpoints[0].domain, 10);
	expect_held(f, fd, 0, snapshot_bindings(f->bindings), 2);
	close(fd);
}

/* --- without being asked -------------------------------------------------------------------------------- */

/* Killed and started again: what passed passes, what was denied is denied, and it can be replaced. */
static void test_killed(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct dp_binding *held;
	struct dpmsg request = rig_request(DP_BIND);
	size_t size;

	put_in_force(f, fd);
	assert_true(ping());
	rig_end(&f->rig, SIGKILL);
	close(fd);
	assert_true(ping());
	rig_start(&f->rig, process_arguments);
	fd = rig_connect(&f->rig);
	assert_int_equal(hello_of(fd).generation, GENERATION);
	assert_true(ping());
	assert_false(space_run("nsenter -n -t %d ping -c 1 -W 1 -I 10.0.0.9 10.0.0.2 2>/dev/null", hosts[0]));
	expect_held(f, fd, 0, snapshot_bindings(f->bindings), 2);
	held = dump(fd, DP_DUMP_BINDINGS, &size);
	assert_int_equal(size, 2 * sizeof(*held));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(held[i].identity, 16);
		assert_int_equal(held[i].domain, 10);
		assert_int_equal(held[i].port, held[i].addr[3] - 1);
	}
	free(held);
	request.count = 1;
	request.bind[0] = snapshot_bindings(f->bindings)[0];
	expect_error(rig_ask(fd, request, -1, NULL), ENOENT, "adopted");

	make_policy(f, UDP, 0);
	put_in_force(f, fd);
	assert_false(ping());
	close(fd);
}

/* Started for other ports than those whose tables are there: nothing passes. */
static void test_killed_then_other_ports(void **state)
{
	struct fixture *f = *state;
	const char *other[PROCESS_ARGUMENTS];
	int fd = rig_connect(&f->rig);

	memcpy(other, process_arguments, sizeof(process_arguments));
	other[9] = "name=b,device=vz0,role=access,vlan=10,side=inside";
	put_in_force(f, fd);
	assert_true(ping());
	rig_end(&f->rig, SIGKILL);
	close(fd);
	rig_start(&f->rig, other);
	fd = rig_connect(&f->rig);
	assert_int_equal(hello_of(fd).generation, 0);
	assert_false(ping());
	close(fd);
}

static void open_sessions(void)
{
	const struct sockaddr_in to = {AF_INET, htons(9), {inet_addr("10.0.0.2")}, {0}};

	for (;;) {
		const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		sendto(s, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to));
		close(s);
	}
}

/* The first host opens a session with each datagram to the second, until its process is killed or a minute is
 * over. */
static pid_t flood(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", hosts[0]);
	const int space = open(path, O_RDONLY | O_CLOEXEC);
	const pid_t pid = fork();

	assert_true(space >= 0 && pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		if (!setns(space, CLONE_NEWNET))
			open_sessions();
		_exit(1);
	}
	close(space);
	return pid;
}

static bool sessions_come(struct fixture *f, int fd)
{
	struct ring_file ring;

	assert_int_equal(ring_open(&ring, hello_of(fd).ring_path, false), 0);
	const uint64_t n = ring_worker(&ring, 0)->counters.sessions;
	ring_close(&ring);
	return n > 500;
}

/* Stopped, and told to deny all, while events of new sessions are on their way: those that were decided by
 * what goes meanwhile. */
static void test_ended_amid_sessions(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct ring_file ring;

	make_policy(f, UDP, 0);
	for (int i = 0; i < 16; i++) {
		/* what the round before left would be taken for this one's */
		space_run("conntrack -F >/dev/null 2>&1");
		put_in_force(f, fd);
		assert_int_equal(ring_open(&ring, hello_of(fd).ring_path, false), 0);
		const pid_t sender = flood();
		assert_true(until(sessions_come, f, fd));
		if (i % 2) {
			expect_ok(rig_ask(fd, rig_request(DP_DENY_ALL), -1, NULL));
			assert_int_equal(hello_of(fd).generation, 0);
		}
		kill(f->rig.pid, SIGSTOP);
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
		kill(f->rig.pid, SIGTERM);
		assert_int_equal(rig_end(&f->rig, SIGCONT), 0);
		kill(sender, SIGKILL);
		waitpid(sender, NULL, 0);
		assert_int_equal(ring.header->state, RING_CLOSED);
		ring_close(&ring);
		close(fd);
		rig_start(&f->rig, process_arguments);
		fd = rig_connect(&f->rig);
	}
	close(fd);
}

static bool is_shut(struct fixture *f, int fd)
{
	return !ping();
}

static void test_schedule(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	const time_t closes = time(NULL) + 4;

	make_policy(f, ICMP, closes);
	put_in_force(f, fd);
	assert_true(ping());
	assert_true(time(NULL) < closes);
	/* one session over the edge: 35 requests in 7 s, of which at most 4 s have answers */
	assert_true(space_run("test $(nsenter -n -t %d ping -q -i 0.2 -c 35 -w 7 10.0.0.2 |"
			      " sed -n 's/.* \\([0-9]*\\) received.*/\\1/p') -lt 26",
			      hosts[0]));
	assert_in_range(time(NULL), closes, closes + 5);
	assert_true(until(is_shut, f, fd));
	assert_int_equal(hello_of(fd).generation, GENERATION);
	expect_held(f, fd, 1, snapshot_bindings(f->bindings), 2);
	close(fd);
}

static bool receive_drift(int fd)
{
	struct dpmsg m;

	for (int i = 0; i < 100; i++)
		if (rig_receive(fd, &m, NULL) && !m.seq && m.type == DP_DRIFT)
			return true;
	return false;
}

/* Somebody adds a rule: told, and visible in the read-back. */
static void test_drift(void **state)
{
	struct fixture *f = *state;
	char text[256];
	size_t size, got_size;
	int fd = rig_connect(&f->rig);

	put_in_force(f, fd);
	assert_true(space_run("nft add chain bridge cordon stranger"));
	assert_true(receive_drift(fd));
	struct nft_program *want = nft_with_bindings(f->program, 0, snapshot_bindings(f->bindings), 2, &size,
						     text, sizeof(text));
	struct nft_program *got = dump(fd, DP_DUMP_IMAGE, &got_size);
	assert_true(nft_differ(want, 0, got, 0, text, sizeof(text)));
	free(want);
	free(got);
	put_in_force(f, fd);
	expect_held(f, fd, 0, snapshot_bindings(f->bindings), 2);
	close(fd);
}

/* What cordon-nft does itself is no drift. */
static void test_no_drift(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct dpmsg m, ping_it = rig_request(DP_PING);

	put_in_force(f, fd);
	bind_one(fd, snapshot_bindings(f->bindings)[1], true);
	expect_ok(probe(fd, 16, 16));
	expect_ok(rig_ask(fd, rig_request(DP_DENY_ALL), -1, NULL));
	put_in_force(f, fd);
	assert_true(space_run("nft add table ip stranger; nft delete table ip stranger"));
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	rig_send(fd, &ping_it, sizeof(ping_it), -1);
	do {
		assert_true(rig_receive(fd, &m, NULL));
		assert_int_not_equal(m.type, DP_DRIFT);
	} while (m.seq != ping_it.seq);
	close(fd);
}

/* Our tables or the rules in the way of packets are taken away: loaded anew at once, and told. */
static void test_taken_away(void **state)
{
	static const char *const attacks[] = {
		"nft delete table bridge cordon",
		"nft delete table inet cordon",
		"nft flush chain bridge cordon prerouting",
		"nft insert rule inet cordon forward accept",
	};
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);

	make_policy(f, UDP, 0);
	put_in_force(f, fd);
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		assert_true(space_run("%s", attacks[i]));
		assert_true(receive_drift(fd));
		expect_held(f, fd, 0, snapshot_bindings(f->bindings), 2);
		assert_false(ping());
	}
	make_policy(f, ICMP, 0);
	put_in_force(f, fd);
	assert_true(ping());
	close(fd);
}

static bool pings_again(struct fixture *f, int fd)
{
	return ping();
}

/* Our tables are taken away, and another process holds their name: nothing passes until it lets go. */
static void test_held_by_another(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	FILE *owner = popen("exec nft -i >/dev/null 2>&1", "w");

	assert_non_null(owner);
	put_in_force(f, fd);
	assert_true(ping());
	fputs("delete table bridge cordon; delete table inet cordon; add table inet cordon { flags owner; "
	      "}\n",
	      owner);
	fflush(owner);
	assert_true(receive_drift(fd));
	assert_false(ping());
	pclose(owner);
	assert_true(until(pings_again, f, fd));
	expect_held(f, fd, 0, snapshot_bindings(f->bindings), 2);
	assert_false(space_run("nft list table netdev cordon 2>/dev/null"));
	close(fd);
}

static void test_rights(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	const char *status = space_output("cat /proc/%d/status", f->rig.pid);

	assert_non_null(strstr(status, "CapInh:\t0000000000000000"));
	assert_non_null(strstr(status, "CapPrm:\t0000000000001000"));
	assert_non_null(strstr(status, "CapEff:\t0000000000001000"));
	assert_non_null(strstr(status, "CapBnd:\t0000000000001000"));
	assert_non_null(strstr(status, "CapAmb:\t0000000000000000"));
	assert_non_null(strstr(status, "NoNewPrivs:\t1"));
	close(fd);
}

/* One at a time in a run directory. */
static void test_second_process(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct rig second = f->rig;

	second.errors = -1;
	rig_start(&second, process_arguments);
	assert_int_equal(rig_end(&second, 0), 6);
	assert_true(rig_said(&second, "only one instance"));
	close(second.errors);
	hello_of(fd);
	close(fd);
}

int main(int argc, char *argv[])
{
#define T(name) cmocka_unit_test_setup_teardown(name, process_setup, process_teardown)
	const struct CMUnitTest tests[] = {
		T(test_hello),
		T(test_publish),
		T(test_bind),
		T(test_deny_all),
		T(test_refused_publish),
		T(test_another_box),
		T(test_refused_requests),
		T(test_malformed),
		T(test_second_connection),
		T(test_probe),
		T(test_lease),
		T(test_killed),
		T(test_killed_then_other_ports),
		T(test_ended_amid_sessions),
		T(test_schedule),
		T(test_drift),
		T(test_no_drift),
		T(test_taken_away),
		T(test_held_by_another),
		T(test_rights),
		T(test_second_process),
	};

	if (argc != 2)
		return 2;
	rig_program(argv[1]);
	return cmocka_run_group_tests_name("ctl", tests, process_world, process_world_end);
}
