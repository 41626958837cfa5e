/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options and time-outs are tables: a row names its word and the function that takes the value. What belongs
 * together (tap mode and two ports) is checked once at the end, when everything is known.
 */
#include "args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port_spec.h"
#include "value.h"

#define FILE_MAX (256u << 10)

/* Everything read so far. Ports are checked at the end, since --tap may stand after them. */
struct reading {
	struct args *args;
	struct port_spec draft[ENGINE_PORTS_MAX];
	bool from_file;
};

static bool option_run_dir(struct reading *r, const char *value, char *error)
{
	return value_copy("--run-dir", value, r->args->run_dir, sizeof(r->args->run_dir) - 32, error);
}

static bool option_state(struct reading *r, const char *value, char *error)
{
	return value_copy("--state", value, r->args->state_dir, sizeof(r->args->state_dir), error);
}

static bool option_no_huge(struct reading *r, const char *value, char *error)
{
	r->args->no_huge = true;
	return true;
}

static bool option_tap(struct reading *r, const char *value, char *error)
{
	r->args->tap = true;
	return true;
}

static bool option_safe(struct reading *r, const char *value, char *error)
{
	r->args->safe = true;
	return true;
}

static bool option_yield(struct reading *r, const char *value, char *error)
{
	r->args->yield = true;
	return true;
}

static bool option_sessions(struct reading *r, const char *value, char *error)
{
	return value_number32("--sessions", value, 1024, 16u << 20, &r->args->sessions, error);
}

static bool option_records(struct reading *r, const char *value, char *error)
{
	if (!value_number32("--records", value, 1024, 4u << 20, &r->args->records, error))
		return false;
	if (r->args->records & (r->args->records - 1))
		return value_refuse(error, "--records: %s is not a power of two", value);
	return true;
}

static bool option_rate(struct reading *r, const char *value, char *error)
{
	return value_number32("--rate", value, 0, UINT32_MAX, &r->args->rate, error);
}

static bool option_cpu(struct reading *r, const char *value, char *error)
{
	uint32_t cpu;

	if (!value_number32("--cpu", value, 0, 1023, &cpu, error))
		return false;
	r->args->cpu = (int)cpu;
	return true;
}

static bool option_clock(struct reading *r, const char *value, char *error)
{
	if (strcmp(value, "kernel") && strcmp(value, "trusted"))
		return value_refuse(error, "--clock '%s': kernel or trusted", value);
	r->args->clock_trusted = value[0] == 't';
	return true;
}

static const struct timeout_key {
	const char *word;
	size_t offset;
} timeout_keys[] = {
#define T(name)                                                                                              \
	{                                                                                                    \
#name, offsetof(struct engine_timeouts, name)                                                \
	}
	T(tcp_syn), T(tcp_established), T(tcp_closing), T(udp_first), T(udp_answered), T(icmp), T(lease),
#undef T
};

static bool option_timeout(struct reading *r, const char *value, char *error)
{
	const char *equals = strchr(value, '=');
	size_t len = equals ? (size_t)(equals - value) : 0;

	for (size_t i = 0; i < sizeof(timeout_keys) / sizeof(timeout_keys[0]); i++) {
		const struct timeout_key *key = &timeout_keys[i];
		if (strlen(key->word) == len && !memcmp(key->word, value, len))
			return value_number32(key->word, equals + 1, 1, 7 * 86400,
					      (uint32_t *)((char *)&r->args->timeouts + key->offset), error);
	}
	return value_refuse(
		error,
		"--timeout '%s': KEY=SECONDS with tcp_syn, tcp_established, tcp_closing, udp_first, "
		"udp_answered, icmp or lease",
		value);
}

static bool option_port(struct reading *r, const char *value, char *error)
{
	struct args *a = r->args;

	if (a->n_ports == ENGINE_PORTS_MAX)
		return value_refuse(error, "--port: more than %u", ENGINE_PORTS_MAX);
	struct port_spec *d = &r->draft[a->n_ports];
	d->port = &a->port[a->n_ports++];
	return port_spec_take(d, value, error);
}

static const struct option {
	const char *word;
	bool (*take)(struct reading *r, const char *value, char *error);
	bool has_value;
} options[] = {
	{"--run-dir", option_run_dir, true},   {"--state", option_state, true},
	{"--no-huge", option_no_huge, false},  {"--tap", option_tap, false},
	{"--safe", option_safe, false},        {"--yield", option_yield, false},
	{"--sessions", option_sessions, true}, {"--records", option_records, true},
	{"--rate", option_rate, true},         {"--cpu", option_cpu, true},
	{"--clock", option_clock, true},       {"--timeout", option_timeout, true},
	{"--port", option_port, true},
};

