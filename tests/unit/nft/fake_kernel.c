/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "now.h"

struct fake_kernel kernel;

void fake_reset(void)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.now_ms = 1000000;
}

int64_t fake_utc_ns(void)
{
	return FAKE_UTC0_NS + kernel.now_ms * 1000000;
}

struct engine_clock now_clock(void)
{
	return (struct engine_clock){(uint64_t)kernel.now_ms * 1000000, fake_utc_ns(), true};
}

void fake_count(uint32_t family, const char *name, uint64_t packets)
{
	struct fake_counter *c = kernel.counter;

	while (c < kernel.counter + kernel.n_counters && (c->family != family || strcmp(c->name, name)))
		c++;
	if (c == kernel.counter + kernel.n_counters) {
		if (++kernel.n_counters > sizeof(kernel.counter) / sizeof(kernel.counter[0]))
			abort();
		c->family = family;
		strncpy(c->name, name, sizeof(c->name) - 1);
	}
	c->packets += packets;
	c->bytes += packets * 100;
}

void fake_event(enum nl_session_event event, const struct nl_session *s, bool lose)
{
	if (lose)
		return;
	if (kernel.n_events == FAKE_QUEUE)
		abort();
	kernel.event[kernel.n_events].event = event;
	kernel.event[kernel.n_events++].session = *s;
}

struct nl_session *fake_session(uint32_t id)
{
	for (uint32_t i = 0; i < kernel.n_sessions; i++)
		if (kernel.session[i].id == id)
			return &kernel.session[i];
	return NULL;
}

void fake_add(const struct nl_session *s)
{
	if (kernel.n_sessions == FAKE_SESSIONS)
		abort();
	kernel.session[kernel.n_sessions++] = *s;
}

void fake_remove(uint32_t id)
{
	struct nl_session *s = fake_session(id);

	*s = kernel.session[--kernel.n_sessions];
}

void fake_log(const struct nl_log *l, bool lose)
{
	struct fake_log *f = &kernel.log[kernel.n_logs];

	if (lose)
		return;
	if (kernel.n_logs++ == FAKE_QUEUE || l->len > sizeof(f->bytes))
		abort();
	f->log = *l;
	memcpy(f->bytes, l->payload, l->len);
	f->log.payload = f->bytes;
}

/* --- netlink.h ---------------------------------------------------------------------------------------- */

const char *nl_error(const struct nl *nl)
{
	return "the fake kernel says no";
}

int nl_counters(struct nl *nl, nl_counter_fn *f, void *ctx)
{
	if (kernel.no_tables)
		return -ENOENT;
	for (uint32_t i = 0; i < kernel.n_counters; i++)
		f(ctx, kernel.counter[i].family, kernel.counter[i].name, kernel.counter[i].packets,
		  kernel.counter[i].bytes);
	return 0;
}

void nl_on_clearance(struct nl *nl, void (*f)(void *ctx), void *ctx)
{
}

int nl_sessions(struct nl *nl, nl_session_fn *f, void *ctx)
{
	if (kernel.list_error)
		return kernel.list_error;
	kernel.listed++;
	for (uint32_t i = 0; i < kernel.n_sessions; i++)
		f(ctx, NL_SESSION_LISTED, &kernel.session[i]);
	return 0;
}

static bool same(const struct nl_session *a, const struct nl_session *b)
{
	return a->zone == b->zone && a->family == b->family && a->proto == b->proto && a->sport == b->sport &&
	       a->dport == b->dport && !memcmp(a->src, b->src, 16) && !memcmp(a->dst, b->dst, 16);
}

int nl_session_delete(struct nl *nl, const struct nl_session *s)
{
	struct nl_session *mine = fake_session(s->id), gone;

	if (kernel.delete_error)
		return kernel.delete_error;
	if (!mine || !same(mine, s))
		return -ENOENT;
	gone = *mine;
	gone.stop_ns = fake_utc_ns();
	fake_event(NL_SESSION_GONE, &gone, false);
	fake_remove(s->id);
	kernel.deleted++;
	return 0;
}

int nl_session_mark(struct nl *nl, const struct nl_session *s, uint32_t mark)
{
	struct nl_session *mine = fake_session(s->id);

	kernel.mark_asked++;
	if (!mine || !same(mine, s))
		return -ENOENT;
	mine->mark = mark;
	fake_event(NL_SESSION_MARK, mine, false);
	kernel.marked++;
	return 0;
}

int nl_sessions_fd(const struct nl *nl)
{
	return -1;
}

int nl_log_fd(const struct nl *nl)
{
	return -1;
}

int nl_session_events(struct nl *nl, uint32_t max, nl_session_fn *f, void *ctx)
{
	uint32_t n = kernel.n_events < max ? kernel.n_events : max;

	if (kernel.overrun) {
		kernel.overrun = false;
		return -ENOBUFS;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct nl_session s = kernel.event[i].session;

		f(ctx, kernel.event[i].event, &s);
	}
	kernel.n_events -= n; /* what the callbacks made is behind them */
	memmove(kernel.event, kernel.event + n, kernel.n_events * sizeof(kernel.event[0]));
	return (int)n;
}

int nl_logs(struct nl *nl, uint32_t max, nl_log_fn *f, void *ctx, uint64_t *lost)
{
	uint32_t n = kernel.n_logs < max ? kernel.n_logs : max;

	for (uint32_t i = 0; i < n; i++) {
		struct nl_log l = kernel.log[i].log;

		l.payload = kernel.log[i].bytes;
		f(ctx, &l);
	}
	kernel.n_logs -= n;
	memmove(kernel.log, kernel.log + n, kernel.n_logs * sizeof(kernel.log[0]));
	*lost = 0;
	return (int)n;
}
