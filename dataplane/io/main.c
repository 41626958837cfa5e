/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cordon-dp: ports, one worker with its engine, and the control socket. Start-up is the list in start_up(),
 * each step with one error; what was begun is undone in reverse. All rights are given up after the ports are
 * open and before the first frame is received.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_pdump.h>

#include "args.h"
#include "clock.h"
#include "ctl.h"
#include "eal.h"
#include "export.h"
#include "failures.h"
#include "lastgood.h"
#include "log.h"
#include "notify.h"
#include "port.h"
#include "publish.h"
#include "rights.h"
#include "runlock.h"
#include "worker.h"

#define EXIT_USAGE    2
#define EXIT_START    6
#define ERROR_ROOM    384u
#define BINDINGS_MAX  65536u
#define AGGREGATES    8192u
#define SESSION_BYTES 256ull
#define SLACK_BYTES   (64ull << 20) /* rings, worker, bindings, what DPDK takes for itself */

struct dataplane {
	struct args args;
	int lock;
	struct ports ports;
	struct ring_file ring;
	struct ring_producer producer;
	char ring_path[ARGS_PATH + 32];
	struct clock clock;
	struct worker *worker;
	struct publisher publisher;
	struct export_world exported;
	struct ctl *ctl;
	uint64_t safe_until_s;
	bool eal, ring_made, running, pdump;
};

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static uint64_t boot_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec;
}

/* --- after failures
 * ------------------------------------------------------------------------------------------- */

/* False: we are asked to end meanwhile. */
static bool wait_patiently(uint32_t seconds)
{
	char text[64];
	sigset_t set;

	if (!seconds)
		return true;
	log_warning("waiting %u s after repeated failures", seconds);
	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%llu", (seconds + 60ull) * 1000000);
	notify(text);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = seconds}) < 0;
}

/* After a series of failures: deny everything for a while, or leave the ports to who stands by. False: we are
 * asked to end meanwhile. */
static bool heed_failures(struct dataplane *dp)
{
	struct failures f = failures_read(dp->args.run_dir, boot_s());

	if (!f.left_s)
		return true;
	if (dp->args.yield)
		return wait_patiently(f.left_s);
	if (!wait_patiently(failures_wait(f)))
		return false;
	f = failures_read(dp->args.run_dir, boot_s());
	if (f.left_s) {
		log_error("%u failures within %u s", f.recent, FAILURES_WINDOW_S);
		dp->args.safe = true;
		dp->safe_until_s = boot_s() + f.left_s;
	}
	return true;
}

/* --- start-up steps: 0 or -errno with one line in `error`
 * ------------------------------------------------------ */

static int take_lock(struct dataplane *dp, char *error)
{
	dp->lock = runlock_take(dp->args.run_dir, "cordon-dp.lock", error, ERROR_ROOM);
	return dp->lock < 0 ? dp->lock : 0;
}

/* From here on, whoever does not end as asked has failed. */
static int note_start(struct dataplane *dp, char *error)
{
	int code = failures_note(dp->args.run_dir, boot_s());

	if (code)
		log_warning("%s: a failure will not be counted: %s", dp->args.run_dir, strerror(-code));
	return 0;
}

static int plan_ports(struct dataplane *dp, char *error)
{
	return ports_plan(&dp->ports, &dp->args, error, ERROR_ROOM);
}

static int start_eal(struct dataplane *dp, char *error)
{
	struct device devices[ENGINE_PORTS_MAX];
	struct eal_plan plan = {
		.n_devices = dp->ports.n,
		.device = devices,
		.memory = ports_memory(&dp->ports, dp->args.no_huge) + SLACK_BYTES,
	};

	for (uint32_t i = 0; i < dp->ports.n; i++)
		devices[i] = dp->ports.port[i].device;
	if (!dp->args.no_huge)
		plan.memory += dp->args.sessions * SESSION_BYTES;
	int code = eal_start(&dp->args, &plan, error, ERROR_ROOM);
	dp->eal = !code;
	return code;
}

static int open_ports(struct dataplane *dp, char *error)
{
	return ports_open(&dp->ports, &dp->args, error, ERROR_ROOM);
}

