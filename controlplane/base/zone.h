/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time zones from the system's TZif files (RFC 8536), without the process-wide TZ of libc. Reads files; keeps
 * nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ZONE_DIR "/usr/share/zoneinfo"

/* UTC second at which the civil day ends in the zone; false if there is no such zone or its file cannot be
 * read. The signature fits policy_env.day_end; `ctx` is another directory to look in, or NULL for ZONE_DIR.
 */
bool zone_day_end(void *ctx, const char *zone, int year, int month, int day, int64_t *end);
