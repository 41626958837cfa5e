/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets, lists and transactions. The kernel works on a request inside the system call that sends it, so its
 * answers wait when sendto() returns; a receive buffer that is large enough for all of them is made first.
 */
#include "netlink_inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_ROOM (160u << 10) /* what a message that is being written may take */
#define ANSWER_ROOM  1024u        /* what an acknowledgement takes of a receive buffer */
#define ANSWER_WAIT  10           /* seconds */
#define CHANGES_MAX  100000u      /* announcements that one call reads */

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

int nl_fail(struct nl *nl, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(nl->error, sizeof nl->error, format, args);
	va_end(args);
	return code;
}

const char *nl_error(const struct nl *nl)
{
	return nl->error;
}

/* --- sockets ------------------------------------------------------------------------------------------ */

static void set_room(int fd, int which, int force, size_t bytes)
{
	const int value = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes;

	if (setsockopt(fd, SOL_SOCKET, force, &value, sizeof value))
		setsockopt(fd, SOL_SOCKET, which, &value, sizeof value);
}

int nl_socket(int bus, size_t receive)
{
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, bus);
	struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	const struct timeval wait = {.tv_sec = ANSWER_WAIT};
	const int on = 1;

	if (fd < 0)
		return -errno;
	set_room(fd, SO_RCVBUF, SO_RCVBUFFORCE, receive);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) ||
	    bind(fd, (struct sockaddr *)&any, sizeof any)) {
		const int code = -errno;

		close(fd);
		return code;
	}
	return fd;
}

static int send_bytes(int fd, const void *bytes, size_t len)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	do
		n = sendto(fd, bytes, len, 0, (struct sockaddr *)&kernel, sizeof kernel);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* What comes by itself has buffers of its own: those who are told of it may ask something meanwhile. */
static char *buffer_of(const struct nl *nl, int fd)
{
	return nl->buffer + NL_RECEIVE * (fd == nl->ct_events ? 1u : fd == nl->log ? 2u : 0u);
}

static ssize_t receive(struct nl *nl, int fd, bool wait)
{
	ssize_t n;

	do
		n = recv(fd, buffer_of(nl, fd), NL_RECEIVE, MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN && wait ? -ETIMEDOUT : -errno;
	return n > (ssize_t)NL_RECEIVE ? -EMSGSIZE : n;
}

int nl_read(struct nl *nl, int fd, bool wait, nl_part_fn *f, void *ctx)
{
	ssize_t n = receive(nl, fd, wait);
	int left = (int)n, count = 0;

	if (n < 0)
		return (int)n;
	for (const struct nlmsghdr *h = (const void *)buffer_of(nl, fd); mnl_nlmsg_ok(h, left);
	     h = mnl_nlmsg_next(h, &left), count++) {
		const int code = f(ctx, h);

		if (code)
			return code;
	}
	return count;
}

struct nlmsghdr *nl_request(void *buffer, uint8_t subsys, uint8_t type, uint8_t family, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);

	h->nlmsg_type = (uint16_t)(subsys << 8 | type);
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	return h;
}

static int error_of(const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

	return h->nlmsg_len < mnl_nlmsg_size(sizeof *e) ? -EBADMSG : e->error;
}

/* Nothing of an earlier answer is left in the socket. */
static void drain(struct nl *nl, int fd)
{
	for (int i = 0; i < 100000; i++) {
		const ssize_t n = receive(nl, fd, false);

		if (n < 0 && n != -ENOBUFS)
			return;
	}
}

struct reading {
	uint32_t seq;
	nl_part_fn *f;
	void *ctx;
	bool list, done, interrupted;
	int error, ended;
};

static int take_part(void *ctx, const struct nlmsghdr *h)
{
	struct reading *r = ctx;

	if (h->nlmsg_seq != r->seq || r->done)
		return 0;
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		r->interrupted = true;
	if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
		r->done = true;
		if (h->nlmsg_type == NLMSG_ERROR)
			r->error = error_of(h);
		else if (h->nlmsg_len >= mnl_nlmsg_size(sizeof(int)))
			memcpy(&r->error, mnl_nlmsg_get_payload(h), sizeof(int));
	} else if (!r->ended && r->f) {
		r->ended = r->f(r->ctx, h);
	}
	return 0;
}

