/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "blob.h"
#include "bound.h"
#include "probe.h"
#include "probe_check.h"
#include "program.h"
#include "snapshot.h"

#define ERROR_ROOM 256u
#define SNAPSHOT_BYTES_MAX                                                                                   \
	(sizeof(struct snapshot_header) + SNAPSHOT_BINDINGS_MAX * sizeof(struct dp_binding))
#define NEVER_S      (INT64_C(7258118400)) /* the year 2200: the timer waits for the clock to be set */
#define RETRY_S      1
#define LEASE_SCAN_S 10
#define CLOCK_SCAN_S 10
/* With the age at which a sweep marks anew (sweep.c) below NFT_MARK_TURNS. */
#define TURNS_UNSWEPT 128u

enum kernel_state { KERNEL_CLOSED, KERNEL_ADOPTED, KERNEL_IN_FORCE };

struct kernel {
	struct kernel_world world;
	uint32_t features;
	enum kernel_state state;
	struct nft_box box; /* with the layout in force */
	struct nft_program *closed;
	struct blob program, prepared;
	struct nft_version version;
	struct bound *bound;
	int timer;
	int tap[2];     /* of probes; -1: closed */
	uint32_t swept; /* the turn of the last sweep that left no session out */
	bool sweep_due, clock_good;
	bool litter;  /* of versions before the one in force */
	bool exposed; /* our chains were taken away, and could not be loaded anew */
	int64_t next_leases_s, next_clock_s;
};

/* --- small things -------------------------------------------------------------------------------------- */

static __attribute__((format(printf, 3, 4))) bool refuse(struct refusal *why, int code, const char *format,
							 ...)
{
	va_list list;

	why->code = code;
	va_start(list, format);
	vsnprintf(why->text, sizeof(why->text), format, list);
	va_end(list);
	return false;
}

#define say(k, level, ...) log_line((k)->world.log, LOG_LEVEL_##level, __VA_ARGS__)

static int64_t seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec;
}

/* A kernel that will not say is no kernel that says it is. */
static bool clock_is_good(const struct kernel *k)
{
	struct timex t = {0};
	int state;

	if (k->world.args->clock_trusted)
		return true;
	state = adjtimex(&t);
	return state >= 0 && state != TIME_ERROR;
}

/* Without a good clock the last edge holds, as in the dataplane: timed allows are shut. */
static int64_t schedule_now(const struct kernel *k)
{
	return k->clock_good ? seconds_of(CLOCK_REALTIME) : INT64_MAX;
}

static const struct nft_program *program_of(const struct kernel *k)
{
	return k->state == KERNEL_IN_FORCE ? k->program.bytes : NULL;
}

uint32_t kernel_generation(const struct kernel *k)
{
	return k->version.generation;
}

bool kernel_enforces(const struct kernel *k)
{
	return k->version.generation && !k->exposed;
}

const uint8_t *kernel_digest(const struct kernel *k)
{
	static const uint8_t unknown[32];
	const struct nft_program *p = program_of(k);

	return p ? p->digest : unknown;
}

bool kernel_clock_good(const struct kernel *k)
{
	return k->clock_good;
}

uint32_t kernel_features(const struct kernel *k)
{
	return k->features;
}

uint32_t kernel_layout(const struct kernel *k)
{
	return k->box.layout;
}

int kernel_schedule_fd(const struct kernel *k)
{
	return k->timer;
}

/* --- from one program to the next ----------------------------------------------------------------------- */

static void sweep(struct kernel *k)
{
	const int code = records_sweep(k->world.records);

	k->sweep_due = code < 0;
	if (!code)
		k->swept = k->version.turn;
	else
		say(k, ERROR, "live sessions could not be decided anew, it will be tried again: %s",
		    strerror(-code));
}

static struct nft_version next_version(const struct kernel *k, uint32_t generation, uint32_t model)
{
	return (struct nft_version){generation, model, k->version.turn + 1};
}

/*
 * Marks come round after NFT_MARK_TURNS turns, and a session that no sweep has decided since would then be
 * honoured by what never allowed it.
 */
static bool marks_are_new(struct kernel *k, struct refusal *why)
{
	if (k->version.turn - k->swept >= TURNS_UNSWEPT)
		sweep(k);
	return k->version.turn - k->swept < TURNS_UNSWEPT ||
	       refuse(why, EBUSY,
		      "live sessions could not be decided anew for %u changes: first that must succeed (see "
		      "the log)",
		      TURNS_UNSWEPT);
}

