/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transactions and read-backs on the kernel's nf_tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "space.h"

static struct nl *nl;

static int fresh_socket(void)
{
	const struct nft_box box = space_box();
	char error[320];

	if (nl_open(&nl, &box, error, sizeof error)) {
		fprintf(stderr, "# %s\n", error);
		return -1;
	}
	return 0;
}

static int fresh(void **state)
{
	space_new();
	return fresh_socket();
}

static int done(void **state)
{
	nl_close(nl);
	return 0;
}

static const struct nft_version first = {1, 0, 1}, second = {2, 0, 1};

static void swap(const struct nft_program *p, const struct nft_version *v)
{
	if (nl_swap(nl, p, 0, v, NULL, 0))
		fail_msg("%s", nl_error(nl));
}

/* Reads back and compares; what differs, or "". */
static const char *difference(const struct nft_program *p, const struct nft_version *expected)
{
	static char what[300];
	struct nft_program *got;
	struct nft_version v;
	size_t size;

	if (nl_dump(nl, &got, &size, &v))
		fail_msg("%s", nl_error(nl));
	assert_memory_equal(&v, expected, sizeof v);
	if (!nft_differ(p, 0, got, 0, what, sizeof what)) {
		what[0] = 0;
		assert_int_equal(size, p->size);
		assert_memory_equal(got, p, size);
	}
	free(got);
	return what;
}

static void what_is_loaded_is_read_back(void **state)
{
	size_t size;
	struct nft_program *p = space_program(20, &size);

	swap(p, &first);
	assert_string_equal(difference(p, &first), "");
	swap(p, &second);
	assert_string_equal(difference(p, &second), "");
	/* the text that nft makes of it is that of the program */
	assert_non_null(strstr(space_output("nft list chain inet cordon session_2_0_1"),
			       "ct mark vmap @opening_2_0_1"));
	assert_true(space_run("nft list ruleset > /dev/null"));
	free(p);
}

/* Three elements of a set of any shape. */
static void add_some(struct nft_builder *b, const struct nft_set_shape *shape)
{
	const struct nft_set set = nft_shape_set(shape, 3);

	nft_build_set(b, shape->name, &set);
	for (uint32_t i = 0; i < 3; i++) {
		struct nft_element e = {0};

		if (shape->data_len)
			e.data = shape->data_len == NFT_DATA_JUMP ? i % 2 : i + 1;
		for (uint32_t f = 0; f < shape->n_fields; f++)
			nft_key_number(shape, f, 2 * i + 1, e.key);
		memcpy(e.key_end, e.key, sizeof e.key);
		nft_build_element(b, &e, NULL);
	}
}

static struct nft_program *every_set(uint32_t layout, size_t *size)
{
	const struct nft_chain base = {.base = 1, .hook = 1, .policy = 1};
	const struct nft_expr load = {.kind = NFT_EXPR_META, .sreg = NFT_REG_NONE, .key = NFT_META_MARK};
	const struct nft_expr look = {.kind = NFT_EXPR_LOOKUP, .dreg = NFT_REG_NONE};
	struct nft_builder *b = nft_builder_new();
	struct nft_set_shape shape;
	char error[200];

	nft_build_edge(b, INT64_MIN, 0);
	nft_build_model(b);
	nft_build_table(b, NFT_INET, NFT_TABLE);
	for (size_t i = 0; nft_shape_at(i, &shape); i++)
		if (shape.layouts & 1u << layout)
			add_some(b, &shape);
	nft_build_chain(b, "input", &base, NULL);
	nft_build_rule(b);
	nft_build_expr(b, &load, NULL);
	nft_build_expr(b, &look, "opening");
	struct nft_program *p = nft_builder_finish(b, NULL, size, error, sizeof error);
	nft_builder_free(b);
	if (!p)
		fail_msg("%s", error);
	return p;
}

static void every_set_of_programs_is_read_back(void **state)
{
	for (uint32_t layout = NFT_LAYOUT_BRNF; layout <= NFT_LAYOUT_BRCT; layout++) {
		size_t size;
		struct nft_program *p = every_set(layout, &size);

		swap(p, &first);
		assert_string_equal(difference(p, &first), "");
		free(p);
	}
}

