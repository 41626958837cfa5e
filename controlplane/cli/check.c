/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `check` and `test`: the two questions one asks of a policy text before anybody else does. Both run the
 * tests inside the policy; check takes a failed one as an error with its place, test counts.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "compile.h"
#include "config.h"
#include "needs.h"
#include "text.h"
#include "verbs.h"

static size_t run_tests(const struct ruleset *rs, struct test_result **results)
{
	*results = calloc(rs->n_tests + 1, sizeof(**results));
	return policy_run_tests(rs, text_now() / 1000000000, *results);
}

/* --- check ------------------------------------------------------------------------------------- */

struct check {
	struct bundle bundle;
	struct bundle config_file; /* --config; its findings are about the config only */
	struct config *config;     /* NULL: none */
	struct nft_box box;        /* of the engine in question; without planes: cordon-dp alone */
	struct compile_stats stats;
	size_t failed, passed;
	bool compiled; /* to an image */
	bool refused;  /* it does not fit; the finding says why */
};

static void check_tests(struct check *c)
{
	const struct ruleset *rs = c->bundle.rs;
	struct test_result *results;

	c->failed = run_tests(rs, &results);
	c->passed = rs->n_tests - c->failed;
	for (size_t i = 0; i < rs->n_tests; i++)
		if (!results[i].passed)
			diag_add(&c->bundle.diags, SEV_ERROR, results[i].test->place, "test '%s' failed: %s",
				 results[i].test->name, results[i].text);
	free(results);
}

/* No line is to blame for a policy that does not fit, so the finding stands at the top. */
static void check_capacity(struct check *c)
{
	struct place top = {c->bundle.sources[0].name, 1, 1, 0};
	struct dictionary *dict = dictionary_new();
	struct image_header *image = NULL;
	char error[256];
	size_t size;

	c->compiled = compile_image(c->bundle.rs, dict, &COMPILE_LIMITS_DEFAULT, &image, &size, &c->stats,
				    error, sizeof(error)) == COMPILE_OK;
	if (!c->compiled) {
		c->refused = c->bundle.diags.n_errors == 0;
		diag_add(&c->bundle.diags, SEV_ERROR, top, "capacity: %s", error);
	}
	free(image);
	dictionary_free(dict);
}

static const char *severity_word(enum severity severity)
{
	static const char *const words[] = {
		[SEV_ERROR] = "error", [SEV_WARNING] = "warning", [SEV_NOTE] = "note"};

	return words[severity];
}

static json_t *finding_json(const struct diag *d)
{
	return json_pack("{s:s, s:s?, s:i, s:i, s:i, s:s}", "severity", severity_word(d->severity), "file",
			 d->place.file, "line", (int)d->place.line, "column", (int)d->place.column,
			 "end_column", (int)d->place.end_column, "text", d->text);
}

static json_t *findings_json(const struct check *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->bundle.diags.n; i++)
		json_array_append_new(list, finding_json(&c->bundle.diags.items[i]));
	return list;
}

static json_t *counts_json(const struct check *c)
{
	const struct ruleset *rs = c->bundle.rs;
	json_t *counts = json_pack("{s:I, s:I, s:I}", "files", (json_int_t)c->bundle.n, "errors",
				   (json_int_t)c->bundle.diags.n_errors, "warnings",
				   (json_int_t)c->bundle.diags.n_warnings);
	if (rs == NULL)
		return counts;
	json_object_update_new(
		counts,
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rules", (json_int_t)rs->n_rules,
			  "classifiers", (json_int_t)rs->n_classifiers, "identities",
			  (json_int_t)rs->n_identities, "scopes", (json_int_t)rs->n_scopes, "groups",
			  (json_int_t)rs->n_groups, "tests", (json_int_t)rs->n_tests, "tests_passed",
			  (json_int_t)c->passed, "tests_failed", (json_int_t)c->failed));
	if (c->compiled)
		json_object_update_new(
			counts, json_pack("{s:I, s:I, s:I, s:I, s:I}", "source_classes",
					  (json_int_t)c->stats.source_classes, "responder_classes",
					  (json_int_t)c->stats.responder_classes, "lists",
					  (json_int_t)c->stats.lists, "regions", (json_int_t)c->stats.regions,
					  "image_bytes", (json_int_t)c->stats.bytes));
	return counts;
}

