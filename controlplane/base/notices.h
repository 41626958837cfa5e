/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the start of the box had to tell and nobody may have seen: lines in the files of <run_dir>/notices,
 * written by start-up scripts (a data partition that cannot be mounted, a config with errors). The daemon
 * shows them in its status, and the command line does when there is no daemon. Any thread.
 */
#pragma once

#define NOTICES_MAX     32u  /* lines that are told; more are counted */
#define NOTICE_TEXT_MAX 400u /* bytes of a line; the rest is cut */

/* Calls `f` with each line, files by name; printable UTF-8 or ASCII, control characters become spaces. No
 * directory: none. */
void notices_each(const char *run_dir, void (*f)(void *ctx, const char *text), void *ctx);