static void the_closed_program_is_read_back(void **state)
{
	struct nft_box box = space_box();
	char error[200];
	size_t size;

	for (box.layout = NFT_LAYOUT_BRNF; box.layout <= NFT_LAYOUT_BRCT; box.layout++) {
		struct nft_program *p = nft_closed(&box, &size, error, sizeof error), *got;
		struct nft_version v;
		char what[300];

		if (!p)
			fail_msg("%s", error);
		swap(p, &first);
		assert_int_equal(nl_dump(nl, &got, &size, &v), 0);
		if (nft_differ(p, 0, got, 0, what, sizeof what))
			fail_msg("%s", what);
		free(p);
		free(got);
	}
}

/* --- refusals ----------------------------------------------------------------------------------------- */

static char *ruleset(void)
{
	return strdup(space_output("nft list ruleset"));
}

static void refuse(const struct nft_program *p, const char *wanted)
{
	char *before = ruleset();

	assert_true(nl_swap(nl, p, 0, &second, NULL, 0) < 0);
	if (!strstr(nl_error(nl), wanted) || !strstr(nl_error(nl), "nothing was changed"))
		fail_msg("`%s` does not say `%s`", nl_error(nl), wanted);
	char *after = ruleset();
	assert_string_equal(before, after);
	free(before);
	free(after);
}

/* Programs that the checker would refuse: made by writing into a good one. */
static struct nft_element *element_of(struct nft_program *p, uint32_t family, const char *set, uint32_t i)
{
	const struct nft_set *s = nft_find_set(p, nft_find_table(p, 0, family), set);

	return (struct nft_element *)(uintptr_t)nft_at(p, p->element) + s->element_first + i;
}

static void a_refused_transaction_changes_nothing_and_is_named(void **state)
{
	size_t size;
	struct nft_program *p = space_program(20, &size), *bad = space_program(20, &size);

	swap(p, &first);
	/* the thirteenth begins in the middle of the twelfth */
	memcpy(element_of(bad, NFT_INET, "ports", 12)->key, element_of(bad, NFT_INET, "ports", 11)->key, 12);
	element_of(bad, NFT_INET, "ports", 12)->key[9] += 1;
	refuse(bad, "element 13 of set ports in table inet cordon: exists already, or overlaps");
	free(bad);

	bad = space_program(20, &size);
	const struct nft_chain *open = nft_find_chain(bad, nft_find_table(bad, 0, NFT_INET), "open");
	strcpy((char *)(uintptr_t)nft_text(bad, open->name), "opem");
	element_of(bad, NFT_INET, "opening", 3)->chain = open->name + 1;
	refuse(bad, "element 4 of set opening in table inet cordon: something that it names does not exist");
	free(bad);

	bad = space_program(20, &size);
	struct nft_expr *e = (struct nft_expr *)(uintptr_t)nft_at(bad, bad->expr);
	while (e->kind != NFT_EXPR_CT || e->key != NFT_CT_MARK || e->dreg != 0)
		e++;
	e->key = 99;
	refuse(bad, "rule 3 of chain session in table inet cordon");
	free(bad);

	struct nft_bound stray = {.family = NFT_BRIDGE, .set = "held4"};
	assert_int_equal(nl_swap(nl, p, 0, &second, &stray, 1), -EINVAL);
	assert_non_null(strstr(nl_error(nl), "held4"));
	assert_string_equal(difference(p, &first), "");
	free(p);
}

/* --- swaps -------------------------------------------------------------------------------------------- */

/* Instead of the C library's: what the loader sends goes through here. */
static enum { SEND, FAIL, LOSE_ANSWERS } what_happens;
static uint32_t transactions_before; /* that are sent as they should be */

static bool is_transaction(const void *bytes)
{
	const struct nlmsghdr *h = bytes;

	return what_happens != SEND && h->nlmsg_type == NFNL_MSG_BATCH_BEGIN;
}

ssize_t sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to, socklen_t len)
{
	const bool now = is_transaction(bytes) && !transactions_before--;
	char answer[8192];

	if (now && what_happens == FAIL) {
		errno = ENOBUFS;
		return -1;
	}
	const ssize_t sent = syscall(SYS_sendto, fd, bytes, n, flags, to, len);
	while (now && syscall(SYS_recvfrom, fd, answer, sizeof answer, MSG_DONTWAIT, NULL, NULL) > 0)
		;
	return sent;
}

static int swap_with(const struct nft_program *p, const struct nft_version *v, int what, uint32_t before)
{
	what_happens = what;
	transactions_before = before;
	const int code = nl_swap(nl, p, 0, v, NULL, 0);
	what_happens = SEND;
	return code;
}

static bool rules_name(const char *word)
{
	return strstr(space_output("nft list ruleset"), word);
}

