/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT (1u << CAP_NET_ADMIN)
#define SETS _LINUX_CAPABILITY_U32S_3
#define CAPS 64

_Static_assert(CAP_NET_ADMIN < 32, "in the first word");

static int fail(const char *what, char *error, size_t room)
{
	const int code = errno;

	snprintf(error, room, "%s: %s", what, strerror(code));
	return -code;
}

/* Only who has CAP_SETPCAP may empty the bounding set; without new privileges it gives nothing anyway. */
static void empty_bounding_set(void)
{
	for (unsigned long cap = 0; cap < CAPS; cap++)
		if (cap != CAP_NET_ADMIN)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

int rights_drop(char *error, size_t room)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[SETS] = {{.effective = KEPT, .permitted = KEPT}};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fail("no_new_privs", error, room);
	empty_bounding_set();
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, data))
		return fail("CAP_NET_ADMIN is needed to program the kernel, and cannot be kept", error, room);
	return 0;
}
