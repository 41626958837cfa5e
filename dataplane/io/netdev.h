/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's network device behind an af_packet or af_xdp port. Main thread; needs CAP_NET_ADMIN (and, for
 * af_xdp, CAP_SYS_ADMIN) only in netdev_clear_xdp().
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

/* libbpf and libxdp print notices about files that are no faults; our own errors say what matters. */
void netdev_quiet(void);
/* The `iface=` of a device string. False: it has none. */
bool netdev_of(const char *device, char name[IFNAMSIZ]);
/* Whether it exists here, and mark it as ours in this network namespace until we die: the fd to keep, or
 * -errno. */
int netdev_claim(const char *name, char *error, size_t room);
/* Take off the XDP program that an af_xdp port of a killed process left. Another's program is left and
 * refused. */
int netdev_clear_xdp(const char *name, char *error, size_t room);
/* Whether it is up and has a carrier. `fd` is any socket. */
bool netdev_is_up(int fd, const char *name);
/* Of an index: a device that was made anew is another one, whatever its name. */
bool netdev_is_there(int fd, unsigned index);
/* Let it carry IP packets of `mtu` bytes at least. 0 or -errno. */
int netdev_raise_mtu(int fd, const char *name, int mtu);