static void what_is_in_force_is_no_refusal(void **state)
{
	size_t size;
	struct nft_program *p = space_program(20, &size);

	swap(p, &first);
	/* the switch cannot be sent: nothing is changed */
	assert_int_equal(swap_with(p, &second, FAIL, 0), -ENOBUFS);
	assert_string_equal(difference(p, &first), "");
	/* it is sent, and what was there before stays for now */
	assert_int_equal(swap_with(p, &second, FAIL, 1), NL_LITTER);
	assert_non_null(strstr(nl_error(nl), "the new version is in force"));
	assert_true(rules_name("ports_2_0_1") && rules_name("ports_1_0_1"));
	assert_int_equal(nl_tidy(nl, p, 0, &second), 0);
	assert_false(rules_name("_1_0_1"));
	assert_string_equal(difference(p, &second), "");
	/* it is sent, and nothing is heard of it */
	assert_int_equal(swap_with(p, &first, LOSE_ANSWERS, 0), 0);
	assert_false(rules_name("_2_0_1"));
	assert_string_equal(difference(p, &first), "");
	free(p);
}

static void other_tables_are_not_touched(void **state)
{
	size_t size;
	struct nft_program *p = space_program(5, &size);

	assert_true(space_run("nft 'add table inet cordon2; add chain inet cordon2 x; add table ip cordon; "
			      "add chain ip cordon y; add table bridge other; add set bridge other z "
			      "{ type mark; elements = { 1, 2 }; }'"));
	char *before = ruleset();
	swap(p, &first);
	swap(p, &second);
	assert_int_equal(nl_remove(nl), 0);
	char *after = ruleset();
	assert_string_equal(before, after);
	free(before);
	free(after);
	free(p);
}

static void seen(void *ctx, uint32_t family, const char *name, uint64_t packets, uint64_t bytes)
{
	if (family == NFT_BRIDGE && !strcmp(name, "drop_spoof"))
		*(uint64_t *)ctx = packets;
}

struct last_words {
	struct nl *nl;
	uint32_t calls;
	uint64_t packets;
};

static void listen_to(void *ctx)
{
	struct last_words *l = ctx;

	l->calls++;
	assert_int_equal(nl_counters(l->nl, seen, &l->packets), 0);
}

/* Between the switch and the end of what was before: its counters can be read to the last packet. */
static void counters_can_be_read_before_they_go(void **state)
{
	size_t size;
	struct nft_program *p = space_program(5, &size), *closed;
	const struct nft_box box = space_box();
	char error[128];
	struct last_words l = {.nl = nl};
	uint64_t after = 0;

	closed = nft_closed(&box, &size, error, sizeof(error));
	assert_non_null(closed);
	swap(p, &first);
	assert_true(space_run(
		"nft 'delete rule bridge cordon prerouting handle '$(nft -a list chain bridge cordon "
		"prerouting | sed -n \"s/.*frame_1.*handle //p\")"));
	assert_true(space_run(
		"nft 'flush chain bridge cordon frame_1_0_1; delete counter bridge cordon drop_spoof; "
		"add counter bridge cordon drop_spoof { packets 41 bytes 4100 }'"));
	nl_on_clearance(nl, listen_to, &l);
	swap(closed, &second);
	nl_on_clearance(nl, NULL, NULL);
	assert_int_equal(l.calls, 1);
	assert_int_equal(l.packets, 41);
	assert_int_equal(nl_counters(nl, seen, &after), 0);
	assert_int_equal(after, 0);
	free(closed);
	free(p);
}

static void counters_outlive_swaps_and_all_else_goes(void **state)
{
	size_t size;
	struct nft_program *p = space_program(5, &size);
	uint64_t packets = 0;

	swap(p, &first);
	assert_true(space_run(
		"nft 'delete rule bridge cordon prerouting handle '$(nft -a list chain bridge cordon "
		"prerouting | sed -n \"s/.*frame_1.*handle //p\")"));
	assert_true(space_run(
		"nft 'flush chain bridge cordon frame_1_0_1; delete counter bridge cordon drop_spoof; "
		"add counter bridge cordon drop_spoof { packets 41 bytes 4100 }; "
		"add chain inet cordon mine { type filter hook input priority 5; }; "
		"add rule inet cordon mine counter; add set inet cordon own { type mark; }; "
		"add quota inet cordon q { over 1 mbytes }; add table inet cordon { flags dormant; }'"));
	swap(p, &second);
	assert_string_equal(difference(p, &second), "");
	assert_int_equal(nl_counters(nl, seen, &packets), 0);
	assert_int_equal(packets, 41);
	/* the same version again */
	swap(p, &second);
	assert_string_equal(difference(p, &second), "");
	free(p);
}

