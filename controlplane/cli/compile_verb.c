/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `compile`: the two files a dataplane starts from, made without a daemon: the image of a policy, and a
 * snapshot with a binding for every endpoint of a capture, classified as `replay` does. Both are written
 * beside their place and renamed, so nobody ever sees half of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replay.h"
#include "snapshot.h"
#include "verbs.h"

#define HASH_NONFATAL_OOM      1
#define uthash_nonfatal_oom(b) ((b)->homeless = true)
#include <uthash.h>

struct bound_key {
	uint8_t addr[16];
	uint16_t vlan;
	uint8_t family, zero;
};

struct bound {
	struct bound_key key;
	struct dp_binding binding;
	bool homeless;
	UT_hash_handle hh;
};

struct gather {
	struct bound *hash;
	bool layer2, failed;
	uint64_t clashes; /* one address with two identities, by MAC */
};

static void gather_endpoint(void *ctx, const struct engine_endpoint *endpoint, uint16_t identity)
{
	struct gather *g = ctx;
	struct bound_key key;
	struct bound *b;

	memset(&key, 0, sizeof(key));
	memcpy(key.addr, endpoint->addr, sizeof(key.addr));
	key.vlan = endpoint->vlan;
	key.family = endpoint->family;
	HASH_FIND(hh, g->hash, &key, sizeof(key), b);
	if (b != NULL) {
		g->clashes += b->binding.identity != identity;
		return;
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		g->failed = true;
		return;
	}
	b->key = key;
	b->binding = (struct dp_binding){
		.domain = key.vlan, .identity = identity, .family = key.family, .lease_s = UINT32_MAX};
	memcpy(b->binding.addr, key.addr, sizeof(key.addr));
	memcpy(b->binding.mac, endpoint->mac, sizeof(endpoint->mac));
	HASH_ADD(hh, g->hash, key, sizeof(b->key), b);
	if (b->homeless) {
		free(b);
		g->failed = true;
	}
}

static void gather_free(struct gather *g)
{
	struct bound *b, *next;

	HASH_ITER (hh, g->hash, b, next) {
		HASH_DEL(g->hash, b);
		free(b);
	}
}

static int bound_cmp(const struct bound *a, const struct bound *b)
{
	return memcmp(&a->key, &b->key, sizeof(a->key));
}

/* --- the snapshot ------------------------------------------------------------------------------ */

static struct snapshot_header *snapshot_make(struct gather *g, const struct image_header *image,
					     uint32_t dictionary, size_t *size)
{
	uint32_t n = HASH_COUNT(g->hash), at = 0;
	struct snapshot_header *h;

	*size = sizeof(*h) + n * sizeof(struct dp_binding);
	h = calloc(1, *size);
	if (h == NULL)
		return NULL;
	HASH_SORT(g->hash, bound_cmp);
	struct dp_binding *bindings = (struct dp_binding *)(h + 1);
	for (struct bound *b = g->hash; b != NULL; b = b->hh.next) {
		bindings[at] = b->binding;
		bindings[at++].dictionary = dictionary;
	}
	memcpy(h->magic, SNAPSHOT_MAGIC, sizeof(h->magic));
	h->abi = SNAPSHOT_ABI;
	h->generation = 1;
	h->count = n;
	h->dictionary = dictionary;
	h->image_crc = image->crc64;
	h->crc64 = snapshot_crc(h);
	return h;
}

/* --- files ------------------------------------------------------------------------------------- */

