/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines. systemd names the journal's stream by device and inode in JOURNAL_STREAM; only if stderr is
 * still that stream are prefixes understood there.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "timefmt.h"

#define LINE 1024

static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(fd, &st) < 0)
		return false;
	return st.st_dev == device && st.st_ino == inode;
}

void log_init(struct log *l, const char *name, enum log_level max)
{
	*l = (struct log){
		.name = name, .max = max, .fd = STDERR_FILENO, .journal = is_journal(STDERR_FILENO)};
}

static int print_head(const struct log *l, enum log_level level, char *line, size_t room)
{
	static const char *const words[] = {[LOG_LEVEL_ERROR] = "error: ",
					    [LOG_LEVEL_WARNING] = "warning: ",
					    [LOG_LEVEL_DEBUG] = "debug: "};
	const char *word = words[level] ? words[level] : "";
	char now[TIME_TEXT];

	if (l->journal)
		return snprintf(line, room, "<%d>", level);
	return snprintf(line, room, "%s %s: %s", time_print_seconds(time(NULL), now, sizeof(now)), l->name,
			word);
}

/* A message is one line, whatever somebody's text brought into it. */
static void flatten(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ')
			*text = ' ';
}

void log_line(const struct log *l, enum log_level level, const char *format, ...)
{
	char line[LINE];
	va_list args;
	size_t len;

	if (level > l->max || level < LOG_LEVEL_ERROR)
		return;
	len = (size_t)print_head(l, level, line, sizeof(line) - 1);
	if (len >= sizeof(line) - 1)
		return;
	va_start(args, format);
	vsnprintf(line + len, sizeof(line) - 1 - len, format, args);
	va_end(args);
	flatten(line);
	len = strlen(line);
	line[len++] = '\n';
	if (write(l->fd, line, len) < 0)
		return; /* nowhere left to say it */
}
