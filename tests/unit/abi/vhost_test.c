/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the port of a guest is written: what is its socket, what is refused and why, what is another kind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vhost.h"

static void test_paths(void **state)
{
	static const char *const paths[] = {"/run/cordon/vhost/lan1", "/lan1", "/a/../b", "/A-b_c.0/sock"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char device[256];
		const char *wrong, *path;

		snprintf(device, sizeof(device), "vhost:%s", paths[i]);
		path = vhost_path(device, &wrong);
		assert_null(wrong);
		assert_string_equal(path, paths[i]);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *device, *says;
	} cases[] = {
		{"vhost:", "absolute path"},
		{"vhost:lan1", "absolute path"},
		{"vhost:net_null", "absolute path"},
		{"vhost:/run/lan1,queues=2", "no options"},
		{"vhost:/run/lan1,tso=1", "no options"},
		{"vhost:/run/lan 1", "no options"},
		{"vhost:/run/lan1\n--tap", "no options"},
		{"vhost:/run/[lan1]", "no options"},
		{"vhost:/run/lan1/", "ends with its name"},
		{"vhost:/", "ends with its name"},
		{"net_vhost,iface=/run/lan1", "is written vhost:PATH"},
		{"net_vhost3,iface=/run/lan1,client=1", "is written vhost:PATH"},
		{"eth_vhost0,iface=/run/lan1", "is written vhost:PATH"},
		{"net_vhost", "is written vhost:PATH"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *wrong;

		assert_null(vhost_path(cases[i].device, &wrong));
		if (!wrong || !strstr(wrong, cases[i].says))
			fail_msg("%s gave '%s', not '%s'", cases[i].device, wrong, cases[i].says);
	}
}

/* As long as the address of a socket may be, and one more. */
static void test_length(void **state)
{
	char device[256] = "vhost:/";
	const char *wrong;

	memset(device + strlen(device), 'a', VHOST_PATH_MAX - 1);
	assert_int_equal(strlen(vhost_path(device, &wrong)), VHOST_PATH_MAX);
	assert_null(wrong);
	strcat(device, "a");
	assert_null(vhost_path(device, &wrong));
	assert_non_null(strstr(wrong, "107 characters"));
}

static void test_other_kinds(void **state)
{
	static const char *const devices[] = {"",        "0000:03:00.0",    "net_af_packet,iface=vhost",
					      "vhost",   "net_virtio_user", "eth0",
					      "Vhost:/a"};

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		const char *wrong;

		assert_null(vhost_path(devices[i], &wrong));
		assert_null(wrong);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_other_kinds),
	};

	return cmocka_run_group_tests_name("vhost", tests, NULL, NULL);
}
