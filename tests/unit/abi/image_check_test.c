/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * image_check() refuses every fault of a table of faults by its own words, and accepts the image without it.
 * The checksum is put right after each fault, so that the check behind it is the one that answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tiny_image.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the table of faults gives low bytes first");

#define AT(member)  offsetof(struct tiny_image, member), sizeof(((struct tiny_image *)0)->member)
#define HTTPS       0x601bbu
#define FAULT_COUNT (sizeof faults / sizeof faults[0])

static const struct fault {
	const char *text; /* what image_check() says */
	size_t offset, size;
	uint64_t value;
} faults[] = {
	{"image: not a policy image", AT(h.magic[0]), 'X'},
	{"image: not a policy image", AT(h.magic[7]), 1},
	{"image: made for another version", AT(h.abi), IMAGE_ABI + 1},
	{"image: header: reserved field is set", AT(h.reserved), 1},
	{"image: section misplaced", AT(h.identity.offset), 0},
	{"image: section misplaced", AT(h.slot.offset), 8 + offsetof(struct tiny_image, slot)},
	{"image: section beyond the end", AT(h.prefix6.count), 100},
	{"image: section beyond the end", AT(h.region.count), UINT32_MAX},
	{"image: section beyond the end", AT(h.region.offset), UINT32_MAX - 63},
	{"image: sections overlap", AT(h.list.offset), offsetof(struct tiny_image, region)},
	{"image: sections overlap", AT(h.identity.count), 64},
	{"image: number of classes out of range", AT(h.n_source), 0},
	{"image: number of classes out of range", AT(h.n_responder), 0},
	{"image: number of classes out of range", AT(h.n_responder), 65537},
	{"image: matrix has another size than its classes need", AT(h.n_source), 3},
	{"image: matrix has another size than its classes need", AT(h.n_matrix), 0},
	{"image: matrix has another size than its classes need", AT(h.n_matrix), 0x80000002},
	{"image: number of rules out of range", AT(h.n_rules), RULE_SCOPE_BIT},
	{"image: number of rules out of range", AT(h.n_scopes), UINT32_MAX},
	{"image: number of identities out of range", AT(h.identity.count), 0},
	{"image: empty table", AT(h.row.count), 0},
	{"image: empty table", AT(h.list.count), 0},
	{"image: empty table", AT(h.decision.count), 0},
	{"image: empty table", AT(h.schedule.count), 0},
	{"image: identity 0 has a class", AT(identity[0].source), 1},
	{"image: identity 0 has a class", AT(identity[0].responder), 1},
	{"image: identity: class out of range", AT(identity[16].source), 2},
	{"image: identity: class out of range", AT(identity[18].responder), 3},
	{"image: schedule does not begin at the beginning of time", AT(schedule[0].from_utc), 0},
	{"image: schedule not ascending", AT(schedule[1].from_utc), (uint64_t)INT64_MIN},
	{"image: schedule: matrix out of range", AT(schedule[1].matrix), 2},
	{"image: schedule: reserved field is set", AT(schedule[1].reserved), 1},
	{"image: decision 0 is not default-deny", AT(decision[0].rule), 1},
	{"image: decision 0 is not default-deny", AT(decision[0].intended_rule), 1},
	{"image: decision 0 is not default-deny", AT(decision[0].flags), DECISION_ALLOW},
	{"image: decision: rule out of range", AT(decision[1].rule), 3},
	{"image: decision: rule out of range", AT(decision[1].intended_rule), 3},
	{"image: decision: rule out of range", AT(decision[2].rule), RULE_SCOPE_BIT | 1},
	{"image: decision: unknown flag", AT(decision[1].flags), 0x13},
	{"image: decision: no reason of the policy", AT(decision[1].reason), REASON_SPOOF},
	{"image: decision: no reason of the policy", AT(decision[1].reason), REASON_NONE},
	{"image: decision: no reason of the policy", AT(decision[1].intended_reason), REASON_COUNT},
	{"image: decision: allow without a rule", AT(decision[1].rule), RULE_DEFAULT_DENY},
	{"image: decision: intended allow without a rule", AT(decision[1].intended_rule), RULE_DEFAULT_DENY},
	{"image: decision: a scope only ever allows, and never by intention", AT(decision[2].flags), 0},
	{"image: decision: a scope only ever allows, and never by intention", AT(decision[2].intended_rule),
	 RULE_SCOPE_BIT},
	{"image: decision: reserved field is set", AT(decision[1].obligations), 1},
	{"image: decision: reserved field is set", AT(decision[1].reserved[0]), 1},
	{"image: decision: reserved field is set", AT(decision[2].reserved[2]), 1},
	{"image: list: regions out of place", AT(list[1].region_first), 0},
	{"image: list: regions out of place", AT(list[1].region_count), 0},
	{"image: list: regions out of place", AT(list[2].region_count), 2},
	{"image: list: regions out of place", AT(list[2].region_count), UINT32_MAX},
	{"image: regions that no list has", AT(h.list.count), 2},
	{"image: list does not begin at service 0", AT(region[1].from), 1},
	{"image: list does not begin at service 0", AT(region[0].from), HTTPS},
	{"image: list not ascending", AT(region[3].from), HTTPS},
	{"image: list not ascending", AT(region[2].from), 0},
	{"image: region beyond the last service", AT(region[3].from), SERVICE_KEY_END},
	{"image: region: decision out of range", AT(region[2].decision), 3},
	{"image: list 0 is not default-deny", AT(region[0].decision), 1},
	{"image: row: slots out of place", AT(row[1].slot_first), 1},
	{"image: row: slots out of place", AT(row[1].slot_count), 8},
	{"image: row: slots out of place", AT(row[1].slot_count), UINT32_MAX},
	{"image: slots that no row has", AT(h.row.count), 1},
	{"image: slots that no row has", AT(row[1].slot_count), 0},
	{"image: row: list out of range", AT(row[1].default_list), 3},
	{"image: row: reserved field is set", AT(row[0].reserved), 1},
	{"image: row: number of slots is no power of two", AT(row[1].slot_count), 3},
	{"image: row: responder class 0 is not denied", AT(row[1].default_list), 1},
	{"image: matrix: row out of range", AT(matrix[3]), 2},
	{"image: source class 0 is not denied", AT(matrix[2]), 1},
	{"image: IPv4 prefixes do not begin at 0.0.0.0", AT(prefix4[0].from), 1},
	{"image: IPv4 prefixes do not begin at 0.0.0.0", AT(h.prefix4.count), 0},
	{"image: IPv4 prefixes not ascending", AT(prefix4[2].from), 0x0a000000},
	{"image: IPv4 prefix: identity or flag out of range", AT(prefix4[1].identity), 19},
	{"image: IPv4 prefix: identity or flag out of range", AT(prefix4[1].flags), 4},
	{"image: IPv6 prefixes do not begin at ::", AT(prefix6[0].from_low), 1},
	{"image: IPv6 prefixes do not begin at ::", AT(h.prefix6.count), 0},
	{"image: IPv6 prefixes not ascending", AT(prefix6[2].from_high), 0xfd00000000000000},
	{"image: IPv6 prefixes not ascending", AT(prefix6[2].from_high), 1},
	{"image: IPv6 prefix: identity or flag out of range", AT(prefix6[1].identity), 19},
	{"image: IPv6 prefix: identity or flag out of range", AT(prefix6[1].flags), 0x8000},
	{"image: IPv6 prefix: identity or flag out of range", AT(prefix6[2].reserved), 1},
};