static void note_litter(struct kernel *k, int code)
{
	k->litter = code > 0;
	if (code)
		say(k, WARNING, "it will be tried again: %s", nl_error(k->world.nl));
}

/* Keeps every frame out of the bridge, or lets it in again. A standby has the guard in its own hands. */
static void set_guard(struct kernel *k, bool on)
{
	if (k->world.args->standby || !(k->box.planes & NFT_PLANE_FORWARD) || !nl_guard(k->world.nl, on))
		return;
	say(k, ERROR, "the guard of the ports cannot be %s: %s", on ? "put on" : "taken off",
	    nl_error(k->world.nl));
}

static void no_longer_exposed(struct kernel *k)
{
	if (!k->exposed)
		return;
	k->exposed = false;
	set_guard(k, false);
}

/* In one transaction. False: the kernel holds what it held. */
static bool swap(struct kernel *k, const struct nft_program *p, const struct nft_version *version,
		 const struct bound *bound, struct refusal *why)
{
	size_t n = 0;

	if (p != k->closed && !marks_are_new(k, why))
		return false;
	struct nft_bound *elements = bound ? bound_elements(bound, &n) : NULL;
	if (bound && !elements)
		return refuse(why, ENOMEM, "no memory for the elements of bindings");
	records_expect(k->world.records, p == k->closed ? NULL : p, version);
	const int code = nl_swap(k->world.nl, p, version->model, version, elements, n);
	free(elements);
	if (code < 0)
		return refuse(why, -code, "%s", nl_error(k->world.nl));
	k->version = *version;
	note_litter(k, code);
	no_longer_exposed(k);
	return true;
}

/* The timer fires at the next edge, and whenever the clock is set. */
static void set_timer(struct kernel *k, int64_t at_s)
{
	const struct itimerspec when = {.it_value.tv_sec = at_s < NEVER_S ? at_s : NEVER_S};

	if (timerfd_settime(k->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL))
		say(k, ERROR, "the schedule's timer: %s", strerror(errno));
}

static void set_edge(struct kernel *k)
{
	const struct nft_program *p = program_of(k);
	int64_t until = INT64_MAX;

	if (p)
		program_model_at(p, schedule_now(k), &until);
	set_timer(k, until);
}

struct session_list {
	struct nl_session *at;
	size_t n, room;
	bool failed;
};

static void note_session(void *ctx, enum nl_session_event event, const struct nl_session *s)
{
	struct session_list *l = ctx;

	if (l->n == l->room) {
		const size_t room = l->room ? l->room * 2 : 256;
		struct nl_session *at = realloc(l->at, room * sizeof(*at));

		if (!at) {
			l->failed = true;
			return;
		}
		l->at = at;
		l->room = room;
	}
	l->at[l->n++] = *s;
}

/* The sessions that `note` takes end. */
static void end_sessions(struct kernel *k, nl_session_fn *note)
{
	struct session_list l = {0};
	int code = nl_sessions(k->world.nl, note, &l);

	for (size_t i = 0; i < l.n; i++) {
		const int one = nl_session_delete(k->world.nl, &l.at[i]);

		code = one && one != -ENOENT && !code ? one : code;
	}
	if (code || l.failed)
		say(k, WARNING, "some sessions could not be deleted, their packets are dropped: %s",
		    code ? nl_error(k->world.nl) : "no memory");
	free(l.at);
}

static bool close_all(struct kernel *k, struct refusal *why)
{
	const struct nft_version version = next_version(k, 0, 0);

	if (!swap(k, k->closed, &version, NULL, why))
		return false;
	k->state = KERNEL_CLOSED;
	k->box = k->closed->box;
	records_use(k->world.records, NULL, &version);
	records_bindings(k->world.records, NULL, 0);
	blob_free(&k->program);
	bound_free(k->bound);
	k->bound = NULL;
	k->sweep_due = false;
	set_edge(k);
	return true;
}

bool kernel_deny_all(struct kernel *k, struct refusal *why)
{
	if (!close_all(k, why))
		return false;
	end_sessions(k, note_session); /* nothing of them would pass any more */
	return true;
}

