/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handlers that ask: the records and the policy in force.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "explain.h"
#include "handlers.h"
#include "query.h"
#include "timefmt.h"

#define NS_PER_S           1000000000LL
#define FLOWS_LIMIT_MAX    100000u
#define SERVICE_RANGES_MAX 512u
#define EXPLAIN_MAX        100000u

/* Absent: `otherwise`. Unix nanoseconds or RFC 3339. */
static bool query_time(const struct api_request *rq, const char *key, int64_t otherwise, int64_t *out,
		       struct api_answer *a)
{
	const char *text = api_query(rq, key);
	char *end;

	*out = otherwise;
	if (!text)
		return true;
	*out = strtoll(text, &end, 10);
	if (text[0] && !*end)
		return true;
	if (time_parse(text, out))
		return true;
	handlers_usage(a, "`%s` must be a time like 2026-08-25T10:00:00Z or Unix nanoseconds", key);
	return false;
}

static bool query_limit(const struct api_request *rq, uint32_t *out, struct api_answer *a)
{
	const char *text = api_query(rq, "limit");
	char *end;
	unsigned long value;

	*out = 0;
	if (!text)
		return true;
	value = strtoul(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && !*end && value >= 1 && value <= FLOWS_LIMIT_MAX) {
		*out = (uint32_t)value;
		return true;
	}
	handlers_usage(a, "`limit` must be a number from 1 to %u", FLOWS_LIMIT_MAX);
	return false;
}

/* --- flows ------------------------------------------------------------------------------------ */

static bool query_service(struct daemon *d, const struct api_request *rq, int64_t *out, struct api_answer *a)
{
	const char *text = api_query(rq, "service");
	struct service_range ranges[SERVICE_RANGES_MAX];
	char error[256];
	size_t n = 0;

	*out = -1;
	if (!text)
		return true;
	if (!d->active || !d->active->rs) {
		handlers_usage(a, "`service` needs an active policy");
		return false;
	}
	if (!policy_parse_service(d->active->rs, text, ranges, &n, SERVICE_RANGES_MAX, error,
				  sizeof(error))) {
		handlers_usage(a, "service: %s", error);
		return false;
	}
	if (n != 1 || ranges[0].to - ranges[0].from != 1) {
		handlers_usage(a, "`service` must be one point, like tcp/443");
		return false;
	}
	*out = ranges[0].from;
	return true;
}

static void add_flow(void *ctx, const struct flow_row *f)
{
	json_t *row = json_pack("{s:o, s:o, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?}", "time",
				json_time(f->time_ns), "last", json_time(f->last_ns), "kind", f->kind,
				"verdict", f->verdict, "rule", f->rule, "intended_rule", f->intended_rule,
				"reason", f->reason, "intended", f->intended);

	json_object_update_new(row,
			       json_pack("{s:s?, s:s?, s:i, s:i, s:i, s:i, s:s?, s:s?}", "src", f->src, "dst",
					 f->dst, "proto", (int)f->proto, "sport", (int)f->sport, "dport",
					 (int)f->dport, "domain", (int)f->domain, "src_identity",
					 f->src_identity, "dst_identity", f->dst_identity));
	json_object_update_new(row, json_pack("{s:I, s:I, s:[I, I], s:[I, I], s:b}", "generation",
					      (json_int_t)f->generation, "count", (json_int_t)f->count,
					      "packets", (json_int_t)f->packets[0], (json_int_t)f->packets[1],
					      "bytes", (json_int_t)f->bytes[0], (json_int_t)f->bytes[1],
					      "live", (int)f->live));
	json_array_append_new(ctx, row);
}

void handle_flows(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	static const char *const keys[] = {"since", "until",  "verdict", "from",  "to",
					   "rule",  "reason", "service", "limit", NULL};
	struct daemon *d = ctx;
	struct flow_filter f = {.verdict = api_query(rq, "verdict"),
				.from = api_query(rq, "from"),
				.to = api_query(rq, "to"),
				.rule = api_query(rq, "rule"),
				.reason = api_query(rq, "reason")};
	json_t *list;
	bool complete = true;
	uint64_t lost = 0;
	int r;

	if (!handlers_only_query(rq, keys, a) || !query_time(rq, "since", 0, &f.since_ns, a) ||
	    !query_time(rq, "until", 0, &f.until_ns, a) || !query_limit(rq, &f.limit, a) ||
	    !query_service(d, rq, &f.service, a))
		return;
	daemon_read_records(d); /* what has happened by now is in the answer */
	list = json_array();
	r = query_flows(d->store, &f, add_flow, list, &complete, &lost);
	if (r == 0) {
		handlers_answer(d, a, "flows", list, complete && lost == 0, lost);
		return;
	}
	json_decref(list);
	if (r == -EINVAL)
		handlers_usage(a, "%s", store_error(d->store));
	else
		answer_error(a, 500, CLI_INCOMPLETE, store_error(d->store), NULL, NULL, NULL);
}

