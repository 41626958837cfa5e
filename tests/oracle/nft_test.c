/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernel programs of random policies: their maps give every pair and service the decision of evaluation,
 * decoded image and engine, in both layouts; the proof (nft_means) agrees; and one changed element of a
 * program is found by the check, the proof or the comparison. COUNT=n and SEED=n as in agree_test.c.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>

#include <cmocka.h>

#include "case.h"
#include "compare.h"
#include "engine.h"
#include "inside.h"
#include "mkbox.h"
#include "random.h"
#include "sets.h"
#include "to_nft.h"

#define POLICIES       120u
#define RANDOM_KEYS    8u
#define FAULT_POLICIES 6u
#define PLACES         3u
#define AT_UTC         1700000000

static uint64_t from_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static struct nft_program *program_of(const struct policy_case *c, uint32_t layout, size_t *size)
{
	const struct nft_box box = mkbox(layout, NFT_PLANE_HOST | (layout ? NFT_PLANE_FORWARD : 0));
	const struct nft_limits limits = NFT_LIMITS_DEFAULT;
	struct nft_program *p = NULL;
	char error[256] = "";

	if (compile_nft(c->image, &box, &limits, &p, size, error, sizeof error) != COMPILE_OK)
		fail_msg("%s\n%s", error, c->text);
	return p;
}

/* Packets of protocols without ports or types all have the same key. */
static bool some_packet_has(service_key key)
{
	const unsigned proto = key >> 16;

	return proto == 1 || proto == 6 || proto == 17 || proto == 58 || !(key & 0xffff);
}

/* --- agreement ---------------------------------------------------------------------------------------- */

static bool same_answer(const struct policy_case *c, const struct nft_program *p, uint16_t from, uint16_t to,
			service_key key)
{
	const struct image_decision *class = nft_at(p, p->decision);
	const struct image_decision engine = engine_ask(c->image, from, to, key, AT_UTC);
	const struct image_decision decoded = decode_ask(c->image, from, to, key, AT_UTC);
	const uint32_t found = nft_ask(p, 0, from, to, key);

	return found < p->decision.count && !memcmp(&class[found], &engine, sizeof engine) &&
	       !memcmp(&decoded, &engine, sizeof engine);
}

static uint64_t compare_program(const struct policy_case *c, const struct nft_program *p,
				const struct compare_keys *keys)
{
	uint64_t n = 0;

	for (uint32_t from = 0; from < c->image->identity.count; from++)
		for (uint32_t to = 0; to < c->image->identity.count; to++)
			for (size_t i = 0; i < keys->n; i++) {
				if (!some_packet_has(keys->keys[i]))
					continue;
				n++;
				if (!same_answer(c, p, (uint16_t)from, (uint16_t)to, keys->keys[i]))
					fail_msg("%u -> %u key %06x: the program says class %u\n%s", from, to,
						 keys->keys[i],
						 nft_ask(p, 0, (uint16_t)from, (uint16_t)to, keys->keys[i]),
						 c->text);
			}
	return n;
}

static void maps_image_and_engine_agree(void **state)
{
	const uint64_t count = from_env("COUNT", POLICIES);
	uint64_t seed = from_env("SEED", 1), decisions = 0;
	size_t refused = 0;

	(void)state;
	for (uint64_t i = 0; i < count; i++) {
		struct policy_case c;
		struct compare_keys keys;
		struct nft_program *p;
		size_t size;

		case_draw(&c, &seed, &refused);
		p = program_of(&c, NFT_LAYOUT_BRNF, &size);
		keys = compare_keys(c.rs, RANDOM_KEYS, seed);
		decisions += compare_program(&c, p, &keys);
		free(keys.keys);
		free(p);
		case_free(&c);
	}
	print_message("# %" PRIu64 " policies, %" PRIu64 " decisions compared\n", count, decisions);
	assert_true(decisions > count * 1000);
}

/* --- the proof ---------------------------------------------------------------------------------------- */

static void programs_mean_what_their_images_mean(void **state)
{
	uint64_t seed = 7000;
	size_t refused = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct policy_case c;

		case_draw(&c, &seed, &refused);
		for (uint32_t layout = NFT_LAYOUT_NONE; layout <= NFT_LAYOUT_BRCT; layout++) {
			struct nft_difference d;
			size_t size;
			struct nft_program *p = program_of(&c, layout, &size);

			if (!nft_means(p, c.image, AT_UTC, &d))
				fail_msg("layout %u: %s\n%s", layout, d.text, c.text);
			free(p);
		}
		case_free(&c);
	}
}

