/* SPDX-License-Identifier: BSD-3-Clause */
#include "failures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define NAME  "dp.starts"
#define KEPT  64u /* the newest */
#define PATHS 160u

/* Start times within the window, oldest first. */
static uint32_t load(const char *run_dir, uint64_t now_s, uint64_t start[KEPT])
{
	char path[PATHS];
	uint32_t n = 0;
	uint64_t s;

	snprintf(path, sizeof(path), "%s/" NAME, run_dir);
	FILE *file = fopen(path, "re");
	while (file && n < KEPT && fscanf(file, "%" SCNu64, &s) == 1)
		if (s <= now_s && now_s - s < FAILURES_WINDOW_S)
			start[n++] = s;
	if (file)
		fclose(file);
	return n;
}

struct failures failures_read(const char *run_dir, uint64_t now_s)
{
	uint64_t start[KEPT];
	struct failures f = {.recent = load(run_dir, now_s, start)};

	if (f.recent >= FAILURES_SAFE)
		f.left_s = (uint32_t)(start[f.recent - FAILURES_SAFE] + FAILURES_WINDOW_S - now_s);
	return f;
}

uint32_t failures_wait(struct failures f)
{
	uint32_t over = f.recent > FAILURES_SAFE ? f.recent - FAILURES_SAFE : 0;

	if (over > 6)
		return FAILURES_WAIT_S;
	return over ? 1u << (over - 1) : 0;
}

int failures_note(const char *run_dir, uint64_t now_s)
{
	char path[PATHS], making[PATHS];
	uint64_t start[KEPT];
	uint32_t n = load(run_dir, now_s, start);

	snprintf(path, sizeof(path), "%s/" NAME, run_dir);
	snprintf(making, sizeof(making), "%s/" NAME ".new", run_dir);
	FILE *file = fopen(making, "we");
	if (!file)
		return -errno;
	for (uint32_t i = n == KEPT; i < n; i++)
		fprintf(file, "%" PRIu64 "\n", start[i]);
	fprintf(file, "%" PRIu64 "\n", now_s);
	if (fclose(file) || rename(making, path))
		return -errno;
	return 0;
}

void failures_forget(const char *run_dir)
{
	char path[PATHS];

	snprintf(path, sizeof(path), "%s/" NAME, run_dir);
	unlink(path);
}