/* --- prepare and publish ---------------------------------------------------------------------------------
 */

/* A blob out of a peer's memfd, which nobody may be able to change while it is copied. */
static bool take_sealed(struct blob *b, const char *what, int fd, size_t max, struct refusal *why)
{
	if (fd < 0)
		return refuse(why, EBADF, "%s: no file descriptor came with it", what);
	if (!blob_is_sealed(fd))
		return refuse(why, EPERM, "%s: memfd is not sealed against write, shrink and grow", what);
	const int code = blob_read(b, fd, max);
	return code ? refuse(why, -code, "%s: %s", what, strerror(-code)) : true;
}

static const char *layout_missing(const struct kernel *k, const struct nft_program *p)
{
	if (p->box.layout == NFT_LAYOUT_BRCT && program_layout(&p->box, k->features) != NFT_LAYOUT_BRCT)
		return "program: it needs conntrack in the bridge family, which this kernel has not";
	if (p->box.layout == NFT_LAYOUT_BRNF && !(k->features & DP_FEATURE_BR_NETFILTER))
		return "program: it needs br_netfilter, which this kernel has not";
	if (p->box.layout == NFT_LAYOUT_NONE && p->box.planes & NFT_PLANE_FORWARD)
		return "program: it has no layout for the forward plane";
	return NULL;
}

/* What cordon-nft itself needs of a program beyond its form. */
static const char *program_wrong(const struct kernel *k, const struct blob *b)
{
	const struct nft_program *p = b->bytes;
	const char *wrong = nft_program_check(b->bytes, b->size);

	if (!wrong)
		wrong = program_differs(&p->box, &k->world.args->box);
	if (!wrong)
		wrong = layout_missing(k, p);
	if (!wrong && !p->edge.count)
		wrong = "program: it has no schedule";
	return wrong;
}

bool kernel_prepare(struct kernel *k, int fd, struct refusal *why)
{
	struct blob program;

	if (!take_sealed(&program, "program", fd, NFT_PROGRAM_SIZE_MAX, why))
		return false;
	const char *wrong = program_wrong(k, &program);
	if (wrong) {
		blob_free(&program);
		return refuse(why, EINVAL, "%s", wrong);
	}
	blob_free(&k->prepared);
	k->prepared = program;
	return true;
}

void kernel_forget_prepared(struct kernel *k)
{
	blob_free(&k->prepared);
}

static bool ports_exist(const struct kernel *k, const struct dp_binding *bindings, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (bindings[i].port >= k->world.args->box.n_ports)
			return false;
	return true;
}

static bool check_snapshot(const struct kernel *k, const struct blob *b, uint32_t generation,
			   struct refusal *why)
{
	const struct snapshot_header *h = b->bytes;
	const struct nft_program *p = k->prepared.bytes;
	const char *wrong = snapshot_check(b->bytes, b->size);

	if (!wrong && h->image_crc != p->image_crc)
		wrong = "bindings: made for another image than the program that is prepared";
	if (!wrong && !ports_exist(k, snapshot_bindings(h), h->count))
		wrong = "bindings: a port that does not exist";
	if (wrong)
		return refuse(why, EINVAL, "%s", wrong);
	if (!generation || h->generation != generation)
		return refuse(why, EINVAL, "bindings are of generation %u, not %u", h->generation,
			      generation);
	return true;
}

static void tell_records(struct kernel *k, const struct dp_binding *bindings, size_t n)
{
	records_use(k->world.records, k->program.bytes, &k->version);
	records_bindings(k->world.records, bindings, n);
}

/* Program and bindings enter force together, or nothing changes. */
static bool enter_force(struct kernel *k, uint32_t generation, const struct snapshot_header *h,
			struct refusal *why)
{
	const struct nft_program *p = k->prepared.bytes;
	int64_t until;
	const struct nft_version version =
		next_version(k, generation, program_model_at(p, schedule_now(k), &until));
	struct bound *bound = bound_of(&p->box, snapshot_bindings(h), h->count, seconds_of(CLOCK_MONOTONIC));

