/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Room on the disk for what must go on when it is full. A file holds it from the beginning; it is given up
 * when somebody else has taken all the rest, so that the store can be opened, a policy be committed and the
 * journal be written. Records of traffic, which come without end, stop before that room is touched and wait
 * in their rings.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store_internal.h"

#define RESERVE_FILE "reserve"
#define FLOOR_MAX    (UINT64_C(8) << 20)
#define FLOOR_PART   32u /* of the disk; a small one has a smaller floor */
/* ext4 keeps up to 16 MiB of what is freed for itself. */
#define RESERVE_FLOORS 4u

struct room {
	uint64_t free, floor;
};

static bool measure(const struct store *s, struct room *r)
{
	struct statvfs v;

	if (s->unmade || statvfs(s->dir, &v) < 0 || v.f_blocks == 0)
		return false; /* then nothing is known, and a write tells */
	r->free = (uint64_t)v.f_bavail * v.f_frsize;
	r->floor = (uint64_t)v.f_blocks * v.f_frsize / FLOOR_PART;
	if (r->floor > FLOOR_MAX)
		r->floor = FLOOR_MAX;
	return true;
}

static void hold(const char *path, uint64_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	if (posix_fallocate(fd, 0, (off_t)bytes) != 0)
		unlink(path);
	close(fd);
}

/* A power cut may have left less than all of it. */
static bool is_held(const char *path, uint64_t bytes)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return false;
	if ((uint64_t)st.st_blocks * 512u >= bytes)
		return true;
	unlink(path);
	return false;
}

void store_reserve(struct store *s)
{
	char path[STORE_PATH_MAX];
	struct room r;

	if (s->read_only || !store_path(s, RESERVE_FILE, path) || !measure(s, &r))
		return;
	s->reserve_held = is_held(path, RESERVE_FLOORS * r.floor);
	if (s->reserve_held && r.free < r.floor) {
		unlink(path);
		s->reserve_held = false;
	} else if (!s->reserve_held && r.free > 2 * RESERVE_FLOORS * r.floor) {
		hold(path, RESERVE_FLOORS * r.floor);
		s->reserve_held = is_held(path, RESERVE_FLOORS * r.floor);
	}
}

/* What was given up is not for records either. */
static bool is_full(const struct store *s, const struct room *r)
{
	return r->free < (s->reserve_held ? 1u : 1u + RESERVE_FLOORS) * r->floor;
}

bool store_full(const struct store *s, uint64_t *free_bytes)
{
	struct room r = {0};
	bool known = measure(s, &r);

	*free_bytes = r.free;
	return known && is_full(s, &r);
}

int store_room(struct store *s)
{
	struct room r;

	if (!measure(s, &r) || !is_full(s, &r))
		return 0;
	snprintf(s->error, sizeof(s->error), "%.200s: disk full, %llu KiB are left for policy and journal",
		 s->dir, (unsigned long long)(r.free >> 10));
	return -ENOSPC;
}
