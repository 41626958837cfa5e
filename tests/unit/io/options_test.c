/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever DPDK's parser would open by the options of a device string that is taken, is the device that we
 * claim: by strings made at random of what such strings are made of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_devargs.h>
#include <rte_kvargs.h>
#include <rte_log.h>

#include "device_string.h"
#include "netdev.h"
#include "random.h"

#define STRINGS 200000u
#define TOKENS  12u

struct opened {
	const char *device;
	char claimed[IFNAMSIZ];
	unsigned count;
};

static int is_claimed(const char *key, const char *value, void *data)
{
	struct opened *opened = data;

	if (!value || strcmp(value, opened->claimed))
		fail_msg("of %s DPDK opens '%s', and we claim '%s'", opened->device, value ? value : "",
			 opened->claimed);
	opened->count++;
	return 0;
}

/* DPDK's newer way to write devices: what begins after a `/` by `bus=` or `class=` decides which one it is.
 */
static void is_one_layer(const char *device)
{
	struct rte_devargs devargs = {0};

	rte_devargs_parse(&devargs, device);
	if (devargs.bus_str || devargs.cls_str)
		fail_msg("DPDK takes %s for more than an option", device);
	free(devargs.data);
}

static void test_as_dpdk_reads_it(void **state)
{
	static const char *const tokens[] = {
		"iface", "iface=",   ",iface=", "v1",    "v2",      "x",          "=",
		",",     ",x=",      "[",       "]",     "rx_",     "/bus=vdev",  "/class=eth",
		"name=", "bus=vdev", "/",       ",a=/x", "driver=", "/,bus=vdev", "bus=",
	};
	unsigned taken = 0, opened_count = 0;
	struct rng rng = {.state = 20};

	rte_log_set_global_level(RTE_LOG_EMERG); /* what it cannot parse is no news */
	for (unsigned i = 0; i < STRINGS; i++) {
		char device[256] = "net_af_packet0,";

		for (size_t n = 1 + rng_below(&rng, TOKENS); n; n--)
			strcat(device, tokens[rng_below(&rng, sizeof(tokens) / sizeof(tokens[0]))]);
		if (device_string_wrong(device))
			continue;
		struct opened opened = {.device = device};
		struct rte_kvargs *options = rte_kvargs_parse(strchr(device, ',') + 1, NULL);

		taken++;
		is_one_layer(device);
		netdev_of(device, opened.claimed);
		if (options)
			rte_kvargs_process(options, "iface", is_claimed, &opened);
		rte_kvargs_free(options);
		opened_count += opened.count;
	}
	assert_true(taken > STRINGS / 100);
	assert_true(opened_count > STRINGS / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_dpdk_reads_it)};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
