/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One loop over epoll. Requests are taken one at a time and answered in order; while an answer waits for room
 * in the peer's socket nothing more is read, and while an event batch waits no more events are taken out of
 * the worker's queue. So memory is bounded whatever the peer does.
 */
#include "ctl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "notify.h"
#include "peer.h"
#include "removal.h"

#define EVENT_WAIT_MS 5 /* how long an endpoint event may wait for us */
#define SECOND_NS     1000000000ull

struct ctl {
	struct ctl_world world;
	int epoll, signals, listen;
	struct peer peer;
	struct dpmsg batch; /* of events; waits if count is not 0 */
	uint64_t next_second;
	bool stop;
};

/* --- requests
 * ------------------------------------------------------------------------------------------------ */

static void fill_hello(const struct ctl *c, struct dp_hello *h)
{
	const struct ctl_world *w = &c->world;
	const struct image_header *image = w->publisher->in_force.bytes;

	*h = (struct dp_hello){
		.instance = w->ring->header->instance,
		.generation = atomic_load_explicit(&w->publisher->generation, memory_order_relaxed),
		.n_ports = w->ports->n,
		.n_workers = w->ring->n_workers,
		.pid = (uint32_t)getpid(),
		.tap = w->args->tap,
		.no_huge = w->args->no_huge,
		.clock_bad = !atomic_load_explicit(&w->clock->utc_good, memory_order_relaxed),
	};
	if (image)
		memcpy(h->digest, image->digest, sizeof(h->digest));
	snprintf(h->ring_path, sizeof(h->ring_path), "%s", w->ring_path);
	for (uint32_t i = 0; i < w->ports->n; i++) {
		const struct port *port = &w->ports->port[i];

		memcpy(h->port_name[i], port->name, sizeof(h->port_name[i]));
		memcpy(h->port_driver[i], port->driver, sizeof(h->port_driver[i]));
		h->port_up |= (uint32_t)atomic_load_explicit(&port->up, memory_order_relaxed) << i;
		h->port_removed |= (uint32_t)atomic_load_explicit(&port->removed, memory_order_relaxed) << i;
	}
}

/* A request with its file descriptor (-1: none), and the answer it is turned into. */
struct exchange {
	const struct dpmsg *request;
	int fd;
	struct dpmsg *answer;
	int answer_fd;
	struct refusal why;
};

static bool on_hello(struct ctl *c, struct exchange *x)
{
	x->answer->type = DP_HELLO;
	fill_hello(c, &x->answer->hello);
	return true;
}

static bool on_ping(struct ctl *c, struct exchange *x)
{
	fill_hello(c, &x->answer->hello);
	return true;
}

/* What made us fail again and again may be the policy. */
static bool refuse_in_safe_mode(const struct ctl *c, struct exchange *x)
{
	if (c->world.args->safe)
		x->why = (struct refusal){
			EPERM,
			"safe mode: everything is denied and no policy is taken (see the log of cordon-dp)"};
	return c->world.args->safe;
}

static bool on_prepare(struct ctl *c, struct exchange *x)
{
	if (refuse_in_safe_mode(c, x))
		return false;
	return publish_prepare(c->world.publisher, x->fd, &x->why);
}

static bool on_publish(struct ctl *c, struct exchange *x)
{
	uint32_t generation = x->request->publish.generation;

	if (refuse_in_safe_mode(c, x) || !publish_commit(c->world.publisher, x->fd, generation, &x->why))
		return false;
	log_info("generation %u is in force", generation);
	return true;
}

static bool on_bind(struct ctl *c, struct exchange *x)
{
	if (x->request->count && x->request->count <= DP_BATCH)
		return publish_bind(c->world.publisher, x->request->bind, x->request->count, &x->why);
	x->why = (struct refusal){EINVAL, "one to 24 bindings a message"};
	return false;
}

static bool on_dump(struct ctl *c, struct exchange *x)
{
	x->answer->dump.what = x->request->dump.what;
	switch (x->request->dump.what) {
	case DP_DUMP_IMAGE:
		return publish_dump_image(c->world.publisher, &x->answer_fd, &x->why);
	case DP_DUMP_BINDINGS:
		return publish_dump_bindings(c->world.publisher, &x->answer_fd, &x->answer->dump.count,
					     &x->why);
	}
	x->why = (struct refusal){EINVAL, "dump: neither image nor bindings"};
	return false;
}

