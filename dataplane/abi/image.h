/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The policy image: what the compiler hands to the dataplane.
 *
 * One contiguous, position-independent, immutable block in host byte order. It holds the policy's digest but
 * no generation, time or path, so the same policy with the same dictionary gives the same bytes. Readers may
 * use it only after image_check() (image_check.h) accepted it; after that, every index in it is in range and
 * no reader checks again. Owner: whoever mapped or allocated the bytes. Any number of threads may read.
 *
 * How a decision is found, for identities s -> d and service key k at UTC second t:
 *   edge     = last schedule entry with from_utc <= t              (the schedule is sorted, entry 0 is
 * INT64_MIN) row      = matrix[edge.matrix * n_source + identity[s].source] list     = the row's exception
 * for identity[d].responder, else row.default_list region   = last region of the list with from <= k (a list
 * covers the whole key space from 0) decision = decision[region.decision] An identity number beyond the table
 * is IDENTITY_NONE; class 0 on either side denies everything.
 *
 * Canonical order, so that a check needs one pass and no memory: decision 0 is default-deny, list 0 is
 * decision 0 for every key; the regions of the lists follow one another without gap or sharing, and so do the
 * slots of the rows.
 */
#pragma once

#include <stdint.h>

#include "verdict.h"

#define IMAGE_MAGIC    "CRDNIMG"
#define IMAGE_ABI      1u
#define IMAGE_SIZE_MAX (256u << 20)
#define IMAGE_ALIGN    64u /* of the block and of each section */

struct image_section {
	uint32_t offset; /* bytes from the start of the image, a multiple of IMAGE_ALIGN */
	uint32_t count;  /* elements */
};

struct image_identity {
	uint16_t source;    /* source class */
	uint16_t responder; /* responder class */
};

/* From `from_utc` (seconds) on, `matrix` is in force. */
struct image_edge {
	int64_t from_utc;
	uint32_t matrix;
	uint32_t reserved; /* 0 */
};

/* Exceptions are an open-addressed hash with linear probing; slot_count 0: none. */
struct image_row {
	uint32_t default_list;
	uint32_t slot_first;
	uint32_t slot_count; /* 0 or a power of two; at least one slot is empty */
	uint32_t reserved;   /* 0 */
};

#define IMAGE_SLOT_EMPTY UINT32_MAX
#define IMAGE_PROBE_MAX  32u /* an entry lies less than this many slots behind its start */
struct image_slot {
	uint32_t responder; /* class, or IMAGE_SLOT_EMPTY */
	uint32_t list;
};

static inline uint32_t image_slot_start(uint32_t responder, uint32_t slot_count)
{
	return (responder * 0x9e3779b1u >> 7) & (slot_count - 1);
}

struct image_list {
	uint32_t region_first;
	uint32_t region_count; /* at least 1 */
};

struct image_region {
	service_key from; /* up to the next region's `from`, or SERVICE_KEY_END */
	uint32_t decision;
};

enum image_decision_flag {
	DECISION_ALLOW = 1 << 0,          /* enforced verdict */
	DECISION_INTENDED_ALLOW = 1 << 1, /* verdict with monitored rules and without monitored scopes */
	DECISION_REJECT = 1 << 2,         /* answer a refused packet: RST or administratively prohibited */
	DECISION_LOG_ALWAYS = 1 << 3,     /* each refusal is a record of its own */
};

struct image_decision {
	rule_ref rule;
	rule_ref intended_rule;
	uint16_t obligations; /* 0: none */
	uint8_t flags;        /* enum image_decision_flag */
	uint8_t reason;       /* enum reason, POLICY stage */
	uint8_t intended_reason;
	uint8_t reserved[3]; /* 0 */
};

/*
 * Identity by address alone, as a partition of the address space. Only entries marked FINAL may be used for
 * an endpoint whose binding has not arrived; without FINAL other evidence could change the answer.
 */
enum image_prefix_flag {
	PREFIX_FINAL = 1 << 0,
	PREFIX_OUTSIDE =
		1
		<< 1, /* holds only at a port with side `outside` (and in tap mode), else IDENTITY_UNKNOWN */
};

struct image_prefix4 {
	uint32_t from; /* host order */
	uint16_t identity;
	uint16_t flags;
};

struct image_prefix6 {
	uint64_t from_high, from_low; /* host order */
	uint16_t identity;
	uint16_t flags;
	uint32_t reserved; /* 0 */
};

struct image_header {
	char magic[8];
	uint32_t abi;
	uint32_t size;      /* bytes, whole image */
	uint64_t crc64;     /* CRC-64/XZ over the image with this field zero */
	uint8_t digest[32]; /* SHA-256 of the policy's canonical form */
	uint32_t n_source;
	uint32_t n_responder;
	uint32_t n_matrix;
	uint32_t n_rules; /* highest rule number in use by the policy */
	uint32_t n_scopes;
	uint32_t reserved;             /* 0 */
	struct image_section identity; /* struct image_identity, indexed by number */
	struct image_section schedule; /* struct image_edge */
	struct image_section matrix;   /* uint32_t row, n_matrix * n_source */
	struct image_section row;      /* struct image_row */
	struct image_section slot;     /* struct image_slot */
	struct image_section list;     /* struct image_list */
	struct image_section region;   /* struct image_region */
	struct image_section decision; /* struct image_decision */
	struct image_section prefix4;  /* struct image_prefix4, from 0 */
	struct image_section prefix6;  /* struct image_prefix6, from :: */
	/* What some service of the policy names, beyond TCP, UDP and echo: bit per protocol or type. Only
	 * these may open a session or be asked of the rules. */
	uint64_t named_proto[4];
	uint64_t named_icmp[4];
	uint64_t named_icmpv6[4];
};

static inline const void *image_at(const struct image_header *image, struct image_section section)
{
	return (const char *)image + section.offset;
}
