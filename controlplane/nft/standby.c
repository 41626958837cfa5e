/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "standby.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

struct standby {
	struct standby_world world;
	int epoll;
	enum dp_standby state;
	bool failed; /* the last change of the guard was refused */
	uint64_t takeovers;
	int64_t takeover_ns;
	uint64_t beat_ms, gap_ms; /* the last heartbeat that was seen; how long it was ago at the takeover */
	/* the dataplane that is watched */
	pid_t pid; /* 0: none */
	int pidfd;
	struct ring_file ring;
};

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static uint64_t now_ms(void)
{
	return (uint64_t)now_ns(CLOCK_MONOTONIC) / 1000000;
}

/* --- who is watched ------------------------------------------------------------------------------------- */

static void forget(struct standby *s)
{
	if (s->pid)
		ring_close(&s->ring);
	if (s->pidfd >= 0)
		close(s->pidfd);
	s->pidfd = -1;
	s->pid = 0;
}

static pid_t holder(const char *path)
{
	char text[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	const long pid = strtol(text, NULL, 10);
	return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static bool is_ring_name(const char *name)
{
	const size_t len = strlen(name);

	return len > 8 && !strncmp(name, "dp-", 3) && !strcmp(name + len - 5, ".ring");
}

/* The live ring file of this process; ours lies in the same directory. */
static bool find_ring(const char *run_dir, pid_t pid, struct ring_file *out)
{
	DIR *dir = opendir(run_dir);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", run_dir, entry->d_name);
		if (!is_ring_name(entry->d_name) || ring_open(out, path, false))
			continue;
		found = out->header->pid == (uint32_t)pid && out->header->state == RING_LIVE;
		if (!found)
			ring_close(out);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool has_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) != 0;
}

static bool watch(struct standby *s, pid_t pid)
{
	struct epoll_event event = {.events = EPOLLIN};

	s->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (s->pidfd < 0)
		return false;
	fcntl(s->pidfd, F_SETFD, FD_CLOEXEC);
	event.data.fd = s->pidfd;
	if (!has_ended(s->pidfd) && !epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->pidfd, &event))
		return true;
	close(s->pidfd);
	s->pidfd = -1;
	return false;
}

/* Somebody whose heart beats now. */
static void look_for(struct standby *s)
{
	const pid_t pid = holder(s->world.lock);

	if (!pid || !find_ring(s->world.run_dir, pid, &s->ring))
		return;
	if (ring_beats(&s->ring, now_ms()) && watch(s, pid))
		s->pid = pid;
	else
		ring_close(&s->ring);
}

static bool lives(struct standby *s)
{
	if (s->pid && has_ended(s->pidfd)) {
		s->beat_ms = ring_heartbeat(&s->ring);
		forget(s);
	}
	if (!s->pid)
		look_for(s);
	if (s->pid)
		s->beat_ms = ring_heartbeat(&s->ring);
	return s->pid && ring_beats(&s->ring, now_ms());
}

/* --- what is done --------------------------------------------------------------------------------------- */

static bool set_guard(struct standby *s, bool on)
{
	const int code = nl_guard(s->world.nl, on);

	if (code && !s->failed)
		log_line(s->world.log, LOG_LEVEL_ERROR, "the guard of the ports cannot be %s: %s",
			 on ? "put on" : "taken off", nl_error(s->world.nl));
	s->failed = code;
	return !code;
}

static void take_over(struct standby *s)
{
	if (!set_guard(s, false))
		return;
	s->state = DP_STANDBY_ACTIVE;
	s->takeovers++;
	s->takeover_ns = now_ns(CLOCK_REALTIME);
	s->gap_ms = s->beat_ms ? now_ms() - s->beat_ms : 0;
	log_line(s->world.log, LOG_LEVEL_WARNING, "the dataplane %s: the kernel enforces",
		 s->pid ? "hangs" : "is dead");
}

static void stand_back(struct standby *s, const char *why)
{
	if (!set_guard(s, true))
		return;
	s->state = DP_STANDBY_GUARDING;
	log_line(s->world.log, LOG_LEVEL_NOTICE, "%s: the kernel keeps off the ports", why);
}

void standby_look(struct standby *s, bool enforces)
{
	const bool alive = lives(s);

	if (s->state == DP_STANDBY_GUARDING && !alive && enforces)
		take_over(s);
	else if (s->state == DP_STANDBY_ACTIVE && alive)
		stand_back(s, "the dataplane is back");
	else if (s->state == DP_STANDBY_ACTIVE && !enforces)
		stand_back(s, "no generation is in force");
}

void standby_on_change(struct standby *s)
{
	if (s->state != DP_STANDBY_GUARDING || nl_guarded(s->world.nl) == 1)
		return;
	if (set_guard(s, true))
		log_line(s->world.log, LOG_LEVEL_ERROR,
			 "somebody else took the guard off the ports: it was put back");
}

struct standby *standby_open(const struct standby_world *world, int epoll, bool enforces, char *error,
			     size_t room)
{
	struct standby *s = calloc(1, sizeof(*s));

	if (!s) {
		snprintf(error, room, "no memory");
		return NULL;
	}
	*s = (struct standby){.world = *world, .epoll = epoll, .pidfd = -1, .state = DP_STANDBY_GUARDING};
	/* One that enforced before us goes on; everything else begins with the guard. */
	if (enforces && nl_guarded(world->nl) == 0 && !lives(s)) {
		s->state = DP_STANDBY_ACTIVE;
		return s;
	}
	if (set_guard(s, true))
		return s;
	snprintf(error, room, "guard: %s", nl_error(world->nl));
	standby_close(s);
	return NULL;
}

void standby_close(struct standby *s)
{
	if (!s)
		return;
	forget(s);
	free(s);
}

int standby_fd(const struct standby *s)
{
	return s->pidfd;
}

enum dp_standby standby_state(const struct standby *s)
{
	return s->state;
}

uint64_t standby_takeovers(const struct standby *s)
{
	return s->takeovers;
}

int64_t standby_takeover_ns(const struct standby *s)
{
	return s->takeover_ns;
}

uint64_t standby_gap_ms(const struct standby *s)
{
	return s->gap_ms;
}