static bool on_deny_all(struct ctl *c, struct exchange *x)
{
	if (!publish_deny_all(c->world.publisher, &x->why))
		return false;
	log_warning("everything is denied, as cordond asked");
	return true;
}

static bool on_probe(struct ctl *c, struct exchange *x)
{
	x->answer->probe = x->request->probe;
	return publish_probe(c->world.publisher, x->fd, &x->answer->probe, &x->why);
}

static bool (*const requests[])(struct ctl *c, struct exchange *x) = {
	[DP_HELLO] = on_hello, [DP_PREPARE] = on_prepare, [DP_PUBLISH] = on_publish,   [DP_BIND] = on_bind,
	[DP_DUMP] = on_dump,   [DP_PING] = on_ping,       [DP_DENY_ALL] = on_deny_all, [DP_PROBE] = on_probe,
};
#define N_REQUESTS (sizeof(requests) / sizeof(requests[0]))

static void answer_error(struct dpmsg *answer, int code, const char *text)
{
	answer->type = DP_ERROR;
	memset(&answer->error, 0, sizeof(answer->error));
	answer->error.code = code;
	snprintf(answer->error.text, sizeof(answer->error.text), "%s", text);
}

static const char *malformed(const struct dpmsg *m, size_t size)
{
	if (size != sizeof(*m))
		return "a message of another size";
	if (m->abi != DP_ABI)
		return "a message of another version";
	if (m->type >= N_REQUESTS || !requests[m->type])
		return "a message of unknown type";
	return NULL;
}

static void drop_peer(struct ctl *c, const char *why)
{
	log_info("cordond is disconnected (%s); enforcement goes on", why);
	peer_close(&c->peer);
	publish_forget_prepared(c->world.publisher);
}

static void serve(struct ctl *c, const struct dpmsg *request, int fd)
{
	struct dpmsg answer = {.abi = DP_ABI, .type = DP_OK, .seq = request->seq};
	struct exchange x = {.request = request, .fd = fd, .answer = &answer, .answer_fd = -1};

	if (!requests[request->type](c, &x)) {
		log_warning("refused a request of cordond, nothing has changed: %s", x.why.text);
		answer_error(&answer, x.why.code, x.why.text);
	}
	if (fd >= 0)
		close(fd);
	if (peer_answer(&c->peer, &answer, x.answer_fd))
		drop_peer(c, "it cannot be answered");
}

static void refuse_and_drop(struct ctl *c, const struct dpmsg *m, size_t size, const char *wrong)
{
	uint64_t seq = size >= offsetof(struct dpmsg, hello) ? m->seq : 0;
	struct dpmsg answer = {.abi = DP_ABI, .seq = seq};

	answer_error(&answer, EPROTO, wrong);
	peer_answer(&c->peer, &answer, -1);
	drop_peer(c, wrong);
}

