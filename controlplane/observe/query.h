/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions to the store, for the API and for assessment. Reads only. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;
struct store;

struct flow_filter {
	int64_t since_ns, until_ns; /* 0: open */
	const char *verdict;        /* comma list of allow, deny, would-deny, would-allow; NULL: all */
	const char *from, *to;      /* an address, or a comma list of labels (role=web) and pieces of the
				       identity's      text, all of which it must have; NULL: all */
	const char *rule, *reason;  /* NULL: all */
	int64_t service;            /* service_key, or -1 */
	uint32_t limit;             /* newest first; 0: 100 */
};

struct flow_row {
	int64_t time_ns, last_ns;
	const char *kind;                 /* session, refused, changed, aggregate */
	const char *verdict;              /* allow, deny, would-deny, would-allow */
	const char *rule, *intended_rule; /* ids */
	const char *reason, *intended;
	const char *src, *dst;
	unsigned proto, sport, dport, domain;
	const char *src_identity, *dst_identity; /* texts */
	uint64_t generation, count;              /* count > 1: aggregated */
	uint64_t packets[2], bytes[2];
	bool live; /* session without an end record yet */
};

/* Calls `f` per row, newest first; *complete is false if part of the time asked for is lost or gone by
 * retention. */
int query_flows(struct store *s, const struct flow_filter *filter,
		void (*f)(void *ctx, const struct flow_row *row), void *ctx, bool *complete, uint64_t *lost);