static void put(struct tiny_image *t, const struct fault *f)
{
	memcpy((char *)t + f->offset, &f->value, f->size);
	t->h.crc64 = image_crc(&t->h);
}

static void accepts_the_image_as_made(void **state)
{
	static struct tiny_image t;

	tiny_image_make(&t);
	assert_null(image_check(&t, sizeof t));
}

static void refuses_each_fault_by_its_words(void **state)
{
	static struct tiny_image t;

	for (size_t i = 0; i < FAULT_COUNT; i++) {
		const char *said;

		tiny_image_make(&t);
		put(&t, &faults[i]);
		said = image_check(&t, sizeof t);
		if (!said || strcmp(said, faults[i].text))
			fail_msg("fault %zu: said \"%s\", not \"%s\"", i, said ? said : "fine",
				 faults[i].text);
	}
}

static void refuses_every_changed_bit(void **state)
{
	static struct tiny_image t;

	tiny_image_make(&t);
	for (size_t bit = 0; bit < sizeof t * 8; bit++) {
		((uint8_t *)&t)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (!image_check(&t, sizeof t))
			fail_msg("accepted with bit %zu of byte %zu changed", bit % 8, bit / 8);
		((uint8_t *)&t)[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_null(image_check(&t, sizeof t));
}

/* The bytes stand at the end of their allocation, so that a read beyond them is seen by ASan. */
static void refuses_every_shorter_size(void **state)
{
	static struct tiny_image t;

	tiny_image_make(&t);
	for (size_t size = 0; size < sizeof t; size++) {
		char *bytes = malloc(size ? size : 1);

		assert_non_null(bytes);
		memcpy(bytes, &t, size);
		assert_non_null(image_check(bytes, size));
		free(bytes);
	}
	assert_string_equal(image_check(&t, sizeof t + 1), "image: size differs from its header");
	assert_string_equal(image_check(&t, (size_t)IMAGE_SIZE_MAX + 1),
			    "image: larger than any image may be");
	assert_string_equal(image_check((char *)&t + 4, sizeof t - 4), "image: not aligned in memory");
}

/* Slots of a row of four. Classes 0, 1, 2 start at slots 0, 3, 2, class 7 at 3 too (asserted below). */
static const struct {
	const char *text;
	uint32_t responder[4];
} tables[] = {
#define NONE IMAGE_SLOT_EMPTY
	{NULL, {NONE, NONE, 2, 1}},
	{NULL, {7, NONE, 2, 1}}, /* round the end */
	{NULL, {1, NONE, NONE, 7}},
	{"image: row: no empty slot", {7, 0, 2, 1}},
	{"image: row: exception out of range", {NONE, NONE, 16, NONE}},
	{"image: row: exception cannot be found", {NONE, 1, NONE, NONE}},
	{"image: row: exception cannot be found", {1, NONE, NONE, NONE}},
	{"image: row: exception cannot be found", {1, NONE, NONE, 1}},
	{"image: row: responder class 0 is not denied", {0, NONE, NONE, NONE}},
#undef NONE
};

static void judges_hash_tables(void **state)
{
	static struct tiny_image t;

	assert_int_equal(image_slot_start(0, 4), 0);
	assert_int_equal(image_slot_start(1, 4), 3);
	assert_int_equal(image_slot_start(2, 4), 2);
	assert_int_equal(image_slot_start(7, 4), 3);
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		const char *said;

		tiny_image_make(&t);
		t.h.n_responder = 16;
		for (uint32_t k = 0; k < 4; k++)
			t.slot[k] = (struct image_slot){tables[i].responder[k], 1};
		t.h.crc64 = image_crc(&t.h);
		said = image_check(&t, sizeof t);
		if ((said == NULL) != (tables[i].text == NULL) || (said && strcmp(said, tables[i].text)))
			fail_msg("table %zu: said \"%s\"", i, said ? said : "fine");
	}
}

static void knows_the_checksum(void **state)
{
	/* check value of CRC-64/XZ, whole and in parts */
	assert_int_equal(crc64(0, "123456789", 9), 0x995dc9bbdf1939fa);
	assert_int_equal(crc64(crc64(0, "1234", 4), "56789", 5), 0x995dc9bbdf1939fa);
	assert_int_equal(crc64(0, "", 0), 0);
	assert_int_not_equal(crc64(0, "123456780", 9), 0x995dc9bbdf1939fa);
}

/* A large block goes eight bytes at a time; in small parts it goes byte by byte. */
static void counts_large_blocks_the_same(void **state)
{
	static uint8_t block[200003];
	uint64_t crc = 0;

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = (uint8_t)(i * i >> 7 ^ i);
	for (size_t i = 1; i < sizeof block; i += 1000)
		crc = crc64(crc, block + i, sizeof block - i < 1000 ? sizeof block - i : 1000);
	assert_int_equal(crc64(0, block + 1, sizeof block - 1), crc);
	block[150000] ^= 1;
	assert_int_not_equal(crc64(0, block + 1, sizeof block - 1), crc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_the_image_as_made),
		cmocka_unit_test(refuses_each_fault_by_its_words),
		cmocka_unit_test(refuses_every_changed_bit),
		cmocka_unit_test(refuses_every_shorter_size),
		cmocka_unit_test(judges_hash_tables),
		cmocka_unit_test(knows_the_checksum),
		cmocka_unit_test(counts_large_blocks_the_same),
	};

	return cmocka_run_group_tests_name("image_check", tests, NULL, NULL);
}