	if (!bound)
		return refuse(why, ENOMEM, "no memory for %u bindings", h->count);
	if (!swap(k, p, &version, bound, why)) {
		bound_free(bound);
		return false;
	}
	struct blob old = k->program;
	bound_free(k->bound);
	k->bound = bound;
	k->program = k->prepared;
	k->prepared = (struct blob){0};
	k->state = KERNEL_IN_FORCE;
	k->box = p->box;
	tell_records(k, snapshot_bindings(h), h->count);
	blob_free(&old);
	sweep(k);
	set_edge(k);
	return true;
}

bool kernel_publish(struct kernel *k, int fd, uint32_t generation, struct refusal *why)
{
	struct blob snapshot;

	if (!k->prepared.bytes)
		return refuse(why, ENOENT, "no program is prepared");
	if (!take_sealed(&snapshot, "bindings", fd, SNAPSHOT_BYTES_MAX, why))
		return false;
	const bool ok = check_snapshot(k, &snapshot, generation, why) &&
			enter_force(k, generation, snapshot.bytes, why);
	blob_free(&snapshot);
	return ok;
}

/* --- bindings ------------------------------------------------------------------------------------------ */

static const char *binding_wrong(const struct kernel *k, const struct dp_binding *b)
{
	if (b->family != 4 && b->family != 6)
		return "a binding of no known family";
	if (b->flags & ~DP_BINDING_GONE || b->reserved)
		return "a binding with an unknown flag";
	if (b->identity > IDENTITY_LAST)
		return "a binding with an identity out of range";
	if (!ports_exist(k, b, 1) && !(b->flags & DP_BINDING_GONE))
		return "a binding names a port that does not exist";
	return NULL;
}

/* One transaction in the kernel for all of them. */
static bool change_bindings(struct kernel *k, const struct dp_binding *bindings, uint32_t n,
			    struct refusal *why)
{
	struct bound_change change;

	bound_time(k->bound, seconds_of(CLOCK_MONOTONIC));
	if (!bound_begin(k->bound, bindings, n, &change))
		return refuse(why, ENOSPC, "no room for %u bindings", n);
	const int code = change.n_del || change.n_add ? nl_elements(k->world.nl, &k->version, change.del,
								    change.n_del, change.add, change.n_add)
						      : 0;
	bound_end(k->bound, &change, !code);
	if (code)
		return refuse(why, -code, "%s", nl_error(k->world.nl));
	for (uint32_t i = 0; i < n; i++)
		records_binding(k->world.records, &bindings[i]);
	return true;
}

bool kernel_bind(struct kernel *k, const struct dp_binding *bindings, uint32_t n, struct refusal *why)
{
	if (k->state != KERNEL_IN_FORCE)
		return refuse(why, ENOENT,
			      k->state == KERNEL_CLOSED
				      ? "no generation is in force"
				      : "what is in force was adopted: publish a generation first");
	for (uint32_t i = 0; i < n; i++) {
		const char *wrong = binding_wrong(k, &bindings[i]);

		if (wrong)
			return refuse(why, EINVAL, "%s", wrong);
	}
	return change_bindings(k, bindings, n, why);
}

/* The kernel does not tell of frames. A binding lives for its lease, and on as long as it has a session. */
static void renew(void *ctx, enum nl_session_event event, const struct nl_session *s)
{
	struct kernel *k = ctx;
	struct dp_binding end = {.domain = s->zone, .family = s->family};

	memcpy(end.addr, s->src, sizeof(end.addr));
	bound_renew(k->bound, &end, k->world.args->lease_s);
	memcpy(end.addr, s->dst, sizeof(end.addr));
	bound_renew(k->bound, &end, k->world.args->lease_s);
}

static uint32_t list_expired(const struct kernel *k, struct dp_binding out[DP_BATCH])
{
	uint32_t n = 0, at = 0;

	while (n < DP_BATCH && bound_next(k->bound, &at, &out[n]))
		n += !out[n].lease_s;
	return n;
}

static void end_leases(struct kernel *k, kernel_gone_fn *gone, void *ctx)
{
	struct dp_binding expired[DP_BATCH];
	struct refusal why;
	uint32_t n;

	bound_time(k->bound, seconds_of(CLOCK_MONOTONIC));
	if (!list_expired(k, expired) || nl_sessions(k->world.nl, renew, k))
		return;
	while ((n = list_expired(k, expired))) {
		for (uint32_t i = 0; i < n; i++)
			expired[i].flags |= DP_BINDING_GONE;
		if (!change_bindings(k, expired, n, &why)) {
			say(k, ERROR, "bindings whose lease is over stay: %s", why.text);
			return;
		}
		for (uint32_t i = 0; i < n; i++)
			gone(ctx, &expired[i]);
	}
}

