/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions and decisions, of bridged frames or of the host itself: the same chains, once with the addresses
 * that bindings give, once (prefix `host_`) with those that the image's prefixes give.
 *
 * A rule whose map knows nothing ends there, and the next rule runs with the scratch values as they were. So
 * every rule that looks up ends in a goto, and the rule behind it denies, or is the next question to ask with
 * the same values. The scratch values are packet mark and packet priority; the conntrack mark is written
 * once, with the class that was found.
 *
 * Against dataplane/core/session.c the kernel is stricter in this:
 *   - a packet that conntrack calls invalid (window, checksum, TCP state) is refused `no-session`;
 *   - ICMP and ICMPv6 open a session only with types that conntrack opens one for, whatever a service names;
 *   - an ICMP error must come from the far end itself, not from a router behind the same MAC;
 *   - an address without binding is denied by default: never $unknown, nor what its prefix says;
 *   - an answer of ICMP in a session that must be decided again is dropped; the next request decides it.
 */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#include "nft_parts.h"

enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };
enum { ECHO4 = 8, ECHO6 = 128, UNREACHABLE = 3, FRAG_NEEDED = 4, TIME_EXCEEDED = 11, PARAMETER = 12 };
enum {
	ERROR6_FIRST = 1,
	TOO_BIG6 = 2,
	ERROR6_LAST = 4,
	ND_FIRST = 133,
	ND_SOLICIT = 135,
	ND_ADVERT = 136,
	ND_LAST = 137
};

#define IP4_MTU_MIN  68u
#define IP6_MTU_MIN  1280u
#define TCP_DECIDING 0x17u /* FIN, SYN, RST, ACK */
#define TCP_SYN      0x02u

#define STATE(bit) NF_CT_STATE_BIT(bit)

struct words {
	const char *prefix;
	const char *seen, *passed, *opened, *redecided, *refused;
	const char *opening, *standing;
	const char *addresses[2]; /* IPv4, IPv6 */
	bool zoned;               /* keys of addresses begin with the zone */
};

static const struct words forward_words = {
	"",        "seen",      "forwarded",
	"opened",  "redecided", "refused",
	"opening", "standing",  {"address4", "address6"},
	true,
};
static const struct words host_words = {
	"host_",        "host_seen",    "host_passed",   "host_opened",      "host_redecided",
	"host_refused", "host_opening", "host_standing", {"host4", "host6"}, false,
};

struct decide {
	struct nft_emit *e;
	const struct nft_making *m;
	const struct words *w;
	bool host;
	char name[NFT_CHAIN_NAME];
};

/* The plane's chain of this name; good until the next call. */
static const char *own(struct decide *d, const char *word)
{
	snprintf(d->name, sizeof d->name, "%s%s", d->w->prefix, word);
	return d->name;
}

static void chain(struct decide *d, const char *word)
{
	nft_chain_open(d->e, own(d, word));
}

static void go(struct decide *d, const char *word)
{
	nft_goto(d->e, own(d, word));
}

static void otherwise(struct decide *d, const char *word)
{
	nft_else(d->e, own(d, word));
}

static void rule_is(struct decide *d, enum nft_term term, uint64_t number, const char *word)
{
	nft_rule_open(d->e);
	nft_is(d->e, term, number);
	go(d, word);
}

void nft_reason_name(const char *prefix, unsigned reason, char out[NFT_CHAIN_NAME])
{
	snprintf(out, NFT_CHAIN_NAME, "%s%s", prefix, reason_word(reason));
	for (char *at = out; *at; at++)
		if (*at == '-')
			*at = '_';
}

/* --- refusals ----------------------------------------------------------------------------------------- */

/* br_netfilter gives the forward hook of BRNF no way to send an answer: there a reject is a drop. */
static bool rejects(const struct image_decision *d, bool host, uint32_t layout)
{
	return d->flags & DECISION_REJECT && (host || layout == NFT_LAYOUT_BRCT);
}

void nft_refusal_chain(const struct image_decision *d, bool host, uint32_t layout, char out[NFT_CHAIN_NAME])
{
	char word[NFT_CHAIN_NAME - 8];

	snprintf(word, sizeof word, "%s%s", host ? "host_" : "",
		 rejects(d, host, layout) ? "reject_" : "refuse_");
	nft_reason_name(word, d->reason, out);
}

