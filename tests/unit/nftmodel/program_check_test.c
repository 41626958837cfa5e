/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nft_program_check() accepts what the builder makes and refuses each fault of a table by its own words; the
 * checksum is put right after each, so that the check behind it answers. Beside the table: every byte of a
 * program changed one at a time is never accepted as the same program, and never reads outside of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inside.h"
#include "small_program.h"

struct copy {
	struct nft_program *p;
	size_t size;
};

static struct copy make(void)
{
	char error[200] = "";
	struct copy c;

	c.p = small_program(SMALL_SAME, &c.size, error, sizeof error);
	if (!c.p)
		fail_msg("%s", error);
	return c;
}

/* The n-th item of a section, to be changed. */
#define ITEM(p, section, type, n) ((type *)((char *)(p) + (p)->section.offset) + (n))
#define SET(p, name)              ((struct nft_set *)(uintptr_t)find_set(p, name))
#define ELEMENT(p, name)          ITEM(p, element, struct nft_element, SET(p, name)->element_first)
#define EXPR(p, kind_)            find_expr(p, kind_)

static const struct nft_set *find_set(struct nft_program *p, const char *name)
{
	return nft_find_set(p, nft_find_table(p, 0, NFT_INET), name);
}

static struct nft_expr *find_expr(struct nft_program *p, uint8_t kind)
{
	for (uint32_t i = 0; i < p->expr.count; i++)
		if (ITEM(p, expr, struct nft_expr, i)->kind == kind)
			return ITEM(p, expr, struct nft_expr, i);
	abort();
}

