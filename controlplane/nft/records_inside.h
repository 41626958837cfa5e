/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of the records; for records.c, laws.c, refusals.c, flows.c and sweep.c only. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "counters.h"
#include "homes.h"
#include "marks.h"
#include "recorder.h"
#include "records.h"
#include "sessions.h"

#define PORT_NONE UINT16_MAX

/* What the kernel counts and tells of in messages. */
enum told { TOLD_OPENED, TOLD_REFUSED, TOLD_KINDS };

struct tally {
	uint64_t received;                    /* messages */
	uint64_t lost;                        /* counted, and never told in time */
	uint64_t excess;                      /* told, and never counted */
	uint64_t counted_then, received_then; /* at the beginning of the time to settle */
};

#define ASKED 1024u /* a power of two */

struct records {
	struct nl *nl;
	const struct nft_box *box;
	struct ring_file ring;
	char ring_path[PATH_MAX];
	struct ring_producer producer;
	struct recorder recorder;

	const struct nft_program *program;
	struct nft_version version; /* generation 0: everything is denied */
	struct marks marks;
	struct homes homes;
	struct sessions sessions;
	struct {
		uint16_t from, to;
		service_key key;
		uint32_t class;
		bool valid;
	} asked[ASKED]; /* answers of nft_ask() for this program and model */

	struct counters counters;
	struct tally tally[TOLD_KINDS];
	uint64_t raised;     /* of the ring's decisions, those that the kernel made */
	uint64_t redecided;  /* by us */
	uint64_t unrecorded; /* received and of no use, not told of yet */
	uint32_t unrecorded_mark;
	int64_t settle_ms; /* when the time to settle began */

	int64_t began_ns; /* UTC: sessions older than this have their record elsewhere */
	int64_t list_ms, absent_ms;
	uint32_t list, sweep; /* numbers of the last ones */
	uint32_t undrained;   /* sessions decided again since events were read */
	bool told; /* what is in force; until then it is an earlier process's, and its marks mean nothing */
	bool adopted; /* one list was taken */
	bool overrun; /* the kernel dropped events since the last list began */
	bool recheck; /* sessions must be decided again */
	bool missed;  /* a session could not be, or not be kept */
	bool list_due;
	int told_error; /* the last failure that was told, not over yet */
	const char *told_what;

	void (*on_endpoint)(void *ctx, const struct dp_endpoint *e);
	void *endpoint_ctx;
	void (*on_notice)(void *ctx, const char *text);
	void *notice_ctx;
};

/* --- records.c */
void records_clock(struct records *r);
void records_notice(struct records *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A failure that may come again each tick: told when it is another one than before. `error` 0: it is over.
 * `what`: static. */
void records_failed(struct records *r, const char *what, int error);
/* Work that takes long says now and then that it is alive. */
void records_beat(struct records *r);
/* Events and messages that wait. */
void records_drain(struct records *r);

struct who {
	const struct dp_binding *home; /* NULL: none, or an end of the host plane */
	uint16_t identity;
	bool known; /* else whatever concerns it is denied by default */
};
struct who records_who(const struct records *r, bool host, uint16_t domain, uint8_t family,
		       const uint8_t addr[16]);
uint16_t records_port(const struct records *r, const struct dp_binding *home);

/* --- laws.c */
void laws_received(struct records *r, enum told kind);
/* What was received just now cannot be recorded: a mark of no known generation, no memory, no packet in it.
 */
void laws_unrecorded(struct records *r, uint32_t mark);
/* One reading of the kernel's counters into the ring's. 0 or -errno. */
int laws_publish(struct records *r);
void laws_settle(struct records *r, int64_t now_ms);

/* --- refusals.c */
void refusals_take(void *ctx, const struct nl_log *l);

/* --- flows.c */
void flows_take(void *ctx, enum nl_session_event event, const struct nl_session *s);
/* A fresh list of all sessions. 0 or -errno. */
int flows_list(struct records *r);
/* Ends of sessions whose last event was lost. */
void flows_settle(struct records *r, int64_t now_ms);
/* The session's decision is this one from now on. */
void flows_changed(struct records *r, struct session *s, const struct image_decision *d, uint32_t generation);
bool flows_is_host(const struct records *r, const struct session *s);
void flows_delete(struct records *r, struct session *s);
/* Who the ends are now. True: both are known. */
bool flows_set_ends(struct records *r, struct session *s);

/* --- sweep.c */
void sweep_one(void *records, struct session *s);
void sweep_all(struct records *r);
/* Was it decided with other identities, or otherwise, than what is in force says? */
bool sweep_doubts(struct records *r, const struct session *s);
void sweep_forget(struct records *r); /* answers that were asked for */
