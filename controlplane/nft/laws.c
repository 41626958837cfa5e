/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both laws of counting (wire rules 24 and 25), from the kernel's counters.
 *
 * Frames. The kernel's counters are read one after another while frames go on, so a frame may be seen as
 * dropped and not yet as come in; what was forwarded or dropped has come in, and is counted so. At rest the
 * counters agree by themselves.
 *
 * Decisions. What the kernel counted is raised at once (recorder_expect). Messages come later: nflog waits
 * for a full batch or its timer. So a decision is lost if it was counted when a settling time began and there
 * are fewer messages at its end; under load messages of later decisions hide a loss until it exceeds one
 * settling time's worth, never longer.
 */
#include <inttypes.h>

#include "records_inside.h"

#define SETTLE_MS 2000

static uint64_t counted(const struct records *r, enum told kind)
{
	static const enum counter of[TOLD_KINDS] = {COUNTER_OPENED, COUNTER_REFUSED};

	return r->counters.sum[of[kind]] + r->tally[kind].excess;
}

static uint64_t accounted(const struct records *r, enum told kind)
{
	return r->tally[kind].received + r->tally[kind].lost;
}

void laws_received(struct records *r, enum told kind)
{
	if (!r->recorder.expected)
		r->raised++; /* the recorder raises it now */
	r->tally[kind].received++;
}

void laws_unrecorded(struct records *r, uint32_t mark)
{
	recorder_lost(&r->recorder, 1);
	r->unrecorded++;
	r->unrecorded_mark = mark;
}

static void tell_unrecorded(struct records *r)
{
	if (!r->unrecorded)
		return;
	records_notice(r,
		       "%" PRIu64
		       " decisions could not be recorded and count as lost; the last had mark %#x, "
		       "and generation %u is in use",
		       r->unrecorded, r->unrecorded_mark, r->version.generation);
	r->unrecorded = 0;
}

static void raise(struct records *r)
{
	uint64_t all = 0;

	for (int kind = 0; kind < TOLD_KINDS; kind++) {
		uint64_t c = counted(r, kind), a = accounted(r, kind);

		all += c > a ? c : a;
	}
	if (all <= r->raised)
		return;
	recorder_expect(&r->recorder, all - r->raised);
	r->raised = all;
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void publish_frames(struct records *r)
{
	struct ring_counters *out = r->recorder.count;
	uint64_t *dropped = out->dropped[r->ring.n_ports - 1];
	uint64_t in = r->counters.sum[COUNTER_FRAMES_IN], out_of = r->counters.sum[COUNTER_FORWARDED];

	for (unsigned i = 1; i < REASON_COUNT; i++)
		out_of += counters_dropped(&r->counters, i);
	store(&out->frames_in, in > out_of ? in : out_of);
	store(&out->bytes_in, r->counters.bytes_in);
	for (unsigned i = 1; i < REASON_COUNT; i++)
		store(&dropped[i], counters_dropped(&r->counters, i));
	store(&out->forwarded, r->counters.sum[COUNTER_FORWARDED]);
}

int laws_publish(struct records *r)
{
	struct ring_counters *out = r->recorder.count;
	int error = counters_read(&r->counters, r->nl);

	if (error)
		return error;
	publish_frames(r);
	raise(r);
	store(&out->sessions_opened, r->counters.sum[COUNTER_OPENED]);
	store(&out->redecided, r->counters.sum[COUNTER_REDECIDED] + r->redecided);
	return 0;
}

static void settle(struct records *r, enum told kind)
{
	static const char *const words[TOLD_KINDS] = {"sessions opened", "packets refused"};
	struct tally *t = &r->tally[kind];
	uint64_t now = accounted(r, kind);

	if (t->counted_then > now) {
		uint64_t lost = t->counted_then - now;

		t->lost += lost;
		recorder_lost(&r->recorder, lost);
	} else if (t->received_then + t->lost > counted(r, kind)) {
		uint64_t excess = t->received_then + t->lost - counted(r, kind);

		t->excess += excess;
		records_notice(r,
			       "%" PRIu64
			       " %s were told of but not counted by the kernel, or told after they "
			       "were given up",
			       excess, words[kind]);
	}
	t->counted_then = counted(r, kind);
	t->received_then = t->received;
}

void laws_settle(struct records *r, int64_t now_ms)
{
	if (now_ms - r->settle_ms < SETTLE_MS)
		return;
	r->settle_ms = now_ms;
	for (int kind = 0; kind < TOLD_KINDS; kind++)
		settle(r, kind);
	tell_unrecorded(r);
}