/* X(what is damaged, what the check says) */
#define FAULTS(X)                                                                                            \
	X(p->magic[0] = 'X', "program: not a kernel program")                                                \
	X(p->abi++, "program: made for another version")                                                     \
	X(p->size -= 8, "program: size differs from its header")                                             \
	X(p->box.layout = 3, "program: box: layout or planes out of range")                                  \
	X(p->box.planes = 4, "program: box: layout or planes out of range")                                  \
	X(p->box.reserved = 1, "program: box: layout or planes out of range")                                \
	X(memset(p->box.bridge, 'x', 16), "program: box: bad name of the bridge")                            \
	X(p->box.bridge[15] = 'x', "program: box: bad name of the bridge")                                   \
	X(p->box.n_ports = 33, "program: box: too many ports or addresses")                                  \
	X(p->box.n_management = 17, "program: box: too many ports or addresses")                             \
	X(p->box.n_ports--, "program: box: bad port")                                                        \
	X(p->box.port[0].vlan = 4096, "program: box: bad port")                                              \
	X(p->box.port[0].vlans[0] = 1, "program: box: bad port")                                             \
	X(p->box.port[0].n_vlans = 65, "program: box: bad port")                                             \
	X(p->box.port[0].trunk = 2, "program: box: bad port")                                                \
	X(p->box.port[0].device[0] = ' ', "program: box: bad port")                                          \
	X(p->box.management[0].family = 5, "program: box: bad management address")                           \
	X(p->box.management[0].addr[4] = 1, "program: box: bad management address")                          \
	X(p->box.management[2].family = 4, "program: box: bad management address")                           \
	X(((char *)p)[sizeof *p - 1] = 1, "program: header: padding is set")                                 \
	X(p->edge.offset += 8, "program: section misplaced")                                                 \
	X(p->expr.offset = 0, "program: section misplaced")                                                  \
	X(p->edge.count = UINT32_MAX, "program: section beyond the end")                                     \
	X(p->names.count += 8, "program: section beyond the end")                                            \
	X(p->names.count -= 8, "program: something between two sections")                                    \
	X(p->element.count--, "program: section misplaced")                                                  \
	X(ITEM(p, names, char, 0)[0] = 'x', "program: names do not begin or end with NUL")                   \
	X(ITEM(p, names, char, 1)[0] = 'z', "program: names not ascending")                                  \
	X(ITEM(p, names, char, 1)[0] = '"', "program: bad name")                                             \
	X(ITEM(p, names, char, 1)[0] = 0, "program: bad name")                                               \
	X(ITEM(p, edge, struct nft_edge, 0)->from_utc = 0,                                                   \
	  "program: schedule does not begin at the beginning of time")                                       \
	X(ITEM(p, edge, struct nft_edge, 1)->from_utc = INT64_MIN, "program: schedule not ascending")        \
	X(ITEM(p, edge, struct nft_edge, 1)->model = 1, "program: schedule: model out of range")             \
	X(ITEM(p, edge, struct nft_edge, 1)->reserved = 1, "program: schedule: reserved field is set")       \
	X(ITEM(p, decision, struct image_decision, 0)->rule = 1, "program: decision 0 is not default-deny")  \
	X(ITEM(p, decision, struct image_decision, 1)->flags = 0x80, "program: decision: unknown flag")      \
	X(ITEM(p, decision, struct image_decision, 1)->reason = REASON_SPOOF,                                \
	  "program: decision: no reason of the policy")                                                      \
	X(ITEM(p, decision, struct image_decision, 1)->rule = 0, "program: decision: allow without a rule")  \
	X(ITEM(p, decision, struct image_decision, 1)->reserved[2] = 1,                                      \
	  "program: decision: reserved field is set")                                                        \
	X(ITEM(p, model, struct nft_model, 0)->table_first = 1,                                              \
	  "program: tables are not each of one owner, in order")                                             \
	X(ITEM(p, model, struct nft_model, 0)->table_count--, "program: tables of nobody, or missing")       \
	X(ITEM(p, table, struct nft_table, 0)->set_count++,                                                  \
	  "program: sets are not each of one owner, in order")                                               \
	X(ITEM(p, table, struct nft_table, 0)->chain_first++,                                                \
	  "program: chains are not each of one owner, in order")                                             \
	X(ITEM(p, table, struct nft_table, 0)->counter_count = UINT32_MAX,                                   \
	  "program: counters are not each of one owner, in order")                                           \
	X(ITEM(p, table, struct nft_table, 0)->family = 2, "program: table: family out of range")            \
	X(ITEM(p, table, struct nft_table, 0)->family = 7, "program: tables not ascending")                  \
	X(ITEM(p, table, struct nft_table, 0)->name = SET(p, "row")->name, "program: table: not ours")       \
	X(SET(p, "source")->name++, "program: set: bad name, or not ascending")                              \
	X(SET(p, "source")->name = p->names.count, "program: set: bad name, or not ascending")               \
	X(SET(p, "source")->name = SET(p, "fresh")->name, "program: set: bad name, or not ascending")        \
	X(SET(p, "source")->flags |= 0x200, "program: set: unknown flag")                                    \
	X(SET(p, "source")->named = 8, "program: set: unknown flag")                                         \
	X(SET(p, "source")->key_len = 49, "program: set: fields do not make the key")                        \
	X(SET(p, "source")->key_len = 0, "program: set: fields do not make the key")                         \
	X(SET(p, "source")->n_fields = 0, "program: set: fields do not make the key")                        \
	X(SET(p, "ports")->n_fields = 7, "program: set: fields do not make the key")                         \
	X(SET(p, "ports")->field_len[1] = 9, "program: set: fields do not make the key")                     \
	X(SET(p, "ports")->field_len[7] = 1, "program: set: fields do not make the key")                     \
	X(SET(p, "source")->data_len = 3, "program: set: length of data out of range")                       \
	X(SET(p, "source")->flags &= ~8u, "program: set: length of data out of range")                       \
	X(SET(p, "source")->size = 1, "program: set: more elements than its size")                           \
	X(SET(p, "source")->element_first++, "program: elements are not each of one owner, in order")        \
	X(ELEMENT(p, "source")->key[4] = 1, "program: element: padding is set")                              \
	X(ELEMENT(p, "ports")->key_end[5] = 1, "program: element: padding is set")                           \
	X(ELEMENT(p, "source")->reserved = 1, "program: element: padding is set")                            \
	X(ELEMENT(p, "source")->key_end[0]++, "program: element: ends before it begins")                     \
	X(ELEMENT(p, "host4")->key_end[0] = 9, "program: element: ends before it begins")                    \
	X(ELEMENT(p, "ports")->key_end[9] = 0, "program: element: ends before it begins")                    \
	X(ELEMENT(p, "source")[1].key[0] = ELEMENT(p, "source")[1].key_end[0] = 1,                           \
	  "program: elements not ascending")                                                                 \
	X(ELEMENT(p, "host4")->key_end[0] = 11, "program: elements overlap")                                 \
	X(ELEMENT(p, "source")->verdict = 1, "program: element: data out of range")                          \
	X(ELEMENT(p, "source")->chain = SET(p, "row")->name, "program: element: data out of range")          \
	X(ELEMENT(p, "opening")->data = 2, "program: element: verdict out of range")                         \
	X(ELEMENT(p, "opening")[1].verdict = 7, "program: element: verdict out of range")                    \
	X(ELEMENT(p, "opening")[1].chain = SET(p, "row")->name, "program: element: no such chain")           \
	X(ELEMENT(p, "opening")[1].chain = 0, "program: element: no such chain")                             \
	X(ITEM(p, chain, struct nft_chain, 1)->name = ITEM(p, chain, struct nft_chain, 0)->name,             \
	  "program: chain: bad name, or not ascending")                                                      \
	X(ITEM(p, chain, struct nft_chain, 0)->base = 2, "program: chain: unknown flag")                     \
	X(ITEM(p, chain, struct nft_chain, 0)->hook = 1, "program: chain: hook or policy out of range")      \
	X(ITEM(p, chain, struct nft_chain, 2)->hook = 6, "program: chain: hook or policy out of range")      \
	X(ITEM(p, chain, struct nft_chain, 2)->policy = 2, "program: chain: hook or policy out of range")    \
	X(ITEM(p, chain, struct nft_chain, 2)->device = ITEM(p, chain, struct nft_chain, 0)->name,           \
	  "program: chain: bad device")                                                                      \
	X(ITEM(p, chain, struct nft_chain, 2)->rule_count++,                                                 \
	  "program: rules are not each of one owner, in order")                                              \
	X(ITEM(p, rule, struct nft_rule, 0)->expr_count = 0,                                                 \
	  "program: exprs are not each of one owner, in order")                                              \
	X(ITEM(p, counter, struct nft_counter, 1)->name = 0, "program: counter: bad name, or not ascending") \
	X(EXPR(p, NFT_EXPR_CT)->kind = NFT_EXPR_KINDS, "program: expression: unknown kind")                  \
	X(EXPR(p, NFT_EXPR_CT)->base = 3, "program: expression: operation, base or length out of range")     \
	X(EXPR(p, NFT_EXPR_CMP)->op = 6, "program: expression: operation, base or length out of range")      \
	X(EXPR(p, NFT_EXPR_CMP)->len = 17, "program: expression: operation, base or length out of range")    \
	X(EXPR(p, NFT_EXPR_CMP)->len = 0, "program: expression: operation, base or length out of range")     \
	X(EXPR(p, NFT_EXPR_CMP)->sreg = 16, "program: expression: register out of range")                    \
	X((EXPR(p, NFT_EXPR_CMP)->sreg = 15, EXPR(p, NFT_EXPR_CMP)->len = 5),                                \
	  "program: expression: register out of range")                                                      \
	X(EXPR(p, NFT_EXPR_CMP)->sreg = NFT_REG_NONE, "program: expression: register is missing")            \
	X(EXPR(p, NFT_EXPR_CMP)->dreg = 0, "program: expression: a register that it does not use")           \
	X(EXPR(p, NFT_EXPR_CT)->sreg = 0, "program: expression: a register that it does not use")            \
	X(EXPR(p, NFT_EXPR_CMP)->data[1] = 1, "program: expression: data beyond its length")                 \
	X(EXPR(p, NFT_EXPR_CMP)->xor [0] = 1, "program: expression: data beyond its length")                 \
	X(EXPR(p, NFT_EXPR_CMP)->rate = 1, "program: expression: a field that it does not use")              \
	X(EXPR(p, NFT_EXPR_CMP)->reserved[7] = 1, "program: expression: a field that it does not use")       \
	X(EXPR(p, NFT_EXPR_LOG)->name++, "program: expression: bad name")                                    \
	X(EXPR(p, NFT_EXPR_LOG)->name = UINT32_MAX, "program: expression: bad name")                         \
	X(EXPR(p, NFT_EXPR_LOOKUP)->name = ITEM(p, chain, struct nft_chain, 0)->name,                        \
	  "program: expression: no such set")                                                                \
	X(EXPR(p, NFT_EXPR_LOOKUP)->dreg = 0, "program: expression: look-up of what the set does not hold")  \
	X((EXPR(p, NFT_EXPR_LOOKUP)->name = SET(p, "ports")->name, EXPR(p, NFT_EXPR_LOOKUP)->sreg = 14),     \
	  "program: expression: register out of range")                                                      \
	X(EXPR(p, NFT_EXPR_OBJREF)->name = SET(p, "row")->name, "program: expression: no such counter")      \
	X(EXPR(p, NFT_EXPR_IMMEDIATE)->verdict = -9, "program: expression: bad verdict")                     \
	X(EXPR(p, NFT_EXPR_IMMEDIATE)->name = 0, "program: expression: no such chain")                       \
	X(EXPR(p, NFT_EXPR_IMMEDIATE)->verdict = 0, "program: expression: bad immediate")                    \
	X(EXPR(p, NFT_EXPR_CT)->key = 256, "program: expression: key out of range")

