/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring has a place for every session, so that even ending all of them at once loses nothing. Its pages
 * are taken as they are used. The engine's clock follows the capture's, but never goes back and never leaps
 * further than a day: past that every session is over anyway.
 */
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "addr.h"

#define NS_PER_S     UINT64_C(1000000000)
#define LEAP_MAX_NS  (86400 * NS_PER_S)
#define TICK_SLOTS   16u
#define DRAIN        64u
#define NO_MTU       UINT16_MAX
#define N_AGGREGATES 64u

struct tap {
	struct tap_config config;
	struct dictionary *dict;
	struct image_header *image;
	size_t image_size;
	uint16_t *number; /* by index into the identity space */
	struct ring_file ring;
	void *memory;
	size_t memory_size;
	struct engine *engine;
	struct engine_clock clock;
	int64_t last_utc_ns;
	bool started;
};

/* --- who is behind an address ------------------------------------------------------------------ */

static uint16_t classify(void *ctx, const struct engine_endpoint *endpoint)
{
	struct tap *t = ctx;
	struct endpoint_evidence e = {
		.family = endpoint->family,
		.has_mac = t->config.layer2,
		.vlan = endpoint->vlan,
		.port = t->config.port,
		.outside = true,
		.group = addr_kind(endpoint->family, endpoint->addr) == ADDR_GROUP ||
			 (t->config.layer2 && (endpoint->mac[0] & 1) != 0),
	};

	memcpy(e.addr, endpoint->addr, sizeof(e.addr));
	memcpy(e.mac, endpoint->mac, sizeof(e.mac));
	uint16_t identity = t->number[policy_classify(t->config.rs, &e)];
	if (t->config.endpoint != NULL)
		t->config.endpoint(t->config.ctx, endpoint, identity);
	return identity;
}

/* --- making and ending ------------------------------------------------------------------------- */

static enum compile_result compile(struct tap *t, char *error, size_t room)
{
	const struct ruleset *rs = t->config.rs;
	struct compile_stats stats;

	t->dict = dictionary_new();
	t->number = calloc(rs->n_identities, sizeof(*t->number));
	if (t->dict == NULL || t->number == NULL) {
		snprintf(error, room, "out of memory");
		return COMPILE_NO_MEMORY;
	}
	enum compile_result result = compile_image(rs, t->dict, &COMPILE_LIMITS_DEFAULT, &t->image,
						   &t->image_size, &stats, error, room);
	for (size_t i = 0; result == COMPILE_OK && i < rs->n_identities; i++)
		t->number[i] = rs->identities[i].reserved != 0
				       ? rs->identities[i].reserved
				       : dictionary_find(t->dict, rs->identities[i].text);
	return result;
}

static uint32_t power_of_two(uint32_t at_least)
{
	uint32_t n = 1024;

	while (n < at_least)
		n *= 2;
	return n;
}

static bool ring_make(struct tap *t)
{
	static const char *const names[] = {"in", "out"};
	struct ring_geometry g = {.n_workers = 1,
				  .n_ports = 2,
				  .n_records = power_of_two(t->config.max_sessions + 256),
				  .n_aggregates = N_AGGREGATES,
				  .tap = true,
				  .port_names = names};

	t->memory_size = ring_size(&g);
	t->memory = mmap(NULL, t->memory_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->memory == MAP_FAILED) {
		t->memory = NULL;
		return false;
	}
	return ring_create_mem(&t->ring, t->memory, &g) == 0;
}

/* Memory for the engine that costs nothing until it is touched. Its size is kept before it. */
#define ROOM_LINE 4096u

