/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cordond: policy store, identities, transactions, evidence, API. Needs no capability; runs as any user that
 * may write its state and run directories. Forwarding goes on without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handlers.h"
#include "lock.h"
#include "loop.h"
#include "yaml.h"

#define EXIT_USAGE 2
#define EXIT_START 6

/* Prints some process's arguments for this config. */
typedef void print_args(const struct config *c, const char *run_dir, FILE *out);

struct options {
	bool check;
	print_args *print;
	const char *write_dir;
	const char *config, *run_dir, *catalogue;
	bool run_dir_given;
};

static const char usage[] =
	"usage: cordond --config FILE [--run-dir DIR] [--catalogue DIR] [--check | --WHOSE-args | "
	"--write-args DIR]\n"
	"\n"
	"  --config FILE    the gateway's config\n"
	"  --run-dir DIR    sockets and rings (default /run/cordon)\n"
	"  --catalogue DIR  assessment catalogue\n"
	"  --check          check the config and exit\n"
	"  --dp-args        print cordon-dp's arguments for this config, one a line, and exit\n"
	"  --nft-args       the same of cordon-nft; here and below nothing if the config has no use for it\n"
	"  --bridge-args    the same of bridge-prepare\n"
	"  --port-args      the same of port-prepare\n"
	"  --write-args DIR write all four to DIR: dp.args, nft.args, bridge.args, port.args\n"
	"  --version, --help\n";

/* --- arguments -------------------------------------------------------------------------------- */

static void say_and_exit(const char *text)
{
	fputs(text, stdout);
	exit(0);
}

static void print_bridge_args(const struct config *c, const char *run_dir, FILE *out)
{
	config_print_bridge_args(c, out);
}

static void print_port_args(const struct config *c, const char *run_dir, FILE *out)
{
	config_print_port_args(c, out);
}

/* What --WHOSE-args prints and --write-args writes. */
static const struct process {
	const char *name;
	print_args *print;
} processes[] = {
	{"dp", config_print_dp_args},
	{"nft", config_print_nft_args},
	{"bridge", print_bridge_args},
	{"port", print_port_args},
};

#define N_PROCESSES (sizeof(processes) / sizeof(processes[0]))

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"run-dir", required_argument, NULL, 'r'},
		{"catalogue", required_argument, NULL, 'C'},
		{"check", no_argument, NULL, 'k'},
		{"dp-args", no_argument, NULL, '0'},
		{"nft-args", no_argument, NULL, '1'},
		{"bridge-args", no_argument, NULL, '2'},
		{"port-args", no_argument, NULL, '3'},
		{"write-args", required_argument, NULL, 'w'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'r':
			o->run_dir = optarg;
			o->run_dir_given = true;
			break;
		case 'C':
			o->catalogue = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case '0':
		case '1':
		case '2':
		case '3':
			o->print = processes[c - '0'].print;
			break;
		case 'w':
			o->write_dir = optarg;
			break;
		case 'v':
			say_and_exit("cordond " CORDON_VERSION "\n");
			break;
		case 'h':
			say_and_exit(usage);
			break;
		default:
			return false;
		}
	}
	return o->config && optind == argc && o->check + !!o->print + !!o->write_dir <= 1;
}

static const char *default_catalogue(void)
{
	const char *from_env = getenv("CORDON_CATALOGUE");

	return from_env && from_env[0] ? from_env : CORDON_CATALOGUE_DIR;
}

/* --- config ----------------------------------------------------------------------------------- */

struct source {
	const char *name;
	char *text;
	size_t len;
};

static int read_file(const char *path, struct source *s)
{
	FILE *f = fopen(path, "re");
	int r = 0;

	if (!f)
		return -errno;
	s->name = path;
	s->text = malloc(YAML_SIZE_MAX);
	if (!s->text)
		r = -ENOMEM;
	else
		s->len = fread(s->text, 1, YAML_SIZE_MAX, f);
	if (r == 0 && ferror(f))
		r = -EISDIR;
	if (r == 0 && s->len == YAML_SIZE_MAX)
		r = -EFBIG;
	fclose(f);
	return r;
}

static const char *source_text(void *ctx, const char *file, size_t *len)
{
	const struct source *s = ctx;

	*len = s->len;
	return strcmp(file, s->name) == 0 ? s->text : NULL;
}

static struct config *load_config(const char *path)
{
	struct source s = {0};
	struct config *c = NULL;
	struct diags findings;
	int r = read_file(path, &s);

	diags_init(&findings);
	if (r < 0)
		fprintf(stderr, "cordond: %s: %s\n", path, strerror(-r));
	else
		c = config_load(path, s.text, s.len, &findings);
	diags_print(&findings, stderr, source_text, &s);
	diags_free(&findings);
	free(s.text);
	return c;
}