/* A capture needs a DPDK process beside us, and that needs shared memory. */
static int start_pdump(struct dataplane *dp, char *error)
{
	dp->pdump = !dp->args.no_huge && !rte_pdump_init();
	if (!dp->pdump)
		log_info("dpdk-dumpcap cannot attach: memory is not shared through a hugetlbfs");
	return 0;
}

/* The file's name tells its instance, which it gets when it is made. */
static int make_ring(struct dataplane *dp, char *error)
{
	const char *names[ENGINE_PORTS_MAX];
	struct ring_geometry g = {
		.n_workers = 1,
		.n_ports = dp->ports.n,
		.n_records = dp->args.records,
		.n_aggregates = AGGREGATES,
		.tap = dp->args.tap,
		.port_names = names,
	};
	char making[ARGS_PATH + 32];

	for (uint32_t i = 0; i < dp->ports.n; i++)
		names[i] = dp->ports.port[i].name;
	snprintf(making, sizeof(making), "%s/dp.ring.new", dp->args.run_dir);
	unlink(making);
	int code = ring_create(&dp->ring, making, &g);
	if (code) {
		snprintf(error, ERROR_ROOM, "ring file in %s: %s", dp->args.run_dir, strerror(-code));
		return code;
	}
	dp->ring_made = true;
	snprintf(dp->ring_path, sizeof(dp->ring_path), "%s/dp-%016" PRIx64 ".ring", dp->args.run_dir,
		 dp->ring.header->instance);
	if (rename(making, dp->ring_path)) {
		snprintf(error, ERROR_ROOM, "%s: %s", dp->ring_path, strerror(errno));
		return -errno;
	}
	ring_producer_init(&dp->producer, &dp->ring, 0);
	return 0;
}

static void *huge_alloc(size_t size, size_t align)
{
	return rte_zmalloc("engine", size, (unsigned)align);
}

static int make_worker(struct dataplane *dp, char *error)
{
	struct engine_config engine = {
		.max_sessions = dp->args.sessions,
		.max_bindings = BINDINGS_MAX,
		.records_per_second = dp->args.rate,
		.tap = dp->args.tap,
		.n_ports = dp->ports.n,
		.timeouts = dp->args.timeouts,
		.alloc = dp->args.no_huge ? NULL : huge_alloc,
		.free = dp->args.no_huge ? NULL : rte_free,
	};
	struct worker_config config = {&engine, &dp->producer, &dp->clock, &dp->ports};
	const char *why = NULL;

	for (uint32_t i = 0; i < dp->ports.n; i++)
		engine.port[i] = dp->args.port[i].engine;
	if (getrandom(engine.hash_key, sizeof(engine.hash_key), 0) != sizeof(engine.hash_key)) {
		snprintf(error, ERROR_ROOM, "no random numbers: %s", strerror(errno));
		return -errno;
	}
	clock_start(&dp->clock, dp->args.clock_trusted);
	dp->worker = worker_create(&config, &why);
	if (!dp->worker) {
		snprintf(error, ERROR_ROOM, "engine: %s", why);
		return -ENOMEM;
	}
	dp->publisher = (struct publisher){.worker = dp->worker, .n_ports = dp->ports.n, .tap = dp->args.tap};
	return 0;
}

static int load_last_good(struct dataplane *dp, char *error)
{
	struct lastgood good;
	char why[ERROR_ROOM];

	if (dp->args.safe) {
		log_error("safe mode: everything is denied and no policy is taken%s",
			  dp->safe_until_s ? ", for some minutes or until cordon-dp is stopped and started"
					   : "");
		return 0;
	}
	switch (lastgood_load(&good, dp->args.state_dir, why, sizeof(why))) {
	case LASTGOOD_OK:
		publish_last_good(&dp->publisher, &good);
		log_info("generation %u is in force, from %s", dp->publisher.generation, dp->args.state_dir);
		break;
	case LASTGOOD_NONE:
		log_warning("no last good policy in %s: everything is denied until cordond publishes one",
			    dp->args.state_dir);
		break;
	case LASTGOOD_BAD:
		log_error("last good policy refused, everything is denied until cordond publishes one: %s",
			  why);
		break;
	}
	return 0;
}

