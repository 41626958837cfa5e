/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: each key by itself first, then what the role demands and forbids, then what must differ between
 * ports.
 */
#include "config_port.h"

#include <string.h>

#include "addr.h"
#include "config_value.h"
#include "device_string.h"

#define N(a)        (sizeof(a) / sizeof((a)[0]))
#define MTU_DEFAULT 1500u

static const char *const roles[] = {"access", "trunk", NULL};
static const char *const sides[] = {"inside", "outside", NULL};
static const char *const trusts[] = {"dhcp", "ra", NULL};

static void read_name(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config_port *p = object;
	const char *text = yaml_string(n, d);

	if (!text)
		return;
	if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(text) || !text[0] ||
	    strlen(text) > CONFIG_PORT_NAME)
		diag_add(d, SEV_ERROR, n->place,
			 "a port's name has 1 to %u lower-case letters, digits, dashes or underscores",
			 CONFIG_PORT_NAME);
	p->name = text;
}

static void read_device(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config_port *p = object;

	p->device = yaml_string(n, d);
	p->device_place = n->place;
	if (p->device && (!p->device[0] || strpbrk(p->device, " \t\r\n")))
		diag_add(d, SEV_ERROR, n->place,
			 "a device is a PCI address, a DPDK device, vhost:PATH or a kernel device's name, "
			 "without spaces");
}

static void read_role(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config_port *p = object;

	p->role = value_word(n, roles, d) == PORT_TRUNK ? PORT_TRUNK : PORT_ACCESS;
}

static void read_side(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config_port *p = object;

	p->side = value_word(n, sides, d) == PORT_OUTSIDE ? PORT_OUTSIDE : PORT_INSIDE;
}

static uint16_t vlan_number(const struct yaml_node *n, struct diags *d)
{
	uint64_t vlan;

	return yaml_u64(n, 1, 4094, &vlan, d) ? (uint16_t)vlan : 0;
}

static void read_vlan(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config_port *p = object;

	p->vlan = vlan_number(n, d);
}

static void read_native(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config_port *p = object;

	p->native = vlan_number(n, d);
}

static void read_vlans_item(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config_port *p = object;
	uint16_t vlan = vlan_number(n, d);

	if (!vlan)
		return;
	for (size_t i = 0; i < p->n_vlans; i++) {
		if (p->vlans[i] == vlan) {
			diag_add(d, SEV_ERROR, n->place, "VLAN %u is listed twice", vlan);
			return;
		}
	}
	if (p->n_vlans == CONFIG_VLANS_MAX)
		diag_add(d, SEV_ERROR, n->place, "a trunk has at most %u VLANs", CONFIG_VLANS_MAX);
	else
		p->vlans[p->n_vlans++] = vlan;
}

static void read_vlans(void *object, const struct yaml_node *n, struct diags *d)
{
	value_list(n, read_vlans_item, object, d);
}

static void read_trust_item(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config_port *p = object;
	int i = value_word(n, trusts, d);

	if (i >= 0)
		p->trust |= 1u << i;
}

static void read_trust(void *object, const struct yaml_node *n, struct diags *d)
{
	value_list(n, read_trust_item, object, d);
}

static void read_mtu(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config_port *p = object;
	uint64_t mtu;

	if (yaml_u64(n, 1280, 9600, &mtu, d))
		p->mtu = (uint16_t)mtu;
}

static const struct value_key keys[] = {
	{"name", true, read_name},  {"device", true, read_device}, {"role", true, read_role},
	{"vlan", false, read_vlan}, {"vlans", false, read_vlans},  {"native", false, read_native},
	{"side", true, read_side},  {"trust", false, read_trust},  {"mtu", false, read_mtu},
};

/* A key that the role demands (`must`) or does not have. */
static void check_role_key(const struct yaml_node *n, const char *role, const char *key, bool must,
			   struct diags *d)
{
	const struct yaml_node *value = yaml_get(n, key);

	if (must && !value)
		diag_add(d, SEV_ERROR, n->place, "a port with role %s needs the key `%s`", role, key);
	if (!must && value)
		diag_add(d, SEV_ERROR, value->key->place, "a port with role %s has no `%s`", role, key);
}

static void check_role(const struct config_port *p, const struct yaml_node *n, struct diags *d)
{
	bool trunk = p->role == PORT_TRUNK;

	if (!yaml_get(n, "role"))
		return;
	check_role_key(n, roles[p->role], "vlan", !trunk, d);
	if (!trunk) {
		check_role_key(n, roles[p->role], "vlans", false, d);
		check_role_key(n, roles[p->role], "native", false, d);
		return;
	}
	check_role_key(n, roles[p->role], "vlans", true, d);
	if (yaml_get(n, "vlans") && p->n_vlans == 0)
		diag_add(d, SEV_ERROR, n->place, "a trunk needs at least one VLAN");
	for (size_t i = 0; i < p->n_vlans; i++)
		if (p->vlans[i] == p->native)
			diag_add(d, SEV_ERROR, n->place, "VLAN %u is both native and tagged", p->native);
}

