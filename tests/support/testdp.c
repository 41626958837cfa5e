/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The test dataplane. One lock around the engine: frames come from the test's thread, messages from ours.
 */
#include "testdp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dpmsg.h"
#include "engine.h"
#include "image_check.h"
#include "nftmodel.h"
#include "probe_check.h"
#include "snapshot.h"

#define TYPES   256u
#define TICK_MS 5

struct testdp {
	pthread_t thread;
	pthread_mutex_t lock;
	int listen_fd, wake_fd, peer;
	bool stop;
	_Atomic bool silent;
	struct ring_file ring;
	char ring_path[96];
	struct engine *engine;
	struct image_header *image, *prepared; /* in force, kept aside */
	struct image_header *shown;            /* what read-backs show instead of `image`; NULL: that */
	size_t image_size, prepared_size;
	uint32_t generation, prepared_generation;
	/* of a kernel engine, which has no `engine` */
	bool nft, tell_drift;
	struct dp_hello like; /* features, standby and removed ports */
	struct nft_program *program, *prepared_program;
	struct dp_binding held[64];
	size_t n_held;
	double ahead_s;
	unsigned seen[TYPES];
	struct {
		enum testdp_fault fault;
		unsigned times;
	} fault[TYPES];
};

static const char *const port_names[] = {"lan1", "lan2", "wan"};
#define N_PORTS 3u

static struct engine_clock now(const struct testdp *t)
{
	struct timespec mono, utc;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &utc);
	return (struct engine_clock){
		(uint64_t)mono.tv_sec * 1000000000u + (uint64_t)mono.tv_nsec + (uint64_t)(t->ahead_s * 1e9),
		utc.tv_sec * 1000000000LL + utc.tv_nsec + (int64_t)(t->ahead_s * 1e9), true};
}

/* --- memfds ----------------------------------------------------------------------------------- */