static void a_base_chain_of_another_kind_is_made_anew(void **state)
{
	size_t size;
	struct nft_program *p = space_program(5, &size);

	assert_true(space_run("nft 'add table inet cordon; add chain inet cordon forward { type nat hook "
			      "prerouting priority 7; }; add rule inet cordon forward accept'"));
	swap(p, &first);
	assert_string_equal(difference(p, &first), "");
	free(p);
}

/* Some kernels take minutes for as many as others take in a second. */
static uint32_t elements(void)
{
	return getenv("ELEMENTS") ? (uint32_t)atoi(getenv("ELEMENTS")) : 100000;
}

static void a_large_program(void **state)
{
	size_t size;
	struct nft_program *p = space_ports(elements(), &size);

	swap(p, &first);
	assert_string_equal(difference(p, &first), "");
	free(p);
}

/* --- killed while it loads ----------------------------------------------------------------------------- */

struct loading {
	const struct nft_program *of[2]; /* by generation: one even, one odd */
	struct nft_version held;
	uint32_t whole, leftover;
};

/* One version after another until it is killed. The first byte says that it begins. */
static void load_for_ever(const struct loading *l, int begins)
{
	struct nft_version v = l->held;

	if (fresh_socket() || write(begins, "", 1) != 1)
		_exit(1);
	for (;;) {
		v.generation++;
		if (nl_swap(nl, l->of[v.generation % 2], 0, &v, NULL, 0))
			_exit(1);
	}
}

