/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access: names are resolved when they are needed, so a user added to a group need not wait for a restart. A
 * name that does not resolve gives nobody anything.
 */
#include "access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define GROUPS_MAX 256

const char *role_word(enum api_role role)
{
	static const char *const words[] = {"none", "viewer", "operator", "approver"};

	return words[role];
}

/* All groups of the user, or its primary one only; a user in more than GROUPS_MAX groups keeps the first
 * ones. */
static int groups_of(uid_t uid, gid_t gid, gid_t *groups)
{
	struct passwd *pw = getpwuid(uid);
	int n = GROUPS_MAX;

	groups[0] = gid;
	if (!pw)
		return 1;
	if (getgrouplist(pw->pw_name, gid, groups, &n) < 0)
		return GROUPS_MAX;
	return n;
}

static bool in_group(const char *name, const gid_t *groups, int n)
{
	struct group *g = getgrnam(name);

	if (!g)
		return false;
	for (int i = 0; i < n; i++)
		if (groups[i] == g->gr_gid)
			return true;
	return false;
}

static bool is_user(const char *name, uid_t uid)
{
	struct passwd *pw = getpwnam(name);

	return pw && pw->pw_uid == uid;
}

enum api_role access_role(const struct access_entry *entries, size_t n, uid_t uid, gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int n_groups = groups_of(uid, gid, groups);
	enum api_role role = ROLE_NONE;

	for (size_t i = 0; i < n; i++) {
		const struct access_entry *e = &entries[i];
		bool match = e->group ? in_group(e->name, groups, n_groups) : is_user(e->name, uid);

		if (match && e->role > role)
			role = e->role;
	}
	return role;
}

int access_peer(int fd, const struct access_entry *entries, size_t n, struct api_peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct passwd *pw;

	memset(peer, 0, sizeof(*peer));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	peer->pid = cred.pid;
	peer->role = access_role(entries, n, cred.uid, cred.gid);
	pw = getpwuid(cred.uid);
	if (pw)
		snprintf(peer->name, sizeof(peer->name), "%s", pw->pw_name);
	else
		snprintf(peer->name, sizeof(peer->name), "uid %u", cred.uid);
	return 0;
}
