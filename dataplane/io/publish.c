/* SPDX-License-Identifier: BSD-3-Clause */
#include "publish.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image_check.h"
#include "probe_check.h"
#include "snapshot.h"

#define SNAPSHOT_BYTES_MAX                                                                                   \
	(sizeof(struct snapshot_header) + SNAPSHOT_BINDINGS_MAX * sizeof(struct dp_binding))

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

static bool give_order(struct publisher *p, struct order *o, struct refusal *why)
{
	int code = worker_order(p->worker, o);

	return code ? refuse(why, -code, "the worker refused: %s", strerror(-code)) : true;
}

/* A blob out of a peer's memfd, which nobody may be able to change while it is copied. */
static bool take_sealed(struct blob *b, const char *what, int fd, size_t max, struct refusal *why)
{
	if (fd < 0)
		return refuse(why, EBADF, "%s: no file descriptor came with it", what);
	if (!blob_is_sealed(fd))
		return refuse(why, EPERM, "%s: memfd is not sealed against write, shrink and grow", what);
	int code = blob_read(b, fd, max);
	return code ? refuse(why, -code, "%s: %s", what, strerror(-code)) : true;
}

static void set_generation(struct publisher *p, uint32_t generation)
{
	atomic_store_explicit(&p->generation, generation, memory_order_relaxed);
}

static bool ports_exist(const struct publisher *p, const struct dp_binding *bindings, uint32_t n)
{
	for (uint32_t i = 0; !p->tap && i < n; i++)
		if (bindings[i].port >= p->n_ports)
			return false;
	return true;
}

static const char *check_snapshot(const struct publisher *p, const struct blob *b)
{
	const struct snapshot_header *h = b->bytes;
	const struct image_header *image = p->prepared.bytes;
	const char *wrong = snapshot_check(b->bytes, b->size);

	if (wrong)
		return wrong;
	if (h->image_crc != image->crc64)
		return "bindings: made for another image than the one prepared";
	return ports_exist(p, snapshot_bindings(h), h->count) ? NULL : "bindings: a port that does not exist";
}

void publish_last_good(struct publisher *p, struct lastgood *good)
{
	const struct snapshot_header *h = good->bindings.bytes;
	struct order o = {.publish = {good->image.bytes, h->generation, snapshot_bindings(h), h->count}};

	/* Ports may have gone since: hosts behind them are learned anew. */
	if (!ports_exist(p, o.publish.bindings, o.publish.n_bindings))
		o.publish.n_bindings = 0;
	worker_preload(p->worker, &o);
	p->in_force = good->image;
	good->image = (struct blob){0};
	set_generation(p, h->generation);
	lastgood_free(good);
}

bool publish_prepare(struct publisher *p, int fd, struct refusal *why)
{
	struct blob image;

	if (!take_sealed(&image, "image", fd, IMAGE_SIZE_MAX, why))
		return false;
	const char *wrong = image_check(image.bytes, image.size);
	if (wrong) {
		blob_free(&image);
		return refuse(why, EINVAL, "image: %s", wrong);
	}
	blob_free(&p->prepared);
	p->prepared = image;
	return true;
}

/* The worker gives back the image it used so far; that is ours to free. */
static bool switch_to(struct publisher *p, struct order *o, struct blob *next, struct refusal *why)
{
	if (!give_order(p, o, why))
		return false;
	blob_free(&p->in_force);
	p->in_force = *next;
	*next = (struct blob){0};
	set_generation(p, o->publish.generation);
	return true;
}

bool publish_commit(struct publisher *p, int fd, uint32_t generation, struct refusal *why)
{
	struct blob snapshot;

	if (!p->prepared.bytes)
		return refuse(why, ENOENT, "no image is prepared");
	if (!take_sealed(&snapshot, "bindings", fd, SNAPSHOT_BYTES_MAX, why))
		return false;

	const struct snapshot_header *h = snapshot.bytes;
	const char *wrong = check_snapshot(p, &snapshot);
	bool ok = wrong ? refuse(why, EINVAL, "%s", wrong) : true;
	if (ok && (!generation || h->generation != generation))
		ok = refuse(why, EINVAL, "bindings are of generation %u, not %u", h->generation, generation);
	if (ok) {
		struct order o = {.kind = ORDER_PUBLISH,
				  .publish = {p->prepared.bytes, generation, snapshot_bindings(h), h->count}};
		ok = switch_to(p, &o, &p->prepared, why);
	}
	blob_free(&snapshot);
	return ok;
}

bool publish_deny_all(struct publisher *p, struct refusal *why)
{
	struct order o = {.kind = ORDER_PUBLISH};
	struct blob none = {0};

	return switch_to(p, &o, &none, why);
}

bool publish_bind(struct publisher *p, const struct dp_binding *bindings, uint32_t n, struct refusal *why)
{
	struct order o = {.kind = ORDER_BIND, .bind = {bindings, n}};

	if (!ports_exist(p, bindings, n))
		return refuse(why, EINVAL, "a binding names a port that does not exist");
	int code = worker_order(p->worker, &o);
	return code ? refuse(why, -code, "%u of %u bindings were taken: %s", o.bind.n, n, strerror(-code))
		    : true;
}

static const char *probe_error(int code)
{
	switch (code) {
	case -ESTALE:
		return "probe: an identity that the image in force does not know";
	case -ENOSPC:
		return "probe: no room for two bindings";
	case -ENOTSUP:
		return "probe: not in tap mode";
	}
	return strerror(-code);
}

bool publish_probe(struct publisher *p, int fd, struct dp_probes *probes, struct refusal *why)
{
	struct blob frames;

	if (!take_sealed(&frames, "probe", fd, DP_PROBE_FRAMES * DP_PROBE_FRAME, why))
		return false;
	const char *wrong = probe_check(probes, frames.size);
	bool ok = wrong ? refuse(why, EINVAL, "%s", wrong) : true;
	if (ok) {
		struct order o = {.kind = ORDER_PROBE, .probe = {probes, frames.bytes, frames.size}};
		int code = worker_order(p->worker, &o);

		ok = code ? refuse(why, -code, "%s", probe_error(code)) : true;
	}
	blob_free(&frames);
	return ok;
}

void publish_forget_prepared(struct publisher *p)
{
	blob_free(&p->prepared);
}

static bool seal(int *fd, const char *name, const void *bytes, size_t size, struct refusal *why)
{
	int made = blob_seal(name, bytes, size);

	*fd = made < 0 ? -1 : made;
	return made < 0 ? refuse(why, -made, "%s: %s", name, strerror(-made)) : true;
}

bool publish_dump_image(struct publisher *p, int *fd, struct refusal *why)
{
	*fd = -1;
	if (!p->in_force.bytes)
		return true;
	return seal(fd, "image", p->in_force.bytes, p->in_force.size, why);
}

bool publish_dump_bindings(struct publisher *p, int *fd, uint32_t *count, struct refusal *why)
{
	uint32_t room = SNAPSHOT_BINDINGS_MAX;
	struct order o = {.kind = ORDER_DUMP, .dump = {calloc(room, sizeof(struct dp_binding)), room, 0, 0}};

	if (!o.dump.out)
		return refuse(why, ENOMEM, "no memory for a list of bindings");
	bool ok = give_order(p, &o, why);
	if (ok)
		ok = seal(fd, "bindings", o.dump.out, o.dump.n * sizeof(*o.dump.out), why);
	*count = o.dump.n;
	free(o.dump.out);
	return ok;
}

void publish_close(struct publisher *p)
{
	blob_free(&p->in_force);
	blob_free(&p->prepared);
}
