/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Labels are few and classify rules overlap on purpose: merges, ties and nested prefixes make the identity
 * space. Selectors name only values that some classify rule sets, so that they are never empty.
 */
#include "draft.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define ITEMS_MAX 160u
#define COUNT(a)  (sizeof(a) / sizeof(a)[0])

enum section { CLASSIFY, GROUPS, SERVICES, RULES, SCOPES, SECTIONS };

struct draft {
	struct rng rng;
	char *item[SECTIONS][ITEMS_MAX];
	size_t n[SECTIONS];
	size_t n_roles, n_apps;
	/* what each classify rule of a prefix sets */
	size_t role[ITEMS_MAX], app[ITEMS_MAX], n_sets;
};

static const char *const section_name[SECTIONS] = {"classify", "groups", "services", "rules", "scopes"};

__attribute__((format(printf, 3, 4))) static void add(struct draft *d, enum section s, const char *format,
						      ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(&d->item[s][d->n[s]], format, args) < 0)
		abort();
	va_end(args);
	d->n[s]++;
}

static const char *pick(struct draft *d, const char *const *words, size_t n)
{
	return words[rng_below(&d->rng, n)];
}

/* --- who
 * ------------------------------------------------------------------------------------------------------ */

static void draw_set(struct draft *d, char *text, size_t room)
{
	const size_t role = rng_below(&d->rng, d->n_roles), app = rng_below(&d->rng, d->n_apps);

	d->role[d->n_sets] = role;
	d->app[d->n_sets++] = app;
	snprintf(text, room, "{role: r%zu, app: a%zu}", role, app);
}

static void draw_classify(struct draft *d)
{
	const size_t n = 4 + rng_below(&d->rng, 5);
	char set[64];

	for (size_t i = 0; i < n; i++) {
		draw_set(d, set, sizeof set);
		if (rng_chance(&d->rng, 70))
			add(d, CLASSIFY, "  - {id: c%zu, when: {prefix: 10.%zu.0.0/16}, set: %s}", i, i, set);
		else
			add(d, CLASSIFY, "  - {id: c%zu, when: {prefix: \"fd00:%zu::/32\"}, set: %s}", i, i,
			    set);
	}
	if (rng_chance(&d->rng, 60))
		add(d, CLASSIFY, "  - {id: nested, when: {prefix: 10.0.%zu.0/24}, set: {app: a%zu}}",
		    rng_below(&d->rng, 256), d->app[0]);
	if (rng_chance(&d->rng, 40))
		add(d, CLASSIFY, "  - {id: mac, when: {mac: \"52:54:00:00:00:01\"}, set: {role: r%zu}}",
		    d->role[0]);
	if (rng_chance(&d->rng, 30))
		add(d, CLASSIFY,
		    "  - {id: held, when: {prefix: 10.1.0.0/17, vlan: 40}, set: {state: quarantined}}");
	if (rng_chance(&d->rng, 30))
		add(d, CLASSIFY, "  - {id: tie, when: {vlan: 50}, set: {role: r%zu}}",
		    d->role[d->n_sets - 1]);
}

static void draw_labels(struct draft *d, char *text, size_t room)
{
	const size_t k = rng_below(&d->rng, d->n_sets), l = rng_below(&d->rng, d->n_sets);

	switch (rng_below(&d->rng, 6)) {
	case 0:
		snprintf(text, room, "{app: a%zu}", d->app[k]);
		break;
	case 1:
		snprintf(text, room, "{role: r%zu, app: a%zu}", d->role[k], d->app[k]);
		break;
	case 2:
		snprintf(text, room, "{role: r%zu, state: quarantined}", d->role[k]);
		break;
	case 3:
		if (d->role[k] != d->role[l]) {
			snprintf(text, room, "{role: [r%zu, r%zu]}", d->role[k], d->role[l]);
			break;
		}
		/* fall through */
	default:
		snprintf(text, room, "{role: r%zu}", d->role[k]);
	}
}

static void draw_groups(struct draft *d)
{
	const size_t n = 1 + rng_below(&d->rng, 4);
	char labels[64];

	for (size_t i = 0; i < n; i++) {
		draw_labels(d, labels, sizeof labels);
		add(d, GROUPS, "  g%zu: %s", i, labels);
	}
}

