/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway's config: what is accepted, and where each error is found.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PORT "ports: [{name: a, device: net_null, role: access, vlan: 10, side: inside}]\n"
#define GOOD "gateway: gw1\n" PORT

static struct config *load(const char *text, struct diags *d)
{
	diags_init(d);
	return config_load("c.yaml", text, strlen(text), d);
}

static struct config *must_load(const char *text)
{
	struct diags d;
	struct config *c = load(text, &d);

	if (!c)
		fail_msg("%u:%u: %s", d.items[0].place.line, d.items[0].place.column, d.items[0].text);
	diags_free(&d);
	return c;
}

static void test_least(void **state)
{
	struct config *c = must_load(GOOD);

	assert_string_equal(c->gateway, "gw1");
	assert_int_equal(c->n_ports, 1);
	assert_int_equal(c->ports[0].vlan, 10);
	assert_int_equal(c->ports[0].mtu, 1500);
	assert_int_equal(c->ports[0].trust, 0);
	assert_string_equal(c->dir, "/var/lib/cordon");
	assert_int_equal(c->records_rate, 100000);
	assert_int_equal(c->timeouts.tcp_established, 7200);
	assert_false(c->clock_trusted);
	assert_false(c->has_protected);
	assert_int_equal(c->n_access, 1);
	assert_string_equal(c->access[0].name, "root");
	assert_int_equal(c->access[0].role, ROLE_APPROVER);
	config_free(c);
}

static const char full[] =
	"gateway: gw1\n"
	"engine: dpdk\n"
	"ports:\n"
	"  - {name: lan1, device: \"0000:03:00.0\", role: access, vlan: 10, side: inside}\n"
	"  - {name: lan2, device: \"net_af_xdp,iface=veth2\", role: trunk, vlans: [10, 20, 40], native: 5, "
	"side: inside,"
	" mtu: 9000}\n"
	"  - {name: wan,  device: \"net_af_packet,iface=eth1\", role: access, vlan: 10, side: outside, "
	"trust: [ra]}\n"
	"  - {name: wan2, device: net_null, role: access, vlan: 20, side: outside}\n"
	"  - {name: wan3, device: net_null1, role: access, vlan: 20, side: outside, trust: []}\n"
	"  - {name: vm1, device: \"vhost:/run/cordon/vhost/vm1\", role: access, vlan: 20, side: inside}\n"
	"protected: [\"10.20.0.0/16\", \"fd00:20::/48\"]\n"
	"management: {addresses: [\"10.99.0.2/24\"], from: [admins]}\n"
	"clock: trusted\n"
	"fail: closed\n"
	"access: {viewer: [group cordon, user bob], operator: [group cordon-op], approver: [root]}\n"
	"records: {dir: /tmp/state, max: 20GB, rate: 5000}\n"
	"timeouts: {tcp_syn: 5, tcp_established: 1h, lease: 60s}\n";

static void test_full(void **state)
{
	struct config *c = must_load(full);

	assert_int_equal(c->n_ports, 6);
	assert_int_equal(c->ports[1].n_vlans, 3);
	assert_int_equal(c->ports[2].trust, TRUST_RA);
	assert_int_equal(c->ports[3].trust, TRUST_DHCP | TRUST_RA);
	assert_int_equal(c->ports[4].trust, 0);
	assert_int_equal(c->n_protected, 2);
	assert_int_equal(c->n_access, 4);
	assert_true(c->access[0].group);
	assert_string_equal(c->access[0].name, "cordon");
	assert_false(c->access[1].group);
	assert_string_equal(c->access[1].name, "bob");
	assert_true(c->records_max == 20000000000u);
	assert_int_equal(c->timeouts.tcp_established, 3600);
	assert_int_equal(c->timeouts.lease, 60);
	config_free(c);
}

