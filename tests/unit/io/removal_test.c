/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that leave under traffic: a worker with frames that never end, a port of which DPDK says that its
 * device goes, as its PCI bus does when the kernel asks for a card of vfio-pci. The cases follow each other.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include "capture_file.h"
#include "clock.h"
#include "eal.h"
#include "good_files.h"
#include "port.h"
#include "removal.h"
#include "ring.h"
#include "worker.h"

enum { A, B, C };
#define WAIT_S   30
#define MEMORY   (64u << 20)
#define BINDINGS 3u

static bool tap;
static char dir[] = "/tmp/cordon-removal-XXXXXX", capture[64];
static struct args args;
static struct ports ports;
static struct ring_file ring;
static struct ring_producer producer;
static struct clock clock_of_test;
static struct worker *worker;
static struct image_header *image;
static const struct ring_counters *count;
static FILE *log_of_dpdk;

/* --- the dataplane without its control thread, which is the test ------------------------------ */

/* Without end: host 1 at A speaks to host 2 at B and host 3 at C, and tries what neither permits. */
static void write_frames(void)
{
	FILE *file = capture_begin(capture);
	struct pkt p;

	for (unsigned to = 2; to <= 3; to++) {
		capture_udp(file, &p, 1, to);
		capture_tcp(file, &p, 1, to);
	}
	assert_int_equal(fclose(file), 0);
}

/* In tap mode there is one port in and one out. */
static void take_arguments(void)
{
	const char *place = tap ? "" : "role=access,vlan=10,side=inside,";
	char port[3][192], error[ARGS_ERROR];
	const char *const last = tap ? "--tap" : port[C];
	const char *const words[] = {"test",  "--run-dir", dir,     "--no-huge",           "--port",
				     port[A], "--port",    port[B], tap ? last : "--port", last};

	snprintf(port[A], sizeof(port[A]), "name=a,%sdevice=net_pcap,rx_pcap=%s,infinite_rx=1", place,
		 capture);
	snprintf(port[B], sizeof(port[B]), "name=b,%sdevice=net_null,no-rx=1", place);
	snprintf(port[C], sizeof(port[C]), "name=c,%sdevice=net_null,no-rx=1", place);
	if (args_parse(&args, tap ? 9 : 10, (char *const *)(uintptr_t)words, error) != ARGS_RUN)
		fail_msg("%s", error);
}

static void open_ports(void)
{
	struct device devices[ENGINE_PORTS_MAX];
	struct eal_plan plan = {.device = devices};
	char error[384];

	if (ports_plan(&ports, &args, error, sizeof(error)))
		fail_msg("%s", error);
	plan.n_devices = ports.n;
	plan.memory = ports_memory(&ports, true) + MEMORY;
	for (uint32_t i = 0; i < ports.n; i++)
		devices[i] = ports.port[i].device;
	if (eal_start(&args, &plan, error, sizeof(error)) || ports_open(&ports, &args, error, sizeof(error)))
		fail_msg("%s", error);
}

static void make_ring(void)
{
	static const char *const names[] = {"a", "b", "c"};
	const struct ring_geometry g = {.n_workers = 1,
					.n_ports = ports.n,
					.n_records = 1024,
					.n_aggregates = 64,
					.tap = tap,
					.port_names = names};
	size_t size = (ring_size(&g) + 63) & ~(size_t)63;
	void *memory = aligned_alloc(64, size);

	assert_non_null(memory);
	memset(memory, 0, size);
	assert_int_equal(ring_create_mem(&ring, memory, &g), 0);
	ring_producer_init(&producer, &ring, 0);
	count = &ring_worker(&ring, 0)->counters;
}

static void start_worker(void)
{
	struct engine_config engine = {.max_sessions = 1024,
				       .max_bindings = 1024,
				       .tap = tap,
				       .n_ports = ports.n,
				       .timeouts = args.timeouts};
	const struct worker_config config = {&engine, &producer, &clock_of_test, &ports};
	const char *error;
	size_t size;

	for (uint32_t i = 0; i < ports.n; i++)
		engine.port[i] = args.port[i].engine;
	clock_start(&clock_of_test, true);
	worker = worker_create(&config, &error);
	if (!worker)
		fail_msg("%s", error);
	image = good_image();
	struct snapshot_header *s = good_snapshot(image, 1, BINDINGS, &size);
	struct dp_binding *b = (struct dp_binding *)(s + 1);
	for (uint16_t i = 0; i < BINDINGS; i++)
		b[i].port = i;
	const struct order publish = {.publish = {image, 1, b, tap ? 0 : BINDINGS}};
	worker_preload(worker, &publish);
	free(s);
	assert_int_equal(worker_start(worker, EAL_WORKER_LCORE), 0);
}

static int start(void **state)
{
	assert_non_null(mkdtemp(dir));
	snprintf(capture, sizeof(capture), "%s/in.pcap", dir);
	write_frames();
	take_arguments();
	open_ports();
	log_of_dpdk = tmpfile();
	assert_int_equal(rte_openlog_stream(log_of_dpdk), 0);
	make_ring();
	start_worker();
	return 0;
}