void config_port_read(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;
	struct config_port *p = &c->ports[c->n_ports];

	if (c->n_ports == CONFIG_PORTS_MAX) {
		diag_add(d, SEV_ERROR, n->place, "more than %u ports", CONFIG_PORTS_MAX);
		return;
	}
	c->n_ports++;
	p->place = n->place;
	p->mtu = MTU_DEFAULT;
	value_map(n, "a port", keys, N(keys), p, d);
	if (n->type != YAML_MAP)
		return;
	check_role(p, n, d);
	if (p->side == PORT_OUTSIDE && !yaml_get(n, "trust"))
		p->trust = TRUST_DHCP | TRUST_RA;
}

/* --- kernel devices --------------------------------------------------------------------------- */

_Static_assert(DEVICE_NAME == NFT_DEVICE, "a name that is taken fits");

bool config_port_device(const struct config_port *p, char device[NFT_DEVICE])
{
	static const char *const drivers[] = {"net_af_packet", "net_af_xdp", "eth_af_packet"};
	const char *name = p->device, *iface = strstr(p->device, ",iface=");
	bool virtual = strncmp(name, "net_", 4) == 0 || strncmp(name, "eth_", 4) == 0, kernel = !virtual;
	size_t n;

	for (size_t i = 0; i < N(drivers); i++)
		kernel = kernel || strncmp(name, drivers[i], strlen(drivers[i])) == 0;
	if (virtual && iface)
		name = iface + strlen(",iface=");
	n = strcspn(name, ",");
	if (!kernel || (virtual && !iface) || (!virtual && name[n]) || !device_string_is_name(name, n))
		return false;
	memset(device, 0, NFT_DEVICE);
	memcpy(device, name, n);
	return true;
}

/* cordon-dp opens what DPDK has a driver for. */
static void check_dpdk_devices(const struct config *c, struct diags *d)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct config_port *p = &c->ports[i];
		const char *wrong = device_string_wrong(p->device);

		if (wrong)
			diag_add(d, SEV_ERROR, p->device_place, "engine dpdk cannot open `%s`: %s", p->device,
				 wrong);
	}
}

/* The kernel engine bridges kernel devices, each once. */
static void check_kernel_devices(const struct config *c, struct diags *d)
{
	char device[CONFIG_PORTS_MAX][NFT_DEVICE];

	for (size_t i = 0; i < c->n_ports; i++) {
		const struct config_port *p = &c->ports[i];

		device[i][0] = 0;
		if (!config_port_device(p, device[i]))
			diag_add(d, SEV_ERROR, p->device_place,
				 "%s needs a port that keeps a kernel device: %snet_af_packet or "
				 "net_af_xdp with iface=NAME; port `%s` has `%s`",
				 c->standby ? "fail: nft" : "engine: nft", c->standby ? "" : "its name, or ",
				 p->name, p->device);
		for (size_t k = 0; k < i && device[i][0]; k++)
			if (strcmp(device[i], device[k]) == 0)
				diag_add(d, SEV_ERROR, p->device_place,
					 "ports `%s` and `%s` have the same kernel device `%s`",
					 c->ports[k].name, p->name, device[i]);
	}
}

void config_ports_check(const struct config *c, const struct yaml_node *ports, struct diags *d)
{
	if (c->engine == DP_ENGINE_DPDK)
		check_dpdk_devices(c, d);
	if (d->n_errors == 0 && (c->engine == DP_ENGINE_NFT || c->standby))
		check_kernel_devices(c, d);
	if (c->n_ports == 0)
		diag_add(d, SEV_ERROR, ports->place, "a gateway needs at least one port");
	for (size_t i = 0; i < c->n_ports; i++) {
		for (size_t k = 0; k < i; k++) {
			const struct config_port *p = &c->ports[i], *q = &c->ports[k];

			if (strcmp(p->name, q->name) == 0)
				diag_add(d, SEV_ERROR, p->place, "two ports have the name `%s`", p->name);
			if (strcmp(p->device, q->device) == 0)
				diag_add(d, SEV_ERROR, p->place, "ports `%s` and `%s` have the same device",
					 q->name, p->name);
		}
	}
}

/* --- cordon-dp's arguments -------------------------------------------------------------------- */

