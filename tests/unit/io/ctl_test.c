/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket of a running cordon-dp: what cordond may ask, and what a peer that lies or stalls gets.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon_rig.h"
#include "good_files.h"
#include "packet.h"
#include "ring.h"

#define GENERATION 5u
#define BINDINGS   3u

struct fixture {
	struct rig rig;
	struct image_header *image;
	struct snapshot_header *bindings;
	size_t bindings_size;
};

static int setup(void **state)
{
	static const char *const arguments[] = {"--port", RIG_PORT("a"), "--port", RIG_PORT("b"), NULL};
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	f->image = good_image();
	f->bindings = good_snapshot(f->image, GENERATION, BINDINGS, &f->bindings_size);
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
	free(f->bindings);
	free(f);
	return code; /* a sanitizer's complaint fails the test */
}

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
	return ask_with(fd, DP_PREPARE, GENERATION, f->image, f->image->size, true);
}

static struct dpmsg publish(const struct fixture *f, int fd)
{
	return ask_with(fd, DP_PUBLISH, GENERATION, f->bindings, f->bindings_size, true);
}

static void put_in_force(const struct fixture *f, int fd)
{
	assert_int_equal(prepare(f, fd).type, DP_OK);
	assert_int_equal(publish(f, fd).type, DP_OK);
}

static uint32_t generation_of(int fd)
{
	struct dpmsg answer = rig_ask(fd, rig_request(DP_PING), -1, NULL);

	assert_int_equal(answer.type, DP_OK);
	return answer.hello.generation;
}

static void test_hello(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct dpmsg answer = rig_ask(fd, rig_request(DP_HELLO), -1, NULL);
	struct ring_file ring;

	assert_int_equal(answer.type, DP_HELLO);
	assert_int_equal(answer.hello.pid, f->rig.pid);
	assert_int_equal(answer.hello.generation, 0);
	assert_int_equal(answer.hello.n_ports, 2);
	assert_int_equal(answer.hello.n_workers, 1);
	assert_string_equal(answer.hello.port_name[1], "b");
	assert_string_equal(answer.hello.port_driver[0], "net_null");
	assert_int_equal(answer.hello.port_up, 3);
	assert_int_equal(answer.hello.port_removed, 0);
	assert_true(answer.hello.no_huge && !answer.hello.tap);

	assert_int_equal(ring_open(&ring, answer.hello.ring_path, false), 0);
	assert_int_equal(ring.header->instance, answer.hello.instance);
	assert_int_equal(ring.header->state, RING_LIVE);
	ring_close(&ring);
	close(fd);
}

/* What was published is in force and can be read back, byte by byte. */
static void test_publish_and_dump(void **state)
{
	struct fixture *f = *state;
	int memfd, fd = rig_connect(&f->rig);
	struct dpmsg request = rig_request(DP_DUMP);

	put_in_force(f, fd);
	assert_int_equal(generation_of(fd), GENERATION);

	request.dump.what = DP_DUMP_IMAGE;
	assert_int_equal(rig_ask(fd, request, -1, &memfd).type, DP_OK);
	void *image = mmap(NULL, f->image->size, PROT_READ, MAP_SHARED, memfd, 0);
	assert_ptr_not_equal(image, MAP_FAILED);
	assert_memory_equal(image, f->image, f->image->size);
	munmap(image, f->image->size);
	close(memfd);

	request = rig_request(DP_DUMP);
	request.dump.what = DP_DUMP_BINDINGS;
	struct dpmsg answer = rig_ask(fd, request, -1, &memfd);
	struct dp_binding b[BINDINGS];
	assert_int_equal(answer.dump.count, BINDINGS);
	assert_int_equal(pread(memfd, b, sizeof(b), 0), sizeof(b));
	for (uint32_t i = 0; i < BINDINGS; i++) {
		assert_int_equal(b[i].identity, 16);
		assert_int_equal(b[i].domain, 10);
		assert_int_equal(b[i].addr[0], 10);
	}
	close(memfd);
	close(fd);
}