static void *room_take(size_t size, size_t align)
{
	size_t *whole;

	if (align > ROOM_LINE || size > SIZE_MAX - ROOM_LINE)
		return NULL;
	whole = mmap(NULL, size + ROOM_LINE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (whole == MAP_FAILED)
		return NULL;
	*whole = size + ROOM_LINE;
	return (char *)whole + ROOM_LINE;
}

static void room_give(void *room)
{
	if (room == NULL)
		return;
	size_t *whole = (size_t *)(void *)((char *)room - ROOM_LINE);
	munmap(whole, *whole);
}

static bool engine_make(struct tap *t, char *error, size_t room)
{
	struct ring_producer producer;
	const char *why = "no memory for the ring";
	struct engine_config config = {
		.max_sessions = t->config.max_sessions,
		.max_bindings = 64,
		.record_all = true,
		.tap = true,
		.n_ports = 2,
		.port = {{.role = ENGINE_ACCESS, .side = ENGINE_INSIDE, .mtu = NO_MTU},
			 {.role = ENGINE_ACCESS, .side = ENGINE_OUTSIDE, .mtu = NO_MTU}},
		.timeouts = ENGINE_TIMEOUTS_DEFAULT,
		.classify = classify,
		.classify_ctx = t,
		.alloc = room_take,
		.free = room_give,
	};

	if (getrandom(config.hash_key, sizeof(config.hash_key), 0) < 0)
		memcpy(config.hash_key, &t->last_utc_ns, sizeof(t->last_utc_ns));
	if (ring_make(t)) {
		ring_producer_init(&producer, &t->ring, 0);
		t->engine = engine_create(&config, &producer, &why);
	}
	if (t->engine == NULL)
		snprintf(error, room, "%s", why);
	return t->engine != NULL;
}

enum compile_result tap_new(const struct tap_config *config, struct tap **out, char *error, size_t room)
{
	struct tap *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (t == NULL) {
		snprintf(error, room, "out of memory");
		return COMPILE_NO_MEMORY;
	}
	t->config = *config;
	enum compile_result result = compile(t, error, room);
	if (result == COMPILE_OK && !engine_make(t, error, room))
		result = COMPILE_NO_MEMORY;
	if (result != COMPILE_OK) {
		tap_free(t);
		return result;
	}
	*out = t;
	return COMPILE_OK;
}

void tap_free(struct tap *t)
{
	if (t == NULL)
		return;
	engine_destroy(t->engine);
	if (t->memory != NULL)
		munmap(t->memory, t->memory_size);
	free(t->image);
	free(t->number);
	dictionary_free(t->dict);
	free(t);
}

/* --- frames ------------------------------------------------------------------------------------ */

static void tap_time(struct tap *t, int64_t utc_ns)
{
	if (!t->started) {
		t->clock = (struct engine_clock){.now_ns = NS_PER_S, .utc_good = true};
		t->last_utc_ns = utc_ns;
	}
	if (utc_ns > t->last_utc_ns) {
		uint64_t leap = (uint64_t)(utc_ns - t->last_utc_ns);
		t->clock.now_ns += leap < LEAP_MAX_NS ? leap : LEAP_MAX_NS;
		t->last_utc_ns = utc_ns;
	}
	t->clock.utc_ns = utc_ns;
	if (!t->started)
		engine_publish(t->engine, t->image, 1, NULL, 0, t->clock);
	t->started = true;
}

static void tap_drain(struct tap *t, tap_record_fn *f, void *ctx)
{
	struct ring_worker *worker = ring_worker(&t->ring, 0);
	struct record records[DRAIN];
	uint32_t n;

	do {
		uint64_t tail = worker->consumer.tail;
		n = ring_read(&t->ring, 0, tail, records, DRAIN);
		for (uint32_t i = 0; i < n; i++)
			f(ctx, &records[i]);
		ring_release(&t->ring, 0, tail + n);
	} while (n > 0);
}

/* Resets and rejects have nowhere to go. */
static void tap_discard(struct tap *t)
{
	uint8_t bytes[2048];
	struct frame f;

	do
		f = (struct frame){.data = bytes + FRAME_HEADROOM, .len = sizeof(bytes) - FRAME_HEADROOM};
	while (engine_originated(t->engine, &f));
}

void tap_frame(struct tap *t, struct frame *frame, int64_t utc_ns, tap_record_fn *f, void *ctx)
{
	tap_time(t, utc_ns);
	/* half full: what is over goes first */
	bool crowded = tap_counters(t)->sessions > t->config.max_sessions / 2;
	engine_tick(t->engine, t->clock, crowded ? 64 * TICK_SLOTS : TICK_SLOTS);
	engine_burst(t->engine, 0, frame, 1, t->clock);
	if (frame->act != FRAME_DROP)
		engine_sent(t->engine, 0, 1, 0);
	tap_discard(t);
	tap_drain(t, f, ctx);
}

void tap_finish(struct tap *t, tap_record_fn *f, void *ctx)
{
	engine_close_sessions(t->engine, t->clock, RECORD_END_SHUTDOWN);
	tap_drain(t, f, ctx);
}

const struct ring_counters *tap_counters(const struct tap *t)
{
	return &ring_worker(&t->ring, 0)->counters;
}

const struct image_header *tap_image(const struct tap *t, size_t *size)
{
	*size = t->image_size;
	return t->image;
}

const struct dictionary *tap_dictionary(const struct tap *t)
{
	return t->dict;
}

const char *tap_identity_text(const struct tap *t, uint16_t number)
{
	const char *text = dictionary_text(t->dict, number);

	return text != NULL ? text : "$none";
}