/* --- explain ---------------------------------------------------------------------------------- */

struct explaining {
	const struct ruleset *rs;
	const char *service;
	json_t *list;
};

static bool add_answer(void *ctx, const struct explain_answer *x)
{
	struct explaining *e = ctx;
	const struct decision *d = &x->decision;
	char service[64], rule[160], intended[160];

	service_range_text(x->first, x->end, service, sizeof(service));
	json_array_append_new(
		e->list,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "from", e->rs->identities[x->from].text,
			  "to", e->rs->identities[x->to].text, "service", x->whole ? e->service : service,
			  "verdict", verdict_word(d->verdict), "rule",
			  ruleset_rule_text(e->rs, d->rule, rule, sizeof(rule)), "reason",
			  reason_word(d->reason), "intended", verdict_word(d->intended), "intended_rule",
			  ruleset_rule_text(e->rs, d->intended_rule, intended, sizeof(intended))));
	return json_array_size(e->list) < EXPLAIN_MAX;
}

/* An address that somebody holds now means the holder's identity (in each domain); else what the text says.
 */
static bool find_who(struct daemon *d, const char *text, uint64_t *set, char *error, size_t room)
{
	const struct ruleset *rs = d->active->rs;
	const struct live_binding *b = NULL;
	uint8_t addr[16], family = addr_parse(text, addr);
	bool found = false;

	while (family && (b = bindings_find(d->bindings, family, addr, b))) {
		const char *identity = dictionary_text(d->dictionary, b->b.identity);
		ptrdiff_t i = identity ? ruleset_find_identity(rs, identity) : -1;

		if (i < 0)
			continue;
		set[i / 64] |= 1ull << (i % 64);
		found = true;
	}
	return found || policy_parse_who(rs, text, set, error, room);
}

static void explain(struct daemon *d, const struct api_request *rq, int64_t at_ns, uint64_t *from,
		    uint64_t *to, struct api_answer *a)
{
	const char *who[2] = {api_query(rq, "from"), api_query(rq, "to")},
		   *service = api_query(rq, "service");
	struct explaining e = {.rs = d->active->rs, .service = service};
	struct service_range ranges[SERVICE_RANGES_MAX];
	char error[256] = "";
	size_t n = 0;

	if (!who[0] || !who[1] || !service)
		handlers_usage(a, "explain needs `from`, `to` and `service`");
	else if (!find_who(d, who[0], from, error, sizeof(error)))
		handlers_usage(a, "from: %s", error);
	else if (!find_who(d, who[1], to, error, sizeof(error)))
		handlers_usage(a, "to: %s", error);
	else if (!policy_parse_service(e.rs, service, ranges, &n, SERVICE_RANGES_MAX, error, sizeof(error)))
		handlers_usage(a, "service: %s", error);
	if (a->body)
		return;
	e.list = json_array();
	if (policy_explain(e.rs, from, to, ranges, n, at_ns / NS_PER_S, add_answer, &e)) {
		handlers_answer(d, a, "explain", e.list, json_array_size(e.list) < EXPLAIN_MAX, 0);
		return;
	}
	json_decref(e.list);
	answer_error(a, 500, CLI_CAPACITY, "out of memory", NULL, NULL, NULL);
}

void handle_explain(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	static const char *const keys[] = {"from", "to", "service", "at", NULL};
	struct daemon *d = ctx;
	uint64_t *sets;
	int64_t at;

	if (!d->active || !d->active->rs) {
		answer_error(a, 409, CLI_USAGE, "no policy is active", "everything stays denied",
			     "commit one, or ask offline with --policy", NULL);
		return;
	}
	if (!handlers_only_query(rq, keys, a) || !query_time(rq, "at", utc_now_ns(), &at, a))
		return;
	sets = calloc(2 * d->active->rs->set_words, sizeof(*sets));
	if (sets)
		explain(d, rq, at, sets, sets + d->active->rs->set_words, a);
	else
		answer_error(a, 500, CLI_CAPACITY, "out of memory", NULL, NULL, NULL);
	free(sets);
}
