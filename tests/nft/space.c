/* SPDX-License-Identifier: BSD-3-Clause */
#include "space.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE NFT_REG_NONE

void space_new(void)
{
	if (unshare(CLONE_NEWNET) || !space_run("ip link set lo up")) {
		perror("a network namespace");
		exit(1);
	}
}

__attribute__((format(printf, 1, 0))) static char *words(const char *format, va_list args)
{
	static char text[4096];

	vsnprintf(text, sizeof text, format, args);
	return text;
}

bool space_run(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	const char *command = words(format, args);
	va_end(args);
	return system(command) == 0;
}

const char *space_output(const char *format, ...)
{
	static char out[65536];
	va_list args;

	va_start(args, format);
	FILE *from = popen(words(format, args), "r");
	va_end(args);
	const size_t n = from ? fread(out, 1, sizeof out - 1, from) : 0;
	if (from)
		pclose(from);
	out[n] = 0;
	return out;
}

struct nft_box space_box(void)
{
	struct nft_box box = {.layout = NFT_LAYOUT_BRNF,
			      .planes = NFT_PLANE_FORWARD,
			      .bridge = "br0",
			      .n_ports = 2,
			      .group = NFT_GROUP_DEFAULT};

	strcpy(box.port[0].name, "a");
	strcpy(box.port[0].device, "va0");
	strcpy(box.port[1].name, "b");
	strcpy(box.port[1].device, "vb0");
	box.port[0].vlan = box.port[1].vlan = 7;
	return box;
}

void space_bridge(void)
{
	if (!space_run(
		    "ip link add br0 type bridge && ip link set br0 up && "
		    "for p in a b; do ip link add v${p}0 type veth peer name v${p}1 && "
		    "ip link set v${p}0 master br0 && ip link set v${p}0 up && ip link set v${p}1 up; done"))
		exit(1);
}

/* --- programs ----------------------------------------------------------------------------------------- */

static void add_set(struct nft_builder *b, const char *name, uint32_t n, struct nft_set_shape *shape)
{
	if (!nft_shape(NFT_LAYOUT_BRNF, name, shape))
		abort();
	const struct nft_set set =
		nft_shape_set(shape, (shape->flags & ~NFT_SET_MAP) == NFT_SET_INTERVAL ? n : n + 8);
	nft_build_set(b, name, &set);
}

static void add_element(struct nft_builder *b, struct nft_element e, const char *chain)
{
	nft_build_element(b, &e, chain);
}

/* Lists of 64 intervals of TCP ports each; class 1 + i % 1000. */
static void add_ports(struct nft_builder *b, uint32_t n)
{
	struct nft_set_shape shape;

	add_set(b, "ports", n, &shape);
	for (uint32_t i = 0; i < n; i++) {
		struct nft_element e = {.data = 1 + i % 1000};

		nft_key_number(&shape, 0, i / 64, e.key);
		nft_key_number(&shape, 1, 6, e.key);
		memcpy(e.key_end, e.key, sizeof e.key);
		nft_key_number(&shape, 2, i % 64 * 512, e.key);
		nft_key_number(&shape, 2, i % 64 * 512 + 31, e.key_end);
		nft_build_element(b, &e, NULL);
	}
}

static void add_address(struct nft_builder *b, const struct nft_set_shape *shape, uint32_t from, uint32_t to,
			uint32_t data)
{
	const uint32_t first = htonl(from), last = htonl(to);
	struct nft_element e = {.data = data};

	nft_key_bytes(shape, 0, &first, 4, e.key);
	nft_key_bytes(shape, 0, &last, 4, e.key_end);
	nft_build_element(b, &e, NULL);
}

