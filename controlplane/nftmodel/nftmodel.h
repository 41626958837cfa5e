/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A kernel program as plain data: what nf_tables is to hold, or what it was found to hold.
 *
 * One contiguous, position-independent, immutable block in host byte order, made by the compiler (to_nft.h),
 * by a read-back of the kernel, or by nft_builder; checked by nft_program_check() before anybody reads it.
 * Owner: whoever allocated the bytes. Any number of threads may read.
 *
 * A program holds one model for each decision matrix of the schedule; a model is a set of tables in the
 * terms of nf_tables (include/uapi/linux/netfilter/nf_tables.h), whose numbers it uses. Everything that a
 * user can see is expressible in the text of nft(8), so `nft list ruleset` shows what is loaded.
 *
 * Names. Tables, base chains and counters keep their names for ever. Sets and chains with NFT_VERSIONED are
 * loaded under `<name>_<generation>_<matrix>_<turn>`: a generation comes beside the one before it and is
 * switched in by the rules of the base chains, all in one transaction.
 *
 * Canonical order, so that two programs are equal exactly if their bytes are: tables by family and name,
 * sets, chains and counters by name, elements by key (in interval sets of several fields those whose first
 * field is a range come before all others); rules and expressions in their own order. Everything that is
 * padding or unused is zero, unused registers are NFT_REG_NONE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dpmsg.h"
#include "image.h"

#define NFT_PROGRAM_MAGIC    "CRDNNFT"
#define NFT_PROGRAM_ABI      1u
#define NFT_PROGRAM_SIZE_MAX (256u << 20)
#define NFT_TABLE            "cordon" /* of every family; no other table is ever touched */
#define NFT_KEY_MAX          48u
#define NFT_FIELDS_MAX       6u
#define NFT_VERSION_TEXT     40u

/* Families as nf_tables numbers them (NFPROTO_*). */
enum nft_family { NFT_INET = 1, NFT_NETDEV = 5, NFT_BRIDGE = 7 };

/*
 * How frames meet the program.
 *   BRNF  one untagged domain on access ports. Bridge prerouting guards; br_netfilter hands the frames to the
 *         inet forward hook, which decides with conntrack. For kernels without bridge conntrack.
 *   BRCT  guards, conntrack and decision in the bridge family; tags and reject.
 */
enum nft_layout { NFT_LAYOUT_NONE = 0, NFT_LAYOUT_BRNF = 1, NFT_LAYOUT_BRCT = 2 };

enum nft_plane {
	NFT_PLANE_FORWARD = 1 << 0, /* the bridge of the dataplane's ports */
	NFT_PLANE_HOST = 1 << 1,    /* the box's own management addresses */
};

#define NFT_PORTS_MAX      32u
#define NFT_VLANS_MAX      64u
#define NFT_MANAGEMENT_MAX 16u
#define NFT_DEVICE         16u

/* The box that a program is for: what the gateway's config says and no policy changes. */
struct nft_box {
	uint32_t layout; /* enum nft_layout; of the forward plane */
	uint32_t planes; /* enum nft_plane bits */
	char bridge[NFT_DEVICE];
	uint32_t n_ports;
	struct nft_box_port {
		char name[NFT_DEVICE], device[NFT_DEVICE]; /* kernel device, a port of `bridge` */
		uint16_t vlan;    /* access: its domain; trunk: the native one, 0 none */
		uint16_t n_vlans; /* trunk: tagged ones; access: 0 */
		uint16_t vlans[NFT_VLANS_MAX];
		uint8_t outside, trunk;
		uint8_t reserved[2];
	} port[NFT_PORTS_MAX];
	uint32_t n_management;
	struct nft_box_address {
		uint8_t family; /* 4 or 6 */
		uint8_t reserved[3];
		uint8_t addr[16];
	} management[NFT_MANAGEMENT_MAX];
	uint16_t group; /* nflog: decisions at `group`, endpoints at `group` + 1 */
	uint16_t reserved;
};
#define NFT_GROUP_DEFAULT 20240u
/* A management address of the box? */
bool nft_box_manages(const struct nft_box *box, uint8_t family, const uint8_t addr[16]);

/* The bridge's forward hook: before br_netfilter's own, at -1, so that one copy of a flooded frame is decided
 * and not each. Base chains stay as they are made, so every program has them alike. */
#define NFT_EGRESS_PRIORITY (-10)
/* And behind br_netfilter's, where a packet that nothing has decided ends: should the deciding table be
 * missing, or br_netfilter be switched off. */