static void on_peer_readable(struct ctl *c)
{
	struct dpmsg request;
	int fd = -1;
	ssize_t size = peer_receive(&c->peer, &request, &fd);

	if (size == -EAGAIN)
		return;
	if (size <= 0) {
		drop_peer(c, size ? strerror((int)-size) : "it closed");
		return;
	}
	const char *wrong = malformed(&request, (size_t)size);
	if (!wrong) {
		serve(c, &request, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	refuse_and_drop(c, &request, (size_t)size, wrong);
}

/* --- what happens without being asked
 * ------------------------------------------------------------------------- */

static void on_connection(struct ctl *c)
{
	struct dpmsg busy = {.abi = DP_ABI};
	struct peer_credentials who;
	int fd = peer_accept(c->listen, &who);

	if (fd < 0)
		return;
	if (c->peer.fd < 0) {
		peer_open(&c->peer, fd, c->epoll);
		log_info("cordond is connected: process %d of uid %u", who.pid, who.uid);
		return;
	}
	log_warning("refused a second connection: process %d of uid %u", who.pid, who.uid);
	answer_error(&busy, EBUSY, "another control connection is open");
	peer_refuse(fd, &busy);
}

static void pass_events(struct ctl *c)
{
	struct dpmsg *m = &c->batch;

	while (c->peer.fd >= 0) {
		if (!m->count)
			m->count = (uint16_t)worker_events(c->world.worker, m->endpoints, DP_BATCH);
		if (!m->count)
			return;
		int code = peer_event(&c->peer, m);
		if (code == -EAGAIN)
			return;
		if (code) {
			drop_peer(c, strerror(-code));
			return;
		}
		m->count = 0;
	}
}

static void watch_links(struct ctl *c)
{
	for (uint32_t i = 0; i < c->world.ports->n; i++) {
		struct port *port = &c->world.ports->port[i];
		struct order o = {.kind = ORDER_PORT, .port = {.index = i}};

		if (!port->open || !port_poll_link(c->world.ports, port))
			continue;
		o.port.up = atomic_load_explicit(&port->up, memory_order_relaxed);
		log_info("port %s is %s", port->name, o.port.up ? "up" : "down");
		worker_order(c->world.worker, &o);
	}
}

/* The service manager hears from us only while the worker works, too: it is the worker that forwards. */
static void tell_alive(const struct ctl *c)
{
	uint64_t now_ms = clock_kernel_ms(c->world.clock, clock_mono_ns(c->world.clock));

	if (ring_beats(c->world.ring, now_ms))
		notify("WATCHDOG=1");
}

static void leave_safe_mode(struct ctl *c)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	if (!c->world.safe_until_s || (uint64_t)t.tv_sec < c->world.safe_until_s)
		return;
	log_warning("safe mode is over: ending, to be started anew with the last good policy");
	c->stop = true;
}

static void each_second(struct ctl *c)
{
	uint64_t now = clock_mono_ns(c->world.clock);

	if (now < c->next_second)
		return;
	c->next_second = now + SECOND_NS;
	clock_refresh(c->world.clock);
	watch_links(c);
	tell_alive(c);
	leave_safe_mode(c);
}

static void on_signal(struct ctl *c)
{
	struct signalfd_siginfo info;

	if (read(c->signals, &info, sizeof(info)) != sizeof(info))
		return;
	log_info("stopping: %s", strsignal((int)info.ssi_signo));
	c->stop = true;
}

/* --- the loop
 * ------------------------------------------------------------------------------------------------ */

static void dispatch(struct ctl *c, const struct epoll_event *event)
{
	if (event->data.fd == c->signals)
		on_signal(c);
	else if (event->data.fd == c->listen)
		on_connection(c);
	else if (event->data.fd == c->peer.fd && peer_flush(&c->peer))
		drop_peer(c, "it cannot be answered");
	else if (event->data.fd == c->peer.fd && !peer_waits(&c->peer))
		on_peer_readable(c);
}

void ctl_run(struct ctl *c)
{
	struct epoll_event events[8];

	while (!c->stop) {
		int n = epoll_wait(c->epoll, events, 8, EVENT_WAIT_MS);

		for (int i = 0; i < n; i++)
			dispatch(c, &events[i]);
		pass_events(c);
		each_second(c);
		removal_see_to(c->world.ports, c->world.worker);
	}
}

static int watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

struct ctl *ctl_open(const struct ctl_world *world, char *error, size_t room)
{
	struct ctl *c = calloc(1, sizeof(*c));

	if (!c) {
		snprintf(error, room, "no memory");
		return NULL;
	}
	c->world = *world;
	c->peer.fd = c->peer.answer_fd = -1;
	c->batch = (struct dpmsg){.abi = DP_ABI, .type = DP_ENDPOINTS};
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->signals = open_signals();
	c->listen = peer_listen(world->args->run_dir, "dp.sock", error, room);
	if (c->listen >= 0 && !watch(c->epoll, c->listen) && !watch(c->epoll, c->signals))
		return c;
	if (c->listen >= 0)
		snprintf(error, room, "epoll: %s", strerror(errno));
	ctl_close(c);
	return NULL;
}

void ctl_close(struct ctl *c)
{
	if (!c)
		return;
	peer_close(&c->peer);
	if (c->listen >= 0)
		close(c->listen);
	if (c->signals >= 0)
		close(c->signals);
	if (c->epoll >= 0)
		close(c->epoll);
	free(c);
}
