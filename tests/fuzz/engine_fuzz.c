/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any sequence of frames and events against a whole engine: no crash, and both laws close after every step.
 *
 * Input: byte 0, bit 0: tap mode. Then steps: one byte says what (bits 0-1: port; bit 2: time passes first;
 * bit 3: the policy goes away or comes back first; bit 4: a tick first), one byte the frame's length, then
 * the frame.
 */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "mkimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP_PORT = 3, STEP_TIME = 4, STEP_POLICY = 8, STEP_TICK = 16 };

struct life {
	struct engine *engine;
	struct ring_file ring;
	struct image_header *image;
	void *memory;
	struct engine_clock now;
	bool in_force;
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct image_header *make_image(void)
{
	static const struct mkimage_prefix prefixes[] = {{0x0a000000, 16, PREFIX_FINAL},
							 {0x0a000080, 17, PREFIX_FINAL}};
	struct mkimage_cell cells[] = {
		{16, 17, 0, SERVICE_KEY_END, mkimage_allow(1)},
		{IDENTITY_UNKNOWN, IDENTITY_MULTICAST, 17u << 16, 18u << 16, mkimage_allow(2)},
		{17, IDENTITY_UNKNOWN, 6u << 16, 7u << 16, mkimage_deny(3)},
	};
	const struct mkimage m = {cells, 3, prefixes, 2, 0};

	cells[2].decision.flags = DECISION_REJECT;
	return mkimage(&m);
}

static void publish(struct life *l, bool image)
{
	engine_publish(l->engine, image ? l->image : NULL, 1, NULL, 0, l->now);
	l->in_force = image;
}

static void begin(struct life *l, bool tap)
{
	struct ring_geometry g = {.n_workers = 1, .n_ports = 4, .n_records = 16, .n_aggregates = 8};
	struct engine_config c = {
		.max_sessions = 4,
		.max_bindings = 8,
		.tap = tap,
		.n_ports = tap ? 2 : 4,
		.timeouts = ENGINE_TIMEOUTS_DEFAULT,
		.records_per_second = 5,
	};
	struct ring_producer producer;
	const char *error;

	for (uint32_t i = 0; i < c.n_ports; i++)
		c.port[i] = (struct engine_port){
			.vlan = 10, .mtu = 1500, .side = i == 3 ? ENGINE_OUTSIDE : ENGINE_INSIDE};
	l->memory = aligned_alloc(64, ring_size(&g));
	must(l->memory != NULL);
	memset(l->memory, 0, ring_size(&g));
	must(ring_create_mem(&l->ring, l->memory, &g) == 0);
	ring_producer_init(&producer, &l->ring, 0);
	l->engine = engine_create(&c, &producer, &error);
	must(l->engine != NULL);
	l->image = make_image();
	l->now = (struct engine_clock){1000000000, 1000000000, true};
	publish(l, true);
}

static void check_laws(const struct life *l)
{
	const struct ring_counters *c = &ring_worker(&l->ring, 0)->counters;
	uint64_t dropped = 0;

	for (uint32_t port = 0; port <= RING_PORT_NONE; port++)
		for (uint32_t reason = 0; reason < REASON_COUNT; reason++)
			dropped += c->dropped[port][reason];
	must(c->frames_in == c->forwarded + dropped);
	must(c->decisions == c->decisions_pushed + c->decisions_aggregated + c->decisions_lost);
	must(c->updates == c->updates_pushed + c->updates_lost);
	must(c->sessions == c->sessions_opened - c->sessions_ended && c->sessions <= 4);
}

static void events(struct life *l, uint8_t what)
{
	if (what & STEP_TIME) {
		l->now.now_ns += UINT64_C(40000000000);
		l->now.utc_ns += INT64_C(40000000000);
	}
	if (what & STEP_POLICY)
		publish(l, !l->in_force);
	if (what & STEP_TICK)
		engine_tick(l->engine, l->now, 3);
}

static void frame_in(struct life *l, uint8_t port, const uint8_t *bytes, uint32_t len)
{
	uint8_t *block = malloc(FRAME_HEADROOM + len), room[2048];
	struct frame f = {.data = block + FRAME_HEADROOM, .len = len, .wire_len = len}, own = {.data = room};

	must(block != NULL);
	memcpy(f.data, bytes, len);
	engine_burst(l->engine, port, &f, 1, l->now);
	if (f.act != FRAME_DROP)
		engine_sent(l->engine, port, 1, 0);
	for (own.len = sizeof(room); engine_originated(l->engine, &own); own.len = sizeof(room))
		must(own.len <= sizeof(room));
	free(block);
}

static void end(struct life *l)
{
	engine_close_sessions(l->engine, l->now, RECORD_END_SHUTDOWN);
	check_laws(l);
	engine_destroy(l->engine);
	free(l->image);
	free(l->memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct life l = {0};
	bool tap = size && data[0] & 1;
	size_t at = 1;

	begin(&l, tap);
	while (at + 2 <= size) {
		uint8_t what = data[at];
		size_t len = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;

		events(&l, what);
		frame_in(&l, tap ? 0 : what & STEP_PORT, data + at + 2, (uint32_t)len);
		check_laws(&l);
		at += 2 + len;
	}
	end(&l);
	return 0;
}
