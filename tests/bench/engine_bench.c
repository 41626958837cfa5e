/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one packet costs in the engine alone: tap mode, 64-byte UDP frames of N flows, both directions, all
 * flows established before the clock starts. Frames are read where they lie, one after the other, as from a
 * looped capture; a frame array is filled per burst, as a port would. One JSON object per number of flows.
 *
 *   engine_bench [--l2] [SECONDS [FLOWS...]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"
#include "mkimage.h"

#define STRIDE   64u
#define FRAME    60u /* without FCS */
#define NS_PER_S 1000000000u
#define BURST    32u
#define CLIENT   16
#define SERVER   17
#define CLIENTS  1024u
#define SERVERS  256u
#define DOMAIN   10u

struct bench {
	struct engine *engine;
	struct ring_file ring;
	uint8_t *frames;
	bool bridged;
	uint32_t n_frames;
	uint64_t passed;
	uint64_t setup_ns; /* first round: every flow's first frame and its answer */
};

/* Processor time of this thread: what the packet costs, whoever else is on the machine. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "engine_bench: %s\n", what);
	exit(1);
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v & 0xffff);
}

static void ip_sum(uint8_t *ip)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~sum & 0xffff);
}

static void put_mac(uint8_t *at, uint32_t addr)
{
	at[0] = 2;
	at[1] = 0;
	put32(at + 2, addr);
}

static uint32_t client_of(uint32_t n)
{
	return 0x0a000000 | (n & (CLIENTS - 1));
}

static uint32_t server_of(uint32_t n)
{
	return 0x0a800000 | (n / CLIENTS & (SERVERS - 1));
}

/* Clients and servers in turn; more flows than pairs differ in their source port. */
static void make_frame(uint8_t *f, uint32_t n, bool back)
{
	uint32_t client = client_of(n), server = server_of(n), sport = 1024 + n / CLIENTS, dport = 53;
	uint8_t *ip = f + 14;

	memset(f, 0, STRIDE);
	put_mac(f, back ? client : server);
	put_mac(f + 6, back ? server : client);
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, FRAME - 14);
	ip[8] = 64;
	ip[9] = 17;
	put32(ip + 12, back ? server : client);
	put32(ip + 16, back ? client : server);
	ip_sum(ip);
	put16(ip + 20, back ? dport : sport);
	put16(ip + 22, back ? sport : dport);
	put16(ip + 24, FRAME - 34);
}

static struct image_header *make_image(void)
{
	static const struct mkimage_prefix prefixes[] = {
		{0x0a000000, CLIENT, PREFIX_FINAL},
		{0x0a800000, SERVER, PREFIX_FINAL},
	};
	const struct mkimage_cell cell = {CLIENT, SERVER, 17u << 16 | 53, (17u << 16 | 53) + 1,
					  mkimage_allow(1)};
	const struct mkimage m = {&cell, 1, prefixes, 2, 0};

	return mkimage(&m);
}

static void make_engine(struct bench *b, uint32_t flows)
{
	struct ring_geometry g = {.n_workers = 1, .n_ports = 2, .n_records = 1u << 16, .n_aggregates = 1024};
	struct engine_config c = {
		.max_sessions = flows,
		.max_bindings = b->bridged ? 4096 : 0,
		.tap = !b->bridged,
		.n_ports = 2,
		.port = {{.vlan = DOMAIN, .mtu = 1500}, {.vlan = DOMAIN, .mtu = 1500}},
		.timeouts = ENGINE_TIMEOUTS_DEFAULT,
		.hash_key = {1, 2, 3, 4},
	};
	void *memory = aligned_alloc(64, ring_size(&g));
	struct ring_producer producer;
	const char *error;

	must(memory != NULL, "out of memory");
	memset(memory, 0, ring_size(&g));
	must(ring_create_mem(&b->ring, memory, &g) == 0, "no ring");
	ring_producer_init(&producer, &b->ring, 0);
	b->engine = engine_create(&c, &producer, &error);
	must(b->engine != NULL, error);
}

static struct engine_clock clock_at(uint64_t ns)
{
	return (struct engine_clock){ns, (int64_t)ns, true};
}

static void bind_host(struct bench *b, uint32_t addr, uint16_t port, uint16_t identity)
{
	struct dp_binding binding = {
		.domain = DOMAIN,
		.port = port,
		.identity = identity,
		.family = 4,
		.dictionary = MKIMAGE_IDENTITIES,
		.lease_s = UINT32_MAX,
	};

	put32(binding.addr, addr);
	put_mac(binding.mac, addr);
	must(engine_bind(b->engine, &binding, clock_at(now_ns())) == 0, "a host was not bound");
}