static int converse(struct nl *nl, int fd, struct nlmsghdr *request, struct reading *r)
{
	int code;

	request->nlmsg_seq = r->seq = ++nl->seq;
	drain(nl, fd);
	code = send_bytes(fd, request, request->nlmsg_len);
	while (!code && !r->done) {
		code = nl_read(nl, fd, true, take_part, r);
		code = code > 0 ? 0 : code;
	}
	if (code == -ENOBUFS && r->list)
		return -EINTR;
	if (code || r->error)
		return code ? code : r->error;
	if (r->ended)
		return r->ended;
	return r->interrupted ? -EINTR : 0;
}

int nl_ask(struct nl *nl, int fd, struct nlmsghdr *request, nl_part_fn *f, void *ctx)
{
	struct reading r = {.f = f, .ctx = ctx};

	request->nlmsg_flags |= NLM_F_ACK;
	return converse(nl, fd, request, &r);
}

int nl_list(struct nl *nl, int fd, struct nlmsghdr *request, nl_part_fn *f, void *ctx)
{
	struct reading r = {.f = f, .ctx = ctx, .list = true};

	request->nlmsg_flags |= NLM_F_DUMP;
	return converse(nl, fd, request, &r);
}

struct wanted {
	const struct nlattr **attr;
	uint16_t max;
};

static int keep_attribute(const struct nlattr *a, void *ctx)
{
	const struct wanted *w = ctx;
	const uint16_t type = mnl_attr_get_type(a);

	if (type <= w->max)
		w->attr[type] = a;
	return MNL_CB_OK;
}

void nl_attributes(const struct nlmsghdr *h, const struct nlattr **attr, uint16_t max)
{
	struct wanted w = {attr, max};

	memset(attr, 0, sizeof *attr * (max + 1u));
	mnl_attr_parse(h, sizeof(struct nfgenmsg), keep_attribute, &w);
}

void nl_nested(const struct nlattr *nest, const struct nlattr **attr, uint16_t max)
{
	struct wanted w = {attr, max};

	memset(attr, 0, sizeof *attr * (max + 1u));
	if (nest)
		mnl_attr_parse_nested(nest, keep_attribute, &w);
}

static int take_generation(void *ctx, const struct nlmsghdr *h)
{
	const struct nlattr *attr[NFTA_GEN_MAX + 1];

	nl_attributes(h, attr, NFTA_GEN_MAX);
	if (!attr[NFTA_GEN_ID])
		return -EBADMSG;
	*(uint32_t *)ctx = ntohl(mnl_attr_get_u32(attr[NFTA_GEN_ID]));
	return 0;
}

int nl_generation(struct nl *nl, uint32_t *id)
{
	char buffer[MNL_NLMSG_HDRLEN + 64];
	struct nlmsghdr *h = nl_request(buffer, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, AF_UNSPEC, 0);
	const int code = nl_ask(nl, nl->nft, h, take_generation, id);

	return code ? nl_fail(nl, code, "nf_tables does not answer: %s", strerror(-code)) : 0;
}

/* --- batches ------------------------------------------------------------------------------------------ */

static void close_message(struct nl_batch *b)
{
	const struct nlmsghdr *h = (const void *)(b->at + b->len);

	if (b->open)
		b->len += MNL_ALIGN(h->nlmsg_len);
	b->open = false;
}

static void more_notes(struct nl_batch *b)
{
	struct nl_note *note = b->n < b->note_room ? b->note : realloc(b->note, b->n * 2 * sizeof *note);

	if (!note) {
		b->no_memory = true;
		b->n = 0;
	} else if (b->n == b->note_room) {
		b->note = note;
		b->note_room *= 2;
	}
}

/* Without memory the batch is written over its own beginning and never sent. */
static void make_room(struct nl_batch *b)
{
	more_notes(b);
	if (b->room - b->len >= MESSAGE_ROOM)
		return;
	const size_t room = b->room * 2 + MESSAGE_ROOM;
	char *at = realloc(b->at, room);

	if (!at) {
		b->no_memory = true;
		b->len = 0;
		return;
	}
	b->at = at;
	b->room = room;
}

static struct nlmsghdr *put_message(struct nl *nl, struct nl_batch *b, uint16_t type, uint16_t flags,
				    struct nl_note note)
{
	close_message(b);
	make_room(b);
	struct nlmsghdr *h = nl_request(b->at + b->len, 0, 0, note.family, flags);
	h->nlmsg_type = type;
	h->nlmsg_seq = ++nl->seq;
	note.at = b->len;
	b->note[b->n++] = note;
	b->open = true;
	return h;
}

