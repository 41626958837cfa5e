/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cordond's state and its parts. One thread; everything is driven by the event loop (main.c) through
 * daemon_tick(), daemon_engine_ready() and the API's handlers, so tests drive it the same way without a loop.
 */
#pragma once

#include "binding.h"
#include "config.h"
#include "dp.h"
#include "generation.h"
#include "journal.h"
#include "log.h"
#include "nftmodel.h"
#include "store.h"

#define DAEMON_TICK_MS  100
#define DAEMON_READ_MAX 20000 /* records per pass */

#define DAEMON_ENGINES_MAX 2u

/*
 * One engine and the connection to it. The first is the data path: it says which endpoints there are. A
 * second one is cordon-nft beside cordon-dp; it follows.
 */
struct link {
	struct dp *dp;
	enum dp_engine kind;
	int64_t next_try_ms; /* monotonic */
	unsigned backoff_ms;
	int64_t ping_ms, verify_ms; /* when it was done last */
	bool changed;               /* the engine says that somebody else changed what it holds */
	bool resync;                /* bindings must be compared with the engine's */
	bool equal;                 /* the last read-back was equal */
	bool adopted;               /* a difference is left as it is until the next commit */
	bool closed;                /* told to deny everything, because of a difference */
	uint8_t standby;            /* enum dp_standby that was seen last */
	uint64_t takeovers;         /* that were told about */
	uint32_t removed;           /* bit per port whose removal was told about */
	char text[ENFORCER_ERROR];  /* why it is not connected or not equal; "" if all is well */
	char told[ENFORCER_ERROR];  /* the difference that was told last */
	/* of the last read-back, and of the one before anything was repaired */
	struct proof proof, found;
	int64_t proof_ns, equal_ns; /* UTC; the last that was equal; 0: none */
	int64_t proof_took_ns;
};

/* The last good files, and bindings on their way to the engines. */
struct upkeep {
	int64_t lastgood_ms;
	bool dirty; /* the last good files are behind */
	bool write_failed;
	uint32_t image_written; /* generation whose image this process wrote last */
	bool synced;            /* at least once since start */
	uint64_t instance; /* dataplane that is known to have our bindings; another one is offered them */
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

	struct link links[DAEMON_ENGINES_MAX]; /* [0]: the data path */
	size_t n_links;
	struct upkeep keep;
	struct nft_box box; /* of cordon-nft, since its first hello */
	bool box_known;
	const char *box_error; /* why the kernel cannot be what the config asks of it; NULL: it can */
	struct binding_port ports[CONFIG_PORTS_MAX];
	char port_names[CONFIG_PORTS_MAX][16];
	size_t n_ports;
	struct bindings *bindings;

	struct generation *active;    /* NULL: none yet */
	struct generation *candidate; /* being committed, borrowed; NULL: none */
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
/* Something is to be read from an engine. */
void daemon_engine_ready(struct daemon *d);

void daemon_log(const struct daemon *d, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int64_t mono_now_ms(void);

static inline struct link *daemon_primary(struct daemon *d)
{
	return &d->links[0];
}
/* The word for an engine: `dpdk`, `nft`. */
const char *link_word(const struct link *l);
/* The same in a sentence. */
const char *link_title(const struct link *l);
/* Every engine of the config is connected. */
bool daemon_connected(const struct daemon *d);

enum daemon_clock { CLOCK_UNKNOWN, CLOCK_GOOD, CLOCK_BAD };
/* Whether somebody vouches for this machine's UTC: the kernel, or the config. Unknown without an engine. */
enum daemon_clock daemon_clock(const struct daemon *d);

/* Number of the active generation, 0 if none. */
uint32_t daemon_generation(const struct daemon *d);
/* Identities are numbered by this now. */
struct naming daemon_naming(const struct daemon *d, const struct generation *g);
