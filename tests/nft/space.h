/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests that change the kernel: a network namespace of the process's own, commands in it, and programs
 * made of every kind of thing.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink.h"
#include "nftmodel.h"
#include "sets.h"

/* A fresh namespace for this process, its loopback up; the one before is gone with its last user. */
void space_new(void);
/* A shell command; true: it gave 0. */
bool space_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What a command prints, up to 64 KiB; static. */
const char *space_output(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One access port `a` on device va0, one `b` on vb0, bridge br0. */
struct nft_box space_box(void);
/* The whole box for real: veth pairs va0-va1 and vb0-vb1, the first ends in br0. */
void space_bridge(void);

/* Every kind of expression and every set, in two tables. `n`: how many elements `ports` has. */
struct nft_program *space_program(uint32_t n, size_t *size);
/* One base chain in inet that drops by a map of `ports`, for timing. */
struct nft_program *space_ports(uint32_t n, size_t *size);
