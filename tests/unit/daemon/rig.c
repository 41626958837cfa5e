/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dir.h"
#include "image_check.h"
#include "lastgood.h"
#include "sql.h"

#define PATIENCE_MS 5000

#define POLICY(port)                                                                                         \
	"cordon: 1\n"                                                                                        \
	"bundle: {name: bench, owner: o@example, timezone: UTC}\n"                                           \
	"labels: {role: [web, db], crit: [low, high]}\n"                                                     \
	"classify:\n"                                                                                        \
	"  - {id: c-web, when: {prefix: 10.0.10.1/32, mac: \"02:00:00:00:00:01\", port: lan1}, set: {role: " \
	"web}}\n"                                                                                            \
	"  - {id: c-db, when: {prefix: 10.0.10.2/32}, set: {role: db, crit: high}}\n"                        \
	"groups: {web: {role: web}, db: {role: db}}\n"                                                       \
	"rules:\n"                                                                                           \
	"  - {id: web-db, effect: allow, from: web, to: db, service: tcp/" port ", owner: o@example,\n"      \
	"     review_by: 2099-01-01}\n"                                                                      \
	"tests:\n"                                                                                           \
	"  - {name: it works, from: web, to: db, service: tcp/" port ", expect: {verdict: allow}}\n"         \
	"  - {name: not back, from: db, to: web, service: tcp/" port ", expect: {verdict: deny}}\n"

const char policy_one[] = POLICY("5432"), policy_two[] = POLICY("3306");

struct config *rig_config(const char *dir, const char *extra)
{
	static const char format[] =
		"gateway: bench\n"
		"ports:\n"
		"  - {name: lan1, device: 'net_af_packet0,iface=lan1', role: access, vlan: 10, side: "
		"inside}\n"
		"  - {name: lan2, device: 'net_af_packet1,iface=lan2', role: access, vlan: 10, side: "
		"inside}\n"
		"  - {name: wan, device: 'net_af_packet2,iface=wan', role: access, vlan: 10, side: outside}\n"
		"protected: [10.0.0.0/8]\n"
		"records: {dir: %s}\n"
		"%s";
	char text[2048];
	struct diags findings;
	struct config *c;

	snprintf(text, sizeof(text), format, dir, extra ? extra : "");
	diags_init(&findings);
	c = config_load("bench.yaml", text, strlen(text), &findings);
	diags_print(&findings, stderr, NULL, NULL);
	diags_free(&findings);
	assert_non_null(c);
	return c;
}

static void open_daemon(struct rig *r)
{
	char error[512] = "";

	if (daemon_open(&r->d, rig_config(r->dir, r->extra), r->dir, NULL, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

void rig_start_with(struct rig *r, const char *extra, uint32_t features)
{
	struct config *c;

	memset(r, 0, sizeof(*r));
	r->extra = extra;
	dir_make(r->dir, sizeof(r->dir));
	c = rig_config(r->dir, extra);
	if (c->engine == DP_ENGINE_DPDK)
		r->dp = testdp_start(r->dir);
	if (config_uses_nft(c))
		r->nft = testdp_start_nft(r->dir, features, c->standby);
	config_free(c);
	open_daemon(r);
	rig_settle(r);
}

void rig_start(struct rig *r)
{
	rig_start_with(r, NULL, 0);
}

void rig_restart_daemon(struct rig *r)
{
	daemon_close(&r->d);
	open_daemon(r);
}

void rig_stop(struct rig *r)
{
	daemon_close(&r->d);
	testdp_stop(r->dp);
	testdp_stop(r->nft);
	dir_remove(r->dir);
}

void rig_turn(struct rig *r)
{
	struct pollfd p = {dp_fd(r->d.links[0].dp), POLLIN, 0};

	poll(&p, 1, 5);
	daemon_tick(&r->d);
}

static const struct link *unsettled(const struct daemon *d)
{
	for (size_t i = 0; i < d->n_links; i++)
		if (!dp_connected(d->links[i].dp) || !d->links[i].equal)
			return &d->links[i];
	return NULL;
}

void rig_settle(struct rig *r)
{
	int64_t end = mono_now_ms() + PATIENCE_MS;

	do {
		if (mono_now_ms() > end)
			fail_msg("not connected and equal: %s", unsettled(&r->d)->text);
		rig_turn(r);
	} while (unsettled(&r->d));
}

int64_t rig_number(struct rig *r, const char *sql)
{
	return sql_number(r->d.journal.db, -1, sql, "");
}

void rig_expect(struct rig *r, int64_t want, const char *sql)
{
	int64_t end = mono_now_ms() + PATIENCE_MS;

	while (rig_number(r, sql) != want) {
		if (mono_now_ms() > end)
			fail_msg("%s: %lld, expected %lld", sql, (long long)rig_number(r, sql),
				 (long long)want);
		rig_turn(r);
	}
}

bool rig_commit(struct rig *r, const char *text)
{
	struct commit_meta meta = {.author = "tester", .message = "bench"};
	struct generation *g = generation_new(1);
	struct diags findings;
	bool ok;

	assert_true(generation_add_file(g, "p.yaml", text, strlen(text)));
	diags_init(&findings);
	ok = commit_run(&r->d, g, &meta, &findings, &r->result, &r->error);
	snprintf(r->found, sizeof(r->found), "%s", findings.n > 0 ? findings.items[0].text : "");
	diags_free(&findings);
	if (!ok)
		generation_free(g);
	return ok;
}

static void *read_all(const char *dir, const char *name, size_t *size)
{
	char path[128];
	FILE *f;
	void *bytes;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	bytes = aligned_alloc(IMAGE_ALIGN, 1 << 20);
	*size = fread(bytes, 1, 1 << 20, f);
	fclose(f);
	return bytes;
}

static void check_last_good(struct rig *r, uint32_t n)
{
	size_t image_size, size;
	struct image_header *image = read_all(r->dir, LAST_GOOD_IMAGE, &image_size);
	struct snapshot_header *snapshot = read_all(r->dir, LAST_GOOD_BINDINGS, &size);

	assert_non_null(image);
	assert_non_null(snapshot);
	assert_null(image_check(image, image_size));
	assert_null(snapshot_check(snapshot, size));
	assert_int_equal(snapshot->generation, n);
	assert_true(snapshot->image_crc == image->crc64);
	assert_int_equal(image_size, r->d.active->image_size);
	assert_memory_equal(image, r->d.active->image, image_size);
	free(image);
	free(snapshot);
}

void rig_check_active(struct rig *r, uint32_t n)
{
	assert_int_equal(daemon_generation(&r->d), n);
	if (r->dp)
		assert_int_equal(testdp_generation(r->dp), n);
	if (r->nft)
		assert_int_equal(testdp_generation(r->nft), n);
	assert_int_equal(journal_newest(&r->d.journal, "active"), n);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM generation WHERE state = 'active'"), n > 0);
	assert_int_equal(rig_number(r, "SELECT count(*) FROM generation WHERE state = 'prepared'"), 0);
	while (r->d.keep.dirty)
		rig_turn(r);
	if (n > 0)
		check_last_good(r, n);
}
