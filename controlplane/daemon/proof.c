/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Comparisons of what engines hold.
 */
#include "proof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "damage.h"
#include "image_check.h"
#include "proof_host.h"
#include "rule_view.h"
#include "to_nft.h"
#include "view.h"

#define NS_PER_S 1000000000LL
/* Evaluations times rules that fit into some two seconds. */
#define EVAL_BUDGET 50000000ull
#define SEARCH_NS   300000000LL

static int64_t now_utc(void)
{
	return utc_now_ns() / NS_PER_S;
}

/* --- telling a cell --------------------------------------------------------------------------- */

struct finding {
	const struct daemon *d;
	const struct enforced *g;
	const char *engine;
	struct view_cell cell;
	const struct host_call *call; /* whose cell it is; NULL: any that has it */
};

/* The generation that is being proved may not be active yet. */
static const struct ruleset *rules_of(const struct daemon *d, uint32_t number)
{
	if (d->candidate && d->candidate->number == number)
		return d->candidate->rs;
	return d->active && d->active->number == number ? d->active->rs : NULL;
}

static const char *rule_text(const struct finding *f, const struct image_decision *decision, char *buffer,
			     size_t room)
{
	const struct ruleset *rs = rules_of(f->d, f->g->number);

	if (rs)
		return ruleset_rule_text(rs, decision->rule, buffer, room);
	snprintf(buffer, room, "rule number %u", decision->rule);
	return buffer;
}

static void identity_text(const struct daemon *d, uint16_t number, char *out, size_t room)
{
	const char *text = dictionary_text(d->dictionary, number);

	if (text)
		snprintf(out, room, "%s", text);
	else
		snprintf(out, room, "identity %u", number);
}

/* An address that means this identity: of a live binding, else what the prefixes say. */
static bool bound_address(const struct enforced *g, uint16_t identity, uint8_t family, uint8_t addr[16])
{
	const struct dp_binding *b = g->snapshot ? snapshot_bindings(g->snapshot) : NULL;

	for (uint32_t i = 0; b && i < g->snapshot->count; i++) {
		if (b[i].identity != identity || b[i].family != family)
			continue;
		memcpy(addr, b[i].addr, 16);
		return true;
	}
	return false;
}

static bool prefix_address4(const struct image_header *image, uint16_t identity, uint8_t addr[16])
{
	const struct image_prefix4 *p = image_at(image, image->prefix4);

	for (uint32_t i = 0; i < image->prefix4.count; i++) {
		/* the first address of a prefix is rarely a host's */
		uint32_t last = i + 1 < image->prefix4.count ? p[i + 1].from - 1 : UINT32_MAX;
		uint32_t at = p[i].from < last ? p[i].from + 1 : p[i].from;

		if (p[i].identity != identity)
			continue;
		memset(addr, 0, 16);
		for (unsigned k = 0; k < 4; k++)
			addr[k] = (uint8_t)(at >> (24 - 8 * k));
		return true;
	}
	return false;
}

static bool prefix_address6(const struct image_header *image, uint16_t identity, uint8_t addr[16])
{
	const struct image_prefix6 *p = image_at(image, image->prefix6);

	for (uint32_t i = 0; i < image->prefix6.count; i++) {
		if (p[i].identity != identity)
			continue;
		for (unsigned k = 0; k < 8; k++) {
			addr[k] = (uint8_t)(p[i].from_high >> (56 - 8 * k));
			addr[8 + k] = (uint8_t)(p[i].from_low >> (56 - 8 * k));
		}
		return true;
	}
	return false;
}

static bool own_address(const struct daemon *d, uint8_t family, uint8_t addr[16])
{
	for (uint32_t i = 0; i < d->box.n_management; i++) {
		if (d->box.management[i].family != family)
			continue;
		memcpy(addr, d->box.management[i].addr, 16);
		return true;
	}
	return false;
}

static bool address_of(const struct finding *f, uint16_t identity, uint8_t family, char text[ADDR_TEXT])
{
	const struct enforced *g = f->g;
	bool own = identity == IDENTITY_GATEWAY;
	uint8_t addr[16];

	if (own && !own_address(f->d, family, addr))
		return false;

	if (!own && !bound_address(g, identity, family, addr) &&
	    !(family == 4 ? prefix_address4(g->image, identity, addr)
			  : prefix_address6(g->image, identity, addr)))
		return false;
	addr_print(family, addr, text, ADDR_TEXT);
	return true;
}

