/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel, as cordon-nft sees it: nf_tables, conntrack and nflog over netlink. The only file of the
 * project that uses libnftnl and libmnl. Touches nothing but tables named NFT_TABLE, and conntrack entries
 * whose mark or zone is ours.
 *
 * Functions give 0 or -errno with a sentence in nl_error(). Every request asks for acknowledgements and reads
 * all of them; ENOBUFS is handled (the answer is asked for again) and never taken for success. One thread.
 * Functions that are called back for events and logs may call back into this file, those of lists may not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nftmodel.h"

struct nl;

/* Opens what needs CAP_NET_ADMIN; nothing more is opened later. */
int nl_open(struct nl **out, const struct nft_box *box, char *error, size_t room);
void nl_close(struct nl *nl);
const char *nl_error(const struct nl *nl);

/* Bits of enum dp_feature (dpmsg.h), by trying: in a transaction that is aborted, never by kernel version. */
uint32_t nl_features(struct nl *nl);

/* --- nf_tables ---------------------------------------------------------------------------------------- */

/*
 * One transaction: model `m` of `p` beside whatever is there, under `version`, and base chains switched to
 * it, counters kept. Tables, base chains and counters are made if they are missing. Either all of it or
 * nothing (negative). Then, when no packet is under way in it any more, all else that is in our tables is
 * deleted by a second transaction; should that fail, the answer is NL_LITTER: the new version is in force,
 * nl_error() says why the old one is still there, and nl_tidy() or the next swap takes it away. A version
 * that is there already is replaced in one transaction, in which a packet under way may miss in maps: count
 * `turn` up. `bound`: elements of bindings, added to the model's own.
 */
#define NL_LITTER 1
int nl_swap(struct nl *nl, const struct nft_program *p, uint32_t m, const struct nft_version *version,
	    const struct nft_bound *bound, size_t n);
/* What a swap to this version left of others. */
int nl_tidy(struct nl *nl, const struct nft_program *p, uint32_t m, const struct nft_version *version);
/* One transaction: elements of sets of the version in force. Deleting what is not there is no error. */
int nl_elements(struct nl *nl, const struct nft_version *version, const struct nft_bound *del, size_t n_del,
		const struct nft_bound *add, size_t n_add);
/*
 * All that is in our tables: malloc'ed program of one model. *version: the one that the base chains lead to;
 * sets and chains of it are named without their version, all others are NFT_FOREIGN. No table of ours:
 * -ENOENT. A dump that the kernel interrupted (NLM_F_DUMP_INTR) or whose generation id changed is taken
 * again.
 */
int nl_dump(struct nl *nl, struct nft_program **out, size_t *size, struct nft_version *version);
/* Our tables are gone. */
int nl_remove(struct nl *nl);

typedef void nl_counter_fn(void *ctx, uint32_t family, const char *name, uint64_t packets, uint64_t bytes);
int nl_counters(struct nl *nl, nl_counter_fn *f, void *ctx);
/* Called when the version before is used no more, and its counters are about to go. `f` NULL: nobody. */
void nl_on_clearance(struct nl *nl, void (*f)(void *ctx), void *ctx);

/* For polling: somebody else changed something in our tables, or may have while we did. nl_changed() reads
 * what is there; true once. */
int nl_changes_fd(const struct nl *nl);
bool nl_changed(struct nl *nl);

/* The netdev-ingress drop on the ports' devices that keeps the kernel's bridge from their frames (a table of
 * family netdev). One transaction each; setting what is set is no error. */
int nl_guard(struct nl *nl, bool on);
/* 1: all devices guarded, 0: none; -EUCLEAN: some. */
int nl_guarded(struct nl *nl);

/*
 * The probe ports: kernel taps `cordonp0` and `cordonp1`, up and in the box's bridge. fds: non-blocking, one
 * frame a read or write, owned by `nl`; -1 after an error. Closing removes the devices; nl_close() does it
 * too.
 */
int nl_probe_open(struct nl *nl, int fds[2]);
void nl_probe_close(struct nl *nl);

/* --- conntrack ---------------------------------------------------------------------------------------- */

/* Directions: 0 initiator -> responder, 1 back. Ports in host order; ICMP: sport identifier, dport type << 8
 * | code. */
struct nl_session {
	uint32_t id; /* of the kernel's entry */
	uint32_t mark;
	uint16_t zone;
	uint8_t family, proto;
	uint8_t src[16], dst[16]; /* IPv4 in the first four bytes, network order */
	uint16_t sport, dport;
	uint8_t tcp_state; /* TCP_CONNTRACK_* */
	uint32_t status;   /* IPS_* */
	uint64_t packets[2], bytes[2];
	int64_t start_ns, stop_ns; /* UTC; 0 unknown */
};

enum nl_session_event { NL_SESSION_LISTED, NL_SESSION_NEW, NL_SESSION_MARK, NL_SESSION_GONE };
typedef void nl_session_fn(void *ctx, enum nl_session_event event, const struct nl_session *s);

/* All entries whose zone is one of the box's domains or whose mark is a class mark. */
int nl_sessions(struct nl *nl, nl_session_fn *f, void *ctx);
/* -ENOENT: it is gone. */
int nl_session_delete(struct nl *nl, const struct nl_session *s);
int nl_session_mark(struct nl *nl, const struct nl_session *s, uint32_t mark);

int nl_sessions_fd(const struct nl *nl);
/* Events that wait, at most `max` and the rest of a datagram. NL_SESSION_MARK comes with every update of an
 * entry that has a mark: compare it. Returns how many; -ENOBUFS: the kernel dropped some, list them anew. */
int nl_session_events(struct nl *nl, uint32_t max, nl_session_fn *f, void *ctx);

/* --- nflog -------------------------------------------------------------------------------------------- */

enum nl_log_kind { NL_LOG_DECISION, NL_LOG_ENDPOINT };

struct nl_log {
	enum nl_log_kind kind;
	uint32_t mark;     /* decision: class mark; endpoint: port index + 1 */
	uint32_t in_port;  /* physical device's index in the box's ports, UINT32_MAX unknown */
	uint16_t protocol; /* ethertype, host order */
	bool has_mac;
	uint8_t src_mac[6], dst_mac[6];
	uint16_t vlan;          /* tag, 0 none */
	char prefix[16];        /* of the log statement */
	const uint8_t *payload; /* from the network header on; valid in the call */
	uint32_t len;
};
typedef void nl_log_fn(void *ctx, const struct nl_log *l);

int nl_log_fd(const struct nl *nl);
/* Messages that wait, at most `max`; *lost: how many the kernel dropped since the last call, by its sequence
 * numbers. Returns how many. */
int nl_logs(struct nl *nl, uint32_t max, nl_log_fn *f, void *ctx, uint64_t *lost);
