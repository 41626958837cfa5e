/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost.h"

#include <stddef.h>
#include <string.h>

#define PREFIX "vhost:"
/* DPDK splits its words at commas and brackets, and our arguments stand one a line. */
#define PATH_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-"

/* What DPDK calls its driver. Written like that a port would take frames without checksums. */
static const char *const drivers[] = {"net_vhost", "eth_vhost"};

const char *vhost_path(const char *device, const char **wrong)
{
	const char *path = device + strlen(PREFIX);

	*wrong = NULL;
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strncmp(device, drivers[i], strlen(drivers[i])))
			*wrong = "a port of a guest is written vhost:PATH, without options";
	if (strncmp(device, PREFIX, strlen(PREFIX)) || *wrong)
		return NULL;
	if (path[0] != '/')
		*wrong = "vhost: needs the absolute path of a socket, such as vhost:/run/cordon/vhost/lan1";
	else if (path[strspn(path, PATH_CHARS)])
		*wrong = "the path of a vhost socket has letters, digits, '/', '.', '_' and '-', and no "
			 "options";
	else if (strlen(path) > VHOST_PATH_MAX)
		*wrong = "the path of a vhost socket has 107 characters at most";
	else if (path[strlen(path) - 1] == '/')
		*wrong = "the path of a vhost socket ends with its name, not with '/'";
	return *wrong ? NULL : path;
}
