/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of a decision, shared by dataplane and control plane.
 *
 * Everything that names a verdict, a reason or a rule in an image, a record or a message takes its numbers
 * from here. A new reason is one line in CORDON_REASONS; counters, records, CLI and docs follow from it.
 * Header only, libc only; no state, any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Zeroed memory denies. */
enum verdict { VERDICT_DENY = 0, VERDICT_ALLOW = 1 };

/*
 * Where a reason comes from decides how it is counted:
 *   POLICY  the refusal (or permission) is a decision: it has a record and enters the law of decisions;
 *   FRAME   the frame was refused before policy: counted by reason and port, no record.
 */
enum reason_stage { REASON_STAGE_POLICY, REASON_STAGE_FRAME };

/* X(symbol, word, stage). Order is part of the ABI: append only. */
#define CORDON_REASONS(X)                                                                                    \
	X(NONE, "none", FRAME)                                                                               \
	X(RULE, "rule", POLICY)                                                                              \
	X(NO_RULE, "no-rule", POLICY)                                                                        \
	X(SCOPE, "scope", POLICY)                                                                            \
	X(NO_SESSION, "no-session", POLICY)                                                                  \
	X(CONFLICT, "conflict", POLICY)                                                                      \
	X(CLOCK, "clock", POLICY)                                                                            \
	X(DENY_ALL, "deny-all", POLICY)                                                                      \
	X(FLOW_LIMIT, "flow-limit", POLICY)                                                                  \
	X(POSTURE, "posture", POLICY)                                                                        \
	X(POSTURE_UNKNOWN, "posture-unknown", POLICY)                                                        \
	X(TLS_MISSING, "tls-missing", POLICY)                                                                \
	X(TLS_VERSION, "tls-version", POLICY)                                                                \
	X(TLS_SNI, "tls-sni", POLICY)                                                                        \
	X(TLS_ALPN, "tls-alpn", POLICY)                                                                      \
	X(RATE, "rate", POLICY)                                                                              \
	X(SPOOF, "spoof", FRAME)                                                                             \
	X(PARSE, "parse", FRAME)                                                                             \
	X(TRUNCATED, "truncated", FRAME)                                                                     \
	X(CHECKSUM, "checksum", FRAME)                                                                       \
	X(FRAGMENT, "fragment", FRAME)                                                                       \
	X(OPTIONS, "options", FRAME)                                                                         \
	X(EXT_HEADER, "ext-header", FRAME)                                                                   \
	X(PROTO, "proto", FRAME)                                                                             \
	X(ICMP_TYPE, "icmp-type", FRAME)                                                                     \
	X(ICMP_UNRELATED, "icmp-unrelated", FRAME)                                                           \
	X(TCP_FLAGS, "tcp-flags", FRAME)                                                                     \
	X(TCP_WINDOW, "tcp-window", FRAME)                                                                   \
	X(VLAN, "vlan", FRAME)                                                                               \
	X(VLAN_STACK, "vlan-stack", FRAME)                                                                   \
	X(ETHERTYPE, "ethertype", FRAME)                                                                     \
	X(ARP, "arp", FRAME)                                                                                 \
	X(ND, "nd", FRAME)                                                                                   \
	X(DHCP, "dhcp", FRAME)                                                                               \
	X(MULTICAST, "multicast", FRAME)                                                                     \
	X(NO_PORT, "no-port", FRAME)                                                                         \
	X(SAME_PORT, "same-port", FRAME)                                                                     \
	X(MTU, "mtu", FRAME)                                                                                 \
	X(TX, "tx", FRAME)                                                                                   \
	X(ENDPOINT_LIMIT, "endpoint-limit", FRAME)                                                           \
	X(L2, "l2", FRAME) /* not a refusal: an ARP or ND frame passed on in tap mode */

enum reason {
#define X(sym, word, stage) REASON_##sym,
	CORDON_REASONS(X)
#undef X
		REASON_COUNT
};

static inline const char *reason_word(unsigned reason)
{
	static const char *const words[] = {
#define X(sym, word, stage) word,
		CORDON_REASONS(X)
#undef X
	};
	return reason < REASON_COUNT ? words[reason] : "invalid";
}

static inline enum reason_stage reason_stage(unsigned reason)
{
	static const uint8_t stages[] = {
#define X(sym, word, stage) REASON_STAGE_##stage,
		CORDON_REASONS(X)
#undef X
	};
	return reason < REASON_COUNT ? (enum reason_stage)stages[reason] : REASON_STAGE_FRAME;
}

static inline const char *verdict_word(unsigned verdict)
{
	return verdict == VERDICT_ALLOW ? "allow" : "deny";
}

/*
 * What decided. Numbers are meaningful only together with a generation; the control store maps them to ids.
 *   0                       default-deny
 *   1 .. n                  the policy's rules in order of their ids
 *   RULE_SCOPE_BIT | 0..n   the policy's scopes in order of their ids
 */
typedef uint32_t rule_ref;
#define RULE_DEFAULT_DENY ((rule_ref)0)
#define RULE_SCOPE_BIT    ((rule_ref)0x80000000u)

/* Identities: permanent 16-bit numbers, usable as Cisco TrustSec SGTs. */
enum identity_number {
	IDENTITY_NONE = 0,
	IDENTITY_UNKNOWN = 1,
	IDENTITY_CONFLICT = 2,
	IDENTITY_GATEWAY = 3,
	IDENTITY_WORLD = 4,
	IDENTITY_MULTICAST = 5,
	IDENTITY_PROBE_FIRST = 8,
	IDENTITY_PROBE_LAST = 15,
	IDENTITY_FIRST = 16,   /* first label set */
	IDENTITY_LAST = 65519, /* last label set */
};

/*
 * One point of the service space, as rules, images and the engine see it:
 * protocol in bits 16-23; below it the destination port (TCP, UDP), type << 8 | code (ICMP, ICMPv6), else 0.
 */
typedef uint32_t service_key;
#define SERVICE_KEY_END ((service_key)1 << 24)

static inline service_key service_key_make(uint8_t proto, uint16_t low)
{
	return (service_key)proto << 16 | low;
}