static void count_refusal(struct decide *d, unsigned reason)
{
	char counter[NFT_CHAIN_NAME];

	nft_rule_open(d->e);
	nft_count(d->e, d->w->refused);
	if (d->host)
		return;
	nft_reason_name("drop_", reason, counter);
	nft_rule_open(d->e);
	nft_count(d->e, counter);
}

static void build_refusal(struct decide *d, const struct image_decision *what, const char *name)
{
	struct nft_emit *e = d->e;

	nft_chain_open(e, name);
	count_refusal(d, what->reason);
	nft_rule_open(e);
	nft_key(e, T_CLASS, T_END);
	nft_set_mark(e);
	nft_log_decision(e, d->m->box->group);
	if (rejects(what, d->host, d->m->box->layout)) {
		nft_rule_open(e);
		nft_reject_tcp(e);
		nft_rule_open(e);
		nft_reject_icmpx(e);
		return;
	}
	nft_rule_open(e);
	nft_drop(e);
}

/* A packet that conntrack knows nothing of has no mark to read; writing one to nothing is nothing. */
static void build_no_session(struct decide *d)
{
	struct nft_emit *e = d->e;

	chain(d, "refuse_no_session");
	count_refusal(d, REASON_NO_SESSION);
	nft_rule_open(e);
	nft_number(e, nft_class_no_session(d->m->image));
	nft_set_class(e);
	nft_set_mark(e);
	nft_log_decision(e, d->m->box->group);
	nft_rule_open(e);
	nft_drop(e);
}

/* One chain for each reason, and each way to answer, that a class of this image has. */
static void build_refusals(struct decide *d)
{
	const uint32_t n = nft_class_count(d->m->image);
	bool made[REASON_COUNT][2] = {{false}};
	char name[NFT_CHAIN_NAME];

	made[REASON_NO_SESSION][0] = true;
	build_no_session(d);
	for (uint32_t i = 0; i < n; i++) {
		const struct image_decision *what = &d->m->class[i];
		bool *is = &made[what->reason][rejects(what, d->host, d->m->box->layout)];

		if (what->flags & DECISION_ALLOW || *is)
			continue;
		*is = true;
		nft_refusal_chain(what, d->host, d->m->box->layout, name);
		build_refusal(d, what, name);
	}
}

static void build_drop(struct decide *d, const char *word, unsigned reason)
{
	char counter[NFT_CHAIN_NAME];

	nft_reason_name("drop_", reason, counter);
	chain(d, word);
	nft_rule_open(d->e);
	nft_count(d->e, d->host ? "host_dropped" : counter);
	nft_drop(d->e);
}

/* --- sessions ----------------------------------------------------------------------------------------- */

/* What the guards let through is not asked again; it has been counted. */
static void rules_guarded(struct decide *d)
{
	static const uint8_t nd[] = {ND_SOLICIT, ND_ADVERT};
	struct nft_emit *e = d->e;

	if (d->host) {
		nft_rule_open(e);
		nft_is_family(e, 6);
		nft_at_least(e, T_ICMP6_TYPE, ND_FIRST);
		nft_at_most(e, T_ICMP6_TYPE, ND_LAST);
		nft_accept(e);
		return;
	}
	if (d->m->box->layout == NFT_LAYOUT_BRCT) {
		nft_rule_open(e);
		nft_is(e, T_PROTOCOL, 0x0806);
		go(d, "let_by");
	}
	for (size_t i = 0; i < sizeof nd; i++) {
		nft_rule_open(e);
		nft_is_family(e, 6);
		nft_is(e, T_ICMP6_TYPE, nd[i]);
		go(d, "let_by");
	}
}