static void add_numbers(struct nft_builder *b, const char *name, uint32_t n, const char *chain)
{
	struct nft_set_shape shape;

	add_set(b, name, n, &shape);
	for (uint32_t i = 0; i < n; i++) {
		struct nft_element e = {0};

		nft_key_number(&shape, 0, i + 1, e.key);
		memcpy(e.key_end, e.key, sizeof e.key);
		if (chain && i)
			e.verdict = i % 2 ? NFT_GOTO : NFT_JUMP;
		else if (shape.data_len)
			e.data = chain ? NF_DROP : i + 100;
		nft_build_element(b, &e, e.verdict ? chain : NULL);
	}
}

static void add_sets(struct nft_builder *b)
{
	struct nft_set_shape shape;

	add_set(b, "port", 2, &shape);
	for (uint32_t i = 0; i < 2; i++) {
		struct nft_element e = {.data = i + 1};

		nft_key_bytes(&shape, 0, i ? "vb0" : "va0", 3, e.key);
		memcpy(e.key_end, e.key, sizeof e.key);
		add_element(b, e, NULL);
	}
	add_numbers(b, "domain", 2, NULL);
	add_set(b, "martian4", 4, &shape);
	add_address(b, &shape, 0, 0x00ffffff, 0);
	add_address(b, &shape, 0x7f000000, 0x7fffffff, 0);
	add_address(b, &shape, 0x80000000, 0x80000000, 0);
	add_address(b, &shape, 0xe0000000, 0xffffffff, 0);
	add_set(b, "fresh", 0, &shape);
	add_set(b, "bound6", 1, &shape);
	struct nft_element e = {0};
	nft_key_number(&shape, 0, 1, e.key);
	nft_key_bytes(&shape, 1, "\2\0\0\0\0\1", 6, e.key);
	nft_key_bytes(&shape, 2, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, e.key);
	memcpy(e.key_end, e.key, sizeof e.key);
	add_element(b, e, NULL);
}

static void add_maps(struct nft_builder *b, uint32_t n)
{
	struct nft_set_shape shape;

	add_ports(b, n);
	add_numbers(b, "opening", 5, "open");
	add_numbers(b, "source", 3, NULL);
	add_set(b, "host4", 2, &shape);
	add_address(b, &shape, 0x0a000000, 0x0a0000ff, 5);
	add_address(b, &shape, 0x0a000100, 0x0a0001ff, 6);
	add_set(b, "address4", 0, &shape);
}

#define E(b, name, ...) nft_build_expr(b, &(struct nft_expr){__VA_ARGS__}, name)

static void rule_of_loads(struct nft_builder *b)
{
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_META, .sreg = NONE, .dreg = 0, .key = NFT_META_MARK);
	E(b, NULL, .kind = NFT_EXPR_PAYLOAD, .sreg = NONE, .dreg = 1, .base = NFT_PAYLOAD_LL_HEADER,
	  .offset = 6, .len = 6);
	E(b, "fresh", .kind = NFT_EXPR_DYNSET, .sreg = 0, .dreg = NONE, .op = NFT_DYNSET_OP_UPDATE);
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_PAYLOAD, .sreg = NONE, .dreg = 4, .base = NFT_PAYLOAD_NETWORK_HEADER,
	  .offset = 6, .len = 2);
	E(b, NULL, .kind = NFT_EXPR_BITWISE, .sreg = 4, .dreg = 4, .len = 2, .data = {0x3f, 0xff});
	E(b, NULL, .kind = NFT_EXPR_CMP, .sreg = 4, .dreg = NONE, .op = NFT_CMP_NEQ, .len = 2);
	E(b, "drop_spoof", .kind = NFT_EXPR_OBJREF, .sreg = NONE, .dreg = NONE);
	E(b, NULL, .kind = NFT_EXPR_IMMEDIATE, .sreg = NONE, .dreg = NONE, .verdict = NF_DROP + 1);
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_PAYLOAD, .sreg = NONE, .dreg = 5, .base = NFT_PAYLOAD_NETWORK_HEADER,
	  .offset = 12, .len = 4);
	E(b, "martian4", .kind = NFT_EXPR_LOOKUP, .sreg = 5, .dreg = NONE, .op = NFT_LOOKUP_F_INV);
	E(b, NULL, .kind = NFT_EXPR_LIMIT, .sreg = NONE, .dreg = NONE, .key = NFT_LIMIT_PKTS, .rate = 100,
	  .offset = 20);
	E(b, "spoof", .kind = NFT_EXPR_LOG, .sreg = NONE, .dreg = NONE, .key = 20241, .offset = 128,
	  .rate = 4);
	E(b, NULL, .kind = NFT_EXPR_COUNTER, .sreg = NONE, .dreg = NONE);
	E(b, NULL, .kind = NFT_EXPR_IMMEDIATE, .sreg = NONE, .dreg = NONE, .verdict = NFT_RETURN);
}