static void test_dp_args(void **state)
{
	struct config *c = must_load(full);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	config_print_dp_args(c, "/tmp/run", out);
	fclose(out);
	assert_non_null(
		strstr(text, "--run-dir\n/tmp/run\n--state\n/tmp/state\n--rate\n5000\n--clock\ntrusted\n"));
	assert_non_null(strstr(text, "--timeout\ntcp_syn=5\n--timeout\ntcp_established=3600\n"));
	assert_non_null(strstr(text, "--port\nname=lan1,role=access,vlan=10,side=inside,trust=,mtu=1500,"
				     "device=0000:03:00.0\n"));
	assert_non_null(strstr(
		text, "--port\nname=lan2,role=trunk,vlans=10:20:40,native=5,side=inside,trust=,mtu=9000,"
		      "device=net_af_xdp,iface=veth2\n"));
	assert_non_null(strstr(text, "--port\nname=vm1,role=access,vlan=20,side=inside,trust=,mtu=1500,"
				     "device=vhost:/run/cordon/vhost/vm1\n"));
	assert_non_null(strstr(text, "side=outside,trust=ra,"));
	assert_non_null(strstr(text, "side=outside,trust=dhcp:ra,"));
	free(text);
	config_free(c);
}

static void expect_nft_args(const char *text, const char *expected)
{
	struct config *c = must_load(text);
	char *got = NULL;
	size_t len;
	FILE *out = open_memstream(&got, &len);

	config_print_nft_args(c, "/tmp/run", out);
	fclose(out);
	assert_string_equal(got, expected);
	assert_int_equal(config_uses_nft(c), expected[0] != 0);
	free(got);
	config_free(c);
}

#define KERNEL_PORTS                                                                                         \
	"ports:\n"                                                                                           \
	"  - {name: a, device: \"net_af_xdp0,iface=v0,queue_count=1\", role: access, vlan: 10, side: "       \
	"inside}\n"                                                                                          \
	"  - {name: b, device: \"net_af_packet1,iface=v1\", role: trunk, vlans: [10, 20], native: 5, side: " \
	"outside}\n"
#define MANAGED "management: {addresses: [10.99.0.2/24, \"fd00::2/64\"], from: [admins]}\n"

static void test_nft_args(void **state)
{
#define HOST      "--plane\nhost\n"
#define ADDRESSES "--management\n10.99.0.2\n--management\nfd00::2\n"
	expect_nft_args(GOOD, "");
	expect_nft_args(GOOD MANAGED,
			"--run-dir\n/tmp/run\n--group\n20240\n--clock\nkernel\n" HOST ADDRESSES);
	expect_nft_args("gateway: g\nfail: nft\nbridge: br1\nclock: trusted\nnft: {group: 7}\n"
			"timeouts: {lease: 60}\n" MANAGED KERNEL_PORTS,
			"--run-dir\n/tmp/run\n--group\n7\n--clock\ntrusted\n--bridge\nbr1\n--lease\n60\n"
			"--plane\nforward\n" HOST "--standby\n"
			"--port\nname=a,device=v0,role=access,vlan=10,side=inside\n"
			"--port\nname=b,device=v1,role=trunk,vlans=10:20,native=5,side=outside\n" ADDRESSES);
	expect_nft_args(
		"gateway: g\nengine: nft\n"
		"ports: [{name: a, device: eth1, role: access, vlan: 10, side: inside}]\n",
		"--run-dir\n/tmp/run\n--group\n20240\n--clock\nkernel\n--bridge\ncordon0\n--lease\n300\n"
		"--plane\nforward\n--port\nname=a,device=eth1,role=access,vlan=10,side=inside\n");
}

static void expect_text(void (*print)(const struct config *c, FILE *out), const char *text,
			const char *expected)
{
	struct config *c = must_load(text);
	char *got = NULL;
	size_t len;
	FILE *out = open_memstream(&got, &len);

	print(c, out);
	fclose(out);
	assert_string_equal(got, expected);
	free(got);
	config_free(c);
}