#define NFT_SHUT_PRIORITY 10

/*
 * The class mark: what the conntrack mark of a decided session, and the packet mark of a logged refusal, say:
 * a class, and the turn (struct nft_version) in which it was decided, so that the packet path honours no
 * decision of another program. Never 0, and never equal to a number below 2^24, which are the scratch values
 * of a decision in the making. Turns come round after NFT_MARK_TURNS: whoever swaps sees to it that no mark
 * grows that old.
 */
#define NFT_CLASS_MAX  ((1u << 24) - 1)
#define NFT_MARK_TURNS 255u
static inline uint32_t nft_mark(uint32_t turn, uint32_t class)
{
	return (turn % NFT_MARK_TURNS + 1) << 24 | class;
}
static inline uint32_t nft_mark_class(uint32_t mark)
{
	return mark & NFT_CLASS_MAX;
}
/* How many turns ago a class mark was made, as of a turn. */
static inline uint32_t nft_mark_age(uint32_t mark, uint32_t turn)
{
	return ((nft_mark(turn, 0) >> 24) + NFT_MARK_TURNS - (mark >> 24)) % NFT_MARK_TURNS;
}

/* --- sections ----------------------------------------------------------------------------------------- */

/* A name: offset into the names section, NUL-terminated there; 0 is "". Printable ASCII without quotes and
 * backslash, shorter than 128. The section holds each name once, ascending, and none that nothing has. */
typedef uint32_t nft_name;

struct nft_edge {
	int64_t from_utc; /* seconds; entry 0 is INT64_MIN, as in the image */
	uint32_t model;
	uint32_t reserved;
};

struct nft_model {
	uint32_t table_first, table_count;
};

struct nft_table {
	nft_name name;
	uint32_t family; /* enum nft_family */
	uint32_t set_first, set_count;
	uint32_t chain_first, chain_count;
	uint32_t counter_first, counter_count;
};

enum nft_named_flag {
	NFT_VERSIONED = 1 << 0,
	NFT_VOLATILE = 1 << 1, /* elements come and go with packets: not part of what is compared */
	NFT_FOREIGN = 1 << 2,  /* read-back only: not of the version in force */
};

/* A named set or map. Keys of several fields have each field padded to four bytes, like the kernel's. */
struct nft_set {
	nft_name name;
	uint32_t flags; /* NFT_SET_* of the kernel: MAP, INTERVAL, CONCAT, TIMEOUT, EVAL (dynamic) */
	uint32_t named; /* enum nft_named_flag */
	uint32_t
		key_type; /* nft(8)'s data types, 6 bits a field, first field highest: so nft lists it well */
	uint32_t data_type;
	uint32_t key_len;  /* bytes, padding included */
	uint32_t data_len; /* 0: set; 4: map to a word (2: to a conntrack zone); 16: to a verdict */
	uint32_t size;     /* declared; never 0 */
	uint32_t timeout_ms;
	uint32_t n_fields; /* 1 or more; field_len used if more than 1 */
	uint8_t field_len[8];
	uint32_t element_first, element_count;
};

/*
 * Keys are as the kernel compares them: network order for addresses, ports and, in interval sets, every
 * number; host order for numbers in hash sets. key_end is inclusive; equal to key in sets without intervals.
 */
struct nft_element {
	uint8_t key[NFT_KEY_MAX], key_end[NFT_KEY_MAX];
	uint32_t data;   /* word; or NF_ACCEPT, NF_DROP; 0 in sets */
	int32_t verdict; /* maps to verdicts: 0: `data` is the verdict, NFT_JUMP or NFT_GOTO: to `chain` */
	nft_name chain;
	uint32_t reserved;
};

struct nft_chain {
	nft_name name;
	uint32_t named; /* enum nft_named_flag */
	uint32_t base;  /* 1: hooked */
	uint32_t hook;  /* NF_INET_*, NF_BR_*, NF_NETDEV_INGRESS */
	int32_t priority;
	uint32_t policy; /* NF_ACCEPT or NF_DROP */
	nft_name device; /* netdev family */
	uint32_t rule_first, rule_count;
};

struct nft_rule {
	uint32_t expr_first, expr_count;
};

struct nft_counter {
	nft_name name;
};

