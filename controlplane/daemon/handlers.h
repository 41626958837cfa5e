/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The API's endpoints: one table, one handler each. Handlers run on the daemon's thread with the daemon as
 * ctx.
 */
#pragma once

#include "daemon.h"
#include "server.h"

extern const struct api_endpoint handlers[];
extern const size_t n_handlers;

/* An unlisted or under-privileged peer: audit row. Fits api_config.denied. */
void handlers_denied(void *ctx, const struct api_peer *peer, const char *what);

api_handler handle_status, handle_metrics;
api_handler handle_commit, handle_rollback, handle_generations, handle_generation;
api_handler handle_flows, handle_explain, handle_assess, handle_verify;

/* The envelope around `data` (taken). `lost`: records missing from it. */
void handlers_answer(struct daemon *d, struct api_answer *a, const char *verb, json_t *data, bool complete,
		     uint64_t lost);
/* A usage error: 400, exit 2. */
void handlers_usage(struct api_answer *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True if the body has no keys but these (NULL-terminated), else a usage error. */
bool handlers_only_keys(const json_t *body, const char *const *known, struct api_answer *a);

/* The same of the query. */
bool handlers_only_query(const struct api_request *rq, const char *const *known, struct api_answer *a);

/* RFC 3339 with nanoseconds cut to microseconds; JSON null for 0. */
json_t *json_time(int64_t utc_ns);
