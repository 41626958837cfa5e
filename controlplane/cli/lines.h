/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From records to replay's lines: one per session, one per refused (5-tuple, initiator). Repeats of a refused
 * tuple add to its line. Memory is about 250 bytes per line held; at the limit, finished lines are handed out
 * early and forgotten, so a refused tuple that goes on after that starts another line (and the laws still
 * close).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct lines;
/* `line` has the record's layout: identity of the flow, counters summed, first and last. */
typedef void lines_print_fn(void *ctx, const struct record *line);

struct lines *lines_new(uint64_t limit, lines_print_fn *print, void *ctx);
void lines_free(struct lines *l);
void lines_add(struct lines *l, const struct record *record);
/* Hand out all that is left, by time of the first packet. */
void lines_finish(struct lines *l);

/* Decisions that became lines, and decisions that were added to one. */
uint64_t lines_written(const struct lines *l);
uint64_t lines_aggregated(const struct lines *l);
/* Parts handed out before the end. */
uint64_t lines_parts(const struct lines *l);
/* Memory ran out on the way: the decisions that found no line. */
uint64_t lines_lost(const struct lines *l);
