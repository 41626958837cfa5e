/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `cordon`: sets up what a process has once (locale, SIGINT) and hands over to the command table. SIGINT says
 * what it means for the verb that runs, removes a half-written file and exits with 130; no verb has state to
 * unwind.
 */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

static void on_interrupt(int sig)
{
	cli_interrupted();
	_exit(CLI_INTERRUPTED);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_interrupt};

	setlocale(LC_CTYPE, "");
	sigaction(SIGINT, &action, NULL);
	int code = cli_main(argc, argv, stdout, stderr);
	fflush(stderr);
	return code;
}
