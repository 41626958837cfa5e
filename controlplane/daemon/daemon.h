/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cordond's state and its parts. One thread; everything is driven by the event loop (main.c) through
 * daemon_tick(), daemon_dp_ready() and the API's handlers, so tests drive it the same way without a loop.
 */
#pragma once

#include "binding.h"
#include "config.h"
#include "dp.h"
#include "generation.h"
#include "journal.h"
#include "log.h"
#include "store.h"

#define DAEMON_TICK_MS  100
#define DAEMON_READ_MAX 20000 /* records per pass */

struct link {
	struct dp *dp;
	int64_t next_try_ms; /* monotonic */
	unsigned backoff_ms;
	int64_t ping_ms, readback_ms, lastgood_ms; /* when it was done last */
	bool resync;                               /* bindings must be compared with the dataplane's */
	bool equal;                                /* the last read-back was equal */
	bool dirty;                                /* the last good files are behind */
	bool write_failed;
	uint32_t image_written; /* generation whose image this process wrote last */
	bool synced;            /* at least once since start */
	uint64_t instance; /* dataplane that is known to have our bindings; another one is offered them */
	char text[ENFORCER_ERROR]; /* why it is not connected or not equal; "" if all is well */
	struct dp_binding batch[DP_BATCH];
	size_t n_batch;
};

struct daemon {
	struct log *log; /* borrowed; NULL in tests */
	struct config *config;
	const char *run_dir, *catalogue;
	int64_t started_ns;

	struct store *store;
	struct reader *reader;
	char reader_error[160]; /* "" while records are stored */
	int64_t retained_ms;
	struct journal journal;
	struct journal_bindings journal_bindings;
	struct dictionary *dictionary;

	struct link link;
	struct binding_port ports[CONFIG_PORTS_MAX];
	char port_names[CONFIG_PORTS_MAX][16];
	size_t n_ports;
	struct bindings *bindings;

	struct generation *active; /* NULL: none yet */
	uint32_t open_intent; /* number of a prepared generation that is neither active nor abandoned; 0 none
			       */

	/* for tests: stands between a transaction and the journal; NULL: the journal itself */
	const struct txn_journal *(*wrap_journal)(struct daemon *d, const struct txn_journal *journal);
};

/*
 * Open store, dictionary and active generation; nothing is written but what the store itself makes. The
 * config becomes the daemon's. On failure one sentence in `error` and nothing has changed.
 */
int daemon_open(struct daemon *d, struct config *config, const char *run_dir, struct log *log, char *error,
		size_t room);
void daemon_close(struct daemon *d);

/* Every DAEMON_TICK_MS: connection upkeep, events, records, history. */
void daemon_tick(struct daemon *d);
/* One pass over the rings: what is recorded by now is stored. */
void daemon_read_records(struct daemon *d);
/* Something is to be read from the dataplane. */
void daemon_dp_ready(struct daemon *d);

void daemon_log(const struct daemon *d, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int64_t mono_now_ms(void);

/* Number of the active generation, 0 if none. */
uint32_t daemon_generation(const struct daemon *d);
/* Identities are numbered by this now. */
struct naming daemon_naming(const struct daemon *d, const struct generation *g);