static void put_frame(struct nl *nl, struct nl_batch *b, uint16_t type, const uint32_t *id)
{
	struct nlmsghdr *h = put_message(nl, b, type, 0, (struct nl_note){.answered = true});
	struct nfgenmsg *g = mnl_nlmsg_get_payload(h);

	g->res_id = htons(NFNL_SUBSYS_NFTABLES);
	if (id)
		mnl_attr_put_u32(h, NFNL_BATCH_GENID, htonl(*id));
}

int nl_batch_begin(struct nl *nl, struct nl_batch *b, uint32_t id)
{
	*b = (struct nl_batch){.at = malloc(MESSAGE_ROOM * 2),
			       .room = MESSAGE_ROOM * 2,
			       .note = malloc(64 * sizeof *b->note),
			       .note_room = 64,
			       .first_seq = nl->seq + 1};
	if (!b->at || !b->note) {
		nl_batch_free(b);
		return nl_fail(nl, -ENOMEM, "out of memory for a transaction; nothing was changed");
	}
	put_frame(nl, b, NFNL_MSG_BATCH_BEGIN, &id);
	return 0;
}

struct nlmsghdr *nl_put(struct nl *nl, struct nl_batch *b, uint8_t type, uint8_t family, uint16_t flags,
			struct nl_note note)
{
	note.family = family;
	return put_message(nl, b, NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_ACK | flags, note);
}

void nl_batch_free(struct nl_batch *b)
{
	free(b->at);
	free(b->note);
	*b = (struct nl_batch){0};
}

/* The kernel's words and place, of an answer with extended acknowledgement. */
static void take_words(struct nl_batch *b, struct nl_note *note, const struct nlmsghdr *h)
{
	const struct nlattr *attr[NLMSGERR_ATTR_OFFS + 1];
	struct wanted w = {attr, NLMSGERR_ATTR_OFFS};

	memset(attr, 0, sizeof attr);
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	mnl_attr_parse(h, sizeof(struct nlmsgerr), keep_attribute, &w);
	if (attr[NLMSGERR_ATTR_OFFS])
		note->offset = mnl_attr_get_u32(attr[NLMSGERR_ATTR_OFFS]);
	if (attr[NLMSGERR_ATTR_MSG] && !b->why[0])
		snprintf(b->why, sizeof b->why, "%.*s",
			 (int)mnl_attr_get_payload_len(attr[NLMSGERR_ATTR_MSG]),
			 (const char *)mnl_attr_get_payload(attr[NLMSGERR_ATTR_MSG]));
}

static int take_answer(void *ctx, const struct nlmsghdr *h)
{
	struct nl_batch *b = ctx;
	const uint32_t i = h->nlmsg_seq - b->first_seq;

	if (h->nlmsg_type != NLMSG_ERROR || i >= b->n)
		return 0;
	struct nl_note *note = &b->note[i];
	note->answered = true;
	if (error_of(h) && !note->error) {
		note->error = error_of(h);
		take_words(b, note, h);
	}
	return 0;
}

/* All answers that wait. -ENOBUFS: some were dropped. */
static int take_answers(struct nl *nl, struct nl_batch *b)
{
	bool lost = false;

	for (size_t i = 0; i < b->n * 2 + 64; i++) {
		const int code = nl_read(nl, nl->nft, false, take_answer, b);

		if (code == -ENOBUFS)
			lost = true;
		else if (code == -EAGAIN)
			break;
		else if (code < 0)
			return code;
	}
	return lost ? -ENOBUFS : 0;
}

/* Which element of a message stands at this offset. */
static uint32_t element_at(const struct nl_batch *b, const struct nl_note *note)
{
	const struct nlmsghdr *h = (const void *)(b->at + note->at);
	const struct nlattr *attr[NFTA_SET_ELEM_LIST_ELEMENTS + 1], *one;
	uint32_t i = note->number;

	nl_attributes(h, attr, NFTA_SET_ELEM_LIST_ELEMENTS);
	if (!attr[NFTA_SET_ELEM_LIST_ELEMENTS] || !note->offset)
		return i;
	mnl_attr_for_each_nested(one, attr[NFTA_SET_ELEM_LIST_ELEMENTS])
	{
		if ((size_t)((const char *)one + MNL_ALIGN(one->nla_len) - (const char *)h) > note->offset)
			break;
		/* the gap behind an interval begins with its flags, and is no element of the program's */
		i += mnl_attr_get_type(mnl_attr_get_payload(one)) != NFTA_SET_ELEM_FLAGS;
	}
	return i;
}

static const char *family_word(uint8_t family)
{
	return family == NFT_INET ? "inet" : family == NFT_BRIDGE ? "bridge" : "netdev";
}