static void bind_hosts(struct bench *b)
{
	for (uint32_t n = 0; b->bridged && n < CLIENTS; n++)
		bind_host(b, client_of(n), 0, CLIENT);
	for (uint32_t n = 0; b->bridged && n < SERVERS; n++)
		bind_host(b, server_of(n * CLIENTS), 1, SERVER);
}

/* Every frame once; in layer-2 mode the second half, which goes back, comes in at the other port. */
static void round_of(struct bench *b, struct engine_clock clock)
{
	struct frame burst[BURST];

	for (uint32_t at = 0, n; at < b->n_frames; at += n) {
		uint32_t half = at < b->n_frames / 2 ? b->n_frames / 2 : b->n_frames, forwarded = 0;
		uint32_t port = b->bridged && half == b->n_frames;

		n = half - at < BURST ? half - at : BURST;

		for (uint32_t i = 0; i < n; i++) {
			uint8_t *data = b->frames + (size_t)(at + i) * STRIDE;

			burst[i] = (struct frame){.data = data, .len = FRAME, .wire_len = FRAME};
		}
		engine_burst(b->engine, port, burst, n, clock);
		for (uint32_t i = 0; i < n; i++)
			forwarded += burst[i].act == FRAME_FORWARD;
		engine_sent(b->engine, port, forwarded, 0);
		b->passed += forwarded;
	}
}

static void report(const struct bench *b, uint32_t flows, uint64_t packets, uint64_t ns)
{
	const struct ring_counters *c = &ring_worker(&b->ring, 0)->counters;
	double each = (double)ns / (double)packets;

	printf("{\"bench\":\"engine\",\"mode\":\"%s\",\"flows\":%u,\"packets\":%llu,\"ns_per_packet\":%.2f,"
	       "\"mpps\":%.2f,\"ns_per_setup\":%.1f,\"sessions\":%llu,\"forwarded\":%llu,\"frames_in\":%llu}"
	       "\n",
	       b->bridged ? "l2" : "tap", flows, (unsigned long long)packets, each, 1000 / each,
	       (double)b->setup_ns / flows, (unsigned long long)c->sessions, (unsigned long long)c->forwarded,
	       (unsigned long long)c->frames_in);
}

static void run(uint32_t flows, double seconds, bool bridged)
{
	struct bench b = {.n_frames = 2 * flows, .bridged = bridged};
	uint64_t start, end, packets = 0;

	make_engine(&b, flows + flows / 4);
	b.frames = aligned_alloc(2u << 20,
				 ((size_t)b.n_frames * STRIDE + (2u << 20) - 1) & ~(size_t)((2u << 20) - 1));
	must(b.frames != NULL, "out of memory");
	for (uint32_t i = 0; i < flows; i++) {
		make_frame(b.frames + (size_t)i * STRIDE, i, false);
		make_frame(b.frames + (size_t)(flows + i) * STRIDE, i, true);
	}
	engine_publish(b.engine, make_image(), 1, NULL, 0, clock_at(now_ns()));
	bind_hosts(&b);
	start = now_ns();
	round_of(&b, clock_at(start));
	b.setup_ns = now_ns() - start;
	must(b.passed == b.n_frames, "not every frame was forwarded");
	start = now_ns();
	do {
		round_of(&b, clock_at(now_ns()));
		packets += b.n_frames;
		end = now_ns();
	} while ((double)(end - start) < seconds * NS_PER_S);
	must(b.passed == packets + b.n_frames, "not every frame was forwarded");
	report(&b, flows, packets, end - start);
	free((void *)(uintptr_t)engine_publish(b.engine, NULL, 0, NULL, 0, clock_at(end)));
	engine_destroy(b.engine);
	free(b.ring.header);
	free(b.frames);
}

int main(int argc, char **argv)
{
	static const uint32_t usual[] = {500, 32768, 500000};
	bool bridged = argc > 1 && !strcmp(argv[1], "--l2");
	double seconds;

	argc -= bridged;
	argv += bridged;
	seconds = argc > 1 ? atof(argv[1]) : 2;
	for (int i = 2; i < argc; i++)
		run((uint32_t)strtoul(argv[i], NULL, 10), seconds, bridged);
	for (size_t i = 0; argc <= 2 && i < sizeof(usual) / sizeof(*usual); i++)
		run(usual[i], seconds, bridged);
	return 0;
}
