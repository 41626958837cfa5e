/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second opinion: the layer-2 engine as plain lists that are searched from one end to the other, one frame
 * at a time, written from the wire rules. It never sees bytes: it is told what a frame says (struct shot) and
 * answers with its fate, the records it makes and the counters it moves. No hashes, no epochs, no bursts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mkimage.h"
#include "record.h"
#include "rig.h"

#define MODEL_SESSIONS 256u
#define MODEL_BINDINGS 48u
#define MODEL_RECORDS  8192u
#define MODEL_GROUP    200u /* host number of the group address; MACs use PKT_BROADCAST */

enum shot_kind {
	SHOT_TCP,
	SHOT_UDP,
	SHOT_ECHO,
	SHOT_ECHO_REPLY,
	SHOT_STAMP,
	SHOT_STAMP_REPLY,
	SHOT_GRE,
	SHOT_ERROR,
	SHOT_ARP,
	SHOT_NS
};

/* What a packet says of itself, or what an ICMP error says of the packet it quotes. */
struct shot_ends {
	enum shot_kind kind;
	unsigned src, dst;     /* host numbers */
	uint16_t sport, dport; /* echo: sport is the identifier */
};

struct shot {
	struct shot_ends ends;
	struct shot_ends quoted; /* SHOT_ERROR */
	uint16_t port;
	int tag; /* -1: none */
	unsigned src_mac, dst_mac;
	uint8_t family;
	uint8_t flags;           /* TCP */
	bool bad_sum;            /* of the L4 header */
	enum reason malformed;   /* what the parser must say, REASON_NONE if it is sound */
	uint32_t ip_len, l2_len; /* l2_len: with padding, behind the Ethernet header and tag */
};

struct fate {
	uint8_t act, reason;
	uint16_t out_port;
	uint32_t flood_ports;
};

struct model_binding {
	bool used, classified;
	uint16_t domain, port, identity;
	uint8_t family;
	unsigned host, mac;
	uint64_t expires_ns, version;
};

enum model_state {
	MODEL_FREE,
	MODEL_SYN_SENT,
	MODEL_SYN_BOTH,
	MODEL_SYN_RECV,
	MODEL_ESTABLISHED,
	MODEL_FIN_FROM,
	MODEL_FIN_TO,
	MODEL_TIME_WAIT,
	MODEL_CLOSED,
	MODEL_UDP_FIRST,
	MODEL_UDP_ANSWERED,
	MODEL_ICMP_OPEN,
	MODEL_REOPEN
};

struct model_session {
	bool used, group;
	uint16_t domain;
	uint8_t family;
	struct shot_ends ends; /* as the initiator's packet has them */
	unsigned src_mac, dst_mac;
	enum model_state state;
	uint64_t seen_ns, updated_ns;
	uint64_t version[2]; /* of the two ends' bindings; 0: none */
	uint64_t policy;
	struct record record; /* what a record of it says now */
};

struct model {
	const struct engine_config *config;
	const struct mkimage_cell *cell; /* NULL: no image */
	uint32_t n_cells;
	const struct mkimage_prefix *prefix;
	uint32_t n_prefixes;
	uint32_t generation;
	uint64_t policy, versions;
	uint32_t ports_up;
	struct engine_clock now;
	struct model_binding binding[MODEL_BINDINGS];
	struct model_session session[MODEL_SESSIONS];
	struct record record[MODEL_RECORDS]; /* made since the test last emptied it */
	uint32_t n_records;
	uint64_t decisions, updates, opened, ended;
	uint64_t dropped[RING_PORTS_MAX + 1][REASON_COUNT], forwarded;
};

struct fate model_frame(struct model *m, const struct shot *s);
void model_publish(struct model *m, const struct mkimage_cell *cell, uint32_t n_cells, uint32_t generation,
		   const struct model_binding *list, uint32_t n);
void model_bind(struct model *m, const struct model_binding *b, bool is_static);
/* Everything that is over is seen to. */
void model_tick(struct model *m);
/* Is there a session that this packet looks like? */
bool model_knows(struct model *m, const struct shot *s);
uint32_t model_live(const struct model *m);
uint32_t model_bound(const struct model *m);
/* Does some MAC have live and dead bindings at once? Then a claim of it at another port clears some of the
 * dead ones away, and which ones depends on the engine's order of visits. */
bool model_unsettled(const struct model *m, bool same_port_too);

/* Between the parts of the model. */
bool model_alive(const struct model *m, const struct model_binding *b);
struct model_binding *model_holder(struct model *m, uint16_t domain, uint8_t family, unsigned host);
/* First come holds it while the lease runs; NULL: somebody else does, or the MAC lives elsewhere. */
struct model_binding *model_claim(struct model *m, uint16_t domain, uint8_t family, unsigned host,
				  unsigned mac, uint16_t port);