/* --- probes --------------------------------------------------------------------------------------------- */

static void probe_hosts(const struct dp_probes *p, struct dp_binding out[2])
{
	for (uint16_t i = 0; i < 2; i++) {
		out[i] = (struct dp_binding){
			.domain = DP_PROBE_DOMAIN,
			.port = (uint16_t)(DP_PROBE_PORT + i),
			.identity = i ? p->to : p->from,
			.family = (uint8_t)p->family,
			.lease_s = UINT32_MAX,
		};
		memcpy(out[i].addr, i ? p->dst : p->src, p->family == 4 ? 4 : 16);
		memcpy(out[i].mac, i ? p->dst_mac : p->src_mac, sizeof(out[i].mac));
	}
}

static void note_probed(void *ctx, enum nl_session_event event, const struct nl_session *s)
{
	if (s->zone == DP_PROBE_DOMAIN)
		note_session(ctx, event, s);
}

static bool open_taps(struct kernel *k, struct refusal *why)
{
	int code;

	if (k->tap[0] >= 0)
		return true;
	code = nl_probe_open(k->world.nl, k->tap);
	return code ? refuse(why, -code, "probe: %s", nl_error(k->world.nl)) : true;
}

void kernel_probe_end(struct kernel *k)
{
	nl_probe_close(k->world.nl);
	k->tap[0] = k->tap[1] = -1;
}

/* The pair is there while the frames are, whatever happens. */
static bool probe_pair(struct kernel *k, struct dp_probes *p, const uint8_t *bytes, void (*idle)(void *ctx),
		       void *ctx, struct refusal *why)
{
	struct dp_binding hosts[2];

	probe_hosts(p, hosts);
	if (!change_bindings(k, hosts, 2, why))
		return false;
	const int code = probe_frames(k->tap, p, bytes, idle, ctx);
	hosts[0].flags = hosts[1].flags = DP_BINDING_GONE;
	if (code) {
		change_bindings(k, hosts, 2, why);
		kernel_probe_end(k);
		return refuse(why, -code, "probe: a frame could not be sent or received: %s",
			      strerror(-code));
	}
	end_sessions(k, note_probed); /* before they are nobody's, and would be decided anew */
	return change_bindings(k, hosts, 2, why);
}

static bool may_probe(struct kernel *k, const struct dp_probes *p, size_t size, struct refusal *why)
{
	const char *wrong = probe_check(p, size);

	if (wrong)
		return refuse(why, EINVAL, "%s", wrong);
	if (p->from > IDENTITY_LAST || p->to > IDENTITY_LAST)
		return refuse(why, ESTALE, "probe: an identity that no image knows");
	if (k->state != KERNEL_IN_FORCE)
		return refuse(why, ENOENT, "probe: no generation was published");
	if (!(k->box.planes & NFT_PLANE_FORWARD))
		return refuse(why, ENOTSUP, "probe: the forward plane is not ours");
	return open_taps(k, why);
}

bool kernel_probe(struct kernel *k, int fd, struct dp_probes *p, void (*idle)(void *ctx), void *ctx,
		  struct refusal *why)
{
	struct blob frames;

	if (!take_sealed(&frames, "probe", fd, DP_PROBE_FRAMES * DP_PROBE_FRAME, why))
		return false;
	const bool ok = may_probe(k, p, frames.size, why) && probe_pair(k, p, frames.bytes, idle, ctx, why);
	blob_free(&frames);
	return ok;
}

/* --- dumps --------------------------------------------------------------------------------------------- */

static bool seal(int *fd, const char *name, const void *bytes, size_t size, struct refusal *why)
{
	const int made = blob_seal(name, bytes, size);

	*fd = made < 0 ? -1 : made;
	return made < 0 ? refuse(why, -made, "%s: %s", name, strerror(-made)) : true;
}

bool kernel_dump_program(struct kernel *k, int *fd, struct refusal *why)
{
	struct nft_program *got = NULL;
	struct nft_version version;
	size_t size = 0;

	*fd = -1;
	if (k->state == KERNEL_CLOSED)
		return true;
	const int code = nl_dump(k->world.nl, &got, &size, &version);
	if (code)
		return refuse(why, -code, "read-back: %s", nl_error(k->world.nl));
	const bool ok = seal(fd, "cordon-nft-program", got, size, why);
	free(got);
	return ok;
}