/* --- arguments of the other processes ---------------------------------------------------------- */

static bool args_path(char *path, const char *dir, size_t which, const char *more)
{
	return snprintf(path, PATH_MAX, "%s/%s.args%s", dir, processes[which].name, more) < PATH_MAX;
}

static int write_one(const struct options *o, const struct config *config, size_t which)
{
	char path[PATH_MAX];
	FILE *f;

	if (!args_path(path, o->write_dir, which, ".new"))
		return -ENAMETOOLONG;
	unlink(path); /* of a run that was cut off, or of somebody else who may write there */
	f = fopen(path, "wxe");
	if (!f)
		return -errno;
	processes[which].print(config, o->run_dir_given ? o->run_dir : NULL, f);
	int failed = ferror(f);
	if (fclose(f) != 0)
		return -errno;
	return failed ? -EIO : 0;
}

/* Every file is written before the first one is replaced. */
static int write_args(const struct options *o, const struct config *config)
{
	char new[PATH_MAX], path[PATH_MAX];
	bool replaced = false;
	int r = 0;

	for (size_t i = 0; i < N_PROCESSES && r == 0; i++)
		r = write_one(o, config, i);
	for (size_t i = 0; i < N_PROCESSES; i++) {
		if (!args_path(new, o->write_dir, i, ".new") || !args_path(path, o->write_dir, i, ""))
			continue;
		if (r == 0 && rename(new, path) != 0)
			r = -errno;
		replaced |= r == 0;
		if (r < 0)
			unlink(new);
	}
	if (r < 0)
		fprintf(stderr, "cordond: cannot write the arguments to %s: %s; %s\n", o->write_dir,
			strerror(-r),
			replaced ? "some of them were replaced" : "what was there stays as it was");
	return r < 0 ? EXIT_START : 0;
}

/* --- running ---------------------------------------------------------------------------------- */

static int start_failed(const char *text)
{
	fprintf(stderr, "cordond: %s\n", text);
	return EXIT_START;
}

static int serve(struct daemon *d, const char *run_dir)
{
	struct api_config api = {.access = d->config->access,
				 .n_access = d->config->n_access,
				 .endpoints = handlers,
				 .n_endpoints = n_handlers,
				 .ctx = d,
				 .denied = handlers_denied};
	char path[PATH_MAX], error[PATH_MAX + 128];
	struct api_server *server;
	int fd, r;

	snprintf(path, sizeof(path), "%s/api.sock", run_dir);
	fd = api_listen(path, "cordon");
	if (fd < 0) {
		snprintf(error, sizeof(error), "%s: %s", path, strerror(-fd));
		return start_failed(error);
	}
	server = api_server_new(&api);
	if (!server) {
		close(fd);
		return start_failed("cannot start the API server");
	}
	daemon_log(d, LOG_LEVEL_NOTICE, "listening at %s", path);
	r = loop_run(d, server, fd);
	unlink(path);
	close(fd);
	api_server_free(server);
	return r < 0 ? start_failed(strerror(-r)) : 0;
}

static int run(const struct options *o, struct config *config)
{
	char error[PATH_MAX + 256] = "";
	struct daemon d;
	struct log log;
	int lock = lock_take(o->run_dir, error, sizeof(error)), r;

	if (lock < 0) {
		config_free(config);
		return start_failed(error);
	}
	umask(0007);
	signal(SIGPIPE, SIG_IGN);
	r = loop_hold_signals();
	if (r < 0) {
		close(lock);
		config_free(config);
		return start_failed(strerror(-r));
	}
	log_init(&log, "cordond", LOG_LEVEL_INFO);
	r = daemon_open(&d, config, o->run_dir, &log, error, sizeof(error));
	if (r < 0) {
		close(lock);
		return start_failed(error);
	}
	d.catalogue = o->catalogue;
	r = serve(&d, o->run_dir);
	daemon_close(&d);
	close(lock);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = {.run_dir = "/run/cordon", .catalogue = default_catalogue()};
	struct config *config;
	int r = 0;

	if (!parse_options(argc, argv, &o)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	config = load_config(o.config);
	if (!config)
		return EXIT_USAGE;
	if (!o.check && !o.print && !o.write_dir)
		return run(&o, config);
	if (o.write_dir)
		r = write_args(&o, config);
	else if (o.print)
		o.print(config, o.run_dir_given ? o.run_dir : NULL, stdout);
	else
		fprintf(stderr, "%s: config of gateway %s is good, %zu ports\n", o.config, config->gateway,
			config->n_ports);
	config_free(config);
	return fflush(stdout) == 0 ? r : EXIT_START;
}
