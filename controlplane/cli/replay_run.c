/* SPDX-License-Identifier: BSD-3-Clause */
#include "replay.h"

#include <string.h>

/* A session needs a packet, and a packet in a file at least this many bytes: so a file's size bounds its
 * sessions. */
#define BYTES_PER_SESSION 22u /* half of the least, for a table that is never crowded */
#define SESSIONS_MIN      4096u
#define SESSIONS_DEFAULT  (1u << 20)

static uint32_t sessions_for(uint64_t size, uint32_t wanted)
{
	uint64_t bound = size / BYTES_PER_SESSION;

	if (wanted != 0)
		return wanted;
	if (size == 0 || bound > SESSIONS_DEFAULT)
		return SESSIONS_DEFAULT;
	return bound < SESSIONS_MIN ? SESSIONS_MIN : (uint32_t)bound;
}

int replay_compile_failed(struct cli *cli, enum compile_result result, const char *error)
{
	if (result == COMPILE_CAPACITY)
		return cli_fail(cli, CLI_CAPACITY, "capacity: %s", error);
	return cli_fail(cli, result == COMPILE_DEFECT ? CLI_NOT_APPLIED : CLI_CAPACITY, "%s", error);
}

int replay_run_open(struct cli *cli, struct replay_run *run, const char *policy, const char *pcap,
		    const struct tap_config *config)
{
	struct tap_config c = *config;
	char error[512];

	*run = (struct replay_run){.cli = cli};
	int code = bundle_load(cli, policy, &run->bundle);
	if (code != CLI_DONE)
		return code;
	run->capture = capture_open(pcap, error, sizeof(error));
	if (run->capture == NULL)
		return cli_fail(cli, CLI_USAGE, "%s", error);
	c.rs = run->bundle.rs;
	c.layer2 = capture_has_layer2(run->capture);
	c.max_sessions = sessions_for(capture_size(run->capture), c.max_sessions);
	enum compile_result result = tap_new(&c, &run->tap, error, sizeof(error));
	return result == COMPILE_OK ? CLI_DONE : replay_compile_failed(cli, result, error);
}

int replay_run_pump(struct replay_run *run, tap_record_fn *f, void *ctx)
{
	enum capture_result result;
	struct frame frame;
	int64_t utc_ns;

	while ((result = capture_next(run->capture, &frame, &utc_ns)) == CAPTURE_FRAME) {
		tap_frame(run->tap, &frame, utc_ns, f, ctx);
		run->frames++;
	}
	tap_finish(run->tap, f, ctx);
	if (result == CAPTURE_END)
		return CLI_DONE;
	if (run->frames == 0)
		return cli_fail(run->cli, CLI_USAGE, "cannot read the capture: %s",
				capture_error(run->capture));
	run->cut = true;
	return cli_fail(run->cli, CLI_INCOMPLETE, "the capture breaks off after %llu frames: %s",
			(unsigned long long)run->frames, capture_error(run->capture));
}

void replay_run_close(struct replay_run *run)
{
	tap_free(run->tap);
	capture_close(run->capture);
	bundle_free(&run->bundle);
}
