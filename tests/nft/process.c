/* SPDX-License-Identifier: BSD-3-Clause */
#include "process.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../unit/io/good_files.h"
#include "compile.h"
#include "mkimage.h"
#include "space.h"
#include "to_nft.h"

#define WAIT_MS 20000

/* Two hosts, 10.0.0.1 behind port a and 10.0.0.2 behind port b, in namespaces that two processes hold. */
pid_t hosts[2];

const char *const process_arguments[PROCESS_ARGUMENTS] = {
	"--plane",  "forward",
	"--bridge", "br0",
	"--clock",  "trusted",
	"--port",   "name=a,device=va0,role=access,vlan=10,side=inside",
	"--port",   "name=b,device=vb0,role=access,vlan=10,side=inside",
	NULL};

/* --- the world ------------------------------------------------------------------------------------------ */

static pid_t hold_namespace(void)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (!pid) {
		byte = unshare(CLONE_NEWNET) != 0;
		_exit(write(ready[1], &byte, 1) != 1 || byte ? 1 : pause());
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 0);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void make_host(unsigned i, const char *device)
{
	hosts[i] = hold_namespace();
	assert_true(space_run("ip link set %s netns %d name eth0 address 02:00:00:00:00:%02x", device,
			      hosts[i], i + 1));
	assert_true(
		space_run("nsenter -n -t %d sh -c 'ip addr add 10.0.0.%u/24 dev eth0; ip link set eth0 up'",
			  hosts[i], i + 1));
}

int process_world(void **state)
{
	space_new();
	space_bridge();
	make_host(0, "va1");
	make_host(1, "vb1");
	assert_true(space_run("ip link set lo up; sysctl -wq net.bridge.bridge-nf-call-iptables=1 "
			      "net.bridge.bridge-nf-call-ip6tables=1"));
	return 0;
}

int process_world_end(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		if (hosts[i] > 0 && !kill(hosts[i], SIGKILL))
			waitpid(hosts[i], NULL, 0);
	return 0;
}

/* Whether a ping of the first host to the second is answered. */
bool ping(void)
{
	return space_run("nsenter -n -t %d ping -c 1 -W 1 10.0.0.2 >/dev/null", hosts[0]);
}

bool until(bool (*holds)(struct fixture *f, int fd), struct fixture *f, int fd)
{
	for (int i = 0; i < WAIT_MS / 100; i++) {
		if (holds(f, fd))
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	return false;
}

static struct image_header *image_of(uint8_t proto, int64_t closes_utc)
{
	const struct mkimage_cell cell = {16, 16, service_key_make(proto, 0), service_key_make(proto + 1, 0),
					  mkimage_allow(1)};
	const struct mkimage_prefix prefix[] = {{10u << 24, 16, PREFIX_FINAL},
						{11u << 24, IDENTITY_UNKNOWN, 0}};
	const struct mkimage m = {
		.cell = &cell, .n_cells = 1, .prefix = prefix, .n_prefixes = 2, .closes_utc = closes_utc};
	struct image_header *image = mkimage(&m);

	assert_non_null(image);
	return image;
}

struct nft_box process_box(void)
{
	struct nft_box b = space_box();

	b.port[0].vlan = b.port[1].vlan = 10;
	return b;
}

/* A policy under which the hosts may speak this protocol, until `closes_utc` (0: for ever). */
void make_policy(struct fixture *f, uint8_t proto, int64_t closes_utc)
{
	const struct nft_box b = process_box();
	char error[256];

	free(f->image);
	free(f->program);
	free(f->bindings);
	f->image = image_of(proto, closes_utc);
	f->program = NULL;
	if (compile_nft(f->image, &b, &NFT_LIMITS_DEFAULT, &f->program, &f->program_size, error,
			sizeof(error)) != COMPILE_OK)
		fail_msg("%s", error);
	f->bindings = good_snapshot(f->image, GENERATION, 2, &f->bindings_size);
}

int process_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	f->rig.socket = "nft.sock";
	f->rig.bare = true;
	make_policy(f, ICMP, 0);
	rig_start(&f->rig, process_arguments);
	*state = f;
	return 0;
}

int process_teardown(void **state)
{
	struct fixture *f = *state;
	int code = rig_end(&f->rig, SIGTERM);

	rig_fini(&f->rig);
	free(f->image);
	free(f->program);
	free(f->bindings);
	free(f);
	space_run("nft delete table bridge cordon; nft delete table inet cordon; nft delete table netdev "
		  "cordon 2>/dev/null; for p in a b; do ip link set v${p}0 up; done");
	return code; /* a sanitizer's complaint fails the test */
}

/* --- what cordond does ---------------------------------------------------------------------------------- */

struct dpmsg ask_with(int fd, enum dpmsg_type type, uint32_t generation, const void *bytes, size_t size,
		      bool sealed)
{
	struct dpmsg request = rig_request(type);
	int memfd = bytes ? rig_memfd(bytes, size, sealed) : -1;

	request.publish.generation = generation;
	struct dpmsg answer = rig_ask(fd, request, memfd, NULL);
	if (memfd >= 0)
		close(memfd);
	return answer;
}

struct dpmsg prepare(const struct fixture *f, int fd)
{
	return ask_with(fd, DP_PREPARE, GENERATION, f->program, f->program_size, true);
}

struct dpmsg publish(const struct fixture *f, int fd)
{
	return ask_with(fd, DP_PUBLISH, GENERATION, f->bindings, f->bindings_size, true);
}

void expect_ok(struct dpmsg answer)
{
	if (answer.type != DP_OK)
		fail_msg("got type %u: '%s'", answer.type, answer.type == DP_ERROR ? answer.error.text : "");
}

void put_in_force(const struct fixture *f, int fd)
{
	expect_ok(prepare(f, fd));
	expect_ok(publish(f, fd));
}

struct dp_hello hello_of(int fd)
{
	struct dpmsg answer = rig_ask(fd, rig_request(DP_PING), -1, NULL);

	expect_ok(answer);
	return answer.hello;
}

void *dump(int fd, enum dp_dump what, size_t *size)
{
	struct dpmsg request = rig_request(DP_DUMP);
	struct stat st;
	int memfd = -1;

	request.dump.what = what;
	expect_ok(rig_ask(fd, request, -1, &memfd));
	*size = 0;
	if (memfd < 0)
		return NULL;
	assert_int_equal(fstat(memfd, &st), 0);
	*size = (size_t)st.st_size;
	void *bytes = malloc(*size + 1);
	assert_int_equal(pread(memfd, bytes, *size, 0), *size);
	close(memfd);
	return bytes;
}

void expect_error(struct dpmsg answer, int code, const char *word)
{
	assert_int_equal(answer.type, DP_ERROR);
	if (answer.error.code != code || !strstr(answer.error.text, word))
		fail_msg("got %d '%s', not %d '%s'", answer.error.code, answer.error.text, code, word);
}

/* What the kernel has is the program with these bindings, element by element. */
void expect_held(const struct fixture *f, int fd, uint32_t model, const struct dp_binding *b, size_t n)
{
	char text[256] = "";
	size_t size;
	struct nft_program *want = nft_with_bindings(f->program, model, b, n, &size, text, sizeof(text));
	struct nft_program *got = dump(fd, DP_DUMP_IMAGE, &size);

	assert_non_null(want);
	assert_non_null(got);
	assert_null(nft_program_check(got, size));
	if (nft_differ(want, 0, got, 0, text, sizeof(text)))
		fail_msg("%s", text);
	free(want);
	free(got);
}
