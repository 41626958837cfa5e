/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_spec.h"

#include <ctype.h>
#include <string.h>

#include "value.h"

#define VLAN_MAX 4094u

static bool key_name(struct port_spec *d, const char *value, char *error)
{
	for (const char *c = value; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			return value_refuse(error, "port name '%s': only letters, digits, '-', '_' and '.'",
					    value);
	return value_copy("port name", value, d->port->name, sizeof(d->port->name), error);
}

static bool key_role(struct port_spec *d, const char *value, char *error)
{
	d->role = true;
	if (!strcmp(value, "access"))
		d->port->engine.role = ENGINE_ACCESS;
	else if (!strcmp(value, "trunk"))
		d->port->engine.role = ENGINE_TRUNK;
	else
		return value_refuse(error, "role '%s': access or trunk", value);
	return true;
}

static bool key_side(struct port_spec *d, const char *value, char *error)
{
	d->side = true;
	if (!strcmp(value, "inside"))
		d->port->engine.side = ENGINE_INSIDE;
	else if (!strcmp(value, "outside"))
		d->port->engine.side = ENGINE_OUTSIDE;
	else
		return value_refuse(error, "side '%s': inside or outside", value);
	return true;
}

static bool key_vlan(struct port_spec *d, const char *value, char *error)
{
	d->vlan = true;
	return value_number16("vlan", value, 1, VLAN_MAX, &d->port->engine.vlan, error);
}

static bool key_native(struct port_spec *d, const char *value, char *error)
{
	d->native = true;
	return value_number16("native", value, 1, VLAN_MAX, &d->port->engine.vlan, error);
}

static bool key_mtu(struct port_spec *d, const char *value, char *error)
{
	d->mtu = true;
	return value_number16("mtu", value, 576, 9600, &d->port->engine.mtu, error);
}

/* Calls `take` for each word of `a:b:c`. */
static bool each_word(struct port_spec *d, const char *list,
		      bool (*take)(struct port_spec *d, const char *word, char *error), char *error)
{
	char words[ARGS_DEVICE], *save = NULL;

	if (!value_copy("list", list, words, sizeof(words), error))
		return false;
	for (char *word = strtok_r(words, ":", &save); word; word = strtok_r(NULL, ":", &save))
		if (!take(d, word, error))
			return false;
	return true;
}

static bool add_vlan(struct port_spec *d, const char *word, char *error)
{
	struct engine_port *port = &d->port->engine;
	uint16_t vlan;

	if (!value_number16("vlans", word, 1, VLAN_MAX, &vlan, error))
		return false;
	for (uint16_t i = 0; i < port->n_vlans; i++)
		if (port->vlans[i] == vlan)
			return value_refuse(error, "vlans: %u twice", vlan);
	if (port->n_vlans == ENGINE_VLANS_MAX)
		return value_refuse(error, "vlans: more than %u", ENGINE_VLANS_MAX);
	port->vlans[port->n_vlans++] = vlan;
	return true;
}

static bool key_vlans(struct port_spec *d, const char *value, char *error)
{
	d->vlans = true;
	return each_word(d, value, add_vlan, error);
}

static bool add_trust(struct port_spec *d, const char *word, char *error)
{
	if (!strcmp(word, "dhcp"))
		d->port->engine.trust |= ENGINE_TRUST_DHCP;
	else if (!strcmp(word, "ra"))
		d->port->engine.trust |= ENGINE_TRUST_RA;
	else
		return value_refuse(error, "trust '%s': dhcp, ra, dhcp:ra or nothing", word);
	return true;
}

static bool key_trust(struct port_spec *d, const char *value, char *error)
{
	d->trust = true;
	return !*value || each_word(d, value, add_trust, error);
}

static bool key_device(struct port_spec *d, const char *value, char *error)
{
	d->device = true;
	return value_copy("device", value, d->port->device, sizeof(d->port->device), error);
}

static const struct port_key {
	const char *word;
	bool (*take)(struct port_spec *d, const char *value, char *error);
} port_keys[] = {
	{"name", key_name},   {"role", key_role},     {"vlan", key_vlan},
	{"vlans", key_vlans}, {"native", key_native}, {"side", key_side},
	{"trust", key_trust}, {"mtu", key_mtu},       {"device", key_device},
};
#define N_PORT_KEYS     (sizeof(port_keys) / sizeof(port_keys[0]))
#define PORT_KEY_DEVICE (N_PORT_KEYS - 1)

static bool find_port_key(const char *text, size_t len, size_t *found)
{
	for (size_t i = 0; i < N_PORT_KEYS; i++) {
		if (strlen(port_keys[i].word) == len && !memcmp(port_keys[i].word, text, len)) {
			*found = i;
			return true;
		}
	}
	return false;
}

/* What fits together on a switch port. In tap mode none of it has a meaning, so none of it is taken. */
bool port_spec_check(const struct port_spec *d, bool tap, char *error)
{
	const struct args_port *p = d->port;

	if (!p->name[0])
		return value_refuse(error, "--port: no name=");
	if (!d->device)
		return value_refuse(error, "port %s: no device=", p->name);
	if (tap)
		return d->role || d->side || d->vlan || d->vlans || d->native || d->trust
			       ? value_refuse(error,
					      "port %s: --tap takes only name=, mtu= and device=", p->name)
			       : true;
	if (!d->role)
		return value_refuse(error, "port %s: no role= (access or trunk)", p->name);
	if (!d->side)
		return value_refuse(error, "port %s: no side= (inside or outside)", p->name);
	if (p->engine.role == ENGINE_ACCESS && (!d->vlan || d->vlans || d->native))
		return value_refuse(
			error, "port %s: an access port has vlan=, and neither vlans= nor native=", p->name);
	if (p->engine.role == ENGINE_TRUNK && (!d->vlans || d->vlan))
		return value_refuse(
			error, "port %s: a trunk port has vlans= (and perhaps native=), not vlan=", p->name);
	return true;
}

bool port_spec_take(struct port_spec *d, const char *spec, char *error)
{
	bool seen[N_PORT_KEYS] = {false};

	while (*spec) {
		size_t key, word = strcspn(spec, "=,");
		char value[ARGS_DEVICE];

		if (spec[word] != '=' || !find_port_key(spec, word, &key))
			return value_refuse(error, "--port: unknown key '%.*s' in '%.80s'", (int)word, spec,
					    spec);
		if (seen[key])
			return value_refuse(error, "--port: '%s' twice", port_keys[key].word);
		seen[key] = true;
		spec += word + 1;

		size_t len = key == PORT_KEY_DEVICE ? strlen(spec) : strcspn(spec, ",");
		if (len >= sizeof(value))
			return value_refuse(error, "--port: %s is too long", port_keys[key].word);
		memcpy(value, spec, len);
		value[len] = 0;
		if (!port_keys[key].take(d, value, error))
			return false;
		spec += len + (spec[len] == ',');
	}
	return true;
}

void port_spec_defaults(struct port_spec *d)
{
	struct engine_port *port = &d->port->engine;

	if (!d->mtu)
		port->mtu = 1500;
	if (!d->trust && port->side == ENGINE_OUTSIDE)
		port->trust = ENGINE_TRUST_DHCP | ENGINE_TRUST_RA;
}
