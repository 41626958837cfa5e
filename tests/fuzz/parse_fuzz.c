/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a frame: through the parser, then through everything that trusts what the parser said
 * (checksum, guards, bindings, retagging, answers). The frame lies at the end of a heap block of exactly its
 * size, so that AddressSanitizer sees a read of one byte too many.
 *
 * Input: byte 0 says how (bit 0: no layer 2; bits 1-2: port), byte 1 how much longer the wire was; then the
 * frame.
 */
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "parse.h"
#include "reject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 2u

static const struct engine_port ports[4] = {
	{.role = ENGINE_ACCESS, .vlan = 10},
	{.role = ENGINE_ACCESS, .vlan = 10, .trust = ENGINE_TRUST_RA},
	{.role = ENGINE_TRUNK, .vlan = 30, .n_vlans = 2, .vlans = {10, 20}},
	{.role = ENGINE_TRUNK, .n_vlans = 1, .vlans = {10}},
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void *zeroed(size_t size, size_t align)
{
	size_t rounded = (size + align - 1) / align * align;
	void *p = aligned_alloc(align, rounded);

	return p != NULL ? memset(p, 0, rounded) : NULL;
}

/* What the engine relies on. */
static void check_packet(const struct packet *p, const struct frame *f)
{
	must(p->reason < REASON_COUNT);
	if (p->reason != REASON_NONE)
		return;
	if (p->guard == PACKET_GUARD_ARP) {
		must(p->kind == PACKET_NOTHING && p->l3 <= f->len);
		return;
	}
	must(p->kind != PACKET_NOTHING && (p->key.family == 4 || p->key.family == 6));
	must(p->l3 < p->l4 && p->l4 <= f->wire_len && p->l3 + p->ip_len <= f->wire_len);
	must(p->l4 + p->payload <= p->l3 + p->ip_len);
	if (p->flags & PACKET_L4_WHOLE)
		must(p->l3 + p->ip_len <= f->len);
	if (p->kind == PACKET_ICMP_ERROR)
		must(memcmp(p->inner.src, p->key.dst, 16) == 0);
}

static void through_layer_2(struct packet *p, struct frame *f, uint16_t port)
{
	static struct guard g;
	struct bind_config config = {.max = 8, .lease_s = 300, .alloc = zeroed, .free = free};
	struct bind_table *t = bind_create(&config);
	struct engine_clock clock = {.now_ns = 1000000000};
	uint8_t answer[REJECT_MAX];
	struct guard_fate fate;
	uint32_t src;

	must(t != NULL && guard_init(&g, ports, 4) == NULL);
	if (guard_domain(&g, port, p) == REASON_NONE) {
		if (p->guard != PACKET_GUARD_NONE) {
			fate = guard_frame(&g, t, port, p, f->data, f->len, clock);
			must((fate.act == FRAME_DROP) == (fate.reason != REASON_NONE));
			must(fate.act != FRAME_FORWARD || fate.out_port != port);
			must(!(fate.flood_ports >> port & 1));
		} else if (guard_admit(t, port, p, clock, &src) == REASON_NONE) {
			must(bind_count(t) == 1 && !(p->flags & PACKET_MARTIAN));
		}
	}
	must(reject_build(p, f, answer, sizeof(answer)) <= sizeof(answer));
	bind_destroy(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum parse_entry entry;
	struct frame f = {0};
	struct packet p;
	uint8_t *block;

	if (size < HEAD || size > 65536)
		return 0;
	entry = data[0] & 1 ? PARSE_IP : PARSE_ETHERNET;
	block = malloc(FRAME_HEADROOM + size - HEAD);
	must(block != NULL);
	f.data = block + FRAME_HEADROOM;
	f.len = (uint32_t)(size - HEAD);
	f.wire_len = f.len + data[1];
	memcpy(f.data, data + HEAD, size - HEAD);
	parse_frame(&p, &f, entry);
	check_packet(&p, &f);
	if (p.reason == REASON_NONE) {
		parse_l4_sum(&p, f.data);
		if (entry == PARSE_ETHERNET) {
			through_layer_2(&p, &f, data[0] >> 1 & 3);
			frame_retag(&f, data[1]);
		}
	}
	free(block);
	return 0;
}