/* Words for what the kernel means by a number here. */
static const char *reason_of(int code)
{
	switch (code) {
	case -EEXIST:
		return "exists already, or overlaps";
	case -ENOENT:
		return "something that it names does not exist";
	case -ENFILE:
		return "the set is full";
	case -EBUSY:
		return "still in use";
	case -EPERM:
		return "not permitted: another process owns the table, or CAP_NET_ADMIN is missing";
	default:
		return strerror(-code);
	}
}

/* What a message is about, in words: `element 3 of set ports in table inet cordon`. */
static void name_thing(const struct nl_batch *b, const struct nl_note *note, char *out, size_t room)
{
	static const char *const words[] = {
#define X(sym, text) text,
		NL_THINGS(X)
#undef X
	};
	const uint32_t number = note->thing == NL_ELEMENTS ? element_at(b, note) : note->number;
	char what[64];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(what, sizeof what, words[note->thing], number + 1);
#pragma GCC diagnostic pop
	if (note->thing == NL_TABLE)
		snprintf(out, room, "table %s %s", family_word(note->family), NFT_TABLE);
	else
		snprintf(out, room, "%s %s in table %s %s", what, note->name ? note->name : "",
			 family_word(note->family), NFT_TABLE);
}

static int refused(struct nl *nl, const struct nl_batch *b, const struct nl_note *note)
{
	char thing[200];

	if (note->thing == NL_BATCH)
		return nl_fail(nl, note->error, "the kernel refused the transaction: %s; nothing was changed",
			       strerror(-note->error));
	name_thing(b, note, thing, sizeof thing);
	return nl_fail(nl, note->error, "the kernel refused %s: %s%s%s%s; nothing was changed", thing,
		       reason_of(note->error), b->why[0] ? " (" : "", b->why, b->why[0] ? ")" : "");
}

/* The refusal of a batch as a whole may be among the lost, so with one lost nothing is proven. */
static int judge(struct nl *nl, const struct nl_batch *b, int lost)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->note[i].error)
			return refused(nl, b, &b->note[i]);
	for (size_t i = 0; !lost && i < b->n; i++)
		if (!b->note[i].answered)
			lost = -EPROTO;
	return lost ? nl_fail(nl, lost,
			      "the kernel's answers to a transaction of %zu messages were lost: whether it "
			      "is in "
			      "force must be read back",
			      b->n)
		    : 0;
}

static void follow(struct nl *nl, bool on)
{
	const int group = NFNLGRP_NFTABLES;

	setsockopt(nl->changes, SOL_NETLINK, on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, &group,
		   sizeof group);
}

static void note_change(struct nl *nl)
{
	const uint64_t one = 1;

	nl->changed = true;
	if (write(nl->wake, &one, sizeof one) < 0)
		return; /* it is awake already */
}

/* What somebody else changed is seen by the generation id while nobody listens; so our own changes are not
 * announced to us, however many they are. */
static void listen_again(struct nl *nl, uint32_t expected)
{
	uint32_t id = 0;

	follow(nl, true);
	if (nl_generation(nl, &id) || id != expected)
		note_change(nl);
}

int nl_commit(struct nl *nl, struct nl_batch *b, uint32_t id)
{
	int code;

	put_frame(nl, b, NFNL_MSG_BATCH_END, NULL);
	close_message(b);
	if (b->no_memory)
		return nl_fail(nl, -ENOMEM, "out of memory for a transaction; nothing was changed");
	set_room(nl->nft, SO_SNDBUF, SO_SNDBUFFORCE, b->len + 4096);
	set_room(nl->nft, SO_RCVBUF, SO_RCVBUFFORCE, NL_RECEIVE * 4 + b->n * ANSWER_ROOM);
	drain(nl, nl->nft);
	if (nl_changed(nl))
		note_change(nl);
	follow(nl, false);
	code = send_bytes(nl->nft, b->at, b->len);
	if (code)
		nl_fail(nl, code, "a transaction of %zu bytes could not be sent: %s; nothing was changed",
			b->len, strerror(-code));
	else
		code = judge(nl, b, take_answers(nl, b));
	char kept[sizeof nl->error];
	memcpy(kept, nl->error, sizeof kept);
	listen_again(nl, code ? id : id + 1 ? id + 1 : 1);
	memcpy(nl->error, kept, sizeof kept);
	return code;
}

/* --- who changed something ---------------------------------------------------------------------------- */

int nl_changes_fd(const struct nl *nl)
{
	return nl->changes_fd;
}

