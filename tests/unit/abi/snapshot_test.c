/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot_check(): a good snapshot passes, and each single fault is refused by its words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot.h"

#define AT(member) offsetof(struct small, member), sizeof(((struct small *)0)->member)

struct small {
	struct snapshot_header h;
	struct dp_binding b[2];
};

static const struct fault {
	const char *text;
	size_t offset, size;
	uint64_t value;
} faults[] = {
	{"bindings: not a bindings snapshot", AT(h.magic[7]), 0},
	{"bindings: made for another version", AT(h.abi), SNAPSHOT_ABI + 1},
	{"bindings: size differs from its header", AT(h.count), 1},
	{"bindings: size differs from its header", AT(h.count), 3},
	{"bindings: size differs from its header", AT(h.count), UINT32_MAX},
	{"bindings: address of no known family", AT(b[0].family), 0},
	{"bindings: address of no known family", AT(b[1].family), 5},
	{"bindings: address of no known family", AT(b[0].addr[15]), 1},
	{"bindings: unknown flag", AT(b[1].flags), DP_BINDING_GONE},
	{"bindings: unknown flag", AT(b[1].reserved), 1},
	{"bindings: identity out of range", AT(b[0].identity), 65520},
	{"bindings: identity from a larger dictionary", AT(b[1].dictionary), 21},
};

static void make(struct small *s)
{
	memset(s, 0, sizeof *s);
	memcpy(s->h.magic, SNAPSHOT_MAGIC, sizeof s->h.magic);
	s->h.abi = SNAPSHOT_ABI;
	s->h.count = 2;
	s->h.dictionary = 20;
	s->b[0] = (struct dp_binding){.addr = {10, 0, 0, 1}, .family = 4, .identity = 16, .dictionary = 20};
	s->b[1] =
		(struct dp_binding){.addr = {0xfd, [15] = 1}, .family = 6, .identity = 17, .dictionary = 20};
	s->h.crc64 = snapshot_crc(&s->h);
}

static void accepts_a_good_one(void **state)
{
	struct small s;

	make(&s);
	assert_null(snapshot_check(&s, sizeof s));
	assert_memory_equal(snapshot_bindings(&s.h), s.b, sizeof s.b);
	s.h.count = 0;
	s.h.crc64 = snapshot_crc(&s.h);
	assert_null(snapshot_check(&s, sizeof s.h));
}

static void refuses_each_fault(void **state)
{
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		const char *said;
		struct small s;

		make(&s);
		memcpy((char *)&s + faults[i].offset, &faults[i].value, faults[i].size);
		if (s.h.count == 2)
			s.h.crc64 = snapshot_crc(&s.h);
		said = snapshot_check(&s, sizeof s);
		if (!said || strcmp(said, faults[i].text))
			fail_msg("fault %zu: said \"%s\", not \"%s\"", i, said ? said : "fine",
				 faults[i].text);
	}
}

static void refuses_every_changed_byte_and_shorter_size(void **state)
{
	struct small s;

	make(&s);
	for (size_t i = 0; i < sizeof s; i++) {
		((uint8_t *)&s)[i] ^= 0xff;
		assert_non_null(snapshot_check(&s, sizeof s));
		((uint8_t *)&s)[i] ^= 0xff;
		assert_non_null(snapshot_check(&s, i));
	}
	assert_non_null(snapshot_check(&s, sizeof s + 44));
	assert_non_null(snapshot_check((char *)&s + 4, sizeof s - 4));
	assert_null(snapshot_check(&s, sizeof s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_a_good_one),
		cmocka_unit_test(refuses_each_fault),
		cmocka_unit_test(refuses_every_changed_byte_and_shorter_size),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