bool kernel_dump_bindings(struct kernel *k, int *fd, uint32_t *count, struct refusal *why)
{
	const size_t n = k->bound ? bound_count(k->bound) : 0;
	struct dp_binding *all = calloc(n + 1, sizeof(*all));
	uint32_t at = 0;

	*count = 0;
	if (!all)
		return refuse(why, ENOMEM, "no memory for a list of bindings");
	if (k->bound)
		bound_time(k->bound, seconds_of(CLOCK_MONOTONIC));
	while (*count < n && bound_next(k->bound, &at, &all[*count]))
		++*count;
	const bool ok = seal(fd, "cordon-nft-bindings", all, n * sizeof(*all), why);
	free(all);
	return ok;
}

/* --- what happens without being asked ------------------------------------------------------------------- */

/* The model of this moment. If the kernel refuses it, it is tried again: what was in force stays meanwhile.
 */
static void follow_schedule(struct kernel *k)
{
	const struct nft_program *p = program_of(k);
	struct refusal why;
	int64_t until;

	if (!p)
		return;
	const uint32_t model = program_model_at(p, schedule_now(k), &until);
	const struct nft_version version = next_version(k, k->version.generation, model);
	if (model == k->version.model) {
		set_timer(k, until);
		return;
	}
	if (!swap(k, p, &version, k->bound, &why)) {
		say(k, ERROR, "the schedule's change could not be made, it will be tried again: %s",
		    why.text);
		set_timer(k, seconds_of(CLOCK_REALTIME) + RETRY_S);
		return;
	}
	say(k, NOTICE, "generation %u: the schedule's matrix %u is in force", version.generation, model);
	records_use(k->world.records, p, &k->version);
	sweep(k);
	set_timer(k, until);
}

void kernel_on_schedule(struct kernel *k)
{
	uint64_t times;

	/* ECANCELED: the clock was set. Either way it is looked at anew. */
	if (read(k->timer, &times, sizeof(times)) < 0 && errno == EAGAIN)
		return;
	k->clock_good = clock_is_good(k);
	if (k->state == KERNEL_IN_FORCE)
		follow_schedule(k);
	else
		set_edge(k);
}

/* Whether what we loaded still stands in every packet's way. */
static bool still_hooked(struct kernel *k)
{
	const struct nft_program *p = program_of(k) ? program_of(k) : k->closed;
	const uint32_t model = program_of(k) ? k->version.model : 0;
	struct nft_program *got = NULL;
	struct nft_version version;
	size_t size;
	const int code = nl_dump(k->world.nl, &got, &size, &version);
	const bool ok = !code && program_hooked(p, model, got, k->state != KERNEL_ADOPTED);

	free(got);
	return ok || (code && code != -ENOENT && code != -EUCLEAN);
}

/* An adopted program is not ours to load anew: without its chains nothing may pass. */
static bool load_anew(struct kernel *k, struct refusal *why)
{
	const struct nft_version version = next_version(k, k->version.generation, k->version.model);

	if (k->state != KERNEL_IN_FORCE)
		return close_all(k, why);
	if (!swap(k, k->program.bytes, &version, k->bound, why))
		return false;
	records_use(k->world.records, k->program.bytes, &version);
	sweep(k);
	return true;
}

/* As long as nothing of ours decides what passes, nothing does. */
static void put_back(struct kernel *k)
{
	struct refusal why;

	if (load_anew(k, &why)) {
		say(k, ERROR, "somebody else took our chains away: %s loaded anew",
		    k->state == KERNEL_IN_FORCE ? "the generation in force was" : "everything is denied,");
		return;
	}
	if (k->exposed)
		return;
	k->exposed = true;
	set_guard(k, true);
	say(k, ERROR,
	    "somebody else took our chains away, and loading them anew, which is tried again, failed: %s",
	    why.text);
}

void kernel_on_change(struct kernel *k)
{
	if (still_hooked(k))
		say(k, WARNING, "somebody else changed our tables");
	else
		put_back(k);
}

