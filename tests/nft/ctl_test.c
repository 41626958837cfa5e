/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A running cordon-nft on the real kernel, driven over its socket as cordond would: what may be asked, what a
 * peer that lies gets, and what passes between two hosts of the bridge meanwhile. As root, in a network
 * namespace of the test's own.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../unit/io/daemon_rig.h"
#include "../unit/io/good_files.h"
#include "compile.h"
#include "mkimage.h"
#include "nftmodel.h"
#include "ring.h"
#include "space.h"
#include "to_nft.h"

#define GENERATION 5u
#define WAIT_MS    20000
#define UDP        17
#define ICMP       1

/* Two hosts, 10.0.0.1 behind port a and 10.0.0.2 behind port b, in namespaces that two processes hold. */
static pid_t hosts[2];

static const char *const arguments[] = {"--plane",  "forward",
					"--bridge", "br0",
					"--clock",  "trusted",
					"--port",   "name=a,device=va0,role=access,vlan=10,side=inside",
					"--port",   "name=b,device=vb0,role=access,vlan=10,side=inside",
					NULL};

struct fixture {
	struct rig rig;
	struct image_header *image;
	struct nft_program *program;
	struct snapshot_header *bindings;
	size_t program_size, bindings_size;
};

/* --- the world ------------------------------------------------------------------------------------------ */

static pid_t hold_namespace(void)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (!pid) {
		byte = unshare(CLONE_NEWNET) != 0;
		_exit(write(ready[1], &byte, 1) != 1 || byte ? 1 : pause());
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 0);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void make_host(unsigned i, const char *device)
{
	hosts[i] = hold_namespace();
	assert_true(space_run("ip link set %s netns %d name eth0 address 02:00:00:00:00:%02x", device,
			      hosts[i], i + 1));
	assert_true(
		space_run("nsenter -n -t %d sh -c 'ip addr add 10.0.0.%u/24 dev eth0; ip link set eth0 up'",
			  hosts[i], i + 1));
}

static int setup_world(void **state)
{
	space_new();
	space_bridge();
	make_host(0, "va1");
	make_host(1, "vb1");
	assert_true(space_run("ip link set lo up; sysctl -wq net.bridge.bridge-nf-call-iptables=1 "
			      "net.bridge.bridge-nf-call-ip6tables=1"));
	return 0;
}

static int teardown_world(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		if (hosts[i] > 0 && !kill(hosts[i], SIGKILL))
			waitpid(hosts[i], NULL, 0);
	return 0;
}

/* Whether a ping of the first host to the second is answered. */
static bool ping(void)
{
	return space_run("nsenter -n -t %d ping -c 1 -W 1 10.0.0.2 >/dev/null", hosts[0]);
}

