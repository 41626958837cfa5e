/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options and the keys of a port are tables: a row names its word and the function that takes the value. What
 * belongs together is checked once at the end, when everything is known.
 */
#include "args.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX  (256u << 10)
#define WORDS_MAX 512u
#define VALUE_MAX 512u
#define VLAN_MAX  4094u
#define LEASE_S   300u

/* A port while it is read: what was written decides what is missing. */
struct draft {
	struct nft_box_port *port;
	bool role, side, vlan, vlans, native, device;
};

struct reading {
	struct args *args;
	struct draft draft[NFT_PORTS_MAX];
	bool from_file;
};

/* --- values: false with the reason in `error` ---------------------------------------------------------- */

static __attribute__((format(printf, 2, 3))) bool refuse(char *error, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(error, ARGS_ERROR, format, list);
	va_end(list);
	return false;
}

static bool take_number(const char *what, const char *text, uint32_t low, uint32_t high, uint16_t *out,
			char *error)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno || *end || value < low || value > high)
		return refuse(error, "%s: '%.40s' is not a number from %u to %u", what, text, low, high);
	*out = (uint16_t)value;
	return true;
}

static bool take_seconds(const char *what, const char *text, uint32_t *out, char *error)
{
	uint16_t value = 0;

	if (!take_number(what, text, 1, UINT16_MAX, &value, error))
		return false;
	*out = value;
	return true;
}

static bool take_text(const char *what, const char *text, char *out, size_t room, char *error)
{
	const size_t len = strlen(text);

	if (!len)
		return refuse(error, "%s: empty", what);
	if (len >= room)
		return refuse(error, "%s: longer than %zu characters: '%.40s...'", what, room - 1, text);
	memcpy(out, text, len + 1);
	return true;
}

/* As the kernel takes names of interfaces. */
static bool take_device(const char *what, const char *text, char *out, char *error)
{
	for (const char *c = text; *c; c++)
		if (!isgraph((unsigned char)*c) || strchr("/:\"*,", *c))
			return refuse(error, "%s: '%.40s' is no name of a network device", what, text);
	if (!strcmp(text, ".") || !strcmp(text, ".."))
		return refuse(error, "%s: '%s' is no name of a network device", what, text);
	return take_text(what, text, out, NFT_DEVICE, error);
}

/* --- a port -------------------------------------------------------------------------------------------- */

