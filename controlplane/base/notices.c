/* SPDX-License-Identifier: BSD-3-Clause */
#include "notices.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct telling {
	void (*f)(void *ctx, const char *text);
	void *ctx;
	unsigned told, more;
};

/* ASCII's, and those that ISO 8859 added (in UTF-8: c2 80 to c2 9f). */
static void blank_controls(unsigned char *c)
{
	for (; *c; c++) {
		if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			*c = c[1] = ' ';
		else if (*c < ' ' || *c == 0x7f)
			*c = ' ';
	}
}

static void tell(struct telling *t, char *line)
{
	size_t len = strcspn(line, "\n");

	line[len] = 0;
	blank_controls((unsigned char *)line);
	if (!len)
		return;
	if (t->told == NOTICES_MAX) {
		t->more++;
		return;
	}
	t->told++;
	t->f(t->ctx, line);
}

static void tell_rest(struct telling *t)
{
	char text[64];

	if (!t->more)
		return;
	snprintf(text, sizeof(text), "%u more notices are in the run directory", t->more);
	t->f(t->ctx, text);
}

/* Only what is plainly a file: nobody can make us wait. */
static FILE *open_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	FILE *file;

	if (fd < 0)
		return NULL;
	file = fstat(fd, &st) || !S_ISREG(st.st_mode) ? NULL : fdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

static void tell_file(struct telling *t, int dir, const char *name)
{
	FILE *file = open_file(dir, name);
	char line[NOTICE_TEXT_MAX + 1];
	bool whole = true;

	while (file && t->told + t->more < 2 * NOTICES_MAX && fgets(line, sizeof(line), file)) {
		const bool begins = whole;

		whole = strchr(line, '\n') || feof(file);
		if (begins)
			tell(t, line);
	}
	if (file)
		fclose(file);
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

void notices_each(const char *run_dir, void (*f)(void *ctx, const char *text), void *ctx)
{
	struct telling t = {.f = f, .ctx = ctx};
	struct dirent **list;
	char path[PATH_MAX];
	int dir, n;

	if (snprintf(path, sizeof(path), "%s/notices", run_dir) >= (int)sizeof(path))
		return;
	n = scandir(path, &list, visible, alphasort);
	if (n < 0)
		return;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < n; i++) {
		if (dir >= 0)
			tell_file(&t, dir, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	if (dir >= 0)
		close(dir);
	tell_rest(&t);
}
