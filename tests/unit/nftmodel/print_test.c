/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of programs: word for word, and as nft(8) reads it (as root, in a network namespace of its own).
 * Lines with raw payload (@th,...) are left out before nft reads: nft 1.0.6 lists them so, and does not read
 * back what it lists, for it has no word for the target of a neighbour solicitation. Types and user data of
 * all sets are compared with those that nft sends.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "small_program.h"
#include "tiny_image.h"
#include "to_nft.h"

static void text_is_nfts(void **state)
{
	static const char *const parts[] = {
		"table inet cordon {\n\tcounter opened {\n\t}\n\n",
		"\n}\ntable bridge cordon {\n}\n",
		"\tset fresh {\n\t\ttypeof meta mark . ether saddr\n\t\tsize 4096\n\t\tflags "
		"dynamic,timeout\n"
		"\t\ttimeout 10000ms\n\t}\n\n",
		"\tmap host4 {\n\t\ttypeof ip saddr : meta mark\n\t\tsize 8\n\t\tflags interval\n"
		"\t\telements = { 10.0.0.0/8 : 0x00000010,\n"
		"\t\t\t     11.0.0.0-11.0.0.5 : 0x00000011 }\n\t}\n\n",
		"elements = { 0x00000000 : drop,\n\t\t\t     0x00000001 : goto open }",
		"elements = { 0x00000001 . tcp . 443 : 0x00000001,\n"
		"\t\t\t     0x00000001 . tcp . 8000-8010 : 0x00000002,\n"
		"\t\t\t     0x00000002 . udp . 53 : 0x00000003 }",
		"\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n"
		"\t\tct mark vmap @opening\n\t\tmeta l4proto tcp goto open\n"
		"\t\tlog prefix \"new\" group 5 snaplen 128\n\t}\n\n",
		"\tchain open {\n\t\tcounter name \"opened\" accept\n\t}\n\n",
	};
	char error[200];
	size_t size, len;
	struct nft_program *p = small_program(SMALL_SAME, &size, error, sizeof error);
	char *text = nft_print(p, 0, true, &len), *without = nft_print(p, 0, false, &size);

	assert_int_equal(strlen(text), len);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (!strstr(text, parts[i]))
			fail_msg("`%s` is not in\n%s", parts[i], text);
	assert_null(strstr(without, "elements"));
	free(text);
	free(without);
	free(p);
}

static bool nft_can_be_asked(void)
{
	return geteuid() == 0 && system("command -v nft >/dev/null 2>&1") == 0;
}

static void write_text(FILE *out, const char *text)
{
	for (const char *line = text; *line;) {
		const size_t n = strcspn(line, "\n") + 1;

		if (!memmem(line, n, "@th,", 4))
			fwrite(line, 1, n, out);
		line += n;
	}
}

/* `ct` in the bridge family needs a kernel that has it: there the words are read, which comes first. */
static void nft_reads(const struct nft_program *p, const char *what, bool bridge_ct)
{
	const char *const command = bridge_ct ? "nft -c -f - 2>&1 | grep -v 'Protocol error' | "
						"grep -A2 Error && exit 1 || exit 0"
					      : "nft -c -f -";
	size_t len;
	char *text = nft_print(p, 0, true, &len);
	FILE *nft = popen(command, "w");

	assert_non_null(text);
	assert_non_null(nft);
	write_text(nft, text);
	if (pclose(nft) != 0)
		fail_msg("nft does not read %s", what);
	free(text);
}

static void nft_reads_all_programs(void **state)
{
	struct tiny_image *image = aligned_alloc(IMAGE_ALIGN, sizeof *image);
	const struct nft_limits limits = NFT_LIMITS_DEFAULT;
	char error[256] = "";

	if (!nft_can_be_asked() || unshare(CLONE_NEWNET)) {
		free(image);
		skip();
	}
	tiny_image_make(image);
	for (uint32_t layout = NFT_LAYOUT_BRNF; layout <= NFT_LAYOUT_BRCT; layout++) {
		const struct nft_box box = mkbox(layout, NFT_PLANE_FORWARD | NFT_PLANE_HOST);
		struct nft_program *compiled = NULL, *with, *closed;
		struct dp_binding b = {
			.addr = {10, 0, 0, 7}, .mac = {2, 0, 0, 0, 0, 7}, .domain = 20, .port = 1};
		size_t size;

		b.family = 4;
		assert_int_equal(compile_nft(&image->h, &box, &limits, &compiled, &size, error, sizeof error),
				 0);
		with = nft_with_bindings(compiled, 0, &b, 1, &size, error, sizeof error);
		closed = nft_closed(&box, &size, error, sizeof error);
		assert_non_null(with);
		assert_non_null(closed);
		nft_reads(with, layout == NFT_LAYOUT_BRNF ? "BRNF" : "BRCT", layout == NFT_LAYOUT_BRCT);
		nft_reads(closed, "the closed program", false);
		free(compiled);
		free(with);
		free(closed);
	}
	free(image);
}

/* The attribute dump of `nft --debug=mnl` holds the user data as groups of four bytes. */
static void nft_sends(const struct nft_set_shape *shape)
{
	uint8_t ud[NFT_USERDATA_MAX];
	char key[256], data[64], command[1024], line[256], hex[2 * NFT_USERDATA_MAX + 64] = "", *at = hex;
	const size_t n = nft_shape_userdata(shape, ud);
	bool found = false;

	nft_shape_text(shape, key, data, sizeof data);
	snprintf(command, sizeof command,
		 "printf 'table inet x {\\n%s s {\\n typeof %s%s%s\\n%s\\n}\\n}\\n' | nft -c --debug=mnl -f "
		 "- 2>&1 | "
		 "sed -n 's/^| \\(..\\) \\(..\\) \\(..\\) \\(..\\)  |.*/\\1\\2\\3\\4/p' | tr -d '\\n'; echo",
		 *data ? "map" : "set", key, *data ? " : " : "", data,
		 shape->flags & NFT_SET_INTERVAL ? "flags interval"
		 : shape->timeout_ms             ? "flags dynamic,timeout"
						 : "");
	for (size_t i = 0; i < n; i++)
		at += sprintf(at, "%02x", ud[i]);
	FILE *nft = popen(command, "r");
	char *all = calloc(1, 1 << 16);
	size_t used = 0;
	while (fgets(line, sizeof line, nft) && used + sizeof line < 1 << 16)
		used += (size_t)sprintf(all + used, "%s", line);
	found = strstr(all, hex);
	pclose(nft);
	if (!found)
		fail_msg("%s: nft sends other user data than %s:\n%s", shape->name, hex, all);
	free(all);
}

static void sets_are_as_nft_sends_them(void **state)
{
	struct nft_set_shape shape;

	if (!nft_can_be_asked())
		skip();
	for (size_t i = 0; nft_shape_at(i, &shape); i++)
		nft_sends(&shape);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_nfts),
		cmocka_unit_test(sets_are_as_nft_sends_them),
		cmocka_unit_test(nft_reads_all_programs),
	};

	return cmocka_run_group_tests_name("nftmodel print", tests, NULL, NULL);
}
