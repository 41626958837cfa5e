/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One loop over epoll. Requests are taken one at a time and answered in order; while an answer waits for room
 * in the peer's socket nothing more is read, and while an event batch waits no more events are taken out of
 * the queue. So memory is bounded whatever the peer does.
 */
#include "ctl.h"

#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "endpoints.h"
#include "peer.h"

#define RECORDS_MS 100
#define SECOND_MS  1000
#define EVENTS_MAX 16

struct ctl {
	struct ctl_world world;
	struct standby *standby; /* NULL: we stand alone */
	int epoll, signals, listen, ticks, devices;
	struct peer peer;
	struct dpmsg batch; /* of events; waits if count is not 0 */
	struct endpoints endpoints;
	bool drift; /* to be told */
	int64_t next_records_ms, next_second_ms;
	bool stop;
};

#define say(c, level, ...) log_line((c)->world.log, LOG_LEVEL_##level, __VA_ARGS__)

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static void look_at_dataplane(struct ctl *c)
{
	if (c->standby)
		standby_look(c->standby, kernel_enforces(c->world.kernel));
}

/* --- requests ------------------------------------------------------------------------------------------ */

static bool is_up(const struct ctl *c, const char *device)
{
	struct ifreq r = {0};

	memcpy(r.ifr_name, device, NFT_DEVICE);
	r.ifr_name[IFNAMSIZ - 1] = 0;
	return !ioctl(c->devices, SIOCGIFFLAGS, &r) &&
	       (r.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
}

static void fill_ports(const struct ctl *c, struct dp_hello *h)
{
	const struct nft_box *box = &c->world.args->box;

	h->n_ports = box->n_ports;
	for (uint32_t i = 0; i < box->n_ports; i++) {
		memcpy(h->port_name[i], box->port[i].name, sizeof(h->port_name[i]));
		memcpy(h->port_driver[i], box->port[i].device, sizeof(h->port_driver[i]));
		h->port_up |= (uint32_t)is_up(c, box->port[i].device) << i;
	}
}

static void fill_hello(const struct ctl *c, struct dp_hello *h)
{
	const struct kernel *k = c->world.kernel;

	*h = (struct dp_hello){
		.instance = records_instance(c->world.records),
		.generation = kernel_generation(k),
		.n_workers = 1,
		.pid = (uint32_t)getpid(),
		.engine = DP_ENGINE_NFT,
		.features = kernel_features(k),
		.layout = (uint8_t)kernel_layout(k),
		.clock_bad = !kernel_clock_good(k),
	};
	memcpy(h->digest, kernel_digest(k), sizeof(h->digest));
	snprintf(h->ring_path, sizeof(h->ring_path), "%s", records_ring_path(c->world.records));
	fill_ports(c, h);
	if (c->standby) {
		h->standby = (uint8_t)standby_state(c->standby);
		h->takeovers = standby_takeovers(c->standby);
		h->takeover_ns = standby_takeover_ns(c->standby);
		h->takeover_gap_ms = standby_gap_ms(c->standby);
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

static bool on_prepare(struct ctl *c, struct exchange *x)
{
	return kernel_prepare(c->world.kernel, x->fd, &x->why);
}

static bool on_publish(struct ctl *c, struct exchange *x)
{
	const uint32_t generation = x->request->publish.generation;

	if (!kernel_publish(c->world.kernel, x->fd, generation, &x->why))
		return false;
	say(c, NOTICE, "generation %u is in force", generation);
	look_at_dataplane(c);
	return true;
}

static bool on_bind(struct ctl *c, struct exchange *x)
{
	if (x->request->count && x->request->count <= DP_BATCH)
		return kernel_bind(c->world.kernel, x->request->bind, x->request->count, &x->why);
	x->why = (struct refusal){EINVAL, "one to 24 bindings a message"};
	return false;
}

static bool on_dump(struct ctl *c, struct exchange *x)
{
	x->answer->dump.what = x->request->dump.what;
	switch (x->request->dump.what) {
	case DP_DUMP_IMAGE:
		return kernel_dump_program(c->world.kernel, &x->answer_fd, &x->why);
	case DP_DUMP_BINDINGS:
		return kernel_dump_bindings(c->world.kernel, &x->answer_fd, &x->answer->dump.count, &x->why);
	}
	x->why = (struct refusal){EINVAL, "dump: neither image nor bindings"};
	return false;
}

static bool on_deny_all(struct ctl *c, struct exchange *x)
{
	if (!kernel_deny_all(c->world.kernel, &x->why))
		return false;
	say(c, WARNING, "everything is denied, as cordond asked");
	look_at_dataplane(c);
	return true;
}

/* What was logged of the pair is recorded while it is known who they are. */
static void between_probes(void *ctx)
{
	struct ctl *c = ctx;

	look_at_dataplane(c);
	records_ready(c->world.records);
}

static bool on_probe(struct ctl *c, struct exchange *x)
{
	x->answer->probe = x->request->probe;
	return kernel_probe(c->world.kernel, x->fd, &x->answer->probe, between_probes, c, &x->why);
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
	say(c, INFO, "cordond is disconnected (%s); enforcement goes on", why);
	peer_close(&c->peer);
	kernel_forget_prepared(c->world.kernel);
	kernel_probe_end(c->world.kernel);
}

static void serve(struct ctl *c, const struct dpmsg *request, int fd)
{
	struct dpmsg answer = {.abi = DP_ABI, .type = DP_OK, .seq = request->seq};
	struct exchange x = {.request = request, .fd = fd, .answer = &answer, .answer_fd = -1};

	if (!requests[request->type](c, &x)) {
		say(c, WARNING, "refused a request of cordond, nothing has changed: %s", x.why.text);
		answer_error(&answer, x.why.code, x.why.text);
	}
	if (fd >= 0)
		close(fd);
	if (peer_answer(&c->peer, &answer, x.answer_fd))
		drop_peer(c, "it cannot be answered");
}

static void refuse_and_drop(struct ctl *c, const struct dpmsg *m, size_t size, const char *wrong)
{
	const uint64_t seq = size >= offsetof(struct dpmsg, hello) ? m->seq : 0;
	struct dpmsg answer = {.abi = DP_ABI, .seq = seq};

	answer_error(&answer, EPROTO, wrong);
	peer_answer(&c->peer, &answer, -1);
	drop_peer(c, wrong);
}

static void on_peer_readable(struct ctl *c)
{
	struct dpmsg request;
	int fd = -1;
	const ssize_t size = peer_receive(&c->peer, &request, &fd);

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

/* --- what happens without being asked ------------------------------------------------------------------- */

static void on_connection(struct ctl *c)
{
	struct dpmsg busy = {.abi = DP_ABI};
	struct peer_credentials who;
	int fd = peer_accept(c->listen, &who);

	if (fd < 0)
		return;
	if (c->peer.fd < 0) {
		peer_open(&c->peer, fd, c->epoll);
		say(c, INFO, "cordond is connected: process %d of uid %u", who.pid, who.uid);
		return;
	}
	say(c, WARNING, "refused a second connection: process %d of uid %u", who.pid, who.uid);
	answer_error(&busy, EBUSY, "another control connection is open");
	peer_refuse(fd, &busy);
}

/* False: it waits, or there is nobody to tell. */
static bool send_event(struct ctl *c, const struct dpmsg *m)
{
	const int code = c->peer.fd < 0 ? -EAGAIN : peer_event(&c->peer, m);

	if (code && code != -EAGAIN)
		drop_peer(c, strerror(-code));
	return !code;
}

static void pass_drift(struct ctl *c)
{
	const struct dpmsg m = {.abi = DP_ABI, .type = DP_DRIFT};

	if (c->drift && send_event(c, &m))
		c->drift = false;
}

static void pass_endpoints(struct ctl *c)
{
	struct dpmsg *m = &c->batch;

	while (c->peer.fd >= 0) {
		if (!m->count)
			m->count = (uint16_t)endpoints_take(&c->endpoints, m->endpoints, DP_BATCH);
		if (!m->count || !send_event(c, m))
			return;
		m->count = 0;
	}
}

static void on_endpoint(void *ctx, const struct dp_endpoint *e)
{
	struct ctl *c = ctx;

	endpoints_put(&c->endpoints, e, now_ms());
}

static void on_notice(void *ctx, const char *text)
{
	const struct ctl *c = ctx;

	say(c, WARNING, "records: %s", text);
}

static void on_gone(void *ctx, const struct dp_binding *b)
{
	struct dp_endpoint e = {
		.domain = b->domain, .port = b->port, .family = b->family, .kind = DP_ENDPOINT_GONE};
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	e.time_ns = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
	memcpy(e.addr, b->addr, sizeof(e.addr));
	memcpy(e.mac, b->mac, sizeof(e.mac));
	on_endpoint(ctx, &e);
}

static void on_change(struct ctl *c)
{
	if (!nl_changed(c->world.nl))
		return;
	if (c->standby) /* first, because it shuts the ports */
		standby_on_change(c->standby);
	kernel_on_change(c->world.kernel);
	c->drift = true;
}

static void on_tick(struct ctl *c)
{
	const int64_t now = now_ms();
	uint64_t times;

	if (read(c->ticks, &times, sizeof(times)) < 0)
		return;
	look_at_dataplane(c);
	if (now >= c->next_records_ms) {
		c->next_records_ms = now + RECORDS_MS;
		records_tick(c->world.records, now);
	}
	if (now >= c->next_second_ms) {
		c->next_second_ms = now + SECOND_MS;
		kernel_tick(c->world.kernel, on_gone, c);
		sd_notify(0, "WATCHDOG=1");
	}
}

static void on_signal(struct ctl *c)
{
	struct signalfd_siginfo info;

	if (read(c->signals, &info, sizeof(info)) != sizeof(info))
		return;
	say(c, NOTICE, "stopping: %s; the kernel goes on enforcing", strsignal((int)info.ssi_signo));
	c->stop = true;
}

/* --- the loop ------------------------------------------------------------------------------------------ */

static bool is_records(const struct ctl *c, int fd)
{
	int fds[4];
	const size_t n = records_fds(c->world.records, fds);

	for (size_t i = 0; i < n; i++)
		if (fds[i] == fd)
			return true;
	return false;
}

static void dispatch(struct ctl *c, const struct epoll_event *event)
{
	const int fd = event->data.fd;

	if (fd == c->signals)
		on_signal(c);
	else if (fd == c->listen)
		on_connection(c);
	else if (fd == c->ticks)
		on_tick(c);
	else if (fd == kernel_schedule_fd(c->world.kernel))
		kernel_on_schedule(c->world.kernel);
	else if (fd == nl_changes_fd(c->world.nl))
		on_change(c);
	else if (c->standby && fd == standby_fd(c->standby))
		look_at_dataplane(c);
	else if (is_records(c, fd))
		records_ready(c->world.records);
	else if (fd == c->peer.fd && peer_flush(&c->peer))
		drop_peer(c, "it cannot be answered");
	else if (fd == c->peer.fd && !peer_waits(&c->peer))
		on_peer_readable(c);
}

void ctl_run(struct ctl *c)
{
	struct epoll_event events[EVENTS_MAX];

	while (!c->stop) {
		const int n = epoll_wait(c->epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++)
			dispatch(c, &events[i]);
		pass_drift(c);
		pass_endpoints(c);
	}
}

static bool watch(struct ctl *c, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return fd >= 0 && !epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_ticks(void)
{
	const struct timespec tick = {.tv_nsec = STANDBY_TICK_MS * 1000000};
	const struct itimerspec every = {tick, tick};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &every, NULL);
	return fd;
}

static bool watch_all(struct ctl *c)
{
	int fds[4];
	const size_t n = records_fds(c->world.records, fds);
	bool ok = watch(c, c->signals) && watch(c, c->listen) && watch(c, c->ticks) &&
		  watch(c, kernel_schedule_fd(c->world.kernel)) && watch(c, nl_changes_fd(c->world.nl));

	for (size_t i = 0; ok && i < n; i++)
		ok = watch(c, fds[i]);
	return ok;
}

static bool open_standby(struct ctl *c, char *error, size_t room)
{
	const struct args *a = c->world.args;
	const struct standby_world world = {a->run_dir, a->dp_lock, c->world.nl, c->world.log};

	if (!a->standby)
		return true;
	c->standby = standby_open(&world, c->epoll, kernel_enforces(c->world.kernel), error, room);
	return c->standby;
}

static bool open_all(struct ctl *c, char *error, size_t room)
{
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->signals = open_signals();
	c->ticks = open_ticks();
	c->devices = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	c->listen = peer_listen(c->world.args->run_dir, "nft.sock", error, room);
	if (c->listen < 0 || !open_standby(c, error, room))
		return false;
	if (watch_all(c))
		return true;
	snprintf(error, room, "epoll: %s", strerror(errno));
	return false;
}

struct ctl *ctl_open(const struct ctl_world *world, char *error, size_t room)
{
	struct ctl *c = calloc(1, sizeof(*c));

	if (!c) {
		snprintf(error, room, "no memory");
		return NULL;
	}
	c->world = *world;
	c->epoll = c->signals = c->ticks = c->devices = c->listen = -1;
	c->peer.fd = c->peer.answer_fd = -1;
	c->batch = (struct dpmsg){.abi = DP_ABI, .type = DP_ENDPOINTS};
	if (!open_all(c, error, room)) {
		ctl_close(c);
		return NULL;
	}
	records_on_endpoint(world->records, on_endpoint, c);
	records_on_notice(world->records, on_notice, c);
	return c;
}

void ctl_close(struct ctl *c)
{
	if (!c)
		return;
	const int fds[] = {c->listen, c->signals, c->ticks, c->devices, c->epoll};

	records_on_endpoint(c->world.records, NULL, NULL);
	records_on_notice(c->world.records, NULL, NULL);
	standby_close(c->standby);
	peer_close(&c->peer);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(c);
}
