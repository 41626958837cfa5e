/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine on a bench: its ring in memory, its clock in the test's hand, and both laws of counting checked
 * after every burst. Hosts are numbers: host N of domain D has MAC N and address 10.0.D.N or fd00:D::N.
 */
#pragma once

#include "engine.h"
#include "mkimage.h"
#include "packet.h"

#define RIG_RECORDS    256u
#define RIG_AGGREGATES 64u

enum { RIG_WEB = 16, RIG_DB = 17, RIG_GUEST = 18, RIG_ADMIN = 19 };

enum { WEB = 1, DB = 2, GUEST = 3, ADMIN = 4 };

/* Parts of a struct mkimage_cell: services, then decisions. */
#define KEYS(proto, low) ((service_key)(proto) << 16 | (low)), ((service_key)(proto) << 16 | (low)) + 1
#define TCP(port)        KEYS(6, port)
#define UDP(port)        KEYS(17, port)
#define PING             KEYS(1, 8 << 8)
#define STAMP            KEYS(1, 13 << 8)
#define PING6            KEYS(58, 128 << 8)
#define GRE              KEYS(47, 0)
#define DECIDED(n, bits)                                                                                     \
	{                                                                                                    \
		.rule = n, .intended_rule = n, .flags = bits, .reason = REASON_RULE,                         \
		.intended_reason = REASON_RULE                                                               \
	}
#define ALLOW(n) DECIDED(n, DECISION_ALLOW | DECISION_INTENDED_ALLOW)
#define DENY(n)  DECIDED(n, 0)
#define N(cells) (sizeof(cells) / sizeof((cells)[0]))

struct rig {
	struct engine *engine;
	struct ring_file ring;
	void *memory;
	struct engine_clock now;
	uint64_t read;       /* records read from the ring so far */
	uint64_t refused_tx; /* engine_sent() reports each of these many next frames as failed */
	struct {
		uint64_t serial, count;
	} stored[RIG_AGGREGATES]; /* what a consumer would remember of each slot */
	uint64_t n_stored;
	struct frame last;
	struct frame frame[ENGINE_BURST]; /* of the last rig_burst() */
};

/* Changes a default configuration before the engine is made. */
typedef void rig_tune(struct engine_config *c);

/* Tap mode: identity of 10.0.0.N is N's: 1 WEB, 2 DB, 3 GUEST, 4 ADMIN, by final prefixes. */
void rig_tap(struct rig *r, rig_tune *tune);
/* Layer-2 mode: ports 0 and 1 access VLAN 10 inside, port 2 a trunk with VLANs 10 and 20, port 3 outside
 * VLAN 10. */
void rig_bridge(struct rig *r, rig_tune *tune);
void rig_free(struct rig *r);

/* Put cells in force; the rig's generation counts from 1. The image is freed by the next publish or
 * rig_free(). */
void rig_publish(struct rig *r, uint32_t generation, const struct mkimage_cell *cells, uint32_t n);
void rig_publish_until(struct rig *r, uint32_t generation, const struct mkimage_cell *cells, uint32_t n,
		       int64_t closes_utc);
/* The host's address and MAC at a port are the identity's from now on. */
void rig_bind(struct rig *r, unsigned host, uint16_t domain, uint16_t port, uint16_t identity);

/* The same with fd00:<domain>::<host>. */
void rig_bind6(struct rig *r, unsigned host, uint16_t domain, uint16_t port, uint16_t identity);

void rig_pass_time(struct rig *r, double seconds);

/* One frame in at a port. Returns its reason if it was dropped, else REASON_NONE (or REASON_L2). */
enum reason rig_send(struct rig *r, uint32_t port, struct pkt *p);
bool rig_passed(const struct rig *r);
/* Several in one burst; their fates are in rig.frame. */
void rig_burst(struct rig *r, uint32_t port, struct pkt **p, uint32_t n);

/* From host to host of domain 0 (tap mode) or 10: */
enum reason rig_udp(struct rig *r, uint32_t port, unsigned from, uint16_t sport, unsigned to, uint16_t dport);
enum reason rig_tcp(struct rig *r, uint32_t port, unsigned from, uint16_t sport, unsigned to, uint16_t dport,
		    uint8_t flags);
enum reason rig_icmp(struct rig *r, uint32_t port, unsigned from, unsigned to, uint8_t type, uint16_t id);
void rig_make_udp(const struct rig *r, struct pkt *p, unsigned from, uint16_t sport, unsigned to,
		  uint16_t dport);
void rig_make_tcp(const struct rig *r, struct pkt *p, unsigned from, uint16_t sport, unsigned to,
		  uint16_t dport, uint8_t flags);
const char *rig_address(const struct rig *r, unsigned host, char text[32]);

/* The next unread record must be of this type. */
struct record rig_record(struct rig *r, enum record_type type);
void rig_no_record(struct rig *r);
/* Store and acknowledge every aggregate, as the consumer does. */
void rig_store_aggregates(struct rig *r);
struct ring_counters *rig_count(struct rig *r);
void rig_laws(struct rig *r);