/* X(symbol, the kernel's word). Fields used by each: see nft_expr. */
#define NFT_EXPRS(X)                                                                                         \
	X(META, "meta")                                                                                      \
	X(PAYLOAD, "payload")                                                                                \
	X(EXTHDR, "exthdr")                                                                                  \
	X(CT, "ct")                                                                                          \
	X(BITWISE, "bitwise")                                                                                \
	X(BYTEORDER, "byteorder")                                                                            \
	X(CMP, "cmp")                                                                                        \
	X(LOOKUP, "lookup")                                                                                  \
	X(DYNSET, "dynset")                                                                                  \
	X(IMMEDIATE, "immediate")                                                                            \
	X(LOG, "log")                                                                                        \
	X(LIMIT, "limit")                                                                                    \
	X(COUNTER, "counter")                                                                                \
	X(OBJREF, "objref")                                                                                  \
	X(REJECT, "reject")                                                                                  \
	X(UNKNOWN, "?") /* read-back only: something that no program of ours holds */

enum nft_expr_kind {
#define X(sym, word) NFT_EXPR_##sym,
	NFT_EXPRS(X)
#undef X
		NFT_EXPR_KINDS
};

/*
 * Registers are counted in words of four bytes from 0 to 15 (NFT_REG32_00 + n), however the kernel prints
 * them. META and CT use one of both: sreg writes, dreg reads. LOOKUP in a map to verdicts has no dreg: it is
 * the verdict register. BYTEORDER turns one number of `len` bytes (2, 4 or 8).
 */
#define NFT_REG_NONE 0xff

struct nft_expr {
	uint8_t kind; /* enum nft_expr_kind */
	uint8_t sreg; /* NFT_REG_NONE: not used */
	uint8_t dreg;
	uint8_t op;   /* CMP: NFT_CMP_*; BYTEORDER: NFT_BYTEORDER_*; LOOKUP: NFT_LOOKUP_F_INV; REJECT: type */
	uint8_t base; /* PAYLOAD: NFT_PAYLOAD_*; CT: direction + 1, 0 none; EXTHDR: NFT_EXTHDR_OP_* */
	uint8_t len;  /* bytes: PAYLOAD, EXTHDR, CMP, BITWISE, BYTEORDER, IMMEDIATE data */
	uint16_t key; /* META, CT: key; EXTHDR: type; LOG: group; REJECT: code; LIMIT: NFT_LIMIT_PKTS */
	uint32_t offset; /* PAYLOAD, EXTHDR; LOG: snaplen; LIMIT: burst; EXTHDR flags in `op` */
	nft_name name;   /* LOOKUP, DYNSET: set; IMMEDIATE: chain; OBJREF: counter; LOG: prefix */
	int32_t verdict; /* IMMEDIATE: 0 data; else NF_ACCEPT + 1, NF_DROP + 1, NFT_JUMP, NFT_GOTO, NFT_RETURN
			  */
	uint32_t rate;   /* LIMIT: packets a second; LOG: queue threshold; DYNSET: timeout in ms */
	uint8_t data[16]; /* CMP, IMMEDIATE; BITWISE: mask */
	uint8_t xor [16]; /* BITWISE */
	uint8_t reserved[8];
};
_Static_assert(sizeof(struct nft_expr) == 64, "one cache line");

struct nft_program {
	char magic[8];
	uint32_t abi;
	uint32_t size;
	uint64_t crc64;     /* CRC-64/XZ over the block with this field zero */
	uint64_t image_crc; /* of the image it was compiled from; 0 in a read-back */
	uint8_t digest[32]; /* of the policy; 0 in a read-back */
	struct nft_box box; /* zero in a read-back */
	/* sections, each aligned to 8 bytes, in this order and without gaps but for alignment */
	struct image_section edge, decision /* struct image_decision by class */, model, table, set, element,
		chain, rule, expr, counter, names /* bytes */;
};

static inline const void *nft_at(const struct nft_program *p, struct image_section s)
{
	return (const char *)p + s.offset;
}
static inline const char *nft_text(const struct nft_program *p, nft_name name)
{
	return (const char *)nft_at(p, p->names) + name;
}

/* NULL if the block may be read, else what is wrong with it (static text): every index, name, register,
 * length and order is checked. `bytes` must be 8-byte aligned. Does not judge what the program would do. */
const char *nft_program_check(const void *bytes, size_t size);

/* The table, set or chain of a model; NULL: none. Set and chain names without version. */
const struct nft_table *nft_find_table(const struct nft_program *p, uint32_t model, uint32_t family);
const struct nft_set *nft_find_set(const struct nft_program *p, const struct nft_table *t, const char *name);
const struct nft_chain *nft_find_chain(const struct nft_program *p, const struct nft_table *t,
				       const char *name);
