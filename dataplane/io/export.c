/* SPDX-License-Identifier: BSD-3-Clause */
#include "export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <rte_telemetry.h>
#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
#define rte_tel_data_add_dict_uint rte_tel_data_add_dict_u64
#endif

/* Telemetry hands its callbacks no context. */
static const struct export_world *exported;

static uint64_t read_counter(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static const struct ring_counters *counters(uint32_t worker)
{
	return &ring_worker(exported->ring, worker)->counters;
}

static uint64_t sum_at(size_t offset)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < exported->ring->n_workers; i++)
		sum += read_counter((const uint64_t *)((const char *)counters(i) + offset));
	return sum;
}

/* A sum over the workers, but of heartbeats the oldest. */
static uint64_t counter_at(size_t offset)
{
	if (offset == offsetof(struct ring_counters, heartbeat))
		return ring_heartbeat(exported->ring);
	return sum_at(offset);
}

static uint64_t sum_dropped(uint32_t port, uint32_t reason)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < exported->ring->n_workers; i++)
		sum += read_counter(&counters(i)->dropped[port][reason]);
	return sum;
}

/* Telemetry takes no hyphen in a name: `no_rule`. */
static void add_reason(struct rte_tel_data *d, uint32_t reason, uint64_t count)
{
	char name[32];

	snprintf(name, sizeof(name), "%s", reason_word(reason));
	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = '_';
	rte_tel_data_add_dict_uint(d, name, count);
}

/* Reasons that occurred, on one port or (first, last) several. */
static struct rte_tel_data *drops(uint32_t first, uint32_t last)
{
	struct rte_tel_data *d = rte_tel_data_alloc();

	if (!d)
		return NULL;
	rte_tel_data_start_dict(d);
	for (uint32_t reason = 0; reason < REASON_COUNT; reason++) {
		uint64_t sum = 0;

		for (uint32_t port = first; port <= last; port++)
			sum += sum_dropped(port, reason);
		if (sum)
			add_reason(d, reason, sum);
	}
	return d;
}

static int on_stats(const char *command, const char *parameters, struct rte_tel_data *d)
{
	rte_tel_data_start_dict(d);
#define X(name) rte_tel_data_add_dict_uint(d, #name, counter_at(offsetof(struct ring_counters, name)));
	RING_COUNTERS(X)
#undef X
	return rte_tel_data_add_dict_container(d, "dropped", drops(0, RING_PORT_NONE), 0);
}

static int on_info(const char *command, const char *parameters, struct rte_tel_data *d)
{
	const struct ring_header *h = exported->ring->header;
	char instance[17];

	snprintf(instance, sizeof(instance), "%016" PRIx64, h->instance);
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "instance", instance);
	rte_tel_data_add_dict_uint(
		d, "generation",
		atomic_load_explicit(&exported->publisher->generation, memory_order_relaxed));
	rte_tel_data_add_dict_uint(d, "workers", exported->ring->n_workers);
	rte_tel_data_add_dict_uint(d, "ports", exported->ports->n);
	return rte_tel_data_add_dict_int(d, "tap", (int)h->tap);
}

static struct rte_tel_data *one_port(uint32_t i)
{
	const struct port *port = &exported->ports->port[i];
	struct rte_tel_data *d = rte_tel_data_alloc();

	if (!d)
		return NULL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", port->name);
	rte_tel_data_add_dict_string(d, "driver", port->driver);
	rte_tel_data_add_dict_int(d, "up", atomic_load_explicit(&port->up, memory_order_relaxed));
	rte_tel_data_add_dict_int(d, "removed", atomic_load_explicit(&port->removed, memory_order_relaxed));
	rte_tel_data_add_dict_container(d, "dropped", drops(i, i), 0);
	return d;
}

/* A dictionary in an array is not allowed. */
static int on_ports(const char *command, const char *parameters, struct rte_tel_data *d)
{
	rte_tel_data_start_dict(d);
	for (uint32_t i = 0; i < exported->ports->n; i++) {
		struct rte_tel_data *port = one_port(i);
		char key[16];

		snprintf(key, sizeof(key), "port%u", i);
		if (port)
			rte_tel_data_add_dict_container(d, key, port, 0);
	}
	return 0;
}

int export_register(const struct export_world *world)
{
	static const struct {
		const char *command, *help;
		telemetry_cb answer;
	} commands[] = {
		{"/cordon/info", "Instance, generation in force, workers, ports.", on_info},
		{"/cordon/stats", "All counters and drops by reason.", on_stats},
		{"/cordon/ports", "Driver, link and drops by port.", on_ports},
	};

	exported = world;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int code =
			rte_telemetry_register_cmd(commands[i].command, commands[i].answer, commands[i].help);

		if (code)
			return code;
	}
	return 0;
}
