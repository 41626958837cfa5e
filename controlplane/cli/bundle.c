/* SPDX-License-Identifier: BSD-3-Clause */
/* Files are sorted by name only so that findings come in a stable order; for the policy itself order means
 * nothing. */
#include "bundle.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "member.h"
#include "yaml.h"
#include "zone.h"

static bool file_slurp(FILE *file, char **text, size_t *len)
{
	size_t room = 64 << 10;

	*text = malloc(room);
	for (*len = 0; *text != NULL;) {
		*len += fread(*text + *len, 1, room - *len, file);
		if (*len < room)
			return ferror(file) == 0;
		if (room > YAML_SIZE_MAX) {
			errno = EFBIG;
			return false;
		}
		room *= 2;
		char *more = realloc(*text, room);
		if (more == NULL)
			return false;
		*text = more;
	}
	return false;
}

static int read_file(struct cli *cli, char *name, struct bundle *b)
{
	struct policy_source *grown = realloc(b->sources, (b->n + 1) * sizeof(*grown));
	char *text = NULL;
	size_t len = 0;

	if (name == NULL || grown == NULL) {
		free(name);
		return cli_fail(cli, CLI_USAGE, "out of memory");
	}
	b->sources = grown;
	FILE *file = fopen(name, "re");
	bool good = file != NULL && file_slurp(file, &text, &len);
	int problem = errno;
	if (file != NULL)
		fclose(file);
	b->sources[b->n++] = (struct policy_source){name, text, len};
	if (good)
		return CLI_DONE;
	return cli_fail(cli, CLI_USAGE, "cannot read %s: %s", name, strerror(problem));
}

static bool is_yaml(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot != NULL && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static char *path_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);
	char *path;

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return asprintf(&path, "%.*s/%s", (int)len, dir, name) < 0 ? NULL : path;
}

static int read_dir(struct cli *cli, const char *path, struct bundle *b)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort), code = CLI_DONE;

	if (n < 0)
		return cli_fail(cli, CLI_USAGE, "cannot read %s: %s", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		if (code == CLI_DONE && is_yaml(name))
			code = read_file(cli, path_join(path, name), b);
		else if (code == CLI_DONE && name[0] != '.')
			cli_note(cli, "%s/%s is not a .yaml file and no part of the policy", path, name);
		free(entries[i]);
	}
	free(entries);
	if (code == CLI_DONE && b->n == 0)
		return cli_fail(cli, CLI_USAGE, "no .yaml file in %s", path);
	return code;
}

int bundle_read(struct cli *cli, const char *path, struct bundle *b)
{
	struct stat st;

	*b = (struct bundle){0};
	diags_init(&b->diags);
	if (stat(path, &st) != 0)
		return cli_fail(cli, CLI_USAGE, "cannot read %s: %s", path, strerror(errno));
	return S_ISDIR(st.st_mode) ? read_dir(cli, path, b) : read_file(cli, strdup(path), b);
}

bool bundle_take(struct bundle *b, const json_t *files)
{
	size_t i, n = json_array_size(files);
	json_t *file;

	*b = (struct bundle){.sources = calloc(n + 1, sizeof(*b->sources))};
	diags_init(&b->diags);
	json_array_foreach(files, i, file)
	{
		const json_t *text = json_object_get(file, "text");
		char *name = strdup(member_text(file, "name", ""));
		if (b->sources == NULL || name == NULL || !json_is_string(text)) {
			free(name);
			return false;
		}
		b->sources[b->n++] = (struct policy_source){name, strdup(json_string_value(text)),
							    json_string_length(text)};
	}
	return n > 0;
}

bool bundle_compile(struct bundle *b)
{
	return bundle_compile_for(b, NULL);
}

bool bundle_compile_for(struct bundle *b, const struct config *config)
{
	struct policy_env env = {.day_end = zone_day_end};
	const char *ports[CONFIG_PORTS_MAX];

	if (config != NULL)
		config_env(config, ports, &env);
	b->rs = policy_compile(b->sources, b->n, &env, &b->diags);
	return b->rs != NULL;
}

int bundle_load(struct cli *cli, const char *path, struct bundle *b)
{
	int code = bundle_read(cli, path, b);

	if (code != CLI_DONE)
		return code;
	if (bundle_compile(b))
		return CLI_DONE;
	diags_sort(&b->diags);
	diags_print(&b->diags, cli->err, bundle_text, b);
	return cli_fail(cli, CLI_POLICY, "the policy does not compile (%zu error%s)", b->diags.n_errors,
			b->diags.n_errors == 1 ? "" : "s");
}

void bundle_free(struct bundle *b)
{
	ruleset_free(b->rs);
	diags_free(&b->diags);
	for (size_t i = 0; i < b->n; i++) {
		free((char *)b->sources[i].name);
		free((char *)b->sources[i].text);
	}
	free(b->sources);
}

const char *bundle_text(void *bundle, const char *file, size_t *len)
{
	const struct bundle *b = bundle;

	for (size_t i = 0; i < b->n; i++) {
		if (strcmp(b->sources[i].name, file) == 0) {
			*len = b->sources[i].len;
			return b->sources[i].text;
		}
	}
	return NULL;
}
