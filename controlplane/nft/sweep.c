/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deciding again. The packet path honours no mark of another turn, so the kernel decides a session again by
 * its next packet. The sweep does it for those that have none, and for identities that changed. It asks the
 * maps of the program in use, as the kernel would; what is denied is cut at once, and what stays allowed is
 * left to the kernel, unless
 *   - its mark is of this turn, which the kernel would honour, and says another class;
 *   - it is one of ICMP, whose answers cannot decide it;
 *   - its mark is so old that turns could come round to it.
 */
#include <errno.h>
#include <string.h>

#include "match.h"
#include "records_inside.h"

#define DRAIN_EVERY 1024u
#define OLD_TURNS   64u /* far below NFT_MARK_TURNS */

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

static service_key key_of(const struct session *s)
{
	const uint8_t proto = s->flow.key.proto;
	const bool low = proto == TCP || proto == UDP || proto == ICMP || proto == ICMPV6;

	return service_key_make(proto, low ? s->cold.service : 0);
}

void sweep_forget(struct records *r)
{
	memset(r->asked, 0, sizeof(r->asked));
}

/* Many sessions ask the same. */
static uint32_t ask(struct records *r, uint16_t from, uint16_t to, service_key key)
{
	const uint32_t hash = ((uint32_t)from * 31 + to) * 0x9e3779b1u ^ key * 0x85ebca6bu;
	const uint32_t i = (hash >> 7 ^ hash >> 20) & (ASKED - 1);

	if (!r->asked[i].valid || r->asked[i].from != from || r->asked[i].to != to ||
	    r->asked[i].key != key) {
		r->asked[i].from = from;
		r->asked[i].to = to;
		r->asked[i].key = key;
		r->asked[i].class = nft_ask(r->program, r->version.model, from, to, key);
		r->asked[i].valid = true;
	}
	return r->asked[i].class;
}

/* What the kernel would say to the session's first packet. */
static uint32_t decide(struct records *r, const struct session *s, struct image_decision *d)
{
	const struct image_decision *decisions;
	struct session judged = *s;
	uint32_t class = 0;

	if (!r->program || !r->program->decision.count) {
		*d = match_refusal(REASON_DENY_ALL);
		return 0;
	}
	if (flows_set_ends(r, &judged))
		class = ask(r, judged.cold.src_identity, judged.cold.dst_identity, key_of(s));
	decisions = nft_at(r->program, r->program->decision);
	*d = decisions[class < r->program->decision.count ? class : 0];
	return class;
}

static bool must_mark(const struct records *r, const struct session *s, uint32_t mark)
{
	const uint32_t age = nft_mark_age(s->mark, r->version.turn);
	const uint8_t proto = s->flow.key.proto;

	return s->mark != mark && (!age || age >= OLD_TURNS || proto == ICMP || proto == ICMPV6);
}

/* The kernel's entry first; a session that is gone has an end on its way. */
static bool set_mark(struct records *r, struct session *s, uint32_t mark)
{
	const struct nl_session name = session_name(s);
	int error = nl_session_mark(r->nl, &name, mark);

	if (!error) {
		s->mark = mark;
		r->redecided++;
		return true;
	}
	if (error != -ENOENT)
		r->missed = r->recheck = true;
	records_failed(r, "a session could not be marked anew", error == -ENOENT ? 0 : error);
	return false;
}

void sweep_one(void *ctx, struct session *s)
{
	struct records *r = ctx;
	struct image_decision d;
	uint32_t mark;

	if (s->flags & SESSION_REVOKED)
		return;
	mark = nft_mark(r->version.turn, decide(r, s, &d));
	if (!(d.flags & DECISION_ALLOW))
		r->redecided++;
	else if (must_mark(r, s, mark) && !set_mark(r, s, mark))
		return;
	s->turn = r->version.turn;
	flows_changed(r, s, &d, r->version.generation);
}

bool sweep_doubts(struct records *r, const struct session *s)
{
	struct image_decision d;

	return s->mark != nft_mark(r->version.turn, decide(r, s, &d));
}

static void sweep_once(void *ctx, struct session *s)
{
	struct records *r = ctx;

	if (s->sweep == r->sweep)
		return;
	s->sweep = r->sweep;
	r->undrained++;
	sweep_one(r, s);
}

/* Each change makes an event, more than a socket holds, so they are read meanwhile; that may remove sessions,
 * and make the table grow. */
void sweep_all(struct records *r)
{
	r->sweep++;
	for (uint32_t i = 0; i <= r->sessions.mask; i++) {
		const uint32_t mask = r->sessions.mask;

		sessions_chain(&r->sessions, i, sweep_once, r);
		if (r->undrained < DRAIN_EVERY)
			continue;
		r->undrained = 0;
		records_beat(r);
		records_drain(r);
		if (r->sessions.mask != mask)
			i = UINT32_MAX; /* from the beginning, without those that were decided */
	}
}

int records_sweep(struct records *r)
{
	int error;

	records_clock(r);
	r->missed = false;
	error = flows_list(r);
	if (error) {
		r->recheck = true;
		return error;
	}
	r->recheck = false;
	sweep_all(r);
	return r->missed ? -EAGAIN : 0;
}
