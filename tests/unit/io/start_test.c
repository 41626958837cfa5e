/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting and stopping cordon-dp: what it holds, what it refuses, what it leaves.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture_file.h"
#include "daemon_rig.h"
#include "good_files.h"
#include "packet.h"
#include "ring.h"

static const char *const two_ports[] = {"--port", RIG_PORT("a"), "--port", RIG_PORT("b"), NULL};

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_init(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_fini(*state);
	free(*state);
	return 0;
}

static struct dp_hello hello(int fd)
{
	return rig_ask(fd, rig_request(DP_HELLO), -1, NULL).hello;
}

static void write_last_good(const struct rig *r, uint64_t crc_change)
{
	struct image_header *image = good_image();
	size_t size;
	struct snapshot_header *bindings = good_snapshot(image, 7, 2, &size);

	bindings->image_crc ^= crc_change;
	good_snapshot_seal(bindings);
	write_file(r->dir, LAST_GOOD_IMAGE, image, image->size);
	write_file(r->dir, LAST_GOOD_BINDINGS, bindings, size);
	free(image);
	free(bindings);
}

static void test_stop(void **state)
{
	struct rig *r = *state;
	struct ring_file ring;

	rig_start(r, two_ports);
	int fd = rig_connect(r);
	struct dp_hello h = hello(fd);
	close(fd);
	assert_int_equal(rig_end(r, SIGTERM), 0);
	assert_int_equal(ring_open(&ring, h.ring_path, false), 0);
	assert_int_equal(ring.header->state, RING_CLOSED);
	ring_close(&ring);
}

static void test_last_good(void **state)
{
	struct rig *r = *state;

	write_last_good(r, 0);
	rig_start(r, two_ports);
	int fd = rig_connect(r);
	assert_int_equal(hello(fd).generation, 7);
	close(fd);
	assert_int_equal(rig_end(r, SIGINT), 0);
	assert_true(rig_said(r, "generation 7 is in force"));
}

static void test_bad_last_good_denies(void **state)
{
	struct rig *r = *state;

	write_last_good(r, 1);
	rig_start(r, two_ports);
	int fd = rig_connect(r);
	assert_int_equal(hello(fd).generation, 0);
	close(fd);
	assert_int_equal(rig_end(r, SIGTERM), 0);
	assert_true(rig_said(r, "made for another image"));
}

/* After repeated failures nothing of before is taken up, nothing new is taken, and the refusal says so. */
static void test_safe_mode_denies(void **state)
{
	static const char *const safe[] = {"--safe", "--port", RIG_PORT("a"), "--port", RIG_PORT("b"), NULL};
	struct rig *r = *state;
	struct image_header *image = good_image();
	int memfd = rig_memfd(image, image->size, true);

	write_last_good(r, 0);
	rig_start(r, safe);
	int fd = rig_connect(r);
	assert_int_equal(hello(fd).generation, 0);
	for (int i = 0; i < 2; i++) {
		static const enum dpmsg_type refused[] = {DP_PREPARE, DP_PUBLISH};
		struct dpmsg answer = rig_ask(fd, rig_request(refused[i]), memfd, NULL);

		assert_int_equal(answer.type, DP_ERROR);
		assert_int_equal(answer.error.code, EPERM);
		assert_non_null(strstr(answer.error.text, "safe mode"));
	}
	assert_int_equal(hello(fd).generation, 0);
	close(memfd);
	close(fd);
	assert_int_equal(rig_end(r, SIGTERM), 0);
	assert_true(rig_said(r, "safe mode: everything is denied"));
	free(image);
}

/* Killed five times within ten minutes, it denies; stopped as it should be, that is forgotten. */
static void test_failures_lead_to_safe_mode(void **state)
{
	struct rig *r = *state;

	write_last_good(r, 0);
	for (int i = 0; i < 6; i++) {
		rig_start(r, two_ports);
		int fd = rig_connect(r);
		assert_int_equal(hello(fd).generation, i < 5 ? 7 : 0);
		close(fd);
		rig_end(r, i < 5 ? SIGKILL : SIGTERM);
	}
	assert_true(rig_said(r, "5 failures within 600 s"));
	rig_start(r, two_ports);
	int fd = rig_connect(r);
	assert_int_equal(hello(fd).generation, 7);
	close(fd);
	assert_int_equal(rig_end(r, SIGTERM), 0);
}

