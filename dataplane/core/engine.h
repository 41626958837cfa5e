/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine: one worker's whole world. Bursts of frames go in, a fate for each comes out, records go into
 * the ring.
 *
 * It knows no DPDK, no socket, no clock and no log: the caller passes frames, time and memory, so tests,
 * fuzzers, `cordon replay` and cordon-dp all run the same code. All memory is taken at engine_create();
 * afterwards nothing is allocated or freed. One thread calls all functions of one engine; different engines
 * share nothing but the immutable image.
 *
 * Without an image everything is refused with reason `deny-all`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dpmsg.h"
#include "frame.h"
#include "image.h"
#include "ring.h"

#define ENGINE_PORTS_MAX RING_PORTS_MAX
#define ENGINE_BURST     64u
#define ENGINE_VLANS_MAX 64u /* per trunk */
/* Behind the ports of the world, two that only the engine has: the probe's initiator and responder. */
#define ENGINE_PROBE_PORT ENGINE_PORTS_MAX
#define ENGINE_PORTS_ALL  (ENGINE_PORTS_MAX + 2)

enum engine_role { ENGINE_ACCESS, ENGINE_TRUNK };
enum engine_side { ENGINE_INSIDE, ENGINE_OUTSIDE };
enum engine_trust { ENGINE_TRUST_DHCP = 1 << 0, ENGINE_TRUST_RA = 1 << 1 };

struct engine_port {
	enum engine_role role;
	enum engine_side side;
	uint16_t vlan; /* access: its VLAN; trunk: native VLAN or 0 */
	uint16_t n_vlans;
	uint16_t vlans[ENGINE_VLANS_MAX]; /* trunk */
	uint8_t trust;                    /* enum engine_trust bits */
	uint16_t mtu;                     /* largest IP packet */
};

/* Seconds. */
struct engine_timeouts {
	uint32_t tcp_syn, tcp_established, tcp_closing, udp_first, udp_answered, icmp, lease;
};
#define ENGINE_TIMEOUTS_DEFAULT ((struct engine_timeouts){30, 7200, 120, 30, 180, 10, 300})

struct engine_clock {
	uint64_t now_ns; /* monotonic */
	int64_t utc_ns;  /* wall clock of the same instant */
	bool utc_good;   /* the wall clock is synchronised or trusted */
};

/* Who is behind an address, asked on the first packet of a flow in tap mode. Returns an identity number. */
struct engine_endpoint {
	uint8_t addr[16];
	uint8_t family;
	uint8_t mac[6];
	uint16_t vlan; /* 0: none */
};
typedef uint16_t engine_classify_fn(void *ctx, const struct engine_endpoint *endpoint);

struct engine_config {
	uint32_t worker;
	uint32_t max_sessions;       /* fixed; memory is about 192 bytes each */
	uint32_t max_bindings;       /* 65,536 in the dataplane */
	uint32_t records_per_second; /* allowed sessions above it are aggregated; 0: no limit */
	bool record_all;             /* no suppression: each decision is a record (replay) */
	bool tap;                    /* one ingress (port 0), one egress (port 1), layer-2 part off */
	bool raw_ip;                 /* tap mode only: frames begin with the IP header */
	uint32_t n_ports;
	struct engine_port port[ENGINE_PORTS_MAX];
	struct engine_timeouts timeouts;
	uint8_t hash_key[16];         /* random per start */
	engine_classify_fn *classify; /* tap mode only; NULL: bindings, then the image's prefixes */
	void *classify_ctx;
	void *(*alloc)(size_t size, size_t align); /* zeroed; NULL: libc */
	void (*free)(void *);
};

struct engine;

/* `ring` is worker `config->worker` of an open ring file. NULL with *error set (static text) if refused. */
struct engine *engine_create(const struct engine_config *config, const struct ring_producer *ring,
			     const char **error);
void engine_destroy(struct engine *e); /* NULL is fine */

/*
 * Take a checked image and the complete bindings snapshot that was classified under it, between two bursts.
 * `image` NULL: deny everything. Bindings not in the snapshot are dropped; a binding learned but not yet
 * classified stays as $unknown. Returns the image used before, now the caller's again. Sessions are decided
 * again on their next packet, idle ones by engine_tick().
 */
const struct image_header *engine_publish(struct engine *e, const struct image_header *image,
					  uint32_t generation, const struct dp_binding *bindings,
					  uint32_t n_bindings, struct engine_clock clock);
/* One binding changed. 0, -ENOSPC, or -ESTALE: its dictionary is newer than the image's. */
int engine_bind(struct engine *e, const struct dp_binding *binding, struct engine_clock clock);
/* Copies up to `max` bindings in force, from *cursor (start with 0); returns how many, 0 at the end. */
uint32_t engine_dump_bindings(struct engine *e, uint32_t *cursor, struct dp_binding *out, uint32_t max,
			      struct engine_clock clock);
void engine_port_state(struct engine *e, uint32_t port, bool up);

/* Up to ENGINE_BURST frames from one port. Fills the out part of each frame. Bounded work, no system call. */
void engine_burst(struct engine *e, uint32_t port, struct frame *frames, uint32_t n,
		  struct engine_clock clock);
/* After transmission: of the frames that came in at `in_port`, this many went out, and this many could not
 * (`tx`). A flooded frame counts once. Must be called for every frame whose act was not FRAME_DROP. */
void engine_sent(struct engine *e, uint32_t in_port, uint32_t forwarded, uint32_t failed);
/* Frames of our own (resets, rejects): copies into the caller's buffer (`len` = room in, length out), sets
 * out_port and domain. False: no more. */
bool engine_originated(struct engine *e, struct frame *f);
/*
 * Live verification: the frames of `p`, whose bytes lie one after another in `bytes`, go one by one the way
 * of all frames, in DP_PROBE_DOMAIN between the two probe ports; `forwarded` of each says whether it came out
 * at the other side. No port of the world is in that domain and no frame of the world can get into it, so
 * probes meet the tables in force and no host. Both laws count them. Afterwards pair and sessions are gone.
 * At most DP_PROBE_FRAMES slow packets of work. 0, or nothing was run: -EINVAL (probe_check.h), -ESTALE (an
 * identity that the image does not know), -ENOSPC (no room for two bindings), -ENOTSUP (tap mode).
 */
int engine_probe(struct engine *e, struct dp_probes *p, const uint8_t *bytes, size_t size,
		 struct engine_clock clock);
/* Ageing, revocation of idle sessions, binding leases. Bounded by `budget` table slots. */
void engine_tick(struct engine *e, struct engine_clock clock, uint32_t budget);
/* Next endpoint event, oldest first. */
bool engine_event(struct engine *e, struct dp_endpoint *event);
/* End every session with `why` (shutdown, end of a capture). */
void engine_close_sessions(struct engine *e, struct engine_clock clock, enum record_end why);

/* What the policy says to one question, through the very look-up that packets use (oracle tests, verify). */
struct image_decision engine_ask(const struct image_header *image, uint16_t from, uint16_t to,
				 service_key key, int64_t utc_s);
