/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cordon-dp's command line: what is taken as what, and each refusal with the word that tells why.
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
#define ACCESS    "name=a,role=access,vlan=10,side=inside,device=net_null"

/* `line` is split at blanks. */
static enum args_result parse(struct args *a, const char *line, char *error)
{
	char text[4096], program[] = "cordon-dp", *words[WORDS_MAX] = {program}, *save = NULL;
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

	assert_int_equal(parse(&a, "--port " ACCESS, error), ARGS_RUN);
	assert_string_equal(a.run_dir, "/run/cordon");
	assert_string_equal(a.state_dir, "/var/lib/cordon");
	assert_false(a.tap || a.no_huge || a.clock_trusted || a.safe);
	assert_int_equal(a.cpu, -1);
	assert_int_equal(a.rate, 100000);
	assert_int_equal(a.timeouts.tcp_established, 7200);
	assert_int_equal(a.n_ports, 1);
	assert_int_equal(a.port[0].engine.mtu, 1500);
	assert_int_equal(a.port[0].engine.trust, 0);
}

static void test_everything(void **state)
{
	struct args a;
	char error[ARGS_ERROR];
	enum args_result result =
		parse(&a,
		      "--run-dir /r --state /s --no-huge --sessions 4096 --records 2048 --rate 0 "
		      "--cpu 3 --clock trusted --timeout icmp=11 --timeout lease=60 --port "
		      "name=wan,role=trunk,vlans=10:20,native=10,side=outside,trust=ra,mtu=9000,"
		      "device=net_af_xdp,iface=veth2,force_copy=1",
		      error);

	assert_int_equal(result, ARGS_RUN);
	assert_string_equal(a.run_dir, "/r");
	assert_string_equal(a.state_dir, "/s");
	assert_true(a.no_huge && a.clock_trusted);
	assert_int_equal(a.sessions, 4096);
	assert_int_equal(a.records, 2048);
	assert_int_equal(a.rate, 0);
	assert_int_equal(a.cpu, 3);
	assert_int_equal(a.timeouts.icmp, 11);
	assert_int_equal(a.timeouts.lease, 60);
	assert_int_equal(a.timeouts.tcp_syn, 30);

	const struct args_port *p = &a.port[0];
	assert_string_equal(p->name, "wan");
	assert_string_equal(p->device, "net_af_xdp,iface=veth2,force_copy=1");
	assert_int_equal(p->engine.role, ENGINE_TRUNK);
	assert_int_equal(p->engine.side, ENGINE_OUTSIDE);
	assert_int_equal(p->engine.vlan, 10);
	assert_int_equal(p->engine.n_vlans, 2);
	assert_int_equal(p->engine.vlans[1], 20);
	assert_int_equal(p->engine.trust, ENGINE_TRUST_RA);
	assert_int_equal(p->engine.mtu, 9000);
}

/* Outside ports are trusted unless something else is written. */
static void test_trust(void **state)
{
	static const struct {
		const char *keys;
		unsigned trust;
	} cases[] = {
		{"side=outside", ENGINE_TRUST_DHCP | ENGINE_TRUST_RA},
		{"side=outside,trust=", 0},
		{"side=outside,trust=dhcp", ENGINE_TRUST_DHCP},
		{"side=inside", 0},
		{"side=inside,trust=dhcp:ra", ENGINE_TRUST_DHCP | ENGINE_TRUST_RA},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct args a;
		char line[256], error[ARGS_ERROR];

		snprintf(line, sizeof(line), "--port name=a,role=access,vlan=1,%s,device=net_null",
			 cases[i].keys);
		assert_int_equal(parse(&a, line, error), ARGS_RUN);
		assert_int_equal(a.port[0].engine.trust, cases[i].trust);
	}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *line, *word;
	} cases[] = {
		{"", "no --port"},
		{"--wrong", "unknown argument '--wrong'"},
		{"--run-dir", "--run-dir: needs a value"},
		{"--run-dir /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
		 "--port " ACCESS,
		 "longer than"},
		{"--sessions 12 --port " ACCESS, "--sessions: '12'"},
		{"--sessions 99999999999999999999 --port " ACCESS, "--sessions"},
		{"--sessions -4096 --port " ACCESS, "'-4096'"},
		{"--sessions 4096x --port " ACCESS, "'4096x'"},
		{"--records 3000 --port " ACCESS, "power of two"},
		{"--clock mine --port " ACCESS, "kernel or trusted"},
		{"--timeout icmp --port " ACCESS, "KEY=SECONDS"},
		{"--timeout icmp=0 --port " ACCESS, "icmp: '0'"},
		{"--timeout tcp=3 --port " ACCESS, "tcp_established"},
		{"--port role=access,vlan=1,side=inside,device=net_null", "no name="},
		{"--port name=a,role=access,vlan=1,side=inside", "no device="},
		{"--port name=a,vlan=1,side=inside,device=net_null", "no role="},
		{"--port name=a,role=access,vlan=1,device=net_null", "no side="},
		{"--port name=a,role=hub,vlan=1,side=inside,device=net_null", "access or trunk"},
		{"--port name=a,role=access,side=inside,device=net_null", "access port has vlan="},
		{"--port name=a,role=access,vlan=1,vlans=2,side=inside,device=net_null",
		 "access port has vlan="},
		{"--port name=a,role=access,vlan=1,native=1,side=inside,device=net_null",
		 "access port has vlan="},
		{"--port name=a,role=trunk,side=inside,device=net_null", "trunk port has vlans="},
		{"--port name=a,role=trunk,vlan=1,vlans=1:2,side=inside,device=net_null",
		 "trunk port has vlans="},
		{"--port name=a,role=trunk,vlans=1:1,side=inside,device=net_null", "vlans: 1 twice"},
		{"--port name=a,role=trunk,vlans=4095,side=inside,device=net_null", "'4095'"},
		{"--port name=a,role=access,vlan=0,side=inside,device=net_null", "'0'"},
		{"--port name=a,name=b,role=access,vlan=1,side=inside,device=net_null", "'name' twice"},
		{"--port name=a,colour=red,role=access,vlan=1,side=inside,device=net_null",
		 "unknown key 'colour'"},
		{"--port name=a/b,role=access,vlan=1,side=inside,device=net_null", "port name 'a/b'"},
		{"--port name=abcdefghijklmnopqr,role=access,vlan=1,side=inside,device=net_null",
		 "longer than 15"},
		{"--port name=a,role=access,vlan=1,side=inside,trust=all,device=net_null", "trust 'all'"},
		{"--port name=a,role=access,vlan=1,side=inside,mtu=20,device=net_null", "mtu: '20'"},
		{"--port " ACCESS " --port " ACCESS, "two ports are named a"},
		{"--tap --port name=a,device=net_null", "exactly two ports"},
		{"--tap --port name=a,device=net_null --port name=b,device=net_null --port "
		 "name=c,device=net_null",
		 "exactly two ports"},
		{"--tap --port " ACCESS " --port name=b,device=net_null", "--tap takes only"},
		{"@/nonexistent/file", "@/nonexistent/file"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct args a;
		char error[ARGS_ERROR];

		if (parse(&a, cases[i].line, error) != ARGS_BAD)
			fail_msg("taken: %s", cases[i].line);
		if (!strstr(error, cases[i].word))
			fail_msg("'%s' gave '%s', which lacks '%s'", cases[i].line, error, cases[i].word);
	}
}