static void write_starts(const struct rig *r, const char *ages)
{
	char path[64];
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	snprintf(path, sizeof(path), "%s/dp.starts", r->dir);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	for (const char *age = ages; *age; age += strcspn(age, " "), age += *age == ' ')
		fprintf(file, "%ld\n", t.tv_sec - atol(age));
	fclose(file);
}

/* The fifth but last failure is nearly too old: safe for longer than a slow start, then it ends by itself and
 * well. */
static void test_safe_mode_ends(void **state)
{
	struct rig *r = *state;

	write_starts(r, "592 500 400 300 200");
	rig_start(r, two_ports);
	assert_int_equal(rig_end(r, 0), 0);
	assert_true(rig_said(r, "safe mode is over"));
}

/* Who has a standby does not touch the ports, nor the lock, and can be stopped meanwhile. */
static void test_yield(void **state)
{
	static const char *const yield[] = {"--yield", "--port",      RIG_PORT("a"),
					    "--port",  RIG_PORT("b"), NULL};
	struct rig *r = *state;
	char path[64];

	write_starts(r, "400 300 200 100 50");
	rig_start(r, yield);
	nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
	snprintf(path, sizeof(path), "%s/dp.sock", r->dir);
	assert_int_not_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/cordon-dp.lock", r->dir);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(rig_end(r, SIGTERM), 0);
	assert_true(rig_said(r, "after repeated failures"));
}