#define TIMEOUTS                                                                                             \
	"--timeout\ntcp_syn=30\n--timeout\ntcp_established=7200\n--timeout\ntcp_closing=120\n"               \
	"--timeout\nudp_first=30\n--timeout\nudp_answered=180\n--timeout\nicmp=10\n"

/* Each port is kept from the kernel, until a bridge has it: that of the kernel engine, or of the one that
 * stands by. */
static void test_prepare_args(void **state)
{
	static const char kernel[] = "gateway: g\nengine: nft\n" KERNEL_PORTS;
	static const char standby[] = "gateway: g\nfail: nft\nbridge: br1\n" KERNEL_PORTS;
	static const char dpdk[] = "gateway: g\n" KERNEL_PORTS;

	expect_text(config_print_bridge_args, kernel,
		    "--bridge\ncordon0\n" TIMEOUTS "v0:pvid=10\nv1:pvid=5:vids=10,20\n");
	expect_text(config_print_bridge_args, standby,
		    "--bridge\nbr1\n" TIMEOUTS "v0:pvid=10\nv1:pvid=5:vids=10,20\n");
	expect_text(config_print_bridge_args, dpdk, "");
	expect_text(config_print_bridge_args, GOOD MANAGED, "");
	expect_text(config_print_port_args, dpdk,
		    "net_af_xdp0,iface=v0,queue_count=1\nnet_af_packet1,iface=v1\n");
	expect_text(config_print_port_args, kernel, "");
	expect_text(config_print_port_args, standby,
		    "net_af_xdp0,iface=v0,queue_count=1\nnet_af_packet1,iface=v1\n");
}

