/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "counters.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	enum counter counter;
	uint32_t plane;
} names[] = {
	{"frames_in", COUNTER_FRAMES_IN, 0},  {"forwarded", COUNTER_FORWARDED, 0},
	{"handed", COUNTER_HANDED, 0},        {"seen", COUNTER_SEEN, 0},
	{"opened", COUNTER_OPENED, 0},        {"refused", COUNTER_REFUSED, 0},
	{"redecided", COUNTER_REDECIDED, 0},  {"host_opened", COUNTER_OPENED, 1},
	{"host_refused", COUNTER_REFUSED, 1}, {"host_redecided", COUNTER_REDECIDED, 1},
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))
#define DROP    "drop_"

/* The reason's word, with `_` for `-`. */
static bool spells(const char *name, const char *word)
{
	for (; *name && *word; name++, word++)
		if (*name != (*word == '-' ? '_' : *word))
			return false;
	return !*name && !*word;
}

static bool find(const char *name, uint32_t *counter, uint32_t *plane)
{
	*plane = 0;
	for (uint32_t r = 1; !strncmp(name, DROP, strlen(DROP)) && r < REASON_COUNT; r++)
		if (spells(name + strlen(DROP), reason_word(r))) {
			*counter = COUNTER_DROPPED + r;
			return true;
		}
	for (size_t i = 0; i < N_NAMES; i++)
		if (!strcmp(name, names[i].name)) {
			*counter = names[i].counter;
			*plane = names[i].plane;
			return true;
		}
	return false;
}

static uint64_t grown(uint64_t *last, uint64_t value)
{
	uint64_t by = value >= *last ? value - *last : value;

	*last = value;
	return by;
}

static void take(void *ctx, uint32_t family, const char *name, uint64_t packets, uint64_t bytes)
{
	struct counters *c = ctx;
	uint32_t counter, plane, f = family == NFT_BRIDGE ? 0 : 1;

	if ((family != NFT_BRIDGE && family != NFT_INET) || !find(name, &counter, &plane))
		return;
	c->there[counter][f][plane] = true;
	c->sum[counter] += grown(&c->last[counter][f][plane], packets);
	if (counter == COUNTER_FRAMES_IN)
		c->bytes_in += grown(&c->last_bytes[f], bytes);
}

static void begin(struct counters *c)
{
	memset(c->sum, 0, sizeof(c->sum));
	c->bytes_in = 0;
	c->handed_before = 0;
	c->began = true;
}

/* What was handed over before the last reading is surely seen by now, or never will be. */
static void count_vanished(struct counters *c)
{
	if (c->handed_before > c->sum[COUNTER_SEEN] + c->vanished)
		c->vanished = c->handed_before - c->sum[COUNTER_SEEN];
	c->handed_before = c->sum[COUNTER_HANDED];
}

/* What is not there counts from 0 when it comes. */
static void forget_absent(struct counters *c)
{
	for (uint32_t i = 0; i < COUNTERS * COUNTER_FAMILIES * COUNTER_PLANES; i++)
		if (!(&c->there[0][0][0])[i])
			(&c->last[0][0][0])[i] = 0;
	for (uint32_t f = 0; f < COUNTER_FAMILIES; f++)
		if (!c->there[COUNTER_FRAMES_IN][f][0])
			c->last_bytes[f] = 0;
}

int counters_read(struct counters *c, struct nl *nl)
{
	memset(c->there, 0, sizeof(c->there));
	const int error = nl_counters(nl, take, c);

	if (error && error != -ENOENT) /* which is: no tables */
		return error;
	forget_absent(c);
	if (!c->began)
		begin(c);
	else
		count_vanished(c);
	return 0;
}

uint64_t counters_dropped(const struct counters *c, enum reason reason)
{
	return c->sum[COUNTER_DROPPED + reason] + (reason == REASON_PARSE ? c->vanished : 0);
}