static void test_too_many_ports(void **state)
{
	char program[] = "cordon-dp", option[] = "--port";
	char *words[2 * (ENGINE_PORTS_MAX + 1) + 1] = {program};
	char spec[ENGINE_PORTS_MAX + 1][80], error[ARGS_ERROR];
	struct args a;

	for (uint32_t i = 0; i <= ENGINE_PORTS_MAX; i++) {
		snprintf(spec[i], sizeof(spec[i]), "name=p%u,role=access,vlan=1,side=inside,device=net_null",
			 i);
		words[2 * i + 1] = option;
		words[2 * i + 2] = spec[i];
	}
	assert_int_equal(args_parse(&a, 2 * ENGINE_PORTS_MAX + 1, words, error), ARGS_RUN);
	assert_int_equal(args_parse(&a, 2 * (ENGINE_PORTS_MAX + 1) + 1, words, error), ARGS_BAD);
	assert_non_null(strstr(error, "more than 32"));
}

static void test_tap_stands_anywhere(void **state)
{
	struct args a;
	char error[ARGS_ERROR];

	assert_int_equal(
		parse(&a,
		      "--port name=in,device=net_pcap,rx_pcap=x.pcap --port name=out,device=net_null --tap",
		      error),
		ARGS_RUN);
	assert_true(a.tap);
	assert_string_equal(a.port[0].device, "net_pcap,rx_pcap=x.pcap");
}

static void with_file(const char *text, enum args_result *result, struct args *a, char *error)
{
	char path[] = "/tmp/cordon-args-XXXXXX", line[64];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	snprintf(line, sizeof(line), "@%s", path);
	*result = parse(a, line, error);
	unlink(path);
}

static void test_file(void **state)
{
	enum args_result result;
	struct args a;
	char error[ARGS_ERROR];

	with_file("--no-huge\n--run-dir\n/a dir\n\n--port\n" ACCESS "\n", &result, &a, error);
	assert_int_equal(result, ARGS_RUN);
	assert_true(a.no_huge);
	assert_string_equal(a.run_dir, "/a dir");

	with_file("--no-huge\n--nonsense\n", &result, &a, error);
	assert_int_equal(result, ARGS_BAD);
	assert_non_null(strstr(error, "--nonsense"));

	with_file("@/etc/passwd\n", &result, &a, error);
	assert_int_equal(result, ARGS_BAD);
	assert_non_null(strstr(error, "cannot name another"));
}

static void test_help(void **state)
{
	struct args a;
	char error[ARGS_ERROR];

	assert_int_equal(parse(&a, "--help", error), ARGS_HELP);
	assert_int_equal(parse(&a, "--version", error), ARGS_VERSION);
	assert_non_null(strstr(args_usage(), "--port"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_everything),
		cmocka_unit_test(test_trust),          cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_too_many_ports), cmocka_unit_test(test_tap_stands_anywhere),
		cmocka_unit_test(test_file),           cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