static void tidy(struct kernel *k)
{
	const struct nft_program *p = program_of(k) ? program_of(k) : k->closed;

	note_litter(k, nl_tidy(k->world.nl, p, k->version.model, &k->version));
}

static void watch_clock(struct kernel *k)
{
	const bool good = clock_is_good(k);

	if (good == k->clock_good)
		return;
	k->clock_good = good;
	if (good)
		say(k, NOTICE, "the clock is synchronised: the schedule is followed");
	else
		say(k, WARNING, "the clock is not synchronised: the schedule's last matrix is in force");
	follow_schedule(k);
}

void kernel_tick(struct kernel *k, kernel_gone_fn *gone, void *ctx)
{
	const int64_t now = seconds_of(CLOCK_MONOTONIC);

	if (k->exposed)
		put_back(k);
	if (k->sweep_due)
		sweep(k);
	if (k->litter)
		tidy(k);
	if (now >= k->next_clock_s) {
		k->next_clock_s = now + CLOCK_SCAN_S;
		watch_clock(k);
	}
	if (k->state == KERNEL_IN_FORCE && now >= k->next_leases_s) {
		k->next_leases_s = now + LEASE_SCAN_S;
		end_leases(k, gone, ctx);
	}
}

/* --- begin and end -------------------------------------------------------------------------------------- */

static bool adopt_bindings(struct kernel *k, const struct nft_program *got)
{
	size_t n;
	struct dp_binding *all = program_bindings(got, &k->box, k->world.args->lease_s, &n);

	k->bound = all ? bound_of(&k->box, all, n, seconds_of(CLOCK_MONOTONIC)) : NULL;
	if (k->bound)
		records_bindings(k->world.records, all, n);
	free(all);
	return k->bound;
}

/* Tables of another box would let pass what nobody can answer for. */
static bool adopt(struct kernel *k, const struct nft_program *got, const struct nft_version *version)
{
	k->version = *version;
	if (!version->generation)
		return false;
	if (!program_same_box(got, k->closed) || !program_hooked(k->closed, 0, got, false)) {
		say(k, WARNING, "the kernel holds generation %u of other ports: everything is denied",
		    version->generation);
		return false;
	}
	k->state = KERNEL_ADOPTED;
	k->swept = version->turn;
	k->box.layout = program_layout_of(got);
	if (!adopt_bindings(k, got))
		say(k, WARNING, "no memory for the bindings that the kernel holds");
	say(k, NOTICE, "generation %u was in force before us, and stays", version->generation);
	return true;
}

static bool take_over(struct kernel *k, char *error, size_t room)
{
	struct nft_program *got = NULL;
	struct nft_version version = {0};
	struct refusal why;
	size_t size;
	const int code = nl_dump(k->world.nl, &got, &size, &version);
	const bool adopted = !code && adopt(k, got, &version);

	free(got);
	if (adopted)
		return true;
	if (code && code != -ENOENT)
		say(k, WARNING, "what the kernel holds cannot be read, it is replaced: %s",
		    nl_error(k->world.nl));
	if (kernel_deny_all(k, &why)) {
		k->swept = k->version.turn;
		return true;
	}
	snprintf(error, room, "%s", why.text);
	return false;
}

static bool open_all(struct kernel *k, char *error, size_t room)
{
	size_t size;

	k->features = nl_features(k->world.nl);
	k->box.layout = program_layout(&k->box, k->features);
	k->closed = nft_closed(&k->box, &size, error, room);
	k->timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (k->closed && k->timer < 0)
		snprintf(error, room, "timer: %s", strerror(errno));
	k->clock_good = clock_is_good(k);
	if (!k->closed || k->timer < 0 || !take_over(k, error, room))
		return false;
	set_guard(k, false); /* of a process that ended while it was on */
	return true;
}

struct kernel *kernel_open(const struct kernel_world *world, char *error, size_t room)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k) {
		snprintf(error, room, "no memory");
		return NULL;
	}
	k->world = *world;
	k->box = world->args->box;
	k->timer = k->tap[0] = k->tap[1] = -1;
	if (open_all(k, error, room))
		return k;
	kernel_close(k);
	return NULL;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	if (k->timer >= 0)
		close(k->timer);
	blob_free(&k->program);
	blob_free(&k->prepared);
	bound_free(k->bound);
	free(k->closed);
	free(k);
}
