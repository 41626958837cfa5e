/* SPDX-License-Identifier: BSD-3-Clause */
#include "netdev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

/* What libxdp loads for a socket that brings no program of its own. */
#define XSK_PROGRAM "xsk_def_prog"

bool netdev_of(const char *device, char name[IFNAMSIZ])
{
	const char *key = strstr(device, ",iface=");

	if (!key)
		return false;
	key += strlen(",iface=");
	size_t len = strcspn(key, ",");
	if (!len || len >= IFNAMSIZ)
		return false;
	memcpy(name, key, len);
	name[len] = 0;
	return true;
}

void netdev_quiet(void)
{
	libbpf_set_print(NULL);
	libxdp_set_print(NULL);
}

/* An abstract UNIX name has just the scope and the life of the claim: this namespace, until the fd closes. */
int netdev_claim(const char *name, char *error, size_t room)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (!if_nametoindex(name)) {
		snprintf(error, room, "no interface %s here", name);
		return -ENODEV;
	}
	int len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "cordon-dp/%s", name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    !bind(fd, (struct sockaddr *)&address, (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)len)))
		return fd;

	int code = errno;
	snprintf(error, room, "interface %s: %s", name,
		 code == EADDRINUSE ? "another cordon-dp uses it" : strerror(code));
	if (fd >= 0)
		close(fd);
	return -code;
}

static bool is_ours(struct xdp_multiprog *programs)
{
	struct xdp_program *p = NULL;

	if (xdp_multiprog__is_legacy(programs)) {
		p = xdp_multiprog__main_prog(programs);
		return p && !strcmp(xdp_program__name(p), XSK_PROGRAM);
	}
	while ((p = xdp_multiprog__next_prog(p, programs)))
		if (strcmp(xdp_program__name(p), XSK_PROGRAM))
			return false;
	return true;
}

int netdev_clear_xdp(const char *name, char *error, size_t room)
{
	struct xdp_multiprog *programs = xdp_multiprog__get_from_ifindex((int)if_nametoindex(name));
	int code = (int)libxdp_get_error(programs);

	if (code == -ENOENT)
		return 0;
	if (code) {
		snprintf(error, room, "interface %s: cannot read its XDP program: %s", name, strerror(-code));
		return code;
	}
	if (is_ours(programs)) {
		code = xdp_multiprog__detach(programs);
		if (code)
			snprintf(error, room,
				 "interface %s: cannot remove the XDP program of an earlier run: %s", name,
				 strerror(-code));
	} else {
		code = -EBUSY;
		snprintf(error, room, "interface %s: another XDP program is attached to it", name);
	}
	xdp_multiprog__close(programs);
	return code;
}

bool netdev_is_up(int fd, const char *name)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return !ioctl(fd, SIOCGIFFLAGS, &request) && (request.ifr_flags & IFF_UP) &&
	       (request.ifr_flags & IFF_RUNNING);
}

bool netdev_is_there(int fd, unsigned index)
{
	struct ifreq request = {.ifr_ifindex = (int)index};

	return !ioctl(fd, SIOCGIFNAME, &request) || errno != ENODEV;
}

int netdev_raise_mtu(int fd, const char *name, int mtu)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFMTU, &request))
		return -errno;
	if (request.ifr_mtu >= mtu)
		return 0;
	request.ifr_mtu = mtu;
	return ioctl(fd, SIOCSIFMTU, &request) ? -errno : 0;
}