/* An image is not proven by the program of another one, unless the two mean the same. */
static void programs_of_other_policies_do_not(void **state)
{
	uint64_t seed = 7100;
	size_t refused = 0, differ = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct policy_case a, b;
		struct nft_difference d;
		size_t size;
		struct nft_program *p;

		case_draw(&a, &seed, &refused);
		case_draw(&b, &seed, &refused);
		p = program_of(&a, NFT_LAYOUT_BRNF, &size);
		differ += !nft_means(p, b.image, AT_UTC, &d);
		free(p);
		case_free(&a);
		case_free(&b);
	}
	assert_true(differ >= 19);
}

/* --- faults ------------------------------------------------------------------------------------------- */

struct victim {
	struct nft_program *p;
	struct rng *rng;
	struct nft_program *without; /* set by faults that make another program, malloc'ed */
};

static void *section(struct victim *v, struct image_section s)
{
	return (char *)v->p + s.offset;
}

static struct nft_set *set_named(struct victim *v, const char *name)
{
	static const uint32_t families[] = {NFT_INET, NFT_BRIDGE};

	for (size_t i = 0; i < 2; i++) {
		const struct nft_table *t = nft_find_table(v->p, 0, families[i]);
		const struct nft_set *s = t ? nft_find_set(v->p, t, name) : NULL;

		if (s)
			return (struct nft_set *)section(v, v->p->set) +
			       (s - (const struct nft_set *)nft_at(v->p, v->p->set));
	}
	return NULL;
}

static struct nft_element *any_element(struct victim *v, const char *name, struct nft_set **set)
{
	*set = set_named(v, name);
	if (!*set || !(*set)->element_count)
		return NULL;
	return (struct nft_element *)section(v, v->p->element) + (*set)->element_first +
	       rng_below(v->rng, (*set)->element_count);
}

/* Data of some element becomes another number. */
static bool other_data(struct victim *v, const char *name, uint32_t below)
{
	struct nft_set *set;
	struct nft_element *e = any_element(v, name, &set);

	if (!e || below < 2)
		return false;
	e->data = (e->data + 1 + (uint32_t)rng_below(v->rng, below - 1)) % below;
	return true;
}

/* A number of a key is moved on: what was said of one thing is said of another. */
static bool other_key(struct victim *v, const char *name, uint32_t field, bool end)
{
	struct nft_set *set;
	struct nft_element *e = any_element(v, name, &set);
	struct nft_set_shape shape;
	uint8_t *key;
	uint32_t number;

	if (!e || !nft_shape_of(name, set, &shape))
		return false;
	key = end ? e->key_end : e->key;
	number = nft_key_get(&shape, field, key);
	if (end ? !number : number == 0xffff)
		return false;
	memset(key + nft_key_offset(&shape, field), 0, shape.field_len[field]);
	nft_key_number(&shape, field, end ? number - 1 : number + 1, key);
	if (!(shape.flags & NFT_SET_INTERVAL))
		memcpy(e->key_end, e->key, sizeof e->key);
	return true;
}

static bool other_chain(struct victim *v, const char *name)
{
	struct nft_set *set;
	struct nft_element *e = any_element(v, name, &set), *first;

	if (!e)
		return false;
	first = (struct nft_element *)section(v, v->p->element) + set->element_first;
	for (uint32_t i = 0; i < set->element_count; i++)
		if (first[i].chain != e->chain) {
			e->chain = first[i].chain;
			return true;
		}
	return false;
}

static bool accepted_at_once(struct victim *v, const char *name)
{
	struct nft_set *set;
	struct nft_element *e = any_element(v, name, &set);

	if (!e)
		return false;
	e->verdict = 0;
	e->chain = 0;
	e->data = 1;
	return true;
}

/* --- an element is gone: the program is built anew without it --- */

static void copy_set(struct nft_builder *b, const struct nft_program *p, const struct nft_set *s,
		     const struct nft_element *without)
{
	const struct nft_element *e = nft_elements(p) + s->element_first;

	nft_build_set(b, nft_text(p, s->name), s);
	for (uint32_t i = 0; i < s->element_count; i++)
		if (&e[i] != without)
			nft_build_element(b, &e[i], e[i].chain ? nft_text(p, e[i].chain) : NULL);
}

