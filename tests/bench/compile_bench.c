/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long does a policy of N identities and M rules take to compile? One JSON object on stdout. The text is
 * drawn from a seed: applications with tiers, rules inside an application, between applications, from a tier
 * of all applications to shared services, and a few for everybody.
 *
 *   compile_bench [identities] [rules] [seed]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compile.h"
#include "mkbox.h"
#include "random.h"
#include "to_nft.h"

#define ROLES 10u
#define RUNS  5

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void write_labels(FILE *out, size_t n_apps)
{
	fprintf(out, "labels:\n  role: [");
	for (size_t i = 0; i < ROLES; i++)
		fprintf(out, "%sr%zu", i ? ", " : "", i);
	fprintf(out, "]\n  app: [");
	for (size_t i = 0; i < n_apps; i++)
		fprintf(out, "%sa%zu", i ? ", " : "", i);
	fprintf(out, "]\n");
}

static void write_classify(FILE *out, size_t identities)
{
	fprintf(out, "classify:\n");
	for (size_t i = 0; i < identities; i++)
		fprintf(out,
			"  - {id: c%zu, when: {prefix: 10.%zu.%zu.0/24}, set: {role: r%zu, app: a%zu}}\n", i,
			i / 256, i % 256, i % ROLES, i / ROLES);
}

static void write_ends(FILE *out, struct rng *r, size_t n_apps)
{
	const size_t app = rng_below(r, n_apps), percent = rng_below(r, 100);
	const size_t from = rng_below(r, ROLES), to = rng_below(r, ROLES);

	if (percent < 60)
		fprintf(out, "from: {role: r%zu, app: a%zu}, to: {role: r%zu, app: a%zu}", from, app, to,
			app);
	else if (percent < 90)
		fprintf(out, "from: {app: a%zu}, to: {role: r%zu, app: a%zu}", app, to, rng_below(r, n_apps));
	else if (percent < 99)
		fprintf(out, "from: {role: r%zu}, to: {role: r%zu, app: a%zu}", from, to, app);
	else
		fprintf(out, "from: $known, to: {app: a%zu}", app);
}

static void write_rules(FILE *out, struct rng *r, size_t rules, size_t n_apps)
{
	static const char *const tiers[] = {"guard", "team", "team", "team", "baseline"};

	fprintf(out, "rules:\n");
	for (size_t i = 0; i < rules; i++) {
		fprintf(out, "  - {id: x%zu, effect: %s, tier: %s, ", i, rng_chance(r, 80) ? "allow" : "deny",
			tiers[rng_below(r, 5)]);
		write_ends(out, r, n_apps);
		fprintf(out, ", service: %s/%zu, owner: o, review_by: 2099-12-31}\n",
			rng_chance(r, 70) ? "tcp" : "udp", 1 + rng_below(r, 9999));
	}
}

static char *write_policy(size_t identities, size_t rules, uint64_t seed, size_t *size)
{
	const size_t n_apps = (identities + ROLES - 1) / ROLES;
	struct rng r = {seed};
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	if (!out)
		return NULL;
	fprintf(out, "cordon: 1\nbundle: {name: bench, owner: bench, timezone: UTC}\n");
	write_labels(out, n_apps);
	write_classify(out, identities);
	write_rules(out, &r, rules, n_apps);
	return fclose(out) ? NULL : text;
}

static struct ruleset *load(const char *text, size_t size)
{
	const struct policy_source source = {"bench.yaml", text, size};
	struct ruleset *rs;
	struct diags diags;

	diags_init(&diags);
	rs = policy_compile(&source, 1, NULL, &diags);
	if (!rs)
		diags_print(&diags, stderr, NULL, NULL);
	diags_free(&diags);
	return rs;
}

/* Best of a few runs; negative if it was refused. */
static double compile(const struct ruleset *rs, struct compile_stats *stats)
{
	const struct compile_limits limits = COMPILE_LIMITS_DEFAULT;
	double best = 1e9;

	for (int run = 0; run < RUNS; run++) {
		struct dictionary *dict = dictionary_new();
		struct image_header *image = NULL;
		const double begin = seconds();
		char error[256] = "no dictionary";
		size_t size;

		if (!dict || compile_image(rs, dict, &limits, &image, &size, stats, error, sizeof error)) {
			fprintf(stderr, "compile: %s\n", error);
			best = -1;
			run = RUNS;
		} else if (seconds() - begin < best) {
			best = seconds() - begin;
		}
		free(image);
		dictionary_free(dict);
	}
	return best;
}

struct kernel_times {
	double compile_s, proof_s;
	uint32_t elements;
	uint64_t bytes;
	char error[256];
};

/* The kernel program of the policy, and the proof that it means the same. */
static void kernel_program(const struct ruleset *rs, struct kernel_times *k)
{
	const struct nft_box box = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	const struct compile_limits limits = COMPILE_LIMITS_DEFAULT;
	const struct nft_limits nft_limits = NFT_LIMITS_DEFAULT;
	struct dictionary *dict = dictionary_new();
	struct image_header *image = NULL;
	struct nft_program *p = NULL;
	struct nft_difference d = {0};
	size_t size;
	double begin;

	if (compile_image(rs, dict, &limits, &image, &size, NULL, k->error, sizeof k->error))
		exit(1);
	begin = seconds();
	if (!compile_nft(image, &box, &nft_limits, &p, &size, k->error, sizeof k->error)) {
		k->compile_s = seconds() - begin;
		k->elements = p->element.count;
		k->bytes = size;
		begin = seconds();
		if (!nft_means(p, image, 0, &d))
			snprintf(k->error, sizeof k->error, "%s", d.text);
		k->proof_s = seconds() - begin;
	}
	free(p);
	free(image);
	dictionary_free(dict);
}

int main(int argc, char **argv)
{
	const size_t identities = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	const size_t rules = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
	struct compile_stats stats = {0};
	double begin, load_s, compile_s;
	size_t size = 0;
	char *text = write_policy(identities, rules, argc > 3 ? strtoull(argv[3], NULL, 10) : 1, &size);
	struct kernel_times kernel = {0};
	struct ruleset *rs;

	if (!text)
		return 1;
	begin = seconds();
	rs = load(text, size);
	load_s = seconds() - begin;
	compile_s = rs ? compile(rs, &stats) : -1;
	if (compile_s >= 0)
		kernel_program(rs, &kernel);
	if (compile_s >= 0)
		printf("{\"identities\": %zu, \"rules\": %zu, \"load_s\": %.3f, \"compile_s\": %.3f, "
		       "\"source_classes\": %u, \"responder_classes\": %u, \"rows\": %u, \"exceptions\": %u, "
		       "\"lists\": %u, \"regions\": %u, \"decisions\": %u, \"bytes\": %" PRIu64
		       ", \"nft_compile_s\": %.3f, "
		       "\"nft_proof_s\": %.3f, \"nft_elements\": %u, \"nft_bytes\": %" PRIu64
		       ", \"nft_error\": \"%s\"}\n",
		       rs->n_identities, rs->n_rules, load_s, compile_s, stats.source_classes,
		       stats.responder_classes, stats.rows, stats.exceptions, stats.lists, stats.regions,
		       stats.decisions, stats.bytes, kernel.compile_s, kernel.proof_s, kernel.elements,
		       kernel.bytes, kernel.error);
	ruleset_free(rs);
	free(text);
	return compile_s < 0;
}
