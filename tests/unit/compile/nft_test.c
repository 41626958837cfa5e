/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernel programs of images made by hand: what each map holds, what is refused for want of room, one model
 * for each matrix, both layouts, the host's addresses; what the kernel does not do. That programs mean what
 * their images mean for every policy is the oracle's business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>

#include <cmocka.h>

#include "dpmsg.h"
#include "mkbox.h"
#include "mkimage.h"
#include "sets.h"
#include "to_nft.h"

#define CLOSES 1000
#define WEB    16
#define DB     17
#define OPS    18

#define KEY(proto, low) ((service_key)(proto) << 16 | (low))

static struct image_header *image_of(int64_t closes)
{
	const struct image_decision allow = mkimage_allow(1), ops = mkimage_allow(2);
	const struct mkimage_cell cells[] = {
		{WEB, DB, KEY(1, 0x0800), KEY(1, 0x0900), allow},
		{WEB, DB, KEY(6, 5432), KEY(6, 5433), allow},
		{WEB, DB, KEY(47, 0), KEY(47, 1), ops},
		{OPS, DB, 0, SERVICE_KEY_END, ops},
		{OPS, WEB, KEY(1, 0x0301), KEY(1, 0x0503), allow},
		{OPS, WEB, KEY(6, 1000), KEY(17, 2000), allow},
	};
	const struct mkimage_prefix prefixes[] = {
		{0x0a000000, WEB, PREFIX_FINAL},
		{0x0a000100, DB, 0},
		{0xc0000000, OPS, PREFIX_FINAL | PREFIX_OUTSIDE},
		{0xc0000300, WEB, PREFIX_FINAL},
	};
	const struct mkimage m = {cells, sizeof cells / sizeof cells[0], prefixes,
				  sizeof prefixes / sizeof prefixes[0], closes};
	struct image_header *image = mkimage(&m);

	assert_non_null(image);
	return image;
}

static struct nft_program *program_of(const struct image_header *image, uint32_t layout, uint32_t planes)
{
	const struct nft_box box = mkbox(layout, planes);
	const struct nft_limits limits = NFT_LIMITS_DEFAULT;
	struct nft_program *p = NULL;
	char error[256] = "";
	size_t size;

	if (compile_nft(image, &box, &limits, &p, &size, error, sizeof error))
		fail_msg("%s", error);
	assert_null(nft_program_check(p, size));
	return p;
}

struct look {
	const struct nft_program *p;
	uint32_t model, family;
};

/* The element of a key of numbers, NULL: none. */
static const struct nft_element *look(const struct look *l, const char *name, uint32_t a, uint32_t b,
				      uint32_t c)
{
	const struct nft_table *t = nft_find_table(l->p, l->model, l->family);
	const struct nft_set *s = t ? nft_find_set(l->p, t, name) : NULL;
	const uint32_t numbers[] = {a, b, c};
	struct nft_set_shape shape;
	uint8_t key[NFT_KEY_MAX] = {0};

	if (!s)
		fail_msg("no set %s", name);
	assert_true(nft_shape_of(name, s, &shape));
	for (uint32_t i = 0; i < shape.n_fields && i < 3; i++)
		nft_key_number(&shape, i, numbers[i], key);
	return nft_find_element(l->p, s, key);
}

static uint32_t data(const struct look *l, const char *name, uint32_t a, uint32_t b, uint32_t c)
{
	const struct nft_element *e = look(l, name, a, b, c);

	return e ? e->data : UINT32_MAX;
}

/* By hand, as the chains do it: the class, or UINT32_MAX where default-deny comes from a miss. */
static uint32_t walk(const struct look *l, uint32_t from, uint32_t to, service_key key)
{
	const struct nft_element *source = look(l, "source", from, 0, 0), *to_class, *list;
	const uint32_t proto = key >> 16, low = key & 0xffff;

	to_class = look(l, "responder", to, 0, 0);
	if (!source || !to_class)
		return UINT32_MAX;
	list = look(l, "pair", source->data, to_class->data, 0);
	if (!list)
		list = look(l, "row", source->data, 0, 0);
	if (!list)
		return UINT32_MAX;
	if (proto == 6 || proto == 17)
		return data(l, "ports", list->data, proto, low);
	if (proto == 1)
		return data(l, "types", list->data, low >> 8, low & 0xff);
	if (proto == 58)
		return data(l, "types6", list->data, low >> 8, low & 0xff);
	return data(l, "protos", list->data, proto, 0);
}

