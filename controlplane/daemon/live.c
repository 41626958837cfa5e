/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live verification. Every question is asked by its first packet alone; all of its cases only if it is the
 * first of its family, protocol and verdict, because they ask of the engine and not of the policy.
 */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "link.h"
#include "probe.h"

#define NS_PER_S  1000000000LL
#define PLAN_MAX  1024u
#define BUDGET_MS 10000 /* of one engine: the daemon has one thread */

struct live {
	struct daemon *d;
	struct link *l;
	live_check_fn *f;
	void *ctx;
	int64_t deadline_ms;
	struct probe_question plan[PLAN_MAX];
	struct probe_case cases[PROBE_CASES_MAX];
	uint8_t bytes[DP_PROBE_FRAMES * PROBE_BYTES];
	uint8_t seen[2][2][256]; /* verdict, family, protocol: all cases were asked */
	size_t n, left_out, asked;
	const char *stopped; /* why not all were asked; NULL: they were */
};

static void tell(const struct live *v, const char *about, const char *name, enum live_result result,
		 const char *detail)
{
	v->f(v->ctx, &(struct live_check){about, name, result, detail});
}

/* --- words ------------------------------------------------------------------------------------ */

/* What a service key alone calls a protocol: `tcp`, `icmp`. */
static void protocol_text(service_key key, char *out, size_t room)
{
	service_key_text(key, out, room);
	out[strcspn(out, "/")] = 0;
}

static void name_decision(const struct live *v, const struct probe_question *q, char *out, size_t room)
{
	const struct dictionary *names = v->d->dictionary;
	const char *from = dictionary_text(names, q->from), *to = dictionary_text(names, q->to);
	char service[32];

	service_key_text(q->key, service, sizeof(service));
	snprintf(out, room, "%s -> %s %s over IPv%u", from ? from : "?", to ? to : "?", service, q->family);
}

/* Of a case that is asked of one question for all of its kind. */
static void name_case(const struct probe_question *q, const struct probe_case *c, char *out, size_t room)
{
	char protocol[32];

	protocol_text(q->key, protocol, sizeof(protocol));
	snprintf(out, room, "%s, %s over IPv%u, %s", c->name, protocol, q->family,
		 q->allow ? "allowed" : "denied");
}

/* "allow by web-db". */
static void policy_text(const struct live *v, const struct probe_question *q, char *out, size_t room)
{
	const struct image_header *image = v->d->active->image;
	const struct image_decision *decision = image_at(image, image->decision);
	const struct ruleset *rs = v->d->active->rs;
	rule_ref rule = decision[q->decision].rule;
	char buffer[128];

	if (rs)
		snprintf(out, room, "%s by %s", q->allow ? "allow" : "deny",
			 ruleset_rule_text(rs, rule, buffer, sizeof(buffer)));
	else
		snprintf(out, room, "%s by rule number %u", q->allow ? "allow" : "deny", rule);
}

static void packet_text(const struct probe_question *q, const struct dp_probes *order, char *out, size_t room)
{
	char from[ADDR_TEXT], to[ADDR_TEXT], service[32];

	addr_print(q->family, order->src, from, sizeof(from));
	addr_print(q->family, order->dst, to, sizeof(to));
	service_key_text(q->key, service, sizeof(service));
	snprintf(out, room, "%s -> %s %s", from, to, service);
}

static const char *fate(bool forwarded)
{
	return forwarded ? "passed" : "was dropped";
}

/* --- asking ----------------------------------------------------------------------------------- */

static void judge(struct live *v, const struct probe_question *q, const struct probe_case *c,
		  const struct dp_probes *answer)
{
	const int differs = probe_differs(c, answer);
	const bool first = c == v->cases;
	const bool must = differs >= 0 && c->frame[differs].forwarded;
	char name[ENFORCER_ERROR], policy[160], packet[2 * ADDR_TEXT + 48], detail[ENFORCER_ERROR];

	if (first)
		name_decision(v, q, name, sizeof(name));
	else
		name_case(q, c, name, sizeof(name));
	policy_text(v, q, policy, sizeof(policy));
	packet_text(q, answer, packet, sizeof(packet));
	if (differs >= 0)
		snprintf(detail, sizeof(detail),
			 "%s: frame %d of %u, from the %s, %s and must %s (%s, the policy says %s)", packet,
			 differs + 1, c->n, c->frame[differs].side ? "responder" : "initiator", fate(!must),
			 must ? "pass" : "be dropped", c->name, policy);
	else if (first)
		snprintf(detail, sizeof(detail), "%s: %s, and %s", packet, policy, fate(q->allow));
	else
		snprintf(detail, sizeof(detail), "%s: %u %s what it must", packet, c->n,
			 c->n == 1 ? "frame met" : "frames met");
	tell(v, c->about, name, differs < 0 ? LIVE_PASSED : LIVE_FAILED, detail);
}