static const char *const says[] = {
#define X(what, text) text,
	FAULTS(X)
#undef X
};

static void damage(struct nft_program *p, int fault)
{
	int i = 0;

#define X(what, text)                                                                                        \
	if (i++ == fault)                                                                                    \
		what;
	FAULTS(X)
#undef X
}

static void each_fault_is_told(void **state)
{
	unsigned wrong = 0;

	for (int i = 0; i < (int)(sizeof says / sizeof says[0]); i++) {
		struct copy c = make();
		const char *error = nft_program_check(c.p, c.size);

		assert_null(error);
		damage(c.p, i);
		if (c.p->size == c.size)
			c.p->crc64 = nft_program_crc(c.p);
		error = nft_program_check(c.p, c.size);
		if (!error || strcmp(error, says[i]) != 0) {
			print_message("# fault %d: `%s` instead of `%s`\n", i, error ? error : "accepted",
				      says[i]);
			wrong++;
		}
		free(c.p);
	}
	assert_int_equal(wrong, 0);
}

static void a_torn_program_is_refused(void **state)
{
	struct copy c = make();

	for (size_t size = 0; size < c.size; size += 8) {
		void *part = aligned_alloc(8, size ? size : 8);

		memcpy(part, c.p, size);
		assert_non_null(nft_program_check(part, size));
		free(part);
	}
	c.p->crc64 ^= 1;
	assert_string_equal(nft_program_check(c.p, c.size), "program: damaged (checksum differs)");
	free(c.p);
}

