/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cordon-nft's command line: what is taken as what, and each refusal with the word that tells why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "args.h"

#define WORDS_MAX 40
#define A         "--port name=a,device=eth1,role=access,vlan=10,side=inside"
#define FORWARD   "--plane forward --bridge br0 "

/* `line` is split at blanks. */
static enum args_result parse(struct args *a, const char *line, char *error)
{
	char text[4096], program[] = "cordon-nft", *words[WORDS_MAX] = {program}, *save = NULL;
	int n = 1;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	error[0] = 0;
	return args_parse(a, n, words, error);
}

static void test_defaults(void **state)
{
	struct args a;
	char error[ARGS_ERROR];

	assert_int_equal(parse(&a, FORWARD A, error), ARGS_RUN);
	assert_string_equal(a.run_dir, "/run/cordon");
	assert_string_equal(a.dp_lock, "/run/cordon/cordon-dp.lock");
	assert_false(a.standby || a.clock_trusted);
	assert_int_equal(a.lease_s, 300);
	assert_int_equal(a.box.group, NFT_GROUP_DEFAULT);
	assert_int_equal(a.box.layout, NFT_LAYOUT_NONE);
	assert_int_equal(a.box.planes, NFT_PLANE_FORWARD);
	assert_int_equal(a.box.n_ports, 1);
	assert_int_equal(a.box.port[0].vlan, 10);
	assert_false(a.box.port[0].trunk || a.box.port[0].outside);
}

static void test_everything(void **state)
{
	struct args a;
	char error[ARGS_ERROR];
	enum args_result result =
		parse(&a,
		      "--run-dir /r --plane forward --plane host --bridge br-x --group 7 --clock trusted "
		      "--standby --dp-lock /l --lease 60 --management 10.0.0.1 --management fd00::1 "
		      "--port device=eth2,side=outside,name=wan,role=trunk,native=5,vlans=10:20 " A,
		      error);

	assert_string_equal(error, "");
	assert_int_equal(result, ARGS_RUN);
	assert_string_equal(a.run_dir, "/r");
	assert_string_equal(a.dp_lock, "/l");
	assert_true(a.standby && a.clock_trusted);
	assert_int_equal(a.lease_s, 60);
	assert_int_equal(a.box.group, 7);
	assert_int_equal(a.box.planes, NFT_PLANE_FORWARD | NFT_PLANE_HOST);
	assert_string_equal(a.box.bridge, "br-x");
	assert_int_equal(a.box.n_management, 2);
	assert_int_equal(a.box.management[0].family, 4);
	assert_int_equal(a.box.management[0].addr[0], 10);
	assert_int_equal(a.box.management[1].family, 6);
	assert_int_equal(a.box.management[1].addr[15], 1);

	const struct nft_box_port *p = &a.box.port[0];
	assert_string_equal(p->name, "wan");
	assert_string_equal(p->device, "eth2");
	assert_true(p->trunk && p->outside);
	assert_int_equal(p->vlan, 5);
	assert_int_equal(p->n_vlans, 2);
	assert_int_equal(p->vlans[1], 20);
}

static void test_host_alone(void **state)
{
	struct args a;
	char error[ARGS_ERROR];

	assert_int_equal(parse(&a, "--plane host --management 10.0.0.1", error), ARGS_RUN);
	assert_int_equal(a.box.n_ports, 0);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *line, *word;
	} cases[] = {
		{"", "no --plane"},
		{"--plane sideways", "forward or host"},
		{"--plane forward --bridge br0", "no --port"},
		{"--plane forward " A, "no --bridge"},
		{"--plane host", "no --management"},
		{"--plane host --management 10.0.0.1 --standby", "--standby: only with"},
		{"--plane host --management 10.0.0.300", "not an address"},
		{"--plane host --management 10.0.0.1 --management 10.0.0.1", "twice"},
		{FORWARD A " " A, "two ports are named a"},
		{FORWARD A " --port name=b,device=eth1,role=access,vlan=10,side=inside", "one device"},
		{FORWARD "--port name=a,role=access,vlan=10,side=inside", "no device="},
		{FORWARD "--port device=e,role=access,vlan=10,side=inside", "no name="},
		{FORWARD "--port name=a,device=e,vlan=10,side=inside", "no role="},
		{FORWARD "--port name=a,device=e,role=access,vlan=10", "no side="},
		{FORWARD "--port name=a,device=e,role=access,side=inside", "access port has vlan="},
		{FORWARD "--port name=a,device=e,role=trunk,vlan=10,side=inside", "trunk port has vlans="},
		{FORWARD "--port name=a,device=e,role=hub,side=inside", "access or trunk"},
		{FORWARD "--port name=a,device=e,role=access,vlan=10,side=left", "inside or outside"},
		{FORWARD "--port name=a,device=e,role=access,vlan=4095,side=inside", "1 to 4094"},
		{FORWARD "--port name=a,device=e,role=trunk,vlans=3:3,side=inside", "3 twice"},
		{FORWARD "--port name=a,name=b", "'name' twice"},
		{FORWARD "--port name=a,colour=red", "unknown key 'colour'"},
		{FORWARD "--port name", "unknown key 'name'"},
		{FORWARD "--port name=a,device=e/1", "no name of a network device"},
		{FORWARD "--port name=a,device=abcdefghijklmnop", "longer than 15"},
		{FORWARD A " --bridge ..", "no name of a network device"},
		{FORWARD A " --group 65535", "1 to 65534"},
		{FORWARD A " --group x", "not a number"},
		{FORWARD A " --lease 0", "not a number"},
		{FORWARD A " --clock sun", "kernel or trusted"},
		{FORWARD A " --tap", "unknown argument '--tap'"},
		{FORWARD A " --port", "needs a value"},
		{"@/nowhere/at/all", "@/nowhere/at/all"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct args a;
		char error[ARGS_ERROR];

		if (parse(&a, cases[i].line, error) != ARGS_BAD || !strstr(error, cases[i].word))
			fail_msg("'%s' gave '%s', not '%s'", cases[i].line, error, cases[i].word);
	}
}

static void test_file(void **state)
{
	char path[] = "/tmp/cordon-nft-args-XXXXXX", line[64], error[ARGS_ERROR];
	int fd = mkstemp(path);
	struct args a;

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "--plane\nhost\n--management\n10.0.0.1\n") > 0);
	snprintf(line, sizeof(line), "@%s", path);
	assert_int_equal(parse(&a, line, error), ARGS_RUN);
	assert_int_equal(a.box.n_management, 1);
	assert_true(dprintf(fd, "%s\n", line) > 0);
	assert_int_equal(parse(&a, line, error), ARGS_BAD);
	assert_non_null(strstr(error, "cannot name another"));
	close(fd);
	unlink(path);
}

static void test_help(void **state)
{
	struct args a;
	char error[ARGS_ERROR];

	assert_int_equal(parse(&a, "--help", error), ARGS_HELP);
	assert_int_equal(parse(&a, "--version", error), ARGS_VERSION);
	assert_non_null(strstr(args_usage(), "--plane"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),   cmocka_unit_test(test_everything),
		cmocka_unit_test(test_host_alone), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_file),       cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
