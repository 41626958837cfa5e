/* SPDX-License-Identifier: BSD-3-Clause */
#include "lane.h"

#include <rte_branch_prediction.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

void lanes_init(struct lanes *l, const struct ports *ports, const struct engine_config *engine)
{
	l->n = ports->n;
	l->tags = !engine->tap;
	l->pool = ports->pool;
	for (uint32_t i = 0; i < l->n; i++) {
		l->lane[i].id = ports->port[i].id;
		l->lane[i].trunk = engine->port[i].role == ENGINE_TRUNK;
		l->lane[i].native = engine->port[i].vlan;
	}
}

static uint16_t tag_on(const struct lane *lane, uint16_t domain)
{
	return lane->trunk && domain != lane->native ? domain : 0;
}

/* The engine moves the bytes, the mbuf learns where they are now. */
static void dress(const struct lane *lane, struct frame *f, struct rte_mbuf *m)
{
	uint16_t vid = tag_on(lane, f->domain);

	if (!vid && !f->tag_len)
		return;
	frame_retag(f, vid);
	m->data_off = (uint16_t)(f->data - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)f->len;
	m->pkt_len = f->len;
}

static uint16_t transmit(const struct lane *lane, struct rte_mbuf **m, uint16_t n)
{
	return likely(!lane->left) ? rte_eth_tx_burst(lane->id, 0, m, n) : 0;
}

static bool send_one(const struct lane *lane, struct rte_mbuf *m)
{
	if (transmit(lane, &m, 1))
		return true;
	rte_pktmbuf_free(m);
	return false;
}

/* Each port gets a copy of its own, because each may need another tag. */
static bool flood(struct lanes *l, const struct frame *f)
{
	struct rte_mbuf *original = f->cookie;
	bool sent = false;

	for (uint32_t ports = f->flood_ports; ports; ports &= ports - 1) {
		struct lane *lane = &l->lane[__builtin_ctz(ports)];
		struct rte_mbuf *m = rte_pktmbuf_copy(original, l->pool, 0, UINT32_MAX);
		struct frame copy = *f;

		if (!m)
			continue;
		copy.data = rte_pktmbuf_mtod(m, uint8_t *);
		if (l->tags)
			dress(lane, &copy, m);
		sent |= send_one(lane, m);
	}
	rte_pktmbuf_free(original);
	return sent;
}

static void flush(struct lane *lane, struct lanes_tally *tally)
{
	uint16_t sent = transmit(lane, lane->out, lane->n);

	if (unlikely(sent < lane->n))
		rte_pktmbuf_free_bulk(lane->out + sent, lane->n - sent);
	tally->sent += sent;
	tally->failed += lane->n - sent;
	lane->n = 0;
}

struct lanes_tally lanes_dispatch(struct lanes *l, struct frame *frames, uint32_t n)
{
	struct rte_mbuf *dropped[ENGINE_BURST];
	struct lanes_tally tally = {0};
	uint32_t n_dropped = 0, touched = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct frame *f = &frames[i];

		if (likely(f->act == FRAME_FORWARD)) {
			struct lane *lane = &l->lane[f->out_port];

			if (l->tags)
				dress(lane, f, f->cookie);
			lane->out[lane->n++] = f->cookie;
			touched |= 1u << f->out_port;
		} else if (f->act == FRAME_FLOOD) {
			bool sent = flood(l, f);

			tally.sent += sent;
			tally.failed += !sent;
		} else {
			dropped[n_dropped++] = f->cookie;
		}
	}
	for (; touched; touched &= touched - 1)
		flush(&l->lane[__builtin_ctz(touched)], &tally);
	if (n_dropped)
		rte_pktmbuf_free_bulk(dropped, n_dropped);
	return tally;
}

void lanes_send_own(struct lanes *l, struct frame *f)
{
	struct rte_mbuf *m = f->cookie;

	m->data_len = (uint16_t)f->len;
	m->pkt_len = f->len;
	if (l->tags)
		dress(&l->lane[f->out_port], f, m);
	send_one(&l->lane[f->out_port], m);
}

void lanes_leave(struct lanes *l, uint32_t port)
{
	l->lane[port].left = true;
}