static int manager_open(const char *dir, char *path, size_t room)
{
	struct timeval limit = {.tv_sec = 10};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(path, room, "%s/notify", dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void manager_hears(int fd, const char *want)
{
	char said[64] = "";

	assert_true(recv(fd, said, sizeof(said) - 1, 0) > 0);
	assert_string_equal(said, want);
}

/* Ready once, then a sign of life every second. */
static void test_watchdog(void **state)
{
	struct rig *r = *state;
	char path[64];
	int fd = manager_open(r->dir, path, sizeof(path));

	setenv("NOTIFY_SOCKET", path, 1);
	rig_start(r, two_ports);
	unsetenv("NOTIFY_SOCKET");
	manager_hears(fd, "READY=1");
	for (int i = 0; i < 3; i++)
		manager_hears(fd, "WATCHDOG=1");
	assert_int_equal(rig_end(r, SIGTERM), 0);
	close(fd);
}

static void test_one_instance(void **state)
{
	struct rig *r = *state, second;
	char pid[32];

	rig_start(r, two_ports);
	int fd = rig_connect(r);
	second = *r;
	second.errors = -1;
	rig_start(&second, two_ports);
	assert_int_equal(rig_end(&second, 0), 6);
	snprintf(pid, sizeof(pid), "process %d", r->pid);
	assert_true(rig_said(&second, pid));
	close(second.errors);
	assert_int_equal(hello(fd).n_ports, 2);
	close(fd);
}

static void test_start_failures(void **state)
{
	static const struct {
		const char *port;
		int code;
		const char *word;
	} cases[] = {
		{"name=a,role=access,vlan=1,side=inside,device=net_af_packet,iface=cordon-none", 6,
		 "no interface cordon-none"},
		{"name=a,role=access,vlan=1,side=inside,device=net_nonsense", 6,
		 "net_pcap and net_null are taken"},
		{"name=a,role=access,vlan=1,side=inside,device=net_null,nonsense=1", 6,
		 "port a (net_null0,nonsense=1): cannot open"},
		{"name=a,role=access,vlan=1,side=inside,device=eth0", 6, "neither a PCI address"},
		{"name=a,role=access,vlan=1,side=inside,device=net_pcap,rx_pcap=/nonexistent.pcap", 6,
		 "/nonexistent.pcap"},
		{"name=a,role=access,vlan=1,side=inside,device=vhost:/nonexistent/lan1", 6,
		 "port a: directory /nonexistent of the socket: No such file"},
		{"name=a,role=access,vlan=1,side=inside,device=vhost:/tmp/lan1", 6,
		 "writable for nobody else"},
		{"name=a,role=access,vlan=1,side=inside,device=net_vhost,iface=/tmp/lan1", 6,
		 "is written vhost:PATH"},
		{"name=a,role=access,vlan=1,device=net_null", 2, "no side="},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const arguments[] = {"--port", cases[i].port, NULL};

		rig_start(r, arguments);
		assert_int_equal(rig_end(r, 0), cases[i].code);
		assert_true(rig_said(r, cases[i].word));
	}
}

static void expect_line(const char *path, const char *line)
{
	char text[128];
	bool found = false;
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	while (!found && fgets(text, sizeof(text), file))
		found = !strcmp(text, line);
	fclose(file);
	if (!found)
		fail_msg("%s lacks %s", path, line);
}

/* No thread holds a capability, and none can gain one. As root this fails if the dropping is left out. */
static void test_rights(void **state)
{
	struct rig *r = *state;
	char path[64];
	unsigned threads = 0;

	rig_start(r, two_ports);
	int fd = rig_connect(r);
	hello(fd);
	snprintf(path, sizeof(path), "/proc/%d/task", r->pid);
	DIR *tasks = opendir(path);
	assert_non_null(tasks);
	for (struct dirent *task; (task = readdir(tasks));) {
		char status[512];

		if (task->d_name[0] == '.')
			continue;
		snprintf(status, sizeof(status), "%s/%s/status", path, task->d_name);
		expect_line(status, "CapPrm:\t0000000000000000\n");
		expect_line(status, "CapEff:\t0000000000000000\n");
		expect_line(status, "CapAmb:\t0000000000000000\n");
		expect_line(status, "NoNewPrivs:\t1\n");
		threads++;
	}
	closedir(tasks);
	assert_true(threads >= 2);
	close(fd);
}

/* --- ports of guests
 * ---------------------------------------------------------------------------------------------- */

static mode_t mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_mode & 07777;
}

/* Until a process answers at all, its guests have to wait. */
static void await_mode(const char *path, mode_t wanted)
{
	for (int i = 0; i < 2000 && mode_of(path) != wanted; i++)
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	assert_int_equal(mode_of(path), wanted);
}

/* A socket for the group and for nobody else; what is left of a killed process is in nobody's way, and what
 * lives is. */
static void test_guest_ports(void **state)
{
	struct rig *r = *state;
	char port[128], twice[128], path[64];
	const char *const one[] = {"--port", port, NULL}, *const both[] = {"--port", port, "--port", twice,
									   NULL};

	snprintf(path, sizeof(path), "%s/lan1", r->dir);
	snprintf(port, sizeof(port), "name=a,role=access,vlan=10,side=inside,device=vhost:%s", path);
	snprintf(twice, sizeof(twice), "name=b,role=access,vlan=10,side=inside,device=vhost:%s", path);
	for (int i = 0; i < 2; i++) {
		rig_start(r, one);
		int fd = rig_connect(r);
		struct dp_hello h = hello(fd);

		assert_string_equal(h.port_driver[0], "net_vhost");
		assert_int_equal(h.port_up, 0);
		close(fd);
		await_mode(path, 0660);
		if (!i)
			assert_int_equal(rig_end(r, SIGKILL), 128 + SIGKILL);
	}
	assert_int_equal(rig_end(r, SIGTERM), 0);
	assert_int_equal(access(path, F_OK), -1);
	rig_start(r, both);
	assert_int_equal(rig_end(r, 0), 6);
	assert_true(rig_said(r, "port b: "));
	assert_non_null(strstr(r->said, "somebody serves this socket already"));
}

/* --- frames through the whole process
 * -------------------------------------------------------------------------- */

/* Allowed UDP from host 1 to host 2; its twin, TCP; and UDP of a host that nobody knows. */
static void write_capture(const char *path, struct pkt *allowed)
{
	FILE *file = capture_begin(path);
	struct pkt p;

	capture_udp(file, allowed, 1, 2);
	capture_tcp(file, &p, 1, 2);
	pkt_ether(&p, 2, 9);
	pkt_ip(&p, "192.0.2.9", "10.0.0.2");
	pkt_udp(&p, 1000, 53);
	capture_add(file, &p);
	assert_int_equal(fclose(file), 0);
}

static uint64_t frames_in(const struct ring_file *ring)
{
	return __atomic_load_n(&ring_worker(ring, 0)->counters.frames_in, __ATOMIC_ACQUIRE);
}

static void expect_capture(const char *path, const struct pkt *only)
{
	uint8_t bytes[512];
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	size_t n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	size_t head = sizeof(struct capture_header) + sizeof(struct capture_frame);
	assert_int_equal(n, head + only->len);
	assert_memory_equal(bytes + head, only->data, only->len);
}

static struct dp_endpoint first_event(int fd)
{
	struct dpmsg m;

	do
		assert_true(rig_receive(fd, &m, NULL));
	while (m.type != DP_ENDPOINTS);
	assert_true(m.count >= 1);
	assert_int_equal(m.seq, 0);
	return m.endpoints[0];
}

/* One frame comes out at the right port, the others do not, the stranger is announced, and the sums agree. */
static void test_frames(void **state)
{
	struct rig *r = *state;
	char in[64], out[64], a[256], b[256];
	const char *const arguments[] = {"--port", a, "--port", b, NULL};
	struct ring_file ring;
	struct pkt allowed;

	snprintf(in, sizeof(in), "%s/in.pcap", r->dir);
	snprintf(out, sizeof(out), "%s/out.pcap", r->dir);
	snprintf(a, sizeof(a), "name=a,role=access,vlan=10,side=inside,device=net_pcap,rx_pcap=%s", in);
	snprintf(b, sizeof(b), "name=b,role=access,vlan=10,side=inside,device=net_pcap,tx_pcap=%s", out);
	write_capture(in, &allowed);
	write_last_good(r, 0);
	rig_start(r, arguments);

	int fd = rig_connect(r);
	struct dp_endpoint event = first_event(fd); /* first: an answer is waited for past all events */
	assert_int_equal(ring_open(&ring, hello(fd).ring_path, false), 0);
	assert_int_equal(event.kind, DP_ENDPOINT_NEW);
	assert_int_equal(event.addr[0], 192);
	assert_int_equal(event.domain, 10);
	assert_int_equal(frames_in(&ring), 3);
	close(fd);
	assert_int_equal(rig_end(r, SIGTERM), 0);

	const struct ring_counters *c = &ring_worker(&ring, 0)->counters;
	assert_int_equal(c->forwarded, 1);
	assert_int_equal(c->dropped[0][REASON_NO_RULE], 2);
	assert_int_equal(c->decisions, 3);
	assert_int_equal(c->decisions, c->decisions_pushed + c->decisions_aggregated + c->decisions_lost);
	assert_int_equal(c->sessions_ended, 1);
	ring_close(&ring);
	expect_capture(out, &allowed);
}

static uint64_t kernel_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* True as soon as the file beats or not, as wanted; false after ten seconds. */
static bool wait_beat(const struct ring_file *ring, bool wanted)
{
	const struct timespec pause = {.tv_nsec = 5000000};

	for (uint64_t end = kernel_ms() + 10000; kernel_ms() < end; nanosleep(&pause, NULL))
		if (ring_beats(ring, kernel_ms()) == wanted)
			return true;
	return false;
}

/* An idle worker beats often enough; one that was stopped is noticed, and noticed again when it goes on. */
static void test_heartbeat(void **state)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct rig *r = *state;
	struct ring_file ring;

	rig_start(r, two_ports);
	int fd = rig_connect(r);
	assert_int_equal(ring_open(&ring, hello(fd).ring_path, false), 0);
	close(fd);
	assert_true(wait_beat(&ring, true));
	uint64_t begin = kernel_ms(), last = ring_heartbeat(&ring);
	for (unsigned beats = 0; beats < 20; nanosleep(&pause, NULL)) {
		uint64_t now = ring_heartbeat(&ring);

		assert_in_range(now, last, kernel_ms() + 50);
		beats += now != last;
		last = now;
		assert_in_range(kernel_ms() - begin, 0, 20 * RING_BEAT_MS);
	}
	kill(r->pid, SIGSTOP);
	assert_true(wait_beat(&ring, false));
	assert_in_range(kernel_ms() - ring_heartbeat(&ring), RING_DEAD_MS, 9999);
	kill(r->pid, SIGCONT);
	assert_true(wait_beat(&ring, true));
	assert_int_equal(rig_end(r, SIGTERM), 0);
	ring_close(&ring);
}

int main(int argc, char *argv[])
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_stop),
		T(test_last_good),
		T(test_bad_last_good_denies),
		T(test_one_instance),
		T(test_start_failures),
		T(test_rights),
		T(test_frames),
		T(test_guest_ports),
		T(test_heartbeat),
		T(test_safe_mode_denies),
		T(test_watchdog),
		T(test_failures_lead_to_safe_mode),
		T(test_safe_mode_ends),
		T(test_yield),
	};

	if (argc != 2)
		return 2;
	rig_program(argv[1]);
	if (getenv("CORDON_EMULATED")) {
		cmocka_set_skip_filter("test_rights");
		puts("# SKIP test_rights");
	}
	return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
