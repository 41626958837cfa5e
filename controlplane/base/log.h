/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a daemon tells its operator: one line a message on stderr. Under journald each line carries its level
 * as a
 * `<n>` prefix, elsewhere its time. Only daemons log; libraries return errors. The object belongs to main();
 * each line is one write(), so threads may share it.
 */
#pragma once

#include <stdbool.h>

/* syslog's numbers */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

struct log {
	const char *name; /* borrowed */
	enum log_level max;
	int fd;
	bool journal;
};

/* To stderr; finds out by itself whether it leads to the journal. */
void log_init(struct log *l, const char *name, enum log_level max);
void log_line(const struct log *l, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
