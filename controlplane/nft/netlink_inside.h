/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files netlink*.c share: the sockets, batches of nf_tables messages with their answers, and dumps.
 * One thread, the owner of the struct nl.
 */
#pragma once

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "netlink.h"
#include "sets.h"

#define NL_RECEIVE (256u << 10)
#define NL_BUFFERS 3u
#define NL_TRIES   50u

struct nftnl_expr;

struct nl {
	struct nft_box box;
	char error[320];
	uint32_t seq;
	int nft, changes, ct, ct_events, log; /* sockets */
	uint32_t nft_port;                    /* netlink's own number of the socket `nft` */
	int changes_fd, wake;                 /* epoll of `changes` and the eventfd `wake` */
	bool changed;
	bool ours_zone[1u << 16];
	uint32_t log_seq[2]; /* next expected, by kind */
	uint64_t log_early;  /* told as lost when the socket said so, before a gap was seen */
	uint32_t ifindex[NFT_PORTS_MAX + 2];
	int64_t ifindex_at; /* monotonic seconds */
	int probe[2];
	void (*on_clearance)(void *ctx);
	void *clearance_ctx;
	char *buffer; /* NL_BUFFERS of NL_RECEIVE bytes */
};

/* Keeps a sentence and gives `code`. */
int nl_fail(struct nl *nl, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A socket of family `bus`, with a receive buffer of `receive` bytes; -errno. */
int nl_socket(int bus, size_t receive);
/* The datagrams that wait are given to `f`, message by message. Returns how many messages; -errno. Blocks for
 * the first one only if `wait`. */
typedef int nl_part_fn(void *ctx, const struct nlmsghdr *h);
int nl_read(struct nl *nl, int fd, bool wait, nl_part_fn *f, void *ctx);
/* A request whose answer is one message or an acknowledgement: 0, -errno. `f` may be NULL. */
int nl_ask(struct nl *nl, int fd, struct nlmsghdr *request, nl_part_fn *f, void *ctx);
/* A request whose answer is a list. -EINTR: it changed meanwhile, or a part was lost: ask again. An error of
 * `f` ends the list and is returned. */
int nl_list(struct nl *nl, int fd, struct nlmsghdr *request, nl_part_fn *f, void *ctx);
/* Header of a request of subsystem `subsys`. */
struct nlmsghdr *nl_request(void *buffer, uint8_t subsys, uint8_t type, uint8_t family, uint16_t flags);
int nl_generation(struct nl *nl, uint32_t *id);

/* Attributes of a message by type; `attr` has `max` + 1 pointers, which are zeroed first. */
void nl_attributes(const struct nlmsghdr *h, const struct nlattr **attr, uint16_t max);
void nl_nested(const struct nlattr *nest, const struct nlattr **attr, uint16_t max);

/* --- batches ------------------------------------------------------------------------------------------ */

/* X(symbol, words of an error; the name follows). */
#define NL_THINGS(X)                                                                                         \
	X(BATCH, "transaction")                                                                              \
	X(TABLE, "table")                                                                                    \
	X(CHAIN, "chain")                                                                                    \
	X(RULES, "rules of chain")                                                                           \
	X(RULE, "rule %u of chain")                                                                          \
	X(SET, "set")                                                                                        \
	X(ELEMENTS, "element %u of set")                                                                     \
	X(OBJECT, "object")                                                                                  \
	X(FLOWTABLE, "flowtable")                                                                            \
	X(GUARD, "guard of device")

enum nl_thing {
#define X(sym, words) NL_##sym,
	NL_THINGS(X)
#undef X
};

/* What one message of a batch is about, and the kernel's answer. */
struct nl_note {
	const char *name; /* borrowed until the commit */
	uint32_t number;  /* rule; first element */
	uint8_t thing, family;
	bool answered;
	int error;       /* 0 or -errno */
	uint32_t offset; /* in the message, of what was refused; 0 unknown */
	size_t at;       /* of the message in the batch */
};

struct nl_batch {
	char *at;
	size_t len, room;
	bool open; /* the last message is being written */
	bool no_memory;
	struct nl_note *note; /* one for each message; [0] is the batch itself */
	size_t n, note_room;
	uint32_t first_seq;
	char why[96]; /* the kernel's own words for the first error */
};

/* `id`: the generation that the batch is made for; the kernel refuses it (-ERESTART) for any other. */
int nl_batch_begin(struct nl *nl, struct nl_batch *b, uint32_t id);
/* A message to be filled, up to 64 KiB. */
struct nlmsghdr *nl_put(struct nl *nl, struct nl_batch *b, uint8_t type, uint8_t family, uint16_t flags,
			struct nl_note note);
/* Sends everything and reads all answers; 0 only if each message was acknowledged and the batch is in force.
 * nl_error() names what was refused. `b` keeps the answers until nl_batch_free(). */
int nl_commit(struct nl *nl, struct nl_batch *b, uint32_t id);
void nl_batch_free(struct nl_batch *b);

/* Puts elements of a set, one message after another of at most 60 KiB. */
struct nl_elements_of {
	uint8_t family;
	const char *name;            /* of the set, without version */
	const char *kernel_name;     /* with it */
	const struct nft_set *set;   /* its shape; what is used: flags, key_len, data_len, n_fields */
	enum nft_class_at class;     /* where classes are */
	uint32_t turn;               /* of the marks */
	const struct nft_program *p; /* names of chains that elements lead to */
	const char *suffix;          /* of those chains */
	struct nlmsghdr *h;          /* private: message and nest that are open */
	struct nlattr *nest;
	uint32_t n; /* elements put so far */
};
void nl_put_element(struct nl *nl, struct nl_batch *b, struct nl_elements_of *s, uint8_t type,
		    const struct nft_element *e);
/* A list without elements: is the set there? */
void nl_open_elements(struct nl *nl, struct nl_batch *b, struct nl_elements_of *s, uint8_t type);
void nl_end_elements(struct nl_elements_of *s);

/* --- parts of nl_open(), each told by nl_error() or its number ------------------------------------------ */

int nl_open_sessions(struct nl *nl);
int nl_open_log(struct nl *nl);

/* --- expressions -------------------------------------------------------------------------------------- */

/* In nft_expr.reserved[0] of a LOOKUP, only here: its data goes to the verdict register. */
#define NL_LOOKUP_VERDICT 1u

/* `name`: as the kernel is to know it. NULL: no memory or no such kind. */
struct nftnl_expr *nl_expr_make(const struct nft_expr *e, const char *name);
/* False: it is something that struct nft_expr cannot hold; *out is then NFT_EXPR_UNKNOWN. *name: borrowed. */
bool nl_expr_read(const struct nftnl_expr *from, struct nft_expr *out, const char **name);
