/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring of finished frames. What bounds it is its size and, for answers to refusals, an allowance per
 * endpoint. */
#include "originate.h"

#include <string.h>

#include "engine.h"
#include "rate.h"

static bool allowed(struct originate *o, const struct siphash_key *key, const struct packet_key *k,
		    uint64_t now_ns)
{
	uint8_t endpoint[sizeof(k->src) + sizeof(k->domain)];
	uint64_t hash;

	memcpy(endpoint, k->src, sizeof(k->src));
	memcpy(endpoint + sizeof(k->src), &k->domain, sizeof(k->domain));
	hash = siphash13(key, endpoint, sizeof(endpoint));
	return rate_take(&o->rate[hash & (ORIGINATE_ENDPOINTS - 1)], now_ns, ORIGINATE_PER_S);
}

static void push(struct originate *o, const struct packet *p, const struct frame *f, uint16_t out_port)
{
	struct originate_frame *own = &o->frame[o->head & (ORIGINATE_QUEUE - 1)];

	/* A probe is not answered: there is nobody, and no way to them. */
	if (o->head - o->tail == ORIGINATE_QUEUE || out_port >= ENGINE_PORTS_MAX)
		return;
	own->len = reject_build(p, f, own->bytes, sizeof(own->bytes));
	if (!own->len)
		return;
	own->out_port = out_port;
	own->domain = p->key.domain;
	o->head++;
}

void originate_reject(struct originate *o, const struct siphash_key *key, const struct packet *p,
		      const struct frame *f, uint16_t port, uint64_t now_ns)
{
	if (allowed(o, key, &p->key, now_ns))
		push(o, p, f, port);
}

/* A packet from the far end that would acknowledge everything before this one: its answer is a reset that the
 * far end takes, because it carries the very sequence number that is expected there. */
static struct packet mirrored(const struct packet *p)
{
	struct packet m = *p;

	memcpy(m.key.src, p->key.dst, sizeof(m.key.src));
	memcpy(m.key.dst, p->key.src, sizeof(m.key.dst));
	memcpy(m.src_mac, p->dst_mac, sizeof(m.src_mac));
	memcpy(m.dst_mac, p->src_mac, sizeof(m.dst_mac));
	m.key.sport = p->key.dport;
	m.key.dport = p->key.sport;
	m.ack = p->seq;
	m.tcp_flags = PACKET_TCP_ACK;
	return m;
}

void originate_reset(struct originate *o, const struct packet *p, const struct frame *f, uint16_t port)
{
	push(o, p, f, port);
}

void originate_reset_far(struct originate *o, const struct packet *p, const struct frame *f, uint16_t port)
{
	struct packet far = mirrored(p);

	push(o, &far, f, port);
}

bool originate_next(struct originate *o, struct frame *f)
{
	while (o->head != o->tail) {
		const struct originate_frame *own = &o->frame[o->tail++ & (ORIGINATE_QUEUE - 1)];

		if (own->len > f->len)
			continue;
		memcpy(f->data, own->bytes, own->len);
		f->len = own->len;
		f->wire_len = own->len;
		f->out_port = own->out_port;
		f->domain = own->domain;
		f->tag_len = 0;
		f->act = FRAME_FORWARD;
		return true;
	}
	return false;
}