static void copy_chain(struct nft_builder *b, const struct nft_program *p, const struct nft_chain *c)
{
	const struct nft_rule *r = nft_rules(p) + c->rule_first;

	nft_build_chain(b, nft_text(p, c->name), c, c->device ? nft_text(p, c->device) : NULL);
	for (uint32_t i = 0; i < c->rule_count; i++) {
		nft_build_rule(b);
		for (uint32_t k = 0; k < r[i].expr_count; k++) {
			const struct nft_expr *x = nft_exprs(p) + r[i].expr_first + k;

			nft_build_expr(b, x, x->name ? nft_text(p, x->name) : NULL);
		}
	}
}

static void copy_table(struct nft_builder *b, const struct nft_program *p, const struct nft_table *t,
		       const struct nft_element *without)
{
	nft_build_table(b, t->family, nft_text(p, t->name));
	for (uint32_t i = 0; i < t->set_count; i++)
		copy_set(b, p, nft_sets(p) + t->set_first + i, without);
	for (uint32_t i = 0; i < t->chain_count; i++)
		copy_chain(b, p, nft_chains(p) + t->chain_first + i);
	for (uint32_t i = 0; i < t->counter_count; i++)
		nft_build_counter(b, nft_text(p, nft_counters(p)[t->counter_first + i].name));
}

/* Of programs with one model. */
static struct nft_program *copy_without(const struct nft_program *p, const struct nft_element *without)
{
	struct nft_builder *b = nft_builder_new();
	const struct nft_model *m = nft_models(p);
	struct nft_program *copy;
	char error[256] = "";
	size_t size;

	nft_build_decisions(b, nft_decisions(p), p->decision.count);
	nft_build_model(b);
	for (uint32_t i = 0; i < m->table_count; i++)
		copy_table(b, p, nft_tables(p) + m->table_first + i, without);
	copy = nft_builder_finish(b, p, &size, error, sizeof error);
	if (!copy)
		fail_msg("%s", error);
	nft_builder_free(b);
	return copy;
}

static bool missing(struct victim *v, const char *name)
{
	struct nft_set *set;
	const struct nft_element *e = any_element(v, name, &set);

	if (!e)
		return false;
	v->without = copy_without(v->p, e);
	return true;
}

static struct nft_expr *any_expr(struct victim *v, uint32_t kind)
{
	struct nft_expr *e = section(v, v->p->expr);

	for (int tries = 0; tries < 2000; tries++) {
		struct nft_expr *x = e + rng_below(v->rng, v->p->expr.count);

		if (x->kind == kind)
			return x;
	}
	return NULL;
}