const char *args_usage(void)
{
	return "usage: cordon-dp [OPTION]... --port SPEC [--port SPEC]...\n"
	       "       cordon-dp @FILE            one argument per line\n"
	       "\n"
	       "  --run-dir DIR          sockets, lock and ring file (/run/cordon)\n"
	       "  --state DIR            where last-good.image and last-good.bindings lie (/var/lib/cordon)\n"
	       "  --no-huge              ordinary pages; packet capture with dpdk-dumpcap is then not "
	       "possible\n"
	       "  --tap                  two ports, from the first to the second, without the layer-2 part\n"
	       "  --safe                 safe mode: deny everything and take no policy (by itself: for a "
	       "while, "
	       "after repeated failures)\n"
	       "  --yield                after repeated failures stay away from the ports instead: another "
	       "engine "
	       "stands by\n"
	       "  --sessions N           sessions at most (262144)\n"
	       "  --records N            records that wait for cordond, a power of two (65536)\n"
	       "  --rate N               allowed sessions recorded singly per second, 0: all (100000)\n"
	       "  --cpu N                CPU of the worker\n"
	       "  --clock kernel|trusted whether the kernel must say that the clock is synchronised "
	       "(kernel)\n"
	       "  --timeout KEY=SECONDS  tcp_syn tcp_established tcp_closing udp_first udp_answered icmp "
	       "lease\n"
	       "  --port SPEC            "
	       "name=lan1,role=access,vlan=10,side=inside,device=net_af_xdp,iface=veth2\n"
	       "                         keys: name role=access|trunk vlan vlans=10:20 native "
	       "side=inside|outside\n"
	       "                         trust=dhcp:ra mtu device; device comes last and is a DPDK device "
	       "string\n"
	       "  --version, --help\n";
}

static bool take_all(struct reading *r, size_t n, char *const words[], enum args_result *result, char *error);

/* `@FILE`: one argument per line, exactly as if they stood on the command line. */
static bool take_file(struct reading *r, const char *path, enum args_result *result, char *error)
{
	static const size_t max_words = 512;
	char *text = NULL, *words[512], *save = NULL;
	size_t n = 0;
	FILE *file = r->from_file ? NULL : fopen(path, "re");

	if (r->from_file)
		return value_refuse(error, "@%s: an argument file cannot name another", path);
	if (!file)
		return value_refuse(error, "@%s: %s", path, strerror(errno));
	r->from_file = true;
	text = calloc(1, FILE_MAX);
	size_t len = text ? fread(text, 1, FILE_MAX, file) : FILE_MAX;
	bool ok = len < FILE_MAX && !ferror(file) && !memchr(text, 0, len);
	fclose(file);
	if (!ok)
		value_refuse(error, "@%s: not a text file below 256 KiB", path);
	for (char *line = ok ? strtok_r(text, "\n", &save) : NULL; ok && line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (n == max_words)
			ok = value_refuse(error, "@%s: more than %zu lines", path, max_words);
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
			return value_refuse(error, "%s: needs a value", word);
		*used = options[i].has_value;
		return options[i].take(r, value, error);
	}
	return value_refuse(error, "unknown argument '%.80s'", word);
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

static bool check_all(struct reading *r, char *error)
{
	struct args *a = r->args;

	if (!a->n_ports)
		return value_refuse(error, "no --port");
	if (a->tap && a->n_ports != 2)
		return value_refuse(error, "--tap: exactly two ports, in and out, but %u are given",
				    a->n_ports);
	for (uint32_t i = 0; i < a->n_ports; i++) {
		if (!port_spec_check(&r->draft[i], a->tap, error))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(a->port[i].name, a->port[j].name))
				return value_refuse(error, "--port: two ports are named %s", a->port[i].name);
		port_spec_defaults(&r->draft[i]);
	}
	return true;
}

enum args_result args_parse(struct args *a, int argc, char *const argv[], char *error)
{
	struct reading r = {.args = a};
	enum args_result result = ARGS_RUN;

	*a = (struct args){
		.run_dir = "/run/cordon",
		.state_dir = "/var/lib/cordon",
		.sessions = 256u << 10,
		.records = 64u << 10,
		.rate = 100000,
		.cpu = -1,
		.timeouts = ENGINE_TIMEOUTS_DEFAULT,
	};
	if (!take_all(&r, argc > 0 ? (size_t)argc - 1 : 0, argv + (argc > 0), &result, error))
		return ARGS_BAD;
	if (result == ARGS_RUN && !check_all(&r, error))
		return ARGS_BAD;
	return result;
}