static bool key_name(struct draft *d, const char *value, char *error)
{
	for (const char *c = value; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			return refuse(error, "port name '%.40s': only letters, digits, '-', '_' and '.'",
				      value);
	return take_text("port name", value, d->port->name, sizeof(d->port->name), error);
}

static bool key_device(struct draft *d, const char *value, char *error)
{
	d->device = true;
	return take_device("device", value, d->port->device, error);
}

static bool key_role(struct draft *d, const char *value, char *error)
{
	d->role = true;
	d->port->trunk = !strcmp(value, "trunk");
	return d->port->trunk || !strcmp(value, "access")
		       ? true
		       : refuse(error, "role '%.40s': access or trunk", value);
}

static bool key_side(struct draft *d, const char *value, char *error)
{
	d->side = true;
	d->port->outside = !strcmp(value, "outside");
	return d->port->outside || !strcmp(value, "inside")
		       ? true
		       : refuse(error, "side '%.40s': inside or outside", value);
}

static bool key_vlan(struct draft *d, const char *value, char *error)
{
	d->vlan = true;
	return take_number("vlan", value, 1, VLAN_MAX, &d->port->vlan, error);
}

static bool key_native(struct draft *d, const char *value, char *error)
{
	d->native = true;
	return take_number("native", value, 1, VLAN_MAX, &d->port->vlan, error);
}

static bool add_vlan(struct nft_box_port *port, const char *word, char *error)
{
	uint16_t vlan = 0;

	if (!take_number("vlans", word, 1, VLAN_MAX, &vlan, error))
		return false;
	for (uint16_t i = 0; i < port->n_vlans; i++)
		if (port->vlans[i] == vlan)
			return refuse(error, "vlans: %u twice", vlan);
	if (port->n_vlans == NFT_VLANS_MAX)
		return refuse(error, "vlans: more than %u", NFT_VLANS_MAX);
	port->vlans[port->n_vlans++] = vlan;
	return true;
}

static bool key_vlans(struct draft *d, const char *value, char *error)
{
	char words[VALUE_MAX], *save = NULL;

	d->vlans = true;
	if (!take_text("vlans", value, words, sizeof(words), error))
		return false;
	for (char *word = strtok_r(words, ":", &save); word; word = strtok_r(NULL, ":", &save))
		if (!add_vlan(d->port, word, error))
			return false;
	return true;
}

static const struct port_key {
	const char *word;
	bool (*take)(struct draft *d, const char *value, char *error);
} port_keys[] = {
	{"name", key_name}, {"device", key_device}, {"role", key_role},     {"side", key_side},
	{"vlan", key_vlan}, {"vlans", key_vlans},   {"native", key_native},
};
#define N_PORT_KEYS (sizeof(port_keys) / sizeof(port_keys[0]))

static const struct port_key *find_key(const char *word, size_t len)
{
	for (size_t i = 0; i < N_PORT_KEYS; i++)
		if (strlen(port_keys[i].word) == len && !memcmp(port_keys[i].word, word, len))
			return &port_keys[i];
	return NULL;
}

static bool take_port(struct draft *d, const char *spec, char *error)
{
	bool seen[N_PORT_KEYS] = {false};

	while (*spec) {
		const size_t word = strcspn(spec, "=,"), len = strcspn(spec + word, ",");
		const struct port_key *key = spec[word] == '=' ? find_key(spec, word) : NULL;
		char value[VALUE_MAX];

		if (!key)
			return refuse(error, "--port: unknown key '%.*s' in '%.80s'",
				      (int)(word < 40 ? word : 40), spec, spec);
		if (seen[key - port_keys])
			return refuse(error, "--port: '%s' twice", key->word);
		seen[key - port_keys] = true;
		if (len > sizeof(value))
			return refuse(error, "--port: %s is too long", key->word);
		memcpy(value, spec + word + 1, len - 1);
		value[len - 1] = 0;
		if (!key->take(d, value, error))
			return false;
		spec += word + len;
		spec += *spec == ',';
	}
	return true;
}

static bool check_port(const struct draft *d, char *error)
{
	const struct nft_box_port *p = d->port;

	if (!p->name[0])
		return refuse(error, "--port: no name=");
	if (!d->device)
		return refuse(error, "port %s: no device=", p->name);
	if (!d->role)
		return refuse(error, "port %s: no role= (access or trunk)", p->name);
	if (!d->side)
		return refuse(error, "port %s: no side= (inside or outside)", p->name);
	if (!p->trunk && (!d->vlan || d->vlans || d->native))
		return refuse(error,
			      "port %s: an access port has vlan=, and neither vlans= nor native=", p->name);
	if (p->trunk && (!d->vlans || d->vlan))
		return refuse(error,
			      "port %s: a trunk port has vlans= (and perhaps native=), not vlan=", p->name);
	return true;
}

/* --- options ------------------------------------------------------------------------------------------- */

static bool option_run_dir(struct reading *r, const char *value, char *error)
{
	return take_text("--run-dir", value, r->args->run_dir, sizeof(r->args->run_dir) - 32, error);
}

static bool option_bridge(struct reading *r, const char *value, char *error)
{
	return take_device("--bridge", value, r->args->box.bridge, error);
}

static bool option_port(struct reading *r, const char *value, char *error)
{
	struct nft_box *box = &r->args->box;

	if (box->n_ports == NFT_PORTS_MAX)
		return refuse(error, "--port: more than %u", NFT_PORTS_MAX);
	struct draft *d = &r->draft[box->n_ports];
	d->port = &box->port[box->n_ports++];
	return take_port(d, value, error);
}

static bool option_management(struct reading *r, const char *value, char *error)
{
	struct nft_box *box = &r->args->box;
	struct nft_box_address *a = &box->management[box->n_management];

	if (box->n_management == NFT_MANAGEMENT_MAX)
		return refuse(error, "--management: more than %u", NFT_MANAGEMENT_MAX);
	if (inet_pton(AF_INET, value, a->addr) == 1)
		a->family = 4;
	else if (inet_pton(AF_INET6, value, a->addr) == 1)
		a->family = 6;
	else
		return refuse(error, "--management '%.60s': not an address", value);
	for (uint32_t i = 0; i < box->n_management; i++)
		if (!memcmp(&box->management[i], a, sizeof(*a)))
			return refuse(error, "--management %s: twice", value);
	box->n_management++;
	return true;
}

static bool option_plane(struct reading *r, const char *value, char *error)
{
	if (!strcmp(value, "forward"))
		r->args->box.planes |= NFT_PLANE_FORWARD;
	else if (!strcmp(value, "host"))
		r->args->box.planes |= NFT_PLANE_HOST;
	else
		return refuse(error, "--plane '%.40s': forward or host", value);
	return true;
}

static bool option_standby(struct reading *r, const char *value, char *error)
{
	r->args->standby = true;
	return true;
}

static bool option_dp_lock(struct reading *r, const char *value, char *error)
{
	return take_text("--dp-lock", value, r->args->dp_lock, sizeof(r->args->dp_lock), error);
}

static bool option_group(struct reading *r, const char *value, char *error)
{
	return take_number("--group", value, 1, UINT16_MAX - 1, &r->args->box.group, error);
}

static bool option_clock(struct reading *r, const char *value, char *error)
{
	if (strcmp(value, "kernel") && strcmp(value, "trusted"))
		return refuse(error, "--clock '%.40s': kernel or trusted", value);
	r->args->clock_trusted = value[0] == 't';
	return true;
}

static bool option_lease(struct reading *r, const char *value, char *error)
{
	return take_seconds("--lease", value, &r->args->lease_s, error);
}

static const struct option {
	const char *word;
	bool (*take)(struct reading *r, const char *value, char *error);
	bool has_value;
} options[] = {
	{"--run-dir", option_run_dir, true}, {"--bridge", option_bridge, true},
	{"--port", option_port, true},       {"--management", option_management, true},
	{"--plane", option_plane, true},     {"--standby", option_standby, false},
	{"--dp-lock", option_dp_lock, true}, {"--group", option_group, true},
	{"--clock", option_clock, true},     {"--lease", option_lease, true},
};

const char *args_usage(void)
{
	return "usage: cordon-nft [OPTION]... --plane PLANE\n"
	       "       cordon-nft @FILE           one argument per line\n"
	       "\n"
	       "  --run-dir DIR          socket, lock and ring file (/run/cordon)\n"
	       "  --plane forward|host   what the kernel is to enforce: between the ports of the bridge, "
	       "and\n"
	       "                         to and from the gateway's own addresses; may be given twice\n"
	       "  --bridge NAME          kernel bridge that the ports belong to\n"
	       "  --port SPEC            name=lan1,device=eth1,role=access,vlan=20,side=inside\n"
	       "                         keys: name device role=access|trunk vlan vlans=10:20 native\n"
	       "                         side=inside|outside\n"
	       "  --management ADDRESS   one of the gateway's own addresses\n"
	       "  --standby              keep off the ports while the dataplane lives\n"
	       "  --dp-lock FILE         the dataplane's lock (RUN-DIR/cordon-dp.lock)\n"
	       "  --group N              netfilter log group of decisions; endpoints use the next (20240)\n"
	       "  --clock kernel|trusted whether the kernel must say that the clock is synchronised "
	       "(kernel)\n"
	       "  --lease SECONDS        how long a binding holds without a session (300)\n"
	       "  --version, --help\n";
}

static bool take_all(struct reading *r, size_t n, char *const words[], enum args_result *result, char *error);

static bool read_text(const char *path, char *text, char *error)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return refuse(error, "@%s: %s", path, strerror(errno));
	const size_t len = fread(text, 1, FILE_MAX, file);
	const bool ok = len < FILE_MAX && !ferror(file) && !memchr(text, 0, len);
	fclose(file);
	return ok ? true : refuse(error, "@%s: not a text file below 256 KiB", path);
}

