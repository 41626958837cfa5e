/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A directory of a test's own under $TMPDIR or /tmp. Aborts on failure.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void dir_make(char *path, size_t room)
{
	const char *base = getenv("TMPDIR");

	if (!base || strlen(base) > 32)
		base = "/tmp";
	snprintf(path, room, "%s/cordon-test-XXXXXX", base);
	if (!mkdtemp(path))
		abort();
}

/* With the files in it. */
static inline void dir_remove(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(path);
}