static void draw_one(struct draft *d, char *text, size_t room)
{
	static const char *const reserved[] = {"$known", "$unknown", "$conflict", "$gateway", "$world"};

	switch (rng_below(&d->rng, 5)) {
	case 0:
		snprintf(text, room, "g%zu", rng_below(&d->rng, d->n[GROUPS]));
		break;
	case 1:
		snprintf(text, room, "%s", pick(d, reserved, COUNT(reserved)));
		break;
	default:
		draw_labels(d, text, room);
	}
}

static void draw_who(struct draft *d, char *text, size_t room)
{
	char a[64], b[64];

	if (rng_chance(&d->rng, 20)) {
		snprintf(text, room, "any");
	} else if (rng_chance(&d->rng, 20)) {
		draw_one(d, a, sizeof a);
		draw_one(d, b, sizeof b);
		snprintf(text, room, "[%s, %s]", a, b);
	} else {
		draw_one(d, text, room);
	}
}

/* --- what
 * ----------------------------------------------------------------------------------------------------- */

static void draw_port(struct draft *d, char *text, size_t room)
{
	static const unsigned ports[] = {0, 1, 22, 53, 80, 443, 444, 1023, 1024, 5432, 65534, 65535};
	const unsigned a = ports[rng_below(&d->rng, COUNT(ports))],
		       b = ports[rng_below(&d->rng, COUNT(ports))];

	if (a < b && rng_chance(&d->rng, 60))
		snprintf(text, room, "\"%u-%u\"", a, b);
	else
		snprintf(text, room, "%u", a);
}

static void draw_service(struct draft *d, char *text, size_t room)
{
	static const char *const protos[] = {"tcp", "udp"};
	static const char *const others[] = {"{proto: icmp, type: 8}",
					     "{proto: icmp, type: 13, code: 0}",
					     "{proto: icmpv6, type: 128}",
					     "{proto: icmpv6, type: 139, code: 2}",
					     "{proto: 47}",
					     "{proto: 132}"};
	char port[32];

	if (rng_chance(&d->rng, 25)) {
		snprintf(text, room, "%s", pick(d, others, COUNT(others)));
		return;
	}
	draw_port(d, port, sizeof port);
	snprintf(text, room, "{proto: %s, dport: %s}", pick(d, protos, COUNT(protos)), port);
}

static void draw_services(struct draft *d)
{
	const size_t n = 3 + rng_below(&d->rng, 4);
	char a[64], b[64];

	for (size_t i = 0; i < n; i++) {
		draw_service(d, a, sizeof a);
		draw_service(d, b, sizeof b);
		if (rng_chance(&d->rng, 30))
			add(d, SERVICES, "  s%zu: {any: [%s, %s]}", i, a, b);
		else
			add(d, SERVICES, "  s%zu: %s", i, a);
	}
}

static void draw_what(struct draft *d, char *text, size_t room)
{
	const size_t a = rng_below(&d->rng, d->n[SERVICES]), b = rng_below(&d->rng, d->n[SERVICES]);

	switch (rng_below(&d->rng, 5)) {
	case 0:
		snprintf(text, room, "any");
		break;
	case 1:
		snprintf(text, room, "tcp/%zu", rng_below(&d->rng, 65536));
		break;
	case 2:
		if (a != b) {
			snprintf(text, room, "[s%zu, s%zu]", a, b);
			break;
		}
		/* fall through */
	default:
		snprintf(text, room, "s%zu", a);
	}
}

/* --- rules and scopes
 * ----------------------------------------------------------------------------------------- */

static void draw_rule(struct draft *d, size_t id)
{
	static const char *const tiers[] = {"", "tier: guard, ", "tier: team, ", "tier: baseline, "};
	static const char *const modes[] = {"", "", "", "mode: monitor, ", "mode: off, "};
	const bool deny = rng_chance(&d->rng, 35);
	char from[160], to[160], what[64];

	draw_who(d, from, sizeof from);
	draw_who(d, to, sizeof to);
	if (rng_chance(&d->rng, 5))
		snprintf(to, sizeof to, "$multicast");
	draw_what(d, what, sizeof what);
	add(d, RULES,
	    "  - {id: x%zu, effect: %s, %s%s%s%sfrom: %s, to: %s, service: %s, owner: o, review_by: "
	    "2099-12-31}",
	    id, deny ? "deny" : "allow", pick(d, tiers, COUNT(tiers)), pick(d, modes, COUNT(modes)),
	    deny && rng_chance(&d->rng, 40) ? "action: reject, " : "",
	    rng_chance(&d->rng, 25) ? "log: always, " : "", from, to, what);
}

