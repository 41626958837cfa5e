/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client of an engine's control socket: one request at a time, each with a deadline.
 */
#include "dp.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dpwire.h"
#include "lastgood.h"
#include "memfd.h"

#define QUEUE_MAX       1024u
#define EVENTS_PER_CALL 256u

/* What differs between the engines. */
static const struct flavour {
	const char *word, *program; /* in records; of the process */
	int bulk_timeout_ms;
	size_t dump_max;
} flavours[] = {
	[DP_ENGINE_DPDK] = {"dpdk", "cordon-dp", DP_TIMEOUT_MS, IMAGE_SIZE_MAX},
	[DP_ENGINE_NFT] = {"nft", "cordon-nft", DP_TIMEOUT_NFT_MS, NFT_PROGRAM_SIZE_MAX},
};

struct dp {
	struct enforcer enforcer; /* first: the vtable's object is this object */
	enum dp_engine kind;
	const struct flavour *flavour;
	bool follows, drifted;
	struct sockaddr_un address;
	int fd;
	uint64_t seq, connection;
	struct dp_hello hello;
	struct dpmsg *queue; /* events that came before an answer */
	size_t n_queue;
	uint64_t lost;
};

static int fail(struct dp *dp, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(struct dp *dp, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(dp->enforcer.error, sizeof(dp->enforcer.error), format, ap);
	va_end(ap);
	return code;
}

/* The connection can no longer be trusted. */
static int broken(struct dp *dp, int code, const char *what)
{
	dp_disconnect(dp);
	return fail(dp, code, "%s: %s; connection closed", dp->flavour->program, what);
}

static const char *receive_error(int code)
{
	switch (code) {
	case -ECONNRESET:
		return "closed the connection";
	case -EPROTO:
		return "sent a message of another size or abi";
	case -ETIMEDOUT:
		return "did not answer in time";
	default:
		return strerror(-code);
	}
}

static bool is_event(const struct dpmsg *m)
{
	return m->seq == 0 &&
	       (m->type == DP_DRIFT || (m->type == DP_ENDPOINTS && m->count >= 1 && m->count <= DP_BATCH));
}

static void keep_event(struct dp *dp, const struct dpmsg *m)
{
	if (m->type == DP_DRIFT)
		dp->drifted = true;
	else if (dp->n_queue == QUEUE_MAX)
		dp->lost += m->count;
	else
		dp->queue[dp->n_queue++] = *m;
}

/* An error without a number is about the connection: somebody else holds it, or our message was malformed. */
static bool is_answer(const struct dpmsg *m, uint64_t seq)
{
	return (m->seq == seq && m->type < DP_ENDPOINTS) || (m->seq == 0 && m->type == DP_ERROR);
}

/* A whole program on its way into or out of the kernel takes longer than words about it; so does a pair of
 * hosts that comes, sends and goes. */
static int64_t patience_ms(const struct dp *dp, const struct dpmsg *m)
{
	bool bulk = m->type == DP_PREPARE || m->type == DP_PUBLISH || m->type == DP_DUMP ||
		    m->type == DP_DENY_ALL || m->type == DP_PROBE;

	return bulk ? dp->flavour->bulk_timeout_ms : DP_TIMEOUT_MS;
}

/* The answer to request `seq`; events on the way are kept. */
static int await(struct dp *dp, uint64_t seq, struct dpmsg *answer, int *fd, int64_t deadline)
{
	for (;;) {
		int r = dpwire_receive(dp->fd, answer, fd);

		if (r == 0) {
			r = dpwire_wait(dp->fd, POLLIN, deadline);
			if (r < 0)
				return broken(dp, r, receive_error(r));
			continue;
		}
		if (r > 0 && is_answer(answer, seq))
			return 0;
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		if (r < 0)
			return broken(dp, r, receive_error(r));
		if (!is_event(answer))
			return broken(dp, -EPROTO, "answered something that was not asked");
		keep_event(dp, answer);
		if (dpwire_now_ms() >= deadline)
			return broken(dp, -ETIMEDOUT, receive_error(-ETIMEDOUT));
	}
}

/*
 * One request. `bulk` < 0: none. On success `m` is the answer, of type `want`; *fd is its descriptor (-1
 * none), the caller's if asked for.
 */
static int request(struct dp *dp, struct dpmsg *m, int bulk, uint16_t want, int *fd)
{
	int64_t deadline = dpwire_now_ms() + patience_ms(dp, m);
	uint64_t seq = ++dp->seq;
	int got = -1, r;

	if (dp->fd < 0)
		return fail(dp, -ENOTCONN, "%s is not connected", dp->flavour->program);
	m->abi = DP_ABI;
	m->seq = seq;
	r = dpwire_send(dp->fd, m, bulk, deadline);
	if (r < 0)
		return broken(dp, r, receive_error(r));
	r = await(dp, seq, m, &got, deadline);
	if (r < 0)
		return r;
	if (fd && m->type == want)
		*fd = got;
	else if (got >= 0)
		close(got);
	if (m->type == want)
		return 0;
	if (m->type != DP_ERROR)
		return broken(dp, -EPROTO, "answered with an unexpected message");
	m->error.text[DP_TEXT - 1] = 0;
	return fail(dp, m->error.code < 0 ? m->error.code : -m->error.code - (m->error.code == 0), "%s: %s",
		    dp->flavour->program, m->error.text);
}

/* --- connection ------------------------------------------------------------------------------- */

static void take_hello(struct dp *dp, const struct dp_hello *h)
{
	dp->hello = *h;
	dp->hello.ring_path[sizeof(dp->hello.ring_path) - 1] = 0;
	if (dp->hello.n_ports > 32)
		dp->hello.n_ports = 32;
	for (unsigned i = 0; i < 32; i++) {
		dp->hello.port_name[i][15] = 0;
		dp->hello.port_driver[i][15] = 0;
	}
}

int dp_connect(struct dp *dp)
{
	struct dpmsg m = {.type = DP_HELLO};
	int r;

	dp_disconnect(dp);
	dp->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dp->fd < 0)
		return fail(dp, -errno, "socket: %s", strerror(errno));
	if (connect(dp->fd, (struct sockaddr *)&dp->address, sizeof(dp->address)) < 0) {
		r = -errno;
		dp_disconnect(dp);
		return fail(dp, r, "%s: %s", dp->address.sun_path, strerror(-r));
	}
	r = request(dp, &m, -1, DP_HELLO, NULL);
	if (r < 0) {
		dp_disconnect(dp);
		return r;
	}
	if (m.hello.engine != dp->kind)
		return broken(dp, -EPROTO, "is not what answers at its socket");
	take_hello(dp, &m.hello);
	dp->enforcer.error[0] = 0; /* of an earlier time */
	dp->connection++;
	return 0;
}