/* False: the engine cannot be asked any more. */
static bool ask(struct live *v, const struct probe_question *q, const struct probe_case *c)
{
	struct dp_probes order;
	size_t size = probe_order(q, c, &order, v->bytes);

	if (dp_probe(v->l->dp, &order, v->bytes, size) < 0) {
		v->stopped = dp_error(v->l->dp);
		return false;
	}
	judge(v, q, c, &order);
	return true;
}

/* All cases of this question, unless its kind had its turn. `first`: the first of them was asked. */
static bool ask_cases(struct live *v, const struct probe_question *q, bool first)
{
	uint8_t *seen = &v->seen[q->allow][q->family == 6][q->key >> 16 & 0xff];
	size_t n = *seen ? 0 : probe_cases(q, v->cases, PROBE_CASES_MAX);

	*seen |= n > 0;
	for (size_t i = first; i < n; i++)
		if (!ask(v, q, &v->cases[i]))
			return false;
	return true;
}

/* The decision in one family is enough, the cases are other rules in the other. */
static bool ask_question(struct live *v, const struct probe_question *q)
{
	struct probe_question other = *q;

	other.family = q->family == 4 ? 6 : 4;
	if (probe_cases(q, v->cases, 1) > 0 && !ask(v, q, &v->cases[0]))
		return false;
	v->asked++;
	return ask_cases(v, q, true) && ask_cases(v, &other, false);
}

static void ask_all(struct live *v)
{
	for (size_t i = 0; i < v->n && !v->stopped; i++) {
		if (mono_now_ms() >= v->deadline_ms)
			v->stopped = "time was up";
		else
			ask_question(v, &v->plan[i]);
	}
}

/* What is missing from the list of checks, and why. */
static void tell_rest(const struct live *v)
{
	char detail[ENFORCER_ERROR];

	if (v->stopped) {
		snprintf(detail, sizeof(detail), "%zu of %zu decisions were asked: %.400s", v->asked, v->n,
			 v->stopped);
		tell(v, "decision", "all others", LIVE_NOT_ASKED, detail);
	}
	if (v->left_out == 0)
		return;
	snprintf(detail, sizeof(detail), "%zu decisions more than the %u that are asked", v->left_out,
		 PLAN_MAX);
	if (v->n == PLAN_MAX) {
		tell(v, "decision", "left out", LIVE_NOT_ASKED, detail);
		return;
	}
	snprintf(detail, sizeof(detail), "%zu decisions are met by no packet between two hosts", v->left_out);
	tell(v, "decision", "left out", LIVE_SKIPPED, detail);
}

static void verify_forward(struct daemon *d, struct link *l, live_check_fn *f, void *ctx)
{
	struct live *v = calloc(1, sizeof(*v));

	if (!v) {
		f(ctx, &(struct live_check){"decision", "all", LIVE_NOT_ASKED, "out of memory"});
		return;
	}
	v->d = d;
	v->l = l;
	v->f = f;
	v->ctx = ctx;
	v->deadline_ms = mono_now_ms() + BUDGET_MS;
	v->n = probe_plan(d->active->image, utc_now_ns() / NS_PER_S, v->plan, PLAN_MAX, &v->left_out);
	ask_all(v);
	tell_rest(v);
	free(v);
}

void live_verify(struct daemon *d, struct link *l, live_check_fn *f, void *ctx)
{
	static const struct live_check idle = {
		"decision", "all", LIVE_SKIPPED,
		"no generation is active: everything is denied, and there is nothing to ask"};
	static const struct live_check host = {
		"host", "the gateway's own addresses", LIVE_SKIPPED,
		"no packet is sent to them: it would reach the services that run there; what the kernel "
		"holds for them is proved, and tried by nobody"};
	const bool kernel = l->kind == DP_ENGINE_NFT;

	if (!d->active)
		f(ctx, &idle);
	else if (!kernel || d->box.planes & NFT_PLANE_FORWARD)
		verify_forward(d, l, f, ctx);
	if (kernel && d->box.planes & NFT_PLANE_HOST)
		f(ctx, &host);
}