static void bridge_table(struct nft_builder *b)
{
	const struct nft_chain base = {
		.base = 1, .hook = NF_INET_PRE_ROUTING, .priority = -300, .policy = NF_ACCEPT};
	const struct nft_chain plain = {.named = NFT_VERSIONED};

	nft_build_table(b, NFT_BRIDGE, NFT_TABLE);
	add_sets(b);
	nft_build_chain(b, "prerouting", &base, NULL);
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_META, .sreg = NONE, .dreg = 0, .key = NFT_META_IIFNAME);
	E(b, "port", .kind = NFT_EXPR_LOOKUP, .sreg = 0, .dreg = 0);
	E(b, NULL, .kind = NFT_EXPR_META, .sreg = 0, .dreg = NONE, .key = NFT_META_MARK);
	E(b, "frame", .kind = NFT_EXPR_IMMEDIATE, .sreg = NONE, .dreg = NONE, .verdict = NFT_GOTO);
	nft_build_chain(b, "frame", &plain, NULL);
	rule_of_loads(b);
	nft_build_counter(b, "drop_spoof");
	nft_build_counter(b, "frames_in");
}

static void rule_of_classes(struct nft_builder *b)
{
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_META, .sreg = NONE, .dreg = 0, .key = NFT_META_MARK);
	E(b, NULL, .kind = NFT_EXPR_BYTEORDER, .sreg = 0, .dreg = 0, .op = NFT_BYTEORDER_HTON, .len = 4);
	E(b, NULL, .kind = NFT_EXPR_META, .sreg = NONE, .dreg = 1, .key = NFT_META_L4PROTO);
	E(b, NULL, .kind = NFT_EXPR_PAYLOAD, .sreg = NONE, .dreg = 2, .base = NFT_PAYLOAD_TRANSPORT_HEADER,
	  .offset = 2, .len = 2);
	E(b, "ports", .kind = NFT_EXPR_LOOKUP, .sreg = 0, .dreg = 0);
	E(b, NULL, .kind = NFT_EXPR_CT, .sreg = 0, .dreg = NONE, .key = NFT_CT_MARK);
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_IMMEDIATE, .sreg = NONE, .dreg = 0, .len = 4, .data = {3});
	E(b, NULL, .kind = NFT_EXPR_CT, .sreg = 0, .dreg = NONE, .key = NFT_CT_MARK);
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_IMMEDIATE, .sreg = NONE, .dreg = 0, .len = 4, .data = {3});
	E(b, NULL, .kind = NFT_EXPR_META, .sreg = 0, .dreg = NONE, .key = NFT_META_MARK);
	E(b, NULL, .kind = NFT_EXPR_CT, .sreg = NONE, .dreg = 0, .key = NFT_CT_MARK);
	E(b, "opening", .kind = NFT_EXPR_LOOKUP, .sreg = 0, .dreg = NONE);
}