static bool until(bool (*holds)(struct fixture *f, int fd), struct fixture *f, int fd)
{
	for (int i = 0; i < WAIT_MS / 100; i++) {
		if (holds(f, fd))
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	return false;
}

static struct image_header *image_of(uint8_t proto, int64_t closes_utc)
{
	const struct mkimage_cell cell = {16, 16, service_key_make(proto, 0), service_key_make(proto + 1, 0),
					  mkimage_allow(1)};
	const struct mkimage_prefix prefix[] = {{10u << 24, 16, PREFIX_FINAL},
						{11u << 24, IDENTITY_UNKNOWN, 0}};
	const struct mkimage m = {
		.cell = &cell, .n_cells = 1, .prefix = prefix, .n_prefixes = 2, .closes_utc = closes_utc};
	struct image_header *image = mkimage(&m);

	assert_non_null(image);
	return image;
}

static struct nft_box box(void)
{
	struct nft_box b = space_box();

	b.port[0].vlan = b.port[1].vlan = 10;
	return b;
}

/* A policy under which the hosts may speak this protocol, until `closes_utc` (0: for ever). */
static void make_policy(struct fixture *f, uint8_t proto, int64_t closes_utc)
{
	const struct nft_box b = box();
	char error[256];

	free(f->image);
	free(f->program);
	free(f->bindings);
	f->image = image_of(proto, closes_utc);
	f->program = NULL;
	if (compile_nft(f->image, &b, &NFT_LIMITS_DEFAULT, &f->program, &f->program_size, error,
			sizeof(error)) != COMPILE_OK)
		fail_msg("%s", error);
	f->bindings = good_snapshot(f->image, GENERATION, 2, &f->bindings_size);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	f->rig.socket = "nft.sock";
	f->rig.bare = true;
	make_policy(f, ICMP, 0);
	rig_start(&f->rig, arguments);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int code = rig_end(&f->rig, SIGTERM);

	rig_fini(&f->rig);
	free(f->image);
	free(f->program);
	free(f->bindings);
	free(f);
	space_run("nft delete table bridge cordon; nft delete table inet cordon; nft delete table netdev "
		  "cordon 2>/dev/null; for p in a b; do ip link set v${p}0 up; done");
	return code; /* a sanitizer's complaint fails the test */
}

/* --- what cordond does ---------------------------------------------------------------------------------- */

static struct dpmsg ask_with(int fd, enum dpmsg_type type, uint32_t generation, const void *bytes,
			     size_t size, bool sealed)
{
	struct dpmsg request = rig_request(type);
	int memfd = bytes ? rig_memfd(bytes, size, sealed) : -1;

	request.publish.generation = generation;
	struct dpmsg answer = rig_ask(fd, request, memfd, NULL);
	if (memfd >= 0)
		close(memfd);
	return answer;
}

static struct dpmsg prepare(const struct fixture *f, int fd)
{
	return ask_with(fd, DP_PREPARE, GENERATION, f->program, f->program_size, true);
}

static struct dpmsg publish(const struct fixture *f, int fd)
{
	return ask_with(fd, DP_PUBLISH, GENERATION, f->bindings, f->bindings_size, true);
}

static void expect_ok(struct dpmsg answer)
{
	if (answer.type != DP_OK)
		fail_msg("got type %u: '%s'", answer.type, answer.type == DP_ERROR ? answer.error.text : "");
}

static void put_in_force(const struct fixture *f, int fd)
{
	expect_ok(prepare(f, fd));
	expect_ok(publish(f, fd));
}

static struct dp_hello hello_of(int fd)
{
	struct dpmsg answer = rig_ask(fd, rig_request(DP_PING), -1, NULL);

	expect_ok(answer);
	return answer.hello;
}

static void *dump(int fd, enum dp_dump what, size_t *size)
{
	struct dpmsg request = rig_request(DP_DUMP);
	struct stat st;
	int memfd = -1;

	request.dump.what = what;
	expect_ok(rig_ask(fd, request, -1, &memfd));
	*size = 0;
	if (memfd < 0)
		return NULL;
	assert_int_equal(fstat(memfd, &st), 0);
	*size = (size_t)st.st_size;
	void *bytes = malloc(*size + 1);
	assert_int_equal(pread(memfd, bytes, *size, 0), *size);
	close(memfd);
	return bytes;
}

static void expect_error(struct dpmsg answer, int code, const char *word)
{
	assert_int_equal(answer.type, DP_ERROR);
	if (answer.error.code != code || !strstr(answer.error.text, word))
		fail_msg("got %d '%s', not %d '%s'", answer.error.code, answer.error.text, code, word);
}

/* What the kernel has is the program with these bindings, element by element. */
static void expect_held(const struct fixture *f, int fd, uint32_t model, const struct dp_binding *b, size_t n)
{
	char text[256] = "";
	size_t size;
	struct nft_program *want = nft_with_bindings(f->program, model, b, n, &size, text, sizeof(text));
	struct nft_program *got = dump(fd, DP_DUMP_IMAGE, &size);

	assert_non_null(want);
	assert_non_null(got);
	assert_null(nft_program_check(got, size));
	if (nft_differ(want, 0, got, 0, text, sizeof(text)))
		fail_msg("%s", text);
	free(want);
	free(got);
}

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
	struct nft_box b = box();
	int fd = rig_connect(&f->rig);
	struct nft_program *p;
	char error[256];
	size_t size;

	strcpy(b.port[1].device, "vc0");
	assert_int_equal(compile_nft(f->image, &b, &NFT_LIMITS_DEFAULT, &p, &size, error, sizeof(error)),
			 COMPILE_OK);
	expect_error(ask_with(fd, DP_PREPARE, 6, p, size, true), EINVAL, "other ports");
	free(p);
	b = box();
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
	rig_start(&f->rig, arguments);
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
	const char *other[sizeof(arguments) / sizeof(arguments[0])];
	int fd = rig_connect(&f->rig);

	memcpy(other, arguments, sizeof(arguments));
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
	assert_true(until(is_shut, f, fd));
	assert_in_range(time(NULL), closes, closes + 3);
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
	rig_start(&second, arguments);
	assert_int_equal(rig_end(&second, 0), 6);
	assert_true(rig_said(&second, "only one instance"));
	close(second.errors);
	hello_of(fd);
	close(fd);
}

int main(int argc, char *argv[])
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
		T(test_killed),
		T(test_killed_then_other_ports),
		T(test_schedule),
		T(test_drift),
		T(test_taken_away),
		T(test_rights),
		T(test_second_process),
	};

	if (argc != 2)
		return 2;
	rig_program(argv[1]);
	return cmocka_run_group_tests_name("ctl", tests, setup_world, teardown_world);
}
