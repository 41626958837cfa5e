/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop, on sd-event. Without systemd the notifications go nowhere and the rest is the same.
 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

struct loop {
	struct daemon *d;
	struct api_server *server;
	sd_event *event;
	struct watch {
		sd_event_source *source; /* of the connection that is watched */
		uint64_t connection;
	} watch[DAEMON_ENGINES_MAX];
	int64_t status_ms;
};

static int on_engine(sd_event_source *s, int fd, uint32_t revents, void *userdata);

/* Connections come and go inside the daemon; watch those there are. One may have the descriptor that another
 * had, so all that is over is dropped first. */
static void watch_engines(struct loop *l)
{
	for (size_t i = 0; i < l->d->n_links; i++) {
		const struct dp *dp = l->d->links[i].dp;
		struct watch *w = &l->watch[i];

		if (w->source && (dp_fd(dp) < 0 || w->connection != dp_connection(dp)))
			w->source = sd_event_source_disable_unref(w->source);
	}
	for (size_t i = 0; i < l->d->n_links; i++) {
		struct dp *dp = l->d->links[i].dp;
		struct watch *w = &l->watch[i];
		int fd = dp_fd(dp);

		if (w->source || fd < 0)
			continue;
		w->connection = dp_connection(dp);
		if (sd_event_add_io(l->event, &w->source, fd, EPOLLIN, on_engine, l) < 0)
			w->source = NULL;
	}
}

static int on_engine(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct loop *l = userdata;

	daemon_engine_ready(l->d);
	watch_engines(l);
	return 0;
}

static int on_listen(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct loop *l = userdata;

	api_server_accept(l->server, fd);
	watch_engines(l);
	return 0;
}

static int on_api(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct loop *l = userdata;

	api_server_run(l->server);
	watch_engines(l);
	return 0;
}

static void tell_systemd(struct loop *l, int64_t now_ms)
{
	if (now_ms - l->status_ms < 1000)
		return;
	l->status_ms = now_ms;
	sd_notifyf(0, "WATCHDOG=1\nSTATUS=generation %u, %s", daemon_generation(l->d),
		   daemon_connected(l->d) ? "all engines connected" : "an engine is not connected");
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct loop *l = userdata;
	uint64_t now;

	daemon_tick(l->d);
	api_server_tick(l->server);
	watch_engines(l);
	tell_systemd(l, mono_now_ms());
	sd_event_now(l->event, CLOCK_MONOTONIC, &now);
	sd_event_source_set_time(s, now + DAEMON_TICK_MS * 1000);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static const int end_signals[] = {SIGTERM, SIGINT};

int loop_hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < 2; i++)
		sigaddset(&set, end_signals[i]);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

static int add_sources(struct loop *l, int listen_fd)
{
	int r;

	for (size_t i = 0; i < 2; i++) {
		r = sd_event_add_signal(l->event, NULL, end_signals[i], NULL,
					NULL); /* NULL: leave the loop */
		if (r < 0)
			return r;
	}
	r = sd_event_add_io(l->event, NULL, listen_fd, EPOLLIN, on_listen, l);
	if (r >= 0)
		r = sd_event_add_io(l->event, NULL, api_server_epoll_fd(l->server), EPOLLIN, on_api, l);
	if (r >= 0)
		r = sd_event_add_time_relative(l->event, NULL, CLOCK_MONOTONIC, 0, 1000, on_tick, l);
	return r;
}

int loop_run(struct daemon *d, struct api_server *server, int listen_fd)
{
	struct loop l = {.d = d, .server = server};
	int r = sd_event_new(&l.event);

	if (r < 0)
		return r;
	r = add_sources(&l, listen_fd);
	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(l.event);
		sd_notify(0, "STOPPING=1");
	}
	for (size_t i = 0; i < DAEMON_ENGINES_MAX; i++)
		sd_event_source_disable_unref(l.watch[i].source);
	sd_event_unref(l.event);
	return r < 0 ? r : 0;
}
