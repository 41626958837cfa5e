/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of cordon-dp, as plain data. Pure: reads nothing but argv and an @FILE; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"

#define ARGS_PATH   96u
#define ARGS_DEVICE 256u
#define ARGS_ERROR  256u

struct args_port {
	char name[RING_PORT_NAME];
	char device[ARGS_DEVICE]; /* as written */
	struct engine_port engine;
};

struct args {
	char run_dir[ARGS_PATH];
	char state_dir[ARGS_PATH];
	bool no_huge, tap, clock_trusted;
	bool safe;         /* deny everything, whatever is published */
	bool yield;        /* after repeated failures stay away from the ports, instead of a safe mode */
	uint32_t sessions; /* per worker */
	uint32_t records;  /* ring slots per worker, a power of two */
	uint32_t rate;     /* allowed sessions recorded singly per second; 0: no limit */
	int cpu;           /* of the worker; -1: wherever the scheduler likes */
	struct engine_timeouts timeouts;
	uint32_t n_ports;
	struct args_port port[ENGINE_PORTS_MAX];
};

enum args_result { ARGS_RUN, ARGS_HELP, ARGS_VERSION, ARGS_BAD };

/* ARGS_BAD: `error` (ARGS_ERROR bytes) is one line that says which argument and why. */
enum args_result args_parse(struct args *a, int argc, char *const argv[], char *error);

/* What --help prints. */
const char *args_usage(void);