static int open_control(struct dataplane *dp, char *error)
{
	struct ctl_world world = {
		.args = &dp->args,
		.ring = &dp->ring,
		.ring_path = dp->ring_path,
		.clock = &dp->clock,
		.ports = &dp->ports,
		.worker = dp->worker,
		.publisher = &dp->publisher,
		.safe_until_s = dp->safe_until_s,
	};

	dp->exported = (struct export_world){&dp->ring, &dp->ports, &dp->publisher};
	if (export_register(&dp->exported))
		log_warning("no telemetry");
	dp->ctl = ctl_open(&world, error, ERROR_ROOM);
	return dp->ctl ? 0 : -EIO;
}

static int drop_rights(struct dataplane *dp, char *error)
{
	return rights_drop_all(error, ERROR_ROOM);
}

static int admit_guests(struct dataplane *dp, char *error)
{
	return ports_admit(&dp->ports, error, ERROR_ROOM);
}

static int run_worker(struct dataplane *dp, char *error)
{
	int code = worker_start(dp->worker, EAL_WORKER_LCORE);

	if (code)
		snprintf(error, ERROR_ROOM, "worker: %s", strerror(-code));
	dp->running = !code;
	return code;
}

static int start_up(struct dataplane *dp, char *error)
{
	static int (*const steps[])(struct dataplane * dp, char *error) = {
		take_lock,   note_start,     plan_ports,   start_eal,   open_ports, start_pdump,  make_ring,
		make_worker, load_last_good, open_control, drop_rights, run_worker, admit_guests,
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int code = steps[i](dp, error);

		if (code)
			return code;
	}
	return 0;
}

/* --- the end
 * --------------------------------------------------------------------------------------------------- */

static void stop_worker(struct dataplane *dp)
{
	struct order stop = {.kind = ORDER_STOP};

	worker_order(dp->worker, &stop);
	worker_join(dp->worker);
}

static void shut_down(struct dataplane *dp)
{
	if (dp->running)
		stop_worker(dp);
	ctl_close(dp->ctl);
	worker_destroy(dp->worker);
	publish_close(&dp->publisher);
	if (dp->ring_made) {
		ring_shut(&dp->ring);
		if (!dp->running)
			unlink(dp->ring_path);
	}
	if (dp->pdump)
		rte_pdump_uninit();
	ports_close(&dp->ports);
	if (dp->eal)
		eal_stop(&dp->args);
	/* The ring stays mapped: DPDK's telemetry has a thread that reads it and is not waited for. */
}

static int run(struct dataplane *dp)
{
	char error[ERROR_ROOM] = "";

	if (!heed_failures(dp)) {
		failures_forget(dp->args.run_dir);
		return 0;
	}
	int code = start_up(dp, error);

	if (code) {
		log_error("%s", error);
	} else {
		log_info("running: %u port%s, instance %016" PRIx64 "%s%s", dp->ports.n,
			 dp->ports.n == 1 ? "" : "s", dp->ring.header->instance,
			 dp->args.tap ? ", tap mode" : "", dp->args.no_huge ? ", without huge pages" : "");
		notify("READY=1");
		ctl_run(dp->ctl);
	}
	shut_down(dp);
	if (!code)
		failures_forget(dp->args.run_dir);
	return code ? EXIT_START : 0;
}

int main(int argc, char *argv[])
{
	static struct dataplane dp = {.lock = -1, .ports.probe = -1};
	char error[ARGS_ERROR];

	switch (args_parse(&dp.args, argc, argv, error)) {
	case ARGS_BAD:
		log_error("%s", error);
		return EXIT_USAGE;
	case ARGS_HELP:
		fputs(args_usage(), stdout);
		return 0;
	case ARGS_VERSION:
		puts("cordon-dp " CORDON_VERSION);
		return 0;
	case ARGS_RUN:
		break;
	}
	block_signals();
	rights_seal();
	return run(&dp);
}