/* `10.20.0.21 -> 10.20.0.31 tcp/5432`, in the one family or the other; identities if neither has addresses.
 */
static void print_packet(const struct finding *f, struct proof *out)
{
	unsigned proto = f->cell.key >> 16;
	char from[ADDR_TEXT], to[ADDR_TEXT];

	if (f->call) {
		snprintf(out->packet, sizeof(out->packet), "%.45s -> %.45s %s",
			 addr_print(f->call->family, f->call->caller, from, sizeof(from)),
			 addr_print(f->call->family, f->call->own, to, sizeof(to)), out->service);
		return;
	}
	for (uint8_t family = 4; family <= 6; family += 2) {
		if (proto == (family == 4 ? 58u : 1u)) /* ICMP of the other family */
			continue;
		if (!address_of(f, f->cell.from, family, from) || !address_of(f, f->cell.to, family, to))
			continue;
		snprintf(out->packet, sizeof(out->packet), "%.45s -> %.45s %s", from, to, out->service);
		return;
	}
	snprintf(out->packet, sizeof(out->packet), "%.48s -> %.48s %s", out->from, out->to, out->service);
}

static const char *verdict_text(const struct image_decision *d)
{
	return d->flags & DECISION_ALLOW ? "allow" : "deny";
}

/* "deny", or "deny by rule" where the verdict alone would not tell the two apart. */
static void tell_cell(const struct finding *f, struct proof *out)
{
	const struct image_decision *want = &f->cell.expected, *got = &f->cell.found;
	bool same = verdict_text(want) == verdict_text(got);
	char rule[128], found[160];

	identity_text(f->d, f->cell.from, out->from, sizeof(out->from));
	identity_text(f->d, f->cell.to, out->to, sizeof(out->to));
	service_key_text(f->cell.key, out->service, sizeof(out->service));
	snprintf(out->rule, sizeof(out->rule), "%s", rule_text(f, want, rule, sizeof(rule)));
	print_packet(f, out);
	snprintf(found, sizeof(found), same ? "%s by %.100s" : "%s", verdict_text(got),
		 rule_text(f, got, rule, sizeof(rule)));
	snprintf(out->text, sizeof(out->text), "%s: %s holds %s, the policy says %s by %s", out->packet,
		 f->engine, found, verdict_text(want), out->rule);
}

/* --- cordon-dp -------------------------------------------------------------------------------- */

static uint64_t cells_of(const struct image_header *image)
{
	struct view v = view_of(image, now_utc());

	return view_cells(&v);
}

/* A sum that is wrong says that something changed, not what: a table that can still be read tells the packet
 * that meets it. */
static const char *check_but_sum(struct image_header *image, size_t size)
{
	const char *wrong = image_check(image, size);

	if (!wrong || size < sizeof(*image) || image->size != size)
		return wrong;
	image->crc64 = image_crc(image);
	return image_check(image, size);
}

/* An image that cannot be read: some decision goes through the first byte that is another. */
static void tell_damage(struct finding *f, const struct readback *got, const char *wrong, struct proof *out)
{
	const uint8_t *want = (const uint8_t *)f->g->image, *have = got->image;
	struct view v = view_of(f->g->image, now_utc());
	uint32_t at = sizeof(struct image_header);

	snprintf(out->text, sizeof(out->text), "holds an image that is damaged: %s", wrong);
	while (at < got->size && at < f->g->image_size && want[at] == have[at])
		at++;
	if (at >= got->size || !damage_cell(&v, at, &f->cell))
		return;
	f->cell.found = f->cell.expected;
	tell_cell(f, out);
	snprintf(out->text, sizeof(out->text),
		 "%s: %s decides this by a table that is damaged (%s), the policy says %s by %s", out->packet,
		 f->engine, wrong, verdict_text(&f->cell.expected), out->rule);
}

