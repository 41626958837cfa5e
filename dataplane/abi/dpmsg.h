/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cordond <-> an engine, cordon-dp or cordon-nft: fixed messages over a UNIX SOCK_SEQPACKET socket that the
 * engine listens on (/run/cordon/dp.sock, /run/cordon/nft.sock, 0660). What a generation is to the engine is
 * its program: the image (image.h) for cordon-dp, a kernel program (nftmodel.h) for cordon-nft. One message =
 * one packet = struct dpmsg; bulk bytes travel as one sealed memfd (F_SEAL_WRITE|SHRINK|GROW) in SCM_RIGHTS.
 * Requests are answered in order by a message with the same `seq`; events have seq 0. One control connection
 * at a time; a second one is answered DP_ERROR (EBUSY) and closed. A message of another size, abi or unknown
 * type is answered DP_ERROR and the connection is closed; the dataplane goes on with what it has. Host byte
 * order: both ends are the same build on the same host.
 */
#pragma once

#include <stdint.h>

#define DP_ABI   3u
#define DP_TEXT  160u
#define DP_BATCH 24u

enum dpmsg_type {
	/* requests from cordond */
	DP_HELLO = 1, /* -> DP_HELLO with `hello` filled by the dataplane */
	DP_PREPARE,   /* fd: program. Checked, mapped, kept aside. -> DP_OK or DP_ERROR (nothing changed) */
	DP_PUBLISH, /* fd: bindings snapshot. Image of the last DP_PREPARE and snapshot enter force together,
		       between two bursts of each worker. -> DP_OK after every worker took it */
	DP_BIND,    /* bind: one to DP_BATCH bindings. -> DP_OK */
	DP_DUMP, /* dump.what: -> DP_OK with fd: what is in force now (no fd: nothing, everything is denied;
		    cordon-nft: read back from the kernel), or array of struct dp_binding */
	DP_PING, /* -> DP_OK with `hello` (heartbeat, current generation) */
	DP_DENY_ALL, /* drop the program: deny everything. -> DP_OK */
	DP_PROBE, /* probe: frames to send through the engine as the probe domain's hosts would. -> DP_OK with
		     `probe` filled with what came out */
	/* answers */
	DP_OK = 64,
	DP_ERROR, /* error.code (errno), error.text */
	/* events from the dataplane, seq 0 */
	DP_ENDPOINTS = 128, /* endpoints: one to DP_BATCH */
	DP_DRIFT,           /* somebody else changed what the engine holds: read it back now */
};

enum dp_dump { DP_DUMP_IMAGE = 1, DP_DUMP_BINDINGS = 2 };

enum dp_engine { DP_ENGINE_DPDK = 0, DP_ENGINE_NFT = 1 };

/* What the kernel under cordon-nft can do; each found by trying. */
enum dp_feature {
	DP_FEATURE_BRIDGE = 1 << 0,        /* nf_tables in the bridge family */
	DP_FEATURE_BRIDGE_CT = 1 << 1,     /* conntrack in the bridge family */
	DP_FEATURE_BRIDGE_REJECT = 1 << 2, /* reject in the bridge family */
	DP_FEATURE_BR_NETFILTER = 1 << 3,  /* bridged frames meet the inet hooks */
	DP_FEATURE_VLAN_FILTER = 1 << 4,   /* the bridge knows VLANs */
	DP_FEATURE_CT_EVENTS = 1 << 5,     /* conntrack events with counters and time stamps */
	DP_FEATURE_NFLOG = 1 << 6,
	DP_FEATURE_STRICT_TCP = 1 << 7, /* nf_conntrack_tcp_loose is 0 */
};

/* The kernel engine beside a dataplane (`fail: nft`). */
enum dp_standby {
	DP_STANDBY_NONE = 0,
	DP_STANDBY_GUARDING = 1, /* the dataplane lives: the kernel does not see the ports' frames */
	DP_STANDBY_ACTIVE = 2,   /* the kernel enforces */
};

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
	uint32_t port_up;      /* bit per port */
	uint32_t port_removed; /* bit per port: its device has left, and only a restart takes it back */
	uint8_t tap, test_mode, no_huge;
	uint8_t engine;    /* enum dp_engine */
	uint32_t features; /* enum dp_feature */
	uint8_t layout;    /* enum nft_layout in force */
	uint8_t standby;   /* enum dp_standby */
	uint8_t clock_bad; /* neither the kernel nor the config says that UTC is right */
	uint8_t reserved;
	uint64_t takeovers;       /* how often the standby became active */
	int64_t takeover_ns;      /* UTC of the last; 0 never */
	uint64_t takeover_gap_ms; /* of the last: from the dataplane's last heartbeat to the kernel's first
				     rule */
};

/*
 * Live verification. Probes run in a domain of their own, that no port has, between two probe ports that only
 * the engine has; so they meet the tables in force and never a host. Records of this domain are synthetic.
 */
#define DP_PROBE_DOMAIN 4095u
#define DP_PROBE_PORT   0xfff0u /* the initiator's, in records; the responder's is the next */
#define DP_PROBE_FRAME  1536u

/* One frame of a probe, its bytes in the memfd that goes with DP_PROBE, one after another. */
struct dp_probe {
	uint16_t side; /* 0: sent by the initiator's side, 1: by the responder's */
	uint16_t len;
	uint8_t forwarded; /* answer: it came out at the other side */
	uint8_t reserved[3];
};
#define DP_PROBE_FRAMES 64u

/* One fresh pair of hosts for each message: `from` and `to` are bound to its addresses, the frames are sent
 * one by one, then pair and sessions are forgotten. */
struct dp_probes {
	uint16_t from, to; /* identity numbers */
	uint16_t family;   /* 4 or 6 */
	uint16_t n;        /* frames */
	uint8_t src[16], dst[16], src_mac[6], dst_mac[6];
	struct dp_probe frame[DP_PROBE_FRAMES];
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
		struct dp_probes probe;
		struct {
			int32_t code;
			char text[DP_TEXT];
		} error;
	};
};
