/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The assessment on request: run, stored, and returned as it was stored.
 */
#include <stdlib.h>

#include "assess.h"
#include "handlers.h"
#include "timefmt.h"

#define WINDOW_NS                                                                                            \
	(90 * 86400 * 1000000000LL) /* the longest that a stage asks for; each cuts its own out of it */

/* Absent or null: `otherwise`. Unix nanoseconds or RFC 3339. */
static bool body_time(const json_t *body, const char *key, int64_t otherwise, int64_t *out,
		      struct api_answer *a)
{
	const json_t *value = json_object_get(body, key);

	*out = otherwise;
	if (!value || json_is_null(value))
		return true;
	if (json_is_integer(value)) {
		*out = json_integer_value(value);
		return true;
	}
	if (json_is_string(value) && time_parse(json_string_value(value), out))
		return true;
	handlers_usage(a, "`%s` must be a time like 2026-08-25T10:00:00Z or Unix nanoseconds", key);
	return false;
}

void handle_assess(void *ctx, const struct api_request *rq, struct api_answer *a)
{
	static const char *const keys[] = {"since", "until", NULL};
	struct daemon *d = ctx;
	int64_t now = utc_now_ns(), since, until;
	char error[512] = "", *text = NULL;
	json_t *result;

	if (!handlers_only_keys(rq->body, keys, a) ||
	    !body_time(rq->body, "since", now - WINDOW_NS, &since, a) ||
	    !body_time(rq->body, "until", now, &until, a))
		return;
	daemon_read_records(d);
	journal_flush(&d->journal);
	if (assess_run(d->store, d->catalogue, since, until, now, rq->peer->name, true, &text, error,
		       sizeof(error)) < 0) {
		answer_error(a, 500, CLI_INCOMPLETE, error, "nothing was stored", NULL, NULL);
		return;
	}
	result = json_loads(text, 0, NULL);
	free(text);
	handlers_answer(d, a, "assess", result ? result : json_null(), true, 0);
}