/* The element of a set whose interval holds this key, or NULL. */
const struct nft_element *nft_find_element(const struct nft_program *p, const struct nft_set *s,
					   const uint8_t *key);

/* `_<generation>_<matrix>_<turn>` into `out` (NFT_VERSION_TEXT bytes). */
struct nft_version {
	uint32_t generation, model, turn;
};
void nft_version_suffix(const struct nft_version *v, char *out);
/* Splits `name_1_2_3`; false if it does not end so. `len`: of the name without the version. */
bool nft_version_parse(const char *text, struct nft_version *v, size_t *len);

/* --- building ----------------------------------------------------------------------------------------- */

/*
 * Appends in any order of sets and elements within a table; the result is put in canonical order. Failures
 * (no memory, a name too long) are kept and told by nft_builder_finish(). Open one thing at a time: model, in
 * it table, in it set or chain, in that elements or rules. One thread.
 */
struct nft_builder;
struct nft_builder *nft_builder_new(void);
void nft_builder_free(struct nft_builder *b);

void nft_build_edge(struct nft_builder *b, int64_t from_utc, uint32_t model);
void nft_build_decisions(struct nft_builder *b, const struct image_decision *d, size_t n);
void nft_build_model(struct nft_builder *b);
void nft_build_table(struct nft_builder *b, uint32_t family, const char *name);
/* `like`: all fields but name and elements. */
void nft_build_set(struct nft_builder *b, const char *name, const struct nft_set *like);
/* `chain`: of a verdict that jumps, else NULL. */
void nft_build_element(struct nft_builder *b, const struct nft_element *like, const char *chain);
void nft_build_chain(struct nft_builder *b, const char *name, const struct nft_chain *like,
		     const char *device);
void nft_build_rule(struct nft_builder *b);
/* `name`: as nft_expr.name is used, or NULL. */
void nft_build_expr(struct nft_builder *b, const struct nft_expr *like, const char *name);
void nft_build_counter(struct nft_builder *b, const char *name);
/* malloc'ed block of *size bytes that passes nft_program_check(), or NULL with a sentence in `error`. `head`:
 * image_crc, digest and box are taken from it; may be NULL. */
struct nft_program *nft_builder_finish(struct nft_builder *b, const struct nft_program *head, size_t *size,
				       char *error, size_t room);

/* --- bindings ----------------------------------------------------------------------------------------- */

/* An element that a binding puts into a set. */
struct nft_bound {
	uint32_t family;
	const char *set; /* static */
	struct nft_element element;
};
#define NFT_BOUND_MAX 16u
/*
 * What one binding is to the program of a box: the elements it adds, of which several bindings of one MAC may
 * share some. Returns how many, at most NFT_BOUND_MAX; 0 for a binding that the box has no port for. Pure.
 */
size_t nft_bind_elements(const struct nft_box *box, const struct dp_binding *binding,
			 struct nft_bound out[NFT_BOUND_MAX]);
/*
 * A program with one model, which is `model` of `p` with the elements of the bindings in its sets: what the
 * kernel should hold. malloc'ed, or NULL with a sentence in `error`.
 */
struct nft_program *nft_with_bindings(const struct nft_program *p, uint32_t model,
				      const struct dp_binding *bindings, size_t n, size_t *size, char *error,
				      size_t room);

/* --- reading ------------------------------------------------------------------------------------------ */

/* A program of one model that lets nothing through: what a box runs before its first generation. */
struct nft_program *nft_closed(const struct nft_box *box, size_t *size, char *error, size_t room);

/*
 * The class that the maps of a model give a pair of identities, by a plain reading of its sets. Class 0
 * (default-deny) for what the maps do not say.
 */
uint32_t nft_ask(const struct nft_program *p, uint32_t model, uint16_t from, uint16_t to, service_key key);

/* The program in nft(8)'s text, with versions left out; malloc'ed. `elements`: with those of sets. */
char *nft_print(const struct nft_program *p, uint32_t model, bool elements, size_t *len);

/*
 * The first thing in which two models differ, in words: table, chain and rule number, or set and element as
 * nft prints them. False: they are equal. Volatile elements are not compared.
 */
bool nft_differ(const struct nft_program *expected, uint32_t em, const struct nft_program *got, uint32_t gm,
		char *what, size_t room);