/* `@FILE`: one argument per line, exactly as if they stood on the command line. */
static bool take_file(struct reading *r, const char *path, enum args_result *result, char *error)
{
	char *words[WORDS_MAX], *save = NULL;
	size_t n = 0;

	if (r->from_file)
		return refuse(error, "@%s: an argument file cannot name another", path);
	r->from_file = true;
	char *text = calloc(1, FILE_MAX);
	bool ok = text ? read_text(path, text, error) : refuse(error, "@%s: no memory", path);
	for (char *line = ok ? strtok_r(text, "\n", &save) : NULL; ok && line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (n == WORDS_MAX)
			ok = refuse(error, "@%s: more than %u lines", path, WORDS_MAX);
		else
			words[n++] = line;
	}
	ok = ok && take_all(r, n, words, result, error);
	free(text);
	return ok;
}

static bool take_option(struct reading *r, const char *word, const char *value, bool *used, char *error)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(word, options[i].word))
			continue;
		if (options[i].has_value && !value)
			return refuse(error, "%s: needs a value", word);
		*used = options[i].has_value;
		return options[i].take(r, value, error);
	}
	return refuse(error, "unknown argument '%.80s'", word);
}

static bool take_all(struct reading *r, size_t n, char *const words[], enum args_result *result, char *error)
{
	for (size_t i = 0; i < n; i++) {
		bool used = false;

		if (!strcmp(words[i], "--help"))
			*result = ARGS_HELP;
		else if (!strcmp(words[i], "--version"))
			*result = ARGS_VERSION;
		else if (words[i][0] == '@') {
			if (!take_file(r, words[i] + 1, result, error))
				return false;
		} else if (!take_option(r, words[i], i + 1 < n ? words[i + 1] : NULL, &used, error)) {
			return false;
		}
		i += used;
	}
	return true;
}

