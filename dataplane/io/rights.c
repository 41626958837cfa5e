/* SPDX-License-Identifier: BSD-3-Clause */
#include "rights.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DROP_SIGNAL SIGRTMAX
#define TRIES       2000
#define PAUSE_NS    1000000

int rights_seal(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

/* Permitted, effective and inheritable go; the ambient set follows the permitted one. */
static void drop_own(int signal)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	int saved = errno;

	syscall(SYS_capset, &header, data);
	errno = saved;
}

/* Whether the thread's permitted set is empty; without it the other sets give nothing. A thread that ended
 * has. */
static bool thread_has_none(const char *tid)
{
	char path[64], line[128];
	bool none = false;

	snprintf(path, sizeof(path), "/proc/self/task/%.16s/status", tid);
	FILE *status = fopen(path, "re");
	if (!status)
		return errno == ENOENT;
	while (!none && fgets(line, sizeof(line), status))
		none = !strncmp(line, "CapPrm:", 7) && !strtoull(line + 7, NULL, 16);
	fclose(status);
	return none;
}

/* Interrupts every thread that still holds something; how many do, or -errno. */
static int remind_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	int holding = 0;

	if (!tasks)
		return -errno;
	while ((task = readdir(tasks))) {
		if (task->d_name[0] == '.' || thread_has_none(task->d_name))
			continue;
		holding++;
		syscall(SYS_tgkill, getpid(), atoi(task->d_name), DROP_SIGNAL);
	}
	closedir(tasks);
	return holding;
}

int rights_drop_all(char *error, size_t room)
{
	struct sigaction action = {.sa_handler = drop_own, .sa_flags = SA_RESTART};
	int holding = 1;

	sigaction(DROP_SIGNAL, &action, NULL);
	drop_own(0);
	for (int i = 0; i < TRIES && holding > 0; i++) {
		holding = remind_threads();
		if (holding > 0)
			nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
	}
	signal(DROP_SIGNAL, SIG_IGN);
	if (!holding)
		return 0;
	if (holding < 0)
		snprintf(error, room, "cannot read /proc/self/task: %s", strerror(-holding));
	else
		snprintf(error, room, "%d threads would not give up their capabilities", holding);
	return holding < 0 ? holding : -EPERM;
}
