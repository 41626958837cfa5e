/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /metrics: Prometheus text. Counters of the live dataplane come straight from its ring file; the laws
 * are the store's, summed over all instances.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "ring.h"

struct sums {
#define X(name) uint64_t name;
	RING_COUNTERS(X)
#undef X
	uint64_t dropped[RING_PORTS_MAX + 1][REASON_COUNT];
};

/* All others only grow. */
static bool is_gauge(const char *name)
{
	static const char *const gauges[] = {
		"decisions_pending", "updates_pending",   "laws_closed",  "storing",
		"generation",        "dp_connected",      "dp_equal",     "bindings",
		"bindings_unknown",  "bindings_conflict", "dp_bindings",  "dp_sessions",
		"dp_generation",     "dp_heartbeat",      "engine_equal", "proof_age_seconds",
		"port_up",           "port_removed",
	};

	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		if (strcmp(gauges[i], name) == 0)
			return true;
	return false;
}

static void print_type(FILE *out, const char *name)
{
	fprintf(out, "# TYPE cordon_%s %s\n", name, is_gauge(name) ? "gauge" : "counter");
}

static void print_metric(FILE *out, const char *name, uint64_t value)
{
	print_type(out, name);
	fprintf(out, "cordon_%s %llu\n", name, (unsigned long long)value);
}

/* The ring file is the dataplane's: a name in it may be anything, a label's text may not. */
static const char *label_text(const char *name, char text[RING_PORT_NAME + 1])
{
	size_t n = strnlen(name, RING_PORT_NAME);

	for (size_t i = 0; i < n; i++)
		text[i] =
			name[i] > ' ' && name[i] < 0x7f && name[i] != '"' && name[i] != '\\' ? name[i] : '?';
	text[n] = 0;
	return text;
}

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void add_worker(struct sums *s, const struct ring_counters *c, uint32_t n_ports)
{
#define X(name) s->name += load(&c->name);
	RING_COUNTERS(X)
#undef X
	for (uint32_t p = 0; p <= RING_PORT_NONE; p++)
		for (unsigned r = 0; r < REASON_COUNT && (p < n_ports || p == RING_PORT_NONE); r++)
			s->dropped[p][r] += load(&c->dropped[p][r]);
}

static void print_dropped(FILE *out, const char *port, const uint64_t dropped[REASON_COUNT])
{
	for (unsigned r = 0; r < REASON_COUNT; r++)
		if (dropped[r] > 0)
			fprintf(out, "cordon_dp_dropped{port=\"%s\",reason=\"%s\"} %llu\n", port,
				reason_word(r), (unsigned long long)dropped[r]);
}

static void print_ring(FILE *out, const struct ring_file *f)
{
	struct sums *s = calloc(1, sizeof(*s));
	char port[RING_PORT_NAME + 1];

	if (!s)
		return;
	for (uint32_t w = 0; w < f->n_workers; w++)
		add_worker(s, &ring_worker(f, w)->counters, f->n_ports);
	s->heartbeat = ring_heartbeat(f);
#define X(name) print_metric(out, "dp_" #name, s->name);
	RING_COUNTERS(X)
#undef X
	print_type(out, "dp_dropped");
	for (uint32_t p = 0; p < f->n_ports; p++)
		print_dropped(out, label_text(f->header->port_name[p], port), s->dropped[p]);
	print_dropped(out, "", s->dropped[RING_PORT_NONE]);
	free(s);
}

static void print_laws(FILE *out, const struct laws *l)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{"frames_in", l->frames_in},
		{"frames_forwarded", l->forwarded},
		{"frames_dropped", l->dropped},
		{"decisions", l->decisions},
		{"decisions_written", l->written},
		{"decisions_aggregated", l->aggregated},
		{"decisions_pending", l->pending},
		{"decisions_lost", l->lost},
		{"updates", l->updates},
		{"updates_written", l->updates_written},
		{"updates_pending", l->updates_pending},
		{"updates_lost", l->updates_lost},
		{"laws_closed", l->closed},
		{"storing", l->storing},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		print_metric(out, rows[i].name, rows[i].value);
}

static void print_engines(FILE *out, const struct daemon *d)
{
	int64_t now = utc_now_ns();
	uint64_t takeovers = 0;

	print_type(out, "engine_equal");
	for (size_t i = 0; i < d->n_links; i++)
		fprintf(out, "cordon_engine_equal{engine=\"%s\"} %d\n", link_word(&d->links[i]),
			dp_connected(d->links[i].dp) && d->links[i].equal);
	print_type(out, "proof_age_seconds");
	for (size_t i = 0; i < d->n_links; i++) {
		takeovers += dp_last_hello(d->links[i].dp)->takeovers;
		if (d->links[i].equal_ns > 0)
			fprintf(out, "cordon_proof_age_seconds{engine=\"%s\"} %.1f\n",
				link_word(&d->links[i]), (double)(now - d->links[i].equal_ns) / 1e9);
	}
	print_metric(out, "takeovers_total", takeovers);
}

static void print_ports(FILE *out, const struct daemon *d, const char *name, uint32_t bits)
{
	char port[RING_PORT_NAME + 1];

	print_type(out, name);
	for (size_t i = 0; i < d->n_ports; i++)
		fprintf(out, "cordon_%s{port=\"%s\"} %u\n", name, label_text(d->ports[i].name, port),
			bits >> i & 1);
}

static void print_daemon(FILE *out, struct daemon *d)
{
	struct bindings_count c = bindings_count(d->bindings);
	const struct link *l = daemon_primary(d);
	struct ring_file ring;

	print_metric(out, "generation", daemon_generation(d));
	print_metric(out, "dp_connected", dp_connected(l->dp));
	print_metric(out, "dp_equal", dp_connected(l->dp) && l->equal);
	print_engines(out, d);
	print_metric(out, "bindings", c.bound);
	print_metric(out, "bindings_unknown", c.unknown);
	print_metric(out, "bindings_conflict", c.conflict);
	if (!dp_connected(l->dp))
		return;
	print_ports(out, d, "port_up", dp_last_hello(l->dp)->port_up);
	print_ports(out, d, "port_removed", dp_last_hello(l->dp)->port_removed);
	if (ring_open(&ring, dp_last_hello(l->dp)->ring_path, false) < 0)
		return;
	print_ring(out, &ring);
	ring_close(&ring);
}

void handle_metrics(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	struct daemon *d = ctx;
	struct laws laws;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out) {
		answer_error(a, 500, CLI_INCOMPLETE, "out of memory", NULL, NULL, NULL);
		return;
	}
	reader_laws(d->reader, &laws);
	print_laws(out, &laws);
	print_daemon(out, d);
	fclose(out);
	answer_text(a, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
}
