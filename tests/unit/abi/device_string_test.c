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
		{"0000:03:00.0", true},
		{"0001:af:1f.7,rx_burst=1", true},
		{"net_null", false},
		{"net_pcap0,iface=t", false},
		{"net_af_packet,iface=eth0", false},
		{"vhost:/run/lan1", false},
		{"net_af_xdp0,iface=d-._D9,,queue_count=1", false},
		{"net_af_packet0,iface=fifteen.bytes.i", false},
		{"net_pcap0,rx_iface=v1,rx_iface=v2,tx_iface=v1", false},
		{"net_pcap0,rx_pcap=/tmp/iface,infinite_rx=1", false},
		{"0000:03:00.0,representor=[0,1]", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(device_string_wrong(cases[i].device));
		assert_int_equal(device_string_is_pci(cases[i].device), cases[i].pci);
	}
}

static void test_refused(void **state)
{
	static const char whole[] = "in full and in lower case", other[] = "it is neither",
			  driver[] = "are taken", one[] = "with one `=`", name[] = "a port's name",
			  twice[] = "twice";
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
		{"net_af_packet0,=iface=v1", one},
		{"net_af_packet0,qpairs=1=iface=v1", one},
		{"net_af_xdp0,iface=v1,x=iface=v2", one},
		{"net_af_packet0,iface=viface=v1", one},
		{"net_af_packet0,iface=v1=", one},
		{"net_null,=", one},
		{"net_af_packet0,iface=", name},
		{"net_af_packet0,iface=,qpairs=1", name},
		{"net_af_packet0,iface=sixteen.bytes.xx", name},
		{"net_af_packet0,iface=v1/", name},
		{"net_af_packet0,iface=0000:00:1f.0", name},
		{"net_af_packet0,iface=v*", name},
		{"net_af_packet0,iface=v?", name},
		{"net_af_packet0,iface=[v1]", name},
		{"net_af_packet0,iface=v\\1", name},
		{"net_af_packet0,iface=v 1", name},
		{"net_pcap0,rx_iface=v1,tx_iface=", name},
		{"net_pcap0,rx_iface_in=v:1", name},
		{"net_af_packet0,iface=v1,iface=v2", twice},
		{"net_af_packet0,x/bus=vdev", one},
		{"net_null0,x/class=eth", one},
		{"net_null0,/", one},
		{"net_null0,no-rx", one},
		{"net_af_packet0,iface", one},
		{"net_af_xdp0,iface=v1,queue_count", one},
		{"net_af_packet0,iface=..", name},
		{"net_af_packet0,iface=-d", name},
		{"net_af_packet0,iface=v1]", name},
		{"net_af_packet0,iface=v1)", name},
		{"net_af_packet0,iface=v\t1", name},
		{"net_af_packet0,iface=v;1", name},
		{"net_af_packet0,iface=\xc3\xa9", name},
		{"net_failsafe0,dev(net_af_packet0,iface=v1,x=1)", driver},
		{"net_failsafe0,exec(true)", driver},
		{"net_ring0,internal=0x10", driver},
		{"net_tap0,remote=v1", driver},
		{"net_virtio_user0,path=/dev/vhost-net", driver},
		{"net_vdev_netvsc0,iface=v1", driver},
		{"net_nullx", driver},
		{"net_null/bus=vdev", driver},
		{"net_null=1", driver},
		{"net_", driver},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *wrong = device_string_wrong(cases[i].device);

		assert_false(device_string_is_pci(cases[i].device));
		if (!wrong || !strstr(wrong, cases[i].says))
			fail_msg("%s gave '%s', not '%s'", cases[i].device, wrong ? wrong : "nothing",
				 cases[i].says);
	}
}

static void test_options_of_a_card(void **state)
{
	assert_non_null(strstr(device_string_wrong("0000:03:00.0,a=1=iface=v1"), "with one `=`"));
	assert_non_null(
		strstr(device_string_wrong("0000:03:00.0,x/bus=pci,addr=0000:04:00.0"), "without `/`"));
	assert_non_null(strstr(device_string_wrong("0000:03:00.0,x/y"), "no `/`"));
	assert_non_null(strstr(device_string_wrong("0000:03:00.0,iface=eth0"), "a card has no"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_options_of_a_card),
	};

	return cmocka_run_group_tests_name("device string", tests, NULL, NULL);
}