static int end(void **state)
{
	char command[96];

	worker_destroy(worker);
	ports_close(&ports);
	eal_stop(&args);
	fclose(log_of_dpdk);
	free(ring.header);
	free(image);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* --- what is seen ------------------------------------------------------------------------------ */

static uint64_t now_of(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/* Frames that a port's driver was given to send. */
static uint64_t given(unsigned port)
{
	struct rte_eth_stats stats = {0};

	assert_int_equal(rte_eth_stats_get(ports.port[port].id, &stats), 0);
	return stats.opackets;
}

static uint64_t dropped_of_a(unsigned reason)
{
	return now_of(&count->dropped[A][reason]);
}

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static bool comes(uint64_t (*what)(unsigned), unsigned which)
{
	uint64_t before = what(which);

	for (time_t until = time(NULL) + WAIT_S; time(NULL) < until; pause_ms(5))
		if (what(which) > before + 100)
			return true;
	return false;
}

static uint64_t forwarded(unsigned unused)
{
	return now_of(&count->forwarded);
}

static uint64_t frames_in(unsigned unused)
{
	return now_of(&count->frames_in);
}

/* What cannot leave by a port that is gone: the engine has no way, or in tap mode, which has one always, the
 * frame cannot be sent. */
static enum reason no_way(void)
{
	return tap ? REASON_TX : REASON_NO_PORT;
}

/* As the PCI bus of DPDK does it, in a thread of DPDK's. */
static void *device_goes(void *name)
{
	rte_dev_event_callback_process(name, RTE_DEV_EVENT_REMOVE);
	return NULL;
}

static void take_out(unsigned port)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, device_goes, ports.port[port].device.id), 0);
	pthread_join(thread, NULL);
}

static void expect_closed(unsigned port)
{
	uint16_t id;

	assert_true(ports.port[port].removed);
	assert_false(ports.port[port].up || ports.port[port].open);
	assert_int_equal(rte_eth_dev_get_port_by_name(ports.port[port].device.id, &id), -ENODEV);
	assert_int_equal(rte_eal_hotplug_remove("vdev", ports.port[port].device.id), -EINVAL);
}

/* --- cases -------------------------------------------------------------------------------------- */

static void test_all_ports_carry(void **state)
{
	assert_true(comes(given, B));
	assert_true(tap || comes(given, C));
	assert_true(comes(forwarded, 0));
	assert_true(comes(dropped_of_a, REASON_NO_RULE));
	assert_int_equal(dropped_of_a(no_way()), 0);
}

/* Nobody who only asks closes a port: that is for who has made the worker let go. */
static void test_asking_closes_nothing(void **state)
{
	take_out(B);
	assert_true(comes(given, B));
	assert_false(ports.port[B].removed);
}

static void test_removed_under_traffic(void **state)
{
	removal_see_to(&ports, worker);
	expect_closed(B);
	assert_true(comes(dropped_of_a, no_way()));
	assert_true(comes(dropped_of_a, REASON_NO_RULE));
	assert_false(ports.port[A].removed);
}

/* The others go on; in tap mode there is no other way out. */
static void test_others_go_on(void **state)
{
	if (tap) {
		uint64_t before = forwarded(0);

		assert_true(comes(frames_in, 0));
		assert_int_equal(forwarded(0), before);
		return;
	}
	assert_true(comes(given, C));
	assert_true(comes(forwarded, 0));
	assert_false(ports.port[C].removed);
}

static void test_removed_once(void **state)
{
	take_out(B);
	port_leaves(&ports.port[B]);
	removal_see_to(&ports, worker);
	expect_closed(B);
	assert_true(comes(frames_in, 0));
}

/* The port that frames come in by: not one more is received, and the worker lives. */
static void test_receiving_port(void **state)
{
	take_out(A);
	removal_see_to(&ports, worker);
	expect_closed(A);
	uint64_t before = frames_in(0), beat = now_of(&count->heartbeat);
	pause_ms(100);
	assert_int_equal(frames_in(0), before);
	assert_true(now_of(&count->heartbeat) > beat);
}

/* DPDK says it, once for each port. */
static void test_closed_ports_are_not_touched(void **state)
{
	char line[512];

	rewind(log_of_dpdk);
	while (fgets(line, sizeof(line), log_of_dpdk))
		if (strstr(line, "not ready port"))
			fail_msg("%s", line);
}

static void test_laws_close(void **state)
{
	struct order stop = {.kind = ORDER_STOP};
	uint64_t dropped = 0;

	assert_int_equal(worker_order(worker, &stop), 0);
	worker_join(worker);
	for (unsigned port = 0; port <= RING_PORT_NONE; port++)
		for (unsigned reason = 0; reason < REASON_COUNT; reason++)
			dropped += count->dropped[port][reason];
	assert_int_equal(count->frames_in, count->forwarded + dropped);
	assert_int_equal(count->decisions,
			 count->decisions_pushed + count->decisions_aggregated + count->decisions_lost);
	assert_int_equal(count->sessions_opened, count->sessions_ended);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_ports_carry),
		cmocka_unit_test(test_asking_closes_nothing),
		cmocka_unit_test(test_removed_under_traffic),
		cmocka_unit_test(test_others_go_on),
		cmocka_unit_test(test_removed_once),
		cmocka_unit_test(test_receiving_port),
		cmocka_unit_test(test_laws_close),
		cmocka_unit_test(test_closed_ports_are_not_touched),
	};

	if (argc != 2)
		return 2;
	tap = !strcmp(argv[1], "tap");
	return cmocka_run_group_tests_name("removal", tests, start, end);
}