static uint32_t rule_of(const struct look *l, uint32_t class)
{
	const struct image_decision *d = nft_at(l->p, l->p->decision);

	return class == UINT32_MAX ? 0 : d[class].rule;
}

static void maps_hold_what_the_image_says(void **state)
{
	static const struct {
		uint16_t from, to;
		service_key key;
		uint32_t rule; /* 0: denied by default */
	} cases[] = {
		{WEB, DB, KEY(6, 5432), 1},    {WEB, DB, KEY(6, 5431), 0},    {WEB, DB, KEY(6, 5433), 0},
		{WEB, DB, KEY(17, 5432), 0},   {DB, WEB, KEY(6, 5432), 0},    {WEB, DB, KEY(1, 0x0800), 1},
		{WEB, DB, KEY(1, 0x08ff), 1},  {WEB, DB, KEY(1, 0x0900), 0},  {WEB, DB, KEY(58, 0x0800), 0},
		{WEB, DB, KEY(47, 0), 2},      {WEB, DB, KEY(46, 0), 0},      {WEB, DB, KEY(48, 0), 0},
		{OPS, DB, KEY(0, 0), 2},       {OPS, DB, KEY(255, 0), 2},     {OPS, DB, KEY(58, 0xffff), 2},
		{OPS, DB, KEY(6, 0), 2},       {OPS, DB, KEY(17, 65535), 2},  {OPS, WEB, KEY(1, 0x0300), 0},
		{OPS, WEB, KEY(1, 0x0301), 1}, {OPS, WEB, KEY(1, 0x0400), 1}, {OPS, WEB, KEY(1, 0x04ff), 1},
		{OPS, WEB, KEY(1, 0x0502), 1}, {OPS, WEB, KEY(1, 0x0503), 0}, {OPS, WEB, KEY(6, 999), 0},
		{OPS, WEB, KEY(6, 1000), 1},   {OPS, WEB, KEY(6, 65535), 1},  {OPS, WEB, KEY(7, 0), 1},
		{OPS, WEB, KEY(16, 0), 1},     {OPS, WEB, KEY(17, 1999), 1},  {OPS, WEB, KEY(17, 2000), 0},
		{OPS, WEB, KEY(18, 0), 0},     {OPS, WEB, KEY(5, 0), 0},      {DB, DB, KEY(6, 5432), 0},
		{0, DB, KEY(6, 5432), 0},      {WEB, 0, KEY(6, 5432), 0},     {40000, DB, KEY(6, 5432), 0},
	};
	struct image_header *image = image_of(0);
	struct nft_program *p = program_of(image, NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	const struct look l = {p, 0, NFT_INET};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const uint32_t rule = rule_of(&l, walk(&l, cases[i].from, cases[i].to, cases[i].key));

		if (rule != cases[i].rule)
			fail_msg("case %zu: rule %u, not %u", i, rule, cases[i].rule);
	}
	free(p);
	free(image);
}

