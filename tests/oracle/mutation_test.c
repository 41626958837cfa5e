/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changed images with a right checksum are refused or harmless: each byte of a small image, then thousands of
 * random changes of a small and of a compiled one. Under ASan a reader that leaves the image ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "case.h"
#include "image_check.h"
#include "image_exercise.h"
#include "random.h"
#include "tiny_image.h"

#define ROUNDS 4000

struct tally {
	size_t refused, accepted;
};

/* `bytes` is an allocation of exactly `size`. */
static void judge(void *bytes, size_t size, struct tally *tally)
{
	struct image_header *image = bytes;

	if (image->size == size)
		image->crc64 = image_crc(image);
	if (image_check(image, size)) {
		tally->refused++;
		return;
	}
	tally->accepted++;
	image_exercise(image);
}

static void every_byte_of_a_small_image(void **state)
{
	static const uint8_t changes[] = {0x01, 0x02, 0x04, 0x10, 0x80, 0xff};
	static struct tiny_image t;
	uint8_t *copy = malloc(sizeof t);
	struct tally tally = {0};

	assert_non_null(copy);
	tiny_image_make(&t);
	for (size_t i = 0; i < sizeof t * sizeof changes; i++) {
		memcpy(copy, &t, sizeof t);
		copy[i / sizeof changes] ^= changes[i % sizeof changes];
		judge(copy, sizeof t, &tally);
	}
	print_message("# refused %zu, accepted and read %zu\n", tally.refused, tally.accepted);
	assert_true(tally.refused > 1000 && tally.accepted > 1000);
	free(copy);
}

/* Values that checks are most likely to get wrong. */
static void change_word(uint8_t *bytes, size_t size, struct rng *r)
{
	static const uint32_t values[] = {
		0, 1, 2, 63, 64, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, 0x01000000, 0x00010000};
	const size_t at = rng_below(r, size / 4) * 4;
	uint32_t word;

	memcpy(&word, bytes + at, sizeof word);
	switch (rng_below(r, 4)) {
	case 0:
		word = values[rng_below(r, sizeof values / sizeof values[0])];
		break;
	case 1:
		word += (uint32_t)rng_below(r, 5) - 2;
		break;
	case 2:
		word ^= 1u << rng_below(r, 32);
		break;
	default:
		memcpy(&word, bytes + rng_below(r, size / 4) * 4, sizeof word);
	}
	memcpy(bytes + at, &word, sizeof word);
}

static void mutate(const void *image, size_t size, int rounds, struct tally *tally)
{
	uint8_t *copy = malloc(size);
	struct rng r = {size};

	assert_non_null(copy);
	for (int i = 0; i < rounds; i++) {
		memcpy(copy, image, size);
		for (size_t n = 1 + rng_below(&r, 3); n; n--)
			change_word(copy, rng_chance(&r, 30) ? sizeof(struct image_header) : size, &r);
		memcpy(copy, IMAGE_MAGIC, 8);
		judge(copy, size, tally);
	}
	free(copy);
}

static void random_changes(void **state)
{
	static struct tiny_image t;
	struct tally tally = {0};
	struct policy_case c;
	uint64_t seed = 77;
	size_t refused = 0;

	tiny_image_make(&t);
	mutate(&t, sizeof t, ROUNDS, &tally);
	case_draw(&c, &seed, &refused);
	mutate(c.image, c.size, ROUNDS / 8, &tally);
	case_free(&c);
	print_message("# refused %zu, accepted and read %zu\n", tally.refused, tally.accepted);
	assert_true(tally.refused > 1000 && tally.accepted > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_a_small_image),
		cmocka_unit_test(random_changes),
	};

	return cmocka_run_group_tests_name("image-mutation", tests, NULL, NULL);
}
