/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may do what: kernel-given credentials of a UNIX socket peer against the gateway's access list.
 * No state; user and group databases are asked at each call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Each role may do all that the ones before it may. */
enum api_role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_APPROVER };

struct access_entry {
	enum api_role role;
	bool group;       /* of a group, else a user */
	const char *name; /* borrowed */
};

struct api_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	enum api_role role;
	char name[64]; /* user name, or `uid 1234` */
};

const char *role_word(enum api_role role);
/* Fills `peer` from SO_PEERCRED of `fd` and the list: the highest role that any entry gives. 0 or -errno. */
int access_peer(int fd, const struct access_entry *entries, size_t n, struct api_peer *peer);
/* The role of one user; the primary group counts even if the user has no entry in the user database. */
enum api_role access_role(const struct access_entry *entries, size_t n, uid_t uid, gid_t gid);
