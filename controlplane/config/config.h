/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway's config: what is fixed between restarts. Everything else is policy.
 *
 * Strict: each unknown, unsupported, missing or contradictory key is a finding with its place. The config
 * owns all that it points to. No files are read here but through the caller's text. Immutable after loading.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "access.h"
#include "diag.h"
#include "nftmodel.h"
#include "policy.h"

#define CONFIG_PORTS_MAX    32u
#define CONFIG_PORT_NAME    15u
#define CONFIG_VLANS_MAX    64u
#define CONFIG_ACCESS_MAX   64u
#define CONFIG_PREFIXES_MAX 256u
#define CONFIG_FROM_MAX     16u
#define CONFIG_STATE_DIR    "/var/lib/cordon"

enum port_role { PORT_ACCESS, PORT_TRUNK };
enum port_side { PORT_INSIDE, PORT_OUTSIDE };
enum port_trust { TRUST_DHCP = 1 << 0, TRUST_RA = 1 << 1 };

struct config_port {
	const char *name, *device;
	uint16_t role, side; /* enum port_role, port_side */
	uint16_t vlan;       /* access */
	uint16_t native;     /* trunk; 0 none */
	uint16_t vlans[CONFIG_VLANS_MAX];
	size_t n_vlans;
	unsigned trust; /* enum port_trust bits */
	uint16_t mtu;
	struct place place, device_place;
};

/* X(name, default): seconds, in the order of the dataplane's. */
#define CONFIG_TIMEOUTS(X)                                                                                   \
	X(tcp_syn, 30)                                                                                       \
	X(tcp_established, 7200)                                                                             \
	X(tcp_closing, 120)                                                                                  \
	X(udp_first, 30)                                                                                     \
	X(udp_answered, 180)                                                                                 \
	X(icmp, 10)                                                                                          \
	X(lease, 300)

struct config_timeouts {
#define X(name, seconds) uint32_t name;
	CONFIG_TIMEOUTS(X)
#undef X
};

/* What happens when an engine is found to hold something else than the policy says. */
struct config_verify {
	uint32_t every; /* seconds between two read-backs */
	bool closed;    /* deny everything there, until it is equal again */
	bool adopt;     /* leave it, and say so, until the next commit; else publish again */
};

/* A group of the policy that management comes from. */
struct config_from {
	const char *name;
	struct place place;
};

struct config {
	const char *gateway;
	enum dp_engine engine; /* the data path */
	bool standby;          /* fail: nft */
	struct place fail_place;
	const char *bridge;
	uint16_t nft_group;
	struct config_verify verify;
	struct config_port ports[CONFIG_PORTS_MAX];
	size_t n_ports;
	struct cidr protected[CONFIG_PREFIXES_MAX];
	size_t n_protected;
	bool has_protected; /* written, even if empty */
	bool has_management;
	struct cidr management[NFT_MANAGEMENT_MAX]; /* addresses with their prefix lengths */
	size_t n_management;
	struct config_from from[CONFIG_FROM_MAX];
	size_t n_from;
	bool clock_trusted;
	struct access_entry access[CONFIG_ACCESS_MAX];
	size_t n_access;
	const char *dir; /* of state and records */
	uint64_t records_max;
	uint32_t records_rate;
	struct config_timeouts timeouts;
	struct yaml_tree *tree; /* all strings */
};

/* NULL if there was any error. */
struct config *config_load(const char *name, const char *text, size_t len, struct diags *d);
void config_free(struct config *c);

/* cordon-dp's arguments for this config, one a line; nothing if the kernel is the engine. `run_dir` may be
 * NULL. */
void config_print_dp_args(const struct config *c, const char *run_dir, FILE *out);
/* The same of cordon-nft; nothing if the config has no use for it. */
void config_print_nft_args(const struct config *c, const char *run_dir, FILE *out);

/* The words of bridge-prepare that make the bridge which cordon-nft enforces on; nothing if there is none. */
void config_print_bridge_args(const struct config *c, FILE *out);
/* The devices that port-prepare makes ready: the dataplane's. A bridge for the standby takes them over from
 * it. */
void config_print_port_args(const struct config *c, FILE *out);

/* What the policy compiler needs to know of this gateway; `ports` is filled and borrowed by `env`. */
void config_env(const struct config *c, const char *ports[CONFIG_PORTS_MAX], struct policy_env *env);
/* The config asks for cordon-nft: as the data path, as a standby, or for the gateway's own addresses. */
bool config_uses_nft(const struct config *c);
/* The box that cordon-nft runs; the layout is left open, because the kernel decides (nft_choose_layout()). */
void config_box(const struct config *c, struct nft_box *box);

/*
 * What a config demands of a policy: `management.from` names its groups, and all that these can mean reach
 * the gateway by ssh at every edge of the schedule; and a rule that names $gateway needs somebody to enforce
 * it. Findings are of severity error; those about the policy stand at its rules.
 */
void config_demands(const struct config *c, const struct ruleset *rs, int64_t now_utc, struct diags *d);