static void build_session(struct decide *d)
{
	struct nft_emit *e = d->e;

	chain(d, "session");
	rules_guarded(d);
	nft_rule_open(e);
	nft_count(e, d->w->seen);
	nft_rule_open(e);
	nft_ct_state(e, NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT);
	go(d, "refuse_no_session");
	nft_rule_open(e);
	nft_ct_state(e, STATE(IP_CT_RELATED));
	go(d, "related");
	nft_rule_open(e);
	nft_key(e, T_CLASS, T_END);
	nft_vmap(e, d->w->standing);
	nft_rule_open(e);
	nft_ct_state(e, STATE(IP_CT_NEW));
	go(d, "first");
	nft_rule_open(e);
	nft_ct_reply(e);
	go(d, "decide_back");
	otherwise(d, "decide");
}

/* May this packet open a session? TCP by a SYN alone, ICMP by an echo or a type that some service names. */
static void build_first(struct decide *d)
{
	static const struct {
		enum nft_term type, code;
		uint8_t echo;
		const char *named;
	} icmp[] = {{T_ICMP_TYPE, T_ICMP_CODE, ECHO4, "named_icmp"},
		    {T_ICMP6_TYPE, T_ICMP6_CODE, ECHO6, "named_icmp6"}};
	struct nft_emit *e = d->e;

	chain(d, "first");
	nft_rule_open(e);
	nft_key(e, T_TCP_FLAGS, T_END);
	nft_mask(e, TCP_DECIDING, 1);
	nft_cmp(e, NFT_CMP_EQ, TCP_SYN, 1);
	go(d, "decide");
	nft_rule_open(e); /* conntrack lets a checksum of none pass, which only IPv4 has */
	nft_is_family(e, 6);
	nft_is(e, T_UDP_SUM, 0);
	go(d, "drop_checksum");
	rule_is(d, T_L4PROTO, UDP, "decide");
	for (size_t i = 0; i < sizeof icmp / sizeof icmp[0]; i++) {
		nft_rule_open(e);
		nft_is(e, icmp[i].type, icmp[i].echo);
		nft_is(e, icmp[i].code, 0);
		go(d, "decide");
		nft_rule_open(e);
		nft_key(e, icmp[i].type, T_END);
		nft_in(e, icmp[i].named);
		go(d, "decide");
	}
	nft_rule_open(e);
	nft_key(e, T_L4PROTO, T_END);
	nft_in(e, "named_proto");
	go(d, "decide");
	otherwise(d, "refuse_no_session");
	build_drop(d, "drop_checksum", REASON_CHECKSUM);
}

static void build_ends(struct decide *d)
{
	struct nft_emit *e = d->e;

	chain(d, "open");
	nft_rule_open(e);
	nft_ct_state(e, STATE(IP_CT_NEW));
	nft_count(e, d->w->opened);
	nft_rule_open(e);
	nft_ct_state(e, STATE(IP_CT_ESTABLISHED));
	nft_count(e, d->w->redecided);
	otherwise(d, "pass");
	chain(d, "pass");
	nft_rule_open(e);
	nft_count(e, d->w->passed);
	otherwise(d, "let_by");
	chain(d, "let_by"); /* without the mark that whatever is undecided has (build_shut) */
	nft_rule_open(e);
	nft_number(e, 0);
	nft_set_mark(e);
	nft_number(e, 0);
	nft_set_priority(e);
	nft_accept(e);
}

/* --- ICMP errors -------------------------------------------------------------------------------------- */

/* An error must come from where the session's packets of the other direction come from. */
static void rules_far_end(struct decide *d)
{
	static const struct {
		bool back;
		enum nft_term source, end;
		const char *same;
	} ends[] = {{false, T_SIP4, T_FROM4, "same4"},
		    {true, T_SIP4, T_TO4, "same4"},
		    {false, T_SIP6, T_FROM6, "same6"},
		    {true, T_SIP6, T_TO6, "same6"}};

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		nft_rule_open(d->e);
		nft_is(d->e, T_DIRECTION, ends[i].back);
		nft_key(d->e, ends[i].source, ends[i].end, T_END);
		nft_in(d->e, ends[i].same);
		go(d, "related_end");
	}
}