static int make_memfd(const void *bytes, size_t size, bool seal)
{
	int fd = memfd_create("testdp", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	if (seal && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		abort();
	return fd;
}

static void *read_memfd(int fd, size_t *size)
{
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	void *bytes;

	if (end <= 0)
		return NULL;
	*size = (size_t)end;
	bytes = aligned_alloc(IMAGE_ALIGN, (*size + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN);
	if (!bytes || pread(fd, bytes, *size, 0) != (ssize_t)*size)
		abort();
	return bytes;
}

/* --- the work --------------------------------------------------------------------------------- */

static void refuse(struct dpmsg *m, int code, const char *text)
{
	m->type = DP_ERROR;
	m->error.code = code;
	snprintf(m->error.text, sizeof(m->error.text), "%s", text);
}

static void fill_hello(struct testdp *t, struct dpmsg *m)
{
	struct dp_hello *h = &m->hello;

	memset(h, 0, sizeof(*h));
	h->instance = t->ring.header->instance;
	h->generation = t->generation;
	h->n_ports = N_PORTS;
	h->n_workers = 1;
	h->pid = (uint32_t)getpid();
	if (t->image)
		memcpy(h->digest, t->image->digest, sizeof(h->digest));
	snprintf(h->ring_path, sizeof(h->ring_path), "%s", t->ring_path);
	for (unsigned i = 0; i < N_PORTS; i++) {
		snprintf(h->port_name[i], sizeof(h->port_name[i]), "%s", port_names[i]);
		snprintf(h->port_driver[i], sizeof(h->port_driver[i]), "test");
	}
	h->port_removed = t->like.port_removed;
	h->port_up = 7 & ~h->port_removed;
	h->test_mode = 1;
	h->clock_bad = t->like.clock_bad;
	if (!t->nft)
		return;
	h->engine = DP_ENGINE_NFT;
	h->features = t->like.features;
	h->layout = t->program ? (uint8_t)t->program->box.layout : 0;
	h->standby = t->like.standby;
	h->takeovers = t->like.takeovers;
	h->takeover_gap_ms = t->like.takeover_gap_ms;
	if (t->program)
		memcpy(h->digest, t->program->digest, sizeof(h->digest));
}

static void prepare(struct testdp *t, struct dpmsg *m, int fd)
{
	size_t size = 0;
	struct image_header *image = read_memfd(fd, &size);
	const char *wrong = image ? image_check(image, size) : "no image";

	if (wrong) {
		free(image);
		refuse(m, EINVAL, wrong);
		return;
	}
	free(t->prepared);
	t->prepared = image;
	t->prepared_size = size;
	t->prepared_generation = m->publish.generation;
	m->type = DP_OK;
}

static void publish(struct testdp *t, struct dpmsg *m, int fd)
{
	size_t size = 0;
	struct snapshot_header *s = read_memfd(fd, &size);
	const char *wrong = s ? snapshot_check(s, size) : "no snapshot";

	if (!wrong && (!t->prepared || s->image_crc != t->prepared->crc64))
		wrong = "the snapshot is not of the prepared image";
	if (wrong) {
		free(s);
		refuse(m, EINVAL, wrong);
		return;
	}
	engine_publish(t->engine, t->prepared, m->publish.generation, snapshot_bindings(s), s->count, now(t));
	free(t->image);
	free(t->shown);
	free(s);
	t->shown = NULL;
	t->image = t->prepared;
	t->image_size = t->prepared_size;
	t->generation = m->publish.generation;
	t->prepared = NULL;
	m->type = DP_OK;
}

static void bind_all(struct testdp *t, struct dpmsg *m)
{
	int r = 0;

	for (unsigned i = 0; i < m->count && i < DP_BATCH && r == 0; i++)
		r = engine_bind(t->engine, &m->bind[i], now(t));
	if (r < 0)
		refuse(m, -r, "binding refused");
	else
		m->type = DP_OK;
}

static void probe(struct testdp *t, struct dpmsg *m, int fd)
{
	size_t size = 0;
	uint8_t *bytes = read_memfd(fd, &size);
	const char *wrong = bytes ? probe_check(&m->probe, size) : "no frames";
	int r = wrong ? -EINVAL : engine_probe(t->engine, &m->probe, bytes, size, now(t));

	free(bytes);
	if (r < 0)
		refuse(m, -r, wrong ? wrong : "probe refused");
	else
		m->type = DP_OK;
}

static int dump(struct testdp *t, struct dpmsg *m, enum testdp_fault fault)
{
	struct dp_binding all[64];
	uint32_t cursor = 0;
	uint8_t *bytes;
	size_t size;
	int fd;

	m->type = DP_OK;
	if (m->dump.what == DP_DUMP_IMAGE && !t->image)
		return -1;
	if (m->dump.what == DP_DUMP_BINDINGS)
		size = engine_dump_bindings(t->engine, &cursor, all, 64, now(t)) * sizeof(all[0]);
	else
		size = t->image_size;
	bytes = malloc(size + 1);
	if (!bytes)
		abort();
	if (size > 0)
		memcpy(bytes,
		       m->dump.what == DP_DUMP_BINDINGS ? (void *)all
							: (void *)(t->shown ? t->shown : t->image),
		       size);
	if (fault == TESTDP_SPOIL && size > 0)
		bytes[size - 1] ^= 1;
	if (fault == TESTDP_HALF && size > 0)
		size--;
	fd = make_memfd(bytes, size, fault != TESTDP_UNSEALED);
	free(bytes);
	return fd;
}

/* --- the work of a kernel engine -------------------------------------------------------------- */

static void nft_prepare(struct testdp *t, struct dpmsg *m, int fd)
{
	size_t size = 0;
	struct nft_program *p = read_memfd(fd, &size);
	const char *wrong = p ? nft_program_check(p, size) : "no program";

	if (wrong) {
		free(p);
		refuse(m, EINVAL, wrong);
		return;
	}
	free(t->prepared_program);
	t->prepared_program = p;
	m->type = DP_OK;
}

static void nft_publish(struct testdp *t, struct dpmsg *m, int fd)
{
	size_t size = 0;
	struct snapshot_header *s = read_memfd(fd, &size);
	const char *wrong = s ? snapshot_check(s, size) : "no snapshot";

	if (!wrong && (!t->prepared_program || s->image_crc != t->prepared_program->image_crc))
		wrong = "the snapshot is not of the prepared program";
	if (!wrong && s->count > 64)
		wrong = "too many";
	if (wrong) {
		refuse(m, EINVAL, wrong);
	} else {
		free(t->program);
		t->program = t->prepared_program;
		t->prepared_program = NULL;
		t->generation = m->publish.generation;
		t->n_held = s->count;
		memcpy(t->held, snapshot_bindings(s), s->count * sizeof(t->held[0]));
		m->type = DP_OK;
	}
	free(s);
}

static void nft_bind(struct testdp *t, const struct dp_binding *b)
{
	size_t i = 0;

	while (i < t->n_held && (t->held[i].domain != b->domain || t->held[i].family != b->family ||
				 memcmp(t->held[i].addr, b->addr, sizeof(b->addr)) != 0))
		i++;
	if (b->flags & DP_BINDING_GONE) {
		if (i < t->n_held)
			t->held[i] = t->held[--t->n_held];
	} else if (i < 64) {
		t->held[i] = *b;
		t->n_held += i == t->n_held;
	}
}

static int nft_dump(struct testdp *t, struct dpmsg *m)
{
	struct nft_program *p;
	char error[256];
	size_t size;
	int fd;

	m->type = DP_OK;
	if (m->dump.what == DP_DUMP_BINDINGS)
		return make_memfd(t->held, t->n_held * sizeof(t->held[0]), true);
	if (!t->program)
		return -1;
	p = nft_with_bindings(t->program, 0, t->held, t->n_held, &size, error, sizeof(error));
	if (!p) {
		fprintf(stderr, "testdp: %s\n", error);
		abort();
	}
	fd = make_memfd(p, size, true);
	free(p);
	return fd;
}

static int nft_work(struct testdp *t, struct dpmsg *m, int fd)
{
	switch (m->type) {
	case DP_PREPARE:
		nft_prepare(t, m, fd);
		return -1;
	case DP_PUBLISH:
		nft_publish(t, m, fd);
		return -1;
	case DP_BIND:
		for (unsigned i = 0; i < m->count; i++)
			nft_bind(t, &m->bind[i]);
		m->type = DP_OK;
		return -1;
	case DP_DUMP:
		return nft_dump(t, m);
	case DP_DENY_ALL:
		free(t->program);
		t->program = NULL;
		t->generation = 0;
		t->n_held = 0;
		m->type = DP_OK;
		return -1;
	case DP_PROBE:
		refuse(m, ENETDOWN, "probe: the bridge lets nothing pass");
		return -1;
	default:
		refuse(m, EPROTO, "unknown type");
		return -1;
	}
}

/* Returns the descriptor for the answer, or -1. */
static int work(struct testdp *t, struct dpmsg *m, int fd, enum testdp_fault fault)
{
	switch (m->type) {
	case DP_HELLO:
		fill_hello(t, m);
		return -1;
	case DP_PING:
		fill_hello(t, m);
		m->type = DP_OK;
		return -1;
	case DP_PREPARE:
		prepare(t, m, fd);
		return -1;
	case DP_PUBLISH:
		publish(t, m, fd);
		return -1;
	case DP_BIND:
		bind_all(t, m);
		return -1;
	case DP_PROBE:
		probe(t, m, fd);
		return -1;
	case DP_DUMP:
		return dump(t, m, fault);
	case DP_DENY_ALL:
		engine_publish(t->engine, NULL, 0, NULL, 0, now(t));
		free(t->image);
		t->image = NULL;
		t->generation = 0;
		m->type = DP_OK;
		return -1;
	default:
		refuse(m, EPROTO, "unknown type");
		return -1;
	}
}

static int do_work(struct testdp *t, struct dpmsg *m, int fd, enum testdp_fault fault)
{
	bool shared = m->type == DP_HELLO || m->type == DP_PING;

	return t->nft && !shared ? nft_work(t, m, fd) : work(t, m, fd, fault);
}

/* --- messages --------------------------------------------------------------------------------- */

static void send_bytes(int peer, const struct dpmsg *m, size_t size, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = size};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		h.msg_control = control.space;
		h.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	sendmsg(peer, &h, MSG_NOSIGNAL);
}

static void flood(int peer)
{
	struct dpmsg e = {.abi = DP_ABI, .type = DP_ENDPOINTS, .count = 1};
	struct iovec iov = {.iov_base = &e, .iov_len = sizeof(e)};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	e.endpoints[0].family = 4;
	e.endpoints[0].kind = DP_ENDPOINT_GONE;
	while (sendmsg(peer, &h, MSG_NOSIGNAL) > 0)
		;
}

static void drop_peer(struct testdp *t)
{
	close(t->peer);
	t->peer = -1;
}

static void answer(struct testdp *t, struct dpmsg *m, int fd, enum testdp_fault fault)
{
	size_t size = sizeof(*m);

	switch (fault) {
	case TESTDP_STALL:
		return;
	case TESTDP_CLOSE:
		drop_peer(t);
		return;
	case TESTDP_FLOOD:
		flood(t->peer);
		drop_peer(t);
		return;
	case TESTDP_SIZE:
		size /= 2;
		break;
	case TESTDP_ABI:
		m->abi++;
		break;
	case TESTDP_TYPE:
		m->type = 99;
		break;
	case TESTDP_SEQ:
		m->seq += 7;
		break;
	default:
		break;
	}
	send_bytes(t->peer, m, size, fd);
}

static enum testdp_fault take_fault(struct testdp *t, uint16_t type)
{
	if (type >= TYPES || t->fault[type].times == 0)
		return TESTDP_SOUND;
	t->fault[type].times--;
	return t->fault[type].fault;
}

static void handle(struct testdp *t, struct dpmsg *m, int in)
{
	enum testdp_fault fault;
	int out = -1;

	pthread_mutex_lock(&t->lock);
	fault = take_fault(t, m->type);
	if (m->type < TYPES)
		t->seen[m->type]++;
	if (fault == TESTDP_REFUSE)
		refuse(m, ENOMEM, "refused by the test");
	else if (fault == TESTDP_LIE)
		m->type = DP_OK;
	else
		out = do_work(t, m, in, fault);
	pthread_mutex_unlock(&t->lock);
	answer(t, m, out, fault);
	if (out >= 0)
		close(out);
}

static void receive(struct testdp *t)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct dpmsg m;
	struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.space,
			   .msg_controllen = sizeof(control.space)};
	ssize_t n = recvmsg(t->peer, &h, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;
	int fd = -1;

	if (c)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (n == (ssize_t)sizeof(m))
		handle(t, &m, fd);
	else
		drop_peer(t);
	if (fd >= 0)
		close(fd);
}

static void send_events(struct testdp *t)
{
	struct dpmsg m = {.abi = DP_ABI, .type = DP_ENDPOINTS};

	pthread_mutex_lock(&t->lock);
	if (t->tell_drift)
		m.type = DP_DRIFT;
	if (t->engine)
		engine_tick(t->engine, now(t), 4096);
	while (t->engine && m.count < DP_BATCH && engine_event(t->engine, &m.endpoints[m.count]))
		m.count++;
	t->tell_drift = false;
	pthread_mutex_unlock(&t->lock);
	if (m.count > 0 || m.type == DP_DRIFT)
		send_bytes(t->peer, &m, sizeof(m), -1);
}

static void take_peer(struct testdp *t)
{
	int fd = accept4(t->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (t->peer >= 0)
		close(t->peer);
	t->peer = fd;
}

static void beat(struct testdp *t)
{
	struct timespec mono;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	if (!atomic_load_explicit(&t->silent, memory_order_relaxed))
		__atomic_store_n(&ring_worker(&t->ring, 0)->counters.heartbeat,
				 (uint64_t)mono.tv_sec * 1000u + (uint64_t)mono.tv_nsec / 1000000u,
				 __ATOMIC_RELEASE);
}

static void *run(void *arg)
{
	struct testdp *t = arg;

	while (!t->stop) {
		struct pollfd p[] = {
			{t->wake_fd, POLLIN, 0}, {t->listen_fd, POLLIN, 0}, {t->peer, POLLIN, 0}};

		beat(t);
		poll(p, 3, TICK_MS);
		if (p[0].revents)
			break;
		if (p[1].revents)
			take_peer(t);
		else if (t->peer >= 0 && p[2].revents)
			receive(t);
		if (t->peer >= 0)
			send_events(t);
	}
	return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static int listen_at(const char *run_dir, const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s/%s", run_dir, name);
	unlink(a.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4) < 0)
		abort();
	return fd;
}

static void make_ring(struct testdp *t, const char *run_dir)
{
	struct ring_geometry g = {.n_workers = 1,
				  .n_ports = N_PORTS,
				  .n_records = 1024,
				  .n_aggregates = 64,
				  .port_names = port_names};
	char draft[128];

	snprintf(draft, sizeof(draft), "%.90s/draft.%d", run_dir, (int)getpid());
	unlink(draft);
	if (ring_create(&t->ring, draft, &g) < 0)
		abort();
	snprintf(t->ring_path, sizeof(t->ring_path), "%.60s/dp-%016llx.ring", run_dir,
		 (unsigned long long)t->ring.header->instance);
	if (rename(draft, t->ring_path) < 0)
		abort();
}

static void make_engine(struct testdp *t)
{
	struct engine_config c = {.max_sessions = 256,
				  .max_bindings = 64,
				  .n_ports = N_PORTS,
				  .timeouts = ENGINE_TIMEOUTS_DEFAULT,
				  .hash_key = {7}};
	struct ring_producer producer;
	const char *error = NULL;

	for (unsigned i = 0; i < N_PORTS; i++)
		c.port[i] = (struct engine_port){.role = ENGINE_ACCESS,
						 .vlan = 10,
						 .mtu = 1500,
						 .side = i == 2 ? ENGINE_OUTSIDE : ENGINE_INSIDE};
	ring_producer_init(&producer, &t->ring, 0);
	t->engine = engine_create(&c, &producer, &error);
	if (!t->engine) {
		fprintf(stderr, "testdp: %s\n", error);
		abort();
	}
	for (unsigned i = 0; i < N_PORTS; i++)
		engine_port_state(t->engine, i, true);
}

static struct testdp *start(struct testdp *t, const char *run_dir)
{
	pthread_mutex_init(&t->lock, NULL);
	t->peer = -1;
	t->wake_fd = eventfd(0, EFD_CLOEXEC);
	t->listen_fd = listen_at(run_dir, t->nft ? "nft.sock" : "dp.sock");
	make_ring(t, run_dir);
	if (!t->nft)
		make_engine(t);
	pthread_create(&t->thread, NULL, run, t);
	return t;
}

struct testdp *testdp_start(const char *run_dir)
{
	struct testdp *t = calloc(1, sizeof(*t));

	return t ? start(t, run_dir) : NULL;
}

struct testdp *testdp_start_nft(const char *run_dir, uint32_t features, bool standby)
{
	struct testdp *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->nft = true;
	t->like.features = features;
	t->like.standby = standby ? DP_STANDBY_GUARDING : DP_STANDBY_NONE;
	return start(t, run_dir);
}

void testdp_stop(struct testdp *t)
{
	uint64_t one = 1;

	if (!t)
		return;
	if (write(t->wake_fd, &one, sizeof(one)) < 0)
		abort();
	pthread_join(t->thread, NULL);
	if (t->peer >= 0)
		close(t->peer);
	close(t->listen_fd);
	close(t->wake_fd);
	if (t->engine)
		engine_destroy(t->engine);
	free(t->program);
	free(t->prepared_program);
	ring_close(&t->ring);
	free(t->image);
	free(t->shown);
	free(t->prepared);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* --- the test's hand -------------------------------------------------------------------------- */

void testdp_fault(struct testdp *t, uint16_t type, enum testdp_fault fault, unsigned times)
{
	pthread_mutex_lock(&t->lock);
	t->fault[type].fault = fault;
	t->fault[type].times = times;
	pthread_mutex_unlock(&t->lock);
}

unsigned testdp_seen(struct testdp *t, uint16_t type)
{
	unsigned n;

	pthread_mutex_lock(&t->lock);
	n = t->seen[type];
	pthread_mutex_unlock(&t->lock);
	return n;
}

uint32_t testdp_generation(struct testdp *t)
{
	uint32_t n;

	pthread_mutex_lock(&t->lock);
	n = t->generation;
	pthread_mutex_unlock(&t->lock);
	return n;
}

bool testdp_frame(struct testdp *t, uint32_t port, struct pkt *p)
{
	struct frame f = pkt_done(p);

	pthread_mutex_lock(&t->lock);
	engine_burst(t->engine, port, &f, 1, now(t));
	if (f.act != FRAME_DROP)
		engine_sent(t->engine, port, 1, 0);
	pthread_mutex_unlock(&t->lock);
	return f.act != FRAME_DROP;
}

void testdp_silence(struct testdp *t, bool on)
{
	atomic_store_explicit(&t->silent, on, memory_order_relaxed);
}

void testdp_drift(struct testdp *t)
{
	struct image_decision *d;

	pthread_mutex_lock(&t->lock);
	d = (struct image_decision *)(uintptr_t)image_at(t->image, t->image->decision);
	/* past the check, as a fault in memory would be; the engine only reads it as numbers that stay in
	 * range */
	d[t->image->decision.count - 1].flags ^= DECISION_ALLOW;
	pthread_mutex_unlock(&t->lock);
}

void testdp_turn(struct testdp *t, uint32_t decision)
{
	struct image_decision *d;

	pthread_mutex_lock(&t->lock);
	if (!t->shown) {
		t->shown = aligned_alloc(IMAGE_ALIGN,
					 (t->image_size + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN);
		if (!t->shown)
			abort();
		memcpy(t->shown, t->image, t->image_size);
	}
	d = (struct image_decision *)(uintptr_t)image_at(t->image, t->image->decision);
	d[decision].flags ^= DECISION_ALLOW;
	pthread_mutex_unlock(&t->lock);
}

bool testdp_flip(struct testdp *t, size_t offset)
{
	size_t at = sizeof(struct image_header) + offset;
	bool there;

	pthread_mutex_lock(&t->lock);
	there = t->image && at < t->image_size;
	if (there)
		((uint8_t *)t->image)[at] ^= 1;
	pthread_mutex_unlock(&t->lock);
	return there;
}

void testdp_pass(struct testdp *t, double seconds)
{
	pthread_mutex_lock(&t->lock);
	t->ahead_s += seconds;
	for (unsigned i = 0; i < 64; i++)
		engine_tick(t->engine, now(t), 65536);
	pthread_mutex_unlock(&t->lock);
}

/* --- the hand in the kernel's tables ---------------------------------------------------------- */

static void *writable(struct nft_program *p, struct image_section s)
{
	return (char *)p + s.offset;
}

static void widen(struct nft_program *p)
{
	struct nft_set *set = writable(p, p->set);

	for (uint32_t i = 0; i < p->set.count; i++) {
		struct nft_element *e = (struct nft_element *)writable(p, p->element) + set[i].element_first;

		if (strcmp(nft_text(p, set[i].name), "ports") != 0 || set[i].element_count == 0)
			continue;
		/* the last field is the port, padded to four bytes */
		memset(&e[set[i].element_count - 1].key_end[set[i].key_len - 4], 0xff, 2);
		return;
	}
	abort();
}

void testdp_tamper(struct testdp *t, enum testdp_tamper how)
{
	struct nft_chain *chain;

	pthread_mutex_lock(&t->lock);
	chain = writable(t->program, t->program->chain);
	if (how == TESTDP_WIDEN)
		widen(t->program);
	else
		chain[t->program->chain.count - 1].rule_count--;
	pthread_mutex_unlock(&t->lock);
}

void testdp_tell_drift(struct testdp *t)
{
	pthread_mutex_lock(&t->lock);
	t->tell_drift = true;
	pthread_mutex_unlock(&t->lock);
}

void testdp_remove_ports(struct testdp *t, uint32_t ports)
{
	pthread_mutex_lock(&t->lock);
	t->like.port_removed = ports;
	pthread_mutex_unlock(&t->lock);
}

void testdp_stand(struct testdp *t, uint8_t state, uint64_t takeovers, uint64_t gap_ms)
{
	pthread_mutex_lock(&t->lock);
	t->like.standby = state;
	t->like.takeovers = takeovers;
	t->like.takeover_gap_ms = gap_ms;
	pthread_mutex_unlock(&t->lock);
}

void testdp_clock(struct testdp *t, bool good)
{
	pthread_mutex_lock(&t->lock);
	t->like.clock_bad = !good;
	pthread_mutex_unlock(&t->lock);
}

size_t testdp_held(struct testdp *t)
{
	size_t n;

	pthread_mutex_lock(&t->lock);
	n = t->n_held;
	pthread_mutex_unlock(&t->lock);
	return n;
}
