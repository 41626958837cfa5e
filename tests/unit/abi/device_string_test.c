/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a port's device is written for engine dpdk: what is taken, what is refused and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device_string.h"

static void test_taken(void **state)
{
	static const struct {
		const char *device;
		bool pci;
	} cases[] = {
		{"0000:03:00.0", true},      {"0001:af:1f.7,rx_burst=1", true},   {"net_null", false},
		{"net_tap0,iface=t", false}, {"net_af_packet,iface=eth0", false}, {"vhost:/run/lan1", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(device_string_wrong(cases[i].device));
		assert_int_equal(device_string_is_pci(cases[i].device), cases[i].pci);
	}
}

static void test_refused(void **state)
{
	static const char whole[] = "in full and in lower case", other[] = "it is neither";
	static const struct {
		const char *device, *says;
	} cases[] = {
		{"03:00.0", whole},
		{"00:03.0,a=1", whole},
		{"0000:0A:00.0", whole},
		{"0000:03:00.8", whole},
		{"0000:03:00.0x", whole},
		{"0:3:0.0", whole},
		{"0000:03:00.", whole},
		{"0000:03:00", other},
		{"", other},
		{"eth0", other},
		{"52:54:00:00:00:01", other},
		{"net", other},
		{"bad0.20", other},
		{"eth_af_packet0", other},
		{",iface=eth0", other},
		{"vhost", other},
		{"vhost:lan1", "absolute"},
		{"net_vhost,iface=/a", "is written vhost:PATH"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *wrong = device_string_wrong(cases[i].device);

		assert_false(device_string_is_pci(cases[i].device));
		if (!wrong || !strstr(wrong, cases[i].says))
			fail_msg("%s gave '%s', not '%s'", cases[i].device, wrong ? wrong : "nothing",
				 cases[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("device string", tests, NULL, NULL);
}