static void rules_error_types(struct decide *d, const char *next)
{
	static const uint8_t errors[] = {UNREACHABLE, TIME_EXCEEDED, PARAMETER};
	struct nft_emit *e = d->e;

	nft_rule_open(e);
	nft_is(e, T_ICMP_TYPE, UNREACHABLE);
	nft_is(e, T_ICMP_CODE, FRAG_NEEDED);
	nft_below(e, T_ICMP_MTU, IP4_MTU_MIN);
	go(d, "drop_icmp_unrelated");
	nft_rule_open(e);
	nft_is(e, T_ICMP6_TYPE, TOO_BIG6);
	nft_below(e, T_ICMP6_MTU, IP6_MTU_MIN);
	go(d, "drop_icmp_unrelated");
	for (size_t i = 0; i < sizeof errors; i++)
		rule_is(d, T_ICMP_TYPE, errors[i], next);
	nft_rule_open(e);
	nft_at_least(e, T_ICMP6_TYPE, ERROR6_FIRST);
	nft_at_most(e, T_ICMP6_TYPE, ERROR6_LAST);
	go(d, next);
	otherwise(d, "drop_icmp_unrelated");
}

/* Conntrack has found the session that the error quotes, and that the error goes to its sender. */
static void build_related(struct decide *d)
{
	chain(d, "related");
	rules_error_types(d, d->host ? "related_end" : "related_from");
	if (!d->host) {
		chain(d, "related_from");
		rules_far_end(d);
		otherwise(d, "drop_icmp_unrelated");
	}
	chain(d, "related_end");
	nft_rule_open(d->e);
	nft_key(d->e, T_CLASS, T_END);
	nft_vmap(d->e, d->w->standing);
	otherwise(d, "drop_icmp_unrelated");
	build_drop(d, "drop_icmp_unrelated", REASON_ICMP_UNRELATED);
}

/* --- decisions ---------------------------------------------------------------------------------------- */

/* Identity of an address -> mark. */
static void identify(struct decide *d, enum nft_term address, const char *map)
{
	if (d->w->zoned)
		nft_key(d->e, T_ZONE, address, T_END);
	else
		nft_key(d->e, address, T_END);
	nft_map(d->e, map);
	nft_set_mark(d->e);
}

/* From the addresses to source class (mark) and responder class (priority). */
static void build_ask(struct decide *d, const char *word, enum nft_term from, enum nft_term to,
		      const char *map, const char *next)
{
	struct nft_emit *e = d->e;

	chain(d, word);
	nft_rule_open(e);
	identify(d, to, map);
	nft_key(e, T_MARK, T_END);
	nft_map(e, "responder");
	nft_set_priority(e);
	identify(d, from, map);
	nft_key(e, T_MARK, T_END);
	nft_map(e, "source");
	nft_set_mark(e);
	go(d, next);
	otherwise(d, "default_deny");
}

/* From the classes to the list of services (mark). */
static void build_pairs(struct decide *d, const char *word, const char *next)
{
	struct nft_emit *e = d->e;

	chain(d, word);
	nft_rule_open(e);
	nft_key(e, T_MARK, T_PRIORITY, T_END);
	nft_map(e, "pair");
	nft_set_mark(e);
	go(d, next);
	nft_rule_open(e);
	nft_key(e, T_MARK, T_END);
	nft_map(e, "row");
	nft_set_mark(e);
	go(d, next);
	otherwise(d, "default_deny");
}

/* From list and service to the class (conntrack mark). */
static void build_services(struct decide *d, const char *word, enum nft_term a, enum nft_term b,
			   const char *map)
{
	struct nft_emit *e = d->e;

	chain(d, word);
	nft_rule_open(e);
	nft_list_key(e, a, b);
	nft_map(e, map);
	nft_set_class(e);
	go(d, "class");
	otherwise(d, "default_deny");
}

static void build_regions(struct decide *d, const char *word, const char *by_port, bool back)
{
	chain(d, word);
	rule_is(d, T_L4PROTO, TCP, by_port);
	rule_is(d, T_L4PROTO, UDP, by_port);
	if (!back) {
		rule_is(d, T_L4PROTO, ICMP, "by_type");
		rule_is(d, T_L4PROTO, ICMP6, "by_type6");
	}
	otherwise(d, "by_proto");
}