/* Of an image that can be read, the first cell that differs. */
static void compare_cells(struct finding *f, const struct readback *got, struct proof *out)
{
	size_t room = (got->size + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
	struct image_header *image = got->size ? aligned_alloc(IMAGE_ALIGN, room) : NULL;
	const char *wrong;

	if (!image)
		return;
	memcpy(image, got->image, got->size);
	wrong = check_but_sum(image, got->size);
	if (wrong) {
		tell_damage(f, got, wrong, out);
	} else {
		struct view a = view_of(f->g->image, now_utc()), b = view_of(image, now_utc());

		if (view_differ(&a, &b, &f->cell))
			tell_cell(f, out);
	}
	free(image);
}

static int compare_dpdk(void *ctx, const struct enforced *g, const struct readback *got, struct proof *out)
{
	struct finding f = {.d = ctx, .g = g, .engine = "dpdk"};

	enforcer_compare_bytes(ctx, g, got, out);
	out->cells = g->image ? cells_of(g->image) : 0;
	if (!out->equal && g->image && got->generation == g->number)
		compare_cells(&f, got, out);
	return 0;
}

/* --- cordon-nft ------------------------------------------------------------------------------- */

static uint32_t model_at(const struct nft_program *p, int64_t at_utc)
{
	const struct nft_edge *edge = nft_at(p, p->edge);
	uint32_t model = 0;

	for (uint32_t i = 0; i < p->edge.count && edge[i].from_utc <= at_utc; i++)
		model = edge[i].model;
	return model;
}

static bool differs(const struct nft_program *expected, const struct nft_program *got, struct proof *out)
{
	char what[256] = "";

	if (!nft_differ(expected, 0, got, 0, what, sizeof(what)))
		return false;
	snprintf(out->text, sizeof(out->text), "the kernel's tables are not as they were loaded: %s", what);
	return true;
}

/* What is to be there while no generation is. */
static int compare_closed(const struct daemon *d, const struct nft_program *got, struct proof *out)
{
	char error[ENFORCER_ERROR] = "";
	struct nft_program *closed;
	size_t size;

	if (!got) {
		out->equal = true;
		return 0;
	}
	closed = nft_closed(&d->box, &size, error, sizeof(error));
	if (!closed)
		return -ENOMEM;
	out->equal = !differs(closed, got, out);
	free(closed);
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const service_key *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static struct image_decision found_decision(const struct image_header *image, uint32_t class)
{
	const struct image_decision *decision = image_at(image, image->decision);

	return class < image->decision.count ? decision[class] : (struct image_decision)
	{
		0
	};
}

/* Every key at which some list of the image begins another region: whatever was swapped with whatever, two
 * cells that differ do so at one of them. */
static service_key *all_keys(const struct view *v, size_t *n)
{
	size_t count = v->image->region.count;
	service_key *keys = calloc(count + 1, sizeof(*keys));

	*n = 0;
	for (size_t i = 0; keys && i < count; i++)
		keys[i] = v->region[i].from;
	if (keys)
		qsort(keys, count, sizeof(*keys), by_key);
	for (size_t i = 0; keys && i < count; i++)
		if (*n == 0 || keys[*n - 1] != keys[i])
			keys[(*n)++] = keys[i];
	return keys;
}

/* A key of this pair that the kernel decides with another verdict. */
static bool verdict_differs(const struct nft_program *got, const struct view *v, const service_key *keys,
			    size_t n, struct view_cell *c)
{
	uint32_t list = view_list(v, c->from, c->to), region = 0;

	for (size_t i = 0; i < n; i++) {
		while (view_end(v, list, region) <= keys[i])
			region++;
		c->key = keys[i];
		c->expected = *view_decision(v, list, region);
		c->found = found_decision(v->image, nft_ask(got, 0, c->from, c->to, c->key));
		if ((c->expected.flags ^ c->found.flags) & DECISION_ALLOW)
			return true;
	}
	return false;
}

/* The first cell that differs may do so in nothing that a packet meets. One that does is looked for, first
 * from the same initiator, for a while. */
static void find_packet(const struct nft_program *got, const struct image_header *image,
			struct view_cell *cell)
{
	struct view v = view_of(image, now_utc());
	uint32_t n = view_identities(&v);
	int64_t end = utc_now_ns() + SEARCH_NS;
	size_t n_keys;
	service_key *keys = all_keys(&v, &n_keys);
	bool found = false;

	for (uint64_t at = 0; keys && !found && at < (uint64_t)n * n && utc_now_ns() < end; at++) {
		struct view_cell c = {.from = (uint16_t)((cell->from + at / n) % n),
				      .to = (uint16_t)(at % n)};

		if (v.identity[c.from].source == 0 || v.identity[c.to].responder == 0)
			continue;
		found = verdict_differs(got, &v, keys, n_keys, &c);
		if (found)
			*cell = c;
	}
	free(keys);
}

static bool verdicts_differ(const struct view_cell *c)
{
	return (c->expected.flags ^ c->found.flags) & DECISION_ALLOW;
}

/* Of a difference that no cell shows there may be a caller of the gateway that meets it. */
static bool find_difference(struct finding *f, const struct nft_program *got, struct host_call *call)
{
	struct view v = view_of(f->g->image, now_utc());

	if (!verdicts_differ(&f->cell))
		find_packet(got, f->g->image, &f->cell);
	if (verdicts_differ(&f->cell))
		return true;
	if (!host_call_differs(&f->d->box, got, &v, call))
		return f->cell.from > 0;
	f->cell = call->cell;
	f->call = call;
	return true;
}

/* Element by element what was loaded, and cell by cell what the image says: two ways that share no code. */
static int compare_program(const struct daemon *d, const struct enforced *g, const struct nft_program *got,
			   struct proof *out)
{
	struct finding f = {.d = d, .g = g, .engine = "nft"};
	char error[ENFORCER_ERROR] = "", detail[ENFORCER_ERROR];
	struct nft_difference cell;
	struct nft_program *expected;
	struct host_call call;
	size_t size;

	expected =
		nft_with_bindings(g->program, model_at(g->program, now_utc()), snapshot_bindings(g->snapshot),
				  g->snapshot->count, &size, error, sizeof(error));
	if (!expected)
		return -ENOMEM;
	out->elements = got->element.count;
	out->cells = cells_of(g->image);
	out->equal = !differs(expected, got, out);
	free(expected);
	if (nft_means(got, g->image, now_utc(), &cell))
		return 0;
	out->equal = false;
	snprintf(detail, sizeof(detail), "%s", out->text[0] ? out->text : cell.text);
	f.cell = (struct view_cell){cell.from, cell.to, cell.key, found_decision(g->image, cell.expected),
				    found_decision(g->image, cell.found)};
	if (!find_difference(&f, got, &call)) {
		snprintf(out->text, sizeof(out->text), "%s", detail);
		return 0;
	}
	tell_cell(&f, out);
	snprintf(out->text + strlen(out->text), sizeof(out->text) - strlen(out->text), " (%.200s)", detail);
	return 0;
}

static int compare_nft(void *ctx, const struct enforced *g, const struct readback *got, struct proof *out)
{
	const struct nft_program *p = got->image;
	const char *wrong = p ? nft_program_check(p, got->size) : NULL;
	const struct daemon *d = ctx;

	if (g->number > 0 && !g->program)
		snprintf(out->text, sizeof(out->text), "%s",
			 d->box_error ? d->box_error : "the policy does not fit into the kernel");
	else if (got->generation != g->number)
		snprintf(out->text, sizeof(out->text), "holds generation %u, expected %u", got->generation,
			 g->number);
	else if (wrong)
		snprintf(out->text, sizeof(out->text), "gave a read-back that is none: %s", wrong);
	else if (g->number == 0)
		return compare_closed(d, p, out);
	else if (!p)
		snprintf(out->text, sizeof(out->text), "the kernel holds none of the tables");
	else
		return compare_program(d, g, p, out);
	return 0;
}

void proof_use(struct daemon *d, struct enforcer *e)
{
	e->compare = strcmp(e->name, "nft") == 0 ? compare_nft : compare_dpdk;
	e->compare_ctx = d;
}

/* --- the ruleset and its image ---------------------------------------------------------------- */

/* Which identity of the space stands for a class: index + 1, 0 none. */
struct standing {
	uint32_t *source, *responder;
	uint32_t *all, *of_source, *of_pair; /* rules that can have a say, for eval_view() */
	struct view view;
	const struct ruleset *rs;
	uint64_t step, met, asked; /* every step-th cell is asked */
};

static bool stand(struct standing *s, const struct daemon *d)
{
	const struct image_header *image = s->view.image;

	s->source = calloc(image->n_source + 1, sizeof(*s->source));
	s->responder = calloc(image->n_responder + 1, sizeof(*s->responder));
	s->all = calloc(s->rs->n_rules + 1, sizeof(*s->all));
	s->of_source = calloc(s->rs->n_rules + 1, sizeof(*s->of_source));
	s->of_pair = calloc(s->rs->n_rules + 1, sizeof(*s->of_pair));
	if (!s->source || !s->responder || !s->all || !s->of_source || !s->of_pair)
		return false;
	for (size_t i = 0; i < s->rs->n_rules; i++)
		s->all[i] = (uint32_t)i;
	for (size_t i = 0; i < s->rs->n_identities; i++) {
		const struct identity *id = &s->rs->identities[i];
		uint16_t n = id->reserved ? id->reserved : dictionary_find(d->dictionary, id->text);

		if (n >= image->identity.count)
			continue;
		s->source[s->view.identity[n].source] = (uint32_t)i + 1;
		s->responder[s->view.identity[n].responder] = (uint32_t)i + 1;
	}
	return true;
}

static bool agrees(const struct decision *want, const struct image_decision *got)
{
	return want->rule == got->rule && want->intended_rule == got->intended_rule &&
	       want->reason == got->reason &&
	       (want->verdict == VERDICT_ALLOW) == !!(got->flags & DECISION_ALLOW) &&
	       (want->intended == VERDICT_ALLOW) == !!(got->flags & DECISION_INTENDED_ALLOW);
}

/* False: a cell differs, told in `out`. */
static bool ask_cell(struct standing *s, const struct rule_view *rules, size_t from, size_t to,
		     service_key key, const struct image_decision *got, struct proof *out)
{
	struct decision want;
	char rule[128];

	s->asked++;
	eval_view(s->rs, rules, from, to, key, &want);
	if (agrees(&want, got))
		return true;
	snprintf(out->from, sizeof(out->from), "%s", s->rs->identities[from].text);
	snprintf(out->to, sizeof(out->to), "%s", s->rs->identities[to].text);
	service_key_text(key, out->service, sizeof(out->service));
	snprintf(out->rule, sizeof(out->rule), "%s", ruleset_rule_text(s->rs, want.rule, rule, sizeof(rule)));
	snprintf(out->text, sizeof(out->text),
		 "%.100s -> %.100s %s: the image holds %s, the policy says %s by %s", out->from, out->to,
		 out->service, verdict_text(got), want.verdict == VERDICT_ALLOW ? "allow" : "deny",
		 out->rule);
	return false;
}

static bool ask_pair(struct standing *s, const struct rule_view *of_source, uint32_t from, uint32_t to,
		     struct proof *out)
{
	uint32_t list = view_class_list(&s->view, from, to), a = s->source[from], b = s->responder[to];
	struct rule_view rules;
	bool ok = true;

	if (!a || !b)
		return true;
	rules = view_narrow(s->rs, of_source, false, b - 1, s->of_pair);
	for (uint32_t i = 0; ok && i < view_regions(&s->view, list); i++)
		if (s->met++ % s->step == 0)
			ok = ask_cell(s, &rules, a - 1, b - 1, view_from(&s->view, list, i),
				      view_decision(&s->view, list, i), out);
	return ok;
}

/* One initiator against all. What would take it longer than its share is thinned out evenly. */
static bool ask_source(struct standing *s, uint32_t from, struct proof *out)
{
	const struct image_header *image = s->view.image;
	struct rule_view all = {s->all, s->rs->n_rules}, rules;
	uint64_t cells = 0;
	bool ok = true;

	if (!s->source[from])
		return true;
	rules = view_narrow(s->rs, &all, true, s->source[from] - 1, s->of_source);
	for (uint32_t to = 1; to < image->n_responder; to++)
		cells += view_regions(&s->view, view_class_list(&s->view, from, to));
	s->step = cells * (rules.n + s->rs->n_scopes + 1) / (EVAL_BUDGET / image->n_source) + 1;
	for (uint32_t to = 1; ok && to < image->n_responder; to++)
		ok = ask_pair(s, &rules, from, to, out);
	return ok;
}

int proof_policy(const struct daemon *d, const struct generation *g, int64_t at_utc, struct proof *out)
{
	struct standing s = {.view = view_of(g->image, at_utc), .rs = g->rs};
	int r = stand(&s, d) ? 0 : -ENOMEM;

	memset(out, 0, sizeof(*out));
	out->equal = r == 0;
	for (uint32_t from = 1; out->equal && from < g->image->n_source; from++)
		out->equal = ask_source(&s, from, out);
	out->cells = s.asked;
	free(s.source);
	free(s.responder);
	free(s.all);
	free(s.of_source);
	free(s.of_pair);
	return r;
}
