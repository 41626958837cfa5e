/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small policies for tests: a prelude that defines two hosts, and short questions to what was compiled. Every
 * failure here fails the running cmocka test.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy.h"

/* Labels role a, b, c, d and state n (default), q; hosts 10.0.0.1, .2, .3 in the first three roles, none in
 * d; groups ga, gb, gc, gq.
 */
#define PRELUDE                                                                                              \
	"cordon: 1\n"                                                                                        \
	"bundle: {name: t, owner: o, timezone: UTC}\n"                                                       \
	"labels: {role: [a, b, c, d], state: {values: [n, q], default: n}}\n"                                \
	"classify:\n"                                                                                        \
	"  - {id: ca, when: {prefix: 10.0.0.1/32}, set: {role: a}}\n"                                        \
	"  - {id: cb, when: {prefix: 10.0.0.2/32}, set: {role: b}}\n"                                        \
	"  - {id: cc, when: {prefix: 10.0.0.3/32}, set: {role: c}}\n"                                        \
	"groups: {ga: {role: a}, gb: {role: b}, gc: {role: c}, gq: {state: q}}\n"                            \
	"services: {web: {proto: tcp, dport: 443}, ssh: {proto: tcp, dport: 22}}\n"

/* The keys that every rule needs and no test is about. */
#define OWNED "owner: o, review_by: 2030-01-01"

struct ruleset *must_compile(const char *text);
/* Compiles two files. */
struct ruleset *must_compile_two(const char *a, const char *b);
/* Index of an identity; fails if the space has none of this text. */
size_t must_find(const struct ruleset *rs, const char *identity);
/* `allow x`, `deny default-deny`: enforced verdict and rule; `service` as typed, one key. */
const char *ask(const struct ruleset *rs, const char *from, const char *to, const char *service);
const char *ask_intended(const struct ruleset *rs, const char *from, const char *to, const char *service);
struct decision decide_one(const struct ruleset *rs, const char *from, const char *to, const char *service);