static json_t *digest_json(const struct ruleset *rs)
{
	char hex[2 * sizeof(rs->digest) + 1];

	if (rs == NULL)
		return json_null();
	for (size_t i = 0; i < sizeof(rs->digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", rs->digest[i]);
	return json_string(hex);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_counts(const struct check *c, FILE *out)
{
	const struct ruleset *rs = c->bundle.rs;
	size_t errors = c->bundle.diags.n_errors, warnings = c->bundle.diags.n_warnings;
	char amount[16];

	if (rs != NULL) {
		fprintf(out, "policy    %s: %zu file%s, %zu rules, %zu classifiers, %zu groups, %zu scopes\n",
			rs->name, c->bundle.n, plural(c->bundle.n), rs->n_rules, rs->n_classifiers,
			rs->n_groups, rs->n_scopes);
		fprintf(out, "space     %zu identities (limit %u)\n", rs->n_identities,
			IDENTITY_LAST - IDENTITY_FIRST + 1);
		fprintf(out, "tests     %zu passed, %zu failed\n", c->passed, c->failed);
	}
	if (c->compiled)
		fprintf(out,
			"capacity  %u source classes, %u responder classes, %u lists, %u regions, image %s "
			"bytes\n",
			c->stats.source_classes, c->stats.responder_classes, c->stats.lists, c->stats.regions,
			text_amount(c->stats.bytes, amount, sizeof(amount)));
	if (errors == 0 && warnings == 0)
		fprintf(out, "ok\n");
	else
		fprintf(out, "%zu error%s, %zu warning%s\n", errors, plural(errors), warnings,
			plural(warnings));
}

static bool check_print(struct cli *cli, struct check *c, int code)
{
	if (cli->style.format == OUT_JSON || cli->style.format == OUT_JSONL)
		return out_document(cli->out, cli->style.format, "cordon.check/1",
				    json_pack("{s:b, s:i}", "complete", 1, "lost", 0),
				    json_pack("{s:b, s:o, s:o, s:o}", "ok", code == CLI_DONE, "digest",
					      digest_json(c->bundle.rs), "findings", findings_json(c),
					      "counts", counts_json(c)));
	diags_print(&c->bundle.diags, cli->out, bundle_text, &c->bundle);
	print_counts(c, cli->out);
	return fflush(cli->out) == 0 && ferror(cli->out) == 0;
}

/* A config with faults is no base to judge a policy on. */
static int load_config(struct cli *cli, struct check *c)
{
	const char *path = cli_option(cli, "config");
	struct bundle *b = &c->config_file;
	int code;

	if (path == NULL)
		return CLI_DONE;
	code = bundle_read(cli, path, b);
	if (code != CLI_DONE)
		return code;
	if (b->n == 1)
		c->config = config_load(b->sources[0].name, b->sources[0].text, b->sources[0].len, &b->diags);
	diags_print(&b->diags, cli->err, bundle_text, b);
	if (c->config == NULL)
		return cli_fail(cli, CLI_USAGE, "%s is no config that cordond would take", path);
	config_box(c->config, &c->box);
	return CLI_DONE;
}

/* The engine that is asked about, whatever the config says. */
static int choose_engine(struct cli *cli, struct check *c)
{
	const char *engine = cli_option(cli, "engine");

	if (engine == NULL)
		return CLI_DONE;
	if (strcmp(engine, "nft") == 0)
		c->box.planes |= NFT_PLANE_FORWARD;
	else if (strcmp(engine, "dpdk") == 0)
		c->box.planes = 0;
	else
		return cli_fail(cli, CLI_USAGE, "--engine takes dpdk or nft, not '%s'", engine);
	return CLI_DONE;
}

static int prepare(struct cli *cli, struct check *c)
{
	int code = load_config(cli, c);

	if (code == CLI_DONE)
		code = choose_engine(cli, c);
	return code == CLI_DONE ? bundle_read(cli, cli->args[0], &c->bundle) : code;
}

static void check_all(struct check *c)
{
	int64_t now = text_now() / 1000000000;

	policy_warn(c->bundle.rs, now, &c->bundle.diags);
	if (c->config != NULL)
		config_demands(c->config, c->bundle.rs, now, &c->bundle.diags);
	struct nft_box least = c->box; /* nobody knows here what the gateway's kernel has */

	least.layout = NFT_LAYOUT_BRNF;
	needs_note(c->bundle.rs, &least, &c->bundle.diags);
	check_tests(c);
	check_capacity(c);
}

int verb_check(struct cli *cli)
{
	struct check c = {0};
	int code = prepare(cli, &c);

	if (code == CLI_DONE && bundle_compile_for(&c.bundle, c.config))
		check_all(&c);
	if (code == CLI_DONE) {
		diags_sort(&c.bundle.diags);
		code = c.refused ? CLI_CAPACITY : c.bundle.diags.n_errors > 0 ? CLI_POLICY : CLI_DONE;
		code = cli_written(cli, check_print(cli, &c, code), code);
	}
	bundle_free(&c.bundle);
	config_free(c.config);
	bundle_free(&c.config_file);
	return code;
}

/* --- test -------------------------------------------------------------------------------------- */

static json_t *result_json(const struct test_result *r)
{
	return json_pack("{s:s, s:s?, s:i, s:i, s:b, s:s}", "name", r->test->name, "file",
			 r->test->place.file, "line", (int)r->test->place.line, "column",
			 (int)r->test->place.column, "passed", (int)r->passed, "text",
			 r->passed ? "" : r->text);
}

static bool test_print_json(struct cli *cli, const struct test_result *results, size_t n, size_t failed)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, result_json(&results[i]));
	return out_document(cli->out, cli->style.format, "cordon.test/1",
			    json_pack("{s:b, s:i}", "complete", 1, "lost", 0),
			    json_pack("{s:I, s:I, s:o}", "passed", (json_int_t)(n - failed), "failed",
				      (json_int_t)failed, "tests", list));
}

static bool test_print(struct cli *cli, struct bundle *b, const struct test_result *results, size_t n,
		       size_t failed)
{
	struct diags failures;

	diags_init(&failures);
	for (size_t i = 0; i < n; i++)
		if (!results[i].passed)
			diag_add(&failures, SEV_ERROR, results[i].test->place, "test '%s' failed: %s",
				 results[i].test->name, results[i].text);
	diags_sort(&failures);
	diags_print(&failures, cli->out, bundle_text, b);
	diags_free(&failures);
	fprintf(cli->out, "%zu passed, %zu failed\n", n - failed, failed);
	return fflush(cli->out) == 0 && ferror(cli->out) == 0;
}

int verb_test(struct cli *cli)
{
	struct test_result *results = NULL;
	struct bundle b;
	int code = bundle_load(cli, cli->args[0], &b);

	if (code == CLI_DONE) {
		size_t failed = run_tests(b.rs, &results), n = b.rs->n_tests;
		bool json = cli->style.format == OUT_JSON || cli->style.format == OUT_JSONL;
		bool good = json ? test_print_json(cli, results, n, failed)
				 : test_print(cli, &b, results, n, failed);
		code = cli_written(cli, good, failed > 0 ? CLI_NO : CLI_DONE);
	}
	free(results);
	bundle_free(&b);
	return code;
}
