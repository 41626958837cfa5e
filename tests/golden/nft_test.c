/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel programs of the examples, as nft(8) would show them: each layout of the forward plane, and the
 * host plane alone. Arguments: the examples' folder and the folder of the golden files. With
 * CORDON_GOLDEN_UPDATE in the environment the files are written instead of compared, and the test fails so
 * that nobody forgets to look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mkbox.h"
#include "to_nft.h"

#define N_FILES 3u

static const char *examples, *golden;
static const char *const files[N_FILES] = {"identities.yaml", "rules.yaml", "tests.yaml"};

static const struct {
	const char *name;
	uint32_t layout, planes;
} boxes[] = {
	{"brnf", NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD},
	{"brct", NFT_LAYOUT_BRCT, NFT_PLANE_FORWARD},
	{"host", NFT_LAYOUT_NONE, NFT_PLANE_HOST},
};

static char *read_file(const char *dir, const char *name, const char *suffix)
{
	char path[512], *text = NULL;
	size_t room = 0;
	FILE *in;

	snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix);
	in = fopen(path, "r");
	if (!in)
		fail_msg("cannot read %s", path);
	if (getdelim(&text, &room, '\0', in) < 0)
		fail_msg("%s is empty", path);
	fclose(in);
	return text;
}

static struct image_header *compile_example(const char *name)
{
	struct policy_source sources[N_FILES];
	const struct compile_limits limits = COMPILE_LIMITS_DEFAULT;
	struct dictionary *dict = dictionary_new();
	struct image_header *image = NULL;
	char dir[512], error[256] = "";
	struct ruleset *rs;
	struct diags d;
	size_t size;

	snprintf(dir, sizeof dir, "%s/%s", examples, name);
	for (size_t i = 0; i < N_FILES; i++) {
		sources[i].name = files[i];
		sources[i].text = read_file(dir, files[i], "");
		sources[i].len = strlen(sources[i].text);
	}
	diags_init(&d);
	rs = policy_compile(sources, N_FILES, NULL, &d);
	if (!rs)
		fail_msg("%s", d.items[0].text);
	diags_free(&d);
	if (compile_image(rs, dict, &limits, &image, &size, NULL, error, sizeof error))
		fail_msg("%s", error);
	ruleset_free(rs);
	dictionary_free(dict);
	for (size_t i = 0; i < N_FILES; i++)
		free((char *)(uintptr_t)sources[i].text);
	return image;
}

static char *program_text(const struct image_header *image, size_t box_index)
{
	const struct nft_box box = mkbox(boxes[box_index].layout, boxes[box_index].planes);
	const struct nft_limits limits = NFT_LIMITS_DEFAULT;
	struct nft_program *p = NULL;
	char error[256] = "", *text;
	size_t size, len;

	if (compile_nft(image, &box, &limits, &p, &size, error, sizeof error))
		fail_msg("%s", error);
	text = nft_print(p, 0, true, &len);
	assert_non_null(text);
	free(p);
	return text;
}

static void write_golden(const char *name, const char *suffix, const char *text)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s%s", golden, name, suffix);
	out = fopen(path, "w");
	if (!out || fputs(text, out) < 0 || fclose(out))
		fail_msg("cannot write %s", path);
}

static void compare(const char *name, const char *suffix, const char *text)
{
	char *expected;
	size_t at = 0, line = 1;

	if (getenv("CORDON_GOLDEN_UPDATE")) {
		write_golden(name, suffix, text);
		return;
	}
	expected = read_file(golden, name, suffix);
	for (; expected[at] && expected[at] == text[at]; at++)
		line += text[at] == '\n';
	if (expected[at] != text[at])
		fail_msg("%s%s differs in line %zu: %.60s", name, suffix, line, text + at);
	free(expected);
}

static void example(const char *name)
{
	struct image_header *image = compile_example(name);

	for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++) {
		char suffix[32], *text = program_text(image, i);

		snprintf(suffix, sizeof suffix, ".%s.nft", boxes[i].name);
		compare(name, suffix, text);
		free(text);
	}
	free(image);
	if (getenv("CORDON_GOLDEN_UPDATE"))
		fail_msg("%s: golden files written", name);
}

static void core(void **state)
{
	(void)state;
	example("agency-core");
}

static void monitor(void **state)
{
	(void)state;
	example("agency-monitor");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(core),
		cmocka_unit_test(monitor),
	};

	if (argc != 3)
		return 2;
	examples = argv[1];
	golden = argv[2];
	return cmocka_run_group_tests_name("golden-nft", tests, NULL, NULL);
}
