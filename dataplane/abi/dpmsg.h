/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cordond <-> cordon-dp: fixed messages over a UNIX SOCK_SEQPACKET socket that cordon-dp listens on
 * (/run/cordon/dp.sock, 0660). One message = one packet = struct dpmsg; bulk bytes travel as one sealed memfd
 * (F_SEAL_WRITE|SHRINK|GROW) in SCM_RIGHTS. Requests are answered in order by a message with the same `seq`;
 * events have seq 0. One control connection at a time; a second one is answered DP_ERROR (EBUSY) and closed.
 * A message of another size, abi or unknown type is answered DP_ERROR and the connection is closed; the
 * dataplane goes on with what it has. Host byte order: both ends are the same build on the same host.
 */
#pragma once

#include <stdint.h>

#define DP_ABI   1u
#define DP_TEXT  160u
#define DP_BATCH 24u

enum dpmsg_type {
	/* requests from cordond */
	DP_HELLO = 1, /* -> DP_HELLO with `hello` filled by the dataplane */
	DP_PREPARE,   /* fd: image. Checked, mapped, kept aside. -> DP_OK or DP_ERROR (nothing changed) */
	DP_PUBLISH, /* fd: bindings snapshot. Image of the last DP_PREPARE and snapshot enter force together,
		       between two bursts of each worker. -> DP_OK after every worker took it */
	DP_BIND,    /* bind: one to DP_BATCH bindings. -> DP_OK */
	DP_DUMP, /* dump.what: -> DP_OK with fd: image bytes (no fd: no image, everything is denied), or array
		    of struct dp_binding */
	DP_PING, /* -> DP_OK with `hello` (heartbeat, current generation) */
	DP_DENY_ALL, /* drop the image: deny everything. -> DP_OK */
	/* answers */
	DP_OK = 64,
	DP_ERROR, /* error.code (errno), error.text */
	/* events from the dataplane, seq 0 */
	DP_ENDPOINTS = 128, /* endpoints: one to DP_BATCH */
};

enum dp_dump { DP_DUMP_IMAGE = 1, DP_DUMP_BINDINGS = 2 };

/* Who has an address: the unit of identity (wire rules 7 to 11). */
struct dp_binding {
	uint8_t addr[16]; /* IPv4 in the first four bytes, network order */
	uint8_t mac[6];
	uint16_t domain;
	uint16_t port; /* index */
	uint16_t identity;
	uint8_t family; /* 4 or 6 */
	uint8_t flags;  /* enum dp_binding_flag */
	uint16_t reserved;
	uint32_t dictionary; /* size of the dictionary the identity was numbered with; larger than the
				image's: unknown */
	uint32_t lease_s;    /* seconds left since the last frame; UINT32_MAX: static */
};

enum dp_binding_flag {
	DP_BINDING_GONE = 1 << 0, /* in DP_BIND: remove it */
};

enum dp_endpoint_kind {
	DP_ENDPOINT_NEW =
		1, /* first frame from an unbound source; it holds the address as $unknown meanwhile */
	DP_ENDPOINT_MOVED = 2, /* same address and MAC, other port: identity must be evaluated anew */
	DP_ENDPOINT_GONE = 3,  /* lease over */
	DP_ENDPOINT_SPOOF = 4, /* a claim that was refused: `mac` and `port` are the claimant's */
};

struct dp_endpoint {
	int64_t time_ns; /* UTC */
	uint8_t addr[16];
	uint8_t mac[6];
	uint16_t domain;
	uint16_t vlan; /* tag seen on the wire, 0 none */
	uint16_t port;
	uint8_t family;
	uint8_t kind; /* enum dp_endpoint_kind */
	uint16_t reserved;
};

struct dp_hello {
	uint64_t instance;   /* of the ring file */
	uint32_t generation; /* in force; 0: deny-all */
	uint32_t n_ports, n_workers;
	uint32_t pid;
	uint8_t digest[32]; /* of the image in force */
	char ring_path[96];
	char port_name[32][16];
	char port_driver[32][16];
	uint32_t port_up; /* bit per port */
	uint8_t tap, test_mode, no_huge, reserved;
};

struct dpmsg {
	uint32_t abi;
	uint16_t type;
	uint16_t count; /* of bindings or endpoints */
	uint64_t seq;
	union {
		struct dp_hello hello;
		struct {
			uint32_t generation;
			uint32_t n_bindings;
		} publish; /* also DP_PREPARE (generation only) */
		struct dp_binding bind[DP_BATCH];
		struct dp_endpoint endpoints[DP_BATCH];
		struct {
			uint32_t what;
			uint32_t count;
		} dump;
		struct {
			int32_t code;
			char text[DP_TEXT];
		} error;
	};
};
