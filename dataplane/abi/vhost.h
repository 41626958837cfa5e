/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a port that serves a guest's NIC is written, in the gateway's config and in cordon-dp's arguments:
 * `vhost:/run/cordon/vhost/lan1`. Pure; any thread.
 */
#pragma once

#define VHOST_PATH_MAX 107u /* what a UNIX socket's address holds */

/* The path of the device's socket. NULL: it is another kind of device (*wrong is NULL), or *wrong says what
 * is wrong with it. */
const char *vhost_path(const char *device, const char **wrong);