static void each_class_has_a_chain(void **state)
{
	struct image_header *image = image_of(0);
	struct nft_program *p = program_of(image, NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	const struct image_decision *d = nft_at(p, p->decision);
	const struct look l = {p, 0, NFT_INET};
	const uint32_t n = p->decision.count;

	(void)state;
	assert_int_equal(n, image->decision.count + 1);
	assert_int_equal(d[n - 1].reason, REASON_NO_SESSION);
	for (uint32_t i = 0; i < n; i++) {
		const bool allow = d[i].flags & DECISION_ALLOW;
		const char *opening = nft_text(p, look(&l, "opening", i, 0, 0)->chain);
		const char *standing = nft_text(p, look(&l, "standing", i, 0, 0)->chain);

		assert_string_equal(opening, allow        ? "open"
					     : i + 1 == n ? "refuse_no_session"
							  : "refuse_no_rule");
		assert_string_equal(standing, allow ? "pass" : opening);
	}
	assert_null(look(&l, "standing", n, 0, 0));
	free(p);
	free(image);
}

static void each_matrix_is_a_model(void **state)
{
	struct image_header *image = image_of(CLOSES);
	struct nft_program *p = program_of(image, NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD | NFT_PLANE_HOST);
	const struct nft_edge *edge = nft_at(p, p->edge);

	(void)state;
	assert_int_equal(p->model.count, 2);
	assert_int_equal(p->edge.count, 2);
	assert_true(edge[0].from_utc == INT64_MIN && edge[1].from_utc == CLOSES);
	assert_int_equal(edge[1].model, 1);
	for (uint32_t model = 0; model < 2; model++) {
		const struct look l = {p, model, NFT_INET};

		assert_int_equal(rule_of(&l, walk(&l, WEB, DB, KEY(6, 5432))), model ? 0 : 1);
	}
	free(p);
	free(image);
}

static void a_proof_is_of_one_matrix(void **state)
{
	struct image_header *image = image_of(CLOSES);
	struct nft_program *p = program_of(image, NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	struct nft_difference d;

	(void)state;
	assert_true(nft_means(p, image, CLOSES - 1, &d));
	assert_false(nft_means(p, image, CLOSES, &d));
	assert_non_null(strstr(d.text, "the image has class 0 (deny), the kernel"));
	assert_int_equal(d.expected, 0);
	assert_true(d.from && d.to && d.found);
	free(p);
	free(image);
}

static void what_does_not_fit_is_refused(void **state)
{
	static const struct {
		struct nft_limits limits;
		const char *says;
	} cases[] = {
		{{2, NFT_PROGRAM_SIZE_MAX}, "elements in the kernel's set port, there are 2"},
		{{1u << 20, 1000}, "bytes for its kernel program, there are 1000"},
	};
	const struct nft_box box = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	struct image_header *image = image_of(0);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct nft_program *p = NULL;
		char error[256] = "";
		size_t size;

		assert_int_equal(compile_nft(image, &box, &cases[i].limits, &p, &size, error, sizeof error),
				 COMPILE_CAPACITY);
		assert_null(p);
		if (!strstr(error, cases[i].says))
			fail_msg("%s", error);
	}
	free(image);
}

static void a_box_without_layout_is_refused(void **state)
{
	const struct nft_box box = mkbox(NFT_LAYOUT_NONE, NFT_PLANE_FORWARD);
	const struct nft_limits limits = NFT_LIMITS_DEFAULT;
	struct image_header *image = image_of(0);
	struct nft_program *p = NULL;
	char error[256] = "";
	size_t size;

	(void)state;
	assert_int_equal(compile_nft(image, &box, &limits, &p, &size, error, sizeof error), COMPILE_DEFECT);
	assert_string_equal(error, "no layout was chosen for the forward plane");
	free(image);
}

static bool has_set(const struct nft_program *p, uint32_t family, const char *name)
{
	const struct nft_table *t = nft_find_table(p, 0, family);

	return t && nft_find_set(p, t, name);
}

static void layouts_and_planes_have_their_tables(void **state)
{
	static const struct {
		uint32_t layout, planes, family;
		const char *set;
		bool there;
	} cases[] = {
		{NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD, NFT_BRIDGE, "bound4", true},
		{NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD, NFT_BRIDGE, "tagged", false},
		{NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD, NFT_BRIDGE, "source", false},
		{NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD, NFT_INET, "source", true},
		{NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD, NFT_INET, "host4", false},
		{NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD | NFT_PLANE_HOST, NFT_INET, "host4", true},
		{NFT_LAYOUT_BRCT, NFT_PLANE_FORWARD, NFT_BRIDGE, "tagged", true},
		{NFT_LAYOUT_BRCT, NFT_PLANE_FORWARD, NFT_BRIDGE, "source", true},
		{NFT_LAYOUT_BRCT, NFT_PLANE_FORWARD, NFT_INET, "source", false},
		{NFT_LAYOUT_BRCT, NFT_PLANE_FORWARD | NFT_PLANE_HOST, NFT_INET, "source", true},
		{NFT_LAYOUT_NONE, NFT_PLANE_HOST, NFT_BRIDGE, "port", false},
		{NFT_LAYOUT_NONE, NFT_PLANE_HOST, NFT_INET, "host6", true},
		{NFT_LAYOUT_NONE, NFT_PLANE_HOST, NFT_INET, "opening", false},
	};
	struct image_header *image = image_of(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct nft_program *p = program_of(image, cases[i].layout, cases[i].planes);

		if (has_set(p, cases[i].family, cases[i].set) != cases[i].there)
			fail_msg("case %zu: %s", i, cases[i].set);
		free(p);
	}
	free(image);
}

static void ports_and_domains_have_numbers(void **state)
{
	struct image_header *image = image_of(0);
	struct nft_program *p = program_of(image, NFT_LAYOUT_BRCT, NFT_PLANE_FORWARD);
	const struct look l = {p, 0, NFT_BRIDGE};

	(void)state;
	assert_int_equal(data(&l, "domain", 1, 0, 0), 20);
	assert_int_equal(data(&l, "domain", 4, 0, 0), UINT32_MAX);
	assert_int_equal(data(&l, "domain", 0xfff1, 0, 0), DP_PROBE_DOMAIN);
	assert_int_equal(data(&l, "tagged", 4, 30, 0), 30);
	assert_int_equal(data(&l, "tagged", 4, 31, 0), UINT32_MAX);
	assert_int_equal(data(&l, "tagged", 1, 20, 0), UINT32_MAX);
	free(p);
	free(image);
}

/* Own addresses are the gateway; of prefixes only what is final counts. */
static void the_host_knows_addresses(void **state)
{
	static const struct {
		uint32_t address;
		uint16_t identity;
	} cases[] = {
		{0x00000000, IDENTITY_UNKNOWN},
		{0x09ffffff, IDENTITY_UNKNOWN},
		{0x0a000000, WEB},
		{0x0a0000ff, WEB},
		{0x0a000100, IDENTITY_UNKNOWN},
		{0xbfffffff, IDENTITY_UNKNOWN},
		{0xc0000000, OPS},
		{0xc0000200, OPS},
		{0xc0000201, IDENTITY_GATEWAY},
		{0xc0000202, OPS},
		{0xc00002ff, OPS},
		{0xc0000300, WEB},
		{0xffffffff, WEB},
	};
	struct image_header *image = image_of(0);
	struct nft_program *p = program_of(image, NFT_LAYOUT_NONE, NFT_PLANE_HOST);
	const struct look l = {p, 0, NFT_INET};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (data(&l, "host4", cases[i].address, 0, 0) != cases[i].identity)
			fail_msg("case %zu: identity %u", i, data(&l, "host4", cases[i].address, 0, 0));
	assert_non_null(look(&l, "mgmt4", 0xc0000201, 0, 0));
	assert_null(look(&l, "mgmt4", 0xc0000202, 0, 0));
	free(p);
	free(image);
}

static void the_same_image_gives_the_same_bytes(void **state)
{
	struct image_header *image = image_of(CLOSES);
	struct nft_program *a = program_of(image, NFT_LAYOUT_BRCT, NFT_PLANE_FORWARD | NFT_PLANE_HOST);
	struct nft_program *b = program_of(image, NFT_LAYOUT_BRCT, NFT_PLANE_FORWARD | NFT_PLANE_HOST);

	(void)state;
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a, b, a->size);
	free(a);
	free(b);
	free(image);
}