/* cordon-dp is not started beside the kernel as the engine, and leaves the ports to a standby. */
static void test_dp_args_of_engines(void **state)
{
	static const struct {
		const char *text;
		bool any, yield;
	} cases[] = {
		{"gateway: g\n" KERNEL_PORTS, true, false},
		{"gateway: g\nfail: nft\n" KERNEL_PORTS, true, true},
		{"gateway: g\nengine: nft\n" KERNEL_PORTS, false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *c = must_load(cases[i].text);
		char *got = NULL;
		size_t len;
		FILE *out = open_memstream(&got, &len);

		config_print_dp_args(c, NULL, out);
		fclose(out);
		assert_int_equal(len > 0, cases[i].any);
		assert_int_equal(strstr(got, "--yield\n") != NULL, cases[i].yield);
		free(got);
		config_free(c);
	}
}

static void test_box(void **state)
{
	struct config *c = must_load("gateway: g\nfail: nft\n" MANAGED KERNEL_PORTS);
	struct nft_box box;

	config_box(c, &box);
	assert_int_equal(box.planes, NFT_PLANE_FORWARD | NFT_PLANE_HOST);
	assert_int_equal(box.layout, NFT_LAYOUT_NONE);
	assert_string_equal(box.bridge, "cordon0");
	assert_int_equal(box.n_ports, 2);
	assert_string_equal(box.port[0].device, "v0");
	assert_int_equal(box.port[0].vlan, 10);
	assert_true(box.port[1].trunk && box.port[1].outside);
	assert_int_equal(box.port[1].vlan, 5);
	assert_int_equal(box.port[1].n_vlans, 2);
	assert_int_equal(box.n_management, 2);
	assert_int_equal(box.management[1].family, 6);
	assert_int_equal(box.management[0].addr[3], 2);
	config_free(c);
}

#define NO_MACHINE(address)                                                                                  \
	{                                                                                                    \
		GOOD "management: {addresses: [" address "], from: [admins]}\n", 3, 26,                      \
			"no address that a machine can have"                                                 \
	}

static const struct {
	const char *text;
	unsigned line, column;
	const char *says;
} bad[] = {
	{"", 1, 1, "empty"},
	{"[]", 1, 1, "must be a map"},
	{"gateway: [\n", 2, 1, ""},
	{PORT, 1, 1, "needs the key `gateway`"},
	{"gateway: gw1\n", 1, 1, "needs the key `ports`"},
	{"gateway: \"a b\"\n" PORT, 1, 10, "a gateway's name"},
	{GOOD "gateway: gw2\n", 3, 1, ""},
	{GOOD "portz: 1\n", 3, 1, "unknown key `portz`"},
	{GOOD "bridge: \"a b\"\n", 3, 9, "a bridge's name"},
	{GOOD "bridge: abcdefghijklmnop\n", 3, 9, "a bridge's name"},
	{GOOD "nft: {group: 0}\n", 3, 14, ""},
	{GOOD "nft: {group: 65535}\n", 3, 14, ""},
	{GOOD "nft: {table: x}\n", 3, 7, "unknown key `table`"},
	{GOOD "verify: {every: 0}\n", 3, 17, "out of range"},
	{GOOD "verify: {on_difference: shrug}\n", 3, 25, "not one of: alarm, closed"},
	{GOOD "verify: {drift: keep}\n", 3, 17, "not one of: revert, adopt"},
	{GOOD "verify: {on_difference: closed, drift: adopt}\n", 3, 9, "choose one"},
	{GOOD "engine: ovs\n", 3, 9, "not one of"},
	{GOOD "engine: nft\nfail: nft\n", 4, 7, "the kernel enforces already"},
	{GOOD "management: {addresses: [], from: [admins]}\n", 3, 25, "at least one address"},
	{GOOD "management: {addresses: [10.0.0.1/24], from: []}\n", 3, 46, "at least one group"},
#define DEVICE(top, device)                                                                                  \
	"gateway: gw1\n" top "ports: [{name: a, role: access, vlan: 10, side: inside, device: \"" device     \
	"\"}]\n"
	{DEVICE("fail: nft\n", "0000:03:00.0"), 3, 65, "fail: nft needs a port that keeps a kernel device"},
	{DEVICE("fail: nft\n", "net_pcap0,iface=t0"), 3, 65, "port `a` has `net_pcap0,iface=t0`"},
	{DEVICE("engine: nft\n", "0000:03:00.0"), 3, 65, "engine: nft needs a port"},
	{DEVICE("engine: nft\n", "vhost:/run/lan1"), 3, 65, "port `a` has `vhost:/run/lan1`"},
	{DEVICE("fail: nft\n", "vhost:/run/lan1"), 3, 65, "fail: nft needs a port that keeps"},
	{DEVICE("engine: nft\n", "vhost:lan1"), 3, 65, "its name, or net_af_packet or net_af_xdp"},
	{DEVICE("fail: nft\n", "eth1"), 3, 65, "engine dpdk cannot open `eth1`: it is neither"},
	{DEVICE("fail: nft\n", "net_null"), 3, 65,
	 "kernel device: net_af_packet or net_af_xdp with iface=NAME"},
	{DEVICE("engine: dpdk\n", "eth1"), 3, 65, "write net_af_packet,iface=NAME"},
	{DEVICE("engine: dpdk\n", "52:54:00:00:00:01"), 3, 65, "neither a PCI address (0000:03:00.0) nor"},
	{DEVICE("engine: dpdk\n", "00:03.0"), 3, 65, "`00:03.0`: a PCI address is written in full"},
	{DEVICE("engine: dpdk\n", "net_af_packet0,=iface=eth1"), 3, 65, "with one `=`"},
	{DEVICE("engine: dpdk\n", "net_failsafe0,exec(true)"), 3, 65, "net_pcap and net_null are taken"},
	{DEVICE("engine: dpdk\n", "net_af_xdp0,iface=a/b"), 3, 65, "cannot be a port's name"},
	{DEVICE("engine: nft\n", "net_af_packet0"), 3, 65, "needs a port"},
	{DEVICE("engine: nft\n", "net_af_xdp0,iface=averyverylongname"), 3, 65, "needs a port"},
	{"gateway: gw1\nengine: nft\nports:\n"
	 "  - {name: a, role: access, vlan: 1, side: inside, device: eth1}\n"
	 "  - {name: b, role: access, vlan: 1, side: inside, device: \"net_af_packet,iface=eth1\"}\n",
	 5, 60, "have the same kernel device `eth1`"},
	{GOOD "clock: ntp\n", 3, 8, "not one of"},
	{GOOD "join: [[10, 20]]\n", 3, 1, "`join` is not supported yet"},
	{GOOD "routers: []\n", 3, 1, "`routers` is not supported yet"},
	{GOOD "protected: 10.0.0.0/8\n", 3, 12, "must be a list"},
	{GOOD "protected: [10.0.0.1/8]\n", 3, 13, "bits set"},
	{GOOD "protected: [ten]\n", 3, 13, "not a prefix"},
	{GOOD "protected: [10.0.0.0/33]\n", 3, 13, "not a prefix"},
	{GOOD "management: {addresses: [10.0.0.1/24]}\n", 3, 13, "needs the key `from`"},
	{GOOD "management: {addresses: [x], from: [admins]}\n", 3, 26, "not a prefix"},
	NO_MACHINE("0.0.0.0/24"),
	NO_MACHINE("127.0.0.1/8"),
	NO_MACHINE("224.0.0.9/24"),
	NO_MACHINE("\"::/64\""),
	NO_MACHINE("\"::1/64\""),
	NO_MACHINE("\"ff02::1/64\""),
	{GOOD "access: {boss: [root]}\n", 3, 10, "unknown key `boss`"},
	{GOOD "access: {viewer: root}\n", 3, 18, "must be a list"},
	{GOOD "access: {viewer: [groups x]}\n", 3, 19, "not `NAME`"},
	{GOOD "records: {dir: state}\n", 3, 16, "absolute path"},
	{GOOD "records: {max: 5}\n", 3, 16, "not a quantity"},
	{GOOD "records: {max: 1MB}\n", 3, 16, "out of range"},
	{GOOD "records: {max: 99999999999999999999GB}\n", 3, 16, "out of range"},
	{GOOD "records: {rate: 0}\n", 3, 17, ""},
	{GOOD "records: {days: 5}\n", 3, 11, "unknown key `days`"},
	{GOOD "timeouts: {tcp_syn: -1}\n", 3, 21, "not a quantity"},
	{GOOD "timeouts: {tcp_syn: 0}\n", 3, 21, "out of range"},
	{GOOD "timeouts: {sctp: 5}\n", 3, 12, "unknown key `sctp`"},
#define P(item) "gateway: gw1\nports:\n  - " item "\n"
	{"gateway: gw1\nports: []\n", 2, 8, "at least one port"},
	{P("{device: d, role: access, vlan: 10, side: inside}"), 3, 5, "needs the key `name`"},
	{P("{name: a, device: d, vlan: 10, side: inside}"), 3, 5, "needs the key `role`"},
	{P("{name: a, device: d, role: access, side: inside}"), 3, 5, "needs the key `vlan`"},
	{P("{name: a, device: d, role: access, vlan: 10}"), 3, 5, "needs the key `side`"},
	{P("{name: a, device: d, role: trunk, side: inside}"), 3, 5, "needs the key `vlans`"},
	{P("{name: a, device: d, role: trunk, vlans: [], side: inside}"), 3, 5, "at least one VLAN"},
	{P("{name: a, device: d, role: trunk, vlans: [1], vlan: 2, side: inside}"), 3, 51, "has no `vlan`"},
	{P("{name: a, device: d, role: access, vlan: 1, vlans: [2], side: inside}"), 3, 49, "has no `vlans`"},
	{P("{name: a, device: d, role: access, vlan: 1, native: 2, side: inside}"), 3, 49, "has no `native`"},
	{P("{name: a, device: d, role: trunk, vlans: [1, 1], side: inside}"), 3, 50, "listed twice"},
	{P("{name: a, device: d, role: trunk, vlans: [1, 2], native: 2, side: inside}"), 3, 5, "both native"},
	{P("{name: a, device: d, role: access, vlan: 4095, side: inside}"), 3, 46, ""},
	{P("{name: A!, device: d, role: access, vlan: 1, side: inside}"), 3, 12, "a port's name"},
	{P("{name: averyveryverylongname, device: d, role: access, vlan: 1, side: inside}"), 3, 12,
	 "a port's name"},
	{P("{name: a, device: \"d e\", role: access, vlan: 1, side: inside}"), 3, 23, "without spaces"},
	{P("{name: a, device: \"vhost:lan1\", role: access, vlan: 1, side: inside}"), 3, 23, "absolute path"},
	{P("{name: a, device: \"vhost:/lan1,tso=1\", role: access, vlan: 1, side: inside}"), 3, 23,
	 "no options"},
	{P("{name: a, device: \"net_vhost0,iface=/lan1\", role: access, vlan: 1, side: inside}"), 3, 23,
	 "is written vhost:PATH"},
	{P("{name: a, device: \"vhost:/lan1\", role: access, vlan: 1, side: inside}\n"
	   "  - {name: b, device: \"vhost:/lan1\", role: access, vlan: 1, side: inside}"),
	 4, 5, "same device"},
	{P("{name: a, device: d, role: access, vlan: 1, side: top}"), 3, 55, "not one of"},
	{P("{name: a, device: d, role: access, vlan: 1, side: inside, trust: [lldp]}"), 3, 71, "not one of"},
	{P("{name: a, device: d, role: access, vlan: 1, side: inside, mtu: 100}"), 3, 68, ""},
	{P("{name: a, device: d, role: access, vlan: 1, side: inside, speed: 1}"), 3, 63,
	 "unknown key `speed`"},
	{P("{name: a, device: net_null0, role: access, vlan: 1, side: inside}\n"
	   "  - {name: a, device: net_null1, role: access, vlan: 1, side: inside}"),
	 4, 5, "two ports"},
	{P("{name: a, device: net_null, role: access, vlan: 1, side: inside}\n"
	   "  - {name: b, device: net_null, role: access, vlan: 1, side: inside}"),
	 4, 5, "same device"},
};

static bool as_expected(size_t i)
{
	struct diags d;
	struct config *c = load(bad[i].text, &d);
	const struct diag *f = d.n ? &d.items[0] : NULL;
	bool good = !c && f && f->place.line == bad[i].line && f->place.column == bad[i].column &&
		    strstr(f->text, bad[i].says);

	if (!good)
		print_error("%s%u:%u: %s\nexpected %u:%u: %s\n", bad[i].text, f ? f->place.line : 0,
			    f ? f->place.column : 0, f ? f->text : "no finding", bad[i].line, bad[i].column,
			    bad[i].says);
	config_free(c);
	diags_free(&d);
	return good;
}

static void test_errors(void **state)
{
	size_t failed = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		failed += !as_expected(i);
	assert_int_equal(failed, 0);
}

static void test_too_many_ports(void **state)
{
	char text[8192] = "gateway: gw1\nports:\n";
	struct diags d;

	for (int i = 0; i < 33; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "  - {name: p%d, device: d%d, role: access, vlan: 1, side: inside}\n", i, i);
	assert_null(load(text, &d));
	assert_string_equal(d.items[0].text, "more than 32 ports");
	assert_int_equal(d.items[0].place.line, 35);
	diags_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least),          cmocka_unit_test(test_full),
		cmocka_unit_test(test_dp_args),        cmocka_unit_test(test_errors),
		cmocka_unit_test(test_nft_args),       cmocka_unit_test(test_box),
		cmocka_unit_test(test_prepare_args),   cmocka_unit_test(test_dp_args_of_engines),
		cmocka_unit_test(test_too_many_ports),
	};

	return cmocka_run_group_tests_name("daemon config", tests, NULL, NULL);
}