static void test_bind(void **state)
{
	struct fixture *f = *state;
	int memfd, fd = rig_connect(&f->rig);
	struct dpmsg request = rig_request(DP_BIND);

	put_in_force(f, fd);
	request.count = 1;
	request.bind[0] = snapshot_bindings(f->bindings)[0];
	request.bind[0].addr[3] = request.bind[0].mac[5] = 200;
	request.bind[0].port = 1;
	assert_int_equal(rig_ask(fd, request, -1, NULL).type, DP_OK);

	request = rig_request(DP_DUMP);
	request.dump.what = DP_DUMP_BINDINGS;
	assert_int_equal(rig_ask(fd, request, -1, &memfd).dump.count, BINDINGS + 1);
	close(memfd);
	close(fd);
}

static void test_deny_all(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct dpmsg request = rig_request(DP_DUMP);
	int image = -1;

	put_in_force(f, fd);
	assert_int_equal(rig_ask(fd, rig_request(DP_DENY_ALL), -1, NULL).type, DP_OK);
	assert_int_equal(generation_of(fd), 0);
	request.dump.what = DP_DUMP_IMAGE;
	assert_int_equal(rig_ask(fd, request, -1, &image).type, DP_OK);
	assert_int_equal(image, -1); /* nothing is in force, and that is no failure */
	close(fd);
}

static void expect_error(struct dpmsg answer, int code, const char *word)
{
	assert_int_equal(answer.type, DP_ERROR);
	if (answer.error.code != code || !strstr(answer.error.text, word))
		fail_msg("got %d '%s', not %d '%s'", answer.error.code, answer.error.text, code, word);
}

/* Each refusal leaves what is in force. */
static void test_refused_publish(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);

	put_in_force(f, fd);
	expect_error(publish(f, fd), ENOENT, "prepared");
	expect_error(ask_with(fd, DP_PREPARE, 6, NULL, 0, true), EBADF, "descriptor");
	expect_error(ask_with(fd, DP_PREPARE, 6, f->image, f->image->size, false), EPERM, "sealed");
	expect_error(ask_with(fd, DP_PREPARE, 6, f->image, f->image->size - 8, true), EINVAL, "image:");

	assert_int_equal(prepare(f, fd).type, DP_OK);
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

	assert_int_equal(generation_of(fd), GENERATION);
	close(fd);
}

static void test_refused_requests(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct dpmsg request = rig_request(DP_BIND);

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
	assert_int_equal(generation_of(fd), 0);
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
	m = rig_request((enum dpmsg_type)0);
	expect_closed(f, &m, sizeof(m), "unknown type");

	int fd = rig_connect(&f->rig);
	assert_int_equal(generation_of(fd), 0);
	close(fd);
}

/* A prepared image does not outlive the connection that brought it. */
static void test_prepared_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct dpmsg bad = {0}, answer;
	int fd = rig_connect(&f->rig);

	assert_int_equal(prepare(f, fd).type, DP_OK);
	rig_send(fd, &bad, sizeof(bad), -1);
	while (rig_receive(fd, &answer, NULL))
		;
	close(fd);
	fd = rig_connect(&f->rig);
	expect_error(publish(f, fd), ENOENT, "prepared");
	close(fd);
}

static void test_second_connection(void **state)
{
	struct fixture *f = *state;
	int first = rig_connect(&f->rig);
	struct dpmsg answer;

	assert_int_equal(generation_of(first), 0);
	int second = rig_connect(&f->rig);
	assert_true(rig_receive(second, &answer, NULL));
	expect_error(answer, EBUSY, "another");
	assert_false(rig_receive(second, &answer, NULL));
	close(second);
	assert_int_equal(generation_of(first), 0);
	close(first);
}