/* --- what the kernel does not do ---------------------------------------------------------------------- */

static void layouts_are_chosen_by_features(void **state)
{
	enum {
		BASE = DP_FEATURE_BRIDGE | DP_FEATURE_NFLOG,
		NF = DP_FEATURE_BR_NETFILTER,
		CT = DP_FEATURE_BRIDGE_CT | DP_FEATURE_BRIDGE_REJECT | DP_FEATURE_VLAN_FILTER
	};
	static const struct {
		uint32_t features;
		bool tags;
		uint32_t layout;
		const char *why; /* begins so */
	} cases[] = {
		{BASE | NF, false, NFT_LAYOUT_BRNF, NULL},
		{BASE | CT, false, NFT_LAYOUT_BRCT, NULL},
		{BASE | CT | NF, true, NFT_LAYOUT_BRCT, NULL},
		{BASE, false, NFT_LAYOUT_NONE, "conntrack:"},
		{BASE | NF, true, NFT_LAYOUT_NONE, "vlan:"},
		{BASE | NF | (CT & ~DP_FEATURE_BRIDGE_REJECT), false, NFT_LAYOUT_BRNF, NULL},
		{BASE | (CT & ~DP_FEATURE_VLAN_FILTER), true, NFT_LAYOUT_NONE, "vlan:"},
		{NF | CT | DP_FEATURE_NFLOG, false, NFT_LAYOUT_NONE, "bridge:"},
		{NF | CT | DP_FEATURE_BRIDGE, false, NFT_LAYOUT_NONE, "nflog:"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct nft_box box =
			mkbox(cases[i].tags ? NFT_LAYOUT_BRCT : NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
		const char *why = nft_choose_layout(&box, cases[i].features);

		if (box.layout != cases[i].layout || !why != !cases[i].why ||
		    (why && strncmp(why, cases[i].why, strlen(cases[i].why)) != 0))
			fail_msg("case %zu: layout %u, %s", i, box.layout, why ? why : "no reason");
	}
}

static void a_host_plane_alone_needs_no_layout(void **state)
{
	struct nft_box box = mkbox(NFT_LAYOUT_NONE, NFT_PLANE_HOST);

	(void)state;
	assert_null(nft_choose_layout(&box, 0));
	assert_int_equal(box.layout, NFT_LAYOUT_NONE);
}

static void note_need(void *ctx, const struct rule *rule, const char *what)
{
	char *text = ctx;
	const size_t n = strlen(text);

	snprintf(text + n, 512 - n, "%s %.*s; ", rule->id, (int)strcspn(what, ":"), what);
}

static void needs_are_told_by_rule(void **state)
{
	static const char policy[] =
		"cordon: 1\n"
		"bundle: {name: small, owner: o, timezone: UTC}\n"
		"labels: {role: [web, db]}\n"
		"classify:\n"
		"  - {id: web, when: {prefix: 10.0.1.0/24}, set: {role: web}}\n"
		"  - {id: db, when: {prefix: 10.0.3.0/24}, set: {role: db}}\n"
		"rules:\n"
		"  - {id: a-group, effect: allow, from: {role: web}, to: $multicast, service: udp/5353,"
		" owner: o, review_by: 2099-01-01}\n"
		"  - {id: b-group, effect: deny, from: {role: web}, to: $multicast, service: udp/5354,"
		" owner: o, review_by: 2099-01-01}\n"
		"  - {id: c-reject, effect: deny, action: reject, from: {role: db}, to: {role: web},"
		" service: tcp/1, owner: o, review_by: 2099-01-01}\n"
		"  - {id: d-mask, effect: allow, from: {role: db}, to: {role: web}, service: icmp/17,"
		" owner: o, review_by: 2099-01-01}\n"
		"  - {id: e-source-quench, effect: allow, from: {role: db}, to: {role: web}, service: icmp/4,"
		" owner: o, review_by: 2099-01-01}\n"
		"  - {id: f-quiet, effect: deny, from: {role: db}, to: {role: web}, service: icmp/4,"
		" owner: o, review_by: 2099-01-01}\n"
		"  - {id: g-off, mode: off, effect: allow, from: {role: db}, to: {role: web}, service: "
		"icmp/6,"
		" owner: o, review_by: 2099-01-01}\n";
	const struct policy_source source = {"small.yaml", policy, sizeof policy - 1};
	const struct nft_box brnf = mkbox(NFT_LAYOUT_BRNF, NFT_PLANE_FORWARD);
	const struct nft_box brct = mkbox(NFT_LAYOUT_BRCT, NFT_PLANE_FORWARD);
	char text[512] = "", with_reject[512] = "";
	struct ruleset *rs;
	struct diags diags;

	(void)state;
	diags_init(&diags);
	rs = policy_compile(&source, 1, NULL, &diags);
	diags_print(&diags, stderr, NULL, NULL);
	diags_free(&diags);
	assert_non_null(rs);
	nft_needs_dpdk(rs, &brnf, note_need, text);
	assert_string_equal(text, "a-group multicast; c-reject reject; e-source-quench icmp; ");
	nft_needs_dpdk(rs, &brct, note_need, with_reject);
	assert_string_equal(with_reject, "a-group multicast; e-source-quench icmp; ");
	ruleset_free(rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_hold_what_the_image_says),
		cmocka_unit_test(each_class_has_a_chain),
		cmocka_unit_test(each_matrix_is_a_model),
		cmocka_unit_test(a_proof_is_of_one_matrix),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(a_box_without_layout_is_refused),
		cmocka_unit_test(layouts_and_planes_have_their_tables),
		cmocka_unit_test(ports_and_domains_have_numbers),
		cmocka_unit_test(the_host_knows_addresses),
		cmocka_unit_test(the_same_image_gives_the_same_bytes),
		cmocka_unit_test(layouts_are_chosen_by_features),
		cmocka_unit_test(a_host_plane_alone_needs_no_layout),
		cmocka_unit_test(needs_are_told_by_rule),
	};

	return cmocka_run_group_tests_name("compile-nft", tests, NULL, NULL);
}
