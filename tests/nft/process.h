/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cordon-nft as a child, between two hosts in namespaces of their own, and what cordond says to it. As
 * root; the process moves to a network namespace of the test's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../unit/io/daemon_rig.h"
#include "dpmsg.h"
#include "image.h"
#include "nftmodel.h"
#include "snapshot.h"

#define GENERATION        5u
#define UDP               17
#define ICMP              1
#define PROCESS_ARGUMENTS 12

/* For two ports of br0; the last is NULL. */
extern const char *const process_arguments[PROCESS_ARGUMENTS];
/* Who holds the namespaces of 10.0.0.1 behind port a, and of 10.0.0.2 behind port b. */
extern pid_t hosts[2];

struct fixture {
	struct rig rig;
	struct image_header *image;
	struct nft_program *program;
	struct snapshot_header *bindings;
	size_t program_size, bindings_size;
};

/* Of the group: cmocka's. */
int process_world(void **state);
int process_world_end(void **state);
/* Of a test: a policy that allows pings, and cordon-nft with process_arguments. */
int process_setup(void **state);
int process_teardown(void **state);

struct nft_box process_box(void);
/* Whether a ping of the first host to the second is answered. */
bool ping(void);
/* Whether it holds within twenty seconds. */
bool until(bool (*holds)(struct fixture *f, int fd), struct fixture *f, int fd);
/* A policy under which the hosts may speak this protocol, until `closes_utc` (0: for ever). */
void make_policy(struct fixture *f, uint8_t proto, int64_t closes_utc);

struct dpmsg ask_with(int fd, enum dpmsg_type type, uint32_t generation, const void *bytes, size_t size,
		      bool sealed);
struct dpmsg prepare(const struct fixture *f, int fd);
struct dpmsg publish(const struct fixture *f, int fd);
void put_in_force(const struct fixture *f, int fd);
struct dp_hello hello_of(int fd);
/* malloc'ed; NULL: nothing is in force. */
void *dump(int fd, enum dp_dump what, size_t *size);

void expect_ok(struct dpmsg answer);
void expect_error(struct dpmsg answer, int code, const char *word);
/* What the kernel has is the program with these bindings, element by element. */
void expect_held(const struct fixture *f, int fd, uint32_t model, const struct dp_binding *b, size_t n);