static void inet_table(struct nft_builder *b, uint32_t n)
{
	const struct nft_chain base = {.base = 1, .hook = NF_INET_FORWARD, .policy = NF_DROP};
	const struct nft_chain plain = {.named = NFT_VERSIONED};

	nft_build_table(b, NFT_INET, NFT_TABLE);
	add_maps(b, n);
	nft_build_chain(b, "forward", &base, NULL);
	nft_build_rule(b);
	E(b, "session", .kind = NFT_EXPR_IMMEDIATE, .sreg = NONE, .dreg = NONE, .verdict = NFT_JUMP);
	nft_build_chain(b, "session", &plain, NULL);
	rule_of_classes(b);
	nft_build_chain(b, "open", &plain, NULL);
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_CT, .sreg = NONE, .dreg = 8, .base = 1, .key = NFT_CT_SRC_IP);
	E(b, NULL, .kind = NFT_EXPR_EXTHDR, .sreg = NONE, .dreg = 0, .base = NFT_EXTHDR_OP_IPV4, .key = 131,
	  .len = 1, .op = NFT_EXTHDR_F_PRESENT);
	E(b, NULL, .kind = NFT_EXPR_CMP, .sreg = 0, .dreg = NONE, .op = NFT_CMP_EQ, .len = 1, .data = {1});
	E(b, NULL, .kind = NFT_EXPR_REJECT, .sreg = NONE, .dreg = NONE, .op = NFT_REJECT_ICMPX_UNREACH,
	  .key = NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_IMMEDIATE, .sreg = NONE, .dreg = NONE, .verdict = NF_ACCEPT + 1);
	nft_build_counter(b, "opened");
}

static struct nft_program *finished(struct nft_builder *b, size_t *size)
{
	char error[200];
	struct nft_program *p = nft_builder_finish(b, NULL, size, error, sizeof error);

	nft_builder_free(b);
	if (!p) {
		fprintf(stderr, "# %s\n", error);
		abort();
	}
	return p;
}

static struct nft_builder *started(void)
{
	struct nft_builder *b = nft_builder_new();

	nft_build_edge(b, INT64_MIN, 0);
	nft_build_model(b);
	return b;
}

struct nft_program *space_program(uint32_t n, size_t *size)
{
	struct nft_builder *b = started();

	bridge_table(b);
	inet_table(b, n);
	return finished(b, size);
}

struct nft_program *space_ports(uint32_t n, size_t *size)
{
	const struct nft_chain base = {.base = 1, .hook = NF_INET_FORWARD, .policy = NF_ACCEPT};
	const struct nft_chain plain = {.named = NFT_VERSIONED};
	struct nft_builder *b = started();

	nft_build_table(b, NFT_INET, NFT_TABLE);
	add_ports(b, n);
	nft_build_chain(b, "forward", &base, NULL);
	nft_build_rule(b);
	E(b, "session", .kind = NFT_EXPR_IMMEDIATE, .sreg = NONE, .dreg = NONE, .verdict = NFT_GOTO);
	nft_build_chain(b, "session", &plain, NULL);
	nft_build_rule(b);
	E(b, NULL, .kind = NFT_EXPR_META, .sreg = NONE, .dreg = 0, .key = NFT_META_MARK);
	E(b, NULL, .kind = NFT_EXPR_BYTEORDER, .sreg = 0, .dreg = 0, .op = NFT_BYTEORDER_HTON, .len = 4);
	E(b, NULL, .kind = NFT_EXPR_META, .sreg = NONE, .dreg = 1, .key = NFT_META_L4PROTO);
	E(b, NULL, .kind = NFT_EXPR_PAYLOAD, .sreg = NONE, .dreg = 2, .base = NFT_PAYLOAD_TRANSPORT_HEADER,
	  .offset = 2, .len = 2);
	E(b, "ports", .kind = NFT_EXPR_LOOKUP, .sreg = 0, .dreg = 0);
	E(b, NULL, .kind = NFT_EXPR_CT, .sreg = 0, .dreg = NONE, .key = NFT_CT_MARK);
	return finished(b, size);
}
