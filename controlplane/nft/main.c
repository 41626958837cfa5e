/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cordon-nft: programs the kernel's tables `cordon` for cordond, and gives back what the kernel decided.
 * Start-up is the list in start_up(), each step with one error; what was begun is undone in reverse. When it
 * ends, however it ends, the kernel goes on enforcing what it has.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "args.h"
#include "ctl.h"
#include "kernel.h"
#include "log.h"
#include "netlink.h"
#include "records.h"
#include "rights.h"
#include "runlock.h"

#define EXIT_USAGE 2
#define EXIT_START 6
#define ERROR_ROOM 384u

struct process {
	struct args args;
	struct log log;
	int lock;
	struct nl *nl;
	struct records *records;
	struct kernel *kernel;
	struct ctl *ctl;
};

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* --- start-up steps: false with one line in `error` ------------------------------------------------------
 */

static bool drop_rights(struct process *p, char *error)
{
	return !rights_drop(error, ERROR_ROOM);
}

static bool take_lock(struct process *p, char *error)
{
	p->lock = runlock_take(p->args.run_dir, "cordon-nft.lock", error, ERROR_ROOM);
	return p->lock >= 0;
}

static bool open_netlink(struct process *p, char *error)
{
	return !nl_open(&p->nl, &p->args.box, error, ERROR_ROOM);
}

static bool open_records(struct process *p, char *error)
{
	return !records_open(&p->records, p->args.run_dir, &p->args.box, p->nl, error, ERROR_ROOM);
}

static bool open_kernel(struct process *p, char *error)
{
	const struct kernel_world world = {&p->args, p->nl, p->records, &p->log};

	p->kernel = kernel_open(&world, error, ERROR_ROOM);
	return p->kernel;
}

static bool open_control(struct process *p, char *error)
{
	const struct ctl_world world = {&p->args, &p->log, p->nl, p->kernel, p->records};

	p->ctl = ctl_open(&world, error, ERROR_ROOM);
	return p->ctl;
}

static bool start_up(struct process *p, char *error)
{
	static bool (*const steps[])(struct process * p, char *error) = {
		drop_rights, take_lock, open_netlink, open_records, open_kernel, open_control,
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!steps[i](p, error))
			return false;
	return true;
}

static void shut_down(struct process *p)
{
	ctl_close(p->ctl);
	records_close(p->records); /* reads the kernel's program to the end */
	kernel_close(p->kernel);
	if (p->nl)
		nl_close(p->nl);
	if (p->lock >= 0)
		close(p->lock);
}

static int run(struct process *p)
{
	char error[ERROR_ROOM] = "";
	const bool started = start_up(p, error);

	if (started) {
		log_line(&p->log, LOG_LEVEL_NOTICE, "running: %u port%s, generation %u", p->args.box.n_ports,
			 p->args.box.n_ports == 1 ? "" : "s", kernel_generation(p->kernel));
		sd_notify(0, "READY=1");
		ctl_run(p->ctl);
	} else {
		log_line(&p->log, LOG_LEVEL_ERROR, "%s", error);
	}
	shut_down(p);
	return started ? 0 : EXIT_START;
}

int main(int argc, char *argv[])
{
	static struct process p = {.lock = -1};
	char error[ARGS_ERROR];

	log_init(&p.log, "cordon-nft", LOG_LEVEL_INFO);
	switch (args_parse(&p.args, argc, argv, error)) {
	case ARGS_BAD:
		log_line(&p.log, LOG_LEVEL_ERROR, "%s", error);
		return EXIT_USAGE;
	case ARGS_HELP:
		fputs(args_usage(), stdout);
		return 0;
	case ARGS_VERSION:
		puts("cordon-nft " CORDON_VERSION);
		return 0;
	case ARGS_RUN:
		break;
	}
	block_signals();
	return run(&p);
}
