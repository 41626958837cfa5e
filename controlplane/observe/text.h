/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses as text, fast: two of them are written per record. Pure; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ADDRESS_TEXT 46u
#define MAC_TEXT     18u

/* RFC 5952. Returns the length; family 4 or 6. */
size_t address_text(uint8_t family, const uint8_t addr[16], char out[ADDRESS_TEXT]);
size_t mac_text(const uint8_t mac[6], char out[MAC_TEXT]);