static void draw_scope(struct draft *d, const char *id, const char *to)
{
	char from[160] = "", selective[96] = "", who[128], what[64];

	if (rng_chance(&d->rng, 50)) {
		draw_who(d, who, sizeof who);
		snprintf(from, sizeof from, "from: %s, ", who);
	}
	if (rng_chance(&d->rng, 50)) {
		draw_what(d, what, sizeof what);
		snprintf(selective, sizeof selective, "enforce_services: [%s], ", *what == '[' ? "s0" : what);
	}
	add(d, SCOPES, "  - {id: %s, to: %s, %s%smode: %s}", id, to, from, selective,
	    rng_chance(&d->rng, 75) ? "monitor" : "enforce");
}

/* Scopes that contain one another: everybody, a role, a part of that role; and sometimes one that may cross
 * them. */
static void draw_scopes(struct draft *d)
{
	const size_t k = rng_below(&d->rng, d->n_sets);
	char to[64];

	if (rng_chance(&d->rng, 40))
		draw_scope(d, "all", "any");
	if (rng_chance(&d->rng, 60)) {
		snprintf(to, sizeof to, "{role: r%zu}", d->role[k]);
		draw_scope(d, "role", to);
	}
	if (rng_chance(&d->rng, 50)) {
		snprintf(to, sizeof to, "{role: r%zu, state: normal}", d->role[k]);
		draw_scope(d, "part", to);
	}
	if (rng_chance(&d->rng, 20)) {
		draw_who(d, to, sizeof to);
		draw_scope(d, "free", to);
	}
}

/* --- the draft
 * ------------------------------------------------------------------------------------------------ */

struct draft *draft_random(uint64_t seed)
{
	struct draft *d = calloc(1, sizeof *d);
	size_t n_rules;

	if (!d)
		abort();
	d->rng.state = seed;
	d->n_roles = 2 + rng_below(&d->rng, 4);
	d->n_apps = 1 + rng_below(&d->rng, 3);
	draw_classify(d);
	draw_groups(d);
	draw_services(d);
	n_rules = 3 + rng_below(&d->rng, rng_chance(&d->rng, 10) ? ITEMS_MAX - 3 : 28);
	for (size_t i = 0; i < n_rules; i++)
		draw_rule(d, i);
	draw_scopes(d);
	return d;
}

void draft_free(struct draft *d)
{
	if (!d)
		return;
	for (size_t s = 0; s < SECTIONS; s++)
		for (size_t i = 0; i < d->n[s]; i++)
			free(d->item[s][i]);
	free(d);
}

static void print_values(FILE *out, const char *label, char letter, size_t n)
{
	fprintf(out, "  %s: [", label);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%c%zu", i ? ", " : "", letter, i);
	fprintf(out, "]\n");
}

static void print_section(FILE *out, const struct draft *d, enum section s, struct rng *order)
{
	size_t at[ITEMS_MAX];

	if (!d->n[s])
		return;
	fprintf(out, "%s:\n", section_name[s]);
	for (size_t i = 0; i < d->n[s]; i++)
		at[i] = i;
	for (size_t i = d->n[s]; order->state && i > 1; i--) {
		const size_t k = rng_below(order, i), swap = at[k];

		at[k] = at[i - 1];
		at[i - 1] = swap;
	}
	for (size_t i = 0; i < d->n[s]; i++)
		fprintf(out, "%s\n", d->item[s][at[i]]);
}

char *draft_text(const struct draft *d, uint64_t order)
{
	struct rng rng = {order};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	fprintf(out, "cordon: 1\nbundle: {name: drawn, owner: tests, timezone: UTC}\nlabels:\n");
	print_values(out, "role", 'r', d->n_roles);
	print_values(out, "app", 'a', d->n_apps);
	fprintf(out, "  state: {values: [normal, quarantined], default: normal}\n");
	for (size_t s = 0; s < SECTIONS; s++)
		print_section(out, d, order ? (SECTIONS - 1 - s) : s, &rng);
	fclose(out);
	return text;
}
