/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making a generation from text.
 */
#include "generation.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "config.h"
#include "image_check.h"
#include "to_nft.h"

struct generation *generation_new(size_t n_files)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->files = calloc(n_files ? n_files : 1, sizeof(*g->files));
	if (g->files)
		return g;
	free(g);
	return NULL;
}

void generation_free(struct generation *g)
{
	if (!g)
		return;
	ruleset_free(g->rs);
	free(g->image);
	free(g->program);
	for (size_t i = 0; i < g->n_files; i++) {
		free(g->files[i].name);
		free(g->files[i].text);
	}
	free(g->files);
	free(g);
}

bool generation_add_file(struct generation *g, const char *name, const char *text, size_t len)
{
	struct policy_file *f = &g->files[g->n_files];

	for (size_t i = 0; i < g->n_files; i++)
		if (strcmp(g->files[i].name, name) == 0)
			return false;
	f->name = strdup(name);
	f->text = malloc(len + 1);
	if (!f->name || !f->text) {
		free(f->name);
		free(f->text);
		return false;
	}
	memcpy(f->text, text, len);
	f->text[len] = 0;
	f->len = len;
	g->n_files++;
	return true;
}

const char *generation_source(void *ctx, const char *file, size_t *len)
{
	const struct generation *g = ctx;

	for (size_t i = 0; i < g->n_files; i++) {
		if (strcmp(g->files[i].name, file) == 0) {
			*len = g->files[i].len;
			return g->files[i].text;
		}
	}
	return NULL;
}

bool generation_resolve(struct generation *g, const struct config *config, struct diags *d)
{
	struct policy_source *sources = calloc(g->n_files ? g->n_files : 1, sizeof(*sources));
	const char *ports[CONFIG_PORTS_MAX];
	struct policy_env env;

	if (!sources)
		return false;
	for (size_t i = 0; i < g->n_files; i++)
		sources[i] = (struct policy_source){g->files[i].name, g->files[i].text, g->files[i].len};
	config_env(config, ports, &env);
	g->rs = policy_compile(sources, g->n_files, &env, d);
	free(sources);
	return g->rs && d->n_errors == 0;
}

static size_t run_tests(const struct ruleset *rs, int64_t now_utc, struct diags *d)
{
	struct test_result *results = calloc(rs->n_tests ? rs->n_tests : 1, sizeof(*results));
	size_t passed = 0;

	if (!results) {
		diag_add(d, SEV_ERROR, (struct place){.file = rs->name}, "out of memory for the tests");
		return 0;
	}
	policy_run_tests(rs, now_utc, results);
	for (size_t i = 0; i < rs->n_tests; i++) {
		passed += results[i].passed;
		if (!results[i].passed)
			diag_add(d, SEV_ERROR, results[i].test->place, "test `%s` failed: %s",
				 results[i].test->name, results[i].text);
	}
	free(results);
	return passed;
}

bool generation_admit(struct generation *g, const struct config *config, int64_t now_utc, struct diags *d)
{
	config_demands(config, g->rs, now_utc, d);
	g->tests_passed = run_tests(g->rs, now_utc, d);
	return d->n_errors == 0;
}

static void hash_image(struct generation *g)
{
	EVP_Digest(g->image, g->image_size, g->image_digest, NULL, EVP_sha256(), NULL);
}

enum compile_result generation_compile(struct generation *g, struct dictionary *dict, char *error,
				       size_t room)
{
	struct compile_limits limits = COMPILE_LIMITS_DEFAULT;
	struct compile_stats stats;
	enum compile_result r =
		compile_image(g->rs, dict, &limits, &g->image, &g->image_size, &stats, error, room);

	if (r == COMPILE_OK)
		hash_image(g);
	return r;
}

enum compile_result generation_program(struct generation *g, const struct nft_box *box, char *error,
				       size_t room)
{
	if (g->program)
		return COMPILE_OK;
	return compile_nft(g->image, box, &NFT_LIMITS_DEFAULT, &g->program, &g->program_size, error, room);
}

void generation_forget_program(struct generation *g)
{
	if (!g)
		return;
	free(g->program);
	g->program = NULL;
	g->program_size = 0;
}

bool generation_take_image(struct generation *g, const void *bytes, size_t size)
{
	struct image_header *copy;

	if (size < sizeof(*copy) || size > IMAGE_SIZE_MAX)
		return false;
	copy = aligned_alloc(IMAGE_ALIGN, (size + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN);
	if (!copy)
		return false;
	memcpy(copy, bytes, size);
	if (image_check(copy, size)) {
		free(copy);
		return false;
	}
	free(g->image);
	g->image = copy;
	g->image_size = size;
	hash_image(g);
	return true;
}

void generation_forget_image(struct generation *g)
{
	generation_forget_program(g);
	free(g->image);
	g->image = NULL;
	g->image_size = 0;
	g->number = 0;
}

void digest_text(const uint8_t digest[32], char out[65])
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < 32; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[64] = 0;
}
