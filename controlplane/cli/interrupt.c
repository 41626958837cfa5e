/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an interrupt has to say and to tidy. Written by the running verb, read once by the signal handler,
 * which calls nothing that is not async-signal-safe. Two pointers are all the state, because a process runs
 * one verb.
 */
#include <string.h>
#include <unistd.h>

#include "command.h"

static const char *volatile interrupt_text = "cordon: interrupted\n";
static const char *volatile interrupt_path;

void cli_interrupt_says(const char *text)
{
	interrupt_text = text;
}

void cli_interrupt_removes(const char *path)
{
	interrupt_path = path;
}

void cli_interrupted(void)
{
	const char *text = interrupt_text, *path = interrupt_path;

	if (path != NULL)
		unlink(path);
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}