/* Whoever can compute checksums may change any byte: what is accepted is read without harm and is canonical.
 */
static void each_byte_may_change(void **state)
{
	struct copy c = make();
	uint8_t *bytes = (uint8_t *)c.p;
	unsigned refused = 0;

	for (size_t i = 0; i < c.size; i++) {
		const uint8_t was = bytes[i];
		char what[200];

		for (int bit = 0; bit < 8; bit += 7) {
			bytes[i] = (uint8_t)(was ^ 1 << bit);
			if (c.p->size == c.size)
				c.p->crc64 = nft_program_crc(c.p);
			if (nft_program_check(c.p, c.size)) {
				refused++;
			} else {
				size_t len;

				free(nft_print(c.p, 0, true, &len));
				assert_false(nft_differ(c.p, 0, c.p, 0, what, sizeof what));
			}
			bytes[i] = was;
		}
		c.p->crc64 = nft_program_crc(c.p);
	}
	assert_true(refused > c.size);
	assert_null(nft_program_check(c.p, c.size));
	free(c.p);
}

static void order_of_building_does_not_matter(void **state)
{
	struct nft_builder *b[2] = {nft_builder_new(), nft_builder_new()};
	struct nft_program *p[2];
	size_t size[2];
	char error[200] = "";

	for (int i = 0; i < 2; i++) {
		nft_build_model(b[i]);
		for (int k = 0; k < 2; k++)
			if (k == i) {
				nft_build_table(b[i], NFT_INET, NFT_TABLE);
				for (int n = 0; n < 2; n++) {
					small_set(b[i], n == i ? "row" : "source", 2);
					SMALL_PUT(b[i], "row", 5, n == i ? 700 : 3);
					SMALL_PUT(b[i], "row", 5, n == i ? 3 : 700);
				}
				nft_build_counter(b[i], i ? "x" : "y");
				nft_build_counter(b[i], i ? "y" : "x");
			} else {
				nft_build_table(b[i], NFT_BRIDGE, NFT_TABLE);
			}
		p[i] = nft_builder_finish(b[i], NULL, &size[i], error, sizeof error);
		assert_non_null(p[i]);
		nft_builder_free(b[i]);
	}
	assert_int_equal(size[0], size[1]);
	assert_memory_equal(p[0], p[1], size[0]);
	free(p[0]);
	free(p[1]);
}

