/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cases of a live verification against the real engine behind its real socket: all of them agree, for
 * every plan of random policies; and one that does not is found.
 */
#include "probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "case.h"
#include "dir.h"
#include "dp.h"
#include "engine.h"
#include "image_check.h"
#include "mkimage.h"
#include "random.h"
#include "snapshot.h"
#include "testdp.h"

#define WEB       16u
#define DB        17u
#define GUEST     18u
#define POLICIES  6u
#define QUESTIONS 1000u
#define IN_FULL   8u /* questions of a plan that all cases are asked of */
#define FAULTS    20u

struct bench {
	char dir[64], path[128];
	struct testdp *peer;
	struct dp *dp;
	uint32_t generation;
	size_t asked, frames;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	dir_make(b->dir, sizeof(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/dp.sock", b->dir);
	b->peer = testdp_start(b->dir);
	b->dp = dp_new(b->path, DP_ENGINE_DPDK);
	assert_int_equal(dp_connect(b->dp), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	dp_free(b->dp);
	testdp_stop(b->peer);
	dir_remove(b->dir);
	free(b);
	return 0;
}

static void publish(struct bench *b, const struct image_header *image)
{
	struct snapshot_header s = {.abi = SNAPSHOT_ABI,
				    .generation = ++b->generation,
				    .dictionary = image->identity.count,
				    .image_crc = image->crc64};
	struct enforced g = {.number = b->generation,
			     .image = image,
			     .image_size = image->size,
			     .snapshot = &s,
			     .snapshot_size = sizeof(s)};
	struct enforcer *e = dp_enforcer(b->dp);

	memcpy(s.magic, SNAPSHOT_MAGIC, sizeof(s.magic));
	s.crc64 = snapshot_crc(&s);
	if (e->ops->prepare(e, &g) || e->ops->publish(e, &g))
		fail_msg("%s", e->error);
}

/* The frame that differs, or -1. */
static int ask(struct bench *b, const struct probe_question *q, const struct probe_case *c)
{
	uint8_t bytes[DP_PROBE_FRAMES * PROBE_BYTES];
	struct dp_probes order;
	size_t size = probe_order(q, c, &order, bytes);

	if (dp_probe(b->dp, &order, bytes, size))
		fail_msg("%s", dp_error(b->dp));
	b->asked++;
	b->frames += c->n;
	return probe_differs(c, &order);
}

static void expect(struct bench *b, const struct probe_question *q, size_t max)
{
	struct probe_case c[PROBE_CASES_MAX];
	size_t n = probe_cases(q, c, max);
	int differs;

	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		differs = ask(b, q, &c[i]);
		if (differs >= 0)
			fail_msg("%u -> %u key %06x v%u %s: %s, frame %d", q->from, q->to, q->key, q->family,
				 q->allow ? "allow" : "deny", c[i].name, differs);
	}
}

/* --- by hand --------------------------------------------------------------------------------- */

#define KEY(proto, low) ((service_key)(proto) << 16 | (low))
#define CELL(proto, low)                                                                                     \
	{                                                                                                    \
		WEB, DB, KEY(proto, low), KEY(proto, low) + 1,                                               \
		{                                                                                            \
			.rule = 1, .intended_rule = 1, .flags = DECISION_ALLOW | DECISION_INTENDED_ALLOW,    \
			.reason = REASON_RULE, .intended_reason = REASON_RULE                                \
		}                                                                                            \
	}

static const struct mkimage_cell cells[] = {
	CELL(1, 8 << 8), CELL(6, 443), CELL(17, 53), CELL(47, 0), CELL(58, 128 << 8),
};

static void publish_cells(struct bench *b)
{
	const struct mkimage m = {.cell = cells, .n_cells = sizeof(cells) / sizeof(cells[0])};
	struct image_header *image = mkimage(&m);

	image->named_proto[0] |= UINT64_C(1) << 47;
	image->crc64 = image_crc(image);
	publish(b, image);
	free(image);
}

static const struct {
	service_key key;
	uint8_t families;
} services[] = {
	{KEY(6, 443), 3}, {KEY(17, 53), 3}, {KEY(1, 8 << 8), 1}, {KEY(58, 128 << 8), 2}, {KEY(47, 0), 3}};
#define SERVICES (sizeof(services) / sizeof(services[0]))

static void all_cases_agree(void **state)
{
	struct bench *b = *state;
	uint32_t serial = 0;

	publish_cells(b);
	for (size_t i = 0; i < SERVICES; i++)
		for (uint8_t family = 4; family <= 6; family += 2)
			for (int allow = 0; allow < 2; allow++) {
				struct probe_question q = {
					WEB, allow ? DB : GUEST, family, allow, services[i].key, 0, serial++};

				if (services[i].families & (family == 4 ? 1 : 2))
					expect(b, &q, PROBE_CASES_MAX);
			}
	assert_true(b->asked > 150);
	print_message("# %zu cases, %zu frames\n", b->asked, b->frames);
}

/* Each case can fail: told the opposite of one frame's fate, it names that frame. */
static void a_broken_case_is_found(void **state)
{
	struct probe_question q = {WEB, DB, 4, true, KEY(6, 443), 0, 9};
	struct bench *b = *state;
	struct probe_case c[PROBE_CASES_MAX];
	size_t n = probe_cases(&q, c, PROBE_CASES_MAX);

	publish_cells(b);
	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < c[i].n; k++) {
			c[i].frame[k].forwarded ^= 1;
			assert_int_equal(ask(b, &q, &c[i]), k);
			c[i].frame[k].forwarded ^= 1;
		}
}

/* An engine that answers without having looked is found too. */
static void an_engine_that_lies_is_found(void **state)
{
	struct probe_question q = {WEB, DB, 4, true, KEY(6, 443), 0, 9};
	struct bench *b = *state;
	struct probe_case c[PROBE_CASES_MAX];

	publish_cells(b);
	assert_true(probe_cases(&q, c, PROBE_CASES_MAX) > 0);
	testdp_fault(b->peer, DP_PROBE, TESTDP_LIE, 1);
	assert_int_equal(ask(b, &q, &c[0]), 0);
	assert_int_equal(ask(b, &q, &c[0]), -1);
}

/* By the slow sums of the test support, which share no code with the builder. */
static void sums_are_right(void **state)
{
	struct probe_case c[PROBE_CASES_MAX];
	unsigned checked = 0;

	(void)state;
	for (size_t i = 0; i < SERVICES - 1; i++) /* GRE has none */
		for (uint8_t family = 4; family <= 6; family += 2) {
			struct probe_question q = {WEB, DB, family, true, services[i].key, 0, 77};
			size_t n = probe_cases(&q, c, PROBE_CASES_MAX);

			for (size_t k = 0; k < n; k++)
				for (uint32_t f = 0; f < c[k].n; f++) {
					if (strstr(c[k].name, "fragment") || strstr(c[k].name, "route"))
						continue;
					assert_true(pkt_sums_good(c[k].frame[f].bytes, c[k].frame[f].len));
					checked++;
				}
		}
	assert_true(checked > 100);
}

static void what_cannot_be_sent_has_no_cases(void **state)
{
	static const struct {
		uint8_t family;
		service_key key;
	} none[] = {
		{4, KEY(58, 128 << 8)}, {6, KEY(1, 8 << 8)}, {4, KEY(1, 3 << 8)}, {4, KEY(17, 67)},
		{6, KEY(17, 547)},      {4, KEY(6, 0)},      {6, KEY(0, 0)},      {6, KEY(44, 0)},
		{4, KEY(2, 0)},         {4, KEY(47, 1)},
	};
	struct probe_case c[PROBE_CASES_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct probe_question q = {WEB, DB, none[i].family, true, none[i].key, 0, 0};

		assert_int_equal(probe_cases(&q, c, PROBE_CASES_MAX), 0);
	}
}

/* --- plans ----------------------------------------------------------------------------------- */

static bool is_host(uint16_t i)
{
	return i != IDENTITY_NONE && i != IDENTITY_MULTICAST &&
	       (i < IDENTITY_PROBE_FIRST || i > IDENTITY_PROBE_LAST);
}

struct occurring {
	const struct image_header *image;
	uint8_t *seen;
};

/* Which decisions do pairs of hosts meet? Asked of the decoder, cell by cell. */
static bool note(void *ctx, const struct cell *c)
{
	const struct image_decision *d;
	struct occurring *o = ctx;

	d = image_at(o->image, o->image->decision);
	if (is_host(c->from) && is_host(c->to))
		for (uint32_t i = 0; i < o->image->decision.count; i++)
			o->seen[i] |= !memcmp(&d[i], &c->decision, sizeof(*d));
	return true;
}

static void check_plan(const struct image_header *image, const struct probe_question *q, size_t n,
		       size_t left_out, int64_t now)
{
	const struct image_decision *d = image_at(image, image->decision);
	struct occurring o = {image, calloc(image->decision.count, 1)};
	size_t occur = 0, twice = 0;

	decode_cells(image, now, note, &o);
	for (size_t i = 0; i < n; i++) {
		struct image_decision got = engine_ask(image, q[i].from, q[i].to, q[i].key, now);

		assert_memory_equal(&got, &d[q[i].decision], sizeof(got));
		assert_int_equal(q[i].allow, !!(got.flags & DECISION_ALLOW));
		assert_true(is_host(q[i].from) && is_host(q[i].to));
		twice += !(o.seen[q[i].decision] & 1);
		o.seen[q[i].decision] |= 2;
	}
	for (uint32_t i = 0; i < image->decision.count; i++)
		occur += o.seen[i] & 1;
	assert_int_equal(twice, 0);
	assert_int_equal(n + left_out, occur);
	free(o.seen);
}

static void random_policies_agree(void **state)
{
	static struct probe_question q[QUESTIONS];
	struct bench *b = *state;
	uint64_t seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 10) : 1;
	size_t refused = 0, left_out, left = 0, verdicts[2] = {0};