/* In each message of nf_tables that names a table, the first attribute does. */
static int see_change(void *ctx, const struct nlmsghdr *h)
{
	struct nl *nl = ctx;
	const struct nlattr *attr[2];

	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || (h->nlmsg_type & 0xff) == NFT_MSG_NEWGEN)
		return 0;
	nl_attributes(h, attr, 1);
	if (h->nlmsg_pid != nl->nft_port && attr[1] &&
	    !strncmp(mnl_attr_get_str(attr[1]), NFT_TABLE, mnl_attr_get_payload_len(attr[1])))
		nl->changed = true;
	return 0;
}

bool nl_changed(struct nl *nl)
{
	uint64_t count;
	int code = 0;

	for (uint32_t i = 0; i < CHANGES_MAX && (code >= 0 || code == -ENOBUFS); i++) {
		code = nl_read(nl, nl->changes, false, see_change, nl);
		if (code == -ENOBUFS)
			nl->changed = true;
	}
	const bool changed = nl->changed;
	nl->changed = false;
	if (read(nl->wake, &count, sizeof count) < 0)
		return changed; /* it was not awake */
	return changed;
}

/* --- life --------------------------------------------------------------------------------------------- */

static int open_changes(struct nl *nl)
{
	struct epoll_event event = {.events = EPOLLIN};

	nl->changes = nl_socket(NETLINK_NETFILTER, 4u << 20);
	if (nl->changes < 0)
		return nl->changes;
	nl->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	nl->changes_fd = epoll_create1(EPOLL_CLOEXEC);
	if (nl->wake < 0 || nl->changes_fd < 0 ||
	    epoll_ctl(nl->changes_fd, EPOLL_CTL_ADD, nl->changes, &event) ||
	    epoll_ctl(nl->changes_fd, EPOLL_CTL_ADD, nl->wake, &event))
		return -errno;
	follow(nl, true);
	return 0;
}

static int open_nft(struct nl *nl)
{
	struct sockaddr_nl own;
	socklen_t len = sizeof own;

	nl->nft = nl_socket(NETLINK_NETFILTER, NL_RECEIVE * 4);
	if (nl->nft < 0)
		return nl->nft;
	if (getsockname(nl->nft, (struct sockaddr *)&own, &len))
		return -errno;
	nl->nft_port = own.nl_pid;
	return open_changes(nl);
}

static void know_zones(struct nl *nl)
{
	nl->ours_zone[DP_PROBE_DOMAIN] = true;
	for (uint32_t i = 0; i < nl->box.n_ports && i < NFT_PORTS_MAX; i++) {
		nl->ours_zone[nl->box.port[i].vlan] = true;
		for (uint32_t k = 0; k < nl->box.port[i].n_vlans && k < NFT_VLANS_MAX; k++)
			nl->ours_zone[nl->box.port[i].vlans[k]] = true;
	}
	nl->ours_zone[0] = false; /* everybody else's */
}

static int open_all(struct nl *nl)
{
	static const struct {
		int (*open)(struct nl *nl);
		const char *what;
	} parts[] = {{open_nft, "nf_tables"}, {nl_open_sessions, "conntrack"}, {nl_open_log, "nflog"}};
	int code = 0;

	for (size_t i = 0; !code && i < sizeof parts / sizeof parts[0]; i++) {
		nl->error[0] = 0;
		code = parts[i].open(nl);
		if (code && !nl->error[0])
			nl_fail(nl, code, "%s cannot be used: %s", parts[i].what, strerror(-code));
	}
	return code;
}

int nl_open(struct nl **out, const struct nft_box *box, char *error, size_t room)
{
	struct nl *nl = calloc(1, sizeof *nl);
	char *buffer = malloc(NL_RECEIVE * NL_BUFFERS);

	*out = NULL;
	if (!nl || !buffer) {
		free(nl);
		free(buffer);
		snprintf(error, room, "out of memory");
		return -ENOMEM;
	}
	nl->box = *box;
	nl->buffer = buffer;
	nl->nft = nl->changes = nl->ct = nl->ct_events = nl->log = nl->changes_fd = nl->wake = -1;
	nl->probe[0] = nl->probe[1] = -1;
	know_zones(nl);
	const int code = open_all(nl);
	if (code) {
		snprintf(error, room, "%s", nl->error);
		nl_close(nl);
		return code;
	}
	*out = nl;
	return 0;
}

void nl_close(struct nl *nl)
{
	if (!nl)
		return;
	const int fds[] = {nl->nft,  nl->changes,    nl->ct,       nl->ct_events, nl->log,
			   nl->wake, nl->changes_fd, nl->probe[0], nl->probe[1]};

	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(nl->buffer);
	free(nl);
}