static void fails(void (*build)(struct nft_builder *), const char *text)
{
	struct nft_builder *b = nft_builder_new();
	char error[200] = "";
	size_t size;

	build(b);
	assert_null(nft_builder_finish(b, NULL, &size, error, sizeof error));
	assert_string_equal(error, text);
	nft_builder_free(b);
}

static void set_outside(struct nft_builder *b)
{
	small_set(b, "row", 2);
}

static void element_outside(struct nft_builder *b)
{
	nft_build_model(b);
	nft_build_table(b, NFT_INET, NFT_TABLE);
	SMALL_PUT(b, "row", 1, 1);
}

static void element_twice(struct nft_builder *b)
{
	nft_build_model(b);
	nft_build_table(b, NFT_INET, NFT_TABLE);
	small_set(b, "row", 2);
	SMALL_PUT(b, "row", 1, 1);
	SMALL_PUT(b, "row", 2, 1);
}

static void rule_outside(struct nft_builder *b)
{
	nft_build_model(b);
	nft_build_table(b, NFT_INET, NFT_TABLE);
	nft_build_rule(b);
}

static void long_name(struct nft_builder *b)
{
	char name[200];

	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	nft_build_model(b);
	nft_build_table(b, NFT_INET, NFT_TABLE);
	nft_build_counter(b, name);
}

static void builder_tells_what_failed(void **state)
{
	fails(set_outside, "kernel program: `row` outside a table");
	fails(element_outside, "kernel program: element outside a set");
	fails(element_twice, "kernel program: set `row` has two elements of one key");
	fails(rule_outside, "kernel program: rule outside a chain");
	fails(long_name, "kernel program: name `aaaaaaaaaaaaaaaaaaaa...` is longer than 127");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_is_told),
		cmocka_unit_test(a_torn_program_is_refused),
		cmocka_unit_test(each_byte_may_change),
		cmocka_unit_test(order_of_building_does_not_matter),
		cmocka_unit_test(builder_tells_what_failed),
	};

	return cmocka_run_group_tests_name("nftmodel check", tests, NULL, NULL);
}