	for (unsigned p = 0; p < POLICIES; p++) {
		int64_t now = time(NULL);
		struct policy_case c;
		size_t n;

		case_draw(&c, &seed, &refused);
		n = probe_plan(c.image, now, q, QUESTIONS, &left_out);
		check_plan(c.image, q, n, left_out, now);
		publish(b, c.image);
		for (size_t i = 0; i < n; i++) {
			verdicts[q[i].allow]++;
			expect(b, &q[i], i % (n / IN_FULL + 1) ? 1 : PROBE_CASES_MAX);
		}
		left += left_out;
		case_free(&c);
	}
	assert_true(verdicts[0] > 0 && verdicts[1] > 0);
	print_message("# %zu allows, %zu denies, %zu decisions no packet can ask, %zu cases\n", verdicts[1],
		      verdicts[0], left, b->asked);
}

static bool plan_differs(struct bench *b, const struct probe_question *q, size_t n)
{
	struct probe_case c;

	for (size_t i = 0; i < n; i++)
		if (probe_cases(&q[i], &c, 1) && ask(b, &q[i], &c) >= 0)
			return true;
	return false;
}

/* One decision of an image is another verdict than the policy's: its question finds it. */
static void a_wrong_image_is_found(void **state)
{
	static struct probe_question q[QUESTIONS];
	struct bench *b = *state;
	struct rng r = {7};
	uint64_t seed = 100;
	size_t refused = 0, left_out, n, found = 0;

	for (unsigned f = 0; f < FAULTS; f++) {
		struct image_decision *d;
		struct policy_case c;

		case_draw(&c, &seed, &refused);
		n = probe_plan(c.image, time(NULL), q, QUESTIONS, &left_out);
		d = (struct image_decision *)((char *)c.image + c.image->decision.offset) +
		    q[rng_below(&r, n)].decision;
		if (d->flags & DECISION_ALLOW)
			*d = *(const struct image_decision *)image_at(c.image, c.image->decision);
		else if (d->rule && !(d->rule & RULE_SCOPE_BIT))
			d->flags |= DECISION_ALLOW;
		else { /* default-deny cannot be made an allow; another one can be a deny */
			case_free(&c);
			f--;
			continue;
		}
		c.image->crc64 = image_crc(c.image);
		assert_null(image_check(c.image, c.size));
		publish(b, c.image);
		found += plan_differs(b, q, n);
		case_free(&c);
	}
	assert_int_equal(found, FAULTS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(all_cases_agree),
		T(a_broken_case_is_found),
		T(an_engine_that_lies_is_found),
		cmocka_unit_test(sums_are_right),
		cmocka_unit_test(what_cannot_be_sent_has_no_cases),
		T(random_policies_agree),
		T(a_wrong_image_is_found),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
