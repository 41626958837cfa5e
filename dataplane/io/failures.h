/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often cordon-dp failed lately. Each start is noted in the run directory, and forgotten when the process
 * ends as it was asked to; what is left are failures. After FAILURES_SAFE of them within FAILURES_WINDOW_S
 * the next start is a safe one, and each further one waits longer. Times are seconds of CLOCK_BOOTTIME,
 * because the run directory lasts as long as the boot. A file that cannot be read counts as none.
 */
#pragma once

#include <stdint.h>

#define FAILURES_SAFE     5u
#define FAILURES_WINDOW_S 600u
#define FAILURES_WAIT_S   60u /* at most, before a start */

struct failures {
	uint32_t recent; /* within the window */
	uint32_t left_s; /* until fewer than FAILURES_SAFE are; 0: they are */
};

struct failures failures_read(const char *run_dir, uint64_t now_s);
/* Seconds to wait before a start, so that one that cannot come up does not take the machine's time. */
uint32_t failures_wait(struct failures f);
/* 0 or -errno. */
int failures_note(const char *run_dir, uint64_t now_s);
void failures_forget(const char *run_dir);