/* --- what fits together -------------------------------------------------------------------------------- */

static bool check_twice(const struct nft_box *box, uint32_t i, char *error)
{
	for (uint32_t j = 0; j < i; j++) {
		if (!strcmp(box->port[i].name, box->port[j].name))
			return refuse(error, "--port: two ports are named %s", box->port[i].name);
		if (!strcmp(box->port[i].device, box->port[j].device))
			return refuse(error, "--port: %s and %s are one device", box->port[j].name,
				      box->port[i].name);
	}
	return true;
}

static bool check_planes(const struct args *a, char *error)
{
	const struct nft_box *box = &a->box;
	const bool forward = box->planes & NFT_PLANE_FORWARD;

	if (!box->planes)
		return refuse(error, "no --plane (forward or host)");
	if (forward && !box->n_ports)
		return refuse(error, "--plane forward: no --port");
	if (forward && !box->bridge[0])
		return refuse(error, "--plane forward: no --bridge");
	if (box->planes & NFT_PLANE_HOST && !box->n_management)
		return refuse(error, "--plane host: no --management");
	if (a->standby && !forward)
		return refuse(error, "--standby: only with --plane forward");
	return true;
}

static bool check_all(struct reading *r, char *error)
{
	struct args *a = r->args;

	for (uint32_t i = 0; i < a->box.n_ports; i++)
		if (!check_port(&r->draft[i], error) || !check_twice(&a->box, i, error))
			return false;
	if (!a->dp_lock[0])
		snprintf(a->dp_lock, sizeof(a->dp_lock), "%.63s/cordon-dp.lock", a->run_dir);
	return check_planes(a, error);
}

enum args_result args_parse(struct args *a, int argc, char *const argv[], char *error)
{
	struct reading r = {.args = a};
	enum args_result result = ARGS_RUN;

	*a = (struct args){.run_dir = "/run/cordon", .lease_s = LEASE_S, .box.group = NFT_GROUP_DEFAULT};
	if (!take_all(&r, argc > 0 ? (size_t)argc - 1 : 0, argv + (argc > 0), &result, error))
		return ARGS_BAD;
	if (result == ARGS_RUN && !check_all(&r, error))
		return ARGS_BAD;
	return result;
}