#define DATA_FAULT(set, below)                                                                               \
	static bool set##_data(struct victim *v)                                                             \
	{                                                                                                    \
		return other_data(v, #set, below);                                                           \
	}
#define KEY_FAULT(set, what, field, end)                                                                     \
	static bool set##_##what(struct victim *v)                                                           \
	{                                                                                                    \
		return other_key(v, #set, field, end);                                                       \
	}
#define MISSING_FAULT(set)                                                                                   \
	static bool set##_missing(struct victim *v)                                                          \
	{                                                                                                    \
		return missing(v, #set);                                                                     \
	}

DATA_FAULT(source, v->p->decision.count + 40)
DATA_FAULT(responder, v->p->decision.count + 40)
DATA_FAULT(pair, 1000)
DATA_FAULT(row, 1000)
DATA_FAULT(ports, v->p->decision.count)
DATA_FAULT(types, v->p->decision.count)
DATA_FAULT(types6, v->p->decision.count)
DATA_FAULT(protos, v->p->decision.count)
DATA_FAULT(host4, 30)
DATA_FAULT(host6, 30)
KEY_FAULT(source, identity, 0, false)
KEY_FAULT(responder, identity, 0, false)
KEY_FAULT(pair, source, 0, false)
KEY_FAULT(pair, responder, 1, false)
KEY_FAULT(row, source, 0, false)
KEY_FAULT(ports, begin, 2, false)
KEY_FAULT(ports, end, 2, true)
KEY_FAULT(types, begin, 1, false)
KEY_FAULT(types, end, 2, true)
KEY_FAULT(protos, begin, 1, false)
KEY_FAULT(protos, end, 1, true)
KEY_FAULT(host4, begin, 0, false)
KEY_FAULT(opening, class, 0, false)
KEY_FAULT(standing, class, 0, false)
KEY_FAULT(named_proto, proto, 0, false)
KEY_FAULT(named_icmp, type, 0, false)
MISSING_FAULT(source)
MISSING_FAULT(responder)
MISSING_FAULT(pair)
MISSING_FAULT(ports)
MISSING_FAULT(protos)
MISSING_FAULT(standing)
MISSING_FAULT(martian4)
MISSING_FAULT(tcp_sane)

static bool opening_chain(struct victim *v)
{
	return other_chain(v, "opening");
}

static bool standing_chain(struct victim *v)
{
	return other_chain(v, "standing");
}

static bool guard_chain(struct victim *v)
{
	return other_chain(v, "guard6");
}

static bool opening_accepts(struct victim *v)
{
	return accepted_at_once(v, "opening");
}

static bool host_standing_accepts(struct victim *v)
{
	return accepted_at_once(v, "host_standing");
}

/* --- faults of rules --- */

static bool a_drop_accepts(struct victim *v)
{
	struct nft_expr *x;

	for (int tries = 0; tries < 1000; tries++)
		if ((x = any_expr(v, NFT_EXPR_IMMEDIATE)) && x->verdict == 1) {
			x->verdict = 2;
			return true;
		}
	return false;
}

static bool a_goto_leads_elsewhere(struct victim *v)
{
	struct nft_expr *x = any_expr(v, NFT_EXPR_IMMEDIATE), *y = any_expr(v, NFT_EXPR_IMMEDIATE);

	if (!x || !y || x->verdict != NFT_GOTO || y->verdict != NFT_GOTO || x->name == y->name)
		return false;
	x->name = y->name;
	return true;
}

static bool a_look_up_is_inverted(struct victim *v)
{
	struct nft_expr *x = any_expr(v, NFT_EXPR_LOOKUP);

	if (!x || x->dreg != NFT_REG_NONE)
		return false;
	x->op ^= NFT_LOOKUP_F_INV;
	return true;
}

static bool a_comparison_is_inverted(struct victim *v)
{
	struct nft_expr *x = any_expr(v, NFT_EXPR_CMP);

	return x && (x->op ^= 1, true);
}

static bool a_comparison_of_another_number(struct victim *v)
{
	struct nft_expr *x = any_expr(v, NFT_EXPR_CMP);

	return x && (x->data[x->len - 1] ^= 1, true);
}

static bool a_field_at_another_place(struct victim *v)
{
	struct nft_expr *x = any_expr(v, NFT_EXPR_PAYLOAD);

	return x && (x->offset += 2, true);
}

static bool another_register(struct victim *v)
{
	struct nft_expr *x = any_expr(v, NFT_EXPR_META);

	if (!x || x->dreg == NFT_REG_NONE)
		return false;
	x->dreg += 4;
	return true;
}

static bool another_meta_key(struct victim *v)
{
	struct nft_expr *x = any_expr(v, NFT_EXPR_META);

	return x && (x->key ^= 1, true);
}

static bool another_counter(struct victim *v)
{
	struct nft_expr *x = any_expr(v, NFT_EXPR_OBJREF), *y = any_expr(v, NFT_EXPR_OBJREF);

	if (!x || !y || x->name == y->name)
		return false;
	x->name = y->name;
	return true;
}

static bool another_hook(struct victim *v)
{
	struct nft_chain *chain = section(v, v->p->chain);

	for (uint32_t i = 0; i < v->p->chain.count; i++)
		if (chain[i].base) {
			chain[i].hook ^= 1;
			return true;
		}
	return false;
}

static bool another_priority(struct victim *v)
{
	struct nft_chain *chain = section(v, v->p->chain);

	for (uint32_t i = 0; i < v->p->chain.count; i++)
		if (chain[i].base) {
			chain[i].priority++;
			return true;
		}
	return false;
}

#define FAULT(name)                                                                                          \
	{                                                                                                    \
#name, name                                                                                  \
	}
static const struct {
	const char *name;
	bool (*apply)(struct victim *v);
} faults[] = {
	FAULT(source_data),
	FAULT(responder_data),
	FAULT(pair_data),
	FAULT(row_data),
	FAULT(ports_data),
	FAULT(types_data),
	FAULT(types6_data),
	FAULT(protos_data),
	FAULT(host4_data),
	FAULT(host6_data),
	FAULT(source_identity),
	FAULT(responder_identity),
	FAULT(pair_source),
	FAULT(pair_responder),
	FAULT(row_source),
	FAULT(ports_begin),
	FAULT(ports_end),
	FAULT(types_begin),
	FAULT(types_end),
	FAULT(protos_begin),
	FAULT(protos_end),
	FAULT(host4_begin),
	FAULT(opening_class),
	FAULT(standing_class),
	FAULT(named_proto_proto),
	FAULT(named_icmp_type),
	FAULT(source_missing),
	FAULT(responder_missing),
	FAULT(pair_missing),
	FAULT(ports_missing),
	FAULT(protos_missing),
	FAULT(standing_missing),
	FAULT(martian4_missing),
	FAULT(tcp_sane_missing),
	FAULT(opening_chain),
	FAULT(standing_chain),
	FAULT(guard_chain),
	FAULT(opening_accepts),
	FAULT(host_standing_accepts),
	FAULT(a_drop_accepts),
	FAULT(a_goto_leads_elsewhere),
	FAULT(a_look_up_is_inverted),
	FAULT(a_comparison_is_inverted),
	FAULT(a_comparison_of_another_number),
	FAULT(a_field_at_another_place),
	FAULT(another_register),
	FAULT(another_meta_key),
	FAULT(another_counter),
	FAULT(another_hook),
	FAULT(another_priority),
};
#define N_FAULTS (sizeof faults / sizeof faults[0])

struct tally {
	size_t tried, refused, proof, differ;
};

/* Found by whom? The proof is asked first: what it does not find must be no question of maps. */
static bool fault_is_found(const struct policy_case *c, const struct nft_program *whole,
			   struct nft_program *broken, size_t size, struct tally *tally)
{
	struct nft_difference d = {0};
	char what[256] = "";

	broken->crc64 = nft_program_crc(broken);
	tally->tried++;
	if (nft_program_check(broken, size)) {
		tally->refused++;
		return true;
	}
	if (!nft_means(broken, c->image, AT_UTC, &d)) {
		tally->proof++;
		return strstr(d.text, "packet") || strstr(d.text, "set ");
	}
	if (!nft_differ(whole, 0, broken, 0, what, sizeof what))
		return false;
	tally->differ++;
	return what[0] != '\0';
}

static size_t try_fault(const struct policy_case *c, const struct nft_program *whole, size_t size,
			size_t kind, struct rng *rng, struct tally *tally)
{
	struct nft_program *broken = aligned_alloc(64, (size + 63) / 64 * 64);
	size_t tried = 0;

	assert_non_null(broken);
	for (unsigned place = 0; place < PLACES; place++) {
		struct victim v = {broken, rng, NULL};

		memcpy(broken, whole, size);
		if (!faults[kind].apply(&v) || (!v.without && !memcmp(broken, whole, size)))
			continue;
		tried++;
		if (!fault_is_found(c, whole, v.without ? v.without : broken,
				    v.without ? v.without->size : size, tally))
			fail_msg("not found: %s\n%s", faults[kind].name, c->text);
		free(v.without);
	}
	free(broken);
	return tried;
}

static void every_seeded_fault_is_found(void **state)
{
	size_t kinds[N_FAULTS] = {0}, refused = 0;
	struct rng rng = {815};
	struct tally tally = {0};
	uint64_t seed = 8000;

	(void)state;
	for (unsigned i = 0; i < FAULT_POLICIES; i++) {
		struct policy_case c;
		struct nft_program *p;
		size_t size;

		case_draw(&c, &seed, &refused);
		p = program_of(&c, i % 2 ? NFT_LAYOUT_BRCT : NFT_LAYOUT_BRNF, &size);
		for (size_t kind = 0; kind < N_FAULTS; kind++)
			kinds[kind] += try_fault(&c, p, size, kind, &rng, &tally);
		free(p);
		case_free(&c);
	}
	for (size_t kind = 0; kind < N_FAULTS; kind++)
		if (!kinds[kind])
			fail_msg("%s found no place", faults[kind].name);
	print_message("# %zu faults of %zu kinds: %zu refused, %zu by the proof, %zu by comparison\n",
		      tally.tried, (size_t)N_FAULTS, tally.refused, tally.proof, tally.differ);
	assert_true(tally.proof > tally.tried / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_image_and_engine_agree),
		cmocka_unit_test(programs_mean_what_their_images_mean),
		cmocka_unit_test(programs_of_other_policies_do_not),
		cmocka_unit_test(every_seeded_fault_is_found),
	};

	return cmocka_run_group_tests_name("oracle-nft", tests, NULL, NULL);
}
