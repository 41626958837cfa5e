/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A kernel for tests of the records: counters, conntrack entries, events and messages that the test makes one
 * by one, behind the functions of netlink.h; and a clock in the test's hand. One at a time.
 */
#pragma once

#include "netlink.h"

#define FAKE_QUEUE    65536u
#define FAKE_SESSIONS 131072u

struct fake_counter {
	uint32_t family;
	char name[32];
	uint64_t packets, bytes;
};

struct fake_log {
	struct nl_log log;
	uint8_t bytes[128];
};

struct fake_kernel {
	struct fake_counter counter[64];
	uint32_t n_counters;
	bool no_tables;
	struct nl_session session[FAKE_SESSIONS];
	uint32_t n_sessions;
	struct {
		enum nl_session_event event;
		struct nl_session session;
	} event[FAKE_QUEUE];
	uint32_t n_events;
	bool overrun; /* the next reading of events says ENOBUFS */
	struct fake_log log[FAKE_QUEUE];
	uint32_t n_logs;
	uint32_t deleted, mark_asked, marked, listed;
	int delete_error, list_error;
	int64_t now_ms; /* monotonic; UTC is FAKE_UTC0 later */
};
#define FAKE_UTC0_NS (INT64_C(1800000000) * 1000000000)

extern struct fake_kernel kernel;

void fake_reset(void);
int64_t fake_utc_ns(void);
/* More packets of a counter, made if it is not there. */
void fake_count(uint32_t family, const char *name, uint64_t packets);
/* `lose`: nobody is told. */
void fake_event(enum nl_session_event event, const struct nl_session *s, bool lose);
struct nl_session *fake_session(uint32_t id); /* NULL: none */
void fake_add(const struct nl_session *s);
void fake_remove(uint32_t id);
void fake_log(const struct nl_log *l, bool lose);
