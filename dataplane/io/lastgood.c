/* SPDX-License-Identifier: BSD-3-Clause */
#include "lastgood.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image_check.h"
#include "snapshot.h"

#define SNAPSHOT_BYTES_MAX                                                                                   \
	(sizeof(struct snapshot_header) + SNAPSHOT_BINDINGS_MAX * sizeof(struct dp_binding))

static int load_file(struct blob *b, const char *dir, const char *name, size_t max)
{
	char path[512];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return -ENAMETOOLONG;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	int error = blob_read(b, fd, max);
	close(fd);
	return error;
}

static const char *check_pair(const struct lastgood *g, const char **file)
{
	const struct image_header *image = g->image.bytes;
	const struct snapshot_header *bindings = g->bindings.bytes;

	*file = LAST_GOOD_IMAGE;
	const char *wrong = image_check(g->image.bytes, g->image.size);
	if (wrong)
		return wrong;
	*file = LAST_GOOD_BINDINGS;
	wrong = snapshot_check(g->bindings.bytes, g->bindings.size);
	if (wrong)
		return wrong;
	return bindings->image_crc == image->crc64 ? NULL : "made for another image";
}

enum lastgood_result lastgood_load(struct lastgood *g, const char *state_dir, char *error, size_t room)
{
	const char *file = LAST_GOOD_IMAGE, *wrong = NULL;

	*g = (struct lastgood){0};
	int code = load_file(&g->image, state_dir, file, IMAGE_SIZE_MAX);
	if (!code) {
		file = LAST_GOOD_BINDINGS;
		code = load_file(&g->bindings, state_dir, file, SNAPSHOT_BYTES_MAX);
	}
	if (code)
		wrong = strerror(-code);
	else
		wrong = check_pair(g, &file);
	if (!wrong)
		return LASTGOOD_OK;

	snprintf(error, room, "%s/%s: %s", state_dir, file, wrong);
	bool first_start = code == -ENOENT && !g->image.bytes;
	lastgood_free(g);
	return first_start ? LASTGOOD_NONE : LASTGOOD_BAD;
}

void lastgood_free(struct lastgood *g)
{
	blob_free(&g->image);
	blob_free(&g->bindings);
}