static bool write_all(int fd, const void *bytes, size_t size)
{
	for (const char *at = bytes; size > 0;) {
		ssize_t n = write(fd, at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

static int save(struct cli *cli, const char *path, const void *bytes, size_t size)
{
	char *temporary;

	if (asprintf(&temporary, "%s.part", path) < 0)
		return cli_fail(cli, CLI_CAPACITY, "out of memory");
	cli_interrupt_removes(temporary);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool good = fd >= 0 && write_all(fd, bytes, size) && fsync(fd) == 0;
	int problem = errno;
	if (fd >= 0)
		close(fd);
	if (good && rename(temporary, path) != 0) {
		problem = errno;
		good = false;
	}
	if (!good)
		unlink(temporary);
	cli_interrupt_removes(NULL);
	free(temporary);
	return good ? CLI_DONE
		    : cli_fail(cli, CLI_NOT_APPLIED, "cannot write %s: %s; what was there is unchanged", path,
			       strerror(problem));
}

/* --- the verb ---------------------------------------------------------------------------------- */

static int save_image(struct cli *cli, const struct image_header *image, size_t size)
{
	const char *path = cli_option(cli, "image");
	int code = save(cli, path, image, size);

	if (code == CLI_DONE)
		cli_note(cli, "image %s: %zu bytes, %u source and %u responder classes", path, size,
			 image->n_source, image->n_responder);
	return code;
}

/* The snapshot to save, or NULL with *code set if there is none to make or it cannot be made. */
static struct snapshot_header *bindings_make(struct cli *cli, struct gather *g,
					     const struct image_header *image, uint32_t dictionary,
					     size_t *size, int *code)
{
	const char *wrong = NULL;
	struct snapshot_header *h = NULL;

	*code = CLI_DONE;
	if (cli_option(cli, "bindings") == NULL)
		return NULL;
	if (HASH_COUNT(g->hash) > SNAPSHOT_BINDINGS_MAX)
		*code = cli_fail(cli, CLI_CAPACITY,
				 "capacity: the capture has %u endpoints, a snapshot holds %u",
				 HASH_COUNT(g->hash), SNAPSHOT_BINDINGS_MAX);
	else if (g->failed || (h = snapshot_make(g, image, dictionary, size)) == NULL)
		*code = cli_fail(cli, CLI_CAPACITY, "out of memory");
	else if ((wrong = snapshot_check(h, *size)) != NULL)
		*code = cli_fail(cli, CLI_NOT_APPLIED, "%s", wrong);
	if (*code == CLI_DONE)
		return h;
	free(h);
	return NULL;
}

/* Nothing is written unless both can be made. */
static int save_both(struct cli *cli, struct gather *g, const struct image_header *image, size_t image_size,
		     uint32_t dictionary)
{
	const char *path = cli_option(cli, "bindings");
	size_t size = 0;
	int code;

	struct snapshot_header *h = bindings_make(cli, g, image, dictionary, &size, &code);
	if (code == CLI_DONE)
		code = save_image(cli, image, image_size);
	if (code == CLI_DONE && h != NULL)
		code = save(cli, path, h, size);
	if (code == CLI_DONE && h != NULL)
		cli_note(cli, "bindings %s: %u endpoints", path, HASH_COUNT(g->hash));
	if (code == CLI_DONE && g->clashes > 0)
		cli_note(cli,
			 "%" PRIu64 " times an address came with a MAC that gives it another identity; "
			 "the first one is bound",
			 g->clashes);
	free(h);
	return code;
}

static void no_record(void *ctx, const struct record *record)
{
}

static int compile_with_capture(struct cli *cli, struct gather *g)
{
	struct tap_config config = {.port = cli_option(cli, "port"), .endpoint = gather_endpoint, .ctx = g};
	struct replay_run run;
	size_t size;

	int code = replay_run_open(cli, &run, cli_option(cli, "policy"), cli_option(cli, "pcap"), &config);
	if (code == CLI_DONE)
		code = replay_run_pump(&run, no_record, NULL);
	if (code == CLI_DONE) {
		const struct image_header *image = tap_image(run.tap, &size);
		code = save_both(cli, g, image, size, dictionary_size(tap_dictionary(run.tap)));
	}
	replay_run_close(&run);
	return code;
}

static int compile_alone(struct cli *cli, struct gather *g)
{
	struct dictionary *dict = dictionary_new();
	struct image_header *image = NULL;
	struct compile_stats stats;
	struct bundle b;
	char error[256];
	size_t size;

	int code = bundle_load(cli, cli_option(cli, "policy"), &b);
	if (code == CLI_DONE) {
		enum compile_result result = compile_image(b.rs, dict, &COMPILE_LIMITS_DEFAULT, &image, &size,
							   &stats, error, sizeof(error));
		code = result == COMPILE_OK ? save_both(cli, g, image, size, dictionary_size(dict))
					    : replay_compile_failed(cli, result, error);
	}
	free(image);
	bundle_free(&b);
	dictionary_free(dict);
	return code;
}

int verb_compile(struct cli *cli)
{
	struct gather g = {0};
	int code = cli_option(cli, "pcap") != NULL ? compile_with_capture(cli, &g) : compile_alone(cli, &g);

	gather_free(&g);
	return code;
}