static void print_vlans(const struct config_port *p, FILE *out)
{
	if (p->role == PORT_ACCESS)
		fprintf(out, "vlan=%u,", p->vlan);
	for (size_t i = 0; i < p->n_vlans; i++)
		fprintf(out, "%s%u", i ? ":" : "vlans=", p->vlans[i]);
	if (p->n_vlans > 0)
		fputc(',', out);
	if (p->native)
		fprintf(out, "native=%u,", p->native);
}

static void print_port(const struct config_port *p, FILE *out)
{
	fprintf(out, "--port\nname=%s,role=%s,", p->name, roles[p->role]);
	print_vlans(p, out);
	fprintf(out, "side=%s,trust=%s%s%s,mtu=%u,device=%s\n", sides[p->side],
		p->trust & TRUST_DHCP ? "dhcp" : "", p->trust == (TRUST_DHCP | TRUST_RA) ? ":" : "",
		p->trust & TRUST_RA ? "ra" : "", p->mtu, p->device);
}

void config_print_dp_args(const struct config *c, const char *run_dir, FILE *out)
{
	if (c->engine != DP_ENGINE_DPDK)
		return;
	if (run_dir)
		fprintf(out, "--run-dir\n%s\n", run_dir);
	fprintf(out, "--state\n%s\n--rate\n%u\n--clock\n%s\n", c->dir, c->records_rate,
		c->clock_trusted ? "trusted" : "kernel");
#define X(name, default_seconds) fprintf(out, "--timeout\n" #name "=%u\n", c->timeouts.name);
	CONFIG_TIMEOUTS(X)
#undef X
	if (c->standby)
		fputs("--yield\n", out);
	for (size_t i = 0; i < c->n_ports; i++)
		print_port(&c->ports[i], out);
}

/* --- cordon-nft's arguments ------------------------------------------------------------------- */

static void print_nft_port(const struct config_port *p, FILE *out)
{
	char device[NFT_DEVICE];

	if (!config_port_device(p, device))
		return;
	fprintf(out, "--port\nname=%s,device=%s,role=%s,", p->name, device, roles[p->role]);
	print_vlans(p, out);
	fprintf(out, "side=%s\n", sides[p->side]);
}

void config_print_nft_args(const struct config *c, const char *run_dir, FILE *out)
{
	bool forward = c->engine == DP_ENGINE_NFT || c->standby;
	char address[ADDR_TEXT];

	if (!config_uses_nft(c))
		return;
	if (run_dir)
		fprintf(out, "--run-dir\n%s\n", run_dir);
	fprintf(out, "--group\n%u\n--clock\n%s\n", c->nft_group, c->clock_trusted ? "trusted" : "kernel");
	if (forward)
		fprintf(out, "--bridge\n%s\n--lease\n%u\n", c->bridge, c->timeouts.lease);
	fprintf(out, "%s%s%s", forward ? "--plane\nforward\n" : "",
		c->has_management ? "--plane\nhost\n" : "", c->standby ? "--standby\n" : "");
	for (size_t i = 0; forward && i < c->n_ports; i++)
		print_nft_port(&c->ports[i], out);
	for (size_t i = 0; i < c->n_management; i++)
		fprintf(out, "--management\n%s\n",
			addr_print(c->management[i].family, c->management[i].addr, address, sizeof(address)));
}

/* --- words of bridge-prepare and port-prepare -------------------------------------------------- */

static void print_bridge_port(const struct config_port *p, FILE *out)
{
	uint16_t untagged = p->role == PORT_ACCESS ? p->vlan : p->native;
	char device[NFT_DEVICE];

	if (!config_port_device(p, device))
		return;
	fputs(device, out);
	if (untagged)
		fprintf(out, ":pvid=%u", untagged);
	for (size_t i = 0; i < p->n_vlans; i++)
		fprintf(out, "%s%u", i ? "," : ":vids=", p->vlans[i]);
	fputc('\n', out);
}

void config_print_bridge_args(const struct config *c, FILE *out)
{
	if (c->engine != DP_ENGINE_NFT && !c->standby)
		return;
	fprintf(out, "--bridge\n%s\n", c->bridge);
#define X(name, default_seconds)                                                                             \
	if (strcmp(#name, "lease") != 0)                                                                     \
		fprintf(out, "--timeout\n" #name "=%u\n", c->timeouts.name);
	CONFIG_TIMEOUTS(X)
#undef X
	for (size_t i = 0; i < c->n_ports; i++)
		print_bridge_port(&c->ports[i], out);
}

void config_print_port_args(const struct config *c, FILE *out)
{
	if (c->engine != DP_ENGINE_DPDK)
		return;
	for (size_t i = 0; i < c->n_ports; i++)
		fprintf(out, "%s\n", c->ports[i].device);
}
