/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live verification: a pair of hosts is bound, frames run, pair and sessions go. Every session that a frame
 * opened is remembered by its key, so that nothing has to be searched for afterwards.
 */
#include "probe_check.h"

#include <errno.h>
#include <string.h>

#include "session.h"

#define IDENTITIES(e) ((e)->match.image ? (e)->match.image->identity.count : 0)

struct probe {
	struct engine *e;
	struct dp_probes *order;
	uint8_t addr[2][16]; /* of the two sides, padded with zeros */
	struct flow_key opened[DP_PROBE_FRAMES];
	uint32_t n_opened;
};

static struct bind_claim host(const struct probe *p, uint32_t side)
{
	return (struct bind_claim){
		.addr = p->addr[side],
		.mac = side ? p->order->dst_mac : p->order->src_mac,
		.domain = DP_PROBE_DOMAIN,
		.port = (uint16_t)(ENGINE_PROBE_PORT + side),
		.family = (uint8_t)p->order->family,
	};
}

static void forget_pair(struct probe *p)
{
	for (uint32_t side = 0; side < 2; side++) {
		struct bind_claim who = host(p, side);

		bind_forget(p->e->bindings, &who);
	}
}

/* No stamp is raised: no session of another domain can depend on these two. */
static int bind_pair(struct probe *p)
{
	const uint16_t identity[2] = {p->order->from, p->order->to};
	int code = 0;

	for (uint32_t side = 0; side < 2 && !code; side++) {
		struct bind_claim who = host(p, side);

		code = bind_probe(p->e->bindings, &who, identity[side], IDENTITIES(p->e), p->e->now);
	}
	if (code)
		forget_pair(p);
	return code;
}

static void run_frame(struct probe *p, struct dp_probe *probe, const uint8_t *bytes)
{
	struct engine *e = p->e;
	uint8_t room[FRAME_HEADROOM + DP_PROBE_FRAME];
	struct frame f = {.data = room + FRAME_HEADROOM, .len = probe->len, .wire_len = probe->len};

	memcpy(f.data, bytes, probe->len);
	burst_run(e, (uint16_t)(ENGINE_PROBE_PORT + probe->side), &f, 1);
	probe->forwarded = f.act == FRAME_FORWARD && f.out_port == ENGINE_PROBE_PORT + !probe->side;
	if (f.act != FRAME_DROP)
		recorder_add(&e->recorder.count->forwarded, 1);
	if (e->inserts)
		p->opened[p->n_opened++] = e->flow_key[0];
}

static void end_sessions(struct probe *p)
{
	struct engine *e = p->e;

	for (uint32_t i = 0; i < p->n_opened; i++) {
		uint32_t flow = flow_find(&e->flows, &p->opened[i], flow_hash(&e->flows, &p->opened[i]));

		if (flow != FLOW_NONE)
			session_end(e, flow, RECORD_END_CLOSED);
	}
}

static bool known(const struct engine *e, uint16_t identity)
{
	return !e->match.image || identity < IDENTITIES(e);
}

int engine_probe(struct engine *e, struct dp_probes *order, const uint8_t *bytes, size_t size,
		 struct engine_clock clock)
{
	struct probe p = {.e = e, .order = order};
	size_t addr_size = order->family == 4 ? 4 : 16;
	int code;

	if (probe_check(order, size))
		return -EINVAL;
	if (e->config.tap)
		return -ENOTSUP;
	if (!known(e, order->from) || !known(e, order->to))
		return -ESTALE;
	memcpy(p.addr[0], order->src, addr_size);
	memcpy(p.addr[1], order->dst, addr_size);
	engine_set_time(e, clock);
	code = bind_pair(&p);
	if (code)
		return code;
	for (uint32_t i = 0; i < order->n; bytes += order->frame[i++].len)
		run_frame(&p, &order->frame[i], bytes);
	end_sessions(&p);
	forget_pair(&p);
	engine_show_gauges(e);
	return 0;
}