void dp_disconnect(struct dp *dp)
{
	if (dp->fd >= 0)
		close(dp->fd);
	dp->fd = -1;
	dp->n_queue = 0;
	dp->drifted = false;
}

bool dp_connected(const struct dp *dp)
{
	return dp->fd >= 0;
}

int dp_fd(const struct dp *dp)
{
	return dp->fd;
}

uint64_t dp_connection(const struct dp *dp)
{
	return dp->connection;
}

const char *dp_error(const struct dp *dp)
{
	return dp->enforcer.error;
}

const struct dp_hello *dp_last_hello(const struct dp *dp)
{
	return &dp->hello;
}

uint64_t dp_events_lost(struct dp *dp)
{
	uint64_t lost = dp->lost;

	dp->lost = 0;
	return lost;
}

/* --- requests --------------------------------------------------------------------------------- */

int dp_ping(struct dp *dp)
{
	struct dpmsg m = {.type = DP_PING};
	int r = request(dp, &m, -1, DP_OK, NULL);

	if (r == 0)
		take_hello(dp, &m.hello);
	return r;
}

int dp_deny_all(struct dp *dp)
{
	struct dpmsg m = {.type = DP_DENY_ALL};

	return request(dp, &m, -1, DP_OK, NULL);
}

int dp_bind(struct dp *dp, const struct dp_binding *bindings, size_t n)
{
	while (n > 0) {
		struct dpmsg m = {.type = DP_BIND};
		int r;

		m.count = (uint16_t)(n < DP_BATCH ? n : DP_BATCH);
		memcpy(m.bind, bindings, m.count * sizeof(*bindings));
		bindings += m.count;
		n -= m.count;
		r = request(dp, &m, -1, DP_OK, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

int dp_probe(struct dp *dp, struct dp_probes *probes, const void *bytes, size_t size)
{
	struct dpmsg m = {.type = DP_PROBE, .probe = *probes};
	int r, fd = memfd_sealed("probe", bytes, size);

	if (fd < 0)
		return fail(dp, fd, "probe: %s", strerror(-fd));
	r = request(dp, &m, fd, DP_OK, NULL);
	close(fd);
	if (r < 0)
		return r;
	if (m.probe.n != probes->n)
		return broken(dp, -EPROTO, "answered another probe than it was asked");
	for (uint32_t i = 0; i < probes->n && i < DP_PROBE_FRAMES; i++)
		probes->frame[i].forwarded = m.probe.frame[i].forwarded;
	return 0;
}

/* *bytes is malloc'ed, or NULL if there are none. */
static int dump(struct dp *dp, enum dp_dump what, size_t max, void **bytes, size_t *size)
{
	struct dpmsg m = {.type = DP_DUMP};
	int fd = -1, r;

	*bytes = NULL;
	*size = 0;
	m.dump.what = what;
	r = request(dp, &m, -1, DP_OK, &fd);
	if (r < 0 || fd < 0)
		return r;
	r = memfd_read(fd, max, bytes, size);
	close(fd);
	if (r == -ENOMEM)
		return fail(dp, r, "out of memory for what %s dumps", dp->flavour->program);
	return r < 0 ? broken(dp, r, "sent a dump that is not a sealed memfd of a possible size") : 0;
}

int dp_dump_bindings(struct dp *dp, struct dp_binding **out, size_t *n)
{
	void *bytes;
	size_t size;
	int r = dump(dp, DP_DUMP_BINDINGS, SNAPSHOT_BINDINGS_MAX * sizeof(**out), &bytes, &size);

	*out = NULL;
	*n = 0;
	if (r < 0)
		return r;
	if (size % sizeof(**out)) {
		free(bytes);
		return broken(dp, -EPROTO, "sent a dump with half a binding");
	}
	*out = bytes;
	*n = size / sizeof(**out);
	return 0;
}

bool dp_drifted(struct dp *dp)
{
	bool drifted = dp->drifted;

	dp->drifted = false;
	return drifted;
}

void dp_follow(struct dp *dp)
{
	dp->follows = true;
}

/* --- events ----------------------------------------------------------------------------------- */

static void deliver(const struct dpmsg *m, dp_event_fn *f, void *ctx)
{
	for (unsigned i = 0; i < m->count; i++)
		f(ctx, &m->endpoints[i]);
}

/* `f` may make requests, which may queue more events: take the queue by index and message by value. */
static void deliver_queue(struct dp *dp, dp_event_fn *f, void *ctx)
{
	for (size_t i = 0; i < dp->n_queue; i++) {
		struct dpmsg m = dp->queue[i];

		deliver(&m, f, ctx);
	}
	dp->n_queue = 0;
}

int dp_events(struct dp *dp, dp_event_fn *f, void *ctx)
{
	deliver_queue(dp, f, ctx);
	for (unsigned i = 0; i < EVENTS_PER_CALL && dp->fd >= 0; i++) {
		struct dpmsg m;
		int fd, r = dpwire_receive(dp->fd, &m, &fd);

		if (fd >= 0)
			close(fd);
		if (r == 0)
			return 0;
		if (r < 0)
			return broken(dp, r, receive_error(r));
		if (!is_event(&m))
			return broken(dp, -EPROTO, "sent an answer that nobody waits for");
		if (m.type == DP_DRIFT)
			dp->drifted = true;
		else
			deliver(&m, f, ctx);
	}
	return dp->fd >= 0 ? 0 : -ENOTCONN;
}

/* --- as an engine of a transaction ------------------------------------------------------------ */

static int send_bulk(struct dp *dp, struct dpmsg *m, const char *name, const void *bytes, size_t size)
{
	int fd = memfd_sealed(name, bytes, size), r;

	if (fd < 0)
		return fail(dp, fd, "cannot hand %zu bytes to %s: %s", size, dp->flavour->program,
			    strerror(-fd));
	r = request(dp, m, fd, DP_OK, NULL);
	close(fd);
	return r;
}

static int prepare(struct enforcer *e, const struct enforced *g)
{
	struct dpmsg m = {.type = DP_PREPARE, .publish = {.generation = g->number}};
	struct dp *dp = (struct dp *)e;

	if (dp->kind == DP_ENGINE_DPDK)
		return send_bulk(dp, &m, "cordon-image", g->image, g->image_size);
	if (!g->program)
		return fail(dp, -EINVAL, "there is no kernel program of generation %u", g->number);
	return send_bulk(dp, &m, "cordon-program", g->program, g->program_size);
}

/* What a follower is told: the same bindings without an end, or none if it has no ports. NULL: no memory. */
static struct snapshot_header *endless(const struct dp *dp, const struct enforced *g, size_t *size)
{
	const struct snapshot_header *s = g->snapshot;
	struct dp_binding *b = calloc(s->count + 1, sizeof(*b));
	uint32_t n = dp->hello.n_ports > 0 ? s->count : 0;
	struct snapshot_header *copy;

	if (!b)
		return NULL;
	memcpy(b, snapshot_bindings(s), n * sizeof(*b));
	for (uint32_t i = 0; i < n; i++)
		b[i].lease_s = UINT32_MAX;
	copy = snapshot_make(g->image, s->generation, s->dictionary, b, n, size);
	free(b);
	return copy;
}

static int publish(struct enforcer *e, const struct enforced *g)
{
	struct dpmsg m = {.type = DP_PUBLISH,
			  .publish = {.generation = g->number, .n_bindings = g->snapshot->count}};
	struct dp *dp = (struct dp *)e;
	struct snapshot_header *copy;
	size_t size;
	int r;

	if (!dp->follows)
		return send_bulk(dp, &m, "cordon-bindings", g->snapshot, g->snapshot_size);
	copy = endless(dp, g, &size);
	if (!copy)
		return fail(dp, -ENOMEM, "out of memory for the bindings");
	m.publish.n_bindings = copy->count;
	r = send_bulk(dp, &m, "cordon-bindings", copy, size);
	free(copy);
	return r;
}

static int rollback(struct enforcer *e, const struct enforced *g)
{
	struct dp *dp = (struct dp *)e;
	int r = dp_connected(dp) ? dp_ping(dp) : dp_connect(dp);

	if (r < 0)
		return r;
	if (dp->hello.generation == g->number)
		return 0;
	if (g->number == 0)
		return dp_deny_all(dp);
	r = prepare(e, g);
	return r < 0 ? r : publish(e, g);
}

static int readback(struct enforcer *e, struct readback *out)
{
	struct dp *dp = (struct dp *)e;
	int r = dp_ping(dp);

	memset(out, 0, sizeof(*out));
	if (r < 0)
		return r;
	out->generation = dp->hello.generation;
	return dump(dp, DP_DUMP_IMAGE, dp->flavour->dump_max, &out->image, &out->size);
}

static const struct enforcer_ops dp_ops = {prepare, publish, rollback, readback};

struct enforcer *dp_enforcer(struct dp *dp)
{
	return &dp->enforcer;
}

struct dp *dp_new(const char *path, enum dp_engine kind)
{
	struct dp *dp = calloc(1, sizeof(*dp));

	if (!dp)
		return NULL;
	dp->queue = calloc(QUEUE_MAX, sizeof(*dp->queue));
	if (!dp->queue || strlen(path) >= sizeof(dp->address.sun_path)) {
		free(dp->queue);
		free(dp);
		return NULL;
	}
	dp->enforcer.ops = &dp_ops;
	dp->enforcer.name = flavours[kind].word;
	dp->enforcer.compare = enforcer_compare_bytes;
	dp->kind = kind;
	dp->flavour = &flavours[kind];
	dp->address.sun_family = AF_UNIX;
	memcpy(dp->address.sun_path, path, strlen(path));
	dp->fd = -1;
	return dp;
}

void dp_free(struct dp *dp)
{
	if (!dp)
		return;
	dp_disconnect(dp);
	free(dp->queue);
	free(dp);
}