static void build_class(struct decide *d)
{
	struct nft_emit *e = d->e;

	chain(d, "default_deny");
	nft_rule_open(e);
	nft_number(e, 0);
	nft_set_class(e);
	go(d, "class");
	chain(d, "class");
	nft_rule_open(e);
	nft_key(e, T_CLASS, T_END);
	nft_vmap(e, d->w->opening);
	otherwise(d, "drop_class");
	build_drop(d, "drop_class", REASON_NO_RULE);
}

static void build_decide_there(struct decide *d)
{
	chain(d, "decide");
	nft_rule_open(d->e);
	nft_is_family(d->e, 4);
	go(d, "decide4");
	nft_rule_open(d->e);
	nft_is_family(d->e, 6);
	go(d, "decide6");
	otherwise(d, "default_deny");
	build_ask(d, "decide4", T_SIP4, T_DIP4, d->w->addresses[0], "pairs");
	build_ask(d, "decide6", T_SIP6, T_DIP6, d->w->addresses[1], "pairs");
	build_pairs(d, "pairs", "services");
	build_regions(d, "services", "by_port", false);
	build_services(d, "by_port", T_L4PROTO, T_DPORT, "ports");
	build_services(d, "by_type", T_ICMP_TYPE, T_ICMP_CODE, "types");
	build_services(d, "by_type6", T_ICMP6_TYPE, T_ICMP6_CODE, "types6");
	build_services(d, "by_proto", T_L4PROTO, T_END, "protos");
}

/* The same with the ends swapped, for a packet of the responder. */
static void build_decide_back(struct decide *d)
{
	chain(d, "decide_back");
	rule_is(d, T_L4PROTO, ICMP, "drop_no_session");
	rule_is(d, T_L4PROTO, ICMP6, "drop_no_session");
	nft_rule_open(d->e);
	nft_is_family(d->e, 4);
	go(d, "decide4_back");
	nft_rule_open(d->e);
	nft_is_family(d->e, 6);
	go(d, "decide6_back");
	otherwise(d, "default_deny");
	build_drop(d, "drop_no_session", REASON_NO_SESSION);
	build_ask(d, "decide4_back", T_DIP4, T_SIP4, d->w->addresses[0], "pairs_back");
	build_ask(d, "decide6_back", T_DIP6, T_SIP6, d->w->addresses[1], "pairs_back");
	build_pairs(d, "pairs_back", "services_back");
	build_regions(d, "services_back", "by_port_back", true);
	build_services(d, "by_port_back", T_L4PROTO, T_SPORT, "ports");
}

static void build_counters(struct decide *d)
{
	static const uint8_t reasons[] = {
		REASON_RULE,  REASON_NO_RULE,  REASON_SCOPE,          REASON_NO_SESSION, REASON_CONFLICT,
		REASON_CLOCK, REASON_DENY_ALL, REASON_ICMP_UNRELATED, REASON_NO_PORT,    REASON_CHECKSUM,
	};
	const char *const plane[] = {d->w->seen, d->w->passed, d->w->opened, d->w->redecided, d->w->refused};
	char name[NFT_CHAIN_NAME];

	for (size_t i = 0; i < sizeof plane / sizeof plane[0]; i++)
		if (d->m->box->layout != NFT_LAYOUT_BRCT || strcmp(plane[i], "forwarded") != 0)
			nft_build_counter(d->e->b, plane[i]);
	if (d->host)
		nft_build_counter(d->e->b, "host_dropped");
	for (size_t i = 0; !d->host && i < sizeof reasons; i++) {
		if (reasons[i] == REASON_NO_PORT && d->m->box->layout == NFT_LAYOUT_BRCT)
			continue; /* the guards of this table have it */
		nft_reason_name("drop_", reasons[i], name);
		nft_build_counter(d->e->b, name);
	}
}

void nft_build_decide(struct nft_emit *e, const struct nft_making *m, bool host)
{
	struct decide d = {.e = e, .m = m, .w = host ? &host_words : &forward_words, .host = host};

	build_counters(&d);
	build_session(&d);
	build_first(&d);
	build_related(&d);
	build_decide_there(&d);
	build_decide_back(&d);
	build_class(&d);
	build_refusals(&d);
	build_ends(&d);
}
