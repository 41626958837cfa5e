/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last good pair. Image first, bindings after it: the snapshot names its image by CRC, so a pair torn by
 * a death between the two renames is seen as torn and refused.
 */
#include "lastgood.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"

struct snapshot_header *snapshot_make(const struct image_header *image, uint32_t generation,
				      uint32_t dictionary, const struct dp_binding *bindings, uint32_t n,
				      size_t *size)
{
	struct snapshot_header *h;

	*size = sizeof(*h) + (size_t)n * sizeof(*bindings);
	h = calloc(1, *size);
	if (!h)
		return NULL;
	memcpy(h->magic, SNAPSHOT_MAGIC, sizeof(h->magic));
	h->abi = SNAPSHOT_ABI;
	h->generation = generation;
	h->count = n;
	h->dictionary = dictionary;
	h->image_crc = image->crc64;
	if (n > 0)
		memcpy(h + 1, bindings, (size_t)n * sizeof(*bindings));
	h->crc64 = snapshot_crc(h);
	return h;
}

static int write_temporary(int dirfd, const char *name, const void *bytes, size_t size)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640), r;

	if (fd < 0)
		return -errno;
	r = fchmod(fd, 0640) < 0 ? -errno : fd_write_all(fd, bytes, size);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

int lastgood_write(const char *dir, const char *name, const void *bytes, size_t size)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	char temporary[64];

	if (dirfd < 0)
		return -errno;
	snprintf(temporary, sizeof(temporary), "%s.new", name);
	r = write_temporary(dirfd, temporary, bytes, size);
	if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
		r = -errno;
	if (r == 0 && fsync(dirfd) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, temporary, 0);
	close(dirfd);
	return r;
}

static struct snapshot_header *read_snapshot(int fd)
{
	const size_t max = sizeof(struct snapshot_header) + SNAPSHOT_BINDINGS_MAX * sizeof(struct dp_binding);
	struct snapshot_header *h;
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(*h) || (size_t)st.st_size > max)
		return NULL;
	h = malloc((size_t)st.st_size);
	if (h && fd_read_all(fd, h, (size_t)st.st_size) == 0 && !snapshot_check(h, (size_t)st.st_size))
		return h;
	free(h);
	return NULL;
}

struct snapshot_header *lastgood_read_bindings(const char *dir)
{
	struct snapshot_header *h;
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, LAST_GOOD_BINDINGS);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return NULL;
	h = read_snapshot(fd);
	close(fd);
	return h;
}
