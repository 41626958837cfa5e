/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device string means: names, numbers, the kernel's device behind it, the mbufs a capture takes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"

static int plan(struct device *d, const char *text, char *error)
{
	struct args_port port = {.name = "p", .engine.mtu = 1500};

	snprintf(port.device, sizeof(port.device), "%s", text);
	return device_plan(d, &port, 3, error, 256);
}

static void test_names(void **state)
{
	static const struct {
		const char *text, *id, *devargs, *driver, *netdev;
		bool pci;
	} cases[] = {
		{"net_af_xdp,iface=veth2", "net_af_xdp3", "net_af_xdp3,iface=veth2", "net_af_xdp", "veth2",
		 false},
		{"net_af_xdp7,iface=veth2,force_copy=1", "net_af_xdp7",
		 "net_af_xdp7,iface=veth2,force_copy=1", "net_af_xdp", "veth2", false},
		{"net_null", "net_null3", "net_null3", "net_null", "", false},
		{"net_pcap12", "net_pcap12", "net_pcap12", "net_pcap", "", false},
		{"0000:03:00.0", "0000:03:00.0", "0000:03:00.0", "pci", "", true},
		{"0000:0a:00.1,rx_burst=1", "0000:0a:00.1", "0000:0a:00.1,rx_burst=1", "pci", "", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char error[256] = "";
		struct device d;

		assert_int_equal(plan(&d, cases[i].text, error), 0);
		assert_string_equal(d.id, cases[i].id);
		assert_string_equal(d.devargs, cases[i].devargs);
		assert_string_equal(d.driver, cases[i].driver);
		assert_string_equal(d.netdev, cases[i].netdev);
		assert_int_equal(d.pci, cases[i].pci);
	}
}

static void test_guest(void **state)
{
	char error[256] = "", text[256] = "vhost:/";
	struct device d;

	assert_int_equal(plan(&d, "vhost:/run/cordon/vhost/lan1", error), 0);
	assert_string_equal(d.id, "net_vhost3");
	assert_string_equal(
		d.devargs, "net_vhost3,iface=/run/cordon/vhost/lan1,queues=1,client=0,tso=0,linear-buffer=1");
	assert_string_equal(d.driver, "net_vhost");
	assert_string_equal(d.socket, "/run/cordon/vhost/lan1");
	assert_string_equal(d.netdev, "");
	assert_false(d.pci);
	assert_int_equal(plan(&d, "net_null", error), 0);
	assert_string_equal(d.socket, "");

	memset(text + strlen(text), 'a', VHOST_PATH_MAX - 1);
	assert_int_equal(plan(&d, text, error), 0);
	assert_string_equal(d.socket, text + strlen("vhost:"));
	assert_non_null(strstr(d.devargs, "aa,queues=1,client=0,tso=0,linear-buffer=1"));
}

static void test_guest_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"vhost:lan1", "port p: device 'vhost:lan1': vhost: needs the absolute path"},
		{"vhost:/run/lan1,tso=1", "and no options"},
		{"net_vhost,iface=/run/lan1",
		 "port p: device 'net_vhost,iface=/run/lan1': a port of a guest"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char error[256] = "";
		struct device d;

		assert_int_equal(plan(&d, cases[i].text, error), -EINVAL);
		if (!strstr(error, cases[i].says))
			fail_msg("'%s' lacks '%s'", error, cases[i].says);
	}
}

static void test_refused(void **state)
{
	static const char *const cases[] = {"eth0", "", "0000:03:00", "03:00.0", "net", ",iface=a", "vhost"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char error[256] = "";
		struct device d;

		assert_int_equal(plan(&d, cases[i], error), -EINVAL);
		assert_non_null(strstr(error, "port p"));
	}
}

/* Frames that do not fit into af_packet's default ones get larger ones, unless somebody chose. */
static void test_large_frames(void **state)
{
	struct args_port port = {.name = "p", .engine.mtu = 9000, .device = "net_af_packet,iface=a"};
	struct device d;
	char error[256];

	assert_int_equal(device_plan(&d, &port, 0, error, sizeof(error)), 0);
	assert_string_equal(d.devargs, "net_af_packet0,iface=a,blocksz=16384,framesz=16384,framecnt=64");
	port.engine.mtu = 1500;
	assert_int_equal(device_plan(&d, &port, 0, error, sizeof(error)), 0);
	assert_string_equal(d.devargs, "net_af_packet0,iface=a");
	port.engine.mtu = 9000;
	strcat(port.device, ",framesz=2048");
	assert_int_equal(device_plan(&d, &port, 0, error, sizeof(error)), 0);
	assert_string_equal(d.devargs, "net_af_packet0,iface=a,framesz=2048");
}

/* af_xdp takes 4,096 frames before anything moves. */
static void test_af_xdp_needs(void **state)
{
	char error[256];
	struct device xdp, null;

	assert_int_equal(plan(&xdp, "net_af_xdp,iface=a", error), 0);
	assert_int_equal(plan(&null, "net_null", error), 0);
	assert_true(xdp.mbufs > 4096 && xdp.mbufs > null.mbufs);
}

static void write_capture(char *path, uint32_t link, uint32_t frames, uint32_t len)
{
	const uint32_t header[] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, link}, frame[] = {0, 0, len, len};
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	assert_non_null(file);
	fwrite(header, sizeof(header), 1, file);
	for (uint32_t i = 0; i < frames; i++) {
		fwrite(frame, sizeof(frame), 1, file);
		for (uint32_t j = 0; j < len; j++)
			fputc(0, file);
	}
	assert_int_equal(fclose(file), 0);
}

static int plan_capture(uint32_t link, uint32_t frames, uint32_t len, const char *more, struct device *d,
			char *error)
{
	char path[] = "/tmp/cordon-device-XXXXXX", text[128];

	write_capture(path, link, frames, len);
	snprintf(text, sizeof(text), "net_pcap,rx_pcap=%s%s", path, more);
	int code = plan(d, text, error);
	unlink(path);
	return code;
}

static void test_capture(void **state)
{
	struct device looped, once, jumbo;
	char error[256];

	assert_int_equal(plan_capture(1, 1000, 60, ",infinite_rx=1", &looped, error), 0);
	assert_int_equal(plan_capture(1, 1000, 60, "", &once, error), 0);
	assert_int_equal(looped.mbufs - once.mbufs, 1000);
	assert_int_equal(plan_capture(1, 1, 9000, "", &jumbo, error), 0);
	assert_int_equal(jumbo.frame_room, 9000);
	assert_int_equal(plan_capture(1, 0, 60, "", &once, error), -EINVAL);
	assert_non_null(strstr(error, "no frames"));
	assert_int_equal(plan_capture(101, 1, 60, "", &once, error), -EINVAL);
	assert_non_null(strstr(error, "not an Ethernet capture"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),         cmocka_unit_test(test_refused),
		cmocka_unit_test(test_large_frames),  cmocka_unit_test(test_af_xdp_needs),
		cmocka_unit_test(test_capture),       cmocka_unit_test(test_guest),
		cmocka_unit_test(test_guest_refused),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