/* Seconds that one load takes here. */
static double load_takes(struct loading *l)
{
	struct timespec from, to;

	l->held.generation++;
	clock_gettime(CLOCK_MONOTONIC, &from);
	swap(l->of[l->held.generation % 2], &l->held);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

static void kill_after(const struct loading *l, double seconds)
{
	int begins[2], status;
	char byte;

	nl_close(nl);
	assert_int_equal(pipe(begins), 0);
	const pid_t pid = fork();
	if (!pid)
		load_for_ever(l, begins[1]);
	assert_int_equal(read(begins[0], &byte, 1), 1);
	usleep((useconds_t)(seconds * 1e6));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* it was refused nothing */
	close(begins[0]);
	close(begins[1]);
	assert_int_equal(fresh_socket(), 0);
}

/* Every set and every rule of the program is there, whatever else is. */
static void expect_whole(const struct nft_program *p, const struct nft_program *got)
{
	const struct nft_table *t = nft_find_table(p, 0, NFT_INET), *there = nft_find_table(got, 0, NFT_INET);
	const struct nft_set *set = nft_find_set(p, t, "ports"), *held = nft_find_set(got, there, "ports");
	const struct nft_element *want = nft_at(p, p->element), *have = nft_at(got, got->element);

	assert_non_null(held);
	assert_int_equal(held->element_count, set->element_count);
	assert_memory_equal(have + held->element_first, want + set->element_first,
			    set->element_count * sizeof *want);
	for (uint32_t i = 0; i < t->chain_count; i++) {
		const struct nft_chain *chain =
			(const struct nft_chain *)nft_at(p, p->chain) + t->chain_first + i;
		const struct nft_chain *found = nft_find_chain(got, there, nft_text(p, chain->name));

		assert_non_null(found);
		assert_int_equal(found->rule_count, chain->rule_count);
	}
}

static void look_at_what_is_left(struct loading *l)
{
	const uint32_t before = l->held.generation;
	struct nft_program *got;
	char what[300];
	size_t size;

	if (nl_dump(nl, &got, &size, &l->held))
		fail_msg("%s", nl_error(nl));
	assert_true(l->held.generation >= before);
	const struct nft_program *p = l->of[l->held.generation % 2];
	expect_whole(p, got);
	const bool more = nft_differ(p, 0, got, 0, what, sizeof what);
	if (more && !strstr(what, "is too much"))
		fail_msg("%s", what);
	l->leftover += more;
	l->whole += !more;
	free(got);
}

/* Whatever the moment, one version is in force as a whole, and the next load leaves nothing of the others. */
static void killed_while_it_loads(void **state)
{
	const uint32_t kills = getenv("KILLS") ? (uint32_t)atoi(getenv("KILLS")) : 10;
	size_t size;
	struct nft_program *p[2] = {space_ports(elements() / 5, &size), space_ports(elements() / 10, &size)};
	struct loading l = {.of = {p[0], p[1]}, .held = {.turn = 1}};
	const double both = load_takes(&l) + load_takes(&l);

	for (uint32_t i = 0; i < kills; i++) {
		kill_after(&l, both * i / kills);
		look_at_what_is_left(&l);
		load_takes(&l);
		assert_string_equal(difference(l.of[l.held.generation % 2], &l.held), "");
	}
	print_message("# %u kills: %u times nothing was left over, %u times something that is not in force\n",
		      kills, l.whole, l.leftover);
	free(p[0]);
	free(p[1]);
}

/* --- elements ----------------------------------------------------------------------------------------- */

static struct nft_bound bound_address(uint32_t number, uint32_t identity)
{
	struct nft_bound b = {.family = NFT_INET, .set = "address4", .element.data = identity};
	const uint8_t address[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
	struct nft_set_shape shape;

	assert_true(nft_shape(NFT_LAYOUT_BRNF, "address4", &shape));
	nft_key_number(&shape, 0, 7, b.element.key);
	nft_key_bytes(&shape, 1, address, 4, b.element.key);
	memcpy(b.element.key_end, b.element.key, sizeof b.element.key);
	return b;
}

static bool holds(const char *text)
{
	return strstr(space_output("nft list map inet cordon address4_1_0_1"), text);
}

static void elements_come_and_go(void **state)
{
	struct nft_bound b[3] = {bound_address(1, 100), bound_address(2, 200), bound_address(3, 300)};
	const struct nft_version none = {9, 9, 9};
	size_t size;
	struct nft_program *p = space_program(5, &size);

	assert_int_equal(nl_swap(nl, p, 0, &first, b, 1), 0);
	assert_true(holds("10.0.0.1 : 0x00000064"));
	assert_int_equal(nl_elements(nl, &first, NULL, 0, b, 2), 0); /* the first is there already */
	assert_true(holds("10.0.0.2 : 0x000000c8"));
	/* 3 is not there; 1 goes and comes back with another identity */
	struct nft_bound del[3] = {b[2], b[0], b[1]}, add = bound_address(1, 111);
	assert_int_equal(nl_elements(nl, &first, del, 3, &add, 1), 0);
	assert_true(holds("10.0.0.1 : 0x0000006f"));
	assert_false(holds("10.0.0.2"));
	/* another identity for what is there is refused, with all that comes with it */
	struct nft_bound clash[2] = {b[1], b[0]};
	assert_int_equal(nl_elements(nl, &first, NULL, 0, clash, 2), -EEXIST);
	assert_non_null(strstr(nl_error(nl), "set address4"));
	assert_false(holds("10.0.0.2"));
	assert_int_equal(nl_elements(nl, &none, b, 1, NULL, 0), -ENOENT);
	assert_int_equal(nl_elements(nl, &none, NULL, 0, b, 1), -ENOENT);
	free(p);
}

/* As many as were declared, and not the kernel's own 65,535; one more is refused with all that comes with it,
 * and what is in force stays. */
static void a_full_set(void **state)
{
	enum { ROOM = 1u << 16 };
	struct nft_bound *b = calloc(ROOM + 1, sizeof(*b));
	struct nft_version held;
	struct nft_program *got;
	size_t size;
	struct nft_program *p = space_program(5, &size);

	assert_non_null(b);
	for (uint32_t i = 0; i <= ROOM; i++)
		b[i] = bound_address(i + 1, 100);
	assert_int_equal(nl_swap(nl, p, 0, &first, b, ROOM), 0);
	assert_int_equal(nl_elements(nl, &first, b, 1, NULL, 0), 0);
	assert_int_equal(nl_elements(nl, &first, NULL, 0, &b[ROOM], 1),
			 0); /* the twin: there is room for one */
	assert_int_equal(nl_elements(nl, &first, NULL, 0, b, 1), -ENFILE);
	assert_non_null(strstr(nl_error(nl), "set address4"));
	assert_non_null(strstr(nl_error(nl), "full"));
	assert_true(holds("10.1.0.1 : 0x00000064"));
	assert_false(holds("10.0.0.1 "));
	assert_int_equal(nl_swap(nl, p, 0, &second, b, ROOM + 1), -ENFILE);
	assert_int_equal(nl_dump(nl, &got, &size, &held), 0);
	assert_int_equal(held.generation, first.generation);
	free(got);
	free(p);
	free(b);
}

/* --- what somebody else does -------------------------------------------------------------------------- */

/* `newer`: a kernel may refuse it. */
static void drift(const struct nft_program *p, const char *command, const char *wanted, bool newer)
{
	const char *what;

	swap(p, &first);
	assert_false(nl_changed(nl));
	if (!space_run("nft '%s'", command)) {
		if (!newer)
			fail_msg("nft '%s'", command);
		return;
	}
	struct pollfd told = {nl_changes_fd(nl), POLLIN, 0};
	assert_int_equal(poll(&told, 1, 1000), 1);
	assert_true(nl_changed(nl));
	assert_int_equal(poll(&told, 1, 0), 0);
	assert_false(nl_changed(nl));
	what = difference(p, &first);
	if (!strstr(what, wanted))
		fail_msg("%s: `%s` does not say `%s`", command, what, wanted);
	swap(p, &first);
	assert_string_equal(difference(p, &first), "");
}

static void what_others_change_is_noticed_and_shown(void **state)
{
	static const struct {
		const char *command, *wanted;
		bool newer;
	} changes[] = {
		{"add rule inet cordon session_1_0_1 accept", "session"},
		{"insert rule inet cordon forward accept", "forward"},
		{"add rule inet cordon open_1_0_1 fib saddr type local accept", "open"},
		{"add rule inet cordon open_1_0_1 tcp dport { 1, 2 } accept", "__set"},
		{"add element inet cordon source_1_0_1 { 9 : 9 }", "source"},
		{"delete element inet cordon source_1_0_1 { 1 }", "source"},
		{"add element inet cordon ports_1_0_1 { 0x7 . 17 . 1-2 : 5 }", "ports"},
		{"delete element bridge cordon martian4_1_0_1 { 128.0.0.0 }", "martian4"},
		{"insert rule inet cordon session_1_0_1 ct mark @opening_1_0_1 accept", "session", true},
		{"add chain inet cordon mine", "mine"},
		{"add chain inet cordon open", "open (foreign)"},
		{"add chain bridge cordon frame { type filter hook forward priority 1; policy drop; }",
		 "frame (foreign)"},
		{"add set inet cordon ports { type mark; }", "ports"},
		{"add map inet cordon wide { type ipv4_addr : ipv6_addr; elements = { 1.1.1.1 : ::1 }; }",
		 "wide"},
		{"add quota inet cordon q { over 1 mbytes }", "object q"},
		{"add table inet cordon { flags dormant; }", "dormant"},
		{"chain inet cordon forward { policy accept; }", "forward"},
	};
	size_t size;
	struct nft_program *p = space_program(5, &size);

	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
		drift(p, changes[i].command, changes[i].wanted, changes[i].newer);
	swap(p, &first);
	assert_true(space_run("nft 'add table inet cordon2; add chain inet cordon2 x; add table ip other'"));
	assert_false(nl_changed(nl));
	free(p);
}

static void marks_of_other_generations_are_no_classes(void **state)
{
	size_t size;
	struct nft_program *p = space_program(5, &size);

	swap(p, &first);
	/* class 1 without a generation, in the place of an element of class 1 */
	assert_true(space_run("nft 'delete element inet cordon ports_1_0_1 { 0 . 6 . 0-31 }; "
			      "add element inet cordon ports_1_0_1 { 0 . 6 . 0-31 : 1 }'"));
	assert_non_null(strstr(difference(p, &first), "ports"));
	free(p);
}

static void nothing_is_there(void **state)
{
	struct nft_program *got;
	struct nft_version v;
	size_t size;

	assert_int_equal(nl_dump(nl, &got, &size, &v), -ENOENT);
	assert_null(got);
	assert_int_equal(nl_remove(nl), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_there),
		TEST(what_is_loaded_is_read_back),
		TEST(every_set_of_programs_is_read_back),
		TEST(the_closed_program_is_read_back),
		TEST(a_refused_transaction_changes_nothing_and_is_named),
		TEST(what_is_in_force_is_no_refusal),
		TEST(other_tables_are_not_touched),
		TEST(counters_can_be_read_before_they_go),
		TEST(counters_outlive_swaps_and_all_else_goes),
		TEST(a_base_chain_of_another_kind_is_made_anew),
		TEST(elements_come_and_go),
		TEST(a_full_set),
		TEST(what_others_change_is_noticed_and_shown),
		TEST(marks_of_other_generations_are_no_classes),
		TEST(a_large_program),
		TEST(killed_while_it_loads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
