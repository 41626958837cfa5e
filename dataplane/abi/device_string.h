/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a port's device is written for engine dpdk, in the gateway's config and in cordon-dp's arguments: a PCI
 * address or a DPDK virtual device, each with DPDK's options, or a guest's port (vhost.h). Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DEVICE_NAME 16u /* bytes, with the 0 at its end: IFNAMSIZ */

/* `0000:03:00.0`, alone or with options. As DPDK and the kernel print it: it is compared with their names. */
bool device_string_is_pci(const char *device);

/* Could the first n bytes be the name of a network device that is a port? Not all that the kernel takes:
 * nothing that shells, nftables, systemd-networkd or DPDK would take for anything else. */
bool device_string_is_name(const char *text, size_t n);

/* What is wrong with it, and what to write instead; NULL: nothing. */
const char *device_string_wrong(const char *device);