/* A peer that asks and does not listen is waited for, and loses nothing when it does. */
static void test_stalling_peer(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	uint64_t sent = 0;

	for (;;) {
		struct dpmsg m = rig_request(DP_PING);

		m.seq = sent + 1;
		if (send(fd, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(m))
			break;
		sent++;
	}
	assert_int_equal(errno, EAGAIN);
	for (uint64_t i = 1; i <= sent; i++) {
		struct dpmsg answer;

		assert_true(rig_receive(fd, &answer, NULL));
		assert_int_equal(answer.type, DP_OK);
		assert_int_equal(answer.seq, i);
	}
	close(fd);
}

/* One UDP packet of a fresh pair to port 53 and, refused by the same policy, one TCP SYN. */
static struct dpmsg probe_with(int fd, uint16_t to, bool sealed, uint32_t cut)
{
	struct dpmsg request = rig_request(DP_PROBE), answer;
	struct dp_probes *order = &request.probe;
	struct pkt p[2];
	uint8_t bytes[256];
	uint32_t size = 0;

	*order = (struct dp_probes){.from = 16, .to = to, .family = 4, .n = 2};
	pkt_addr(order->src, "10.9.0.1");
	pkt_addr(order->dst, "10.9.0.2");
	pkt_mac(order->src_mac, 1);
	pkt_mac(order->dst_mac, 2);
	for (int i = 0; i < 2; i++) {
		pkt_ether(&p[i], 2, 1);
		pkt_ip(&p[i], "10.9.0.1", "10.9.0.2");
		if (i)
			pkt_tcp(&p[i], 1000, 53, PKT_SYN, 1, 0);
		else
			pkt_udp(&p[i], 1000, 53);
		pkt_done(&p[i]);
		order->frame[i].len = (uint16_t)p[i].len;
		memcpy(bytes + size, p[i].data, p[i].len);
		size += p[i].len;
	}
	int memfd = rig_memfd(bytes, size - cut, sealed);
	answer = rig_ask(fd, request, memfd, NULL);
	close(memfd);
	return answer;
}

/* Through the live worker: what the policy says comes out, both laws count it, nothing of it stays. */
static void test_probe(void **state)
{
	struct fixture *f = *state;
	int fd = rig_connect(&f->rig);
	struct dpmsg answer = probe_with(fd, 16, true, 0);
	struct ring_file ring;

	assert_int_equal(answer.type, DP_OK);
	assert_int_equal(answer.probe.frame[0].forwarded, 0); /* deny-all */
	put_in_force(f, fd);
	answer = probe_with(fd, 16, true, 0);
	assert_int_equal(answer.type, DP_OK);
	assert_int_equal(answer.probe.frame[0].forwarded, 1);
	assert_int_equal(answer.probe.frame[1].forwarded, 0);

	assert_int_equal(probe_with(fd, 32, true, 0).error.code, ESTALE);
	assert_int_equal(probe_with(fd, 16, false, 0).error.code, EPERM);
	assert_int_equal(probe_with(fd, 16, true, 1).error.code, EINVAL);
	assert_int_equal(rig_ask(fd, rig_request(DP_PROBE), -1, NULL).error.code, EBADF);
	assert_int_equal(ring_open(&ring, rig_ask(fd, rig_request(DP_PING), -1, NULL).hello.ring_path, false),
			 0);
	close(fd);

	const struct ring_counters *c = &ring_worker(&ring, 0)->counters;
	assert_int_equal(c->frames_in, 4);
	assert_int_equal(c->forwarded, 1);
	assert_int_equal(c->dropped[RING_PORT_NONE][REASON_DENY_ALL], 2);
	assert_int_equal(c->dropped[RING_PORT_NONE][REASON_NO_RULE], 1);
	assert_int_equal(c->decisions, 4);
	assert_int_equal(c->sessions_opened, 1);
	assert_int_equal(c->sessions_ended, 1);
	assert_int_equal(c->bindings, BINDINGS);
	ring_close(&ring);
}

int main(int argc, char *argv[])
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_hello),
		T(test_publish_and_dump),
		T(test_bind),
		T(test_deny_all),
		T(test_refused_publish),
		T(test_refused_requests),
		T(test_malformed),
		T(test_prepared_is_forgotten),
		T(test_second_connection),
		T(test_stalling_peer),
		T(test_probe),
	};

	if (argc != 2)
		return 2;
	rig_program(argv[1]);
	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
