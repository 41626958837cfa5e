/* SPDX-License-Identifier: BSD-3-Clause */
#include "synced.h"

#include <sys/timex.h>

bool clock_synced(void)
{
	struct timex t = {0};
	int state = adjtimex(&t);

	return state >= 0 && state != TIME_ERROR;
}
