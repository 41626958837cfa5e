/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe_check.h"

#include <stdbool.h>
#include <string.h>

#define ETHERNET_HEADER 14u

static bool is_host(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return !(mac[0] & 1) && memcmp(mac, none, sizeof(none)) != 0;
}

static const char *frames_check(const struct dp_probes *p, size_t size)
{
	size_t sum = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		if (p->frame[i].side > 1)
			return "probe: a frame from neither side";
		if (p->frame[i].len < ETHERNET_HEADER || p->frame[i].len > DP_PROBE_FRAME)
			return "probe: a frame of another size than 14 to 1536 bytes";
		sum += p->frame[i].len;
	}
	return sum == size ? NULL : "probe: the bytes that came are not the frames";
}

const char *probe_check(const struct dp_probes *p, size_t size)
{
	if (!p->n || p->n > DP_PROBE_FRAMES)
		return "probe: one to 64 frames a message";
	if (p->family != 4 && p->family != 6)
		return "probe: neither IPv4 nor IPv6";
	if (!is_host(p->src_mac) || !is_host(p->dst_mac) ||
	    !memcmp(p->src_mac, p->dst_mac, sizeof(p->src_mac)))
		return "probe: two hosts need two MAC addresses of hosts";
	if (!memcmp(p->src, p->dst, p->family == 4 ? 4 : sizeof(p->src)))
		return "probe: two hosts need two addresses";
	return frames_check(p, size);
}
